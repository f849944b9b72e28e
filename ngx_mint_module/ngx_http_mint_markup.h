/* SPDX-License-Identifier: MIT */
/*
 * What the edge's own pages need: does this client want one, and text that
 * cannot be anything but text.  Plain C without nginx types, so that unit
 * tests and fuzzers can call it.
 */

#ifndef NGX_HTTP_MINT_MARKUP_H
#define NGX_HTTP_MINT_MARKUP_H

#include <stddef.h>
#include <stdint.h>


/* the longest escape, of one byte */
#define NGX_HTTP_MINT_MARKUP_GROWTH  6


/*
 * How much a client likes a kind of answer: quality in thousandths, and how it
 * has said so: 0 not at all, 1 for everything, 2 for all of a type, 3 by name.
 */

typedef struct {
    unsigned  quality;
    unsigned  rank;
} ngx_http_mint_liking_t;

typedef struct {
    ngx_http_mint_liking_t  page;       /* text/html */
    ngx_http_mint_liking_t  problem;    /* application/problem+json, /json */
} ngx_http_mint_accept_t;


/* reads one Accept header into *accept, which begins as zeros; what is
   malformed counts as not said */
void ngx_http_mint_markup_accept(ngx_http_mint_accept_t *accept,
    const uint8_t *line, size_t len);

/* programs that take anything, or equally well, get the problem */
int ngx_http_mint_markup_wants_page(const ngx_http_mint_accept_t *accept);

/*
 * Text for elements and quoted attributes; control characters become "?".
 * Returns the length; to may be NULL to ask for it.
 */
size_t ngx_http_mint_markup_escape(uint8_t *to, const uint8_t *text,
    size_t len);

#endif /* NGX_HTTP_MINT_MARKUP_H */
