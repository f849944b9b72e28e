/* SPDX-License-Identifier: MIT */
/*
 * Experiment types of a calling plugin.
 */

#include "platform/plugin_types.h"

#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"


struct plugin_types_stored {
    bool     is_set;
    json_t  *value;
};


static void plugin_types_setting(void *cls, const char *key,
    const char *value_json);
static bool plugin_types_hold(const struct plugin_types *types,
    const char *experiment_type);


int
plugin_types_load(struct call *call, struct plugin_types *out,
    struct error *err)
{
    int                          rc;
    size_t                       i;
    json_t                      *item;
    const char                 **names;
    struct plugin_types_stored   stored;

    memset(out, 0, sizeof(struct plugin_types));
    memset(&stored, 0, sizeof(stored));

    rc = store_settings(call->api->store, call->plugin->name,
                        plugin_types_setting, &stored, err);

    if (rc != MINT_OK) {
        json_decref(stored.value);
        return rc;
    }

    if (!stored.is_set) {
        stored.value = json_incref(call->plugin->experiment_types);
    }

    if (!json_is_array(stored.value)) {
        json_decref(stored.value);
        return MINT_OK;
    }

    out->is_restricted = true;
    out->list = stored.value;
    names = mem_alloc((json_array_size(stored.value) + 1) * sizeof(char *));

    json_array_foreach(stored.value, i, item) {
        if (json_is_string(item)) {
            names[out->count++] = json_string_value(item);
        }
    }

    out->name = names;

    return MINT_OK;
}


void
plugin_types_clear(struct plugin_types *types)
{
    free((void *) (uintptr_t) types->name);
    json_decref(types->list);
    memset(types, 0, sizeof(struct plugin_types));
}


int
plugin_types_allow(struct call *call, const struct plugin_types *types,
    const char *experiment_type)
{
    if (plugin_types_hold(types, experiment_type)) {
        return 0;
    }

    reply_error(call, 403, "EXPERIMENT_TYPE_NOT_ALLOWED",
                json_pack("{s:s, s:O}", "experiment_type", experiment_type,
                          "allowed_experiment_types", types->list),
                "Plugin %s may not use experiments of type %.100s",
                call->plugin->name, experiment_type);

    return -1;
}


int
plugin_types_visible(struct call *call, int64_t id,
    struct store_experiment *out)
{
    int                   rc;
    bool                  is_visible;
    struct error          err;
    struct plugin_types   types;

    rc = id == 0 ? MINT_ERR_NOT_FOUND
                 : store_experiment_get(call->api->store, id, out, &err);

    if (rc == MINT_OK) {
        rc = plugin_types_load(call, &types, &err);

        if (rc != MINT_OK) {
            store_experiment_clear(out);
        }
    }

    if (rc == MINT_OK) {
        is_visible = plugin_types_hold(&types, out->experiment_type)
                     && (!call->has_user
                         || permission_held(call->user.permissions,
                                            "experiments.view"));
        plugin_types_clear(&types);

        if (is_visible) {
            return 0;
        }

        store_experiment_clear(out);
        rc = MINT_ERR_NOT_FOUND;
    }

    if (rc == MINT_ERR_NOT_FOUND) {
        reply_not_found(call, "experiment", call->params.value[0]);
    } else {
        reply_failure(call, &err);
    }

    return -1;
}


static void
plugin_types_setting(void *cls, const char *key, const char *value_json)
{
    struct plugin_types_stored  *stored;

    stored = cls;

    if (strcmp(key, PLUGIN_TYPES_KEY) == 0) {
        stored->is_set = true;
        stored->value = json_loads(value_json, JSON_DECODE_ANY, NULL);
    }
}


static bool
plugin_types_hold(const struct plugin_types *types,
    const char *experiment_type)
{
    size_t  i;

    for (i = 0; i < types->count; i++) {
        if (strcmp(types->name[i], experiment_type) == 0) {
            return true;
        }
    }

    return !types->is_restricted;
}
