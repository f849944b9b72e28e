/* SPDX-License-Identifier: MIT */
/*
 * Keeps the supervisor's copy of the identities equal to ours: the whole
 * after each connect, then every change in the order of the sequence.  What
 * is not confirmed is not in force.
 */

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "platform/identity_state.h"


/* a request under way */
struct identity_sent {
    struct identity  *identity;
    uint64_t          sequence;
    uint64_t          connection;
    bool              is_full;
};


static void identity_send_full(struct identity *identity);
static json_t *identity_full_json(struct identity *identity,
    uint64_t *sequence_out);
static json_t *identity_roles_json(const struct identity *identity);
static json_t *identity_denied_json(const struct identity *identity);
static json_t *identity_keys_json(const struct identity *identity);
static void identity_answered(void *cls, json_t *result,
    const struct error *err, json_t *details);


void
identity_use_link(struct identity *identity, struct link *link)
{
    (void) pthread_mutex_lock(&identity->sync_lock);
    identity->link = link;
    (void) pthread_mutex_unlock(&identity->sync_lock);
}


void
identity_connected(struct identity *identity)
{
    (void) pthread_mutex_lock(&identity->sync_lock);
    identity->connection++;
    identity->is_synced = false;
    identity->is_sending_full = false;
    (void) pthread_mutex_unlock(&identity->sync_lock);

    identity_send_full(identity);
}


int
identity_wait(struct identity *identity, uint64_t sequence, struct error *err)
{
    int              rc;
    bool             is_confirmed;
    struct timespec  until;

    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDENTITY_WAIT_MS / 1000;
    rc = 0;

    (void) pthread_mutex_lock(&identity->sync_lock);

    while (identity->confirmed < sequence && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&identity->confirmed_changed,
                                    &identity->sync_lock, &until);
    }

    is_confirmed = identity->confirmed >= sequence;
    (void) pthread_mutex_unlock(&identity->sync_lock);

    if (!is_confirmed) {
        return error_set(err, MINT_ERR_UNAVAILABLE, "The change is stored but "
                         "not yet in force: the supervisor did not confirm it "
                         "in time. It will be applied as soon as the "
                         "supervisor answers");
    }

    return MINT_OK;
}


void
identity_send_change(struct identity *identity, json_t *change,
    uint64_t sequence)
{
    struct link           *link;
    struct identity_sent  *sent;

    (void) pthread_mutex_lock(&identity->sync_lock);

    /* not synced: a whole that is on its way is followed by another one if it
       is older than this change */
    link = identity->is_synced ? identity->link : NULL;

    sent = mem_alloc(sizeof(struct identity_sent));
    sent->identity = identity;
    sent->sequence = sequence;
    sent->connection = identity->connection;

    (void) pthread_mutex_unlock(&identity->sync_lock);

    if (link == NULL) {
        json_decref(change);
        free(sent);
        identity_send_full(identity);
        return;
    }

    json_object_set_new(change, "sequence",
                        json_integer((json_int_t) sequence));
    link_send(link, "identity.change", change, identity_answered, sent);
}


json_t *
identity_row_json(const struct identity_row *row)
{
    return json_pack("{s:I, s:s, s:s, s:b, s:I}", "id", (json_int_t) row->id,
                     "username", row->username, "role", row->role, "active",
                     row->is_active, "session_version",
                     (json_int_t) row->session_version);
}


static void
identity_send_full(struct identity *identity)
{
    json_t                *full;
    struct link           *link;
    struct identity_sent  *sent;

    (void) pthread_mutex_lock(&identity->sync_lock);

    if (identity->is_sending_full || identity->link == NULL) {
        (void) pthread_mutex_unlock(&identity->sync_lock);
        return;
    }

    identity->is_sending_full = true;
    link = identity->link;

    sent = mem_alloc(sizeof(struct identity_sent));
    sent->identity = identity;
    sent->connection = identity->connection;
    sent->is_full = true;

    (void) pthread_mutex_unlock(&identity->sync_lock);

    full = identity_full_json(identity, &sent->sequence);
    link_send(link, "identity.full", full, identity_answered, sent);
}


