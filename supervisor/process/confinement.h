/* SPDX-License-Identifier: MIT */
/*
 * What a plugin's process may have and reach: its limits, and the paths that
 * Landlock leaves open to it (contract/mint_keeper.h).
 */

#ifndef SUPERVISOR_PROCESS_CONFINEMENT_H
#define SUPERVISOR_PROCESS_CONFINEMENT_H

#include "keeper_client.h"
#include "layout.h"
#include "supervisor/plugin/text_list.h"


struct confinement_place {
    const char  *name;              /* of the plugin */
    const char  *environment;       /* its directory */
    const char  *data;              /* NULL = none; may be changed, as tmp */
    const char  *tmp;
};


/* zero-initialise; owns what request->allow points to */
struct confinement {
    struct text_list  allow;
};


/* sets the request's limits, and with plugins.sandbox its flag and allow[] */
void confinement_make(struct confinement *c, const struct config *config,
    const struct layout *layout, const struct confinement_place *place,
    struct keeper_spawn_request *request);

/* one more directory that it may change, if it is confined at all */
void confinement_add(struct confinement *c, const char *path,
    struct keeper_spawn_request *request);
/* the same in parts, for one from which the processes of several plugins are
   forked: first what all need, then each plugin's; data, tmp: NULL = none */
void confinement_begin(struct confinement *c, const struct config *config,
    const struct layout *layout, const char *environment);
void confinement_admit(struct confinement *c,
    const struct config_limits *limits, const char *data, const char *tmp);

void confinement_clear(struct confinement *c);

/* "memory and processes by cgroup v1, CPU not, ..."; to be freed */
char *confinement_text(const struct keeper_facts *facts);

/* "cgroup v2", "cgroup v1", "resource limits", "/proc", "nothing" */
const char *confinement_means(uint32_t means);

#endif /* SUPERVISOR_PROCESS_CONFINEMENT_H */
