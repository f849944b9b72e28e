/* SPDX-License-Identifier: MIT */
/*
 * The store's other half: experiments and what plugins keep.
 */

#ifndef PLATFORM_STORE_DATA_H
#define PLATFORM_STORE_DATA_H

#include "platform/store/store.h"


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

#endif /* PLATFORM_STORE_DATA_H */
