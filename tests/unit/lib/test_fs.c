/* SPDX-License-Identifier: MIT */
/*
 * Files: reading with a limit, atomic writes that fail whole, directories,
 * digests, time.
 */

#include "lib/fs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "scratch.h"


static mode_t
mode_of(const char *path)
{
    struct stat  st;

    ck_assert_msg(stat(path, &st) == 0, "%s: %s", path, strerror(errno));

    return st.st_mode & 07777;
}


START_TEST(test_read)
{
    struct error   err;
    struct strbuf  text = { 0 };

    scratch_write("ten", "0123456789");
    strbuf_puts(&text, "old");

    ck_assert_int_eq(fs_read("ten", 10, &text, &err), 0);
    ck_assert_str_eq(strbuf_text(&text), "0123456789");
    ck_assert_int_eq(fs_read("ten", 9, &text, &err), MINT_ERR_FULL);
    ck_assert_uint_eq(text.len, 0);
    ck_assert_ptr_nonnull(strstr(err.text, "\"ten\""));

    ck_assert_int_eq(fs_read("none", 9, &text, &err), MINT_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "\"none\""));
    ck_assert_int_eq(fs_read(".", 9, &text, &err), MINT_ERR_INVALID);
    ck_assert_int_eq(fs_read("none", 9, &text, NULL), MINT_ERR_NOT_FOUND);

    scratch_write("empty", "");
    ck_assert_int_eq(fs_read("empty", 0, &text, &err), 0);
    ck_assert_str_eq(strbuf_text(&text), "");

    ck_assert_int_eq(fs_read("/proc/self/status", 100000, &text, &err), 0);
    ck_assert_uint_gt(text.len, 100);
    strbuf_free(&text);
}
END_TEST


/* opening a FIFO without a writer would wait for ever */

START_TEST(test_read_fifo)
{
    struct error   err;
    struct strbuf  text = { 0 };

    ck_assert_int_eq(mkfifo("fifo", 0600), 0);
    ck_assert_int_eq(fs_read("fifo", 10, &text, &err), MINT_ERR_INVALID);
    strbuf_free(&text);
}
END_TEST


START_TEST(test_write_atomic)
{
    char          stale[64], path[4200];
    struct error  err;

    umask(077);
    ck_assert_int_eq(fs_write_atomic("f", "one", 3, 0640, &err), 0);
    ck_assert_str_eq(scratch_read("f"), "one");
    ck_assert_uint_eq(mode_of("f"), 0640);

    /* an absolute path; a shorter text; another mode */

    snprintf(path, sizeof(path), "%s/f", scratch_path());
    ck_assert_int_eq(fs_write_atomic(path, "2", 1, 0600, &err), 0);
    ck_assert_str_eq(scratch_read("f"), "2");
    ck_assert_uint_eq(mode_of("f"), 0600);
    ck_assert_int_eq(fs_write_atomic("f", NULL, 0, 0600, &err), 0);
    ck_assert_str_eq(scratch_read("f"), "");

    /* what a killed process of the same pid has left */

    snprintf(stale, sizeof(stale), "f.tmp-%ld", (long) getpid());
    scratch_write(stale, "half");
    ck_assert_int_eq(fs_write_atomic("f", "three", 5, 0600, &err), 0);
    ck_assert_str_eq(scratch_read("f"), "three");
    ck_assert_int_eq(fs_exists(stale), 0);

    /* a link planted there is not followed */

    scratch_write("victim", "safe");
    ck_assert_int_eq(symlink("victim", stale), 0);
    ck_assert_int_eq(fs_write_atomic("f", "four", 4, 0600, &err), 0);
    ck_assert_str_eq(scratch_read("victim"), "safe");
}
END_TEST


