/* SPDX-License-Identifier: MIT */
/*
 * What uv keeps: entries that are as known, and those that are not; which of
 * them are told of, and in which order.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/uv_cache.h"


#define NOTHING  (const char *const []) { NULL }


/* ---- entries ------------------------------------------------------------ */

START_TEST(test_entry)
{
    struct strbuf      entry;
    struct uv_release  release;
    const char        *requires[] = { "idna", "h2<5,>=3 ; extra == 'http2'",
                                      NULL };

    memset(&entry, 0, sizeof(entry));
    fixture_release_entry("Http_X", "0.28.1", ">=3.8", requires, &entry);
    ck_assert_int_eq(uv_release_parse(&release, entry.data, entry.len), 0);
    ck_assert_str_eq(release.name, "http-x");
    ck_assert_str_eq(release.version, "0.28.1");
    ck_assert_str_eq(release.requires_python, ">=3.8");
    ck_assert_uint_eq(release.requires.count, 2);
    ck_assert_str_eq(release.requires.item[1], requires[1]);
    uv_release_clear(&release);
    strbuf_free(&entry);
}
END_TEST


START_TEST(test_entry_without_python)
{
    struct strbuf      entry;
    struct uv_release  release;

    memset(&entry, 0, sizeof(entry));
    fixture_release_entry("a", "1", NULL, NOTHING, &entry);
    ck_assert_int_eq(uv_release_parse(&release, entry.data, entry.len), 0);
    ck_assert_ptr_null(release.requires_python);
    ck_assert_uint_eq(release.requires.count, 0);
    uv_release_clear(&release);
    strbuf_free(&entry);
}
END_TEST


/* every beginning of it: short of its last byte it is none */

START_TEST(test_entry_cut)
{
    size_t             i, whole;
    struct strbuf      entry;
    struct uv_release  release;
    const char        *requires[] = { "b>=1", NULL };

    memset(&entry, 0, sizeof(entry));
    fixture_release_entry("a", "1", ">=3", requires, &entry);
    whole = entry.len - strlen("what follows") - 3;

    for (i = 0; i < entry.len; i++) {
        ck_assert_int_eq(uv_release_parse(&release, entry.data, i) == 0,
                         i >= whole);
        uv_release_clear(&release);
    }

    strbuf_free(&entry);
}
END_TEST


static const struct {
    const char  *bytes;
    size_t       size;
} bad[] = {
#define BAD(text)  { text, sizeof(text) - 1 }
    BAD(""),
    BAD("\x95\xa1" "a\xa1" "1\x90\xc0\x90\xc2"),        /* five */
    BAD("\x96\xa1" "a\xa1" "1\x90\xc0\x90\xc3"),        /* may change */
    BAD("\x96\xa1" "a\xa1" "1\x91\xc0\xc0\x90\xc2"),    /* nil required */
    BAD("\x96\xa1" "a\xa1" "1\x90\xc2\x90\xc2"),        /* false of Python */
    BAD("\x96\xa0\xa1" "1\x90\xc0\x90\xc2"),            /* no name */
    BAD("\x96\xa3" "../\xa1" "1\x90\xc0\x90\xc2"),
    BAD("\x96\xa1" "a\xa1\0\x90\xc0\x90\xc2"),          /* NUL in a text */
    BAD("\x96\xa1" "a\xdb\xff\xff\xff\xff" "1"),        /* 4 GiB of text */
    BAD("\x96\xa1" "a\xa1" "1\xdd\xff\xff\xff\xff"),    /* 4 G items */
    BAD("\x96\xa1" "a\xa1" "1\xdc"),                    /* half a length */
    BAD("\x86\xa1" "a\xa1" "1\x90\xc0\x90\xc2"),        /* a map */
    BAD("\x96\xc4\x01" "a\xa1" "1\x90\xc0\x90\xc2"),    /* bytes, no text */
};


START_TEST(test_bad_entry)
{
    struct uv_release  release;

    ck_assert_int_ne(uv_release_parse(&release, bad[_i].bytes, bad[_i].size),
                     0);
    ck_assert_ptr_null(release.name);
}
END_TEST


/* ---- the cache ---------------------------------------------------------- */

static char                        *directory;
static struct marker_environment    interpreter;


static void
setup(void)
{
    directory = fixture_directory();
    memset(&interpreter, 0, sizeof(interpreter));
    marker_environment_set(&interpreter, "python_full_version", "3.13.5");
    marker_environment_set(&interpreter, "python_version", "3.13");
}


static void
teardown(void)
{
    marker_environment_clear(&interpreter);
    fixture_remove(directory);
}


/* "2.0 1.0", as they are told of */

