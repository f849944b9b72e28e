/* SPDX-License-Identifier: MIT */
/*
 * Users, roles and denied tokens in memory.  Sending them to the supervisor
 * is identity_sync.c.
 */

#include "platform/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "platform/identity_state.h"


static void identity_add_role(void *cls, const char *slug,
    const char *permissions_json, const char *plugin_access_json);
static void identity_add_user(void *cls, const struct store_user *user);
static void identity_add_denied(void *cls, const char *jti,
    uint64_t expires_unix);
static void identity_add_plugin_role(void *cls, const char *plugin,
    int64_t user_id, const char *role);
static struct identity_row *identity_find(struct identity *identity,
    int64_t id);
static void identity_forget_expired(struct identity *identity);


int
identity_open(struct identity **out, struct store *store, const char *kid,
    const uint8_t *secret, size_t secret_len, struct error *err)
{
    int                  rc;
    struct identity     *identity;
    pthread_condattr_t   attributes;

    *out = NULL;

    identity = mem_alloc(sizeof(struct identity));
    (void) pthread_rwlock_init(&identity->lock, NULL);
    (void) pthread_mutex_init(&identity->write_lock, NULL);
    (void) pthread_mutex_init(&identity->sync_lock, NULL);
    (void) pthread_condattr_init(&attributes);
    (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&identity->confirmed_changed, &attributes);
    (void) pthread_condattr_destroy(&attributes);

    identity->denied = json_object();
    identity->plugin_roles = json_object();
    (void) snprintf(identity->kid, sizeof(identity->kid), "%s", kid);
    memcpy(identity->secret, secret, secret_len);
    identity->secret_len = secret_len;

    rc = store_roles(store, identity_add_role, identity, err);

    if (rc == MINT_OK) {
        rc = store_users(store, 0, -1, identity_add_user, identity, err);
    }

    if (rc == MINT_OK) {
        rc = store_tokens_denied(store, identity_add_denied, identity, err);
    }

    if (rc == MINT_OK) {
        rc = store_plugin_roles(store, identity_add_plugin_role, identity,
                                err);
    }

    if (rc == MINT_OK) {
        rc = store_sequence(store, &identity->sequence, err);
    }

    if (rc != MINT_OK) {
        identity_close(&identity);
        return rc;
    }

    *out = identity;

    return MINT_OK;
}


void
identity_close(struct identity **identity)
{
    size_t            i;
    struct identity  *d;

    d = *identity;

    if (d == NULL) {
        return;
    }

    for (i = 0; i < d->roles_count; i++) {
        json_decref(d->roles[i].plugin_access);
    }

    explicit_bzero(d->secret, sizeof(d->secret));
    json_decref(d->denied);
    json_decref(d->plugin_roles);
    (void) pthread_cond_destroy(&d->confirmed_changed);
    (void) pthread_mutex_destroy(&d->sync_lock);
    (void) pthread_mutex_destroy(&d->write_lock);
    (void) pthread_rwlock_destroy(&d->lock);
    free(d->roles);
    free(d->users);
    free(d);
    *identity = NULL;
}


bool
identity_user(struct identity *identity, int64_t id,
    struct identity_user *out)
{
    struct identity_row         *row;
    const struct identity_role  *role;

    memset(out, 0, sizeof(struct identity_user));
    (void) pthread_rwlock_rdlock(&identity->lock);
    row = identity_find(identity, id);

    if (row != NULL) {
        out->id = row->id;
        (void) snprintf(out->username, sizeof(out->username), "%s",
                        row->username);
        (void) snprintf(out->role, sizeof(out->role), "%s", row->role);
        out->is_active = row->is_active;
        out->session_version = row->session_version;
        role = identity_role(identity, row->role);

        if (role != NULL) {
            out->permissions = role->permissions;
            out->is_admin = role->is_admin;
        }
    }

    (void) pthread_rwlock_unlock(&identity->lock);

    return row != NULL;
}


bool
identity_is_denied(struct identity *identity, const char *jti)
{
    bool  is_denied;

    (void) pthread_rwlock_rdlock(&identity->lock);
    is_denied = json_object_get(identity->denied, jti) != NULL;
    (void) pthread_rwlock_unlock(&identity->lock);

    return is_denied;
}


bool
identity_plugin_role(struct identity *identity, const char *plugin,
    int64_t user_id, char role[STORE_ROLE_MAX + 1])
{
    char         key[24];
    const char  *found;

    (void) snprintf(key, sizeof(key), "%lld", (long long) user_id);
    (void) pthread_rwlock_rdlock(&identity->lock);

    found = json_string_value(json_object_get(
                json_object_get(identity->plugin_roles, plugin), key));

    if (found != NULL) {
        (void) snprintf(role, STORE_ROLE_MAX + 1, "%s", found);
    }

    (void) pthread_rwlock_unlock(&identity->lock);

    return found != NULL;
}


void
identity_begin(struct identity *identity)
{
    (void) pthread_mutex_lock(&identity->write_lock);
}


