/* SPDX-License-Identifier: MIT */
/*
 * Bundles: unpacking good ones, plain wheels, and a table of bad ones.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fixture.h"
#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/bundle.h"


static char          *directory, *work;
static struct error   err;


static void
setup(void)
{
    directory = fixture_directory();
    work = mem_printf("%s/work", directory);
    ck_assert_int_eq(mkdir(work, 0700), 0);
}


static void
teardown(void)
{
    free(work);
    fixture_remove(directory);
}


/* 0 and the bundle, or the first error of opening and unpacking */

static int
unpack(struct bundle **bundle, const char *path)
{
    int  rc;

    rc = bundle_open(bundle, path, work, &err);

    if (rc != 0) {
        *bundle = NULL;
        return rc;
    }

    do {
        rc = bundle_step(*bundle, &err);
    } while (rc == 1);

    if (rc != 0) {
        bundle_free(bundle);
    }

    return rc;
}


static void
same_file(const char *a, const char *b)
{
    char  x[65], y[65];

    ck_assert_int_eq(fs_sha256(a, x, NULL), 0);
    ck_assert_int_eq(fs_sha256(b, y, NULL), 0);
    ck_assert_str_eq(x, y);
}


START_TEST(test_good_bundle)
{
    char           *wheel, *path, *unpacked, hex[65];
    struct bundle  *bundle;

    static const char *const  requires[] = { NULL };

    wheel = fixture_wheel(directory, "mint-plugin-x", "0.1.0", "x", requires,
                          "class Plugin: pass\n");
    path = fixture_bundle(directory, "mint-plugin-x", "0.1.0", wheel,
                          ">=1.2.0b1");

    ck_assert_msg(unpack(&bundle, path) == 0, "%s", err.text);
    ck_assert_str_eq(bundle_name(bundle), "mint-plugin-x");
    ck_assert_str_eq(bundle_requires_mint(bundle), ">=1.2.0b1");
    ck_assert_str_eq(bundle_wheel(bundle), strrchr(wheel, '/') + 1);
    ck_assert_uint_eq(bundle_extra_count(bundle), 0);

    unpacked = mem_printf("%s/%s", work, bundle_wheel(bundle));
    same_file(wheel, unpacked);
    ck_assert_int_eq(fs_sha256(wheel, hex, NULL), 0);
    ck_assert_str_eq(bundle_sha256(bundle), hex);

    bundle_free(&bundle);
    free(unpacked);
    free(path);
    free(wheel);
}
END_TEST


START_TEST(test_plain_wheel)
{
    char           *wheel, *unpacked;
    struct bundle  *bundle;

    static const char *const  requires[] = { NULL };

    wheel = fixture_wheel(directory, "mint-plugin-x", "0.1.0", "x", requires,
                          "class Plugin: pass\n");

    ck_assert_msg(unpack(&bundle, wheel) == 0, "%s", err.text);
    ck_assert_str_eq(bundle_name(bundle), "");
    ck_assert_str_eq(bundle_complaint(bundle), "Invalid wheel");
    unpacked = mem_printf("%s/%s", work, bundle_wheel(bundle));
    same_file(wheel, unpacked);

    bundle_free(&bundle);
    free(unpacked);
    free(wheel);
}
END_TEST


#define WHEEL     "a-1-py3-none-any.whl"
#define PLUGIN    "\"format_version\": 1, \"plugin\": {\"name\": \"a\", " \
                  "\"version\": \"1\"}, "
#define MANIFEST  "{" PLUGIN "\"wheels\": {\"main\": \"" WHEEL "\", " \
                  "\"dependencies\": []}}"
#define WITH_EXTRA  "{" PLUGIN "\"wheels\": {\"main\": \"" WHEEL "\", " \
                    "\"dependencies\": [\"b-2-py3-none-any.whl\"]}}"


