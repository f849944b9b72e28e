/* SPDX-License-Identifier: MIT */
/*
 * Decides whether a plugin's first start has to wait for another plugin's.
 * Later starts, after a crash or on demand, wait for nobody: whoever needs the
 * other one finds it, or has it started.
 */

#include <string.h>

#include "plugin_order.h"
#include "plugin_process.h"
#include "supervisor/plugin/dependencies.h"


static bool
plugin_order_is_coming(const struct plugin *plugin)
{
    const struct service  *service;

    service = plugin_process_service(plugin);

    if (service == NULL) {
        return plugin->state == PLUGIN_REGISTERED;
    }

    switch (service_state(service)) {

    case SERVICE_DOWN:
        return plugin->state == PLUGIN_REGISTERED;

    case SERVICE_QUEUED:
    case SERVICE_PREPARING:
    case SERVICE_STARTING:
        return true;

    default:
        return false;
    }
}


const char *
plugin_order_waits_for(void *registry, const struct service *service)
{
    size_t          i;
    struct plugin  *plugin, *other;

    if (service_cause(service) != MINT_CAUSE_FIRST_START
        || strcmp(service_kind(service), "plugin") != 0)
    {
        return NULL;
    }

    plugin = registry_find(registry, service_name(service));

    for (i = 0; plugin != NULL; i++) {
        other = dependencies_at(registry, plugin, i);

        if (other == NULL || plugin_order_is_coming(other)) {
            return other != NULL ? other->name : NULL;
        }
    }

    return NULL;
}
