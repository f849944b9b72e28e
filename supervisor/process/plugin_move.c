/* SPDX-License-Identifier: MIT */
/*
 * The states of a planned move, and what becomes of it when one of its two
 * processes fails.  What is wanted of it is in plugin_move_wish.c, how the next
 * process is given the requests in plugin_switch.c, what becomes of the old one
 * in plugin_drain.c.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "plugin_catch_up.h"
#include "plugin_drain.h"
#include "plugin_former.h"
#include "plugin_group.h"
#include "plugin_history.h"
#include "plugin_move_wish.h"
#include "plugin_switch.h"


typedef void (*plugin_move_fn)(struct plugin_process *p);

static void plugin_move_promote(struct plugin_process *p);
static void plugin_move_resist(struct plugin_process *p);
static void plugin_move_on_timer(evutil_socket_t fd, short what, void *arg);
static void plugin_move_on_look(evutil_socket_t fd, short what, void *arg);


static const char *const  plugin_move_states[PLUGIN_MOVE_STATE_COUNT] = {
    "none", "starting", "switching", "held", "draining", "emptying",
    "closing", "resisting"
};


/* an empty cell: the event means nothing in that state */

static const plugin_move_fn  plugin_move_table[PLUGIN_MOVE_STATE_COUNT]
                                              [PLUGIN_MOVE_EVENT_COUNT] =
{
    [PLUGIN_MOVE_NONE] = {
        [PLUGIN_MOVE_WISH] = plugin_move_wish_begin,
        [PLUGIN_MOVE_HURRY] = plugin_move_wish_begin,
        [PLUGIN_MOVE_LEAVE] = plugin_move_wish_leave,
    },

    [PLUGIN_MOVE_STARTING] = {
        [PLUGIN_MOVE_WISH] = plugin_move_wish_retry,
        [PLUGIN_MOVE_HURRY] = plugin_move_wish_hurry,
        [PLUGIN_MOVE_LEAVE] = plugin_move_wish_leave,
        [PLUGIN_MOVE_FRESH_READY] = plugin_switch_begin,
        [PLUGIN_MOVE_FRESH_FAILED] = plugin_move_resist,
        [PLUGIN_MOVE_OLD_LOST] = plugin_move_promote,
    },

    [PLUGIN_MOVE_SWITCHING] = {
        [PLUGIN_MOVE_WISH] = plugin_move_wish_again,
        [PLUGIN_MOVE_HURRY] = plugin_move_wish_hurry,
        [PLUGIN_MOVE_LEAVE] = plugin_move_wish_leave_now,
        [PLUGIN_MOVE_FRESH_FAILED] = plugin_move_resist,
        [PLUGIN_MOVE_OLD_LOST] = plugin_move_promote,
        [PLUGIN_MOVE_ANSWER] = plugin_switch_answer,
        [PLUGIN_MOVE_TIMER] = plugin_switch_timer,
    },

    [PLUGIN_MOVE_HELD] = {
        [PLUGIN_MOVE_WISH] = plugin_move_wish_retry,
        [PLUGIN_MOVE_HURRY] = plugin_move_wish_hurry_held,
        [PLUGIN_MOVE_LEAVE] = plugin_move_wish_leave,
        [PLUGIN_MOVE_FRESH_FAILED] = plugin_move_resist,
        [PLUGIN_MOVE_OLD_LOST] = plugin_move_promote,
        [PLUGIN_MOVE_ANSWER] = plugin_switch_held_answer,
        [PLUGIN_MOVE_TIMER] = plugin_switch_held_timer,
    },

    [PLUGIN_MOVE_DRAINING] = {
        [PLUGIN_MOVE_WISH] = plugin_move_wish_follow,
        [PLUGIN_MOVE_HURRY] = plugin_move_wish_hurry_drain,
        [PLUGIN_MOVE_LEAVE] = plugin_move_wish_leave_drain,
        [PLUGIN_MOVE_OLD_LOST] = plugin_drain_lost,
        [PLUGIN_MOVE_ANSWER] = plugin_drain_answer,
        [PLUGIN_MOVE_TIMER] = plugin_drain_timer,
    },

    [PLUGIN_MOVE_EMPTYING] = {
        [PLUGIN_MOVE_WISH] = plugin_move_wish_follow,
        [PLUGIN_MOVE_HURRY] = plugin_move_wish_hurry_drain,
        [PLUGIN_MOVE_LEAVE] = plugin_move_wish_leave_drain,
        [PLUGIN_MOVE_OLD_LOST] = plugin_drain_lost,
        [PLUGIN_MOVE_ANSWER] = plugin_drain_empty_answer,
        [PLUGIN_MOVE_TIMER] = plugin_drain_empty_timer,
    },

    [PLUGIN_MOVE_CLOSING] = {
        [PLUGIN_MOVE_WISH] = plugin_move_wish_follow,
        [PLUGIN_MOVE_HURRY] = plugin_move_wish_follow,
        [PLUGIN_MOVE_LEAVE] = plugin_move_wish_leave_now,
        [PLUGIN_MOVE_OLD_LOST] = plugin_drain_over,
    },

    [PLUGIN_MOVE_RESISTING] = {
        [PLUGIN_MOVE_WISH] = plugin_move_wish_begin,
        [PLUGIN_MOVE_HURRY] = plugin_move_wish_begin,
        [PLUGIN_MOVE_LEAVE] = plugin_move_wish_leave,
    }
};


