/* SPDX-License-Identifier: MIT */
/*
 * Fills run files from their JSON description, by the same writers that the
 * supervisor uses.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/mint_token.h"
#include "identity_writer.h"
#include "lib/strbuf.h"
#include "publisher.h"
#include "run_spec.h"
#include "run_spec_seats.h"


static const char *spec_affinity(unsigned i);
static int spec_flags(json_t *flags, uint8_t *value, struct error *err);
static int spec_write_routes(struct publisher *p, json_t *list,
    struct error *err);
static int spec_role(json_t *item, size_t i, struct publisher_role *role,
    struct error *err);
static int spec_user(json_t *item, size_t i, struct publisher_user *user,
    struct error *err);
static int spec_key(json_t *item, size_t i, struct publisher_key *key,
    uint8_t *secret, struct error *err);
static int spec_write_identity(struct publisher *p, json_t *spec,
    struct error *err);
static int spec_write_tokens(struct publisher *p, json_t *map,
    struct error *err);
static int spec_hex(const char *hex, uint8_t *to, size_t n);
static int spec_write_pat(struct identity_writer *w, json_t *item, size_t i,
    struct error *err);
static int spec_write_rest(const char *directory, gid_t gid, json_t *spec,
    struct error *err);
static bool spec_has_identity(json_t *spec);


static const char *const  spec_affinities[] = { "none", "session", "user" };


int
run_spec_write(const char *directory, json_t *spec, gid_t gid,
    struct error *err)
{
    int                        rc;
    json_t                    *plugins;
    struct publisher          *p;
    struct publisher_options   options;

    plugins = json_object_get(spec, "plugins");
    memset(&options, 0, sizeof(options));
    options.run_directory = directory;
    options.plugins = (uint32_t) json_integer_value(plugins);
    options.edge_gid = gid;

    rc = publisher_open(&p, &options, err);
    if (rc != 0) {
        return rc;
    }

    rc = run_spec_write_seats(p, json_object_get(spec, "seats"), err);
    if (rc == 0 && spec_has_identity(spec)) {
        rc = spec_write_identity(p, spec, err);
    }
    if (rc == 0) {
        rc = spec_write_tokens(p, json_object_get(spec, "plugin_tokens"), err);
    }
    if (rc == 0 && json_object_get(spec, "routes") != NULL) {
        rc = spec_write_routes(p, json_object_get(spec, "routes"), err);
    }

    publisher_tick(p);
    publisher_free(&p);

    if (rc == 0 && json_object_get(spec, "pins") != NULL) {
        rc = run_spec_write_pins(directory, gid,
                                 json_object_get(spec, "pins"), err);
    }
    if (rc == 0) {
        rc = spec_write_rest(directory, gid, spec, err);
    }

    return rc;
}


int
run_spec_index(const char *name, const char *(*name_of)(unsigned i),
    unsigned count)
{
    unsigned  i;

    for (i = 0; i < count; i++) {
        if (strcmp(name_of(i), name) == 0) {
            return (int) i;
        }
    }

    return -1;
}


static const char *
spec_affinity(unsigned i)
{
    return spec_affinities[i];
}


static int
spec_flags(json_t *flags, uint8_t *value, struct error *err)
{
    size_t       i;
    json_t      *item;
    const char  *name;

    if (json_is_integer(flags)) {
        *value = (uint8_t) json_integer_value(flags);
        return 0;
    }

    json_array_foreach(flags, i, item) {
        name = json_string_value(item);
        if (name != NULL && strcmp(name, "maintenance") == 0) {
            *value |= MINT_ROUTE_MAINTENANCE;

        } else if (name != NULL && strcmp(name, "shared") == 0) {
            *value |= MINT_ROUTE_SHARED;

        } else {
            return error_set(err, MINT_ERR_INVALID,
                             "a route's flags are \"maintenance\" and "
                             "\"shared\"");
        }
    }

    return 0;
}


static int
spec_write_routes(struct publisher *p, json_t *list, struct error *err)
{
    int                      rc, id, slots, affinity_value;
    size_t                   i, count;
    json_t                  *item, *flags;
    json_int_t               seat_first;
    const char              *affinity;
    struct publisher_route  *routes, *r;

    count = json_array_size(list);
    routes = mem_alloc((count + 1) * sizeof(*routes));
    rc = 0;

    json_array_foreach(list, i, item) {
        r = &routes[i];
        r->version = "";
        affinity = "none";
        flags = NULL;
        slots = 1;
        seat_first = -1;

        rc = run_spec_unpack(err, "routes", i, item,
                             "{s:i,s?I,s?i,s:s,s:s,s?s,s?o,s?s}", "plugin_id",
                             &id, "seat_first", &seat_first, "slot_count",
                             &slots, "prefix", &r->prefix, "name", &r->name,
                             "version", &r->version, "flags", &flags,
                             "affinity", &affinity);
        if (rc == 0) {
            rc = spec_flags(flags, &r->flags, err);
        }
        if (rc != 0) {
            break;
        }

        affinity_value = run_spec_index(affinity, spec_affinity, 3);
        r->affinity = (uint8_t) affinity_value;
        r->plugin_id = (uint32_t) id;
        r->seat_first = (uint32_t) (seat_first < 0 ? 2 * id : seat_first);
        r->slot_count = (uint16_t) slots;
    }

    if (rc == 0) {
        rc = publisher_set_routes(p, routes, count, err);
    }

    free(routes);

    return rc;
}


/* permission texts and plugin ids of a role; freed by the caller */

