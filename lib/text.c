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


/* bytes that stand for themselves, from the beginning of text */

static size_t
text_json_plain(const char *text, size_t len)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < len; i++) {
        c = (unsigned char) text[i];

        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            break;
        }
    }

    return i;
}


void
text_json(struct strbuf *out, const char *text, size_t len)
{
    size_t  n;

    for ( /* void */ ; len > 0; text += n, len -= n) {
        n = text_json_plain(text, len);

        if (n > 0) {
            strbuf_append(out, text, n);
            continue;
        }

        n = text_utf8_length(text, len);

        if (n == 0) {
            strbuf_puts(out, "\xef\xbf\xbd");           /* U+FFFD */
            n = 1;

        } else if (n > 1) {
            strbuf_append(out, text, n);

        } else if (*text == '\n') {
            strbuf_puts(out, "\\n");

        } else if (*text == '\t') {
            strbuf_puts(out, "\\t");

        } else if (*text == '"' || *text == '\\') {
            strbuf_printf(out, "\\%c", *text);

        } else {
            strbuf_printf(out, "\\u%04x", (unsigned char) *text);
        }
    }
}
