/* SPDX-License-Identifier: MIT */
/*
 * Removes what uninstalled plugins have left, where that is wanted: data,
 * history, logs, crash reports.  The registry knows what is to be done; what
 * fails is tried again at the next purger_look().
 */

#ifndef SUPERVISOR_PROCESS_PURGER_H
#define SUPERVISOR_PROCESS_PURGER_H

#include "layout.h"
#include "process_table.h"
#include "supervisor/plugin/registry.h"
#include "supervisor/plugin/runner.h"


struct purger;

/* err->code 0: nothing of the plugin is left */
typedef void (*purger_done_fn)(void *ctx, const char *plugin,
    const struct error *err);


/* all must outlive it */
struct purger *purger_new(const struct config *config,
    const struct layout *layout, struct registry *registry,
    struct process_table *table, const struct runner *runner);
void purger_free(struct purger **purger);

void purger_subscribe(struct purger *purger, purger_done_fn fn, void *ctx);

/* goes through all that are to be purged, one at a time */
void purger_look(struct purger *purger);

#endif /* SUPERVISOR_PROCESS_PURGER_H */
