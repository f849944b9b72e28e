/* SPDX-License-Identifier: MIT */
/*
 * Installing an uploaded bundle, the dry run of that, and the restart of
 * everything: long answers of the supervisor.
 */

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "platform/change_document.h"
#include "platform/long_reply.h"
#include "platform/resources.h"


#define LINK_WAIT_MS         2000
#define UPLOAD_TIMEOUT_SEC   1800
#define RESTART_TIMEOUT_SEC  600


/* a bundle on its way; alive until the supervisor has answered */
struct upload {
    char  *directory;               /* its own, below the upload directory */
    char  *path;
    char   request_id[HTTP_REQUEST_ID_MAX + 1];
};


struct restart {
    struct directory  *directory;
};


static void upload_begin(struct call *call, const char *op,
    json_t *(*compose)(void *cls, json_t *result, const struct error *err,
    json_t *details));
static bool upload_is_connected(struct call *call);
static bool upload_named_well(const char *name);
static void upload_failed(struct call *call, const char *message);
static int upload_move(struct call *call, struct upload *upload,
    struct error *err);
static json_t *upload_compose(void *cls, json_t *result,
    const struct error *err, json_t *details);
static json_t *plan_compose(void *cls, json_t *result,
    const struct error *err, json_t *details);
static json_t *plan_again_compose(void *cls, json_t *result,
    const struct error *err, json_t *details);
static json_t *plan_answer(const struct upload *upload, json_t *result,
    const char *words);
static void upload_finish(void *cls);
static json_t *restart_compose(void *cls, json_t *result,
    const struct error *err, json_t *details);
static void upload_message(struct strbuf *message, const json_t *result);
static const char *upload_json_text(const json_t *result, const char *key);


void
plugins_upload(struct call *call)
{
    upload_begin(call, "install", upload_compose);
}


void
plugins_plan(struct call *call)
{
    upload_begin(call, "plan", plan_compose);
}


void
plugins_plan_again(struct call *call)
{
    struct upload      *upload;
    struct long_reply   reply;

    if (!upload_is_connected(call)) {
        return;
    }

    upload = mem_alloc(sizeof(struct upload));
    memcpy(upload->request_id, call->http->request_id,
           sizeof(upload->request_id));

    log_info("user %lld asks for a plan of \"%s\"", (long long) call->user.id,
             call->params.value[0]);

    memset(&reply, 0, sizeof(reply));
    reply.op = "plan";
    reply.args = json_pack("{s:s}", "plugin", call->params.value[0]);
    reply.timeout_sec = UPLOAD_TIMEOUT_SEC;
    reply.compose = plan_again_compose;
    reply.finish = upload_finish;
    reply.cls = upload;

    long_reply_begin(call, &reply);
}


static bool
upload_is_connected(struct call *call)
{
    struct error  err;

    if (link_wait_connected(call->api->link, LINK_WAIT_MS)) {
        return true;
    }

    (void) error_set(&err, MINT_ERR_UNAVAILABLE, "Nothing was installed: the "
                     "supervisor is not reachable");
    reply_failure(call, &err);

    return false;
}


static void
upload_begin(struct call *call, const char *op,
    json_t *(*compose)(void *cls, json_t *result, const struct error *err,
    json_t *details))
{
    const char         *force;
    struct error        err;
    struct upload      *upload;
    struct long_reply   reply;

    force = http_query(call->http, "force");

    if (force != NULL && strcmp(force, "true") != 0
        && strcmp(force, "false") != 0)
    {
        reply_invalid(call, "force", "Argument force must be true or false");
        return;
    }

    if (!upload_named_well(call->http->upload.name)) {
        upload_failed(call, "The file must be a .mint bundle or a .whl wheel");
        return;
    }

    if (!upload_is_connected(call)) {
        return;
    }

    upload = mem_alloc(sizeof(struct upload));
    memcpy(upload->request_id, call->http->request_id,
           sizeof(upload->request_id));

    if (upload_move(call, upload, &err) != MINT_OK) {
        upload_finish(upload);
        reply_failure(call, &err);
        return;
    }

    log_info("user %lld uploads \"%s\" to %s it", (long long) call->user.id,
             call->http->upload.name, op);

    memset(&reply, 0, sizeof(reply));
    reply.op = op;
    reply.args = json_pack("{s:s, s:b}", "bundle", upload->path, "force",
                           force != NULL && strcmp(force, "true") == 0);
    reply.timeout_sec = UPLOAD_TIMEOUT_SEC;
    reply.compose = compose;
    reply.finish = upload_finish;
    reply.cls = upload;

    long_reply_begin(call, &reply);
}


void
admin_restart(struct call *call)
{
    struct error        err;
    struct restart     *restart;
    struct long_reply   reply;

    if (!link_wait_connected(call->api->link, LINK_WAIT_MS)) {
        (void) error_set(&err, MINT_ERR_UNAVAILABLE, "Nothing was restarted: "
                         "the supervisor is not reachable");
        reply_failure(call, &err);
        return;
    }

    log_info("user %lld restarts all plugins", (long long) call->user.id);

    restart = mem_alloc(sizeof(struct restart));
    restart->directory = call->api->directory;

    memset(&reply, 0, sizeof(reply));
    reply.op = "restart_all";
    reply.timeout_sec = RESTART_TIMEOUT_SEC;
    reply.compose = restart_compose;
    reply.finish = free;
    reply.cls = restart;

    long_reply_begin(call, &reply);
}


