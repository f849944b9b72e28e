/* SPDX-License-Identifier: MIT */
/*
 * Route tables: method and path pattern to handler.  A pattern is matched
 * segment by segment; "{name}" takes one whole segment, percent-decoded,
 * "{#name}" one of digits and "{+name}" all that is left.  Rows are tried in
 * order: literal rows stand before "{name}" rows.
 */

#ifndef PLATFORM_ROUTER_H
#define PLATFORM_ROUTER_H

#include <stddef.h>


#define ROUTE_PARAMS_MAX   3
#define ROUTE_PARAM_BYTES  256


enum route_flag {
    ROUTE_OPEN = 1,             /* public: no sign-in needed */
    ROUTE_UPLOAD = 2            /* multipart body, part "file" to disk */
};


struct call;

struct route {
    const char  *method;
    const char  *pattern;
    unsigned     flags;         /* enum route_flag */
    const char  *permission;    /* the user must hold it; NULL = none */
    size_t       body_max;      /* bytes of JSON; 0 = no body */
    void       (*handler)(struct call *call);
    const char  *help;          /* one line for --list-routes */
};


struct route_params {
    size_t  count;
    char    value[ROUTE_PARAMS_MAX][ROUTE_PARAM_BYTES];
};


enum route_result {
    ROUTE_FOUND = 0,
    ROUTE_NONE = 1,
    ROUTE_BAD_PATH = 2          /* not decodable */
};


enum route_result router_find(const struct route *table, size_t count,
    const char *method, const char *path, const struct route **route_out,
    struct route_params *params);

/* strict percent-decoding of len bytes: valid UTF-8, no control characters;
   returns 0 or -1 */
int router_decode(char *to, size_t size, const char *text, size_t len);

#endif /* PLATFORM_ROUTER_H */
