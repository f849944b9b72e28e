/* SPDX-License-Identifier: MIT */
/*
 * Session tokens: HMAC-SHA-256 (mint_token_key.c) over base64url
 * (mint_base64url.c) of JSON (mint_json.c).  Linked into nginx workers as well
 * as into mint-platform: needs libcrypto only, keeps no global state,
 * allocates nothing per token.
 * Who a user is now (active, role, session version, denied token ids) is the
 * caller's business.
 */

#include "mint_token.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "mint_json.h"
#include "mint_token_key.h"


#define MINT_TOKEN_PART_MAX     (MINT_TOKEN_TEXT_MAX / 4 * 3)
#define MINT_TOKEN_ROLE_MAX     128


/* what a token's header says */

struct mint_token_header {
    const char  *kid;
    size_t       kid_len;
    int          has_kid;
    char         text[MINT_TOKEN_KID_MAX];
};


enum {
    MINT_TOKEN_SUB = 0,
    MINT_TOKEN_USERNAME,
    MINT_TOKEN_ROLE,                /* not looked at */
    MINT_TOKEN_IAT,
    MINT_TOKEN_EXP,
    MINT_TOKEN_JTI,
    MINT_TOKEN_SV,
    MINT_TOKEN_NBF,
    MINT_TOKEN_COUNT
};


/* the three parts of a token, still encoded; signed = header "." payload */

struct mint_token_parts {
    const char  *header;
    size_t       header_len;
    const char  *payload;
    size_t       payload_len;
    const char  *signature;
    size_t       signature_len;
    size_t       signed_len;
};


static int mint_token_split(struct mint_token_parts *parts, const char *text,
    size_t len);
static int mint_token_known_header(struct mint_token_key *const *keys,
    size_t count, const struct mint_token_parts *parts,
    struct mint_token_header *header);
static enum mint_token_result mint_token_read_header(
    const struct mint_token_parts *parts, struct mint_token_header *header);
static enum mint_token_result mint_token_check_signature(
    struct mint_token_key *const *keys, size_t count,
    const struct mint_token_parts *parts,
    const struct mint_token_header *header);
static enum mint_token_result mint_token_read_claims(
    const struct mint_token_parts *parts, struct mint_token_claims *out);
static int mint_token_number(const char *text, size_t len, uint64_t *number);
static int mint_token_claims_json(char *json, size_t size,
    const struct mint_token_claims *claims, const char *role);


static const char *const  mint_token_texts[MINT_TOKEN_RESULT_COUNT] = {
    "valid",
    "not a token of three base64url parts",
    "header is not acceptable",
    "algorithm is not HS256",
    "key id is unknown",
    "signature does not match",
    "claims are not acceptable",
    "expired",
    "not yet valid"
};


enum mint_token_result
mint_token_verify(struct mint_token_key *const *keys, size_t count,
    const char *text, size_t len, uint64_t now_unix, uint32_t leeway_sec,
    struct mint_token_claims *out)
{
    enum mint_token_result    result;
    struct mint_token_parts   parts;
    struct mint_token_header  header;

    memset(out, 0, sizeof(*out));

    if (len > MINT_TOKEN_TEXT_MAX
        || mint_token_split(&parts, text, len) != 0)
    {
        return MINT_TOKEN_MALFORMED;
    }

    result = mint_token_known_header(keys, count, &parts, &header)
             ? MINT_TOKEN_OK : mint_token_read_header(&parts, &header);

    if (result == MINT_TOKEN_OK) {
        result = mint_token_check_signature(keys, count, &parts, &header);
    }

    if (result == MINT_TOKEN_OK) {
        result = mint_token_read_claims(&parts, out);
    }

    if (result == MINT_TOKEN_OK) {
        result = mint_token_judge_times(out->issued_unix, out->not_before_unix,
                                        out->expires_unix, now_unix,
                                        leeway_sec);
    }

    if (result != MINT_TOKEN_OK && result != MINT_TOKEN_EXPIRED) {
        memset(out, 0, sizeof(*out));
    }

    return result;
}


