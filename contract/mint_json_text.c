/* SPDX-License-Identifier: MIT */
/*
 * Text that goes into JSON: what is plain, and how it is written.
 */

#include "mint_json.h"

#include "mint_utf8.h"


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
