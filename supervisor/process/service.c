/* SPDX-License-Identifier: MIT */
/*
 * Services: making, wishing, adopting, asking.  The states are in
 * service_machine.c, the process's events in service_watch.c, what all share
 * in service_pool.c.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "service_private.h"
#include "watch.h"


static const char *const  service_state_names[SERVICE_STATE_COUNT] = {
    "down", "queued", "preparing", "starting", "ready", "draining",
    "stopping", "backoff", "failed"
};


static char *
service_copy(const char *text)
{
    return text != NULL ? mem_strdup(text) : NULL;
}


struct service *
service_new(struct service_pool *pool, const struct service_options *options,
    const struct service_hooks *hooks, void *ctx)
{
    struct service     *service;
    struct event_base  *base;

    base = process_table_base(pool->table);
    service = mem_alloc(sizeof(struct service));

    service->pool = pool;
    service->hooks = hooks;
    service->ctx = ctx;
    service->process.control_fd = -1;

    service->options = *options;
    service->options.kind = service_copy(options->kind);
    service->options.name = service_copy(options->name);
    service->options.place = service_copy(options->place);
    service->options.log_directory = service_copy(options->log_directory);
    service->options.probe_url = service_copy(options->probe_url);
    service->options.probe_unix = service_copy(options->probe_unix);

    service->output = output_new(base, options->name,
                                 options->log_directory);
    service->timer = evtimer_new(base, service_on_timer, service);
    service->poll = evtimer_new(base, service_on_poll, service);

    service_memory_restore(service);

    service->next = pool->services;
    pool->services = service;

    return service;
}


void
service_free(struct service **service)
{
    struct service  *s, **p;

    s = *service;
    *service = NULL;

    if (s == NULL) {
        return;
    }

    for (p = &s->pool->services; *p != NULL; p = &(*p)->next) {
        if (*p == s) {
            *p = s->next;
            break;
        }
    }

    watch_forget(s->watch);

    if (s->probe != NULL) {
        http_call_cancel(s->probe);
    }

    if (s->process.id != 0) {
        process_table_remove(s->pool->table, s->process.id);
    }

    if (s->process.control_fd != -1) {
        close(s->process.control_fd);
    }

    line_reader_free(&s->report);
    free(s->traceback);
    output_free(&s->output);
    event_free(s->timer);
    event_free(s->poll);

    free((char *) s->options.kind);
    free((char *) s->options.name);
    free((char *) s->options.place);
    free((char *) s->options.log_directory);
    free((char *) s->options.probe_url);
    free((char *) s->options.probe_unix);
    free(s);
}


void
service_start(struct service *service, enum mint_seat_cause cause)
{
    if (!service->is_wanted) {
        service->is_wanted = true;
        service->cause = cause;
    }

    service_event(service, EVENT_START);
}


void
service_restart(struct service *service, enum mint_seat_cause cause)
{
    service->is_wanted = true;
    service->cause = cause;
    service_memory_forgive(service);

    service_event(service, EVENT_RESTART);
}


void
service_stop(struct service *service, bool is_hurried)
{
    service->is_wanted = false;
    service->is_hurried = is_hurried;
    service->cause = MINT_CAUSE_STOPPED;

    service_event(service, EVENT_STOP);
}


void
service_set_once(struct service *service, bool is_once)
{
    service->is_once = is_once;
}


void
service_set_probe(struct service *service, const char *url,
    const char *unix_path)
{
    free((char *) service->options.probe_url);
    free((char *) service->options.probe_unix);
    service->options.probe_url = service_copy(url);
    service->options.probe_unix = service_copy(unix_path);
}


void
service_refuse(struct service *service, const char *why)
{
    if (service->state != SERVICE_STARTING) {
        return;
    }

    snprintf(service->error, sizeof(service->error), "%s", why);
    output_note(service->output, "must not serve: %s", why);

    service_kill(service);
}


void
service_condemn(struct service *service, const char *why)
{
    if (service->state != SERVICE_READY) {
        return;
    }

    snprintf(service->error, sizeof(service->error), "%s", why);
    log_error("\"%s\" (pid %d) %s and is killed", service->options.name,
              service->process.pid, why);
    output_note(service->output, "%s: it is killed", why);

    service_kill(service);
}


void
service_prepared(struct service *service, const struct error *err)
{
    if (err != NULL && err->code != 0) {
        snprintf(service->error, sizeof(service->error), "%s", err->text);
        service_event(service, EVENT_UNPREPARED);
        return;
    }

    service_event(service, EVENT_PREPARED);
}


void
service_adopt(struct service *service, const struct process *process,
    uint32_t generation, bool is_ready)
{
    service->is_wanted = true;
    service->generation = generation;

    process_table_add(service->pool->table, process->id, service_on_exit,
                      service);
    service_watch_process(service, process);
    output_note(service->output, "adopted, pid %d", process->pid);

    if (is_ready) {
        service->cause = MINT_CAUSE_NONE;
        service->error[0] = '\0';
        service_be_ready(service);
        return;
    }

    /* whether it has reported is not known any more: ask it */

    service->is_reported = true;
    service_pool_enter(service);
    service_set_state(service, SERVICE_STARTING);
    service_set_deadline(service);
    service_probe(service);
}


