/* SPDX-License-Identifier: MIT */
/*
 * What a credential is worth by the run file "identity" as it is now.  Asked
 * for each request by ngx_http_mint_auth.c, and again by
 * ngx_http_mint_revoke.c while the request lasts.
 */

#include "ngx_http_mint.h"


#define NGX_HTTP_MINT_ROLES  256        /* an index has 8 bits */


/* a role's texts, hashed: valid as long as the references are the same */

typedef struct {
    uint64_t  epoch;
    uint64_t  slug;
    uint64_t  permissions;
    uint64_t  hash;
} ngx_http_mint_grant_texts_t;


static uint64_t ngx_http_mint_grant_hash(ngx_http_mint_view_t *view,
    uint64_t hash, const uint64_t *ref);


static ngx_http_mint_grant_texts_t
    ngx_http_mint_grant_texts[NGX_HTTP_MINT_ROLES];


const char *
ngx_http_mint_grant_session(ngx_http_mint_view_t *view,
    uint64_t user_id, uint32_t version, uint64_t jti_hash)
{
    uint64_t         word;
    const uint64_t  *name_ref;

    if (!ngx_http_mint_identity_user(view, user_id, &word, &name_ref)) {
        return "no such user";
    }

    if (!(mint_user_flags(word) & MINT_USER_ACTIVE)) {
        return "the user is not active";
    }

    if (mint_user_session_version(word) != version) {
        return "the session was ended";
    }

    if (ngx_http_mint_identity_is_denied(view, jti_hash, (uint64_t) ngx_time()
                                         - MINT_TOKEN_LEEWAY_SEC))
    {
        return "the session was logged out";
    }

    return NULL;
}


/* user 0: there is no such token */

const char *
ngx_http_mint_grant_pat(ngx_http_mint_view_t *view,
    const uint64_t hash[4], uint64_t *user_id, uint64_t *word)
{
    uint64_t  expires;

    if (!ngx_http_mint_identity_pat(view, hash, user_id, word)) {
        *user_id = 0;
        return "no such personal token";
    }

    expires = *word >> 16;

    return expires != 0 && expires <= (uint64_t) ngx_time()
           ? "the personal token has expired" : NULL;
}


const char *
ngx_http_mint_grant_role(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_view_t *view, ngx_uint_t is_read_only,
    const struct mint_identity_role *role, uint64_t role_word)
{
    if (is_read_only
        && !(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_OPTIONS)))
    {
        return "the personal token is read-only";
    }

    if (role_word & MINT_ROLE_ADMIN) {
        return NULL;
    }

    if (!(role_word & MINT_ROLE_PLUGINS_USE)) {
        return "the role lacks permission plugins.use";
    }

    if (!(role_word & MINT_ROLE_ALL_PLUGINS)
        && ngx_http_mint_identity_bit(view, &role->plugin_access,
                                      ctx->plugin_id)
           != 1)
    {
        return "the role has no access to this plugin";
    }

    return NULL;
}


/*
 * What a plugin is told of a role, as one number: files and indices come and
 * go without a change of rights.  0 if the texts cannot be read.
 */

uint64_t
ngx_http_mint_grant_rights(ngx_http_mint_view_t *view, unsigned index,
    const struct mint_identity_role *role)
{
    uint64_t                      slug, permissions, hash;
    ngx_http_mint_grant_texts_t  *texts;

    texts = &ngx_http_mint_grant_texts[index % NGX_HTTP_MINT_ROLES];

    slug = mint_run_load_acquire(&role->slug);
    permissions = mint_run_load_acquire(&role->permissions);

    if (texts->epoch == view->header.writer_epoch && texts->slug == slug
        && texts->permissions == permissions && texts->hash != 0)
    {
        return texts->hash;
    }

    hash = ngx_http_mint_grant_hash(view, MINT_PREFIX_HASH_SEED, &role->slug);

    if (hash != 0) {
        hash = ngx_http_mint_grant_hash(view, hash, &role->permissions);
    }

    /* read while it changed: good for once, not to be kept */

    if (slug == mint_run_load_acquire(&role->slug)
        && permissions == mint_run_load_acquire(&role->permissions))
    {
        texts->epoch = view->header.writer_epoch;
        texts->slug = slug;
        texts->permissions = permissions;
        texts->hash = hash;
    }

    return hash;
}


static uint64_t
ngx_http_mint_grant_hash(ngx_http_mint_view_t *view, uint64_t hash,
    const uint64_t *ref)
{
    size_t     size;
    int64_t    len;
    uint64_t  *text;

    size = ((size_t) mint_blob_length(mint_run_load_acquire(ref)) + 7)
           & ~(size_t) 7;

    if (size == 0 || size > MINT_BLOB_MAX) {
        return 0;
    }

    text = ngx_alloc(size, ngx_cycle->log);
    if (text == NULL) {
        return 0;
    }

    len = ngx_http_mint_identity_blob(view, ref, text, size);

    /* the length, too, or two texts could meet in another place */

    hash = len > 0 ? mint_prefix_hash(hash ^ (uint64_t) len,
                                      (const char *) text, (size_t) len)
                   : 0;
    ngx_free(text);

    return hash;
}
