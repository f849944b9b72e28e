/* SPDX-License-Identifier: MIT */
/*
 * Web origins, and whether a request that leans on the session cookie comes
 * from a page that may make it.  The edge judges by it, and the platform once
 * more: both must come to the same end.  Nothing here allocates.
 */

#ifndef MINT_ORIGIN_H
#define MINT_ORIGIN_H

#include <stddef.h>


#define MINT_ORIGIN_HOST_MAX  255

/* scheme, brackets and port beside the longest host */
#define MINT_ORIGIN_TEXT_MAX  (MINT_ORIGIN_HOST_MAX + 16)


/* host points into the text that was parsed; NULL: no origin */
struct mint_origin {
    const char  *host;
    size_t       host_len;
    unsigned     port;
    int          is_https;
};

/* "http://host" or "https://host:port" and nothing else: 0, or -1 */
int mint_origin_parse(const char *text, size_t len,
    struct mint_origin *origin);

/* the origin that a URL begins with: its length as text, or -1 */
int mint_origin_parse_url(const char *text, size_t len,
    struct mint_origin *origin);

/* of a Host header, "host" or "host:port", under a scheme: 0, or -1 */
int mint_origin_parse_host(const char *text, size_t len, int is_https,
    struct mint_origin *origin);

int mint_origin_equal(const struct mint_origin *a,
    const struct mint_origin *b);

/* as browsers write it: lower case, no default port.  The length */
int mint_origin_text(const struct mint_origin *origin,
    char text[MINT_ORIGIN_TEXT_MAX]);


/* what a request says of the page that makes it; texts need no NUL */
struct mint_origin_request {
    const char  *origin;
    size_t       origin_len;
    unsigned     origin_count;      /* Origin headers; 0: text not looked at */
    const char  *site;              /* Sec-Fetch-Site */
    size_t       site_len;
    unsigned     site_count;
    const char  *host;              /* that it was sent to; NULL: unknown */
    size_t       host_len;
    int          is_https;
};

struct mint_origin_policy {
    struct mint_origin         external;    /* host NULL: not configured */
    const struct mint_origin  *allowed;     /* foreign ones that may */
    size_t                     allowed_count;
};

/* NULL if the page may, else why not: a text for people, not from the
   request */
const char *mint_origin_judge(const struct mint_origin_request *request,
    const struct mint_origin_policy *policy);

/* is it one of the allowed?  NULL, or the one */
const struct mint_origin *mint_origin_find(
    const struct mint_origin_policy *policy,
    const struct mint_origin *origin);

#endif /* MINT_ORIGIN_H */