const char *
plugin_move_state_name(enum plugin_move_state state)
{
    return plugin_move_states[state];
}


bool
plugin_move_is_parked(const struct plugin_move *move)
{
    return move->is_again
           && (move->state == PLUGIN_MOVE_NONE
               || move->state == PLUGIN_MOVE_RESISTING
               || (move->state == PLUGIN_MOVE_HELD && move->fresh == NULL));
}


void
plugin_move_init(struct plugin_process *p, struct event_base *base)
{
    p->move.timer = evtimer_new(base, plugin_move_on_timer, p);
    p->move.look = evtimer_new(base, plugin_move_on_look, p);
}


void
plugin_move_clear(struct plugin_process *p)
{
    event_free(p->move.timer);
    event_free(p->move.look);
    plugin_activity_clear(&p->move.activity);
    free(p->move.error);
    free(p->move.traceback);
}


void
plugin_move_event(struct plugin_process *p, enum plugin_move_event event)
{
    plugin_move_fn  fn;

    fn = plugin_move_table[p->move.state][event];

    if (fn == NULL || p->all->is_stopping) {
        return;
    }

    fn(p);
    plugin_process_tell(p);
}


/* the only place that changes the state */

void
plugin_move_set_state(struct plugin_process *p, enum plugin_move_state state)
{
    enum plugin_move_state  from;
    struct log_fields       fields = { .plugin = p->plugin->name };

    from = p->move.state;
    evtimer_del(p->move.timer);
    p->move.serial = 0;
    p->move.state = state;
    p->move.since_ms = time_boot_ms();

    if (state == PLUGIN_MOVE_NONE || state == PLUGIN_MOVE_RESISTING) {
        p->move.switched_unix_ms = 0;       /* the next one has its own time */
    }

    log_write(LOG_LEVEL_INFO, &fields, "move \"%s\" -> \"%s\"%s%s",
              plugin_move_state_name(from), plugin_move_state_name(state),
              p->move.error != NULL ? ": " : "",
              p->move.error != NULL ? p->move.error : "");

    plugin_history_move(p, from);

    if (p->group != NULL) {
        plugin_seat_publish(p->current);    /* plugin_group_presence() */
    }

    plugin_move_touch(p);
}


void
plugin_move_set_timer(struct plugin_process *p, unsigned ms)
{
    struct timeval  tv;

    tv.tv_sec = ms / 1000;
    tv.tv_usec = (suseconds_t) (ms % 1000) * 1000;

    evtimer_add(p->move.timer, &tv);
}


void
plugin_move_set_error(struct plugin_process *p, const char *error,
    const char *traceback)
{
    free(p->move.error);
    free(p->move.traceback);

    p->move.error = error != NULL ? mem_strdup(error) : NULL;
    p->move.traceback = traceback != NULL && traceback[0] != '\0'
                        ? mem_strdup(traceback) : NULL;
}


void
plugin_move_forget(struct plugin_process *p)
{
    evtimer_del(p->move.timer);
    evtimer_del(p->move.look);
}


/* ---- what has happened to the processes ----------------------------- */

void
plugin_move_touch(struct plugin_process *p)
{
    event_active(p->move.look, EV_TIMEOUT, 0);
}


