/* SPDX-License-Identifier: MIT */
/*
 * Wheels that stay: <data>/bundles/<distribution>-<version>-<sha8>/ holds the
 * main wheel and, in "wheels" and "core-wheels", those that came with it.
 * Lock files point there.
 */

#ifndef SUPERVISOR_PLUGIN_KEEP_H
#define SUPERVISOR_PLUGIN_KEEP_H

#include <stdbool.h>

#include "lib/error.h"
#include "supervisor/plugin/bundle.h"
#include "supervisor/plugin/toolset.h"
#include "supervisor/plugin/wheel.h"


struct keep {
    char  *directory;
    char  *wheel;                   /* path of the main wheel */
    bool   is_new;                  /* made by keep_wheels() */
};


/*
 * Moves what was unpacked in work.  Wheels of packages in the core lock go to
 * "core-wheels": a bundle must not bring its own copy of them into the shared
 * environment.
 */
int keep_wheels(struct keep *out, const struct toolset *tools,
    const struct bundle *bundle, const struct wheel *wheel, const char *work,
    const char *core_lock, struct error *err);

/* the same below work itself, for as long as that lasts: nothing is kept */
int keep_sort(struct keep *out, const struct bundle *bundle, const char *work,
    const char *core_lock, struct error *err);

/* is the wheel kept at path the main wheel of this bundle? */
bool keep_is_same(const struct toolset *tools, const struct bundle *bundle,
    const struct wheel *wheel, const char *path);

/* removes a directory of kept wheels that nothing needs, in the background */
void keep_discard(const struct toolset *tools, const char *directory);

/* removes the directory again if it is new */
void keep_undo(struct keep *keep, const struct toolset *tools);
void keep_clear(struct keep *keep);

#endif /* SUPERVISOR_PLUGIN_KEEP_H */
