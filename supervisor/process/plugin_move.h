/* SPDX-License-Identifier: MIT */
/*
 * A planned change of a plugin's process: the next one starts on the other
 * seat and is probed there alone, then requests change over, then the old one
 * stays for those whose work it has, and ends.  One table [state][event].
 * Private to the plugin_*.c files.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_MOVE_H
#define SUPERVISOR_PROCESS_PLUGIN_MOVE_H

#include <event2/event.h>

#include "contract/mint_seats.h"
#include "plugin_activity.h"
#include "service.h"


enum plugin_move_state {
    PLUGIN_MOVE_NONE = 0,
    PLUGIN_MOVE_STARTING = 1,   /* fresh starts; old serves */
    PLUGIN_MOVE_SWITCHING = 2,  /* new requests wait, the last ones finish */
    PLUGIN_MOVE_HELD = 3,       /* everyone stays: owners are not known */
    PLUGIN_MOVE_DRAINING = 4,   /* fresh serves; old keeps its owners */
    PLUGIN_MOVE_EMPTYING = 5,   /* nobody gets into old; is there an owner? */
    PLUGIN_MOVE_CLOSING = 6,    /* old is being ended */
    PLUGIN_MOVE_RESISTING = 7,  /* fresh has failed; old goes on */
    PLUGIN_MOVE_STATE_COUNT = 8
};


enum plugin_move_event {
    PLUGIN_MOVE_WISH = 0,       /* a restart or upgrade is wanted */
    PLUGIN_MOVE_HURRY = 1,      /* at once, whatever is lost */
    PLUGIN_MOVE_LEAVE = 2,      /* finish and stop, nothing follows */
    PLUGIN_MOVE_FRESH_READY = 3,
    PLUGIN_MOVE_FRESH_FAILED = 4,
    PLUGIN_MOVE_OLD_LOST = 5,   /* it is dead, or down */
    PLUGIN_MOVE_ANSWER = 6,     /* the host of old has told its activity */
    PLUGIN_MOVE_TIMER = 7,
    PLUGIN_MOVE_EVENT_COUNT = 8
};


struct plugin_process;
struct plugin_seat;


struct plugin_move {
    enum plugin_move_state   state;
    enum mint_seat_cause     cause;     /* RESTART, UPGRADING, STOPPED */
    struct plugin_seat      *old;
    struct plugin_seat      *fresh;     /* NULL: nothing follows */
    bool                     is_now;    /* owners are not asked for */
    bool                     is_again;  /* wanted once more, with: */
    enum mint_seat_cause     again_cause;
    bool                     is_again_now;
    uint64_t                 since_ms;          /* of the state, boot time */
    uint64_t                 switched_unix_ms;  /* when old began to drain,
                                                   or to be held */
    uint64_t                 serial;    /* of the question under way, 0 */
    uint64_t                 asked_ms;
    uint32_t                 count_asked;   /* in flight when it was asked */
    struct plugin_activity   activity;  /* of old, as told last */
    char                    *error;     /* of fresh, or why it is held */
    char                    *traceback;
    struct event            *timer;
    struct event            *look;
};


void plugin_move_init(struct plugin_process *p, struct event_base *base);
void plugin_move_clear(struct plugin_process *p);

void plugin_move_event(struct plugin_process *p,
    enum plugin_move_event event);

/* what is wanted has to wait for the socket that it is to be started on */
bool plugin_move_is_parked(const struct plugin_move *move);

/* a service of p has changed: what that means is looked at soon, not now */
void plugin_move_touch(struct plugin_process *p);

/* "activity" of the host in the seat */
void plugin_move_on_activity(struct plugin_process *p,
    struct plugin_seat *seat, const json_t *report);

/* for adoption: the state, with old and fresh set and roles given */
void plugin_move_resume(struct plugin_process *p,
    enum plugin_move_state state);

/* what plugin_drain.c does with the move; error NULL: none */
void plugin_move_set_state(struct plugin_process *p,
    enum plugin_move_state state);
void plugin_move_set_timer(struct plugin_process *p, unsigned ms);
void plugin_move_set_error(struct plugin_process *p, const char *error,
    const char *traceback);

/* all is stopped: no move goes on */
void plugin_move_forget(struct plugin_process *p);

const char *plugin_move_state_name(enum plugin_move_state state);

#endif /* SUPERVISOR_PROCESS_PLUGIN_MOVE_H */
