/* SPDX-License-Identifier: MIT */
/*
 * The environment variables of a plugin's process: the SDK's contract, the
 * host's (contract/mint_host.h) and the plugin's settings.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_ENVIRONMENT_H
#define SUPERVISOR_PROCESS_PLUGIN_ENVIRONMENT_H

#include <stdint.h>

#include "environment_block.h"
#include "supervisor/plugin/registry.h"


/* how long a plugin's server keeps an idle connection: at least twice as long
   as nginx does (conf/mint-upstream.conf) */
#define PLUGIN_KEEPALIVE_SEC  150


struct plugin_place {
    const char  *seat;              /* "0a" */
    const char  *data;              /* MINT_PLUGIN_DATA_DIR, HOME */
    const char  *tmp;
    const char  *platform_url;
    unsigned     backlog;
    int64_t      stop_grace_sec;
    int64_t      stuck_sec;         /* an event loop is, 0 = never said */
    unsigned     job_slots;
};


/* clears the block first */
void plugin_environment_make(struct environment_block *e,
    const struct plugin *plugin, uint32_t generation,
    const struct plugin_place *place);

/* of a process that holds several: nobody's token; plugin stands for all */
void plugin_environment_make_group(struct environment_block *e,
    const struct plugin *plugin, uint32_t generation,
    const struct plugin_place *place, uint32_t listeners);

/*
 * What a process runs, as the rest of its keeper label: "<environment's
 * name>/<when it was registered>".  The registry may already tell of newer ones
 * when the next supervisor finds the process.  Both results are to be freed.
 */
char *plugin_note(const char *environment, uint64_t registered_unix_ms);

/* beside: an environment in the same directory, also the answer to a note that
   is NULL or none (then with a time of 0) */
char *plugin_note_read(const char *note, const char *beside,
    uint64_t *registered_unix_ms);

#endif /* SUPERVISOR_PROCESS_PLUGIN_ENVIRONMENT_H */
