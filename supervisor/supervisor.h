/* SPDX-License-Identifier: MIT */
/*
 * The supervisor as a whole, shared by the files at the top of this folder:
 * main.c (program), takeover.c (the keeper's inventory and sockets), startup.c
 * (parts and first starts), lock.c (one a directory), upgrade.c (the next
 * program), reload.c (its configuration again) and shutdown.c (ordered stop).
 */

#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include "admin/operations.h"
#include "observe/crash_watch.h"
#include "observe/start_progress.h"
#include "process/purger.h"
#include "process/tool.h"
#include "process/watch.h"
#include "routes/plugin_routes.h"


/* a process the keeper told of before there was somebody to take it */
struct found {
    struct process   process;
    char             label[MINT_KEEPER_LABEL_MAX];
    bool             is_dead;
    int              wait_status;
    struct found    *next;
};


enum stop_phase {
    STOP_NOT = 0,
    STOP_NGINX = 1,
    STOP_PLUGINS = 2,
    STOP_PLATFORM = 3,
    STOP_DONE = 4
};


struct supervisor {
    struct event_base        *base;
    struct config            *config;
    struct layout             layout;
    struct keeper_client     *keeper;
    struct process_table     *table;
    struct http_client       *http;
    struct service_pool      *pool;
    struct tool_runner       *tools;
    struct registry          *registry;
    struct installer         *installer;
    struct publisher         *publisher;
    struct plugin_routes     *routes;
    struct core_processes    *core;
    struct warm              *warm;
    struct watcher           *watcher;
    struct plugin_processes  *processes;
    struct start_progress    *progress;
    struct operations        *operations;
    struct admin_server      *admin;
    struct crash_watch       *crashes;
    struct purger            *purger;
    struct output            *own_output;   /* copies of our own log */
    struct event             *tick;
    uint64_t                  ticks;        /* seconds */
    struct event             *hangup;       /* SIGHUP */
    bool                      is_hung_up;   /* before it was started */
    struct event             *stop_poll;
    struct found             *found;
    uint32_t                 *listeners;    /* ids, as told at attach */
    size_t                    listener_count;
    int                       admin_fd;
    unsigned                  listening;    /* of the three basic sockets */
    char                     *platform_url;
    bool                      is_attached;
    bool                      is_started;
    struct error              refusal;      /* why it cannot start */
    char                     *program;      /* what the keeper starts */
    char                     *keeper_socket;    /* for the next keeper */
    const char               *config_path;  /* as given, or NULL */
    int                       data_lock;
    int                       run_lock;
    bool                      is_upgrading;
    enum stop_phase           stop_phase;
    int                       exit_status;
};


/* main.c; is_last: the directory is there, so a failure is said */
void supervisor_survive_keeper(struct supervisor *s, bool is_last);

/* takeover.c; fail: logs err, ends the loop with status 1 */
void supervisor_fail(struct supervisor *s, const struct error *err);

extern const struct keeper_client_events  supervisor_keeper_events;

size_t supervisor_adopt_all(struct supervisor *s);

/* startup.c: the three basic sockets are there */
int supervisor_make_directories(struct supervisor *s, struct error *err);
void supervisor_start(struct supervisor *s);

/* lock.c: MINT_ERR_CONFLICT when another supervisor has a directory */
int supervisor_lock(struct supervisor *s, struct error *err);

/* upgrade.c: an upgrade_fn; ctx is the supervisor */
void supervisor_upgrade(void *ctx, upgrade_done_fn done, void *done_ctx);

/* --check: the exit status */
int supervisor_check(const char *config_path);

/* reload.c: a reload_fn; ctx is the supervisor */
int supervisor_reload(void *ctx, json_t **restart, struct error *err);

/* SIGHUP does the same, once the supervisor is started */
int supervisor_catch_hangup(struct supervisor *s, struct error *err);
void supervisor_hang_up(struct supervisor *s);

/* shutdown.c: ctx is the supervisor */
void supervisor_on_stop(void *ctx);

#endif /* SUPERVISOR_SUPERVISOR_H */
