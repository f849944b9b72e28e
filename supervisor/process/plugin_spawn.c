/* SPDX-License-Identifier: MIT */
/*
 * What a process needs before it is there: whether it may start now, its
 * directories, command line, environment and limits.  These are hooks of the
 * seat's service.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "job_slots.h"
#include "plugin_environment.h"
#include "plugin_former.h"
#include "plugin_group.h"


#define PLUGIN_NOFILE  8192


/* ---- forked, if the warm interpreter can ---------------------------- */

bool
plugin_spawn_may_start(void *ctx, const struct service *service)
{
    struct plugin_seat  *seat;

    (void) service;
    seat = ctx;

    return plugin_former_is_in(seat)
           || !warm_is_awaited(seat->owner->all->warm, seat->owner->plugin);
}


void
plugin_spawn_on_unforked(void *ctx, struct service *service, int status)
{
    struct plugin_seat  *seat;

    (void) service;
    seat = ctx;

    warm_failed(seat->owner->all->warm, seat->owner->plugin, status);
}


/* ---- directories --------------------------------------------------- */

static void
plugin_spawn_done(struct plugin_seat *seat, int status, const char *what,
    const char *path)
{
    if (status != 0 && seat->unprepared.code == 0) {
        error_set(&seat->unprepared, MINT_ERR_SYSTEM, "%s \"%s\" failed: %s",
                  what, path, strerror(status));
    }

    if (--seat->preparing == 0) {
        service_prepared(seat->service, &seat->unprepared);
    }
}


static void
plugin_spawn_done_data(void *ctx, int status)
{
    struct plugin_seat  *seat;

    seat = ctx;
    plugin_spawn_done(seat, status, "making", seat->owner->data);
}


static void
plugin_spawn_done_tmp(void *ctx, int status)
{
    struct plugin_seat  *seat;

    seat = ctx;
    plugin_spawn_done(seat, status, "making", seat->tmp);
}


static void
plugin_spawn_done_wipe(void *ctx, int status)
{
    struct plugin_seat  *seat;

    seat = ctx;
    plugin_spawn_done(seat, status, "emptying", seat->tmp);
}


/* asked for in one go: the keeper does one after the other anyway */

void
plugin_spawn_prepare(void *ctx, struct service *service)
{
    uint32_t               uid;
    struct plugin_seat    *seat;
    struct keeper_client  *keeper;

    (void) service;
    seat = ctx;
    uid = seat->owner->plugin->uid;
    keeper = process_table_keeper(seat->owner->all->table);

    /* two that empty it at once could take what the next process writes */

    if (seat->is_cleaning) {
        seat->has_to_prepare = true;
        return;
    }

    memset(&seat->unprepared, 0, sizeof(seat->unprepared));

    if (seat->owner->group != NULL) {
        plugin_group_prepare(seat);
        return;
    }

    seat->preparing = keeper_client_own(keeper, seat->owner->data, 0700, uid,
                                        uid, plugin_spawn_done_data, seat,
                                        &seat->unprepared)
                      == 0;
    plugin_spawn_prepare_tmp(seat);
}


void
plugin_spawn_prepare_tmp(struct plugin_seat *seat)
{
    uint32_t               uid;
    struct keeper_client  *keeper;

    uid = seat->owner->plugin->uid;
    keeper = process_table_keeper(seat->owner->all->table);

    seat->preparing +=
        (keeper_client_own(keeper, seat->tmp, 0700, uid, uid,
                           plugin_spawn_done_tmp, seat, &seat->unprepared)
         == 0)
        + (keeper_client_wipe(keeper, seat->tmp, plugin_spawn_done_wipe, seat,
                              &seat->unprepared)
           == 0);

    if (seat->preparing == 0) {
        service_prepared(seat->service, &seat->unprepared);
    }
}


/* ---- command line --------------------------------------------------- */

