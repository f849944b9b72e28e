/* SPDX-License-Identifier: MIT */
/*
 * A plugin's processes, shared by the files that make them up:
 * plugin_process.c (all plugins, the registry's news), plugin_seat.c (one
 * seat), plugin_spawn.c (what a process in it needs), plugin_former.c (which
 * version), plugin_move*.c, plugin_switch.c and plugin_drain.c (from one seat
 * to the other), plugin_adopt.c (what an earlier supervisor left),
 * plugin_catch_up.c (and had wanted), plugin_rest.c (idle ones), plugin_wish.c
 * (what others want), plugin_removal.c (the end of a plugin), plugin_backlog.c
 * (requests that no process takes up), plugin_group*.c (one process for several
 * plugins).
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_PRIVATE_H
#define SUPERVISOR_PROCESS_PLUGIN_PRIVATE_H

#include "confinement.h"
#include "environment_block.h"
#include "history.h"
#include "plugin_backlog.h"
#include "plugin_move.h"
#include "plugin_process.h"
#include "plugin_rest.h"
#include "warm_process.h"


#define PLUGIN_SEATS  2             /* a and b, of slot 0 */
#define PLUGIN_ARGV   4

#define PLUGIN_REMOVAL_TEXT  "uninstalled once it has ended; \"mintctl " \
                             "start\" keeps it"


/* a process that an earlier supervisor has left in the seat */
struct plugin_found {
    struct process  process;
    uint32_t        generation;
    bool            is_dead;
    int             wait_status;
};


struct plugin_seat {
    struct plugin_process    *owner;
    struct service           *service;
    uint32_t                  record;       /* in the run file "seats" */
    char                      place[4];     /* "0a" */
    enum plugin_role          role;
    bool                      is_listening;
    bool                      is_asked;     /* the keeper, for the socket */
    bool                      cannot_listen;    /* was asked for in vain */
    bool                      is_found;     /* and not taken yet */
    struct plugin_found       found;
    enum service_state        told;         /* the history */
    bool                      was_empty;    /* when it was told to end */
    unsigned                  preparing;    /* answers to come */
    struct error              unprepared;   /* the first failure */
    bool                      is_cleaning;  /* tmp is being emptied */
    bool                      has_to_prepare;   /* after that */
    uint32_t                  excused;      /* in flight, not waited for */
    uint64_t                  wish;         /* of the process, see restart */
    struct plugin_backlog     backlog;      /* what nobody accepts */
    char                     *address;
    char                     *tmp;
    char                     *running;      /* environment in use */
    uint64_t                  running_since;    /* registered then */
    char                     *note;         /* both, for the next supervisor */
    char                     *argv[PLUGIN_ARGV + 1];
    struct environment_block  environment;
    struct confinement        confinement;
};


struct plugin_question;
struct plugin_group;


struct plugin_process {
    struct plugin_processes  *all;
    struct plugin            *plugin;
    char                     *data;
    struct plugin_seat        seats[PLUGIN_SEATS];
    struct plugin_seat       *current;      /* serves, or is to serve */
    struct plugin_move        move;
    struct plugin_rest        rest;
    char                      waits[96];    /* for whom, in words */
    struct history           *history;
    struct plugin_question   *questions;
    struct plugin_group      *group;        /* NULL: of one plugin alone */
    bool                      is_entering;  /* a group, once it has ended */
    uint32_t                  was_in[PLUGIN_SEATS];  /* generations of the
                                               shared processes it has left */
    bool                      is_stop_due;  /* by hand, once it may be ended */
    uint64_t                  wish;         /* the last one */
    uint64_t                  failed_wish;  /* up to here refused */
    uint64_t                  moves_done;
    uint64_t                  moves_resisted;
    uint64_t                  defects;      /* see plugin_process_moves() */
    struct plugin_process    *next;
};


