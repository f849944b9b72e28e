/* SPDX-License-Identifier: MIT */
/*
 * What happens to a service's process: spawned, probed, reported, ended.
 * Turns it into events of the state machine.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contract/mint_host.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "service_private.h"


#define SERVICE_PROBE_MS        100         /* between probes */
#define SERVICE_PROBE_LIMIT_MS  3000
#define SERVICE_DRAIN_POLL_MS   10


static void service_on_report(void *ctx, char *line, size_t len);


/* a plugin's code may write into that pipe, too */
static const struct line_reader_options  service_report_lines = {
    MINT_HOST_LINE_MAX, false, 1024 * 1024, 256
};


void
service_watch_process(struct service *service, const struct process *process)
{
    char  instance[256];

    service->process = *process;
    service->is_spawned = true;

    snprintf(instance, sizeof(instance), "%s.%s.%u", service->options.name,
             service->options.place, service->generation);
    output_attach(service->output, process->log_fd, instance);

    if (process->report_fd != -1) {
        service->report = line_reader_new(
                              process_table_base(service->pool->table),
                              process->report_fd, &service_report_lines,
                              service_on_report, NULL, service);
    }
}


/* exec'ed in the same attempt, unless it is not wanted any more */

static bool
service_is_execed_instead(struct service *service, int status)
{
    if (!service->is_forked || service->state != SERVICE_STARTING) {
        return false;
    }

    if (service->hooks->on_unforked != NULL) {
        service->hooks->on_unforked(service->ctx, service, status);
    }

    service_spawn(service, false);

    return true;
}


void
service_on_spawned(void *ctx, int status, const struct keeper_child_info *info)
{
    struct error     err;
    struct process   process;
    struct service  *service;

    service = ctx;
    service->is_spawned = true;

    if (status != 0) {
        process_table_remove(service->pool->table, service->process.id);
        service->process.id = 0;

        if (service_is_execed_instead(service, status)) {
            return;
        }

        errno = status;
        error_set_errno(&err, "start of \"%s\" failed", service->options.name);
        snprintf(service->error, sizeof(service->error), "%s", err.text);

        service_event(service, EVENT_UNPREPARED);
        return;
    }

    process_set(&process, info);
    service_watch_process(service, &process);
    output_note(service->output, "started, pid %d", process.pid);

    /* its pid is news: the platform asks for things before it is ready */

    if (service->hooks->on_state != NULL) {
        service->hooks->on_state(service->ctx, service);
    }

    if (service->state == SERVICE_STOPPING) {
        service_event(service, EVENT_SPAWNED);
        return;
    }

    if (!service->options.waits_report) {
        service_probe(service);
    }
}


static void
service_tell_exit(struct service *service,
    const struct keeper_exit_info *info)
{
    size_t                          i;
    struct service_exit             end;
    const struct service_observer  *observer;

    end.state = service->state;
    end.pid = service->process.pid;
    end.wait_status = service->exit_status;
    end.generation = service->generation;
    end.tree_killed = info->tree_killed;
    end.oom_kills = info->oom_kills;
    end.started_unix_ms = service->process.started_unix_ms;
    end.unix_ms = time_unix_ms();
    end.was_alone = service->was_alone;

    service->was_alone = false;

    for (i = 0; i < service->pool->observers; i++) {
        observer = &service->pool->observer[i];

        if (observer->on_exit != NULL) {
            observer->on_exit(observer->ctx, service, &end);
        }
    }
}


/* killed by the kernel for want of memory, or why else it ended */

static void
service_exit_text(struct service *service, const struct keeper_exit_info *end)
{
    uint64_t  limit;

    limit = service->memory_limit_bytes;

    if (service->is_killed && service->state == SERVICE_READY) {
        snprintf(service->last_exit, sizeof(service->last_exit),
                 "killed: %.80s", service->error);

    } else if (service->is_killed && service->state == SERVICE_STOPPING) {
        snprintf(service->last_exit, sizeof(service->last_exit),
                 "killed: did not stop within %u s",
                 service_grace_sec(service));

    } else if (end->oom_kills == 0 || !WIFSIGNALED(end->wait_status)
        || WTERMSIG(end->wait_status) != SIGKILL || service->is_killed)
    {
        process_exit_text(end->wait_status, service->last_exit,
                          sizeof(service->last_exit));

    } else if (limit != 0) {
        snprintf(service->last_exit, sizeof(service->last_exit),
                 "out of memory: killed at its limit of %llu MiB",
                 (unsigned long long) (limit >> 20));

    } else {
        snprintf(service->last_exit, sizeof(service->last_exit),
                 "out of memory: killed by the kernel, without a limit of "
                 "its own");
    }
}


