/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the cookie in a Cookie header and in a Set-Cookie, against a
 * reader made here that cuts its text into pieces first.
 */

#include "ngx_mint_module/ngx_http_mint_text.c"

#include <stdlib.h>


#define FUZZ_MAX  4096


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_require(int is_true)
{
    if (!is_true) {
        abort();
    }
}


static void
fuzz_trim(const uint8_t **text, size_t *len)
{
    while (*len > 0 && ((*text)[0] == ' ' || (*text)[0] == '\t')) {
        (*text)++;
        (*len)--;
    }

    while (*len > 0 && ((*text)[*len - 1] == ' '
                        || (*text)[*len - 1] == '\t'))
    {
        (*len)--;
    }
}


/* one "name=value"; true if it is a cookie "c" */

static int
fuzz_pair(const uint8_t *pair, size_t len, ngx_http_mint_text_t *value)
{
    size_t          name_len;
    const uint8_t  *name, *equals;

    equals = memchr(pair, '=', len);

    if (equals == NULL) {
        return 0;
    }

    name = pair;
    name_len = (size_t) (equals - pair);
    fuzz_trim(&name, &name_len);

    value->data = equals + 1;
    value->len = len - (size_t) (equals + 1 - pair);
    fuzz_trim(&value->data, &value->len);

    return name_len == 1 && name[0] == 'c';
}


static void
fuzz_cookie(const uint8_t *header, size_t size)
{
    size_t                start, end;
    unsigned              count;
    ngx_http_mint_text_t  value, expected, found;

    count = 0;
    memset(&expected, 0, sizeof(expected));

    for (start = 0; start < size; start = end + 1) {
        for (end = start; end < size && header[end] != ';'; end++) {
            /* void */
        }

        if (fuzz_pair(header + start, end - start, &value)) {
            expected = value;
            count++;
        }
    }

    memset(&found, 0, sizeof(found));
    fuzz_require(ngx_http_mint_text_cookie(header, size, "c", 1, &found)
                 == count);
    fuzz_require(count == 0
                 || (found.len == expected.len
                     && (found.len == 0 || found.data == expected.data)));
}


/* a browser that got this keeps a cookie "c", under whatever spelling */

static void
fuzz_set_cookie(const uint8_t *header, size_t size)
{
    size_t                len;
    ngx_http_mint_text_t  value;

    for (len = 0; len < size && header[len] != ';'; len++) { /* void */ }

    while (len > 0 && (*header == '=' || *header == ' ' || *header == '\t')) {
        header++;
        len--;
        size--;
    }

    if (fuzz_pair(header, len, &value)) {
        fuzz_require(ngx_http_mint_text_sets_cookie(header, size, "c", 1));

    } else {
        fuzz_require(!ngx_http_mint_text_sets_cookie(header, size, "c", 1));
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > FUZZ_MAX) {
        return 0;
    }

    fuzz_cookie(data, size);
    fuzz_set_cookie(data, size);

    return 0;
}
