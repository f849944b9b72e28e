/* SPDX-License-Identifier: MIT */
/*
 * The words for a decision: one sentence, and a line for each requirement.
 */

#ifndef SUPERVISOR_PLUGIN_REASON_H
#define SUPERVISOR_PLUGIN_REASON_H

#include <jansson.h>
#include <stdbool.h>

#include "supervisor/plugin/clash.h"
#include "supervisor/plugin/requirement.h"


enum reason_force {
    REASON_FREE = 0,
    REASON_FORCED_SHARED = 1,       /* plugins.forceShared names it */
    REASON_FORCED_ISOLATED = 2
};


struct reason_input {
    enum plugin_mode                 mode;
    enum reason_force                force;
    bool                             overridden;    /* forced against uv */
    const char                      *conflict;      /* uv's words, or NULL */
    const char                      *refusal;       /* or NULL */
    const struct clash              *clash;         /* the engine's, or NULL */
    const struct requirement        *requirements;
    size_t                           count;
    const struct requirement_scene  *scene;
    const struct lock               *chosen;
};


char *reason_sentence(const struct reason_input *in);
json_t *reason_details(const struct reason_input *in);

#endif /* SUPERVISOR_PLUGIN_REASON_H */
