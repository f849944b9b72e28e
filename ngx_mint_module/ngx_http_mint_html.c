/* SPDX-License-Identifier: MIT */
/*
 * The page that a browser gets instead of problem+json: in one piece, without
 * scripts, and with a policy that allows its own style and nothing else.  It
 * loads itself again while that may help, and tells administrators the cause.
 */

#include "ngx_http_mint_html.h"
#include "ngx_http_mint_markup.h"

#include <openssl/evp.h>


#define NGX_HTTP_MINT_HTML_REFRESH_MAX  60
#define NGX_HTTP_MINT_HTML_TEXT_MAX     1024    /* without values */


#define NGX_HTTP_MINT_HTML_STYLE                                              \
    ":root{color-scheme:light dark}"                                          \
    "body{margin:0 1rem;font:16px/1.5 system-ui,sans-serif;"                  \
    "color:#1a1f24;background:#f4f5f7}"                                       \
    "main{max-width:34rem;margin:12vh auto;padding:2rem;background:#fff;"     \
    "border-radius:.75rem;box-shadow:0 1px 3px #0003}"                        \
    "h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25;"                 \
    "overflow-wrap:anywhere}"                                                 \
    "p{margin:.5rem 0}a{color:#0b5cad}"                                       \
    "dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;"         \
    "margin:1.5rem 0 0;padding:1rem;background:#f4f5f7;border-radius:.5rem}"  \
    "dt{color:#59636e}dd{margin:0;overflow-wrap:anywhere}"                    \
    "footer{margin-top:1.5rem;font-size:.875rem;color:#59636e;"               \
    "overflow-wrap:anywhere}"                                                 \
    "@media(prefers-color-scheme:dark){"                                      \
    "body{color:#e6e9ec;background:#15181b}"                                  \
    "main{background:#1f2428;box-shadow:none}a{color:#7ab8ff}"                \
    "dl{background:#15181b}dt,footer{color:#9aa4ae}}"


/* what a page says of a state, and how soon it loads itself again at best */

typedef struct {
    const char  *headline;
    const char  *advice;
    ngx_uint_t   refresh_sec;       /* 0: not by itself */
} ngx_http_mint_html_state_t;


typedef struct {
    u_char  *pos;
    u_char  *last;
} ngx_http_mint_html_buf_t;


static const ngx_http_mint_html_state_t *ngx_http_mint_html_state(
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal);
static ngx_uint_t ngx_http_mint_html_refresh(ngx_http_request_t *r,
    const ngx_http_mint_html_state_t *state,
    ngx_http_mint_refusal_t *refusal);
static void ngx_http_mint_html_message(
    ngx_http_mint_html_buf_t *b, const ngx_http_mint_html_state_t *state,
    ngx_http_mint_refusal_t *refusal, ngx_str_t *detail);
static void ngx_http_mint_html_again(ngx_http_request_t *r,
    ngx_http_mint_html_buf_t *b, ngx_http_mint_refusal_t *refusal,
    ngx_uint_t refresh_sec);
static void ngx_http_mint_html_version(ngx_http_mint_html_buf_t *b,
    ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx);
static void ngx_http_mint_html_cause(ngx_http_mint_html_buf_t *b,
    ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal);
static void ngx_http_mint_html_text(ngx_http_mint_html_buf_t *b,
    const char *text);
static void ngx_http_mint_html_value(ngx_http_mint_html_buf_t *b,
    ngx_str_t *value);
static void ngx_http_mint_html_sentence(ngx_http_mint_html_buf_t *b,
    ngx_str_t *text);


static const ngx_http_mint_html_state_t
    ngx_http_mint_html_states[MINT_CAUSE_COUNT] = {

    { "is not available", "It takes no requests at the moment.", 10 },
    { "is starting", "It will be ready in a moment.", 1 },
    { "is being restarted", "It ended unexpectedly and starts again.", 1 },
    { "is being restarted", "It will be back in a moment.", 1 },
    { "has failed", "It could not be kept running. "
      "An administrator can see why.", 60 },
    { "is stopped", "An administrator can start it again.", 0 },
    { "is being installed", "This can take a few minutes.", 5 },
    { "is being upgraded", "It will be back in a moment.", 1 }
};

