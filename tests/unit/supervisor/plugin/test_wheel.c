/* SPDX-License-Identifier: MIT */
/*
 * Wheels: file names, METADATA, entry points, and whole wheels good and bad.
 */

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/wheel.h"


static char          *directory;
static struct error   err;


static void
setup(void)
{
    directory = fixture_directory();
}


static void
teardown(void)
{
    fixture_remove(directory);
}


static const struct {
    const char  *file_name;
    const char  *distribution;      /* NULL: refused */
    const char  *version;
} file_names[] = {
    { "a-1.0-py3-none-any.whl",            "a",    "1.0"       },
    { "A_b.c-1!2.0+x.1-py3-none-any.whl",  "A_b.c", "1!2.0+x.1" },
    { "a-1.0-2x-py2.py3-none-any.whl",     "a",    "1.0"       },
    { "a-1.0-x2-py3-none-any.whl",         NULL,   NULL        },
    { "a-1.0-py3-none.whl",                NULL,   NULL        },
    { "a-1.0-1-py3-none-any-x.whl",        NULL,   NULL        },
    { "a-1.0-py3-none-any.zip",            NULL,   NULL        },
    { "a--py3-none-any.whl",               NULL,   NULL        },
    { "-1.0-py3-none-any.whl",             NULL,   NULL        },
    { "a b-1.0-py3-none-any.whl",          NULL,   NULL        },
    { "../a-1.0-py3-none-any.whl",         NULL,   NULL        },
    { "a-1.0-py3-none-any.whl\n",          NULL,   NULL        },
    { ".whl",                              NULL,   NULL        },
    { "",                                  NULL,   NULL        },
};


START_TEST(test_file_names)
{
    int    rc;
    char  *distribution, *version;

    rc = wheel_parse_name(file_names[_i].file_name, &distribution, &version,
                          &err);

    if (file_names[_i].distribution == NULL) {
        ck_assert_int_eq(rc, MINT_ERR_INVALID);
        return;
    }

    ck_assert_int_eq(rc, 0);
    ck_assert_str_eq(distribution, file_names[_i].distribution);
    ck_assert_str_eq(version, file_names[_i].version);
    free(distribution);
    free(version);
}
END_TEST


static const struct {
    const char  *text;
    const char  *says;              /* NULL: accepted */
} metadata[] = {
    { "Name: a\nVersion: 1\n",                              NULL },
    { "name: a\r\nVERSION: 1\r\n\r\nName: body\n",          NULL },
    { "Name: a\nVersion: 1\nSummary: x\n y\n\tz\n",         NULL },
    { "Name: a\nVersion: 1",                                NULL },
    { "Name: a\n",                                "no Name or no Version" },
    { "",                                         "no Name or no Version" },
    { "\nName: a\nVersion: 1\n",                  "no Name or no Version" },
    { "Name: a\nName: b\nVersion: 1\n",           "two \"Name\"" },
    { "Name: a/b\nVersion: 1\n",                  "invalid Name" },
    { "Name: a\nVersion: 1 2\n",                  "invalid Name" },
    { "Name:\nVersion: 1\n",                      "unusable value" },
    { "Name: a\001\nVersion: 1\n",                "unusable value" },
    { "Name a\n",                                 "Name: value" },
    { "Name: a\nVersion: 1\nRequires-Dist: -r x\n",  "without a name" },
    { "Name: a\nVersion: 1\nRequires-Dist: ./x\n",   "without a name" },
};


START_TEST(test_metadata)
{
    int            rc;
    struct wheel   wheel;
    struct strbuf  text;

    memset(&wheel, 0, sizeof(wheel));
    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, metadata[_i].text);

    rc = wheel_parse_metadata(&wheel, &text, &err);

    if (metadata[_i].says == NULL) {
        ck_assert_msg(rc == 0, "%s", err.text);
        ck_assert_str_eq(wheel.distribution, "a");
        ck_assert_str_eq(wheel.version, "1");
        ck_assert_str_eq(wheel.requires_python, "");

    } else {
        ck_assert_int_eq(rc, MINT_ERR_INVALID);
        ck_assert_msg(strstr(err.text, metadata[_i].says) != NULL, "%s",
                      err.text);
    }

    wheel_clear(&wheel);
    strbuf_free(&text);
}
END_TEST


