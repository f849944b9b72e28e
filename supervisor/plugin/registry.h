/* SPDX-License-Identifier: MIT */
/*
 * The registry: every installed plugin, kept in <data>/registry.json (0600,
 * written atomically) and in memory.  Owns struct plugin.  Tells subscribers
 * what changed; knows nothing of processes or routes.
 */

#ifndef SUPERVISOR_PLUGIN_REGISTRY_H
#define SUPERVISOR_PLUGIN_REGISTRY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"


enum plugin_state {
    PLUGIN_REGISTERED = 0,
    PLUGIN_INSTALLING = 1,
    PLUGIN_MIGRATING = 2,
    PLUGIN_INITIALIZING = 3,
    PLUGIN_READY = 4,
    PLUGIN_UPGRADING = 5,
    PLUGIN_RESISTING = 6,
    PLUGIN_WAITING = 7,
    PLUGIN_STOPPED = 8,
    PLUGIN_FAILED = 9,
    PLUGIN_UNINSTALLING = 10,
    PLUGIN_STATE_COUNT = 11
};


enum plugin_mode {
    PLUGIN_SHARED = 1,
    PLUGIN_ISOLATED = 2
};


/* being uninstalled, and what becomes of its data then */
enum plugin_removal {
    PLUGIN_STAYS = 0,
    PLUGIN_KEEP = 1,
    PLUGIN_PURGE = 2,
    PLUGIN_REMOVAL_COUNT = 3
};


/* what an installation puts into the registry; strings owned by the plugin */
struct plugin {
    uint32_t           id;              /* from 1, never used again */
    char              *name;            /* entry-point name, [a-z0-9._-] */
    char              *distribution;
    char              *version;
    char              *entry_point;     /* bare name, equals name */
    char              *entry_group;     /* mint.plugins or mld.plugins */
    char              *routes_prefix;   /* "/peak-table" */
    char              *plugin_type;
    enum plugin_mode   mode;
    char              *reason;          /* one sentence: why this mode */
    json_t            *details;         /* array of texts, for explain */
    json_t            *verdict;         /* VERDICT of mint_admin.h, or NULL */
    char              *environment;     /* absolute directory of the venv */
    char              *wheel;           /* absolute path of the kept wheel */
    json_t            *probe;           /* the host's "probed" report */
    char              *token;           /* internal token, secret */
    uint32_t           uid;             /* UINT32_MAX: no uid of its own */
    uint64_t           installed_unix_ms;   /* as users see it: not new when
                                               it is only decided again */
    uint64_t           registered_unix_ms;  /* of this record; no two of a
                                               plugin have the same */
    bool               has_frontend;
    bool               is_forced;       /* a list of the configuration has put
                                           it where it is, nothing else */
    bool               is_stopped;      /* by hand, until started by hand */
    enum plugin_removal   removal;      /* once it has ended */
    struct plugin     *former;          /* to go back to, or NULL; owned */

    /* not kept on disk */
    enum plugin_state  state;
    bool               has_served;      /* ready since it was put */
    char              *error;           /* text for FAILED, or NULL */
    char              *list_error;      /* why it is not where a list of the
                                           configuration wants it, or NULL */
    void              *process;         /* owned by supervisor/process */
    uint64_t           ended_boot_ms;   /* to be uninstalled, and has ended */
    bool               is_leaving;      /* waits for registry_remove() */
};


enum registry_event {
    REGISTRY_ADDED = 1,         /* installed for the first time */
    REGISTRY_REPLACED = 2,      /* version, environment or mode is new */
    REGISTRY_STATE = 3,         /* plugin->state or error changed */
    REGISTRY_REMOVED = 4        /* gone; the struct is freed right after */
};

typedef void (*registry_listener_fn)(void *ctx, enum registry_event event,
    struct plugin *plugin);


struct registry;

/*
 * Loads <data_path>/registry.json; a missing file is an empty registry, a
 * broken one an error that says where (the file is left as it is).  uid_first
 * .. uid_last: range of plugin uids, or 0, 0 without root.
 */
int registry_open(struct registry **out, const char *data_path,
    uint32_t uid_first, uint32_t uid_last, struct error *err);
void registry_free(struct registry **registry);

void registry_subscribe(struct registry *registry, registry_listener_fn fn,
    void *ctx);

/* text: NULL, or copied; a new record has none */
void plugin_set_list_error(struct plugin *plugin, const char *text);

size_t registry_count(const struct registry *registry);
struct plugin *registry_at(struct registry *registry, size_t i);  /* by id */
struct plugin *registry_find(struct registry *registry, const char *name);
struct plugin *registry_find_id(struct registry *registry, uint32_t id);

