/* SPDX-License-Identifier: MIT */
/*
 * The members that every such document has.
 */

#include "platform/change_document.h"


json_t *
change_done(json_t *result, const char *message, const char *request_id)
{
    json_t  *document;

    document = json_copy(result);
    json_object_set(document, "name", json_object_get(result, "distribution"));
    json_object_set_new(document, "success", json_true());
    json_object_set_new(document, "message", json_string(message));
    json_object_set_new(document, "restart_required", json_false());
    json_object_set_new(document, "conflict_detected", json_false());
    json_object_set_new(document, "request_id", json_string(request_id));

    return document;
}


json_t *
change_refused(const struct error *err, json_t *details,
    const char *request_id)
{
    return json_pack("{s:b, s:s, s:b, s:b, s:s, s:s, s:O?}", "success", 0,
                     "message", err->text, "restart_required", 0,
                     "conflict_detected", err->code == MINT_ERR_CONFLICT,
                     "error", error_code_name(err->code), "request_id",
                     request_id, "details", details);
}
