/* SPDX-License-Identifier: MIT */
/*
 * State shared by identity.c (memory) and identity_sync.c (supervisor).
 */

#ifndef PLATFORM_IDENTITY_STATE_H
#define PLATFORM_IDENTITY_STATE_H

#include <jansson.h>
#include <pthread.h>

#include "platform/identity.h"


struct identity_row {
    int64_t   id;
    char      username[STORE_USERNAME_MAX + 1];
    char      role[STORE_ROLE_MAX + 1];
    bool      is_active;
    uint32_t  session_version;
};


struct identity_role {
    char             slug[STORE_ROLE_MAX + 1];
    bool             is_admin;
    permission_set   permissions;
    json_t          *plugin_access;     /* "all" or a list of names */
};


struct identity {
    pthread_rwlock_t       lock;        /* of what follows */
    struct identity_row   *users;       /* sorted by id */
    size_t                 users_count;
    size_t                 users_size;
    struct identity_role  *roles;
    size_t                 roles_count;
    json_t                *denied;      /* jti: expiry */
    json_t                *plugin_roles;    /* plugin: {user id: role} */
    uint64_t               sequence;    /* of the last change */

    char                   kid[IDENTITY_KID_MAX + 1];
    uint8_t                secret[IDENTITY_SECRET_MAX];
    size_t                 secret_len;

    pthread_mutex_t        write_lock;  /* from identity_begin() to _end() */

    pthread_mutex_t        sync_lock;   /* of what follows */
    pthread_cond_t         confirmed_changed;
    struct link           *link;
    uint64_t               confirmed;   /* last sequence in force */
    bool                   is_synced;   /* this connection has the whole */
    bool                   is_sending_full;
    uint64_t               connection;  /* counts connects */
};


const struct identity_role *identity_role(const struct identity *identity,
    const char *slug);
json_t *identity_row_json(const struct identity_row *row);

/* change is taken over; write_lock is held */
void identity_send_change(struct identity *identity, json_t *change,
    uint64_t sequence);

#endif /* PLATFORM_IDENTITY_STATE_H */