void
service_adopt_dead(struct service *service, const struct process *process,
    uint32_t generation, int wait_status)
{
    struct keeper_exit_info  end;

    service->is_wanted = true;
    service->generation = generation;
    service->cause = MINT_CAUSE_CRASHED;

    service_watch_process(service, process);
    service->state = SERVICE_READY;
    service->since_ms = time_boot_ms();
    service->was_alone = true;

    memset(&end, 0, sizeof(end));
    end.id = process->id;
    end.pid = process->pid;
    end.wait_status = wait_status;
    end.tree_killed = process->tree_killed;
    end.oom_kills = process->oom_kills;

    service_on_exit(service, &end);
}


/* ---- questions ----------------------------------------------------- */

enum service_state
service_state(const struct service *service)
{
    return service->state;
}


const char *
service_state_name(enum service_state state)
{
    return service_state_names[state];
}


enum mint_seat_cause
service_cause(const struct service *service)
{
    return service->cause;
}


uint32_t
service_generation(const struct service *service)
{
    return service->generation;
}


void
service_set_generation(struct service *service, uint32_t generation)
{
    if (generation > service->floor) {
        service->floor = generation;
    }

    if (service->state == SERVICE_DOWN) {
        service->generation = generation;
    }
}


int
service_pid(const struct service *service)
{
    return service->process.pid;
}


uint32_t
service_child(const struct service *service)
{
    return service->is_spawned ? service->process.id : 0;
}


unsigned
service_restarts(const struct service *service)
{
    return service->restarts;
}


uint64_t
service_started_unix_ms(const struct service *service)
{
    return service->process.started_unix_ms;
}


unsigned
service_retry_after_sec(const struct service *service)
{
    switch (service->state) {

    case SERVICE_BACKOFF:
    case SERVICE_FAILED:
        return service->delay_ms / 1000 + 1;

    default:
        return 1;
    }
}


const char *
service_error(const struct service *service)
{
    return service->error;
}


const char *
service_traceback(const struct service *service)
{
    return service->traceback != NULL ? service->traceback : "";
}


const char *
service_last_exit(const struct service *service)
{
    return service->last_exit;
}


struct output *
service_output(struct service *service)
{
    return service->output;
}


const char *
service_name(const struct service *service)
{
    return service->options.name;
}


const char *
service_kind(const struct service *service)
{
    return service->options.kind;
}


const char *
service_place(const struct service *service)
{
    return service->options.place;
}


int
service_command(struct service *service, const char *line, struct error *err)
{
    ssize_t  n;
    size_t   len;

    if (service->process.control_fd == -1) {
        return error_set(err, MINT_ERR_UNAVAILABLE, "\"%s\" does not run",
                         service->options.name);
    }

    len = strlen(line);
    n = write(service->process.control_fd, line, len);

    if (n == -1) {
        return error_set_errno(err, "command to \"%s\" failed",
                               service->options.name);
    }

    return (size_t) n == len ? 0
           : error_set(err, MINT_ERR_FULL, "control pipe of \"%s\" is full",
                       service->options.name);
}


int
service_signal(struct service *service, int number, struct error *err)
{
    if (service->process.pid == 0) {
        return error_set(err, MINT_ERR_UNAVAILABLE, "\"%s\" does not run",
                         service->options.name);
    }

    return keeper_client_signal(process_table_keeper(service->pool->table),
                                service->process.id, number, NULL, NULL, err);
}


json_t *
service_json(const struct service *service)
{
    char     started[32];
    json_t  *slot;

    started[0] = '\0';

    if (service->process.started_unix_ms != 0) {
        time_rfc3339(service->process.started_unix_ms, started);
    }

    slot = json_pack("{s:i, s:s, s:I, s:i, s:s, s:s, s:i, s:o}",
                     "slot", atoi(service->options.place),
                     "seat", service->options.place[0] == '\0' ? ""
                     : service->options.place
                       + strlen(service->options.place) - 1,
                     "generation", (json_int_t) service->generation,
                     "pid", service->process.pid,
                     "state", service_state_names[service->state],
                     "started_at", started,
                     "restarts", (int) service->restarts,
                     "last_exit", service->last_exit[0] == '\0'
                     ? json_null() : json_string(service->last_exit));

    json_object_set_new(slot, "watch", service->watch != NULL
                        ? watch_json(service->watch) : json_null());

    return slot;
}
