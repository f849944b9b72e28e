/* SPDX-License-Identifier: MIT */
/*
 * Uninstalling a plugin: a long answer of the supervisor, which keeps or
 * removes what the plugin has left.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "platform/change_document.h"
#include "platform/long_reply.h"
#include "platform/resources.h"


#define LINK_WAIT_MS           2000
#define UNINSTALL_TIMEOUT_SEC  1800


struct uninstall {
    struct directory  *directory;
    char               request_id[HTTP_REQUEST_ID_MAX + 1];
};


static const char *const  uninstall_modes[] = { "keep", "archive", "purge" };
static const char *const  uninstall_flags[] = { "force", "now" };

#define UNINSTALL_MODES  (sizeof(uninstall_modes) / sizeof(uninstall_modes[0]))
#define UNINSTALL_FLAGS  (sizeof(uninstall_flags) / sizeof(uninstall_flags[0]))


static json_t *uninstall_arguments(struct call *call);
static json_t *uninstall_compose(void *cls, json_t *result,
    const struct error *err, json_t *details);
static const char *uninstall_text(const json_t *result, const char *key);


void
plugins_uninstall(struct call *call)
{
    json_t             *arguments;
    struct error        err;
    struct uninstall   *uninstall;
    struct long_reply   reply;

    arguments = uninstall_arguments(call);

    if (arguments == NULL) {
        return;
    }

    if (!link_wait_connected(call->api->link, LINK_WAIT_MS)) {
        json_decref(arguments);
        (void) error_set(&err, MINT_ERR_UNAVAILABLE, "Nothing was "
                         "uninstalled: the supervisor is not reachable");
        reply_failure(call, &err);
        return;
    }

    log_info("user %lld uninstalls \"%s\"", (long long) call->user.id,
             call->params.value[0]);

    uninstall = mem_alloc(sizeof(struct uninstall));
    uninstall->directory = call->api->directory;
    memcpy(uninstall->request_id, call->http->request_id,
           sizeof(uninstall->request_id));

    memset(&reply, 0, sizeof(reply));
    reply.op = "uninstall";
    reply.args = arguments;
    reply.timeout_sec = UNINSTALL_TIMEOUT_SEC;
    reply.compose = uninstall_compose;
    reply.finish = free;
    reply.cls = uninstall;

    long_reply_begin(call, &reply);
}


/* NULL: one of them is no good, and the call has been answered */

static json_t *
uninstall_arguments(struct call *call)
{
    size_t       i;
    json_t      *arguments;
    const char  *mode, *flag;

    mode = http_query(call->http, "mode");

    for (i = 0; mode != NULL && i < UNINSTALL_MODES; i++) {
        if (strcmp(mode, uninstall_modes[i]) == 0) {
            break;
        }
    }

    if (i == UNINSTALL_MODES) {
        reply_invalid(call, "mode",
                      "Argument mode must be keep, archive or purge");
        return NULL;
    }

    arguments = json_pack("{s:s, s:s*}", "plugin", call->params.value[0],
                          "mode", mode);

    for (i = 0; i < UNINSTALL_FLAGS; i++) {
        flag = http_query(call->http, uninstall_flags[i]);

        if (flag != NULL && strcmp(flag, "true") != 0
            && strcmp(flag, "false") != 0)
        {
            json_decref(arguments);
            reply_invalid(call, uninstall_flags[i],
                          "Argument %s must be true or false",
                          uninstall_flags[i]);
            return NULL;
        }

        json_object_set_new(arguments, uninstall_flags[i],
                            json_boolean(flag != NULL
                                         && strcmp(flag, "true") == 0));
    }

    return arguments;
}


/* the command line prints the message of a 200, and a traceback of a 4xx */

static json_t *
uninstall_compose(void *cls, json_t *result, const struct error *err,
    json_t *details)
{
    json_t            *document;
    struct strbuf      message = { 0 };
    struct uninstall  *uninstall;

    uninstall = cls;

    if (result == NULL) {
        return change_refused(err, details, uninstall->request_id);
    }

    directory_refresh_soon(uninstall->directory);   /* its token is void */

    if (uninstall_text(result, "waits")[0] != '\0') {
        strbuf_printf(&message, "%s takes no new work and is uninstalled once "
                      "it has finished what it has: %s",
                      uninstall_text(result, "plugin"),
                      uninstall_text(result, "waits"));

    } else {
        strbuf_printf(&message, "%s is uninstalled; its data are %s",
                      uninstall_text(result, "plugin"),
                      strcmp(uninstall_text(result, "mode"), "purge") == 0
                      ? "removed" : "kept");
    }

    document = change_done(result, strbuf_text(&message),
                           uninstall->request_id);
    strbuf_free(&message);

    return document;
}


static const char *
uninstall_text(const json_t *result, const char *key)
{
    const char  *text;

    text = json_string_value(json_object_get(result, key));

    return text == NULL ? "" : text;
}
