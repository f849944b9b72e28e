/* SPDX-License-Identifier: MIT */
/*
 * How far the start of all plugins has come: counts, in words, told at each
 * change and logged once a second until no plugin is on its way any more.
 */

#ifndef SUPERVISOR_OBSERVE_START_PROGRESS_H
#define SUPERVISOR_OBSERVE_START_PROGRESS_H

#include "supervisor/plugin/registry.h"
#include "supervisor/process/service.h"


struct start_counts {
    unsigned  total;
    unsigned  ready;
    unsigned  starting;         /* have one of the few places */
    unsigned  waiting;          /* for a place, a dependency, the next try */
    unsigned  failed;
    unsigned  stopped;
};

void start_counts_take(struct start_counts *counts,
    struct registry *registry);

/* "12 of 50 ready, 4 starting, 33 waiting, 1 failed"; to be freed */
char *start_counts_text(const struct start_counts *counts);


/* text: valid during the call; NULL: it is over */
typedef void (*start_progress_fn)(void *ctx, const char *text);

struct start_progress;

/* one of the pool's observers from now on; begins to tell with _begin() */
struct start_progress *start_progress_new(struct service_pool *pool,
    struct registry *registry, start_progress_fn fn, void *ctx);
void start_progress_free(struct start_progress **progress);

void start_progress_begin(struct start_progress *progress);

#endif /* SUPERVISOR_OBSERVE_START_PROGRESS_H */
