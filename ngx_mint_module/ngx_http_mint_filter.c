/* SPDX-License-Identifier: MIT */
/*
 * The header filter: every answer of a server with "mint" carries the request
 * id, and a plugin's answer is relieved of what is not the plugin's to say.
 * It runs before nginx's own headers filter, so "add_header" is not touched.
 */

#include "ngx_http_mint.h"


static ngx_int_t ngx_http_mint_filter_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_mint_filter_early(ngx_http_request_t *r);
static ngx_int_t ngx_http_mint_filter_finish(ngx_http_request_t *r,
    ngx_str_t *id);
static ngx_uint_t ngx_http_mint_filter_is_raw(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
static void ngx_http_mint_filter_clean(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_uint_t from_plugin);
static ngx_uint_t ngx_http_mint_filter_is_foreign(ngx_table_elt_t *h);
static ngx_uint_t ngx_http_mint_filter_is_stream(ngx_http_request_t *r);
static ngx_int_t ngx_http_mint_filter_body(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_mint_filter_init(ngx_conf_t *cf);


static ngx_http_module_t  ngx_http_mint_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_mint_filter_init,             /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_mint_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_mint_filter_module_ctx,      /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* cookies that are the platform's alone */

static const ngx_str_t  ngx_http_mint_filter_cookies[] = {
    ngx_string("mint_access_token"),
    ngx_string("passkey_session")
};


static ngx_str_t  ngx_http_mint_filter_platform = ngx_string("the platform");

static ngx_http_output_header_filter_pt  ngx_http_mint_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_mint_next_body_filter;


static ngx_int_t
ngx_http_mint_filter_header(ngx_http_request_t *r)
{
    ngx_uint_t                 from_plugin;
    ngx_http_mint_ctx_t       *ctx;
    ngx_http_mint_loc_conf_t  *lcf;

#if (NGX_HTTP_CACHE)

    if (r->upstream != NULL && r->upstream->cacheable) {
        ngx_http_mint_cache_judge(r);
    }

#endif

    if (r != r->main) {
        return ngx_http_mint_next_header_filter(r);
    }

    ctx = ngx_http_mint_get_ctx(r);

    if (ctx == NULL) {
        return ngx_http_mint_filter_early(r);
    }

    from_plugin = ctx->is_plugin && ctx->seat != MINT_SEAT_NONE
                  && r->upstream != NULL && !ctx->is_own;

    if (ctx->seat != MINT_SEAT_NONE && ngx_http_mint_filter_is_raw(r, ctx)) {
        return NGX_HTTP_BAD_GATEWAY;
    }

    ngx_http_mint_filter_clean(r, ctx, from_plugin);

    if (from_plugin && ctx->prefix.len != 0
        && ngx_http_mint_affinity_set_cookie(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (r->upstream != NULL && ngx_http_mint_filter_is_stream(r)) {
        r->upstream->buffering = 0;
    }

    if (ctx->is_limited && r->headers_out.status < NGX_HTTP_BAD_REQUEST) {
        ngx_http_mint_limit_give_back(r, ctx);
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    if (from_plugin && ctx->is_page && lcf->edge.page_headers
        && ngx_http_mint_page_headers(r) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (lcf->edge.cors != NULL
        && ngx_http_mint_cors_answer(r, &lcf->edge) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mint_filter_finish(r, &ctx->request_id);
}


/*
 * What nginx refused before the first phase: a malformed request, or headers
 * that are too large.  Only the header list of the answer may be touched: the
 * one of the request need not be there yet.
 */

static ngx_int_t
ngx_http_mint_filter_early(ngx_http_request_t *r)
{
    ngx_str_t                  id;
    ngx_http_mint_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    if (!lcf->enable) {
        return ngx_http_mint_next_header_filter(r);
    }

    if (ngx_http_mint_headers_make_id(r, &id) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_mint_filter_finish(r, &id);
}


static ngx_int_t
ngx_http_mint_filter_finish(ngx_http_request_t *r, ngx_str_t *id)
{
    if (ngx_http_mint_headers_answer(r, "X-Request-ID", id) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_mint_next_header_filter(r);
}


/*
 * An answer that nginx would hand on byte by byte, past every filter: one
 * without a valid status line is taken for HTTP/0.9, and 101 ends HTTP also
 * where no upgrade was passed on.
 */

static ngx_uint_t
ngx_http_mint_filter_is_raw(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    if (r->upstream == NULL || r->header_sent) {
        return 0;
    }

    if (r->http_version < NGX_HTTP_VERSION_10
        && ctx->http_version >= NGX_HTTP_VERSION_10)
    {
        r->http_version = ctx->http_version;

    } else if (r->headers_out.status != NGX_HTTP_SWITCHING_PROTOCOLS
               || r->upstream->upgrade)
    {
        return 0;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "mint: %V did not answer in HTTP",
                  ctx->plugin.len ? &ctx->plugin
                                  : &ngx_http_mint_filter_platform);

    return 1;
}


/* in a response, unlike in a request, hash 0 takes a header out */

static void
ngx_http_mint_filter_clean(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_uint_t from_plugin)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_mint_text_same_name(h[i].key.data, h[i].key.len,
                                             "x-request-id",
                                             sizeof("x-request-id") - 1)
                || (from_plugin && ngx_http_mint_filter_is_foreign(&h[i])))
            {
                h[i].hash = 0;
            }
        }
    }
}


static ngx_uint_t
ngx_http_mint_filter_is_foreign(ngx_table_elt_t *h)
{
    ngx_uint_t        i;
    const ngx_str_t  *cookie;

    if (ngx_http_mint_text_starts_with(h->key.data, h->key.len,
                                       "access-control-",
                                       sizeof("access-control-") - 1)
        || ngx_http_mint_text_starts_with(h->key.data, h->key.len, "x-accel-",
                                          sizeof("x-accel-") - 1)
        || ngx_http_mint_text_same_name(h->key.data, h->key.len,
                                        "x-mint-internal-token",
                                        sizeof("x-mint-internal-token") - 1)
        || ngx_http_mint_page_is_foreign(h))
    {
        return 1;
    }

    if (!ngx_http_mint_text_same_name(h->key.data, h->key.len, "set-cookie",
                                      sizeof("set-cookie") - 1))
    {
        return 0;
    }

    if (ngx_http_mint_slots_sets_cookie(h->value.data, h->value.len)) {
        return 1;
    }

    for (i = 0;
         i < sizeof(ngx_http_mint_filter_cookies) / sizeof(ngx_str_t);
         i++)
    {
        cookie = &ngx_http_mint_filter_cookies[i];

        if (ngx_http_mint_text_sets_cookie(h->value.data, h->value.len,
                                           (const char *) cookie->data,
                                           cookie->len))
        {
            return 1;
        }
    }

    return 0;
}


/* nginx looks at u->buffering after the header has been sent */

static ngx_uint_t
ngx_http_mint_filter_is_stream(ngx_http_request_t *r)
{
    ngx_str_t  *type;

    type = &r->headers_out.content_type;

    return ngx_http_mint_text_starts_with(type->data, type->len,
                                          "text/event-stream",
                                          sizeof("text/event-stream") - 1);
}


/* the first thing an upgraded request has for the body is the flush of 101 */

static ngx_int_t
ngx_http_mint_filter_body(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_int_t             rc;
    ngx_http_mint_ctx_t  *ctx;

    if (r->upstream == NULL || !r->upstream->upgrade) {
        return ngx_http_mint_next_body_filter(r, in);
    }

    rc = ngx_http_mint_next_body_filter(r, in);

    if (rc == NGX_ERROR) {
        return rc;
    }

    ctx = ngx_http_mint_get_ctx(r);

    if (ctx == NULL || ctx->seat == MINT_SEAT_NONE || ctx->tunnel != NULL) {
        return rc;
    }

    return ngx_http_mint_tunnel_begin(r, ctx) == NGX_OK ? rc : NGX_ERROR;
}


static ngx_int_t
ngx_http_mint_filter_init(ngx_conf_t *cf)
{
    ngx_http_mint_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_mint_filter_header;

    ngx_http_mint_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_mint_filter_body;

    return NGX_OK;
}