static bool
upload_named_well(const char *name)
{
    size_t  len;

    len = strlen(name);

    return len > 5 && (strcmp(name + len - 5, ".mint") == 0
                       || strcmp(name + len - 4, ".whl") == 0);
}


/* the command line prints the message of a 200, and a traceback of a 4xx */

static void
upload_failed(struct call *call, const char *message)
{
    reply_json(call, 200, json_pack("{s:b, s:s, s:b, s:b, s:s}", "success", 0,
                                    "message", message, "restart_required", 0,
                                    "conflict_detected", 0, "request_id",
                                    call->http->request_id));
}


/* the name of a wheel is part of it: a directory of its own keeps it */

static int
upload_move(struct call *call, struct upload *upload, struct error *err)
{
    upload->directory = mem_printf("%s.d", call->http->upload.path);
    upload->path = mem_printf("%s/%s", upload->directory,
                              call->http->upload.name);

    if (mkdir(upload->directory, 0700) == -1) {
        return error_set_errno(err, "mkdir(\"%s\") failed",
                               upload->directory);
    }

    if (rename(call->http->upload.path, upload->path) == -1) {
        return error_set_errno(err, "rename(\"%s\") failed",
                               call->http->upload.path);
    }

    free(call->http->upload.path);
    call->http->upload.path = NULL;

    return MINT_OK;
}


static json_t *
upload_compose(void *cls, json_t *result, const struct error *err,
    json_t *details)
{
    json_t         *document;
    struct upload  *upload;
    struct strbuf   message = { 0 };

    upload = cls;

    if (result == NULL) {
        return change_refused(err, details, upload->request_id);
    }

    upload_message(&message, result);
    document = change_done(result, strbuf_text(&message), upload->request_id);
    json_object_set(document, "plugin", json_object_get(result, "name"));
    strbuf_free(&message);

    return document;
}


static json_t *
plan_compose(void *cls, json_t *result, const struct error *err,
    json_t *details)
{
    struct upload  *upload;

    upload = cls;

    if (result == NULL) {
        return change_refused(err, details, upload->request_id);
    }

    return plan_answer(upload, result,
                       json_is_true(json_object_get(result, "unchanged"))
                       ? "is installed already" : "would be installed");
}


static json_t *
plan_again_compose(void *cls, json_t *result, const struct error *err,
    json_t *details)
{
    struct upload  *upload;

    upload = cls;

    return result == NULL
           ? change_refused(err, details, upload->request_id)
           : plan_answer(upload, result, "is installed, and would be now");
}


static json_t *
plan_answer(const struct upload *upload, json_t *result, const char *words)
{
    json_t         *document;
    struct strbuf   message = { 0 };

    strbuf_printf(&message, "%s %s %s (%s)",
                  upload_json_text(result, "name"),
                  upload_json_text(result, "version"), words,
                  upload_json_text(result, "mode"));

    document = json_pack("{s:b, s:s, s:b, s:b, s:s, s:O}", "success", 1,
                         "message", strbuf_text(&message),
                         "restart_required", 0, "conflict_detected", 0,
                         "request_id", upload->request_id, "plan", result);
    strbuf_free(&message);

    return document;
}


/* installed is not running: whoever uploads has to know of both */

static void
upload_message(struct strbuf *message, const json_t *result)
{
    bool         unchanged;
    const char  *error;

    unchanged = json_is_true(json_object_get(result, "unchanged"));
    error = upload_json_text(result, "error");

    strbuf_printf(message, unchanged ? "%s %s is installed already (%s)"
                                     : "Installed %s %s (%s)",
                  upload_json_text(result, "name"),
                  upload_json_text(result, "version"),
                  upload_json_text(result, "mode"));

    if (error[0] != '\0') {
        strbuf_printf(message, ", but it does not run: %s", error);
    }
}


static void
upload_finish(void *cls)
{
    struct error    err;
    struct upload  *upload;

    upload = cls;

    if (upload->directory != NULL
        && fs_remove_tree(upload->directory, &err) != MINT_OK)
    {
        log_error("upload not removed: %s", err.text);
    }

    free(upload->directory);
    free(upload->path);
    free(upload);
}


static json_t *
restart_compose(void *cls, json_t *result, const struct error *err,
    json_t *details)
{
    struct restart  *restart;

    (void) details;

    restart = cls;

    if (result == NULL) {
        return json_pack("{s:b, s:s, s:s}", "success", 0, "message", err->text,
                         "error", error_code_name(err->code));
    }

    directory_set_boot_id(restart->directory,
                          upload_json_text(result, "boot_id"));

    return json_pack("{s:b, s:s, s:s}", "success", 1, "message",
                     "All plugins were restarted", "boot_id",
                     upload_json_text(result, "boot_id"));
}


static const char *
upload_json_text(const json_t *result, const char *key)
{
    const char  *text;

    text = json_string_value(json_object_get(result, key));

    return text == NULL ? "" : text;
}
