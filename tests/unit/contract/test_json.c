/* SPDX-License-Identifier: MIT */
/*
 * The JSON reader of session tokens: RFC 8259's grammar from a table, with
 * jansson as a second opinion.
 */

#include "contract/mint_json.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <jansson.h>


static const struct {
    const char  *text;
    int          is_valid;
} grammar[] = {
    { "{}", 1 },
    { " { } ", 1 },
    { "{\"a\":1}", 1 },
    { "{\"a\":1,\"b\":2}", 1 },
    { "{\"\":0}", 1 },
    { "{\"a\":{},\"b\":[]}", 1 },
    { "{\"a\":[ 1 , 2 ]}", 1 },
    { "{\"a\":[[],[[]],{\"b\":[]}]}", 1 },
    { "{\"a\":[true,false,null]}", 1 },
    { "{\"a\":[0,-0,1,-1,10,0.5,-0.5,1e1,1E+1,1e-1,1.5e10]}", 1 },
    { "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"}", 1 },
    { "{\"a\":\"\\ud83d\\ude00\"}", 1 },
    { "{\"a\":\"\\uD83D\\uDE00\"}", 1 },
    { "{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}", 1 },
    { "{\"a\":\"\x7f\"}", 1 },
    { "\t\r\n {\t\r\n \"a\"\t\r\n :\t\r\n 1\t\r\n }\t\r\n ", 1 },

    { "", 0 },
    { " ", 0 },
    { "{", 0 },
    { "}", 0 },
    { "[]", 0 },
    { "1", 0 },
    { "null", 0 },
    { "\"a\"", 0 },
    { "{}x", 0 },
    { "{}{}", 0 },
    { "{},", 0 },
    { "{,}", 0 },
    { "{\"a\"}", 0 },
    { "{\"a\":}", 0 },
    { "{\"a\":1,}", 0 },
    { "{,\"a\":1}", 0 },
    { "{\"a\":1 \"b\":2}", 0 },
    { "{\"a\" 1}", 0 },
    { "{\"a\"::1}", 0 },
    { "{a:1}", 0 },
    { "{'a':1}", 0 },
    { "{1:1}", 0 },
    { "{\"a\":1", 0 },
    { "{\"a\":[1,]}", 0 },
    { "{\"a\":[,1]}", 0 },
    { "{\"a\":[1 2]}", 0 },
    { "{\"a\":[1}", 0 },
    { "{\"a\":[1}]", 0 },
    { "{\"a\":{\"b\":1]}", 0 },
    { "{\"a\":{\"b\"}}", 0 },
    { "{\"a\":tru}", 0 },
    { "{\"a\":True}", 0 },
    { "{\"a\":truee}", 0 },
    { "{\"a\":nul", 0 },
    { "{\"a\":NaN}", 0 },
    { "{\"a\":Infinity}", 0 },
    { "{\"a\":-}", 0 },
    { "{\"a\":+1}", 0 },
    { "{\"a\":01}", 0 },
    { "{\"a\":-01}", 0 },
    { "{\"a\":.5}", 0 },
    { "{\"a\":1.}", 0 },
    { "{\"a\":1.e1}", 0 },
    { "{\"a\":1e}", 0 },
    { "{\"a\":1e+}", 0 },
    { "{\"a\":0x1}", 0 },
    { "{\"a\":1_0}", 0 },
    { "{\"a\":\"", 0 },
    { "{\"a\":\"\\", 0 },
    { "{\"a\":\"\\\"}", 0 },
    { "{\"a\":\"\\x41\"}", 0 },
    { "{\"a\":\"\\a\"}", 0 },
    { "{\"a\":\"\\u\"}", 0 },
    { "{\"a\":\"\\u004\"}", 0 },
    { "{\"a\":\"\\u004g\"}", 0 },
    { "{\"a\":\"\\U0041\"}", 0 },
    { "{\"a\":\"\\ud83d\"}", 0 },
    { "{\"a\":\"\\ud83dx\"}", 0 },
    { "{\"a\":\"\\ud83d\\n\"}", 0 },
    { "{\"a\":\"\\ud83d\\u0041\"}", 0 },
    { "{\"a\":\"\\ud83d\\ud83d\"}", 0 },
    { "{\"a\":\"\\ude00\"}", 0 },
    { "{\"a\":\"\n\"}", 0 },
    { "{\"a\":\"\x01\"}", 0 },
    { "{\"a\":\"\x80\"}", 0 },
    { "{\"a\":\"\xc0\xaf\"}", 0 },
    { "{\"a\":\"\xe0\x80\xaf\"}", 0 },
    { "{\"a\":\"\xed\xa0\x80\"}", 0 },
    { "{\"a\":\"\xf0\x80\x80\xaf\"}", 0 },
    { "{\"a\":\"\xf4\x90\x80\x80\"}", 0 },
    { "{\"a\":\"\xff\"}", 0 },
    { "{\"a\":\"\xc3\"}", 0 },
    { "{\"a\":\"\xc3", 0 },
    { "{\"a\":1}/* */", 0 },
    { "\v{}", 0 },
    { "\xef\xbb\xbf{}", 0 },
};


