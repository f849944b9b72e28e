/* SPDX-License-Identifier: MIT */
/*
 * Session tokens: tables of headers and payloads signed here by OpenSSL's
 * one-shot HMAC, not by the code under test.
 */

#include "contract/mint_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>


#define NOW     1700000000u
#define LEEWAY  30
#define KID     "k-2"

#define HEADER  "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"" KID "\"}"
#define CLAIMS  "\"sub\":\"42\",\"username\":\"ann\",\"iat\":1699999000," \
    "\"exp\":1700003600,\"jti\":\"t1\",\"sv\":7"
#define PAYLOAD "{" CLAIMS "}"

/* the members one by one, to leave one out */
#define SUB   "\"sub\":\"42\""
#define NAME  "\"username\":\"ann\""
#define IAT   "\"iat\":1699999000"
#define EXP   "\"exp\":1700003600"
#define JTI   "\"jti\":\"t1\""
#define SV    "\"sv\":7"

#define FIFTY  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"


static const uint8_t  secret[] = "0123456789abcdef0123456789abcdef";
static const uint8_t  other[] = "another secret of 32 bytes......";

#define SECRET_LEN  (sizeof(secret) - 1)

static struct mint_token_key  *keys[2];


static const struct {
    const char              *what;
    const char              *header;
    const char              *payload;
    enum mint_token_result   expected;
} cases[] = {
    { "plain", HEADER, PAYLOAD, MINT_TOKEN_OK },
    { "without kid", "{\"alg\":\"HS256\"}", PAYLOAD, MINT_TOKEN_OK },
    { "escaped alg", "{\"\\u0061lg\":\"\\u0048S256\"}", PAYLOAD,
      MINT_TOKEN_OK },
    { "white space", " \t\r\n{ \"alg\" : \"HS256\" } ", " { " CLAIMS " } \n",
      MINT_TOKEN_OK },
    { "other header members", "{\"alg\":\"HS256\",\"x\":[1,{\"y\":null}]}",
      PAYLOAD, MINT_TOKEN_OK },

    /* algorithm */
    { "none", "{\"alg\":\"none\"}", PAYLOAD, MINT_TOKEN_BAD_ALGORITHM },
    { "None", "{\"alg\":\"None\"}", PAYLOAD, MINT_TOKEN_BAD_ALGORITHM },
    { "hs256", "{\"alg\":\"hs256\"}", PAYLOAD, MINT_TOKEN_BAD_ALGORITHM },
    { "HS384", "{\"alg\":\"HS384\"}", PAYLOAD, MINT_TOKEN_BAD_ALGORITHM },
    { "RS256", "{\"alg\":\"RS256\"}", PAYLOAD, MINT_TOKEN_BAD_ALGORITHM },
    { "HS2567", "{\"alg\":\"HS2567\"}", PAYLOAD, MINT_TOKEN_BAD_ALGORITHM },
    { "HS256 and NUL", "{\"alg\":\"HS256\\u0000\"}", PAYLOAD,
      MINT_TOKEN_BAD_ALGORITHM },
    { "long alg", "{\"alg\":\"HS256" FIFTY "\"}", PAYLOAD,
      MINT_TOKEN_BAD_ALGORITHM },
    { "empty alg", "{\"alg\":\"\"}", PAYLOAD, MINT_TOKEN_BAD_ALGORITHM },
    { "no alg", "{\"typ\":\"JWT\"}", PAYLOAD, MINT_TOKEN_BAD_ALGORITHM },
    { "empty header object", "{}", PAYLOAD, MINT_TOKEN_BAD_ALGORITHM },
    { "alg null", "{\"alg\":null}", PAYLOAD, MINT_TOKEN_BAD_HEADER },
    { "alg list", "{\"alg\":[\"HS256\"]}", PAYLOAD, MINT_TOKEN_BAD_HEADER },
    { "alg twice", "{\"alg\":\"none\",\"alg\":\"HS256\"}", PAYLOAD,
      MINT_TOKEN_BAD_HEADER },
    { "alg twice, escaped", "{\"alg\":\"none\",\"\\u0061lg\":\"HS256\"}",
      PAYLOAD, MINT_TOKEN_BAD_HEADER },

    /* header */
    { "crit", "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", PAYLOAD,
      MINT_TOKEN_BAD_HEADER },
    { "crit null", "{\"alg\":\"HS256\",\"crit\":null}", PAYLOAD,
      MINT_TOKEN_BAD_HEADER },
    { "b64", "{\"alg\":\"HS256\",\"b64\":true}", PAYLOAD,
      MINT_TOKEN_BAD_HEADER },
    { "other typ", "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", PAYLOAD,
      MINT_TOKEN_BAD_HEADER },
    { "kid a number", "{\"alg\":\"HS256\",\"kid\":2}", PAYLOAD,
      MINT_TOKEN_BAD_HEADER },
    { "kid twice", "{\"alg\":\"HS256\",\"kid\":\"" KID "\",\"kid\":\"" KID
      "\"}", PAYLOAD, MINT_TOKEN_BAD_HEADER },
    { "unknown kid", "{\"alg\":\"HS256\",\"kid\":\"nobody\"}", PAYLOAD,
      MINT_TOKEN_UNKNOWN_KEY },
    { "kid is a beginning", "{\"alg\":\"HS256\",\"kid\":\"k-\"}", PAYLOAD,
      MINT_TOKEN_UNKNOWN_KEY },
    { "empty kid", "{\"alg\":\"HS256\",\"kid\":\"\"}", PAYLOAD,
      MINT_TOKEN_UNKNOWN_KEY },
    { "kid of 200 bytes", "{\"alg\":\"HS256\",\"kid\":\"" FIFTY FIFTY FIFTY
      FIFTY "\"}", PAYLOAD, MINT_TOKEN_UNKNOWN_KEY },
    { "kid of the other key", "{\"alg\":\"HS256\",\"kid\":\"k-1\"}", PAYLOAD,
      MINT_TOKEN_BAD_SIGNATURE },
    { "header a list", "[\"HS256\"]", PAYLOAD, MINT_TOKEN_BAD_HEADER },
    { "header a string", "\"HS256\"", PAYLOAD, MINT_TOKEN_BAD_HEADER },
    { "two objects", "{\"alg\":\"HS256\"}{}", PAYLOAD,
      MINT_TOKEN_BAD_HEADER },
    { "byte order mark", "\xef\xbb\xbf{\"alg\":\"HS256\"}", PAYLOAD,
      MINT_TOKEN_BAD_HEADER },

    /* claims that are missing */
    { "no sub", HEADER, "{" NAME "," IAT "," EXP "," JTI "," SV "}",
      MINT_TOKEN_BAD_CLAIMS },
    { "no username", HEADER, "{" SUB "," IAT "," EXP "," JTI "," SV "}",
      MINT_TOKEN_BAD_CLAIMS },
    { "no iat", HEADER, "{" SUB "," NAME "," EXP "," JTI "," SV "}",
      MINT_TOKEN_BAD_CLAIMS },
    { "no exp", HEADER, "{" SUB "," NAME "," IAT "," JTI "," SV "}",
      MINT_TOKEN_BAD_CLAIMS },
    { "no jti", HEADER, "{" SUB "," NAME "," IAT "," EXP "," SV "}",
      MINT_TOKEN_BAD_CLAIMS },
    { "no sv", HEADER, "{" SUB "," NAME "," IAT "," EXP "," JTI "}",
      MINT_TOKEN_BAD_CLAIMS },
    { "payload empty object", HEADER, "{}", MINT_TOKEN_BAD_CLAIMS },
    { "payload a list", HEADER, "[" PAYLOAD "]", MINT_TOKEN_BAD_CLAIMS },
    { "payload a word", HEADER, "foo", MINT_TOKEN_BAD_CLAIMS },

    /* claims of the wrong kind; members listed twice are duplicates */
    { "sub twice", HEADER, "{\"sub\":\"42\"," CLAIMS "}",
      MINT_TOKEN_BAD_CLAIMS },
    { "exp twice", HEADER, "{" CLAIMS ",\"exp\":9999999999}",
      MINT_TOKEN_BAD_CLAIMS },
    { "sv twice, escaped", HEADER, "{" CLAIMS ",\"s\\u0076\":8}",
      MINT_TOKEN_BAD_CLAIMS },
    { "role twice is not read", HEADER, "{" CLAIMS
      ",\"role\":\"a\",\"role\":\"b\"}", MINT_TOKEN_OK },
    { "sub a number", HEADER, "{\"sub\":42," NAME "," IAT "," EXP "," JTI ","
      SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "sub 0", HEADER, "{\"sub\":\"0\"," NAME "," IAT "," EXP "," JTI "," SV
      "}", MINT_TOKEN_BAD_CLAIMS },
    { "sub 042", HEADER, "{\"sub\":\"042\"," NAME "," IAT "," EXP "," JTI ","
      SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "sub +42", HEADER, "{\"sub\":\"+42\"," NAME "," IAT "," EXP "," JTI ","
      SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "sub -1", HEADER, "{\"sub\":\"-1\"," NAME "," IAT "," EXP "," JTI ","
      SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "sub with space", HEADER, "{\"sub\":\"42 \"," NAME "," IAT "," EXP ","
      JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "sub empty", HEADER, "{\"sub\":\"\"," NAME "," IAT "," EXP "," JTI ","
      SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "sub with NUL", HEADER, "{\"sub\":\"42\\u0000\"," NAME "," IAT "," EXP
      "," JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "sub 2^63 - 1", HEADER, "{\"sub\":\"9223372036854775807\"," NAME ","
      IAT "," EXP "," JTI "," SV "}", MINT_TOKEN_OK },
    { "sub 2^63", HEADER, "{\"sub\":\"9223372036854775808\"," NAME "," IAT
      "," EXP "," JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "sub 2^64 + 42", HEADER, "{\"sub\":\"18446744073709551658\"," NAME ","
      IAT "," EXP "," JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "sub of 30 digits", HEADER, "{\"sub\":\"111111111111111111111111111111"
      "\"," NAME "," IAT "," EXP "," JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "empty username", HEADER, "{" SUB ",\"username\":\"\"," IAT "," EXP ","
      JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "username with line feed", HEADER, "{" SUB ",\"username\":\"a\\nb\","
      IAT "," EXP "," JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "username with NUL", HEADER, "{" SUB ",\"username\":\"a\\u0000\"," IAT
      "," EXP "," JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "username of 255 bytes", HEADER, "{" SUB ",\"username\":\"" FIFTY FIFTY
      FIFTY FIFTY FIFTY "12345\"," IAT "," EXP "," JTI "," SV "}",
      MINT_TOKEN_OK },
    { "username of 256 bytes", HEADER, "{" SUB ",\"username\":\"" FIFTY FIFTY
      FIFTY FIFTY FIFTY "123456\"," IAT "," EXP "," JTI "," SV "}",
      MINT_TOKEN_BAD_CLAIMS },
    { "jti of 65 bytes", HEADER, "{" SUB "," NAME "," IAT "," EXP
      ",\"jti\":\"" FIFTY "123456789012345\"," SV "}",
      MINT_TOKEN_BAD_CLAIMS },
    { "exp a fraction", HEADER, "{" SUB "," NAME "," IAT
      ",\"exp\":1700003600.0," JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "exp an exponent", HEADER, "{" SUB "," NAME "," IAT ",\"exp\":2e9,"
      JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "exp a string", HEADER, "{" SUB "," NAME "," IAT
      ",\"exp\":\"1700003600\"," JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "exp negative", HEADER, "{" SUB "," NAME "," IAT ",\"exp\":-1," JTI ","
      SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "exp null", HEADER, "{" SUB "," NAME "," IAT ",\"exp\":null," JTI ","
      SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "exp with a leading zero", HEADER, "{" SUB "," NAME "," IAT
      ",\"exp\":01700003600," JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "exp 2^53 - 1", HEADER, "{" SUB "," NAME "," IAT
      ",\"exp\":9007199254740991," JTI "," SV "}", MINT_TOKEN_OK },
    { "exp 2^53", HEADER, "{" SUB "," NAME "," IAT
      ",\"exp\":9007199254740992," JTI "," SV "}", MINT_TOKEN_BAD_CLAIMS },
    { "exp wraps 64 bits", HEADER, "{" SUB "," NAME "," IAT
      ",\"exp\":18446744075409555216," JTI "," SV "}",
      MINT_TOKEN_BAD_CLAIMS },
    { "sv 2^32 - 1", HEADER, "{" SUB "," NAME "," IAT "," EXP "," JTI
      ",\"sv\":4294967295}", MINT_TOKEN_OK },
    { "sv 2^32", HEADER, "{" SUB "," NAME "," IAT "," EXP "," JTI
      ",\"sv\":4294967296}", MINT_TOKEN_BAD_CLAIMS },
    { "sv true", HEADER, "{" SUB "," NAME "," IAT "," EXP "," JTI
      ",\"sv\":true}", MINT_TOKEN_BAD_CLAIMS },

    /* time; leeway 30 s, NOW = 1700000000 */
    { "expired in the leeway", HEADER, "{" SUB "," NAME "," IAT
      ",\"exp\":1699999971," JTI "," SV "}", MINT_TOKEN_OK },
    { "expired at its end", HEADER, "{" SUB "," NAME "," IAT
      ",\"exp\":1699999970," JTI "," SV "}", MINT_TOKEN_EXPIRED },
    { "expired long ago", HEADER, "{" SUB "," NAME "," IAT ",\"exp\":0," JTI
      "," SV "}", MINT_TOKEN_EXPIRED },
    { "iat in the leeway", HEADER, "{" SUB "," NAME ",\"iat\":1700000030,"
      EXP "," JTI "," SV "}", MINT_TOKEN_OK },
    { "iat in the future", HEADER, "{" SUB "," NAME ",\"iat\":1700000031,"
      EXP "," JTI "," SV "}", MINT_TOKEN_NOT_YET_VALID },
    { "nbf past", HEADER, "{" CLAIMS ",\"nbf\":1700000000}", MINT_TOKEN_OK },
    { "nbf in the future", HEADER, "{" CLAIMS ",\"nbf\":1700000031}",
      MINT_TOKEN_NOT_YET_VALID },
    { "nbf a string", HEADER, "{" CLAIMS ",\"nbf\":\"0\"}",
      MINT_TOKEN_BAD_CLAIMS },
};


