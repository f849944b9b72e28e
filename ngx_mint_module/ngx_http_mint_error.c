/* SPDX-License-Identifier: MIT */
/*
 * Answers of the edge itself: application/problem+json (RFC 9457) that is at
 * the same time the error envelope of mint-sdk, with the request id, the
 * plugin and what is the matter with it; or the same as a page, for clients
 * that prefer that (ngx_http_mint_html.c).
 */

#include "ngx_http_mint_html.h"


#define NGX_HTTP_MINT_TEXT_MAX  512


typedef struct {
    ngx_uint_t   status;
    ngx_str_t    title;
    ngx_str_t    code;
    ngx_str_t    detail;
} ngx_http_mint_status_t;


typedef struct {
    const char  *name;
    ngx_str_t   *value;
    ngx_uint_t   is_page;
} ngx_http_mint_error_header_t;


static ngx_http_mint_status_t *ngx_http_mint_error_status(ngx_uint_t status);
static ngx_int_t ngx_http_mint_error_detail(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal,
    ngx_str_t *detail);
static ngx_int_t ngx_http_mint_error_body(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal,
    ngx_str_t *sentence, ngx_str_t *body);
static ngx_int_t ngx_http_mint_error_escape(ngx_pool_t *pool, ngx_str_t *to,
    ngx_str_t *from);
static const char *ngx_http_mint_error_state(
    ngx_http_mint_refusal_t *refusal);
static ngx_int_t ngx_http_mint_error_headers(ngx_http_request_t *r,
    ngx_http_mint_refusal_t *refusal, ngx_uint_t is_page);
static ngx_int_t ngx_http_mint_error_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);


/* the last row is for every status that has none */

static ngx_http_mint_status_t  ngx_http_mint_statuses[] = {

    { 400, ngx_string("Bad Request"), ngx_string("request.bad_request"),
      ngx_string("the request cannot be understood") },

    { 401, ngx_string("Unauthorized"), ngx_string("auth.unauthorized"),
      ngx_string("sign in again") },

    { 403, ngx_string("Forbidden"), ngx_string("auth.forbidden"),
      ngx_string("this is not allowed") },

    { 404, ngx_string("Not Found"), ngx_string("resource.not_found"),
      ngx_string("there is nothing at this address") },

    { 413, ngx_string("Content Too Large"), ngx_string("request.too_large"),
      ngx_string("the request is too large") },

    { 429, ngx_string("Too Many Requests"), ngx_string("rate_limit.exceeded"),
      ngx_string("too many requests") },

    { 500, ngx_string("Internal Server Error"), ngx_string("internal.error"),
      ngx_string("the gateway met an error") },

    { 502, ngx_string("Bad Gateway"), ngx_string("service.bad_gateway"),
      ngx_string("ended the connection before it had answered") },

    { 503, ngx_string("Service Unavailable"),
      ngx_string("service.unavailable"),
      ngx_string("cannot take requests now") },

    { 504, ngx_string("Gateway Timeout"), ngx_string("service.timeout"),
      ngx_string("did not answer in time") },

    { 0, ngx_string("Error"), ngx_string("request.error"),
      ngx_string("the request failed") }
};


/* of every answer, and of pages */

static ngx_str_t  ngx_http_mint_error_no_store = ngx_string("no-store");
static ngx_str_t  ngx_http_mint_error_accept = ngx_string("Accept");
static ngx_str_t  ngx_http_mint_error_nosniff = ngx_string("nosniff");
static ngx_str_t  ngx_http_mint_error_referrer = ngx_string("same-origin");

static ngx_http_mint_error_header_t  ngx_http_mint_error_header_table[] = {
    { "Cache-Control", &ngx_http_mint_error_no_store, 0 },
    { "Vary", &ngx_http_mint_error_accept, 0 },
    { "Content-Security-Policy", &ngx_http_mint_html_policy, 1 },
    { "X-Content-Type-Options", &ngx_http_mint_error_nosniff, 1 },
    { "Referrer-Policy", &ngx_http_mint_error_referrer, 1 }
};

#define NGX_HTTP_MINT_ERROR_HEADERS                                           \
    (sizeof(ngx_http_mint_error_header_table)                                 \
     / sizeof(ngx_http_mint_error_header_table[0]))


/* what a client reads of a seat that takes no requests, by cause */

static const char  *ngx_http_mint_error_causes[MINT_CAUSE_COUNT] = {
    NULL, "is starting", "has crashed and is being restarted",
    "is being restarted", "has failed; an administrator can see why",
    "is stopped", "is being installed", "is being upgraded"
};


/* returns what ngx_http_finalize_request() is to be called with */

