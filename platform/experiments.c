/* SPDX-License-Identifier: MIT */
/*
 * Experiments, public side: list, read, create.  Everyone with
 * experiments.view sees all of them (visibility mode "open").
 */

#include <string.h>

#include "platform/experiment.h"
#include "platform/resources.h"
#include "platform/time_text.h"


#define EXPERIMENTS_PAGE  100


static int experiments_flag(struct call *call, const char *name, bool *out);
static int experiments_time(struct call *call, const char *name,
    uint64_t *out);
static int experiments_sort(struct call *call,
    struct store_experiment_filter *filter);
static bool experiments_wants_project(struct call *call, json_t *body);


void
experiments_list(struct call *call)
{
    bool                             is_mine;
    struct store_experiment_filter   filter;

    memset(&filter, 0, sizeof(filter));
    filter.limit = EXPERIMENTS_PAGE;
    is_mine = false;

    if (http_query(call->http, "project_id") != NULL) {
        reply_not_built(call, "Selecting experiments by project_id");
        return;
    }

    if (call_query_integer(call, "skip", 0, EXPERIMENT_SKIP_MAX,
                           &filter.skip) != 0
        || call_query_integer(call, "limit", 1, EXPERIMENT_PAGE_MAX,
                              &filter.limit) != 0
        || experiments_flag(call, "mine", &is_mine) != 0
        || experiments_time(call, "created_after", &filter.created_after_ms)
           != 0
        || experiments_time(call, "created_before",
                            &filter.created_before_ms) != 0
        || experiments_sort(call, &filter) != 0)
    {
        return;
    }

    filter.status = http_query(call->http, "status");
    filter.experiment_type = http_query(call->http, "experiment_type");
    filter.search = http_query(call->http, "search");
    filter.created_by = is_mine ? call->user.id : 0;

    if (filter.status != NULL && !experiment_status_known(filter.status)) {
        reply_invalid(call, "status", "The status must be planned, ongoing, "
                      "completed or cancelled");
        return;
    }

    experiment_reply_list(call, &filter);
}


void
experiments_get(struct call *call)
{
    experiment_reply_one(call, 200, call_param_id(call, 0));
}


void
experiments_create(struct call *call)
{
    int                       rc;
    json_t                   *body;
    struct error              err;
    struct store_experiment   experiment;

    body = call_body(call);

    if (body == NULL) {
        return;
    }

    memset(&experiment, 0, sizeof(experiment));

    if (!experiments_wants_project(call, body)
        && experiment_read(call, body, true, &experiment) == 0)
    {
        experiment.created_by = call->user.id;
        rc = store_experiment_create(call->api->store, &experiment, &err);

        if (rc == MINT_OK) {
            reply_exact(call, 201, experiment_json(&experiment));

        } else if (rc == MINT_ERR_INVALID) {
            reply_invalid(call, err.text, "Field %s names nothing that "
                          "exists", err.text);

        } else {
            reply_failure(call, &err);
        }
    }

    store_experiment_clear(&experiment);
    json_decref(body);
}


/* true, and the call has been answered */

static bool
experiments_wants_project(struct call *call, json_t *body)
{
    json_t  *project;

    project = json_object_get(body, "project_id");

    if (project == NULL || json_is_null(project)) {
        return false;
    }

    reply_not_built(call, "Putting an experiment into a project");

    return true;
}


static int
experiments_flag(struct call *call, const char *name, bool *out)
{
    const char  *text;

    text = http_query(call->http, name);

    if (text == NULL || strcmp(text, "false") == 0 || strcmp(text, "0") == 0) {
        return 0;
    }

    if (strcmp(text, "true") != 0 && strcmp(text, "1") != 0) {
        reply_invalid(call, name, "Argument %s must be true or false", name);
        return -1;
    }

    *out = true;

    return 0;
}


static int
experiments_time(struct call *call, const char *name, uint64_t *out)
{
    const char  *text;

    text = http_query(call->http, name);

    if (text != NULL && time_text_parse(text, out) != 0) {
        reply_invalid(call, name, "Argument %s must be a date (YYYY-MM-DD) or "
                      "an ISO 8601 time", name);
        return -1;
    }

    return 0;
}


static int
experiments_sort(struct call *call, struct store_experiment_filter *filter)
{
    const char  *by;
    const char  *order;

    by = http_query(call->http, "sort_by");
    order = http_query(call->http, "sort_order");

    if (by != NULL && !store_experiment_sortable(by)) {
        reply_invalid(call, "sort_by", "Experiments can be sorted by id, "
                      "name, experiment_type, status, created_at and "
                      "updated_at");
        return -1;
    }

    if (order != NULL && strcmp(order, "asc") != 0
        && strcmp(order, "desc") != 0)
    {
        reply_invalid(call, "sort_order", "Argument sort_order must be asc or "
                      "desc");
        return -1;
    }

    filter->sort_by = by != NULL ? by : "created_at";
    filter->is_descending = order != NULL ? strcmp(order, "desc") == 0
                                          : by == NULL;

    return 0;
}