static int
spec_role(json_t *item, size_t i, struct publisher_role *role,
    struct error *err)
{
    int           rc, admin;
    size_t        k;
    json_t       *permissions, *access, *one;
    uint32_t     *ids;
    const char  **texts;

    admin = 0;
    permissions = NULL;
    access = NULL;
    rc = run_spec_unpack(err, "roles", i, item, "{s:s,s?b,s?o,s?o}", "slug",
                         &role->slug, "admin", &admin, "permissions",
                         &permissions, "plugin_access", &access);
    if (rc != 0) {
        return rc;
    }

    role->admin = admin != 0;
    role->permission_count = json_array_size(permissions);
    texts = mem_alloc((role->permission_count + 1) * sizeof(*texts));
    json_array_foreach(permissions, k, one) {
        texts[k] = json_is_string(one) ? json_string_value(one) : "";
    }
    role->permissions = texts;

    role->all_plugins = json_is_string(access)
                        && strcmp(json_string_value(access), "all") == 0;
    role->plugin_count = json_array_size(access);
    ids = mem_alloc((role->plugin_count + 1) * sizeof(*ids));
    json_array_foreach(access, k, one) {
        ids[k] = (uint32_t) json_integer_value(one);
    }
    role->plugin_ids = ids;

    return 0;
}


static int
spec_user(json_t *item, size_t i, struct publisher_user *user,
    struct error *err)
{
    int         rc, active, version;
    json_int_t  id;

    active = 1;
    version = 0;
    rc = run_spec_unpack(err, "users", i, item, "{s:I,s:s,s:s,s?b,s?i}",
                         "id", &id, "username", &user->username, "role",
                         &user->role, "active", &active, "session_version",
                         &version);
    user->id = (uint64_t) id;
    user->active = active != 0;
    user->session_version = (uint32_t) version;

    return rc;
}


/* a secret in base64 or base64url, padded or not */

static int
spec_key(json_t *item, size_t i, struct publisher_key *key, uint8_t *secret,
    struct error *err)
{
    int          rc;
    char         text[128], *p;
    const char  *secret_text;

    rc = run_spec_unpack(err, "keys", i, item, "{s:s,s:s}", "id", &key->id,
                         "secret", &secret_text);
    if (rc != 0) {
        return rc;
    }

    snprintf(text, sizeof(text), "%s", secret_text);
    for (p = text; *p != '\0' && *p != '='; p++) {
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    }
    *p = '\0';

    rc = mint_base64url_decode(secret, MINT_KEY_SECRET_MAX, text,
                               strlen(text));
    explicit_bzero(text, sizeof(text));
    if (rc <= 0) {
        return error_set(err, MINT_ERR_INVALID,
                         "keys[%zu]: the secret is base64 of 1 to %d bytes",
                         i, MINT_KEY_SECRET_MAX);
    }

    key->secret = secret;
    key->secret_len = (size_t) rc;

    return 0;
}


