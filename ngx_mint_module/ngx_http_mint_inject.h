/* SPDX-License-Identifier: MIT */
/*
 * What plugins and the platform are told of a request: header lines of ours in
 * the request that nginx sends them.
 */

#ifndef NGX_HTTP_MINT_INJECT_H
#define NGX_HTTP_MINT_INJECT_H

#include "ngx_http_mint_run.h"


/*
 * Which lines a location sets itself, by "proxy_set_header": ours then stay
 * away.  The proxy module's configuration must have been merged.
 */
ngx_int_t ngx_http_mint_inject_config(ngx_conf_t *cf, ngx_uint_t *own);

/*
 * Puts them into the request that nginx has made for the upstream.  NGX_ERROR
 * (told in the log): it cannot be sent.
 */
ngx_int_t ngx_http_mint_inject(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);

#endif /* NGX_HTTP_MINT_INJECT_H */
