/* SPDX-License-Identifier: MIT */
/*
 * From the old process of a move to the next one.  Private to the plugin_*.c
 * files.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_SWITCH_H
#define SUPERVISOR_PROCESS_PLUGIN_SWITCH_H

#include "plugin_move.h"


/* actions of the table in plugin_move.c */
void plugin_switch_begin(struct plugin_process *p);
void plugin_switch_answer(struct plugin_process *p);
void plugin_switch_timer(struct plugin_process *p);
void plugin_switch_held_answer(struct plugin_process *p);
void plugin_switch_held_timer(struct plugin_process *p);

#endif /* SUPERVISOR_PROCESS_PLUGIN_SWITCH_H */
