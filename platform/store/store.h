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


/* ---- experiments ------------------------------------------------------ */

struct store_experiment {
    int64_t   id;
    char     *name;
    char     *experiment_type;
    char     *status;
    int64_t   created_by;               /* 0 = nobody */
    int64_t   parent_experiment_id;     /* 0 = none */
    char     *project;                  /* NULL = none */
    char     *notes;                    /* NULL = none */
    char     *tags;                     /* JSON object */
    char     *design_owner_plugin_id;   /* NULL = no design data; read only */
    uint64_t  created_ms;
    uint64_t  updated_ms;
};

/* what must be equal, or contained; NULL, 0 and false leave it open */
struct store_experiment_filter {
    const char         *status;
    const char         *experiment_type;
    const char         *project;
    const char         *search;         /* in name or notes, ASCII case-blind */
    int64_t             created_by;
    int64_t             parent_experiment_id;
    uint64_t            created_after_ms;   /* inclusive */
    uint64_t            created_before_ms;  /* exclusive */
    bool                has_types;      /* only these types: */
    const char *const  *types;
    size_t              types_count;
    const char         *sort_by;        /* a name of the table; NULL = id */
    bool                is_descending;
    int64_t             skip;
    int64_t             limit;
};

typedef void (*store_experiment_fn)(void *cls,
    const struct store_experiment *experiment);

/* true if experiments can be sorted by it */
bool store_experiment_sortable(const char *name);
int store_experiments(struct store *store,
    const struct store_experiment_filter *filter, store_experiment_fn each,
    void *cls, int64_t *total_out, struct error *err);
/* *out is filled; free with store_experiment_clear() */
int store_experiment_get(struct store *store, int64_t id,
    struct store_experiment *out, struct error *err);
/* fills id and times; INVALID if creator or parent does not exist */
int store_experiment_create(struct store *store,
    struct store_experiment *experiment, struct error *err);
/* fields that are NULL or 0 stay; INVALID for a parent that does not exist
   or descends from this experiment */
int store_experiment_update(struct store *store, int64_t id,
    const struct store_experiment *change, struct error *err);
int store_experiment_delete(struct store *store, int64_t id,
    struct error *err);
void store_experiment_clear(struct store_experiment *experiment);


struct store_design {
    int64_t   experiment_id;
    char     *plugin_id;
    char     *data;                     /* JSON object */
    char     *schema_version;
    uint64_t  created_ms;
    uint64_t  updated_ms;
};

int store_design_get(struct store *store, int64_t experiment_id,
    struct store_design *out, struct error *err);
/* CONFLICT if another plugin owns it: *owner_out (owned by the caller) */
int store_design_put(struct store *store, const struct store_design *design,
    char **owner_out, struct error *err);
int store_design_delete(struct store *store, int64_t experiment_id,
    const char *plugin_id, char **owner_out, struct error *err);
void store_design_clear(struct store_design *design);


/* ---- plugin settings -------------------------------------------------- */

typedef void (*store_setting_fn)(void *cls, const char *key,
    const char *value_json);

int store_settings(struct store *store, const char *plugin,
    store_setting_fn each, void *cls, struct error *err);

/*
 * Reads all settings of the plugin, asks decide() what becomes of them and
 * writes that, in one transaction.  decide() gets them through each() calls
 * first; it then calls write() for each key to set (value_json) or to remove
 * (NULL).  A negative return of decide() writes nothing and is passed on.
 */
struct store_settings_change {
    store_setting_fn   each;
    int              (*decide)(void *cls, struct store_settings_change *change,
                               struct error *err);
    void              *cls;
    void              *transaction;     /* of the store */
};

int store_settings_change(struct store *store, const char *plugin,
    struct store_settings_change *change, struct error *err);
int store_settings_write(struct store_settings_change *change,
    const char *key, const char *value_json, struct error *err);


/* ---- plugin roles ----------------------------------------------------- */

typedef void (*store_plugin_role_fn)(void *cls, const char *plugin,
    int64_t user_id, const char *role);

int store_plugin_roles(struct store *store, store_plugin_role_fn each,
    void *cls, struct error *err);

#endif /* PLATFORM_STORE_H */
