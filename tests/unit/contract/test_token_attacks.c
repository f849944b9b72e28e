/* SPDX-License-Identifier: MIT */
/*
 * The session tokens of tests/attacks/tokens.json against mint_token.c alone.
 * The columns are explained in tests/attacks/README.md; the integration tests
 * make the same tokens from them and send them through nginx.
 */

#include "contract/mint_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>


#define TEXT_MAX  16384
#define NOW       1796000000LL
#define TABLE     "tests/attacks/tokens.json"


struct text {
    size_t  len;
    char    bytes[TEXT_MAX];
};


static json_t  *table;


static void
append(struct text *to, const char *bytes, size_t len)
{
    ck_assert_uint_lt(to->len + len, TEXT_MAX);
    memcpy(to->bytes + to->len, bytes, len);
    to->len += len;
    to->bytes[to->len] = '\0';
}


/* a JSON string as bytes, one for each character */

static void
latin1(struct text *to, const char *utf8, size_t len)
{
    char    c;
    size_t  i;

    to->len = 0;
    to->bytes[0] = '\0';

    for (i = 0; i < len; i++) {
        c = utf8[i];

        if ((uint8_t) c >= 0x80) {
            ck_assert_uint_le((uint8_t) c, 0xc3);
            c = (char) ((uint8_t) c << 6 | ((uint8_t) utf8[++i] & 0x3f));
        }

        append(to, &c, 1);
    }
}


/* "@now-5" with its quotes becomes a number, @{x*9} nine of x */

static void
expand(struct text *to, const struct text *from)
{
    long         n;
    char        *end, number[32];
    const char  *p, *last;

    to->len = 0;
    to->bytes[0] = '\0';
    last = from->bytes + from->len;

    for (p = from->bytes; p < last; /* void */ ) {
        if (strncmp(p, "\"@now", 5) == 0) {
            n = p[5] == '"' ? 0 : strtol(p + 5, &end, 10);
            p = p[5] == '"' ? p + 6 : end + 1;
            snprintf(number, sizeof(number), "%lld", NOW + n);
            append(to, number, strlen(number));

        } else if (last - p > 5 && p[0] == '@' && p[1] == '{' && p[3] == '*') {
            n = strtol(p + 4, &end, 10);

            while (n-- > 0) {
                append(to, p + 2, 1);
            }

            p = end + 1;

        } else {
            append(to, p++, 1);
        }
    }
}


/* header or claims: raw text, or changes to what is usual */

static void
make_json(struct text *to, const json_t *row, const char *name,
    const char *without)
{
    char               *dumped;
    size_t              i;
    json_t             *object;
    const json_t       *value;
    static struct text  raw;

    value = json_object_get(row, name);

    if (json_is_string(value)) {
        latin1(&raw, json_string_value(value), json_string_length(value));
        expand(to, &raw);
        return;
    }

    object = json_deep_copy(json_object_get(table, name));

    if (value != NULL) {
        ck_assert_int_eq(json_object_update(object, (json_t *) value), 0);
    }

    for (i = 0; i < json_array_size(json_object_get(row, without)); i++) {
        value = json_array_get(json_object_get(row, without), i);
        ck_assert_int_eq(json_object_del(object, json_string_value(value)), 0);
    }

    dumped = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    ck_assert_ptr_nonnull(dumped);
    latin1(&raw, dumped, strlen(dumped));
    expand(to, &raw);
    free(dumped);
    json_decref(object);
}


/* how: "" as usual, = padded, + the standard alphabet, ! with stray bits,
   :n the first n letters */

static void
append_piece(struct text *to, const struct text *data, const char *how)
{
    int                 n;
    char               *p;
    static struct text  piece;

    n = mint_base64url_encode(piece.bytes, TEXT_MAX,
                              (const uint8_t *) data->bytes, data->len);
    ck_assert_int_ge(n, 0);
    piece.len = (size_t) n;

    switch (*how) {

    case '=':
        while (piece.len % 4 != 0) {
            append(&piece, "=", 1);
        }
        break;

    case '+':
        for (p = piece.bytes; *p != '\0'; p++) {
            *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
        }
        break;

    case '!':
        ck_assert_uint_ge(piece.len % 4, 2);
        piece.bytes[piece.len - 1]++;
        break;

    case ':':
        piece.len = strtoul(how + 1, NULL, 10);
        break;
    }

    append(to, piece.bytes, piece.len);
}


/* {h}, {p} and {s}, each with its "how" */

static void
fill(struct text *to, const struct text *form, const struct text *header,
    const struct text *payload, const struct text *signature)
{
    const char         *p;
    const struct text  *data;

    to->len = 0;

    for (p = form->bytes; p < form->bytes + form->len; p++) {
        data = p[0] != '{' ? NULL
               : p[1] == 'h' ? header
               : p[1] == 'p' ? payload
               : p[1] == 's' ? signature : NULL;

        if (data == NULL) {
            append(to, p, 1);
            continue;
        }

        append_piece(to, data, p + 2);
        p = strchr(p, '}');
    }
}


/* name of a secret, and of a digest if it is not SHA-256 */

