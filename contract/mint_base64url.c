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


int
mint_base64url_decode(uint8_t *to, size_t size, const char *text, size_t len)
{
    size_t    i, n;
    uint8_t   value;
    uint32_t  bits;

    n = len / 4 * 3 + (len % 4 == 0 ? 0 : len % 4 - 1);

    if (len % 4 == 1 || n > size || n > INT32_MAX) {
        return -1;
    }

    for (bits = 0, i = 0; i < len; i++) {
        value = mint_base64url_values[(uint8_t) text[i]];

        if (value == 255) {
            return -1;
        }

        bits = bits << 6 | value;

        if (i % 4 != 0) {
            *to++ = (uint8_t) (bits >> (6 - i % 4 * 2));
        }
    }

    /* two spellings of the same bytes would be two tokens */

    if ((len % 4 == 2 && (bits & 0x0f)) || (len % 4 == 3 && (bits & 0x03))) {
        return -1;
    }

    return (int) n;
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
