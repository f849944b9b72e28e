/* SPDX-License-Identifier: MIT */
/*
 * A plugin that was decided anew, and is not where it belongs any more: out of
 * the shared process into one of its own, or the other way.  Never both at
 * once; what this needs of the others in the process is a move of theirs.
 */

#include "plugin_group.h"

#include <stdlib.h>

#include "lib/log.h"


static void plugin_group_leave(struct plugin_process *p,
    struct plugin *plugin);


bool
plugin_group_has_changed(struct plugin_processes *all, struct plugin *plugin)
{
    size_t                  i;
    struct plugin_process  *p;

    p = plugin->process;

    if (p == NULL || (p->group != NULL) == plugin_group_takes(all, plugin)) {
        return false;
    }

    if (p->group != NULL) {
        plugin_move_touch(p);           /* plugin_group_look() */
        return true;
    }

    log_info("plugin \"%s\" enters the shared process", plugin->name);

    /* its own process ends first, and then: plugin_group_absorb() */

    plugin_rest_cancel(p);
    plugin_move_forget(p);
    p->is_entering = true;

    for (i = 0; i < PLUGIN_SEATS; i++) {
        service_set_once(p->seats[i].service, false);
        service_stop(p->seats[i].service, false);
    }

    plugin_move_touch(p);

    return true;
}


bool
plugin_group_is_leaving(const struct plugin *plugin)
{
    const struct plugin_process  *p;

    p = plugin->process;

    return p != NULL && p->group != NULL
           && !plugin_group_takes(p->all, plugin);
}


/* of the seat that it would take, and of what is under way for it */

static bool
plugin_group_may_leave(const struct plugin_process *p)
{
    return p->group->asked == 0 && !plugin_process_is_following(p)
           && service_state(p->seats[0].service) != SERVICE_PREPARING
           && service_state(p->seats[1].service) != SERVICE_PREPARING;
}


static bool
plugin_group_is_abandoned(const struct plugin_process *p)
{
    enum service_state  state;

    state = service_state(p->current->service);

    return (p->move.state == PLUGIN_MOVE_NONE
            || p->move.state == PLUGIN_MOVE_RESISTING)
           && state != SERVICE_DOWN && state != SERVICE_DRAINING
           && state != SERVICE_STOPPING && !plugin_group_is_wanted(p, NULL);
}


void
plugin_group_look(struct plugin_process *p)
{
    size_t                i, left;
    struct plugin_group  *group;

    group = p->group;
    left = 0;

    for (i = group->count; i-- > 0 && plugin_group_may_leave(p); ) {
        if (!plugin_group_takes(p->all, group->members[i]->plugin)) {
            plugin_group_leave(p, group->members[i]->plugin);
            left++;
        }
    }

    if (left > 0 && plugin_group_is_wanted(p, NULL)) {
        plugin_process_wish_for(p, MINT_CAUSE_RESTART, false);

    } else if (left > 0 || plugin_group_is_abandoned(p)) {
        p->move.is_again_now = false;
        plugin_move_event(p, PLUGIN_MOVE_LEAVE);
    }
}


/*
 * Its next process takes the seat that the shared one does not have, so that
 * the edge has one place at a time to send requests to.
 */

static void
plugin_group_leave(struct plugin_process *p, struct plugin *plugin)
{
    size_t                  letter;
    struct plugin_process  *own;

    log_info("plugin \"%s\" leaves the shared process", plugin->name);

    letter = p->current == &p->seats[0];
    plugin_group_remove(p, plugin);

    own = plugin_process_make(p->all, plugin, NULL);
    own->wish = p->wish + 1;
    own->current = &own->seats[letter];
    own->seats[letter].role = PLUGIN_ROLE_CURRENT;
    plugin_seat_set_role(&own->seats[!letter], PLUGIN_ROLE_IDLE);
    plugin_seat_publish(own->current);

    plugin_seat_listen(&own->seats[0]);
    plugin_seat_listen(&own->seats[1]);
}


/* false: it still runs.  Else p is gone */

bool
plugin_group_absorb(struct plugin_process *p)
{
    size_t                    i;
    uint64_t                  wish;
    struct plugin            *plugin;
    struct plugin_process    *group, **at;
    struct plugin_processes  *all;

    for (i = 0; i < PLUGIN_SEATS; i++) {
        if (plugin_seat_runs(&p->seats[i]) || p->seats[i].is_cleaning) {
            return false;
        }
    }

    all = p->all;
    plugin = p->plugin;
    wish = p->wish;

    for (at = &all->first; *at != p; at = &(*at)->next) {
        /* void */
    }

    *at = p->next;
    plugin_questions_end(p);
    plugin_process_free(p);

    group = plugin_group_join(all, plugin);

    if (group->wish < wish) {
        group->wish = wish;
    }

    plugin_group_listen(group);

    return true;
}
