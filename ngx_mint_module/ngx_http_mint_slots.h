/* SPDX-License-Identifier: MIT */
/*
 * Which of a plugin's slots: the order in which they are tried, pins, and the
 * text of the affinity cookie.  Plain C without nginx types, so that unit
 * tests and fuzzers can call it.
 */

#ifndef NGX_HTTP_MINT_SLOTS_H
#define NGX_HTTP_MINT_SLOTS_H

#include "ngx_http_mint_view.h"


#define NGX_HTTP_MINT_SLOTS_NONE      UINT32_MAX
#define NGX_HTTP_MINT_SLOTS_COOKIE    "mint_slot_"

/* 128 bits of the MAC as base64url */
#define NGX_HTTP_MINT_SLOTS_MAC       16
#define NGX_HTTP_MINT_SLOTS_MAC_TEXT  22

/* with room for a NUL */
#define NGX_HTTP_MINT_SLOTS_NAME_MAX                                          \
    (sizeof(NGX_HTTP_MINT_SLOTS_COOKIE) + sizeof("4294967295") - 1)


/*
 * An order of slots.  By key alone: highest random weight, so that a slot
 * that goes away moves only those whose first it was.  With in_flight: fewest
 * requests first, equals in the order of the key.
 */

typedef struct {
    uint64_t         key;
    uint64_t         tried;         /* a bit a slot */
    const uint32_t  *in_flight;     /* two seats a slot, or NULL */
    uint32_t         count;         /* at most MINT_SLOTS_MAX */
    uint32_t         first;         /* comes before all others, or NONE */
} ngx_http_mint_slots_t;

/* the next slot that has not been tried; NONE: all have */
uint32_t ngx_http_mint_slots_next(ngx_http_mint_slots_t *slots);


/*
 * The seat record this user of the plugin is pinned to, MINT_SEAT_NONE if
 * there is none among the seat_count records from seat_first.
 */
uint32_t ngx_http_mint_slots_pin(const ngx_http_mint_view_t *view,
    uint32_t plugin_id, uint64_t user_id, uint32_t seat_first,
    uint32_t seat_count);


/* the cookie's name; returns its length */
size_t ngx_http_mint_slots_name(char name[NGX_HTTP_MINT_SLOTS_NAME_MAX],
    uint32_t plugin_id);

/* does a Set-Cookie value set a cookie with such a name, of any plugin? */
int ngx_http_mint_slots_sets_cookie(const uint8_t *header, size_t len);

/*
 * Splits "<slot>.<MAC>": returns 1 if it has that shape.  *mac are the
 * NGX_HTTP_MINT_SLOTS_MAC_TEXT letters in text, not yet compared.
 */
int ngx_http_mint_slots_parse(const uint8_t *text, size_t len, uint32_t *slot,
    const uint8_t **mac);

/* what the MAC is made of */
void ngx_http_mint_slots_signed(uint8_t data[8], uint32_t plugin_id,
    uint32_t slot);

/* may stand in the cookie's Path: what prefixes consist of */
int ngx_http_mint_slots_is_path(const uint8_t *path, size_t len);

#endif /* NGX_HTTP_MINT_SLOTS_H */
