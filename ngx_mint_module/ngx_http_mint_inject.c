/* SPDX-License-Identifier: MIT */
/*
 * Our header lines are put into the request after nginx has made it, not into
 * the list of the client's headers: nginx looks up each of that list twice,
 * shows it as a variable, and hands it on to whatever a subrequest or a
 * redirect asks.  So the plugin's token is in nothing but the bytes that go to
 * the plugin.
 */

#include "ngx_http_mint.h"


/* lines that a location may set by itself */

enum ngx_http_mint_inject_own {
    NGX_HTTP_MINT_OWN_REQUEST_ID = 1,
    NGX_HTTP_MINT_OWN_TRACEPARENT = 2,
    NGX_HTTP_MINT_OWN_REAL_IP = 4,
    NGX_HTTP_MINT_OWN_FORWARDED_FOR = 8,
    NGX_HTTP_MINT_OWN_FORWARDED_PROTO = 16,
    NGX_HTTP_MINT_OWN_FORWARDED_HOST = 32,
    NGX_HTTP_MINT_OWN_UPGRADE = 64,
    NGX_HTTP_MINT_OWN_NEVER = 128
};


typedef struct {
    const char  *name;
    ngx_uint_t   own;
    unsigned     is_set_by_empty:1;     /* also if the value is "" */
} ngx_http_mint_inject_name_t;


#define NGX_HTTP_MINT_INJECT_UPGRADE                                          \
    "Upgrade: websocket" CRLF "Connection: upgrade" CRLF

/* all names, and CRLF after each value that is not a line by itself */
#define NGX_HTTP_MINT_INJECT_FIXED                                            \
    (sizeof("X-Request-ID: " CRLF "traceparent: " CRLF "X-Real-IP: " CRLF     \
            "X-Forwarded-For: " CRLF "X-Forwarded-Proto: https" CRLF          \
            "X-Forwarded-Host: " CRLF NGX_HTTP_MINT_INJECT_UPGRADE))

#define ngx_http_mint_inject_text(p, text)                                    \
    ngx_cpymem(p, text, sizeof(text) - 1)


