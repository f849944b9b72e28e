/* SPDX-License-Identifier: MIT */
/*
 * Cleaning of texts.  jansson refuses to make a string of invalid UTF-8, and
 * a terminal obeys control characters, so texts with outside bytes in them
 * are cleaned where they are made.
 */

#include "lib/text.h"

#include <string.h>

#include "contract/mint_utf8.h"


size_t
text_utf8_length(const char *text, size_t len)
{
    return mint_utf8_length((const uint8_t *) text, len);
}


bool
text_is_utf8(const char *text)
{
    size_t  len, n;

    for (len = strlen(text); len > 0; text += n, len -= n) {
        n = text_utf8_length(text, len);

        if (n == 0) {
            return false;
        }
    }

    return true;
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
