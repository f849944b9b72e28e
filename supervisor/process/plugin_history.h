/* SPDX-License-Identifier: MIT */
/*
 * What is written into a plugin's history, and what the next supervisor reads
 * from it.  Private to the plugin_*.c files.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_HISTORY_H
#define SUPERVISOR_PROCESS_PLUGIN_HISTORY_H

#include "history.h"
#include "plugin_move.h"
#include "supervisor/plugin/registry.h"


/* the service of the seat has another state than at the last call */
void plugin_history_process(struct plugin_seat *seat);

/* its state has changed, or, with the state it has, what is wanted of it */
void plugin_history_move(struct plugin_process *p,
    enum plugin_move_state from);

/* the plugin's state is going to change */
void plugin_history_plugin(struct plugin_process *p, struct plugin *plugin,
    struct history *history, enum plugin_state to, const char *text);

/* its newest version has been given up, and nothing has been tried since */
bool plugin_history_is_resisting(const struct plugin_process *p);

/* nothing is under way by what is seen, but a restart of this process had been
   wanted: into the move's "again" */
void plugin_history_restore_due(struct plugin_process *p,
    uint64_t started_unix_ms);

/* what the last record says of a process that was given up: into the move's
   error and traceback */
void plugin_history_restore_error(struct plugin_process *p);

/* "at once" and "once more", for a move that is under way */
void plugin_history_restore_wishes(struct plugin_process *p);

#endif /* SUPERVISOR_PROCESS_PLUGIN_HISTORY_H */
