/* SPDX-License-Identifier: MIT */
/*
 * What is wanted of a plugin's process, in each state of its move: another
 * process beside the old one, or in its place where that cannot be; an end; and
 * what cannot be done yet is kept.  These are actions of the table in
 * plugin_move.c.
 */

#include "plugin_drain.h"
#include "plugin_former.h"
#include "plugin_group.h"
#include "plugin_history.h"
#include "plugin_move_wish.h"
#include "plugin_switch.h"


/* a process that was given up on the seat where nothing is to run now: it has
   ended, and that is what is told of it */

static void
plugin_move_wish_clear_other(struct plugin_process *p)
{
    struct plugin_seat  *other;

    other = plugin_process_other_seat(p, p->current);

    if (service_state(other->service) == SERVICE_FAILED) {
        service_stop(other->service, false);
    }
}


static void
plugin_move_wish_in_place(struct plugin_process *p)
{
    plugin_move_wish_clear_other(p);
    plugin_move_set_error(p, NULL, NULL);
    p->move.old = NULL;
    p->move.fresh = NULL;

    if (p->move.state != PLUGIN_MOVE_NONE) {
        plugin_move_set_state(p, PLUGIN_MOVE_NONE);
    }

    if (p->move.is_now) {
        p->current->excused = plugin_seat_count(p->current);
    }

    plugin_former_leave(p->current);
    service_restart(p->current->service, p->move.cause);
}


void
plugin_move_wish_begin(struct plugin_process *p)
{
    bool                 is_ready, is_taken, was_again;
    struct plugin_seat  *fresh;
    struct plugin_move  *move;

    move = &p->move;
    fresh = plugin_process_other_seat(p, p->current);
    was_again = move->is_again;
    move->cause = move->again_cause;
    move->is_now = move->is_again_now;

    is_ready = service_state(p->current->service) == SERVICE_READY;

    /* a supervisor's first moments, or a shared process that it has left, and
       that has work yet: it is begun once there is that socket, unless nobody's
       work is to be kept and the next one may start */

    is_taken = plugin_group_still_in(p, (size_t) (fresh - p->seats));

    if (is_ready && (is_taken
                     || (!fresh->is_listening && !fresh->cannot_listen))
        && (!move->is_now || move->state == PLUGIN_MOVE_RESISTING))
    {
        plugin_move_wish_again(p);
        return;
    }

    if (!is_ready || !fresh->is_listening || is_taken) {
        plugin_move_wish_in_place(p);
        move->is_again = false;

        if (was_again) {
            plugin_history_move(p, p->move.state);      /* not any more */
        }

        return;
    }

    plugin_move_set_error(p, NULL, NULL);
    move->is_again = false;
    move->old = p->current;
    move->fresh = fresh;
    service_set_once(move->old->service, true);
    service_set_once(fresh->service, true);
    plugin_former_leave(fresh);

    plugin_move_set_state(p, PLUGIN_MOVE_STARTING);
    fresh->role = PLUGIN_ROLE_TRIAL;
    service_restart(fresh->service, move->cause);
}


/* the next supervisor may have to do it */

void
plugin_move_wish_again(struct plugin_process *p)
{
    p->move.is_again = true;

    if (p->move.again_cause == MINT_CAUSE_UPGRADING) {
        plugin_move_set_error(p, NULL, NULL);   /* of the version before */
    }

    plugin_history_move(p, p->move.state);
}


/* the process on trial knows less than is wanted now */

void
plugin_move_wish_retry(struct plugin_process *p)
{
    if (p->move.fresh == NULL) {
        plugin_move_wish_begin(p);  /* it was to end, and is to be followed */
        return;
    }

    p->move.cause = p->move.again_cause;
    p->move.is_again = false;
    plugin_move_set_error(p, NULL, NULL);
    plugin_former_leave(p->move.fresh);
    plugin_move_set_state(p, PLUGIN_MOVE_STARTING);
    service_restart(p->move.fresh->service, p->move.cause);
}


/* while the old one ends: after a "leave" the next one can start at once */

void
plugin_move_wish_follow(struct plugin_process *p)
{
    struct plugin_move  *move;

    move = &p->move;

    if (move->fresh != NULL) {
        plugin_move_wish_again(p);
        return;
    }

    move->cause = move->again_cause;
    move->fresh = plugin_process_other_seat(p, move->old);
    p->current = move->fresh;
    plugin_former_leave(p->current);
    service_restart(p->current->service, move->cause);
    plugin_seat_set_role(p->current, PLUGIN_ROLE_CURRENT);
}


/* what was to end without another one is followed by one after all; else the
   next one is what is wanted now, unless it is itself to be followed */

static void
plugin_move_wish_set_now(struct plugin_process *p)
{
    struct plugin_move  *move;

    move = &p->move;
    move->is_now = true;
    move->is_again = move->is_again || move->fresh == NULL;

    if (!move->is_again) {
        move->fresh->wish = p->wish;
    }
}


void
plugin_move_wish_hurry(struct plugin_process *p)
{
    plugin_move_wish_set_now(p);
    plugin_history_move(p, p->move.state);
}


void
plugin_move_wish_hurry_held(struct plugin_process *p)
{
    plugin_move_wish_set_now(p);
    plugin_switch_begin(p);
}


void
plugin_move_wish_hurry_drain(struct plugin_process *p)
{
    plugin_move_wish_follow(p);
    p->move.is_now = true;
    plugin_drain_close(p, "asked for at once");
}


void
plugin_move_wish_leave(struct plugin_process *p)
{
    struct plugin_move  *move;

    move = &p->move;
    move->is_again = false;         /* an end is what is wanted now */
    plugin_move_wish_clear_other(p);

    if (service_state(p->current->service) != SERVICE_READY) {
        move->cause = MINT_CAUSE_STOPPED;
        plugin_move_set_error(p, NULL, NULL);
        plugin_move_set_state(p, PLUGIN_MOVE_NONE);
        service_stop(p->current->service, false);

        if (move->fresh != NULL) {
            plugin_seat_set_role(move->fresh, PLUGIN_ROLE_IDLE);
            service_stop(move->fresh->service, false);
        }

        return;
    }

    if (move->fresh != NULL) {
        service_stop(move->fresh->service, false);
        plugin_seat_set_role(move->fresh, PLUGIN_ROLE_IDLE);
    }

    move->old = p->current;
    move->fresh = NULL;
    move->is_now = move->is_again_now;
    move->cause = MINT_CAUSE_RESTART;       /* requests wait for the switch */
    service_set_once(move->old->service, true);
    plugin_move_set_error(p, NULL, NULL);
    plugin_switch_begin(p);
}


/* an end is under way already: nothing is to follow any more, and it can only
   be wanted sooner */

void
plugin_move_wish_leave_now(struct plugin_process *p)
{
    p->move.is_again = false;
    p->move.is_now = p->move.is_now || p->move.is_again_now;
    plugin_history_move(p, p->move.state);
}


void
plugin_move_wish_leave_drain(struct plugin_process *p)
{
    plugin_move_wish_leave_now(p);

    if (p->move.is_now) {
        plugin_drain_close(p, "asked for at once");
    }
}
