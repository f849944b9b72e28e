/* SPDX-License-Identifier: MIT */
/*
 * See scenery.h.
 */

#include "scenery.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>


static const struct {
    const char  *name;
    const char  *value;
} scenery_interpreter[] = {
    { "implementation_name", "cpython" },
    { "implementation_version", "3.12.3" },
    { "os_name", "posix" },
    { "platform_machine", "x86_64" },
    { "platform_python_implementation", "CPython" },
    { "platform_release", "6.1.0-13-amd64" },
    { "platform_system", "Linux" },
    { "platform_version", "#1 SMP" },
    { "python_full_version", "3.12.3" },
    { "python_version", "3.12" },
    { "sys_platform", "linux" },
};


static bool
scenery_package(char *line, struct clash_package *out)
{
    char         *part, *role;
    const char  **requires;

    memset(out, 0, sizeof(struct clash_package));
    role = strsep(&line, " ");
    out->name = strsep(&line, " ");
    part = strsep(&line, "|");

    if (part == NULL) {
        return false;
    }

    out->version = part;
    out->role = strcmp(role, "core") == 0 ? CLASH_CORE
                : strcmp(role, "plugin") == 0 ? CLASH_PLUGIN
                : CLASH_PACKAGE;
    requires = NULL;

    while ((part = strsep(&line, "|")) != NULL) {
        requires = mem_grow(requires, out->count + 1, sizeof(char *));
        requires[out->count++] = part;
    }

    out->requires = requires;

    return true;
}


void
scenery_read(struct scenery *out, const char *text)
{
    char                  *rest, *line;
    size_t                 i;
    bool                   is_newcomer;
    struct clash_package   package;

    memset(out, 0, sizeof(struct scenery));
    out->text = mem_strdup(text);
    out->newcomer.name = "new";
    out->newcomer.version = "1";
    rest = out->text;

    while ((line = strsep(&rest, "\n")) != NULL) {
        is_newcomer = strncmp(line, "new ", 4) == 0;

        if (!scenery_package(line, &package)) {
            continue;
        }

        if (is_newcomer) {
            free((void *) (uintptr_t) out->newcomer.requires);
            out->newcomer = package;
            continue;
        }

        out->packages = mem_grow(out->packages, out->count + 1,
                                 sizeof(struct clash_package));
        out->packages[out->count++] = package;
    }

    for (i = 0; i < sizeof(scenery_interpreter)
                    / sizeof(scenery_interpreter[0]); i++)
    {
        marker_environment_set(&out->environment, scenery_interpreter[i].name,
                               scenery_interpreter[i].value);
    }

    out->input.environment = &out->environment;
    out->input.packages = out->packages;
    out->input.count = out->count;
    out->input.platform = "mint-sdk[server]==1.2.10";
    out->input.newcomer = &out->newcomer;
    out->input.requires_python = "";
}


void
scenery_clear(struct scenery *scenery)
{
    size_t  i;

    for (i = 0; i < scenery->count; i++) {
        free((void *) (uintptr_t) scenery->packages[i].requires);
    }

    free((void *) (uintptr_t) scenery->newcomer.requires);
    free(scenery->packages);
    free(scenery->text);
    marker_environment_clear(&scenery->environment);
}
