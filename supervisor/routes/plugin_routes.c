/* SPDX-License-Identifier: MIT */
/*
 * Publishes plugins: subscribes to the registry (routes, tokens) and is the
 * listener of the processes (seats).  Decides nothing.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "plugin_routes.h"


struct plugin_routes {
    struct publisher  *publisher;
    struct registry   *registry;
    uint64_t          *parked;          /* by plugin id, as looked at last */
    uint32_t           parked_count;
};


/* a crash's first restart is at once: such a seat is starting, not closed */

static const enum mint_seat_state  seat_state_of[SERVICE_STATE_COUNT] = {
    [SERVICE_DOWN] = MINT_SEAT_CLOSED,
    [SERVICE_QUEUED] = MINT_SEAT_STARTING,
    [SERVICE_PREPARING] = MINT_SEAT_STARTING,
    [SERVICE_STARTING] = MINT_SEAT_STARTING,
    [SERVICE_READY] = MINT_SEAT_READY,
    [SERVICE_DRAINING] = MINT_SEAT_CLOSED,
    [SERVICE_STOPPING] = MINT_SEAT_CLOSED,
    [SERVICE_BACKOFF] = MINT_SEAT_CLOSED,
    [SERVICE_FAILED] = MINT_SEAT_CLOSED
};


/* what a process that is ready means for requests */

static const enum mint_seat_state  seat_ready_as[PLUGIN_ROLE_COUNT] = {
    [PLUGIN_ROLE_IDLE] = MINT_SEAT_CLOSED,
    [PLUGIN_ROLE_CURRENT] = MINT_SEAT_READY,
    [PLUGIN_ROLE_TRIAL] = MINT_SEAT_STARTING,
    [PLUGIN_ROLE_HELD] = MINT_SEAT_CLOSED,
    [PLUGIN_ROLE_OLD] = MINT_SEAT_DRAINING,
    [PLUGIN_ROLE_ASLEEP] = MINT_SEAT_STARTING
};


/* what one plugin in a process of several has of its own, if it is not just as
   the process is; ABSENT and the like mean nothing where the seat is empty */

static const struct {
    bool                  is_own;
    enum mint_seat_state  state;
    enum mint_seat_cause  cause;
} seat_presence[PLUGIN_PRESENCE_COUNT] = {
    [PLUGIN_BROKEN] = { true, MINT_SEAT_CLOSED, MINT_CAUSE_FAILED },
    [PLUGIN_COMING] = { true, MINT_SEAT_STARTING, MINT_CAUSE_INSTALLING },
    [PLUGIN_ABSENT] = { true, MINT_SEAT_CLOSED, MINT_CAUSE_INSTALLING },
    [PLUGIN_STOPPED_ALONE] = { true, MINT_SEAT_CLOSED, MINT_CAUSE_STOPPED }
};


static void
plugin_routes_publish(struct plugin_routes *routes)
{
    size_t                   i, count;
    struct error             err;
    struct plugin           *plugin;
    struct publisher_route  *list;

    count = registry_count(routes->registry);
    list = mem_alloc((count + 1) * sizeof(struct publisher_route));

    for (i = 0; i < count; i++) {
        plugin = registry_at(routes->registry, i);

        list[i].plugin_id = plugin->id;
        list[i].seat_first = LAYOUT_SEAT_OF(plugin->id);
        list[i].slot_count = 1;
        list[i].flags = plugin->mode == PLUGIN_SHARED ? MINT_ROUTE_SHARED : 0;
        list[i].prefix = plugin->routes_prefix;
        list[i].name = plugin->name;
        list[i].version = plugin->version;
    }

    if (publisher_set_routes(routes->publisher, list, count, &err) != 0) {
        log_error("routes cannot be published: %s", err.text);
    }

    free(list);
}


static void
plugin_routes_token(struct plugin_routes *routes, const struct plugin *plugin)
{
    struct error  err;

    if (publisher_set_plugin_token(routes->publisher, plugin->id,
                                   plugin->token, &err)
        != 0)
    {
        log_error("token of plugin \"%s\" cannot be published: %s",
                  plugin->name, err.text);
    }
}


