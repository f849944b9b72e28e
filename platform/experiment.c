/* SPDX-License-Identifier: MIT */
/*
 * Experiments: JSON shape, checks of input.
 */

#include "platform/experiment.h"

#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "platform/exact_json.h"


static const char *const  experiment_statuses[] = {
    "planned", "ongoing", "completed", "cancelled"
};


static void experiment_append(void *cls,
    const struct store_experiment *experiment);
static int experiment_read_text(struct call *call, json_t *body,
    const char *name, bool is_required, size_t max, char **out);
static json_t *experiment_text(const char *text);
static json_t *experiment_id(int64_t id);


json_t *
experiment_json(const struct store_experiment *experiment)
{
    char     created[32];
    char     updated[32];
    json_t  *json;
    json_t  *tags;

    time_rfc3339(experiment->created_ms, created);
    time_rfc3339(experiment->updated_ms, updated);
    tags = exact_json_load(experiment->tags, strlen(experiment->tags), NULL);

    json = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:o, s:o}",
                     "id", (json_int_t) experiment->id,
                     "name", experiment->name,
                     "experiment_type", experiment->experiment_type,
                     "status", experiment->status,
                     "created_at", created, "updated_at", updated,
                     "created_by", experiment_id(experiment->created_by),
                     "tags", tags != NULL ? tags : json_object());

    json_object_set_new(json, "parent_experiment_id",
                        experiment_id(experiment->parent_experiment_id));
    json_object_set_new(json, "project",
                        experiment_text(experiment->project));
    json_object_set_new(json, "notes", experiment_text(experiment->notes));
    json_object_set_new(json, "design_owner_plugin_id",
                        experiment_text(experiment->design_owner_plugin_id));
    json_object_set_new(json, "has_design_data",
                        json_boolean(experiment->design_owner_plugin_id
                                     != NULL));

    /* of the documented shape, without a source in this version */
    json_object_set_new(json, "experiment_code", json_null());
    json_object_set_new(json, "project_id", json_null());
    json_object_set_new(json, "custom_metadata", json_object());
    json_object_set_new(json, "start_date", json_null());
    json_object_set_new(json, "end_date", json_null());

    return json;
}


void
experiment_reply_list(struct call *call,
    const struct store_experiment_filter *filter)
{
    json_t        *list;
    int64_t        total;
    struct error   err;

    list = json_array();

    if (store_experiments(call->api->store, filter, experiment_append, list,
                          &total, &err)
        != MINT_OK)
    {
        json_decref(list);
        reply_failure(call, &err);
        return;
    }

    reply_exact(call, 200, json_pack("{s:o, s:I, s:I, s:I}", "experiments",
                                     list, "total", (json_int_t) total,
                                     "skip", (json_int_t) filter->skip,
                                     "limit", (json_int_t) filter->limit));
}


void
experiment_reply_one(struct call *call, int status, int64_t id)
{
    int                       rc;
    struct error              err;
    struct store_experiment   experiment;

    rc = store_experiment_get(call->api->store, id, &experiment, &err);

    if (rc == MINT_OK) {
        reply_exact(call, status, experiment_json(&experiment));
        store_experiment_clear(&experiment);

    } else if (rc == MINT_ERR_NOT_FOUND) {
        reply_not_found(call, "experiment", call->params.value[0]);

    } else {
        reply_failure(call, &err);
    }
}


int
experiment_read(struct call *call, json_t *body, bool is_new,
    struct store_experiment *out)
{
    json_t  *tags;

    memset(out, 0, sizeof(struct store_experiment));

    if (experiment_read_text(call, body, "name", is_new, EXPERIMENT_TEXT_MAX,
                             &out->name) != 0
        || experiment_read_text(call, body, "experiment_type", is_new,
                                EXPERIMENT_TEXT_MAX, &out->experiment_type)
           != 0
        || experiment_read_text(call, body, "status", false,
                                EXPERIMENT_TEXT_MAX, &out->status) != 0
        || experiment_read_text(call, body, "project", false,
                                EXPERIMENT_TEXT_MAX, &out->project) != 0
        || experiment_read_text(call, body, "notes", false,
                                EXPERIMENT_NOTES_MAX, &out->notes) != 0
        || call_id(call, body, "parent_experiment_id",
                   &out->parent_experiment_id) != 0
        || call_object(call, body, "tags", &tags) != 0)
    {
        return -1;
    }

    if ((out->name != NULL && out->name[0] == '\0')
        || (out->experiment_type != NULL && out->experiment_type[0] == '\0'))
    {
        reply_invalid(call, out->name != NULL && out->name[0] == '\0'
                      ? "name" : "experiment_type",
                      "Neither name nor experiment_type can be empty");
        return -1;
    }

    if (out->status != NULL && !experiment_status_known(out->status)) {
        reply_invalid(call, "status", "The status must be planned, ongoing, "
                      "completed or cancelled");
        return -1;
    }

    if (tags != NULL) {
        out->tags = exact_json_text(tags);
    }

    if (is_new && out->tags == NULL) {
        out->tags = mem_strdup("{}");
    }

    if (is_new && out->status == NULL) {
        out->status = mem_strdup("planned");
    }

    return 0;
}


bool
experiment_status_known(const char *status)
{
    size_t  i;

    for (i = 0; i < sizeof(experiment_statuses) / sizeof(char *); i++) {
        if (strcmp(experiment_statuses[i], status) == 0) {
            return true;
        }
    }

    return false;
}


static void
experiment_append(void *cls, const struct store_experiment *experiment)
{
    json_array_append_new(cls, experiment_json(experiment));
}


static int
experiment_read_text(struct call *call, json_t *body, const char *name,
    bool is_required, size_t max, char **out)
{
    const char  *text;

    if (call_text(call, body, name, is_required, max, &text) != 0) {
        return -1;
    }

    if (text != NULL) {
        *out = mem_strdup(text);
    }

    return 0;
}


static json_t *
experiment_text(const char *text)
{
    return text == NULL ? json_null() : json_string(text);
}


static json_t *
experiment_id(int64_t id)
{
    return id == 0 ? json_null() : json_integer((json_int_t) id);
}
