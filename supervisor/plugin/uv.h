/* SPDX-License-Identifier: MIT */
/*
 * Everything that is known of uv: its arguments, its environment, its words.
 * Commands made here are run by whoever needs them.
 */

#ifndef SUPERVISOR_PLUGIN_UV_H
#define SUPERVISOR_PLUGIN_UV_H

#include <stdbool.h>

#include "lib/config.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/command.h"


struct uv;

/* where wheels come from.  uv links files from its cache, so what was changed
   in one environment has changed in the cache: only ANEW mends that */
enum uv_source {
    UV_CACHE = 0,                   /* from nowhere else */
    UV_INDEX = 1,                   /* what is not in the cache */
    UV_ANEW = 2                     /* all of it, past the cache */
};


struct uv_compile {
    const char               *input;        /* requirements */
    const char               *output;       /* the lock; what is pinned in it
                                               already is preferred */
    const char               *constraints;  /* a lock, or NULL */
    const char               *overrides;    /* pins that win, or NULL */
    const struct text_list   *find_links;   /* directories of wheels */
    bool                      is_offline;   /* with what is in the cache */
};


/* environment: the process's own, for index, proxy and certificate settings */
struct uv *uv_new(const struct config *config, char **environment);
void uv_free(struct uv **uv);

struct command *uv_compile_command(const struct uv *uv,
    const struct uv_compile *compile);
struct command *uv_version_command(const struct uv *uv);
struct command *uv_venv_command(const struct uv *uv, const char *directory);
struct command *uv_sync_command(const struct uv *uv, const char *directory,
    const char *lock, const struct text_list *find_links,
    enum uv_source source);

/* exit code 0: the requirement (with its marker) is met by what is installed
   in directory, or does not apply there; nothing is changed or fetched.
   uv_judged() once it has ended: nothing is left behind */
struct command *uv_judge_command(const struct uv *uv, const char *directory,
    const char *requirement);
void uv_judged(const char *directory);

/* writes a pylock.toml (output has to be called so) of what the lock pins */
struct command *uv_sizes_command(const struct uv *uv, const char *lock,
    const char *output, const struct text_list *find_links);

/* a dry run of uv_sync_command() into directory, empty and of no use
   afterwards; its output is for fetch_line() */
struct command *uv_fetch_command(const struct uv *uv, const char *directory,
    const char *lock, const struct text_list *find_links);

/* "file:///..." with everything unusual percent-encoded; mem_alloc */
char *uv_file_url(const char *path);

/* the resolver has found a contradiction, as opposed to being disturbed */
bool uv_is_conflict(const struct command_result *result);

/* fills err from a run that failed: "what: uv's own words"; returns its code */
int uv_failed(const struct command_result *result, struct error *err,
    const char *what, ...) __attribute__((format(printf, 3, 4)));

/* uv's explanation on one line; only its first sentence if first is set */
void uv_explanation(const char *output, bool first, struct strbuf *out);

/* text for people out of a line of output, or NULL for lines of no interest;
   mem_alloc */
char *uv_progress(const char *line);

#endif /* SUPERVISOR_PLUGIN_UV_H */
