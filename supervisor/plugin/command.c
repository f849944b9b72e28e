/* SPDX-License-Identifier: MIT */
/*
 * Running commands through the runner.  Everything that is run gets a whole
 * environment made here, none of the supervisor's own.
 */

#include "supervisor/plugin/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "contract/mint_keeper.h"
#include "lib/strbuf.h"


#define COMMAND_TIMEOUT_SEC  60


struct command_run {
    const struct runner   *runner;
    struct runner_job     *job;
    struct command_run   **slot;
    char                  *label;
    unsigned               timeout_sec;
    runner_line_fn         on_line;
    command_done_fn        done;
    void                  *ctx;
};


static void command_line(void *ctx, const char *line);
static void command_ended(void *ctx, const struct runner_result *result);
static void command_judge(struct command_run *run,
    const struct runner_result *in, struct command_result *out);
static void command_run_free(struct command_run *run);


struct command *
command_new(const char *label, const char *program)
{
    struct command  *command;

    command = mem_alloc(sizeof(struct command));
    command->label = mem_strdup(label);
    command->cwd = mem_strdup("/");
    command->uid = UINT32_MAX;
    command->timeout_sec = COMMAND_TIMEOUT_SEC;

    command_add(command, program);
    command_set(command, "PATH", COMMAND_PATH);
    command_set(command, "LANG", "C.UTF-8");

    return command;
}


void
command_add(struct command *command, const char *argument)
{
    text_list_add(&command->argv, argument);
}


void
command_set(struct command *command, const char *name, const char *value)
{
    text_list_printf(&command->env, "%s=%s", name, value);
}


void
command_free(struct command **command)
{
    struct command  *c;

    c = *command;

    if (c == NULL) {
        return;
    }

    text_list_clear(&c->argv);
    text_list_clear(&c->env);
    free(c->cwd);
    free(c->label);
    free(c->environment);
    free(c);

    *command = NULL;
}


int
command_start(struct command_run **slot, const struct runner *runner,
    struct command **command, runner_line_fn on_line, command_done_fn done,
    void *ctx, struct error *err)
{
    struct error            why;
    struct command         *c;
    struct command_run     *run;
    struct runner_request   request;

    c = *command;
    memset(&why, 0, sizeof(why));

    run = mem_alloc(sizeof(struct command_run));
    run->runner = runner;
    run->slot = slot;
    run->label = mem_strdup(c->label);
    run->timeout_sec = c->timeout_sec;
    run->on_line = on_line;
    run->done = done;
    run->ctx = ctx;

    memset(&request, 0, sizeof(request));
    request.label = c->label;
    request.argv = (const char *const *) c->argv.item;
    request.env = (const char *const *) c->env.item;
    request.cwd = c->cwd;
    request.uid = c->uid;
    request.gid = c->uid;
    request.timeout_sec = c->timeout_sec;
    request.report = c->report;
    request.environment = c->environment;

    *slot = run;
    run->job = runner->start(runner->ctx, &request,
                             on_line != NULL ? command_line : NULL,
                             command_ended, run, &why);
    command_free(command);

    if (run->job == NULL) {
        *slot = NULL;
        error_set(err, why.code != 0 ? (enum mint_err) why.code
                                     : MINT_ERR_SYSTEM,
                  "%s could not be started: %s", run->label, why.text);
        command_run_free(run);
        return err != NULL ? err->code : MINT_ERR_SYSTEM;
    }

    return 0;
}


void
command_cancel(struct command_run **slot)
{
    struct command_run  *run;

    run = *slot;

    if (run == NULL) {
        return;
    }

    *slot = NULL;
    run->runner->cancel(run->runner->ctx, run->job);
    command_run_free(run);
}


static void
command_line(void *ctx, const char *line)
{
    struct command_run  *run = ctx;

    run->on_line(run->ctx, line);
}


static void
command_ended(void *ctx, const struct runner_result *result)
{
    struct command_run     *run = ctx;
    struct command_result   out;

    command_judge(run, result, &out);

    *run->slot = NULL;
    run->done(run->ctx, &out);

    command_run_free(run);
}


static void
command_judge(struct command_run *run, const struct runner_result *in,
    struct command_result *out)
{
    memset(out, 0, sizeof(struct command_result));
    out->output = in->output != NULL ? in->output : "";
    out->report = in->report != NULL ? in->report : "";

    if (in->error.code != 0) {
        out->error = in->error;
        error_prefix(&out->error, "%s could not be run", run->label);

    } else if (in->timed_out) {
        error_set(&out->error, MINT_ERR_TIMEOUT,
                  "%s was not finished after %u s and was stopped",
                  run->label, run->timeout_sec);

    } else if (in->wait_status == MINT_KEEPER_STATUS_UNKNOWN) {
        error_set(&out->error, MINT_ERR_UNAVAILABLE, "it is not known how %s "
                  "has ended: the keeper that had started it was killed",
                  run->label);

    } else if (WIFSIGNALED(in->wait_status)) {
        error_set(&out->error, MINT_ERR_SYSTEM, "%s was killed by signal %d%s",
                  run->label, WTERMSIG(in->wait_status),
                  WTERMSIG(in->wait_status) == 9 ? " (out of memory?)" : "");

    } else {
        out->exit_code = WEXITSTATUS(in->wait_status);
    }
}


static void
command_run_free(struct command_run *run)
{
    free(run->label);
    free(run);
}


void
command_last_line(const char *output, char *line, size_t size)
{
    size_t       len, skip;
    const char  *p;

    line[0] = '\0';

    for (p = output; *p != '\0'; p += len + (p[len] == '\n')) {
        len = strcspn(p, "\n");
        skip = strspn(p, " \t\r");

        if (skip < len) {
            snprintf(line, size, "%.*s", (int) (len - skip), p + skip);
        }
    }
}


bool
command_disk_full(const char *output)
{
    return strstr(output, "No space left on device") != NULL
           || strstr(output, "Disk quota exceeded") != NULL
           || strstr(output, "os error 28") != NULL
           || strstr(output, "Errno 28") != NULL;
}
