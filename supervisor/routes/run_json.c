/* SPDX-License-Identifier: MIT */
/*
 * Shows run files as JSON.  Lists are sorted, so that equal content is equal
 * text, whatever the order in which it was written.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/mint_token.h"
#include "identity_file.h"
#include "lib/strbuf.h"
#include "routes_writer.h"
#include "run_json.h"
#include "seat_pins.h"
#include "seats_writer.h"


typedef int (*run_json_fn)(const struct run_file *file, json_t *to,
    bool secrets, struct error *err);


static json_t *run_json_header(const struct run_file *file);
static int run_json_routes(const struct run_file *file, json_t *to,
    bool secrets, struct error *err);
static int run_json_seats(const struct run_file *file, json_t *to,
    bool secrets, struct error *err);
static json_t *run_json_pins(const struct run_file *file,
    const struct mint_seat *seats);
static int run_json_identity(const struct run_file *file, json_t *to,
    bool secrets, struct error *err);
static json_t *run_json_users(struct identity_model *model);
static json_t *run_json_roles(const struct identity_model *model);
static json_t *run_json_keys(const struct identity_model *model,
    bool secrets);
static json_t *run_json_tokens(const struct identity_model *model,
    bool secrets);
static json_t *run_json_pats(struct identity_model *model);
static json_t *run_json_denied(struct identity_model *model);
static json_t *run_json_secret(const char *text, bool secrets);


static const run_json_fn  run_json_kinds[] = {
    [MINT_RUN_ROUTES] = run_json_routes,
    [MINT_RUN_SEATS] = run_json_seats,
    [MINT_RUN_IDENTITY] = run_json_identity,
    [MINT_RUN_WORKERS] = run_json_workers
};

static const char *const  run_json_affinity[] = { "none", "session", "user" };


json_t *
run_json_dump(const char *directory, bool secrets)
{
    json_t            *to, *files, *about;
    unsigned           kind;
    struct error       err;
    struct run_file   *file;

    to = json_object();
    files = json_object();
    json_object_set_new(to, "files", files);

    for (kind = MINT_RUN_ROUTES; kind <= MINT_RUN_WORKERS; kind++) {
        if (run_file_open(&file, directory, (enum mint_run_kind) kind, false,
                          &err) != 0)
        {
            json_object_set_new(files, run_kind_name(kind),
                                json_pack("{s:s}", "error", err.text));
            continue;
        }

        about = run_json_header(file);
        if (run_json_kinds[kind](file, to, secrets, &err) != 0) {
            json_object_set_new(about, "error", json_string(err.text));
        }

        json_object_set_new(files, run_kind_name(kind), about);
        run_file_free(&file);
    }

    return to;
}


static json_t *
run_json_header(const struct run_file *file)
{
    unsigned                       i;
    json_t                        *capacity;
    const struct mint_run_header  *h;

    h = file->header;
    capacity = json_array();

    for (i = 0; i < RUN_FILE_CAPACITIES; i++) {
        json_array_append_new(capacity, json_integer(h->capacity[i]));
    }

    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:o}",
                     "epoch", (json_int_t) h->writer_epoch,
                     "generation",
                     (json_int_t) mint_run_load(&h->generation),
                     "life", (json_int_t) mint_run_load(&h->life),
                     "heartbeat_ms",
                     (json_int_t) mint_run_load(&h->heartbeat_ms),
                     "bytes", (json_int_t) h->file_bytes,
                     "capacity", capacity);
}


static int
run_json_routes(const struct run_file *file, json_t *to, bool secrets,
    struct error *err)
{
    int                 rc;
    json_t             *list, *flags;
    uint32_t            i, count;
    struct mint_route  *entries, *e;

    (void) secrets;

    rc = routes_file_read(file, &entries, &count, err);
    if (rc != 0) {
        return rc;
    }

    list = json_array();

    for (i = 0; i < count; i++) {
        e = &entries[i];
        flags = json_array();
        if (e->flags & MINT_ROUTE_MAINTENANCE) {
            json_array_append_new(flags, json_string("maintenance"));
        }
        if (e->flags & MINT_ROUTE_SHARED) {
            json_array_append_new(flags, json_string("shared"));
        }

        json_array_append_new(list,
            json_pack("{s:I,s:I,s:i,s:s#,s:s#,s:s,s:o,s:s}",
                      "plugin_id", (json_int_t) e->plugin_id,
                      "seat_first", (json_int_t) e->seat_first,
                      "slot_count", (int) e->slot_count,
                      "prefix", e->prefix, (int) e->prefix_len,
                      "name", e->name, (int) e->name_len,
                      "version", e->version, "flags", flags, "affinity",
                      run_json_affinity[e->affinity % 3]));
    }

    free(entries);

    return json_object_set_new(to, "routes", list);
}


static int
run_json_seats(const struct run_file *file, json_t *to, bool secrets,
    struct error *err)
{
    int                rc;
    json_t            *list;
    uint32_t           i, count;
    struct mint_seat  *seats, *s;

    (void) secrets;

    rc = seats_file_read(file, &seats, &count, err);
    if (rc != 0) {
        return rc;
    }

    list = json_array();

    for (i = 0; i < count; i++) {
        s = &seats[i];
        if (s->address_len == 0) {
            continue;
        }

        json_array_append_new(list,
            json_pack("{s:I,s:I,s:i,s:i,s:s,s:s,s:s,s:I,s:I}",
                      "index", (json_int_t) i,
                      "plugin_id", (json_int_t) s->plugin_id,
                      "slot", (int) s->slot, "seat", (int) s->seat,
                      "address", s->address,
                      "state", mint_seat_state_name(mint_seat_state(s->word)),
                      "cause", mint_seat_cause_name(mint_seat_cause(s->word)),
                      "generation",
                      (json_int_t) mint_seat_generation(s->word),
                      "retry_after",
                      (json_int_t) mint_seat_retry_after(s->word)));
    }

    json_object_set_new(to, "seats", list);
    json_object_set_new(to, "pins", run_json_pins(file, seats));
    free(seats);

    return 0;
}


struct run_json_pin {
    uint32_t  plugin_id;
    uint32_t  seat;
    uint64_t  user_id;
};


static int
run_json_by_user(const void *a, const void *b)
{
    const struct run_json_pin  *x, *y;

    x = a;
    y = b;

    if (x->plugin_id != y->plugin_id) {
        return x->plugin_id < y->plugin_id ? -1 : 1;
    }

    return (x->user_id > y->user_id) - (x->user_id < y->user_id);
}


/* seats: as read from the file, which checks the pins too */

