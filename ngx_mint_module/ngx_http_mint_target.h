/* SPDX-License-Identifier: MIT */
/*
 * Judgements about request targets and paths.  Plain C without nginx types, so
 * that unit tests and fuzzers can call it.
 */

#ifndef NGX_HTTP_MINT_TARGET_H
#define NGX_HTTP_MINT_TARGET_H

#include <stddef.h>
#include <stdint.h>


/*
 * Why the path of a raw request target (as sent, query included) may be read
 * in two ways by two programs, or NULL if it may not.
 */
const char *ngx_http_mint_target_ambiguous(const uint8_t *raw, size_t len);

/* does the raw target, percent-decoded and nothing else, begin with head,
   ended by "/", "?" or its end? */
int ngx_http_mint_target_has_head(const uint8_t *raw, size_t len,
    const uint8_t *head, size_t head_len);

/* the path of a raw target, percent-decoded and nothing else; to has room for
   len bytes; returns how many it took */
size_t ngx_http_mint_target_decode_path(uint8_t *to, const uint8_t *raw,
    size_t len);

/* takes ";x" out of every segment and then segments that are empty, in place;
   returns the new length */
size_t ngx_http_mint_target_drop_parameters(uint8_t *path, size_t len);

/* a path nobody outside may ask for: /__mint and /api/internal; empty
   segments and path parameters are skipped */
int ngx_http_mint_target_hidden(const uint8_t *path, size_t len);

#endif /* NGX_HTTP_MINT_TARGET_H */
