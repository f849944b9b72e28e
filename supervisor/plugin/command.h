/* SPDX-License-Identifier: MIT */
/*
 * One command put together, run by the runner, and its end told in one form:
 * either it could not be run to its end, or it has an exit code.
 */

#ifndef SUPERVISOR_PLUGIN_COMMAND_H
#define SUPERVISOR_PLUGIN_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "supervisor/plugin/runner.h"
#include "supervisor/plugin/text_list.h"


#define COMMAND_PATH  "/usr/local/bin:/usr/bin:/bin"


struct command {
    char              *label;
    struct text_list   argv;
    struct text_list   env;
    char              *cwd;
    uint32_t           uid;         /* UINT32_MAX; the gid is the same */
    unsigned           timeout_sec;
    bool               report;
    char              *environment; /* of runner_request, or NULL */
};


/* valid during the callback only */
struct command_result {
    struct error   error;           /* code != 0: not run, killed, timed out */
    int            exit_code;
    const char    *output;
    const char    *report;
};


struct command_run;

typedef void (*command_done_fn)(void *ctx,
    const struct command_result *result);


/* with PATH and LANG set, in "/", as the supervisor, 60 s */
struct command *command_new(const char *label, const char *program);
void command_add(struct command *command, const char *argument);
void command_set(struct command *command, const char *name,
    const char *value);
void command_free(struct command **command);

/*
 * Starts the command and frees it.  *slot holds the run until it ends: it is
 * NULL again when done is called, so done may start the next one there.
 */
int command_start(struct command_run **slot, const struct runner *runner,
    struct command **command, runner_line_fn on_line, command_done_fn done,
    void *ctx, struct error *err);

/* kills it; done is not called any more.  An empty slot is fine */
void command_cancel(struct command_run **slot);

/* the last line of output that says something; "" if none */
void command_last_line(const char *output, char *line, size_t size);

/* the words of "no space left" are in the output */
bool command_disk_full(const char *output);

#endif /* SUPERVISOR_PLUGIN_COMMAND_H */
