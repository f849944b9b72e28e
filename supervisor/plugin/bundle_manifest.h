/* SPDX-License-Identifier: MIT */
/*
 * manifest.json of a .mint bundle, validated.
 */

#ifndef SUPERVISOR_PLUGIN_BUNDLE_MANIFEST_H
#define SUPERVISOR_PLUGIN_BUNDLE_MANIFEST_H

#include <stddef.h>

#include "lib/error.h"
#include "lib/strbuf.h"


struct bundle_manifest {
    char    *name;                  /* plugin.name: the distribution */
    char    *requires_mint;         /* "" if none */
    char    *wheel;                 /* wheels.main */
    char   **extra;                 /* wheels.dependencies */
    size_t   extra_count;
};


/* *out is zeroed before; on an error it may hold something: clear it */
int bundle_manifest_parse(struct bundle_manifest *out,
    const struct strbuf *text, struct error *err);
void bundle_manifest_clear(struct bundle_manifest *manifest);

#endif /* SUPERVISOR_PLUGIN_BUNDLE_MANIFEST_H */