START_TEST(test_remove_unfinished)
{
    size_t  i;

    static const struct {
        const char  *name;
        int          is_of_f;
        int          is_left;           /* of any file */
    } files[] = {
        { "f.tmp-17",         1, 1 },
        { "f.tmp-4194304",    1, 1 },
        { "ff.tmp-17",        0, 1 },
        { "f.txt.tmp-17",     0, 1 },
        { "f",                0, 0 },
        { "f.tmp-",           0, 0 },
        { "f.tmp-17x",        0, 0 },
        { "f.tmp-x17",        0, 0 },
        { "f.tmp--17",        0, 0 },
        { ".tmp-17",          0, 0 },
        { "f.tmp",            0, 0 },
    };

    fs_remove_unfinished("none", NULL);
    ck_assert_int_eq(mkdir("d.tmp-17", 0700), 0);

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        scratch_write(files[i].name, "half");
    }

    fs_remove_unfinished(".", "f");

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        ck_assert_msg(fs_exists(files[i].name) == !files[i].is_of_f, "%s",
                      files[i].name);
    }

    fs_remove_unfinished(scratch_path(), NULL);

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        ck_assert_msg(fs_exists(files[i].name) == !files[i].is_left, "%s",
                      files[i].name);
    }

    ck_assert_int_eq(fs_exists("d.tmp-17"), 1);
}
END_TEST


START_TEST(test_write_atomic_fails_whole)
{
    char           name[64], big[20000], path[5000];
    struct error   err;
    struct rlimit  limit = { 4096, 4096 };

    scratch_write("f", "old");
    ck_assert_int_eq(mkdir("d", 0700), 0);

    ck_assert_int_eq(fs_write_atomic("none/f", "x", 1, 0600, &err),
                     MINT_ERR_NOT_FOUND);
    ck_assert_int_eq(fs_write_atomic("d", "x", 1, 0600, &err),
                     MINT_ERR_SYSTEM);
    snprintf(name, sizeof(name), "d.tmp-%ld", (long) getpid());
    ck_assert_int_eq(fs_exists(name), 0);

    memset(path, 'p', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    ck_assert_int_eq(fs_write_atomic(path, "x", 1, 0600, &err),
                     MINT_ERR_INVALID);

    /* the write itself fails, half-way */

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    memset(big, 'b', sizeof(big));
    ck_assert_int_eq(fs_write_atomic("f", big, sizeof(big), 0600, &err),
                     MINT_ERR_SYSTEM);
    ck_assert_int_eq(err.system_errno, EFBIG);
    ck_assert_str_eq(scratch_read("f"), "old");
    snprintf(name, sizeof(name), "f.tmp-%ld", (long) getpid());
    ck_assert_int_eq(fs_exists(name), 0);
}
END_TEST


START_TEST(test_mkdir_all)
{
    char          path[5000];
    struct error  err;

    umask(077);
    ck_assert_int_eq(mkdir("a", 0700), 0);
    ck_assert_int_eq(fs_mkdir_all("a/b//c/d/", 0755, &err), 0);
    ck_assert_uint_eq(mode_of("a"), 0700);
    ck_assert_uint_eq(mode_of("a/b"), 0755);
    ck_assert_uint_eq(mode_of("a/b/c"), 0755);
    ck_assert_uint_eq(mode_of("a/b/c/d"), 0755);

    ck_assert_int_eq(fs_mkdir_all("a/b/c/d", 0700, &err), 0);
    ck_assert_uint_eq(mode_of("a/b/c/d"), 0755);
    ck_assert_int_eq(fs_mkdir_all("/", 0755, &err), 0);
    ck_assert_int_eq(fs_mkdir_all(".", 0755, &err), 0);

    snprintf(path, sizeof(path), "%s/x/y", scratch_path());
    ck_assert_int_eq(fs_mkdir_all(path, 0711, &err), 0);
    ck_assert_uint_eq(mode_of("x/y"), 0711);

    ck_assert_int_eq(symlink("a", "link"), 0);
    ck_assert_int_eq(fs_mkdir_all("link/z", 0755, &err), 0);
    ck_assert_int_eq(fs_exists("a/z"), 1);

    scratch_write("file", "");
    ck_assert_int_eq(fs_mkdir_all("file", 0755, &err), MINT_ERR_SYSTEM);
    ck_assert_int_eq(err.system_errno, ENOTDIR);
    ck_assert_int_eq(fs_mkdir_all("file/x", 0755, &err), MINT_ERR_SYSTEM);
    ck_assert_int_eq(fs_mkdir_all("", 0755, &err), MINT_ERR_INVALID);

    memset(path, 'p', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    ck_assert_int_eq(fs_mkdir_all(path, 0755, &err), MINT_ERR_INVALID);
}
END_TEST


START_TEST(test_exists)
{
    scratch_write("f", "");
    ck_assert_int_eq(symlink("none", "dangling"), 0);
    ck_assert_int_eq(fs_exists("f"), 1);
    ck_assert_int_eq(fs_exists("."), 1);
    ck_assert_int_eq(fs_exists("none"), 0);
    ck_assert_int_eq(fs_exists("dangling"), 0);
}
END_TEST


START_TEST(test_sha256)
{
    int           i;
    char          hex[65], *big;
    struct error  err;

    scratch_write("empty", "");
    ck_assert_int_eq(fs_sha256("empty", hex, &err), 0);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934"
                     "ca495991b7852b855");

    scratch_write("abc", "abc");
    ck_assert_int_eq(fs_sha256("abc", hex, &err), 0);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9c"
                     "b410ff61f20015ad");

    /* a million times "a", from FIPS 180 */

    big = mem_alloc(1000001);

    for (i = 0; i < 1000000; i++) {
        big[i] = 'a';
    }

    scratch_write("million", big);
    free(big);
    ck_assert_int_eq(fs_sha256("million", hex, &err), 0);
    ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e"
                     "046d39ccc7112cd0");

    ck_assert_int_eq(fs_sha256("none", hex, &err), MINT_ERR_NOT_FOUND);
    ck_assert_int_eq(fs_sha256(".", hex, &err), MINT_ERR_INVALID);
}
END_TEST


