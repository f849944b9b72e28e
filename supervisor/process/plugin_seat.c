/* SPDX-License-Identifier: MIT */
/*
 * One seat of a plugin and what a process in it needs: socket, directories,
 * command line, environment.  Leaves states to service.c, and which of two
 * seats serves to plugin_process.c.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "job_slots.h"
#include "plugin_environment.h"
#include "plugin_former.h"
#include "plugin_group.h"


#define PLUGIN_DRAIN_SEC          30
#define PLUGIN_NOFILE             8192


static bool plugin_seat_may_start(void *ctx, const struct service *service);
static void plugin_seat_on_unforked(void *ctx, struct service *service,
    int status);
static void plugin_seat_prepare(void *ctx, struct service *service);
static int plugin_seat_fill(void *ctx, struct service *service,
    struct keeper_spawn_request *request, struct error *err);
static void plugin_seat_on_state(void *ctx, struct service *service);
static void plugin_seat_clean(struct plugin_seat *seat);
static void plugin_seat_done_clean(void *ctx, int status);
static uint32_t plugin_seat_in_flight(void *ctx, struct service *service);
static void plugin_seat_on_activity(void *ctx, struct service *service,
    json_t *report);


static const struct service_hooks  plugin_seat_hooks = {
    .may_start = plugin_seat_may_start,
    .prepare = plugin_seat_prepare,
    .fill = plugin_seat_fill,
    .on_unforked = plugin_seat_on_unforked,
    .on_state = plugin_seat_on_state,
    .in_flight = plugin_seat_in_flight,
    .on_activity = plugin_seat_on_activity
};

static const struct service_hooks  plugin_group_hooks = {
    .prepare = plugin_seat_prepare,
    .fill = plugin_seat_fill,
    .on_state = plugin_seat_on_state,
    .in_flight = plugin_seat_in_flight,
    .on_activity = plugin_seat_on_activity,
    .on_report = plugin_group_on_report
};


void
plugin_seat_init(struct plugin_seat *seat, struct plugin_process *owner,
    unsigned letter)
{
    char                     *url;
    struct plugin            *plugin;
    struct service_options    options;
    struct plugin_processes  *all;

    all = owner->all;
    plugin = owner->plugin;

    seat->owner = owner;
    snprintf(seat->place, sizeof(seat->place), "0%c", 'a' + (int) letter);

    /* a group has its members' seats and none of its own */

    if (owner->group == NULL) {
        seat->record = LAYOUT_SEAT_OF(plugin->id) + letter;
        seat->address = layout_seat_socket(all->layout, plugin->id, 0,
                                           letter);

    } else {
        seat->record = MINT_SEAT_NONE;
    }

    seat->tmp = layout_seat_tmp(all->layout, plugin->name, seat->place);

    url = mem_printf("http://localhost/api%s/_mint/runtime",
                     plugin->routes_prefix);

    memset(&options, 0, sizeof(options));
    options.kind = "plugin";
    options.name = plugin->name;
    options.place = seat->place;
    options.log_directory = all->layout->log_directory;
    options.probe_url = url;
    options.probe_unix = seat->address;
    options.waits_report = true;
    options.stop_signal = SIGTERM;
    options.ready_deadline_sec =
                        (unsigned) all->config->plugins.ready_deadline_sec;
    options.stop_grace_sec = (unsigned) all->config->plugins.stop_grace_sec;
    options.drain_sec = PLUGIN_DRAIN_SEC;

    seat->service = service_new(all->pool, &options, owner->group == NULL
                                ? &plugin_seat_hooks : &plugin_group_hooks,
                                seat);

    if (owner->group == NULL) {
        service_set_generation(seat->service, mint_seat_generation(
                  all->listener.seat_word(all->listener.ctx, seat->record)));
    }

    plugin_backlog_init(seat);
    free(url);
}


void
plugin_seat_clear(struct plugin_seat *seat)
{
    size_t  i;

    plugin_backlog_clear(seat);
    service_free(&seat->service);
    environment_clear(&seat->environment);
    confinement_clear(&seat->confinement);

    for (i = 0; i < PLUGIN_ARGV; i++) {
        free(seat->argv[i]);
    }

    free(seat->address);
    free(seat->tmp);
    free(seat->running);
    free(seat->note);
}


bool
plugin_seat_runs(const struct plugin_seat *seat)
{
    return service_state(seat->service) != SERVICE_DOWN;
}


