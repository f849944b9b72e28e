/* SPDX-License-Identifier: MIT */
/*
 * What the admin socket's operations do (contract/mint_admin.h): a table of
 * handlers over the parts of the supervisor that main.c has put together.
 */

#ifndef SUPERVISOR_ADMIN_OPERATIONS_H
#define SUPERVISOR_ADMIN_OPERATIONS_H

#include <stdint.h>

#include "server.h"
#include "supervisor/plugin/install.h"
#include "supervisor/process/core_process.h"
#include "supervisor/process/plugin_process.h"
#include "supervisor/process/purger.h"
#include "supervisor/process/warm_process.h"
#include "supervisor/routes/publisher.h"


struct operations;


/* done is called once, with code 0 when the next supervisor is about to be
   started */
typedef void (*upgrade_done_fn)(void *ctx, const struct error *err);
typedef void (*upgrade_fn)(void *ctx, upgrade_done_fn done, void *done_ctx);

/* reads the configuration again; *restart: the keys that have changed but are
   not taken over, a new reference.  On failure nothing has changed */
typedef int (*reload_fn)(void *ctx, json_t **restart, struct error *err);


/* borrowed; filled by main.c as the parts come up */
struct operations_parts {
    struct event_base         *base;
    const struct config       *config;
    const struct keeper_facts *facts;
    const struct layout       *layout;
    struct registry           *registry;
    struct installer          *installer;
    struct core_processes     *core;
    struct plugin_processes   *processes;
    struct warm               *warm;
    struct purger             *purger;
    struct publisher          *publisher;
    struct service_pool       *pool;
    const struct output       *own_output;  /* NULL = none */
    upgrade_fn                 upgrade;     /* ctx as of stop */
    reload_fn                  reload;      /* likewise */
    void                     (*stop)(void *ctx);
    void                      *stop_ctx;
};


struct operations *operations_new(const struct operations_parts *parts,
    const char *boot_id);
void operations_free(struct operations **operations);

/* the table and ctx for admin_server_open() */
const struct admin_operation *operations_table(void);

/* what is going on, for "status": a short text, NULL = nothing */
void operations_set_step(struct operations *operations, const char *step);

/* the platform environment: "building", "ready", "failed", and why */
void operations_set_environment(struct operations *operations,
    const char *state, const char *error);

/* plugins whose mode is not what the lists of the configuration say any more
   are decided again */
void operations_decide_again(struct operations *operations);

void operations_set_stopping(struct operations *operations);

/* true once everything that is wanted is ready or has failed */
bool operations_is_running(const struct operations *operations);

#endif /* SUPERVISOR_ADMIN_OPERATIONS_H */
