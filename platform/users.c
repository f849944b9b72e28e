/* SPDX-License-Identifier: MIT */
/*
 * Users: administration on the public side, look-ups on the internal one.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "platform/password.h"
#include "platform/resources.h"


#define USERS_PAGE      100
#define USERS_PAGE_MAX  1000
#define USERS_SKIP_MAX  1000000000


static int users_read(struct call *call, json_t *body,
    struct store_user *user, const char **password_out);
static int users_read_name(struct call *call, json_t *body,
    struct store_user *user);
static int users_copy(struct call *call, json_t *body, const char *name,
    size_t max, char *to);
static int users_check_role(struct call *call, const char *role);
static void users_store(struct call *call, struct store_user *user);
static void users_set_active(struct call *call, bool is_active);
static void users_append(void *cls, const struct store_user *user);
static json_t *users_text(const char *text);


void
users_list(struct call *call)
{
    json_t        *list;
    struct error   err;

    list = json_array();

    if (store_users(call->api->store, 0, -1, users_append, list, &err)
        != MINT_OK)
    {
        json_decref(list);
        reply_failure(call, &err);
        return;
    }

    reply_json(call, 200, list);
}


void
users_internal_list(struct call *call)
{
    int64_t        skip;
    int64_t        limit;
    json_t        *list;
    struct error   err;

    skip = 0;
    limit = USERS_PAGE;

    if (call_query_integer(call, "skip", 0, USERS_SKIP_MAX, &skip) != 0
        || call_query_integer(call, "limit", 1, USERS_PAGE_MAX, &limit) != 0)
    {
        return;
    }

    list = json_array();

    if (store_users(call->api->store, skip, limit, users_append, list, &err)
        != MINT_OK)
    {
        json_decref(list);
        reply_failure(call, &err);
        return;
    }

    reply_json(call, 200, list);
}


void
users_get(struct call *call)
{
    int                 rc;
    int64_t             id;
    struct error        err;
    struct store_user   user;

    id = call_param_id(call, 0);
    rc = id == 0 ? MINT_ERR_NOT_FOUND
                 : store_user_by_id(call->api->store, id, &user, &err);

    if (rc == MINT_OK) {
        reply_json(call, 200, user_json(&user));

    } else if (rc == MINT_ERR_NOT_FOUND) {
        reply_not_found(call, "user", call->params.value[0]);

    } else {
        reply_failure(call, &err);
    }
}


void
users_internal_get(struct call *call)
{
    users_get(call);
}


void
users_internal_by_name(struct call *call)
{
    int                 rc;
    struct error        err;
    struct store_user   user;

    rc = store_user_by_name(call->api->store, call->params.value[0], &user,
                            &err);

    if (rc == MINT_OK) {
        reply_json(call, 200, user_json(&user));

    } else if (rc == MINT_ERR_NOT_FOUND) {
        reply_not_found(call, "user", call->params.value[0]);

    } else {
        reply_failure(call, &err);
    }
}


/* asked for by the plugin during each request of a member: memory only */

void
plugin_roles_get(struct call *call)
{
    char     role[STORE_ROLE_MAX + 1];
    int64_t  id;

    id = call_param_id(call, 0);

    if (id == 0
        || !identity_plugin_role(call->api->identity, call->plugin->name, id,
                                 role))
    {
        reply_not_found(call, "plugin role", call->params.value[0]);
        return;
    }

    reply_json(call, 200, json_pack("{s:s}", "role", role));
}


void
users_create(struct call *call)
{
    int                 rc;
    json_t             *body;
    const char         *password;
    struct error        err;
    struct store_user   user;

    body = call_body(call);

    if (body == NULL) {
        return;
    }

    if (users_read(call, body, &user, &password) == 0) {

        rc = password_hash(password, user.password_hash,
                           sizeof(user.password_hash), &err);

        if (rc == MINT_OK) {
            users_store(call, &user);
        } else {
            reply_failure(call, &err);
        }

        explicit_bzero(&user, sizeof(user));
    }

    json_decref(body);
}


void
users_activate(struct call *call)
{
    users_set_active(call, true);
}


void
users_deactivate(struct call *call)
{
    users_set_active(call, false);
}


json_t *
user_json(const struct store_user *user)
{
    char  created[32];
    char  updated[32];

    time_rfc3339(user->created_ms, created);
    time_rfc3339(user->updated_ms, updated);

    return json_pack("{s:I, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:s, s:s}",
                     "id", (json_int_t) user->id, "username", user->username,
                     "role", user->role, "is_active", user->is_active,
                     "email", users_text(user->email), "first_name",
                     users_text(user->first_name), "last_name",
                     users_text(user->last_name), "shortname",
                     users_text(user->shortname), "created_at", created,
                     "updated_at", updated);
}


