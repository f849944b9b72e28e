/* SPDX-License-Identifier: MIT */
/*
 * The state machine of a service: one table [state][event] says what is
 * legal; service_set_state() is the only place that changes the state and
 * tells others.  Leaves forking to the keeper and words to the hooks.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "service_private.h"


#define SERVICE_HURRIED_SEC     3           /* grace when all is stopped */
#define SERVICE_DRAIN_POLL_MS   10


typedef void (*service_action_fn)(struct service *service);

static void service_act_place(struct service *service);
static void service_act_spawn(struct service *service);
static void service_act_unprepared(struct service *service);
static void service_act_up(struct service *service);
static void service_act_drain(struct service *service);
static void service_act_signal(struct service *service);
static void service_act_hurry(struct service *service);
static void service_act_kill(struct service *service);
static void service_act_died(struct service *service);
static void service_act_ended(struct service *service);
static void service_act_overdue(struct service *service);
static void service_act_down(struct service *service);
static void service_act_want(struct service *service);


/* an empty cell: the event means nothing in that state */

static const service_action_fn  service_table[SERVICE_STATE_COUNT]
                                             [EVENT_COUNT] =
{
    [SERVICE_DOWN] = {
        [EVENT_START] = service_retry_first,
        [EVENT_RESTART] = service_queue,
    },

    [SERVICE_QUEUED] = {
        [EVENT_STOP] = service_act_down,
        [EVENT_PLACE] = service_act_place,
    },

    [SERVICE_PREPARING] = {
        [EVENT_STOP] = service_act_want,
        [EVENT_PREPARED] = service_act_spawn,
        [EVENT_UNPREPARED] = service_act_unprepared,
    },

    [SERVICE_STARTING] = {
        [EVENT_STOP] = service_act_signal,
        [EVENT_RESTART] = service_act_signal,
        [EVENT_UNPREPARED] = service_act_unprepared,
        [EVENT_UP] = service_act_up,
        [EVENT_EXITED] = service_act_died,
        [EVENT_TIMER] = service_act_overdue,
    },

    [SERVICE_READY] = {
        [EVENT_STOP] = service_act_drain,
        [EVENT_RESTART] = service_act_drain,
        [EVENT_EXITED] = service_act_died,
        [EVENT_TIMER] = service_retry_proven,
    },

    [SERVICE_DRAINING] = {
        [EVENT_STOP] = service_act_signal,
        [EVENT_DRAINED] = service_act_signal,
        [EVENT_TIMER] = service_act_signal,
        [EVENT_EXITED] = service_act_ended,
    },

    [SERVICE_STOPPING] = {
        [EVENT_STOP] = service_act_hurry,
        [EVENT_SPAWNED] = service_act_signal,
        [EVENT_TIMER] = service_act_kill,
        [EVENT_EXITED] = service_act_ended,
        [EVENT_UNPREPARED] = service_act_ended,
    },

    [SERVICE_BACKOFF] = {
        [EVENT_START] = service_queue,
        [EVENT_RESTART] = service_queue,
        [EVENT_STOP] = service_act_down,
        [EVENT_TIMER] = service_queue,
    },

    [SERVICE_FAILED] = {
        [EVENT_START] = service_queue,
        [EVENT_RESTART] = service_queue,
        [EVENT_STOP] = service_act_down,
        [EVENT_TIMER] = service_queue,
    }
};


/* in which nothing is under way: worth to be written down */

static const bool  service_state_lasts[SERVICE_STATE_COUNT] = {
    [SERVICE_DOWN] = true,
    [SERVICE_READY] = true,
    [SERVICE_BACKOFF] = true,
    [SERVICE_FAILED] = true
};


void
service_event(struct service *service, enum service_event event)
{
    service_action_fn  action;

    action = service_table[service->state][event];

    if (action != NULL) {
        action(service);
    }
}


void
service_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void) fd;
    (void) what;

    service_event(arg, EVENT_TIMER);
}


void
service_set_timer(struct service *service, unsigned ms)
{
    struct timeval  tv;

    tv.tv_sec = ms / 1000;
    tv.tv_usec = (suseconds_t) (ms % 1000) * 1000;

    evtimer_add(service->timer, &tv);
}


void
service_set_poll(struct service *service, unsigned ms)
{
    struct timeval  tv;

    tv.tv_sec = 0;
    tv.tv_usec = (suseconds_t) ms * 1000;

    evtimer_add(service->poll, &tv);
}


