/* SPDX-License-Identifier: MIT */
/*
 * The files and directories that go into a resolution.
 */

#ifndef SUPERVISOR_PLUGIN_REQUIREMENTS_FILE_H
#define SUPERVISOR_PLUGIN_REQUIREMENTS_FILE_H

#include <stdbool.h>

#include "lib/error.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/text_list.h"


/* a line "name @ file:///..." for a requirements file */
void requirements_add_wheel(struct strbuf *out, const char *distribution,
    const char *wheel_path);

/* the directories of wheels that came with a kept wheel, if there are any;
   core wheels only where they cannot replace those of the platform */
void requirements_find_links(struct text_list *links, const char *wheel_path,
    bool with_core);

/* a copy of a lock, for uv to begin from */
int requirements_copy_lock(const char *from, const char *to,
    struct error *err);

#endif /* SUPERVISOR_PLUGIN_REQUIREMENTS_FILE_H */
