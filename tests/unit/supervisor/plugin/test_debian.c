/* SPDX-License-Identifier: MIT */
/*
 * The table of Debian packages, as text.
 */

#include <check.h>
#include <stdlib.h>

#include "supervisor/plugin/debian.h"


static const char  table[] =
    "# kind, name, package\n"
    "library R r-none\n"
    "program Rscript r-base-core\n"
    "program R r-base-core\n"
    "program empty \n"
    "program bare\n"
    "program 7z 7zip";

static const struct {
    const char  *name;
    const char  *package;           /* NULL: not in it */
} rows[] = {
    { "R",           "r-base-core" },
    { "Rscript",     "r-base-core" },
    { "7z",          "7zip" },
    { "Rscrip",      NULL },
    { "Rscript ",    NULL },
    { "empty",       NULL },
    { "bare",        NULL },
    { "bare\nprogram", NULL },
    { "",            NULL },
};


START_TEST(test_program)
{
    char  *package;

    package = debian_program(table, rows[_i].name);

    if (rows[_i].package == NULL) {
        ck_assert_ptr_null(package);
    } else {
        ck_assert_ptr_nonnull(package);
        ck_assert_str_eq(package, rows[_i].package);
    }

    free(package);
}
END_TEST


START_TEST(test_no_table)
{
    struct strbuf  text = { 0 };

    strbuf_puts(&text, table);
    debian_read(&text, "/nowhere");
    ck_assert_str_eq(strbuf_text(&text), "");
    ck_assert_ptr_null(debian_program(strbuf_text(&text), "R"));
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

    suite = suite_create("debian");
    tcase = tcase_create("debian");
    tcase_add_loop_test(tcase, test_program, 0,
                        sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tcase, test_no_table);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
