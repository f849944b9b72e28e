/* SPDX-License-Identifier: MIT */
/*
 * What an environment says of itself, written down once when it is built: its
 * packages, what they require, and its interpreter as markers see it.
 */

#ifndef SUPERVISOR_PLUGIN_INVENTORY_H
#define SUPERVISOR_PLUGIN_INVENTORY_H

#include <jansson.h>
#include <stdint.h>

#include "lib/error.h"
#include "supervisor/plugin/clash.h"
#include "supervisor/plugin/command.h"
#include "supervisor/plugin/toolset.h"


#define INVENTORY_FILE  "mint-packages.json"
#define INVENTORY_NONE  SIZE_MAX


/* zero-initialise */
struct inventory {
    json_t                     *data;           /* holds the texts */
    struct marker_environment   interpreter;
    struct clash_package       *packages;       /* all of them PACKAGE */
    char                      **names;          /* theirs, normalised */
    size_t                      count;
    const char                 *doubt;          /* what is missing, or NULL */
};


/* writes the file; no code of packages is run */
struct command *inventory_command(const struct toolset *tools,
    const char *directory);

/* MINT_ERR_NOT_FOUND: the environment was built before there was this file */
int inventory_read(struct inventory *out, const char *directory,
    struct error *err);
int inventory_parse(struct inventory *out, const char *text, size_t len,
    struct error *err);
void inventory_clear(struct inventory *inventory);

/* index of a package; INVENTORY_NONE */
size_t inventory_find(const struct inventory *inventory, const char *name);

/* [{"name": ..., "version": ...}, ...]; a new reference */
json_t *inventory_list(const struct inventory *inventory);

#endif /* SUPERVISOR_PLUGIN_INVENTORY_H */
