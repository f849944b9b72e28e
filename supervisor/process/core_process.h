/* SPDX-License-Identifier: MIT */
/*
 * The two services every system has: mint-platform and, when managed, nginx.
 */

#ifndef SUPERVISOR_PROCESS_CORE_PROCESS_H
#define SUPERVISOR_PROCESS_CORE_PROCESS_H

#include "layout.h"
#include "service.h"


#define CORE_PLATFORM  "platform"
#define CORE_NGINX     "nginx"


struct core_processes;

/* a state changed; name is CORE_PLATFORM or CORE_NGINX */
typedef void (*core_state_fn)(void *ctx, const char *name,
    const struct service *service);


struct core_processes *core_processes_new(const struct config *config,
    const struct layout *layout, struct service_pool *pool,
    struct process_table *table, core_state_fn on_state, void *ctx);
void core_processes_free(struct core_processes **core);

/* NULL: no such service (nginx when it is not managed) */
struct service *core_process_service(struct core_processes *core,
    const char *name);

bool core_process_adopt(struct core_processes *core, const char *name,
    uint32_t generation, const struct process *process, bool is_dead,
    int wait_status);

/* now and then: rotates the log of requests */
void core_process_rotate(struct core_processes *core);

/* path of the nginx program, NULL if there is none; to be freed */
char *core_process_nginx(const struct config *config);

/* the address people use: "http://127.0.0.1:8001"; to be freed */
char *core_process_url(const struct config *config);

#endif /* SUPERVISOR_PROCESS_CORE_PROCESS_H */