static void
append_part(char *text, const void *data, size_t len)
{
    size_t  at;

    at = strlen(text);
    ck_assert_int_ge(mint_base64url_encode(text + at, 16384 - at, data, len),
                     0);
}


/* text: 16384 bytes; signs by OpenSSL directly */

static size_t
make(char *text, const char *header, const char *payload)
{
    size_t         len;
    unsigned int   mac_len;
    unsigned char  mac[EVP_MAX_MD_SIZE];

    text[0] = '\0';
    append_part(text, header, strlen(header));
    strcat(text, ".");
    append_part(text, payload, strlen(payload));

    len = strlen(text);
    HMAC(EVP_sha256(), secret, (int) SECRET_LEN, (unsigned char *) text, len,
         mac, &mac_len);
    strcat(text, ".");
    append_part(text, mac, mac_len);

    return strlen(text);
}


/* in memory of exactly its size, so that a sanitizer sees every overrun */

static enum mint_token_result
verify(const char *text, size_t len, struct mint_token_claims *claims)
{
    char                    *exact;
    enum mint_token_result   result;

    exact = malloc(len == 0 ? 1 : len);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, len);
    memset(claims, 0xaa, sizeof(*claims));

    result = mint_token_verify(keys, 2, exact, len, NOW, LEEWAY, claims);
    free(exact);

    return result;
}


