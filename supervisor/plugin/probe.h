/* SPDX-License-Identifier: MIT */
/*
 * Asking a plugin what it is: the plugin host's probe, run in the plugin's
 * environment under the plugin's uid, and its answer checked.
 */

#ifndef SUPERVISOR_PLUGIN_PROBE_H
#define SUPERVISOR_PLUGIN_PROBE_H

#include <jansson.h>
#include <stdint.h>

#include "lib/error.h"
#include "supervisor/plugin/toolset.h"


/* copied where needed */
struct probe_input {
    const char  *environment;
    const char  *name;
    const char  *distribution;
    const char  *version;
    uint32_t     uid;               /* UINT32_MAX: our own */
};


struct probe_run;

/* err->code 0: report is the checked "probed" event (borrowed) */
typedef void (*probe_done_fn)(void *ctx, const struct error *err,
    json_t *report);


int probe_start(struct probe_run **slot, const struct toolset *tools,
    const struct probe_input *input, probe_done_fn done, void *ctx,
    struct error *err);
void probe_cancel(struct probe_run **slot);

/* the checks by themselves: text is what came on the report pipe */
int probe_check(const char *text, const char *environment, json_t **report,
    struct error *err);

#endif /* SUPERVISOR_PLUGIN_PROBE_H */
