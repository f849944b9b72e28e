/* SPDX-License-Identifier: MIT */
/*
 * One seat of a plugin: its socket, what the edge is told of it, what becomes
 * of its directories after a process.  Leaves states to service.c, what a
 * process needs to plugin_spawn.c, and which of two seats serves to
 * plugin_process.c.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "plugin_group.h"


#define PLUGIN_DRAIN_SEC  30


static void plugin_seat_on_state(void *ctx, struct service *service);
static void plugin_seat_clean(struct plugin_seat *seat);
static void plugin_seat_done_clean(void *ctx, int status);
static uint32_t plugin_seat_in_flight(void *ctx, struct service *service);
static void plugin_seat_on_activity(void *ctx, struct service *service,
    json_t *report);


static const struct service_hooks  plugin_seat_hooks = {
    .may_start = plugin_spawn_may_start,
    .prepare = plugin_spawn_prepare,
    .fill = plugin_spawn_fill,
    .on_unforked = plugin_spawn_on_unforked,
    .on_state = plugin_seat_on_state,
    .in_flight = plugin_seat_in_flight,
    .on_activity = plugin_seat_on_activity
};

static const struct service_hooks  plugin_group_hooks = {
    .prepare = plugin_spawn_prepare,
    .fill = plugin_spawn_fill,
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
    seat->is_asked = false;

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
        return;
    }

    seat->is_asked = true;
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
        plugin_spawn_prepare(seat, seat->service);
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
