/* SPDX-License-Identifier: MIT */
/*
 * Who users are, in memory: what each request needs (active, role,
 * permissions, session version, denied token ids, roles within plugins), and
 * its copy at the edge, which the supervisor writes.  A security write is:
 *
 *   identity_begin()            one change at a time
 *   write to the store          takes a sequence number
 *   identity_user_changed() or identity_token_denied()
 *   identity_end()
 *   identity_wait()             until the edge has it
 */

#ifndef PLATFORM_IDENTITY_H
#define PLATFORM_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "platform/link.h"
#include "platform/permissions.h"
#include "platform/store/store_data.h"


#define IDENTITY_KID_MAX     16
#define IDENTITY_SECRET_MAX  64
#define IDENTITY_WAIT_MS     2000


struct identity;

struct identity_user {
    int64_t         id;
    char            username[STORE_USERNAME_MAX + 1];
    char            role[STORE_ROLE_MAX + 1];
    bool            is_active;
    bool            is_admin;       /* of the platform */
    uint32_t        session_version;
    permission_set  permissions;
};


/* loads everything from the store; the key signs tokens */
int identity_open(struct identity **out, struct store *store, const char *kid,
    const uint8_t *secret, size_t secret_len, struct error *err);
void identity_close(struct identity **identity);

/* from now on changes are sent; identity_connected() is for the link's
   on_connect */
void identity_use_link(struct identity *identity, struct link *link);
void identity_connected(struct identity *identity);

/* false if there is no such user */
bool identity_user(struct identity *identity, int64_t id,
    struct identity_user *out);
bool identity_is_denied(struct identity *identity, const char *jti);
/* false if the user has no role within the plugin */
bool identity_plugin_role(struct identity *identity, const char *plugin,
    int64_t user_id, char role[STORE_ROLE_MAX + 1]);

void identity_begin(struct identity *identity);
void identity_user_changed(struct identity *identity,
    const struct store_user *user, uint64_t sequence);
void identity_token_denied(struct identity *identity, const char *jti,
    uint64_t expires_unix, uint64_t sequence);
void identity_end(struct identity *identity);
/* UNAVAILABLE: stored, but not in force at the edge within IDENTITY_WAIT_MS */
int identity_wait(struct identity *identity, uint64_t sequence,
    struct error *err);

#endif /* PLATFORM_IDENTITY_H */
