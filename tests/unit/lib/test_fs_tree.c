/* SPDX-License-Identifier: MIT */
/*
 * Whole trees: removal never leaves the tree, whatever lies in it, and needs
 * few descriptors at any depth.
 */

#include "lib/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <check.h>

#include "scratch.h"


static size_t
count_entries(const char *path)
{
    DIR     *list;
    size_t   n;

    list = opendir(path);
    ck_assert_ptr_nonnull(list);

    for (n = 0; readdir(list) != NULL; n++) {
        /* void */
    }

    closedir(list);

    return n - 2;
}


START_TEST(test_remove)
{
    int                 fd;
    struct error        err;
    struct sockaddr_un  address = { .sun_family = AF_UNIX };

    ck_assert_int_eq(fs_mkdir_all("t/a/b/c", 0755, &err), 0);
    ck_assert_int_eq(fs_mkdir_all("t/empty", 0755, &err), 0);
    scratch_write("t/f", "x");
    scratch_write("t/a/.hidden", "x");
    scratch_write("t/a/b/c/f", "x");
    ck_assert_int_eq(mkfifo("t/a/fifo", 0600), 0);

    strcpy(address.sun_path, "t/a/socket");
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *) &address,
                          sizeof(address)), 0);
    close(fd);

    ck_assert_int_eq(fs_remove_tree("t", &err), 0);
    ck_assert_uint_eq(count_entries("."), 0);
    ck_assert_int_eq(fs_remove_tree("t", &err), 0);
    ck_assert_int_eq(fs_remove_tree("none/t", &err), 0);
}
END_TEST


START_TEST(test_remove_file)
{
    struct error  err;

    scratch_write("f", "x");
    ck_assert_int_eq(fs_remove_tree("f", &err), 0);
    ck_assert_uint_eq(count_entries("."), 0);
}
END_TEST


START_TEST(test_remove_does_not_follow_links)
{
    struct error  err;

    ck_assert_int_eq(fs_mkdir_all("outside/deep", 0755, &err), 0);
    scratch_write("outside/f", "safe");
    scratch_write("outside/deep/f", "safe");

    ck_assert_int_eq(fs_mkdir_all("t/a", 0755, &err), 0);
    ck_assert_int_eq(symlink("../outside", "t/link"), 0);
    ck_assert_int_eq(symlink("../../outside/f", "t/a/link"), 0);
    ck_assert_int_eq(symlink("nowhere", "t/a/dangling"), 0);
    ck_assert_int_eq(symlink("outside", "top"), 0);

    ck_assert_int_eq(fs_remove_tree("t", &err), 0);
    ck_assert_int_eq(fs_remove_tree("top", &err), 0);

    ck_assert_int_eq(fs_exists("t"), 0);
    ck_assert_int_eq(fs_exists("top"), 0);
    ck_assert_str_eq(scratch_read("outside/f"), "safe");
    ck_assert_str_eq(scratch_read("outside/deep/f"), "safe");
}
END_TEST


/* deeper than there are descriptors and, where the file system lets one (the
   overlay of a container does not), than PATH_MAX */

START_TEST(test_remove_deep)
{
    int            i, fd, next;
    struct error   err;
    struct rlimit  limit = { 80, 80 };

    ck_assert_int_eq(mkdir("t", 0755), 0);
    fd = open("t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (i = 0; i < 3000; i++) {
        if (mkdirat(fd, "directory", 0755) == -1) {
            ck_assert_int_eq(errno, ENAMETOOLONG);
            ck_assert_int_gt(i, 4 * 80);
            break;
        }

        ck_assert_int_eq(mkdirat(fd, "other", 0755), 0);
        next = openat(fd, "directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ne(next, -1);
        close(fd);
        fd = next;
    }

    close(fd);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_msg(fs_remove_tree("t", &err) == 0, "%s", err.text);
    ck_assert_uint_eq(count_entries("."), 0);
}
END_TEST


START_TEST(test_remove_many)
{
    int           i;
    char          name[64];
    struct error  err;

    for (i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "t/%d", i);
        ck_assert_int_eq(fs_mkdir_all(name, 0755, &err), 0);
        snprintf(name, sizeof(name), "t/%d/f", i);
        scratch_write(name, "");
    }

    ck_assert_int_eq(fs_remove_tree("t", &err), 0);
    ck_assert_uint_eq(count_entries("."), 0);
}
END_TEST


START_TEST(test_remove_says_what_failed)
{
    struct error  err;

    ck_assert_int_eq(fs_remove_tree("/proc/self/fdinfo", &err),
                     MINT_ERR_SYSTEM);
    ck_assert_ptr_nonnull(strstr(err.text, "/proc/self/fdinfo"));
}
END_TEST


START_TEST(test_sync)
{
    struct error  err;

    ck_assert_int_eq(fs_mkdir_all("t/a/b", 0755, &err), 0);
    scratch_write("t/a/b/f", "x");
    scratch_write("t/f", "x");
    ck_assert_int_eq(symlink("nowhere", "t/dangling"), 0);
    ck_assert_int_eq(symlink("..", "t/a/loop"), 0);
    ck_assert_int_eq(mkfifo("t/fifo", 0600), 0);

    ck_assert_msg(fs_sync_tree("t", &err) == 0, "%s", err.text);
    ck_assert_int_eq(fs_sync_tree("none", &err), MINT_ERR_NOT_FOUND);
    ck_assert_int_eq(fs_sync_tree("t/f", &err), MINT_ERR_SYSTEM);
    ck_assert_str_eq(scratch_read("t/a/b/f"), "x");
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("fs_tree");
    tcase = tcase_create("fs_tree");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, scratch_enter, scratch_leave);
    tcase_add_test(tcase, test_remove);
    tcase_add_test(tcase, test_remove_file);
    tcase_add_test(tcase, test_remove_does_not_follow_links);
    tcase_add_test(tcase, test_remove_deep);
    tcase_add_test(tcase, test_remove_many);
    tcase_add_test(tcase, test_remove_says_what_failed);
    tcase_add_test(tcase, test_sync);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
