/* SPDX-License-Identifier: MIT */
/*
 * Who asks, and may they use this plugin: credentials are read from the
 * request, checked against the run file "identity", and become the identity
 * headers.  What the token itself says of a user besides the id is not used.
 */

#include "ngx_http_mint.h"

#include <openssl/evp.h>


/* the credentials of a request as found in its headers */

typedef struct {
    ngx_http_mint_text_t  bearer;       /* ours: a session or personal token */
    ngx_http_mint_text_t  cookie;
    ngx_uint_t            cookies;
    ngx_uint_t            is_pat;
    ngx_uint_t            is_other;     /* Authorization, but no session */
    ngx_uint_t            is_long;      /* a bearer or cookie beyond limits */
} ngx_http_mint_credentials_t;


/* whom a credential names */

typedef struct {
    uint64_t    user_id;
    uint64_t    credential[4];      /* as in ngx_http_mint_grant_t */

    ngx_http_mint_user_entry_t  user;       /* of a session */

    ngx_uint_t  is_pat;
    ngx_uint_t  is_read_only;
} ngx_http_mint_subject_t;


static void ngx_http_mint_auth_find(ngx_http_request_t *r,
    ngx_http_mint_credentials_t *found);
static ngx_uint_t ngx_http_mint_auth_is_foreign(
    ngx_http_mint_credentials_t *found);
static const char *ngx_http_mint_auth_subject(ngx_http_mint_view_t *view,
    ngx_http_mint_credentials_t *found, ngx_http_mint_subject_t *subject,
    ngx_int_t *rejection);
static const char *ngx_http_mint_auth_session(ngx_http_mint_view_t *view,
    ngx_http_mint_text_t *token, ngx_http_mint_subject_t *subject,
    ngx_int_t *rejection);
static enum mint_token_result ngx_http_mint_auth_verify(
    ngx_http_mint_text_t *token, ngx_http_mint_session_t *verified,
    const ngx_http_mint_session_t **session);
static const char *ngx_http_mint_auth_pat(ngx_http_mint_view_t *view,
    ngx_http_mint_text_t *token, ngx_http_mint_subject_t *subject,
    ngx_int_t *rejection);
static ngx_int_t ngx_http_mint_auth_identify(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_view_t *view,
    ngx_http_mint_subject_t *subject, ngx_http_mint_refusal_t *refusal);
static void ngx_http_mint_auth_refuse(ngx_http_mint_refusal_t *refusal,
    ngx_uint_t status, ngx_int_t rejection, const char *reason);


