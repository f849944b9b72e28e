/* SPDX-License-Identifier: MIT */
/*
 * What the files behind mint_token.h share of a key.
 */

#ifndef MINT_TOKEN_KEY_H
#define MINT_TOKEN_KEY_H

#include <openssl/types.h>

#include "mint_token.h"


#define MINT_TOKEN_MAC_BYTES    32
#define MINT_TOKEN_KID_MAX      128
#define MINT_TOKEN_HEADER_MAX   448     /* base64url of a header we make */


struct mint_token_key {
    EVP_MAC_CTX  *mac;              /* keyed; every use begins with a re-init */
    size_t        kid_len;
    char          kid[MINT_TOKEN_KID_MAX];
    size_t        header_len;       /* 0: none can be made for this kid */
    char          header[MINT_TOKEN_HEADER_MAX];    /* as in our own tokens */
};


/* HMAC-SHA-256 of the text; -1 if libcrypto fails */
int mint_token_mac(struct mint_token_key *key, const char *text, size_t len,
    uint8_t mac[MINT_TOKEN_MAC_BYTES]);

#endif /* MINT_TOKEN_KEY_H */
