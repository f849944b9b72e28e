/* SPDX-License-Identifier: MIT */
/*
 * What is wanted of a plugin's process, by the state of its move.  Private to
 * the plugin_*.c files.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_MOVE_WISH_H
#define SUPERVISOR_PROCESS_PLUGIN_MOVE_WISH_H

#include "plugin_move.h"


/* actions of the table in plugin_move.c; what is wanted is in again_cause and
   is_again_now */
void plugin_move_wish_begin(struct plugin_process *p);
void plugin_move_wish_again(struct plugin_process *p);
void plugin_move_wish_retry(struct plugin_process *p);
void plugin_move_wish_follow(struct plugin_process *p);

void plugin_move_wish_hurry(struct plugin_process *p);
void plugin_move_wish_hurry_held(struct plugin_process *p);
void plugin_move_wish_hurry_drain(struct plugin_process *p);

void plugin_move_wish_leave(struct plugin_process *p);
void plugin_move_wish_leave_now(struct plugin_process *p);
void plugin_move_wish_leave_drain(struct plugin_process *p);

#endif /* SUPERVISOR_PROCESS_PLUGIN_MOVE_WISH_H */
