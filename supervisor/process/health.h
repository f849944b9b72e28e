/* SPDX-License-Identifier: MIT */
/*
 * From answers of a probe to a judgement: some silence in a row is a process
 * that is down; one answer between two silences does not make it well again.
 */

#ifndef SUPERVISOR_PROCESS_HEALTH_H
#define SUPERVISOR_PROCESS_HEALTH_H

#include <stdbool.h>


enum health_state {
    HEALTH_UP = 0,
    HEALTH_FAILING = 1,             /* has missed some */
    HEALTH_DOWN = 2                 /* as many as are allowed */
};


/* zero-initialise: up */
struct health {
    enum health_state  state;
    unsigned           missed;      /* since it was up */
    unsigned           answered;    /* in a row, since it missed one */
};


/* down_after, up_after: at least 1 */
enum health_state health_step(struct health *health, bool has_answered,
    unsigned down_after, unsigned up_after);

const char *health_name(enum health_state state);

#endif /* SUPERVISOR_PROCESS_HEALTH_H */
