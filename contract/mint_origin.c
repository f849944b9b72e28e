/* SPDX-License-Identifier: MIT */
/*
 * Strict: what is not written as browsers write origins (RFC 6454, 6.2) is
 * none.  Browsers do not let a page choose Origin or Sec-Fetch-Site, so what
 * they say is enough; a request that has neither may come from anything.
 */

#include "mint_origin.h"

#include <string.h>


#define MINT_ORIGIN_LOWER(c)                                                  \
    ((c) >= 'A' && (c) <= 'Z' ? (char) ((c) | 0x20) : (c))

#define MINT_ORIGIN_IS(text, len, literal)                                    \
    ((len) == sizeof(literal) - 1                                             \
     && memcmp(text, literal, sizeof(literal) - 1) == 0)


static int mint_origin_scheme(const char *text, size_t len, int *is_https);
static size_t mint_origin_host(const char *text, size_t len);
static int mint_origin_port(const char *text, size_t len, unsigned *port);
static int mint_origin_is_own(const struct mint_origin_request *request,
    const struct mint_origin *origin);


int
mint_origin_parse(const char *text, size_t len, struct mint_origin *origin)
{
    int  n;

    n = mint_origin_parse_url(text, len, origin);

    return n >= 0 && (size_t) n == len ? 0 : -1;
}


int
mint_origin_parse_url(const char *text, size_t len,
    struct mint_origin *origin)
{
    int     scheme_len, is_https;
    size_t  n;

    scheme_len = mint_origin_scheme(text, len, &is_https);

    if (scheme_len < 0) {
        return -1;
    }

    for (n = (size_t) scheme_len;
         n < len && n < MINT_ORIGIN_TEXT_MAX && text[n] != '/'
         && text[n] != '?' && text[n] != '#';
         n++)
    {
        /* void */
    }

    if (mint_origin_parse_host(text + scheme_len, n - (size_t) scheme_len,
                               is_https, origin)
        != 0)
    {
        return -1;
    }

    return (int) n;
}


int
mint_origin_parse_host(const char *text, size_t len, int is_https,
    struct mint_origin *origin)
{
    size_t  host_len;

    host_len = mint_origin_host(text, len);

    if (host_len == 0 || host_len > MINT_ORIGIN_HOST_MAX) {
        return -1;
    }

    origin->port = is_https ? 443 : 80;

    if (host_len < len
        && mint_origin_port(text + host_len, len - host_len, &origin->port)
           != 0)
    {
        return -1;
    }

    origin->host = text;
    origin->host_len = host_len;
    origin->is_https = is_https;

    return 0;
}


static int
mint_origin_scheme(const char *text, size_t len, int *is_https)
{
    size_t  i, scheme_len;

    static const char  https[] = "https://";

    if (len < sizeof("http://") - 1) {
        return -1;
    }

    *is_https = MINT_ORIGIN_LOWER(text[4]) == 's';
    scheme_len = *is_https ? sizeof(https) - 1 : sizeof("http://") - 1;

    for (i = 0; i < scheme_len; i++) {
        if (i >= len
            || MINT_ORIGIN_LOWER(text[i])
               != https[i < 4 || *is_https ? i : i + 1])
        {
            return -1;
        }
    }

    return (int) scheme_len;
}


/* the length of the host that the text begins with; 0: none */

static size_t
mint_origin_host(const char *text, size_t len)
{
    char    c;
    size_t  i;

    if (len > 0 && text[0] == '[') {
        for (i = 1; i < len && text[i] != ']'; i++) {
            c = MINT_ORIGIN_LOWER(text[i]);

            if ((c < '0' || c > '9') && (c < 'a' || c > 'f') && c != ':'
                && c != '.')
            {
                return 0;
            }
        }

        return i < len && i > 2 ? i + 1 : 0;
    }

    for (i = 0; i < len; i++) {
        c = MINT_ORIGIN_LOWER(text[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-'
            && c != '.' && c != '_')
        {
            break;
        }
    }

    return i;
}


/* ":port", without a leading zero */

static int
mint_origin_port(const char *text, size_t len, unsigned *port)
{
    size_t    i;
    unsigned  value;

    if (len < 2 || len > 6 || text[0] != ':' || text[1] == '0') {
        return -1;
    }

    value = 0;

    for (i = 1; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }

        value = value * 10 + (unsigned) (text[i] - '0');
    }

    if (value > 65535) {
        return -1;
    }

    *port = value;

    return 0;
}


