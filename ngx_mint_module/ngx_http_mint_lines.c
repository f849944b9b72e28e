/* SPDX-License-Identifier: MIT */
/*
 * What is kept of a user or a plugin is found by its id and used as long as
 * the references in the run file "identity" are those it was made from: in one
 * mapping of it a reference names one text for good.
 */

#include "ngx_http_mint.h"


#define NGX_HTTP_MINT_LINES_USERS   256     /* kept, by the id's last bits */
#define NGX_HTTP_MINT_LINES_TOKENS  256

#define NGX_HTTP_MINT_LINES_ID      "X-MINT-User-Id: "
#define NGX_HTTP_MINT_LINES_NAME    CRLF "X-MINT-Username: "
#define NGX_HTTP_MINT_LINES_ROLE    CRLF "X-MINT-User-Role: "
#define NGX_HTTP_MINT_LINES_RIGHTS  CRLF "X-MINT-User-Permissions: "
#define NGX_HTTP_MINT_LINES_TOKEN   "X-MINT-Internal-Token: "

#define ngx_http_mint_lines_add(p, text)                                      \
    ngx_cpymem(p, text, sizeof(text) - 1)


typedef struct {
    uint64_t    mapping;
    uint64_t    ref;                /* 0: nothing kept */
    uint32_t    plugin_id;
    uint32_t    len;
    u_char      text[sizeof(NGX_HTTP_MINT_LINES_TOKEN) + MINT_TOKEN_MAX + 2];
} ngx_http_mint_lines_token_t;


static ngx_http_mint_lines_t *ngx_http_mint_lines_make(
    ngx_http_mint_view_t *view, uint64_t user_id, const uint64_t *name_ref,
    const ngx_http_mint_role_texts_t *texts);
static ngx_http_mint_lines_t *ngx_http_mint_lines_new(uint64_t user_id,
    const ngx_str_t *name, const ngx_http_mint_role_texts_t *texts);
static void ngx_http_mint_lines_read_token(ngx_http_mint_view_t *view,
    uint64_t ref, ngx_http_mint_lines_token_t *kept);


static ngx_http_mint_lines_t
    *ngx_http_mint_lines_users[NGX_HTTP_MINT_LINES_USERS];
static ngx_http_mint_lines_token_t
    ngx_http_mint_lines_tokens[NGX_HTTP_MINT_LINES_TOKENS];


ngx_http_mint_lines_t *
ngx_http_mint_lines_user(ngx_http_mint_view_t *view, uint64_t user_id,
    const uint64_t *name_ref, unsigned role_index,
    const struct mint_identity_role *role)
{
    ngx_http_mint_lines_t             **slot, *lines;
    const ngx_http_mint_role_texts_t   *texts;

    slot = &ngx_http_mint_lines_users[user_id % NGX_HTTP_MINT_LINES_USERS];
    lines = *slot;

    if (lines == NULL
        || lines->user_id != user_id
        || lines->mapping != view->mapping
        || lines->name_ref != mint_run_load_acquire(name_ref)
        || lines->slug_ref != mint_run_load_acquire(&role->slug)
        || lines->permissions_ref != mint_run_load_acquire(&role->permissions))
    {
        texts = ngx_http_mint_grant_texts(view, role_index, role);
        lines = texts == NULL
                ? NULL : ngx_http_mint_lines_make(view, user_id, name_ref,
                                                  texts);
        if (lines == NULL) {
            return NULL;
        }

        if (*slot != NULL) {
            ngx_http_mint_lines_release(*slot);
        }

        *slot = lines;
    }

    lines->refs++;

    return lines;
}


/* with one reference, for the slot */

static ngx_http_mint_lines_t *
ngx_http_mint_lines_make(ngx_http_mint_view_t *view, uint64_t user_id,
    const uint64_t *name_ref, const ngx_http_mint_role_texts_t *texts)
{
    int64_t                 len;
    uint64_t                ref;
    ngx_str_t               name;
    ngx_http_mint_lines_t  *lines;

    ref = mint_run_load_acquire(name_ref);

    if (mint_blob_length(ref) > MINT_BLOB_MAX) {
        return NULL;
    }

    name.data = ngx_alloc(mint_blob_length(ref) + sizeof(uint64_t),
                          ngx_cycle->log);
    if (name.data == NULL) {
        return NULL;
    }

    lines = NULL;
    len = ngx_http_mint_identity_blob(view, &ref,
                                      (uint64_t *) (void *) name.data,
                                      mint_blob_length(ref));

    if (len > 0) {
        name.len = (size_t) len;
        lines = ngx_http_mint_lines_new(user_id, &name, texts);
    }

    ngx_free(name.data);

    if (lines != NULL) {
        lines->mapping = view->mapping;
        lines->name_ref = ref;
    }

    return lines;
}


