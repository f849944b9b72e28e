/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the affinity cookie as the nginx module finds it in a Cookie
 * header, and what a plugin's Set-Cookie header may not set.
 */

#include "ngx_mint_module/ngx_http_mint_slots.c"
#include "ngx_mint_module/ngx_http_mint_text.c"
#include "ngx_mint_module/ngx_http_mint_view.c"

#include <stdlib.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* there is one spelling of each value: writing it again gives the same text */

static void
fuzz_value(const uint8_t *text, size_t len)
{
    int             n;
    char            again[64];
    uint32_t        slot;
    const uint8_t  *mac;

    if (!ngx_http_mint_slots_parse(text, len, &slot, &mac)) {
        return;
    }

    n = snprintf(again, sizeof(again), "%u.%.*s", slot,
                 NGX_HTTP_MINT_SLOTS_MAC_TEXT, (const char *) mac);

    if (slot >= MINT_SLOTS_MAX || (size_t) n != len
        || memcmp(again, text, len) != 0)
    {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                   name[NGX_HTTP_MINT_SLOTS_NAME_MAX];
    size_t                 len, name_len;
    ngx_http_mint_text_t   value;

    fuzz_value(data, size);

    /* each cookie of the name, from the last to the first */

    name_len = ngx_http_mint_slots_name(name, 3);
    len = size;

    while (ngx_http_mint_text_cookie(data, len, name, name_len, &value) != 0) {
        if (value.data <= data || value.data + value.len > data + len) {
            abort();
        }

        fuzz_value(value.data, value.len);
        len = (size_t) (value.data - 1 - data);
    }

    /* what sets this plugin's cookie is found by the name's beginning, too */

    if (ngx_http_mint_text_sets_cookie(data, size, name, name_len)
        && !ngx_http_mint_slots_sets_cookie(data, size))
    {
        abort();
    }

    (void) ngx_http_mint_slots_is_path(data, size);

    return 0;
}