static void
make_keys(void)
{
    keys[0] = mint_token_key_new("k-1", 3, other, sizeof(other) - 1);
    keys[1] = mint_token_key_new(KID, strlen(KID), secret, SECRET_LEN);
    ck_assert_ptr_nonnull(keys[0]);
    ck_assert_ptr_nonnull(keys[1]);
}


static void
free_keys(void)
{
    mint_token_key_free(&keys[0]);
    mint_token_key_free(&keys[1]);
    ck_assert_ptr_null(keys[0]);
    mint_token_key_free(&keys[0]);
}


START_TEST(test_case)
{
    char                       text[16384];
    size_t                     len;
    enum mint_token_result     result;
    struct mint_token_claims   claims, zero;

    len = make(text, cases[_i].header, cases[_i].payload);
    result = verify(text, len, &claims);

    ck_assert_msg(result == cases[_i].expected, "%s: \"%s\", not \"%s\"",
                  cases[_i].what, mint_token_result_text(result),
                  mint_token_result_text(cases[_i].expected));
    ck_assert_msg(mint_token_looks_like(text, len), "%s", cases[_i].what);

    /* nothing half-read is left behind */

    if (result != MINT_TOKEN_OK && result != MINT_TOKEN_EXPIRED) {
        memset(&zero, 0, sizeof(zero));
        ck_assert_mem_eq(&claims, &zero, sizeof(zero));

    } else {
        ck_assert_uint_gt(claims.user_id, 0);
        ck_assert_uint_gt(claims.username_len, 0);
        ck_assert_uint_eq(strlen(claims.username), claims.username_len);
        ck_assert_str_eq(claims.jti, "t1");
    }
}
END_TEST