ngx_int_t
ngx_http_mint_auth(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal)
{
    ngx_int_t                     rc, rejection;
    const char                   *reason;
    const uint64_t               *token_ref;
    ngx_http_mint_view_t         *view;
    ngx_http_mint_subject_t       subject;
    ngx_http_mint_credentials_t   found;

    view = ngx_http_mint_run_view(MINT_RUN_IDENTITY);

    if (view == NULL) {
        ngx_http_mint_auth_refuse(refusal, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  MINT_REJECT_NOT_READY,
                                  "no run file \"identity\"");
        return NGX_DECLINED;
    }

    ngx_memzero(&subject, sizeof(ngx_http_mint_subject_t));
    ngx_http_mint_auth_find(r, &found);

    rejection = -1;
    reason = ngx_http_mint_auth_subject(view, &found, &subject, &rejection);

    /* never passed on, also where it does not count */

    if ((found.is_other || reason != NULL)
        && ngx_http_mint_headers_drop_pats(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (reason == NULL && subject.user_id != 0) {
        rc = ngx_http_mint_auth_identify(r, ctx, view, &subject, refusal);

        if (rc == NGX_ERROR || (rc == NGX_DECLINED && !ctx->is_page)
            || (rc == NGX_DECLINED
                && refusal->status != NGX_HTTP_UNAUTHORIZED))
        {
            return rc;
        }

        ctx->is_by_cookie = rc == NGX_OK && found.bearer.len == 0;

        if (rc == NGX_DECLINED) {
            reason = refusal->reason;
            ngx_memzero(refusal, sizeof(ngx_http_mint_refusal_t));
        }

    } else if (reason != NULL && !ctx->is_page) {
        ngx_http_mint_auth_refuse(refusal, NGX_HTTP_UNAUTHORIZED, rejection,
                                  reason);
        return NGX_DECLINED;
    }

    if (reason != NULL) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "mint: page of plugin \"%V\" served as anonymous: %s",
                      &ctx->plugin, reason);
    }

    if (!ngx_http_mint_identity_token(view, ctx->plugin_id, &token_ref)) {
        ngx_http_mint_auth_refuse(refusal, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  MINT_REJECT_NOT_READY,
                                  "no internal token for this plugin");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_http_mint_auth_find(ngx_http_request_t *r,
    ngx_http_mint_credentials_t *found)
{
    ngx_table_elt_t       *h;
    ngx_http_mint_text_t   token;

    ngx_memzero(found, sizeof(ngx_http_mint_credentials_t));

    h = r->headers_in.authorization;

    if (h != NULL
        && ngx_http_mint_text_bearer(h->value.data, h->value.len, &token))
    {
        found->is_pat = ngx_http_mint_text_is_pat(token.data, token.len);
        found->bearer = token;

        if (token.len > MINT_TOKEN_TEXT_MAX) {
            found->is_long = !ngx_http_mint_auth_is_foreign(found);
        }
    }

    found->is_other = h != NULL && (found->bearer.len == 0 || found->is_pat);

    for (h = ngx_http_mint_compat_cookie(r, NULL);
         h != NULL;
         h = ngx_http_mint_compat_cookie(r, h))
    {
        found->cookies += ngx_http_mint_text_cookie(h->value.data,
                                         h->value.len, NGX_HTTP_MINT_COOKIE,
                                         sizeof(NGX_HTTP_MINT_COOKIE) - 1,
                                         &found->cookie);
    }

    /* what is left of a cookie that was taken back */

    if (found->cookies == 1 && found->cookie.len == 0) {
        found->cookies = 0;
    }

    if (found->cookies != 0 && found->cookie.len > MINT_TOKEN_TEXT_MAX) {
        found->is_long = 1;
    }
}


/*
 * A bearer without the shape of ours is the plugin's own business, and is
 * forgotten here.  Asked for what is no good: what is good has the shape.
 */

static ngx_uint_t
ngx_http_mint_auth_is_foreign(ngx_http_mint_credentials_t *found)
{
    if (found->is_pat
        || mint_token_looks_like((const char *) found->bearer.data,
                                 found->bearer.len))
    {
        return 0;
    }

    found->bearer.len = 0;
    found->is_other = 1;

    return 1;
}


/*
 * NULL if there is no credential of ours (user_id stays 0) or a good one,
 * else why it is refused.
 */

static const char *
ngx_http_mint_auth_subject(ngx_http_mint_view_t *view,
    ngx_http_mint_credentials_t *found, ngx_http_mint_subject_t *subject,
    ngx_int_t *rejection)
{
    const char               *reason;
    ngx_http_mint_subject_t   other;

    *rejection = MINT_REJECT_BAD_TOKEN;

    if (found->cookies > 1) {
        return "more than one cookie " NGX_HTTP_MINT_COOKIE;
    }

    if (found->is_long) {
        return "the token is too long";
    }

    if (found->bearer.len == 0 && found->cookies == 0) {
        return NULL;
    }

    if (found->bearer.len == 0) {
        return ngx_http_mint_auth_session(view, &found->cookie, subject,
                                          rejection);
    }

    reason = found->is_pat
             ? ngx_http_mint_auth_pat(view, &found->bearer, subject, rejection)
             : ngx_http_mint_auth_session(view, &found->bearer, subject,
                                          rejection);

    if (reason != NULL && ngx_http_mint_auth_is_foreign(found)) {
        return ngx_http_mint_auth_subject(view, found, subject, rejection);
    }

    if (reason != NULL || found->cookies == 0) {
        return reason;
    }

    /* a cookie that only has expired still says whose it was */

    reason = ngx_http_mint_auth_session(view, &found->cookie, &other,
                                        rejection);

    if (reason != NULL && *rejection != MINT_REJECT_EXPIRED) {
        return reason;
    }

    *rejection = MINT_REJECT_BAD_TOKEN;

    return other.user_id == subject->user_id
           ? NULL : "bearer and cookie name different users";
}


/* the user is set also if the token has expired */

static const char *
ngx_http_mint_auth_session(ngx_http_mint_view_t *view,
    ngx_http_mint_text_t *token, ngx_http_mint_subject_t *subject,
    ngx_int_t *rejection)
{
    enum mint_token_result          result;
    ngx_http_mint_session_t         verified;
    const ngx_http_mint_session_t  *session;

    subject->user_id = 0;
    *rejection = MINT_REJECT_BAD_TOKEN;

    result = ngx_http_mint_auth_verify(token, &verified, &session);

    if (result == MINT_TOKEN_OK || result == MINT_TOKEN_EXPIRED) {
        subject->user_id = session->user_id;
    }

    if (result != MINT_TOKEN_OK) {
        if (result == MINT_TOKEN_EXPIRED) {
            *rejection = MINT_REJECT_EXPIRED;
        }

        return mint_token_result_text(result);
    }

    *rejection = MINT_REJECT_REVOKED;

    subject->credential[0] = session->jti_hash;
    subject->credential[1] = session->version;

    return ngx_http_mint_grant_session(view, session->user_id,
                                       session->version, session->jti_hash,
                                       &subject->user);
}


static enum mint_token_result
ngx_http_mint_auth_verify(ngx_http_mint_text_t *token,
    ngx_http_mint_session_t *verified, const ngx_http_mint_session_t **session)
{
    ngx_uint_t                 count;
    struct mint_token_key    **keys;
    struct mint_token_claims   claims;
    enum mint_token_result     result;

    /* first: with other keys the memo is empty */

    count = ngx_http_mint_keys(&keys);

    *session = ngx_http_mint_memo_find(token);

    if (*session != NULL) {
        return mint_token_judge_times((*session)->issued_unix,
                                      (*session)->not_before_unix,
                                      (*session)->expires_unix,
                                      (uint64_t) ngx_time(),
                                      MINT_TOKEN_LEEWAY_SEC);
    }

    result = mint_token_verify(keys, count, (const char *) token->data,
                               token->len, (uint64_t) ngx_time(),
                               MINT_TOKEN_LEEWAY_SEC, &claims);

    verified->user_id = claims.user_id;
    verified->jti_hash = ngx_http_mint_identity_jti(claims.jti,
                                                    claims.jti_len);
    verified->issued_unix = claims.issued_unix;
    verified->not_before_unix = claims.not_before_unix;
    verified->expires_unix = claims.expires_unix;
    verified->version = claims.session_version;
    *session = verified;

    if (result == MINT_TOKEN_OK) {
        ngx_http_mint_memo_add(token, verified);
    }

    return result;
}


static const char *
ngx_http_mint_auth_pat(ngx_http_mint_view_t *view,
    ngx_http_mint_text_t *token, ngx_http_mint_subject_t *subject,
    ngx_int_t *rejection)
{
    uint64_t       word, user_id;
    const char    *reason;
    unsigned int   len;

    *rejection = MINT_REJECT_BAD_TOKEN;

    if (!ngx_http_mint_text_is_whole_pat(token->data, token->len)) {
        return "not a personal token";
    }

    len = sizeof(subject->credential);

    if (EVP_Digest(token->data, token->len,
                   (unsigned char *) subject->credential, &len, EVP_sha256(),
                   NULL)
        != 1
        || len != sizeof(subject->credential))
    {
        return "the personal token could not be hashed";
    }

    reason = ngx_http_mint_grant_pat(view, subject->credential, &user_id,
                                     &word);

    if (reason != NULL) {
        *rejection = user_id == 0 ? MINT_REJECT_REVOKED : MINT_REJECT_EXPIRED;
        return reason;
    }

    subject->user_id = user_id;
    subject->is_pat = 1;
    subject->is_read_only = word & 1;
    *rejection = MINT_REJECT_REVOKED;

    return ngx_http_mint_grant_user(view, user_id, &subject->user);
}


/* the user as the identity file has it now: NGX_OK and headers, or refused */

static ngx_int_t
ngx_http_mint_auth_identify(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_view_t *view, ngx_http_mint_subject_t *subject,
    ngx_http_mint_refusal_t *refusal)
{
    uint64_t                          role_word;
    unsigned                          role_index;
    const char                       *reason;
    const struct mint_identity_role  *role;

    ctx->user_id = subject->user_id;
    role_index = mint_user_role(subject->user.word);

    if (!ngx_http_mint_identity_role(view, role_index, &role, &role_word))
    {
        ngx_http_mint_auth_refuse(refusal, NGX_HTTP_FORBIDDEN,
                                  MINT_REJECT_FORBIDDEN,
                                  "the user's role does not exist");
        return NGX_DECLINED;
    }

    reason = ngx_http_mint_grant_role(r, ctx, view, subject->is_read_only,
                                      role, role_word);

    if (reason != NULL) {
        ngx_http_mint_auth_refuse(refusal, NGX_HTTP_FORBIDDEN,
                                  MINT_REJECT_FORBIDDEN, reason);
        return NGX_DECLINED;
    }

    ctx->is_admin = (role_word & MINT_ROLE_ADMIN) != 0;

    ngx_memcpy(ctx->grant.credential, subject->credential,
               sizeof(subject->credential));
    ctx->grant.is_pat = subject->is_pat;

    ctx->lines = ngx_http_mint_lines_user(view, ctx->user_id,
                                          subject->user.name_ref, role_index,
                                          role);
    if (ctx->lines == NULL) {
        ngx_http_mint_auth_refuse(refusal, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  MINT_REJECT_NOT_READY,
                                  "the user's entry cannot be read");
        return NGX_DECLINED;
    }

    ctx->grant.rights = ctx->lines->rights;
    ngx_http_mint_revoke_add(r, ctx);

    return NGX_OK;
}


static void
ngx_http_mint_auth_refuse(ngx_http_mint_refusal_t *refusal, ngx_uint_t status,
    ngx_int_t rejection, const char *reason)
{
    refusal->status = status;
    refusal->rejection = rejection;
    refusal->reason = reason;

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        refusal->retry_after_sec = 2;
    }
}
