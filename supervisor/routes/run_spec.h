/* SPDX-License-Identifier: MIT */
/*
 * Run files from a JSON description, the one that run_json_dump() makes with
 * its secrets: for tests and for looking into what a system would do.
 */

#ifndef SUPERVISOR_ROUTES_RUN_SPEC_H
#define SUPERVISOR_ROUTES_RUN_SPEC_H

#include <jansson.h>
#include <sys/types.h>

#include "lib/error.h"


/*
 * Writes what the description has; files that are there are adopted.  Routes
 * and identity are afterwards exactly as described, seats that are not
 * mentioned stay.  docs/run-files.md describes the members.
 */
int run_spec_write(const char *directory, json_t *spec, gid_t gid,
    struct error *err);

/* the index of a name in a list of count names, or -1 */
int run_spec_index(const char *name, const char *(*name_of)(unsigned i),
    unsigned count);

#endif /* SUPERVISOR_ROUTES_RUN_SPEC_H */