START_TEST(test_claims_are_read)
{
    char                       text[16384];
    struct mint_token_claims   claims;

    make(text, HEADER, "{\"sub\":\"77\",\"username\":"
         "\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/z\",\"iat\":1699999001,"
         "\"exp\":1699999002,\"jti\":\"j-9\",\"sv\":3,\"role\":\"admin\"}");

    /* expired, and filled all the same */

    ck_assert_int_eq(verify(text, strlen(text), &claims),
                     MINT_TOKEN_EXPIRED);
    ck_assert_uint_eq(claims.user_id, 77);
    ck_assert_str_eq(claims.username,
                     "\xc3\xa9\xf0\x9f\x98\x80\"\\/z");
    ck_assert_uint_eq(claims.username_len, 10);
    ck_assert_uint_eq(claims.issued_unix, 1699999001);
    ck_assert_uint_eq(claims.expires_unix, 1699999002);
    ck_assert_uint_eq(claims.session_version, 3);
    ck_assert_str_eq(claims.jti, "j-9");
    ck_assert_uint_eq(claims.jti_len, 3);
}
END_TEST


/* no other text than the one that was issued is accepted */

START_TEST(test_every_changed_bit_is_seen)
{
    int                        bit;
    char                       text[16384];
    size_t                     i, len;
    struct mint_token_claims   claims;

    len = make(text, HEADER, PAYLOAD);
    ck_assert_int_eq(verify(text, len, &claims), MINT_TOKEN_OK);

    for (i = 0; i < len; i++) {
        for (bit = 0; bit < 8; bit++) {
            text[i] = (char) (text[i] ^ 1 << bit);
            ck_assert_msg(verify(text, len, &claims) != MINT_TOKEN_OK,
                          "byte %zu, bit %d", i, bit);
            text[i] = (char) (text[i] ^ 1 << bit);
        }
    }

    for (i = 0; i < len; i++) {
        ck_assert_msg(verify(text, i, &claims) != MINT_TOKEN_OK,
                      "first %zu bytes", i);
        ck_assert_msg(verify(text + len - i, i, &claims) != MINT_TOKEN_OK,
                      "last %zu bytes", i);
    }

    ck_assert_int_eq(verify(text, len, &claims), MINT_TOKEN_OK);
}
END_TEST


