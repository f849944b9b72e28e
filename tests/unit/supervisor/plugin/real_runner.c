/* SPDX-License-Identifier: MIT */
/*
 * See real_runner.h.  The job ends when both pipes have reached their end;
 * then the child is waited for.
 */

#include "real_runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/strbuf.h"


struct runner_job {
    struct event_base  *base;
    pid_t               pid;
    struct event       *pipe[2];            /* output, report */
    struct strbuf       text[2];
    size_t              told;               /* bytes of output in lines */
    struct event       *timer;
    bool                timed_out;
    runner_line_fn      on_line;
    runner_done_fn      done;
    void               *ctx;
};


static void real_runner_child(const struct runner_request *request,
    int output, int report);
static void real_runner_read(evutil_socket_t fd, short events, void *ctx);
static void real_runner_timeout(evutil_socket_t fd, short events, void *ctx);


static struct event *
real_runner_watch(struct runner_job *job, int fd)
{
    struct event  *event;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    event = event_new(job->base, fd, EV_READ | EV_PERSIST, real_runner_read,
                      job);
    event_add(event, NULL);

    return event;
}


static struct runner_job *
real_runner_start(void *ctx, const struct runner_request *request,
    runner_line_fn on_line, runner_done_fn done, void *done_ctx,
    struct error *err)
{
    int                 output[2], report[2];
    struct timeval      limit = { .tv_sec = request->timeout_sec };
    struct runner_job  *job;

    if (request->argv[0] == NULL || request->argv[0][0] != '/') {
        error_set(err, MINT_ERR_INVALID, "argv[0] is not an absolute path");
        return NULL;
    }

    job = mem_alloc(sizeof(struct runner_job));
    job->base = ctx;
    job->on_line = on_line;
    job->done = done;
    job->ctx = done_ctx;

    if (pipe2(output, O_CLOEXEC) == -1 || pipe2(report, O_CLOEXEC) == -1) {
        abort();
    }

    job->pid = fork();

    if (job->pid == 0) {
        real_runner_child(request, output[1], request->report ? report[1]
                                                              : -1);
    }

    close(output[1]);
    close(report[1]);
    job->pipe[0] = real_runner_watch(job, output[0]);
    job->pipe[1] = real_runner_watch(job, report[0]);
    job->timer = evtimer_new(job->base, real_runner_timeout, job);
    evtimer_add(job->timer, &limit);

    return job;
}


static void
real_runner_child(const struct runner_request *request, int output,
    int report)
{
    setpgid(0, 0);

    if (dup2(output, 1) == -1 || dup2(output, 2) == -1
        || (report != -1 && report != 3 && dup2(report, 3) == -1)
        || (report == 3 && fcntl(3, F_SETFD, 0) == -1)
        || chdir(request->cwd) == -1)
    {
        _exit(126);
    }

    if (request->uid != UINT32_MAX
        && (setresgid(request->gid, request->gid, request->gid) == -1
            || setresuid(request->uid, request->uid, request->uid) == -1))
    {
        _exit(126);
    }

    execve(request->argv[0], (char *const *) (uintptr_t) request->argv,
           (char *const *) (uintptr_t) request->env);
    _exit(127);
}


static void
real_runner_free(struct runner_job *job)
{
    unsigned  i;

    for (i = 0; i < 2; i++) {
        if (job->pipe[i] != NULL) {
            close(event_get_fd(job->pipe[i]));
            event_free(job->pipe[i]);
        }

        strbuf_free(&job->text[i]);
    }

    event_free(job->timer);
    free(job);
}


static void
real_runner_lines(struct runner_job *job)
{
    char    *line;
    size_t   len;

    while (job->on_line != NULL && job->told < job->text[0].len) {
        len = strcspn(job->text[0].data + job->told, "\n");

        if (job->text[0].data[job->told + len] != '\n') {
            return;
        }

        line = mem_printf("%.*s", (int) len, job->text[0].data + job->told);
        job->told += len + 1;
        job->on_line(job->ctx, line);
        free(line);
    }
}


static void
real_runner_read(evutil_socket_t fd, short events, void *ctx)
{
    char                  data[4096];
    ssize_t               n;
    unsigned              i;
    struct runner_job    *job = ctx;
    struct runner_result  result;

    (void) events;

    i = job->pipe[1] != NULL && event_get_fd(job->pipe[1]) == fd;
    n = read(fd, data, sizeof(data));

    if (n > 0) {
        strbuf_append(&job->text[i], data, (size_t) n);
        real_runner_lines(job);
        return;
    }

    if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }

    close(fd);
    event_free(job->pipe[i]);
    job->pipe[i] = NULL;

    if (job->pipe[0] != NULL || job->pipe[1] != NULL) {
        return;
    }

    memset(&result, 0, sizeof(result));
    waitpid(job->pid, &result.wait_status, 0);
    result.timed_out = job->timed_out;
    result.output = strbuf_text(&job->text[0]);
    result.report = strbuf_text(&job->text[1]);

    job->done(job->ctx, &result);
    real_runner_free(job);
}


static void
real_runner_timeout(evutil_socket_t fd, short events, void *ctx)
{
    struct runner_job  *job = ctx;

    (void) fd;
    (void) events;

    job->timed_out = true;
    kill(-job->pid, SIGKILL);
}


static void
real_runner_cancel(void *ctx, struct runner_job *job)
{
    (void) ctx;

    kill(-job->pid, SIGKILL);
    waitpid(job->pid, NULL, 0);
    real_runner_free(job);
}


void
real_runner_init(struct runner *runner, struct event_base *base)
{
    runner->ctx = base;
    runner->start = real_runner_start;
    runner->cancel = real_runner_cancel;
}
