/* SPDX-License-Identifier: MIT */
/*
 * The warm interpreter: a process of the shared environment from which the
 * keeper has that environment's plugins forked (contract/mint_warm.h).  There
 * is one, of the environment that shared plugins are to start from now on; it
 * is restarted when that is another one.  Whatever it does, plugins start:
 * exec'ed, if not forked.
 */

#ifndef SUPERVISOR_PROCESS_WARM_PROCESS_H
#define SUPERVISOR_PROCESS_WARM_PROCESS_H

#include "layout.h"
#include "service.h"
#include "supervisor/plugin/registry.h"


#define CORE_WARM  "warm"


struct warm;


/* listens to the registry: to be made before those who start plugins */
struct warm *warm_new(const struct config *config,
    const struct layout *layout, struct registry *registry,
    struct service_pool *pool, struct process_table *table);
void warm_free(struct warm **warm);

/* takes over what an earlier supervisor has left, unless that is of no use;
   note: the rest of its label, may be NULL */
bool warm_adopt(struct warm *warm, uint32_t generation, const char *note,
    const struct process *process, bool is_dead);

/* the shared plugins' environment is what the registry says: from now on
   there is an interpreter of it, if it is wanted */
void warm_begin(struct warm *warm);
void warm_stop(struct warm *warm);

/* for warm NULL, too: false, 0, nothing */

/* it will soon be there for this plugin, and that is worth waiting for */
bool warm_is_awaited(const struct warm *warm, const struct plugin *plugin);

/* the keeper's id of the process to fork the plugin from, 0 = exec it */
uint32_t warm_child(const struct warm *warm, const struct plugin *plugin);

/* the keeper could not have the plugin forked: the errno */
void warm_failed(struct warm *warm, const struct plugin *plugin, int status);

bool warm_uses(const struct warm *warm, const char *environment);

struct service *warm_service(const struct warm *warm);
bool warm_is_wanted(const struct warm *warm);

#endif /* SUPERVISOR_PROCESS_WARM_PROCESS_H */
