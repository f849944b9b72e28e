/* SPDX-License-Identifier: MIT */
/*
 * Which requests died with a process, from the edge's log.
 *
 * The edge knows this for every kind of death; the process itself cannot say
 * it when it is killed, and the workers' records have numbers only.
 */

#ifndef SUPERVISOR_OBSERVE_CRASH_REQUESTS_H
#define SUPERVISOR_OBSERVE_CRASH_REQUESTS_H

#include <jansson.h>
#include <stdint.h>

#include "redact.h"


#define CRASH_REQUESTS_MAX  100         /* in one report */


struct crash_requests {
    const char  *plugin;                /* as the edge names it */
    const char  *place;                 /* "0a" */
    uint64_t     born_us;
    uint64_t     died_us;
    uint64_t     slack_us;              /* see edge_request_died_with() */
};


/* sets "requests" and "requests_note" of the report */
void crash_requests_read(json_t *report, const char *access_log,
    const struct crash_requests *wanted, struct redactor *redactor);

#endif /* SUPERVISOR_OBSERVE_CRASH_REQUESTS_H */
