/* SPDX-License-Identifier: MIT */
/*
 * Who asks, on the internal side: a plugin, by its name and token.  The user
 * it names is looked up here: a plugin may speak for any user, but it cannot
 * lend one a role or a permission.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "platform/caller.h"


static int caller_user(struct call *call);
static void caller_log(const struct call *call, const char *text);


int
caller_authenticate(struct call *call)
{
    int            rc;
    const char    *name;
    const char    *token;
    const char    *version;
    struct error   err;

    name = http_header(call->http, "X-MINT-Plugin-Name");
    token = http_header(call->http, "X-MINT-Internal-Token");
    version = http_header(call->http, "X-MINT-Platform-API-Version");

    if (name == NULL || token == NULL
        || http_header_count(call->http, "X-MINT-Plugin-Name") != 1
        || http_header_count(call->http, "X-MINT-Internal-Token") != 1)
    {
        reply_error(call, 403, "PERMISSION_DENIED", NULL, "A plugin name and "
                    "its internal token are needed");
        caller_log(call, "no plugin name or token");
        return -1;
    }

    rc = directory_authenticate(call->api->directory, name, token,
                                &call->plugin, &err);

    if (rc == MINT_ERR_FORBIDDEN) {
        reply_error(call, 403, "PERMISSION_DENIED", NULL, "%s", err.text);
        caller_log(call, "the token is not that of the plugin");
        return -1;
    }

    if (rc != MINT_OK) {
        reply_failure(call, &err);
        return -1;
    }

    if (version != NULL && strcmp(version, API_VERSION) != 0) {
        reply_error(call, 426, "plugin.api_version_mismatch",
                    json_pack("{s:s}", "platform_api_version", API_VERSION),
                    "The plugin speaks version %.16s of the internal API, "
                    "this platform speaks version " API_VERSION, version);
        return -1;
    }

    return caller_user(call);
}


bool
caller_may(struct call *call, enum capability capability)
{
    const char  *name;

    if (call->plugin->capabilities & capability) {
        return true;
    }

    name = capability == CAPABILITY_EXPERIMENT_CRUD ? "experiment_crud"
           : capability == CAPABILITY_DESIGN_DATA_WRITE ? "design_data_write"
           : "analysis_result_write";

    reply_error(call, 403, "PERMISSION_DENIED",
                json_pack("{s:s}", "required_permission", name),
                "Plugin %s does not declare the capability %s",
                call->plugin->name, name);

    return false;
}


/*
 * Sets user and has_user.  The other three user headers are not looked at:
 * role and permissions are those of the store.
 */

static int
caller_user(struct call *call)
{
    char        *end;
    long long    id;
    const char  *text;

    text = http_header(call->http, "x-mint-user-id");

    if (text == NULL) {
        return 0;
    }

    id = strtoll(text, &end, 10);

    if (http_header_count(call->http, "x-mint-user-id") == 1 && end != text
        && *end == '\0' && id > 0
        && identity_user(call->api->identity, id, &call->user)
        && call->user.is_active)
    {
        call->has_user = true;
        return 0;
    }

    reply_error(call, 403, "PERMISSION_DENIED", NULL,
                "The user named in the request does not exist or is not "
                "active");
    caller_log(call, "the named user does not exist or is not active");

    return -1;
}


static void
caller_log(const struct call *call, const char *text)
{
    struct log_fields  fields;

    memset(&fields, 0, sizeof(fields));
    fields.request_id = call->http->request_id;
    fields.plugin = call->plugin == NULL ? NULL : call->plugin->name;

    log_write(LOG_LEVEL_WARN, &fields, "callback \"%s %s\" refused: %s",
              call->http->method, call->http->path, text);
}