ngx_int_t
ngx_http_mint_error_send(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal)
{
    ngx_int_t                  rc;
    ngx_str_t                  body, detail;
    ngx_uint_t                 is_page;
    ngx_http_complex_value_t   cv;

    static ngx_str_t  types[] = {
        ngx_string("application/problem+json"),
        ngx_string("text/html; charset=utf-8")
    };

    ctx->reject = refusal->reason;
    ctx->is_own = 1;
    is_page = ngx_http_mint_html_is_wanted(r);

    rc = ngx_http_mint_error_detail(r, ctx, refusal, &detail);

    if (rc == NGX_OK && is_page) {
        rc = ngx_http_mint_html_body(r, ctx, refusal,
                        &ngx_http_mint_error_status(refusal->status)->title,
                        &detail, &body);

    } else if (rc == NGX_OK) {
        rc = ngx_http_mint_error_body(r, ctx, refusal, &detail, &body);
    }

    if (rc != NGX_OK
        || ngx_http_mint_error_headers(r, refusal, is_page) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* no "100 Continue" for a body that nobody wants */
    r->expect_tested = 1;

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));
    cv.value = body;

    return ngx_http_send_response(r, refusal->status, &types[is_page], &cv);
}


/*
 * "mint_error on": the content of a location that "error_page 502 504" leads
 * to.  Says which plugin failed, and how its seat is now.
 */

ngx_int_t
ngx_http_mint_error_handler(ngx_http_request_t *r)
{
    uint64_t                    word;
    ngx_http_mint_ctx_t        *ctx;
    ngx_http_mint_view_t       *view;
    const struct mint_seat     *seat;
    ngx_http_mint_refusal_t     refusal;
    ngx_http_upstream_state_t  *state;

    ctx = ngx_http_mint_get_ctx(r);

    if (ctx == NULL) {
        ctx = ngx_http_mint_make_ctx(r);
    }

    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&refusal, sizeof(ngx_http_mint_refusal_t));
    refusal.rejection = -1;
    refusal.status = r->err_status;

    state = NULL;

    if (r->upstream_states != NULL && r->upstream_states->nelts != 0) {
        state = r->upstream_states->elts;
        state += r->upstream_states->nelts - 1;
    }

    if (refusal.status < 400 && state != NULL) {
        refusal.status = state->status;
    }

    if (refusal.status < 400) {
        refusal.status = NGX_HTTP_BAD_GATEWAY;
    }

    view = ngx_http_mint_run_view(MINT_RUN_SEATS);
    seat = view != NULL ? ngx_http_mint_view_seat(view, ctx->seat) : NULL;

    if (seat != NULL) {
        word = mint_run_load_acquire(&seat->word);
        refusal.has_seat = 1;
        refusal.state = mint_seat_state(word);
        refusal.cause = mint_seat_cause(word);
        refusal.retry_after_sec = mint_seat_retry_after(word);
    }

    refusal.reason = refusal.status == NGX_HTTP_GATEWAY_TIME_OUT
                     ? "upstream timed out" : "upstream failed";

    if (refusal.status == NGX_HTTP_BAD_GATEWAY && state != NULL
        && state->connect_time == (ngx_msec_t) -1)
    {
        refusal.is_unreachable = 1;
        refusal.reason = "upstream could not be reached";
        refusal.retry_after_sec = ngx_max(refusal.retry_after_sec, 2);
    }

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "mint: answered %ui: %s, plugin \"%V\", user \"%V\", "
                  "request id \"%V\"", refusal.status, refusal.reason,
                  &ctx->plugin, ngx_http_mint_user(ctx), &ctx->request_id);

    return ngx_http_mint_error_send(r, ctx, &refusal);
}


static ngx_http_mint_status_t *
ngx_http_mint_error_status(ngx_uint_t status)
{
    ngx_http_mint_status_t  *row;

    for (row = ngx_http_mint_statuses; row->status != 0; row++) {
        if (row->status == status) {
            break;
        }
    }

    return row;
}


/* one sentence, not yet escaped */

