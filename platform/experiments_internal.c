/* SPDX-License-Identifier: MIT */
/*
 * Experiments, internal side: what a plugin may see and change is what the
 * user it names may, cut down to the plugin's capabilities and experiment
 * types.  Without a user it is the plugin's own right.
 */

#include <string.h>

#include "platform/caller.h"
#include "platform/experiment.h"
#include "platform/plugin_types.h"
#include "platform/resources.h"


#define EXPERIMENTS_PAGE  100


static int experiments_permitted(struct call *call, const char *permission);
static void experiments_none(struct call *call,
    const struct store_experiment_filter *filter);
static void experiments_add(struct call *call, json_t *body,
    const struct plugin_types *types);
static void experiments_change(struct call *call, json_t *body, int64_t id,
    const struct plugin_types *types);


void
experiments_internal_list(struct call *call)
{
    struct error                     err;
    struct plugin_types              types;
    struct store_experiment_filter   filter;

    memset(&filter, 0, sizeof(filter));
    filter.limit = EXPERIMENTS_PAGE;

    if (call_query_integer(call, "skip", 0, EXPERIMENT_SKIP_MAX,
                           &filter.skip) != 0
        || call_query_integer(call, "limit", 1, EXPERIMENT_PAGE_MAX,
                              &filter.limit) != 0
        || call_query_integer(call, "created_by", 1, INT64_MAX,
                              &filter.created_by) != 0
        || call_query_integer(call, "parent_experiment_id", 1, INT64_MAX,
                              &filter.parent_experiment_id) != 0)
    {
        return;
    }

    if (call->has_user
        && !permission_held(call->user.permissions, "experiments.view"))
    {
        experiments_none(call, &filter);
        return;
    }

    if (plugin_types_load(call, &types, &err) != MINT_OK) {
        reply_failure(call, &err);
        return;
    }

    filter.status = http_query(call->http, "status");
    filter.experiment_type = http_query(call->http, "experiment_type");
    filter.project = http_query(call->http, "project");
    filter.search = http_query(call->http, "search");
    filter.has_types = types.is_restricted;
    filter.types = types.name;
    filter.types_count = types.count;

    experiment_reply_list(call, &filter);
    plugin_types_clear(&types);
}


void
experiments_internal_get(struct call *call)
{
    struct store_experiment  experiment;

    if (plugin_types_visible(call, call_param_id(call, 0), &experiment) == 0) {
        reply_exact(call, 200, experiment_json(&experiment));
        store_experiment_clear(&experiment);
    }
}


void
experiments_internal_create(struct call *call)
{
    json_t               *body;
    struct error          err;
    struct plugin_types   types;

    if (!caller_may(call, CAPABILITY_EXPERIMENT_CRUD)
        || experiments_permitted(call, "experiments.create") != 0)
    {
        return;
    }

    body = call_body(call);

    if (body == NULL) {
        return;
    }

    if (plugin_types_load(call, &types, &err) == MINT_OK) {
        experiments_add(call, body, &types);
        plugin_types_clear(&types);
    } else {
        reply_failure(call, &err);
    }

    json_decref(body);
}


void
experiments_internal_update(struct call *call)
{
    json_t                   *body;
    int64_t                   id;
    struct error              err;
    struct plugin_types       types;
    struct store_experiment   current;

    id = call_param_id(call, 0);

    if (!caller_may(call, CAPABILITY_EXPERIMENT_CRUD)
        || experiments_permitted(call, "experiments.edit") != 0
        || plugin_types_visible(call, id, &current) != 0)
    {
        return;
    }

    store_experiment_clear(&current);
    body = call_body(call);

    if (body == NULL) {
        return;
    }

    if (plugin_types_load(call, &types, &err) == MINT_OK) {
        experiments_change(call, body, id, &types);
        plugin_types_clear(&types);
    } else {
        reply_failure(call, &err);
    }

    json_decref(body);
}


void
experiments_internal_delete(struct call *call)
{
    int                       rc;
    int64_t                   id;
    struct error              err;
    struct store_experiment   current;

    id = call_param_id(call, 0);

    if (!caller_may(call, CAPABILITY_EXPERIMENT_CRUD)
        || experiments_permitted(call, "experiments.delete") != 0
        || plugin_types_visible(call, id, &current) != 0)
    {
        return;
    }

    store_experiment_clear(&current);
    rc = store_experiment_delete(call->api->store, id, &err);

    if (rc == MINT_OK) {
        reply_json(call, 200, json_pack("{s:b}", "deleted", 1));

    } else if (rc == MINT_ERR_NOT_FOUND) {
        reply_not_found(call, "experiment", call->params.value[0]);

    } else {
        reply_failure(call, &err);
    }
}


static int
experiments_permitted(struct call *call, const char *permission)
{
    if (!call->has_user || permission_held(call->user.permissions, permission))
    {
        return 0;
    }

    reply_forbidden(call, permission);

    return -1;
}


/* invisible is not listed */

static void
experiments_none(struct call *call,
    const struct store_experiment_filter *filter)
{
    reply_json(call, 200, json_pack("{s:[], s:i, s:I, s:I}", "experiments",
                                    "total", 0, "skip",
                                    (json_int_t) filter->skip, "limit",
                                    (json_int_t) filter->limit));
}


static void
experiments_add(struct call *call, json_t *body,
    const struct plugin_types *types)
{
    int                       rc;
    int64_t                   creator;
    struct error              err;
    struct store_experiment   experiment;

    memset(&experiment, 0, sizeof(experiment));
    creator = 0;

    if (experiment_read(call, body, true, &experiment) == 0
        && call_id(call, body, "created_by", &creator) == 0
        && plugin_types_allow(call, types, experiment.experiment_type) == 0)
    {
        if (creator == 0 && call->has_user) {
            creator = call->user.id;
        }

        experiment.created_by = creator;
        rc = store_experiment_create(call->api->store, &experiment, &err);

        if (rc == MINT_OK) {
            reply_exact(call, 200, experiment_json(&experiment));

        } else if (rc == MINT_ERR_INVALID) {
            reply_invalid(call, err.text, "Field %s names nothing that "
                          "exists", err.text);

        } else {
            reply_failure(call, &err);
        }
    }

    store_experiment_clear(&experiment);
}


static void
experiments_change(struct call *call, json_t *body, int64_t id,
    const struct plugin_types *types)
{
    int                       rc;
    struct error              err;
    struct store_experiment   change;

    memset(&change, 0, sizeof(change));

    if (experiment_read(call, body, false, &change) == 0
        && (change.experiment_type == NULL
            || plugin_types_allow(call, types, change.experiment_type) == 0))
    {
        rc = store_experiment_update(call->api->store, id, &change, &err);

        if (rc == MINT_OK || rc == MINT_ERR_NOT_FOUND) {
            experiment_reply_one(call, 200, id);

        } else if (rc == MINT_ERR_INVALID) {
            reply_invalid(call, err.text, "Field %s names nothing that "
                          "exists, or this experiment or one below it",
                          err.text);

        } else {
            reply_failure(call, &err);
        }
    }

    store_experiment_clear(&change);
}
