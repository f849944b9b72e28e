/* SPDX-License-Identifier: MIT */
/*
 * The decision about a request, in PREACCESS because "satisfy any" cannot
 * undo it there: hidden paths, route, path, who asks, seat, counting in.
 * Made once per client request; redirects inside nginx and subrequests keep
 * the first verdict.
 */

#include "ngx_http_mint_park.h"


/* what nginx may store of a body that the platform has not agreed to */
#define NGX_HTTP_MINT_BODY_KEPT  (64 * 1024)

/* bodies on their way to the platform, in all workers: half of the connections
   it takes, so that slow senders leave some to others */
#define NGX_HTTP_MINT_STREAMS    512


static ngx_int_t ngx_http_mint_access_decide(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal);
static void ngx_http_mint_access_undo(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
static ngx_int_t ngx_http_mint_access_route(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, const ngx_http_mint_table_t *routes,
    ngx_uint_t is_plain, ngx_http_mint_refusal_t *refusal);
static ngx_int_t ngx_http_mint_access_later(ngx_http_mint_refusal_t *refusal,
    const char *reason, ngx_uint_t retry_after_sec);
static ngx_int_t ngx_http_mint_access_plugin(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_match_t *match,
    ngx_http_mint_refusal_t *refusal);
static ngx_int_t ngx_http_mint_access_platform(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal);
static ngx_int_t ngx_http_mint_access_remember(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_match_t *match);
static ngx_uint_t ngx_http_mint_access_is_same(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, uint64_t generation);
static ngx_uint_t ngx_http_mint_access_stream(ngx_http_request_t *r,
    off_t kept);


static ngx_uint_t  ngx_http_mint_access_streams;


ngx_int_t
ngx_http_mint_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_mint_ctx_t       *ctx;
    ngx_http_mint_refusal_t    refusal;
    ngx_http_mint_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);
    ctx = ngx_http_mint_get_ctx(r);

    if (!lcf->is_proxied || r != r->main) {
        return NGX_DECLINED;
    }

    /* "mint on" in the location only: not stripped yet */

    if (ctx == NULL) {
        ctx = ngx_http_mint_make_ctx(r);
    }

    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->is_decided) {
        return NGX_DECLINED;
    }

    if (ngx_http_mint_park_is_waiting(ctx)) {
        ngx_http_mint_forget_verdict(ctx);
        ngx_http_mint_headers_restore(r, ctx);
        r->request_body_no_buffering = 0;
    }

    ctx->is_decided = 1;

    ngx_memzero(&refusal, sizeof(ngx_http_mint_refusal_t));
    refusal.rejection = -1;

    rc = ngx_http_mint_access_decide(r, ctx, &refusal);

    if (rc == NGX_AGAIN) {
        ngx_http_mint_access_undo(r, ctx);
        return NGX_AGAIN;
    }

    /* answered and, with its memory, maybe gone; it has never waited */

    if (rc == NGX_DONE) {
        return NGX_DONE;
    }

    ngx_http_mint_park_leave(ctx);

    if (rc == NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_http_mint_workers_leave(ctx);
    ctx->seat = MINT_SEAT_NONE;

    if (rc != NGX_DECLINED) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_mint_workers_rejected(ctx, refusal.rejection);

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "mint: refused with %ui: %s, plugin \"%V\", user \"%V\", "
                  "request id \"%V\"", refusal.status, refusal.reason,
                  &ctx->plugin, ngx_http_mint_user(ctx), &ctx->request_id);

    ngx_http_finalize_request(r, ngx_http_mint_error_send(r, ctx, &refusal));

    return NGX_DONE;
}


/*
 * All of it is decided again before the request goes on: until then nothing is
 * counted, and nobody has a right that could be lost.
 */

static void
ngx_http_mint_access_undo(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    ngx_http_mint_revoke_remove(ctx);
    ngx_http_mint_access_leave(ctx);

    if (ctx->is_limited) {
        ngx_http_mint_limit_give_back(r, ctx);
    }

    ctx->is_decided = 0;
}


/*
 * NGX_OK: on to the seat.  NGX_AGAIN: waits for one.  NGX_DECLINED: refused.
 * NGX_DONE: answered.  NGX_ERROR: no memory.
 */

