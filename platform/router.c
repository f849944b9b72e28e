/* SPDX-License-Identifier: MIT */
/*
 * Matches a request's path against a route table.
 */

#include "platform/router.h"

#include <stdbool.h>
#include <string.h>

#include "lib/text.h"


static int router_match(const struct route *route, const char *path,
    struct route_params *params);
static int router_hex(char c);


enum route_result
router_find(const struct route *table, size_t count, const char *method,
    const char *path, const struct route **route_out,
    struct route_params *params)
{
    int     rc;
    size_t  i;
    bool    is_head;

    *route_out = NULL;
    is_head = strcmp(method, "HEAD") == 0;

    for (i = 0; i < count; i++) {

        if (strcmp(table[i].method, method) != 0
            && !(is_head && strcmp(table[i].method, "GET") == 0))
        {
            continue;
        }

        rc = router_match(&table[i], path, params);

        if (rc == -1) {
            return ROUTE_BAD_PATH;
        }

        if (rc == 1) {
            *route_out = &table[i];
            return ROUTE_FOUND;
        }
    }

    return ROUTE_NONE;
}


int
router_decode(char *to, size_t size, const char *text, size_t len)
{
    int     high;
    int     low;
    size_t  i;
    size_t  n;
    size_t  step;

    n = 0;

    for (i = 0; i < len; i++) {

        if (n + 1 >= size) {
            return -1;
        }

        if (text[i] != '%') {
            to[n++] = text[i];
            continue;
        }

        if (len - i < 3) {
            return -1;
        }

        high = router_hex(text[i + 1]);
        low = router_hex(text[i + 2]);

        if (high == -1 || low == -1) {
            return -1;
        }

        to[n++] = (char) (high << 4 | low);
        i += 2;
    }

    to[n] = '\0';

    for (i = 0; i < n; i += step) {
        step = text_utf8_length(to + i, n - i);

        if (step == 0 || (unsigned char) to[i] < 0x20 || to[i] == 0x7f) {
            return -1;
        }
    }

    return 0;
}


/* 1 = matches, 0 = does not, -1 = would, but a segment cannot be decoded */

static int
router_match(const struct route *route, const char *path,
    struct route_params *params)
{
    int          rc;
    size_t       want;
    size_t       have;
    const char  *pattern;

    pattern = route->pattern;
    params->count = 0;
    rc = 1;

    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        want = strcspn(pattern, "/");
        have = pattern[0] == '{' && pattern[1] == '+' ? strlen(path)
                                                      : strcspn(path, "/");

        if (*pattern == '{') {
            if (have == 0
                || (pattern[1] == '#' && strspn(path, "0123456789") != have))
            {
                return 0;
            }

            if (params->count == ROUTE_PARAMS_MAX
                || router_decode(params->value[params->count],
                                 ROUTE_PARAM_BYTES, path, have)
                   == -1)
            {
                rc = -1;

            } else {
                params->count++;
            }

        } else if (want != have || memcmp(pattern, path, want) != 0) {
            return 0;
        }

        pattern += want;
        path += have;
    }

    return *pattern == '\0' && *path == '\0' ? rc : 0;
}


static int
router_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }

    return -1;
}
