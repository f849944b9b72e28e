/* SPDX-License-Identifier: MIT */
/*
 * The request's headers: what clients may not say is taken out, the request id
 * is fixed.  The proxy module sends every element of the list, so headers are
 * spliced out of it; the others keep their addresses, because nginx holds
 * pointers to some of them.
 */

#include "ngx_http_mint.h"

#include <openssl/rand.h>


typedef ngx_uint_t (*ngx_http_mint_drop_pt)(ngx_table_elt_t *h, void *data);


/* what one pass over a new request's headers has seen */

typedef struct {
    ngx_uint_t              request_ids;
    ngx_str_t               request_id;
    ngx_uint_t              upgrades;       /* as far as the lengths say */
    ngx_http_mint_told_t   *told;
} ngx_http_mint_strip_t;


static ngx_int_t ngx_http_mint_headers_remove(ngx_http_request_t *r,
    ngx_http_mint_drop_pt drop, void *data);
static ngx_int_t ngx_http_mint_headers_run(ngx_http_request_t *r,
    ngx_list_part_t **last, ngx_table_elt_t *first, ngx_uint_t n);
static ngx_uint_t ngx_http_mint_headers_has_forged(ngx_http_request_t *r,
    ngx_http_mint_strip_t *strip);
static ngx_inline ngx_uint_t ngx_http_mint_headers_is_forged(
    ngx_table_elt_t *h, void *data);
static ngx_uint_t ngx_http_mint_headers_is_upgrade(ngx_table_elt_t *h,
    void *data);
static ngx_uint_t ngx_http_mint_headers_is_trace(ngx_table_elt_t *h,
    void *data);
static ngx_uint_t ngx_http_mint_headers_is_forwarding(ngx_table_elt_t *h,
    void *data);
static ngx_int_t ngx_http_mint_headers_unique(uint64_t words[3]);
static ngx_int_t ngx_http_mint_headers_show_id(ngx_http_request_t *r,
    const uint64_t words[3], ngx_str_t *id);
static ngx_uint_t ngx_http_mint_headers_is_pat(ngx_table_elt_t *h, void *data);
static ngx_uint_t ngx_http_mint_headers_may_upgrade(ngx_http_request_t *r);


ngx_int_t
ngx_http_mint_headers_add(ngx_http_request_t *r, const char *name,
    size_t len, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = len;
    h->value = *value;

    return NGX_OK;
}


/* before anything else sees the request: see the post-read handler */