static const ngx_http_mint_html_state_t  ngx_http_mint_html_maintained = {
    "is under maintenance", "It is back when the work on it is done.", 30
};

static const ngx_http_mint_html_state_t  ngx_http_mint_html_platform = {
    "is not running", "Nothing works without it. "
    "If it is not back soon, tell an administrator.", 5
};

/* for administrators */

static const char  *ngx_http_mint_html_causes[MINT_CAUSE_COUNT] = {
    "none given", "first start", "its process died and is started again",
    "a restart was asked for",
    "its process died too often, or never became ready",
    "stopped on purpose", "an installation", "an upgrade"
};


ngx_str_t      ngx_http_mint_html_policy;

static u_char  ngx_http_mint_html_policy_text[256];


/* the style is allowed by its hash: it need not be computed by hand */

ngx_int_t
ngx_http_mint_html_init(ngx_conf_t *cf)
{
    u_char        digest[32], text[ngx_base64_encoded_length(32)];
    ngx_str_t     from, to;
    unsigned int  len;

    static const char  style[] = NGX_HTTP_MINT_HTML_STYLE;

    len = sizeof(digest);

    if (EVP_Digest(style, sizeof(style) - 1, digest, &len, EVP_sha256(), NULL)
        != 1)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "EVP_Digest() failed");
        return NGX_ERROR;
    }

    from.data = digest;
    from.len = sizeof(digest);
    to.data = text;
    ngx_encode_base64(&to, &from);

    ngx_http_mint_html_policy.data = ngx_http_mint_html_policy_text;
    ngx_http_mint_html_policy.len =
        ngx_snprintf(ngx_http_mint_html_policy_text,
                     sizeof(ngx_http_mint_html_policy_text),
                     "default-src 'none'; style-src 'sha256-%V'; "
                     "base-uri 'none'; form-action 'none'; "
                     "frame-ancestors 'self'", &to)
        - ngx_http_mint_html_policy_text;

    return NGX_OK;
}


ngx_uint_t
ngx_http_mint_html_is_wanted(ngx_http_request_t *r)
{
    ngx_uint_t               i;
    ngx_list_part_t         *part;
    ngx_table_elt_t         *h;
    ngx_http_mint_accept_t   accept;

    ngx_memzero(&accept, sizeof(ngx_http_mint_accept_t));

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == sizeof("Accept") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "Accept",
                                   sizeof("Accept") - 1)
                   == 0)
            {
                ngx_http_mint_markup_accept(&accept, h[i].value.data,
                                            h[i].value.len);
            }
        }
    }

    return ngx_http_mint_markup_wants_page(&accept);
}


ngx_int_t
ngx_http_mint_html_body(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal, ngx_str_t *title, ngx_str_t *detail,
    ngx_str_t *body)
{
    size_t                             size;
    ngx_str_t                         *name;
    ngx_uint_t                         refresh_sec;
    ngx_http_mint_html_buf_t           b;
    const ngx_http_mint_html_state_t  *state;

    static ngx_str_t  platform = ngx_string("The platform");

    state = ngx_http_mint_html_state(ctx, refusal);
    refresh_sec = ngx_http_mint_html_refresh(r, state, refusal);
    name = ctx->plugin.len != 0 ? &ctx->plugin : &platform;

    size = sizeof(NGX_HTTP_MINT_HTML_STYLE) + 2 * NGX_HTTP_MINT_HTML_TEXT_MAX
           + NGX_HTTP_MINT_MARKUP_GROWTH
             * (4 * name->len + 2 * title->len + detail->len
                + sizeof(((struct mint_route *) 0)->version)
                + ctx->request_id.len
                + (refusal->reason ? strlen(refusal->reason) : 0));

    b.pos = ngx_pnalloc(r->pool, size);
    if (b.pos == NULL) {
        return NGX_ERROR;
    }

    body->data = b.pos;
    b.last = b.pos + size;

    ngx_http_mint_html_text(&b, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
                            "<meta charset=\"utf-8\">\n"
                            "<meta name=\"viewport\" "
                            "content=\"width=device-width\">\n");

    if (refresh_sec != 0) {
        b.pos = ngx_slprintf(b.pos, b.last, "<meta http-equiv=\"refresh\" "
                             "content=\"%ui\">\n", refresh_sec);
    }

    ngx_http_mint_html_text(&b, "<title>");
    ngx_http_mint_html_value(&b, state != NULL ? name : title);
    ngx_http_mint_html_text(&b, state != NULL ? " " : "");
    ngx_http_mint_html_text(&b, state != NULL ? state->headline : "");
    ngx_http_mint_html_text(&b, "</title>\n<style>" NGX_HTTP_MINT_HTML_STYLE
                            "</style>\n</head>\n<body>\n<main>\n<h1>");
    ngx_http_mint_html_value(&b, state != NULL ? name : title);
    ngx_http_mint_html_text(&b, state != NULL ? " " : "");
    ngx_http_mint_html_text(&b, state != NULL ? state->headline : "");
    ngx_http_mint_html_text(&b, "</h1>\n");

    ngx_http_mint_html_message(&b, state, refusal, detail);
    ngx_http_mint_html_again(r, &b, refusal, refresh_sec);

    if (ctx->is_admin) {
        ngx_http_mint_html_cause(&b, r, ctx, refusal);
    }

    b.pos = ngx_slprintf(b.pos, b.last, "<footer>%ui ", refusal->status);
    ngx_http_mint_html_value(&b, title);
    ngx_http_mint_html_text(&b, "<br>request <code>");
    ngx_http_mint_html_value(&b, &ctx->request_id);
    ngx_http_mint_html_text(&b, "</code></footer>\n</main>\n</body>\n"
                            "</html>\n");

    body->len = b.pos - body->data;

    return NGX_OK;
}


