/* SPDX-License-Identifier: MIT */
/*
 * Markers: their grammar and what they say for one interpreter.  make
 * conformance has many more.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/marker.h"


static const struct {
    const char  *text;
    const char  *written;           /* NULL: not a marker */
} forms[] = {
    { "os_name=='a'",               "os_name == \"a\"" },
    { " os.name in \"a'b\" ",       "os_name in \"a'b\"" },
    { "'a\"b' not \t in os_name",   "'a\"b' not in os_name" },
    { "python_implementation=='x'", "platform_python_implementation == \"x\"" },
    { "extra == 'Docs_.X'",         "extra == \"docs-x\"" },
    { "'A_b' in extras",            "\"a-b\" in extras" },
    { "((os_name=='a'))and((os_name=='b'or os_name=='c'))",
      "os_name == \"a\" and (os_name == \"b\" or os_name == \"c\")" },
    { "os_name == 'a\\x62\\103\\u00e9\\z\\n'",
      "os_name == \"abC\xc3\xa9\\z\n\"" },
    { "",                           NULL },
    { "os_name",                    NULL },
    { "os_name == ",                NULL },
    { "os_name == a",               NULL },
    { "os_name == 'a",              NULL },
    { "os_name == 'a\nb'",          NULL },
    { "os_name == '\\x4'",          NULL },
    { "os_names == 'a'",            NULL },
    { "os_name notin 'a'",          NULL },
    { "os_name in'a' or",           NULL },
    { "(os_name == 'a'",            NULL },
    { "os_name == 'a')",            NULL },
    { "os_name == 'a' os_name == 'b'", NULL },
};


START_TEST(test_forms)
{
    int             rc;
    const char     *text;
    struct strbuf   out;
    struct marker   marker;

    text = forms[_i].text;
    rc = marker_parse(&marker, text, text + strlen(text), NULL);

    if (forms[_i].written == NULL) {
        ck_assert_msg(rc == MINT_ERR_INVALID, "%s", text);
        marker_clear(&marker);
        return;
    }

    memset(&out, 0, sizeof(out));
    ck_assert_msg(rc == 0, "%s", text);
    ck_assert_int_eq(marker_write(&marker, &out, NULL), 0);
    ck_assert_str_eq(strbuf_text(&out), forms[_i].written);
    strbuf_free(&out);
    marker_clear(&marker);
}
END_TEST


static const struct {
    const char  *text;
    int          result;            /* 1, 0, or an error */
} evaluations[] = {
    { "python_version >= '3.9'",                    1 },
    { "python_version < '3.9'",                     0 },
    { "'3.9' < python_version",                     1 },
    { "python_version in '3.12, 3.13'",             1 },
    { "python_version == '3.12.*'",                 1 },
    { "python_version > 'x'",                       0 },
    { "python_version ~= 'x'",                      MINT_ERR_INVALID },
    { "python_full_version == '3.12.0'",            1 },
    { "platform_release >= '6'",                    0 },
    { "platform_release != '6'",                    0 },
    { "os_name > 'a'",                              0 },
    { "os_name >= 'posix'",                         1 },
    { "os_name ~= 'posix'",                         MINT_ERR_INVALID },
    { "'six' in os_name and 'x' not in os_name",    0 },
    { "os_name == 'a' and os_name == 'b' or os_name == 'posix'", 1 },
    { "os_name == 'posix' or os_name == 'a' and os_name == 'b'", 1 },
    { "(os_name == 'posix' or os_name == 'a') and os_name == 'b'", 0 },
    { "os_name == 'posix' or platform_machine == 'a'", MINT_ERR_NOT_FOUND },
    { "extra == 'Test.Me'",                         1 },
    { "extra != 'test-me'",                         0 },
    { "extra in 'test-me'",                         MINT_ERR_INVALID },
    { "'Test_Me' in extras",                        1 },
    { "'x' not in extras",                          1 },
    { "extras == 'test-me'",                        MINT_ERR_INVALID },
    { "'x' in dependency_groups",                   MINT_ERR_INVALID },
};


START_TEST(test_evaluate)
{
    int                         rc;
    bool                        result;
    const char                 *text;
    struct error                err;
    struct marker               marker;
    struct text_list            names;
    struct marker_environment   environment;

    memset(&environment, 0, sizeof(environment));
    memset(&names, 0, sizeof(names));
    text_list_add(&names, "Test_Me");
    marker_environment_set(&environment, "os_name", "nt");
    marker_environment_set(&environment, "os_name", "posix");
    marker_environment_set(&environment, "python_version", "3.12");
    marker_environment_set(&environment, "python_full_version", "3.12.0+");
    marker_environment_set(&environment, "platform_release", "6.1-amd64-x");
    marker_environment_set(&environment, "dependency_groups", "text");
    marker_environment_set_names(&environment, "extra", &names);
    marker_environment_set_names(&environment, "extras", &names);

    text = evaluations[_i].text;
    ck_assert_int_eq(marker_parse(&marker, text, text + strlen(text), NULL),
                     0);
    rc = marker_evaluate(&marker, &environment, &result, &err);

    ck_assert_msg((rc != 0 ? rc : (int) result) == evaluations[_i].result,
                  "%s", text);

    marker_clear(&marker);
    marker_environment_clear(&environment);
    text_list_clear(&names);
}
END_TEST


/* 200 parentheses are read, 201 and a million are not; many comparisons are */

START_TEST(test_hostile)
{
    size_t           i, depth;
    struct strbuf    text;
    struct marker    marker;

    static const size_t  depths[] = { 200, 201, 1000000 };

    for (i = 0; i < 3; i++) {
        memset(&text, 0, sizeof(text));

        for (depth = 0; depth < depths[i]; depth++) {
            strbuf_puts(&text, "(");
        }

        strbuf_puts(&text, "os_name=='a'");

        for (depth = 0; depth < depths[i]; depth++) {
            strbuf_puts(&text, ")");
        }

        ck_assert_int_eq(marker_parse(&marker, text.data,
                                      text.data + text.len, NULL),
                         i == 0 ? 0 : MINT_ERR_INVALID);
        marker_clear(&marker);
        strbuf_free(&text);
    }

    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, "os_name=='a'");

    while (text.len < 1024 * 1024) {
        strbuf_puts(&text, "or os_name=='a'");
    }

    ck_assert_int_eq(marker_parse(&marker, text.data, text.data + text.len,
                                  NULL), 0);
    ck_assert_uint_eq(marker.count, 1 + 1 + (text.len - 12) / 15);
    marker_clear(&marker);
    strbuf_free(&text);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("marker");
    tcase = tcase_create("marker");
    tcase_add_loop_test(tcase, test_forms, 0,
                        sizeof(forms) / sizeof(forms[0]));
    tcase_add_loop_test(tcase, test_evaluate, 0,
                        sizeof(evaluations) / sizeof(evaluations[0]));
    tcase_add_test(tcase, test_hostile);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