static void
plugin_spawn_variables(struct plugin_seat *seat, const struct service *service)
{
    const struct plugin              *plugin;
    struct plugin_place               where;
    const struct config_limits       *limits;
    const struct plugin_processes    *all;

    plugin = plugin_former_record(seat);
    all = seat->owner->all;
    limits = config_limits_of(all->config, plugin->name);

    where.seat = seat->place;
    where.data = seat->owner->data;
    where.tmp = seat->tmp;
    where.platform_url = all->platform_url;
    where.backlog = all->layout->backlog;
    where.stop_grace_sec = all->config->plugins.stop_grace_sec;
    where.stuck_sec = limits->stuck_sec;
    where.job_slots = job_slots_of(all->registry, plugin, limits);

    plugin_environment_make(&seat->environment, plugin,
                            service_generation(service), &where);
}


/* the version before may have had another prefix */

static void
plugin_spawn_probe_at(struct plugin_seat *seat, const struct plugin *plugin)
{
    char  *url;

    url = mem_printf("http://localhost/api%s/_mint/runtime",
                     plugin->routes_prefix);
    service_set_probe(seat->service, url, seat->address);
    free(url);
}


int
plugin_spawn_fill(void *ctx, struct service *service,
    struct keeper_spawn_request *request, struct error *err)
{
    const struct plugin      *plugin;
    struct plugin_seat       *seat;
    struct confinement_place  within;
    struct plugin_processes  *all;

    seat = ctx;
    plugin = plugin_former_record(seat);
    all = seat->owner->all;

    if (seat->owner->group != NULL) {
        return plugin_group_fill(seat, request, err);
    }

    if (plugin_former_check(seat, err) != 0) {
        return err->code;
    }

    plugin_spawn_set_running(seat, plugin, "serve");
    seat->argv[3] = mem_strdup(plugin->name);
    plugin_spawn_probe_at(seat, plugin);
    plugin_spawn_variables(seat, service);

    request->flags = MINT_SPAWN_REPORT | MINT_SPAWN_CONTROL
                     | MINT_SPAWN_SUBREAPER | MINT_SPAWN_NO_NEW_PRIVS;
    request->listener_count = 1;
    request->listeners[0] = LAYOUT_LISTENER_SEAT(seat->record);
    plugin_spawn_fill_rest(seat, plugin, request);

    within.name = plugin->name;
    within.environment = seat->running;
    within.data = seat->owner->data;
    within.tmp = seat->tmp;
    confinement_make(&seat->confinement, all->config, all->layout, &within,
                     request);

    /* the interpreter's sandbox has the places of newest versions only */
    request->warm_id = plugin_former_is_in(seat)
                       ? 0 : warm_child(all->warm, plugin);

    return 0;
}


void
plugin_spawn_set_running(struct plugin_seat *seat,
    const struct plugin *plugin, const char *command)
{
    size_t  i;

    for (i = 0; i < PLUGIN_ARGV; i++) {
        free(seat->argv[i]);
        seat->argv[i] = NULL;
    }

    free(seat->running);
    seat->running = mem_strdup(plugin->environment);
    seat->running_since = plugin->registered_unix_ms;
    seat->excused = 0;
    plugin_former_made(seat);

    free(seat->note);
    seat->note = plugin_note(seat->running, seat->running_since);

    seat->argv[0] = mem_printf("%s/bin/python", plugin->environment);
    seat->argv[1] = mem_printf("%s/plugin_host/__main__.py",
                        seat->owner->all->config->server.program_directory);
    seat->argv[2] = mem_strdup(command);
}


void
plugin_spawn_fill_rest(struct plugin_seat *seat, const struct plugin *plugin,
    struct keeper_spawn_request *request)
{
    const struct layout  *layout;

    layout = seat->owner->all->layout;

    request->uid = plugin->uid == UINT32_MAX ? layout->own_uid : plugin->uid;
    request->gid = plugin->uid == UINT32_MAX ? layout->own_gid : plugin->uid;
    request->umask = 077;
    request->nofile = PLUGIN_NOFILE;
    request->label = seat->note;
    request->cwd = seat->tmp;
    request->argv = (const char *const *) seat->argv;
    request->env = environment_list(&seat->environment);
}
