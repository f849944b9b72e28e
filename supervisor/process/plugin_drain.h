/* SPDX-License-Identifier: MIT */
/*
 * The old process after the switch, and the questions to it.  Private to the
 * plugin_*.c files.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_DRAIN_H
#define SUPERVISOR_PROCESS_PLUGIN_DRAIN_H

#include <stdbool.h>

#include "lib/error.h"
#include "plugin_move.h"


/* asks the host of old; TIMER comes after wait_ms, ANSWER with the answer */
void plugin_drain_ask(struct plugin_process *p, unsigned wait_ms);

/* pins the owners that were told last; MINT_ERR_FULL */
int plugin_drain_pin(struct plugin_process *p, struct error *err);

/* jobDrainHours are over */
bool plugin_drain_is_overdue(const struct plugin_process *p);

/* the switch is done; with is_now nobody is waited for */
void plugin_drain_begin(struct plugin_process *p);
void plugin_drain_resume(struct plugin_process *p);
void plugin_drain_close(struct plugin_process *p, const char *why);

/* actions of the table */
void plugin_drain_answer(struct plugin_process *p);
void plugin_drain_timer(struct plugin_process *p);
void plugin_drain_empty_answer(struct plugin_process *p);
void plugin_drain_empty_timer(struct plugin_process *p);
void plugin_drain_lost(struct plugin_process *p);
void plugin_drain_over(struct plugin_process *p);

#endif /* SUPERVISOR_PROCESS_PLUGIN_DRAIN_H */
