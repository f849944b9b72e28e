/* SPDX-License-Identifier: MIT */
/*
 * What the shared process needs before it runs: the data directories of its
 * plugins, which are its uid's then, its command line, and of each plugin the
 * environment that it would have alone.
 */

#include "plugin_group.h"

#include <stdlib.h>
#include <string.h>

#include "job_slots.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "plugin_environment.h"


/* of the time the whole process has; the rest is for those that are slow to
   say so */
#define PLUGIN_GROUP_READY_PERCENT  75


static void plugin_group_own_next(struct plugin_seat *seat);


static struct plugin_group_place *
plugin_group_at(struct plugin_member *m, const struct plugin_seat *seat)
{
    return &m->at[seat - seat->owner->seats];
}


/* ---- directories ------------------------------------------------------ */

static void
plugin_group_owned(void *ctx, int status)
{
    struct error           err;
    struct plugin_seat    *seat;
    struct plugin_member  *m;

    seat = ctx;
    m = seat->owner->group->owning;
    seat->owner->group->owning = NULL;

    if (m != NULL && status != 0) {
        error_set(&err, MINT_ERR_SYSTEM, "making \"%s\" failed: %s", m->data,
                  strerror(status));
        service_prepared(seat->service, &err);
        return;
    }

    if (m != NULL) {
        m->is_owned = true;
    }

    plugin_group_own_next(seat);
}


/* members come and go between one answer and the next question */

static void
plugin_group_own_next(struct plugin_seat *seat)
{
    size_t                i;
    uint32_t              uid;
    struct error          err;
    struct plugin_group  *group;

    group = seat->owner->group;
    uid = group->plugin.uid;

    for (i = 0; i < group->count && group->members[i]->is_owned; i++) {
        /* void */
    }

    if (i == group->count) {
        plugin_spawn_prepare_tmp(seat);
        return;
    }

    group->owning = group->members[i];

    if (keeper_client_own(process_table_keeper(seat->owner->all->table),
                          group->owning->data, 0700, uid, uid,
                          plugin_group_owned, seat, &err)
        != 0)
    {
        service_prepared(seat->service, &err);
    }
}


void
plugin_group_prepare(struct plugin_seat *seat)
{
    size_t                i;
    struct plugin_group  *group;

    group = seat->owner->group;

    for (i = 0; i < group->count; i++) {
        group->members[i]->is_owned = false;
    }

    plugin_group_own_next(seat);
}


/* ---- environments ----------------------------------------------------- */

/* {name: value}; what is for the host alone is left out */

static json_t *
plugin_group_environment_json(const struct environment_block *block)
{
    json_t       *json;
    char         *name;
    const char   *value, *const *item;

    json = json_object();

    for (item = environment_list(block); *item != NULL; item++) {
        value = strchr(*item, '=');

        if (value == NULL || strncmp(*item, "MINT_HOST_", 10) == 0) {
            continue;
        }

        name = mem_printf("%.*s", (int) (value - *item), *item);
        json_object_set_new(json, name, json_string(value + 1));
        free(name);
    }

    return json;
}


static json_t *
plugin_group_member_json(struct plugin_seat *seat, struct plugin_member *m,
    uint32_t generation, int fd)
{
    json_t                    *json;
    struct plugin_place        where;
    struct plugin_processes   *all;
    struct environment_block   block;

    all = seat->owner->all;
    memset(&block, 0, sizeof(block));
    memset(&where, 0, sizeof(where));

    where.seat = seat->place;
    where.data = m->data;
    where.tmp = mem_printf("%s/%s", seat->tmp, m->plugin->name);
    where.platform_url = all->platform_url;
    where.backlog = all->layout->backlog;
    where.job_slots = job_slots_of(all->registry, m->plugin,
                                   config_limits_of(all->config,
                                                    m->plugin->name));
    plugin_environment_make(&block, m->plugin, generation, &where);

    json = json_pack("{s:i, s:o}", "fd", fd, "environment",
                     plugin_group_environment_json(&block));
    environment_clear(&block);
    free((char *) where.tmp);

    return json;
}