START_TEST(test_shape)
{
    size_t                     i;
    struct mint_token_claims   claims;
    static const struct {
        const char              *text;
        enum mint_token_result   result;
        int                      looks_like;
    } shapes[] = {
        { "", MINT_TOKEN_MALFORMED, 0 },
        { ".", MINT_TOKEN_MALFORMED, 0 },
        { "..", MINT_TOKEN_MALFORMED, 0 },
        { "a.b", MINT_TOKEN_MALFORMED, 0 },
        { "abc", MINT_TOKEN_MALFORMED, 0 },
        { ".e30.AA", MINT_TOKEN_MALFORMED, 0 },
        { "e30..AA", MINT_TOKEN_MALFORMED, 0 },
        { "e30.e30.AA.AA", MINT_TOKEN_MALFORMED, 0 },
        { "e30.e30.AA.", MINT_TOKEN_MALFORMED, 0 },
        { "e30=.e30.AA", MINT_TOKEN_MALFORMED, 0 },
        { "e3+.e30.AA", MINT_TOKEN_MALFORMED, 0 },
        { "e3/.e30.AA", MINT_TOKEN_MALFORMED, 0 },
        { "e3 .e30.AA", MINT_TOKEN_MALFORMED, 0 },
        { "e30.e30.AA ", MINT_TOKEN_BAD_ALGORITHM, 0 },
        { "e.e30.AA", MINT_TOKEN_MALFORMED, 1 },
        { "e31.e30.AA", MINT_TOKEN_MALFORMED, 1 },      /* stray bits */
        { "e30.e30.", MINT_TOKEN_BAD_ALGORITHM, 1 },
        { "e30.e30.AA", MINT_TOKEN_BAD_ALGORITHM, 1 },
        { "mint_pat_abc", MINT_TOKEN_MALFORMED, 0 },

        /* {"alg":"HS256"} */
        { "eyJhbGciOiJIUzI1NiJ9.e30.", MINT_TOKEN_BAD_SIGNATURE, 1 },
        { "eyJhbGciOiJIUzI1NiJ9.e30.AA", MINT_TOKEN_BAD_SIGNATURE, 1 },
        { "eyJhbGciOiJIUzI1NiJ9.e30.AB", MINT_TOKEN_MALFORMED, 1 },
        { "eyJhbGciOiJIUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
          "AAA", MINT_TOKEN_BAD_SIGNATURE, 1 },
        { "eyJhbGciOiJIUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
          "AAAAAA", MINT_TOKEN_BAD_SIGNATURE, 1 },
    };

    for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        ck_assert_msg(verify(shapes[i].text, strlen(shapes[i].text), &claims)
                      == shapes[i].result, "verify \"%s\"", shapes[i].text);
        ck_assert_msg(mint_token_looks_like(shapes[i].text,
                                            strlen(shapes[i].text))
                      == shapes[i].looks_like, "looks like \"%s\"",
                      shapes[i].text);
    }

    ck_assert_int_eq(mint_token_looks_like("e30\0.e30.AA", 11), 0);
}
END_TEST


