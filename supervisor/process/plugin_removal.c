/* SPDX-License-Identifier: MIT */
/*
 * The end of a plugin that is being uninstalled: when nothing of it is under
 * way any more, and what is then given back: sockets, seats, directories.
 * Leaves stopping it to plugin_wish.c, its record to the registry.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "plugin_group.h"


#define REMOVAL_LOOK_MS    20
#define REMOVAL_COUNT_MS   10000       /* then what workers count is not
                                           waited for any more */


static void plugin_removal_wait(struct plugin_processes *all, unsigned ms);
static void plugin_removal_on_timer(evutil_socket_t fd, short what, void *arg);


void
plugin_processes_on_left(struct plugin_processes *processes,
    plugin_changed_fn fn, void *ctx)
{
    processes->on_left = fn;
    processes->on_left_ctx = ctx;
}


void
plugin_process_stays(struct plugin *plugin)
{
    plugin->is_leaving = false;
    plugin->ended_boot_ms = 0;
}


void
plugin_process_leaves_later(struct plugin *plugin)
{
    struct plugin_process  *p;

    p = plugin->process;
    plugin->is_leaving = false;

    if (p != NULL && !p->all->is_stopping) {
        plugin_removal_wait(p->all, REMOVAL_LOOK_MS);
    }
}


static bool
plugin_removal_is_due(const struct plugin *plugin)
{
    return plugin->removal != PLUGIN_STAYS && !plugin->is_leaving
           && plugin_process_halted(plugin) == PLUGIN_WISH_GRANTED;
}


static void
plugin_removal_wait(struct plugin_processes *all, unsigned ms)
{
    struct timeval  after;

    if (all->left_timer == NULL) {
        all->left_timer = evtimer_new(process_table_base(all->table),
                                      plugin_removal_on_timer, all);
    }

    after.tv_sec = 0;
    after.tv_usec = (suseconds_t) ms * 1000;
    evtimer_add(all->left_timer, &after);
}


/* from the loop: whoever has changed something is in the middle of it */

void
plugin_removal_look(struct plugin_processes *all, struct plugin *plugin)
{
    if (plugin_removal_is_due(plugin) && !all->is_stopping) {
        plugin_removal_wait(all, 0);
    }
}


/* ---- is anything of it under way? -------------------------------------- */

static bool
plugin_removal_is_seat_quiet(const struct plugin_seat *seat)
{
    return !plugin_seat_runs(seat) && !seat->is_cleaning && !seat->is_asked
           && seat->preparing == 0;
}


static uint32_t
plugin_removal_count(const struct plugin_processes *all,
    const struct plugin *plugin)
{
    unsigned  i;
    uint32_t  count;

    count = 0;

    for (i = 0; i < PLUGIN_SEATS; i++) {
        count += all->listener.in_flight(all->listener.ctx,
                                         LAYOUT_SEAT_OF(plugin->id) + i);
    }

    return count;
}


bool
plugin_process_is_over(const struct plugin_process *p)
{
    return plugin_removal_is_seat_quiet(&p->seats[0])
           && plugin_removal_is_seat_quiet(&p->seats[1])
           && !p->rest.is_demand_asked;
}


/* of a process of several: no list of its members is being gone through */

bool
plugin_process_is_quiet(const struct plugin *plugin)
{
    unsigned                      i;
    const struct plugin_member   *m;
    const struct plugin_process  *p;

    p = plugin->process;

    if (p == NULL) {
        return true;
    }

    if (p->group == NULL) {
        return plugin_process_is_over(p) && !p->is_entering
               && !plugin_group_still_has(p);
    }

    m = plugin_group_member(p, plugin);

    for (i = 0; i < PLUGIN_SEATS; i++) {
        if (m->at[i].is_asked
            || service_state(p->seats[i].service) == SERVICE_PREPARING)
        {
            return false;
        }
    }

    return true;
}


/* false: it is to be looked at again */

static bool
plugin_removal_leave(struct plugin_processes *all, struct plugin *plugin)
{
    uint64_t  now_ms;

    now_ms = time_boot_ms();

    if (plugin->ended_boot_ms == 0) {
        plugin->ended_boot_ms = now_ms;
    }

    if (!plugin_process_is_quiet(plugin)
        || (plugin_removal_count(all, plugin) > 0
            && now_ms - plugin->ended_boot_ms < REMOVAL_COUNT_MS))
    {
        return false;
    }

    plugin->is_leaving = true;

    if (all->on_left != NULL) {
        all->on_left(all->on_left_ctx, plugin);
    }

    return true;
}


static void
plugin_removal_on_timer(evutil_socket_t fd, short what, void *arg)
{
    bool                      is_done;
    size_t                    i;
    struct plugin            *plugin;
    struct plugin_processes  *all;

    (void) fd;
    (void) what;
    all = arg;
    is_done = true;

    for (i = 0; i < registry_count(all->registry) && !all->is_stopping; i++) {
        plugin = registry_at(all->registry, i);

        if (plugin_removal_is_due(plugin)) {
            is_done = plugin_removal_leave(all, plugin) && is_done;
        }
    }

    if (!is_done) {
        plugin_removal_wait(all, REMOVAL_LOOK_MS);
    }
}


/* ---- it is gone --------------------------------------------------------- */

/* the socket's file goes with it */

static void
plugin_removal_unlisten(struct plugin_processes *all, uint32_t record)
{
    struct error  err;

    if (keeper_client_unlisten(process_table_keeper(all->table),
                               LAYOUT_LISTENER_SEAT(record), NULL, NULL, &err)
        != 0)
    {
        log_warn("a socket is left behind: %s", err.text);
    }
}


static void
plugin_removal_member(struct plugin_process *p, struct plugin *plugin)
{
    unsigned               i;
    struct plugin_member  *m;

    m = plugin_group_member(p, plugin);

    for (i = 0; i < PLUGIN_SEATS; i++) {
        p->all->listener.on_state(p->all->listener.ctx, m->at[i].record,
                                  p->seats[i].service, PLUGIN_ROLE_IDLE,
                                  MINT_CAUSE_STOPPED, PLUGIN_STOPPED_ALONE);
        plugin_removal_unlisten(p->all, m->at[i].record);
    }

    plugin_group_remove(p, plugin);
}


void
plugin_removal_done(struct plugin_processes *all, struct plugin *plugin)
{
    unsigned                 i;
    struct plugin_process   *p, **at;

    p = plugin->process;

    if (p == NULL) {
        return;
    }

    if (p->group != NULL) {
        plugin_removal_member(p, plugin);
        return;
    }

    for (at = &all->first; *at != p; at = &(*at)->next) {
        /* void */
    }

    *at = p->next;

    for (i = 0; i < PLUGIN_SEATS; i++) {
        plugin_seat_set_role(&p->seats[i], PLUGIN_ROLE_IDLE);
        plugin_removal_unlisten(all, p->seats[i].record);

        /* emptied when its last process ended; not there if there was none */

        (void) rmdir(p->seats[i].tmp);
    }

    plugin_questions_end(p);
    plugin_process_free(p);
}