static void
plugin_move_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void) fd;
    (void) what;

    plugin_move_event(arg, PLUGIN_MOVE_TIMER);
}


static bool
plugin_move_is_trying(const struct plugin_move *move)
{
    return move->fresh != NULL && (move->state == PLUGIN_MOVE_STARTING
                                   || move->state == PLUGIN_MOVE_SWITCHING
                                   || move->state == PLUGIN_MOVE_HELD);
}


static void
plugin_move_look_fresh(struct plugin_process *p)
{
    switch (service_state(p->move.fresh->service)) {

    case SERVICE_READY:
        if (p->move.state == PLUGIN_MOVE_STARTING) {
            plugin_move_event(p, PLUGIN_MOVE_FRESH_READY);
        }
        break;

    case SERVICE_FAILED:
    case SERVICE_DOWN:
        plugin_move_event(p, PLUGIN_MOVE_FRESH_FAILED);
        break;

    default:
        break;
    }
}


/* states, not edges: nothing is missed, and no service is in the middle of a
   change while it is told something */

static void
plugin_move_on_look(evutil_socket_t fd, short what, void *arg)
{
    enum service_state      old;
    struct plugin_move     *move;
    struct plugin_process  *p;

    (void) fd;
    (void) what;
    p = arg;
    move = &p->move;

    if (p->is_entering) {
        (void) plugin_group_absorb(p);
        return;
    }

    plugin_former_look(p);

    if (p->is_stop_due && !plugin_process_is_following(p)) {
        plugin_catch_up_stop(p);
    }

    if (p->group != NULL) {
        plugin_group_look(p);
    }

    if (move->state == PLUGIN_MOVE_NONE
        || move->state == PLUGIN_MOVE_RESISTING)
    {
        plugin_process_tell(p);
        return;
    }

    old = service_state(move->old->service);

    if (old == SERVICE_DOWN || old == SERVICE_FAILED
        || (old != SERVICE_READY && move->state != PLUGIN_MOVE_CLOSING))
    {
        plugin_move_event(p, PLUGIN_MOVE_OLD_LOST);
        return;
    }

    if (plugin_move_is_trying(move)) {
        plugin_move_look_fresh(p);
    }

    plugin_process_tell(p);
}


/* ---- a start that failed, an old one that has died ------------------ */

static void
plugin_move_resist(struct plugin_process *p)
{
    struct plugin_seat  *old, *fresh;
    struct plugin_move  *move;

    move = &p->move;
    old = move->old;
    fresh = move->fresh;

    plugin_move_set_error(p, service_error(fresh->service)[0] != '\0'
                             ? service_error(fresh->service)
                             : service_last_exit(fresh->service),
                          service_traceback(fresh->service));
    log_error("plugin \"%s\": the next process is given up, the old one goes "
              "on: %s", p->plugin->name, move->error);

    p->moves_resisted++;
    p->failed_wish = fresh->wish;
    fresh->role = PLUGIN_ROLE_IDLE;
    service_set_once(old->service, false);
    plugin_seat_set_role(old, PLUGIN_ROLE_CURRENT);
    plugin_seat_unpin(old);
    plugin_seat_publish(fresh);

    plugin_move_set_state(p, PLUGIN_MOVE_RESISTING);

    if (move->is_again) {
        plugin_move_wish_begin(p);
    }
}


/* nothing of the old one is left to be kept: the next one is it */

static void
plugin_move_promote(struct plugin_process *p)
{
    struct plugin_seat  *fresh;

    fresh = p->move.fresh;

    log_warn("plugin \"%s\": the old process has died before the switch",
             p->plugin->name);

    if (fresh != NULL) {
        p->current = fresh;
        plugin_former_leave(fresh);

        if (service_state(fresh->service) == SERVICE_FAILED
            || service_state(fresh->service) == SERVICE_DOWN)
        {
            service_restart(fresh->service, MINT_CAUSE_CRASHED);
        }

        plugin_seat_set_role(fresh, PLUGIN_ROLE_CURRENT);
    }

    plugin_drain_over(p);
}


void
plugin_move_resume(struct plugin_process *p, enum plugin_move_state state)
{
    plugin_move_set_state(p, state);

    if (state == PLUGIN_MOVE_DRAINING || state == PLUGIN_MOVE_EMPTYING) {
        plugin_drain_resume(p);
    }
}
