/* SPDX-License-Identifier: MIT */
/*
 * Names, prefixes and archive paths, from text tables.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/names.h"


#define LONG_16  "aaaaaaaaaaaaaaaa"
#define LONG_64  LONG_16 LONG_16 LONG_16 LONG_16


static const struct {
    const char  *text;
    bool         plugin;
    bool         distribution;
    bool         module;
} names[] = {
    { "peak-table",     true,  true,  false },
    { "a",              true,  true,  true  },
    { "9x.y_z",         true,  true,  false },
    { LONG_64,          true,  true,  true  },
    { LONG_64 "a",      false, true,  true  },
    { LONG_64 LONG_64 "a", false, false, true },
    { "",               false, false, false },
    { "-a",             false, false, false },
    { ".a",             false, false, false },
    { "a-",             true,  false, false },
    { "Peak",           false, true,  true  },
    { "a b",            false, false, false },
    { "a/b",            false, false, false },
    { "..",             false, false, false },
    { "a\nb",           false, false, false },
    { "\xc3\xa4",       false, false, false },
    { "a.b_c.D1",       false, true,  true  },
    { "a..b",           true,  true,  false },
    { "a.1b",           true,  true,  false },
    { "a.",             true,  false, false },
    { "_x",             false, false, true  },
};


START_TEST(test_names)
{
    ck_assert_int_eq(names_plugin_is_valid(names[_i].text),
                     names[_i].plugin);
    ck_assert_int_eq(names_distribution_is_valid(names[_i].text),
                     names[_i].distribution);
    ck_assert_int_eq(names_module_is_valid(names[_i].text),
                     names[_i].module);
}
END_TEST


static const struct {
    const char  *prefix;
    const char  *says;              /* NULL: accepted */
} prefixes[] = {
    { "/peak-table",            NULL },
    { "/a/b/c/d/e/f/g/h",       NULL },
    { "/A~b.c_d-9",             NULL },
    { "/apix",                  NULL },
    { "/x/api",                 NULL },
    { "",                       "start with" },
    { "/",                      "start with" },
    { "peak",                   "start with" },
    { "/a/b/c/d/e/f/g/h/i",     "8 segments" },
    { "/a/",                    "segment" },
    { "//a",                    "segment" },
    { "/a//b",                  "segment" },
    { "/a/../b",                "segment" },
    { "/.",                     "segment" },
    { "/a b",                   "letters" },
    { "/a%2fb",                 "letters" },
    { "/a?b",                   "letters" },
    { "/\xc3\xa4",              "letters" },
    { "/api",                   "for itself" },
    { "/api/x",                 "for itself" },
    { "/__mint",                "for itself" },
    { "/__mint/events",         "for itself" },
    { "/auth",                  "for itself" },
    { "/Auth/x",                "for itself" },
    { "/experiments",           "for itself" },
    { "/authors",               NULL },
    { "/x/auth",                NULL },
    { "/" LONG_64 LONG_64,      "120 bytes" },
};


START_TEST(test_prefixes)
{
    int           rc;
    struct error  err;

    rc = names_check_prefix(prefixes[_i].prefix, &err);

    if (prefixes[_i].says == NULL) {
        ck_assert_int_eq(rc, 0);
        return;
    }

    ck_assert_int_eq(rc, MINT_ERR_INVALID);
    ck_assert_msg(strstr(err.text, prefixes[_i].says) != NULL, "%s",
                  err.text);
}
END_TEST


static const struct {
    const char  *path;
    bool         safe;
} paths[] = {
    { "a",                  true  },
    { "a/b.c",              true  },
    { "a/",                 true  },
    { "..a/b..",            true  },
    { "\xc3\xa4/x",         true  },
    { "",                   false },
    { "/",                  false },
    { "/a",                 false },
    { "..",                 false },
    { "../a",               false },
    { "a/../b",             false },
    { "a/..",               false },
    { "a/../",              false },
    { "./a",                false },
    { "a//b",               false },
    { "a//",                false },
    { "a\\b",               false },
    { "a\nb",               false },
    { "a\x7f",              false },
};


START_TEST(test_paths)
{
    ck_assert_int_eq(names_archive_path_is_safe(paths[_i].path),
                     paths[_i].safe);
}
END_TEST


START_TEST(test_normalise)
{
    char  *text;

    text = names_normalise("Mint__Plugin.-Peak");
    ck_assert_str_eq(text, "mint-plugin-peak");
    free(text);

    ck_assert(names_same_distribution("a.b", "A-_b"));
    ck_assert(!names_same_distribution("a.b", "ab"));
}
END_TEST


static Suite *
names_suite(void)
{
    Suite  *suite;
    TCase  *tcase;

    suite = suite_create("names");
    tcase = tcase_create("names");

    tcase_add_loop_test(tcase, test_names, 0,
                        sizeof(names) / sizeof(names[0]));
    tcase_add_loop_test(tcase, test_prefixes, 0,
                        sizeof(prefixes) / sizeof(prefixes[0]));
    tcase_add_loop_test(tcase, test_paths, 0,
                        sizeof(paths) / sizeof(paths[0]));
    tcase_add_test(tcase, test_normalise);
    suite_add_tcase(suite, tcase);

    return suite;
}


int
main(void)
{
    int       failed;
    SRunner  *runner;

    runner = srunner_create(names_suite());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
