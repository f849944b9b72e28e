/* SPDX-License-Identifier: MIT */
/*
 * How often one client may try to sign in.  The platform locks a name after
 * a few wrong passwords; this is about many names from one address.  Each
 * worker counts for itself, in a table of fixed size: no lock, nothing
 * shared, so a client that meets all workers has as many times the rate.
 */

#include "ngx_http_mint.h"


#define NGX_HTTP_MINT_LIMIT_SETS  1024
#define NGX_HTTP_MINT_LIMIT_WAYS  4


/*
 * "due_ms" is when the client will have got all its tries back; each try
 * moves it by what one costs.  Past and never used are the same.
 */

typedef struct {
    uint64_t  key[2];
    uint64_t  due_ms;
} ngx_http_mint_limit_entry_t;


static ngx_http_mint_limit_entry_t *ngx_http_mint_limit_find(
    const uint64_t key[2]);


static ngx_http_mint_limit_entry_t
    ngx_http_mint_limit_table[NGX_HTTP_MINT_LIMIT_SETS]
                             [NGX_HTTP_MINT_LIMIT_WAYS];


ngx_int_t
ngx_http_mint_limit_check(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal)
{
    uint64_t                      now, due, room_ms;
    ngx_addr_t                    addr;
    ngx_http_mint_loc_conf_t     *lcf;
    ngx_http_mint_limit_entry_t  *entry;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    if (lcf->edge.limit_burst == 0
        || (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_OPTIONS))
        || !ngx_http_mint_web_is_sign_in(r->uri.data, r->uri.len))
    {
        return NGX_OK;
    }

    ngx_http_mint_forwarded_client(r, ctx, &addr);
    ngx_http_mint_limit_key(addr.sockaddr, ctx->limit_key);

    entry = ngx_http_mint_limit_find(ctx->limit_key);
    now = ngx_current_msec;
    due = ngx_max(entry->due_ms, now) + lcf->edge.limit_ms;
    room_ms = (uint64_t) lcf->edge.limit_ms * lcf->edge.limit_burst;

    if (due > now + room_ms) {
        refusal->status = NGX_HTTP_TOO_MANY_REQUESTS;
        refusal->rejection = MINT_REJECT_FULL;
        refusal->reason = "too many attempts to sign in from this address";
        refusal->retry_after_sec = (due - now - room_ms + 999) / 1000;
        return NGX_DECLINED;
    }

    entry->due_ms = due;
    ctx->is_limited = 1;

    return NGX_OK;
}


/* who has signed in was no guess: many people may sit behind one address */

void
ngx_http_mint_limit_give_back(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    ngx_http_mint_loc_conf_t     *lcf;
    ngx_http_mint_limit_entry_t  *entry;

    ctx->is_limited = 0;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);
    entry = ngx_http_mint_limit_find(ctx->limit_key);

    if (entry->due_ms >= lcf->edge.limit_ms) {
        entry->due_ms -= lcf->edge.limit_ms;
    }
}


/* IPv6 by its network of 64 bits: one client has all of that */

void
ngx_http_mint_limit_key(struct sockaddr *sockaddr, uint64_t key[2])
{
#if (NGX_HAVE_INET6)
    u_char               *p;
    struct sockaddr_in6  *sin6;
#endif

    key[0] = sockaddr->sa_family;
    key[1] = 0;

    switch (sockaddr->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sockaddr;
        p = sin6->sin6_addr.s6_addr;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            key[0] = AF_INET;
            ngx_memcpy(&key[1], p + 12, 4);
            break;
        }

        ngx_memcpy(&key[1], p, 8);
        break;
#endif

    case AF_INET:
        ngx_memcpy(&key[1], &((struct sockaddr_in *) sockaddr)->sin_addr, 4);
        break;

    default: /* unix sockets: all are one */
        break;
    }
}


/*
 * The client's entry, or the one of its set that is free first.  A client
 * cannot know which others share its set.
 */

static ngx_http_mint_limit_entry_t *
ngx_http_mint_limit_find(const uint64_t key[2])
{
    uint64_t                      hash;
    ngx_uint_t                    i;
    static uint64_t               seed;
    ngx_http_mint_limit_entry_t  *set, *oldest;

    if (seed == 0) {
        seed = ((uint64_t) ngx_random() << 32 ^ (uint64_t) ngx_random()) | 1;
    }

    hash = (key[0] ^ seed) * 0x9e3779b97f4a7c15ULL ^ key[1];
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9ULL;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebULL;
    hash ^= hash >> 31;

    set = ngx_http_mint_limit_table[hash % NGX_HTTP_MINT_LIMIT_SETS];
    oldest = &set[0];

    for (i = 0; i < NGX_HTTP_MINT_LIMIT_WAYS; i++) {
        if (set[i].key[0] == key[0] && set[i].key[1] == key[1]) {
            return &set[i];
        }

        if (set[i].due_ms < oldest->due_ms) {
            oldest = &set[i];
        }
    }

    oldest->key[0] = key[0];
    oldest->key[1] = key[1];
    oldest->due_ms = 0;

    return oldest;
}
