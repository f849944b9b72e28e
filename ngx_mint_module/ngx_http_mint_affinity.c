/* SPDX-License-Identifier: MIT */
/*
 * Which of a plugin's processes serves whom: the order in which seats are
 * tried (pin, cookie, hash, or least busy), who may enter a draining one, and
 * the cookie that brings a session back.  The choice itself, and counting in,
 * is ngx_http_mint_seat.c.
 */

#include "ngx_http_mint.h"

#include <openssl/crypto.h>

#include "contract/mint_token_key.h"


/* what the cookies' key is derived for: the secret has other uses, too */
#define NGX_HTTP_MINT_AFFINITY_LABEL    "mint affinity cookie 1"

/* cookies of the name that are looked at: others may set some besides ours */
#define NGX_HTTP_MINT_AFFINITY_COOKIES  4

#define NGX_HTTP_MINT_AFFINITY_PATH     "; Path=/api"
#define NGX_HTTP_MINT_AFFINITY_ATTRS    "; HttpOnly; SameSite=Lax"
#define NGX_HTTP_MINT_AFFINITY_SECURE   "; Secure"


static uint32_t ngx_http_mint_affinity_pin(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_view_t *view);
static uint64_t ngx_http_mint_affinity_key(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
static const uint32_t *ngx_http_mint_affinity_in_flight(
    ngx_http_mint_ctx_t *ctx);
static uint32_t ngx_http_mint_affinity_cookie(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
static uint32_t ngx_http_mint_affinity_verify(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_text_t *value);
static ngx_int_t ngx_http_mint_affinity_mac(uint32_t plugin_id, uint32_t slot,
    char text[NGX_HTTP_MINT_SLOTS_MAC_TEXT + 1]);
static struct mint_token_key *ngx_http_mint_affinity_secret(void);
static struct mint_token_key *ngx_http_mint_affinity_derive(
    ngx_http_mint_view_t *view, const uint64_t *ref);


static const char  *ngx_http_mint_affinity_words[NGX_HTTP_MINT_LED_COUNT] = {
    "none", "pin", "cookie", "hash"
};

/* the keyed state, and what it was derived from */
static struct mint_token_key  *ngx_http_mint_affinity_keyed;
static uint64_t                ngx_http_mint_affinity_ref;
static uint64_t                ngx_http_mint_affinity_mapping;


const char *
ngx_http_mint_affinity_word(unsigned led_by)
{
    return ngx_http_mint_affinity_words[led_by % NGX_HTTP_MINT_LED_COUNT];
}


void
ngx_http_mint_affinity_done(void)
{
    mint_token_key_free(&ngx_http_mint_affinity_keyed);
    ngx_http_mint_affinity_ref = 0;
}


/* what has to be known of the route later: the table may change */

ngx_int_t
ngx_http_mint_affinity_remember(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, const struct mint_route *route)
{
    ctx->affinity = route->affinity <= MINT_AFFINITY_USER
                    ? route->affinity : MINT_AFFINITY_NONE;

    if (ctx->affinity != MINT_AFFINITY_SESSION || route->slot_count < 2) {
        return NGX_OK;
    }

    ctx->prefix.len = route->prefix_len;
    ctx->prefix.data = ngx_pnalloc(r->pool, route->prefix_len);

    if (ctx->prefix.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ctx->prefix.data, route->prefix, route->prefix_len);

    return NGX_OK;
}


/* ---- the order ---------------------------------------------------------- */

void
ngx_http_mint_affinity_start(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_view_t *view, ngx_http_mint_affinity_t *walk)
{
    ngx_http_mint_slots_t  *slots;

    slots = &walk->slots;

    ngx_memzero(walk, sizeof(ngx_http_mint_affinity_t));
    slots->count = ctx->seat_count / 2;
    slots->first = NGX_HTTP_MINT_SLOTS_NONE;
    walk->best = NGX_HTTP_MINT_SLOTS_NONE;
    walk->seat_b = MINT_SEAT_NONE;

    ctx->pin = ngx_http_mint_affinity_pin(ctx, view);
    walk->pin = ctx->pin;

    if (slots->count < 2) {
        slots->first = 0;       /* nothing to weigh */
        return;
    }

    if (ctx->affinity == MINT_AFFINITY_SESSION) {
        if (!ctx->is_cookie_read) {
            ctx->cookie_slot = ngx_http_mint_affinity_cookie(r, ctx);
            ctx->is_cookie_read = 1;
        }

        slots->first = ctx->cookie_slot;
    }

    if (ctx->affinity == MINT_AFFINITY_NONE) {
        slots->in_flight = ngx_http_mint_affinity_in_flight(ctx);
    }

    slots->key = ngx_http_mint_affinity_key(r, ctx);
}


/* the seat to try next; MINT_SEAT_NONE: there is no other */

uint32_t
ngx_http_mint_affinity_next(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_affinity_t *walk)
{
    uint32_t  seat, slot;

    if (walk->pin != MINT_SEAT_NONE) {
        seat = walk->pin;
        walk->pin = MINT_SEAT_NONE;
        return seat;
    }

    if (walk->seat_b != MINT_SEAT_NONE) {
        seat = walk->seat_b;
        walk->seat_b = MINT_SEAT_NONE;
        return seat;
    }

    slot = ngx_http_mint_slots_next(&walk->slots);

    if (slot == NGX_HTTP_MINT_SLOTS_NONE) {
        return MINT_SEAT_NONE;
    }

    if (walk->best == NGX_HTTP_MINT_SLOTS_NONE) {
        walk->best = slot;
    }

    seat = ctx->seat_first + 2 * slot;
    walk->seat_b = seat + 1;

    return seat;
}


/* may this request enter a seat with this word? */

ngx_uint_t
ngx_http_mint_affinity_may_enter(ngx_http_mint_ctx_t *ctx, uint32_t seat,
    uint64_t word)
{
    unsigned  state;

    state = mint_seat_state(word);

    return state == MINT_SEAT_READY
           || (state == MINT_SEAT_DRAINING && seat == ctx->pin);
}


/*
 * Counted in, and the word read again: a pin that was written before that
 * word is visible now, and leads elsewhere if it is a new one.
 */

ngx_uint_t
ngx_http_mint_affinity_is_pin_same(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_view_t *view)
{
    return ngx_http_mint_affinity_pin(ctx, view) == ctx->pin;
}


/* where there is one process only, nobody can be kept from another */

static uint32_t
ngx_http_mint_affinity_pin(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_view_t *view)
{
    const struct mint_seat  *seat;

    if (ctx->user_id == 0) {
        return MINT_SEAT_NONE;
    }

    if (ctx->seat_count == 2) {
        seat = ngx_http_mint_view_seat(view, ctx->seat_first + 1);

        if (seat == NULL
            || mint_seat_state(mint_run_load_acquire(&seat[0].word))
               == MINT_SEAT_EMPTY
            || mint_seat_state(mint_run_load_acquire(&seat[-1].word))
               == MINT_SEAT_EMPTY)
        {
            return MINT_SEAT_NONE;
        }
    }

    return ngx_http_mint_slots_pin(view, ctx->plugin_id, ctx->user_id,
                                   ctx->seat_first, ctx->seat_count);
}


void
ngx_http_mint_affinity_chosen(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_affinity_t *walk, uint32_t seat)
{
    uint32_t  slot;

    slot = (seat - ctx->seat_first) / 2;

    if (seat == ctx->pin) {
        ctx->led_by = NGX_HTTP_MINT_LED_PIN;
        ctx->is_hit = 1;

    } else if (walk->slots.count < 2
               || ctx->affinity == MINT_AFFINITY_NONE)
    {
        ctx->led_by = NGX_HTTP_MINT_LED_NONE;

    } else if (slot == walk->slots.first) {
        ctx->led_by = NGX_HTTP_MINT_LED_COOKIE;
        ctx->is_hit = 1;

    } else {
        ctx->led_by = NGX_HTTP_MINT_LED_HASH;
        ctx->is_hit = ctx->affinity == MINT_AFFINITY_USER
                      && slot == walk->best;
    }
}


static uint64_t
ngx_http_mint_affinity_key(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    uint64_t          key, parts[2];
    ngx_addr_t        addr;
    static uint64_t   turn;

    if (ctx->affinity == MINT_AFFINITY_NONE) {
        key = ++turn;

    } else if (ctx->user_id != 0) {
        key = ctx->user_id;

    } else {
        ngx_http_mint_forwarded_client(r, ctx, &addr);
        ngx_http_mint_limit_key(addr.sockaddr, parts);
        key = mint_mix(parts[0]) ^ parts[1];
    }

    /* the users of one plugin are spread otherwise than those of another */

    return mint_mix(mint_pin_key(ctx->plugin_id, key));
}


/* this worker's counts of the route's seats, NULL: not all are there */

static const uint32_t *
ngx_http_mint_affinity_in_flight(ngx_http_mint_ctx_t *ctx)
{
    ngx_http_mint_record_t  *record;

    record = ngx_http_mint_run_record();

    if (record == NULL || ctx->seat_first > record->seats
        || ctx->seat_count > record->seats - ctx->seat_first)
    {
        return NULL;
    }

    return &record->in_flight[ctx->seat_first];
}


/* ---- the cookie --------------------------------------------------------- */

/* the slot that a cookie of ours names */

static uint32_t
ngx_http_mint_affinity_cookie(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    char                   name[NGX_HTTP_MINT_SLOTS_NAME_MAX];
    size_t                 len, name_len;
    uint32_t               slot;
    ngx_uint_t             looked;
    ngx_table_elt_t       *h;
    ngx_http_mint_text_t   value;

    name_len = ngx_http_mint_slots_name(name, ctx->plugin_id);
    looked = 0;

    for (h = ngx_http_mint_compat_cookie(r, NULL);
         h != NULL;
         h = ngx_http_mint_compat_cookie(r, h))
    {
        len = h->value.len;

        /* the last of that name, then the one before it */

        while (looked < NGX_HTTP_MINT_AFFINITY_COOKIES
               && ngx_http_mint_text_cookie(h->value.data, len, name,
                                            name_len, &value)
                  != 0)
        {
            slot = ngx_http_mint_affinity_verify(ctx, &value);

            if (slot != NGX_HTTP_MINT_SLOTS_NONE) {
                return slot;
            }

            looked++;
            len = value.data - 1 - h->value.data;
        }
    }

    return NGX_HTTP_MINT_SLOTS_NONE;
}


static uint32_t
ngx_http_mint_affinity_verify(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_text_t *value)
{
    char            expected[NGX_HTTP_MINT_SLOTS_MAC_TEXT + 1];
    uint32_t        slot;
    const uint8_t  *mac;

    if (!ngx_http_mint_slots_parse(value->data, value->len, &slot, &mac)
        || slot >= ctx->seat_count / 2
        || ngx_http_mint_affinity_mac(ctx->plugin_id, slot, expected)
           != NGX_OK
        || CRYPTO_memcmp(expected, mac, NGX_HTTP_MINT_SLOTS_MAC_TEXT) != 0)
    {
        return NGX_HTTP_MINT_SLOTS_NONE;
    }

    return slot;
}


/*
 * Only when it changes, and only under /api<prefix>: a page of the plugin is
 * not sent the cookie, so it cannot know that there is one already.  A pin is
 * not the session's own choice and ends by itself.
 */

ngx_int_t
ngx_http_mint_affinity_set_cookie(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx)
{
    char              name[NGX_HTTP_MINT_SLOTS_NAME_MAX];
    char              mac[NGX_HTTP_MINT_SLOTS_MAC_TEXT + 1];
    u_char           *p;
    uint32_t          slot;
    ngx_table_elt_t  *h;

    slot = (ctx->seat - ctx->seat_first) / 2;

    if (ctx->is_page || slot == ctx->cookie_slot
        || ctx->led_by == NGX_HTTP_MINT_LED_PIN
        || !ngx_http_mint_slots_is_path(ctx->prefix.data, ctx->prefix.len)
        || ngx_http_mint_affinity_mac(ctx->plugin_id, slot, mac) != NGX_OK)
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_HTTP_MINT_SLOTS_NAME_MAX + NGX_INT32_LEN
                             + NGX_HTTP_MINT_SLOTS_MAC_TEXT + ctx->prefix.len
                             + sizeof("=." NGX_HTTP_MINT_AFFINITY_PATH
                                      NGX_HTTP_MINT_AFFINITY_ATTRS
                                      NGX_HTTP_MINT_AFFINITY_SECURE));
    if (p == NULL) {
        return NGX_ERROR;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_http_mint_slots_name(name, ctx->plugin_id);

    ngx_memzero(h, sizeof(ngx_table_elt_t));
    h->hash = 1;
    ngx_str_set(&h->key, "Set-Cookie");
    h->value.data = p;
    h->value.len = ngx_sprintf(p, "%s=%uD.%s" NGX_HTTP_MINT_AFFINITY_PATH "%V"
                               NGX_HTTP_MINT_AFFINITY_ATTRS "%s", name, slot,
                               mac, &ctx->prefix,
                               ctx->is_https
                               ? NGX_HTTP_MINT_AFFINITY_SECURE : "")
                   - p;

    return NGX_OK;
}


/* NGX_DECLINED: there is no secret to make one with */

static ngx_int_t
ngx_http_mint_affinity_mac(uint32_t plugin_id, uint32_t slot,
    char text[NGX_HTTP_MINT_SLOTS_MAC_TEXT + 1])
{
    uint8_t                 mac[MINT_TOKEN_MAC_BYTES], data[8];
    struct mint_token_key  *key;

    key = ngx_http_mint_affinity_secret();

    if (key == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_mint_slots_signed(data, plugin_id, slot);

    if (mint_token_mac(key, (char *) data, sizeof(data), mac) != 0
        || mint_base64url_encode(text, NGX_HTTP_MINT_SLOTS_MAC_TEXT + 1, mac,
                                 NGX_HTTP_MINT_SLOTS_MAC)
           != NGX_HTTP_MINT_SLOTS_MAC_TEXT)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* keyed once, and again when the file names another secret */

static struct mint_token_key *
ngx_http_mint_affinity_secret(void)
{
    uint64_t               word;
    const uint64_t        *ref;
    ngx_http_mint_view_t  *view;

    view = ngx_http_mint_run_view(MINT_RUN_IDENTITY);

    if (view == NULL) {
        return NULL;
    }

    ref = ngx_http_mint_identity_edge_secret(view);
    word = mint_run_load_acquire(ref);

    if (word != ngx_http_mint_affinity_ref
        || view->mapping != ngx_http_mint_affinity_mapping)
    {
        mint_token_key_free(&ngx_http_mint_affinity_keyed);
        ngx_http_mint_affinity_keyed = ngx_http_mint_affinity_derive(view,
                                                                     ref);
        ngx_http_mint_affinity_ref = word;
        ngx_http_mint_affinity_mapping = view->mapping;
    }

    return ngx_http_mint_affinity_keyed;
}


static struct mint_token_key *
ngx_http_mint_affinity_derive(ngx_http_mint_view_t *view, const uint64_t *ref)
{
    int64_t                 len;
    uint8_t                 derived[MINT_TOKEN_MAC_BYTES];
    uint64_t                secret[MINT_TOKEN_MAX / 8];
    struct mint_token_key  *master, *key;

    len = ngx_http_mint_identity_blob(view, ref, secret, sizeof(secret));

    if (len <= 0) {
        return NULL;
    }

    master = mint_token_key_new("", 0, (uint8_t *) secret, (size_t) len);
    key = NULL;

    if (master != NULL
        && mint_token_mac(master, NGX_HTTP_MINT_AFFINITY_LABEL,
                          sizeof(NGX_HTTP_MINT_AFFINITY_LABEL) - 1, derived)
           == 0)
    {
        key = mint_token_key_new("", 0, derived, sizeof(derived));
    }

    mint_token_key_free(&master);
    ngx_explicit_memzero(secret, sizeof(secret));
    ngx_explicit_memzero(derived, sizeof(derived));

    return key;
}