START_TEST(test_metadata_requires)
{
    struct wheel   wheel;
    struct strbuf  text;

    memset(&wheel, 0, sizeof(wheel));
    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, "Name: a\nVersion: 1\nRequires-Python: >=3.12\n"
                "Requires-Dist: mint-sdk<1.3,>=1.2.0b1\n"
                "Requires-Dist: colorama ; sys_platform == 'win32'  \n"
                "requires-dist: numpy[x] (>=1)\n\nRequires-Dist: body\n");

    ck_assert_int_eq(wheel_parse_metadata(&wheel, &text, &err), 0);
    ck_assert_uint_eq(wheel.requires_count, 3);
    ck_assert_str_eq(wheel.requires[0], "mint-sdk<1.3,>=1.2.0b1");
    ck_assert_str_eq(wheel.requires[1], "colorama ; sys_platform == 'win32'");
    ck_assert_str_eq(wheel.requires[2], "numpy[x] (>=1)");
    ck_assert_str_eq(wheel.requires_python, ">=3.12");

    wheel_clear(&wheel);
    strbuf_free(&text);
}
END_TEST


static const struct {
    const char  *text;
    const char  *says;              /* NULL: accepted as x = m.n:C */
    const char  *group;
} entry_points[] = {
    { "[mint.plugins]\nx = m.n:C\n",                NULL, "mint.plugins" },
    { "# c\n[console_scripts]\ny = q:r\n\n[mint.plugins]\n; c\nx=m.n:C\r\n",
                                                    NULL, "mint.plugins" },
    { "[mld.plugins]\nx = m.n : C [extra]\n",       NULL, "mld.plugins"  },
    { "[mld.plugins]\ny = q:R\n[mint.plugins]\nx = m.n:C",
                                                    NULL, "mint.plugins" },
    { "",                                       "no entry point",  NULL },
    { "[console_scripts]\nx = m:C\n",           "no entry point",  NULL },
    { "[mint.plugins]\n",                       "no entry point",  NULL },
    { "[mint.plugins]\nx = m:C\ny = m:D\n",     "2 entry points",  NULL },
    { "[mint.plugins]\nx = m:C\n[b]\n[mint.plugins]\ny = m:D\n", "(x, y)",
      NULL },
    { "[mint.plugins]\nX Y = m:C\n",            "\"X Y\"",         NULL },
    { "[mint.plugins]\n../x = m:C\n",           "\"../x\"",        NULL },
    { "[mint.plugins]\nx\n",                    "is named",        NULL },
    { "[mint.plugins]\nx = m\n",                "of the form",     NULL },
    { "[mint.plugins]\nx = m:C; import os\n",   "of the form",     NULL },
    { "[mint.plugins]\nx = os.system('x'):C\n", "of the form",     NULL },
};


START_TEST(test_entry_points)
{
    int            rc;
    struct wheel   wheel;
    struct strbuf  text;

    memset(&wheel, 0, sizeof(wheel));
    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, entry_points[_i].text);

    rc = wheel_parse_entry_points(&wheel, &text, &err);

    if (entry_points[_i].says == NULL) {
        ck_assert_msg(rc == 0, "%s", err.text);
        ck_assert_str_eq(wheel.entry_group, entry_points[_i].group);
        ck_assert_str_eq(wheel.plugin_name, "x");
        ck_assert_str_eq(wheel.plugin_module, "m.n");
        ck_assert_str_eq(wheel.plugin_object, "C");

    } else {
        ck_assert_int_eq(rc, MINT_ERR_INVALID);
        ck_assert_msg(strstr(err.text, entry_points[_i].says) != NULL, "%s",
                      err.text);
    }

    wheel_clear(&wheel);
    strbuf_free(&text);
}
END_TEST


