/* SPDX-License-Identifier: MIT */
/*
 * How many jobs a plugin may run at a time (MINT_JOB_CPU_SLOTS of the SDK): a
 * share of one budget for the machine, or its jobs would be as many as there
 * are CPUs times plugins.
 */

#ifndef SUPERVISOR_PROCESS_JOB_SLOTS_H
#define SUPERVISOR_PROCESS_JOB_SLOTS_H

#include "lib/config.h"
#include "supervisor/plugin/registry.h"


#define JOB_SLOTS_ENV  "MINT_JOB_CPU_SLOTS"


/* what the plugin gets, at least 1 */
unsigned job_slots_of(struct registry *registry,
    const struct plugin *plugin, const struct config_limits *limits);

/* of the plugin with that rank, from 0, among those that share */
unsigned job_slots_share(unsigned budget, unsigned sharers, unsigned rank);

/* text: the variable's value or NULL; cpus: that this process may use */
unsigned job_slots_budget(const char *text, unsigned cpus);

#endif /* SUPERVISOR_PROCESS_JOB_SLOTS_H */
