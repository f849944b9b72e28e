/* SPDX-License-Identifier: MIT */
/*
 * Links to environments: made, replaced, removed, and what is not theirs.
 */

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/venv_links.h"


static char               *root, *venvs, *environments;
static struct venv_links  *links;
static unsigned            warnings;


static void
count_warning(void *ctx, enum log_level level,
    const struct log_fields *fields, const char *message)
{
    (void) ctx;
    (void) fields;
    (void) message;

    warnings += level == LOG_LEVEL_WARN;
}


static void
setup(void)
{
    root = fixture_directory();
    venvs = mem_printf("%s/venvs", root);
    environments = mem_printf("%s/environments", root);
    ck_assert_int_eq(mkdir(environments, 0755), 0);
    warnings = 0;
    log_open("test");
    log_copy_to(count_warning, NULL);
    ck_assert_int_eq(venv_links_open(&links, venvs, environments, NULL), 0);
}


static void
teardown(void)
{
    venv_links_free(&links);
    log_copy_to(NULL, NULL);
    free(environments);
    free(venvs);
    fixture_remove(root);
}


/* the links as "name=target name=target", in order of their names */

static char *
listed(void)
{
    int              i, count;
    char            *text, target[4096];
    ssize_t          len;
    struct strbuf    out;
    struct dirent  **entries;

    memset(&out, 0, sizeof(out));
    count = scandir(venvs, &entries, NULL, alphasort);

    for (i = 0; i < count; i++) {
        if (strcmp(entries[i]->d_name, ".") != 0
            && strcmp(entries[i]->d_name, "..") != 0)
        {
            text = mem_printf("%s/%s", venvs, entries[i]->d_name);
            len = readlink(text, target, sizeof(target));
            free(text);

            strbuf_printf(&out, "%s%s=%.*s", out.len > 0 ? " " : "",
                          entries[i]->d_name, len > 0 ? (int) len : 0, target);
        }

        free(entries[i]);
    }

    free(entries);
    text = mem_strdup(strbuf_text(&out));
    strbuf_free(&out);

    return text;
}


static void
set(const char *a, const char *b)
{
    size_t            count;
    struct venv_link  wanted[2];

    count = 0;

    if (a[0] != '\0') {
        wanted[count].name = "a";
        wanted[count++].environment = a;
    }

    if (b[0] != '\0') {
        wanted[count].name = "b";
        wanted[count++].environment = b;
    }

    venv_links_set(links, wanted, count);
}


static void
check(const char *expected)
{
    char  *text;

    text = listed();
    ck_assert_str_eq(text, expected);
    free(text);
}


START_TEST(test_set)
{
    char         *one, *two, *path, *expected;
    struct stat   before, after;

    one = mem_printf("%s/a-1", environments);
    two = mem_printf("%s/a-2", environments);

    set(one, two);
    expected = mem_printf("a=%s b=%s", one, two);
    check(expected);

    /* what is right is not touched */

    path = mem_printf("%s/a", venvs);
    ck_assert_int_eq(lstat(path, &before), 0);
    set(one, two);
    ck_assert_int_eq(lstat(path, &after), 0);
    ck_assert(before.st_ino == after.st_ino);
    free(expected);

    set(two, one);
    expected = mem_printf("a=%s b=%s", two, one);
    check(expected);
    free(expected);

    set(two, "");
    expected = mem_printf("a=%s", two);
    check(expected);

    /* what leads nowhere, or a kill has left */

    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink("/nowhere", path), 0);
    free(path);
    path = mem_printf("%s/.mint-new", venvs);
    ck_assert_int_eq(symlink(one, path), 0);
    set(two, "");
    check(expected);

    set("", "");
    check("");
    ck_assert_uint_eq(warnings, 0);

    free(expected);
    free(path);
    free(two);
    free(one);
}
END_TEST


START_TEST(test_not_ours)
{
    char  *one, *path, *expected;

    one = mem_printf("%s/a-1", environments);
    set("", "");

    path = mem_printf("%s/a", venvs);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    free(path);
    path = mem_printf("%s/mine", venvs);
    ck_assert_int_eq(symlink("/usr", path), 0);
    free(path);
    path = mem_printf("%s/notes", venvs);
    fixture_write(path, "text");
    free(path);

    set(one, one);
    set(one, one);
    expected = mem_printf("a= b=%s mine=/usr notes=", one);
    check(expected);
    ck_assert_uint_eq(warnings, 1);
    free(expected);

    /* somebody's link in the place of one of ours is that one's */

    path = mem_printf("%s/b", venvs);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink("/usr", path), 0);
    free(path);
    set(one, one);
    set(one, one);
    check("a= b=/usr mine=/usr notes=");
    ck_assert_uint_eq(warnings, 2);

    free(one);
}
END_TEST


/* nothing depends on them */

START_TEST(test_no_directory)
{
    fixture_write(venvs, "a file");
    set("/x", "/y");
    set("/x", "/y");
    ck_assert_uint_eq(warnings, 1);

    ck_assert_int_eq(unlink(venvs), 0);
    set("/x", "/y");
    check("a=/x b=/y");
}
END_TEST


START_TEST(test_place)
{
    char               *path;
    struct error        err;
    struct venv_links  *other;

    other = NULL;
    ck_assert_int_eq(venv_links_open(&other, environments, environments,
                                     &err), MINT_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "plugins.venvDir: "));

    path = mem_printf("%s/links/deeper", environments);
    ck_assert_int_eq(venv_links_open(&other, path, environments, &err),
                     MINT_ERR_INVALID);
    free(path);

    /* by another way */

    path = mem_printf("%s/way", root);
    ck_assert_int_eq(symlink(environments, path), 0);
    ck_assert_int_eq(venv_links_open(&other, path, environments, &err),
                     MINT_ERR_INVALID);
    free(path);
    ck_assert_ptr_null(other);

    path = mem_printf("%s/environments-links", root);
    ck_assert_int_eq(venv_links_open(&other, path, environments, &err), 0);
    venv_links_free(&other);
    free(path);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("venv_links");
    tcase = tcase_create("venv_links");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_set);
    tcase_add_test(tcase, test_not_ours);
    tcase_add_test(tcase, test_no_directory);
    tcase_add_test(tcase, test_place);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
