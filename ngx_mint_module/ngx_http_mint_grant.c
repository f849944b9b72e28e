/* SPDX-License-Identifier: MIT */
/*
 * What a credential is worth by the run file "identity" as it is now.  Asked
 * for each request by ngx_http_mint_auth.c, and again by
 * ngx_http_mint_revoke.c while the request lasts.
 */

#include "ngx_http_mint.h"


#define NGX_HTTP_MINT_ROLES  256        /* an index has 8 bits */
#define NGX_HTTP_MINT_TRIES  4          /* while a role is being changed */


/* a role's texts, checked: valid as long as the references are the same */

typedef struct {
    uint64_t                     mapping;
    ngx_http_mint_role_texts_t   texts;     /* slug.data: of both, ngx_alloc */
} ngx_http_mint_grant_role_t;


static ngx_int_t ngx_http_mint_grant_read(ngx_http_mint_view_t *view,
    const struct mint_identity_role *role, ngx_http_mint_grant_role_t *kept);
static ngx_int_t ngx_http_mint_grant_text(ngx_http_mint_view_t *view,
    const uint64_t *ref, u_char *to, ngx_str_t *text);


static ngx_http_mint_grant_role_t
    ngx_http_mint_grant_roles[NGX_HTTP_MINT_ROLES];


const char *
ngx_http_mint_grant_user(ngx_http_mint_view_t *view, uint64_t user_id,
    ngx_http_mint_user_entry_t *user)
{
    if (!ngx_http_mint_identity_user(view, user_id, &user->word,
                                     &user->name_ref))
    {
        return "no such user";
    }

    return mint_user_flags(user->word) & MINT_USER_ACTIVE
           ? NULL : "the user is not active";
}


const char *
ngx_http_mint_grant_session(ngx_http_mint_view_t *view,
    uint64_t user_id, uint32_t version, uint64_t jti_hash,
    ngx_http_mint_user_entry_t *user)
{
    const char  *reason;

    reason = ngx_http_mint_grant_user(view, user_id, user);

    if (reason != NULL) {
        return reason;
    }

    if (mint_user_session_version(user->word) != version) {
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
 * What plugins are told of a role; NULL if that cannot be read or must not be
 * in a header.  Good until the next call for the same role.
 */

const ngx_http_mint_role_texts_t *
ngx_http_mint_grant_texts(ngx_http_mint_view_t *view, unsigned index,
    const struct mint_identity_role *role)
{
    ngx_uint_t                   i;
    ngx_http_mint_grant_role_t  *kept;

    kept = &ngx_http_mint_grant_roles[index % NGX_HTTP_MINT_ROLES];

    for (i = 0; i < NGX_HTTP_MINT_TRIES; i++) {

        if (kept->texts.slug.data != NULL
            && kept->mapping == view->mapping
            && kept->texts.slug_ref == mint_run_load_acquire(&role->slug)
            && kept->texts.permissions_ref
               == mint_run_load_acquire(&role->permissions))
        {
            return &kept->texts;
        }

        if (ngx_http_mint_grant_read(view, role, kept) != NGX_OK) {
            return NULL;
        }
    }

    return NULL;
}


/* the references are loaded before and compared after: see above */

static ngx_int_t
ngx_http_mint_grant_read(ngx_http_mint_view_t *view,
    const struct mint_identity_role *role, ngx_http_mint_grant_role_t *kept)
{
    size_t                       size;
    uint64_t                     hash;
    ngx_http_mint_role_texts_t  *texts;

    texts = &kept->texts;
    ngx_free(texts->slug.data);
    ngx_memzero(texts, sizeof(ngx_http_mint_role_texts_t));

    kept->mapping = view->mapping;
    texts->slug_ref = mint_run_load_acquire(&role->slug);
    texts->permissions_ref = mint_run_load_acquire(&role->permissions);

    size = ngx_align(mint_blob_length(texts->slug_ref), 8)
           + ngx_align(mint_blob_length(texts->permissions_ref), 8);

    texts->slug.data = ngx_alloc(size + 1, ngx_cycle->log);
    if (texts->slug.data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_mint_grant_text(view, &texts->slug_ref, texts->slug.data,
                                 &texts->slug)
        != NGX_OK
        || ngx_http_mint_grant_text(view, &texts->permissions_ref,
                                    texts->slug.data
                                    + ngx_align(texts->slug.len, 8),
                                    &texts->permissions)
           != NGX_OK)
    {
        ngx_free(texts->slug.data);
        texts->slug.data = NULL;
        return NGX_ERROR;
    }

    /* the lengths, too, or two texts could meet in another place */

    hash = mint_prefix_hash(MINT_PREFIX_HASH_SEED ^ texts->slug.len,
                            (const char *) texts->slug.data, texts->slug.len);
    texts->rights = mint_prefix_hash(hash ^ texts->permissions.len,
                                     (const char *) texts->permissions.data,
                                     texts->permissions.len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_mint_grant_text(ngx_http_mint_view_t *view, const uint64_t *ref,
    u_char *to, ngx_str_t *text)
{
    int64_t  len;

    len = ngx_http_mint_identity_blob(view, ref, (uint64_t *) (void *) to,
                                      mint_blob_length(*ref));

    if (len <= 0 || !ngx_http_mint_text_is_header_safe(to, (size_t) len)) {
        return NGX_ERROR;
    }

    text->data = to;
    text->len = (size_t) len;

    return NGX_OK;
}