int
mint_origin_equal(const struct mint_origin *a, const struct mint_origin *b)
{
    size_t  i;

    if (a->is_https != b->is_https || a->port != b->port
        || a->host_len != b->host_len)
    {
        return 0;
    }

    for (i = 0; i < a->host_len; i++) {
        if (MINT_ORIGIN_LOWER(a->host[i]) != MINT_ORIGIN_LOWER(b->host[i])) {
            return 0;
        }
    }

    return 1;
}


int
mint_origin_text(const struct mint_origin *origin,
    char text[MINT_ORIGIN_TEXT_MAX])
{
    char      digits[8];
    size_t    i, n, digit_count;
    unsigned  port;

    n = origin->is_https ? 8 : 7;
    memcpy(text, origin->is_https ? "https://" : "http://", n);

    for (i = 0; i < origin->host_len; i++) {
        text[n++] = MINT_ORIGIN_LOWER(origin->host[i]);
    }

    if (origin->port == (origin->is_https ? 443U : 80U)) {
        return (int) n;
    }

    digit_count = 0;

    for (port = origin->port; port != 0; port /= 10) {
        digits[digit_count++] = (char) ('0' + port % 10);
    }

    text[n++] = ':';

    while (digit_count > 0) {
        text[n++] = digits[--digit_count];
    }

    return (int) n;
}


const struct mint_origin *
mint_origin_find(const struct mint_origin_policy *policy,
    const struct mint_origin *origin)
{
    size_t  i;

    for (i = 0; i < policy->allowed_count; i++) {
        if (mint_origin_equal(&policy->allowed[i], origin)) {
            return &policy->allowed[i];
        }
    }

    return NULL;
}


const char *
mint_origin_judge(const struct mint_origin_request *request,
    const struct mint_origin_policy *policy)
{
    struct mint_origin  origin;

    if (request->origin_count > 1 || request->site_count > 1) {
        return "Origin or Sec-Fetch-Site came more than once";
    }

    if (request->origin_count == 1
        && mint_origin_parse(request->origin, request->origin_len, &origin)
           != 0)
    {
        return MINT_ORIGIN_IS(request->origin, request->origin_len, "null")
               ? "the page has no origin (\"null\")"
               : "Origin is not an origin";
    }

    if (request->origin_count == 1
        && mint_origin_find(policy, &origin) != NULL)
    {
        return NULL;
    }

    if (request->site_count == 1
        && !MINT_ORIGIN_IS(request->site, request->site_len, "same-origin")
        && !MINT_ORIGIN_IS(request->site, request->site_len, "none"))
    {
        return "a page of another site may not do this";
    }

    if (request->origin_count == 0) {
        return request->site_count == 1
               ? NULL : "neither Origin nor Sec-Fetch-Site says which page "
                        "asks; clients that are no browsers use a bearer "
                        "token";
    }

    if (policy->external.host != NULL
        && mint_origin_equal(&policy->external, &origin))
    {
        return NULL;
    }

    return mint_origin_is_own(request, &origin)
           ? NULL : "a page of another origin may not do this";
}


/*
 * The host the request was sent to is the page's own.  The scheme must be,
 * too; only if the browser itself says that the origin is the same may it
 * differ, because a proxy that nobody has told us of ends TLS.
 */

static int
mint_origin_is_own(const struct mint_origin_request *request,
    const struct mint_origin *origin)
{
    struct mint_origin  own;

    if (request->host == NULL
        || mint_origin_parse_host(request->host, request->host_len,
                                  origin->is_https, &own)
           != 0)
    {
        return 0;
    }

    return mint_origin_equal(origin, &own)
           && (origin->is_https == request->is_https
               || request->site_count == 1);
}
