/* SPDX-License-Identifier: MIT */
/*
 * What has been wanted of a plugin and could not be begun with then.  Private
 * to the plugin_*.c files.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_CATCH_UP_H
#define SUPERVISOR_PROCESS_PLUGIN_CATCH_UP_H

#include "plugin_private.h"


/* a process of an earlier supervisor serves, and a socket has come: all that is
   due, once both are there */
void plugin_catch_up(struct plugin_process *p);

/* a process that is wanted and has not been begun with */
void plugin_catch_up_wish(struct plugin_process *p);

/* all that is due where the other socket is not to be had */
void plugin_catch_up_in_place(struct plugin_process *p);

/* the order to stop it that an earlier supervisor had kept */
void plugin_catch_up_stop(struct plugin_process *p);

#endif /* SUPERVISOR_PROCESS_PLUGIN_CATCH_UP_H */