static void
make_mac(struct text *mac, const char *sign, const struct text *signed_text)
{
    char                name[32];
    size_t              len;
    unsigned            mac_len;
    const char         *digest;
    const json_t       *secret;
    static struct text  raw, key;

    mac->len = 0;

    if (strcmp(sign, "none") == 0) {
        return;
    }

    len = strcspn(sign, "/");
    digest = sign[len] == '/' ? sign + len + 1 : "SHA256";
    snprintf(name, sizeof(name), "%.*s", (int) len, sign);

    secret = json_object_get(json_object_get(table, "secrets"), name);
    ck_assert_msg(secret != NULL, "no secret \"%s\"", name);
    latin1(&raw, json_string_value(secret), json_string_length(secret));
    expand(&key, &raw);

    ck_assert_ptr_nonnull(EVP_get_digestbyname(digest));
    ck_assert_ptr_nonnull(HMAC(EVP_get_digestbyname(digest), key.bytes,
                               (int) key.len,
                               (const uint8_t *) signed_text->bytes,
                               signed_text->len, (uint8_t *) mac->bytes,
                               &mac_len));
    mac->len = mac_len;
}


static void
make_token(struct text *token, const json_t *row)
{
    size_t               len;
    const char          *sign;
    const json_t        *value;
    static struct text   raw, form, over, header, payload, signed_text, mac;

    make_json(&header, row, "header", "without_header");
    make_json(&payload, row, "claims", "without");

    value = json_object_get(row, "form");

    if (value != NULL) {
        latin1(&raw, json_string_value(value), json_string_length(value));

    } else {
        latin1(&raw, "{h}.{p}.{s}", 11);
    }

    expand(&form, &raw);

    /* what stands before the signature, unless the row says otherwise */

    value = json_object_get(row, "over");

    if (value != NULL) {
        latin1(&over, json_string_value(value), json_string_length(value));

    } else {
        over = form;
        len = strstr(form.bytes, "{s") != NULL
              ? (size_t) (strstr(form.bytes, "{s") - form.bytes) : form.len;

        while (len > 0 && over.bytes[len - 1] == '.') {
            len--;
        }

        over.len = len;
    }

    fill(&signed_text, &over, &header, &payload, NULL);

    sign = json_string_value(json_object_get(row, "sign"));
    make_mac(&mac, sign != NULL ? sign : "k1", &signed_text);
    fill(token, &form, &header, &payload, &mac);
}


static struct mint_token_key *
make_key(const char *kid)
{
    const char  *secret;

    secret = json_string_value(json_object_get(json_object_get(table,
                                                               "secrets"),
                                               kid));

    return mint_token_key_new(kid, strlen(kid), (const uint8_t *) secret,
                              strlen(secret));
}


static const json_t *
case_at(int i)
{
    return json_array_get(json_object_get(table, "cases"), (size_t) i);
}


START_TEST(test_case)
{
    int                        is_anonymous;
    const char                *name, *reason, *bearer;
    const json_t              *row;
    static struct text         token;
    struct mint_token_key     *keys[2];
    enum mint_token_result     result;
    struct mint_token_claims   claims;

    row = case_at(_i);
    name = json_string_value(json_object_get(row, "name"));
    reason = json_string_value(json_object_get(row, "reason"));
    bearer = json_string_value(json_object_get(row, "bearer"));
    is_anonymous = bearer != NULL && strcmp(bearer, "anonymous") == 0;

    keys[0] = make_key("k1");
    keys[1] = make_key("k0");
    make_token(&token, row);

    result = mint_token_verify(keys, 2, token.bytes, token.len, NOW,
                               MINT_TOKEN_LEEWAY_SEC, &claims);

    ck_assert_msg(strcmp(mint_token_result_text(result), reason) == 0,
                  "%s: \"%s\" instead of \"%s\" for %s", name,
                  mint_token_result_text(result), reason, token.bytes);
    ck_assert_msg(result == MINT_TOKEN_OK || result == MINT_TOKEN_EXPIRED
                  || claims.user_id == 0, "%s: claims are left", name);
    ck_assert_msg(mint_token_looks_like(token.bytes, token.len)
                  == !is_anonymous, "%s: shape", name);

    mint_token_key_free(&keys[0]);
    mint_token_key_free(&keys[1]);
}
END_TEST


int
main(void)
{
    int           failed, count;
    TCase        *tcase;
    Suite        *suite;
    SRunner      *runner;
    json_error_t  why;

    table = json_load_file(TABLE, JSON_ALLOW_NUL, &why);

    if (table == NULL) {
        fprintf(stderr, "%s:%d: %s (run from the root of the sources)\n",
                TABLE, why.line, why.text);
        return EXIT_FAILURE;
    }

    count = (int) json_array_size(json_object_get(table, "cases"));

    suite = suite_create("token attacks");
    tcase = tcase_create("cases");
    tcase_add_loop_test(tcase, test_case, 0, count);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    json_decref(table);

    return failed == 0 && count >= 120 ? EXIT_SUCCESS : EXIT_FAILURE;
}
