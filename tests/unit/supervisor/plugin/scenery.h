/* SPDX-License-Identifier: MIT */
/*
 * A shared environment and a newcomer out of a text, for clash_judge().  Lines:
 * "core fastapi 0.1|starlette>=1", "plugin peak-stats 2.0|textual>=1",
 * "package rich 14.1.0", and once "new legacy-report 1.0|rich<13".
 */

#ifndef TESTS_UNIT_SUPERVISOR_PLUGIN_SCENERY_H
#define TESTS_UNIT_SUPERVISOR_PLUGIN_SCENERY_H

#include "supervisor/plugin/clash.h"


struct scenery {
    char                       *text;
    struct clash_package       *packages;
    size_t                      count;
    struct clash_package        newcomer;
    struct marker_environment   environment;
    struct clash_input          input;
};


/* Linux, CPython 3.12.3; lines that are none of these are skipped */
void scenery_read(struct scenery *out, const char *text);
void scenery_clear(struct scenery *scenery);

#endif /* TESTS_UNIT_SUPERVISOR_PLUGIN_SCENERY_H */