void
service_set_deadline(struct service *service)
{
    service_set_timer(service, service->options.ready_deadline_sec * 1000);
}


void
service_set_state(struct service *service, enum service_state state)
{
    enum service_state  from;
    struct log_fields   fields;

    memset(&fields, 0, sizeof(fields));
    fields.plugin = service->options.name;

    log_write(LOG_LEVEL_DEBUG, &fields, "%s -> %s",
              service_state_name(service->state),
              service_state_name(state));

    evtimer_del(service->timer);
    evtimer_del(service->poll);

    if (service->probe != NULL) {
        http_call_cancel(service->probe);
        service->probe = NULL;
    }

    from = service->state;
    service->state = state;
    service->since_ms = time_boot_ms();

    if (state != SERVICE_PREPARING && state != SERVICE_STARTING) {
        service_pool_leave(service);
    }

    if (service->hooks->on_state != NULL) {
        service->hooks->on_state(service->ctx, service);
    }

    service_pool_tell(service, from);

    if (service_state_lasts[state]) {
        service_memory_save(service->pool);
    }

    service_pool_look(service->pool);
}


void
service_queue(struct service *service)
{
    service->turn = service->pool->turns++;

    service_set_state(service, SERVICE_QUEUED);
}


static void
service_act_place(struct service *service)
{
    service_pool_enter(service);

    if (service->generation < service->floor) {
        service->generation = service->floor;
    }

    service->generation++;
    service->error[0] = '\0';
    service->probe_error[0] = '\0';
    free(service->traceback);
    service->traceback = NULL;

    service_set_state(service, SERVICE_PREPARING);

    if (service->hooks->prepare == NULL) {
        service_event(service, EVENT_PREPARED);
        return;
    }

    service->hooks->prepare(service->ctx, service);
}


/* stop asked for while the keeper makes directories: seen when it answers */

static void
service_act_want(struct service *service)
{
    (void) service;
}


static void
service_act_spawn(struct service *service)
{
    if (!service->is_wanted) {
        service_set_state(service, SERVICE_DOWN);
        return;
    }

    service_spawn(service, true);
}


void
service_spawn(struct service *service, bool may_fork)
{
    char                         label[MINT_KEEPER_LABEL_MAX];
    struct error                 err;
    struct keeper_spawn_request  request;

    memset(&request, 0, sizeof(request));
    err.code = 0;

    if (service->hooks->fill(service->ctx, service, &request, &err) != 0) {
        snprintf(service->error, sizeof(service->error), "%s", err.text);
        service_act_unprepared(service);
        return;
    }

    snprintf(label, sizeof(label), "%s/%s/%s/%u%s%s", service->options.kind,
             service->options.name, service->options.place,
             service->generation, request.label != NULL ? "/" : "",
             request.label != NULL ? request.label : "");

    request.id = process_table_next_id(service->pool->table);
    request.label = label;
    request.warm_id = may_fork ? request.warm_id : 0;

    memset(&service->process, 0, sizeof(service->process));
    service->process.id = request.id;
    service->process.control_fd = -1;
    service->is_spawned = false;
    service->is_forked = request.warm_id != 0;
    service->is_killed = false;
    service->is_reported = false;
    service->is_overdue = false;
    service->memory_limit_bytes = request.memory_bytes;

    process_table_add(service->pool->table, request.id, service_on_exit,
                      service);

    if (service->state != SERVICE_STARTING) {
        service_set_state(service, SERVICE_STARTING);
    }

    service_set_deadline(service);

    if (keeper_client_spawn(process_table_keeper(service->pool->table),
                            &request, service_on_spawned, service, &err)
        != 0)
    {
        process_table_remove(service->pool->table, request.id);
        service->process.id = 0;
        snprintf(service->error, sizeof(service->error), "%s", err.text);
        service_act_unprepared(service);
    }
}


static void
service_act_unprepared(struct service *service)
{
    log_error("\"%s\" could not be started: %s", service->options.name,
              service->error);
    output_note(service->output, "could not be started: %s", service->error);

    if (!service->is_wanted) {
        service_set_state(service, SERVICE_DOWN);
        return;
    }

    if (service->backoff == 0) {
        service->backoff = 1;       /* trying again at once would not help */
    }

    service_retry(service);
}