static const struct {
    const char  *text;              /* below that of group mint.plugins */
    const char  *programs;          /* joined by blanks, or what is said */
    bool         is_refused;
} programs[] = {
    { "",                                       "",             false },
    { "[mint.requires]\n",                      "",             false },
    { "[mint.requires]\nRscript = r-base-core\n# c\nmagick=x:y\r\n",
                                                "Rscript magick", false },
    { "[mint.requires]\ng++ = x\n[other]\nsh = x\n[mint.requires]\n"
      "7z = x\ng++ = y\n",                      "g++ 7z",       false },
    { "[mint.requires]\nRscript\n",             "\"Rscript\"",  true },
    { "[mint.requires]\n/bin/sh = x\n",         "\"/bin/sh\"",  true },
    { "[mint.requires]\n.. = x\n",              "\"..\"",       true },
    { "[mint.requires]\n-x = x\n",              "\"-x\"",       true },
    { "[mint.requires]\n = x\n",                "\"\"",         true },
    { "[mint.requires]\na b = x\n",             "\"a b\"",      true },
    { "[mint.requires]\na\033[1m = x\n",        "not the name", true },
};


START_TEST(test_programs)
{
    int            rc;
    size_t         i;
    struct wheel   wheel;
    struct strbuf  text, found;

    memset(&wheel, 0, sizeof(wheel));
    memset(&text, 0, sizeof(text));
    memset(&found, 0, sizeof(found));
    strbuf_printf(&text, "[mint.plugins]\nx = m.n:C\n%s", programs[_i].text);

    rc = wheel_parse_entry_points(&wheel, &text, &err);

    for (i = 0; i < wheel.programs.count; i++) {
        strbuf_printf(&found, "%s%s", i > 0 ? " " : "",
                      wheel.programs.item[i]);
    }

    if (programs[_i].is_refused) {
        ck_assert_int_eq(rc, MINT_ERR_INVALID);
        ck_assert_msg(strstr(err.text, programs[_i].programs) != NULL, "%s",
                      err.text);

    } else {
        ck_assert_msg(rc == 0, "%s", err.text);
        ck_assert_str_eq(strbuf_text(&found), programs[_i].programs);
    }

    wheel_clear(&wheel);
    strbuf_free(&text);
    strbuf_free(&found);
}
END_TEST


START_TEST(test_programs_limit)
{
    int            i, rc;
    struct wheel   wheel;
    struct strbuf  text;

    memset(&wheel, 0, sizeof(wheel));
    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, "[mint.plugins]\nx = m.n:C\n[mint.requires]\n");

    for (i = 0; i < 65; i++) {
        strbuf_printf(&text, "program-%d = x\n", i);
    }

    rc = wheel_parse_entry_points(&wheel, &text, &err);
    ck_assert_int_eq(rc, MINT_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "more than 64"));

    wheel_clear(&wheel);
    strbuf_free(&text);
}
END_TEST


START_TEST(test_long_description)
{
    struct wheel   wheel;
    struct strbuf  text;

    memset(&wheel, 0, sizeof(wheel));
    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, "Name: a\nVersion: 1\n\n# a\n\n"
                "## Runtime requirements\nR 4\n\n## License\nMIT\n");

    ck_assert_int_eq(wheel_parse_metadata(&wheel, &text, &err), 0);
    ck_assert_str_eq(wheel.runtime_requirements, "R 4");

    wheel_clear(&wheel);
    strbuf_free(&text);
}
END_TEST


START_TEST(test_good_wheel)
{
    char         *path;
    struct wheel  wheel;

    static const char *const  requires[] = { "mint-sdk>=1.2", NULL };

    path = fixture_wheel(directory, "mint-plugin-x", "0.1.0", "x", requires,
                         "class Plugin: pass\n");

    ck_assert_msg(wheel_read(&wheel, path, &err) == 0, "%s", err.text);
    ck_assert_str_eq(wheel.distribution, "mint-plugin-x");
    ck_assert_str_eq(wheel.version, "0.1.0");
    ck_assert_str_eq(wheel.plugin_name, "x");
    ck_assert_str_eq(wheel.plugin_module, "mint_plugin_x");
    ck_assert_uint_eq(wheel.requires_count, 1);

    wheel_clear(&wheel);
    free(path);
}
END_TEST