static void ngx_http_mint_inject_refuse(ngx_conf_t *cf, ngx_str_t *name);
static ngx_buf_t *ngx_http_mint_inject_request(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
static u_char *ngx_http_mint_inject_place(ngx_http_request_t *r,
    ngx_buf_t *b);
static u_char *ngx_http_mint_inject_rest(u_char *p, const u_char *rest,
    size_t len, ngx_uint_t is_upgrade);
static u_char *ngx_http_mint_inject_edge(u_char *p, ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_uint_t own, ngx_uint_t is_upgrade);
static u_char *ngx_http_mint_inject_value(u_char *p, const ngx_str_t *value);


static const ngx_http_mint_inject_name_t  ngx_http_mint_inject_names[] = {
    { "X-Request-ID", NGX_HTTP_MINT_OWN_REQUEST_ID, 1 },
    { "traceparent", NGX_HTTP_MINT_OWN_TRACEPARENT, 1 },
    { "X-Real-IP", NGX_HTTP_MINT_OWN_REAL_IP, 1 },
    { "X-Forwarded-For", NGX_HTTP_MINT_OWN_FORWARDED_FOR, 1 },
    { "X-Forwarded-Proto", NGX_HTTP_MINT_OWN_FORWARDED_PROTO, 1 },
    { "X-Forwarded-Host", NGX_HTTP_MINT_OWN_FORWARDED_HOST, 1 },

    /* how nginx is kept from sending "close" */
    { "Connection", NGX_HTTP_MINT_OWN_UPGRADE, 0 },
    { "Upgrade", NGX_HTTP_MINT_OWN_UPGRADE, 0 },

    /* who asks is the module's word */
    { "X-MINT-Internal-Token", NGX_HTTP_MINT_OWN_NEVER, 1 },
    { "X-MINT-User-Id", NGX_HTTP_MINT_OWN_NEVER, 1 },
    { "X-MINT-Username", NGX_HTTP_MINT_OWN_NEVER, 1 },
    { "X-MINT-User-Role", NGX_HTTP_MINT_OWN_NEVER, 1 },
    { "X-MINT-User-Permissions", NGX_HTTP_MINT_OWN_NEVER, 1 },

    { NULL, 0, 0 }
};


/* ---- configuration ------------------------------------------------------ */

ngx_int_t
ngx_http_mint_inject_config(ngx_conf_t *cf, ngx_uint_t *own)
{
    ngx_uint_t                          i;
    ngx_array_t                        *set;
    ngx_keyval_t                       *header;
    const ngx_http_mint_inject_name_t  *known;

    *own = 0;
    set = ngx_http_mint_compat_proxy_headers(cf);

    if (set == NULL) {
        return NGX_OK;
    }

    header = set->elts;

    for (i = 0; i < set->nelts; i++) {

        for (known = ngx_http_mint_inject_names; known->name; known++) {

            if (ngx_strcasecmp(header[i].key.data, (u_char *) known->name) == 0
                && (known->is_set_by_empty || header[i].value.len != 0))
            {
                *own |= known->own;
            }
        }

        if (*own & NGX_HTTP_MINT_OWN_NEVER) {
            ngx_http_mint_inject_refuse(cf, &header[i].key);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_mint_inject_refuse(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"proxy_set_header %V\" must not be where \"proxy_pass\" "
                  "leads to \"mint_seats\", the module says who asks: "
                  "location \"%V\" of the server in %s:%ui", name,
                  &clcf->name, cscf->file_name, cscf->line);
}


/* ---- requests ----------------------------------------------------------- */

/* after the first line, so that a body in the same buffer stays at its end */

ngx_int_t
ngx_http_mint_inject(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    size_t                     rest, size;
    u_char                    *p, *end, *data;
    ngx_buf_t                 *b;
    ngx_str_t                  token;
    ngx_uint_t                 is_upgrade;
    ngx_http_mint_view_t      *view;
    ngx_http_mint_loc_conf_t  *lcf;

    b = ngx_http_mint_inject_request(r, ctx);

    if (b == NULL) {
        return NGX_ERROR;
    }

    end = ngx_http_mint_inject_place(r, b);

    if (end == NULL) {
        return NGX_ERROR;
    }

    ngx_str_null(&token);

    if (ctx->is_plugin) {
        view = ngx_http_mint_run_view(MINT_RUN_IDENTITY);

        if (view != NULL) {
            ngx_http_mint_lines_token(view, ctx->plugin_id, &token);
        }

        if (token.len == 0) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "mint: no internal token for plugin \"%V\" any more",
                          &ctx->plugin);
            return NGX_ERROR;
        }
    }

    rest = b->last - end;
    size = (end - b->pos) + rest + NGX_HTTP_MINT_INJECT_FIXED
           + ctx->request_id.len + NGX_HTTP_MINT_TRACE_LEN
           + 2 * ngx_max(ctx->client.len, r->connection->addr_text.len)
           + ctx->forwarded_host.len + token.len
           + (ctx->lines == NULL ? 0 : ctx->lines->text.len);

    data = ngx_pnalloc(r->pool, size);
    if (data == NULL) {
        return NGX_ERROR;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    is_upgrade = ctx->is_upgrade && r == r->main
                 && !(lcf->own_lines & NGX_HTTP_MINT_OWN_UPGRADE);

    p = ngx_cpymem(data, b->pos, end - b->pos);
    p = ngx_http_mint_inject_edge(p, r, ctx, lcf->own_lines, is_upgrade);

    if (token.len != 0) {
        p = ngx_cpymem(p, token.data, token.len);
    }

    if (ctx->lines != NULL) {
        p = ngx_cpymem(p, ctx->lines->text.data, ctx->lines->text.len);
    }

    p = ngx_http_mint_inject_rest(p, end, rest, is_upgrade);

    /* nginx goes back to the start if it sends it once more */

    b->start = data;
    b->pos = data;
    b->last = p;
    b->end = data + size;

    return NGX_OK;
}


/*
 * The buffer that begins with the request line.  An access module that was
 * asked before ours, under "satisfy any", may have kept us from taking the
 * client's forwarding headers out in time: then it is made once more, and so
 * are those of subrequests, which may have copied them.
 */

static ngx_buf_t *
ngx_http_mint_inject_request(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u->output.tag != (ngx_buf_tag_t) &ngx_http_proxy_module) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "mint: only \"proxy_pass\" with HTTP/1.1 may lead to "
                      "\"mint_seats\"");
        return NULL;
    }

    if (ctx->told.forwardings != 0 && !ctx->is_forwarded) {
        ctx->is_late = 1;
    }

    if (ctx->is_late) {

        if (ngx_http_mint_forwarded_replace(r, ctx) != NGX_OK) {
            return NULL;
        }

        u->request_bufs = r->request_body != NULL ? r->request_body->bufs
                                                  : NULL;

        if (u->create_request(r) != NGX_OK) {
            return NULL;
        }
    }

    return u->request_bufs->buf;
}


