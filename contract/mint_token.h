/* SPDX-License-Identifier: MIT */
/*
 * Session tokens: JWT (RFC 7519) in JWS compact form (RFC 7515), HS256 only.
 * The one place that parses or makes them; used by the nginx module (checks)
 * and by mint-platform (checks and issues).  Sources: mint_token.c,
 * mint_token_key.c, mint_base64url.c and mint_json*.c; library: libcrypto.
 *
 * Claims: sub (user id as decimal string), username, iat, exp, jti, sv (the
 * user's session version when issued).  Header: {"alg":"HS256","typ":"JWT",
 * "kid":"..."}; no other alg, no "crit", no "b64".
 *
 * The parser is strict: unpadded base64url without stray bits, one JSON
 * object, no duplicate of a member it reads, nesting <= 8, numbers that are
 * integers.  Everything it is given is outside bytes (fuzzed).
 */

#ifndef MINT_TOKEN_H
#define MINT_TOKEN_H

#include <stddef.h>
#include <stdint.h>


#define MINT_TOKEN_TEXT_MAX       4096
#define MINT_TOKEN_USERNAME_MAX   255
#define MINT_TOKEN_JTI_MAX        64

/* how long the edge takes a token beyond its end: clocks differ.  Denials
   have to be kept as long */
#define MINT_TOKEN_LEEWAY_SEC     5


enum mint_token_result {
    MINT_TOKEN_OK = 0,
    MINT_TOKEN_MALFORMED = 1,       /* not three base64url parts */
    MINT_TOKEN_BAD_HEADER = 2,      /* header JSON, or "crit" present */
    MINT_TOKEN_BAD_ALGORITHM = 3,   /* alg is not HS256 */
    MINT_TOKEN_UNKNOWN_KEY = 4,     /* kid names no key */
    MINT_TOKEN_BAD_SIGNATURE = 5,
    MINT_TOKEN_BAD_CLAIMS = 6,      /* payload JSON or a claim's type */
    MINT_TOKEN_EXPIRED = 7,
    MINT_TOKEN_NOT_YET_VALID = 8,   /* nbf or iat beyond the leeway */
    MINT_TOKEN_RESULT_COUNT = 9
};


struct mint_token_claims {
    uint64_t  user_id;              /* > 0 */
    uint64_t  expires_unix;
    uint64_t  issued_unix;
    uint64_t  not_before_unix;      /* 0: not said */
    uint32_t  session_version;
    uint16_t  username_len;
    uint16_t  jti_len;
    char      username[MINT_TOKEN_USERNAME_MAX + 1];    /* UTF-8 */
    char      jti[MINT_TOKEN_JTI_MAX + 1];
};


/*
 * A keyed verifier: holds the HMAC state of one key so that a check does not
 * repeat the key schedule.  Not thread-safe; one per worker or thread.
 */

struct mint_token_key;

/* NULL if out of memory; the secret is not kept in the clear elsewhere */
struct mint_token_key *mint_token_key_new(const char *kid, size_t kid_len,
    const uint8_t *secret, size_t secret_len);
void mint_token_key_free(struct mint_token_key **key);


/*
 * Checks a token.  keys: count keys; with a "kid" in the header the one of
 * that id is used, without one each is tried.  now_unix and leeway_sec in
 * seconds.  On MINT_TOKEN_OK and MINT_TOKEN_EXPIRED *out is filled.
 */
enum mint_token_result mint_token_verify(struct mint_token_key *const *keys,
    size_t count, const char *text, size_t len, uint64_t now_unix,
    uint32_t leeway_sec, struct mint_token_claims *out);

/*
 * What is left to check, each time, of a token that was verified before:
 * MINT_TOKEN_OK, MINT_TOKEN_EXPIRED or MINT_TOKEN_NOT_YET_VALID.
 */
enum mint_token_result mint_token_judge_times(uint64_t issued_unix,
    uint64_t not_before_unix, uint64_t expires_unix, uint64_t now_unix,
    uint32_t leeway_sec);

/* a lower-case sentence part for logs: "signature does not match" */
const char *mint_token_result_text(enum mint_token_result result);

/* true if the text has the shape of a JWT, of whatever length: two dots,
   base64url elsewhere */
int mint_token_looks_like(const char *text, size_t len);


/*
 * Makes a token.  Returns its length, or -1 if text_size is too small or the
 * claims are out of range.  text is NUL-terminated.
 */
int mint_token_issue(struct mint_token_key *key,
    const struct mint_token_claims *claims, const char *role, char *text,
    size_t text_size);


/* strict base64url without padding; returns bytes written or -1.  encode
   needs room for a NUL, which it adds and does not count */
int mint_base64url_decode(uint8_t *to, size_t size, const char *text,
    size_t len);
int mint_base64url_encode(char *to, size_t size, const uint8_t *data,
    size_t len);
int mint_base64url_is_letter(char c);

#endif /* MINT_TOKEN_H */
