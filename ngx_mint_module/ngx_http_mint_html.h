/* SPDX-License-Identifier: MIT */
/*
 * The edge's own pages, for clients that prefer text/html.
 */

#ifndef NGX_HTTP_MINT_HTML_H
#define NGX_HTTP_MINT_HTML_H

#include "ngx_http_mint.h"


/* value of Content-Security-Policy of every page */
extern ngx_str_t  ngx_http_mint_html_policy;


ngx_int_t ngx_http_mint_html_init(ngx_conf_t *cf);
ngx_uint_t ngx_http_mint_html_is_wanted(ngx_http_request_t *r);

/* title: of the status; detail: what is the matter, as in problem+json */
ngx_int_t ngx_http_mint_html_body(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal,
    ngx_str_t *title, ngx_str_t *detail, ngx_str_t *body);

#endif /* NGX_HTTP_MINT_HTML_H */
