/* SPDX-License-Identifier: MIT */
/*
 * Run files as files: made whole or not at all, adopted only when in order,
 * retired after the new one has the name, given up when nobody uses them.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "supervisor/routes/run_file.h"


static char             directory[64];
static struct run_line  line;
static struct error     err;

static const struct run_shape  small = {
    .bytes = 4096, .capacity = { 7 }, .section = { 192, 1024 }
};


static void
setup(void)
{
    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    edge_directory_make(directory);
    ck_assert_int_eq(run_line_open(&line, directory, MINT_RUN_SEATS,
                                   (gid_t) -1, &err), 0);
}


static void
teardown(void)
{
    run_line_close(&line);
    edge_directory_remove(directory);
}


static void
make_one(const struct run_shape *shape)
{
    struct run_file  *fresh;

    ck_assert_int_eq(run_line_make(&line, shape, &fresh, &err), 0);
    ck_assert_int_eq(run_line_commit(&line, &fresh, &err), 0);
    ck_assert_ptr_null(fresh);
}


static void
reopen(void)
{
    run_line_close(&line);
    ck_assert_int_eq(run_line_open(&line, directory, MINT_RUN_SEATS,
                                   (gid_t) -1, &err), 0);
}


static const char *
path_of(const char *name)
{
    static char  path[128];

    snprintf(path, sizeof(path), "%s/%s", directory, name);

    return path;
}


static ino_t
inode(void)
{
    struct stat  st;

    ck_assert_int_eq(stat(path_of("seats"), &st), 0);

    return st.st_ino;
}


START_TEST(a_file_appears_whole)
{
    struct stat        st;
    struct run_file   *fresh;
    struct edge_file   seen;

    ck_assert_ptr_null(line.current);
    ck_assert_int_eq(run_line_make(&line, &small, &fresh, &err), 0);

    /* nobody can have it by name while it is filled */
    ck_assert_int_eq(access(path_of("seats"), F_OK), -1);
    ck_assert_uint_eq(fresh->header->life, MINT_RUN_FILLING);
    strcpy((char *) run_file_section(fresh, 1), "content");

    ck_assert_int_eq(run_line_commit(&line, &fresh, &err), 0);
    edge_open(&seen, directory, MINT_RUN_SEATS);
    ck_assert_uint_eq(seen.header->life, MINT_RUN_LIVE);
    ck_assert_uint_eq(seen.header->writer_epoch, 1);
    ck_assert_uint_eq(seen.header->capacity[0], 7);
    ck_assert_uint_eq(seen.header->section[1], 1024);
    ck_assert_uint_eq(seen.header->generation, 0);
    ck_assert_uint_ne(seen.header->heartbeat_ms, 0);
    ck_assert_uint_ne(seen.header->created_unix_ms, 0);
    ck_assert_str_eq((char *) seen.header + 1024, "content");

    /* its space is really reserved */
    ck_assert_int_eq(fstat(seen.fd, &st), 0);
    ck_assert_int_eq(st.st_size, 4096);
    ck_assert_int_ge(st.st_blocks * 512, 4096);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    edge_close(&seen);
}
END_TEST


