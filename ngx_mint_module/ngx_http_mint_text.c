/* SPDX-License-Identifier: MIT */
/*
 * Judgements about bytes a client sent.  Nothing here allocates, knows nginx
 * or decides what follows from a judgement: see ngx_http_mint_access.c.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE                 /* memmem */
#endif

#include "ngx_http_mint_text.h"

#include <string.h>

#include "contract/mint_bytes.h"


#define MINT_LOWER(c)  ((c) >= 'A' && (c) <= 'Z' ? (uint8_t) ((c) | 0x20) : (c))


static const char  ngx_http_mint_text_job_session[] = "x-mint-job-session";
static const char  ngx_http_mint_text_job_definition[]
    = "x-mint-job-definition";


int
ngx_http_mint_text_same_name(const uint8_t *name, size_t len,
    const char *lower, size_t lower_len)
{
    size_t   i;
    uint8_t  c;

    if (len != lower_len) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        c = name[i] == '_' ? '-' : MINT_LOWER(name[i]);

        if (c != (uint8_t) lower[i]) {
            return 0;
        }
    }

    return 1;
}


int
ngx_http_mint_text_forged_name(const uint8_t *name, size_t len)
{
    if (len < sizeof("x-mint-") - 1
        || !ngx_http_mint_text_same_name(name, sizeof("x-mint-") - 1,
                                         "x-mint-", sizeof("x-mint-") - 1))
    {
        return 0;
    }

    /* with real dashes only: "x_mint_job_session" is no header of the SDK */

    if (memchr(name, '_', len) != NULL) {
        return 1;
    }

    return !ngx_http_mint_text_same_name(name, len,
                                   ngx_http_mint_text_job_session,
                                   sizeof(ngx_http_mint_text_job_session) - 1)
           && !ngx_http_mint_text_same_name(name, len,
                                ngx_http_mint_text_job_definition,
                                sizeof(ngx_http_mint_text_job_definition) - 1);
}


int
ngx_http_mint_text_starts_with(const uint8_t *text, size_t len,
    const char *lower, size_t lower_len)
{
    size_t  i;

    if (len < lower_len) {
        return 0;
    }

    for (i = 0; i < lower_len; i++) {
        if (MINT_LOWER(text[i]) != (uint8_t) lower[i]) {
            return 0;
        }
    }

    return 1;
}


int
ngx_http_mint_text_request_id(const uint8_t *text, size_t len)
{
    size_t   i;
    uint8_t  c;

    if (len == 0 || len > NGX_HTTP_MINT_REQUEST_ID_MAX) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        c = MINT_LOWER(text[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9')
            && c != '.' && c != '_' && c != '-')
        {
            return 0;
        }
    }

    return 1;
}


unsigned
ngx_http_mint_text_cookie(const uint8_t *header, size_t len,
    const char *name, size_t name_len, ngx_http_mint_text_t *value)
{
    unsigned              count;
    const uint8_t        *end, *p, *next, *equals;
    ngx_http_mint_text_t  found;

    count = 0;
    end = header + len;

    for (p = header; p < end; p = next + 1) {
        next = memchr(p, ';', (size_t) (end - p));

        if (next == NULL) {
            next = end;
        }

        while (p < next && (*p == ' ' || *p == '\t')) {
            p++;
        }

        equals = memchr(p, '=', (size_t) (next - p));

        if (equals == NULL) {
            continue;
        }

        found.data = equals + 1;
        found.len = (size_t) (next - found.data);

        while (equals > p && (equals[-1] == ' ' || equals[-1] == '\t')) {
            equals--;
        }

        if ((size_t) (equals - p) != name_len
            || memcmp(p, name, name_len) != 0)
        {
            continue;
        }

        while (found.len && (found.data[0] == ' ' || found.data[0] == '\t')) {
            found.data++;
            found.len--;
        }

        while (found.len && (found.data[found.len - 1] == ' '
                             || found.data[found.len - 1] == '\t'))
        {
            found.len--;
        }

        *value = found;
        count++;
    }

    return count;
}