static int
spec_write_identity(struct publisher *p, json_t *spec, struct error *err)
{
    int                        rc;
    size_t                     i, users_n, roles_n;
    json_t                    *users_j, *roles_j, *keys_j, *seq;
    uint8_t                    secret[MINT_IDENTITY_KEYS][MINT_KEY_SECRET_MAX];
    struct publisher_key       keys[MINT_IDENTITY_KEYS];
    struct publisher_user     *users;
    struct publisher_role     *roles;
    struct publisher_identity  identity;

    memset(&identity, 0, sizeof(identity));
    users_j = json_object_get(spec, "users");
    roles_j = json_object_get(spec, "roles");
    keys_j = json_object_get(spec, "keys");
    seq = json_object_get(spec, "sequence");
    users_n = json_array_size(users_j);
    roles_n = json_array_size(roles_j);
    users = mem_alloc((users_n + 1) * sizeof(*users));
    roles = mem_alloc((roles_n + 1) * sizeof(*roles));
    rc = 0;

    if (json_array_size(keys_j) > MINT_IDENTITY_KEYS) {
        rc = error_set(err, MINT_ERR_INVALID, "at most %d keys",
                       MINT_IDENTITY_KEYS);
    }

    for (i = 0; rc == 0 && i < users_n; i++) {
        rc = spec_user(json_array_get(users_j, i), i, &users[i], err);
    }

    for (i = 0; rc == 0 && i < roles_n; i++) {
        rc = spec_role(json_array_get(roles_j, i), i, &roles[i], err);
    }

    for (i = 0; rc == 0 && i < json_array_size(keys_j); i++) {
        rc = spec_key(json_array_get(keys_j, i), i, &keys[i], secret[i], err);
    }

    if (rc == 0) {
        identity.sequence = seq ? (uint64_t) json_integer_value(seq) : 1;
        identity.users = users;
        identity.user_count = users_n;
        identity.roles = roles;
        identity.role_count = roles_n;
        identity.keys = keys;
        identity.key_count = json_array_size(keys_j);
        rc = publisher_set_identity(p, &identity, err);
    }

    for (i = 0; i < roles_n; i++) {
        free((void *) roles[i].permissions);
        free((void *) roles[i].plugin_ids);
    }

    free(users);
    free(roles);
    explicit_bzero(secret, sizeof(secret));

    return rc;
}


static int
spec_write_tokens(struct publisher *p, json_t *map, struct error *err)
{
    int          rc;
    json_t      *value;
    const char  *id;

    json_object_foreach(map, id, value) {
        rc = publisher_set_plugin_token(p, (uint32_t) strtoul(id, NULL, 10),
                                        json_is_string(value)
                                        ? json_string_value(value) : "",
                                        err);
        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


static int
spec_hex(const char *hex, uint8_t *to, size_t n)
{
    size_t    i;
    unsigned  byte;

    for (i = 0; i < n; i++) {
        if (sscanf(&hex[2 * i], "%2x", &byte) != 1) {
            return -1;
        }
        to[i] = (uint8_t) byte;
    }

    return hex[2 * n] == '\0' ? 0 : -1;
}


static int
spec_write_pat(struct identity_writer *w, json_t *item, size_t i,
    struct error *err)
{
    int                  rc, read_only;
    json_int_t           user, expires;
    const char          *hash;
    struct identity_pat  pat;

    read_only = 0;
    expires = (json_int_t) 1 << 40;
    rc = run_spec_unpack(err, "pats", i, item, "{s:s,s:I,s?b,s?I}", "hash",
                         &hash, "user_id", &user, "read_only", &read_only,
                         "expires", &expires);
    if (rc != 0) {
        return rc;
    }

    memset(&pat, 0, sizeof(pat));
    if (spec_hex(hash, (uint8_t *) pat.hash, sizeof(pat.hash)) != 0) {
        return error_set(err, MINT_ERR_INVALID,
                         "pats[%zu]: the hash is the hex of a SHA-256", i);
    }

    pat.user_id = (uint64_t) user;
    pat.word = (uint64_t) expires << 16 | (unsigned) read_only;

    return identity_writer_pat(w, &pat, err);
}


/* what the publisher has no function for */

static int
spec_write_rest(const char *directory, gid_t gid, json_t *spec,
    struct error *err)
{
    int                     rc;
    size_t                  i;
    json_t                 *item, *jti, *secret;
    uint64_t                hash;
    struct identity_writer  w;

    rc = identity_writer_open(&w, directory, 0, 0, gid, err);
    if (rc != 0) {
        return rc;
    }

    json_array_foreach(json_object_get(spec, "pats"), i, item) {
        rc = spec_write_pat(&w, item, i, err);
        if (rc != 0) {
            break;
        }
    }

    json_array_foreach(json_object_get(spec, "denied"), i, item) {
        jti = json_object_get(item, "jti");
        hash = json_is_string(jti)
               ? identity_jti_hash(json_string_value(jti))
               : strtoull(json_string_value(json_object_get(item, "jti_hash"))
                          ? json_string_value(json_object_get(item,
                                                              "jti_hash"))
                          : "0", NULL, 16);
        if (rc == 0) {
            rc = identity_writer_deny(&w, hash, (uint64_t)
                     json_integer_value(json_object_get(item, "expires")),
                     err);
        }
    }

    secret = json_object_get(spec, "edge_secret");
    if (rc == 0 && json_is_string(secret)) {
        rc = identity_writer_edge_secret(&w, json_string_value(secret), err);
    }

    identity_writer_close(&w);

    return rc;
}


static bool
spec_has_identity(json_t *spec)
{
    static const char *const  names[] = {
        "users", "roles", "keys", "denied", "pats", "sequence"
    };

    size_t  i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (json_object_get(spec, names[i]) != NULL) {
            return true;
        }
    }

    return false;
}
