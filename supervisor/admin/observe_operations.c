/* SPDX-License-Identifier: MIT */
/*
 * Operations that show what was observed: logs, facts.
 */

#include <stdlib.h>
#include <string.h>

#include "operations_private.h"
#include "supervisor/observe/doctor.h"
#include "supervisor/observe/edge_request.h"
#include "supervisor/process/access_log.h"
#include "supervisor/process/log_line.h"


#define OPERATIONS_LOG_LINES  50


struct logs_request {
    const char  *name;                  /* NULL = all */
    size_t       count;
    uint64_t     after_us;              /* 0 = the last count */
    bool         is_known;
    json_t      *lines;
};


static void
operations_add_lines(struct logs_request *request,
    const struct output *output)
{
    json_t  *list;

    request->is_known = true;

    if (request->after_us != 0) {
        output_since(output, request->after_us, request->lines);
        return;
    }

    list = output_tail(output, request->count);
    json_array_extend(request->lines, list);
    json_decref(list);
}


static bool
operations_logs_of(void *ctx, struct service *service)
{
    struct logs_request  *request;

    request = ctx;

    if (request->name == NULL
        || strcmp(request->name, service_name(service)) == 0)
    {
        operations_add_lines(request, service_output(service));
    }

    return true;
}


/* a plugin that is in a process with others has its lines in that one's log;
   who asks picks them out */

static void
operations_logs_shared(struct operations *o, struct logs_request *request)
{
    struct plugin   *plugin;
    struct service  *service;

    plugin = request->name != NULL
             ? registry_find(o->parts.registry, request->name) : NULL;
    service = plugin != NULL ? plugin_process_service(plugin) : NULL;

    if (service != NULL && strcmp(service_name(service), request->name) != 0)
    {
        operations_add_lines(request, service_output(service));
    }
}


static bool
operations_logs_read(struct admin_call *call, json_t *arguments,
    struct logs_request *request)
{
    json_t        *after;
    json_int_t     lines;
    struct error   err;

    memset(request, 0, sizeof(*request));

    if (json_object_get(arguments, "plugin") != NULL) {
        request->name = operations_text(call, arguments, "plugin");

        if (request->name == NULL) {
            return false;
        }
    }

    after = json_object_get(arguments, "after");

    if (after != NULL && json_integer_value(after) <= 0) {
        error_set(&err, MINT_ERR_INVALID, "\"after\" is no time");
        admin_fail(call, &err);
        return false;
    }

    request->after_us = (uint64_t) json_integer_value(after);
    lines = json_integer_value(json_object_get(arguments, "lines"));
    request->count = lines > 0 && lines <= OUTPUT_RING_LINES
                     ? (size_t) lines : OPERATIONS_LOG_LINES;

    return true;
}


void
operation_logs(void *ctx, struct admin_call *call, json_t *arguments)
{
    char                 *access_log;
    struct error          err;
    struct operations    *o;
    struct logs_request   request;

    o = ctx;

    if (!operations_logs_read(call, arguments, &request)) {
        return;
    }

    request.lines = json_array();
    service_pool_each(o->parts.pool, operations_logs_of, &request);
    operations_logs_shared(o, &request);

    if (o->parts.own_output != NULL
        && (request.name == NULL || strcmp(request.name, "supervisor") == 0))
    {
        operations_add_lines(&request, o->parts.own_output);
    }

    /* its requests are in a file only */

    if (request.name != NULL && !request.is_known
        && strcmp(request.name, EDGE_NAME) != 0)
    {
        json_decref(request.lines);
        error_set(&err, MINT_ERR_NOT_FOUND, "nothing called \"%s\" has a log; "
                  "there are platform, nginx, warm, edge, supervisor and the "
                  "installed plugins", request.name);
        admin_fail(call, &err);
        return;
    }

    access_log = access_log_path(o->parts.config->server.data_path);
    admin_reply(call, json_pack("{s:o, s:I, s:s, s:s}",
        "lines", request.lines, "until", (json_int_t) log_clock_us(),
        "directory", o->parts.layout->log_directory,
        "access_log", access_log));
    free(access_log);
}


static bool
operations_facts_of(void *ctx, struct service *service)
{
    struct output_counts  counts;

    counts = output_counts(service_output(service));

    json_array_append_new(ctx, json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:I}",
        "name", service_name(service), "place", service_place(service),
        "lines", (json_int_t) counts.lines,
        "bytes", (json_int_t) counts.bytes,
        "cut_bytes", (json_int_t) counts.cut_bytes,
        "dropped_lines", (json_int_t) counts.dropped_lines,
        "slowed", (json_int_t) counts.slowed));

    return true;
}


void
operation_facts(void *ctx, struct admin_call *call, json_t *arguments)
{
    json_t             *facts, *outputs;
    struct operations  *o;

    (void) arguments;
    o = ctx;

    facts = doctor_facts(o->parts.config, o->parts.layout);
    outputs = json_array();
    service_pool_each(o->parts.pool, operations_facts_of, outputs);
    json_object_set_new(facts, "outputs", outputs);

    admin_reply(call, facts);
}