static ngx_int_t
ngx_http_mint_error_detail(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal, ngx_str_t *detail)
{
    u_char                  *p, *last;
    const char              *cause;
    ngx_http_mint_status_t  *row;

    row = ngx_http_mint_error_status(refusal->status);

    p = ngx_pnalloc(r->pool, NGX_HTTP_MINT_TEXT_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    detail->data = p;
    last = p + NGX_HTTP_MINT_TEXT_MAX;

    if (refusal->detail.len != 0) {
        *detail = refusal->detail;
        return NGX_OK;
    }

    /* in 4xx the reason is about the request, and the client may know it */

    if (refusal->status < 500) {
        p = ngx_slprintf(p, last, "%s",
                         refusal->reason != NULL
                         && refusal->status != NGX_HTTP_NOT_FOUND
                         ? refusal->reason : (char *) row->detail.data);
        detail->len = p - detail->data;
        return NGX_OK;
    }

    if (ctx->plugin.len != 0) {
        p = ngx_slprintf(p, last, "plugin \"%V\" ", &ctx->plugin);

    } else {
        p = ngx_slprintf(p, last, "the platform ");
    }

    cause = NULL;

    if (refusal->status == NGX_HTTP_SERVICE_UNAVAILABLE && refusal->has_seat
        && refusal->cause < MINT_CAUSE_COUNT)
    {
        cause = ngx_http_mint_error_causes[refusal->cause];

        if (cause == NULL && refusal->state == MINT_SEAT_STARTING) {
            cause = "is starting";
        }
    }

    if (refusal->is_unreachable) {
        cause = "cannot be reached";

    } else if (cause == NULL && refusal->has_seat && !ctx->is_plugin
               && refusal->status == NGX_HTTP_SERVICE_UNAVAILABLE)
    {
        cause = "is not running";
    }

    p = ngx_slprintf(p, last, "%s",
                     cause != NULL ? cause : (char *) row->detail.data);

    if (refusal->rejection == MINT_REJECT_FULL && refusal->has_seat) {
        p = ngx_slprintf(p, last, ", and too many requests wait for it");
    }

    detail->len = p - detail->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_mint_error_body(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal, ngx_str_t *sentence, ngx_str_t *body)
{
    size_t                   size;
    u_char                  *p, *last;
    ngx_str_t                detail, plugin;
    const char              *state;
    ngx_http_mint_status_t  *row;

    row = ngx_http_mint_error_status(refusal->status);
    state = ngx_http_mint_error_state(refusal);

    if (ngx_http_mint_error_escape(r->pool, &detail, sentence) != NGX_OK
        || ngx_http_mint_error_escape(r->pool, &plugin, &ctx->plugin)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    size = NGX_HTTP_MINT_TEXT_MAX + 2 * detail.len + 2 * plugin.len
           + row->title.len + row->code.len + ctx->request_id.len;

    p = ngx_pnalloc(r->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;
    last = p + size;

    p = ngx_slprintf(p, last,
                     "{\"type\":\"about:blank\",\"title\":\"%V\","
                     "\"status\":%ui,\"detail\":\"%V\",\"code\":\"%V\","
                     "\"message\":\"%V\",\"request_id\":\"%V\"",
                     &row->title, refusal->status, &detail, &row->code,
                     &detail, &ctx->request_id);

    if (plugin.len != 0) {
        p = ngx_slprintf(p, last, ",\"plugin\":\"%V\"", &plugin);
    }

    if (state != NULL) {
        p = ngx_slprintf(p, last, ",\"state\":\"%s\",\"cause\":\"%s\"",
                         state, ngx_http_mint_seat_cause_word(refusal->cause));
    }

    if (plugin.len != 0 && state != NULL) {
        p = ngx_slprintf(p, last,
                         ",\"details\":{\"plugin\":\"%V\",\"state\":\"%s\","
                         "\"cause\":\"%s\"}}\n", &plugin, state,
                         ngx_http_mint_seat_cause_word(refusal->cause));

    } else {
        p = ngx_slprintf(p, last, ",\"details\":null}\n");
    }

    body->len = p - body->data;

    return NGX_OK;
}


/* the route's, in the words of docs/directives.md; NULL: not known */

static const char *
ngx_http_mint_error_state(ngx_http_mint_refusal_t *refusal)
{
    if (refusal->is_maintained) {
        return "maintenance";
    }

    return refusal->has_seat ? ngx_http_mint_seat_state_word(refusal->state)
                             : NULL;
}


static ngx_int_t
ngx_http_mint_error_escape(ngx_pool_t *pool, ngx_str_t *to, ngx_str_t *from)
{
    size_t   extra;
    u_char  *p;

    extra = ngx_escape_json(NULL, from->data, from->len);

    p = ngx_pnalloc(pool, from->len + extra + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    to->len = (u_char *) ngx_escape_json(p, from->data, from->len) - p;
    to->data = p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_mint_error_headers(ngx_http_request_t *r,
    ngx_http_mint_refusal_t *refusal, ngx_uint_t is_page)
{
    ngx_str_t                       value;
    ngx_uint_t                      i;
    ngx_http_mint_error_header_t   *header;

    static ngx_str_t  challenge = ngx_string("Bearer realm=\"mint\"");

    for (i = 0; i < NGX_HTTP_MINT_ERROR_HEADERS; i++) {
        header = &ngx_http_mint_error_header_table[i];

        if ((is_page || !header->is_page)
            && ngx_http_mint_error_header(r, header->name, header->value)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (refusal->status == NGX_HTTP_UNAUTHORIZED) {
        return ngx_http_mint_error_header(r, "WWW-Authenticate", &challenge);
    }

    if (refusal->retry_after_sec == 0) {
        return NGX_OK;
    }

    value.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%ui", refusal->retry_after_sec)
                - value.data;

    return ngx_http_mint_error_header(r, "Retry-After", &value);
}


static ngx_int_t
ngx_http_mint_error_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = strlen(name);
    h->value = *value;

    return NGX_OK;
}
