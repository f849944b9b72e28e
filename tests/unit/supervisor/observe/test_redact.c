/* SPDX-License-Identifier: MIT */
/*
 * What is left out of texts, and what is not.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/observe/redact.h"


#define R  REDACTED


static const struct {
    const char  *text;
    const char  *expected;      /* NULL: as it is */
}  texts[] = {
    /* by name */
    { "password=abc", "password=" R },
    { "password = 'a b'", "password = '" R "'" },
    { "{\"password\": \"a\\\"b\", \"x\": 1}",
      "{\"password\": \"" R "\", \"x\": 1}" },
    { "{'dbPassword': 'abc'}", "{'dbPassword': '" R "'}" },
    { "DB_PASSWORD: abc, next", "DB_PASSWORD: " R ", next" },
    { "api-key=abc&x=1", "api-key=" R "&x=1" },
    { "GET /a?access_token=abc&b=2 HTTP/1.1",
      "GET /a?access_token=" R "&b=2 HTTP/1.1" },
    { "X-Api-Key: abc", "X-Api-Key: " R },
    { "x-mint-internal-token: abc", "x-mint-internal-token: " R },
    { "--password abc next", "--password " R " next" },
    { "--api-token=abc", "--api-token=" R },
    { "Client(secret_key='abc', n=1)", "Client(secret_key='" R "', n=1)" },
    { "Client(secret=b'abc')", "Client(secret=b'" R "')" },
    { "\\\"token\\\": \\\"abc\\\"", "\\\"token\\\": \\\"" R "\\\"" },
    { "config['SECRET'] = 'abc'", "config['SECRET'] = '" R "'" },
    { "MINT_PLUGIN_X__API_KEY=abc", "MINT_PLUGIN_X__API_KEY=" R },
    { "auth.jwtSecretKey: abc", "auth.jwtSecretKey: " R },
    { "client_secret => abc", "client_secret => " R },
    { "pwd=abc pass: def", "pwd=" R " pass: " R },

    /* whole header lines */
    { "Authorization: Basic dXNlcg== and more", "Authorization: " R },
    { "authorization: Bearer abc", "authorization: " R },
    { "Cookie: a=1; b=2", "Cookie: " R },
    { "{\"authorization\": \"Bearer abc\"}",
      "{\"authorization\": \"" R "\"}" },
    { "set-cookie: a=1; Path=/\nnext", "set-cookie: " R "\nnext" },

    /* by shape */
    { "sent Bearer abcdefghij to it", "sent Bearer " R " to it" },
    { "BASIC dXNlcjpwYXNz", "BASIC " R },
    { "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", R },
    { "t=eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "t=" R },
    { "mint_pat_0123456789abcdef is it", R " is it" },
    { "ghp_0123456789012345678901234567890123456789", R },
    { "AKIAABCDEFGHIJKLMNOP", R },
    { "postgresql://u:p@db/x", "postgresql://u:" R "@db/x" },
    { "https://tok@host/", "https://" R "@host/" },
    { "https://u:p@ss@host/a@b", "https://u:" R "@host/a@b" },
    { "-----BEGIN RSA PRIVATE KEY-----\nAAA\n-----END RSA PRIVATE KEY-----x",
      R "x" },
    { "-----BEGIN PRIVATE KEY-----\\nAAA\\n-----END PRIVATE KEY-----", R },

    /* what is known */
    { "it is known-secret-1, really", "it is " R ", really" },
    { "xknown-secret-1x", "x" R "x" },
    { "known-secret-1-and-longer", R },
    { "xknown-secret-1_token=abc", "x" R "_token=" R },
    { "token=known-secret-1 x", "token=" R " x" },

    /* what is harmless */
    { "password", NULL },
    { "password: ", NULL },
    { "password=null", NULL },
    { "\"password\": \"\"", NULL },
    { "password_reset_required=true", NULL },
    { "the token was refused", NULL },
    { "max_tokens=100", NULL },
    { "tokenizer: bpe", NULL },
    { "auth.tokenExpireMinutes=15", NULL },
    { "token=true", NULL },
    { "https://host/path@x", NULL },
    { "a basic test", NULL },
    { "bearer of news", NULL },
    { "-----BEGIN CERTIFICATE-----", NULL },
    { "eyJ.a.b", NULL },
    { "mint_pat_", NULL },
    { "sk-short", NULL },
    { "compass: north", NULL },
    { "", NULL },
    { "caf\xc3\xa9 \xff", NULL },
};


static struct redactor *
redactor_of_tests(void)
{
    struct redactor  *redactor;

    redactor = redactor_new();
    redactor_add(redactor, "known-secret-1");
    redactor_add(redactor, "known-secret-1-and-longer");
    redactor_add(redactor, "no");           /* too short to be looked for */
    redactor_add(redactor, NULL);

    return redactor;
}


START_TEST(texts_are_redacted)
{
    size_t            i;
    const char       *expected;
    struct strbuf     out;
    struct redactor  *redactor;

    memset(&out, 0, sizeof(out));
    redactor = redactor_of_tests();

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        expected = texts[i].expected != NULL ? texts[i].expected
                                             : texts[i].text;
        strbuf_clear(&out);
        redactor_text(redactor, texts[i].text, &out);
        ck_assert_str_eq(strbuf_text(&out), expected);

        /* once more changes nothing */

        strbuf_clear(&out);
        redactor_text(redactor, expected, &out);
        ck_assert_str_eq(strbuf_text(&out), expected);
    }

    strbuf_free(&out);
    redactor_free(&redactor);
    ck_assert_ptr_null(redactor);
}
END_TEST


