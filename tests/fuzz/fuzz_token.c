/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: whatever a client may send as a session token.  The input is
 * tried as it is and, so that the fuzzer gets past the signature, as header
 * and payload that are signed here.
 */

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/mint_token.h"


#define FUZZ_INPUT_MAX  2000
#define FUZZ_TEXT_MAX   8192


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const uint8_t  fuzz_secret[] = "0123456789abcdef0123456789abcdef";


/* one of the two texts as a JSON reader sees it that was not made for this */

static json_t *
fuzz_json(const char *text, size_t len)
{
    int   n;
    char  json[FUZZ_TEXT_MAX];

    n = mint_base64url_decode((uint8_t *) json, sizeof(json), text, len);

    if (n < 0) {
        abort();
    }

    return json_loadb(json, (size_t) n, JSON_ALLOW_NUL, NULL);
}


static int
fuzz_is_text(const json_t *root, const char *name, const char *text,
    size_t len)
{
    const json_t  *value;

    value = json_object_get(root, name);

    return json_is_string(value) && json_string_length(value) == len
           && memcmp(json_string_value(value), text, len) == 0;
}


static int
fuzz_is_number(const json_t *root, const char *name, uint64_t number)
{
    const json_t  *value;

    value = json_object_get(root, name);

    return json_is_integer(value)
           && (uint64_t) json_integer_value(value) == number;
}


/* a good token says the same to jansson, which refuses some huge numbers */

static void
fuzz_compare(const char *text, size_t len,
    const struct mint_token_claims *claims)
{
    char         sub[24];
    json_t      *header, *payload;
    const char  *first, *second;

    first = memchr(text, '.', len);
    second = memchr(first + 1, '.', len - (size_t) (first + 1 - text));
    header = fuzz_json(text, (size_t) (first - text));
    payload = fuzz_json(first + 1, (size_t) (second - first - 1));
    snprintf(sub, sizeof(sub), "%llu", (unsigned long long) claims->user_id);

    if (header != NULL && !fuzz_is_text(header, "alg", "HS256", 5)) {
        abort();
    }

    if (payload != NULL
        && (!fuzz_is_text(payload, "sub", sub, strlen(sub))
            || !fuzz_is_text(payload, "username", claims->username,
                             claims->username_len)
            || !fuzz_is_text(payload, "jti", claims->jti, claims->jti_len)
            || !fuzz_is_number(payload, "iat", claims->issued_unix)
            || !fuzz_is_number(payload, "exp", claims->expires_unix)
            || !fuzz_is_number(payload, "sv", claims->session_version)))
    {
        abort();
    }

    json_decref(header);
    json_decref(payload);
}


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

    /* what is taken as a token in a cookie is one as a bearer, too */

    if ((result == MINT_TOKEN_OK || result == MINT_TOKEN_EXPIRED)
        && !mint_token_looks_like(text, len))
    {
        abort();
    }

    if (result == MINT_TOKEN_OK) {
        fuzz_compare(text, len, &claims);
    }
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
