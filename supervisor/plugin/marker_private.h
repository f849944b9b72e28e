/* SPDX-License-Identifier: MIT */
/*
 * What marker.c and marker_parse.c share.
 */

#ifndef SUPERVISOR_PLUGIN_MARKER_PRIVATE_H
#define SUPERVISOR_PLUGIN_MARKER_PRIVATE_H

#include "supervisor/plugin/marker.h"


extern const char *const  marker_operator_names[MARKER_OPERATOR_COUNT];

/* it holds names, not one text */
bool marker_is_set(const char *variable);

#endif /* SUPERVISOR_PLUGIN_MARKER_PRIVATE_H */