/* in memory of exactly its size, so that a sanitizer sees every overrun */

static int
read_object(const char *text, size_t len, struct mint_json_member *members,
    size_t count)
{
    int       rc;
    uint8_t  *exact;

    exact = malloc(len == 0 ? 1 : len);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, len);
    rc = mint_json_read(exact, len, members, count);
    free(exact);

    return rc;
}


START_TEST(test_grammar)
{
    size_t       len;
    json_t      *second;
    const char  *text;

    text = grammar[_i].text;
    len = strlen(text);

    ck_assert_msg(read_object(text, len, NULL, 0)
                  == (grammar[_i].is_valid ? 0 : -1), "%s", text);

    second = json_loadb(text, len, 0, NULL);
    ck_assert_msg(json_is_object(second) == grammar[_i].is_valid,
                  "jansson: %s", text);
    json_decref(second);
}
END_TEST


START_TEST(test_nul_bytes)
{
    struct mint_json_member  m = MINT_JSON_OTHER("a", MINT_JSON_INTEGER);

    ck_assert_int_eq(read_object("{}\0", 3, NULL, 0), -1);
    ck_assert_int_eq(read_object("{\"a\0\":1}", 8, NULL, 0), -1);
    ck_assert_int_eq(read_object("{\"a\":\"\\\0\"}", 10, NULL, 0), -1);
    ck_assert_int_eq(read_object("{\"a\":\"\\u0000\"}", 14, NULL, 0), 0);

    /* not the end of the name it is compared with */
    ck_assert_int_eq(read_object("{\"a\0\":1}", 8, &m, 1), -1);
    ck_assert_int_eq(read_object("{\"a\0\0\0\0\":1}", 11, &m, 1), -1);
    ck_assert_int_eq(read_object("{\"a\\u0000\":1}", 13, &m, 1), 0);
    ck_assert_int_eq(m.is_present, 0);
}
END_TEST


START_TEST(test_depth)
{
    int   depth, i;
    char  text[128];

    /* the object itself is the first level */

    for (depth = 1; depth <= 40; depth++) {
        strcpy(text, "{\"a\":");

        for (i = 1; i < depth; i++) {
            strcat(text, "[");
        }

        strcat(text, depth == 1 ? "0" : "");

        for (i = 1; i < depth; i++) {
            strcat(text, "]");
        }

        strcat(text, "}");

        ck_assert_msg(read_object(text, strlen(text), NULL, 0)
                      == (depth <= MINT_JSON_DEPTH_MAX ? 0 : -1),
                      "depth %d", depth);
    }
}
END_TEST


START_TEST(test_members)
{
    char                      text[4];
    const char               *json;
    struct mint_json_member   m[] = {
        MINT_JSON_TEXT("s", text, sizeof(text)),
        MINT_JSON_OTHER("n", MINT_JSON_INTEGER),
        MINT_JSON_OTHER("x", MINT_JSON_ANY),
    };

    json = "{\"s\":\"abc\",\"n\":9007199254740991,\"nn\":1,\"S\":2}";
    ck_assert_int_eq(read_object(json, strlen(json), m, 3), 0);
    ck_assert_str_eq(text, "abc");
    ck_assert_uint_eq(m[0].len, 3);
    ck_assert_uint_eq(m[1].integer, MINT_JSON_INTEGER_MAX);
    ck_assert_int_eq(m[2].is_present, 0);

    /* too long: the length says so, the buffer is not overrun */

    m[0].is_present = m[1].is_present = 0;
    json = "{\"s\":\"ab\xe2\x82\xac" "c\",\"x\":[]}";
    ck_assert_int_eq(read_object(json, strlen(json), m, 3), 0);
    ck_assert_uint_eq(m[0].len, 6);
    ck_assert_str_eq(text, "ab");
    ck_assert_int_eq(m[1].is_present, 0);
    ck_assert_int_eq(m[2].is_present, 1);

    m[0].is_present = m[1].is_present = m[2].is_present = 0;
    json = "{\"s\":\"\",\"n\":0}";
    ck_assert_int_eq(read_object(json, strlen(json), m, 3), 0);
    ck_assert_str_eq(text, "");
    ck_assert_uint_eq(m[0].len, 0);
    ck_assert_int_eq(m[0].is_present, 1);
}
END_TEST


