/* SPDX-License-Identifier: MIT */
/*
 * Session tokens against the vectors of the Wycheproof project.
 */

#include "contract/mint_token.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <jansson.h>


/* needs a decoder, but no strict one: vectors have bad headers on purpose */

static int
read_kid(const char *jws, char *kid, size_t size)
{
    int          len;
    char         header[1024];
    json_t      *root;
    const char  *dot;

    dot = strchr(jws, '.');
    len = dot == NULL ? -1
          : mint_base64url_decode((uint8_t *) header, sizeof(header), jws,
                                  (size_t) (dot - jws));
    root = len < 0 ? NULL : json_loadb(header, (size_t) len, 0, NULL);

    kid[0] = '\0';

    if (json_is_string(json_object_get(root, "kid"))) {
        snprintf(kid, size, "%s",
                 json_string_value(json_object_get(root, "kid")));
    }

    json_decref(root);

    return kid[0] != '\0';
}


/*
 * 372 and 373 are valid for decoders that skip stray letters.  367 and 370
 * are about padding, but have lost it: their text is that of the valid 357
 * (padding is in test_token.c).
 */

static const struct {
    int  id;
    int  is_accepted;
} odd[] = {
    { 372, 0 }, { 373, 0 }, { 367, 1 }, { 370, 1 }
};


/* the payloads are not claims: a good signature shows as bad claims */

static void
check_vector(const json_t *vector)
{
    int                        id, len, is_accepted, is_expected;
    char                       kid[128];
    size_t                     i;
    uint8_t                    key_bytes[256];
    const char                *jws, *key_text;
    struct mint_token_key     *key;
    enum mint_token_result     result;
    struct mint_token_claims   claims;

    id = (int) json_integer_value(json_object_get(vector, "id"));
    jws = json_string_value(json_object_get(vector, "jws"));
    key_text = json_string_value(json_object_get(vector, "key"));

    is_expected = strcmp(json_string_value(json_object_get(vector, "result")),
                         "valid") == 0;

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        if (odd[i].id == id) {
            is_expected = odd[i].is_accepted;
        }
    }

    len = mint_base64url_decode(key_bytes, sizeof(key_bytes), key_text,
                                strlen(key_text));
    ck_assert_int_gt(len, 0);

    if (!read_kid(jws, kid, sizeof(kid))) {
        strcpy(kid, "any");
    }

    key = mint_token_key_new(kid, strlen(kid), key_bytes, (size_t) len);
    ck_assert_ptr_nonnull(key);

    result = mint_token_verify(&key, 1, jws, strlen(jws), 1700000000, 0,
                               &claims);
    is_accepted = result == MINT_TOKEN_BAD_CLAIMS || result == MINT_TOKEN_OK
                  || result == MINT_TOKEN_EXPIRED
                  || result == MINT_TOKEN_NOT_YET_VALID;

    ck_assert_msg(is_accepted == is_expected, "case %d (%s): %s", id,
                  json_string_value(json_object_get(vector, "comment")),
                  mint_token_result_text(result));

    mint_token_key_free(&key);
}


START_TEST(test_wycheproof)
{
    char          path[PATH_MAX];
    size_t        i;
    json_t       *root, *tests;
    const char   *directory;
    json_error_t  why;

    directory = getenv("MINT_VECTORS");

    snprintf(path, sizeof(path), "%s/wycheproof_jws_hmac.json",
             directory != NULL ? directory : "tests/vectors");
    root = json_load_file(path, 0, &why);
    ck_assert_msg(root != NULL, "%s: %s (run from the root of the sources, "
                  "or set MINT_VECTORS)", path, why.text);

    tests = json_object_get(root, "tests");
    ck_assert_uint_ge(json_array_size(tests), 40);

    for (i = 0; i < json_array_size(tests); i++) {
        check_vector(json_array_get(tests, i));
    }

    json_decref(root);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("token_vectors");
    tcase = tcase_create("token_vectors");
    tcase_add_test(tcase, test_wycheproof);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
