/* SPDX-License-Identifier: MIT */
/*
 * Plugins as the supervisor reports them, in the shape the command line
 * reads.
 */

#include <string.h>

#include "platform/resources.h"


#define PLUGINS_LINK_MS  3000


static bool plugins_is_loaded(const char *state);
static json_t *plugins_loaded(const json_t *plugin);
static json_t *plugins_installed(const json_t *plugin, bool with_error);
static void plugins_copy(json_t *to, const char *name, const json_t *from,
    const char *key);


void
plugins_list(struct call *call)
{
    size_t         i;
    bool           with_error;
    json_t        *loaded;
    json_t        *result;
    json_t        *plugin;
    json_t        *installed;
    struct error   err;

    if (link_ask(call->api->link, "plugins", NULL, PLUGINS_LINK_MS, &result,
                 &err)
        != MINT_OK)
    {
        reply_failure(call, &err);
        return;
    }

    /* a failure's text may quote a traceback */
    with_error = permission_held(call->user.permissions, "plugins.install");
    loaded = json_array();
    installed = json_array();

    json_array_foreach(json_object_get(result, "plugins"), i, plugin) {
        json_array_append_new(installed,
                              plugins_installed(plugin, with_error));

        if (plugins_is_loaded(json_string_value(json_object_get(plugin,
                                                                "state"))))
        {
            json_array_append_new(loaded, plugins_loaded(plugin));
        }
    }

    json_decref(result);
    reply_json(call, 200, json_pack("{s:o, s:o}", "loaded", loaded,
                                    "installed", installed));
}


/* states in which some version of the plugin takes requests */

static bool
plugins_is_loaded(const char *state)
{
    return state != NULL
           && (strcmp(state, "ready") == 0 || strcmp(state, "upgrading") == 0
               || strcmp(state, "resisting") == 0
               || strcmp(state, "stopped") == 0);
}


static json_t *
plugins_loaded(const json_t *plugin)
{
    json_t  *row;

    row = json_object();
    plugins_copy(row, "name", plugin, "name");
    plugins_copy(row, "version", plugin, "version");
    plugins_copy(row, "plugin_type", plugin, "plugin_type");
    plugins_copy(row, "routes_prefix", plugin, "routes_prefix");
    plugins_copy(row, "mode", plugin, "mode");
    plugins_copy(row, "state", plugin, "state");
    plugins_copy(row, "reason", plugin, "reason");
    plugins_copy(row, "has_frontend", plugin, "has_frontend");
    plugins_copy(row, "analysis_type", json_object_get(plugin, "metadata"),
                 "analysis_type");
    plugins_copy(row, "description", json_object_get(plugin, "metadata"),
                 "description");

    return row;
}


static json_t *
plugins_installed(const json_t *plugin, bool with_error)
{
    json_t  *row;

    row = json_object();
    plugins_copy(row, "package_name", plugin, "distribution");
    plugins_copy(row, "version", plugin, "version");
    plugins_copy(row, "entry_point", plugin, "name");
    plugins_copy(row, "plugin_type", plugin, "plugin_type");
    plugins_copy(row, "mode", plugin, "mode");
    plugins_copy(row, "state", plugin, "state");
    plugins_copy(row, "reason", plugin, "reason");
    plugins_copy(row, "installed_at", plugin, "installed_at");

    if (with_error) {
        plugins_copy(row, "error", plugin, "error");
    }

    return row;
}


static void
plugins_copy(json_t *to, const char *name, const json_t *from,
    const char *key)
{
    json_t  *value;

    value = json_object_get(from, key);
    json_object_set_new(to, name, value == NULL ? json_null()
                                                : json_incref(value));
}