static void
plugin_group_environment(struct plugin_seat *seat, uint32_t generation,
    uint32_t listeners)
{
    struct environment_block  *e;
    struct plugin_place        where;
    struct plugin_processes   *all;

    all = seat->owner->all;
    e = &seat->environment;

    memset(&where, 0, sizeof(where));
    where.seat = seat->place;
    where.data = seat->tmp;
    where.tmp = seat->tmp;
    where.platform_url = all->platform_url;
    where.backlog = all->layout->backlog;
    where.stop_grace_sec = all->config->plugins.stop_grace_sec;
    where.stuck_sec = all->config->plugins.limits.stuck_sec;

    plugin_environment_make_group(e, &seat->owner->group->plugin, generation,
                                  &where, listeners);
    environment_add(e, "MINT_HOST_READY_SEC", "%lld",
                    (long long) all->config->plugins.ready_deadline_sec
                    * PLUGIN_GROUP_READY_PERCENT / 100 + 1);
    environment_add(e, "MINT_HOST_PLUGINS", "%s",
                    seat->owner->group->plugins);
}


/* ---- the process ------------------------------------------------------- */

/* who is in: all that are to run, as far as there is room */

static void
plugin_group_gather(struct plugin_seat *seat, uint32_t generation,
    struct keeper_spawn_request *request)
{
    size_t                      i;
    json_t                     *list;
    struct plugin_group        *group;
    struct plugin_member       *m;
    struct plugin_group_place  *at;

    group = seat->owner->group;
    list = json_array();

    for (i = 0; i < group->count; i++) {
        m = group->members[i];
        at = plugin_group_at(m, seat);

        /* the sockets of an adopted process are there, whoever listened */

        at->is_in = (at->is_listening || at->is_in) && !m->plugin->is_stopped
                    && plugin_group_takes(seat->owner->all, m->plugin);
        at->is_up = false;
        free(at->error);
        at->error = NULL;

        if (at->is_in && request->listener_count == MINT_KEEPER_LISTENERS_MAX)
        {
            at->error = mem_printf("the shared process has room for %d "
                                   "plugins; name some in "
                                   "plugins.forceIsolated",
                                   MINT_KEEPER_LISTENERS_MAX);
            log_error("plugin \"%s\": %s", m->plugin->name, at->error);
            continue;
        }

        if (at->is_in) {
            json_array_append_new(list, plugin_group_member_json(seat, m,
                generation,
                MINT_KEEPER_FIRST_FD + (int) request->listener_count));
            request->listeners[request->listener_count++] =
                                           LAYOUT_LISTENER_SEAT(at->record);
        }
    }

    if (group->plugins != NULL) {
        explicit_bzero(group->plugins, strlen(group->plugins));
        free(group->plugins);
    }

    group->plugins = json_dumps(list, JSON_COMPACT);
    json_decref(list);
}


int
plugin_group_fill(struct plugin_seat *seat,
    struct keeper_spawn_request *request, struct error *err)
{
    size_t                    i;
    uint32_t                  generation;
    struct plugin            *plugin;
    struct plugin_group      *group;
    struct plugin_processes  *all;
    struct confinement_place  within;

    group = seat->owner->group;
    plugin = &group->plugin;
    all = seat->owner->all;
    generation = service_generation(seat->service);

    plugin_group_refresh(seat->owner);
    plugin_group_gather(seat, generation, request);

    if (request->listener_count == 0) {
        return error_set(err, MINT_ERR_UNAVAILABLE, "no plugin is to run in "
                         "the shared process");
    }

    plugin_spawn_set_running(seat, plugin, "share");
    plugin_group_environment(seat, generation, request->listener_count);

    request->flags = MINT_SPAWN_REPORT | MINT_SPAWN_CONTROL
                     | MINT_SPAWN_SUBREAPER | MINT_SPAWN_NO_NEW_PRIVS;
    plugin_spawn_fill_rest(seat, plugin, request);

    within.name = PLUGIN_GROUP_NAME;
    within.environment = seat->running;
    within.data = seat->tmp;
    within.tmp = seat->tmp;
    confinement_make(&seat->confinement, all->config, all->layout, &within,
                     request);

    for (i = 0; i < group->count; i++) {
        if (plugin_group_at(group->members[i], seat)->is_in) {
            confinement_add(&seat->confinement, group->members[i]->data,
                            request);
        }
    }

    return 0;
}