START_TEST(a_key_goes_on_in_the_next_line)
{
    struct strbuf     out;
    struct redactor  *redactor;

    memset(&out, 0, sizeof(out));
    redactor = redactor_of_tests();
    redactor_text(redactor, "a -----BEGIN EC PRIVATE KEY-----", &out);
    redactor_text(redactor, "QUJD", &out);
    redactor_text(redactor, "-----END EC PRIVATE KEY----- b", &out);
    ck_assert_str_eq(out.data, "a " R R R " b");

    strbuf_clear(&out);
    redactor_text(redactor, "-----BEGIN PRIVATE KEY-----", &out);
    redactor_begin(redactor);
    redactor_text(redactor, "harmless", &out);
    ck_assert_str_eq(out.data, R "harmless");

    strbuf_free(&out);
    redactor_free(&redactor);
}
END_TEST


START_TEST(json_is_redacted_below_secret_names)
{
    char             *text;
    json_t           *from, *to;
    struct redactor  *redactor;

    redactor = redactor_of_tests();
    from = json_loads("{\"a\": \"known-secret-1\", \"password\": \"x\","
                      " \"secrets\": {\"b\": [\"y\", 1, \"\"]}, \"n\": 2,"
                      " \"list\": [\"token=z\"], \"tokenExpireMinutes\": 15}",
                      0, NULL);
    to = redactor_json(redactor, from);
    text = json_dumps(to, JSON_COMPACT | JSON_SORT_KEYS);
    ck_assert_str_eq(text, "{\"a\":\"" R "\",\"list\":[\"token=" R "\"],"
                     "\"n\":2,\"password\":\"" R "\",\"secrets\":{\"b\":[\""
                     R "\",1,\"\"]},\"tokenExpireMinutes\":15}");
    free(text);
    json_decref(from);
    json_decref(to);

    from = json_loads("{\"apiKey\": \"learnt-here\", \"x\": \"plain-text\"}",
                      0, NULL);
    redactor_add_json(redactor, from);
    json_decref(from);
    from = json_pack("[s, s]", "it is learnt-here", "and plain-text");
    to = redactor_json(redactor, from);
    ck_assert_str_eq(json_string_value(json_array_get(to, 0)), "it is " R);
    ck_assert_str_eq(json_string_value(json_array_get(to, 1)),
                     "and plain-text");
    json_decref(from);
    json_decref(to);
    redactor_free(&redactor);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tc;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("redact");
    tc = tcase_create("redact");
    tcase_add_test(tc, texts_are_redacted);
    tcase_add_test(tc, a_key_goes_on_in_the_next_line);
    tcase_add_test(tc, json_is_redacted_below_secret_names);
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
