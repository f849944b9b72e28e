/* SPDX-License-Identifier: MIT */
/*
 * What a user's request was let in by, and whether it still would be.
 */

#ifndef NGX_HTTP_MINT_GRANT_H
#define NGX_HTTP_MINT_GRANT_H

#include "ngx_http_mint_compat.h"
#include "ngx_http_mint_run.h"
#include "ngx_http_mint_view.h"


/* part of a request's context, looked at again while the request lasts */

typedef struct {
    ngx_queue_t          queue;
    ngx_http_request_t  *request;       /* NULL: nobody's, not looked at */
    uint64_t             credential[4]; /* SHA-256 of a personal token, or id
                                           and version of a session */
    uint64_t             rights;        /* of the role it was let in with */
    unsigned             is_pat:1;
} ngx_http_mint_grant_t;


/* what a plugin is told of a role.  rights is all of it as one number: files
   and indices come and go without a change of rights */

typedef struct {
    ngx_str_t            slug;
    ngx_str_t            permissions;
    uint64_t             slug_ref;
    uint64_t             permissions_ref;
    uint64_t             rights;
} ngx_http_mint_role_texts_t;


/* a user as the file has it now; the name is read by its reference */

typedef struct {
    uint64_t             word;
    const uint64_t      *name_ref;
} ngx_http_mint_user_entry_t;


/* ngx_http_mint_grant.c: NULL, or why the user, the session, the personal
   token, the role does not allow it */
const char *ngx_http_mint_grant_user(ngx_http_mint_view_t *view,
    uint64_t user_id, ngx_http_mint_user_entry_t *user);
const char *ngx_http_mint_grant_session(ngx_http_mint_view_t *view,
    uint64_t user_id, uint32_t version, uint64_t jti_hash,
    ngx_http_mint_user_entry_t *user);
const char *ngx_http_mint_grant_pat(ngx_http_mint_view_t *view,
    const uint64_t hash[4], uint64_t *user_id, uint64_t *word);
const char *ngx_http_mint_grant_role(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_view_t *view,
    ngx_uint_t is_read_only, const struct mint_identity_role *role,
    uint64_t role_word);
const ngx_http_mint_role_texts_t *ngx_http_mint_grant_texts(
    ngx_http_mint_view_t *view, unsigned index,
    const struct mint_identity_role *role);

/* ngx_http_mint_revoke.c */
void ngx_http_mint_revoke_add(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx);
void ngx_http_mint_revoke_remove(ngx_http_mint_ctx_t *ctx);
void ngx_http_mint_revoke_check(void);

#endif /* NGX_HTTP_MINT_GRANT_H */
