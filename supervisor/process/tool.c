/* SPDX-License-Identifier: MIT */
/*
 * Runs one command: spawn, collect output and report, time limit, result.
 * Owns the pipes of its commands; the tree is the keeper's to kill.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confinement.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "line_reader.h"
#include "output.h"
#include "tool.h"


#define TOOL_OUTPUT_MAX  (256 * 1024)
#define TOOL_REPORT_MAX  (1024 * 1024)


static const struct line_reader_options  tool_log_lines = {
    OUTPUT_LINE_MAX, true, OUTPUT_BYTES_PER_SEC, OUTPUT_LINE_COST
};

static const struct line_reader_options  tool_report_lines = {
    TOOL_REPORT_MAX, false, OUTPUT_BYTES_PER_SEC, OUTPUT_LINE_COST
};


struct runner_job {
    struct tool_runner  *runner;
    struct runner_job   *next;
    uint32_t             id;
    char                *label;
    runner_line_fn       on_line;
    runner_done_fn       done;
    void                *ctx;
    struct event        *timer;
    unsigned             timeout_sec;
    struct line_reader  *log;
    struct line_reader  *report;
    struct strbuf        output;
    struct strbuf        reported;
    char                *scratch;       /* removed at its end, or NULL */
    bool                 is_running;
    bool                 is_timed_out;
    bool                 is_cancelled;
};


struct tool_runner {
    struct runner         interface;
    struct process_table *table;
    const struct config  *config;
    const struct layout  *layout;
    struct runner_job    *jobs;
};


static void tool_on_spawned(void *ctx, int status,
    const struct keeper_child_info *info);
static void tool_on_exit(void *ctx, const struct keeper_exit_info *end);
static void tool_on_timeout(evutil_socket_t fd, short what, void *arg);
static void tool_confine(struct runner_job *job,
    const struct runner_request *request, struct keeper_spawn_request *spawn,
    struct confinement *confinement, struct text_list *env);
static void tool_job_free(struct runner_job *job);


static struct runner_job *
tool_start(void *ctx, const struct runner_request *request,
    runner_line_fn on_line, runner_done_fn done, void *done_ctx,
    struct error *err)
{
    int                          rc;
    struct text_list             env;
    struct runner_job           *job;
    struct confinement           confinement;
    struct tool_runner          *runner;
    struct keeper_spawn_request  spawn;

    runner = ctx;

    job = mem_alloc(sizeof(struct runner_job));
    job->runner = runner;
    job->id = process_table_next_id(runner->table);
    job->label = mem_printf("tool/%s/-/0", request->label);
    job->on_line = on_line;
    job->done = done;
    job->ctx = done_ctx;
    job->timeout_sec = request->timeout_sec;
    job->timer = evtimer_new(process_table_base(runner->table),
                             tool_on_timeout, job);
    job->next = runner->jobs;
    runner->jobs = job;

    if (strlen(job->label) >= MINT_KEEPER_LABEL_MAX) {
        job->label[MINT_KEEPER_LABEL_MAX - 1] = '\0';
    }

    memset(&spawn, 0, sizeof(spawn));
    spawn.id = job->id;
    spawn.flags = MINT_SPAWN_SUBREAPER | MINT_SPAWN_NO_NEW_PRIVS
                  | (request->report ? MINT_SPAWN_REPORT : 0);
    spawn.uid = request->uid == UINT32_MAX ? (uint32_t) geteuid()
                                           : request->uid;
    spawn.gid = request->uid == UINT32_MAX ? (uint32_t) getegid()
                                           : request->gid;
    spawn.umask = 022;
    spawn.label = job->label;
    spawn.cwd = request->cwd;
    spawn.argv = request->argv;
    spawn.env = request->env;

    memset(&env, 0, sizeof(env));
    memset(&confinement, 0, sizeof(confinement));

    if (request->environment != NULL) {
        tool_confine(job, request, &spawn, &confinement, &env);
    }

    process_table_add(runner->table, job->id, tool_on_exit, job);
    rc = keeper_client_spawn(process_table_keeper(runner->table), &spawn,
                             tool_on_spawned, job, err);
    confinement_clear(&confinement);
    text_list_clear(&env);

    if (rc != 0) {
        process_table_remove(runner->table, job->id);
        tool_job_free(job);
        return NULL;
    }

    return job;
}


/*
 * As a plugin is that uses this environment.  What is in /tmp with its own
 * user is its own; where all have one user it may be anybody's, so there it
 * gets a directory for itself.
 */

static void
tool_confine(struct runner_job *job, const struct runner_request *request,
    struct keeper_spawn_request *spawn, struct confinement *confinement,
    struct text_list *env)
{
    size_t                     i;
    const struct layout       *layout;
    struct confinement_place   place;

    layout = job->runner->layout;

    if (!layout->has_uids) {
        job->scratch = mem_printf("%s/tool-XXXXXX", layout->tmp_directory);

        if (mkdtemp(job->scratch) == NULL) {
            log_warn("mkdtemp(\"%s\") failed: %s", job->scratch,
                     strerror(errno));
            free(job->scratch);
            job->scratch = NULL;
        }
    }

    place.name = "";
    place.environment = request->environment;
    place.data = NULL;
    place.tmp = layout->has_uids ? "/tmp" : job->scratch;
    confinement_make(confinement, job->runner->config, layout, &place, spawn);

