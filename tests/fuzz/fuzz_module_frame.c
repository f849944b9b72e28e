/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the frames of a WebSocket.  However the bytes are cut, and
 * beside a reading that has all of them at once, the end is the same.
 */

#include "ngx_mint_module/ngx_http_mint_frame.c"

#include <stdlib.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* 1 if data are whole frames */

static int
fuzz_is_whole(const uint8_t *data, size_t size)
{
    size_t    i, at, bytes;
    uint64_t  length;

    at = 0;

    while (at < size) {

        if (size - at < 2) {
            return 0;
        }

        length = data[at + 1] & 0x7f;
        bytes = length == 127 ? 8 : length == 126 ? 2 : 0;

        if (size - at - 2 < bytes + (data[at + 1] & 0x80 ? 4 : 0)) {
            return 0;
        }

        length = bytes == 0 ? length : 0;

        for (i = 0; i < bytes; i++) {
            length = length << 8 | data[at + 2 + i];
        }

        at += 2 + bytes + (data[at + 1] & 0x80 ? 4 : 0);

        if (length > size - at) {
            return 0;
        }

        at += (size_t) length;
    }

    return 1;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                  i, step;
    ngx_http_mint_frame_t   whole, single, mixed;

    whole = (ngx_http_mint_frame_t) { 0 };
    single = whole;
    mixed = whole;

    ngx_http_mint_frame_pass(&whole, data, size);

    for (i = 0; i < size; i++) {
        ngx_http_mint_frame_pass(&single, data + i, 1);
    }

    for (i = 0; i < size; i += step) {
        step = 1 + data[i] % 7;
        step = step < size - i ? step : size - i;
        ngx_http_mint_frame_pass(&mixed, data + i, step);
    }

    if (whole.left != single.left || whole.have != single.have
        || whole.left != mixed.left || whole.have != mixed.have
        || whole.have >= NGX_HTTP_MINT_FRAME_HEAD_MAX
        || ngx_http_mint_frame_may_begin(&whole) != fuzz_is_whole(data, size))
    {
        abort();
    }

    return 0;
}
