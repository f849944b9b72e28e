/* SPDX-License-Identifier: MIT */
/*
 * Operations of mint-platform: who users are, for the edge; who plugins are,
 * for the platform.  Translates JSON into the publisher's structs.
 */

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "contract/mint_identity.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "operations_private.h"


/* what a request's arrays were translated to */
struct translation {
    struct publisher_identity   identity;
    struct publisher_user      *users;
    struct publisher_role      *roles;
    struct publisher_key       *keys;
    uint8_t                   (*secrets)[MINT_KEY_SECRET_MAX + 3];
    struct publisher_denied    *denied;
};


static void
translation_free(struct translation *t)
{
    size_t  i;

    for (i = 0; t->roles != NULL && i < t->identity.role_count; i++) {
        free((void *) t->roles[i].permissions);
        free((void *) t->roles[i].plugin_ids);
    }

    if (t->secrets != NULL) {
        explicit_bzero(t->secrets, t->identity.key_count
                                   * sizeof(t->secrets[0]));
    }

    free(t->users);
    free(t->roles);
    free(t->keys);
    free(t->secrets);
    free(t->denied);
}


static int
translate_user(json_t *json, struct publisher_user *user, struct error *err)
{
    int         active;
    json_int_t  id, version;

    if (json_unpack(json, "{s:I, s:s, s:s, s:b, s:I}", "id", &id, "username",
                    &user->username, "role", &user->role, "active", &active,
                    "session_version", &version)
        != 0 || id <= 0 || version < 0 || version > UINT32_MAX)
    {
        return error_set(err, MINT_ERR_INVALID, "a user is not {id, username, "
                         "role, active, session_version}");
    }

    user->id = (uint64_t) id;
    user->active = active != 0;
    user->session_version = (uint32_t) version;

    return 0;
}


static int
translate_role(struct operations *o, json_t *json,
    struct publisher_role *role, struct error *err)
{
    int             admin;
    size_t          i;
    json_t         *permissions, *access;
    uint32_t       *ids;
    const char     *name;
    const char    **texts;
    struct plugin  *plugin;

    memset(role, 0, sizeof(struct publisher_role));

    if (json_unpack(json, "{s:s, s:b, s:o, s:o}", "slug", &role->slug,
                    "admin", &admin, "permissions", &permissions,
                    "plugin_access", &access)
        != 0 || !json_is_array(permissions))
    {
        return error_set(err, MINT_ERR_INVALID, "a role is not {slug, admin, "
                         "permissions, plugin_access}");
    }

    role->admin = admin != 0;
    texts = mem_alloc((json_array_size(permissions) + 1) * sizeof(char *));

    for (i = 0; i < json_array_size(permissions); i++) {
        texts[i] = json_string_value(json_array_get(permissions, i));

        if (texts[i] == NULL) {
            free(texts);
            return error_set(err, MINT_ERR_INVALID, "role \"%s\": a "
                             "permission is not a string", role->slug);
        }
    }

    role->permissions = texts;
    role->permission_count = i;
    role->all_plugins = !json_is_array(access);

    if (role->all_plugins) {
        return 0;
    }

    ids = mem_alloc((json_array_size(access) + 1) * sizeof(uint32_t));

    for (i = 0; i < json_array_size(access); i++) {
        name = json_string_value(json_array_get(access, i));
        plugin = name == NULL ? NULL
                              : registry_find(o->parts.registry, name);

        if (plugin != NULL) {
            ids[role->plugin_count++] = plugin->id;
        }
    }

    role->plugin_ids = ids;

    return 0;
}


static int
translate_key(json_t *json, struct publisher_key *key,
    uint8_t secret[MINT_KEY_SECRET_MAX + 3], struct error *err)
{
    int          n;
    size_t       len;
    const char  *text;

    if (json_unpack(json, "{s:s, s:s}", "id", &key->id, "secret", &text)
        != 0)
    {
        return error_set(err, MINT_ERR_INVALID, "a key is not {id, secret}");
    }

    len = strlen(text);

    if (len == 0 || len % 4 != 0 || len / 4 * 3 > MINT_KEY_SECRET_MAX + 2) {
        return error_set(err, MINT_ERR_INVALID, "key \"%s\": the secret is "
                         "not base64 of at most %d bytes", key->id,
                         MINT_KEY_SECRET_MAX);
    }

    n = EVP_DecodeBlock(secret, (const unsigned char *) text, (int) len);

    if (n < 0) {
        return error_set(err, MINT_ERR_INVALID, "key \"%s\": the secret is "
                         "not base64", key->id);
    }

    n -= (text[len - 1] == '=') + (text[len - 2] == '=');

    if (n > MINT_KEY_SECRET_MAX) {
        return error_set(err, MINT_ERR_INVALID, "key \"%s\": the secret is "
                         "longer than %d bytes", key->id,
                         MINT_KEY_SECRET_MAX);
    }

    key->secret = secret;
    key->secret_len = (size_t) n;

    return 0;
}


