/* SPDX-License-Identifier: MIT */
/*
 * An installer with everything around it, in a temporary directory, and calls
 * that run the loop until an answer is there.
 */

#ifndef TESTS_UNIT_SUPERVISOR_PLUGIN_WORLD_H
#define TESTS_UNIT_SUPERVISOR_PLUGIN_WORLD_H

#include <event2/event.h>

#include "lib/config.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/install.h"


struct world {
    char               *directory;
    struct config       config;
    struct event_base  *base;
    struct runner       runner;
    struct registry    *registry;
    struct installer   *installer;

    /* of the last call */
    bool                is_done;
    struct error        err;
    struct plugin      *plugin;
    char               *replaced;
    bool                unchanged;
    json_t             *plan;
    struct strbuf       progress;       /* lines */

    /* told by the registry since the last call */
    unsigned            added;
    unsigned            changed;
};


/* runner may be filled afterwards; uids are used when first is not 0 */
void world_open(struct world *world, uint32_t first, uint32_t last);
void world_close(struct world *world);

/* the supervisor's restart: registry and installer anew */
void world_restart(struct world *world);

/* 0 or the error's code; the loop runs until done */
int world_prepare(struct world *world);
int world_install(struct world *world, const char *bundle, bool force);
int world_plan(struct world *world, const char *bundle, bool force);
int world_remove(struct world *world, const char *name);

/* that plan is not wanted any more, while it is under way or waits */
void world_abandon(struct world *world);

/* runs the loop until nothing is under way any more (background removals) */
void world_settle(struct world *world);

/* files below the data directory whose name begins with prefix */
unsigned world_count(struct world *world, const char *folder,
    const char *prefix);

#endif /* TESTS_UNIT_SUPERVISOR_PLUGIN_WORLD_H */
