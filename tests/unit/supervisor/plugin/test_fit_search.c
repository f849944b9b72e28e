/* SPDX-License-Identifier: MIT */
/*
 * A plugin for which packages would have to come or to move, and what uv has
 * kept of them.
 */

#include <check.h>
#include <string.h>

#include "fixture.h"
#include "supervisor/plugin/fit_search.h"


#define PYTHON_PURE  "py3-none-any"


static char                        *directory;
static struct marker_environment    interpreter;


static void
setup(void)
{
    directory = fixture_directory();
    memset(&interpreter, 0, sizeof(interpreter));
    marker_environment_set(&interpreter, "python_full_version", "3.13.5");
    marker_environment_set(&interpreter, "python_version", "3.13");
    marker_environment_set(&interpreter, "sys_platform", "linux");
}


static void
teardown(void)
{
    marker_environment_clear(&interpreter);
    fixture_remove(directory);
}


/* installed: the SDK and click 8.3 of the core; rich 14.1, and peak that asks
   for rich>=13; texts end with NULL */

static enum clash_verdict
search(const char *first, const char *second)
{
    enum clash_verdict    verdict;
    struct uv_cache      *cache;
    struct clash_input    input;
    struct clash_package  newcomer;

    const char  *nothing[] = { NULL };
    const char  *sdk[] = { "click>=8", NULL };
    const char  *peak[] = { "rich>=13", NULL };
    const char  *asked[] = { first, second, NULL };

    const struct clash_package  packages[] = {
        { "mint_sdk", NULL, "1.2.10", sdk, 1, CLASH_CORE },
        { "click", NULL, "8.3", nothing, 0, CLASH_CORE },
        { "mint-plugin-peak", "peak", "2.0", peak, 1, CLASH_PLUGIN },
        { "rich", NULL, "14.1", nothing, 0, CLASH_PACKAGE },
        { "mint.plugin.new", "new", "0.9", peak, 1, CLASH_PLUGIN },
    };

    memset(&newcomer, 0, sizeof(newcomer));
    newcomer.name = "mint-plugin-new";
    newcomer.version = "1.0";
    newcomer.requires = asked;
    newcomer.count = second != NULL ? 2 : first != NULL ? 1 : 0;
    newcomer.role = CLASH_PLUGIN;

    memset(&input, 0, sizeof(input));
    input.environment = &interpreter;
    input.packages = packages;
    input.count = sizeof(packages) / sizeof(packages[0]);
    input.platform = "mint-sdk[server]==1.2.10";
    input.newcomer = &newcomer;
    input.requires_python = "";

    cache = uv_cache_open(directory, &interpreter);
    verdict = fit_search(&input, cache);
    uv_cache_close(&cache);

    return verdict;
}


static void
keep(const char *name, const char *version, const char *requires)
{
    const char  *list[] = { requires, NULL };

    fixture_release(directory, name, version, PYTHON_PURE, NULL, list);
}


START_TEST(test_comes)
{
    ck_assert_int_eq(search(NULL, NULL), CLASH_FITS);
    ck_assert_int_eq(search("xlrd", NULL), CLASH_UNKNOWN);
    keep("xlrd", "2.0", "olefile>=1");
    ck_assert_int_eq(search("xlrd", NULL), CLASH_UNKNOWN);
    keep("olefile", "0.9", NULL);
    ck_assert_int_eq(search("xlrd", NULL), CLASH_UNKNOWN);
    keep("olefile", "1.1", "rich<15 ; extra == 'nice'");
    ck_assert_int_eq(search("xlrd", NULL), CLASH_FITS);
    ck_assert_int_eq(search("xlrd>=3", NULL), CLASH_UNKNOWN);
}
END_TEST


START_TEST(test_comes_with_what_the_core_refuses)
{
    keep("xlrd", "2.0", "click<8");
    ck_assert_int_eq(search("xlrd", NULL), CLASH_UNKNOWN);
    keep("xlrd", "1.9", "click>=8");
    ck_assert_int_eq(search("xlrd", NULL), CLASH_FITS);
    ck_assert_int_eq(search("xlrd>=2", NULL), CLASH_UNKNOWN);
}
END_TEST


START_TEST(test_moves)
{
    ck_assert_int_eq(search("rich>=14", NULL), CLASH_FITS);
    ck_assert_int_eq(search("rich<14", NULL), CLASH_UNKNOWN);
    keep("rich", "12.0", NULL);             /* peak does not take it */
    ck_assert_int_eq(search("rich<14", NULL), CLASH_UNKNOWN);
    keep("rich", "13.9", NULL);
    ck_assert_int_eq(search("rich<14", NULL), CLASH_FITS);
}
END_TEST


START_TEST(test_cannot)
{
    /* who asks on both sides stays as he is, whatever else there may be */

    keep("click", "7.0", NULL);
    ck_assert_int_eq(search("click<8", NULL), CLASH_CLASHES);
    ck_assert_int_eq(search("mint-plugin-peak<2", NULL), CLASH_CLASHES);
}
END_TEST


START_TEST(test_cannot_be_understood)
{
    keep("xlrd", "2.0", "olefile @ https://example.org/olefile.whl");
    ck_assert_int_eq(search("xlrd", NULL), CLASH_UNKNOWN);
    keep("xlwt", "2.0", "not a requirement");
    ck_assert_int_eq(search("xlwt", NULL), CLASH_UNKNOWN);
    ck_assert_int_eq(search("rich", "xlwt"), CLASH_UNKNOWN);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("fit_search");
    tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_comes);
    tcase_add_test(tcase, test_comes_with_what_the_core_refuses);
    tcase_add_test(tcase, test_moves);
    tcase_add_test(tcase, test_cannot);
    tcase_add_test(tcase, test_cannot_be_understood);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed != 0;
}
