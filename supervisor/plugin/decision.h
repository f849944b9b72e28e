/* SPDX-License-Identifier: MIT */
/*
 * Shared or isolated?  Decided by resolving for real: first together with the
 * platform's core and all shared plugins, else alone.  The outcome comes with
 * its lock file, with reasons in words, and with the quick verdict beside it.
 */

#ifndef SUPERVISOR_PLUGIN_DECISION_H
#define SUPERVISOR_PLUGIN_DECISION_H

#include <jansson.h>
#include <stdbool.h>

#include "supervisor/plugin/inventory.h"
#include "supervisor/plugin/registry.h"
#include "supervisor/plugin/toolset.h"
#include "supervisor/plugin/wheel.h"


/* why what was decided to be shared cannot be, found when it was built */
struct decision_refusal {
    const char  *sentence;
    json_t      *verdict;               /* of that decision, and this */
};


/* must outlive the decision */
struct decision_input {
    const struct wheel      *wheel;
    const char              *wheel_path;    /* where it stays */
    const char              *work;          /* directory for locks */
    const char              *platform;      /* environment now in use */
    const struct inventory  *inventory;     /* of it */
    const char              *core_lock;
    struct plugin *const    *others;        /* shared plugins but this one */
    size_t                   other_count;
    bool                     asks_index;    /* even if uv's cache has enough */

    const struct decision_refusal  *refusal;    /* or NULL */
};


struct decision {
    enum plugin_mode   mode;
    char              *reason;              /* one sentence */
    json_t            *details;             /* texts */
    json_t            *verdict;             /* as in struct plugin */
    char              *lock;                /* path, in work */
    struct text_list   find_links;
    bool               moves;               /* packages of others move */
    bool               is_forced;           /* shared by plugins.forceShared */
    bool               is_overruled;        /* a list has decided, nothing
                                               else */
};


struct decision_run;

/* err->code 0: the decision, whose parts done may take (and set to NULL) */
typedef void (*decision_done_fn)(void *ctx, const struct error *err,
    struct decision *decision);


int decision_start(struct decision_run **slot, const struct toolset *tools,
    const struct decision_input *input, decision_done_fn done, void *ctx,
    struct error *err);
void decision_cancel(struct decision_run **slot);

void decision_clear(struct decision *decision);

#endif /* SUPERVISOR_PLUGIN_DECISION_H */
