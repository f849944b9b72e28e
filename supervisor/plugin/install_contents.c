/* SPDX-License-Identifier: MIT */
/*
 * What the shared environment holds: its plugins, as a list for markers, and
 * the lock it was built from.
 */

#include "supervisor/plugin/install_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/environment.h"
#include "supervisor/plugin/resolution.h"


struct plugin **
install_shared(struct installer *installer, const char *but, size_t *count)
{
    size_t           i;
    struct plugin   *plugin, **shared;

    *count = 0;
    shared = mem_grow(NULL, registry_count(installer->registry) + 1,
                      sizeof(struct plugin *));

    for (i = 0; i < registry_count(installer->registry); i++) {
        plugin = registry_at(installer->registry, i);

        if (plugin->mode == PLUGIN_SHARED
            && (but == NULL || strcmp(plugin->name, but) != 0))
        {
            shared[(*count)++] = plugin;
        }
    }

    return shared;
}


json_t *
install_contents(struct plugin *const *plugins, size_t count,
    const char *distribution, const char *version, const char *wheel)
{
    size_t   i;
    json_t  *list;

    list = json_array();

    for (i = 0; i < count; i++) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}",
                              "distribution", plugins[i]->distribution,
                              "version", plugins[i]->version,
                              "wheel", plugins[i]->wheel));
    }

    if (distribution != NULL) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}",
                              "distribution", distribution,
                              "version", version, "wheel", wheel));
    }

    return list;
}


char *
install_common_lock(struct installer *installer,
    struct plugin *const *shared, size_t count, struct text_list *find_links)
{
    char        *path;
    size_t       i;
    const char  *directory;

    if (count == 0) {
        return mem_strdup(installer->core_lock);
    }

    directory = shared[0]->environment;

    for (i = 1; i < count; i++) {
        if (strcmp(shared[i]->environment, directory) != 0) {
            return NULL;
        }
    }

    path = mem_printf("%s/%s.txt", installer->tools.locks,
                      strrchr(directory, '/') + 1);

    if (!environment_lock_has(path, installer->core_lock)) {
        free(path);
        return NULL;
    }

    for (i = 0; i < count; i++) {
        resolution_find_links(find_links, shared[i]->wheel, false);
    }

    return path;
}