enum mint_token_result
mint_token_judge_times(uint64_t issued_unix, uint64_t not_before_unix,
    uint64_t expires_unix, uint64_t now_unix, uint32_t leeway_sec)
{
    if (issued_unix > now_unix + leeway_sec
        || not_before_unix > now_unix + leeway_sec)
    {
        return MINT_TOKEN_NOT_YET_VALID;
    }

    return now_unix >= expires_unix + leeway_sec ? MINT_TOKEN_EXPIRED
                                                 : MINT_TOKEN_OK;
}


const char *
mint_token_result_text(enum mint_token_result result)
{
    if ((unsigned) result >= MINT_TOKEN_RESULT_COUNT) {
        return "unknown";
    }

    return mint_token_texts[result];
}


int
mint_token_looks_like(const char *text, size_t len)
{
    size_t                   i;
    struct mint_token_parts  parts;

    if (mint_token_split(&parts, text, len) != 0) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        if (text[i] != '.' && !mint_base64url_is_letter(text[i])) {
            return 0;
        }
    }

    return 1;
}


/* an empty signature is let through to be refused by name: "alg":"none" */

static int
mint_token_split(struct mint_token_parts *parts, const char *text, size_t len)
{
    const char  *first, *second, *end;

    if (len == 0) {
        return -1;
    }

    end = text + len;
    first = memchr(text, '.', len);

    if (first == NULL || first == text) {
        return -1;
    }

    second = memchr(first + 1, '.', (size_t) (end - first - 1));

    if (second == NULL || second == first + 1
        || memchr(second + 1, '.', (size_t) (end - second - 1)) != NULL)
    {
        return -1;
    }

    parts->header = text;
    parts->header_len = (size_t) (first - text);
    parts->payload = first + 1;
    parts->payload_len = (size_t) (second - first - 1);
    parts->signature = second + 1;
    parts->signature_len = (size_t) (end - second - 1);
    parts->signed_len = (size_t) (second - text);

    return 0;
}


/* byte by byte what we write ourselves says what we have written */

static int
mint_token_known_header(struct mint_token_key *const *keys, size_t count,
    const struct mint_token_parts *parts, struct mint_token_header *header)
{
    size_t  i;

    for (i = 0; i < count; i++) {
        if (keys[i]->header_len == parts->header_len
            && memcmp(keys[i]->header, parts->header, parts->header_len) == 0)
        {
            header->kid = keys[i]->kid;
            header->kid_len = keys[i]->kid_len;
            header->has_kid = keys[i]->kid_len != 0;
            return 1;
        }
    }

    return 0;
}


static enum mint_token_result
mint_token_read_header(const struct mint_token_parts *parts,
    struct mint_token_header *header)
{
    int                       n;
    char                      alg[16], typ[16];
    uint8_t                   data[MINT_TOKEN_PART_MAX];
    struct mint_json_member   m[] = {
        MINT_JSON_TEXT("alg", alg, sizeof(alg)),
        MINT_JSON_TEXT("kid", header->text, sizeof(header->text)),
        MINT_JSON_TEXT("typ", typ, sizeof(typ)),
        MINT_JSON_OTHER("crit", MINT_JSON_ANY),
        MINT_JSON_OTHER("b64", MINT_JSON_ANY)
    };

    n = mint_base64url_decode(data, sizeof(data), parts->header,
                              parts->header_len);
    if (n < 0) {
        return MINT_TOKEN_MALFORMED;
    }

    if (mint_json_read(data, (size_t) n, m, sizeof(m) / sizeof(m[0])) != 0) {
        return MINT_TOKEN_BAD_HEADER;
    }

    if (!m[0].is_present || m[0].len != 5 || memcmp(alg, "HS256", 5) != 0) {
        return MINT_TOKEN_BAD_ALGORITHM;
    }

    if ((m[2].is_present && (m[2].len != 3 || memcmp(typ, "JWT", 3) != 0))
        || m[3].is_present || m[4].is_present)
    {
        return MINT_TOKEN_BAD_HEADER;
    }

