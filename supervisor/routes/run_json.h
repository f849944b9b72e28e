/* SPDX-License-Identifier: MIT */
/*
 * The run files of a directory as JSON, for people and tools.  Reads the files
 * only, like a worker would; they may be in use.
 */

#ifndef SUPERVISOR_ROUTES_RUN_JSON_H
#define SUPERVISOR_ROUTES_RUN_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/error.h"
#include "run_file.h"


/*
 * {files: {kind: {epoch, generation, ...} | {error}}, routes, seats, pins,
 * users, roles, keys, denied, pats, plugin_tokens, edge_secret, sequence,
 * workers, totals}.
 * Without "secrets" a secret is its length.  A missing or broken file is told
 * under "files" and its parts are left out.
 */
json_t *run_json_dump(const char *directory, bool secrets);

/* run_json_workers.c: adds "workers" and "totals" */
int run_json_workers(const struct run_file *file, json_t *to, bool secrets,
    struct error *err);

#endif /* SUPERVISOR_ROUTES_RUN_JSON_H */
