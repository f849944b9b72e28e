/* SPDX-License-Identifier: MIT */
/*
 * Which plugins a plugin declares that it needs ("dependencies" of its
 * PluginMetadata, as probed): names of plugins or of their distributions, a
 * version behind them does not count here.
 */

#ifndef SUPERVISOR_PLUGIN_DEPENDENCIES_H
#define SUPERVISOR_PLUGIN_DEPENDENCIES_H

#include "registry.h"


/*
 * Installed plugins that "plugin" needs, number i; NULL at the end.  What is
 * not installed, and a plugin that needs this one in turn, is left out: so
 * nobody waits for each other.
 */
struct plugin *dependencies_at(struct registry *registry,
    const struct plugin *plugin, size_t i);

/* those that declare to need "plugin", also in turn; number i, NULL at the
   end */
struct plugin *dependencies_dependant(struct registry *registry,
    const struct plugin *plugin, size_t i);

#endif /* SUPERVISOR_PLUGIN_DEPENDENCIES_H */
