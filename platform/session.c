/* SPDX-License-Identifier: MIT */
/*
 * Who asks, on the public side: the session token from the Authorization
 * header or the cookie, judged by what the store knows now.  A write that
 * leans on the cookie must come from our own pages.
 */

#include "platform/session.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/fs.h"
#include "lib/log.h"


#define SESSION_NONE  "Not authenticated"


static const char *session_verify(struct call *call, const char *token,
    struct mint_token_claims *claims, struct identity_user *user);


int
session_authenticate(struct call *call)
{
    const char         *problem;
    struct log_fields   fields;

    problem = session_check(call);

    if (problem != NULL) {
        memset(&fields, 0, sizeof(fields));
        fields.request_id = call->http->request_id;
        log_write(LOG_LEVEL_DEBUG, &fields, "\"%s %s\" refused: %s",
                  call->http->method, call->http->path, problem);

        reply_error(call, 401, strcmp(problem, SESSION_NONE) == 0
                    ? "auth.required" : "auth.unauthorized", NULL, "%s",
                    problem);
        http_reply_header(call->reply, "WWW-Authenticate", "Bearer");
        return -1;
    }

    if (call->is_by_cookie && strcmp(call->http->method, "GET") != 0
        && strcmp(call->http->method, "HEAD") != 0
        && !session_is_own_page(call))
    {
        reply_error(call, 403, "auth.forbidden", NULL, "A change made with "
                    "the session cookie must come from a page of this "
                    "server");
        return -1;
    }

    return 0;
}


const char *
session_check(struct call *call)
{
    const char                *bearer;
    const char                *cookie;
    const char                *header;
    const char                *problem;
    struct identity_user       other;
    struct mint_token_claims   claims;

    bearer = NULL;
    cookie = http_cookie(call->http, SESSION_COOKIE);
    header = http_header(call->http, "Authorization");

    if (header != NULL && strncasecmp(header, "Bearer ", 7) == 0) {
        bearer = header + 7 + strspn(header + 7, " ");
    }

    if (header != NULL
        && (bearer == NULL || http_header_count(call->http, "Authorization")
                              > 1))
    {
        return "The Authorization header must be one bearer token";
    }

    if (bearer == NULL && cookie == NULL) {
        return SESSION_NONE;
    }

    problem = session_verify(call, bearer != NULL ? bearer : cookie,
                             &call->claims, &call->user);

    if (problem != NULL) {
        memset(&call->user, 0, sizeof(call->user));
        return problem;
    }

    /* a stale cookie beside a good bearer is only a stale cookie */
    if (bearer != NULL && cookie != NULL
        && session_verify(call, cookie, &claims, &other) == NULL
        && other.id != call->user.id)
    {
        memset(&call->user, 0, sizeof(call->user));
        return "The Authorization header and the session cookie belong to "
               "different users";
    }

    call->has_user = true;
    call->is_by_cookie = bearer == NULL;

    return NULL;
}


int
session_issue(struct api *api, const struct identity_user *user, char *text,
    size_t text_size, uint64_t *expires_unix_out, struct error *err)
{
    int                       rc;
    struct mint_token_claims  claims;

    memset(&claims, 0, sizeof(claims));
    claims.user_id = (uint64_t) user->id;
    claims.issued_unix = time_unix_ms() / 1000;
    claims.expires_unix = claims.issued_unix
                          + (uint64_t) api->config->auth.token_expire_minutes
                            * 60;
    claims.session_version = user->session_version;
    claims.username_len = (uint16_t) strlen(user->username);
    memcpy(claims.username, user->username, claims.username_len);
    fs_random_hex(claims.jti, 16);
    claims.jti_len = 32;

    (void) pthread_mutex_lock(&api->key_lock);
    rc = mint_token_issue(api->key, &claims, user->role, text, text_size);
    (void) pthread_mutex_unlock(&api->key_lock);

    if (rc < 0) {
        return error_set(err, MINT_ERR_SYSTEM, "no token could be made for "
                         "user %lld", (long long) user->id);
    }

    *expires_unix_out = claims.expires_unix;

    return MINT_OK;
}


/* the edge has judged by the same rule; a program on this machine need not
   come through it */

bool
session_is_own_page(const struct call *call)
{
    const char                  *scheme;
    struct mint_origin_request   request;

    memset(&request, 0, sizeof(request));

    request.origin_count = (unsigned) http_header_count(call->http, "Origin");
    request.origin = http_header(call->http, "Origin");
    request.origin_len = request.origin == NULL ? 0 : strlen(request.origin);

    request.site_count = (unsigned) http_header_count(call->http,
                                                      "Sec-Fetch-Site");
    request.site = http_header(call->http, "Sec-Fetch-Site");
    request.site_len = request.site == NULL ? 0 : strlen(request.site);

    /* set by the edge alone */
    request.host = http_header(call->http, "X-Forwarded-Host");

    if (request.host == NULL) {
        request.host = http_header(call->http, "Host");
    }

    request.host_len = request.host == NULL ? 0 : strlen(request.host);

    scheme = http_header(call->http, "X-Forwarded-Proto");
    request.is_https = scheme != NULL && strcasecmp(scheme, "https") == 0;

    return mint_origin_judge(&request, &call->api->origins) == NULL;
}


static const char *
session_verify(struct call *call, const char *token,
    struct mint_token_claims *claims, struct identity_user *user)
{
    struct api              *api;
    enum mint_token_result   result;

    api = call->api;

    if (strncmp(token, "mint_pat_", 9) == 0) {
        return "Personal tokens are not built in this version";
    }

    (void) pthread_mutex_lock(&api->key_lock);
    result = mint_token_verify(&api->key, 1, token, strlen(token),
                               time_unix_ms() / 1000, 0, claims);
    (void) pthread_mutex_unlock(&api->key_lock);

    if (result == MINT_TOKEN_EXPIRED) {
        return "The session has expired: sign in again";
    }

    if (result != MINT_TOKEN_OK) {
        return "The session token is not valid";
    }

    if (claims->user_id > INT64_MAX
        || !identity_user(api->identity, (int64_t) claims->user_id, user))
    {
        return "The session token is not valid";
    }

    if (!user->is_active) {
        return "The account is not active";
    }

    if (user->session_version != claims->session_version
        || identity_is_denied(api->identity, claims->jti))
    {
        return "The session has ended: sign in again";
    }

    return NULL;
}
