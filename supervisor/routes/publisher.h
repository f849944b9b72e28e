/* SPDX-License-Identifier: MIT */
/*
 * The publisher: writes the run files "routes", "seats" and "identity", makes
 * "workers" and reads its records.  It owns the mappings; nobody else writes
 * them.  A new supervisor adopts files that are whole and of its own ABI
 * (nothing changes for the workers) and replaces any other.
 */

#ifndef SUPERVISOR_ROUTES_PUBLISHER_H
#define SUPERVISOR_ROUTES_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "contract/mint_routes.h"
#include "contract/mint_seats.h"
#include "lib/error.h"


struct publisher;


struct publisher_options {
    const char  *run_directory;     /* exists, on tmpfs */
    uint32_t     plugins;           /* capacity: plugin ids below this */
    uint32_t     users;             /* capacity hints; grown when exceeded */
    gid_t        edge_gid;          /* (gid_t) -1: leave the group */
};


int publisher_open(struct publisher **out,
    const struct publisher_options *options, struct error *err);
void publisher_free(struct publisher **publisher);  /* files stay */

/* to be called about once a second: heartbeat, retired mappings given up */
void publisher_tick(struct publisher *publisher);


/* ---- routes and seats ---------------------------------------------- */

struct publisher_route {
    uint32_t     plugin_id;
    uint32_t     seat_first;
    uint16_t     slot_count;
    uint8_t      affinity;
    uint8_t      flags;
    const char  *prefix;
    const char  *name;
    const char  *version;
};

/* publishes exactly these routes; equal to what is there = nothing is done.
   Duplicate or malformed prefixes are MINT_ERR_INVALID, nothing changes.  More
   than fit: a larger file */
int publisher_set_routes(struct publisher *publisher,
    const struct publisher_route *routes, size_t count, struct error *err);

/* gives record index its address; MINT_ERR_CONFLICT if it has another one */
int publisher_place_seat(struct publisher *publisher, uint32_t index,
    uint32_t plugin_id, uint16_t slot, uint8_t seat, const char *address,
    struct error *err);

/* the record's word as published, 0 if none */
uint64_t publisher_seat_word(const struct publisher *publisher,
    uint32_t index);

/* stores the word (mint_seat_word_publish) */
void publisher_set_seat(struct publisher *publisher, uint32_t index,
    uint32_t generation, unsigned retry_after_sec, enum mint_seat_cause cause,
    enum mint_seat_state state);

/*
 * Pins: the users who stay on a seat while it is draining.  A move pins the
 * owners of unfinished work, then sets the words: seat a draining, seat b
 * ready.  MINT_ERR_FULL: there is no room, everyone has to stay; what was
 * pinned for this move is taken back with publisher_unpin_seat().
 */
int publisher_pin(struct publisher *publisher, uint32_t seat,
    uint64_t user_id, struct error *err);

/* false: the user had no pin in this plugin */
bool publisher_unpin(struct publisher *publisher, uint32_t plugin_id,
    uint64_t user_id);

/* all pins of a seat; returns how many there were */
uint32_t publisher_unpin_seat(struct publisher *publisher, uint32_t seat);
uint32_t publisher_pins_of(const struct publisher *publisher, uint32_t seat);

/* sum over all live workers of what is in flight in that seat */
uint32_t publisher_seat_in_flight(struct publisher *publisher,
    uint32_t index);

/* requests answered for the plugin since the file "workers" was made */
uint64_t publisher_plugin_requests(const struct publisher *publisher,
    uint32_t plugin_id);

/* parked[i]: requests that wait for a seat of plugin i, in live workers */
void publisher_parked(const struct publisher *publisher, uint64_t *parked,
    uint32_t count);

/* live workers and the smallest epoch of "identity" among them */
uint32_t publisher_live_workers(struct publisher *publisher);


/* ---- identity ------------------------------------------------------ */

struct publisher_user {
    uint64_t     id;
    const char  *username;
    const char  *role;              /* slug */
    bool         active;
    uint32_t     session_version;
};

struct publisher_role {
    const char         *slug;
    bool                admin;
    const char *const  *permissions;
    size_t              permission_count;
    bool                all_plugins;
    const uint32_t     *plugin_ids;         /* when not all_plugins */
    size_t              plugin_count;
};

struct publisher_key {
    const char     *id;
    const uint8_t  *secret;
    size_t          secret_len;
};

struct publisher_denied {
    const char  *jti;
    uint64_t     expires_unix;
};

struct publisher_identity {
    uint64_t                        sequence;
    const struct publisher_user    *users;
    size_t                          user_count;
    const struct publisher_role    *roles;
    size_t                          role_count;
    const struct publisher_key     *keys;
    size_t                          key_count;
    const struct publisher_denied  *denied;
    size_t                          denied_count;
};

/* replaces everything but plugin tokens and the edge secret, in a new file */
int publisher_set_identity(struct publisher *publisher,
    const struct publisher_identity *identity, struct error *err);

/* changes of one item each; in force when they return */
int publisher_put_user(struct publisher *publisher,
    const struct publisher_user *user, struct error *err);
int publisher_put_role(struct publisher *publisher,
    const struct publisher_role *role, struct error *err);
int publisher_put_keys(struct publisher *publisher,
    const struct publisher_key *keys, size_t count, struct error *err);
int publisher_deny(struct publisher *publisher,
    const struct publisher_denied *denied, struct error *err);

int publisher_set_plugin_token(struct publisher *publisher,
    uint32_t plugin_id, const char *token, struct error *err);

/* those of plugins that are not needed any more */
int publisher_forget_tokens(struct publisher *publisher,
    bool (*is_needed)(void *ctx, uint32_t plugin_id), void *ctx,
    struct error *err);

/* per-boot secret between edge and platform, made once per identity line */
const char *publisher_edge_secret(const struct publisher *publisher);

uint64_t publisher_sequence(const struct publisher *publisher);
void publisher_set_sequence(struct publisher *publisher, uint64_t sequence);
size_t publisher_user_count(const struct publisher *publisher);

#endif /* SUPERVISOR_ROUTES_PUBLISHER_H */
