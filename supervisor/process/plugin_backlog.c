/* SPDX-License-Identifier: MIT */
/*
 * When the requests that wait at a seat's socket are refused: as soon as
 * nothing is going to accept them, and else when they have waited as long for
 * the next process as they would have in the edge (mint_park).  A request that
 * has found the seat ready may reach its socket a little later, so this is
 * repeated until a process is there, or no worker has a request in the seat.
 */

#include <stdio.h>
#include <unistd.h>

#include "contract/mint_seat_names.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "plugin_private.h"


#define BACKLOG_PATIENCE_MS  2000
#define BACKLOG_REPEAT_MS    250


enum backlog_outlook {
    BACKLOG_TAKEN = 0,          /* a process takes them, or may */
    BACKLOG_EXPECTED = 1,       /* the next one is to */
    BACKLOG_HOPELESS = 2        /* none is on its way */
};


static const enum backlog_outlook  backlog_outlooks[SERVICE_STATE_COUNT] = {
    [SERVICE_DOWN] = BACKLOG_HOPELESS,
    [SERVICE_QUEUED] = BACKLOG_EXPECTED,
    [SERVICE_PREPARING] = BACKLOG_EXPECTED,
    [SERVICE_STARTING] = BACKLOG_EXPECTED,
    [SERVICE_READY] = BACKLOG_TAKEN,
    [SERVICE_DRAINING] = BACKLOG_TAKEN,
    [SERVICE_STOPPING] = BACKLOG_TAKEN,
    [SERVICE_BACKOFF] = BACKLOG_EXPECTED,
    [SERVICE_FAILED] = BACKLOG_HOPELESS
};


static void plugin_backlog_on_timer(evutil_socket_t fd, short what,
    void *arg);


void
plugin_backlog_init(struct plugin_seat *seat)
{
    seat->backlog.socket_fd = -1;
    seat->backlog.timer =
                       evtimer_new(process_table_base(seat->owner->all->table),
                                   plugin_backlog_on_timer, seat);
}


void
plugin_backlog_clear(struct plugin_seat *seat)
{
    struct plugin_backlog  *backlog;

    backlog = &seat->backlog;

    event_free(backlog->timer);
    refuser_clear(&backlog->refuser);

    if (backlog->socket_fd != -1) {
        close(backlog->socket_fd);
    }
}


void
plugin_backlog_set_socket(struct plugin_seat *seat, int fd)
{
    if (seat->backlog.socket_fd != -1) {
        close(seat->backlog.socket_fd);
    }

    seat->backlog.socket_fd = fd;
    plugin_backlog_touch(seat);
}


static enum backlog_outlook
plugin_backlog_outlook(const struct plugin_seat *seat)
{
    /* who connects to a plugin that is asleep is why it is started */

    if (seat->role == PLUGIN_ROLE_ASLEEP) {
        return BACKLOG_TAKEN;
    }

    return backlog_outlooks[service_state(seat->service)];
}


static void
plugin_backlog_refuse(struct plugin_seat *seat)
{
    size_t                count;
    unsigned              cause;
    struct refusal        refusal;
    const struct service *service;

    service = seat->service;
    cause = service_cause(service);

    refusal.plugin = seat->owner->plugin->name;
    refusal.state = mint_seat_state_name(
        plugin_backlog_outlook(seat) == BACKLOG_HOPELESS ? MINT_SEAT_CLOSED
                                                         : MINT_SEAT_STARTING);
    refusal.cause = mint_seat_cause_name(cause);
    refusal.why = "has no process that could take this request";
    refusal.retry_after_sec = service_retry_after_sec(service);

    if (refusal.retry_after_sec == 0) {
        refusal.retry_after_sec = 1;
    }

    count = refuser_accept(&seat->backlog.refuser,
                           process_table_base(seat->owner->all->table),
                           seat->backlog.socket_fd, &refusal);

    if (count > 0) {
        log_info("plugin \"%s\": %zu requests that no process has accepted "
                 "are refused", seat->owner->plugin->name, count);
    }
}


static void
plugin_backlog_wait(struct plugin_seat *seat, uint64_t ms)
{
    struct timeval  after;

    after.tv_sec = (time_t) (ms / 1000);
    after.tv_usec = (suseconds_t) (ms % 1000 * 1000);
    evtimer_add(seat->backlog.timer, &after);
}


static void
plugin_backlog_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void) fd;
    (void) what;

    plugin_backlog_touch(arg);
}


void
plugin_backlog_touch(struct plugin_seat *seat)
{
    uint64_t                waited;
    struct plugin_backlog  *backlog;
    enum backlog_outlook    outlook;

    backlog = &seat->backlog;
    outlook = plugin_backlog_outlook(seat);

    if (outlook == BACKLOG_TAKEN || seat->owner->all->is_stopping) {
        backlog->gone_ms = 0;
        evtimer_del(backlog->timer);
        return;
    }

    if (backlog->socket_fd == -1) {
        return;
    }

    if (backlog->gone_ms == 0) {
        /* nobody waits for a first process at its socket: the seat's word has
           never let a request through */

        if (plugin_seat_count(seat) == 0) {
            return;
        }

        backlog->gone_ms = time_boot_ms();
    }

    waited = time_boot_ms() - backlog->gone_ms;

    if (outlook == BACKLOG_EXPECTED && waited < BACKLOG_PATIENCE_MS) {
        plugin_backlog_wait(seat, BACKLOG_PATIENCE_MS - waited);
        return;
    }

    plugin_backlog_refuse(seat);

    if (outlook == BACKLOG_HOPELESS && plugin_seat_count(seat) == 0) {
        backlog->gone_ms = 0;
        return;
    }

    plugin_backlog_wait(seat, BACKLOG_REPEAT_MS);
}
