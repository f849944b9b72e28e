/* SPDX-License-Identifier: MIT */
/*
 * Judgements about what browsers and proxies say of a request.  Nothing here
 * allocates, knows nginx or decides what follows from a judgement.
 */

#include "ngx_http_mint_web.h"

#include "ngx_http_mint_text.h"

#include <string.h>


#define NGX_HTTP_MINT_WEB_NAME(name, len, literal)                            \
    ngx_http_mint_text_same_name(name, len, literal, sizeof(literal) - 1)


typedef uint8_t  ngx_http_mint_digits_t __attribute__((vector_size(16)));


static int ngx_http_mint_web_digits(const uint8_t *text, size_t len,
    int *is_zero);
static int ngx_http_mint_web_hex_value(uint8_t c);
static ngx_http_mint_text_t ngx_http_mint_web_segment(const uint8_t *path,
    size_t len, size_t *at);
static int ngx_http_mint_web_is(const ngx_http_mint_text_t *segment,
    const char *word);
static size_t ngx_http_mint_web_end_segment(uint8_t *to, size_t n);


int
ngx_http_mint_web_is_forwarding(const uint8_t *name, size_t len)
{
    static const char  prefix[] = "x-forwarded-";

    if (len >= sizeof(prefix) - 1
        && NGX_HTTP_MINT_WEB_NAME(name, sizeof(prefix) - 1, "x-forwarded-"))
    {
        return 1;
    }

    return NGX_HTTP_MINT_WEB_NAME(name, len, "forwarded")
           || NGX_HTTP_MINT_WEB_NAME(name, len, "x-real-ip");
}


/* "ws" and "wss" are what some proxies say of a handshake */

int
ngx_http_mint_web_scheme(const uint8_t *text, size_t len)
{
    if (NGX_HTTP_MINT_WEB_NAME(text, len, "https")
        || NGX_HTTP_MINT_WEB_NAME(text, len, "wss"))
    {
        return 1;
    }

    return NGX_HTTP_MINT_WEB_NAME(text, len, "http")
           || NGX_HTTP_MINT_WEB_NAME(text, len, "ws")
           ? 0 : -1;
}


/*
 * version "-" trace-id "-" parent-id "-" flags: lower-case digits, ids that
 * are not all zero, version not ff.  Later versions may go on after a "-".
 */

int
ngx_http_mint_web_traceparent(const uint8_t *text, size_t len)
{
    int  is_zero, is_first;

    if (len < NGX_HTTP_MINT_TRACE_LEN || len > NGX_HTTP_MINT_TRACE_MAX
        || text[2] != '-' || text[35] != '-' || text[52] != '-')
    {
        return 0;
    }

    if (!ngx_http_mint_web_digits(text, 2, &is_first)
        || memcmp(text, "ff", 2) == 0
        || !ngx_http_mint_web_digits(text + 3, 32, &is_zero) || is_zero
        || !ngx_http_mint_web_digits(text + 36, 16, &is_zero) || is_zero
        || !ngx_http_mint_web_digits(text + 53, 2, &is_zero))
    {
        return 0;
    }

    return len == NGX_HTTP_MINT_TRACE_LEN
           || (!is_first && text[NGX_HTTP_MINT_TRACE_LEN] == '-');
}


static int
ngx_http_mint_web_digits(const uint8_t *text, size_t len, int *is_zero)
{
    size_t  i;

    *is_zero = 1;

    for (i = 0; i < len; i++) {
        if ((text[i] < '0' || text[i] > '9')
            && (text[i] < 'a' || text[i] > 'f'))
        {
            return 0;
        }

        *is_zero &= text[i] == '0';
    }

    return 1;
}


void
ngx_http_mint_web_make_traceparent(uint8_t *to, const uint64_t id[2],
    uint64_t parent)
{
    *to++ = '0';
    *to++ = '0';
    *to++ = '-';
    to = ngx_http_mint_web_hex(to, id[0]);
    to = ngx_http_mint_web_hex(to, id[1] != 0 ? id[1] : 1);
    *to++ = '-';
    to = ngx_http_mint_web_hex(to, parent != 0 ? parent : 1);
    *to++ = '-';
    *to++ = '0';
    *to = '1';
}


/* sixteen digits at a time, in what gcc and clang have on every processor */

