/* SPDX-License-Identifier: MIT */
/*
 * What stands between browsers, proxies and the system: origins, CORS,
 * forwarding headers, trace context, pages of plugins, the limit on signing
 * in.  ngx_http_mint.h includes this; nothing else needs to.
 */

#ifndef NGX_HTTP_MINT_EDGE_H
#define NGX_HTTP_MINT_EDGE_H

#include "ngx_http_mint_compat.h"
#include "ngx_http_mint_run.h"
#include "ngx_http_mint_web.h"

#include "contract/mint_origin.h"


typedef struct ngx_http_mint_refusal_s  ngx_http_mint_refusal_t;


/* ngx_http_mint_edge.c: what the directives say, a part of the location's
   configuration */

typedef struct {
    struct mint_origin_policy   origins;        /* after merging */
    ngx_array_t                *cors;           /* of struct mint_origin */
    ngx_array_t                *proxies;        /* of ngx_cidr_t */
    ngx_flag_t                  page_headers;
    ngx_uint_t                  limit_burst;    /* 0: no limit */
    ngx_uint_t                  limit_ms;       /* a try is given back after */
} ngx_http_mint_edge_conf_t;


/* what the request's headers say of its way here, as it came in; a part of
   the request's context */

typedef struct {
    ngx_str_t   proto;
    ngx_str_t   host;
    ngx_str_t   traceparent;
    ngx_uint_t  protos;             /* how often it came */
    ngx_uint_t  hosts;
    ngx_uint_t  forwardings;        /* of all kinds */
    ngx_uint_t  traceparents;
    ngx_uint_t  traces;             /* tracestate counted, too */
} ngx_http_mint_told_t;


/* ngx_http_mint_edge.c */
void ngx_http_mint_edge_init(ngx_http_mint_edge_conf_t *conf);
void ngx_http_mint_edge_merge(ngx_http_mint_edge_conf_t *prev,
    ngx_http_mint_edge_conf_t *conf);
char *ngx_http_mint_edge_external_url(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mint_edge_cors_origins(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mint_edge_trusted_proxies(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_mint_edge_signin_limit(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_mint_origin.c: NGX_OK, or NGX_DECLINED and the refusal filled */
ngx_int_t ngx_http_mint_origin_check(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal);
ngx_int_t ngx_http_mint_origin_check_platform(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal);

/* ngx_http_mint_cors.c.  Is OPTIONS a preflight: NGX_OK (it is none), NGX_DONE
   (answered), NGX_DECLINED (refused) or NGX_ERROR */
ngx_int_t ngx_http_mint_cors_preflight(ngx_http_request_t *r,
    ngx_http_mint_refusal_t *refusal);
ngx_int_t ngx_http_mint_cors_answer(ngx_http_request_t *r,
    ngx_http_mint_edge_conf_t *conf);

/* ngx_http_mint_forwarded.c.  see: is it a forwarding header? */
ngx_uint_t ngx_http_mint_forwarded_see(ngx_table_elt_t *h,
    ngx_http_mint_told_t *told);
void ngx_http_mint_forwarded_believe(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_edge_conf_t *conf);
ngx_int_t ngx_http_mint_forwarded_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_mint_forwarded_replace(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
/* the client's address, as far as proxies are believed */
void ngx_http_mint_forwarded_client(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_addr_t *addr);

/* ngx_http_mint_trace.c */
void ngx_http_mint_trace_see(ngx_table_elt_t *h, ngx_http_mint_told_t *told);
ngx_uint_t ngx_http_mint_trace_is_good(ngx_http_mint_ctx_t *ctx);
void ngx_http_mint_trace_make(ngx_http_mint_ctx_t *ctx,
    const uint64_t words[3]);

/* ngx_http_mint_page.c */
ngx_int_t ngx_http_mint_page_headers(ngx_http_request_t *r);
ngx_uint_t ngx_http_mint_page_is_foreign(ngx_table_elt_t *h);

/* ngx_http_mint_limit.c: NGX_OK, or NGX_DECLINED and the refusal filled */
ngx_int_t ngx_http_mint_limit_check(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal);
void ngx_http_mint_limit_give_back(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
/* what tells clients apart by their address */
void ngx_http_mint_limit_key(struct sockaddr *sockaddr, uint64_t key[2]);

#endif /* NGX_HTTP_MINT_EDGE_H */