static int
users_read(struct call *call, json_t *body, struct store_user *user,
    const char **password_out)
{
    const char  *problem;

    memset(user, 0, sizeof(struct store_user));
    user->is_active = true;
    user->session_version = 1;

    if (users_read_name(call, body, user) != 0
        || call_text(call, body, "password", true, 4096, password_out) != 0)
    {
        return -1;
    }

    problem = password_problem(*password_out);

    if (problem != NULL) {
        reply_invalid(call, "password", "%s", problem);
        return -1;
    }

    if (users_copy(call, body, "email", STORE_EMAIL_MAX, user->email) != 0
        || users_copy(call, body, "first_name", STORE_NAME_MAX,
                      user->first_name) != 0
        || users_copy(call, body, "last_name", STORE_NAME_MAX,
                      user->last_name) != 0
        || users_copy(call, body, "shortname", STORE_NAME_MAX,
                      user->shortname) != 0
        || users_copy(call, body, "role", STORE_ROLE_MAX, user->role) != 0)
    {
        return -1;
    }

    if (user->email[0] != '\0' && strchr(user->email, '@') == NULL) {
        reply_invalid(call, "email", "The e-mail address needs an @");
        return -1;
    }

    /* the Python client's own default is "user" */
    if (user->role[0] == '\0' || strcmp(user->role, "user") == 0) {
        (void) snprintf(user->role, sizeof(user->role), "member");
    }

    return users_check_role(call, user->role);
}


static int
users_read_name(struct call *call, json_t *body, struct store_user *user)
{
    size_t       len;
    const char  *text;

    if (call_text(call, body, "username", true, STORE_USERNAME_MAX, &text)
        != 0)
    {
        return -1;
    }

    len = strlen(text);

    if (len < 3 || text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789._@-")]
                   != '\0')
    {
        reply_invalid(call, "username", "The user name must have 3 to 64 "
                      "characters out of letters, digits and . _ @ -");
        return -1;
    }

    memcpy(user->username, text, len + 1);

    return 0;
}


static int
users_copy(struct call *call, json_t *body, const char *name, size_t max,
    char *to)
{
    const char  *text;

    if (call_text(call, body, name, false, max, &text) != 0) {
        return -1;
    }

    if (text != NULL) {
        memcpy(to, text, strlen(text) + 1);
    }

    return 0;
}


/* only an administrator makes administrators */

static int
users_check_role(struct call *call, const char *role)
{
    bool           exists;
    struct error   err;

    if (store_role_exists(call->api->store, role, &exists, &err) != MINT_OK) {
        reply_failure(call, &err);
        return -1;
    }

    if (!exists) {
        reply_invalid(call, "role", "There is no role %.64s", role);
        return -1;
    }

    if (strcmp(role, "admin") == 0 && !call->user.is_admin) {
        reply_error(call, 403, "auth.forbidden", NULL, "Only an administrator "
                    "can assign the role admin");
        return -1;
    }

    return 0;
}


static void
users_store(struct call *call, struct store_user *user)
{
    int            rc;
    uint64_t       sequence;
    struct api    *api;
    struct error   err;

    api = call->api;

    identity_begin(api->identity);
    rc = store_user_create(api->store, user, &sequence, &err);

    if (rc == MINT_OK) {
        identity_user_changed(api->identity, user, sequence);
    }

    identity_end(api->identity);

    if (rc == MINT_ERR_CONFLICT) {
        reply_error(call, 409, "resource.conflict",
                    json_pack("{s:s, s:s}", "entity", "user",
                              "conflict_field", err.text),
                    "A user with this %s exists already", err.text);
        return;
    }

    if (rc == MINT_OK) {
        log_info("user %lld created by user %lld", (long long) user->id,
                 (long long) call->user.id);
        rc = identity_wait(api->identity, sequence, &err);
    }

    if (rc != MINT_OK) {
        reply_failure(call, &err);
        return;
    }

    reply_json(call, 201, user_json(user));
}


static void
users_set_active(struct call *call, bool is_active)
{
    int                    rc;
    int64_t                id;
    uint64_t               sequence;
    struct api            *api;
    struct error           err;
    struct store_user      user;
    struct identity_user   target;

    api = call->api;
    id = call_param_id(call, 0);

    if (!identity_user(api->identity, id, &target)) {
        reply_not_found(call, "user", call->params.value[0]);
        return;
    }

    if (target.is_admin && !call->user.is_admin) {
        reply_error(call, 403, "auth.forbidden", NULL, "Only an administrator "
                    "can change an administrator");
        return;
    }

    identity_begin(api->identity);
    rc = store_user_set_active(api->store, id, is_active, &user, &sequence,
                               &err);

    if (rc == MINT_OK) {
        identity_user_changed(api->identity, &user, sequence);
    }

    identity_end(api->identity);

    if (rc == MINT_ERR_CONFLICT) {
        reply_error(call, 409, "resource.conflict", NULL, "%s", err.text);
        return;
    }

    if (rc == MINT_OK) {
        log_info("user %lld %s by user %lld", (long long) id,
                 is_active ? "activated" : "deactivated",
                 (long long) call->user.id);
        rc = identity_wait(api->identity, sequence, &err);
    }

    if (rc != MINT_OK) {
        reply_failure(call, &err);
        return;
    }

    reply_json(call, 200, json_pack("{s:b, s:s}", "success", 1, "message",
                                    is_active ? "User activated"
                                              : "User deactivated"));
}


static void
users_append(void *cls, const struct store_user *user)
{
    json_array_append_new(cls, user_json(user));
}


static json_t *
users_text(const char *text)
{
    return text[0] == '\0' ? json_null() : json_string(text);
}
