/* SPDX-License-Identifier: MIT */
/*
 * White space around versions: all that Python's str.isspace() knows.
 */

#include "supervisor/plugin/version.h"

#include <string.h>


size_t
version_space(const char *text, const char *end)
{
    size_t                i, len;
    const unsigned char  *c;

    static const char *const  wide[] = {
        "\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"
    };

    c = (const unsigned char *) text;

    if (text == end) {
        return 0;
    }

    if (*c < 0x80) {
        return *c == ' ' || (*c >= 0x09 && *c <= 0x0d)
               || (*c >= 0x1c && *c <= 0x1f);
    }

    for (i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        len = strlen(wide[i]);

        if ((size_t) (end - text) >= len && memcmp(text, wide[i], len) == 0) {
            return len;
        }
    }

    /* U+2000 to U+200A */

    return end - text >= 3 && c[0] == 0xe2 && c[1] == 0x80 && c[2] >= 0x80
           && c[2] <= 0x8a ? 3 : 0;
}


void
version_strip(const char **text, const char **end)
{
    size_t       len;
    const char  *last;

    while ((len = version_space(*text, *end)) > 0) {
        *text += len;
    }

    while (*text < *end) {
        last = *end - 1;

        while (last > *text && *end - last < 3
               && ((unsigned char) *last & 0xc0) == 0x80)
        {
            last--;
        }

        len = version_space(last, *end);

        if (len == 0 || last + len != *end) {
            return;
        }

        *end = last;
    }
}
