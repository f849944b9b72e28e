/* SPDX-License-Identifier: MIT */
/*
 * What a wheel says about itself without being installed: METADATA and
 * entry points.
 */

#ifndef SUPERVISOR_PLUGIN_WHEEL_H
#define SUPERVISOR_PLUGIN_WHEEL_H

#include <stddef.h>

#include "lib/error.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/text_list.h"


struct wheel {
    char    *distribution;          /* as METADATA spells it */
    char    *version;
    char    *requires_python;       /* "" if none */
    char   **requires;              /* Requires-Dist, each one PEP 508 text */
    size_t   requires_count;

    char    *entry_group;           /* mint.plugins or mld.plugins */
    char    *plugin_name;           /* the entry point's name */
    char    *plugin_module;         /* "package.module" */
    char    *plugin_object;         /* "Class" */

    struct text_list  programs;     /* entry points in group mint.requires */
    char    *runtime_requirements;  /* that section of the long description,
                                       NULL if none */
};


/* distribution and version out of a file name as of PEP 427; mem_alloc */
int wheel_parse_name(const char *file_name, char **distribution,
    char **version, struct error *err);

/*
 * Reads the wheel at path (its last component is its file name).  Exactly one
 * entry point in group mint.plugins is needed, or, if that group is missing,
 * in mld.plugins.  err->text fits after "Invalid .mint bundle: ".
 */
int wheel_read(struct wheel *out, const char *path, struct error *err);
void wheel_clear(struct wheel *wheel);

/* the two texts inside; for wheel_read() and tests */
int wheel_parse_metadata(struct wheel *wheel, const struct strbuf *text,
    struct error *err);
int wheel_parse_entry_points(struct wheel *wheel, const struct strbuf *text,
    struct error *err);

#endif /* SUPERVISOR_PLUGIN_WHEEL_H */
