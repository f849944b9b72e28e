/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 as RFC 3629 defines it, for names that cross programs.
 */

#ifndef MINT_UTF8_H
#define MINT_UTF8_H

#include <stddef.h>
#include <stdint.h>


/*
 * Length of the valid sequence at text, 0 if there is none: no overlong
 * forms, no surrogates, nothing above U+10FFFF.
 */

static inline size_t
mint_utf8_length(const uint8_t *text, size_t len)
{
    size_t   i, n;
    uint8_t  low, high;

    low = 0x80;
    high = 0xbf;

    if (len == 0) {
        return 0;
    }

    if (text[0] < 0x80) {
        return 1;
    }

    if (text[0] >= 0xc2 && text[0] <= 0xdf) {
        n = 2;

    } else if (text[0] >= 0xe0 && text[0] <= 0xef) {
        n = 3;
        low = text[0] == 0xe0 ? 0xa0 : 0x80;
        high = text[0] == 0xed ? 0x9f : 0xbf;

    } else if (text[0] >= 0xf0 && text[0] <= 0xf4) {
        n = 4;
        low = text[0] == 0xf0 ? 0x90 : 0x80;
        high = text[0] == 0xf4 ? 0x8f : 0xbf;

    } else {
        return 0;
    }

    if (len < n || text[1] < low || text[1] > high) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return n;
}

#endif /* MINT_UTF8_H */
