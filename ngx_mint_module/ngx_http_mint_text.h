/* SPDX-License-Identifier: MIT */
/*
 * Judgements about bytes a client sent: header names, cookies, credentials.
 * Plain C without nginx types, so that unit tests and fuzzers can call it.
 */

#ifndef NGX_HTTP_MINT_TEXT_H
#define NGX_HTTP_MINT_TEXT_H

#include <stddef.h>
#include <stdint.h>


#define NGX_HTTP_MINT_REQUEST_ID_MAX   64
#define NGX_HTTP_MINT_PAT_PREFIX       "mint_pat_"
#define NGX_HTTP_MINT_PAT_LEN          (sizeof("mint_pat_") - 1 + 43)


typedef struct {
    const uint8_t  *data;
    size_t          len;
} ngx_http_mint_text_t;


/* is the header name, "_" read as "-" and case ignored, equal to lower? */
int ngx_http_mint_text_same_name(const uint8_t *name, size_t len,
    const char *lower, size_t lower_len);

/* a name that only the edge may send to a plugin: x-mint-* in any spelling,
   except the two that browsers send */
int ngx_http_mint_text_forged_name(const uint8_t *name, size_t len);

/* "Access-Control-..." and "X-Accel-...", case ignored */
int ngx_http_mint_text_starts_with(const uint8_t *text, size_t len,
    const char *lower, size_t lower_len);

int ngx_http_mint_text_request_id(const uint8_t *text, size_t len);

/* how often the cookie is named in one Cookie header; *value is the last */
unsigned ngx_http_mint_text_cookie(const uint8_t *header, size_t len,
    const char *name, size_t name_len, ngx_http_mint_text_t *value);

/* is this Set-Cookie value about the cookie? */
int ngx_http_mint_text_sets_cookie(const uint8_t *header, size_t len,
    const char *name, size_t name_len);

/* the token of "Bearer <token>"; 0 if it is another scheme */
int ngx_http_mint_text_bearer(const uint8_t *header, size_t len,
    ngx_http_mint_text_t *token);

/* has the text the prefix, and the whole shape, of a personal token; may one
   be somewhere in it? */
int ngx_http_mint_text_is_pat(const uint8_t *text, size_t len);
int ngx_http_mint_text_is_whole_pat(const uint8_t *text, size_t len);
int ngx_http_mint_text_holds_pat(const uint8_t *text, size_t len);

/*
 * A name as a header value: "%", what is not printable ASCII and spaces at
 * both ends as %XX.  Returns the length; to may be NULL to ask for it.
 */
size_t ngx_http_mint_text_header_value(uint8_t *to, const uint8_t *text,
    size_t len);

/* decimal digits, at most 20, without NUL; returns how many */
size_t ngx_http_mint_text_number(uint8_t *to, uint64_t number);

/* printable ASCII and spaces, none at either end, at least one byte */
int ngx_http_mint_text_is_header_safe(const uint8_t *text, size_t len);

#endif /* NGX_HTTP_MINT_TEXT_H */
