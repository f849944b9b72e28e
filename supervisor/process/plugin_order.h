/* SPDX-License-Identifier: MIT */
/*
 * The order of first starts: a plugin waits until those it declares to need
 * are ready, or have turned out not to become so for now.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_ORDER_H
#define SUPERVISOR_PROCESS_PLUGIN_ORDER_H

#include "service.h"
#include "supervisor/plugin/registry.h"


/* a service_wait_fn; registry: a struct registry.  The name of the first
   plugin that is waited for */
const char *plugin_order_waits_for(void *registry,
    const struct service *service);

#endif /* SUPERVISOR_PROCESS_PLUGIN_ORDER_H */