static void
told(const char *name, struct strbuf *out)
{
    size_t                     i;
    struct uv_cache           *cache;
    const struct uv_releases  *releases;

    strbuf_clear(out);
    cache = uv_cache_open(directory, &interpreter);
    releases = uv_cache_releases(cache, name);
    ck_assert_ptr_eq(uv_cache_releases(cache, name), releases);

    for (i = 0; i < releases->count; i++) {
        strbuf_printf(out, "%s%s", i > 0 ? " " : "",
                      releases->items[i].version);
    }

    uv_cache_close(&cache);
}


static const struct {
    const char  *version;
    const char  *tags;
    const char  *python;
    bool         is_told;
} kept[] = {
    { "1.0",    "py3-none-any",                             NULL,       true  },
    { "1.0",    "py2.py3-none-any",                         NULL,       true  },
    { "1.0",    "cp313-cp313-manylinux_2_17_x86_64",        NULL,       true  },
    { "1.0",    "cp313-cp313-manylinux1_x86_64.linux_x",    NULL,       true  },
    { "1.0",    "cp310-abi3-manylinux_2_17_x86_64",         NULL,       true  },
    { "1.0",    "cp312-cp312-manylinux_2_17_x86_64",        NULL,       false },
    { "1.0",    "cp314-abi3-manylinux_2_17_x86_64",         NULL,       false },
    { "1.0",    "cp313-cp313t-manylinux_2_17_x86_64",       NULL,       false },
    { "1.0",    "py2-none-any",                             NULL,       false },
    { "1.0",    "py3-none-linux_x86_64",                    NULL,       false },
    { "1.0",    "1-py3-none-any",                           NULL,       false },
    { "1.0",    "527811ebca4593a1",                         NULL,       false },
    { "1.0",    "py3-none-any",                             ">=3.13",   true  },
    { "1.0",    "py3-none-any",                             "<3.13",    false },
    { "1.0",    "py3-none-any",                             "3.x",      false },
    { "1.0rc1", "py3-none-any",                             NULL,       false },
    { "1.0.dev1", "py3-none-any",                           NULL,       false },
    { "1.0+cpu", "py3-none-any",                            NULL,       false },
    { "one",    "py3-none-any",                             NULL,       false },
};


START_TEST(test_kept)
{
    struct strbuf  out;

    memset(&out, 0, sizeof(out));
    fixture_release(directory, "rich", kept[_i].version, kept[_i].tags,
                    kept[_i].python, NOTHING);
    told("rich", &out);
    ck_assert_str_eq(strbuf_text(&out),
                     kept[_i].is_told ? kept[_i].version : "");
    strbuf_free(&out);
}
END_TEST


START_TEST(test_newest_first_and_once)
{
    struct strbuf  out;

    memset(&out, 0, sizeof(out));
    fixture_release(directory, "rich", "9.1", "py3-none-any", NULL, NOTHING);
    fixture_release(directory, "rich", "14.0", "py3-none-any", NULL, NOTHING);
    fixture_release(directory, "rich", "14.0", "py2.py3-none-any", NULL,
                    NOTHING);
    fixture_release(directory, "rich", "13.10", "py3-none-any", NULL, NOTHING);
    fixture_release(directory, "richer", "99", "py3-none-any", NULL, NOTHING);
    told("Rich", &out);
    ck_assert_str_eq(strbuf_text(&out), "14.0 13.10 9.1");
    told("nobody", &out);
    ck_assert_str_eq(strbuf_text(&out), "");
    told("..", &out);
    ck_assert_str_eq(strbuf_text(&out), "");
    strbuf_free(&out);
}
END_TEST


static void
spoil(const char *name, const char *text)
{
    char  *path;

    path = mem_printf("%s/wheels-v8/%s", directory, name);
    fixture_write(path, text);
    free(path);
}


START_TEST(test_what_is_not_as_known)
{
    struct strbuf  out;

    memset(&out, 0, sizeof(out));
    told("rich", &out);                         /* there is no cache */
    ck_assert_str_eq(strbuf_text(&out), "");

    fixture_release(directory, "rich", "14.0", "py3-none-any", NULL, NOTHING);
    spoil("pypi/rich/15.0-py3-none-any.msgpack", "half of someth");
    spoil("pypi/rich/16.0-py3-none-any.msgpack", "");
    spoil("pypi/rich/.msgpack", "");
    spoil("pypi/rich/17.0-py3-none-any.msgpack.tmp", "");
    told("rich", &out);
    ck_assert_str_eq(strbuf_text(&out), "14.0");

    strbuf_free(&out);
}
END_TEST


/* an entry under another name, or another version's, is not believed */

