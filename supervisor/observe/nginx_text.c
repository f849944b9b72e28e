/* SPDX-License-Identifier: MIT */
/*
 * Statements end with ";", "{" or "}"; the first word of one is its name.
 */

#include "nginx_text.h"

#include <ctype.h>
#include <string.h>


/* the end of the comment, the quoted text or the character at p */

static const char *
nginx_text_next(const char *p)
{
    char  quote;

    if (*p == '#') {
        return p + strcspn(p, "\n");
    }

    if (*p != '"' && *p != '\'') {
        return p + 1;
    }

    for (quote = *p++; *p != '\0' && *p != quote; p++) {
        if (*p == '\\' && p[1] != '\0') {
            p++;
        }
    }

    return *p == '\0' ? p : p + 1;
}


static void
nginx_text_add(char *out, size_t size, size_t *len, const char *from,
    const char *to)
{
    for ( /* void */ ; from < to && *len + 1 < size; from++) {
        if (isspace((unsigned char) *from)) {
            if (*len == 0 || out[*len - 1] == ' ') {
                continue;
            }
            out[(*len)++] = ' ';
            continue;
        }
        out[(*len)++] = *from;
    }

    out[*len] = '\0';
}


bool
nginx_text_directive(const char *text, const char *name, char *out,
    size_t size)
{
    size_t       len, n;
    bool         is_first, is_wanted;
    const char  *p, *end;

    len = 0;
    n = strlen(name);
    is_first = true;
    is_wanted = false;
    out[0] = '\0';

    for (p = text; *p != '\0'; p = end) {

        end = nginx_text_next(p);

        if (*p == '#') {
            continue;
        }

        if (*p == ';' || *p == '{' || *p == '}') {
            if (is_wanted) {
                while (len > 0 && out[len - 1] == ' ') {
                    out[--len] = '\0';
                }
                return true;
            }
            is_first = true;
            continue;
        }

        if (is_first && !isspace((unsigned char) *p)) {
            is_first = false;
            is_wanted = strncmp(p, name, n) == 0
                        && (isspace((unsigned char) p[n]) || p[n] == ';');
            end = is_wanted ? p + n : end;
            continue;
        }

        if (is_wanted) {
            nginx_text_add(out, size, &len, p, end);
        }
    }

    return false;
}


long
nginx_text_ms(const char *text)
{
    long    total, n;
    size_t  i;

    static const struct {
        const char  *unit;
        long         ms;
    }  units[] = {
        { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
        { "d", 86400000 }, { "w", 604800000 }
    };

    total = 0;

    if (*text == '\0') {
        return -1;
    }

    while (*text != '\0') {
        for (n = 0, i = 0; isdigit((unsigned char) text[i]); i++) {
            n = n * 10 + (text[i] - '0');
            if (n > 1000000000) {
                return -1;
            }
        }

        if (i == 0) {
            return -1;
        }

        text += i;

        if (*text == '\0') {
            return total + n * 1000;
        }

        for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
            if (strncmp(text, units[i].unit, strlen(units[i].unit)) == 0
                && !(i == 2 && text[1] == 's'))
            {
                break;
            }
        }

        if (i == sizeof(units) / sizeof(units[0])) {
            return -1;
        }

        total += n * units[i].ms;
        text += strlen(units[i].unit);
    }

    return total;
}