void
identity_end(struct identity *identity)
{
    (void) pthread_mutex_unlock(&identity->write_lock);
}


void
identity_user_changed(struct identity *identity, const struct store_user *user,
    uint64_t sequence)
{
    json_t  *change;

    (void) pthread_rwlock_wrlock(&identity->lock);
    identity_add_user(identity, user);
    identity->sequence = sequence;
    (void) pthread_rwlock_unlock(&identity->lock);

    change = json_object();
    json_object_set_new(change, "user",
                        identity_row_json(identity_find(identity, user->id)));
    identity_send_change(identity, change, sequence);
}


void
identity_token_denied(struct identity *identity, const char *jti,
    uint64_t expires_unix, uint64_t sequence)
{
    json_t  *change;

    (void) pthread_rwlock_wrlock(&identity->lock);
    identity_forget_expired(identity);
    identity_add_denied(identity, jti, expires_unix);
    identity->sequence = sequence;
    (void) pthread_rwlock_unlock(&identity->lock);

    change = json_pack("{s:{s:s, s:I}}", "denied", "jti", jti, "expires",
                       (json_int_t) expires_unix);
    identity_send_change(identity, change, sequence);
}


const struct identity_role *
identity_role(const struct identity *identity, const char *slug)
{
    size_t  i;

    for (i = 0; i < identity->roles_count; i++) {
        if (strcmp(identity->roles[i].slug, slug) == 0) {
            return &identity->roles[i];
        }
    }

    return NULL;
}


static void
identity_add_role(void *cls, const char *slug, const char *permissions_json,
    const char *plugin_access_json)
{
    json_t                *permissions;
    struct identity       *identity;
    struct identity_role  *role;

    identity = cls;
    identity->roles = mem_grow(identity->roles, identity->roles_count + 1,
                               sizeof(struct identity_role));
    role = &identity->roles[identity->roles_count++];
    memset(role, 0, sizeof(struct identity_role));

    permissions = json_loads(permissions_json, 0, NULL);
    (void) snprintf(role->slug, sizeof(role->slug), "%s", slug);
    role->is_admin = strcmp(slug, "admin") == 0;
    role->permissions = permission_parse(permissions);
    role->plugin_access = json_loads(plugin_access_json, JSON_DECODE_ANY,
                                     NULL);
    json_decref(permissions);
}


/* rows stay sorted by id; ids grow, so a new one is nearly always the last */

static void
identity_add_user(void *cls, const struct store_user *user)
{
    size_t                i;
    struct identity      *identity;
    struct identity_row  *row;

    identity = cls;
    row = identity_find(identity, user->id);

    if (row == NULL) {
        if (identity->users_count == identity->users_size) {
            identity->users_size = identity->users_size * 2 + 64;
            identity->users = mem_grow(identity->users, identity->users_size,
                                       sizeof(struct identity_row));
        }

        i = identity->users_count++;

        while (i > 0 && identity->users[i - 1].id > user->id) {
            identity->users[i] = identity->users[i - 1];
            i--;
        }

        row = &identity->users[i];
    }

    memset(row, 0, sizeof(struct identity_row));
    row->id = user->id;
    (void) snprintf(row->username, sizeof(row->username), "%s",
                    user->username);
    (void) snprintf(row->role, sizeof(row->role), "%s", user->role);
    row->is_active = user->is_active;
    row->session_version = user->session_version;
}


static void
identity_add_denied(void *cls, const char *jti, uint64_t expires_unix)
{
    struct identity  *identity;

    identity = cls;
    json_object_set_new(identity->denied, jti,
                        json_integer((json_int_t) expires_unix));
}


static void
identity_add_plugin_role(void *cls, const char *plugin, int64_t user_id,
    const char *role)
{
    char              key[24];
    json_t           *users;
    struct identity  *identity;

    identity = cls;
    users = json_object_get(identity->plugin_roles, plugin);

    if (users == NULL) {
        users = json_object();
        json_object_set_new(identity->plugin_roles, plugin, users);
    }

    (void) snprintf(key, sizeof(key), "%lld", (long long) user_id);
    json_object_set_new(users, key, json_string(role));
}


static int
identity_compare(const void *key, const void *row)
{
    int64_t  id;
    int64_t  other;

    id = *(const int64_t *) key;
    other = ((const struct identity_row *) row)->id;

    return (id > other) - (id < other);
}


static struct identity_row *
identity_find(struct identity *identity, int64_t id)
{
    if (identity->users_count == 0) {
        return NULL;
    }

    return bsearch(&id, identity->users, identity->users_count,
                   sizeof(struct identity_row), identity_compare);
}


static void
identity_forget_expired(struct identity *identity)
{
    void        *next;
    json_t      *expires;
    uint64_t     now;
    const char  *jti;

    now = time_unix_ms() / 1000;

    json_object_foreach_safe(identity->denied, next, jti, expires) {
        if ((uint64_t) json_integer_value(expires) + 60 < now) {
            json_object_del(identity->denied, jti);
        }
    }
}
