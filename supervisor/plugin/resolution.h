/* SPDX-License-Identifier: MIT */
/*
 * One resolution: wheels and constraints in, a lock out.  Writes the files
 * that uv reads and makes its command.
 */

#ifndef SUPERVISOR_PLUGIN_RESOLUTION_H
#define SUPERVISOR_PLUGIN_RESOLUTION_H

#include <stdbool.h>

#include "lib/error.h"
#include "supervisor/plugin/lock.h"
#include "supervisor/plugin/text_list.h"
#include "supervisor/plugin/toolset.h"


struct resolution_wheel {
    const char  *distribution;
    const char  *path;              /* kept: its directory may hold more */
};


struct resolution {
    const char                     *work;       /* directory for the files */
    const char                     *name;       /* their name */
    const char                     *sdk_version;    /* NULL: any */
    const struct resolution_wheel  *wheels;
    size_t                          count;
    bool                            core_wheels;    /* may replace the core */
    bool                            is_offline;     /* no index is asked */
    const char                     *prefer;     /* lock to begin from, NULL */
    const char                     *constraints;    /* lock, or NULL */
    const struct lock              *pins;       /* these win, or NULL */
};


/* *lock_out (mem_alloc) will be there when the command has succeeded,
   find_links is cleared and filled.  NULL and err when files fail */
struct command *resolution_command(const struct toolset *tools,
    const struct resolution *resolution, char **lock_out,
    struct text_list *find_links, struct error *err);

/* the directories of wheels that came with a kept wheel, if there are any */
void resolution_find_links(struct text_list *links, const char *wheel_path,
    bool core_wheels);

#endif /* SUPERVISOR_PLUGIN_RESOLUTION_H */
