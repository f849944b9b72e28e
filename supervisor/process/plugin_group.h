/* SPDX-License-Identifier: MIT */
/*
 * plugins.sharedProcess: all plugins of the shared environment are one process,
 * and one struct plugin_process, whose seats are seats of each of them.  What
 * the machinery asks of a seat is answered here for all; what it tells is told
 * to each.  Private to the plugin_*.c files.
 *
 * Each plugin keeps its own sockets, so the edge notices nothing.  What happens
 * to the process happens to all of them; what the host reports of one plugin
 * is that one's alone.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_GROUP_H
#define SUPERVISOR_PROCESS_PLUGIN_GROUP_H

#include "log_line.h"
#include "plugin_private.h"


/* no plugin can have it; of logs, labels and directories */
#define PLUGIN_GROUP_NAME  LOG_LINE_SHARED


/* a member in one of the two seats */
struct plugin_group_place {
    uint32_t   record;              /* in the run file "seats" */
    char      *address;
    bool       is_asked;            /* the keeper, for the socket */
    bool       is_listening;
    bool       is_in;               /* the process there has it, or had */
    bool       is_up;               /* and has reported it ready */
    char      *error;               /* or why it could not be started */
};


struct plugin_member {
    struct plugin_process      *unit;
    struct plugin              *plugin;
    char                       *data;
    struct history             *history;
    bool                        is_owned;   /* its directory has been made */
    struct plugin_group_place   at[PLUGIN_SEATS];
};


struct plugin_group {
    struct plugin           plugin;     /* stands for all; the strings that
                                           it has are its own */
    struct plugin_member  **members;
    size_t                  count;
    unsigned                asked;      /* sockets not answered for yet */
    struct plugin_member   *owning;     /* its directory is being made; NULL:
                                           none, or it has left since */
    char                   *plugins;    /* MINT_HOST_PLUGINS, secret */
    bool                    is_resumed;
};


/* ---- plugin_group.c: who belongs to it ------------------------------- */

bool plugin_group_takes(const struct plugin_processes *all,
    const struct plugin *plugin);

/* the unit of all, made at the first call; the plugin becomes a member */
struct plugin_process *plugin_group_join(struct plugin_processes *all,
    struct plugin *plugin);

/* what stands for all is as the registry has it now: all shared plugins have
   one environment, the last one installed has it for certain */
void plugin_group_refresh(struct plugin_process *p);

/* for a process that was found, in seat "0a" (letter 0) or "0b" (1): with all
   members that the registry has, and those which the process has for their
   seats' words, though they belong elsewhere now.  There may be none */
struct plugin_process *plugin_group_find(struct plugin_processes *all,
    unsigned letter, uint32_t generation);

/* a seat's word says that the process of this generation has the plugin */
bool plugin_group_is_of(uint64_t word, uint32_t generation);

void plugin_group_free(struct plugin_process *p);

struct plugin_member *plugin_group_member(const struct plugin_process *p,
    const struct plugin *plugin);

/* one of them is to run in it, besides the one, which may be NULL */
bool plugin_group_is_wanted(const struct plugin_process *p,
    const struct plugin *without);

/* the current process has it and it is ready; or it could not be started */
bool plugin_group_is_up(const struct plugin_process *p,
    const struct plugin *plugin);
bool plugin_group_is_broken(const struct plugin_process *p,
    const struct plugin *plugin);

/* the current process has one that is stopped by hand */
bool plugin_group_has_stopped(const struct plugin_process *p);

/* a running process has it */
bool plugin_group_is_in(const struct plugin_process *p,
    const struct plugin *plugin);

/* the generation of the seat's process, if that runs and has it; else 0 */
uint32_t plugin_group_generation(const struct plugin_process *p,
    const struct plugin *plugin, const struct plugin_seat *seat);

/* the current process is without one that is to be in it */
bool plugin_group_lacks(const struct plugin_process *p);

void plugin_group_tell(struct plugin_process *p);
void plugin_group_changed(struct plugin_process *p);
void plugin_group_history(struct plugin_process *p, json_t *record);


/* out of it, where nothing of it is under way */
void plugin_group_remove(struct plugin_process *p, struct plugin *plugin);


/* ---- plugin_group_change.c ------------------------------------------- */

/* its mode is another one: true if it is on its way to where it belongs */
bool plugin_group_has_changed(struct plugin_processes *all,
    struct plugin *plugin);

/* out of the shared process, which it still is in */
bool plugin_group_is_leaving(const struct plugin *plugin);

/* from the loop, after any change: those that belong elsewhere leave once no
   older process is ending, whose seat they would take; and the process ends
   with the last one that was to run in it */
void plugin_group_look(struct plugin_process *p);

/* some are to leave, and have not yet */
bool plugin_group_is_changing(const struct plugin_process *p);

/* p is of a plugin alone that has left the shared process, which runs yet, and
   in that seat */
bool plugin_group_still_in(const struct plugin_process *p, size_t letter);
bool plugin_group_still_has(const struct plugin_process *p);

/* p's processes were told to end, so that its plugin can enter: false if they
   have not yet, else p is freed */
bool plugin_group_absorb(struct plugin_process *p);


/* ---- plugin_group_seat.c: a seat of all ------------------------------ */

void plugin_group_listen(struct plugin_process *p);
void plugin_group_publish(struct plugin_seat *seat);
uint32_t plugin_group_count(const struct plugin_seat *seat);
void plugin_group_unpin(struct plugin_seat *seat);
int plugin_group_pin(struct plugin_seat *seat, uint64_t user_id,
    struct error *err);

bool plugin_group_on_report(void *ctx, struct service *service,
    const char *event, json_t *report);

/* one that is ready is probed for all: they have one loop */
void plugin_group_probe_at(struct plugin_seat *seat);


/* ---- plugin_group_start.c: what the process needs -------------------- */

/* every member's data directory, then plugin_spawn_prepare_tmp() */
void plugin_group_prepare(struct plugin_seat *seat);

int plugin_group_fill(struct plugin_seat *seat,
    struct keeper_spawn_request *request, struct error *err);


/* ---- plugin_group_adopt.c -------------------------------------------- */

/* for adoption: the word that says how far the process had come; what is known
   of each member by its own word; what the host says to that */
uint64_t plugin_group_word(const struct plugin_seat *seat);
void plugin_group_place_all(struct plugin_seat *seat);
void plugin_group_adopt(struct plugin_seat *seat);
void plugin_group_ask(struct plugin_seat *seat);

#endif /* SUPERVISOR_PROCESS_PLUGIN_GROUP_H */
