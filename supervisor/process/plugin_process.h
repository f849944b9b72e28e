/* SPDX-License-Identifier: MIT */
/*
 * Runs installed plugins: slot 0 of each has the seats a and b, one of which
 * is current.  Listens to the registry; tells its own listener what the edge
 * must know.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_PROCESS_H
#define SUPERVISOR_PROCESS_PLUGIN_PROCESS_H

#include "layout.h"
#include "service.h"
#include "supervisor/plugin/registry.h"


struct plugin_processes;
struct warm;


/* what a seat is for, whatever its process is doing */
enum plugin_role {
    PLUGIN_ROLE_IDLE = 0,       /* for nothing; a process there is to end */
    PLUGIN_ROLE_CURRENT = 1,    /* takes requests when it is ready */
    PLUGIN_ROLE_TRIAL = 2,      /* the next one, no request sees it yet */
    PLUGIN_ROLE_HELD = 3,       /* current; new requests wait for the switch */
    PLUGIN_ROLE_OLD = 4,        /* pinned users and open WebSockets only */
    PLUGIN_ROLE_ASLEEP = 5,     /* current; requests wait and have it started */
    PLUGIN_ROLE_COUNT = 6
};


/* what one plugin is in a process of several; alone it is always present */
enum plugin_presence {
    PLUGIN_PRESENT = 0,         /* as the process is */
    PLUGIN_UP_EARLY = 1,        /* ready, while others still start */
    PLUGIN_BROKEN = 2,          /* could not be started in there */
    PLUGIN_ABSENT = 3,          /* that process does not have it */
    PLUGIN_STOPPED_ALONE = 4,   /* by hand */
    PLUGIN_COMING = 5,          /* not in that process, but in the next one */
    PLUGIN_PRESENCE_COUNT = 6
};


struct plugin_process_listener {
    void      *ctx;

    /* the seat's socket listens at address */
    void      (*on_seat)(void *ctx, const struct plugin *plugin,
        uint32_t seat, const char *address);

    /* the role, or the service's state, cause or generation changed; cause:
       of the move, counts for seats that are on trial or held */
    void      (*on_state)(void *ctx, uint32_t seat,
        const struct service *service, enum plugin_role role,
        enum mint_seat_cause cause, enum plugin_presence presence);

    uint32_t  (*in_flight)(void *ctx, uint32_t seat);

    /* the seat's word as published, 0 = none */
    uint64_t  (*seat_word)(void *ctx, uint32_t seat);

    /* a user who stays on the seat while it is old; MINT_ERR_FULL */
    int       (*pin)(void *ctx, uint32_t seat, uint64_t user_id,
        struct error *err);
    void      (*unpin)(void *ctx, uint32_t seat);       /* all of them */

    /* answered so far, for the plugin; a change means that it is used */
    uint64_t  (*requests)(void *ctx, uint32_t plugin_id);

    /* counts the requests that wait for a seat, for all plugins at once;
       parked() says what was found then */
    void      (*look_parked)(void *ctx);
    uint64_t  (*parked)(void *ctx, uint32_t plugin_id);
};


/* what became of a wish for another process */
enum plugin_wish {
    PLUGIN_WISH_PENDING = 0,
    PLUGIN_WISH_GRANTED = 1,    /* such a process is ready and serves */
    PLUGIN_WISH_WAITS = 2,      /* for the work of users in an older one */
    PLUGIN_WISH_REFUSED = 3     /* it could not be started */
};

typedef void (*plugin_changed_fn)(void *ctx, struct plugin *plugin);


/* platform_url: "http://127.0.0.1:4711", copied; the rest must outlive it;
   warm: NULL = none is forked, all are exec'ed */
struct plugin_processes *plugin_processes_new(const struct config *config,
    const struct layout *layout, struct registry *registry,
    struct service_pool *pool, struct process_table *table, struct warm *warm,
    const char *platform_url, const struct plugin_process_listener *listener);
void plugin_processes_free(struct plugin_processes **processes);

/* notes a process found at attach; place: "0a"; note: the rest of its label,
   may be NULL; false: no such plugin or seat, end it */
bool plugin_processes_adopt(struct plugin_processes *processes,
    const char *name, const char *place, uint32_t generation,
    const char *note, const struct process *process, bool is_dead,
    int wait_status);

/* after all have been adopted: goes on with each plugin from there */
void plugin_processes_resume(struct plugin_processes *processes);

/* starts every plugin of the registry that does not run */
void plugin_processes_start(struct plugin_processes *processes);

