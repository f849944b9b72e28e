/* SPDX-License-Identifier: MIT */
/*
 * A call from the first header to the answer: routing, who asks, whether that
 * is allowed, the body; and the checks of input that all resources share.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/api_names.h"
#include "lib/log.h"
#include "lib/text.h"
#include "platform/api.h"
#include "platform/exact_json.h"


static void call_free(void *context);
static void call_unrouted(struct call *call);
static bool call_has_json(const struct call *call);


void
api_begin(void *cls, struct http_request *request, struct http_reply *reply)
{
    int                  rc;
    size_t               count;
    struct call         *call;
    enum route_result    found;
    const struct route  *table;

    call = mem_alloc(sizeof(struct call));
    call->api = cls;
    call->http = request;
    call->reply = reply;
    request->context = call;
    request->context_free = call_free;

    if (request->side == HTTP_INTERNAL && caller_authenticate(call) != 0) {
        return;
    }

    table = routes_of(request->side, &count);
    found = router_find(table, count, request->method, request->path,
                        &call->route, &call->params);

    if (found == ROUTE_BAD_PATH) {
        reply_error(call, 400,
                    request->side == HTTP_PUBLIC ? "request.bad_request"
                                                 : "VALIDATION_ERROR",
                    NULL, "The path is not valid percent-encoded UTF-8");
        return;
    }

    if (found == ROUTE_NONE) {
        call_unrouted(call);
        return;
    }

    rc = request->side == HTTP_INTERNAL || (call->route->flags & ROUTE_OPEN)
         ? 0 : session_authenticate(call);

    if (rc != 0) {
        return;
    }

    if (call->route->permission != NULL
        && (call->has_user || request->side == HTTP_PUBLIC)
        && !permission_held(call->user.permissions, call->route->permission))
    {
        reply_forbidden(call, call->route->permission);
        return;
    }

    request->body_max = call->route->body_max;

    if (call->route->flags & ROUTE_UPLOAD) {
        request->upload_directory = call->api->upload_directory;
        request->upload_max = API_UPLOAD_MAX;
    }
}


void
api_serve(void *cls, struct http_request *request, struct http_reply *reply)
{
    struct call  *call;

    (void) cls;
    (void) reply;

    call = request->context;
    call->route->handler(call);

    if (call->reply->status == 0) {
        log_error("\"%s %s\" was not answered by its handler",
                  request->method, request->path);
        reply_error(call, 500, "internal.error", NULL,
                    "The server failed to answer this request");
    }
}


void
api_refuse(void *cls, struct http_request *request, struct http_reply *reply,
    int status, const char *message)
{
    struct call  call;

    memset(&call, 0, sizeof(call));
    call.api = cls;
    call.http = request;
    call.reply = reply;

    if (request->side == HTTP_INTERNAL) {
        reply_error(&call, status, "VALIDATION_ERROR", NULL, "%s", message);
        return;
    }

    switch (status) {

    case 413:
        reply_error(&call, status, "request.too_large", NULL, "%s", message);
        break;

    case 422:
        reply_error(&call, status, "validation.request",
                    json_pack("[{s:s, s:s}]", "field", "file", "message",
                              message),
                    "%s", message);
        break;

    case 400:
        reply_error(&call, status, "request.bad_request", NULL, "%s",
                    message);
        break;

    default:
        reply_error(&call, status, "internal.error", NULL, "%s", message);
    }
}


json_t *
call_body(struct call *call)
{
    json_t        *body;
    struct error   err;

    if (!call_has_json(call)) {
        reply_error(call, 415, call->http->side == HTTP_PUBLIC
                    ? "request.error" : "VALIDATION_ERROR", NULL,
                    "The body must be of type application/json");
        return NULL;
    }

    body = exact_json_load(strbuf_text(&call->http->body),
                           call->http->body.len, &err);

    if (body != NULL && json_is_object(body)) {
        return body;
    }

    reply_invalid(call, "__root__", "%s", body == NULL
                  ? err.text : "The body must be a JSON object");
    json_decref(body);

    return NULL;
}


int
call_text(struct call *call, json_t *body, const char *name, bool is_required,
    size_t max, const char **out)
{
    size_t       i;
    size_t       len;
    json_t      *value;
    const char  *text;

    *out = NULL;
    value = json_object_get(body, name);

    if (value == NULL || json_is_null(value)) {
        if (is_required) {
            reply_invalid(call, name, "Field %s is required", name);
            return -1;
        }

        return 0;
    }

    if (!exact_json_is_string(value)) {
        reply_invalid(call, name, "Field %s must be a text", name);
        return -1;
    }

    text = json_string_value(value);
    len = json_string_length(value);

    if (len > max || (is_required && len == 0)) {
        reply_invalid(call, name, "Field %s must have %s%zu bytes", name,
                      is_required ? "1 to " : "at most ", max);
        return -1;
    }

    for (i = 0; i < len; i++) {
        if (((unsigned char) text[i] < 0x20
             && strchr("\t\r\n", text[i]) == NULL)
            || text[i] == '\0' || text[i] == 0x7f)
        {
            reply_invalid(call, name, "Field %s must not hold control "
                          "characters", name);
            return -1;
        }
    }

    *out = text;

    return 0;
}


int
call_id(struct call *call, json_t *body, const char *name, int64_t *out)
{
    json_t  *value;

    *out = 0;
    value = json_object_get(body, name);

    if (value == NULL || json_is_null(value)) {
        return 0;
    }

    if (exact_json_integer(value, out) != 0 || *out < 1) {
        reply_invalid(call, name, "Field %s must be a positive integer", name);
        return -1;
    }

    return 0;
}


int
call_object(struct call *call, json_t *body, const char *name, json_t **out)
{
    json_t  *value;

    *out = NULL;
    value = json_object_get(body, name);

    if (value == NULL || json_is_null(value)) {
        return 0;
    }

    if (!json_is_object(value)) {
        reply_invalid(call, name, "Field %s must be an object", name);
        return -1;
    }

    *out = value;

    return 0;
}


int
call_query_integer(struct call *call, const char *name, int64_t min,
    int64_t max, int64_t *out)
{
    char        *end;
    long long    number;
    const char  *text;

    text = http_query(call->http, name);

    if (text == NULL) {
        return 0;
    }

    errno = 0;
    number = strtoll(text, &end, 10);

    if (errno != 0 || end == text || *end != '\0' || number < min
        || number > max)
    {
        reply_invalid(call, name, "Argument %s must be an integer from %lld "
                      "to %lld", name, (long long) min, (long long) max);
        return -1;
    }

    *out = number;

    return 0;
}


int64_t
call_param_id(struct call *call, size_t i)
{
    size_t       n;
    int64_t      id;
    const char  *text;

    text = call->params.value[i];
    id = 0;

    for (n = 0; text[n] != '\0'; n++) {
        if (text[n] < '0' || text[n] > '9' || n >= 18) {
            return 0;
        }

        id = id * 10 + (text[n] - '0');
    }

    return id;
}


static void
call_free(void *context)
{
    struct call  *call;

    call = context;
    directory_release(&call->plugin);
    free(call);
}


static void
call_unrouted(struct call *call)
{
    const char     *path;
    struct strbuf   what = { 0 };

    path = call->http->path;

    /* below "/api" the rest is the plugins', and the edge knows those */

    if (strcmp(path, "/api") != 0
        && (strncmp(path, "/api/", 5) != 0
            || (path[5] != '\0' && !api_names_has(path + 5))))
    {
        reply_nowhere(call);
        return;
    }

    strbuf_printf(&what, "%.16s %.200s", call->http->method, path);
    reply_not_built(call, strbuf_text(&what));
    strbuf_free(&what);
}


/* a form of another site cannot send this type */

static bool
call_has_json(const struct call *call)
{
    size_t       len;
    const char  *type;

    type = http_header(call->http, "Content-Type");

    if (type == NULL) {
        return false;
    }

    len = strcspn(type, "; \t");

    return len == 16 && strncasecmp(type, "application/json", len) == 0;
}
