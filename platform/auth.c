/* SPDX-License-Identifier: MIT */
/*
 * Sign-in: password to session token, its check, renewal and end.
 */

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "platform/password.h"
#include "platform/resources.h"
#include "platform/session.h"


#define AUTH_LOGIN_MAX     254
#define AUTH_PASSWORD_MAX  1024


/* one try to sign in */
struct auth_attempt {
    char       key[AUTH_LOGIN_MAX + 1];     /* name that failures count for */
    bool       is_known;
    bool       is_locked;
    bool       has_failures;
    uint64_t   window_ms;
};


static int auth_read(struct call *call, json_t *body, const char **name_out,
    const char **password_out);
static int auth_check(struct call *call, const char *name,
    const char *password, struct store_user *user);
static int auth_attempt_begin(struct api *api, const char *name,
    struct auth_attempt *attempt, struct store_user *user, struct error *err);
static int auth_attempt_count(struct api *api, struct auth_attempt *attempt,
    struct error *err);
static void auth_locked(struct call *call, const struct auth_attempt *attempt);
static void auth_attempt_end(struct api *api,
    const struct auth_attempt *attempt, const struct store_user *user,
    bool is_right);
static void auth_name_key(const char *name, char *key, size_t size);
static void auth_answer(struct call *call, const struct store_user *user);
static void auth_cookie(struct call *call, const char *token,
    int64_t max_age_sec);


void
auth_login(struct call *call)
{
    json_t             *body;
    const char         *name;
    const char         *password;
    struct store_user   user;

    body = call_body(call);

    if (body == NULL) {
        return;
    }

    if (auth_read(call, body, &name, &password) == 0
        && auth_check(call, name, password, &user) == 0)
    {
        auth_answer(call, &user);
        explicit_bzero(user.password_hash, sizeof(user.password_hash));
    }

    json_decref(body);
}


void
auth_verify(struct call *call)
{
    int                 rc;
    char                expires[32];
    struct error        err;
    struct store_user   user;

    rc = store_user_by_id(call->api->store, call->user.id, &user, &err);

    if (rc != MINT_OK) {
        reply_failure(call, &err);
        return;
    }

    time_rfc3339(call->claims.expires_unix * 1000, expires);
    reply_json(call, 200, json_pack("{s:b, s:o, s:s, s:s}", "valid", 1,
                                    "user", user_json(&user), "username",
                                    user.username, "expires_at", expires));
}


void
auth_refresh(struct call *call)
{
    int                 rc;
    struct error        err;
    struct store_user   user;

    rc = store_user_by_id(call->api->store, call->user.id, &user, &err);

    if (rc != MINT_OK) {
        reply_failure(call, &err);
        return;
    }

    auth_answer(call, &user);
}


/* ends this one session; without a valid one only the cookie goes */

void
auth_logout(struct call *call)
{
    int            rc;
    uint64_t       sequence;
    struct api    *api;
    struct error   err;

    api = call->api;

    if (session_check(call) == NULL) {

        if (call->is_by_cookie && !session_is_own_page(call)) {
            reply_error(call, 403, "auth.forbidden", NULL, "Signing out with "
                        "the session cookie must come from a page of this "
                        "server");
            return;
        }

        identity_begin(api->identity);
        rc = store_token_deny(api->store, call->claims.jti,
                              call->claims.expires_unix, &sequence, &err);

        if (rc == MINT_OK) {
            identity_token_denied(api->identity, call->claims.jti,
                                  call->claims.expires_unix, sequence);
        }

        identity_end(api->identity);

        if (rc == MINT_OK) {
            rc = identity_wait(api->identity, sequence, &err);
        }

        if (rc != MINT_OK) {
            reply_failure(call, &err);
            auth_cookie(call, "", 0);
            return;
        }
    }

    reply_json(call, 200, json_pack("{s:b, s:s}", "success", 1, "message",
                                    "Signed out"));
    auth_cookie(call, "", 0);
}


static int
auth_read(struct call *call, json_t *body, const char **name_out,
    const char **password_out)
{
    if (call_text(call, body, "username", false, AUTH_LOGIN_MAX, name_out)
        != 0)
    {
        return -1;
    }

    if (*name_out == NULL
        && call_text(call, body, "email", false, AUTH_LOGIN_MAX, name_out)
           != 0)
    {
        return -1;
    }

    if (*name_out == NULL || **name_out == '\0') {
        reply_invalid(call, "username", "Field username is required");
        return -1;
    }

    return call_text(call, body, "password", true, AUTH_PASSWORD_MAX,
                     password_out);
}


/*
 * 0 with the user, or -1 and the call has been answered.  An unknown name
 * takes as long, counts and locks like a known one.
 */

static int
auth_check(struct call *call, const char *name, const char *password,
    struct store_user *user)
{
    int                    rc;
    struct error           err;
    struct auth_attempt    attempt;

    rc = auth_attempt_begin(call->api, name, &attempt, user, &err);

    if (rc == MINT_OK && attempt.is_locked) {
        auth_locked(call, &attempt);
        return -1;
    }

    if (rc == MINT_OK) {
        rc = password_check(password,
                            attempt.is_known ? user->password_hash : NULL,
                            &err);
    }