static bool
plugin_routes_is_installed(void *ctx, uint32_t plugin_id)
{
    return registry_find_id(ctx, plugin_id) != NULL;
}


/* also of those that an earlier supervisor has seen go */

static void
plugin_routes_forget(struct plugin_routes *routes)
{
    struct error  err;

    if (publisher_forget_tokens(routes->publisher, plugin_routes_is_installed,
                                routes->registry, &err)
        != 0)
    {
        log_error("tokens of uninstalled plugins are still published: %s",
                  err.text);
    }
}


static void
plugin_routes_on_registry(void *ctx, enum registry_event event,
    struct plugin *plugin)
{
    struct plugin_routes  *routes;

    routes = ctx;

    if (event == REGISTRY_STATE) {
        return;
    }

    if (event == REGISTRY_REMOVED) {
        plugin_routes_publish(routes);
        plugin_routes_forget(routes);
        return;
    }

    plugin_routes_token(routes, plugin);
    plugin_routes_publish(routes);
}


struct plugin_routes *
plugin_routes_new(struct publisher *publisher, struct registry *registry)
{
    size_t                 i;
    struct plugin_routes  *routes;

    routes = mem_alloc(sizeof(struct plugin_routes));
    routes->publisher = publisher;
    routes->registry = registry;

    for (i = 0; i < registry_count(registry); i++) {
        plugin_routes_token(routes, registry_at(registry, i));
    }

    plugin_routes_forget(routes);

    plugin_routes_publish(routes);
    registry_subscribe(registry, plugin_routes_on_registry, routes);

    return routes;
}


void
plugin_routes_free(struct plugin_routes **routes)
{
    if (*routes != NULL) {
        free((*routes)->parked);
        free(*routes);
        *routes = NULL;
    }
}


/* ---- seats --------------------------------------------------------- */

static void
plugin_routes_on_seat(void *ctx, const struct plugin *plugin, uint32_t seat,
    const char *address)
{
    struct error           err;
    struct plugin_routes  *routes;

    routes = ctx;

    if (publisher_place_seat(routes->publisher, seat, plugin->id, 0,
                             (uint8_t) (seat - LAYOUT_SEAT_OF(plugin->id)),
                             address, &err)
        != 0)
    {
        log_error("seat of plugin \"%s\" cannot be published: %s",
                  plugin->name, err.text);
    }
}


static void
plugin_routes_set(struct plugin_routes *routes, uint32_t seat,
    const struct service *service, enum plugin_role role,
    enum mint_seat_cause cause, enum plugin_presence presence)
{
    enum mint_seat_state  state;

    state = service_state(service) == SERVICE_READY
            || presence == PLUGIN_UP_EARLY
            ? seat_ready_as[role] : seat_state_of[service_state(service)];

    /* of a seat that is for nothing, nothing is said to those refused */

    if (role == PLUGIN_ROLE_IDLE
        && (service_state(service) == SERVICE_DOWN
            || seat_presence[presence].is_own))
    {
        state = MINT_SEAT_EMPTY;
    }

    if (service_state(service) == SERVICE_FAILED
        || (role != PLUGIN_ROLE_TRIAL && role != PLUGIN_ROLE_HELD))
    {
        cause = service_cause(service);
    }

    /* whatever its process is doing: who comes now waits for the next one */

    if (role == PLUGIN_ROLE_ASLEEP) {
        state = MINT_SEAT_STARTING;
        cause = MINT_CAUSE_STOPPED;
    }

    if (seat_presence[presence].is_own) {
        cause = seat_presence[presence].cause;
        state = state == MINT_SEAT_EMPTY || role == PLUGIN_ROLE_TRIAL
                || role == PLUGIN_ROLE_OLD
                ? MINT_SEAT_EMPTY : seat_presence[presence].state;
    }

    publisher_set_seat(routes->publisher, seat, service_generation(service),
                       service_retry_after_sec(service), cause, state);
}


