/* SPDX-License-Identifier: MIT */
/*
 * The publisher: the four run files as one thing.  It decides in which order
 * they grow ("workers" first: whoever sees a larger table can count in it) and
 * leaves their contents to the writers.
 */

#include <stdlib.h>
#include <string.h>

#include "identity_writer.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "publisher.h"
#include "routes_writer.h"
#include "seats_writer.h"
#include "worker_records.h"


struct publisher {
    struct routes_writer    routes;
    struct seats_writer     seats;
    struct identity_writer  identity;
    struct worker_records   workers;
};


static int publisher_grow(struct publisher *publisher, uint32_t plugins,
    struct error *err);


int
publisher_open(struct publisher **out, const struct publisher_options *options,
    struct error *err)
{
    int                rc;
    gid_t              gid;
    uint32_t           plugins;
    const char        *directory;
    struct publisher  *p;

    *out = NULL;
    p = mem_alloc(sizeof(*p));
    directory = options->run_directory;
    gid = options->edge_gid;
    plugins = options->plugins < 8 ? 8 : options->plugins;

    rc = seats_writer_open(&p->seats, directory, 2 * plugins, gid, err);
    if (rc != 0) {
        goto failed;
    }

    /* an adopted file may be larger than asked for */
    plugins = p->seats.capacity / 2;

    rc = worker_records_open(&p->workers, directory, p->seats.capacity,
                             plugins, gid, err);
    if (rc != 0) {
        goto failed;
    }

    rc = identity_writer_open(&p->identity, directory, options->users,
                              plugins, gid, err);
    if (rc != 0) {
        goto failed;
    }

    rc = routes_writer_open(&p->routes, directory, plugins, gid, err);
    if (rc != 0) {
        goto failed;
    }

    *out = p;

    return 0;

failed:

    publisher_free(&p);

    return rc;
}


void
publisher_free(struct publisher **publisher)
{
    struct publisher  *p;

    p = *publisher;
    if (p == NULL) {
        return;
    }

    routes_writer_close(&p->routes);
    identity_writer_close(&p->identity);
    worker_records_close(&p->workers);
    seats_writer_close(&p->seats);
    free(p);
    *publisher = NULL;
}


void
publisher_tick(struct publisher *publisher)
{
    uint64_t           now_ms;
    struct publisher  *p;

    p = publisher;
    now_ms = time_boot_ms();

    identity_writer_tick(&p->identity);

    run_line_tick(&p->routes.line, worker_records_in_use, &p->workers,
                  now_ms);
    run_line_tick(&p->seats.line, worker_records_in_use, &p->workers, now_ms);
    run_line_tick(&p->identity.line, worker_records_in_use, &p->workers,
                  now_ms);
    run_line_tick(&p->workers.line, worker_records_in_use, &p->workers,
                  now_ms);
}


int
publisher_set_routes(struct publisher *publisher,
    const struct publisher_route *routes, size_t count, struct error *err)
{
    int       rc;
    size_t    i;
    uint64_t  plugins, seats;

    plugins = 0;

    for (i = 0; i < count; i++) {
        if (routes[i].plugin_id >= plugins) {
            plugins = (uint64_t) routes[i].plugin_id + 1;
        }

        seats = routes[i].seat_first + 2 * (uint64_t) routes[i].slot_count;
        if ((seats + 1) / 2 > plugins) {
            plugins = (seats + 1) / 2;
        }
    }

    if (plugins > UINT16_MAX) {
        return error_set(err, MINT_ERR_INVALID,
                         "a route's plugin id or seat is out of bounds");
    }

    rc = publisher_grow(publisher, (uint32_t) plugins, err);
    if (rc != 0) {
        return rc;
    }

    return routes_writer_set(&publisher->routes, routes, count, err);
}


int
publisher_place_seat(struct publisher *publisher, uint32_t index,
    uint32_t plugin_id, uint16_t slot, uint8_t seat, const char *address,
    struct error *err)
{
    int       rc;
    uint64_t  plugins;

    plugins = (uint64_t) index / 2 + 1;
    if (plugin_id >= plugins) {
        plugins = (uint64_t) plugin_id + 1;
    }

    if (plugins > UINT16_MAX) {
        return error_set(err, MINT_ERR_INVALID,
                         "seat %u of plugin %u is out of bounds", index,
                         plugin_id);
    }

    rc = publisher_grow(publisher, (uint32_t) plugins, err);
    if (rc != 0) {
        return rc;
    }

    return seats_writer_place(&publisher->seats, index, plugin_id, slot, seat,
                              address, err);
}


uint64_t
publisher_seat_word(const struct publisher *publisher, uint32_t index)
{
    if (index >= publisher->seats.capacity) {
        return 0;
    }

    return publisher->seats.seats[index].word;
}


void
publisher_set_seat(struct publisher *publisher, uint32_t index,
    uint32_t generation, unsigned retry_after_sec, enum mint_seat_cause cause,
    enum mint_seat_state state)
{
    uint64_t      word;
    struct error  err;

