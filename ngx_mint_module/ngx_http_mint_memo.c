/* SPDX-License-Identifier: MIT */
/*
 * Whether a signature is right depends on the token's text and the keys, on
 * nothing else, so it need not be asked twice: a browser sends the same token
 * with every request.  The whole text is kept and compared, all of it whatever
 * its beginning; with other keys nothing is left.  What may change (times,
 * user, session, log-out) is never kept and judged by the caller each time.
 */

#include "ngx_http_mint.h"


#define NGX_HTTP_MINT_MEMO_BITS   10
#define NGX_HTTP_MINT_MEMO_SLOTS  (1 << NGX_HTTP_MINT_MEMO_BITS)
#define NGX_HTTP_MINT_MEMO_TEXT   512       /* longer ones are not kept */


typedef struct {
    ngx_http_mint_session_t  session;
    size_t                   len;           /* 0: an empty slot */
    u_char                   text[NGX_HTTP_MINT_MEMO_TEXT];
} ngx_http_mint_memo_t;


typedef uint64_t  ngx_http_mint_memo_word_t __attribute__((vector_size(16)));


static ngx_http_mint_memo_t *ngx_http_mint_memo_slot(
    const ngx_http_mint_text_t *token);
static ngx_uint_t ngx_http_mint_memo_same(const u_char *a, const u_char *b,
    size_t len);


/* zeroed pages, taken as they are used */
static ngx_http_mint_memo_t  *ngx_http_mint_memo;


const ngx_http_mint_session_t *
ngx_http_mint_memo_find(const ngx_http_mint_text_t *token)
{
    ngx_http_mint_memo_t  *slot;

    slot = ngx_http_mint_memo_slot(token);

    if (slot == NULL || slot->len != token->len
        || !ngx_http_mint_memo_same(slot->text, token->data, token->len))
    {
        return NULL;
    }

    return &slot->session;
}


void
ngx_http_mint_memo_add(const ngx_http_mint_text_t *token,
    const ngx_http_mint_session_t *session)
{
    ngx_http_mint_memo_t  *slot;

    if (ngx_http_mint_memo == NULL) {
        ngx_http_mint_memo = ngx_calloc(NGX_HTTP_MINT_MEMO_SLOTS
                                        * sizeof(ngx_http_mint_memo_t),
                                        ngx_cycle->log);
    }

    slot = ngx_http_mint_memo_slot(token);

    if (slot == NULL) {
        return;
    }

    ngx_explicit_memzero(slot, sizeof(ngx_http_mint_memo_t));

    slot->session = *session;
    slot->len = token->len;
    ngx_memcpy(slot->text, token->data, token->len);
}


void
ngx_http_mint_memo_clear(void)
{
    ngx_uint_t  i;

    for (i = 0;
         ngx_http_mint_memo != NULL && i < NGX_HTTP_MINT_MEMO_SLOTS;
         i++)
    {
        if (ngx_http_mint_memo[i].len != 0) {
            ngx_explicit_memzero(&ngx_http_mint_memo[i],
                                 sizeof(ngx_http_mint_memo_t));
        }
    }
}


/* by the end of the text, which is as good as random in what is added */

static ngx_http_mint_memo_t *
ngx_http_mint_memo_slot(const ngx_http_mint_text_t *token)
{
    uint64_t  end;

    if (ngx_http_mint_memo == NULL
        || token->len < sizeof(ngx_http_mint_memo_word_t)
        || token->len > NGX_HTTP_MINT_MEMO_TEXT)
    {
        return NULL;
    }

    ngx_memcpy(&end, token->data + token->len - sizeof(end), sizeof(end));

    return &ngx_http_mint_memo[end * 0x9e3779b97f4a7c15ULL
                               >> (64 - NGX_HTTP_MINT_MEMO_BITS)];
}


static ngx_inline uint64_t
ngx_http_mint_memo_differ(const u_char *a, const u_char *b)
{
    uint64_t  x, y;

    ngx_memcpy(&x, a, sizeof(x));
    ngx_memcpy(&y, b, sizeof(y));

    return x ^ y;
}


/*
 * Takes the same time wherever they differ: a token is a secret.  Sixteen bytes
 * at a time, in what gcc and clang have on every processor; the last sixteen
 * are looked at whole, however many of them are new.
 */

static ngx_uint_t
ngx_http_mint_memo_same(const u_char *a, const u_char *b, size_t len)
{
    size_t                      i;
    uint64_t                    halves[2];
    ngx_http_mint_memo_word_t   x, y, different;

    different = (ngx_http_mint_memo_word_t) { 0, 0 };

#pragma GCC unroll 4

    for (i = 0; i < len - sizeof(x); i += sizeof(x)) {
        ngx_memcpy(&x, a + i, sizeof(x));
        ngx_memcpy(&y, b + i, sizeof(y));
        different |= x ^ y;
    }

    ngx_memcpy(&x, a + len - sizeof(x), sizeof(x));
    ngx_memcpy(&y, b + len - sizeof(y), sizeof(y));
    different |= x ^ y;

    ngx_memcpy(halves, &different, sizeof(halves));

    return (halves[0] | halves[1]) == 0;
}
