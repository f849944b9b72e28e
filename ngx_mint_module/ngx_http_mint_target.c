/* SPDX-License-Identifier: MIT */
/*
 * Judgements about request targets and paths.  Nothing here allocates, knows
 * nginx or decides what follows from a judgement: see ngx_http_mint_path.c.
 */

#include "ngx_http_mint_target.h"

#include <string.h>

#include "contract/mint_bytes.h"

#include "ngx_http_mint_text.h"


/* the part of a raw target that is a path */
#define MINT_PATH_END(c)  ((c) == '?' || (c) == '#')


/* bytes of a raw target that mean something, or may to somebody */

static const uint8_t  ngx_http_mint_target_special[256] = {
    ['\0'] = 1, ['#'] = 1, ['%'] = 1, ['.'] = 1, ['/'] = 1, [';'] = 1,
    ['?'] = 1, ['\\'] = 1
};


static int ngx_http_mint_target_hex(uint8_t c);
static int ngx_http_mint_target_decode(const uint8_t *raw, size_t len,
    size_t *at);
static ngx_http_mint_text_t ngx_http_mint_target_segment(const uint8_t *path,
    size_t len, size_t *at);


static int
ngx_http_mint_target_hex(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


/* the byte at *at, percent-decoded; moves *at behind it */

static int
ngx_http_mint_target_decode(const uint8_t *raw, size_t len, size_t *at)
{
    int     high, low;
    size_t  i;

    i = *at;

    if (raw[i] == '%' && len - i >= 3) {
        high = ngx_http_mint_target_hex(raw[i + 1]);
        low = ngx_http_mint_target_hex(raw[i + 2]);

        if (high >= 0 && low >= 0) {
            *at = i + 3;
            return high << 4 | low;
        }
    }

    *at = i + 1;

    return raw[i];
}


const char *
ngx_http_mint_target_ambiguous(const uint8_t *raw, size_t len)
{
    int       c, is_encoded;
    size_t    at, before;
    unsigned  dots, others;

    dots = 0;
    others = 1;

    for (at = 0; at < len && !MINT_PATH_END(raw[at]); /* void */ ) {
        if (!ngx_http_mint_target_special[raw[at]]) {
            others++;
            at++;
            continue;
        }

        before = at;
        c = ngx_http_mint_target_decode(raw, len, &at);
        is_encoded = at - before > 1;

        if (c == '\0') {
            return "NUL in the path";
        }

        if (c == ';' && !is_encoded) {
            return "path parameter in the path";
        }

        if (c == '\\') {
            return "backslash in the path";
        }

        if (c == '/' && is_encoded) {
            return "encoded slash in the path";
        }

        if ((c == '/' || c == ';') && others == 0 && (dots == 1 || dots == 2))
        {
            return "dot segment in the path";
        }

        if (c == '/') {
            dots = 0;
            others = 0;
            continue;
        }

        if (c == '.') {
            dots++;

        } else {
            others++;
        }
    }

    if (others == 0 && (dots == 1 || dots == 2)) {
        return "dot segment in the path";
    }

    if (at < len && raw[at] == '#') {
        return "fragment in the request target";
    }

    return NULL;
}


size_t
ngx_http_mint_target_decode_path(uint8_t *to, const uint8_t *raw, size_t len)
{
    size_t  at, n;

    n = 0;

    for (at = 0; at < len && !MINT_PATH_END(raw[at]); /* void */ ) {
        to[n++] = (uint8_t) ngx_http_mint_target_decode(raw, len, &at);
    }

    return n;
}


size_t
ngx_http_mint_target_drop_parameters(uint8_t *path, size_t len)
{
    int     is_parameter;
    size_t  i, n;

    is_parameter = 0;
    n = 0;

    for (i = 0; i < len; i++) {
        if (path[i] == ';') {
            is_parameter = 1;

        } else if (path[i] == '/') {
            is_parameter = 0;
        }

        if (!is_parameter
            && (path[i] != '/' || n == 0 || path[n - 1] != '/'))
        {
            path[n++] = path[i];
        }
    }

    return n;
}


int
ngx_http_mint_target_has_head(const uint8_t *raw, size_t len,
    const uint8_t *head, size_t head_len)
{
    size_t  at, i;

    at = 0;

    for (i = 0; i < head_len && at < len; i++) {
        if (!ngx_http_mint_target_special[raw[at]]) {
            if (raw[at++] != head[i]) {
                return 0;
            }

        } else if (MINT_PATH_END(raw[at])
                   || ngx_http_mint_target_decode(raw, len, &at) != head[i])
        {
            return 0;
        }
    }

    if (i < head_len) {
        return 0;
    }

    return at == len || MINT_PATH_END(raw[at])
           || ngx_http_mint_target_decode(raw, len, &at) == '/';
}


/* the next segment that is not empty, without parameters; its len is 0 at the
   end */

static ngx_http_mint_text_t
ngx_http_mint_target_segment(const uint8_t *path, size_t len, size_t *at)
{
    size_t                start;
    const uint8_t        *end;
    ngx_http_mint_text_t  segment = { path, 0 };

    while (*at < len && segment.len == 0) {
        start = *at;

        while (*at < len && path[*at] != '/') {
            (*at)++;
        }

        segment.data = path + start;
        segment.len = *at - start;
        end = memchr(segment.data, ';', segment.len);

        if (end != NULL) {
            segment.len = (size_t) (end - segment.data);
        }

        if (*at < len) {
            (*at)++;
        }
    }

    return segment;
}


int
ngx_http_mint_target_hidden(const uint8_t *path, size_t len)
{
    size_t                at;
    ngx_http_mint_text_t  segment;

    /* most are seen not to be one by a byte */

    if (len > 5 && memcmp(path, "/api/", 5) == 0) {
        if (path[5] != 'i' && path[5] != '/' && path[5] != ';') {
            return 0;
        }

    } else if (len > 1 && path[0] == '/' && path[1] != '_' && path[1] != 'a'
               && path[1] != '/' && path[1] != ';')
    {
        return 0;
    }

    at = 0;
    segment = ngx_http_mint_target_segment(path, len, &at);

    if (segment.len == 6 && memcmp(segment.data, "__mint", 6) == 0) {
        return 1;
    }

    if (segment.len != 3 || memcmp(segment.data, "api", 3) != 0) {
        return 0;
    }

    segment = ngx_http_mint_target_segment(path, len, &at);

    return segment.len == 8 && memcmp(segment.data, "internal", 8) == 0;
}