START_TEST(test_extra_wheels)
{
    char           *path;
    struct bundle  *bundle;

    static const struct fixture_file  files[] = {
        { WHEEL, "main", 0 },
        { "NOTES", "left alone", 0 },
        { "b-2-py3-none-any.whl", "extra", 0 },
        { "manifest.json", WITH_EXTRA, 0 },
        { NULL, NULL, 0 }
    };

    path = mem_printf("%s/x.mint", directory);
    fixture_zip(path, files);

    ck_assert_msg(unpack(&bundle, path) == 0, "%s", err.text);
    ck_assert_uint_eq(bundle_extra_count(bundle), 1);
    ck_assert_str_eq(bundle_extra(bundle, 0), "b-2-py3-none-any.whl");
    bundle_free(&bundle);
    free(path);

    path = mem_printf("%s/wheels/b-2-py3-none-any.whl", work);
    ck_assert(fs_exists(path));
    free(path);

    path = mem_printf("%s/NOTES", work);
    ck_assert(!fs_exists(path));
    free(path);
}
END_TEST


static const struct {
    struct fixture_file   files[4];
    const char           *says;
} bad[] = {
    { { { WHEEL, "x", 0 } },                   "bundle has no manifest.json" },
    { { { "manifest.json", "{", 0 } },                      "not JSON" },
    { { { "manifest.json", "[]", 0 } },                     "format_version" },
    { { { "manifest.json", "{\"format_version\": 2}", 0 } }, "2 is not known" },
    { { { "manifest.json", "{\"format_version\": \"1\"}", 0 } },
      "expected a number" },
    { { { "manifest.json", "{\"format_version\": 1}", 0 } }, "plugin.name" },
    { { { "manifest.json", "{\"format_version\": 1, \"plugin\": {\"name\": "
          "\"../a\", \"version\": \"1\"}}", 0 } },          "plugin.name" },
    { { { "manifest.json", "{\"format_version\": 1, \"plugin\": {\"name\": "
          "\"a\"}}", 0 } },                                 "plugin.version" },
    { { { "manifest.json", "{\"format_version\": 1, \"plugin\": {\"name\": "
          "\"a\", \"version\": \"1\", \"requires_mint\": \"@ file:///x\"}}",
          0 } },                                            "requires_mint" },
    { { { "manifest.json", "{" PLUGIN "\"wheels\": {}}", 0 } },
      "wheels.main" },
    { { { "manifest.json", "{" PLUGIN "\"wheels\": {\"main\": \"../" WHEEL
          "\"}}", 0 } },                       "not the file name of a wheel" },
    { { { "manifest.json", "{" PLUGIN "\"wheels\": {\"main\": \"" WHEEL
          "\", \"dependencies\": {}}}", 0 } },      "wheels.dependencies" },
    { { { "manifest.json", "{" PLUGIN "\"wheels\": {\"main\": \"" WHEEL
          "\", \"dependencies\": [\"" WHEEL "\"]}}", 0 } },
      "dependencies[0]" },
    { { { "manifest.json", MANIFEST, 0 } },                 "lacks \"a-1-" },
    { { { "manifest.json", WITH_EXTRA, 0 }, { WHEEL, "x", 0 } },
      "lacks one of" },
    { { { "manifest.json", MANIFEST, 0 }, { WHEEL, "x", 0 },
        { "../x", "x", 0 } },                               "unsafe name" },
    { { { "manifest.json", MANIFEST, 0 }, { "/etc/x", "x", 0 } },
      "unsafe name" },
    { { { "manifest.json", MANIFEST, 0 }, { "d/x", "x", 0 } },  "folder" },
    { { { "manifest.json", MANIFEST, 0 }, { "d/", "", 0 } },    "folder" },
    { { { "manifest.json", MANIFEST, 0 }, { "a\\b", "x", 0 } },   "folder" },
    { { { "manifest.json", MANIFEST, 0 },
        { "manifest.json", MANIFEST, 0 } },                 "twice" },
};


START_TEST(test_bad_bundles)
{
    char           *path;
    struct bundle  *bundle;

    path = mem_printf("%s/x.mint", directory);
    fixture_zip(path, bad[_i].files);

    ck_assert_int_eq(unpack(&bundle, path), MINT_ERR_INVALID);
    ck_assert_msg(strncmp(err.text, "Invalid .mint bundle: ", 22) == 0
                  && strstr(err.text, bad[_i].says) != NULL, "%s", err.text);
    free(path);
}
END_TEST


