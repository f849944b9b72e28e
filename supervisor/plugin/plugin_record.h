/* SPDX-License-Identifier: MIT */
/*
 * One plugin as a JSON object of registry.json: writing, strict reading,
 * copying and freeing, from one table of fields.
 */

#ifndef SUPERVISOR_PLUGIN_PLUGIN_RECORD_H
#define SUPERVISOR_PLUGIN_PLUGIN_RECORD_H

#include "supervisor/plugin/registry.h"


/* environment replaces the plugin's own when not NULL; a new reference */
json_t *plugin_record_encode(const struct plugin *plugin,
    const char *environment);

/* fills *out (zeroed by the callee); err names the field */
int plugin_record_decode(const json_t *record, struct plugin *out,
    struct error *err);

/* all that is kept on disk, but not the former one; freed with plugin_free() */
struct plugin *plugin_record_copy(const struct plugin *plugin);

/* what a plugin must have before it may be put; err names the field */
int plugin_record_check(const struct plugin *plugin, struct error *err);

/* overwrites the tokens inside a record that is about to be freed */
void plugin_record_wipe(json_t *record);

#endif /* SUPERVISOR_PLUGIN_PLUGIN_RECORD_H */
