/* SPDX-License-Identifier: MIT */
/*
 * A service: something that shall run as one process in one seat (a plugin,
 * the platform, nginx).  Owns its life: start, readiness, crash restart with
 * back-off, restart on request, ordered stop.  What is to be run and who is
 * told are hooks; it knows no plugin and no run file.
 */

#ifndef SUPERVISOR_PROCESS_SERVICE_H
#define SUPERVISOR_PROCESS_SERVICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "contract/mint_seats.h"
#include "lib/http_client.h"
#include "output.h"
#include "process_table.h"


enum service_state {
    SERVICE_DOWN = 0,           /* not wanted */
    SERVICE_QUEUED = 1,         /* waits for one of the few start places */
    SERVICE_PREPARING = 2,      /* directories, by the keeper */
    SERVICE_STARTING = 3,       /* runs, not ready yet */
    SERVICE_READY = 4,
    SERVICE_DRAINING = 5,       /* no new requests; the last ones finish */
    SERVICE_STOPPING = 6,       /* was sent SIGTERM */
    SERVICE_BACKOFF = 7,        /* died; waits for the next try */
    SERVICE_FAILED = 8,         /* died too often; next try in minutes */
    SERVICE_STATE_COUNT = 9
};


struct service;


/* how a process ended; what it printed has been read to the end */

struct service_exit {
    enum service_state  state;          /* in which it ended */
    int                 pid;
    int                 wait_status;    /* as of waitpid(2) */
    uint32_t            generation;
    uint32_t            tree_killed;    /* of its descendants */
    uint32_t            oom_kills;      /* of them and it, by the kernel */
    uint64_t            started_unix_ms;
    uint64_t            unix_ms;        /* when this supervisor learnt of it */
    bool                was_alone;      /* it ended without a supervisor */
};


/* told of all services of a pool; what is NULL is not told */

struct service_observer {
    void   *ctx;

    /* before the state that follows from it */
    void  (*on_exit)(void *ctx, struct service *service,
        const struct service_exit *exit);

    /* after the change */
    void  (*on_state)(void *ctx, struct service *service,
        enum service_state from);

    /* of the host, contract/mint_host.h */
    void  (*on_report)(void *ctx, struct service *service,
        const char *event, json_t *report);
};


struct service_hooks {
    /* asked while it is queued, at each change of any service and at
       service_pool_look(); NULL = yes */
    bool      (*may_start)(void *ctx, const struct service *service);

    /* makes what the process needs, then calls service_prepared(); NULL =
       nothing is needed */
    void      (*prepare)(void *ctx, struct service *service);

    /* fills everything but id; label: more to be known again at adoption, or
       NULL; what it points to stays valid until the next call; err: cannot be
       started, e.g. the port is taken */
    int       (*fill)(void *ctx, struct service *service,
        struct keeper_spawn_request *request, struct error *err);

    /* it could not be forked (warm_id of the request): the errno.  It is
       exec'ed instead, in the same attempt; NULL = nobody is told */
    void      (*on_unforked)(void *ctx, struct service *service, int status);

    /* the state has changed; NULL = nobody is told */
    void      (*on_state)(void *ctx, struct service *service);

    /* requests in flight, asked while draining; NULL = none */
    uint32_t  (*in_flight)(void *ctx, struct service *service);

    /* "activity" of contract/mint_host.h has been reported; NULL = ignored */
    void      (*on_activity)(void *ctx, struct service *service,
        json_t *report);

    /* any report, before it is looked at: true = it was not for the service;
       NULL = all are */
    bool      (*on_report)(void *ctx, struct service *service,
        const char *event, json_t *report);
};


struct service_options {
    const char  *kind;              /* "plugin", "core": first of the label */
    const char  *name;              /* log prefix */
    const char  *place;             /* "0a": slot and seat */
    const char  *log_directory;     /* NULL = no file */
    const char  *probe_url;         /* answered by any status < 500 = ready */
    const char  *probe_unix;        /* socket to probe, NULL = TCP */
    bool         waits_report;      /* "ready" must be reported first */
    bool         needs_no_place;    /* is not one of the few that start */
    int          stop_signal;       /* SIGTERM, SIGQUIT */
    unsigned     ready_deadline_sec;
    unsigned     stop_grace_sec;    /* then SIGKILL */
    unsigned     drain_sec;         /* at most, for requests in flight */
    unsigned     failed_retry_sec;  /* 0 = 5 minutes */
};


