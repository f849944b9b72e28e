/* SPDX-License-Identifier: MIT */
/*
 * The plugins' declared dependencies as a graph over the registry, without its
 * cycles.  Says nothing of when something is started.
 */

#include "supervisor/plugin/dependencies.h"

#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/names.h"


#define DEPENDENCIES_NAME_MAX  128


/* "peak-table>=1.2" means the plugin or the distribution "peak-table" */

static struct plugin *
dependencies_find(struct registry *registry, const char *text)
{
    char            name[DEPENDENCIES_NAME_MAX + 1];
    size_t          len;
    struct plugin  *plugin;

    text += strspn(text, " ");
    len = strcspn(text, " <>=!~;[(@");

    if (len == 0 || len > DEPENDENCIES_NAME_MAX) {
        return NULL;
    }

    memcpy(name, text, len);
    name[len] = '\0';

    plugin = registry_find(registry, name);

    return plugin != NULL || !names_distribution_is_valid(name) ? plugin
           : registry_find_distribution(registry, name);
}


static const json_t *
dependencies_list(const struct plugin *plugin)
{
    return json_object_get(json_object_get(plugin->probe, "metadata"),
                           "dependencies");
}


static struct plugin *
dependencies_declared(struct registry *registry, const struct plugin *plugin,
    size_t i)
{
    const char  *text;

    text = json_string_value(json_array_get(dependencies_list(plugin), i));

    return text != NULL ? dependencies_find(registry, text) : NULL;
}


/* does "from" need "to", by whatever way?  seen: one flag a plugin id */

static bool
dependencies_reach(struct registry *registry, const struct plugin *from,
    const struct plugin *to, bool *seen)
{
    size_t          i, count;
    struct plugin  *next;

    if (from == to) {
        return true;
    }

    if (seen[from->id]) {
        return false;
    }

    seen[from->id] = true;
    count = json_array_size(dependencies_list(from));

    for (i = 0; i < count; i++) {
        next = dependencies_declared(registry, from, i);

        if (next != NULL && dependencies_reach(registry, next, to, seen)) {
            return true;
        }
    }

    return false;
}


static bool
dependencies_is_mutual(struct registry *registry, const struct plugin *from,
    const struct plugin *to)
{
    bool      *seen, is_mutual;
    size_t     count;
    uint32_t   last;

    count = registry_count(registry);
    last = registry_at(registry, count - 1)->id;
    seen = mem_alloc((last + 1) * sizeof(bool));

    is_mutual = dependencies_reach(registry, from, to, seen);
    free(seen);

    return is_mutual;
}


struct plugin *
dependencies_at(struct registry *registry, const struct plugin *plugin,
    size_t i)
{
    size_t          k, count;
    struct plugin  *other;

    count = json_array_size(dependencies_list(plugin));

    for (k = 0; k < count; k++) {
        other = dependencies_declared(registry, plugin, k);

        if (other == NULL || dependencies_is_mutual(registry, other, plugin)) {
            continue;
        }

        if (i-- == 0) {
            return other;
        }
    }

    return NULL;
}


struct plugin *
dependencies_dependant(struct registry *registry, const struct plugin *plugin,
    size_t i)
{
    size_t          k, n;
    struct plugin  *other;

    for (k = 0; k < registry_count(registry); k++) {
        other = registry_at(registry, k);

        for (n = 0; n < json_array_size(dependencies_list(other)); n++) {
            if (other != plugin
                && dependencies_declared(registry, other, n) == plugin)
            {
                break;
            }
        }

        if (n < json_array_size(dependencies_list(other)) && i-- == 0) {
            return other;
        }
    }

    return NULL;
}
