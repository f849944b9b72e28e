/* SPDX-License-Identifier: MIT */
/*
 * Checks of names and paths that others have chosen.  ASCII only and without
 * the locale: ctype.h would make the answers depend on the environment.
 */

#include "supervisor/plugin/names.h"

#include <stdlib.h>
#include <string.h>

#include "lib/api_names.h"
#include "lib/strbuf.h"


#define NAMES_DISTRIBUTION_MAX  128
#define NAMES_MODULE_MAX        256


static bool names_segment_is_safe(const char *segment, size_t len);


static bool
names_is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}


static bool
names_is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}


static bool
names_is_digit(char c)
{
    return c >= '0' && c <= '9';
}


static bool
names_is_alnum(char c)
{
    return names_is_lower(c) || names_is_upper(c) || names_is_digit(c);
}


static bool
names_is_separator(char c)
{
    return c == '-' || c == '_' || c == '.';
}


bool
names_plugin_is_valid(const char *name)
{
    size_t  i;

    for (i = 0; name[i] != '\0'; i++) {
        if (names_is_lower(name[i]) || names_is_digit(name[i])) {
            continue;
        }

        if (i == 0 || !names_is_separator(name[i])) {
            return false;
        }
    }

    return i > 0 && i <= NAMES_PLUGIN_MAX;
}


bool
names_plugin_is_reserved(const char *name)
{
    size_t  i;

    static const char *const  reserved[] = {
        "platform", "nginx", "supervisor", "keeper", "warm"
    };

    for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strcmp(reserved[i], name) == 0) {
            return true;
        }
    }

    return false;
}


bool
names_distribution_is_valid(const char *name)
{
    size_t  i;

    for (i = 0; name[i] != '\0'; i++) {
        if (!names_is_alnum(name[i]) && !names_is_separator(name[i])) {
            return false;
        }
    }

    return i > 0 && i <= NAMES_DISTRIBUTION_MAX && names_is_alnum(name[0])
           && names_is_alnum(name[i - 1]);
}


char *
names_normalise(const char *distribution)
{
    char    *out;
    size_t   i, n;

    out = mem_alloc(strlen(distribution) + 1);
    n = 0;

    for (i = 0; distribution[i] != '\0'; i++) {
        if (names_is_separator(distribution[i])) {
            if (n == 0 || out[n - 1] != '-') {
                out[n++] = '-';
            }

        } else if (names_is_upper(distribution[i])) {
            out[n++] = (char) (distribution[i] | 0x20);

        } else {
            out[n++] = distribution[i];
        }
    }

    out[n] = '\0';

    return out;
}


bool
names_same_distribution(const char *a, const char *b)
{
    char  *x, *y;
    bool   same;

    x = names_normalise(a);
    y = names_normalise(b);
    same = strcmp(x, y) == 0;

    free(x);
    free(y);

    return same;
}


int
names_check_prefix(const char *prefix, struct error *err)
{
    size_t       i, start, segments;
    const char  *rule;

    segments = 0;
    rule = NULL;

    if (prefix[0] != '/' || prefix[1] == '\0') {
        rule = "it must start with \"/\" and name a path";

    } else if (strlen(prefix) > NAMES_PREFIX_MAX) {
        rule = "it may have at most 120 bytes";
    }

    for (i = start = 1; rule == NULL && i <= strlen(prefix); i++) {
        if (prefix[i] != '/' && prefix[i] != '\0') {
            if (!names_is_alnum(prefix[i]) && strchr("._~-", prefix[i]) == NULL)
            {
                rule = "only letters, digits and . _ ~ - are allowed";
            }

            continue;
        }

        if (!names_segment_is_safe(prefix + start, i - start)) {
            rule = "a segment is empty, \".\" or \"..\"";

        } else if (++segments > NAMES_SEGMENTS_MAX) {
            rule = "it may have at most 8 segments";
        }

        start = i + 1;
    }

    if (rule == NULL && api_names_has(prefix + 1)) {
        rule = "the platform keeps its first segment for itself";
    }

    if (rule != NULL) {
        return error_set(err, MINT_ERR_INVALID,
                         "routes prefix \"%.130s\" cannot be used: %s", prefix,
                         rule);
    }

    return 0;
}


bool
names_module_is_valid(const char *module)
{
    bool    first;
    size_t  i;

    first = true;

    for (i = 0; module[i] != '\0'; i++) {
        if (module[i] == '.' && !first) {
            first = true;
            continue;
        }

        if (module[i] != '_' && !names_is_lower(module[i])
            && !names_is_upper(module[i])
            && (first || !names_is_digit(module[i])))
        {
            return false;
        }

        first = false;
    }

    return i > 0 && i <= NAMES_MODULE_MAX && !first;
}


bool
names_archive_path_is_safe(const char *path)
{
    size_t  i, start;

    start = 0;

    for (i = 0; /* void */ ; i++) {
        if (path[i] == '/' || path[i] == '\0') {

            /* "directory/" is how archives name directories */

            if (!names_segment_is_safe(path + start, i - start)
                && !(path[i] == '\0' && i == start && i > 0))
            {
                return false;
            }

            start = i + 1;
        }

        if (path[i] == '\0') {
            return true;
        }

        if (path[i] == '\\' || (unsigned char) path[i] < 0x20
            || path[i] == 0x7f)
        {
            return false;
        }
    }
}


static bool
names_segment_is_safe(const char *segment, size_t len)
{
    return len > 0 && !(len == 1 && segment[0] == '.')
           && !(len == 2 && segment[0] == '.' && segment[1] == '.');
}