#define METADATA  "a-1.dist-info/METADATA"
#define ENTRIES   "a-1.dist-info/entry_points.txt"
#define GOOD      "Name: a\nVersion: 1\n"

static const struct {
    struct fixture_file   files[5];
    const char           *says;
} bad_wheels[] = {
    { { { "a.py", "", 0 } },                        "no dist-info/METADATA" },
    { { { METADATA, GOOD, 0 } },                    "no entry point" },
    { { { METADATA, GOOD, 0 }, { "../evil.py", "x", 0 } },  "unsafe name" },
    { { { METADATA, GOOD, 0 }, { "a/../../b", "x", 0 } },   "unsafe name" },
    { { { METADATA, GOOD, 0 }, { "/etc/x", "x", 0 } },      "unsafe name" },
    { { { METADATA, GOOD, 0 }, { "..\\b", "x", 0 } },      "unsafe name" },
    { { { METADATA, GOOD, 0 }, { METADATA, GOOD, 0 } },     "twice" },
    { { { METADATA, GOOD, 0 }, { "b-1.dist-info/METADATA", GOOD, 0 } },
      "more than one dist-info" },
    { { { METADATA, "Name: b\nVersion: 1\n", 0 } },
      "METADATA says \"b\" 1, its file name \"a\" 1" },
    { { { METADATA, "Name: a\nVersion: 2\n", 0 } }, "METADATA says" },
    { { { "x-1.dist-info/METADATA", GOOD, 0 } },    "directory" },
    { { { METADATA, GOOD, 0 },
        { ENTRIES, "[mint.plugins]\np = a:P\nq = a:Q\n", 0 } },
      "2 entry points" },
};


START_TEST(test_bad_wheels)
{
    char         *path;
    struct wheel  wheel;

    path = mem_printf("%s/a-1-py3-none-any.whl", directory);
    fixture_zip(path, bad_wheels[_i].files);

    ck_assert_int_eq(wheel_read(&wheel, path, &err), MINT_ERR_INVALID);
    ck_assert_msg(strstr(err.text, bad_wheels[_i].says) != NULL, "%s",
                  err.text);
    ck_assert_ptr_nonnull(strstr(err.text, "a-1-py3-none-any.whl"));
    ck_assert_ptr_null(wheel.distribution);

    free(path);
}
END_TEST


START_TEST(test_not_a_zip)
{
    char         *path;
    struct wheel  wheel;

    path = mem_printf("%s/a-1-py3-none-any.whl", directory);
    fixture_write(path, "this is no archive, whatever its name says");

    ck_assert_int_eq(wheel_read(&wheel, path, &err), MINT_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "not a ZIP archive"));

    fixture_write(path, "");
    ck_assert_int_eq(wheel_read(&wheel, path, &err), MINT_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "not a ZIP archive"));

    free(path);
}
END_TEST


static Suite *
wheel_suite(void)
{
    Suite  *suite;
    TCase  *tcase;

    suite = suite_create("wheel");
    tcase = tcase_create("wheel");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, test_file_names, 0,
                        sizeof(file_names) / sizeof(file_names[0]));
    tcase_add_loop_test(tcase, test_metadata, 0,
                        sizeof(metadata) / sizeof(metadata[0]));
    tcase_add_test(tcase, test_metadata_requires);
    tcase_add_loop_test(tcase, test_entry_points, 0,
                        sizeof(entry_points) / sizeof(entry_points[0]));
    tcase_add_loop_test(tcase, test_programs, 0,
                        sizeof(programs) / sizeof(programs[0]));
    tcase_add_test(tcase, test_programs_limit);
    tcase_add_test(tcase, test_long_description);
    tcase_add_test(tcase, test_good_wheel);
    tcase_add_loop_test(tcase, test_bad_wheels, 0,
                        sizeof(bad_wheels) / sizeof(bad_wheels[0]));
    tcase_add_test(tcase, test_not_a_zip);
    suite_add_tcase(suite, tcase);

    return suite;
}


int
main(void)
{
    int       failed;
    SRunner  *runner;

    runner = srunner_create(wheel_suite());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
