/* SPDX-License-Identifier: MIT */
/*
 * Files that uv's cache has and that are not those of their packages.
 */

#include "install_scene.h"


#define PROBLEM(kind)  "{\"kind\":\"" kind "\",\"package\":\"fastapi\"," \
    "\"path\":\"fastapi/x.py\",\"text\":\"has other contents\"}"
#define REPORT(problems)  "{\"verified\":3,\"of\":9}\n{\"packages\":2," \
    "\"problems\":[" problems "],\"left_off\":0}\n"
#define WHAT  "uv's cache is damaged (fastapi/x.py of fastapi has other " \
    "contents"


/* from now on; else only of the next environment */

static void
compare_says(const char *report, bool always)
{
    forget_calls();
    fake.rules[1].match = "compare:";
    fake.rules[1].output = report;
    fake.once = always ? NULL : &fake.rules[1];
}


static void
cannot_fetch(void)
{
    fake.rules[2].match = "--no-cache";
    fake.rules[2].wait_status = FAKE_EXIT(1);
    fake.rules[2].output = "error: Failed to fetch: `https://index/`\n";
}


START_TEST(test_fetched_anew)
{
    compare_says(REPORT(PROBLEM("changed") "," PROBLEM("missing")), false);
    ck_assert_msg(world_install(&world, bundle, false) == 0, "%s",
                  world.err.text);
    ck_assert_uint_eq(fake_called(&fake, "uv venv"), 2);
    ck_assert_uint_eq(fake_called(&fake, "uv pip sync"), 2);
    ck_assert_uint_eq(fake_called(&fake, "--no-cache"), 1);
    ck_assert_uint_eq(fake_called(&fake, "compare:"), 2);
    check_logged("warn: environment \"platform\": " WHAT ", and 1 more); its "
                 "packages are fetched anew");
    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
}
END_TEST


/* what came from the index by its hash is the package */

START_TEST(test_package_is_wrong_about_itself)
{
    compare_says(REPORT(PROBLEM("changed")), true);
    ck_assert_msg(world_install(&world, bundle, false) == 0, "%s",
                  world.err.text);
    ck_assert_uint_eq(fake_called(&fake, "uv pip sync"), 2);
    check_logged("also as it was fetched anew: the package is wrong about its "
                 "files");
}
END_TEST


/* nothing half is used: neither at once, nor where all is to be anew */

START_TEST(test_cannot_be_fetched_anew)
{
    compare_says(REPORT(PROBLEM("changed")), true);
    cannot_fetch();
    ck_assert_int_ne(world_install(&world, bundle, _i == 1), 0);
    ck_assert_ptr_nonnull(strstr(world.err.text, WHAT "), and its packages "
                                 "cannot be fetched anew at the moment; "
                                 "install it again with --force"));

    /* the cache needs no index, so it is asked alone, also at the end */
    ck_assert_uint_eq(fake_called(&fake, "--offline"), _i == 1 ? 1 : 3);
    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
    ck_assert_ptr_null(registry_find(world.registry, "x"));

    fake.rules[1].match = NULL;
    fake.rules[2].match = NULL;
    ck_assert_msg(world_install(&world, bundle, false) == 0, "%s",
                  world.err.text);
}
END_TEST


/* a line without a hash or of no form: of a package that somebody has made
   carelessly */

START_TEST(test_its_own_affair)
{
    compare_says(REPORT(PROBLEM("record") "," PROBLEM("extra") ",{},1"),
                 false);
    ck_assert_msg(world_install(&world, bundle, false) == 0, "%s",
                  world.err.text);
    ck_assert_uint_eq(fake_called(&fake, "uv pip sync"), 1);
}
END_TEST


START_TEST(test_no_report)
{
    static const char *const  odd[] = {
        "", "\n\n", "[]\n", "{\"error\": \"has more than 4194304 files\"}\n",
        "{\"problems\": []}\nTraceback\n", "{\"problems\": {}}"
    };

    compare_says(odd[_i], true);
    ck_assert_int_ne(world_install(&world, bundle, false), 0);
    ck_assert_ptr_nonnull(strstr(world.err.text, "its files could not be "
                                 "compared with its packages: "));
    ck_assert_ptr_null(registry_find(world.registry, "x"));
}
END_TEST


int
main(void)
{
    TCase  *tcase;

    tcase = install_case("compare");
    tcase_add_test(tcase, test_fetched_anew);
    tcase_add_test(tcase, test_package_is_wrong_about_itself);
    tcase_add_loop_test(tcase, test_cannot_be_fetched_anew, 0, 2);
    tcase_add_test(tcase, test_its_own_affair);
    tcase_add_loop_test(tcase, test_no_report, 0, 6);

    return install_run("install_compare", tcase);
}
