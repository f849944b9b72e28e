/* SPDX-License-Identifier: MIT */
/*
 * plugins.forceIsolated and plugins.forceShared: which of them names a plugin,
 * and whether that is still what it was decided by.
 */

#ifndef SUPERVISOR_PLUGIN_FORCED_H
#define SUPERVISOR_PLUGIN_FORCED_H

#include <stdbool.h>

#include "lib/config.h"
#include "supervisor/plugin/reason.h"
#include "supervisor/plugin/registry.h"


/* by the plugin's name, or that of its package */
enum reason_force forced_by(const struct config *config, const char *name,
    const char *distribution);

/* the lists say something else now: it is to be decided again */
bool forced_differs(const struct config *config, const struct plugin *plugin);

#endif /* SUPERVISOR_PLUGIN_FORCED_H */