static int
translate_denied(json_t *json, struct publisher_denied *denied,
    struct error *err)
{
    json_int_t  expires;

    if (json_unpack(json, "{s:s, s:I}", "jti", &denied->jti, "expires",
                    &expires)
        != 0 || expires < 0)
    {
        return error_set(err, MINT_ERR_INVALID, "a denied token is not {jti, "
                         "expires}");
    }

    denied->expires_unix = (uint64_t) expires;

    return 0;
}


static int
translate_all(struct operations *o, json_t *arguments, struct translation *t,
    struct error *err)
{
    int      rc;
    size_t   i, users, roles, keys, denied;
    json_t  *list[4];

    list[0] = json_object_get(arguments, "users");
    list[1] = json_object_get(arguments, "roles");
    list[2] = json_object_get(arguments, "keys");
    list[3] = json_object_get(arguments, "denied");

    users = json_array_size(list[0]);
    roles = json_array_size(list[1]);
    keys = json_array_size(list[2]);
    denied = json_array_size(list[3]);

    t->users = mem_alloc((users + 1) * sizeof(struct publisher_user));
    t->roles = mem_alloc((roles + 1) * sizeof(struct publisher_role));
    t->keys = mem_alloc((keys + 1) * sizeof(struct publisher_key));
    t->secrets = mem_alloc((keys + 1) * sizeof(t->secrets[0]));
    t->denied = mem_alloc((denied + 1) * sizeof(struct publisher_denied));

    t->identity.users = t->users;
    t->identity.roles = t->roles;
    t->identity.keys = t->keys;
    t->identity.denied = t->denied;
    rc = 0;

    for (i = 0; i < users && rc == 0; i++) {
        rc = translate_user(json_array_get(list[0], i), &t->users[i], err);
        t->identity.user_count = i + 1;
    }

    for (i = 0; i < roles && rc == 0; i++) {
        rc = translate_role(o, json_array_get(list[1], i), &t->roles[i], err);
        t->identity.role_count = i + 1;
    }

    for (i = 0; i < keys && rc == 0; i++) {
        rc = translate_key(json_array_get(list[2], i), &t->keys[i],
                           t->secrets[i], err);
        t->identity.key_count = i + 1;
    }

    for (i = 0; i < denied && rc == 0; i++) {
        rc = translate_denied(json_array_get(list[3], i), &t->denied[i], err);
        t->identity.denied_count = i + 1;
    }

    return rc;
}


static void
operations_keep_role(struct operations *o, json_t *role)
{
    const char  *slug;

    slug = json_string_value(json_object_get(role, "slug"));

    if (slug != NULL) {
        json_object_set(o->roles, slug, role);
    }
}


static json_int_t
operations_sequence(json_t *arguments)
{
    json_t  *sequence;

    sequence = json_object_get(arguments, "sequence");

    return json_is_integer(sequence) ? json_integer_value(sequence) : -1;
}


void
operation_identity_full(void *ctx, struct admin_call *call,
    json_t *arguments)
{
    int                  rc;
    size_t               i;
    json_t              *role;
    json_int_t           sequence;
    struct error         err;
    struct operations   *o;
    struct translation   t;

    o = ctx;
    sequence = operations_sequence(arguments);
    memset(&t, 0, sizeof(t));

    if (sequence < 0) {
        error_set(&err, MINT_ERR_INVALID, "\"sequence\" is missing");
        admin_fail(call, &err);
        return;
    }

    rc = translate_all(o, arguments, &t, &err);
    t.identity.sequence = (uint64_t) sequence;

    if (rc == 0) {
        rc = publisher_set_identity(o->parts.publisher, &t.identity, &err);
    }

    if (rc == 0) {
        json_object_clear(o->roles);

        json_array_foreach(json_object_get(arguments, "roles"), i, role) {
            operations_keep_role(o, role);
        }

        admin_reply(call, json_pack("{s:I}", "sequence", sequence));

    } else {
        admin_fail(call, &err);
    }

    translation_free(&t);
}


/* the change of one request: arrays of at most one, as in identity.full */

