/* SPDX-License-Identifier: MIT */
/*
 * Who the client is and how it asked, when proxies stand in between.  Only
 * those that "mint_trusted_proxies" names are believed; what plugins and the
 * platform get is always ours, once.
 */

#include "ngx_http_mint.h"


static ngx_int_t ngx_http_mint_forwarded_address(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_str_t *text);


ngx_uint_t
ngx_http_mint_forwarded_see(ngx_table_elt_t *h, ngx_http_mint_told_t *told)
{
    if (!ngx_http_mint_web_is_forwarding(h->key.data, h->key.len)) {
        return 0;
    }

    told->forwardings++;

    if (ngx_http_mint_text_same_name(h->key.data, h->key.len,
                                     "x-forwarded-proto",
                                     sizeof("x-forwarded-proto") - 1))
    {
        told->proto = h->value;
        told->protos++;

    } else if (ngx_http_mint_text_same_name(h->key.data, h->key.len,
                                            "x-forwarded-host",
                                            sizeof("x-forwarded-host") - 1))
    {
        told->host = h->value;
        told->hosts++;
    }

    return 1;
}


/*
 * In POST_READ, where the connection's address is still that of the other
 * end: realip comes after us.
 */

void
ngx_http_mint_forwarded_believe(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_edge_conf_t *conf)
{
    int                    scheme;
    struct mint_origin     host;
    ngx_http_mint_told_t  *told;

    told = &ctx->told;

    if (conf->proxies == NULL
        || ngx_cidr_match(r->connection->sockaddr, conf->proxies) != NGX_OK)
    {
        return;
    }

    ctx->is_trusted = 1;

    scheme = told->protos == 1
             ? ngx_http_mint_web_scheme(told->proto.data, told->proto.len)
             : -1;

    if (scheme >= 0) {
        ctx->is_https = (unsigned) scheme;
    }

    if (told->hosts == 1
        && mint_origin_parse_host((char *) told->host.data, told->host.len,
                                  scheme > 0, &host)
           == 0)
    {
        ctx->forwarded_host = told->host;
    }
}


/*
 * In ACCESS, the first there: all of realip has run, whatever it reads is
 * not needed any more, and no subrequest has copied the headers yet.
 */

ngx_int_t
ngx_http_mint_forwarded_handler(ngx_http_request_t *r)
{
    ngx_http_mint_ctx_t       *ctx;
    ngx_http_mint_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    if (!lcf->is_proxied || r != r->main) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_mint_get_ctx(r);

    if (ctx == NULL || ctx->told.forwardings == 0 || ctx->is_forwarded) {
        return NGX_DECLINED;
    }

    return ngx_http_mint_forwarded_replace(r, ctx) == NGX_OK
           ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* takes what the client or its proxies have said out, once it was used */

ngx_int_t
ngx_http_mint_forwarded_replace(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx)
{
    if (!ctx->is_forwarded
        && ngx_http_mint_forwarded_address(r, ctx, &ctx->client) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_mint_compat_forget_forwarded(r);

    if (ngx_http_mint_headers_drop_forwarded(r) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->is_forwarded = 1;

    return NGX_OK;
}


/* left empty where the connection says it */

static ngx_int_t
ngx_http_mint_forwarded_address(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_str_t *text)
{
    ngx_addr_t  addr;

    if (!ctx->is_trusted) {
        return NGX_OK;
    }

    ngx_http_mint_forwarded_client(r, ctx, &addr);

    if (addr.sockaddr == r->connection->sockaddr) {
        return NGX_OK;
    }

    text->data = ngx_pnalloc(r->pool, NGX_SOCKADDR_STRLEN);

    if (text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = ngx_sock_ntop(addr.sockaddr, addr.socklen, text->data,
                              NGX_SOCKADDR_STRLEN, 0);

    return NGX_OK;
}


/* the last address of X-Forwarded-For that is no trusted proxy's; realip may
   have come as far before */

void
ngx_http_mint_forwarded_client(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_addr_t *addr)
{
    ngx_http_mint_loc_conf_t  *lcf;

    addr->sockaddr = r->connection->sockaddr;
    addr->socklen = r->connection->socklen;

    if (!ctx->is_trusted) {
        return;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    if (lcf->edge.proxies != NULL) {
        ngx_http_mint_compat_forwarded_addr(r, addr, lcf->edge.proxies);
    }
}