static json_t *
run_json_pins(const struct run_file *file, const struct mint_seat *seats)
{
    json_t                 *list;
    size_t                  i, count;
    uint32_t                at, seat;
    uint64_t                key;
    struct run_json_pin    *pins;
    const struct mint_pin  *table;

    table = run_file_section(file, MINT_SEATS_SECTION_PINS);
    pins = mem_alloc(SEAT_PINS * sizeof(*pins));
    count = 0;
    at = 0;

    while (seat_pins_next(table, &at, &key, &seat)) {
        if (seat >= file->header->capacity[MINT_SEATS_CAPACITY_SEATS]) {
            continue;
        }

        pins[count].seat = seat;
        pins[count].plugin_id = seats[seat].plugin_id;
        pins[count].user_id = seat_pins_user(key, seats[seat].plugin_id);
        count++;
    }

    qsort(pins, count, sizeof(*pins), run_json_by_user);
    list = json_array();

    for (i = 0; i < count; i++) {
        json_array_append_new(list,
            json_pack("{s:I,s:I,s:I}", "plugin_id",
                      (json_int_t) pins[i].plugin_id, "user_id",
                      (json_int_t) pins[i].user_id, "seat",
                      (json_int_t) pins[i].seat));
    }

    free(pins);

    return list;
}


static int
run_json_identity(const struct run_file *file, json_t *to, bool secrets,
    struct error *err)
{
    int                    rc;
    struct identity_model  model;

    rc = identity_file_read(file, &model, err);
    if (rc != 0) {
        return rc;
    }

    json_object_set_new(to, "sequence",
                        json_integer((json_int_t) model.sequence));
    json_object_set_new(to, "users", run_json_users(&model));
    json_object_set_new(to, "roles", run_json_roles(&model));
    json_object_set_new(to, "keys", run_json_keys(&model, secrets));
    json_object_set_new(to, "denied", run_json_denied(&model));
    json_object_set_new(to, "pats", run_json_pats(&model));
    json_object_set_new(to, "plugin_tokens",
                        run_json_tokens(&model, secrets));
    json_object_set_new(to, "edge_secret",
                        run_json_secret(model.edge_secret, secrets));
    identity_model_free(&model);

    return 0;
}


static int
run_json_by_id(const void *a, const void *b)
{
    const struct identity_user  *x, *y;

    x = a;
    y = b;

    return (x->id > y->id) - (x->id < y->id);
}


static json_t *
run_json_users(struct identity_model *model)
{
    json_t                      *list;
    uint32_t                     i;
    const struct identity_user  *u;

    list = json_array();
    if (model->user_count > 0) {
        qsort(model->users, model->user_count, sizeof(*model->users),
              run_json_by_id);
    }

    for (i = 0; i < model->user_count; i++) {
        u = &model->users[i];
        json_array_append_new(list,
            json_pack("{s:I,s:s,s:s,s:b,s:I}",
                      "id", (json_int_t) u->id, "username", u->name,
                      "role", model->roles[mint_user_role(u->word)].slug,
                      "active",
                      (mint_user_flags(u->word) & MINT_USER_ACTIVE) != 0,
                      "session_version",
                      (json_int_t) mint_user_session_version(u->word)));
    }

    return list;
}


