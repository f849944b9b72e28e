/* SPDX-License-Identifier: MIT */
/*
 * The version of a plugin that serves until a newer one has proved itself by
 * becoming ready: what starts in a seat is of one of the two.  Private to the
 * plugin_*.c files.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_FORMER_H
#define SUPERVISOR_PROCESS_PLUGIN_FORMER_H

#include "plugin_private.h"


/* what the next process in the seat is made of; borrowed */
const struct plugin *plugin_former_record(const struct plugin_seat *seat);

/* it is the former version */
bool plugin_former_is_in(const struct plugin_seat *seat);

/* it is, and cannot be started any more: MINT_ERR_UNAVAILABLE, and the seat's
   service is not to try it again */
int plugin_former_check(struct plugin_seat *seat, struct error *err);

/* and serves beside an older process, because the newest was given up */
bool plugin_former_is_back(const struct plugin_process *p);

/* from now on the newest version starts there; in the current seat it has one
   try, if there is a former one */
void plugin_former_leave(struct plugin_seat *seat);

/* a process of the seat is being made: wishes are for the newest version */
void plugin_former_made(struct plugin_seat *seat);

/* no move is under way, or it is after its switch: has the newest version
   become ready, or failed? */
void plugin_former_look(struct plugin_process *p);

/* a new supervisor, once both seats are as they were found */
void plugin_former_resume(struct plugin_process *p);

/* there is no way back any more */
void plugin_former_forget(struct plugin_processes *all,
    struct plugin *plugin);

#endif /* SUPERVISOR_PROCESS_PLUGIN_FORMER_H */
