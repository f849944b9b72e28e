/* SPDX-License-Identifier: MIT */
/*
 * The keys by which session tokens are verified, made anew when the run file
 * "identity" names others; what was verified by the old ones is forgotten.
 */

#include "ngx_http_mint.h"


static void ngx_http_mint_keys_read(ngx_http_mint_view_t *view);


static struct mint_token_key  *ngx_http_mint_keys_made[MINT_IDENTITY_KEYS];
static uint64_t                ngx_http_mint_keys_refs[MINT_IDENTITY_KEYS];
static ngx_uint_t              ngx_http_mint_keys_count;


ngx_uint_t
ngx_http_mint_keys(struct mint_token_key ***keys)
{
    ngx_uint_t             i;
    ngx_http_mint_view_t  *view;

    *keys = ngx_http_mint_keys_made;
    view = ngx_http_mint_run_view(MINT_RUN_IDENTITY);

    if (view == NULL) {
        return 0;
    }

    for (i = 0; i < MINT_IDENTITY_KEYS; i++) {

        if (ngx_http_mint_keys_count == 0
            || ngx_http_mint_keys_refs[i]
               != mint_run_load_acquire(ngx_http_mint_identity_key(view, i)))
        {
            ngx_http_mint_keys_read(view);
            break;
        }
    }

    return ngx_http_mint_keys_count;
}


static void
ngx_http_mint_keys_read(ngx_http_mint_view_t *view)
{
    uint64_t                   refs[MINT_IDENTITY_KEYS];
    ngx_uint_t                 i, n;
    struct mint_token_key     *made;
    struct mint_identity_key   key;

    for (i = 0; i < MINT_IDENTITY_KEYS; i++) {
        refs[i] = mint_run_load_acquire(ngx_http_mint_identity_key(view, i));
    }

    ngx_http_mint_keys_forget();

    n = 0;

    for (i = 0; i < MINT_IDENTITY_KEYS; i++) {
        if (ngx_http_mint_identity_blob(view,
                                        ngx_http_mint_identity_key(view, i),
                                        (uint64_t *) (void *) &key,
                                        sizeof(key))
            != sizeof(key)
            || key.secret_len == 0 || key.secret_len > MINT_KEY_SECRET_MAX)
        {
            continue;
        }

        made = mint_token_key_new(key.id, strnlen(key.id, MINT_KEY_ID_MAX),
                                  key.secret, key.secret_len);

        if (made != NULL) {
            ngx_http_mint_keys_made[n++] = made;
        }
    }

    ngx_explicit_memzero(&key, sizeof(key));
    ngx_memcpy(ngx_http_mint_keys_refs, refs, sizeof(refs));
    ngx_http_mint_keys_count = n;
}


void
ngx_http_mint_keys_forget(void)
{
    ngx_uint_t  i;

    for (i = 0; i < MINT_IDENTITY_KEYS; i++) {
        mint_token_key_free(&ngx_http_mint_keys_made[i]);
    }

    ngx_http_mint_keys_count = 0;
    ngx_http_mint_memo_clear();
}