/* the one with the next larger id; NULL if there is none */
struct plugin *registry_find_after(struct registry *registry, uint32_t id);

/* by distribution (PEP 503 normalised) or by prefix; NULL if none */
struct plugin *registry_find_distribution(struct registry *registry,
    const char *distribution);
struct plugin *registry_find_prefix(struct registry *registry,
    const char *prefix);

/*
 * Adds a plugin or replaces the one of the same name (which keeps id, uid,
 * token and process).  Takes over the strings and json of *fresh.  Saved
 * durably before subscribers hear of it; on failure nothing has changed.
 * What is replaced is kept as "former", whether it runs now or not, unless it
 * had not served, or is itself one that had not come to serve: then what came
 * before it stays that.  MINT_ERR_CONFLICT also while what it has left is to
 * be removed.
 */
int registry_put(struct registry *registry, struct plugin *fresh,
    struct plugin **out, struct error *err);

/* several at once, in one save: re-decided plugins of a changed environment */
int registry_put_all(struct registry *registry, struct plugin **fresh,
    size_t count, struct error *err);

/*
 * registry_put() of a shared plugin whose environment is new: in the same
 * save every other shared plugin moves to fresh->environment.  Those are not
 * announced: their processes go on in the old directory until they restart.
 */
int registry_put_shared(struct registry *registry, struct plugin *fresh,
    struct plugin **out, struct error *err);

/* quietly moves installed plugins to an environment built again from the same
   lock; one save, none if they are there already */
int registry_move(struct registry *registry, struct plugin *const *plugins,
    size_t count, const char *environment, struct error *err);

/* decided again, and all is as it was but the reason: takes what is decided out
   of fresh, which is to be cleared.  On failure nothing has changed */
int registry_set_reason(struct registry *registry, struct plugin *plugin,
    struct plugin *fresh, struct error *err);

/* keeps, durably, whether the plugin is to run; err may be NULL.  One that is
   to run is not to be uninstalled any more.  On failure nothing has changed */
int registry_set_stopped(struct registry *registry, struct plugin *plugin,
    bool is_stopped, struct error *err);

/* keeps, durably, that the plugin is stopped and to be uninstalled.  On failure
   nothing has changed */
int registry_set_removal(struct registry *registry, struct plugin *plugin,
    enum plugin_removal removal, struct error *err);

/*
 * Takes the plugin, which has a removal, out; the pointer is void then.  Its
 * name keeps its id, and so its uid, until it has been purged.  On failure
 * nothing has changed.
 */
int registry_remove(struct registry *registry, struct plugin *plugin,
    struct error *err);


/* an uninstalled plugin whose data are there, or are to be removed */
struct departed {
    char      *name;
    char      *distribution;
    uint32_t   id;
    bool       is_purged;               /* its data are to go */
};

/* by the plugin's name alone; by name or distribution; NULL if there is none */
const struct departed *registry_departed_named(const struct registry *registry,
    const char *name);
const struct departed *registry_find_departed(const struct registry *registry,
    const char *name);

/* one whose data are to go, number i; NULL at the end */
const struct departed *registry_to_purge(const struct registry *registry,
    size_t i);

/* its data are to go; they are gone, and so is what was known of it */
int registry_purge(struct registry *registry, const char *name,
    struct error *err);
int registry_purged(struct registry *registry, const char *name,
    struct error *err);

/* the newest version has proved itself: there is no way back from it any more.
   On failure nothing has changed */
int registry_forget_former(struct registry *registry, struct plugin *plugin,
    struct error *err);

/* the id and uid that name has or would get; uid may be NULL.  An error when
   the range of uids is used up */
int registry_next(const struct registry *registry, const char *name,
    uint32_t *id, uint32_t *uid, struct error *err);

/* frees what *plugin holds (the token is wiped) and zeroes it; for plugins
   that were not put */
void plugin_clear(struct plugin *plugin);

/* plugin_clear() and the struct itself; *plugin may be NULL, and is then */
void plugin_free(struct plugin **plugin);

/* the one setter of state: logs old -> new, tells subscribers; text may be
   NULL; illegal steps are refused by the table in registry.c */
int plugin_set_state(struct registry *registry, struct plugin *plugin,
    enum plugin_state state, const char *error_text);

const char *plugin_state_name(enum plugin_state state);
const char *plugin_mode_name(enum plugin_mode mode);

/* "keep", "purge"; any other word, or NULL, is PLUGIN_STAYS */
const char *plugin_removal_name(enum plugin_removal removal);
enum plugin_removal plugin_removal_of(const char *name);

#endif /* SUPERVISOR_PLUGIN_REGISTRY_H */
