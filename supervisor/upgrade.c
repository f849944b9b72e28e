/* SPDX-License-Identifier: MIT */
/*
 * Makes way for the program that is in our place by now: the keeper starts it
 * as soon as we are gone, and hands it everything.  Only after it has been run
 * with --check: it must accept the configuration and speak with this keeper.
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contract/mint_keeper.h"
#include "contract/mint_version.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor.h"


#define UPGRADE_CHECK_SEC  20
#define UPGRADE_LEAVE_MS   50       /* for the answer to be sent */
#define UPGRADE_SAYS       "speaks keeper protocol "


struct upgrade {
    struct supervisor  *s;
    upgrade_done_fn     done;
    void               *done_ctx;
};


int
supervisor_check(const char *config_path)
{
    int             rc;
    struct error    err;
    struct config  *config;

    config = NULL;
    rc = config_load(&config, config_path, environ, &err);
    config_free(&config);

    if (rc != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }

    printf("mint-supervisor " MINT_VERSION " " UPGRADE_SAYS "%d\n",
           MINT_KEEPER_VERSION);

    return 0;
}


/* the last line of what it has said, without its end */

static void
upgrade_last_line(const char *output, char *line, size_t size)
{
    size_t       len;
    const char  *begin;

    len = strlen(output);

    while (len > 0 && (output[len - 1] == '\n' || output[len - 1] == ' ')) {
        len--;
    }

    begin = memrchr(output, '\n', len);
    begin = begin != NULL ? begin + 1 : output;
    snprintf(line, size, "%.*s", (int) (output + len - begin), begin);
}


static int
upgrade_judge(const struct runner_result *result, char *line, size_t size,
    struct error *err)
{
    int          protocol;
    const char  *says;

    if (result->error.code != 0) {
        *err = result->error;
        return err->code;
    }

    upgrade_last_line(result->output, line, size);

    if (result->timed_out || !WIFEXITED(result->wait_status)
        || WEXITSTATUS(result->wait_status) != 0)
    {
        return error_set(err, MINT_ERR_CONFLICT, "the new mint-supervisor "
                         "cannot be used, this one goes on: %s",
                         result->timed_out ? "it did not end"
                         : line[0] != '\0' ? line : "it failed");
    }

    says = strstr(line, UPGRADE_SAYS);
    protocol = says != NULL ? atoi(says + strlen(UPGRADE_SAYS)) : 0;

    if (protocol != MINT_KEEPER_VERSION) {
        return error_set(err, MINT_ERR_CONFLICT, "the new mint-supervisor "
                         "needs another mint-keeper (protocol %d, not %d): "
                         "stop and start the system", protocol,
                         MINT_KEEPER_VERSION);
    }

    return 0;
}


static void
upgrade_on_checked(void *ctx, const struct runner_result *result)
{
    char             line[256];
    struct error     err;
    struct timeval   leave;
    struct upgrade  *upgrade;

    upgrade = ctx;
    line[0] = '\0';
    err.code = 0;
    upgrade->s->is_upgrading = false;

    if (upgrade->s->stop_phase != STOP_NOT) {
        error_set(&err, MINT_ERR_UNAVAILABLE, "the system is stopping");

    } else if (upgrade_judge(result, line, sizeof(line), &err) == 0) {
        log_info("supervisor %d makes way for: %s", (int) getpid(), line);

        leave.tv_sec = 0;
        leave.tv_usec = UPGRADE_LEAVE_MS * 1000;
        event_base_loopexit(upgrade->s->base, &leave);
    }

    upgrade->done(upgrade->done_ctx, &err);
    free(upgrade);
}


void
supervisor_upgrade(void *ctx, upgrade_done_fn done, void *done_ctx)
{
    char                    directory[PATH_MAX];
    const char             *argv[5];
    struct error            err;
    struct upgrade         *upgrade;
    struct supervisor      *s;
    const struct runner    *runner;
    struct runner_request   request;

    s = ctx;

    if (s->is_upgrading) {
        error_set(&err, MINT_ERR_BUSY, "that is under way already");
        done(done_ctx, &err);
        return;
    }

    if (s->program[0] != '/' || getcwd(directory, sizeof(directory)) == NULL) {
        error_set(&err, MINT_ERR_UNAVAILABLE, "it is not known where the "
                  "program \"%s\" is", s->program);
        done(done_ctx, &err);
        return;
    }

    argv[0] = s->program;
    argv[1] = "--check";
    argv[2] = s->config_path != NULL ? "--config" : NULL;
    argv[3] = s->config_path;
    argv[4] = NULL;

    memset(&request, 0, sizeof(request));
    request.label = "mint-supervisor --check";
    request.argv = argv;
    request.env = (const char *const *) environ;
    request.cwd = directory;
    request.uid = UINT32_MAX;
    request.gid = UINT32_MAX;
    request.timeout_sec = UPGRADE_CHECK_SEC;

    upgrade = mem_alloc(sizeof(struct upgrade));
    upgrade->s = s;
    upgrade->done = done;
    upgrade->done_ctx = done_ctx;
    runner = tool_runner_interface(s->tools);
    s->is_upgrading = true;

    if (runner->start(runner->ctx, &request, NULL, upgrade_on_checked, upgrade,
                      &err)
        == NULL)
    {
        s->is_upgrading = false;
        free(upgrade);
        done(done_ctx, &err);
    }
}
