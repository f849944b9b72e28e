/* SPDX-License-Identifier: MIT */
/*
 * Which page asks, where the session cookie is all that a request has: a
 * browser adds it to the requests of any page.  A change or an upgrade must
 * come from a page of ours, and a change of the platform's administration
 * not from a page of a plugin.  The judgement itself is contract/mint_origin.
 */

#include "ngx_http_mint.h"


#define NGX_HTTP_MINT_SAFE                                                    \
    (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_OPTIONS)


/* one header that may come more than once */

typedef struct {
    const char  *name;
    size_t       len;
    ngx_str_t    value;                 /* of the last */
    ngx_uint_t   count;
} ngx_http_mint_origin_header_t;


enum {
    NGX_HTTP_MINT_ORIGIN = 0,
    NGX_HTTP_MINT_ORIGIN_SITE,
    NGX_HTTP_MINT_ORIGIN_DEST,
    NGX_HTTP_MINT_ORIGIN_REFERER,
    NGX_HTTP_MINT_ORIGIN_COUNT
};


#define NGX_HTTP_MINT_ORIGIN_HEADER(name)                                     \
    { name, sizeof(name) - 1, ngx_null_string, 0 }

static const ngx_http_mint_origin_header_t
    ngx_http_mint_origin_headers[NGX_HTTP_MINT_ORIGIN_COUNT] = {

    NGX_HTTP_MINT_ORIGIN_HEADER("origin"),
    NGX_HTTP_MINT_ORIGIN_HEADER("sec-fetch-site"),
    NGX_HTTP_MINT_ORIGIN_HEADER("sec-fetch-dest"),
    NGX_HTTP_MINT_ORIGIN_HEADER("referer")
};


/* what pages of plugins may not change */

static const char  *ngx_http_mint_origin_reserved[] = { "admin", "plugins" };


static ngx_int_t ngx_http_mint_origin_judge(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal,
    ngx_http_mint_origin_header_t *headers);
static void ngx_http_mint_origin_read(ngx_http_request_t *r,
    ngx_http_mint_origin_header_t *headers);
static ngx_uint_t ngx_http_mint_origin_by_cookie(ngx_http_request_t *r);
static ngx_uint_t ngx_http_mint_origin_is_login(ngx_http_request_t *r);
static ngx_uint_t ngx_http_mint_origin_is_reserved(ngx_http_request_t *r);
static ngx_int_t ngx_http_mint_origin_page(ngx_http_request_t *r,
    ngx_http_mint_origin_header_t *headers, const char **reason);
static ngx_int_t ngx_http_mint_origin_refuse(
    ngx_http_mint_refusal_t *refusal, const char *reason);


ngx_int_t
ngx_http_mint_origin_check(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal)
{
    ngx_http_mint_origin_header_t  headers[NGX_HTTP_MINT_ORIGIN_COUNT];

    if (!ctx->is_by_cookie
        || ((r->method & NGX_HTTP_MINT_SAFE) && !ctx->is_upgrade))
    {
        return NGX_OK;
    }

    return ngx_http_mint_origin_judge(r, ctx, refusal, headers);
}


/*
 * The platform checks its credentials itself; whether a cookie is all there
 * is can be seen without.
 */

ngx_int_t
ngx_http_mint_origin_check_platform(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal)
{
    ngx_int_t                      rc;
    const char                    *reason;
    ngx_http_mint_origin_header_t  headers[NGX_HTTP_MINT_ORIGIN_COUNT];

    if (((r->method & NGX_HTTP_MINT_SAFE) && !ctx->is_upgrade)
        || !ngx_http_mint_origin_by_cookie(r))
    {
        return NGX_OK;
    }

    rc = ngx_http_mint_origin_judge(r, ctx, refusal, headers);

    /* signing in is done by the password: a program that has kept a cookie
       may do it again.  Pages say whose they are */

    if (rc == NGX_DECLINED && ngx_http_mint_origin_is_login(r)
        && headers[NGX_HTTP_MINT_ORIGIN].count == 0
        && headers[NGX_HTTP_MINT_ORIGIN_SITE].count == 0)
    {
        return NGX_OK;
    }

    if (rc != NGX_OK || !ngx_http_mint_origin_is_reserved(r)) {
        return rc;
    }

    rc = ngx_http_mint_origin_page(r, headers, &reason);

    return rc == NGX_DECLINED ? ngx_http_mint_origin_refuse(refusal, reason)
                              : rc;
}


static ngx_int_t
ngx_http_mint_origin_judge(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal, ngx_http_mint_origin_header_t *headers)
{
    ngx_str_t                      *host;
    const char                     *reason;
    ngx_http_mint_loc_conf_t       *lcf;
    struct mint_origin_request      request;
    ngx_http_mint_origin_header_t  *origin, *site;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    ngx_http_mint_origin_read(r, headers);

    origin = &headers[NGX_HTTP_MINT_ORIGIN];
    site = &headers[NGX_HTTP_MINT_ORIGIN_SITE];

    host = &ctx->forwarded_host;

    if (host->len == 0) {
        host = r->headers_in.host != NULL ? &r->headers_in.host->value
                                          : &r->headers_in.server;
    }

    request.origin = (char *) origin->value.data;
    request.origin_len = origin->value.len;
    request.origin_count = origin->count;
    request.site = (char *) site->value.data;
    request.site_len = site->value.len;
    request.site_count = site->count;
    request.host = (char *) host->data;
    request.host_len = host->len;
    request.is_https = ctx->is_https;

    reason = mint_origin_judge(&request, &lcf->edge.origins);

    return reason == NULL ? NGX_OK
                          : ngx_http_mint_origin_refuse(refusal, reason);
}


