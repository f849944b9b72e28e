/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: what the edge makes of what browsers and proxies say.  The
 * first byte chooses where the input is cut in two.
 */

#include "contract/mint_origin.h"
#include "ngx_mint_module/ngx_http_mint_text.c"
#include "ngx_mint_module/ngx_http_mint_web.c"

#include <stdlib.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* an origin written again is the same, and the text is its own */

static void
fuzz_origin(const char *text, size_t size)
{
    int                 len;
    char                again[MINT_ORIGIN_TEXT_MAX];
    char                twice[MINT_ORIGIN_TEXT_MAX];
    struct mint_origin  origin, other;

    if (mint_origin_parse(text, size, &origin) != 0) {
        return;
    }

    len = mint_origin_text(&origin, again);

    if (len > MINT_ORIGIN_TEXT_MAX
        || mint_origin_parse(again, (size_t) len, &other) != 0
        || !mint_origin_equal(&origin, &other)
        || mint_origin_text(&other, twice) != len
        || memcmp(again, twice, (size_t) len) != 0)
    {
        abort();
    }
}


/* no page is let in by a host that is not its own */

static void
fuzz_judge(const char *origin, size_t origin_len, const char *host,
    size_t host_len)
{
    struct mint_origin          page, own;
    struct mint_origin_policy   policy;
    struct mint_origin_request  request;

    memset(&policy, 0, sizeof(policy));
    memset(&request, 0, sizeof(request));
    request.origin = origin;
    request.origin_len = origin_len;
    request.origin_count = 1;
    request.host = host;
    request.host_len = host_len;

    if (mint_origin_judge(&request, &policy) != NULL) {
        return;
    }

    if (mint_origin_parse(origin, origin_len, &page) != 0
        || mint_origin_parse_host(host, host_len, 0, &own) != 0
        || !mint_origin_equal(&page, &own))
    {
        abort();
    }
}


/* a path has no second reading */

static void
fuzz_path(const uint8_t *data, size_t size)
{
    size_t    len;
    uint8_t  *to;

    to = malloc(size + 1);

    if (to == NULL) {
        abort();
    }

    len = ngx_http_mint_web_path(to, data, size);

    if (len == 0 || len > size + 1 || to[0] != '/'
        || memmem(to, len, "//", 2) != NULL
        || memmem(to, len, "/./", 3) != NULL
        || memmem(to, len, "/../", 4) != NULL)
    {
        abort();
    }

    (void) ngx_http_mint_web_is_under(to, len, "api", "admin");
    (void) ngx_http_mint_web_is_sign_in(to, len);
    free(to);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t              cut;
    struct mint_origin  origin;

    if (size == 0) {
        return 0;
    }

    cut = data[0] % size;
    data++;
    size--;

    (void) ngx_http_mint_web_is_forwarding(data, size);
    (void) ngx_http_mint_web_scheme(data, size);
    (void) ngx_http_mint_web_is_header_list(data, size);

    if (ngx_http_mint_web_traceparent(data, size)
        && (size < NGX_HTTP_MINT_TRACE_LEN
            || memchr(data, '\0', NGX_HTTP_MINT_TRACE_LEN) != NULL))
    {
        abort();
    }

    if (mint_origin_parse_url((const char *) data, size, &origin)
        > (int) size)
    {
        abort();
    }

    fuzz_origin((const char *) data, size);
    fuzz_judge((const char *) data, cut, (const char *) data + cut,
               size - cut);
    fuzz_path(data, size);

    return 0;
}
