/* SPDX-License-Identifier: MIT */
/*
 * Answers of the API.  Failures have one envelope on both sides; the codes
 * differ: plugins' SDK maps upper-case words to exceptions, the public side
 * has dotted ones.
 */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "lib/text.h"
#include "platform/api.h"
#include "platform/exact_json.h"


static const char *reply_word(const struct call *call, const char *outside,
    const char *inside);


void
reply_json(struct call *call, int status, json_t *value)
{
    char           *text;
    struct strbuf   json = { 0 };

    text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);

    if (text == NULL) {
        log_error("%s %s: an answer could not be written as JSON",
                  call->http->method, call->http->path);
        reply_error(call, 500,
                    reply_word(call, "internal.error", "INTERNAL_ERROR"),
                    NULL, "The answer could not be written");
        return;
    }

    json.data = text;
    json.len = strlen(text);
    json.size = json.len + 1;
    reply_text(call, status, &json);
}


void
reply_exact(struct call *call, int status, json_t *value)
{
    struct strbuf  json = { 0 };

    exact_json_dump(value, &json);
    json_decref(value);
    reply_text(call, status, &json);
}


void
reply_text(struct call *call, int status, struct strbuf *json)
{
    call->reply->status = status;
    call->reply->content_type = "application/json";
    strbuf_free(&call->reply->body);
    call->reply->body = *json;
    memset(json, 0, sizeof(struct strbuf));
    http_reply_header(call->reply, "Cache-Control", "no-store");
}


void
reply_error(struct call *call, int status, const char *code, json_t *details,
    const char *format, ...)
{
    char           *text;
    va_list         args;
    struct strbuf   json = { 0 };
    struct strbuf   message = { 0 };

    va_start(args, format);
    strbuf_vprintf(&message, format, args);
    va_end(args);

    text = reply_envelope(call->http, status, code, strbuf_text(&message),
                          details);
    json.data = text;
    json.len = strlen(text);
    json.size = json.len + 1;

    http_reply_clear(call->reply);
    reply_text(call, status, &json);
    strbuf_free(&message);
}


char *
reply_envelope(struct http_request *request, int status, const char *code,
    const char *message, json_t *details)
{
    char    *text;
    char    *clean;
    json_t  *envelope;

    /* may quote the request: whatever bytes that had */
    clean = mem_strdup(message);
    text_clean(clean);

    envelope = json_pack("{s:s, s:s, s:i, s:s, s:o?, s:s}", "code", code,
                         "message", clean, "status", status, "request_id",
                         request->request_id, "details", details, "detail",
                         clean);
    free(clean);
    text = json_dumps(envelope, JSON_COMPACT);
    json_decref(envelope);

    if (text == NULL) {
        abort();                        /* out of memory */
    }

    return text;
}


void
reply_not_found(struct call *call, const char *entity, const char *id)
{
    reply_error(call, 404,
                reply_word(call, "resource.not_found", "NOT_FOUND"),
                json_pack("{s:s, s:s}", "entity", entity, "entity_id", id),
                "No %s with id %s", entity, id);
}


void
reply_nowhere(struct call *call)
{
    reply_error(call, 404,
                reply_word(call, "resource.not_found", "NOT_FOUND"),
                NULL, "Nothing is served at this address");
}


void
reply_forbidden(struct call *call, const char *permission)
{
    reply_error(call, 403,
                reply_word(call, "auth.forbidden", "PERMISSION_DENIED"),
                json_pack("{s:s, s:[s], s:[s]}", "required_permission",
                          permission, "required_permissions", permission,
                          "missing_permissions", permission),
                "The permission %s is needed", permission);
}


void
reply_invalid(struct call *call, const char *field, const char *format, ...)
{
    va_list        args;
    struct strbuf  message = { 0 };

    va_start(args, format);
    strbuf_vprintf(&message, format, args);
    va_end(args);

    if (call->http->side == HTTP_PUBLIC) {
        reply_error(call, 422, "validation.request",
                    json_pack("[{s:s, s:s}]", "field", field, "message",
                              strbuf_text(&message)),
                    "%s", strbuf_text(&message));
    } else {
        reply_error(call, 400, "VALIDATION_ERROR",
                    json_pack("{s:s}", "field", field), "%s",
                    strbuf_text(&message));
    }

    strbuf_free(&message);
}


void
reply_not_built(struct call *call, const char *what)
{
    reply_error(call, 501,
                reply_word(call, "feature.not_implemented",
                           "NOT_IMPLEMENTED"),
                NULL, "%s is not built in this version", what);
}


void
reply_failure(struct call *call, const struct error *err)
{
    bool               is_passing;
    struct log_fields  fields;

    memset(&fields, 0, sizeof(fields));
    fields.request_id = call->http->request_id;
    fields.plugin = call->plugin == NULL ? NULL : call->plugin->name;

    log_write(LOG_LEVEL_ERROR, &fields, "\"%s %s\" failed: %s",
              call->http->method, call->http->path, err->text);

    is_passing = err->code == MINT_ERR_BUSY
                 || err->code == MINT_ERR_UNAVAILABLE
                 || err->code == MINT_ERR_TIMEOUT;

    if (err->code == MINT_ERR_FULL) {
        reply_error(call, 507,
                    reply_word(call, "internal.error", "INTERNAL_ERROR"),
                    NULL, "The server's disk is full");

    } else if (is_passing) {
        reply_error(call, 503,
                    reply_word(call, "service.unavailable", "UNAVAILABLE"),
                    NULL, "%s", err->text);
        http_reply_header(call->reply, "Retry-After", "2");

    } else {
        /* the cause is in the log under the request id, not on the wire */
        reply_error(call, 500,
                    reply_word(call, "internal.error", "INTERNAL_ERROR"),
                    NULL, "The server failed to answer this request");
    }
}


static const char *
reply_word(const struct call *call, const char *outside, const char *inside)
{
    return call->http->side == HTTP_PUBLIC ? outside : inside;
}
