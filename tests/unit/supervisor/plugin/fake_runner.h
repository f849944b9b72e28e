/* SPDX-License-Identifier: MIT */
/*
 * A runner for tests that runs nothing: it notes each command, and behaves
 * like uv, an interpreter and the plugin host as far as an installation can
 * see.  A rule makes one command end as wanted.
 */

#ifndef TESTS_UNIT_SUPERVISOR_PLUGIN_FAKE_RUNNER_H
#define TESTS_UNIT_SUPERVISOR_PLUGIN_FAKE_RUNNER_H

#include <event2/event.h>

#include "supervisor/plugin/runner.h"
#include "supervisor/plugin/text_list.h"


/* how commands whose line contains match end */
struct fake_rule {
    const char  *match;             /* NULL: no rule */
    int          wait_status;
    const char  *output;
    bool         timed_out;
    bool         refuse;            /* start() itself fails */
};

#define FAKE_EXIT(code)  ((code) << 8)
#define FAKE_RULES       8

/* parts of an inventory */
#define FAKE_INTERPRETER  "{\"python_version\":\"3.12\",\"sys_platform\":" \
    "\"linux\",\"python_full_version\":\"3.12.3\"}"
#define FAKE_CORE  "{\"name\":\"mint-sdk\",\"version\":\"1.2.10\"," \
    "\"requires\":[\"fastapi>=0.100\"]}," \
    "{\"name\":\"fastapi\",\"version\":\"0.165.0\",\"requires\":[]}"


struct fake {
    struct event_base  *base;
    struct text_list    calls;      /* "label: argument argument ..." */
    size_t              break_at;   /* stop the loop at this call */
    const char         *call_at;    /* call "called" at one that has this */
    void              (*called)(void);
    struct text_list    variables;  /* of the last command */
    struct fake_rule    rules[FAKE_RULES];
    struct fake_rule   *once;       /* the one that is used up by a command */

    /* what uv pip compile writes, by the base name of its output */
    const char         *core;
    const char         *shared;
    const char         *isolated;
    const char         *platform;
    const char         *pylock;

    const char         *uv;         /* says of its version */
    const char         *inventory;  /* of each environment */
    const char         *prefix;     /* of the probed plugin */
    const char         *report;     /* instead of the whole report */
};


void fake_init(struct fake *fake, struct runner *runner,
    struct event_base *base);
void fake_clear(struct fake *fake);

/* calls that contain the text */
unsigned fake_called(const struct fake *fake, const char *text);

#endif /* TESTS_UNIT_SUPERVISOR_PLUGIN_FAKE_RUNNER_H */
