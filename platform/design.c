/* SPDX-License-Identifier: MIT */
/*
 * Design data of an experiment: one JSON object, owned by one plugin.  The
 * text is stored and sent as it came, numbers included.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "platform/caller.h"
#include "platform/exact_json.h"
#include "platform/plugin_types.h"
#include "platform/resources.h"


#define DESIGN_VERSION_MAX  64


static int design_enter(struct call *call, const char *permission,
    int64_t *id_out);
static void design_write(struct call *call, json_t *body, int64_t id);
static void design_reply(struct call *call, int64_t id);
static void design_reply_owner(struct call *call, int64_t id,
    const char *owner);


void
design_get(struct call *call)
{
    int64_t                   id;
    struct store_experiment   experiment;

    id = call_param_id(call, 0);

    if (plugin_types_visible(call, id, &experiment) == 0) {
        store_experiment_clear(&experiment);
        design_reply(call, id);
    }
}


void
design_put(struct call *call)
{
    json_t   *body;
    int64_t   id;

    if (design_enter(call, "experiments.edit", &id) != 0) {
        return;
    }

    body = call_body(call);

    if (body != NULL) {
        design_write(call, body, id);
        json_decref(body);
    }
}


void
design_delete(struct call *call)
{
    int            rc;
    char          *owner;
    int64_t        id;
    struct error   err;

    if (design_enter(call, "experiments.edit", &id) != 0) {
        return;
    }

    rc = store_design_delete(call->api->store, id, call->plugin->name, &owner,
                             &err);

    if (rc == MINT_OK) {
        reply_json(call, 200, json_pack("{s:b}", "deleted", 1));

    } else if (rc == MINT_ERR_CONFLICT) {
        design_reply_owner(call, id, owner);

    } else if (rc == MINT_ERR_NOT_FOUND) {
        reply_not_found(call, "design data", call->params.value[0]);

    } else {
        reply_failure(call, &err);
    }

    free(owner);
}


static int
design_enter(struct call *call, const char *permission, int64_t *id_out)
{
    struct store_experiment  experiment;

    if (!caller_may(call, CAPABILITY_DESIGN_DATA_WRITE)) {
        return -1;
    }

    if (call->has_user && !permission_held(call->user.permissions, permission))
    {
        reply_forbidden(call, permission);
        return -1;
    }

    *id_out = call_param_id(call, 0);

    if (plugin_types_visible(call, *id_out, &experiment) != 0) {
        return -1;
    }

    store_experiment_clear(&experiment);

    return 0;
}


static void
design_write(struct call *call, json_t *body, int64_t id)
{
    int                   rc;
    char                 *owner;
    json_t               *data;
    const char           *plugin;
    const char           *version;
    struct error          err;
    struct store_design   design;

    if (call_text(call, body, "plugin_id", true, 255, &plugin) != 0
        || call_text(call, body, "schema_version", false, DESIGN_VERSION_MAX,
                     &version) != 0
        || call_object(call, body, "data", &data) != 0)
    {
        return;
    }

    if (data == NULL) {
        reply_invalid(call, "data", "Field data is required");
        return;
    }

    if (strcmp(plugin, call->plugin->name) != 0) {
        reply_error(call, 403, "PERMISSION_DENIED",
                    json_pack("{s:s, s:s, s:s}", "required_permission",
                              "design_data.self", "requested_plugin_id",
                              plugin, "own_plugin_id", call->plugin->name),
                    "A plugin can only write its own design data");
        return;
    }

    memset(&design, 0, sizeof(design));
    design.experiment_id = id;
    design.plugin_id = mem_strdup(plugin);
    design.schema_version = mem_strdup(version == NULL ? "1.0" : version);
    design.data = exact_json_text(data);

    rc = store_design_put(call->api->store, &design, &owner, &err);
    store_design_clear(&design);

    if (rc == MINT_OK) {
        design_reply(call, id);

    } else if (rc == MINT_ERR_CONFLICT) {
        design_reply_owner(call, id, owner);

    } else if (rc == MINT_ERR_NOT_FOUND) {
        reply_not_found(call, "experiment", call->params.value[0]);

    } else {
        reply_failure(call, &err);
    }

    free(owner);
}


static void
design_reply(struct call *call, int64_t id)
{
    int                   rc;
    char                  created[32];
    char                  updated[32];
    json_t               *version;
    json_t               *plugin;
    struct error          err;
    struct strbuf         json = { 0 };
    struct store_design   design;

    rc = store_design_get(call->api->store, id, &design, &err);

    if (rc == MINT_ERR_NOT_FOUND) {
        reply_not_found(call, "design data", call->params.value[0]);
        return;
    }

    if (rc != MINT_OK) {
        reply_failure(call, &err);
        return;
    }

    time_rfc3339(design.created_ms, created);
    time_rfc3339(design.updated_ms, updated);
    plugin = json_string(design.plugin_id);
    version = json_string(design.schema_version);

    strbuf_printf(&json, "{\"id\":%lld,\"experiment_id\":%lld,"
                  "\"created_at\":\"%s\",\"updated_at\":\"%s\","
                  "\"plugin_id\":", (long long) id, (long long) id, created,
                  updated);
    exact_json_dump(plugin, &json);
    strbuf_puts(&json, ",\"schema_version\":");
    exact_json_dump(version, &json);
    strbuf_puts(&json, ",\"data\":");
    strbuf_puts(&json, design.data);
    strbuf_puts(&json, "}");

    json_decref(plugin);
    json_decref(version);
    store_design_clear(&design);
    reply_text(call, 200, &json);
}


static void
design_reply_owner(struct call *call, int64_t id, const char *owner)
{
    reply_error(call, 409, "DESIGN_DATA_OWNERSHIP_CONFLICT",
                json_pack("{s:I, s:s, s:s}", "experiment_id", (json_int_t) id,
                          "current_owner_plugin_id", owner,
                          "requested_owner_plugin_id", call->plugin->name),
                "The design data of experiment %lld belongs to plugin %s",
                (long long) id, owner);
}