START_TEST(test_random_hex)
{
    char    a[1201], b[1201];
    size_t  n;

    memset(a, 'x', sizeof(a));
    fs_random_hex(a, 0);
    ck_assert_str_eq(a, "");

    for (n = 16; n <= 600; n += 73) {
        fs_random_hex(a, n);
        fs_random_hex(b, n);
        ck_assert_uint_eq(strlen(a), 2 * n);
        ck_assert_uint_eq(strspn(a, "0123456789abcdef"), 2 * n);
        ck_assert_str_ne(a, b);
    }
}
END_TEST


START_TEST(test_time)
{
    char      text[32];
    uint64_t  before;

    time_rfc3339(0, text);
    ck_assert_str_eq(text, "1970-01-01T00:00:00.000Z");
    time_rfc3339(1709210096007, text);
    ck_assert_str_eq(text, "2024-02-29T12:34:56.007Z");
    time_rfc3339(UINT64_MAX, text);
    ck_assert_str_eq(text, "9999-12-31T23:59:59.999Z");

    before = time_boot_ms();
    ck_assert_uint_gt(before, 0);
    ck_assert_uint_ge(time_boot_ms(), before);
    ck_assert_uint_gt(time_unix_ms(), 1700000000000);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("fs");
    tcase = tcase_create("fs");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, scratch_enter, scratch_leave);
    tcase_add_test(tcase, test_read);
    tcase_add_test(tcase, test_read_fifo);
    tcase_add_test(tcase, test_write_atomic);
    tcase_add_test(tcase, test_remove_unfinished);
    tcase_add_test(tcase, test_write_atomic_fails_whole);
    tcase_add_test(tcase, test_mkdir_all);
    tcase_add_test(tcase, test_exists);
    tcase_add_test(tcase, test_sha256);
    tcase_add_test(tcase, test_random_hex);
    tcase_add_test(tcase, test_time);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
