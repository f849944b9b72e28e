/* SPDX-License-Identifier: MIT */
/*
 * From plugins and their processes to the run files: which routes there are,
 * which word each seat has, which token each plugin.
 */

#ifndef SUPERVISOR_ROUTES_PLUGIN_ROUTES_H
#define SUPERVISOR_ROUTES_PLUGIN_ROUTES_H

#include "publisher.h"
#include "supervisor/plugin/registry.h"
#include "supervisor/process/core_process.h"
#include "supervisor/process/plugin_process.h"


struct plugin_routes;

/* subscribes to the registry and publishes what is in it */
struct plugin_routes *plugin_routes_new(struct publisher *publisher,
    struct registry *registry);
void plugin_routes_free(struct plugin_routes **routes);

/* to be handed to plugin_processes_new() */
struct plugin_process_listener plugin_routes_listener(
    struct plugin_routes *routes);

/* the platform's seat: its address, then its state at each change */
void plugin_routes_platform_address(struct plugin_routes *routes,
    const char *address);
void plugin_routes_platform_state(struct plugin_routes *routes,
    const struct service *service);

#endif /* SUPERVISOR_ROUTES_PLUGIN_ROUTES_H */
