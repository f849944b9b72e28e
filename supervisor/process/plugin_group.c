/* SPDX-License-Identifier: MIT */
/*
 * The members of the shared process, and what users see of each.  Leaves their
 * seats to plugin_group_seat.c, and the process itself to the machinery that
 * every plugin's process has.
 */

#include "plugin_group.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "plugin_history.h"


bool
plugin_group_takes(const struct plugin_processes *all,
    const struct plugin *plugin)
{
    return all->config->plugins.shared_process
           && plugin->mode == PLUGIN_SHARED;
}


static struct plugin_process *
plugin_group_make(struct plugin_processes *all)
{
    struct plugin_group  *group;

    group = mem_alloc(sizeof(struct plugin_group));
    group->plugin.name = mem_strdup(PLUGIN_GROUP_NAME);
    group->plugin.routes_prefix = mem_strdup("");
    group->plugin.mode = PLUGIN_SHARED;

    /* no more than the directory of it is known without a member */

    group->plugin.environment = mem_printf("%s/environments/platform",
                                           all->config->server.data_path);
    group->plugin.uid = all->layout->has_uids
                        ? (uint32_t) all->config->plugins.uid_last
                        : UINT32_MAX;
    all->group = plugin_process_make(all, &group->plugin, group);

    return all->group;
}


static struct plugin_member *
plugin_member_make(struct plugin_process *p, struct plugin *plugin)
{
    unsigned                    i;
    uint32_t                    generation;
    struct plugin_member       *m;
    struct plugin_processes    *all;
    struct plugin_group_place  *at;

    all = p->all;
    m = mem_alloc(sizeof(struct plugin_member));
    m->unit = p;
    m->plugin = plugin;
    m->data = mem_printf("%s/plugin-data/%s", all->config->server.data_path,
                         plugin->name);
    m->history = history_open(all->layout->history_directory, plugin->name);

    for (i = 0; i < PLUGIN_SEATS; i++) {
        at = &m->at[i];
        at->record = LAYOUT_SEAT_OF(plugin->id) + i;
        at->address = layout_seat_socket(all->layout, plugin->id, 0, i);

        /* generations of a seat only grow, whatever ran there before */

        generation = mint_seat_generation(
                         all->listener.seat_word(all->listener.ctx,
                                                 at->record));

        if (generation > service_generation(p->seats[i].service)) {
            service_set_generation(p->seats[i].service, generation);
        }
    }

    return m;
}


struct plugin_process *
plugin_group_join(struct plugin_processes *all, struct plugin *plugin)
{
    struct plugin_group    *group;
    struct plugin_process  *p;

    p = all->group != NULL ? all->group : plugin_group_make(all);
    group = p->group;

    if (plugin_group_member(p, plugin) == NULL) {
        group->members = mem_grow(group->members, group->count + 1,
                                  sizeof(struct plugin_member *));
        group->members[group->count++] = plugin_member_make(p, plugin);
    }

    plugin->process = p;
    plugin_group_refresh(p);

    return p;
}


void
plugin_group_refresh(struct plugin_process *p)
{
    size_t                i;
    const struct plugin  *plugin, *last;
    struct plugin_group  *group;

    group = p->group;
    last = NULL;

    for (i = 0; i < group->count; i++) {
        plugin = group->members[i]->plugin;

        if (plugin_group_takes(p->all, plugin)
            && (last == NULL
                || plugin->registered_unix_ms > last->registered_unix_ms))
        {
            last = plugin;
        }
    }

    if (last != NULL) {
        group->plugin.registered_unix_ms = last->registered_unix_ms;
        free(group->plugin.environment);
        group->plugin.environment = mem_strdup(last->environment);
    }
}


bool
plugin_group_is_of(uint64_t word, uint32_t generation)
{
    return mint_seat_generation(word) == generation
           && mint_seat_state(word) != MINT_SEAT_EMPTY
           && mint_seat_cause(word) != MINT_CAUSE_STOPPED
           && mint_seat_cause(word) != MINT_CAUSE_INSTALLING;
}


