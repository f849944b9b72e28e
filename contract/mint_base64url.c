/* SPDX-License-Identifier: MIT */
/*
 * base64url without padding (RFC 4648, section 5), strict: one spelling for
 * each sequence of bytes.
 */

#include "mint_token.h"


static const char  mint_base64url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";


/* 255 = not of the alphabet */
static const uint8_t  mint_base64url_values[256] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255,  62, 255, 255,  52,  53,  54,  55,  56,  57,  58,  59,
     60,  61, 255, 255, 255, 255, 255, 255, 255,   0,   1,   2,   3,   4,
      5,   6,   7,   8,   9,  10,  11,  12,  13,  14,  15,  16,  17,  18,
     19,  20,  21,  22,  23,  24,  25, 255, 255, 255, 255,  63, 255,  26,
     27,  28,  29,  30,  31,  32,  33,  34,  35,  36,  37,  38,  39,  40,
     41,  42,  43,  44,  45,  46,  47,  48,  49,  50,  51, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255,
};


/* letters are judged together at the end: a stray one costs the same */

int
mint_base64url_decode(uint8_t *to, size_t size, const char *text, size_t len)
{
    size_t          n, rest;
    uint32_t        bits, stray, a, b, c, d;
    const uint8_t  *p, *end;

    rest = len % 4;
    n = len / 4 * 3 + (rest == 0 ? 0 : rest - 1);

    if (rest == 1 || n > size || n > INT32_MAX) {
        return -1;
    }

    p = (const uint8_t *) text;
    stray = 0;

    for (end = p + (len - rest); p < end; p += 4) {
        a = mint_base64url_values[p[0]];
        b = mint_base64url_values[p[1]];
        c = mint_base64url_values[p[2]];
        d = mint_base64url_values[p[3]];
        stray |= a | b | c | d;

        bits = a << 18 | b << 12 | c << 6 | d;
        to[0] = (uint8_t) (bits >> 16);
        to[1] = (uint8_t) (bits >> 8);
        to[2] = (uint8_t) bits;
        to += 3;
    }

    if (rest != 0) {
        a = mint_base64url_values[p[0]];
        b = mint_base64url_values[p[1]];
        c = rest == 3 ? mint_base64url_values[p[2]] : 0;
        stray |= a | b | c;

        bits = a << 18 | b << 12 | c << 6;
        to[0] = (uint8_t) (bits >> 16);

        if (rest == 3) {
            to[1] = (uint8_t) (bits >> 8);
        }

        /* two spellings of the same bytes would be two tokens */

        if (bits & (rest == 3 ? 0xff : 0xffff)) {
            return -1;
        }
    }

    return stray & 0x80 ? -1 : (int) n;
}


int
mint_base64url_encode(char *to, size_t size, const uint8_t *data, size_t len)
{
    size_t    i, n;
    uint32_t  bits;

    n = len / 3 * 4 + (len % 3 == 0 ? 0 : len % 3 + 1);

    if (n >= size || n > INT32_MAX) {
        return -1;
    }

    for (i = 0; i + 3 <= len; i += 3) {
        bits = (uint32_t) data[i] << 16 | (uint32_t) data[i + 1] << 8
               | data[i + 2];
        *to++ = mint_base64url_alphabet[bits >> 18];
        *to++ = mint_base64url_alphabet[bits >> 12 & 63];
        *to++ = mint_base64url_alphabet[bits >> 6 & 63];
        *to++ = mint_base64url_alphabet[bits & 63];
    }

    if (i < len) {
        bits = (uint32_t) data[i] << 16
               | (i + 1 < len ? (uint32_t) data[i + 1] << 8 : 0);
        *to++ = mint_base64url_alphabet[bits >> 18];
        *to++ = mint_base64url_alphabet[bits >> 12 & 63];

        if (i + 1 < len) {
            *to++ = mint_base64url_alphabet[bits >> 6 & 63];
        }
    }

    *to = '\0';

    return (int) n;
}


int
mint_base64url_is_letter(char c)
{
    return mint_base64url_values[(uint8_t) c] != 255;
}