START_TEST(test_entry_of_another)
{
    char          *path;
    struct strbuf  out, entry;

    memset(&out, 0, sizeof(out));
    memset(&entry, 0, sizeof(entry));
    fixture_release(directory, "rich", "14.0", "py3-none-any", NULL, NOTHING);
    fixture_release_entry("rich", "15.0", NULL, NOTHING, &entry);
    path = mem_printf("%s/wheels-v8/pypi/rich/16.0-py3-none-any.msgpack",
                      directory);
    ck_assert_int_eq(fs_write_atomic(path, entry.data, entry.len, 0600, NULL),
                     0);
    free(path);

    strbuf_clear(&entry);
    fixture_release_entry("poor", "17.0", NULL, NOTHING, &entry);
    path = mem_printf("%s/wheels-v8/pypi/rich/17.0-py3-none-any.msgpack",
                      directory);
    ck_assert_int_eq(fs_write_atomic(path, entry.data, entry.len, 0600, NULL),
                     0);
    free(path);

    told("rich", &out);
    ck_assert_str_eq(strbuf_text(&out), "14.0");
    strbuf_free(&entry);
    strbuf_free(&out);
}
END_TEST


/* long tags are a hash in the file's name, and are found in the address */

static const struct {
    const char  *address;
    bool         is_told;
} addresses[] = {
    { "https://x/a/rich-14.0-cp313-cp313-manylinux2014_x86_64.whl", true },
    { "\1\2x://rich/rich-14.0-cp310-abi3-linux_x86_64.whl.metadata\3", true },
    { "https://x/a/rich-14.0-cp312-cp312-manylinux2014_x86_64.whl", false },
    { "https://x/a/rich-15.0-cp313-cp313-manylinux2014_x86_64.whl", false },
    { "https://x/a/rich-14.0.whl", false },
    { "https://x/a/rich-14.0-", false },
    { ".whl", false },
    { "/.whl", false },
    { "/-14.0-.whl", false },
};


START_TEST(test_address)
{
    char          *path;
    struct strbuf  out, entry;

    memset(&out, 0, sizeof(out));
    memset(&entry, 0, sizeof(entry));
    fixture_release(directory, "rich", "9.0", "py3-none-any", NULL, NOTHING);
    fixture_release_entry("rich", "14.0", NULL, NOTHING, &entry);
    strbuf_puts(&entry, addresses[_i].address);
    path = mem_printf("%s/wheels-v8/pypi/rich/14.0-527811ebca4593a1.msgpack",
                      directory);
    ck_assert_int_eq(fs_write_atomic(path, entry.data, entry.len, 0600, NULL),
                     0);
    free(path);

    told("rich", &out);
    ck_assert_str_eq(strbuf_text(&out),
                     addresses[_i].is_told ? "14.0 9.0" : "9.0");
    strbuf_free(&entry);
    strbuf_free(&out);
}
END_TEST


START_TEST(test_two_indexes)
{
    char          *from, *to;
    struct strbuf  out;

    memset(&out, 0, sizeof(out));
    fixture_release(directory, "rich", "14.0", "py3-none-any", NULL, NOTHING);

    from = mem_printf("%s/wheels-v8/pypi", directory);
    to = mem_printf("%s/wheels-v8/index", directory);
    ck_assert_int_eq(fs_mkdir_all(to, 0700, NULL), 0);
    free(to);
    to = mem_printf("%s/wheels-v8/index/0123456789abcdef", directory);
    ck_assert_int_eq(rename(from, to), 0);
    free(from);
    free(to);
    told("rich", &out);
    ck_assert_str_eq(strbuf_text(&out), "14.0");

    /* which one would uv ask? */

    fixture_release(directory, "rich", "13.0", "py3-none-any", NULL, NOTHING);
    told("rich", &out);
    ck_assert_str_eq(strbuf_text(&out), "");
    strbuf_free(&out);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("uv_cache");
    tcase = tcase_create("entries");
    tcase_add_test(tcase, test_entry);
    tcase_add_test(tcase, test_entry_without_python);
    tcase_add_test(tcase, test_entry_cut);
    tcase_add_loop_test(tcase, test_bad_entry, 0,
                        (int) (sizeof(bad) / sizeof(bad[0])));
    suite_add_tcase(suite, tcase);

    tcase = tcase_create("cache");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, test_kept, 0,
                        (int) (sizeof(kept) / sizeof(kept[0])));
    tcase_add_loop_test(tcase, test_address, 0,
                        (int) (sizeof(addresses) / sizeof(addresses[0])));
    tcase_add_test(tcase, test_newest_first_and_once);
    tcase_add_test(tcase, test_what_is_not_as_known);
    tcase_add_test(tcase, test_entry_of_another);
    tcase_add_test(tcase, test_two_indexes);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