int
ngx_http_mint_text_sets_cookie(const uint8_t *header, size_t len,
    const char *name, size_t name_len)
{
    size_t                pair;
    const uint8_t        *end;
    ngx_http_mint_text_t  value;

    end = memchr(header, ';', len);
    pair = end == NULL ? len : (size_t) (end - header);

    /* "=name=value" has no name: browsers send it back as "name=value" */

    while (pair > 0 && (header[0] == '=' || header[0] == ' '
                        || header[0] == '\t'))
    {
        header++;
        pair--;
    }

    return ngx_http_mint_text_cookie(header, pair, name, name_len, &value) > 0;
}


int
ngx_http_mint_text_bearer(const uint8_t *header, size_t len,
    ngx_http_mint_text_t *token)
{
    size_t  at;

    at = sizeof("bearer") - 1;

    if (len <= at || header[at] != ' ') {
        return 0;
    }

    /* as nearly all write it, in one go */

    if (memcmp(header, "Bearer", at) != 0
        && !ngx_http_mint_text_starts_with(header, len, "bearer", at))
    {
        return 0;
    }

    while (at < len && header[at] == ' ') {
        at++;
    }

    while (len > at && header[len - 1] == ' ') {
        len--;
    }

    token->data = header + at;
    token->len = len - at;

    return token->len > 0;
}


int
ngx_http_mint_text_is_pat(const uint8_t *text, size_t len)
{
    size_t  prefix;

    prefix = sizeof(NGX_HTTP_MINT_PAT_PREFIX) - 1;

    return len >= prefix && memcmp(text, NGX_HTTP_MINT_PAT_PREFIX, prefix) == 0;
}


int
ngx_http_mint_text_holds_pat(const uint8_t *text, size_t len)
{
    return memmem(text, len, NGX_HTTP_MINT_PAT_PREFIX,
                  sizeof(NGX_HTTP_MINT_PAT_PREFIX) - 1)
           != NULL;
}


int
ngx_http_mint_text_is_whole_pat(const uint8_t *text, size_t len)
{
    size_t   i;
    uint8_t  c;

    if (len != NGX_HTTP_MINT_PAT_LEN || !ngx_http_mint_text_is_pat(text, len)) {
        return 0;
    }

    for (i = sizeof(NGX_HTTP_MINT_PAT_PREFIX) - 1; i < len; i++) {
        c = MINT_LOWER(text[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9')
            && c != '_' && c != '-')
        {
            return 0;
        }
    }

    return 1;
}


size_t
ngx_http_mint_text_header_value(uint8_t *to, const uint8_t *text, size_t len)
{
    size_t             i, n;
    int                is_plain;
    static const char  hex[] = "0123456789ABCDEF";

    if (ngx_http_mint_text_is_header_safe(text, len)
        && memchr(text, '%', len) == NULL)
    {
        if (to != NULL) {
            memcpy(to, text, len);
        }

        return len;
    }

    n = 0;

    for (i = 0; i < len; i++) {
        is_plain = text[i] > 0x20 && text[i] < 0x7f && text[i] != '%';

        if (text[i] == ' ' && i > 0 && i + 1 < len) {
            is_plain = 1;
        }

        if (to != NULL && is_plain) {
            to[n] = text[i];

        } else if (to != NULL) {
            to[n] = '%';
            to[n + 1] = (uint8_t) hex[text[i] >> 4];
            to[n + 2] = (uint8_t) hex[text[i] & 15];
        }

        n += is_plain ? 1 : 3;
    }

    return n;
}


size_t
ngx_http_mint_text_number(uint8_t *to, uint64_t number)
{
    size_t   n, i;
    uint8_t  digits[20];

    n = 0;

    do {
        digits[n++] = (uint8_t) ('0' + number % 10);
        number /= 10;
    } while (number != 0);

    for (i = 0; i < n; i++) {
        to[i] = digits[n - 1 - i];
    }

    return n;
}


int
ngx_http_mint_text_is_header_safe(const uint8_t *text, size_t len)
{
    size_t    i;
    uint64_t  found;

    if (len == 0 || text[0] == ' ' || text[len - 1] == ' ') {
        return 0;
    }

    found = 0;

    for (i = 0; len - i >= 8; i += 8) {
        found |= mint_bytes_unprintable(mint_bytes_load(text + i));
    }

    if (i < len && len >= 8) {
        found |= mint_bytes_unprintable(mint_bytes_load(text + len - 8));
        i = len;
    }

    for ( /* void */ ; i < len; i++) {
        found |= mint_bytes_unprintable(MINT_BYTES(text[i]));
    }

    return (found & MINT_BYTES_TOP) == 0;
}
