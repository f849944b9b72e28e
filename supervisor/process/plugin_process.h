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


/* what a seat is for, whatever its process is doing */
enum plugin_role {
    PLUGIN_ROLE_IDLE = 0,       /* for nothing; a process there is to end */
    PLUGIN_ROLE_CURRENT = 1,    /* takes requests when it is ready */
    PLUGIN_ROLE_TRIAL = 2,      /* the next one, no request sees it yet */
    PLUGIN_ROLE_HELD = 3,       /* current; new requests wait for the switch */
    PLUGIN_ROLE_OLD = 4,        /* pinned users and open WebSockets only */
    PLUGIN_ROLE_COUNT = 5
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
        enum mint_seat_cause cause);

    uint32_t  (*in_flight)(void *ctx, uint32_t seat);

    /* the seat's word as published, 0 = none */
    uint64_t  (*seat_word)(void *ctx, uint32_t seat);
};


/* platform_url: "http://127.0.0.1:4711", copied; the rest must outlive it */
struct plugin_processes *plugin_processes_new(const struct config *config,
    const struct layout *layout, struct registry *registry,
    struct service_pool *pool, struct process_table *table,
    const char *platform_url, const struct plugin_process_listener *listener);
void plugin_processes_free(struct plugin_processes **processes);

/* adopts a process found at attach; place: "0a"; note: the rest of its label,
   may be NULL; false: no such plugin or seat, end it */
bool plugin_processes_adopt(struct plugin_processes *processes,
    const char *name, const char *place, uint32_t generation,
    const char *note, const struct process *process, bool is_dead,
    int wait_status);

/* starts every plugin of the registry that does not run */
void plugin_processes_start(struct plugin_processes *processes);

void plugin_processes_stop(struct plugin_processes *processes);
bool plugin_processes_all_down(const struct plugin_processes *processes);

/* of the current seat, NULL if there is none */
struct service *plugin_process_service(const struct plugin *plugin);

/* of the other seat, NULL if nothing runs there */
struct service *plugin_process_other(const struct plugin *plugin);

/* true while a running process uses the environment */
bool plugin_processes_use(void *processes, const char *environment);

#endif /* SUPERVISOR_PROCESS_PLUGIN_PROCESS_H */
