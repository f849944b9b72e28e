/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: what a client says it accepts, and text for the edge's pages.
 */

#include "ngx_mint_module/ngx_http_mint_markup.c"

#include <stdlib.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* nothing of an escaped text may be markup, or end an attribute */

static void
fuzz_escape(const uint8_t *data, size_t size)
{
    size_t    i, len;
    uint8_t  *to;

    len = ngx_http_mint_markup_escape(NULL, data, size);

    if (len < size || len > size * NGX_HTTP_MINT_MARKUP_GROWTH) {
        abort();
    }

    to = malloc(len + 1);

    if (to == NULL
        || ngx_http_mint_markup_escape(to, data, size) != len)
    {
        abort();
    }

    for (i = 0; i < len; i++) {
        if (strchr("<>\"'", to[i]) != NULL || to[i] < 0x20 || to[i] == 0x7f) {
            abort();
        }
    }

    free(to);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_http_mint_accept_t  accept;

    memset(&accept, 0, sizeof(accept));
    ngx_http_mint_markup_accept(&accept, data, size);

    if (accept.page.quality > NGX_HTTP_MINT_MARKUP_ONE
        || accept.problem.quality > NGX_HTTP_MINT_MARKUP_ONE
        || accept.page.rank > 3 || accept.problem.rank > 3)
    {
        abort();
    }

    /* said again, it is the same */

    if (ngx_http_mint_markup_wants_page(&accept)) {
        ngx_http_mint_markup_accept(&accept, data, size);

        if (!ngx_http_mint_markup_wants_page(&accept)) {
            abort();
        }
    }

    fuzz_escape(data, size);

    return 0;
}
