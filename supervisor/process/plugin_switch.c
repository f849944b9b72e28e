/* SPDX-License-Identifier: MIT */
/*
 * The switch of a move: new requests wait, those under way finish, the owners
 * of work are pinned to the old process, then the words of both seats change.
 * When it is not known whose work the old one has, everyone stays there.
 */

#include "lib/fs.h"
#include "plugin_drain.h"
#include "plugin_private.h"
#include "plugin_switch.h"


/* parked requests get 503 after 2 s (mint_park crash=) */
#define SWITCH_COUNT_MS   1200      /* then requests under way are left there */
#define SWITCH_ANSWER_MS  1500      /* then everyone stays */
#define SWITCH_POLL_MS    10
#define SWITCH_HELD_MS    1000


void
plugin_switch_begin(struct plugin_process *p)
{
    plugin_move_set_state(p, PLUGIN_MOVE_SWITCHING);
    plugin_seat_set_role(p->move.old, PLUGIN_ROLE_HELD);
    plugin_drain_ask(p, SWITCH_POLL_MS);
}


/* everyone stays with the old one */

static void
plugin_switch_hold(struct plugin_process *p, const char *why)
{
    plugin_move_set_error(p, why, NULL);
    plugin_seat_unpin(p->move.old);
    plugin_seat_set_role(p->move.old, PLUGIN_ROLE_CURRENT);

    if (p->move.switched_unix_ms == 0) {
        p->move.switched_unix_ms = time_unix_ms();
    }

    plugin_move_set_state(p, PLUGIN_MOVE_HELD);
    plugin_move_set_timer(p, SWITCH_HELD_MS);

    /* it was to end and is wanted after all: not only when that is known */

    if (plugin_move_is_parked(&p->move)) {
        plugin_move_event(p, PLUGIN_MOVE_WISH);
    }
}


/* pins first, then the words */

static void
plugin_switch_publish(struct plugin_process *p)
{
    struct error         err;
    struct plugin_move  *move;

    move = &p->move;

    if (!move->is_now) {
        if (!move->activity.is_known) {
            plugin_switch_hold(p, "what its users have in the old process is "
                             "not known, so everyone stays there");
            return;
        }

        if (plugin_drain_pin(p, &err) != 0) {
            plugin_switch_hold(p, err.text);
            return;
        }
    }

    /* workers look for pins only where both seats are in use */

    if (move->fresh == NULL) {
        plugin_seat_set_role(plugin_process_other_seat(p, move->old),
                             PLUGIN_ROLE_CURRENT);
    }

    plugin_move_set_error(p, NULL, NULL);
    move->switched_unix_ms = time_unix_ms();
    plugin_seat_set_role(move->old, move->is_now ? PLUGIN_ROLE_IDLE
                                                 : PLUGIN_ROLE_OLD);

    if (move->fresh != NULL) {
        p->current = move->fresh;
        service_set_once(move->fresh->service, false);
        plugin_seat_set_role(move->fresh, PLUGIN_ROLE_CURRENT);

    } else {
        move->cause = MINT_CAUSE_STOPPED;
    }

    plugin_drain_begin(p);
}


static uint64_t
plugin_switch_age(const struct plugin_process *p)
{
    return time_boot_ms() - p->move.since_ms;
}


/*
 * Whoever was let in has been counted and has finished, or is an open
 * WebSocket.  A request that takes too long stays there: what it begins is
 * found out while the seat drains.
 */

void
plugin_switch_answer(struct plugin_process *p)
{
    uint32_t                       count;
    const struct plugin_activity  *activity;

    count = plugin_seat_count(p->move.old);
    activity = &p->move.activity;

    if (plugin_switch_age(p) < SWITCH_COUNT_MS
        && (count != p->move.count_asked
            || (count > 0 && (!activity->is_known || activity->requests > 0
                              || count > activity->websockets))))
    {
        plugin_move_set_timer(p, SWITCH_POLL_MS);
        return;
    }

    plugin_switch_publish(p);
}


void
plugin_switch_timer(struct plugin_process *p)
{
    if (p->move.serial == 0) {
        plugin_drain_ask(p, SWITCH_POLL_MS);
        return;
    }

    if (plugin_switch_age(p) < SWITCH_ANSWER_MS) {
        plugin_move_set_timer(p, SWITCH_POLL_MS);
        return;
    }

    if (p->move.is_now) {
        plugin_switch_publish(p);
        return;
    }

    plugin_switch_hold(p, "the old process does not say whose work it has, so "
                     "everyone stays there");
}


void
plugin_switch_held_answer(struct plugin_process *p)
{
    if (p->move.activity.is_known) {
        plugin_switch_begin(p);
        return;
    }

    plugin_move_set_timer(p, SWITCH_HELD_MS);
}


void
plugin_switch_held_timer(struct plugin_process *p)
{
    if (plugin_drain_is_overdue(p)) {
        p->move.is_now = true;
        plugin_switch_begin(p);
        return;
    }

    plugin_drain_ask(p, SWITCH_HELD_MS);
}