/* signed as it stands, so that only the strict decoder can refuse it */

START_TEST(test_padding)
{
    char                       text[16384];
    size_t                     i;
    unsigned int               mac_len;
    unsigned char              mac[EVP_MAX_MD_SIZE];
    struct mint_token_claims   claims;
    static const struct {
        const char              *signed_text;
        enum mint_token_result   result;
    } padded[] = {
        /* {"alg":"HS256"} and {"a":1}, with and without its padding */
        { "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ", MINT_TOKEN_BAD_CLAIMS },
        { "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ==", MINT_TOKEN_MALFORMED },
        { "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ=", MINT_TOKEN_MALFORMED },
        { "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfR", MINT_TOKEN_MALFORMED },
        { "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxf", MINT_TOKEN_MALFORMED },
        { "eyJhbGciOiJIUzI1NiJ9.eyJhIjox\nfQ", MINT_TOKEN_MALFORMED },
        { "eyJhbGciOiJIUzI1NiIgfQ.eyJhIjoxfQ", MINT_TOKEN_BAD_CLAIMS },
        { "eyJhbGciOiJIUzI1NiIgfQ==.eyJhIjoxfQ", MINT_TOKEN_MALFORMED },
    };

    for (i = 0; i < sizeof(padded) / sizeof(padded[0]); i++) {
        strcpy(text, padded[i].signed_text);
        HMAC(EVP_sha256(), secret, (int) SECRET_LEN, (unsigned char *) text,
             strlen(text), mac, &mac_len);
        strcat(text, ".");
        append_part(text, mac, mac_len);

        ck_assert_msg(verify(text, strlen(text), &claims)
                      == padded[i].result, "\"%s\"", padded[i].signed_text);

        strcat(text, "=");
        ck_assert_msg(verify(text, strlen(text), &claims)
                      != MINT_TOKEN_BAD_CLAIMS, "signature with padding");
    }
}
END_TEST