uint8_t *
ngx_http_mint_web_hex(uint8_t *to, uint64_t word)
{
    uint64_t                halves[2];
    ngx_http_mint_digits_t  bytes, high, low, digits;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif

    halves[0] = word;
    halves[1] = 0;
    memcpy(&bytes, halves, sizeof(bytes));

    high = bytes >> 4;
    low = bytes & 0x0f;
    digits = __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19,
                                     4, 20, 5, 21, 6, 22, 7, 23);

    /* a comparison gives all ones where it holds */

    digits += '0' + ((ngx_http_mint_digits_t) (digits > 9) & ('a' - '0' - 10));
    memcpy(to, &digits, sizeof(digits));

    return to + sizeof(digits);
}


/* token characters (RFC 9110, 5.6.2), commas and blanks */

int
ngx_http_mint_web_is_header_list(const uint8_t *text, size_t len)
{
    size_t   i;
    uint8_t  c;

    if (len > NGX_HTTP_MINT_HEADER_LIST_MAX) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        c = text[i];

        if ((c < '0' || c > '9') && (c < 'a' || c > 'z')
            && (c < 'A' || c > 'Z')
            && (c == '\0' || strchr("!#$%&'*+-.^_`|~, ", c) == NULL))
        {
            return 0;
        }
    }

    return 1;
}


size_t
ngx_http_mint_web_path(uint8_t *to, const uint8_t *text, size_t len)
{
    int      high, low;
    size_t   i, n;
    uint8_t  c;

    to[0] = '/';
    n = 1;

    for (i = 0; i < len && text[i] != '?' && text[i] != '#'; i++) {
        c = text[i];

        if (c == '%' && len - i > 2) {
            high = ngx_http_mint_web_hex_value(text[i + 1]);
            low = ngx_http_mint_web_hex_value(text[i + 2]);

            if (high >= 0 && low >= 0) {
                c = (uint8_t) (high << 4 | low);
                i += 2;
            }
        }

        if (c != '/') {
            to[n++] = c;
            continue;
        }

        n = ngx_http_mint_web_end_segment(to, n);

        if (to[n - 1] != '/') {
            to[n++] = '/';
        }
    }

    return ngx_http_mint_web_end_segment(to, n);
}


/* takes "." and ".." back; what stays behind ends with "/" then */

static size_t
ngx_http_mint_web_end_segment(uint8_t *to, size_t n)
{
    size_t  start;

    for (start = n; to[start - 1] != '/'; start--) {
        /* void */
    }

    if (n - start == 1 && to[start] == '.') {
        return start;
    }

    if (n - start != 2 || to[start] != '.' || to[start + 1] != '.') {
        return n;
    }

    if (start == 1) {
        return 1;
    }

    for (start--; to[start - 1] != '/'; start--) {
        /* void */
    }

    return start;
}


static int
ngx_http_mint_web_hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


int
ngx_http_mint_web_is_under(const uint8_t *path, size_t len,
    const char *first, const char *second)
{
    size_t                at;
    ngx_http_mint_text_t  segment;

    at = 0;
    segment = ngx_http_mint_web_segment(path, len, &at);

    if (!ngx_http_mint_web_is(&segment, first)) {
        return 0;
    }

    segment = ngx_http_mint_web_segment(path, len, &at);

    return ngx_http_mint_web_is(&segment, second);
}


int
ngx_http_mint_web_is_sign_in(const uint8_t *path, size_t len)
{
    size_t                at;
    ngx_http_mint_text_t  second, third;

    at = 0;
    second = ngx_http_mint_web_segment(path, len, &at);

    if (!ngx_http_mint_web_is(&second, "api")) {
        return 0;
    }

    second = ngx_http_mint_web_segment(path, len, &at);
    third = ngx_http_mint_web_segment(path, len, &at);

    if (ngx_http_mint_web_is(&second, "auth")) {
        return !ngx_http_mint_web_is(&third, "refresh")
               && !ngx_http_mint_web_is(&third, "logout")
               && !ngx_http_mint_web_is(&third, "verify");
    }

    return ngx_http_mint_web_is(&second, "passkey")
           || ngx_http_mint_web_is(&second, "setup")
           || (ngx_http_mint_web_is(&second, "users")
               && ngx_http_mint_web_is(&third, "register"));
}


static ngx_http_mint_text_t
ngx_http_mint_web_segment(const uint8_t *path, size_t len, size_t *at)
{
    ngx_http_mint_text_t  segment;

    while (*at < len && path[*at] == '/') {
        (*at)++;
    }

    segment.data = path + *at;

    while (*at < len && path[*at] != '/') {
        (*at)++;
    }

    segment.len = (size_t) (path + *at - segment.data);

    return segment;
}


static int
ngx_http_mint_web_is(const ngx_http_mint_text_t *segment, const char *word)
{
    return segment->len == strlen(word)
           && memcmp(segment->data, word, segment->len) == 0;
}