struct plugin_processes {
    const struct config            *config;
    const struct layout            *layout;
    struct registry                *registry;
    struct service_pool            *pool;
    struct process_table           *table;
    struct warm                    *warm;       /* NULL = all are exec'ed */
    char                           *platform_url;
    struct plugin_process_listener  listener;
    bool                            is_stopping;
    uint64_t                        serial;     /* of questions to hosts */
    struct plugin_process          *group;      /* plugins.sharedProcess */
    plugin_changed_fn               on_changed;
    void                           *on_changed_ctx;
    plugin_changed_fn               on_left;
    void                           *on_left_ctx;
    struct event                   *left_timer;
    struct event                   *rest_timer;
    struct plugin_process          *first;
};


/* plugin_seat.c */
void plugin_seat_init(struct plugin_seat *seat, struct plugin_process *owner,
    unsigned letter);
void plugin_seat_clear(struct plugin_seat *seat);

/* the keeper answers with the socket it already holds, if it does */
void plugin_seat_listen(struct plugin_seat *seat);

/* answers with the socket's fd, which is the caller's then */
int plugin_seat_ask_socket(struct plugin_seat *seat,
    keeper_listener_pt done, void *ctx, struct error *err);

/* says what the edge has to know of the seat now */
void plugin_seat_publish(struct plugin_seat *seat);
void plugin_seat_set_role(struct plugin_seat *seat, enum plugin_role role);

bool plugin_seat_runs(const struct plugin_seat *seat);

/* requests that workers have in the seat */
uint32_t plugin_seat_count(const struct plugin_seat *seat);
void plugin_seat_unpin(struct plugin_seat *seat);

/* plugin_spawn.c: hooks of a seat's service; ctx is the seat */
bool plugin_spawn_may_start(void *ctx, const struct service *service);
void plugin_spawn_on_unforked(void *ctx, struct service *service, int status);
void plugin_spawn_prepare(void *ctx, struct service *service);
int plugin_spawn_fill(void *ctx, struct service *service,
    struct keeper_spawn_request *request, struct error *err);

/* what plugin_spawn_fill() is made of, for who fills it otherwise */
void plugin_spawn_set_running(struct plugin_seat *seat,
    const struct plugin *plugin, const char *command);
void plugin_spawn_fill_rest(struct plugin_seat *seat,
    const struct plugin *plugin, struct keeper_spawn_request *request);

/* the temporary directory; then the service is prepared */
void plugin_spawn_prepare_tmp(struct plugin_seat *seat);

/* plugin_question.c */
void plugin_questions_on_activity(struct plugin_process *p,
    const json_t *report);
void plugin_questions_end(struct plugin_process *p);    /* with what is known */
void plugin_questions_clear(struct plugin_process *p);  /* at the end of all */

/* plugin_removal.c: a change of the plugin's process; and the registry's word
   that the plugin is gone */
void plugin_removal_look(struct plugin_processes *all, struct plugin *plugin);
void plugin_removal_done(struct plugin_processes *all, struct plugin *plugin);

/* no process of one that is alone, and no answer about one, is to come */
bool plugin_process_is_over(const struct plugin_process *p);

/* plugin_process.c */
struct plugin_process *plugin_process_get(struct plugin_processes *all,
    struct plugin *plugin);

void plugin_process_free(struct plugin_process *p);

/* group: NULL, or what is made of plugin's place */
struct plugin_process *plugin_process_make(struct plugin_processes *all,
    struct plugin *plugin, struct plugin_group *group);

/* the state as users see it, and the words to it; text is borrowed */
enum plugin_state plugin_process_state(struct plugin_process *p,
    const char **text);

/* what the seats tell */
void plugin_process_on_listening(struct plugin_seat *seat, int status);
void plugin_process_on_state(struct plugin_seat *seat);
void plugin_process_on_activity(struct plugin_seat *seat,
    const json_t *report);

/* one process has followed another, which is not done yet */
bool plugin_process_is_following(const struct plugin_process *p);

struct plugin_seat *plugin_process_other_seat(struct plugin_process *p,
    const struct plugin_seat *seat);

void plugin_process_wish_for(struct plugin_process *p,
    enum mint_seat_cause cause, bool is_now);

/* the plugin's state is set anew, from move and services */
void plugin_process_tell(struct plugin_process *p);

uint64_t plugin_process_next_serial(struct plugin_processes *all);

#endif /* SUPERVISOR_PROCESS_PLUGIN_PRIVATE_H */
