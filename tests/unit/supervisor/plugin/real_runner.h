/* SPDX-License-Identifier: MIT */
/*
 * A runner for tests that really runs commands, by fork and exec.
 */

#ifndef TESTS_UNIT_SUPERVISOR_PLUGIN_REAL_RUNNER_H
#define TESTS_UNIT_SUPERVISOR_PLUGIN_REAL_RUNNER_H

#include <event2/event.h>

#include "supervisor/plugin/runner.h"


/* base must outlive it; jobs end or are cancelled before the base is freed */
void real_runner_init(struct runner *runner, struct event_base *base);

#endif /* TESTS_UNIT_SUPERVISOR_PLUGIN_REAL_RUNNER_H */
