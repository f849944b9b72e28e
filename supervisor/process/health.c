/* SPDX-License-Identifier: MIT */
/*
 * Counting what a probe has missed and got.
 */

#include "supervisor/process/health.h"


enum health_state
health_step(struct health *health, bool has_answered, unsigned down_after,
    unsigned up_after)
{
    if (!has_answered) {
        health->answered = 0;
        health->missed++;
        health->state = health->missed >= down_after ? HEALTH_DOWN
                                                     : HEALTH_FAILING;
        return health->state;
    }

    if (health->state != HEALTH_UP && ++health->answered >= up_after) {
        health->missed = 0;
        health->answered = 0;
        health->state = HEALTH_UP;
    }

    return health->state;
}


const char *
health_name(enum health_state state)
{
    static const char *const  names[] = { "up", "failing", "down" };

    return names[state];
}