void
service_on_exit(void *ctx, const struct keeper_exit_info *end)
{
    struct service  *service;

    service = ctx;

    output_drain(service->output);

    if (service->report != NULL) {
        line_reader_drain(service->report);
        line_reader_free(&service->report);
    }

    if (service->process.control_fd != -1) {
        close(service->process.control_fd);
        service->process.control_fd = -1;
    }

    service->exit_status = end->wait_status;
    service_exit_text(service, end);

    if (service->state == SERVICE_STARTING || service->state == SERVICE_READY) {
        service_memory_count(service);
        service_memory_save(service->pool);
    }

    process_table_forget(service->pool->table, service->process.id);

    output_note(service->output, "pid %d %s%s", service->process.pid,
                service->last_exit,
                end->tree_killed > 0 ? "; what it had started was killed" : "");

    service_tell_exit(service, end);
    service_event(service, EVENT_EXITED);
}


void
service_on_poll(evutil_socket_t fd, short what, void *arg)
{
    struct service  *service;

    (void) fd;
    (void) what;
    service = arg;

    if (service->state == SERVICE_STARTING) {
        service_probe(service);
        return;
    }

    if (service->state != SERVICE_DRAINING) {
        return;
    }

    if (service->hooks->in_flight(service->ctx, service) == 0) {
        service_event(service, EVENT_DRAINED);
        return;
    }

    service_set_poll(service, SERVICE_DRAIN_POLL_MS);
}


static void
service_on_probed(void *ctx, long status, const char *error)
{
    struct service  *service;

    service = ctx;
    service->probe = NULL;

    if (status > 0 && status < 500) {
        service_event(service, EVENT_UP);
        return;
    }

    if (status == 0) {
        snprintf(service->probe_error, sizeof(service->probe_error),
                 "probe of %s: %s", service->options.probe_url, error);

    } else {
        snprintf(service->probe_error, sizeof(service->probe_error),
                 "probe of %s: status %ld", service->options.probe_url,
                 status);
    }

    service_set_poll(service, SERVICE_PROBE_MS);
}


void
service_probe(struct service *service)
{
    if (service->options.probe_url == NULL) {
        service_event(service, EVENT_UP);
        return;
    }

    if (service->probe != NULL) {
        return;
    }

    service->probe = http_client_get(service->pool->http,
                                     service->options.probe_url,
                                     service->options.probe_unix,
                                     SERVICE_PROBE_LIMIT_MS,
                                     service_on_probed, service);

    if (service->probe == NULL) {
        service_set_poll(service, SERVICE_PROBE_MS);
    }
}


static void
service_tell_report(struct service *service, const char *event,
    json_t *report)
{
    size_t                          i;
    const struct service_observer  *observer;

    for (i = 0; i < service->pool->observers; i++) {
        observer = &service->pool->observer[i];

        if (observer->on_report != NULL) {
            observer->on_report(observer->ctx, service, event, report);
        }
    }
}


/* the host's reports: contract/mint_host.h */

static void
service_on_report(void *ctx, char *line, size_t len)
{
    char             text[1100];
    json_t          *report;
    const char      *event, *error, *traceback;
    struct service  *service;

    service = ctx;

    if (line == NULL) {
        log_warn("\"%s\" sent a report line that is too long",
                 service->options.name);
        return;
    }

    report = json_loadb(line, len, 0, NULL);
    event = json_string_value(json_object_get(report, "event"));

    if (event == NULL) {
        log_warn("\"%s\" sent a report that is not understood",
                 service->options.name);

    } else if (service->hooks->on_report != NULL
               && service->hooks->on_report(service->ctx, service, event,
                                            report))
    {
        /* it was about one of several in that process */

    } else if (strcmp(event, "ready") == 0) {
        if (!service->is_reported && service->state == SERVICE_STARTING) {
            service->is_reported = true;
            service_probe(service);
        }

    } else if (strcmp(event, "failed") == 0) {
        error = json_string_value(json_object_get(report, "error"));
        traceback = json_string_value(json_object_get(report, "traceback"));

        snprintf(service->error, sizeof(service->error), "%s",
                 error != NULL ? error : "failed without saying why");
        snprintf(text, sizeof(text), "failed: %s", service->error);
        output_write(service->output, LOG_LEVEL_ERROR, NULL, text);

        if (traceback != NULL) {
            output_write(service->output, LOG_LEVEL_ERROR, NULL, traceback);
            free(service->traceback);
            service->traceback = mem_strdup(traceback);
        }

    } else if (strcmp(event, "activity") == 0) {
        if (service->hooks->on_activity != NULL) {
            service->hooks->on_activity(service->ctx, service, report);
        }

    } else if (strcmp(event, "lag") == 0) {
        output_note(service->output, "event loop was late by %lld ms",
                    (long long) json_integer_value(
                                    json_object_get(report, "ms")));
    }

    if (event != NULL) {
        service_tell_report(service, event, report);
    }

    json_decref(report);
}
