/* SPDX-License-Identifier: MIT */
/*
 * The store: everything that lasts, in <dataPath>/mint.db.  Only this process
 * writes it (an exclusive lock on mint.db.lock says so).  Thread-safe; every
 * call has a deadline.  Times are unix milliseconds; "" stands for no value
 * unless said otherwise.
 */

#ifndef PLATFORM_STORE_H
#define PLATFORM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"


#define STORE_USERNAME_MAX  64
#define STORE_EMAIL_MAX     254
#define STORE_NAME_MAX      100
#define STORE_ROLE_MAX      64
#define STORE_HASH_MAX      127
#define STORE_KEY_MAX       64


struct store;

int store_open(struct store **out, const char *data_path, struct error *err);
void store_close(struct store **store);
/* MINT_OK if the store can be read */
int store_ping(struct store *store, struct error *err);


/* ---- users ---------------------------------------------------------- */

struct store_user {
    int64_t   id;
    char      username[STORE_USERNAME_MAX + 1];
    char      email[STORE_EMAIL_MAX + 1];
    char      first_name[STORE_NAME_MAX + 1];
    char      last_name[STORE_NAME_MAX + 1];
    char      shortname[STORE_NAME_MAX + 1];
    char      role[STORE_ROLE_MAX + 1];
    char      password_hash[STORE_HASH_MAX + 1];
    bool      is_active;
    uint32_t  session_version;
    uint64_t  created_ms;
    uint64_t  updated_ms;
};

typedef void (*store_user_fn)(void *cls, const struct store_user *user);

/* user->id 0: takes the next id; CONFLICT if name or email is in use.
   *sequence_out: number of this change of identities */
int store_user_create(struct store *store, struct store_user *user,
    uint64_t *sequence_out, struct error *err);
int store_user_by_id(struct store *store, int64_t id, struct store_user *out,
    struct error *err);
/* user name, or e-mail when it is nobody's user name; any case */
int store_user_by_login(struct store *store, const char *login,
    struct store_user *out, struct error *err);
int store_user_by_name(struct store *store, const char *username,
    struct store_user *out, struct error *err);
int store_users(struct store *store, int64_t skip, int64_t limit,
    store_user_fn each, void *cls, struct error *err);
/* deactivation also ends the user's sessions (session_version + 1).
   CONFLICT if it would leave no active administrator */
int store_user_set_active(struct store *store, int64_t id, bool is_active,
    struct store_user *out, uint64_t *sequence_out, struct error *err);


/* ---- roles, tokens, keys --------------------------------------------- */

typedef void (*store_role_fn)(void *cls, const char *slug,
    const char *permissions_json, const char *plugin_access_json);

/* writes a built-in role as this version defines it */
int store_role_builtin(struct store *store, const char *slug, const char *name,
    const char *permissions_json, struct error *err);
int store_roles(struct store *store, store_role_fn each, void *cls,
    struct error *err);
int store_role_exists(struct store *store, const char *slug, bool *out,
    struct error *err);

typedef void (*store_denied_fn)(void *cls, const char *jti,
    uint64_t expires_unix);

int store_token_deny(struct store *store, const char *jti,
    uint64_t expires_unix, uint64_t *sequence_out, struct error *err);
/* only those that have not expired; the others are forgotten */
int store_tokens_denied(struct store *store, store_denied_fn each, void *cls,
    struct error *err);

int store_sequence(struct store *store, uint64_t *out, struct error *err);

/* the newest key; NOT_FOUND if there is none */
int store_key_get(struct store *store, char kid[17], uint8_t *secret,
    size_t *secret_len, struct error *err);
int store_key_add(struct store *store, const char *kid, const uint8_t *secret,
    size_t secret_len, struct error *err);


/* ---- sign-in attempts ------------------------------------------------- */

/* failures of this name within the last window_ms */
int store_login_failures(struct store *store, const char *name,
    uint64_t window_ms, unsigned *out, struct error *err);
int store_login_failed(struct store *store, const char *name,
    uint64_t window_ms, struct error *err);
int store_login_succeeded(struct store *store, const char *name,
    struct error *err);


#endif /* PLATFORM_STORE_H */
