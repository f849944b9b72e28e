/* SPDX-License-Identifier: MIT */
/*
 * The warm interpreter, shared by the files that make it up: warm_process.c
 * (its service, who is forked) and warm_wish.c (which interpreter is wanted).
 */

#ifndef SUPERVISOR_PROCESS_WARM_PRIVATE_H
#define SUPERVISOR_PROCESS_WARM_PRIVATE_H

#include "confinement.h"
#include "environment_block.h"
#include "warm_process.h"


#define WARM_KEY_MAX  (MINT_KEEPER_LABEL_MAX / 2)


struct warm {
    const struct config        *config;
    const struct layout        *layout;
    struct registry            *registry;
    struct service_pool        *pool;
    struct process_table       *table;
    struct service             *service;
    struct event               *timer;      /* nobody waits any longer */
    char                       *tmp;
    bool                        is_begun;
    bool                        is_stopping;
    bool                        is_refused; /* said why there is none */

    /* wanted: the environment's directory, NULL = no interpreter; what may be
       reached; both, and the plugin host, in a few letters */
    char                       *environment;
    struct confinement          confinement;
    char                        key[WARM_KEY_MAX];

    char                        prepared[WARM_KEY_MAX];
    char                        running[WARM_KEY_MAX];
    char                       *running_environment;
    unsigned                    pending;    /* answers of the keeper */
    struct error                failure;    /* the first */
    uint64_t                    awaited_until_ms;
    char                       *argv[5];
    struct environment_block    variables;
};


/* warm_wish.c: sets what is wanted, by the registry */
void warm_want(struct warm *warm);

/* a shared plugin of that environment; NULL: of none */
bool warm_has(const char *environment, const struct plugin *plugin);

uint32_t warm_uid(const struct warm *warm);

#endif /* SUPERVISOR_PROCESS_WARM_PRIVATE_H */
