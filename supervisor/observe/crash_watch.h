/* SPDX-License-Identifier: MIT */
/*
 * Writes a crash report for each death of a process, and goes on writing it:
 * which requests died with it (known to the edge, which logs them when they
 * are over) and what happened next.
 */

#ifndef SUPERVISOR_OBSERVE_CRASH_WATCH_H
#define SUPERVISOR_OBSERVE_CRASH_WATCH_H

#include "lib/config.h"
#include "supervisor/plugin/registry.h"
#include "supervisor/process/service.h"


struct crash_watch;

/* observes all services of the pool; everything must outlive it */
struct crash_watch *crash_watch_new(struct event_base *base,
    const struct config *config, struct registry *registry,
    struct service_pool *pool);

/* reports are left as they are */
void crash_watch_free(struct crash_watch **watch);

#endif /* SUPERVISOR_OBSERVE_CRASH_WATCH_H */