static void
ngx_http_mint_origin_read(ngx_http_request_t *r,
    ngx_http_mint_origin_header_t *headers)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    ngx_memcpy(headers, ngx_http_mint_origin_headers,
               sizeof(ngx_http_mint_origin_headers));

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            for (n = 0; n < NGX_HTTP_MINT_ORIGIN_COUNT; n++) {

                if (ngx_http_mint_text_same_name(h[i].key.data, h[i].key.len,
                                                 headers[n].name,
                                                 headers[n].len))
                {
                    headers[n].value = h[i].value;
                    headers[n].count++;
                }
            }
        }
    }
}


/* is there a session cookie, and no bearer that would count instead? */

static ngx_uint_t
ngx_http_mint_origin_by_cookie(ngx_http_request_t *r)
{
    ngx_table_elt_t       *h;
    ngx_http_mint_text_t   value;

    h = r->headers_in.authorization;

    if (h != NULL
        && ngx_http_mint_text_bearer(h->value.data, h->value.len, &value))
    {
        return 0;
    }

    for (h = ngx_http_mint_compat_cookie(r, NULL);
         h != NULL;
         h = ngx_http_mint_compat_cookie(r, h))
    {
        if (ngx_http_mint_text_cookie(h->value.data, h->value.len,
                                      NGX_HTTP_MINT_COOKIE,
                                      sizeof(NGX_HTTP_MINT_COOKIE) - 1,
                                      &value)
            > 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_mint_origin_is_login(ngx_http_request_t *r)
{
    return r->uri.len == sizeof("/api/auth/login") - 1
           && ngx_memcmp(r->uri.data, "/api/auth/login", r->uri.len) == 0;
}


/* as nginx reads the path, and as one would that only decodes it */

static ngx_uint_t
ngx_http_mint_origin_is_reserved(ngx_http_request_t *r)
{
    u_char       head[sizeof("/api/plugins")];
    ngx_uint_t   i;
    const char  *word;

    for (i = 0;
         i < sizeof(ngx_http_mint_origin_reserved) / sizeof(char *);
         i++)
    {
        word = ngx_http_mint_origin_reserved[i];

        if (ngx_http_mint_web_is_under(r->uri.data, r->uri.len, "api", word)
            || ngx_http_mint_target_has_head(r->unparsed_uri.data,
                                             r->unparsed_uri.len, head,
                                             ngx_sprintf(head, "/api/%s", word)
                                             - head))
        {
            return 1;
        }
    }

    return 0;
}


/*
 * All frontends share one origin, so the browser's own rules do not keep a
 * plugin's page from the platform's administration.  The page is known by
 * its address; who sends none is refused, because a page may leave it out.
 * A form or a frame (Sec-Fetch-Dest) is not how the administration is used.
 */

static ngx_int_t
ngx_http_mint_origin_page(ngx_http_request_t *r,
    ngx_http_mint_origin_header_t *headers, const char **reason)
{
    int                             origin_len;
    u_char                         *path;
    size_t                          len;
    ngx_str_t                      *referer, *dest;
    struct mint_origin              origin;
    ngx_http_mint_match_t           match;
    ngx_http_mint_loc_conf_t       *lcf;
    const ngx_http_mint_table_t    *routes;

    referer = &headers[NGX_HTTP_MINT_ORIGIN_REFERER].value;
    dest = &headers[NGX_HTTP_MINT_ORIGIN_DEST].value;

    if (headers[NGX_HTTP_MINT_ORIGIN_DEST].count != 0
        && (dest->len != sizeof("empty") - 1
            || ngx_memcmp(dest->data, "empty", sizeof("empty") - 1) != 0))
    {
        *reason = "the administration is not changed by forms or frames";
        return NGX_DECLINED;
    }

    if (headers[NGX_HTTP_MINT_ORIGIN_REFERER].count != 1) {
        *reason = "the administration is changed only by pages that say "
                  "their address (Referer)";
        return NGX_DECLINED;
    }

    origin_len = mint_origin_parse_url((char *) referer->data, referer->len,
                                       &origin);

    if (origin_len < 0) {
        *reason = "Referer is not an address";
        return NGX_DECLINED;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    if (mint_origin_find(&lcf->edge.origins, &origin) != NULL) {
        return NGX_OK;
    }

    path = ngx_pnalloc(r->pool, referer->len - origin_len + 1);
    if (path == NULL) {
        return NGX_ERROR;
    }

    len = ngx_http_mint_web_path(path, referer->data + origin_len,
                                 referer->len - origin_len);
    routes = ngx_http_mint_run_routes();

    if (routes == NULL || ngx_http_mint_table_find(routes, path, len, &match))
    {
        *reason = "pages of plugins may not change the administration";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mint_origin_refuse(ngx_http_mint_refusal_t *refusal,
    const char *reason)
{
    refusal->status = NGX_HTTP_FORBIDDEN;
    refusal->rejection = MINT_REJECT_FORBIDDEN;
    refusal->reason = reason;

    return NGX_DECLINED;
}