static void
service_act_up(struct service *service)
{
    output_note(service->output, "ready after %llu ms",
                (unsigned long long) (time_boot_ms() - service->since_ms));

    service->error[0] = '\0';
    service->cause = MINT_CAUSE_NONE;
    service_be_ready(service);
}


void
service_be_ready(struct service *service)
{
    service_set_state(service, SERVICE_READY);

    if (service_memory_has_deaths(service)) {
        service_set_timer(service, SERVICE_PROVEN_MS);
    }
}


static void
service_act_drain(struct service *service)
{
    if (service->is_hurried || service->hooks->in_flight == NULL) {
        service_act_signal(service);
        return;
    }

    service_set_state(service, SERVICE_DRAINING);
    service_set_timer(service, service->options.drain_sec * 1000);
    service_set_poll(service, SERVICE_DRAIN_POLL_MS);
}


/* when all is stopped nobody is left to wait for an answer */

unsigned
service_grace_sec(const struct service *service)
{
    unsigned  grace;

    grace = service->options.stop_grace_sec;

    return service->is_hurried && service->hooks->in_flight != NULL
           && grace > SERVICE_HURRIED_SEC ? SERVICE_HURRIED_SEC : grace;
}


static void
service_act_signal(struct service *service)
{
    struct error  err;

    if (service->state != SERVICE_STOPPING) {
        service_set_state(service, SERVICE_STOPPING);
    }

    if (!service->is_spawned) {
        return;                     /* service_on_spawned() comes back here */
    }

    service_set_timer(service, service_grace_sec(service) * 1000);

    if (keeper_client_signal(process_table_keeper(service->pool->table),
                             service->process.id,
                             service->options.stop_signal, NULL, NULL, &err)
        != 0)
    {
        log_warn("signal to \"%s\" failed: %s", service->options.name,
                 err.text);
    }
}


/* it was sent the signal for a restart, and now there is less time */

static void
service_act_hurry(struct service *service)
{
    uint64_t  grace_ms, gone_ms;

    grace_ms = (uint64_t) service->options.stop_grace_sec * 1000;
    gone_ms = time_boot_ms() - service->since_ms;

    if (service->is_spawned && gone_ms < grace_ms
        && grace_ms - gone_ms > service_grace_sec(service) * 1000)
    {
        service_set_timer(service, service_grace_sec(service) * 1000);
    }
}


void
service_kill(struct service *service)
{
    struct error  err;

    service->is_killed = true;

    if (keeper_client_signal(process_table_keeper(service->pool->table),
                             service->process.id, SIGKILL, NULL, NULL, &err)
        != 0)
    {
        log_warn("kill of \"%s\" failed: %s", service->options.name,
                 err.text);
    }
}


static void
service_act_kill(struct service *service)
{
    char  text[64];

    snprintf(text, sizeof(text), "did not stop within %u s and is killed",
             service_grace_sec(service));
    output_write(service->output, LOG_LEVEL_WARN, NULL, text);

    service_kill(service);
}


static const char *
service_last_words(const struct service *service)
{
    return output_last_line(service->output)[0] == '\0' ? ""
                                                        : "; last line: ";
}


/* not ready within the deadline: stop it; its end counts as a death */

static void
service_act_overdue(struct service *service)
{
    snprintf(service->error, sizeof(service->error),
             "was not ready within %u s%s%s%s%.300s",
             service->options.ready_deadline_sec,
             service->probe_error[0] == '\0' ? "" : "; ",
             service->probe_error, service_last_words(service),
             output_last_line(service->output));

    log_error("\"%s\" %s", service->options.name, service->error);

    service->is_overdue = true;
    service_kill(service);
}


static void
service_act_died(struct service *service)
{
    if (service->state == SERVICE_READY) {
        service->cause = MINT_CAUSE_CRASHED;
    }

    log_error("\"%s\" (pid %d) died: %s", service->options.name,
              service->process.pid, service->last_exit);

    if (service->error[0] == '\0') {
        snprintf(service->error, sizeof(service->error), "%s%s%.300s",
                 service->last_exit, service_last_words(service),
                 output_last_line(service->output));
    }

    service->process.pid = 0;
    service->restarts++;
    service_retry(service);
}


static void
service_act_ended(struct service *service)
{
    service->process.pid = 0;

    if (service->is_wanted) {
        service->restarts++;
        service_queue(service);
        return;
    }

    service_set_state(service, SERVICE_DOWN);
}


static void
service_act_down(struct service *service)
{
    service_set_state(service, SERVICE_DOWN);
}
