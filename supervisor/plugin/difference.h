/* SPDX-License-Identifier: MIT */
/*
 * What becomes of an environment's packages from one lock to the next.
 */

#ifndef SUPERVISOR_PLUGIN_DIFFERENCE_H
#define SUPERVISOR_PLUGIN_DIFFERENCE_H

#include <jansson.h>

#include "supervisor/plugin/lock.h"


/* {add: [{name, version}], change: [{name, from, to}], remove: [{name,
   version}], same: N}, by name; a new reference */
json_t *difference_encode(const struct lock *now, const struct lock *then);

#endif /* SUPERVISOR_PLUGIN_DIFFERENCE_H */