/* shared by all services: few start at once */
struct service_pool;

struct service_pool *service_pool_new(struct process_table *table,
    struct http_client *http, unsigned starts_at_once);
void service_pool_free(struct service_pool **pool);

/* keeps deaths, back-off and give-up in a file; what is in it with the same
   mark is gone on with by services made from now on */
void service_pool_remember(struct service_pool *pool, const char *path,
    const char *mark);

#define SERVICE_OBSERVERS  4

/* the observer is copied */
void service_pool_observe(struct service_pool *pool,
    const struct service_observer *observer);

/* what a queued service waits for besides a place, NULL = nothing; asked at
   each change of any service, valid until the next */
typedef const char *(*service_wait_fn)(void *ctx,
    const struct service *service);

void service_pool_order(struct service_pool *pool, service_wait_fn fn,
    void *ctx);

/* gives places to queued services that may start now */
void service_pool_look(struct service_pool *pool);

/* services in no order, until fn returns false */
void service_pool_each(struct service_pool *pool,
    bool (*fn)(void *ctx, struct service *service), void *ctx);


/* options and their strings are copied; hooks and ctx must outlive it */
struct service *service_new(struct service_pool *pool,
    const struct service_options *options, const struct service_hooks *hooks,
    void *ctx);
void service_free(struct service **service);        /* leaves the process */

/* idempotent wishes */
void service_start(struct service *service, enum mint_seat_cause cause);
void service_restart(struct service *service, enum mint_seat_cause cause);
void service_stop(struct service *service, bool is_hurried);

/* is_once: its end is not followed by another start but by SERVICE_FAILED,
   without a next try; for processes that are being moved from or to */
void service_set_once(struct service *service, bool is_once);

/* what is probed from now on */
void service_set_probe(struct service *service, const char *url,
    const char *unix_path);

/* ends a process that must not become ready; its end counts as a death */
void service_refuse(struct service *service, const char *why);

/* ends a ready process that is no good any more, as a death of its own would;
   why: "did not answer 3 times in a row" */
void service_condemn(struct service *service, const char *why);

/* answer to hooks.prepare; err NULL or code 0: fine */
void service_prepared(struct service *service, const struct error *err);

/* takes over a process an earlier supervisor started */
void service_adopt(struct service *service, const struct process *process,
    uint32_t generation, bool is_ready);

/* a process of this service that was found dead at attach */
void service_adopt_dead(struct service *service,
    const struct process *process, uint32_t generation, int wait_status);


enum service_state service_state(const struct service *service);
const char *service_state_name(enum service_state state);
enum mint_seat_cause service_cause(const struct service *service);
const char *service_waits_for(const struct service *service);  /* or NULL */
uint32_t service_generation(const struct service *service);

/* of what was there before: the next process has a larger one.  A running one
   keeps its own, which the keeper and the seat's word have */
void service_set_generation(struct service *service, uint32_t generation);
int service_pid(const struct service *service);             /* 0 = none */
uint32_t service_child(const struct service *service);  /* at the keeper */
unsigned service_restarts(const struct service *service);
uint64_t service_started_unix_ms(const struct service *service);
unsigned service_retry_after_sec(const struct service *service);
const char *service_error(const struct service *service);   /* "" = none */
const char *service_traceback(const struct service *service);   /* "" */
const char *service_last_exit(const struct service *service);
struct output *service_output(struct service *service);
const char *service_name(const struct service *service);
const char *service_kind(const struct service *service);
const char *service_place(const struct service *service);

/* to the main process, which shall not end by it */
int service_signal(struct service *service, int number, struct error *err);

/* writes a command line to the process's control pipe */
int service_command(struct service *service, const char *line,
    struct error *err);

/* {slot, seat, generation, pid, state, started_at, restarts, last_exit} */
json_t *service_json(const struct service *service);

#endif /* SUPERVISOR_PROCESS_SERVICE_H */