/* ---- socket -------------------------------------------------------- */

static void
plugin_seat_on_listening(void *ctx, int status,
    const struct keeper_listener_info *info)
{
    struct plugin_seat       *seat;
    struct plugin_processes  *all;

    seat = ctx;
    all = seat->owner->all;

    if (status == 0) {
        plugin_backlog_set_socket(seat, info->fd);
        seat->is_listening = true;
        all->listener.on_seat(all->listener.ctx, seat->owner->plugin,
                              seat->record, seat->address);
    }

    plugin_process_on_listening(seat, status);
}


int
plugin_seat_ask_socket(struct plugin_seat *seat, keeper_listener_pt done,
    void *ctx, struct error *err)
{
    struct plugin_processes      *all;
    struct keeper_listen_request  request;

    all = seat->owner->all;

    memset(&request, 0, sizeof(request));
    request.id = LAYOUT_LISTENER_SEAT(seat->record);
    request.family = MINT_KEEPER_UNIX;
    request.mode = 0660;
    request.uid = all->layout->own_uid;
    request.gid = all->layout->edge_gid;
    request.address = seat->address;
    request.label = seat->owner->plugin->name;

    return keeper_client_listen(process_table_keeper(all->table), &request,
                                done, ctx, err);
}


void
plugin_seat_listen(struct plugin_seat *seat)
{
    struct error  err;

    if (plugin_seat_ask_socket(seat, plugin_seat_on_listening, seat, &err)
        != 0)
    {
        log_error("plugin \"%s\": %s", seat->owner->plugin->name, err.text);
    }
}


/* ---- what the edge knows ------------------------------------------- */

void
plugin_seat_publish(struct plugin_seat *seat)
{
    struct plugin_processes  *all;

    all = seat->owner->all;

    if (seat->owner->group != NULL) {
        plugin_group_publish(seat);
        return;
    }

    all->listener.on_state(all->listener.ctx, seat->record, seat->service,
                           seat->role, seat->owner->move.cause,
                           PLUGIN_PRESENT);
}


void
plugin_seat_set_role(struct plugin_seat *seat, enum plugin_role role)
{
    seat->role = role;
    plugin_seat_publish(seat);
    plugin_backlog_touch(seat);
}


static void
plugin_seat_on_state(void *ctx, struct service *service)
{
    struct plugin_seat  *seat;

    seat = ctx;
    plugin_seat_publish(seat);
    plugin_backlog_touch(seat);

    if (service_state(service) == SERVICE_STOPPING) {
        seat->was_empty = plugin_seat_count(seat) == 0;
    }

    if (service_state(service) == SERVICE_DOWN) {
        plugin_seat_clean(seat);
    }

    plugin_process_on_state(seat);
}


/* after a move nothing starts here for long: what the process has left does
   not wait for that */

static void
plugin_seat_clean(struct plugin_seat *seat)
{
    struct error              err;
    struct plugin_processes  *all;

    all = seat->owner->all;

    if (all->is_stopping || seat->is_cleaning) {
        return;
    }

    if (keeper_client_wipe(process_table_keeper(all->table), seat->tmp,
                           plugin_seat_done_clean, seat, &err)
        != 0)
    {
        log_warn("\"%s\" is not emptied: %s", seat->tmp, err.text);
        return;
    }

    seat->is_cleaning = true;
}


static void
plugin_seat_done_clean(void *ctx, int status)
{
    struct plugin_seat  *seat;

    seat = ctx;
    seat->is_cleaning = false;

    if (status != 0 && status != ENOENT) {
        log_warn("emptying \"%s\" failed: %s", seat->tmp, strerror(status));
    }

    plugin_move_touch(seat->owner);         /* it may be waited for */

    if (seat->has_to_prepare) {
        seat->has_to_prepare = false;
        plugin_seat_prepare(seat, seat->service);
    }
}


static uint32_t
plugin_seat_in_flight(void *ctx, struct service *service)
{
    uint32_t             count;
    struct plugin_seat  *seat;

    (void) service;
    seat = ctx;
    count = plugin_seat_count(seat);

    return count > seat->excused ? count - seat->excused : 0;
}


static void
plugin_seat_on_activity(void *ctx, struct service *service, json_t *report)
{
    (void) service;

    plugin_process_on_activity(ctx, report);
}