static void
plugin_routes_on_state(void *ctx, uint32_t seat,
    const struct service *service, enum plugin_role role,
    enum mint_seat_cause cause, enum plugin_presence presence)
{
    plugin_routes_set(ctx, seat, service, role, cause, presence);
}


static uint32_t
plugin_routes_in_flight(void *ctx, uint32_t seat)
{
    struct plugin_routes  *routes;

    routes = ctx;

    return publisher_seat_in_flight(routes->publisher, seat);
}


static uint64_t
plugin_routes_seat_word(void *ctx, uint32_t seat)
{
    struct plugin_routes  *routes;

    routes = ctx;

    return publisher_seat_word(routes->publisher, seat);
}


static int
plugin_routes_pin(void *ctx, uint32_t seat, uint64_t user_id,
    struct error *err)
{
    struct plugin_routes  *routes;

    routes = ctx;

    return publisher_pin(routes->publisher, seat, user_id, err);
}


static void
plugin_routes_unpin(void *ctx, uint32_t seat)
{
    struct plugin_routes  *routes;

    routes = ctx;

    publisher_unpin_seat(routes->publisher, seat);
}


static uint64_t
plugin_routes_requests(void *ctx, uint32_t plugin_id)
{
    struct plugin_routes  *routes;

    routes = ctx;

    return publisher_plugin_requests(routes->publisher, plugin_id);
}


static void
plugin_routes_look_parked(void *ctx)
{
    size_t                 count;
    uint32_t               needed;
    struct plugin_routes  *routes;

    routes = ctx;
    count = registry_count(routes->registry);
    needed = count > 0 ? registry_at(routes->registry, count - 1)->id + 1 : 0;

    if (needed > routes->parked_count) {
        routes->parked = mem_grow(routes->parked, needed, sizeof(uint64_t));
        routes->parked_count = needed;
    }

    publisher_parked(routes->publisher, routes->parked, routes->parked_count);
}


static uint64_t
plugin_routes_parked(void *ctx, uint32_t plugin_id)
{
    struct plugin_routes  *routes;

    routes = ctx;

    return plugin_id < routes->parked_count ? routes->parked[plugin_id] : 0;
}


struct plugin_process_listener
plugin_routes_listener(struct plugin_routes *routes)
{
    struct plugin_process_listener  listener;

    listener.ctx = routes;
    listener.on_seat = plugin_routes_on_seat;
    listener.on_state = plugin_routes_on_state;
    listener.in_flight = plugin_routes_in_flight;
    listener.seat_word = plugin_routes_seat_word;
    listener.pin = plugin_routes_pin;
    listener.unpin = plugin_routes_unpin;
    listener.requests = plugin_routes_requests;
    listener.look_parked = plugin_routes_look_parked;
    listener.parked = plugin_routes_parked;

    return listener;
}


void
plugin_routes_platform_address(struct plugin_routes *routes,
    const char *address)
{
    struct error  err;

    if (publisher_place_seat(routes->publisher, MINT_SEAT_PLATFORM, 0, 0, 0,
                             address, &err)
        != 0)
    {
        log_error("the platform's seat cannot be published: %s", err.text);
    }
}


/*
 * A platform that is being restarted keeps its socket, and requests wait in
 * its backlog: once it has been ready the seat stays ready, until it has
 * failed for good.
 */

void
plugin_routes_platform_state(struct plugin_routes *routes,
    const struct service *service)
{
    uint64_t  word;

    word = publisher_seat_word(routes->publisher, MINT_SEAT_PLATFORM);

    if (mint_seat_state(word) == MINT_SEAT_READY
        && service_state(service) != SERVICE_READY
        && service_state(service) != SERVICE_FAILED
        && service_state(service) != SERVICE_DOWN)
    {
        return;
    }

    plugin_routes_set(routes, MINT_SEAT_PLATFORM, service,
                      PLUGIN_ROLE_CURRENT, MINT_CAUSE_NONE,
                      PLUGIN_PRESENT);
}
