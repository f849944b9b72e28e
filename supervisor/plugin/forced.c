/* SPDX-License-Identifier: MIT */
/*
 * The lists against what is installed.  A plugin that is where a list wants it
 * stays, whatever has brought it there; one that no list names any more is
 * looked at only if its place was not its own choice.
 */

#include "supervisor/plugin/forced.h"

#include "supervisor/plugin/names.h"


static bool
forced_named(const struct config_list *list, const char *name,
    const char *distribution)
{
    size_t  i;

    for (i = 0; i < list->count; i++) {
        if (names_same_distribution(list->item[i], name)
            || names_same_distribution(list->item[i], distribution))
        {
            return true;
        }
    }

    return false;
}


enum reason_force
forced_by(const struct config *config, const char *name,
    const char *distribution)
{
    if (forced_named(&config->plugins.force_isolated, name, distribution)) {
        return REASON_FORCED_ISOLATED;
    }

    if (forced_named(&config->plugins.force_shared, name, distribution)) {
        return REASON_FORCED_SHARED;
    }

    return REASON_FREE;
}


bool
forced_differs(const struct config *config, const struct plugin *plugin)
{
    switch (forced_by(config, plugin->name, plugin->distribution)) {

    case REASON_FORCED_ISOLATED:
        return plugin->mode != PLUGIN_ISOLATED;

    case REASON_FORCED_SHARED:
        return plugin->mode != PLUGIN_SHARED;

    default:
        return plugin->is_forced;
    }
}
