/* SPDX-License-Identifier: MIT */
/*
 * A plugin that does not run although nothing is wrong: nobody has used it for
 * plugins.idleStopMinutes, so it is started by the next request; or it was
 * stopped by hand.  Private to the plugin_*.c files.
 *
 * What starts it: the edge lets requests wait for a seat that is "starting"
 * and counts them in the workers' records ("parked"), so nothing reaches the
 * socket; whoever connects without the edge makes the socket readable.  Both
 * are looked at, the records every PLUGIN_REST_LOOK_MS.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_REST_H
#define SUPERVISOR_PROCESS_PLUGIN_REST_H

#include <event2/event.h>

#include "plugin_activity.h"


#define PLUGIN_REST_LOOK_MS  20


enum plugin_rest_state {
    PLUGIN_REST_AWAKE = 0,
    PLUGIN_REST_DOZING = 1,     /* requests wait; is there really nothing? */
    PLUGIN_REST_FALLING = 2,    /* its process ends */
    PLUGIN_REST_ASLEEP = 3,     /* no process, the keeper holds the socket */
    PLUGIN_REST_WAKING = 4,     /* wanted again, its start has not begun */
    PLUGIN_REST_BY_HAND = 5,    /* only an order starts it */
    PLUGIN_REST_STATE_COUNT = 6
};


struct plugin_process;
struct plugin_processes;
struct plugin_seat;


struct plugin_rest {
    enum plugin_rest_state   state;
    uint64_t                 active_ms;     /* used last, boot time */
    uint64_t                 asked_ms;
    uint64_t                 serial;        /* of the question, 0 = none */
    uint64_t                 requests;      /* counted by the edge so far */
    struct event            *demand;        /* the socket is readable */
    int                      demand_fd;
    bool                     is_demand_asked;
    struct plugin_activity   activity;
};


/*
 * When a plugin has been idle for long enough; a pure function, in
 * milliseconds.  limit 0 = never.
 */
enum plugin_rest_verdict {
    PLUGIN_REST_WAIT = 0,
    PLUGIN_REST_ASK = 1,        /* the edge sees nothing: what does the host? */
    PLUGIN_REST_STOP = 2        /* and it has just answered that it is idle */
};

enum plugin_rest_verdict plugin_rest_judge(uint64_t limit_ms, uint64_t now_ms,
    uint64_t active_ms, uint64_t asked_ms, bool is_answered_idle);


void plugin_rest_init(struct plugin_process *p);
void plugin_rest_clear(struct plugin_process *p);

/* looks after all plugins from now on, again and again */
void plugin_rest_begin(struct plugin_processes *all);
void plugin_rest_end(struct plugin_processes *all);

/* the seat listens and has no process: true if that is how it is to stay */
bool plugin_rest_keeps_down(struct plugin_process *p);

/* a process or another one is wanted for another reason */
void plugin_rest_cancel(struct plugin_process *p);

/* not to run until somebody says so; the caller ends the process */
void plugin_rest_by_hand(struct plugin_process *p);

/* false: the report answers somebody else's question */
bool plugin_rest_on_activity(struct plugin_process *p,
    struct plugin_seat *seat, const json_t *report);

/* a service of p has changed */
void plugin_rest_on_state(struct plugin_process *p);

/* what to say of a plugin that rests, NULL if it does not */
const char *plugin_rest_text(const struct plugin_process *p);

#endif /* SUPERVISOR_PROCESS_PLUGIN_REST_H */
