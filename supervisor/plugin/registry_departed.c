/* SPDX-License-Identifier: MIT */
/*
 * Plugins that leave the registry, and what is kept of those that have left:
 * their data still belong to the id that they had, and to its uid.
 */

#include "supervisor/plugin/registry.h"

#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/names.h"
#include "supervisor/plugin/registry_private.h"


static void registry_departed_add(struct registry *registry,
    const struct plugin *plugin);
static void registry_departed_take(struct registry *registry,
    const char *name, struct departed *out);
static void registry_departed_clear(struct departed *departed);
static int registry_departed_decode(const json_t *entry,
    const struct registry *registry, struct departed *out, struct error *err);


int
registry_set_removal(struct registry *registry, struct plugin *plugin,
    enum plugin_removal removal, struct error *err)
{
    int                  rc;
    bool                 was_stopped;
    enum plugin_removal  was;

    was = plugin->removal;
    was_stopped = plugin->is_stopped;

    if (was == removal && was_stopped) {
        return 0;
    }

    plugin->removal = removal;
    plugin->is_stopped = true;
    rc = registry_save_now(registry, err);

    if (rc != 0) {
        plugin->removal = was;
        plugin->is_stopped = was_stopped;
    }

    return rc;
}


int
registry_remove(struct registry *registry, struct plugin *plugin,
    struct error *err)
{
    int                     rc;
    size_t                  i;
    struct departed         gone;
    struct registry_change  change;

    memset(&change, 0, sizeof(change));
    change.removed = plugin;
    change.next_id = registry->next_id;

    registry_departed_add(registry, plugin);
    rc = registry_save(registry, &change, err);

    if (rc != 0) {
        registry_departed_take(registry, plugin->name, &gone);
        registry_departed_clear(&gone);
        return rc;
    }

    for (i = 0; registry->plugins[i] != plugin; i++) {
        /* void */
    }

    registry->count--;
    memmove(&registry->plugins[i], &registry->plugins[i + 1],
            (registry->count - i) * sizeof(struct plugin *));

    registry_tell(registry, REGISTRY_REMOVED, plugin);
    plugin_free(&plugin);

    return 0;
}


/* ---- those that have left --------------------------------------------- */

const struct departed *
registry_departed_named(const struct registry *registry, const char *name)
{
    return registry_departed_at(registry, name);
}


const struct departed *
registry_find_departed(const struct registry *registry, const char *name)
{
    size_t                  i;
    const struct departed  *departed;

    departed = registry_departed_at(registry, name);

    for (i = 0; departed == NULL && i < registry->departed_count; i++) {
        if (names_same_distribution(registry->departed[i].distribution, name))
        {
            departed = &registry->departed[i];
        }
    }

    return departed;
}


const struct departed *
registry_to_purge(const struct registry *registry, size_t i)
{
    size_t  k;

    for (k = 0; k < registry->departed_count; k++) {
        if (registry->departed[k].is_purged && i-- == 0) {
            return &registry->departed[k];
        }
    }

    return NULL;
}


int
registry_purge(struct registry *registry, const char *name, struct error *err)
{
    int               rc;
    struct departed  *departed;

    departed = registry_departed_at(registry, name);

    if (departed == NULL || departed->is_purged) {
        return 0;
    }

    departed->is_purged = true;
    rc = registry_save_now(registry, err);
    departed->is_purged = rc == 0;

    return rc;
}


int
registry_purged(struct registry *registry, const char *name,
    struct error *err)
{
    int              rc;
    struct departed  gone;

    if (registry_departed_at(registry, name) == NULL) {
        return 0;
    }

    registry_departed_take(registry, name, &gone);
    rc = registry_save_now(registry, err);

    if (rc != 0) {
        registry->departed[registry->departed_count++] = gone;
        return rc;
    }

    registry_departed_clear(&gone);

    return 0;
}


struct departed *
registry_departed_at(const struct registry *registry, const char *name)
{
    size_t  i;

    for (i = 0; i < registry->departed_count; i++) {
        if (strcmp(registry->departed[i].name, name) == 0) {
            return &registry->departed[i];
        }
    }

    return NULL;
}


int
registry_departed_check(const struct registry *registry, const char *name,
    struct error *err)
{
    const struct departed  *departed;

    departed = registry_departed_at(registry, name);

