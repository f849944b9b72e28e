/* SPDX-License-Identifier: MIT */
/*
 * Where a request's path leads, and whether every way of reading it leads
 * there.  Routes are found on the path as nginx has normalised it; a plugin
 * gets it as it was sent and only decodes it; other software drops path
 * parameters (";x").  What these would route differently is refused.
 */

#include "ngx_http_mint.h"


static ngx_int_t ngx_http_mint_path_compare(ngx_http_request_t *r,
    const ngx_http_mint_table_t *routes, ngx_http_mint_match_t *match,
    const char **reason);
static ngx_uint_t ngx_http_mint_path_is_same(
    const ngx_http_mint_table_t *routes, u_char *path, size_t len,
    ngx_http_mint_match_t *match);


/* as nginx reads the path, and as one would that only decodes it */

ngx_uint_t
ngx_http_mint_path_is_hidden(ngx_http_request_t *r, ngx_uint_t is_plain)
{
    ngx_str_t  *raw;

    raw = &r->unparsed_uri;

    if (ngx_http_mint_target_hidden(r->uri.data, r->uri.len)) {
        return 1;
    }

    if (is_plain) {
        return 0;
    }

    return ngx_http_mint_target_has_head(raw->data, raw->len,
                                         (u_char *) "/__mint",
                                         sizeof("/__mint") - 1)
           || ngx_http_mint_target_has_head(raw->data, raw->len,
                                            (u_char *) "/api/internal",
                                            sizeof("/api/internal") - 1);
}


ngx_int_t
ngx_http_mint_path_route(ngx_http_request_t *r, ngx_uint_t is_plain,
    const ngx_http_mint_table_t *routes, ngx_http_mint_match_t *match,
    const char **reason)
{
    *reason = NULL;

    if (!ngx_http_mint_table_find(routes, r->uri.data, r->uri.len, match)) {
        match->head_len = 0;
    }

    if (is_plain) {
        return NGX_OK;
    }

    /* after a rewrite or a redirect the plugin gets the path that was routed */

    if (match->route != NULL && r->valid_unparsed_uri) {
        *reason = ngx_http_mint_target_ambiguous(r->unparsed_uri.data,
                                                 r->unparsed_uri.len);
    }

    return *reason != NULL ? NGX_OK
                           : ngx_http_mint_path_compare(r, routes, match,
                                                        reason);
}


/* most are: nothing in it has another meaning to anybody */

ngx_uint_t
ngx_http_mint_path_is_plain(ngx_http_request_t *r)
{
    ngx_str_t  *uri, *raw;

    uri = &r->uri;
    raw = &r->unparsed_uri;

    return r->valid_unparsed_uri
           && raw->len >= uri->len
           && (raw->len == uri->len || raw->data[uri->len] == '?')
           && ngx_memcmp(raw->data, uri->data, uri->len) == 0
           && memchr(uri->data, ';', uri->len) == NULL
           && memchr(uri->data, '\\', uri->len) == NULL;
}


static ngx_int_t
ngx_http_mint_path_compare(ngx_http_request_t *r,
    const ngx_http_mint_table_t *routes, ngx_http_mint_match_t *match,
    const char **reason)
{
    u_char  *path;
    size_t   len;

    path = ngx_pnalloc(r->pool, ngx_max(r->uri.len, r->unparsed_uri.len) + 1);
    if (path == NULL) {
        return NGX_ERROR;
    }

    if (r->valid_unparsed_uri) {
        len = ngx_http_mint_target_decode_path(path, r->unparsed_uri.data,
                                               r->unparsed_uri.len);

        if (!ngx_http_mint_path_is_same(routes, path, len, match)) {
            *reason = "the path is not the one that was routed";
            return NGX_OK;
        }

        len = ngx_http_mint_target_drop_parameters(path, len);

        if (!ngx_http_mint_path_is_same(routes, path, len, match)) {
            *reason = "a path parameter in the name of a plugin";
            return NGX_OK;
        }
    }

    ngx_memcpy(path, r->uri.data, r->uri.len);
    len = ngx_http_mint_target_drop_parameters(path, r->uri.len);

    if (!ngx_http_mint_path_is_same(routes, path, len, match)) {
        *reason = "a path parameter in the name of a plugin";
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_mint_path_is_same(const ngx_http_mint_table_t *routes, u_char *path,
    size_t len, ngx_http_mint_match_t *match)
{
    ngx_http_mint_match_t  other;

    if (!ngx_http_mint_table_find(routes, path, len, &other)) {
        other.head_len = 0;
    }

    return other.route == match->route && other.head_len == match->head_len;
}