struct plugin_process *
plugin_group_find(struct plugin_processes *all, unsigned letter,
    uint32_t generation)
{
    size_t          i;
    uint64_t        word;
    struct plugin  *plugin;

    for (i = 0; i < registry_count(all->registry); i++) {
        plugin = registry_at(all->registry, i);

        /* it may have been found in a process of its own */

        if (plugin->process != NULL) {
            continue;
        }

        word = all->listener.seat_word(all->listener.ctx,
                                       LAYOUT_SEAT_OF(plugin->id) + letter);

        if (plugin_group_takes(all, plugin)
            || plugin_group_is_of(word, generation))
        {
            plugin_group_join(all, plugin);
        }
    }

    return all->group != NULL ? all->group : plugin_group_make(all);
}


static void
plugin_member_free(struct plugin_member *m)
{
    size_t  i;

    if (m->plugin->process == m->unit) {
        m->plugin->process = NULL;
    }

    for (i = 0; i < PLUGIN_SEATS; i++) {
        free(m->at[i].address);
        free(m->at[i].error);
    }

    history_free(&m->history);
    free(m->data);
    free(m);
}


void
plugin_group_remove(struct plugin_process *p, struct plugin *plugin)
{
    size_t                i;
    struct plugin_group  *group;

    group = p->group;

    for (i = 0; i < group->count; i++) {
        if (group->members[i]->plugin == plugin) {
            if (group->owning == group->members[i]) {
                group->owning = NULL;
            }

            plugin_member_free(group->members[i]);
            group->members[i] = group->members[--group->count];
            return;
        }
    }
}


void
plugin_group_free(struct plugin_process *p)
{
    size_t                i;
    struct plugin_group  *group;

    group = p->group;
    p->all->group = NULL;

    for (i = 0; i < group->count; i++) {
        plugin_member_free(group->members[i]);
    }

    if (group->plugins != NULL) {
        explicit_bzero(group->plugins, strlen(group->plugins));
    }

    free(group->plugins);
    free(group->members);
    free(group->plugin.name);
    free(group->plugin.environment);
    free(group->plugin.routes_prefix);
    free(group);
}


struct plugin_member *
plugin_group_member(const struct plugin_process *p,
    const struct plugin *plugin)
{
    size_t  i;

    for (i = 0; i < p->group->count; i++) {
        if (p->group->members[i]->plugin == plugin) {
            return p->group->members[i];
        }
    }

    return NULL;
}


bool
plugin_group_is_wanted(const struct plugin_process *p,
    const struct plugin *without)
{
    size_t                i;
    const struct plugin  *plugin;

    for (i = 0; i < p->group->count; i++) {
        plugin = p->group->members[i]->plugin;

        if (plugin != without && !plugin->is_stopped
            && plugin_group_takes(p->all, plugin))
        {
            return true;
        }
    }

    return false;
}


/* ---- one of them ------------------------------------------------------ */

static const struct plugin_group_place *
plugin_group_at(const struct plugin_process *p, const struct plugin *plugin,
    const struct plugin_seat *seat)
{
    return &plugin_group_member(p, plugin)->at[seat - p->seats];
}


static bool
plugin_group_is_live(const struct plugin_seat *seat)
{
    return service_state(seat->service) == SERVICE_STARTING
           || service_state(seat->service) == SERVICE_READY;
}


bool
plugin_group_is_up(const struct plugin_process *p,
    const struct plugin *plugin)
{
    return plugin_group_is_live(p->current)
           && plugin_group_at(p, plugin, p->current)->is_up;
}


bool
plugin_group_is_broken(const struct plugin_process *p,
    const struct plugin *plugin)
{
    const struct plugin_group_place  *at;

    at = plugin_group_at(p, plugin, p->current);

    return plugin_group_is_live(p->current) && at->is_in && at->error != NULL;
}


