/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: whatever a client may send as a session token.  The input is
 * tried as it is and, so that the fuzzer gets past the signature, as header
 * and payload that are signed here.
 */

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "contract/mint_token.h"


#define FUZZ_INPUT_MAX  2000
#define FUZZ_TEXT_MAX   8192


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const uint8_t  fuzz_secret[] = "0123456789abcdef0123456789abcdef";


static void
fuzz_verify(struct mint_token_key *key, const char *text, size_t len)
{
    enum mint_token_result    result;
    struct mint_token_claims  claims;

    memset(&claims, 0xa5, sizeof(claims));
    result = mint_token_verify(&key, 1, text, len, 1700000000, 30, &claims);

    if (result >= MINT_TOKEN_RESULT_COUNT
        || mint_token_result_text(result) == NULL)
    {
        abort();
    }

    if (result == MINT_TOKEN_OK
        && (claims.user_id == 0
            || claims.username[claims.username_len] != '\0'
            || claims.jti[claims.jti_len] != '\0'))
    {
        abort();
    }

    mint_token_looks_like(text, len);
}


/* the first byte splits the rest into header and payload */

static void
fuzz_signed(struct mint_token_key *key, const uint8_t *data, size_t size)
{
    int       n;
    char      text[FUZZ_TEXT_MAX];
    size_t    len, split;
    uint8_t   mac[32];
    unsigned  mac_len;

    split = data[0] < size - 1 ? data[0] : size - 1;
    n = mint_base64url_encode(text, sizeof(text), data + 1, split);

    if (n < 0) {
        return;
    }

    len = (size_t) n;
    text[len++] = '.';
    n = mint_base64url_encode(text + len, sizeof(text) - len,
                              data + 1 + split, size - 1 - split);

    if (n < 0) {
        return;
    }

    len += (size_t) n;

    HMAC(EVP_sha256(), fuzz_secret, sizeof(fuzz_secret) - 1,
         (const uint8_t *) text, len, mac, &mac_len);

    text[len++] = '.';
    n = mint_base64url_encode(text + len, sizeof(text) - len, mac, mac_len);

    if (n > 0) {
        fuzz_verify(key, text, len + (size_t) n);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mint_token_key  *key;

    if (size == 0 || size > FUZZ_INPUT_MAX) {
        return 0;
    }

    key = mint_token_key_new("k1", 2, fuzz_secret, sizeof(fuzz_secret) - 1);

    if (key == NULL) {
        return 0;
    }

    fuzz_verify(key, (const char *) data, size);
    fuzz_signed(key, data, size);
    mint_token_key_free(&key);

    return 0;
}
