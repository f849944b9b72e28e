/* SPDX-License-Identifier: MIT */
/*
 * Inside of JSON strings: escapes, what is plain, and how it is written.
 */

#include "mint_json.h"

#include <string.h>

#include "mint_utf8.h"


static int mint_json_unicode(const uint8_t **p, const uint8_t *end,
    uint8_t utf8[4]);
static int mint_json_hex4(const uint8_t **p, const uint8_t *end,
    uint32_t *unit);


int
mint_json_unescape(const uint8_t **p, const uint8_t *end, uint8_t utf8[4])
{
    const char         *found;
    static const char   letters[] = "\"\\/bfnrt";
    static const char   meaning[] = "\"\\/\b\f\n\r\t";

    if (*p == end || **p == '\0') {
        return -1;
    }

    if (**p == 'u') {
        (*p)++;
        return mint_json_unicode(p, end, utf8);
    }

    found = strchr(letters, **p);

    if (found == NULL) {
        return -1;
    }

    (*p)++;
    utf8[0] = (uint8_t) meaning[found - letters];

    return 1;
}


/* after "\u"; a lone surrogate names no character and is refused */

static int
mint_json_unicode(const uint8_t **p, const uint8_t *end, uint8_t utf8[4])
{
    uint32_t  code, low;

    if (mint_json_hex4(p, end, &code) != 0) {
        return -1;
    }

    if (code >= 0xd800 && code <= 0xdfff) {
        if (code > 0xdbff || end - *p < 2 || memcmp(*p, "\\u", 2) != 0) {
            return -1;
        }

        *p += 2;

        if (mint_json_hex4(p, end, &low) != 0 || low < 0xdc00 || low > 0xdfff)
        {
            return -1;
        }

        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        utf8[0] = (uint8_t) (0xf0 | code >> 18);
        utf8[1] = (uint8_t) (0x80 | (code >> 12 & 0x3f));
        utf8[2] = (uint8_t) (0x80 | (code >> 6 & 0x3f));
        utf8[3] = (uint8_t) (0x80 | (code & 0x3f));
        return 4;
    }

    if (code < 0x80) {
        utf8[0] = (uint8_t) code;
        return 1;
    }

    if (code < 0x800) {
        utf8[0] = (uint8_t) (0xc0 | code >> 6);
        utf8[1] = (uint8_t) (0x80 | (code & 0x3f));
        return 2;
    }

    utf8[0] = (uint8_t) (0xe0 | code >> 12);
    utf8[1] = (uint8_t) (0x80 | (code >> 6 & 0x3f));
    utf8[2] = (uint8_t) (0x80 | (code & 0x3f));

    return 3;
}


static int
mint_json_hex4(const uint8_t **p, const uint8_t *end, uint32_t *unit)
{
    int      i;
    uint8_t  c;

    if (end - *p < 4) {
        return -1;
    }

    *unit = 0;

    for (i = 0; i < 4; i++) {
        c = *(*p)++;

        if (c >= '0' && c <= '9') {
            c = (uint8_t) (c - '0');

        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            c = (uint8_t) ((c | 0x20) - 'a' + 10);

        } else {
            return -1;
        }

        *unit = *unit << 4 | c;
    }

    return 0;
}


int
mint_json_is_plain(const char *text, size_t len)
{
    size_t          n;
    const uint8_t  *p;

    for (p = (const uint8_t *) text; len > 0; p += n, len -= n) {
        n = mint_utf8_length(p, len);

        if (n == 0 || *p < 0x20 || *p == 0x7f) {
            return 0;
        }
    }

    return 1;
}


int
mint_json_quote(char *to, size_t size, const char *text, size_t len)
{
    int     is_special;
    size_t  i, n;

    if (size == 0 || !mint_json_is_plain(text, len)) {
        return -1;
    }

    for (i = 0, n = 0; i < len; i++) {
        is_special = text[i] == '"' || text[i] == '\\';

        if (size - n < (is_special ? 3 : 2)) {
            return -1;
        }

        if (is_special) {
            to[n++] = '\\';
        }

        to[n++] = text[i];
    }

    to[n] = '\0';

    return (int) n;
}
