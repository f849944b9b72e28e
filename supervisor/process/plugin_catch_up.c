/* SPDX-License-Identifier: MIT */
/*
 * What was wanted of a plugin before this supervisor was there, or before it
 * had the plugin's sockets: begun with as soon as it can be.
 */

#include "lib/log.h"
#include "plugin_catch_up.h"
#include "plugin_former.h"
#include "plugin_group.h"


/* the supervisor before had kept the order and not begun with it, or had not
   come to the end.  It stands also when it cannot be begun with now */

void
plugin_catch_up_stop(struct plugin_process *p)
{
    struct error       err;
    struct log_fields  fields = { .plugin = p->plugin->name };

    p->is_stop_due = p->plugin->is_stopped
                     && p->rest.state != PLUGIN_REST_BY_HAND
                     && plugin_process_halt(p->plugin, false, &err) != 0;

    if (p->is_stop_due) {
        log_write(LOG_LEVEL_INFO, &fields, "it is stopped later: %s",
                  err.text);
    }
}


/* as a stop of one of them: the others go on without it, if there are any */

static void
plugin_catch_up_group(struct plugin_process *p)
{
    if (plugin_group_is_wanted(p, NULL)) {
        plugin_process_wish_for(p, MINT_CAUSE_RESTART, false);

    } else {
        p->move.is_again_now = false;
        plugin_move_event(p, PLUGIN_MOVE_LEAVE);
    }
}


/* what serves, or is to serve next, is of another version than the newest; one
   that was given up is not tried again */

static bool
plugin_catch_up_is_behind(const struct plugin_process *p)
{
    const struct plugin_seat  *seat;
    const struct plugin_move  *move;

    move = &p->move;
    seat = move->state == PLUGIN_MOVE_STARTING ? move->fresh : p->current;

    return (seat->running_since != p->plugin->registered_unix_ms
            || (p->group != NULL && plugin_group_lacks(p)))
           && !plugin_former_is_back(p)
           && (move->state == PLUGIN_MOVE_NONE || seat == move->fresh
               || p->group != NULL);
}


/* adopted, but replaced in the registry just before, or wanted once more; a
   move needs both sockets */

void
plugin_catch_up(struct plugin_process *p)
{
    if (!p->seats[0].is_listening || !p->seats[1].is_listening) {
        return;
    }

    if (p->group != NULL && plugin_group_is_changing(p)) {
        plugin_move_touch(p);           /* comes to the others afterwards */

    } else if (p->group == NULL && p->plugin->is_stopped) {
        plugin_catch_up_stop(p);

    } else if (p->group != NULL && p->move.state == PLUGIN_MOVE_NONE
               && plugin_group_has_stopped(p))
    {
        plugin_catch_up_group(p);

    } else if (plugin_catch_up_is_behind(p)) {
        plugin_process_wish_for(p, MINT_CAUSE_UPGRADING, false);

    } else {
        plugin_catch_up_wish(p);
    }
}


/* the other socket is not to be had */

void
plugin_catch_up_in_place(struct plugin_process *p)
{
    if (p->group == NULL && p->plugin->is_stopped) {
        plugin_catch_up_stop(p);

    } else {
        plugin_catch_up_wish(p);
    }
}


void
plugin_catch_up_wish(struct plugin_process *p)
{
    const struct plugin_move  *move;

    move = &p->move;

    if (plugin_move_is_parked(move)) {
        plugin_process_wish_for(p, move->again_cause, move->is_again_now);
    }
}
