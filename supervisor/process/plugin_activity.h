/* SPDX-License-Identifier: MIT */
/*
 * What a plugin's process would lose if it ended now, as its host reports it
 * (contract/mint_host.h, "activity"): counts, and the users it keeps something
 * for.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_ACTIVITY_H
#define SUPERVISOR_PROCESS_PLUGIN_ACTIVITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


struct plugin_activity {
    bool       is_known;        /* false: anything may be there, of anyone */
    uint32_t   requests;
    uint32_t   websockets;
    uint32_t   jobs;            /* awaiting input, queued or running */
    uint32_t   results;         /* of jobs, not fetched yet */
    uint32_t   sessions;
    uint32_t   uploads;
    uint64_t  *owners;          /* user ids */
    size_t     owner_count;
};


/* replaces what *activity holds; a report that is not understood, or an owner
   that is no user id, makes it unknown */
void plugin_activity_read(struct plugin_activity *activity,
    const json_t *report);
void plugin_activity_clear(struct plugin_activity *activity);

/* would anything of a user be lost? */
bool plugin_activity_is_idle(const struct plugin_activity *activity);

/* "2 jobs, 1 session and 3 WebSockets of the users 42, 43"; "nothing"; to be
   freed */
char *plugin_activity_text(const struct plugin_activity *activity);

/* {known, requests, ..., owners: [id]} */
json_t *plugin_activity_json(const struct plugin_activity *activity);

#endif /* SUPERVISOR_PROCESS_PLUGIN_ACTIVITY_H */
