/* SPDX-License-Identifier: MIT */
/*
 * Watching ready processes: whether they answer, what they use, where their
 * event loop is stuck; and asking for another process in place of one that is
 * too old, too large or has served enough.
 */

#ifndef SUPERVISOR_PROCESS_WATCH_H
#define SUPERVISOR_PROCESS_WATCH_H

#include "service.h"
#include "lib/config.h"


struct watcher;
struct watch;                       /* of one process that is ready */


/* a planned change to another process is due; why: "is older than 24 hours" */
typedef void (*watch_recycle_fn)(void *ctx, struct service *service,
    const char *why);


/* observes the pool's services from now on; all must outlive it */
struct watcher *watcher_new(struct service_pool *pool,
    const struct config *config, watch_recycle_fn recycle, void *ctx);
void watcher_free(struct watcher **watcher);

/* its service is freed; accepts NULL */
void watch_forget(struct watch *watch);

/*
 * {health, missed, memory_bytes, memory_limit_bytes, cpu_percent, processes,
 * threads, fds, requests, websockets, jobs, served, lag_ms, stuck_ms, stack};
 * null is what is not known
 */
json_t *watch_json(const struct watch *watch);

#endif /* SUPERVISOR_PROCESS_WATCH_H */