/* NULL: the matter is the request, not a state */

static const ngx_http_mint_html_state_t *
ngx_http_mint_html_state(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal)
{
    unsigned  cause;

    if (refusal->is_maintained) {
        return &ngx_http_mint_html_maintained;
    }

    if (refusal->is_unreachable && !ctx->is_plugin) {
        return &ngx_http_mint_html_platform;
    }

    if (refusal->status != NGX_HTTP_SERVICE_UNAVAILABLE || !refusal->has_seat
        || refusal->cause >= MINT_CAUSE_COUNT)
    {
        return NULL;
    }

    cause = refusal->cause;

    if (refusal->state == MINT_SEAT_STARTING) {

        if (cause == MINT_CAUSE_NONE || cause == MINT_CAUSE_STOPPED) {
            cause = MINT_CAUSE_FIRST_START;

        } else if (cause == MINT_CAUSE_FAILED) {
            cause = MINT_CAUSE_CRASHED;
        }

    } else if (!ctx->is_plugin) {
        return &ngx_http_mint_html_platform;
    }

    return &ngx_http_mint_html_states[cause];
}


/*
 * A request that was passed on, or could change something, is not sent again
 * without being asked: it may be what the plugin died of.
 */

static ngx_uint_t
ngx_http_mint_html_refresh(ngx_http_request_t *r,
    const ngx_http_mint_html_state_t *state,
    ngx_http_mint_refusal_t *refusal)
{
    ngx_uint_t  refresh_sec;

    if (refusal->status != NGX_HTTP_SERVICE_UNAVAILABLE
        || !(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
        || (state != NULL && state->refresh_sec == 0))
    {
        return 0;
    }

    refresh_sec = state != NULL ? state->refresh_sec : 2;
    refresh_sec = ngx_max(refusal->retry_after_sec, refresh_sec);

    return ngx_min(refresh_sec, NGX_HTTP_MINT_HTML_REFRESH_MAX);
}


static void
ngx_http_mint_html_message(ngx_http_mint_html_buf_t *b,
    const ngx_http_mint_html_state_t *state,
    ngx_http_mint_refusal_t *refusal, ngx_str_t *detail)
{
    ngx_http_mint_html_text(b, "<p>");

    if (state != NULL) {
        ngx_http_mint_html_text(b, state->advice);

    } else {
        ngx_http_mint_html_sentence(b, detail);
    }

    if (refusal->rejection == MINT_REJECT_FULL && state != NULL) {
        ngx_http_mint_html_text(b, " Too many others wait for it already.");

    } else if (refusal->status == NGX_HTTP_UNAUTHORIZED) {
        ngx_http_mint_html_text(b, " Please sign in again.");
    }

    ngx_http_mint_html_text(b, "</p>\n");
}


static void
ngx_http_mint_html_again(ngx_http_request_t *r, ngx_http_mint_html_buf_t *b,
    ngx_http_mint_refusal_t *refusal, ngx_uint_t refresh_sec)
{
    if (refusal->status < 500) {
        return;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        ngx_http_mint_html_text(b, "<p>What was sent may have to be sent "
                                "once more.</p>\n");
        return;
    }

    if (refresh_sec != 0) {
        b->pos = ngx_slprintf(b->pos, b->last, "<p>This page tries again by "
                              "itself %s%ui second%s.</p>\n",
                              refresh_sec == 1 ? "after " : "every ",
                              refresh_sec, refresh_sec == 1 ? "" : "s");
    }

    ngx_http_mint_html_text(b, "<p><a href=\"\">Try again now</a></p>\n");
}


/* not kept with the request: only this page asks for it */

static void
ngx_http_mint_html_version(ngx_http_mint_html_buf_t *b, ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx)
{
    ngx_str_t                      version;
    ngx_http_mint_match_t          match;
    const ngx_http_mint_table_t   *routes;

    routes = ngx_http_mint_run_routes();

    if (routes == NULL
        || !ngx_http_mint_table_find(routes, r->uri.data, r->uri.len, &match)
        || match.route->plugin_id != ctx->plugin_id)
    {
        return;
    }

    version.data = (u_char *) match.route->version;
    version.len = strnlen(match.route->version, sizeof(match.route->version));
    ngx_http_mint_html_value(b, &version);
}


static void
ngx_http_mint_html_cause(ngx_http_mint_html_buf_t *b, ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal)
{
    ngx_str_t  reason;

    ngx_http_mint_html_text(b, "<dl>\n<dt>Reason</dt><dd>");

    reason.data = (u_char *) (refusal->reason ? refusal->reason : "");
    reason.len = ngx_strlen(reason.data);
    ngx_http_mint_html_value(b, &reason);
    ngx_http_mint_html_text(b, "</dd>\n");

    if (ctx->plugin.len != 0) {
        ngx_http_mint_html_text(b, "<dt>Plugin</dt><dd>");
        ngx_http_mint_html_value(b, &ctx->plugin);
        ngx_http_mint_html_text(b, " ");
        ngx_http_mint_html_version(b, r, ctx);
        ngx_http_mint_html_text(b, "</dd>\n");
    }

    if (refusal->has_seat) {
        b->pos = ngx_slprintf(b->pos, b->last, "<dt>State</dt><dd>%s</dd>\n"
                              "<dt>Cause</dt><dd>%s: %s</dd>\n",
                              ngx_http_mint_seat_state_word(refusal->state),
                              ngx_http_mint_seat_cause_word(refusal->cause),
                              refusal->cause < MINT_CAUSE_COUNT
                              ? ngx_http_mint_html_causes[refusal->cause]
                              : "unknown");
    }

    if (ctx->plugin.len != 0) {
        ngx_http_mint_html_text(b, "<dt>See</dt><dd><code>mintctl logs ");
        ngx_http_mint_html_value(b, &ctx->plugin);
        ngx_http_mint_html_text(b, "</code></dd>\n");
    }

    ngx_http_mint_html_text(b, "</dl>\n");
}


static void
ngx_http_mint_html_text(ngx_http_mint_html_buf_t *b, const char *text)
{
    b->pos = ngx_slprintf(b->pos, b->last, "%s", text);
}


static void
ngx_http_mint_html_value(ngx_http_mint_html_buf_t *b, ngx_str_t *value)
{
    size_t  len;

    len = ngx_http_mint_markup_escape(NULL, value->data, value->len);

    if (len <= (size_t) (b->last - b->pos)) {
        b->pos += ngx_http_mint_markup_escape(b->pos, value->data, value->len);
    }
}


/* a detail begins with a small letter and has no end */

static void
ngx_http_mint_html_sentence(ngx_http_mint_html_buf_t *b, ngx_str_t *text)
{
    u_char  *first;

    first = b->pos;

    ngx_http_mint_html_value(b, text);
    ngx_http_mint_html_text(b, ".");

    *first = ngx_toupper(*first);
}
