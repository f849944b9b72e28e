/* SPDX-License-Identifier: MIT */
/*
 * What registry.c, registry_change.c and registry_departed.c share, and nobody
 * else sees.
 */

#ifndef SUPERVISOR_PLUGIN_REGISTRY_PRIVATE_H
#define SUPERVISOR_PLUGIN_REGISTRY_PRIVATE_H

#include "supervisor/plugin/registry.h"


#define REGISTRY_FORMAT         1
#define REGISTRY_FILE_MAX       (64 * 1024 * 1024)
#define REGISTRY_LISTENERS_MAX  16


struct registry {
    char            *path;
    uint32_t         uid_first;
    uint32_t         uid_last;
    uint32_t         next_id;

    struct plugin  **plugins;           /* by id */
    size_t           count;

    struct departed *departed;
    size_t           departed_count;

    struct {
        registry_listener_fn   fn;
        void                  *ctx;
    } listeners[REGISTRY_LISTENERS_MAX];
    size_t           listener_count;
};


/* a change about to be made */
struct registry_change {
    struct plugin          **fresh;
    size_t                   count;
    struct plugin *const    *moved;         /* these get the environment */
    size_t                   moved_count;
    const char              *environment;
    const struct plugin     *removed;       /* left out, or NULL */
    uint32_t                 next_id;       /* after it */
};


int registry_save(struct registry *registry,
    const struct registry_change *change, struct error *err);

/* the registry as it is, for what is changed before it is saved */
int registry_save_now(struct registry *registry, struct error *err);

/* registry_departed.c: by the plugin's name alone, NULL */
struct departed *registry_departed_at(const struct registry *registry,
    const char *name);

/* may the name be used (again)?  MINT_ERR_CONFLICT: what it had before is to be
   removed, and what it has from now on would go with it */
int registry_departed_check(const struct registry *registry,
    const char *name, struct error *err);

/* the list in the file, but those that come back with the
   change; a new reference */
json_t *registry_departed_encode(const struct registry *registry,
    const struct registry_change *change);
int registry_departed_load(struct registry *registry, const json_t *list,
    struct error *err);

/* the plugin is back; the entry is not in the file any more */
void registry_departed_drop(struct registry *registry, const char *name);
void registry_departed_free(struct registry *registry);

/* the uid of plugin number id; UINT32_MAX without root */
int registry_uid(const struct registry *registry, uint32_t id, uint32_t *uid,
    struct error *err);

/* plugin against all others but the one of its own name */
int registry_check_unique(struct plugin *const *others, size_t count,
    const struct plugin *plugin, struct error *err);

void registry_tell(struct registry *registry, enum registry_event event,
    struct plugin *plugin);

#endif /* SUPERVISOR_PLUGIN_REGISTRY_PRIVATE_H */