uint32_t
plugin_seat_count(const struct plugin_seat *seat)
{
    struct plugin_processes  *all;

    all = seat->owner->all;

    return seat->owner->group != NULL ? plugin_group_count(seat)
           : all->listener.in_flight(all->listener.ctx, seat->record);
}


void
plugin_seat_unpin(struct plugin_seat *seat)
{
    struct plugin_processes  *all;

    all = seat->owner->all;

    if (seat->owner->group != NULL) {
        plugin_group_unpin(seat);
        return;
    }

    all->listener.unpin(all->listener.ctx, seat->record);
}


/* ---- forked, if the warm interpreter can ---------------------------- */

static bool
plugin_seat_may_start(void *ctx, const struct service *service)
{
    struct plugin_seat  *seat;

    (void) service;
    seat = ctx;

    return plugin_former_is_in(seat)
           || !warm_is_awaited(seat->owner->all->warm, seat->owner->plugin);
}


static void
plugin_seat_on_unforked(void *ctx, struct service *service, int status)
{
    struct plugin_seat  *seat;

    (void) service;
    seat = ctx;

    warm_failed(seat->owner->all->warm, seat->owner->plugin, status);
}


/* ---- directories --------------------------------------------------- */

static void
plugin_seat_done(struct plugin_seat *seat, int status, const char *what,
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
plugin_seat_done_data(void *ctx, int status)
{
    struct plugin_seat  *seat;

    seat = ctx;
    plugin_seat_done(seat, status, "making", seat->owner->data);
}


static void
plugin_seat_done_tmp(void *ctx, int status)
{
    struct plugin_seat  *seat;

    seat = ctx;
    plugin_seat_done(seat, status, "making", seat->tmp);
}


static void
plugin_seat_done_wipe(void *ctx, int status)
{
    struct plugin_seat  *seat;

    seat = ctx;
    plugin_seat_done(seat, status, "emptying", seat->tmp);
}


/* asked for in one go: the keeper does one after the other anyway */

static void
plugin_seat_prepare(void *ctx, struct service *service)
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
                                        uid, plugin_seat_done_data, seat,
                                        &seat->unprepared)
                      == 0;
    plugin_seat_prepare_tmp(seat);
}


void
plugin_seat_prepare_tmp(struct plugin_seat *seat)
{
    uint32_t               uid;
    struct keeper_client  *keeper;

    uid = seat->owner->plugin->uid;
    keeper = process_table_keeper(seat->owner->all->table);

    seat->preparing +=
        (keeper_client_own(keeper, seat->tmp, 0700, uid, uid,
                           plugin_seat_done_tmp, seat, &seat->unprepared)
         == 0)
        + (keeper_client_wipe(keeper, seat->tmp, plugin_seat_done_wipe, seat,
                              &seat->unprepared)
           == 0);

    if (seat->preparing == 0) {
        service_prepared(seat->service, &seat->unprepared);
    }
}


/* ---- command line --------------------------------------------------- */

static void
plugin_seat_variables(struct plugin_seat *seat, const struct service *service)
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


static int
plugin_seat_fill(void *ctx, struct service *service,
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

    plugin_seat_set_running(seat, plugin, "serve");
    seat->argv[3] = mem_strdup(plugin->name);
    plugin_seat_variables(seat, service);

    request->flags = MINT_SPAWN_REPORT | MINT_SPAWN_CONTROL
                     | MINT_SPAWN_SUBREAPER | MINT_SPAWN_NO_NEW_PRIVS;
    request->listener_count = 1;
    request->listeners[0] = LAYOUT_LISTENER_SEAT(seat->record);
    plugin_seat_fill_rest(seat, plugin, request);

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
plugin_seat_set_running(struct plugin_seat *seat,
    const struct plugin *plugin, const char *command)
{
    size_t  i;

    for (i = 0; i < PLUGIN_ARGV; i++) {
        free(seat->argv[i]);
        seat->argv[i] = NULL;
    }

    free(seat->running);
    seat->running = mem_strdup(plugin->environment);
    seat->running_since = plugin->installed_unix_ms;
    plugin_former_made(seat);

    free(seat->note);
    seat->note = plugin_note(seat->running, seat->running_since);

    seat->argv[0] = mem_printf("%s/bin/python", plugin->environment);
    seat->argv[1] = mem_printf("%s/plugin_host/__main__.py",
                        seat->owner->all->config->server.program_directory);
    seat->argv[2] = mem_strdup(command);
}


void
plugin_seat_fill_rest(struct plugin_seat *seat, const struct plugin *plugin,
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
