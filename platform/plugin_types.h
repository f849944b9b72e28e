/* SPDX-License-Identifier: MIT */
/*
 * Which types of experiments a calling plugin may see: the platform's setting
 * for it, else what the plugin declares.
 */

#ifndef PLATFORM_PLUGIN_TYPES_H
#define PLATFORM_PLUGIN_TYPES_H

#include "platform/api.h"


/* the setting that belongs to the platform, among the plugin's own */
#define PLUGIN_TYPES_KEY  "allowed_experiment_types"


struct plugin_types {
    bool                is_restricted;  /* false = every type */
    const char *const  *name;           /* into list */
    size_t              count;
    json_t             *list;           /* NULL = every type */
};


int plugin_types_load(struct call *call, struct plugin_types *out,
    struct error *err);
void plugin_types_clear(struct plugin_types *types);

/* 0, or -1 and the call has been answered: 403 EXPERIMENT_TYPE_NOT_ALLOWED */
int plugin_types_allow(struct call *call, const struct plugin_types *types,
    const char *experiment_type);

/* 0 and the experiment (the caller clears it), or -1 and the call has been
   answered: 404 for one that is not there or not to be seen */
int plugin_types_visible(struct call *call, int64_t id,
    struct store_experiment *out);

#endif /* PLATFORM_PLUGIN_TYPES_H */
