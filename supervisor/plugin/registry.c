/* SPDX-License-Identifier: MIT */
/*
 * The registry of installed plugins: reading its file at start, looking up,
 * subscribers and the one setter of state.  Changes are in registry_change.c.
 */

#include "supervisor/plugin/registry.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/names.h"
#include "supervisor/plugin/plugin_record.h"
#include "supervisor/plugin/plugin_state.h"
#include "supervisor/plugin/registry_private.h"


static int registry_load(struct registry *registry, struct error *err);
static int registry_load_plugins(struct registry *registry,
    const json_t *list, struct error *err);
static int registry_number(struct registry *registry, struct plugin *plugin,
    struct error *err);


int
registry_open(struct registry **out, const char *data_path,
    uint32_t uid_first, uint32_t uid_last, struct error *err)
{
    int               rc;
    struct registry  *registry;

    registry = mem_alloc(sizeof(struct registry));
    registry->path = mem_printf("%s/registry.json", data_path);
    registry->uid_first = uid_first;
    registry->uid_last = uid_last;
    registry->next_id = 1;

    rc = registry_load(registry, err);

    if (rc != 0) {
        error_prefix(err, "\"%s\" cannot be used", registry->path);
        registry_free(&registry);
        return rc;
    }

    *out = registry;

    return 0;
}


void
registry_free(struct registry **registry)
{
    size_t            i;
    struct registry  *r;

    r = *registry;

    if (r == NULL) {
        return;
    }

    for (i = 0; i < r->count; i++) {
        plugin_clear(r->plugins[i]);
        free(r->plugins[i]);
    }

    registry_departed_free(r);
    free(r->plugins);
    free(r->path);
    free(r);

    *registry = NULL;
}


static int
registry_load(struct registry *registry, struct error *err)
{
    int            rc;
    size_t         i;
    json_t        *root, *next, *list;
    struct error   why;
    json_error_t   where;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    rc = fs_read(registry->path, REGISTRY_FILE_MAX, &text, &why);

    if (rc == MINT_ERR_NOT_FOUND) {
        return 0;
    }

    if (rc != 0) {
        return error_set(err, rc, "%s", why.text);
    }

    root = json_loadb(strbuf_text(&text), text.len, JSON_REJECT_DUPLICATES,
                      &where);
    explicit_bzero(text.data, text.len);
    strbuf_free(&text);

    if (root == NULL) {
        return error_set(err, MINT_ERR_INVALID, "line %d, column %d: %s",
                         where.line, where.column, where.text);
    }

    next = json_object_get(root, "next_id");
    list = json_object_get(root, "plugins");

    if (json_integer_value(json_object_get(root, "format"))
        != REGISTRY_FORMAT)
    {
        rc = error_set(err, MINT_ERR_INVALID, "format: expected %d",
                       REGISTRY_FORMAT);

    } else if (!json_is_integer(next) || json_integer_value(next) < 1
               || json_integer_value(next) >= UINT32_MAX)
    {
        rc = error_set(err, MINT_ERR_INVALID,
                       "next_id: expected a number from 1");

    } else {
        registry->next_id = (uint32_t) json_integer_value(next);
        rc = registry_load_plugins(registry, list, err);

        if (rc == 0) {
            rc = registry_departed_load(registry, json_object_get(root,
                                        "departed"), err);
        }
    }

    for (i = 0; i < json_array_size(list); i++) {
        plugin_record_wipe(json_array_get(list, i));
    }

    json_decref(root);

    return rc;
}


static int
registry_compare(const void *a, const void *b)
{
    const struct plugin  *x = *(struct plugin *const *) a;
    const struct plugin  *y = *(struct plugin *const *) b;

    return x->id < y->id ? -1 : x->id > y->id;
}


static int
registry_load_plugins(struct registry *registry, const json_t *list,
    struct error *err)
{
    int             rc;
    size_t          i;
    struct plugin  *plugin;

    if (!json_is_array(list)) {
        return error_set(err, MINT_ERR_INVALID, "plugins: expected a list");
    }

    registry->plugins = mem_grow(NULL, json_array_size(list) + 1,
                                 sizeof(struct plugin *));

    for (i = 0; i < json_array_size(list); i++) {
        plugin = mem_alloc(sizeof(struct plugin));

        rc = plugin_record_decode(json_array_get(list, i), plugin, err);

        if (rc == 0
            && (registry_find(registry, plugin->name) != NULL
                || registry_find_id(registry, plugin->id) != NULL))
        {
            rc = error_set(err, MINT_ERR_INVALID,
                           "name \"%s\" or id %u is there twice",
                           plugin->name, plugin->id);
        }

        if (rc == 0) {
            rc = registry_check_unique(registry->plugins, registry->count,
                                       plugin, err);
        }

        if (rc == 0) {
            rc = registry_number(registry, plugin, err);
        }

        if (rc == 0 && plugin->former != NULL) {
            plugin->former->uid = plugin->uid;
        }

        if (rc != 0) {
            error_prefix(err, "plugins[%zu]", i);
            plugin_clear(plugin);
            free(plugin);
            return rc;
        }

        plugin->state = PLUGIN_REGISTERED;
        registry->plugins[registry->count++] = plugin;
    }