    /* many at once wait for their turn there: the name may be locked by now */
    if (rc >= 0 && auth_attempt_count(call->api, &attempt, &err) != MINT_OK) {
        rc = err.code;
    }

    if (rc < 0) {
        reply_failure(call, &err);
        return -1;
    }

    if (attempt.is_locked) {
        auth_locked(call, &attempt);
        return -1;
    }

    auth_attempt_end(call->api, &attempt, user, rc == 1);

    if (rc == 1 && user->is_active) {
        return 0;
    }

    reply_error(call, 401, "auth.unauthorized", NULL,
                rc == 1 ? "The account is not active"
                        : "Incorrect username or password");

    return -1;
}


static int
auth_attempt_begin(struct api *api, const char *name,
    struct auth_attempt *attempt, struct store_user *user, struct error *err)
{
    int  rc;

    memset(attempt, 0, sizeof(struct auth_attempt));
    memset(user, 0, sizeof(struct store_user));
    attempt->window_ms = (uint64_t) api->config->auth.lockout_minutes * 60000;

    rc = store_user_by_login(api->store, name, user, err);

    if (rc != MINT_OK && rc != MINT_ERR_NOT_FOUND) {
        return rc;
    }

    attempt->is_known = rc == MINT_OK;
    auth_name_key(attempt->is_known ? user->username : name, attempt->key,
                  sizeof(attempt->key));

    return auth_attempt_count(api, attempt, err);
}


static int
auth_attempt_count(struct api *api, struct auth_attempt *attempt,
    struct error *err)
{
    int       rc;
    unsigned  failures;

    rc = store_login_failures(api->store, attempt->key, attempt->window_ms,
                              &failures, err);
    attempt->has_failures = failures > 0;
    attempt->is_locked = failures
                         >= (unsigned) api->config->auth.failed_login_limit;

    return rc;
}


static void
auth_locked(struct call *call, const struct auth_attempt *attempt)
{
    reply_error(call, 429, "rate_limit.exceeded", NULL,
                "Too many failed login attempts. Try again later.");
    http_reply_header(call->reply, "Retry-After", "%lld",
                      (long long) (attempt->window_ms / 1000));
}


/* counts, and says in the log how it went; not whose name was tried: people
   type passwords there */

static void
auth_attempt_end(struct api *api, const struct auth_attempt *attempt,
    const struct store_user *user, bool is_right)
{
    struct error  err;

    if (is_right && user->is_active) {
        if (attempt->has_failures
            && store_login_succeeded(api->store, attempt->key, &err)
               != MINT_OK)
        {
            log_error("failed sign-ins not forgotten: %s", err.text);
        }

        log_info("user %lld signed in", (long long) user->id);
        return;
    }

    if (!is_right
        && store_login_failed(api->store, attempt->key, attempt->window_ms,
                              &err)
           != MINT_OK)
    {
        log_error("failed sign-in not counted: %s", err.text);
    }

    if (attempt->is_known) {
        log_warn("failed sign-in of user %lld: %s", (long long) user->id,
                 is_right ? "not active" : "wrong password");
    } else {
        log_warn("failed sign-in: no such user");
    }
}


static void
auth_name_key(const char *name, char *key, size_t size)
{
    size_t  i;

    for (i = 0; name[i] != '\0' && i + 1 < size; i++) {
        key[i] = (char) tolower((unsigned char) name[i]);
    }

    key[i] = '\0';
}


static void
auth_answer(struct call *call, const struct store_user *user)
{
    int                    rc;
    char                   token[MINT_TOKEN_TEXT_MAX];
    int64_t                life_sec;
    uint64_t               expires_unix;
    struct error           err;
    struct identity_user   known;

    /* the store's row may be newer than memory for an instant: what counts
       is memory, against which the token will be checked */
    if (!identity_user(call->api->identity, user->id, &known)) {
        reply_error(call, 401, "auth.unauthorized", NULL,
                    "Incorrect username or password");
        return;
    }

    rc = session_issue(call->api, &known, token, sizeof(token), &expires_unix,
                       &err);

    if (rc != MINT_OK) {
        reply_failure(call, &err);
        return;
    }

    life_sec = call->api->config->auth.token_expire_minutes * 60;
    reply_json(call, 200, json_pack("{s:s, s:s, s:I, s:o}", "access_token",
                                    token, "token_type", "bearer",
                                    "expires_in", (json_int_t) life_sec,
                                    "user", user_json(user)));
    auth_cookie(call, token, life_sec);
    explicit_bzero(token, sizeof(token));
}


static void
auth_cookie(struct call *call, const char *token, int64_t max_age_sec)
{
    bool         is_secure;
    const char  *scheme;

    scheme = http_header(call->http, "X-Forwarded-Proto");
    is_secure = call->api->is_secure
                || (scheme != NULL && strcasecmp(scheme, "https") == 0);

    http_reply_header(call->reply, "Set-Cookie", "%s=%s; Path=/; HttpOnly; "
                      "SameSite=Lax; Max-Age=%lld%s", SESSION_COOKIE, token,
                      (long long) max_age_sec, is_secure ? "; Secure" : "");
}
