/* SPDX-License-Identifier: MIT */
/*
 * A service's fields and events, shared by the files that make it up:
 * service.c (making, adopting, asking), service_machine.c (states),
 * service_watch.c (what happens to the process), service_pool.c (who may
 * start), service_retry.c (when again), service_memory.c (deaths) and watch.c
 * (how a ready one is).
 */

#ifndef SUPERVISOR_PROCESS_SERVICE_PRIVATE_H
#define SUPERVISOR_PROCESS_SERVICE_PRIVATE_H

#include "line_reader.h"
#include "service.h"


#define SERVICE_DEATHS     5        /* within a minute = failed */
#define SERVICE_PROVEN_MS  60000    /* ready for so long = all is forgiven */


enum service_event {
    EVENT_START = 0,
    EVENT_STOP = 1,
    EVENT_RESTART = 2,
    EVENT_PLACE = 3,            /* a start place is free */
    EVENT_PREPARED = 4,
    EVENT_UNPREPARED = 5,       /* preparing or spawning failed */
    EVENT_UP = 6,               /* reported and probed */
    EVENT_DRAINED = 7,
    EVENT_EXITED = 8,
    EVENT_TIMER = 9,
    EVENT_SPAWNED = 10,         /* the keeper has answered, pid is known */
    EVENT_COUNT = 11
};


struct service_pool {
    struct process_table  *table;
    struct http_client    *http;
    int                    places;      /* free ones; adopted ones may be
                                           more than there are */
    uint64_t               turns;       /* given so far */
    service_wait_fn        waits_for;
    void                  *waits_ctx;
    json_t                *memory;      /* of the supervisor before */
    char                  *memory_path;
    char                  *memory_mark;
    char                  *memory_text; /* as written last */
    struct service        *services;
    size_t                 observers;
    struct service_observer  observer[SERVICE_OBSERVERS];
};


struct service {
    struct service_pool         *pool;
    struct service              *next;
    struct service_options       options;
    const struct service_hooks  *hooks;
    void                        *ctx;

    enum service_state           state;
    enum mint_seat_cause         cause;
    bool                         is_wanted;
    bool                         is_hurried;
    bool                         is_once;
    bool                         is_overdue;    /* not ready in time */
    bool                         has_place;
    uint64_t                     turn;          /* in the queue */
    bool                         is_spawned;    /* the keeper has answered */
    bool                         is_forked;     /* not exec'ed */
    bool                         is_reported;
    bool                         was_alone;     /* see struct service_exit */
    uint32_t                     generation;
    uint32_t                     floor;         /* of the next generation */
    unsigned                     restarts;
    unsigned                     backoff;       /* exponent, 0 = at once */
    uint64_t                     deaths[SERVICE_DEATHS];    /* last first */
    uint32_t                     counted_generation;        /* of deaths[0] */
    uint64_t                     pending_until_ms;  /* next try, by memory */
    bool                         pending_is_failed;
    uint64_t                     since_ms;      /* of the state */
    unsigned                     delay_ms;      /* of the back-off */
    bool                         is_killed;     /* by us, SIGKILL */
    uint64_t                     memory_limit_bytes;    /* 0 = none */
    struct watch                *watch;         /* while it is ready */
    int                          exit_status;
    char                         last_exit[96];
    char                         error[1024];
    char                        *traceback;     /* reported by the host */
    char                         probe_error[256];  /* of the last probe */

    struct process               process;
    struct output               *output;
    struct line_reader          *report;
    struct event                *timer;
    struct event                *poll;          /* probes, drain */
    struct http_call            *probe;
};


/* service_machine.c: the event happens now */
void service_event(struct service *service, enum service_event event);
void service_set_state(struct service *service, enum service_state state);
void service_be_ready(struct service *service);
void service_spawn(struct service *service, bool may_fork);
void service_queue(struct service *service);
void service_set_timer(struct service *service, unsigned ms);
void service_set_poll(struct service *service, unsigned ms);
void service_set_deadline(struct service *service);
void service_kill(struct service *service);
unsigned service_grace_sec(const struct service *service);
void service_on_timer(evutil_socket_t fd, short what, void *arg);

/* service_pool.c: start places, and who gets the next one */
void service_pool_enter(struct service *service);
void service_pool_leave(struct service *service);
void service_pool_tell(struct service *service, enum service_state from);

/* service_retry.c */
void service_retry(struct service *service);        /* after a death */
void service_retry_first(struct service *service);
void service_retry_proven(struct service *service);

/* service_memory.c */
void service_memory_count(struct service *service);     /* it has died */
bool service_memory_is_hopeless(const struct service *service);
bool service_memory_has_deaths(const struct service *service);
void service_memory_forgive(struct service *service);
void service_memory_save(struct service_pool *pool);
void service_memory_restore(struct service *service);
void service_memory_free(struct service_pool *pool);

/* service_watch.c */
void service_watch_process(struct service *service,
    const struct process *process);
void service_on_spawned(void *ctx, int status,
    const struct keeper_child_info *info);
void service_on_exit(void *ctx, const struct keeper_exit_info *end);
void service_on_poll(evutil_socket_t fd, short what, void *arg);
void service_probe(struct service *service);

#endif /* SUPERVISOR_PROCESS_SERVICE_PRIVATE_H */