    qsort(registry->plugins, registry->count, sizeof(struct plugin *),
          registry_compare);

    return 0;
}


/* a plugin must never run under the supervisor's own uid for want of one */

static int
registry_number(struct registry *registry, struct plugin *plugin,
    struct error *err)
{
    if (plugin->id >= registry->next_id) {
        return error_set(err, MINT_ERR_INVALID,
                         "id: %u is not below next_id, %u", plugin->id,
                         registry->next_id);
    }

    if (registry->uid_first == 0) {
        plugin->uid = UINT32_MAX;
        return 0;
    }

    if (plugin->uid >= registry->uid_first
        && plugin->uid <= registry->uid_last)
    {
        return 0;
    }

    return registry_uid(registry, plugin->id, &plugin->uid, err);
}


void
registry_subscribe(struct registry *registry, registry_listener_fn fn,
    void *ctx)
{
    if (registry->listener_count == REGISTRY_LISTENERS_MAX) {
        log_error("too many subscribers of the registry");
        abort();
    }

    registry->listeners[registry->listener_count].fn = fn;
    registry->listeners[registry->listener_count].ctx = ctx;
    registry->listener_count++;
}


size_t
registry_count(const struct registry *registry)
{
    return registry->count;
}


struct plugin *
registry_at(struct registry *registry, size_t i)
{
    return i < registry->count ? registry->plugins[i] : NULL;
}


struct plugin *
registry_find(struct registry *registry, const char *name)
{
    size_t  i;

    for (i = 0; i < registry->count; i++) {
        if (strcmp(registry->plugins[i]->name, name) == 0) {
            return registry->plugins[i];
        }
    }

    return NULL;
}


struct plugin *
registry_find_id(struct registry *registry, uint32_t id)
{
    size_t  i;

    for (i = 0; i < registry->count; i++) {
        if (registry->plugins[i]->id == id) {
            return registry->plugins[i];
        }
    }

    return NULL;
}


struct plugin *
registry_find_after(struct registry *registry, uint32_t id)
{
    size_t  i;

    for (i = 0; i < registry->count; i++) {
        if (registry->plugins[i]->id > id) {
            return registry->plugins[i];
        }
    }

    return NULL;
}


struct plugin *
registry_find_distribution(struct registry *registry,
    const char *distribution)
{
    size_t  i;

    for (i = 0; i < registry->count; i++) {
        if (names_same_distribution(registry->plugins[i]->distribution,
                                    distribution))
        {
            return registry->plugins[i];
        }
    }

    return NULL;
}


struct plugin *
registry_find_prefix(struct registry *registry, const char *prefix)
{
    size_t  i;

    for (i = 0; i < registry->count; i++) {
        if (strcmp(registry->plugins[i]->routes_prefix, prefix) == 0) {
            return registry->plugins[i];
        }
    }

    return NULL;
}


int
plugin_set_state(struct registry *registry, struct plugin *plugin,
    enum plugin_state state, const char *error_text)
{
    bool               same_text;
    enum plugin_state  old;
    struct log_fields  fields = { .plugin = plugin->name };

    old = plugin->state;
    same_text = error_text == NULL
                ? plugin->error == NULL
                : plugin->error != NULL
                  && strcmp(plugin->error, error_text) == 0;

    if (state == old && same_text) {
        return 0;
    }

    if (state != old && !plugin_state_may_follow(old, state)) {
        log_write(LOG_LEVEL_ERROR, &fields, "state \"%s\" cannot follow "
                  "\"%s\"", plugin_state_name(state),
                  plugin_state_name(old));
        return MINT_ERR_CONFLICT;
    }

    free(plugin->error);
    plugin->error = error_text != NULL ? mem_strdup(error_text) : NULL;
    plugin->state = state;
    plugin->has_served |= state == PLUGIN_READY;

    if (state != old) {
        log_write(LOG_LEVEL_INFO, &fields, "state \"%s\" -> \"%s\"%s%s",
                  plugin_state_name(old), plugin_state_name(state),
                  error_text != NULL ? ": " : "",
                  error_text != NULL ? error_text : "");
    }

    registry_tell(registry, REGISTRY_STATE, plugin);

    return 0;
}


void
registry_tell(struct registry *registry, enum registry_event event,
    struct plugin *plugin)
{
    size_t  i;

    for (i = 0; i < registry->listener_count; i++) {
        registry->listeners[i].fn(registry->listeners[i].ctx, event, plugin);
    }
}
