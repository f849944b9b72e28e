/* SPDX-License-Identifier: MIT */
/*
 * Names that come from bundles and plugins: what is allowed, and how two
 * spellings are compared.
 */

#ifndef SUPERVISOR_PLUGIN_NAMES_H
#define SUPERVISOR_PLUGIN_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"


#define NAMES_PLUGIN_MAX     64
#define NAMES_PREFIX_MAX     120
#define NAMES_SEGMENTS_MAX   8


/* [a-z0-9][a-z0-9._-]{0,63} */
bool names_plugin_is_valid(const char *name);

/* names that mean something else to mintctl, in paths or in logs */
bool names_plugin_is_reserved(const char *name);

/* a distribution's name as PEP 508 allows it, at most 128 bytes */
bool names_distribution_is_valid(const char *name);

/* PEP 503: lower case, runs of "-", "_" and "." are one "-"; mem_alloc */
char *names_normalise(const char *distribution);
bool names_same_distribution(const char *a, const char *b);

/*
 * A routes prefix: "/" and 1 to 8 segments of [A-Za-z0-9._~-], none of them
 * "." or "..", at most 120 bytes, not below /api and not /__mint.
 */
int names_check_prefix(const char *prefix, struct error *err);

/* dotted Python identifiers (ASCII) */
bool names_module_is_valid(const char *module);

/* no absolute path, "..", ".", empty segment, backslash or control byte */
bool names_archive_path_is_safe(const char *path);

#endif /* SUPERVISOR_PLUGIN_NAMES_H */