void plugin_processes_stop(struct plugin_processes *processes);
bool plugin_processes_all_down(const struct plugin_processes *processes);

/* told after each change of a process or a move; one listener */
void plugin_processes_subscribe(struct plugin_processes *processes,
    plugin_changed_fn fn, void *ctx);

/*
 * Wishes for a process that is started from now on.  is_now: the work of users
 * in the older one is not waited for.  The number is asked about with
 * plugin_process_wish(); 0: the plugin has no process yet.
 */
uint64_t plugin_process_restart(const struct plugin *plugin,
    enum mint_seat_cause cause, bool is_now);

/* the same, and plugin_process_halt() does not count any more */
int plugin_process_restart_by_hand(struct plugin *plugin, bool is_now,
    uint64_t *wish_out, struct error *err);

uint64_t plugin_process_last_wish(const struct plugin *plugin);
enum plugin_wish plugin_process_wish(const struct plugin *plugin,
    uint64_t wish);

/* a process that is to be the current one has not come to an end yet */
bool plugin_process_is_starting(const struct plugin *plugin);

/* a wish has to wait for what a new supervisor still prepares */
bool plugin_process_is_parked(const struct plugin *plugin);

/* why a wish waits, in words; to be freed */
char *plugin_process_waits_for(const struct plugin *plugin);

/* what would be lost if its processes ended now; fn takes over: {plugin,
   processes: [{seat, role, pid, answered, text, activity}]}, within 2 s */
typedef void (*plugin_answer_fn)(void *ctx, json_t *answer);

void plugin_process_ask(const struct plugin *plugin, plugin_answer_fn fn,
    void *ctx);

/* the last count records of its history; a new reference */
json_t *plugin_process_history(const struct plugin *plugin, size_t count);

/*
 * Not to run until plugin_process_begin() or _restart_by_hand(): kept in the
 * registry, so it lasts.  is_now as above.  MINT_ERR_CONFLICT: an older process
 * is not done yet.
 */
int plugin_process_halt(struct plugin *plugin, bool is_now,
    struct error *err);

/* to run, and at once: back-off and give-up are forgotten.  The wish's number
   as of plugin_process_restart() */
int plugin_process_begin(struct plugin *plugin, uint64_t *wish_out,
    struct error *err);

/*
 * As plugin_process_halt(), and then it is to be uninstalled: kept in the
 * registry until it is, or is started after all.
 */
int plugin_process_remove(struct plugin *plugin,
    enum plugin_removal removal, bool is_now, struct error *err);

/* one that is to be uninstalled has ended, and nothing of it is under way any
   more: fn is to have registry_remove() called, but not from inside; told once,
   unless plugin_process_stays(), or _leaves_later(): it is looked at again */
void plugin_processes_on_left(struct plugin_processes *processes,
    plugin_changed_fn fn, void *ctx);
void plugin_process_stays(struct plugin *plugin);
void plugin_process_leaves_later(struct plugin *plugin);

/* nothing waits for an answer that is about the plugin: to be asked when it is
   taken out, for much may have begun since it was told above */
bool plugin_process_is_quiet(const struct plugin *plugin);

/* what became of plugin_process_halt() or _remove(); granted: it has ended */
enum plugin_wish plugin_process_halted(const struct plugin *plugin);

/* it is to finish what it has, and nothing follows it */
bool plugin_process_is_ending(const struct plugin *plugin);

/* it does not run and is not to: stopped by hand, or idle */
bool plugin_process_rests(const struct plugin *plugin);

/* whose current process it is; one of them, if it has several */
struct plugin *plugin_processes_find(struct plugin_processes *processes,
    const struct service *service);

/* of the current seat, NULL if there is none */
struct service *plugin_process_service(const struct plugin *plugin);

/* of the other seat, NULL if nothing runs there */
struct service *plugin_process_other(const struct plugin *plugin);

/* [{... as service_json(), role}], the current one first */
json_t *plugin_process_instances(const struct plugin *plugin);

/* {done, resisted, defects}, since this supervisor runs; a defect is a request
   that was let into a seat after it had been found closed and empty */
json_t *plugin_process_moves(const struct plugin *plugin);

/* what is under way between the seats, null if nothing: {state, cause,
   since, error, traceback, again, activity} */
json_t *plugin_process_move(const struct plugin *plugin);

/* true while a running process uses the environment */
bool plugin_processes_use(void *processes, const char *environment);

#endif /* SUPERVISOR_PROCESS_PLUGIN_PROCESS_H */
