/* SPDX-License-Identifier: MIT */
/*
 * The order of slots, the lookup of pins and the affinity cookie's text.  What
 * of it is used for a request is decided in ngx_http_mint_affinity.c.
 */

#include "ngx_http_mint_slots.h"

#include <stdio.h>
#include <string.h>

#include "contract/mint_token.h"


#define MINT_SLOTS_GOLDEN  0x9e3779b97f4a7c15ULL


static uint64_t ngx_http_mint_slots_weight(const ngx_http_mint_slots_t *slots,
    uint32_t slot);


uint32_t
ngx_http_mint_slots_next(ngx_http_mint_slots_t *slots)
{
    uint32_t  i, best;
    uint64_t  weight, heaviest;

    best = NGX_HTTP_MINT_SLOTS_NONE;
    heaviest = 0;

    if (slots->tried == 0 && slots->first < slots->count) {
        best = slots->first;

    } else {
        for (i = 0; i < slots->count && i < MINT_SLOTS_MAX; i++) {
            if (slots->tried >> i & 1) {
                continue;
            }

            weight = ngx_http_mint_slots_weight(slots, i);

            if (best == NGX_HTTP_MINT_SLOTS_NONE || weight > heaviest) {
                best = i;
                heaviest = weight;
            }
        }
    }

    if (best < MINT_SLOTS_MAX) {
        slots->tried |= (uint64_t) 1 << best;
    }

    return best;
}


static uint64_t
ngx_http_mint_slots_weight(const ngx_http_mint_slots_t *slots, uint32_t slot)
{
    uint32_t  load;
    uint64_t  weight;

    weight = mint_mix(slots->key + (slot + 1) * MINT_SLOTS_GOLDEN);

    if (slots->in_flight == NULL) {
        return weight;
    }

    load = mint_seat_count(&slots->in_flight[2 * slot])
           + mint_seat_count(&slots->in_flight[2 * slot + 1]);

    return (uint64_t) (UINT32_MAX - load) << 32 | weight >> 32;
}


uint32_t
ngx_http_mint_slots_pin(const ngx_http_mint_view_t *view, uint32_t plugin_id,
    uint64_t user_id, uint32_t seat_first, uint32_t seat_count)
{
    uint32_t                 i, probes, capacity, seat;
    uint64_t                 key, found, value;
    const struct mint_pin   *pins;
    const struct mint_seat  *record;

    capacity = view->header.capacity[MINT_SEATS_CAPACITY_PINS];

    if (user_id == 0 || capacity == 0 || (capacity & (capacity - 1)) != 0) {
        return MINT_SEAT_NONE;
    }

    pins = (const struct mint_pin *) (const void *)
           (view->base + view->header.section[MINT_SEATS_SECTION_PINS]);
    key = mint_pin_key(plugin_id, user_id);
    i = mint_pin_hash(key) & (capacity - 1);

    for (probes = 0; probes < MINT_PIN_PROBES && probes < capacity; probes++) {
        found = mint_run_load_acquire(&pins[i].key);

        if (found == 0) {
            return MINT_SEAT_NONE;
        }

        value = mint_run_load_acquire(&pins[i].value);

        if (found == key && mint_run_load(&pins[i].key) == key) {
            break;
        }

        i = (i + 1) & (capacity - 1);
    }

    if (probes == MINT_PIN_PROBES || probes == capacity || value == 0
        || value > UINT32_MAX)
    {
        return MINT_SEAT_NONE;
    }

    seat = (uint32_t) (value - 1);
    record = ngx_http_mint_view_seat(view, seat);

    return record != NULL && record->plugin_id == plugin_id
           && seat >= seat_first && seat - seat_first < seat_count
           ? seat : MINT_SEAT_NONE;
}


/* ---- the cookie --------------------------------------------------------- */

size_t
ngx_http_mint_slots_name(char name[NGX_HTTP_MINT_SLOTS_NAME_MAX],
    uint32_t plugin_id)
{
    return (size_t) snprintf(name, NGX_HTTP_MINT_SLOTS_NAME_MAX,
                             NGX_HTTP_MINT_SLOTS_COOKIE "%u", plugin_id);
}


int
ngx_http_mint_slots_sets_cookie(const uint8_t *header, size_t len)
{
    size_t  prefix;

    prefix = sizeof(NGX_HTTP_MINT_SLOTS_COOKIE) - 1;

    /* "=name=value" has no name: browsers send it back as "name=value" */

    while (len > 0 && (header[0] == '=' || header[0] == ' '
                       || header[0] == '\t'))
    {
        header++;
        len--;
    }

    return len >= prefix
           && memcmp(header, NGX_HTTP_MINT_SLOTS_COOKIE, prefix) == 0;
}


int
ngx_http_mint_slots_parse(const uint8_t *text, size_t len, uint32_t *slot,
    const uint8_t **mac)
{
    size_t    i, digits;
    uint32_t  value;

    if (len < 2 + NGX_HTTP_MINT_SLOTS_MAC_TEXT) {
        return 0;
    }

    digits = len - NGX_HTTP_MINT_SLOTS_MAC_TEXT - 1;

    if (digits > 2 || text[digits] != '.' || (digits > 1 && text[0] == '0')) {
        return 0;
    }

    value = 0;

    for (i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return 0;
        }

        value = value * 10 + text[i] - '0';
    }

    for (i = digits + 1; i < len; i++) {
        if (!mint_base64url_is_letter((char) text[i])) {
            return 0;
        }
    }

    *slot = value;
    *mac = text + digits + 1;

    return value < MINT_SLOTS_MAX;
}


void
ngx_http_mint_slots_signed(uint8_t data[8], uint32_t plugin_id, uint32_t slot)
{
    unsigned  i;

    for (i = 0; i < 4; i++) {
        data[i] = (uint8_t) (plugin_id >> 8 * i);
        data[4 + i] = (uint8_t) (slot >> 8 * i);
    }
}


int
ngx_http_mint_slots_is_path(const uint8_t *path, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (!mint_base64url_is_letter((char) path[i])
            && path[i] != '/' && path[i] != '.' && path[i] != '~')
        {
            return 0;
        }
    }

    return len > 1 && path[0] == '/';
}