    header->kid = header->text;
    header->kid_len = m[1].len;
    header->has_kid = m[1].is_present;

    return MINT_TOKEN_OK;
}


static enum mint_token_result
mint_token_check_signature(struct mint_token_key *const *keys, size_t count,
    const struct mint_token_parts *parts,
    const struct mint_token_header *header)
{
    int                      n;
    size_t                   i;
    uint8_t                  given[MINT_TOKEN_MAC_BYTES];
    uint8_t                  mac[MINT_TOKEN_MAC_BYTES];
    enum mint_token_result   result;

    n = mint_base64url_decode(given, sizeof(given), parts->signature,
                              parts->signature_len);

    /* of another length it is a wrong signature; of other letters no token */

    if (n != MINT_TOKEN_MAC_BYTES) {
        return n < 0 && parts->signature_len <= 43 ? MINT_TOKEN_MALFORMED
                                                   : MINT_TOKEN_BAD_SIGNATURE;
    }

    result = MINT_TOKEN_UNKNOWN_KEY;

    for (i = 0; i < count && result != MINT_TOKEN_OK; i++) {
        if (header->has_kid
            && (keys[i]->kid_len != header->kid_len
                || memcmp(keys[i]->kid, header->kid, header->kid_len) != 0))
        {
            continue;
        }

        result = MINT_TOKEN_BAD_SIGNATURE;

        if (mint_token_mac(keys[i], parts->header, parts->signed_len, mac) == 0
            && CRYPTO_memcmp(mac, given, sizeof(mac)) == 0)
        {
            result = MINT_TOKEN_OK;
        }
    }

    /* it would be a valid signature of a text someone else has chosen */
    OPENSSL_cleanse(mac, sizeof(mac));

    return result;
}


static enum mint_token_result
mint_token_read_claims(const struct mint_token_parts *parts,
    struct mint_token_claims *out)
{
    int                       n;
    char                      sub[24];
    size_t                    i;
    uint8_t                   data[MINT_TOKEN_PART_MAX];
    struct mint_json_member   m[] = {
        MINT_JSON_TEXT("sub", sub, sizeof(sub)),
        MINT_JSON_TEXT("username", out->username, sizeof(out->username)),
        MINT_JSON_OTHER("role", MINT_JSON_SKIPPED),
        MINT_JSON_OTHER("iat", MINT_JSON_INTEGER),
        MINT_JSON_OTHER("exp", MINT_JSON_INTEGER),
        MINT_JSON_TEXT("jti", out->jti, sizeof(out->jti)),
        MINT_JSON_OTHER("sv", MINT_JSON_INTEGER),
        MINT_JSON_OTHER("nbf", MINT_JSON_INTEGER)
    };

    n = mint_base64url_decode(data, sizeof(data), parts->payload,
                              parts->payload_len);
    if (n < 0) {
        return MINT_TOKEN_MALFORMED;
    }

    if (mint_json_read(data, (size_t) n, m, sizeof(m) / sizeof(m[0])) != 0) {
        return MINT_TOKEN_BAD_CLAIMS;
    }

    for (i = 0; i < MINT_TOKEN_COUNT; i++) {
        if ((!m[i].is_present && i != MINT_TOKEN_ROLE && i != MINT_TOKEN_NBF)
            || (m[i].type == MINT_JSON_STRING
                && (m[i].len == 0 || m[i].len >= m[i].size
                    || !m[i].is_plain)))
        {
            return MINT_TOKEN_BAD_CLAIMS;
        }
    }

    if (mint_token_number(sub, m[MINT_TOKEN_SUB].len, &out->user_id) != 0
        || m[MINT_TOKEN_SV].integer > UINT32_MAX)
    {
        return MINT_TOKEN_BAD_CLAIMS;
    }

    out->username_len = (uint16_t) m[MINT_TOKEN_USERNAME].len;
    out->jti_len = (uint16_t) m[MINT_TOKEN_JTI].len;
    out->issued_unix = m[MINT_TOKEN_IAT].integer;
    out->expires_unix = m[MINT_TOKEN_EXP].integer;
    out->session_version = (uint32_t) m[MINT_TOKEN_SV].integer;
    out->not_before_unix = m[MINT_TOKEN_NBF].integer;

