/* SPDX-License-Identifier: MIT */
/*
 * What an installation would do, after its decision: packages, what uv would
 * have to fetch, disk, what the plugin asks for.  No code of the plugin is
 * run, so its routes prefix and capabilities stay unknown.
 */

#ifndef SUPERVISOR_PLUGIN_PLAN_H
#define SUPERVISOR_PLUGIN_PLAN_H

#include <jansson.h>

#include "supervisor/plugin/decision.h"
#include "supervisor/plugin/fetch.h"
#include "supervisor/plugin/registry.h"
#include "supervisor/plugin/toolset.h"
#include "supervisor/plugin/wheel.h"


/* must outlive the run */
struct plan_input {
    const struct wheel     *wheel;
    const char             *wheel_path;
    const char             *requires_mint;  /* "" if nothing is */
    const struct decision  *decision;
    const struct plugin    *old;            /* the installed one, or NULL */
    const char             *work;           /* directory for files */
    const char             *platform;       /* shared environment now in use */
};


struct plan_run;

/* err->code 0: document is the PLAN of mint_admin.h, borrowed */
typedef void (*plan_done_fn)(void *ctx, const struct error *err,
    json_t *document);


int plan_start(struct plan_run **slot, const struct toolset *tools,
    const struct plan_input *input, plan_done_fn done, void *ctx,
    struct error *err);
void plan_cancel(struct plan_run **slot);

/* where environments are; -1: not known */
int64_t plan_free_bytes(const struct toolset *tools);


/* plan_document.c */

struct plan_facts {
    const struct wheel  *wheel;
    const char          *requires_mint;
    const char          *program_directory;
    const struct plugin *old;
    bool                 unchanged;         /* it is installed already */

    enum plugin_mode     mode;
    const char          *reason;
    json_t              *details;           /* borrowed, as verdict is */
    json_t              *verdict;           /* or NULL */

    const char          *environment;       /* that changes, NULL: a new one */
    struct lock          now;
    struct lock          then;
    struct fetch         fetch;
    const char          *doubt;             /* why that is not known, NULL */
    int64_t              disk_bytes;        /* -1: not known */
    int64_t              free_bytes;
};

/* a new reference, or NULL and err */
json_t *plan_document(const struct plan_facts *facts, struct error *err);

/* what will roughly be taken: of an environment that takes base bytes with
   the packages of now, those that stay are made again in the new one; -1 if
   something is not known (base -1) */
int64_t plan_disk_bytes(int64_t base, const struct lock *now,
    const struct lock *then, const struct fetch *fetch, uint64_t wheel_bytes);

#endif /* SUPERVISOR_PLUGIN_PLAN_H */