bool
plugin_group_has_stopped(const struct plugin_process *p)
{
    size_t                i;
    const struct plugin  *plugin;

    for (i = 0; i < p->group->count && plugin_group_is_live(p->current); i++) {
        plugin = p->group->members[i]->plugin;

        if (plugin->is_stopped && plugin_group_at(p, plugin, p->current)->is_in)
        {
            return true;
        }
    }

    return false;
}


uint32_t
plugin_group_generation(const struct plugin_process *p,
    const struct plugin *plugin, const struct plugin_seat *seat)
{
    return service_pid(seat->service) != 0
           && plugin_group_at(p, plugin, seat)->is_in
           ? service_generation(seat->service) : 0;
}


bool
plugin_group_is_in(const struct plugin_process *p,
    const struct plugin *plugin)
{
    return plugin_group_generation(p, plugin, &p->seats[0]) != 0
           || plugin_group_generation(p, plugin, &p->seats[1]) != 0;
}


bool
plugin_group_lacks(const struct plugin_process *p)
{
    size_t                            i;
    const struct plugin              *plugin;
    const struct plugin_group_place  *at;

    for (i = 0; i < p->group->count && plugin_group_is_live(p->current); i++) {
        plugin = p->group->members[i]->plugin;
        at = plugin_group_at(p, plugin, p->current);

        if (at->is_listening && !at->is_in && !plugin->is_stopped
            && plugin_group_takes(p->all, plugin))
        {
            return true;
        }
    }

    return false;
}


/* what is true of all, unless something else is true of this one */

static enum plugin_state
plugin_member_state(const struct plugin_process *p,
    const struct plugin_member *m, enum plugin_state all, const char **text)
{
    const struct plugin_group_place  *at;

    at = &m->at[p->current - p->seats];

    if (m->plugin->removal != PLUGIN_STAYS) {
        *text = PLUGIN_REMOVAL_TEXT;
        return PLUGIN_UNINSTALLING;
    }

    if (m->plugin->is_stopped) {
        *text = "stopped by hand; \"mintctl start\" starts it";
        return PLUGIN_STOPPED;
    }

    if (plugin_group_is_broken(p, m->plugin)) {
        *text = at->error;
        return PLUGIN_FAILED;
    }

    if (service_state(p->current->service) == SERVICE_STARTING && at->is_up
        && p->current->role == PLUGIN_ROLE_CURRENT)
    {
        *text = NULL;
        return PLUGIN_READY;
    }

    if (service_state(p->current->service) == SERVICE_READY && !at->is_in) {
        *text = "waits for the next start of the shared process";
        return PLUGIN_INITIALIZING;
    }

    return all;
}


void
plugin_group_tell(struct plugin_process *p)
{
    size_t                 i;
    const char            *text, *own;
    enum plugin_state      all, state;
    struct plugin_member  *m;

    all = plugin_process_state(p, &text);

    for (i = 0; i < p->group->count; i++) {
        m = p->group->members[i];
        own = text;
        state = plugin_member_state(p, m, all, &own);

        plugin_history_plugin(p, m->plugin, m->history, state, own);
        plugin_set_state(p->all->registry, m->plugin, state, own);
    }

    plugin_group_changed(p);
}


void
plugin_group_changed(struct plugin_process *p)
{
    size_t  i;

    for (i = 0; i < p->group->count; i++) {
        plugin_removal_look(p->all, p->group->members[i]->plugin);

        if (p->all->on_changed != NULL) {
            p->all->on_changed(p->all->on_changed_ctx,
                               p->group->members[i]->plugin);
        }
    }
}


/* each one's history says what has happened to its process */

void
plugin_group_history(struct plugin_process *p, json_t *record)
{
    size_t  i;

    for (i = 0; i < p->group->count; i++) {
        history_add(p->group->members[i]->history, json_copy(record));
    }
}
