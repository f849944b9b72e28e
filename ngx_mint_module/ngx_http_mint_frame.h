/* SPDX-License-Identifier: MIT */
/*
 * Where in the frames of RFC 6455 a stream of bytes is.  Plain C without nginx
 * types, so that unit tests and fuzzers can call it.
 */

#ifndef NGX_HTTP_MINT_FRAME_H
#define NGX_HTTP_MINT_FRAME_H

#include <stddef.h>
#include <stdint.h>


#define NGX_HTTP_MINT_FRAME_HEAD_MAX  14


/* zeroed: at the beginning of a stream */

typedef struct {
    uint64_t  left;                                 /* of the payload */
    uint8_t   head[NGX_HTTP_MINT_FRAME_HEAD_MAX];
    uint8_t   have;                                 /* bytes of head */
} ngx_http_mint_frame_t;


void ngx_http_mint_frame_pass(ngx_http_mint_frame_t *frame,
    const uint8_t *bytes, size_t n);

/* 1 if all that has passed are whole frames */
int ngx_http_mint_frame_may_begin(const ngx_http_mint_frame_t *frame);

#endif /* NGX_HTTP_MINT_FRAME_H */