    return departed != NULL && departed->is_purged
           ? error_set(err, MINT_ERR_CONFLICT, "what an uninstalled plugin "
                       "\"%s\" has left is being removed; install it when "
                       "that is done", name)
           : 0;
}


static void
registry_departed_push(struct registry *registry, struct departed *departed)
{
    registry->departed = mem_grow(registry->departed,
                                  registry->departed_count + 1,
                                  sizeof(struct departed));
    registry->departed[registry->departed_count++] = *departed;
}


static void
registry_departed_add(struct registry *registry, const struct plugin *plugin)
{
    struct departed  departed;

    departed.name = mem_strdup(plugin->name);
    departed.distribution = mem_strdup(plugin->distribution);
    departed.id = plugin->id;
    departed.is_purged = plugin->removal == PLUGIN_PURGE;

    registry_departed_push(registry, &departed);
}


/* out of the list, whose room stays as it is */

static void
registry_departed_take(struct registry *registry, const char *name,
    struct departed *out)
{
    struct departed  *departed;

    departed = registry_departed_at(registry, name);
    *out = *departed;
    *departed = registry->departed[--registry->departed_count];
}


void
registry_departed_drop(struct registry *registry, const char *name)
{
    struct departed  gone;

    if (registry_departed_at(registry, name) != NULL) {
        registry_departed_take(registry, name, &gone);
        registry_departed_clear(&gone);
    }
}


static void
registry_departed_clear(struct departed *departed)
{
    free(departed->name);
    free(departed->distribution);
    memset(departed, 0, sizeof(struct departed));
}


void
registry_departed_free(struct registry *registry)
{
    while (registry->departed_count > 0) {
        registry_departed_clear(
                           &registry->departed[--registry->departed_count]);
    }

    free(registry->departed);
    registry->departed = NULL;
}


/* ---- in the file -------------------------------------------------------- */

json_t *
registry_departed_encode(const struct registry *registry,
    const struct registry_change *change)
{
    bool                    is_back;
    size_t                  i, k;
    json_t                 *list;
    const struct departed  *departed;

    list = json_array();

    for (i = 0; i < registry->departed_count; i++) {
        departed = &registry->departed[i];
        is_back = false;

        for (k = 0; k < change->count; k++) {
            is_back = is_back || strcmp(change->fresh[k]->name,
                                        departed->name) == 0;
        }

        if (!is_back) {
            json_array_append_new(list, json_pack(
                "{s:s, s:s, s:I, s:b}",
                "name", departed->name,
                "distribution", departed->distribution,
                "id", (json_int_t) departed->id,
                "purged", departed->is_purged));
        }
    }

    return list;
}


/* NULL: of a version that did not know of any */

int
registry_departed_load(struct registry *registry, const json_t *list,
    struct error *err)
{
    int              rc;
    size_t           i;
    json_t          *entry;
    struct departed  departed;

    if (list != NULL && !json_is_array(list)) {
        return error_set(err, MINT_ERR_INVALID, "departed: expected a list");
    }

    json_array_foreach(list, i, entry) {
        rc = registry_departed_decode(entry, registry, &departed, err);

        if (rc != 0) {
            return error_prefix(err, "departed[%zu]", i);
        }

        registry_departed_push(registry, &departed);
    }

    return 0;
}


static int
registry_departed_decode(const json_t *entry,
    const struct registry *registry, struct departed *out, struct error *err)
{
    const char  *name, *distribution;
    json_int_t   id;

    name = json_string_value(json_object_get(entry, "name"));
    distribution = json_string_value(json_object_get(entry, "distribution"));
    id = json_integer_value(json_object_get(entry, "id"));

    if (name == NULL || !names_plugin_is_valid(name)) {
        return error_set(err, MINT_ERR_INVALID, "name: not a plugin's name");
    }

    if (distribution == NULL || !names_distribution_is_valid(distribution)) {
        return error_set(err, MINT_ERR_INVALID,
                         "distribution: not a distribution's name");
    }

    if (id < 1 || id >= registry->next_id) {
        return error_set(err, MINT_ERR_INVALID,
                         "id: expected a number below next_id");
    }

    if (registry_departed_at(registry, name) != NULL) {
        return error_set(err, MINT_ERR_INVALID, "\"%s\" is there twice",
                         name);
    }

    out->name = mem_strdup(name);
    out->distribution = mem_strdup(distribution);
    out->id = (uint32_t) id;
    out->is_purged = json_is_true(json_object_get(entry, "purged"));

    return 0;
}
