/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: names and values of headers, both what clients send and what
 * is put into a header for a plugin.
 */

#include "ngx_mint_module/ngx_http_mint_text.c"

#include <stdlib.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_require(int is_true)
{
    if (!is_true) {
        abort();
    }
}


/* as software does that takes "_" for "-": one spelling, then compared */

static void
fuzz_name(const uint8_t *name, size_t len)
{
    int     is_forged, has_underscore;
    char    plain[64];
    size_t  i;

    has_underscore = memchr(name, '_', len) != NULL;

    for (i = 0; i < len && i < sizeof(plain) - 1; i++) {
        plain[i] = name[i] == '_' ? '-' : (char) MINT_LOWER(name[i]);
    }

    plain[i] = '\0';

    is_forged = i >= 7 && memcmp(plain, "x-mint-", 7) == 0;

    if (!has_underscore && len < sizeof(plain)
        && (strcmp(plain, "x-mint-job-session") == 0
            || strcmp(plain, "x-mint-job-definition") == 0)
        && strlen(plain) == len)
    {
        is_forged = 0;
    }

    fuzz_require(ngx_http_mint_text_forged_name(name, len) == is_forged);

    if (len < sizeof(plain) && strlen(plain) == len) {
        fuzz_require(ngx_http_mint_text_same_name(name, len, plain, len));
    }
}


static void
fuzz_request_id(const uint8_t *text, size_t len)
{
    int     is_good;
    size_t  i;

    is_good = len >= 1 && len <= NGX_HTTP_MINT_REQUEST_ID_MAX;

    for (i = 0; i < len && is_good; i++) {
        is_good = text[i] != '\0'
                  && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU"
                            "VWXYZ0123456789._-", text[i]) != NULL;
    }

    fuzz_require(ngx_http_mint_text_request_id(text, len) == is_good);
}


/* what has passed as safe must not be able to end a header */

static void
fuzz_value(const uint8_t *data, size_t size)
{
    size_t    i, len;
    uint8_t  *to;

    len = ngx_http_mint_text_header_value(NULL, data, size);
    to = malloc(len + 1);

    if (to == NULL) {
        abort();
    }

    fuzz_require(ngx_http_mint_text_header_value(to, data, size) == len);
    fuzz_require(len == 0 || ngx_http_mint_text_is_header_safe(to, len));

    for (i = 0; i < len; i++) {
        fuzz_require(to[i] >= 0x20 && to[i] <= 0x7e);
    }

    free(to);
}


static void
fuzz_bearer(const uint8_t *text, size_t len)
{
    size_t                i;
    ngx_http_mint_text_t  token;

    if (!ngx_http_mint_text_bearer(text, len, &token)) {
        return;
    }

    fuzz_require(token.len > 0 && token.data > text + 6
                 && token.data + token.len <= text + len);
    fuzz_require(token.data[0] != ' ' && token.data[token.len - 1] != ' ');

    for (i = 6; text + i < token.data; i++) {
        fuzz_require(text[i] == ' ');
    }

    if (ngx_http_mint_text_is_whole_pat(token.data, token.len)) {
        fuzz_require(ngx_http_mint_text_is_pat(token.data, token.len));
        fuzz_require(ngx_http_mint_text_is_header_safe(token.data,
                                                       token.len));
    }

    if (ngx_http_mint_text_is_pat(token.data, token.len)) {
        fuzz_require(ngx_http_mint_text_holds_pat(text, len));
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_name(data, size);
    fuzz_request_id(data, size);
    fuzz_value(data, size);
    fuzz_bearer(data, size);

    return 0;
}
