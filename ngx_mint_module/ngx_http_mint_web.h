/* SPDX-License-Identifier: MIT */
/*
 * Judgements about what browsers and proxies say of a request: forwarding
 * headers, trace context, the page it comes from.  Plain C without nginx
 * types, so that unit tests and fuzzers can call it.
 */

#ifndef NGX_HTTP_MINT_WEB_H
#define NGX_HTTP_MINT_WEB_H

#include <stddef.h>
#include <stdint.h>


#define NGX_HTTP_MINT_TRACE_ID_LEN     32
#define NGX_HTTP_MINT_TRACE_LEN        55
#define NGX_HTTP_MINT_TRACE_MAX        256
#define NGX_HTTP_MINT_HEADER_LIST_MAX  1024


/* a header by which proxies tell about the client: X-Forwarded-* in any
   spelling, Forwarded, X-Real-IP */
int ngx_http_mint_web_is_forwarding(const uint8_t *name, size_t len);

/* X-Forwarded-Proto: 0 is http, 1 is https, -1 is neither or a list */
int ngx_http_mint_web_scheme(const uint8_t *text, size_t len);

/* a W3C traceparent of this version or a later one */
int ngx_http_mint_web_traceparent(const uint8_t *text, size_t len);

/* 55 bytes at to: version 00, sampled; the three words are not all zero */
void ngx_http_mint_web_make_traceparent(uint8_t *to, const uint64_t id[2],
    uint64_t parent);

/* 16 lower-case hexadecimal digits */
uint8_t *ngx_http_mint_web_hex(uint8_t *to, uint64_t word);

/* names of headers between commas, as Access-Control-Request-Headers has
   them; may be empty */
int ngx_http_mint_web_is_header_list(const uint8_t *text, size_t len);

/*
 * The path of a URL's rest (what follows the origin) as a server would route
 * it: decoded, without query, empty and dot segments.  "to" takes len + 1
 * bytes; the length, at least 1.
 */
size_t ngx_http_mint_web_path(uint8_t *to, const uint8_t *text, size_t len);

/* has the path, empty segments skipped, these two first segments? */
int ngx_http_mint_web_is_under(const uint8_t *path, size_t len,
    const char *first, const char *second);

/* a resource of the platform where secrets can be tried: sign-in, passkeys,
   set-up, registration; not where one needs a valid token already */
int ngx_http_mint_web_is_sign_in(const uint8_t *path, size_t len);

#endif /* NGX_HTTP_MINT_WEB_H */