START_TEST(test_not_a_zip)
{
    char           *path;
    struct bundle  *bundle;

    path = mem_printf("%s/x.mint", directory);
    fixture_write(path, "no archive");
    ck_assert_int_eq(unpack(&bundle, path), MINT_ERR_INVALID);
    ck_assert_str_eq(err.text, "Invalid .mint bundle: it is not a ZIP "
                     "archive");
    free(path);

    path = mem_printf("%s/none.mint", directory);
    ck_assert_int_eq(unpack(&bundle, path), MINT_ERR_NOT_FOUND);
    free(path);

    path = mem_printf("%s/upload-17.whl", directory);
    ck_assert_int_eq(unpack(&bundle, path), MINT_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "Invalid wheel: "));
    free(path);
}
END_TEST


START_TEST(test_limits)
{
    char                 *path, (*names)[16];
    size_t                i;
    struct bundle        *bundle;
    struct fixture_file  *files;

    names = mem_alloc(201 * 16);
    files = mem_alloc(202 * sizeof(struct fixture_file));

    for (i = 0; i < 201; i++) {
        snprintf(names[i], 16, "f%zu", i);
        files[i].name = names[i];
        files[i].data = "x";
    }

    path = mem_printf("%s/x.mint", directory);
    fixture_zip(path, files);
    ck_assert_int_eq(unpack(&bundle, path), MINT_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "more than 200 entries"));

    files[0].name = "manifest.json";
    files[0].len = 1024 * 1024 + 1;
    files[0].data = memset(mem_alloc(files[0].len), ' ', files[0].len);
    files[1].name = NULL;
    fixture_zip(path, files);
    ck_assert_int_eq(unpack(&bundle, path), MINT_ERR_FULL);
    ck_assert_ptr_nonnull(strstr(err.text, "longer than 1024 KiB"));

    free((void *) (uintptr_t) files[0].data);
    free(path);
    free(files);
    free(names);
}
END_TEST


/* a flipped byte in the data is found by the archive's checksum */

START_TEST(test_damaged)
{
    char           *path, *at;
    struct strbuf   data;
    struct bundle  *bundle;

    static const struct fixture_file  files[] = {
        { "manifest.json", MANIFEST, 0 },
        { WHEEL, "precious bytes", 0 },
        { NULL, NULL, 0 }
    };

    memset(&data, 0, sizeof(data));
    path = mem_printf("%s/x.mint", directory);
    fixture_zip(path, files);
    ck_assert_int_eq(fs_read(path, 100000, &data, NULL), 0);

    at = memmem(data.data, data.len, "precious", 8);
    ck_assert_ptr_nonnull(at);
    *at = 'P';
    ck_assert_int_eq(fs_write_atomic(path, data.data, data.len, 0600, NULL),
                     0);
    ck_assert_int_eq(unpack(&bundle, path), MINT_ERR_INVALID);
    ck_assert_msg(strstr(err.text, "damaged") != NULL, "%s", err.text);

    /* and one that is cut short is no archive at all */

    ck_assert_int_eq(fs_write_atomic(path, data.data, data.len - 30, 0600,
                                     NULL), 0);
    ck_assert_int_eq(unpack(&bundle, path), MINT_ERR_INVALID);

    strbuf_free(&data);
    free(path);
}
END_TEST


static Suite *
bundle_suite(void)
{
    Suite  *suite;
    TCase  *tcase;

    suite = suite_create("bundle");
    tcase = tcase_create("bundle");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_good_bundle);
    tcase_add_test(tcase, test_plain_wheel);
    tcase_add_test(tcase, test_extra_wheels);
    tcase_add_loop_test(tcase, test_bad_bundles, 0,
                        sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tcase, test_not_a_zip);
    tcase_add_test(tcase, test_limits);
    tcase_add_test(tcase, test_damaged);
    suite_add_tcase(suite, tcase);

    return suite;
}


int
main(void)
{
    int       failed;
    SRunner  *runner;

    runner = srunner_create(bundle_suite());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