ngx_int_t
ngx_http_mint_headers_strip(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    uint64_t               words[3];
    ngx_uint_t             has_id, has_trace;
    ngx_http_mint_strip_t  strip;

    ngx_memzero(&strip, sizeof(ngx_http_mint_strip_t));
    strip.told = &ctx->told;

    /* nginx makes no list for a request without a version, that is HTTP/0.9 */

    if (r->headers_in.headers.size == 0
        && ngx_list_init(&r->headers_in.headers, r->pool, 8,
                         sizeof(ngx_table_elt_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_mint_headers_has_forged(r, &strip)) {
        ngx_memzero(&strip, sizeof(ngx_http_mint_strip_t));
        ngx_memzero(&ctx->told, sizeof(ngx_http_mint_told_t));
        strip.told = &ctx->told;

        if (ngx_http_mint_headers_remove(r, ngx_http_mint_headers_is_forged,
                                         &strip)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ctx->has_upgrade = strip.upgrades != 0;
    has_trace = ngx_http_mint_trace_is_good(ctx);

    if (!has_trace && ctx->told.traces != 0
        && ngx_http_mint_headers_remove(r, ngx_http_mint_headers_is_trace,
                                        NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    has_id = strip.request_ids == 1
             && ngx_http_mint_text_request_id(strip.request_id.data,
                                              strip.request_id.len);

    /* if both are ours, they show the same digits */

    if (!(has_id && has_trace)
        && ngx_http_mint_headers_unique(words) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!has_trace) {
        ngx_http_mint_trace_make(ctx, words);
    }

    if (has_id) {
        ctx->request_id = strip.request_id;
        return NGX_OK;
    }

    if (!has_trace) {
        ctx->request_id = ctx->trace_id;
        return NGX_OK;
    }

    return ngx_http_mint_headers_show_id(r, words, &ctx->request_id);
}


/*
 * Only a GET over HTTP/1.1 without a body that asks for exactly "websocket"
 * may upgrade: a tunnel of another protocol would carry requests that nobody
 * has checked, and where a body ends and the tunnel begins is a matter of
 * opinion.
 */

ngx_int_t
ngx_http_mint_headers_upgrade(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    if (!ctx->has_upgrade && r->headers_in.upgrade == NULL) {
        return NGX_OK;
    }

    if (ngx_http_mint_headers_may_upgrade(r)) {
        ctx->is_upgrade = 1;
        return NGX_OK;
    }

    r->headers_in.upgrade = NULL;

    return ngx_http_mint_headers_remove(r, ngx_http_mint_headers_is_upgrade,
                                        NULL);
}


/* lines with a personal token, whatever surrounds it; a request that waits
   gets them back, to be decided about once more */

ngx_int_t
ngx_http_mint_headers_drop_pats(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx)
{
    ngx_table_elt_t  *h;

    h = r->headers_in.authorization;

    if (!ctx->is_kept) {
        ctx->headers = r->headers_in.headers;
        ctx->authorization = h;
        ctx->is_kept = 1;
    }

    if (h != NULL
        && ngx_http_mint_text_holds_pat(h->value.data, h->value.len))
    {
        r->headers_in.authorization = NULL;
    }

    return ngx_http_mint_headers_remove(r, ngx_http_mint_headers_is_pat,
                                        NULL);
}


/* the old parts of the list are still there: a new one refers to them */

void
ngx_http_mint_headers_restore(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    if (ctx->is_kept) {
        r->headers_in.headers = ctx->headers;
        r->headers_in.authorization = ctx->authorization;
        ctx->is_kept = 0;
    }
}


ngx_int_t
ngx_http_mint_headers_drop_forwarded(ngx_http_request_t *r)
{
    return ngx_http_mint_headers_remove(r,
                                        ngx_http_mint_headers_is_forwarding,
                                        NULL);
}


/*
 * Rebuilds the list without the headers that are to be dropped.  Its parts
 * become runs of the old arrays; nalloc is set so that the next push begins a
 * part of its own.  Only the first part may be empty: nginx's loops do not
 * look at the length of a later one before they use its first element.
 */

static ngx_int_t
ngx_http_mint_headers_remove(ngx_http_request_t *r,
    ngx_http_mint_drop_pt drop, void *data)
{
    ngx_uint_t        i, first, dropped;
    ngx_list_t       *list;
    ngx_list_t        fresh;
    ngx_list_part_t  *part, *last;
    ngx_table_elt_t  *h;

    list = &r->headers_in.headers;

    ngx_memzero(&fresh, sizeof(ngx_list_t));
    last = &fresh.part;
    dropped = 0;

    for (part = &list->part; part; part = part->next) {
        h = part->elts;
        first = 0;

        for (i = 0; i < part->nelts; i++) {
            if (!drop(&h[i], data)) {
                continue;
            }

            dropped++;

            if (ngx_http_mint_headers_run(r, &last, &h[first], i - first)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            first = i + 1;
        }

        if (ngx_http_mint_headers_run(r, &last, &h[first], i - first)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (dropped == 0) {
        return NGX_OK;
    }

    if (fresh.part.nelts == 0) {
        return ngx_list_init(list, r->pool, 8, sizeof(ngx_table_elt_t));
    }

    list->part = fresh.part;
    list->last = last == &fresh.part ? &list->part : last;
    list->nalloc = list->last->nelts;

    return NGX_OK;
}


/* appends a run of n elements; none is no run */

static ngx_int_t
ngx_http_mint_headers_run(ngx_http_request_t *r, ngx_list_part_t **last,
    ngx_table_elt_t *first, ngx_uint_t n)
{
    ngx_list_part_t  *part;

    if (n == 0) {
        return NGX_OK;
    }

    part = *last;

    if (part->nelts != 0) {
        part = ngx_palloc(r->pool, sizeof(ngx_list_part_t));
        if (part == NULL) {
            return NGX_ERROR;
        }

        (*last)->next = part;
        *last = part;
    }

    part->elts = first;
    part->nelts = n;
    part->next = NULL;

    return NGX_OK;
}


/* most requests have none, and the list stays as it is; what was seen counts
   only then */

static ngx_uint_t
ngx_http_mint_headers_has_forged(ngx_http_request_t *r,
    ngx_http_mint_strip_t *strip)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_mint_headers_is_forged(&h[i], strip)) {
                return 1;
            }
        }
    }

    return 0;
}


/* seen by its first letter, which few have */

static ngx_inline ngx_uint_t
ngx_http_mint_headers_is_forged(ngx_table_elt_t *h, void *data)
{
    ngx_http_mint_strip_t  *strip = data;

    switch (h->key.len != 0 ? h->key.data[0] | 0x20 : 0) {

    case 'x':
        break;

    case 'u':
        strip->upgrades += h->key.len == sizeof("upgrade") - 1;
        return 0;

    case 'h':
        strip->upgrades += h->key.len == sizeof("http2-settings") - 1;
        return 0;

    case 't':
        ngx_http_mint_trace_see(h, strip->told);
        return 0;

    case 'f':
        (void) ngx_http_mint_forwarded_see(h, strip->told);
        return 0;

    default:
        return 0;
    }

    /* these stay until realip has read them */

    if (ngx_http_mint_forwarded_see(h, strip->told)) {
        return 0;
    }

    if (ngx_http_mint_text_same_name(h->key.data, h->key.len, "x-request-id",
                                     sizeof("x-request-id") - 1))
    {
        strip->request_ids++;
        strip->request_id = h->value;
        return 1;
    }

    return ngx_http_mint_text_forged_name(h->key.data, h->key.len);
}


static ngx_uint_t
ngx_http_mint_headers_is_upgrade(ngx_table_elt_t *h, void *data)
{
    return ngx_http_mint_text_same_name(h->key.data, h->key.len, "upgrade",
                                        sizeof("upgrade") - 1)
           || ngx_http_mint_text_same_name(h->key.data, h->key.len,
                                           "http2-settings",
                                           sizeof("http2-settings") - 1);
}


static ngx_uint_t
ngx_http_mint_headers_is_pat(ngx_table_elt_t *h, void *data)
{
    (void) data;

    return (ngx_http_mint_text_same_name(h->key.data, h->key.len,
                                         "authorization",
                                         sizeof("authorization") - 1)
            || ngx_http_mint_text_same_name(h->key.data, h->key.len, "cookie",
                                            sizeof("cookie") - 1))
           && ngx_http_mint_text_holds_pat(h->value.data, h->value.len);
}


static ngx_uint_t
ngx_http_mint_headers_is_trace(ngx_table_elt_t *h, void *data)
{
    ngx_http_mint_told_t  told;

    told.traces = 0;
    ngx_http_mint_trace_see(h, &told);

    return told.traces != 0;
}


static ngx_uint_t
ngx_http_mint_headers_is_forwarding(ngx_table_elt_t *h, void *data)
{
    return ngx_http_mint_web_is_forwarding(h->key.data, h->key.len);
}


static ngx_uint_t
ngx_http_mint_headers_may_upgrade(ngx_http_request_t *r)
{
    ngx_uint_t        i, count;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *upgrade;

    count = 0;
    upgrade = NULL;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_mint_headers_is_upgrade(&h[i], NULL)) {
                upgrade = &h[i];
                count++;
            }
        }
    }

    return count == 1 && upgrade == r->headers_in.upgrade
           && r->method == NGX_HTTP_GET
           && r->http_version == NGX_HTTP_VERSION_11
           && r->headers_in.content_length_n <= 0 && !r->headers_in.chunked
           && upgrade->value.len == sizeof("websocket") - 1
           && ngx_strncasecmp(upgrade->value.data, (u_char *) "websocket",
                              sizeof("websocket") - 1)
              == 0;
}


/* 32 hexadecimal digits, unique but no secret */

ngx_int_t
ngx_http_mint_headers_make_id(ngx_http_request_t *r, ngx_str_t *id)
{
    uint64_t  words[3];

    if (ngx_http_mint_headers_unique(words) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_mint_headers_show_id(r, words, id);
}


static ngx_int_t
ngx_http_mint_headers_show_id(ngx_http_request_t *r, const uint64_t words[3],
    ngx_str_t *id)
{
    id->len = 32;
    id->data = ngx_pnalloc(r->pool, id->len);

    if (id->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_http_mint_web_hex(ngx_http_mint_web_hex(id->data, words[0]),
                                 words[1]);

    return NGX_OK;
}


/* a counter, mixed with a random number that each worker takes once */

static ngx_int_t
ngx_http_mint_headers_unique(uint64_t words[3])
{
    uint64_t          mixed;
    ngx_uint_t        i;
    static uint64_t   seed[2], counter;

    if (counter == 0
        && RAND_bytes((u_char *) seed, sizeof(seed)) != 1)
    {
        return NGX_ERROR;
    }

    counter++;

    for (i = 0; i < 2; i++) {
        /* the finalizer of splitmix64 */
        mixed = seed[i] + counter * 0x9e3779b97f4a7c15ULL;
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ULL;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebULL;
        words[i] = mixed ^ mixed >> 31;
    }

    words[2] = words[0] ^ words[1];

    return NGX_OK;
}
