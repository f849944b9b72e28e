/* SPDX-License-Identifier: MIT */
/*
 * A signing key: the HMAC state right after the key schedule, and the header
 * that tokens made with it carry.
 */

#include "mint_token_key.h"

#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "mint_json.h"


static int mint_token_header_text(char *text, size_t size,
    const struct mint_token_key *key);


struct mint_token_key *
mint_token_key_new(const char *kid, size_t kid_len, const uint8_t *secret,
    size_t secret_len)
{
    int                     n;
    EVP_MAC                *hmac;
    OSSL_PARAM              params[2];
    struct mint_token_key  *key;

    if (kid_len >= MINT_TOKEN_KID_MAX || secret_len == 0) {
        return NULL;
    }

    key = OPENSSL_zalloc(sizeof(struct mint_token_key));
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    if (key == NULL || hmac == NULL) {
        goto failed;
    }

    key->mac = EVP_MAC_CTX_new(hmac);
    key->kid_len = kid_len;

    if (kid_len != 0) {
        memcpy(key->kid, kid, kid_len);
    }

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 (char *) "SHA256", 0);
    params[1] = OSSL_PARAM_construct_end();

    if (key->mac == NULL
        || EVP_MAC_init(key->mac, secret, secret_len, params) != 1)
    {
        goto failed;
    }

    n = mint_token_header_text(key->header, sizeof(key->header), key);
    key->header_len = n < 0 ? 0 : (size_t) n;

    EVP_MAC_free(hmac);

    return key;

failed:

    EVP_MAC_free(hmac);
    mint_token_key_free(&key);

    return NULL;
}


void
mint_token_key_free(struct mint_token_key **key)
{
    if (*key == NULL) {
        return;
    }

    EVP_MAC_CTX_free((*key)->mac);      /* wipes the key */
    OPENSSL_free(*key);
    *key = NULL;
}


/* base64url already; -1 if the kid cannot be written */

static int
mint_token_header_text(char *text, size_t size,
    const struct mint_token_key *key)
{
    int   n;
    char  kid[2 * MINT_TOKEN_KID_MAX + 1];
    char  json[sizeof(kid) + 64];

    if (mint_json_quote(kid, sizeof(kid), key->kid, key->kid_len) < 0) {
        return -1;
    }

    n = snprintf(json, sizeof(json),
                 "{\"alg\":\"HS256\",\"typ\":\"JWT\"%s%s%s}",
                 key->kid_len == 0 ? "" : ",\"kid\":\"", kid,
                 key->kid_len == 0 ? "" : "\"");

    return mint_base64url_encode(text, size, (uint8_t *) json, (size_t) n);
}


int
mint_token_mac(struct mint_token_key *key, const char *text, size_t len,
    uint8_t mac[MINT_TOKEN_MAC_BYTES])
{
    size_t  mac_len;

    /* without a key: back to the state right after the key schedule */

    if (EVP_MAC_init(key->mac, NULL, 0, NULL) != 1
        || EVP_MAC_update(key->mac, (const unsigned char *) text, len) != 1
        || EVP_MAC_final(key->mac, mac, &mac_len, MINT_TOKEN_MAC_BYTES) != 1
        || mac_len != MINT_TOKEN_MAC_BYTES)
    {
        return -1;
    }

    return 0;
}