static ngx_int_t
ngx_http_mint_access_decide(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal)
{
    uint64_t                       generation;
    ngx_uint_t                     is_plain;
    ngx_int_t                      rc;
    const ngx_http_mint_table_t   *routes;

    is_plain = ngx_http_mint_path_is_plain(r);

    if (ngx_http_mint_path_is_hidden(r, is_plain)) {
        refusal->status = NGX_HTTP_NOT_FOUND;
        refusal->reason = "hidden path";
        return NGX_DECLINED;
    }

    if (r->method == NGX_HTTP_OPTIONS) {
        rc = ngx_http_mint_cors_preflight(r, refusal);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    ngx_http_mint_run_check();

    routes = ngx_http_mint_run_routes();

    if (routes == NULL) {
        ngx_str_set(&refusal->detail, "the system has not started yet");
        return ngx_http_mint_access_later(refusal, "no run file \"routes\"",
                                          2);
    }

    generation = routes->generation;

    if (ngx_http_mint_headers_upgrade(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_mint_access_route(r, ctx, routes, is_plain, refusal);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_mint_seat_choose(r, ctx, refusal);

    if (rc == NGX_DECLINED) {
        return ngx_http_mint_park(r, ctx, refusal);
    }

    if (rc == NGX_OK && ctx->is_plugin
        && !ngx_http_mint_access_is_same(r, ctx, generation))
    {
        return ngx_http_mint_access_later(refusal,
                                          "the route changed meanwhile", 1);
    }

    return rc;
}


/* to a plugin or the platform, each with rules of its own */

static ngx_int_t
ngx_http_mint_access_route(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    const ngx_http_mint_table_t *routes, ngx_uint_t is_plain,
    ngx_http_mint_refusal_t *refusal)
{
    const char             *reason;
    ngx_http_mint_match_t   match;

    if (ngx_http_mint_path_route(r, is_plain, routes, &match, &reason)
        != NGX_OK
        || (match.route != NULL
            && ngx_http_mint_access_remember(r, ctx, &match) != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (reason != NULL) {
        refusal->status = NGX_HTTP_BAD_REQUEST;
        refusal->rejection = MINT_REJECT_BAD_PATH;
        refusal->reason = reason;
        ngx_str_set(&refusal->detail, "ambiguous path");
        return NGX_DECLINED;
    }

    return match.route != NULL
           ? ngx_http_mint_access_plugin(r, ctx, &match, refusal)
           : ngx_http_mint_access_platform(r, ctx, refusal);
}


static ngx_int_t
ngx_http_mint_access_later(ngx_http_mint_refusal_t *refusal,
    const char *reason, ngx_uint_t retry_after_sec)
{
    refusal->status = NGX_HTTP_SERVICE_UNAVAILABLE;
    refusal->rejection = MINT_REJECT_NOT_READY;
    refusal->reason = reason;
    refusal->retry_after_sec = retry_after_sec;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_mint_access_plugin(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_match_t *match, ngx_http_mint_refusal_t *refusal)
{
    ngx_int_t   rc;
    ngx_uint_t  is_maintained;

    /* the table may have changed when auth comes back */
    is_maintained = match->route->flags & MINT_ROUTE_MAINTENANCE;

    rc = ngx_http_mint_auth(r, ctx, refusal);

    if (rc == NGX_OK) {
        rc = ngx_http_mint_origin_check(r, ctx, refusal);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (is_maintained && !ctx->is_admin) {
        refusal->is_maintained = 1;
        ngx_str_set(&refusal->detail, "the plugin is under maintenance");
        return ngx_http_mint_access_later(refusal, "maintenance", 30);
    }

    (void) ngx_http_mint_access_stream(r, 0);

    return NGX_OK;
}


static ngx_int_t
ngx_http_mint_access_platform(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal)
{
    ngx_int_t         rc;
    ngx_uint_t        max;
    ngx_core_conf_t  *ccf;

    ctx->seat_first = MINT_SEAT_PLATFORM;
    ctx->seat_count = 2;

    rc = ngx_http_mint_origin_check_platform(r, ctx, refusal);

    if (rc == NGX_OK) {
        rc = ngx_http_mint_limit_check(r, ctx, refusal);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (!ngx_http_mint_access_stream(r, NGX_HTTP_MINT_BODY_KEPT)) {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);
    max = NGX_HTTP_MINT_STREAMS / ngx_max(ccf->worker_processes, 1);

    if (ngx_http_mint_access_streams >= ngx_max(max, 4)) {
        refusal->status = NGX_HTTP_SERVICE_UNAVAILABLE;
        refusal->rejection = MINT_REJECT_FULL;
        refusal->reason = "too many large bodies for the platform";
        refusal->retry_after_sec = 2;
        ngx_str_set(&refusal->detail, "too many uploads at a time");
        return NGX_DECLINED;
    }

    ngx_http_mint_access_streams++;
    ctx->is_stream = 1;

    return NGX_OK;
}


/* at the end of the request */

void
ngx_http_mint_access_leave(ngx_http_mint_ctx_t *ctx)
{
    ngx_http_mint_access_streams -= ctx->is_stream;
    ctx->is_stream = 0;
}


/* copies what is needed of the route: the table may change */

static ngx_int_t
ngx_http_mint_access_remember(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_match_t *match)
{
    const struct mint_route  *route;

    route = match->route;

    ctx->plugin.data = ctx->plugin_text;
    ctx->plugin.len = route->name_len;
    ngx_memcpy(ctx->plugin_text, route->name, route->name_len);

    ctx->plugin_id = route->plugin_id;
    ctx->seat_first = route->seat_first;
    ctx->seat_count = 2 * (uint32_t) route->slot_count;
    ctx->is_plugin = 1;
    ctx->is_page = match->is_page;

    return ngx_http_mint_affinity_remember(r, ctx, route);
}


/*
 * Counted in: does the route that led here still lead here?  Looked up again
 * only in another table than the one before.
 */

static ngx_uint_t
ngx_http_mint_access_is_same(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    uint64_t generation)
{
    ngx_http_mint_match_t          match;
    const ngx_http_mint_table_t   *routes;

    if (ngx_http_mint_run_is_generation(generation)) {
        return 1;
    }

    routes = ngx_http_mint_run_routes();

    return routes != NULL
           && ngx_http_mint_table_find(routes, r->uri.data, r->uri.len,
                                       &match)
           && match.route->plugin_id == ctx->plugin_id
           && match.route->seat_first == ctx->seat_first;
}


/*
 * Bodies go to the plugin as they come, and so do large ones to the platform:
 * else anybody could fill the disk with what the platform refuses unread.
 * Small ones are collected, or slow senders would take its threads.  Only
 * where there is one: nginx never repeats a request of this kind on another
 * connection, not even when an idle connection turns out to be closed.
 */

static ngx_uint_t
ngx_http_mint_access_stream(ngx_http_request_t *r, off_t kept)
{
    if (r->headers_in.content_length_n > kept || r->headers_in.chunked) {
        r->request_body_no_buffering = 1;
    }

    return r->request_body_no_buffering;
}
