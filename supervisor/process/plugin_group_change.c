/* SPDX-License-Identifier: MIT */
/*
 * A plugin that was decided anew, and is not where it belongs any more: out of
 * the shared process into one of its own, or the other way.  Never both at
 * once; what this needs of the others in the process is a move of theirs.
 */

#include "plugin_group.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "plugin_catch_up.h"


static void plugin_group_leave(struct plugin_process *p,
    struct plugin *plugin);


bool
plugin_group_has_changed(struct plugin_processes *all, struct plugin *plugin)
{
    size_t                  i;
    struct plugin_process  *p;

    p = plugin->process;

    if (p == NULL || (p->group != NULL) == plugin_group_takes(all, plugin)) {
        if (p != NULL && p->group == NULL) {
            p->is_entering = false;     /* decided otherwise meanwhile */
        }

        return false;
    }

    if (p->is_entering) {
        return true;
    }

    if (p->group != NULL) {
        plugin_move_touch(p);           /* plugin_group_look() */
        return true;
    }

    /* the others would not get it before an older process has ended, which may
       have work for hours: plugin_group_look() */

    if (all->group != NULL && plugin_process_is_following(all->group)) {
        return true;
    }

    log_info("plugin \"%s\" enters the shared process", plugin->name);

    /* its own process ends first, and then: plugin_group_absorb() */

    plugin_rest_cancel(p);
    plugin_move_forget(p);
    p->move.serial = 0;             /* no answer is waited for any more */
    p->is_entering = true;

    for (i = 0; i < PLUGIN_SEATS; i++) {
        service_set_once(p->seats[i].service, false);
        service_stop(p->seats[i].service, false);
    }

    /* who comes meanwhile waits for the shared process */

    if (!plugin->is_stopped) {
        plugin_seat_set_role(p->current, PLUGIN_ROLE_ASLEEP);
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


bool
plugin_group_is_changing(const struct plugin_process *p)
{
    size_t                i;
    const struct plugin  *plugin;

    for (i = 0; i < p->group->count; i++) {
        plugin = p->group->members[i]->plugin;

        if (!plugin->is_stopped && !plugin_group_takes(p->all, plugin)) {
            return true;
        }
    }

    return false;
}


/* where it is told to: one that is PREPARING sees it when it is prepared, and
   may be told what is wanted until then */

static const bool  plugin_group_can_end[SERVICE_STATE_COUNT] = {
    [SERVICE_QUEUED] = true,
    [SERVICE_STARTING] = true,
    [SERVICE_READY] = true,
    [SERVICE_BACKOFF] = true,
    [SERVICE_FAILED] = true
};


static bool
plugin_group_is_abandoned(const struct plugin_process *p)
{
    enum service_state  state;

    state = service_state(p->current->service);

    return (p->move.state == PLUGIN_MOVE_NONE
            || p->move.state == PLUGIN_MOVE_RESISTING)
           && plugin_group_can_end[state] && !plugin_group_is_wanted(p, NULL)
           && !plugin_group_is_changing(p);
}


/* of those that are alone: who could not enter, or had to wait for a seat that
   an older process of all still had */

static void
plugin_group_look_outside(struct plugin_process *p)
{
    size_t                  i;
    struct plugin          *plugin;
    struct plugin_process  *own;

    for (i = 0; i < registry_count(p->all->registry); i++) {
        plugin = registry_at(p->all->registry, i);
        own = plugin->process;

        if (own == NULL || own->group != NULL || own->is_entering) {
            continue;
        }

        if (!plugin_group_has_changed(p->all, plugin)
            && (own->was_in[0] != 0 || own->was_in[1] != 0)
            && !plugin_group_still_has(own))
        {
            memset(own->was_in, 0, sizeof(own->was_in));
            plugin_catch_up_wish(own);
        }
    }
}


void
plugin_group_look(struct plugin_process *p)
{
    size_t                i, left;
    struct plugin        *plugin;
    struct plugin_group  *group;

    plugin_group_look_outside(p);
    group = p->group;
    left = 0;

    for (i = group->count; i-- > 0 && plugin_group_may_leave(p); ) {
        plugin = group->members[i]->plugin;

        /* one that is stopped has ended when the process that has it has */

        if (!plugin_group_takes(p->all, plugin)
            && !(plugin->is_stopped && plugin_group_is_in(p, plugin)))
        {
            plugin_group_leave(p, plugin);
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
    size_t                  i, letter;
    uint32_t                was_in[PLUGIN_SEATS];
    struct plugin_process  *own;

    log_info("plugin \"%s\" leaves the shared process", plugin->name);

    letter = p->current == &p->seats[0];

    for (i = 0; i < PLUGIN_SEATS; i++) {
        was_in[i] = plugin_group_generation(p, plugin, &p->seats[i]);
    }

    plugin_group_remove(p, plugin);

    own = plugin_process_make(p->all, plugin, NULL);
    memcpy(own->was_in, was_in, sizeof(was_in));
    own->wish = p->wish + 1;
    own->current = &own->seats[letter];
    own->seats[letter].role = PLUGIN_ROLE_CURRENT;
    plugin_seat_set_role(&own->seats[!letter], PLUGIN_ROLE_IDLE);

    /* who comes before it has its sockets waits */

    p->all->listener.on_state(p->all->listener.ctx, own->current->record,
                              own->current->service, PLUGIN_ROLE_CURRENT,
                              MINT_CAUSE_FIRST_START,
                              plugin->is_stopped ? PLUGIN_PRESENT
                                                 : PLUGIN_COMING);

    plugin_seat_listen(&own->seats[0]);
    plugin_seat_listen(&own->seats[1]);
}


bool
plugin_group_still_in(const struct plugin_process *p, size_t letter)
{
    const struct plugin_seat  *seat;

    if (p->all->group == NULL || p->was_in[letter] == 0) {
        return false;
    }

    seat = &p->all->group->seats[letter];

    return service_pid(seat->service) != 0
           && service_generation(seat->service) == p->was_in[letter];
}


bool
plugin_group_still_has(const struct plugin_process *p)
{
    return plugin_group_still_in(p, 0) || plugin_group_still_in(p, 1);
}


/* false: it still runs, or an answer about it is to come.  Else p is gone */

bool
plugin_group_absorb(struct plugin_process *p)
{
    size_t                    i;
    bool                      still[PLUGIN_SEATS];
    uint64_t                  wish;
    struct plugin            *plugin;
    struct plugin_process    *group, **at;
    struct plugin_processes  *all;

    if (!plugin_process_is_over(p)) {
        return false;
    }

    all = p->all;
    plugin = p->plugin;
    wish = p->wish;

    for (i = 0; i < PLUGIN_SEATS; i++) {
        still[i] = plugin_group_still_in(p, i);
    }

    for (at = &all->first; *at != p; at = &(*at)->next) {
        /* void */
    }

    *at = p->next;
    plugin_questions_end(p);
    plugin_process_free(p);

    group = plugin_group_join(all, plugin);

    for (i = 0; i < PLUGIN_SEATS; i++) {
        plugin_group_member(group, plugin)->at[i].is_in = still[i];
    }

    if (group->wish < wish) {
        group->wish = wish;
    }

    plugin_group_listen(group);

    return true;
}