/*
 * The end of the request line.  The client's own length says nothing: nginx
 * may send another method or URI, and what is put behind the last header line
 * is a body.  NULL (told in the log): nginx has made something else.
 */

static u_char *
ngx_http_mint_inject_place(ngx_http_request_t *r, ngx_buf_t *b)
{
    size_t      len;
    u_char     *end;
    ngx_str_t  *uri;

    /* in the buffer itself */

    uri = &r->upstream->uri;
    len = uri->len + sizeof(" HTTP/1.1" CRLF) - 1;

    if (uri->data > b->pos && uri->data < b->last
        && (size_t) (b->last - uri->data) > len)
    {
        end = uri->data + len;

        if (end[-1] == LF) {
            return end;
        }
    }

    ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                  "mint: nginx has made a request without a request line");

    return NULL;
}


/*
 * All that comes after our lines.  Where a location says nothing of Connection
 * nginx sends "close": not beside the Connection of an upgrade, plugins may
 * believe the last one.
 */

static u_char *
ngx_http_mint_inject_rest(u_char *p, const u_char *rest, size_t len,
    ngx_uint_t is_upgrade)
{
    const u_char       *line, *next, *last;
    static const char   closing[] = "Connection: close" CRLF;

    last = rest + len;

    for (line = rest; is_upgrade && line < last && *line != CR; line = next) {
        next = memchr(line, LF, last - line);

        if (next == NULL) {
            break;
        }

        next++;

        if (next - line == sizeof(closing) - 1
            && ngx_memcmp(line, closing, sizeof(closing) - 1) == 0)
        {
            p = ngx_cpymem(p, rest, line - rest);
            return ngx_cpymem(p, next, last - next);
        }
    }

    return ngx_cpymem(p, rest, len);
}


/* what is said of every request */

static u_char *
ngx_http_mint_inject_edge(u_char *p, ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_uint_t own, ngx_uint_t is_upgrade)
{
    ngx_str_t  *client;

    client = ctx->client.len != 0 ? &ctx->client : &r->connection->addr_text;

    if (!(own & NGX_HTTP_MINT_OWN_REQUEST_ID)) {
        p = ngx_http_mint_inject_text(p, "X-Request-ID: ");
        p = ngx_http_mint_inject_value(p, &ctx->request_id);
    }

    if (ctx->is_traced && !(own & NGX_HTTP_MINT_OWN_TRACEPARENT)) {
        p = ngx_http_mint_inject_text(p, "traceparent: ");
        p = ngx_cpymem(p, ctx->trace_text, NGX_HTTP_MINT_TRACE_LEN);
        p = ngx_http_mint_inject_text(p, CRLF);
    }

    if (!(own & NGX_HTTP_MINT_OWN_REAL_IP)) {
        p = ngx_http_mint_inject_text(p, "X-Real-IP: ");
        p = ngx_http_mint_inject_value(p, client);
    }

    if (!(own & NGX_HTTP_MINT_OWN_FORWARDED_FOR)) {
        p = ngx_http_mint_inject_text(p, "X-Forwarded-For: ");
        p = ngx_http_mint_inject_value(p, client);
    }

    if (!(own & NGX_HTTP_MINT_OWN_FORWARDED_PROTO)) {
        p = ctx->is_https
            ? ngx_http_mint_inject_text(p, "X-Forwarded-Proto: https" CRLF)
            : ngx_http_mint_inject_text(p, "X-Forwarded-Proto: http" CRLF);
    }

    if (ctx->forwarded_host.len != 0
        && !(own & NGX_HTTP_MINT_OWN_FORWARDED_HOST))
    {
        p = ngx_http_mint_inject_text(p, "X-Forwarded-Host: ");
        p = ngx_http_mint_inject_value(p, &ctx->forwarded_host);
    }

    if (is_upgrade) {
        p = ngx_http_mint_inject_text(p, NGX_HTTP_MINT_INJECT_UPGRADE);
    }

    return p;
}


static u_char *
ngx_http_mint_inject_value(u_char *p, const ngx_str_t *value)
{
    p = ngx_cpymem(p, value->data, value->len);

    return ngx_http_mint_inject_text(p, CRLF);
}
