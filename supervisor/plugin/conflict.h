/* SPDX-License-Identifier: MIT */
/*
 * Conflicts of files: what two packages of one environment bring under the
 * same name, a file or a shared library (plugin_host/conflicts.py).  Found
 * once an environment has been built, since only then all files are there.
 *
 * FOUND = {"kind": "file"|"library", "path": ..., "count": of such files,
 *          "packages": [{"name": ..., "version": ...}, ...]}
 */

#ifndef SUPERVISOR_PLUGIN_CONFLICT_H
#define SUPERVISOR_PLUGIN_CONFLICT_H

#include <jansson.h>

#include "supervisor/plugin/inventory.h"


/* those of "now" that packages have which "then" does not have, in this
   version: [FOUND and "environment" and
   "sentence"], NULL if there are none.  distribution: the
   newcomer, "it" in the sentences.  A new reference */
json_t *conflict_brought(const struct inventory *now,
    const struct inventory *then, const char *distribution);

/* all of them, in an environment that is for one plugin; likewise */
json_t *conflict_own(const struct inventory *inventory);

/* of the first one; of the list */
const char *conflict_sentence(const json_t *list);

#endif /* SUPERVISOR_PLUGIN_CONFLICT_H */
