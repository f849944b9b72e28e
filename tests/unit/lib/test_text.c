/* SPDX-License-Identifier: MIT */
/*
 * Cleaning of texts.  UTF-8 itself is tested with contract/.
 */

#include "lib/text.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>


START_TEST(test_clean)
{
    char    text[64];
    size_t  i;

    static const struct {
        const char  *before;
        const char  *after;
    } cases[] = {
        { "", "" },
        { "plain", "plain" },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
          "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "a\xff" "b", "a?b" },
        { "\xc3", "?" },
        { "\xe2\x82", "??" },
        { "\xe2\x82x", "??x" },
        { "line\nline\ttab", "line\nline\ttab" },
        { "\x1b[0m\r\x7f\x01", "?[0m???" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        strcpy(text, cases[i].before);
        text_clean(text);
        ck_assert_str_eq(text, cases[i].after);
        ck_assert(text_is_utf8(text));
    }
}
END_TEST


START_TEST(test_is_utf8)
{
    ck_assert(text_is_utf8(""));
    ck_assert(text_is_utf8("a\x01\xc3\xa9"));
    ck_assert(!text_is_utf8("a\xc3"));
    ck_assert(!text_is_utf8("\xed\xa0\x80"));
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("text");
    tcase = tcase_create("text");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_clean);
    tcase_add_test(tcase, test_is_utf8);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
