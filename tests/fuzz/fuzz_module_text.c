/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the nginx module's judgements about what a client sent.  The
 * first byte chooses where the input is cut in two.
 */

#include "ngx_mint_module/ngx_http_mint_text.c"

#include <stdlib.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* what has passed as safe must not be able to end a header */

static void
fuzz_header_value(const uint8_t *data, size_t size)
{
    size_t    len;
    uint8_t  *to;

    len = ngx_http_mint_text_header_value(NULL, data, size);
    to = malloc(len + 1);

    if (to == NULL) {
        abort();
    }

    if (ngx_http_mint_text_header_value(to, data, size) != len
        || (len != 0 && !ngx_http_mint_text_is_header_safe(to, len)))
    {
        abort();
    }

    free(to);
}


static void
fuzz_inside(const ngx_http_mint_text_t *part, const uint8_t *data,
    size_t size)
{
    if (part->data < data || part->len > size
        || (size_t) (part->data - data) > size - part->len)
    {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                cut;
    const uint8_t        *copy;
    ngx_http_mint_text_t  part;

    if (size == 0) {
        return 0;
    }

    cut = data[0] % size;
    copy = data + 1;
    size--;

    (void) ngx_http_mint_text_forged_name(copy, size);
    (void) ngx_http_mint_text_request_id(copy, size);
    (void) ngx_http_mint_text_hidden(copy, size);
    (void) ngx_http_mint_text_is_whole_pat(copy, size);
    (void) ngx_http_mint_text_sets_cookie(copy, size, "mint", 4);

    if (ngx_http_mint_text_cookie(copy, size, "c", 1, &part) > 0) {
        fuzz_inside(&part, copy, size);
    }

    if (ngx_http_mint_text_bearer(copy, size, &part)) {
        fuzz_inside(&part, copy, size);
    }

    /* a target without an escape begins with each of its own heads */

    if (ngx_http_mint_text_ambiguous(copy, size) == NULL && cut < size
        && copy[cut] == '/' && memchr(copy, '%', cut) == NULL
        && memchr(copy, '?', cut) == NULL
        && !ngx_http_mint_text_has_head(copy, size, copy, cut))
    {
        abort();
    }

    fuzz_header_value(copy, size);

    return 0;
}
