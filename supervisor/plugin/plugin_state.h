/* SPDX-License-Identifier: MIT */
/*
 * The table of steps between plugin states; the setter is plugin_set_state()
 * in registry.h.
 */

#ifndef SUPERVISOR_PLUGIN_PLUGIN_STATE_H
#define SUPERVISOR_PLUGIN_PLUGIN_STATE_H

#include <stdbool.h>

#include "supervisor/plugin/registry.h"


/* staying in a state is not a step: false */
bool plugin_state_may_follow(enum plugin_state from, enum plugin_state to);

#endif /* SUPERVISOR_PLUGIN_PLUGIN_STATE_H */