static json_t *
identity_full_json(struct identity *identity, uint64_t *sequence_out)
{
    size_t   i;
    json_t  *full;
    json_t  *users;

    (void) pthread_rwlock_rdlock(&identity->lock);

    users = json_array();

    for (i = 0; i < identity->users_count; i++) {
        json_array_append_new(users, identity_row_json(&identity->users[i]));
    }

    *sequence_out = identity->sequence;
    full = json_pack("{s:I, s:o, s:o, s:o, s:o}", "sequence",
                     (json_int_t) identity->sequence, "users", users, "roles",
                     identity_roles_json(identity), "keys",
                     identity_keys_json(identity), "denied",
                     identity_denied_json(identity));

    (void) pthread_rwlock_unlock(&identity->lock);

    return full;
}


static json_t *
identity_roles_json(const struct identity *identity)
{
    size_t                       i;
    json_t                      *roles;
    const struct identity_role  *role;

    roles = json_array();

    for (i = 0; i < identity->roles_count; i++) {
        role = &identity->roles[i];
        json_array_append_new(roles, json_pack("{s:s, s:b, s:o, s:O}",
            "slug", role->slug, "admin", role->is_admin, "permissions",
            permission_list(role->permissions), "plugin_access",
            role->plugin_access));
    }

    return roles;
}


static json_t *
identity_denied_json(const struct identity *identity)
{
    json_t      *denied;
    json_t      *expires;
    const char  *jti;

    denied = json_array();

    json_object_foreach(identity->denied, jti, expires) {
        json_array_append_new(denied, json_pack("{s:s, s:O}", "jti", jti,
                                                "expires", expires));
    }

    return denied;
}


static json_t *
identity_keys_json(const struct identity *identity)
{
    char            text[(IDENTITY_SECRET_MAX + 2) / 3 * 4 + 1];
    json_t         *keys;
    const uint8_t  *s;

    s = identity->secret;
    (void) EVP_EncodeBlock((unsigned char *) text, s,
                           (int) identity->secret_len);
    keys = json_pack("[{s:s, s:s}]", "id", identity->kid, "secret", text);
    explicit_bzero(text, sizeof(text));

    return keys;
}


static void
identity_answered(void *cls, json_t *result, const struct error *err,
    json_t *details)
{
    bool                   is_behind;
    bool                   is_current;
    struct identity       *identity;
    struct identity_sent  *sent;

    (void) details;

    sent = cls;
    identity = sent->identity;
    is_behind = false;

    (void) pthread_mutex_lock(&identity->sync_lock);
    is_current = sent->connection == identity->connection;

    if (is_current && sent->is_full) {
        identity->is_sending_full = false;
    }

    if (result != NULL) {
        if (sent->sequence > identity->confirmed) {
            identity->confirmed = sent->sequence;
            (void) pthread_cond_broadcast(&identity->confirmed_changed);
        }

        identity->is_synced |= is_current && sent->is_full;

    } else if (is_current) {
        /* CONFLICT: the supervisor has missed something */
        identity->is_synced = false;
        is_behind = err->code == MINT_ERR_CONFLICT;
    }

    (void) pthread_mutex_unlock(&identity->sync_lock);

    if (result == NULL && err->code != MINT_ERR_UNAVAILABLE) {
        log_write(is_behind ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, NULL,
                  "identities up to %llu not taken by the supervisor: %s",
                  (unsigned long long) sent->sequence, err->text);
    }

    if (sent->is_full && result != NULL && is_current) {
        (void) pthread_rwlock_rdlock(&identity->lock);
        is_behind = identity->sequence > sent->sequence;
        (void) pthread_rwlock_unlock(&identity->lock);
    }

    free(sent);

    if (is_behind) {
        identity_send_full(identity);
    }
}
