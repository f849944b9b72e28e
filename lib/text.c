/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 checks.  jansson refuses to make a string of invalid UTF-8, and a
 * terminal obeys control characters, so texts with outside bytes in them are
 * cleaned where they are made.
 */

#include "lib/text.h"

#include <string.h>


/* Unicode 15, table 3-7: what may follow each first byte */

static const struct {
    uint8_t  first_low;
    uint8_t  first_high;
    uint8_t  second_low;
    uint8_t  second_high;
    uint8_t  length;
} text_sequences[] = {
    { 0x00, 0x7f, 0x00, 0x00, 1 },
    { 0xc2, 0xdf, 0x80, 0xbf, 2 },
    { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
    { 0xe1, 0xec, 0x80, 0xbf, 3 },
    { 0xed, 0xed, 0x80, 0x9f, 3 },
    { 0xee, 0xef, 0x80, 0xbf, 3 },
    { 0xf0, 0xf0, 0x90, 0xbf, 4 },
    { 0xf1, 0xf3, 0x80, 0xbf, 4 },
    { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};


size_t
text_utf8_length(const char *text, size_t len)
{
    size_t          i, k, n;
    const uint8_t  *p;

    p = (const uint8_t *) text;

    if (len == 0) {
        return 0;
    }

    for (i = 0; i < sizeof(text_sequences) / sizeof(text_sequences[0]); i++) {
        if (p[0] >= text_sequences[i].first_low
            && p[0] <= text_sequences[i].first_high)
        {
            break;
        }
    }

    if (i == sizeof(text_sequences) / sizeof(text_sequences[0])) {
        return 0;
    }

    n = text_sequences[i].length;

    if (n > len) {
        return 0;
    }

    if (n > 1 && (p[1] < text_sequences[i].second_low
                  || p[1] > text_sequences[i].second_high))
    {
        return 0;
    }

    for (k = 2; k < n; k++) {
        if ((p[k] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return n;
}


void
text_clean(char *text)
{
    char    *p;
    size_t   len, n;

    len = strlen(text);

    for (p = text; len > 0; p += n, len -= n) {
        n = text_utf8_length(p, len);

        if (n == 0) {
            *p = '?';
            n = 1;

        } else if (((unsigned char) *p < 0x20 && *p != '\n' && *p != '\t')
                   || *p == 0x7f)
        {
            *p = '?';
        }
    }
}