    return MINT_TOKEN_OK;
}


/* canonical decimal, 1 .. INT64_MAX: user ids are SQL integers */

static int
mint_token_number(const char *text, size_t len, uint64_t *number)
{
    size_t    i;
    uint64_t  value, digit;

    if (len == 0 || text[0] == '0') {
        return -1;
    }

    for (value = 0, i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }

        digit = (uint64_t) (text[i] - '0');

        if (value > (INT64_MAX - digit) / 10) {
            return -1;
        }

        value = value * 10 + digit;
    }

    *number = value;

    return 0;
}


int
mint_token_issue(struct mint_token_key *key,
    const struct mint_token_claims *claims, const char *role, char *text,
    size_t text_size)
{
    int      header_len, payload_len, signature_len;
    char    *p;
    char     json[MINT_TOKEN_PART_MAX];
    uint8_t  mac[MINT_TOKEN_MAC_BYTES];

    if (text_size > MINT_TOKEN_TEXT_MAX + 1) {
        text_size = MINT_TOKEN_TEXT_MAX + 1;
    }

    if (key->header_len == 0 || key->header_len >= text_size) {
        return -1;
    }

    header_len = (int) key->header_len;
    memcpy(text, key->header, key->header_len);

    payload_len = mint_token_claims_json(json, sizeof(json), claims, role);
    if (payload_len < 0) {
        return -1;
    }

    /* a dot takes the place of the NUL */

    p = text + header_len;
    *p++ = '.';

    payload_len = mint_base64url_encode(p, text_size - (size_t) (p - text),
                                        (uint8_t *) json,
                                        (size_t) payload_len);
    if (payload_len < 0
        || mint_token_mac(key, text, (size_t) (header_len + 1 + payload_len),
                          mac) != 0)
    {
        return -1;
    }

    p += payload_len;
    *p++ = '.';

    signature_len = mint_base64url_encode(p, text_size - (size_t) (p - text),
                                          mac, sizeof(mac));
    if (signature_len < 0) {
        return -1;
    }

    return header_len + 1 + payload_len + 1 + signature_len;
}


static int
mint_token_claims_json(char *json, size_t size,
    const struct mint_token_claims *claims, const char *role)
{
    int   n;
    char  username[2 * MINT_TOKEN_USERNAME_MAX + 1];
    char  jti[2 * MINT_TOKEN_JTI_MAX + 1];
    char  slug[2 * MINT_TOKEN_ROLE_MAX + 1];

    if (claims->user_id == 0 || claims->user_id > INT64_MAX
        || claims->expires_unix > MINT_JSON_INTEGER_MAX
        || claims->issued_unix > MINT_JSON_INTEGER_MAX
        || claims->username_len == 0
        || claims->username_len > MINT_TOKEN_USERNAME_MAX
        || claims->jti_len == 0 || claims->jti_len > MINT_TOKEN_JTI_MAX
        || mint_json_quote(username, sizeof(username), claims->username,
                            claims->username_len) < 0
        || mint_json_quote(jti, sizeof(jti), claims->jti,
                            claims->jti_len) < 0
        || (role != NULL
            && mint_json_quote(slug, sizeof(slug), role, strlen(role)) < 0))
    {
        return -1;
    }

    n = snprintf(json, size,
                 "{\"sub\":\"%llu\",\"username\":\"%s\",%s%s%s\"iat\":%llu,"
                 "\"exp\":%llu,\"jti\":\"%s\",\"sv\":%lu}",
                 (unsigned long long) claims->user_id, username,
                 role == NULL ? "" : "\"role\":\"",
                 role == NULL ? "" : slug, role == NULL ? "" : "\",",
                 (unsigned long long) claims->issued_unix,
                 (unsigned long long) claims->expires_unix, jti,
                 (unsigned long) claims->session_version);

    return n < 0 || (size_t) n >= size ? -1 : n;
}
