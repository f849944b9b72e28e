/* SPDX-License-Identifier: MIT */
/*
 * The frames of a WebSocket, as far as to know where they end.
 */

#include "ngx_http_mint_frame.h"


static size_t ngx_http_mint_frame_head(ngx_http_mint_frame_t *frame);


void
ngx_http_mint_frame_pass(ngx_http_mint_frame_t *frame, const uint8_t *bytes,
    size_t n)
{
    size_t  skip;

    while (n > 0) {

        if (frame->left > 0) {
            skip = frame->left < n ? (size_t) frame->left : n;
            frame->left -= skip;
            bytes += skip;
            n -= skip;
            continue;
        }

        frame->head[frame->have++] = *bytes++;
        n--;

        if (frame->have >= 2
            && frame->have == ngx_http_mint_frame_head(frame))
        {
            frame->have = 0;
        }
    }
}


/* how long a head is of which two bytes are there; the payload follows as soon
   as all of it is */

static size_t
ngx_http_mint_frame_head(ngx_http_mint_frame_t *frame)
{
    size_t    i, extra;
    uint64_t  length;

    length = frame->head[1] & 0x7f;
    extra = length == 127 ? 8 : length == 126 ? 2 : 0;

    if (extra != 0) {
        length = 0;

        for (i = 0; i < extra; i++) {
            length = length << 8 | frame->head[2 + i];
        }
    }

    extra += 2 + (frame->head[1] & 0x80 ? 4 : 0);

    if (frame->have == extra) {
        frame->left = length;
    }

    return extra;
}


int
ngx_http_mint_frame_may_begin(const ngx_http_mint_frame_t *frame)
{
    return frame->left == 0 && frame->have == 0;
}
