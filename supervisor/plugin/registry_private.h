/* SPDX-License-Identifier: MIT */
/*
 * What registry.c and registry_change.c share, and nobody else sees.
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

    struct {
        registry_listener_fn   fn;
        void                  *ctx;
    } listeners[REGISTRY_LISTENERS_MAX];
    size_t           listener_count;
};


/* the uid of plugin number id; UINT32_MAX without root */
int registry_uid(const struct registry *registry, uint32_t id, uint32_t *uid,
    struct error *err);

/* plugin against all others but the one of its own name */
int registry_check_unique(struct plugin *const *others, size_t count,
    const struct plugin *plugin, struct error *err);

void registry_tell(struct registry *registry, enum registry_event event,
    struct plugin *plugin);

#endif /* SUPERVISOR_PLUGIN_REGISTRY_PRIVATE_H */
