/* SPDX-License-Identifier: MIT */
/*
 * mint-table: writes run files from a JSON description, shows them, compares
 * two directories, changes one seat's word.  For tests and for looking at a
 * running system; it uses the supervisor's own writers.
 */

#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contract/mint_token.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/routes/identity_writer.h"
#include "supervisor/routes/publisher.h"
#include "supervisor/routes/run_json.h"
#include "supervisor/routes/seats_writer.h"


struct command {
    const char  *name;
    int        (*run)(int argc, char **argv);
    const char  *usage;
};


static int command_write(int argc, char **argv);
static int command_dump(int argc, char **argv);
static int command_diff(int argc, char **argv);
static int command_seat(int argc, char **argv);


static const struct command  commands[] = {
    { "write", command_write, "write DIR SPEC.json [--gid N]" },
    { "dump", command_dump, "dump DIR [--json] [--secrets]" },
    { "diff", command_diff, "diff DIR1 DIR2" },
    { "seat", command_seat, "seat DIR INDEX STATE [--cause C] "
      "[--generation N] [--retry-after S]" },
    { NULL, NULL, NULL }
};

static const char *const  affinity_names[] = { "none", "session", "user" };


static int
fail(const struct error *err)
{
    fprintf(stderr, "mint-table: %s\n", err->text);

    return 2;
}


static int
usage(void)
{
    const struct command  *c;

    for (c = commands; c->name != NULL; c++) {
        fprintf(stderr, "usage: mint-table %s\n", c->usage);
    }

    return 2;
}


/* takes "--name value" out of argv; NULL if it is not there */

static const char *
option(int *argc, char **argv, const char *name, bool has_value)
{
    int          i, words;
    const char  *value;

    words = has_value ? 2 : 1;

    for (i = 0; i + words <= *argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            value = argv[i + words - 1];
            memmove(&argv[i], &argv[i + words],
                    (size_t) (*argc - i - words) * sizeof(*argv));
            *argc -= words;
            return value;
        }
    }

    return NULL;
}


/* ---- write --------------------------------------------------------- */