START_TEST(workers_may_write_their_file)
{
    struct stat       st;
    struct run_line   workers;
    struct run_file  *fresh;

    ck_assert_int_eq(run_line_open(&workers, directory, MINT_RUN_WORKERS,
                                   getgid(), &err), 0);
    ck_assert_int_eq(run_line_make(&workers, &small, &fresh, &err), 0);
    ck_assert_int_eq(run_line_commit(&workers, &fresh, &err), 0);
    ck_assert_int_eq(stat(path_of("workers"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0660);
    ck_assert_uint_eq(st.st_gid, getgid());
    ck_assert_uint_eq(workers.current->header->heartbeat_ms, 0);
    run_line_close(&workers);
}
END_TEST


START_TEST(a_file_goes_to_the_group_of_the_edge)
{
    struct stat       st;
    struct run_line   routes;
    struct run_file  *fresh;

    if (geteuid() != 0) {
        printf("not tried without root: another group for run files\n");
        return;
    }

    ck_assert_int_eq(run_line_open(&routes, directory, MINT_RUN_ROUTES,
                                   (gid_t) 60700, &err), 0);
    ck_assert_int_eq(run_line_make(&routes, &small, &fresh, &err), 0);
    ck_assert_int_eq(run_line_commit(&routes, &fresh, &err), 0);
    ck_assert_int_eq(stat(path_of("routes"), &st), 0);
    ck_assert_uint_eq(st.st_gid, 60700);

    /* an adopted file follows a change of configuration */
    run_line_close(&routes);
    ck_assert_int_eq(chmod(path_of("routes"), 0666), 0);
    ck_assert_int_eq(run_line_open(&routes, directory, MINT_RUN_ROUTES,
                                   (gid_t) 60701, &err), 0);
    ck_assert_ptr_nonnull(routes.current);
    ck_assert_int_eq(stat(path_of("routes"), &st), 0);
    ck_assert_uint_eq(st.st_gid, 60701);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    run_line_close(&routes);
}
END_TEST


START_TEST(a_whole_file_is_adopted)
{
    ino_t  before;

    make_one(&small);
    mint_run_store(&line.current->header->generation, 41);
    before = inode();

    reopen();
    ck_assert_ptr_nonnull(line.current);
    ck_assert_uint_eq(line.current->epoch, 1);
    ck_assert_uint_eq(line.current->header->generation, 41);
    ck_assert(inode() == before);
}
END_TEST


static const struct {
    const char  *what;
    size_t       offset;
    uint64_t     value;
    size_t       bytes;
    bool         has_epoch;     /* its epoch can still be trusted */
}  damages[] = {
    { "magic", 0, 0, 8, false },
    { "kind", 8, MINT_RUN_ROUTES, 4, false },
    { "major", 12, 2, 2, true },
    { "older minor", 14, 65535, 2, true },
    { "size", 16, 8192, 8, true },
    { "still filling", 40, MINT_RUN_FILLING, 8, true },
    { "already retired", 40, MINT_RUN_RETIRED, 8, true },
    { "section outside", 96, 1 << 20, 8, true },
    { "section unaligned", 96, 193, 8, true }
};


START_TEST(a_damaged_file_is_replaced)
{
    int          fd;
    ino_t        before;
    struct stat  st;

    make_one(&small);
    make_one(&small);
    ck_assert_uint_eq(line.current->epoch, 2);

    fd = open(path_of("seats"), O_RDWR | O_CLOEXEC);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(pwrite(fd, &damages[_i].value, damages[_i].bytes,
                            (off_t) damages[_i].offset),
                     (ssize_t) damages[_i].bytes);
    before = inode();

    reopen();
    ck_assert_msg(line.current == NULL, "%s was adopted", damages[_i].what);

    /* it stays under its name until there is something better */
    ck_assert(inode() == before);
    make_one(&small);
    ck_assert(inode() != before);
    ck_assert_uint_eq(line.current->epoch, damages[_i].has_epoch ? 3 : 1);

    if (damages[_i].has_epoch) {
        uint64_t  life;

        ck_assert_int_eq(pread(fd, &life, 8, 40), 8);
        ck_assert_uint_eq(life, MINT_RUN_RETIRED);
    }

    /* whatever it was, it was never cut or grown under a reader's map */
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, 4096);
    close(fd);
}
END_TEST


START_TEST(what_is_no_run_file_is_replaced)
{
    int  fd;

    switch (_i) {
    case 0:
        fd = open(path_of("seats"), O_WRONLY | O_CREAT, 0600);
        ck_assert_int_eq(write(fd, "short", 5), 5);
        close(fd);
        break;
    case 1:
        ck_assert_int_eq(symlink("/etc/passwd", path_of("seats")), 0);
        break;
    default:
        ck_assert_int_eq(mkfifo(path_of("seats"), 0600), 0);
    }

    reopen();
    ck_assert_ptr_null(line.current);
    make_one(&small);
    ck_assert_uint_eq(line.current->epoch, 1);
}
END_TEST


START_TEST(a_replaced_file_is_retired_after_the_rename)
{
    struct edge_file  old, new;

    make_one(&small);
    edge_open(&old, directory, MINT_RUN_SEATS);
    ck_assert(!edge_is_retired(&old));

    make_one(&small);
    ck_assert(edge_is_retired(&old));

    edge_open(&new, directory, MINT_RUN_SEATS);
    ck_assert(!edge_is_retired(&new));
    ck_assert_uint_eq(new.header->writer_epoch, 2);
    ck_assert_ptr_nonnull(line.retired);
    ck_assert_uint_eq(line.retired->epoch, 1);
    edge_close(&old);
    edge_close(&new);
}
END_TEST


static bool
in_use(void *ctx, enum mint_run_kind kind, const struct run_file *file)
{
    ck_assert_int_eq(kind, MINT_RUN_SEATS);
    ck_assert_uint_eq(file->epoch, 1);

    return *(bool *) ctx;
}


START_TEST(a_retired_file_is_kept_while_it_is_used)
{
    bool      used;
    uint64_t  now_ms;

    make_one(&small);
    make_one(&small);
    now_ms = time_boot_ms();

    /* a worker may be about to map it */
    used = false;
    run_line_tick(&line, in_use, &used, now_ms);
    ck_assert_ptr_nonnull(line.retired);

    used = true;
    run_line_tick(&line, in_use, &used, now_ms + 30000);
    ck_assert_ptr_nonnull(line.retired);
    ck_assert_uint_eq(line.current->header->heartbeat_ms, now_ms + 30000);

    used = false;
    run_line_tick(&line, in_use, &used, now_ms + 30001);
    ck_assert_ptr_null(line.retired);
}
END_TEST


START_TEST(a_retired_file_is_given_up_after_a_minute)
{
    bool  used;

    used = true;
    make_one(&small);
    make_one(&small);
    run_line_tick(&line, in_use, &used, time_boot_ms() + 61000);
    ck_assert_ptr_null(line.retired);
}
END_TEST


START_TEST(left_overs_are_swept)
{
    int  fd;

    fd = open(path_of("seats.new-12345"), O_WRONLY | O_CREAT, 0600);
    close(fd);
    fd = open(path_of("routes.new-12345"), O_WRONLY | O_CREAT, 0600);
    close(fd);

    reopen();
    ck_assert_int_eq(access(path_of("seats.new-12345"), F_OK), -1);
    ck_assert_int_eq(access(path_of("routes.new-12345"), F_OK), 0);
}
END_TEST


/* on success the directory has a file system of 64 KiB of its own */

static bool
mount_small(void)
{
    return geteuid() == 0 && unshare(CLONE_NEWNS) == 0
           && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
           && mount("tmpfs", directory, "tmpfs", 0, "size=64k") == 0;
}


START_TEST(a_full_disk_changes_nothing)
{
    int                rc;
    ino_t              before;
    bool               is_mounted;
    struct rlimit      limit;
    struct run_file   *fresh;
    struct run_shape   large;

    is_mounted = mount_small();
    if (!is_mounted) {
        limit.rlim_cur = 65536;
        limit.rlim_max = 65536;
        signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    }

    make_one(&small);
    before = inode();
    large = small;
    large.bytes = 1024 * 1024;

    rc = run_line_make(&line, &large, &fresh, &err);
    ck_assert_int_eq(rc, MINT_ERR_FULL);
    ck_assert_ptr_null(fresh);
    ck_assert_ptr_nonnull(strstr(err.text, "1048576 bytes"));
    ck_assert_ptr_nonnull(strstr(err.text, "make room"));

    /* nothing is left behind and the old file goes on */
    ck_assert(inode() == before);
    ck_assert_uint_eq(line.current->header->life, MINT_RUN_LIVE);
    make_one(&small);
    ck_assert_uint_eq(line.current->epoch, 2);

    if (is_mounted) {
        run_line_close(&line);
        ck_assert_int_eq(umount2(directory, MNT_DETACH), 0);
    }
}
END_TEST


START_TEST(a_missing_directory_is_told)
{
    struct run_line   lost;
    struct run_file  *fresh;

    ck_assert_int_eq(run_line_open(&lost, "/nonexistent/run", MINT_RUN_SEATS,
                                   (gid_t) -1, &err), 0);
    ck_assert_int_eq(run_line_make(&lost, &small, &fresh, &err),
                     MINT_ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/run"));
    run_line_close(&lost);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *cases;
    Suite    *suite;
    SRunner  *runner;

    setbuf(stdout, NULL);

    suite = suite_create("run_file");
    cases = tcase_create("run_file");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_file_appears_whole);
    tcase_add_test(cases, workers_may_write_their_file);
    tcase_add_test(cases, a_file_goes_to_the_group_of_the_edge);
    tcase_add_test(cases, a_whole_file_is_adopted);
    tcase_add_loop_test(cases, a_damaged_file_is_replaced, 0,
                        (int) (sizeof(damages) / sizeof(damages[0])));
    tcase_add_loop_test(cases, what_is_no_run_file_is_replaced, 0, 3);
    tcase_add_test(cases, a_replaced_file_is_retired_after_the_rename);
    tcase_add_test(cases, a_retired_file_is_kept_while_it_is_used);
    tcase_add_test(cases, a_retired_file_is_given_up_after_a_minute);
    tcase_add_test(cases, left_overs_are_swept);
    tcase_add_test(cases, a_full_disk_changes_nothing);
    tcase_add_test(cases, a_missing_directory_is_told);
    suite_add_tcase(suite, cases);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