START_TEST(test_size_limit)
{
    char                       text[16384], payload[8192];
    size_t                     len, pad;
    struct mint_token_claims   claims;

    /* the longest text that is accepted, and one longer */

    for (pad = 2500, len = 0; len <= MINT_TOKEN_TEXT_MAX; pad++) {
        snprintf(payload, sizeof(payload), "{%s,\"x\":\"%0*d\"}", CLAIMS,
                 (int) pad, 0);
        len = make(text, HEADER, payload);

        ck_assert_int_eq(verify(text, len, &claims),
                         len <= MINT_TOKEN_TEXT_MAX ? MINT_TOKEN_OK
                                                    : MINT_TOKEN_MALFORMED);
    }

    /* too long to be read is still meant as one: it must be refused, too */
    ck_assert_int_eq(mint_token_looks_like(text, len), 1);
}
END_TEST


START_TEST(test_keys)
{
    char                       text[16384];
    uint8_t                    long_secret[100];
    size_t                     len;
    struct mint_token_key     *key;
    struct mint_token_claims   claims;

    len = make(text, HEADER, PAYLOAD);

    ck_assert_int_eq(mint_token_verify(NULL, 0, text, len, NOW, 0, &claims),
                     MINT_TOKEN_UNKNOWN_KEY);
    ck_assert_int_eq(mint_token_verify(keys, 1, text, len, NOW, 0, &claims),
                     MINT_TOKEN_UNKNOWN_KEY);

    len = make(text, "{\"alg\":\"HS256\"}", PAYLOAD);
    ck_assert_int_eq(mint_token_verify(keys, 1, text, len, NOW, 0, &claims),
                     MINT_TOKEN_BAD_SIGNATURE);

    ck_assert_ptr_null(mint_token_key_new("k", 1, secret, 0));
    ck_assert_ptr_null(mint_token_key_new(text, 128, secret, SECRET_LEN));

    /* longer than SHA-256's block: hashed first, as HMAC says */

    memset(long_secret, 'L', sizeof(long_secret));
    key = mint_token_key_new("", 0, long_secret, sizeof(long_secret));
    ck_assert_ptr_nonnull(key);
    mint_token_key_free(&key);
}
END_TEST