static int
name_index(const char *name, const char *(*name_of)(unsigned), unsigned count)
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
affinity_name(unsigned i)
{
    return affinity_names[i];
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
spec_unpack(struct error *err, const char *what, size_t i, json_t *item,
    const char *format, ...)
{
    int            rc;
    va_list        args;
    json_error_t   why;

    va_start(args, format);
    rc = json_vunpack_ex(item, &why, 0, format, args);
    va_end(args);

    if (rc == 0) {
        return 0;
    }

    return error_set(err, MINT_ERR_INVALID, "%s[%zu]: %s", what, i, why.text);
}


static int
write_routes(struct publisher *p, json_t *list, struct error *err)
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

        rc = spec_unpack(err, "routes", i, item,
                         "{s:i,s?I,s?i,s:s,s:s,s?s,s?o,s?s}", "plugin_id",
                         &id, "seat_first", &seat_first, "slot_count", &slots,
                         "prefix", &r->prefix, "name", &r->name, "version",
                         &r->version, "flags", &flags, "affinity", &affinity);
        if (rc == 0) {
            rc = spec_flags(flags, &r->flags, err);
        }
        if (rc != 0) {
            break;
        }

        affinity_value = name_index(affinity, affinity_name, 3);
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


static int
write_seats(struct publisher *p, json_t *list, struct error *err)
{
    int          rc, index, id, slot, seat, generation, retry, s, c;
    size_t       i;
    json_t      *item;
    const char  *address, *state, *cause;

    json_array_foreach(list, i, item) {
        slot = 0;
        seat = -1;
        generation = 1;
        retry = 0;
        state = "ready";
        cause = "none";
        rc = spec_unpack(err, "seats", i, item,
                         "{s:i,s:i,s?i,s?i,s:s,s?s,s?s,s?i,s?i}", "index",
                         &index, "plugin_id", &id, "slot", &slot, "seat",
                         &seat, "address", &address, "state", &state, "cause",
                         &cause, "generation", &generation, "retry_after",
                         &retry);
        if (rc != 0) {
            return rc;
        }

        seat = seat < 0 ? index & 1 : seat;
        s = name_index(state, mint_seat_state_name, MINT_SEAT_STATE_COUNT);
        c = name_index(cause, mint_seat_cause_name, MINT_CAUSE_COUNT);
        if (s == -1 || c == -1) {
            return error_set(err, MINT_ERR_INVALID,
                             "seats[%zu]: no state \"%s\" or cause \"%s\"", i,
                             state, cause);
        }

        rc = publisher_place_seat(p, (uint32_t) index, (uint32_t) id,
                                  (uint16_t) slot, (uint8_t) seat, address,
                                  err);
        if (rc != 0) {
            return rc;
        }

        publisher_set_seat(p, (uint32_t) index, (uint32_t) generation,
                           (unsigned) retry, (enum mint_seat_cause) c,
                           (enum mint_seat_state) s);
    }

    return 0;
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
    rc = spec_unpack(err, "roles", i, item, "{s:s,s?b,s?o,s?o}", "slug",
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
    rc = spec_unpack(err, "users", i, item, "{s:I,s:s,s:s,s?b,s?i}", "id", &id,
                     "username", &user->username, "role", &user->role,
                     "active", &active, "session_version", &version);
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

    rc = spec_unpack(err, "keys", i, item, "{s:s,s:s}", "id", &key->id,
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
write_identity(struct publisher *p, json_t *spec, struct error *err)
{
    int                        rc;
    size_t                     i, users_n, roles_n;
    json_t                    *item, *users_j, *roles_j, *keys_j, *seq;
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
        item = json_array_get(keys_j, i);
        rc = spec_key(item, i, &keys[i], secret[i], err);
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
write_tokens(struct publisher *p, json_t *map, struct error *err)
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
hex_to_bytes(const char *hex, uint8_t *to, size_t n)
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
write_pat(struct identity_writer *w, json_t *item, size_t i,
    struct error *err)
{
    int                  rc, read_only;
    json_int_t           user, expires;
    const char          *token, *hash;
    struct identity_pat  pat;

    token = NULL;
    hash = NULL;
    read_only = 0;
    expires = (json_int_t) 1 << 40;
    rc = spec_unpack(err, "pats", i, item, "{s?s,s?s,s:I,s?b,s?I}", "token",
                     &token, "hash", &hash, "user_id", &user, "read_only",
                     &read_only, "expires", &expires);
    if (rc != 0) {
        return rc;
    }

    memset(&pat, 0, sizeof(pat));
    if (token != NULL) {
        EVP_Digest(token, strlen(token), (unsigned char *) pat.hash, NULL,
                   EVP_sha256(), NULL);

    } else if (hash == NULL || hex_to_bytes(hash, (uint8_t *) pat.hash, 32)) {
        return error_set(err, MINT_ERR_INVALID,
                         "pats[%zu]: needs a token or the hex of its SHA-256",
                         i);
    }

    pat.user_id = (uint64_t) user;
    pat.word = (uint64_t) expires << 16 | (unsigned) read_only;

    return identity_writer_pat(w, &pat, err);
}


/* what the publisher has no function for */

static int
write_rest(const char *directory, gid_t gid, json_t *spec, struct error *err)
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
        rc = write_pat(&w, item, i, err);
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


static int
write_spec(const char *directory, json_t *spec, gid_t gid, struct error *err)
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

    rc = write_seats(p, json_object_get(spec, "seats"), err);
    if (rc == 0 && spec_has_identity(spec)) {
        rc = write_identity(p, spec, err);
    }
    if (rc == 0) {
        rc = write_tokens(p, json_object_get(spec, "plugin_tokens"), err);
    }
    if (rc == 0 && json_object_get(spec, "routes") != NULL) {
        rc = write_routes(p, json_object_get(spec, "routes"), err);
    }

    publisher_tick(p);
    publisher_free(&p);

    if (rc == 0) {
        rc = write_rest(directory, gid, spec, err);
    }

    return rc;
}


static int
command_write(int argc, char **argv)
{
    int            rc;
    gid_t          gid;
    json_t        *spec;
    const char    *text;
    json_error_t   why;
    struct error   err;

    text = option(&argc, argv, "--gid", true);
    gid = text != NULL ? (gid_t) strtoul(text, NULL, 10) : (gid_t) -1;

    if (argc != 2) {
        return usage();
    }

    spec = strcmp(argv[1], "-") == 0
           ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &why)
           : json_load_file(argv[1], JSON_REJECT_DUPLICATES, &why);
    if (spec == NULL) {
        fprintf(stderr, "mint-table: %s:%d: %s\n", argv[1], why.line,
                why.text);
        return 2;
    }

    rc = write_spec(argv[0], spec, gid, &err);
    json_decref(spec);

    return rc == 0 ? 0 : fail(&err);
}


/* ---- dump and diff ------------------------------------------------- */

static void
print_row(json_t *row)
{
    char  *text;

    text = json_dumps(row, JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
    printf("  %s\n", text);
    free(text);
}


static void
print_text(json_t *dump)
{
    size_t       i;
    json_t      *part, *row;
    const char  *name, *key;

    json_object_foreach(dump, name, part) {
        printf("%s\n", name);

        if (json_is_array(part)) {
            json_array_foreach(part, i, row) {
                print_row(row);
            }

        } else if (json_is_object(part)) {
            json_object_foreach(part, key, row) {
                printf("  %s:", key);
                print_row(row);
            }

        } else {
            print_row(part);
        }
    }
}


static int
command_dump(int argc, char **argv)
{
    bool         json, secrets;
    json_t      *dump, *file;
    const char  *name;
    int          rc;

    json = option(&argc, argv, "--json", false) != NULL;
    secrets = option(&argc, argv, "--secrets", false) != NULL;

    if (argc != 1) {
        return usage();
    }

    dump = run_json_dump(argv[0], secrets);

    if (json) {
        json_dumpf(dump, stdout, JSON_INDENT(2));
        putchar('\n');

    } else {
        print_text(dump);
    }

    rc = 0;
    json_object_foreach(json_object_get(dump, "files"), name, file) {
        if (json_object_get(file, "error") != NULL) {
            rc = 1;
        }
    }

    json_decref(dump);

    return rc;
}


static void
print_change(const char *path, json_t *a, json_t *b)
{
    char  *x, *y;

    if (strstr(path, "secret") != NULL || strstr(path, "token") != NULL) {
        printf("%s: %s\n", path, a == NULL ? "only in the second"
                                 : b == NULL ? "only in the first"
                                 : "differs (secret)");
        return;
    }

    x = a != NULL ? json_dumps(a, JSON_ENCODE_ANY) : NULL;
    y = b != NULL ? json_dumps(b, JSON_ENCODE_ANY) : NULL;
    printf("%s: %s -> %s\n", path, x != NULL ? x : "(none)",
           y != NULL ? y : "(none)");
    free(x);
    free(y);
}


static int
compare(const char *path, json_t *a, json_t *b)
{
    int          changes;
    char        *below;
    size_t       i, n;
    json_t      *value;
    const char  *key;

    if (json_equal(a, b)) {
        return 0;
    }

    changes = 0;

    if (json_is_object(a) && json_is_object(b)) {
        json_object_foreach(a, key, value) {
            below = mem_printf("%s/%s", path, key);
            changes += compare(below, value, json_object_get(b, key));
            free(below);
        }
        json_object_foreach(b, key, value) {
            if (json_object_get(a, key) == NULL) {
                below = mem_printf("%s/%s", path, key);
                changes += compare(below, NULL, value);
                free(below);
            }
        }
        return changes;
    }

    if (json_is_array(a) && json_is_array(b)) {
        n = json_array_size(a) > json_array_size(b) ? json_array_size(a)
                                                    : json_array_size(b);
        for (i = 0; i < n; i++) {
            below = mem_printf("%s/%zu", path, i);
            changes += compare(below, json_array_get(a, i),
                               json_array_get(b, i));
            free(below);
        }
        return changes;
    }

    print_change(path, a, b);

    return 1;
}


static int
command_diff(int argc, char **argv)
{
    int          i, changes;
    json_t      *dump[2], *file;
    const char  *name, *why;

    if (argc != 2) {
        return usage();
    }

    for (i = 0; i < 2; i++) {
        dump[i] = run_json_dump(argv[i], true);
        json_object_foreach(json_object_get(dump[i], "files"), name, file) {
            why = json_string_value(json_object_get(file, "error"));
            if (why != NULL) {
                fprintf(stderr, "mint-table: %s: %s\n", argv[i], why);
            }
        }
        json_object_del(dump[i], "files");
        json_object_del(dump[i], "workers");
    }

    changes = compare("", dump[0], dump[1]);
    json_decref(dump[0]);
    json_decref(dump[1]);

    return changes == 0 ? 0 : 1;
}


/* ---- seat ---------------------------------------------------------- */

static int
command_seat(int argc, char **argv)
{
    int                   rc, state, cause;
    uint32_t              index, generation;
    uint64_t              word;
    const char           *cause_text, *generation_text, *retry_text;
    struct error          err;
    struct run_file      *file;
    struct seats_writer   w;

    cause_text = option(&argc, argv, "--cause", true);
    generation_text = option(&argc, argv, "--generation", true);
    retry_text = option(&argc, argv, "--retry-after", true);

    if (argc != 3) {
        return usage();
    }

    index = (uint32_t) strtoul(argv[1], NULL, 10);
    state = name_index(argv[2], mint_seat_state_name, MINT_SEAT_STATE_COUNT);
    cause = cause_text == NULL ? MINT_CAUSE_NONE
            : name_index(cause_text, mint_seat_cause_name, MINT_CAUSE_COUNT);
    if (state == -1 || cause == -1) {
        return usage();
    }

    /* never make a file here */
    rc = run_file_open(&file, argv[0], MINT_RUN_SEATS, false, &err);
    if (rc == 0) {
        run_file_free(&file);
        rc = seats_writer_open(&w, argv[0], 0, (gid_t) -1, &err);
    }
    if (rc != 0) {
        return fail(&err);
    }

    word = index < w.capacity ? w.seats[index].word : 0;
    generation = generation_text != NULL
                 ? (uint32_t) strtoul(generation_text, NULL, 10)
                 : mint_seat_generation(word);
    word = mint_seat_word(generation,
                          retry_text != NULL
                          ? (unsigned) strtoul(retry_text, NULL, 10) : 0,
                          (enum mint_seat_cause) cause,
                          (enum mint_seat_state) state);

    rc = seats_writer_set(&w, index, word, &err);
    seats_writer_close(&w);

    return rc == 0 ? 0 : fail(&err);
}


int
main(int argc, char **argv)
{
    const struct command  *c;

    setenv("MINT_LOG_LEVEL", "warn", 0);
    log_open("mint-table");

    for (c = commands; argc > 1 && c->name != NULL; c++) {
        if (strcmp(c->name, argv[1]) == 0) {
            return c->run(argc - 2, argv + 2);
        }
    }

    return usage();
}
