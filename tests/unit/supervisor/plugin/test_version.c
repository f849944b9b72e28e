/* SPDX-License-Identifier: MIT */
/*
 * Versions: normal forms, order, hostile sizes.  make conformance has many
 * more.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/version.h"


static const struct {
    const char  *text;
    const char  *normal;            /* NULL: not a version */
    const char  *trimmed;
    bool         prerelease;
} forms[] = {
    { "1.0",                    "1.0",              "1",            false },
    { " v1.02.0\t",             "1.2.0",            "1.2",          false },
    { "0.0",                    "0.0",              "0",            false },
    { "0!1",                    "1",                "1",            false },
    { "01!1.10",                "1!1.10",           "1!1.10",       false },
    { "1.0ALPHA",               "1.0a0",            "1a0",          true },
    { "1.0-beta_2",             "1.0b2",            "1b2",          true },
    { "1.0.preview.03",         "1.0rc3",           "1rc3",         true },
    { "1.0c1",                  "1.0rc1",           "1rc1",         true },
    { "1.0-1",                  "1.0.post1",        "1.post1",      false },
    { "1.0rev",                 "1.0.post0",        "1.post0",      false },
    { "1.0a-",                  "1.0a0",            "1a0",          true },
    { "1a1.post2.dev3+X_01.y",  "1a1.post2.dev3+x.1.y",
      "1a1.post2.dev3+x.1.y",   true },
    { "1.dev",                  "1.dev0",           "1.dev0",       true },
    { "\xc2\xa0" "1\xe3\x80\x80", "1",              "1",            false },
    { "",                       NULL,               NULL,           false },
    { "1.",                     NULL,               NULL,           false },
    { "1!",                     NULL,               NULL,           false },
    { "1.0+",                   NULL,               NULL,           false },
    { "1.0+a..b",               NULL,               NULL,           false },
    { "1.0x",                   NULL,               NULL,           false },
    { "1 .0",                   NULL,               NULL,           false },
    { "vv1",                    NULL,               NULL,           false },
    { "1.0.*",                  NULL,               NULL,           false },
    { "\xd9\xa1",               NULL,               NULL,           false },
};


START_TEST(test_forms)
{
    int             rc;
    struct error    err;
    struct strbuf   trimmed;
    struct version  version;

    rc = version_parse(&version, forms[_i].text, strlen(forms[_i].text), &err);

    if (forms[_i].normal == NULL) {
        ck_assert_int_eq(rc, MINT_ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(err.text, "is not a version"));
        return;
    }

    memset(&trimmed, 0, sizeof(trimmed));
    version_write(&version, true, &trimmed);

    ck_assert_int_eq(rc, 0);
    ck_assert_str_eq(version.text, forms[_i].normal);
    ck_assert_str_eq(strbuf_text(&trimmed), forms[_i].trimmed);
    ck_assert_int_eq(version_is_prerelease(&version), forms[_i].prerelease);

    strbuf_free(&trimmed);
    version_clear(&version);
}
END_TEST


/* each comes after the one above it */
static const char *const  order[] = {
    "0.dev0", "0", "0.0.1", "1.dev1", "1.dev10", "1a1.dev1", "1a1",
    "1a1.post1.dev1", "1a1.post1", "1a2", "1b1", "1rc1", "1", "1+a", "1+a.1",
    "1+b", "1+1", "1+1.a", "1+2", "1+10", "1.post0.dev1", "1.post0", "1.post1",
    "1.0.0.1", "1.1", "2", "10", "99999999999999999999",
    "100000000000000000000", "1!0", "2!0"
};

#define ORDERED  (sizeof(order) / sizeof(order[0]))


START_TEST(test_order)
{
    int              expected, got;
    size_t           i;
    struct version   a, b;

    ck_assert_int_eq(version_parse(&a, order[_i], strlen(order[_i]), NULL), 0);

    for (i = 0; i < ORDERED; i++) {
        ck_assert_int_eq(version_parse(&b, order[i], strlen(order[i]), NULL),
                         0);
        expected = (_i > (int) i) - (_i < (int) i);
        got = version_compare(&a, &b);
        got = (got > 0) - (got < 0);
        ck_assert_msg(got == expected, "%s and %s", order[_i], order[i]);
        version_clear(&b);
    }

    version_clear(&a);
}
END_TEST


START_TEST(test_equal)
{
    size_t           i;
    struct version   a, b;

    static const char *const  pairs[][2] = {
        { "1", "1.0.0" }, { "1.0a1", "1ALPHA1" }, { "1-1", "1.0.post1" },
        { "1+a.01", "1+A-1" }, { "00001.0", "1" }
    };

    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        ck_assert_int_eq(version_parse(&a, pairs[i][0], strlen(pairs[i][0]),
                                       NULL), 0);
        ck_assert_int_eq(version_parse(&b, pairs[i][1], strlen(pairs[i][1]),
                                       NULL), 0);
        ck_assert_int_eq(version_compare(&a, &b), 0);
        version_clear(&a);
        version_clear(&b);
    }
}
END_TEST


START_TEST(test_next)
{
    size_t               i;
    struct strbuf        out;
    struct version_part  number;

    static const char *const  pairs[][2] = {
        { "", "1" }, { "0", "1" }, { "9", "10" }, { "19", "20" },
        { "0099", "100" }, { "99999999999999999999", "100000000000000000000" }
    };

    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        memset(&out, 0, sizeof(out));
        number.at = pairs[i][0];
        number.len = strlen(pairs[i][0]);
        version_write_next(number, &out);
        ck_assert_str_eq(strbuf_text(&out), pairs[i][1]);
        strbuf_free(&out);
    }
}
END_TEST


#define MANY  (1024 * 1024)


/* a number of a million digits, and as many release numbers */

START_TEST(test_hostile)
{
    char            *text;
    size_t           i;
    struct version   digits, dots, one;

    text = mem_alloc(MANY + 1);
    memset(text, '9', MANY);
    ck_assert_int_eq(version_parse(&digits, text, MANY, NULL), 0);

    for (i = 0; i < MANY; i++) {
        text[i] = i % 2 == 0 ? '0' : '.';
    }

    text[MANY - 2] = '1';
    ck_assert_int_eq(version_parse(&dots, text, MANY - 1, NULL), 0);
    ck_assert_int_eq(version_parse(&one, "0.0", 3, NULL), 0);

    ck_assert_int_gt(version_compare(&digits, &dots), 0);
    ck_assert_int_eq(version_compare(&digits, &digits), 0);

    /* no digit of the long one but the first few is looked at */

    for (i = 0; i < MANY; i++) {
        ck_assert_int_lt(version_compare(&one, &dots), 0);
        ck_assert_int_gt(version_compare(&digits, &one), 0);
    }

    version_clear(&digits);
    version_clear(&dots);
    version_clear(&one);
    free(text);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("version");
    tcase = tcase_create("version");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_forms, 0,
                        sizeof(forms) / sizeof(forms[0]));
    tcase_add_loop_test(tcase, test_order, 0, ORDERED);
    tcase_add_test(tcase, test_equal);
    tcase_add_test(tcase, test_next);
    tcase_add_test(tcase, test_hostile);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