START_TEST(test_issue)
{
    int                        len;
    char                       text[MINT_TOKEN_TEXT_MAX + 1];
    char                       first[MINT_TOKEN_TEXT_MAX + 1];
    struct mint_token_claims   in = { 0 }, out;

    in.user_id = 9223372036854775807u;
    in.issued_unix = NOW;
    in.expires_unix = NOW + 60;
    in.session_version = 4294967295u;
    in.username_len = (uint16_t) snprintf(in.username, sizeof(in.username),
                                          "%s", "J\xc3\xb6rg \"\\ O'Neil");
    in.jti_len = (uint16_t) snprintf(in.jti, sizeof(in.jti), "abc-123");

    len = mint_token_issue(keys[1], &in, "member", first, sizeof(first));
    ck_assert_int_gt(len, 0);
    ck_assert_uint_eq(strlen(first), (size_t) len);
    ck_assert_int_eq(verify(first, (size_t) len, &out), MINT_TOKEN_OK);
    ck_assert_mem_eq(&in, &out, sizeof(in));

    /* exactly enough room, one byte less, none */

    ck_assert_int_eq(mint_token_issue(keys[1], &in, "member", text,
                                      (size_t) len + 1), len);
    ck_assert_str_eq(text, first);
    ck_assert_int_eq(mint_token_issue(keys[1], &in, "member", text,
                                      (size_t) len), -1);
    ck_assert_int_eq(mint_token_issue(keys[1], &in, "member", text, 1), -1);
    ck_assert_int_eq(mint_token_issue(keys[1], &in, "member", text, 0), -1);

    /* without a role; the longest name */

    memset(in.username, '"', MINT_TOKEN_USERNAME_MAX);
    in.username_len = MINT_TOKEN_USERNAME_MAX;
    len = mint_token_issue(keys[1], &in, NULL, text, sizeof(text));
    ck_assert_int_gt(len, 0);
    ck_assert_int_eq(verify(text, (size_t) len, &out), MINT_TOKEN_OK);
    ck_assert_mem_eq(&in, &out, sizeof(in));
}
END_TEST


START_TEST(test_issue_refuses)
{
    char                       text[MINT_TOKEN_TEXT_MAX + 1];
    struct mint_token_claims   good = { 0 }, in;

    good.user_id = 1;
    good.expires_unix = NOW;
    good.username_len = 1;
    good.username[0] = 'a';
    good.jti_len = 1;
    good.jti[0] = 'j';

#define REFUSED(change)                                                       \
    in = good;                                                                \
    change;                                                                   \
    ck_assert_int_eq(mint_token_issue(keys[1], &in, "r", text,                \
                                      sizeof(text)), -1)

    ck_assert_int_gt(mint_token_issue(keys[1], &good, "r", text,
                                      sizeof(text)), 0);
    REFUSED(in.user_id = 0);
    REFUSED(in.user_id = 1ULL << 63);
    REFUSED(in.expires_unix = 1ULL << 53);
    REFUSED(in.issued_unix = 1ULL << 53);
    REFUSED(in.username_len = 0);
    REFUSED(in.username_len = MINT_TOKEN_USERNAME_MAX + 1);
    REFUSED(in.username[0] = '\n');
    REFUSED(in.username[0] = (char) 0xff);
    REFUSED(in.username[0] = '\0');
    REFUSED(in.jti_len = 0);
    REFUSED(in.jti_len = MINT_TOKEN_JTI_MAX + 1);
    REFUSED(in.jti[0] = 0x7f);

#undef REFUSED

    ck_assert_int_eq(mint_token_issue(keys[1], &good, "a\tb", text,
                                      sizeof(text)), -1);
}
END_TEST


START_TEST(test_result_texts)
{
    int  i, k;

    for (i = 0; i < MINT_TOKEN_RESULT_COUNT; i++) {
        for (k = 0; k < i; k++) {
            ck_assert_str_ne(mint_token_result_text(i),
                             mint_token_result_text(k));
        }
    }

    ck_assert_str_eq(mint_token_result_text(MINT_TOKEN_BAD_SIGNATURE),
                     "signature does not match");
    ck_assert_str_eq(mint_token_result_text(MINT_TOKEN_RESULT_COUNT),
                     "unknown");
    ck_assert_str_eq(mint_token_result_text(-1), "unknown");
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("token");
    tcase = tcase_create("token");
    tcase_add_checked_fixture(tcase, make_keys, free_keys);
    tcase_set_timeout(tcase, 60);

    tcase_add_loop_test(tcase, test_case, 0,
                        sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tcase, test_claims_are_read);
    tcase_add_test(tcase, test_every_changed_bit_is_seen);
    tcase_add_test(tcase, test_shape);
    tcase_add_test(tcase, test_padding);
    tcase_add_test(tcase, test_size_limit);
    tcase_add_test(tcase, test_keys);
    tcase_add_test(tcase, test_issue);
    tcase_add_test(tcase, test_issue_refuses);
    tcase_add_test(tcase, test_result_texts);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
