/* SPDX-License-Identifier: MIT */
/*
 * One-shot commands through the keeper: the runner that the plugin layer
 * installs with.
 */

#ifndef SUPERVISOR_PROCESS_TOOL_H
#define SUPERVISOR_PROCESS_TOOL_H

#include "layout.h"
#include "process_table.h"
#include "supervisor/plugin/runner.h"


struct tool_runner;

/* all must outlive it */
struct tool_runner *tool_runner_new(struct process_table *table,
    const struct config *config, const struct layout *layout);

/* the interface to hand to installer_open(); valid as long as the runner */
const struct runner *tool_runner_interface(struct tool_runner *runner);

/* kills what runs; done callbacks are not called any more */
void tool_runner_free(struct tool_runner **runner);

#endif /* SUPERVISOR_PROCESS_TOOL_H */