START_TEST(test_members_refused)
{
    size_t                    i;
    char                      text[8];
    struct mint_json_member   m[3];
    static const char *const  refused[] = {
        "{\"s\":1}", "{\"s\":null}", "{\"s\":[]}", "{\"s\":\"a\",\"s\":\"a\"}",
        "{\"s\":\"a\",\"\\u0073\":\"a\"}", "{\"n\":\"1\"}", "{\"n\":-1}",
        "{\"n\":-0}", "{\"n\":1.0}", "{\"n\":1e0}", "{\"n\":true}",
        "{\"n\":9007199254740992}", "{\"n\":18446744073709551616}",
        "{\"n\":00}", "{\"n\":}", "{\"x\":1,\"x\":1}", "{\"x\":}",
    };

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        memset(m, 0, sizeof(m));
        m[0].name = "s";
        m[0].type = MINT_JSON_STRING;
        m[0].text = text;
        m[0].size = sizeof(text);
        m[1].name = "n";
        m[1].type = MINT_JSON_INTEGER;
        m[2].name = "x";
        m[2].type = MINT_JSON_ANY;

        ck_assert_msg(read_object(refused[i], strlen(refused[i]), m, 3) == -1,
                      "%s", refused[i]);
    }
}
END_TEST


/* whether it is plain is the same, read on the way or asked for afterwards */

START_TEST(test_plain)
{
    size_t                    i;
    char                      text[64], json[96];
    struct mint_json_member   m[] = {
        MINT_JSON_TEXT("s", text, sizeof(text))
    };
    static const char *const  strings[] = {
        "", "abc", "a b", "\\\"\\\\\\/", "\x7f", "\\u007f", "\\u007e",
        "\\u0000", "\\u001f", "\\u0020", "a\\n", "\\t", "\xc3\xa9",
        "\\u00e9", "\xf0\x9f\x98\x80", "\\ud83d\\ude00", "long and plain",
        "\xc2\x80", "a\x7f" "b",
    };

    for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        snprintf(json, sizeof(json), "{\"s\":\"%s\"}", strings[i]);
        m[0].is_present = 0;
        ck_assert_int_eq(read_object(json, strlen(json), m, 1), 0);
        ck_assert_msg(m[0].is_plain == mint_json_is_plain(text, m[0].len),
                      "%s", json);
    }
}
END_TEST


/* in any order, with others between */

START_TEST(test_members_in_any_order)
{
    int                       order, i, at;
    char                      text[8], json[128];
    struct mint_json_member   m[4];
    static const char *const  parts[] = {
        "\"a\":\"x\"", "\"ab\":1", "\"b\":2", "\"abc\":3", "\"\":4"
    };

    for (order = 0; order < 625; order++) {
        memset(m, 0, sizeof(m));
        m[0] = (struct mint_json_member) MINT_JSON_TEXT("a", text, 8);
        m[1] = (struct mint_json_member)
               MINT_JSON_OTHER("ab", MINT_JSON_INTEGER);
        m[2] = (struct mint_json_member)
               MINT_JSON_OTHER("b", MINT_JSON_INTEGER);
        json[0] = '\0';

        for (i = 0, at = order; i < 4; i++, at /= 5) {
            strcat(json, i == 0 ? "{" : ",");
            strcat(json, parts[at % 5]);
        }
        strcat(json, "}");

        if (read_object(json, strlen(json), m, 3) != 0) {
            continue;       /* one of the listed ones is there twice */
        }

        ck_assert_int_eq(m[0].is_present, strstr(json, parts[0]) != NULL);
        ck_assert_int_eq(m[1].is_present, strstr(json, parts[1]) != NULL);
        ck_assert_int_eq(m[2].is_present, strstr(json, parts[2]) != NULL);
        ck_assert_uint_eq(m[1].integer, (unsigned) m[1].is_present);
        ck_assert_uint_eq(m[2].integer, 2 * (unsigned) m[2].is_present);
    }
}
END_TEST


START_TEST(test_quote)
{
    char  to[8];

    ck_assert_int_eq(mint_json_quote(to, sizeof(to), "a\"b\\", 4), 6);
    ck_assert_str_eq(to, "a\\\"b\\\\");
    ck_assert_int_eq(mint_json_quote(to, 7, "a\"b\\", 4), 6);
    ck_assert_int_eq(mint_json_quote(to, 6, "a\"b\\", 4), -1);
    ck_assert_int_eq(mint_json_quote(to, 1, "", 0), 0);
    ck_assert_int_eq(mint_json_quote(to, 0, "", 0), -1);
    ck_assert_int_eq(mint_json_quote(to, sizeof(to), "a\nb", 3), -1);
    ck_assert_int_eq(mint_json_quote(to, sizeof(to), "a\0b", 3), -1);
    ck_assert_int_eq(mint_json_quote(to, sizeof(to), "\xc3", 1), -1);
    ck_assert_int_eq(mint_json_is_plain("\xc3\xa9", 2), 1);
    ck_assert_int_eq(mint_json_is_plain("\x7f", 1), 0);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("json");
    tcase = tcase_create("json");
    tcase_set_timeout(tcase, 60);

    tcase_add_loop_test(tcase, test_grammar, 0,
                        sizeof(grammar) / sizeof(grammar[0]));
    tcase_add_test(tcase, test_nul_bytes);
    tcase_add_test(tcase, test_depth);
    tcase_add_test(tcase, test_members);
    tcase_add_test(tcase, test_members_refused);
    tcase_add_test(tcase, test_plain);
    tcase_add_test(tcase, test_members_in_any_order);
    tcase_add_test(tcase, test_quote);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