static ngx_http_mint_lines_t *
ngx_http_mint_lines_new(uint64_t user_id, const ngx_str_t *name,
    const ngx_http_mint_role_texts_t *texts)
{
    size_t                  size;
    u_char                 *p;
    ngx_http_mint_lines_t  *lines;

    size = sizeof(NGX_HTTP_MINT_LINES_ID) + NGX_INT64_LEN
           + sizeof(NGX_HTTP_MINT_LINES_NAME)
           + ngx_http_mint_text_header_value(NULL, name->data, name->len)
           + sizeof(NGX_HTTP_MINT_LINES_ROLE) + texts->slug.len
           + sizeof(NGX_HTTP_MINT_LINES_RIGHTS) + texts->permissions.len
           + sizeof(CRLF);

    lines = ngx_alloc(sizeof(ngx_http_mint_lines_t) + size, ngx_cycle->log);
    if (lines == NULL) {
        return NULL;
    }

    lines->refs = 1;
    lines->user_id = user_id;
    lines->slug_ref = texts->slug_ref;
    lines->permissions_ref = texts->permissions_ref;
    lines->rights = texts->rights;
    lines->text.data = (u_char *) (lines + 1);

    p = ngx_http_mint_lines_add(lines->text.data, NGX_HTTP_MINT_LINES_ID);

    p += ngx_http_mint_text_number(p, user_id);

    p = ngx_http_mint_lines_add(p, NGX_HTTP_MINT_LINES_NAME);
    p += ngx_http_mint_text_header_value(p, name->data, name->len);

    p = ngx_http_mint_lines_add(p, NGX_HTTP_MINT_LINES_ROLE);
    p = ngx_cpymem(p, texts->slug.data, texts->slug.len);

    p = ngx_http_mint_lines_add(p, NGX_HTTP_MINT_LINES_RIGHTS);
    p = ngx_cpymem(p, texts->permissions.data, texts->permissions.len);

    p = ngx_http_mint_lines_add(p, CRLF);

    lines->text.len = p - lines->text.data;

    return lines;
}


void
ngx_http_mint_lines_release(ngx_http_mint_lines_t *lines)
{
    if (--lines->refs == 0) {
        ngx_free(lines);
    }
}


void
ngx_http_mint_lines_done(void)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_MINT_LINES_USERS; i++) {
        if (ngx_http_mint_lines_users[i] != NULL) {
            ngx_http_mint_lines_release(ngx_http_mint_lines_users[i]);
            ngx_http_mint_lines_users[i] = NULL;
        }
    }

    ngx_explicit_memzero(ngx_http_mint_lines_tokens,
                         sizeof(ngx_http_mint_lines_tokens));
}


void
ngx_http_mint_lines_token(ngx_http_mint_view_t *view, uint32_t plugin_id,
    ngx_str_t *line)
{
    uint64_t                      seen;
    const uint64_t               *ref;
    ngx_http_mint_lines_token_t  *kept;

    ngx_str_null(line);

    if (!ngx_http_mint_identity_token(view, plugin_id, &ref)) {
        return;
    }

    kept = &ngx_http_mint_lines_tokens[plugin_id % NGX_HTTP_MINT_LINES_TOKENS];
    seen = mint_run_load_acquire(ref);

    if (kept->ref != seen || kept->plugin_id != plugin_id
        || kept->mapping != view->mapping)
    {
        kept->mapping = view->mapping;
        kept->plugin_id = plugin_id;
        ngx_http_mint_lines_read_token(view, seen, kept);
    }

    if (kept->ref != 0) {
        line->data = kept->text;
        line->len = kept->len;
    }
}


static void
ngx_http_mint_lines_read_token(ngx_http_mint_view_t *view, uint64_t ref,
    ngx_http_mint_lines_token_t *kept)
{
    u_char   *p;
    int64_t   len;
    uint64_t  token[MINT_TOKEN_MAX / 8];

    kept->ref = 0;

    len = ngx_http_mint_identity_blob(view, &ref, token, sizeof(token));

    if (len <= 0
        || !ngx_http_mint_text_is_header_safe((u_char *) token, (size_t) len))
    {
        return;
    }

    p = ngx_http_mint_lines_add(kept->text, NGX_HTTP_MINT_LINES_TOKEN);
    p = ngx_cpymem(p, token, (size_t) len);
    p = ngx_http_mint_lines_add(p, CRLF);

    kept->len = (uint32_t) (p - kept->text);
    kept->ref = ref;
}
