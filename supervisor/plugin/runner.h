/* SPDX-License-Identifier: MIT */
/*
 * How the plugin layer has a command run (uv, the plugin host's probe): an
 * interface, because only process/ knows the keeper.  Nothing here blocks.
 */

#ifndef SUPERVISOR_PLUGIN_RUNNER_H
#define SUPERVISOR_PLUGIN_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"


/* strings are copied by start(); argv and env end with NULL */
struct runner_request {
    const char         *label;          /* for logs: "uv pip compile" */
    const char *const  *argv;           /* argv[0] is an absolute path */
    const char *const  *env;            /* whole environment, "NAME=value" */
    const char         *cwd;
    uint32_t            uid;            /* UINT32_MAX: the supervisor's own */
    uint32_t            gid;
    unsigned            timeout_sec;    /* then the whole tree is killed */
    bool                report;         /* give it a report pipe, fd 3 */

    /* code of plugins is run: it is confined like a plugin whose environment
       is this directory; TMPDIR of env may be replaced.  NULL: our own */
    const char         *environment;
};


/* valid during the callback only */
struct runner_result {
    struct error   error;               /* code != 0: it could not be run */
    bool           timed_out;
    int            wait_status;         /* as of waitpid(2) */
    const char    *output;              /* last 256 KiB of stdout + stderr */
    const char    *report;              /* what came on the report pipe */
};


struct runner_job;

typedef void (*runner_line_fn)(void *ctx, const char *line);
typedef void (*runner_done_fn)(void *ctx, const struct runner_result *result);


struct runner {
    void  *ctx;

    /*
     * Starts a command; on_line (may be NULL) is called for each line of
     * output, done exactly once, never before start() has returned.  Returns
     * NULL and fills err if the request itself is bad.
     */
    struct runner_job *(*start)(void *ctx, const struct runner_request *request,
        runner_line_fn on_line, runner_done_fn done, void *done_ctx,
        struct error *err);

    /* kills its tree; done is not called any more */
    void (*cancel)(void *ctx, struct runner_job *job);
};

#endif /* SUPERVISOR_PLUGIN_RUNNER_H */