    word = mint_seat_word(generation, retry_after_sec, cause, state);

    if (seats_writer_set(&publisher->seats, index, word, &err) != 0) {
        log_error("publishing state \"%s\" failed: %s",
                  mint_seat_state_name(state), err.text);
    }
}


int
publisher_pin(struct publisher *publisher, uint32_t seat, uint64_t user_id,
    struct error *err)
{
    return seats_writer_pin(&publisher->seats, seat, user_id, err);
}


bool
publisher_unpin(struct publisher *publisher, uint32_t plugin_id,
    uint64_t user_id)
{
    return seats_writer_unpin(&publisher->seats, plugin_id, user_id);
}


uint32_t
publisher_unpin_seat(struct publisher *publisher, uint32_t seat)
{
    return seats_writer_unpin_seat(&publisher->seats, seat);
}


uint32_t
publisher_pins_of(const struct publisher *publisher, uint32_t seat)
{
    return seats_writer_pins_of(&publisher->seats, seat);
}


uint32_t
publisher_seat_in_flight(struct publisher *publisher, uint32_t index)
{
    return worker_records_in_flight(&publisher->workers, index);
}


uint64_t
publisher_plugin_requests(const struct publisher *publisher,
    uint32_t plugin_id)
{
    size_t                     i;
    uint64_t                   sum;
    struct mint_worker_plugin  total;

    sum = 0;

    if (worker_file_total(publisher->workers.line.current, plugin_id, &total)) {
        for (i = 0; i < sizeof(total.requests) / sizeof(uint64_t); i++) {
            sum += total.requests[i];
        }
    }

    return sum;
}


void
publisher_parked(const struct publisher *publisher, uint64_t *parked,
    uint32_t count)
{
    worker_records_parked(&publisher->workers, parked, count);
}


uint32_t
publisher_live_workers(struct publisher *publisher)
{
    return worker_records_live(&publisher->workers);
}


int
publisher_set_identity(struct publisher *publisher,
    const struct publisher_identity *identity, struct error *err)
{
    return identity_writer_set(&publisher->identity, identity, err);
}


int
publisher_put_user(struct publisher *publisher,
    const struct publisher_user *user, struct error *err)
{
    return identity_writer_user(&publisher->identity, user, err);
}


int
publisher_put_role(struct publisher *publisher,
    const struct publisher_role *role, struct error *err)
{
    return identity_writer_role(&publisher->identity, role, err);
}


int
publisher_put_keys(struct publisher *publisher,
    const struct publisher_key *keys, size_t count, struct error *err)
{
    return identity_writer_keys(&publisher->identity, keys, count, err);
}


int
publisher_deny(struct publisher *publisher,
    const struct publisher_denied *denied, struct error *err)
{
    return identity_writer_deny(&publisher->identity,
                                identity_jti_hash(denied->jti),
                                denied->expires_unix, err);
}


int
publisher_set_plugin_token(struct publisher *publisher, uint32_t plugin_id,
    const char *token, struct error *err)
{
    int  rc;

    if (plugin_id >= UINT16_MAX) {
        return error_set(err, MINT_ERR_INVALID,
                         "plugin id %u is out of bounds", plugin_id);
    }

    rc = publisher_grow(publisher, plugin_id + 1, err);
    if (rc != 0) {
        return rc;
    }

    return identity_writer_token(&publisher->identity, plugin_id, token, err);
}


int
publisher_forget_tokens(struct publisher *publisher,
    bool (*is_needed)(void *ctx, uint32_t plugin_id), void *ctx,
    struct error *err)
{
    return identity_writer_forget(&publisher->identity, is_needed, ctx, err);
}


const char *
publisher_edge_secret(const struct publisher *publisher)
{
    return publisher->identity.model.edge_secret;
}


uint64_t
publisher_sequence(const struct publisher *publisher)
{
    return publisher->identity.model.sequence;
}


void
publisher_set_sequence(struct publisher *publisher, uint64_t sequence)
{
    identity_writer_sequence(&publisher->identity, sequence);
}


size_t
publisher_user_count(const struct publisher *publisher)
{
    return publisher->identity.model.user_count;
}


static int
publisher_grow(struct publisher *publisher, uint32_t plugins,
    struct error *err)
{
    int  rc;

    if (plugins <= publisher->seats.capacity / 2) {
        return 0;
    }

    plugins = run_power_of_two(plugins);
    log_info("run files grow to room for %u plugins", plugins);

    rc = worker_records_grow(&publisher->workers, 2 * plugins, plugins, err);
    if (rc != 0) {
        return rc;
    }

    rc = identity_writer_grow(&publisher->identity, plugins, err);
    if (rc != 0) {
        return rc;
    }

    return seats_writer_grow(&publisher->seats, 2 * plugins, err);
}