static json_t *
operations_as_arrays(json_t *arguments)
{
    size_t                    i;
    json_t                   *arrays, *value;
    static const char *const  names[][2] = {
        { "user", "users" }, { "role", "roles" }, { "denied", "denied" }
    };

    arrays = json_object();

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        value = json_object_get(arguments, names[i][0]);

        if (value != NULL) {
            json_object_set_new(arrays, names[i][1],
                                json_pack("[O]", value));
        }
    }

    value = json_object_get(arguments, "keys");

    if (value != NULL) {
        json_object_set(arrays, "keys", value);
    }

    return arrays;
}


static int
operations_apply(struct operations *o, const struct translation *t,
    struct error *err)
{
    int                rc;
    struct publisher  *publisher;

    publisher = o->parts.publisher;
    rc = 0;

    if (t->identity.role_count > 0) {
        rc = publisher_put_role(publisher, &t->roles[0], err);
    }

    if (rc == 0 && t->identity.user_count > 0) {
        rc = publisher_put_user(publisher, &t->users[0], err);
    }

    if (rc == 0 && t->identity.denied_count > 0) {
        rc = publisher_deny(publisher, &t->denied[0], err);
    }

    if (rc == 0 && t->identity.key_count > 0) {
        rc = publisher_put_keys(publisher, t->keys, t->identity.key_count,
                                err);
    }

    return rc;
}


void
operation_identity_change(void *ctx, struct admin_call *call,
    json_t *arguments)
{
    int                  rc;
    json_t              *arrays;
    json_int_t           sequence;
    struct error         err;
    struct operations   *o;
    struct translation   t;

    o = ctx;
    sequence = operations_sequence(arguments);

    if ((uint64_t) sequence != publisher_sequence(o->parts.publisher) + 1) {
        error_set(&err, MINT_ERR_CONFLICT, "sequence %lld is not the next "
                  "after %llu: send identity.full", (long long) sequence,
                  (unsigned long long)
                  publisher_sequence(o->parts.publisher));
        admin_fail(call, &err);
        return;
    }

    memset(&t, 0, sizeof(t));
    arrays = operations_as_arrays(arguments);
    rc = translate_all(o, arrays, &t, &err);

    if (rc == 0) {
        rc = operations_apply(o, &t, &err);
    }

    if (rc == 0) {
        publisher_set_sequence(o->parts.publisher, (uint64_t) sequence);
        operations_keep_role(o, json_object_get(arguments, "role"));
        admin_reply(call, json_pack("{s:I}", "sequence", sequence));

    } else {
        admin_fail(call, &err);
    }

    translation_free(&t);
    json_decref(arrays);
}


/* a role may name a plugin that is installed only later */

void
operations_roles_on_registry(void *ctx, enum registry_event event,
    struct plugin *plugin)
{
    void                   *next;
    json_t                 *role;
    const char             *slug;
    struct error            err;
    struct operations      *o;
    struct publisher_role   translated;

    (void) plugin;
    o = ctx;

    if (event != REGISTRY_ADDED) {
        return;
    }

    json_object_foreach_safe(o->roles, next, slug, role) {

        if (!json_is_array(json_object_get(role, "plugin_access"))) {
            continue;
        }

        err.code = 0;

        if (translate_role(o, role, &translated, &err) == 0) {
            publisher_put_role(o->parts.publisher, &translated, &err);
            free((void *) translated.permissions);
            free((void *) translated.plugin_ids);
        }

        if (err.code != 0) {
            log_error("role \"%s\" cannot be published: %s", slug, err.text);
        }
    }
}


void
operation_directory(void *ctx, struct admin_call *call, json_t *arguments)
{
    size_t              i;
    json_t             *list;
    struct plugin      *plugin;
    struct operations  *o;

    (void) arguments;
    o = ctx;
    list = json_array();

    for (i = 0; i < registry_count(o->parts.registry); i++) {
        plugin = registry_at(o->parts.registry, i);

        json_array_append_new(list, json_pack(
            "{s:I, s:s, s:s, s:s, s:s, s:s, s:O}",
            "id", (json_int_t) plugin->id,
            "name", plugin->name,
            "token", plugin->token,
            "distribution", plugin->distribution,
            "version", plugin->version,
            "routes_prefix", plugin->routes_prefix,
            "metadata", plugin->probe != NULL ? plugin->probe
                                              : json_null()));
    }

    admin_reply(call, json_pack("{s:s, s:s, s:o}",
        "edge_secret", publisher_edge_secret(o->parts.publisher),
        "boot_id", o->boot_id,
        "plugins", list));
}