static json_t *
run_json_roles(const struct identity_model *model)
{
    size_t                       k;
    json_t                      *list, *access;
    unsigned                     i;
    const struct identity_role  *r;

    list = json_array();

    for (i = 0; i < model->role_count; i++) {
        r = &model->roles[i];

        if (r->flags & MINT_ROLE_ALL_PLUGINS) {
            access = json_string("all");

        } else {
            access = json_array();
            for (k = 0; k < r->access_len * 8; k++) {
                if (r->access[k / 8] & 1 << k % 8) {
                    json_array_append_new(access,
                                          json_integer((json_int_t) k));
                }
            }
        }

        json_array_append_new(list,
            json_pack("{s:s,s:b,s:o?,s:o}", "slug", r->slug, "admin",
                      (r->flags & MINT_ROLE_ADMIN) != 0, "permissions",
                      json_loads(r->permissions, 0, NULL), "plugin_access",
                      access));
    }

    return list;
}


static json_t *
run_json_keys(const struct identity_model *model, bool secrets)
{
    char                             secret[2 * MINT_KEY_SECRET_MAX];
    char                             id[MINT_KEY_ID_MAX + 1];
    json_t                          *list;
    unsigned                         i;
    const struct mint_identity_key  *k;

    list = json_array();

    for (i = 0; i < model->key_count; i++) {
        k = &model->keys[i];
        memset(id, 0, sizeof(id));
        memcpy(id, k->id, sizeof(k->id));
        if (mint_base64url_encode(secret, sizeof(secret), k->secret,
                                  k->secret_len) == -1)
        {
            secret[0] = '\0';
        }

        json_array_append_new(list,
            json_pack("{s:s,s:o}", "id", id, "secret",
                      run_json_secret(secret, secrets)));
    }

    explicit_bzero(secret, sizeof(secret));

    return list;
}


static json_t *
run_json_tokens(const struct identity_model *model, bool secrets)
{
    char       id[16];
    json_t    *map;
    uint32_t   i;

    map = json_object();

    for (i = 0; i < model->token_count; i++) {
        if (model->tokens[i] != NULL) {
            snprintf(id, sizeof(id), "%u", i);
            json_object_set_new(map, id,
                                run_json_secret(model->tokens[i], secrets));
        }
    }

    return map;
}


static int
run_json_by_hash(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(((struct identity_pat *) NULL)->hash));
}


static json_t *
run_json_pats(struct identity_model *model)
{
    char                        hex[2 * 32 + 1];
    json_t                     *list;
    size_t                      k;
    uint32_t                    i;
    const struct identity_pat  *p;

    list = json_array();
    if (model->pat_count > 0) {
        qsort(model->pats, model->pat_count, sizeof(*model->pats),
              run_json_by_hash);
    }

    for (i = 0; i < model->pat_count; i++) {
        p = &model->pats[i];
        for (k = 0; k < sizeof(p->hash); k++) {
            snprintf(&hex[2 * k], 3, "%02x",
                     ((const unsigned char *) p->hash)[k]);
        }

        json_array_append_new(list,
            json_pack("{s:s,s:I,s:b,s:I}", "hash", hex, "user_id",
                      (json_int_t) p->user_id, "read_only",
                      (int) (p->word & 1), "expires",
                      (json_int_t) (p->word >> 16)));
    }

    return list;
}


static int
run_json_by_jti(const void *a, const void *b)
{
    const struct mint_identity_denied  *x, *y;

    x = a;
    y = b;

    return (x->jti_hash > y->jti_hash) - (x->jti_hash < y->jti_hash);
}


static json_t *
run_json_denied(struct identity_model *model)
{
    char       hex[20];
    json_t    *list;
    uint32_t   i;

    list = json_array();
    if (model->denied_count > 0) {
        qsort(model->denied, model->denied_count, sizeof(*model->denied),
              run_json_by_jti);
    }

    for (i = 0; i < model->denied_count; i++) {
        snprintf(hex, sizeof(hex), "%016llx",
                 (unsigned long long) model->denied[i].jti_hash);
        json_array_append_new(list,
            json_pack("{s:s,s:I}", "jti_hash", hex, "expires",
                      (json_int_t) model->denied[i].expires_unix));
    }

    return list;
}


static json_t *
run_json_secret(const char *text, bool secrets)
{
    if (secrets) {
        return json_string(text);
    }

    return json_sprintf("(%zu characters)", strlen(text));
}