    for (i = 0; request->env[i] != NULL; i++) {
        if (job->scratch != NULL
            && strncmp(request->env[i], "TMPDIR=", 7) == 0)
        {
            text_list_printf(env, "TMPDIR=%s", job->scratch);

        } else {
            text_list_add(env, request->env[i]);
        }
    }

    spawn->env = (const char *const *) env->item;
}


static void
tool_on_line(void *ctx, char *line, size_t len)
{
    struct runner_job  *job;

    job = ctx;

    if (line == NULL) {
        return;
    }

    strbuf_append(&job->output, line, len);
    strbuf_append(&job->output, "\n", 1);

    if (job->output.len > 2 * TOOL_OUTPUT_MAX) {
        strbuf_consume(&job->output, job->output.len - TOOL_OUTPUT_MAX);
    }

    if (job->on_line != NULL && !job->is_cancelled) {
        job->on_line(job->ctx, line);
    }
}


static void
tool_on_report(void *ctx, char *line, size_t len)
{
    struct runner_job  *job;

    job = ctx;

    if (line != NULL && job->reported.len + len < TOOL_REPORT_MAX) {
        strbuf_append(&job->reported, line, len);
        strbuf_append(&job->reported, "\n", 1);
    }
}


static void
tool_kill(struct runner_job *job)
{
    struct error  err;

    if (keeper_client_signal(process_table_keeper(job->runner->table),
                             job->id, SIGKILL, NULL, NULL, &err)
        != 0)
    {
        log_warn("kill of \"%s\" failed: %s", job->label, err.text);
    }
}


static void
tool_finish(struct runner_job *job, const struct runner_result *result)
{
    void            *ctx;
    runner_done_fn   done;

    done = job->is_cancelled ? NULL : job->done;
    ctx = job->ctx;

    if (done != NULL) {
        done(ctx, result);
    }

    tool_job_free(job);
}


static void
tool_on_spawned(void *ctx, int status, const struct keeper_child_info *info)
{
    struct timeval        limit;
    struct runner_job    *job;
    struct event_base    *base;
    struct runner_result  result;

    job = ctx;

    if (status != 0) {
        process_table_remove(job->runner->table, job->id);

        memset(&result, 0, sizeof(result));
        result.output = "";
        result.report = "";
        errno = status;
        error_set_errno(&result.error, "start of \"%s\" failed", job->label);

        tool_finish(job, &result);
        return;
    }

    base = process_table_base(job->runner->table);
    job->is_running = true;
    job->log = line_reader_new(base, info->log_fd, &tool_log_lines,
                               tool_on_line, NULL, job);

    if (info->report_fd != -1) {
        job->report = line_reader_new(base, info->report_fd,
                                      &tool_report_lines, tool_on_report,
                                      NULL, job);
    }

    if (info->control_fd != -1) {
        close(info->control_fd);
    }

    if (job->is_cancelled) {
        tool_kill(job);
        return;
    }

    limit.tv_sec = (time_t) job->timeout_sec;
    limit.tv_usec = 0;
    evtimer_add(job->timer, &limit);
}


static void
tool_on_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct runner_job  *job;

    (void) fd;
    (void) what;
    job = arg;

    job->is_timed_out = true;
    tool_kill(job);
}


static void
tool_on_exit(void *ctx, const struct keeper_exit_info *end)
{
    struct runner_job    *job;
    struct runner_result  result;

    job = ctx;

    if (job->log != NULL) {
        line_reader_drain(job->log);
    }

    if (job->report != NULL) {
        line_reader_drain(job->report);
    }

    process_table_forget(job->runner->table, job->id);

    memset(&result, 0, sizeof(result));
    result.timed_out = job->is_timed_out;
    result.wait_status = end->wait_status;
    result.output = strbuf_text(&job->output);
    result.report = strbuf_text(&job->reported);

    tool_finish(job, &result);
}


static void
tool_cancel(void *ctx, struct runner_job *job)
{
    (void) ctx;

    job->is_cancelled = true;

    if (job->is_running) {
        tool_kill(job);
    }
}


static void
tool_job_free(struct runner_job *job)
{
    struct runner_job  **p;

    for (p = &job->runner->jobs; *p != NULL; p = &(*p)->next) {
        if (*p == job) {
            *p = job->next;
            break;
        }
    }

    line_reader_free(&job->log);
    line_reader_free(&job->report);
    event_free(job->timer);
    strbuf_free(&job->output);
    strbuf_free(&job->reported);
    if (job->scratch != NULL) {
        (void) fs_remove_tree(job->scratch, NULL);
        free(job->scratch);
    }

    free(job->label);
    free(job);
}


struct tool_runner *
tool_runner_new(struct process_table *table, const struct config *config,
    const struct layout *layout)
{
    struct tool_runner  *runner;

    runner = mem_alloc(sizeof(struct tool_runner));

    runner->table = table;
    runner->config = config;
    runner->layout = layout;
    runner->interface.ctx = runner;
    runner->interface.start = tool_start;
    runner->interface.cancel = tool_cancel;

    return runner;
}


const struct runner *
tool_runner_interface(struct tool_runner *runner)
{
    return &runner->interface;
}


void
tool_runner_free(struct tool_runner **runner)
{
    if (*runner == NULL) {
        return;
    }

    while ((*runner)->jobs != NULL) {
        if ((*runner)->jobs->is_running) {
            tool_kill((*runner)->jobs);
        }

        process_table_remove((*runner)->table, (*runner)->jobs->id);
        tool_job_free((*runner)->jobs);
    }

    free(*runner);
    *runner = NULL;
}
