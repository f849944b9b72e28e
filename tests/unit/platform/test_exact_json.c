/* SPDX-License-Identifier: MIT */
/*
 * Numbers keep their text; equality is that of Python's JSON text.
 */

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "platform/exact_json.h"


/* NULL: comes back as it is */
static const struct {
    const char  *text;
    const char  *written;
} kept[] = {
    { "1", NULL }, { "1.0", NULL }, { "-0", NULL }, { "-0.0", NULL },
    { "1e5", NULL }, { "1E+05", NULL }, { "0.1", NULL },
    { "12345678901234567890", NULL }, { "5e-324", NULL },
    { "123456789012345678901234567890.123456789", NULL },
    { "null", NULL }, { "true", NULL }, { "\"1.0\"", NULL }, { "[]", NULL },
    { "{}", NULL }, { "[1,2.50,\"3\",[4e4]]", NULL },
    { " [ 1 , 2.0 ] ", "[1,2.0]" },
    { "{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}" },
    { "{\"a\":1,\"a\":2.0}", "{\"a\":2.0}" },
    { "\"7: not 1.0 but \\\"8\\\" \\\\ 9\"", NULL },
    { "\"\\u00e9 \\u0000 \\n\"", "\"\xc3\xa9 \\u0000 \\n\"" },
    { "{\"1\":1}", NULL }, { "{\"0.5\":[0.5]}", NULL },
    /* what looks like the disguise of a number */
    { "\"\\u0000#1.0\"", NULL },
    { "[\"\\u0000\",\"\\u0000\\u0000#\",7]", NULL },
    { "[\"a\\u0000#1\",\"\\\"\\u0000#2\",\"\\\\\",\"\\u0000x\"]", NULL },
    { "{\"k\":\"\\u0000#1\"}", NULL }
};


static const char *const  malformed[] = {
    "", " ", "01", "-", "-01", "1.", ".5", "1e", "1e+", "+1", "1.e5", "0x10",
    "NaN", "Infinity", "-Infinity", "1 2", "[1 2]", "[1,]", "{1:2}", "1a",
    "a1", "[1\"a\"]", "\"", "\"\\", "[1", "{\"a\":1", "{\"a\"1}", "1,2", "--1",
    "1-2", "{\"\\u0000#1\":2}", "\"\xff\"", "\"\\ud800\"", "[1:2]",
    "'1'", "1\xc2\xa0"
};


static const struct {
    const char  *a;
    const char  *b;
    bool         is_equal;
} compared[] = {
    { "1", "1", true }, { "1", "1.0", false }, { "1.0", "1.00", true },
    { "1e2", "100.0", true }, { "1e2", "100", false }, { "-0", "0", true },
    { "-0.0", "0.0", false }, { "0.1", "0.10", true },
    { "0.1", "0.1000000000000000055511151231257827", true },
    { "12345678901234567890", "12345678901234567890", true },
    { "12345678901234567890", "12345678901234567891", false },
    { "1", "\"1\"", false }, { "1", "true", false }, { "null", "0", false },
    { "[1,2]", "[1,2]", true }, { "[1,2]", "[2,1]", false },
    { "[1]", "[1,1]", false },
    { "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true },
    { "{\"a\":1}", "{\"a\":1.0}", false }, { "{\"a\":1}", "{\"b\":1}", false },
    { "{\"a\":null}", "{}", false }, { "\"\\u00e9\"", "\"\xc3\xa9\"", true },
    { "{\"a\":[{\"b\":1e1}]}", "{\"a\":[{\"b\":10.0}]}", true }
};


static const struct {
    const char  *text;
    int          result;
    int64_t      value;
} integers[] = {
    { "0", 0, 0 }, { "-7", 0, -7 }, { "9223372036854775807", 0, INT64_MAX },
    { "9223372036854775808", -1, 0 }, { "1.0", -1, 0 }, { "1e3", -1, 0 },
    { "\"1\"", -1, 0 }, { "null", -1, 0 }, { "[1]", -1, 0 }
};


static json_t *
load(const char *text)
{
    json_t        *value;
    struct error   err;

    value = exact_json_load(text, strlen(text), &err);
    ck_assert_msg(value != NULL, "%s: %s", text, err.text);

    return value;
}


START_TEST(test_kept)
{
    char    *text;
    json_t  *value;

    value = load(kept[_i].text);
    text = exact_json_text(value);
    ck_assert_str_eq(text, kept[_i].written == NULL ? kept[_i].text
                                                    : kept[_i].written);
    free(text);
    json_decref(value);
}
END_TEST


START_TEST(test_malformed)
{
    struct error  err;

    ck_assert_msg(exact_json_load(malformed[_i], strlen(malformed[_i]), &err)
                  == NULL, "%s", malformed[_i]);
    ck_assert_int_eq(err.code, MINT_ERR_INVALID);
    ck_assert_int_eq(strncmp(err.text, "malformed JSON", 14), 0);
}
END_TEST


START_TEST(test_compared)
{
    json_t  *a;
    json_t  *b;

    a = load(compared[_i].a);
    b = load(compared[_i].b);
    ck_assert_msg(exact_json_equal(a, b) == compared[_i].is_equal, "%s %s",
                  compared[_i].a, compared[_i].b);
    ck_assert(exact_json_equal(b, a) == compared[_i].is_equal);
    ck_assert(exact_json_equal(a, a));
    json_decref(a);
    json_decref(b);
}
END_TEST


START_TEST(test_integers)
{
    json_t   *value;
    int64_t   number;

    number = 0;
    value = load(integers[_i].text);
    ck_assert_int_eq(exact_json_integer(value, &number), integers[_i].result);
    ck_assert_int_eq(number, integers[_i].value);
    json_decref(value);
}
END_TEST


START_TEST(test_kinds)
{
    json_t  *list;

    list = load("[1, \"1\", true, {\"a\": 1}]");
    ck_assert(exact_json_is_number(json_array_get(list, 0)));
    ck_assert(!exact_json_is_string(json_array_get(list, 0)));
    ck_assert(!exact_json_is_number(json_array_get(list, 1)));
    ck_assert(exact_json_is_string(json_array_get(list, 1)));
    ck_assert(!exact_json_is_string(json_array_get(list, 2)));
    ck_assert(!exact_json_is_number(json_array_get(list, 3)));
    ck_assert(!exact_json_is_number(NULL));
    json_decref(list);

    list = load("[\"\\u0000#1\"]");
    ck_assert(exact_json_is_string(json_array_get(list, 0)));
    json_decref(list);
}
END_TEST


START_TEST(test_depth)
{
    char           text[600];
    json_t        *value;
    struct error   err;

    memset(text, '[', 256);
    memset(text + 256, ']', 256);
    value = exact_json_load(text, 512, &err);
    ck_assert_ptr_nonnull(value);
    json_decref(value);

    memset(text, '[', 257);
    memset(text + 257, ']', 257);
    ck_assert_ptr_null(exact_json_load(text, 514, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "nested deeper than 256"));
}
END_TEST


#define COUNT(a)  (int) (sizeof(a) / sizeof((a)[0]))


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("exact_json");
    tcase = tcase_create("exact_json");
    tcase_add_loop_test(tcase, test_kept, 0, COUNT(kept));
    tcase_add_loop_test(tcase, test_malformed, 0, COUNT(malformed));
    tcase_add_loop_test(tcase, test_compared, 0, COUNT(compared));
    tcase_add_loop_test(tcase, test_integers, 0, COUNT(integers));
    tcase_add_test(tcase, test_kinds);
    tcase_add_test(tcase, test_depth);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
