/* SPDX-License-Identifier: MIT */
/*
 * Births: what the new process is told, whose answer is believed, and every
 * way in which there is none.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contract/mint_warm.h"
#include "keeper/keeper.h"


#define WARM_ID   7
#define SERIAL    99
#define AGE_MS    5000                      /* WARM_BIRTH_MS */


struct keeper  keeper;
unsigned       supervisor_era;

static struct child   warm;                 /* the warm process */
static int            warm_far;             /* its end of its socket */
static uint32_t       child_id;             /* of the last to be born */
static int            child_count;
static int            said, said_status;    /* answers to the supervisor */
static uint32_t       said_id;
static pid_t          started, placed;
static int            place_failed;         /* errno of its cgroup */
static int            freed;
static int            is_ours;
static uint64_t       now_ms;


struct child *
child_find(uint32_t id)
{
    return id == WARM_ID ? &warm : NULL;
}


void
child_started(struct child *c, pid_t pid, uint32_t serial)
{
    ck_assert_uint_eq(serial, SERIAL);
    started = pid;
    free(c);
}


void
child_free(struct child *c)
{
    freed++;
    free(c);
}


void
supervisor_say(enum mint_keeper_type type, uint32_t serial, int status,
    uint32_t id)
{
    ck_assert_int_eq(type, MINT_KEEPER_CHILD);
    ck_assert_uint_eq(serial, SERIAL);
    said++;
    said_status = status;
    said_id = id;
}


int
cgroup_place(const struct cgroup *g, pid_t pid)
{
    ck_assert_ptr_null(g->dir[0]);
    placed = pid;

    return place_failed;
}


int
tree_is_ours(pid_t pid)
{
    (void) pid;
    return is_ours;
}


int
keeper_made(pid_t pid)
{
    (void) pid;
    return 0;
}


int
keeper_fds_left(int fd)
{
    (void) fd;
    return 1;
}


uint64_t
keeper_now_ms(void)
{
    return now_ms;
}


static void
setup(void)
{
    int  pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    memset(&keeper, 0, sizeof(keeper));
    memset(&warm, 0, sizeof(warm));
    warm.id = WARM_ID;
    warm.warm_fd = pair[0];
    warm_far = pair[1];
    supervisor_era = 1;
    now_ms = 1000;
    is_ours = 1;
    said = freed = place_failed = 0;
    started = placed = 0;
}


static void
teardown(void)
{
    now_ms += 2 * AGE_MS;
    warm_tick(now_ms);
    close(warm.warm_fd);

    if (warm_far != -1) {
        close(warm_far);
    }
}


static int
fork_one(uint32_t warm_id, size_t groups)
{
    int                 failed;
    struct child       *child;
    char                python[] = "/python", serve[] = "serve";
    char                variable[] = "A=b", token[] = "TOKEN=secret";
    char                path[] = "r/usr", *allow[] = { path, NULL };
    char               *argv[] = { python, serve, NULL };
    char               *env[] = { variable, token, NULL };
    struct spawn_plan   plan = {
        .argv = argv, .env = env, .cwd = "/tmp", .fds = { 0, 1, 2 },
        .fd_count = 3, .uid = geteuid(), .gid = getegid(),
        .group_count = groups, .umask = 077, .nofile = { 100, 200 },
        .flags = MINT_SPAWN_SUBREAPER, .data_bytes = RLIM_INFINITY,
        .processes = 50, .allow = allow, .allow_count = 1
    };

    child_id = (uint32_t) (1000 + child_count++);
    child = calloc(1, sizeof(*child));
    child->id = child_id;
    failed = warm_fork(child, &plan, warm_id, SERIAL);

    if (failed != 0) {
        free(child);
    }

    return failed;
}


/* a message with at most three fds; returns its size */

static ssize_t
take(int fd, void *data, size_t size, int *fds, int *fd_count)
{
    ssize_t         n;
    struct iovec    iov = { data, size };
    struct msghdr   head = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *c;
    union {
        struct cmsghdr  align;
        char            space[CMSG_SPACE(3 * sizeof(int))];
    } control;

    head.msg_control = control.space;
    head.msg_controllen = sizeof(control.space);
    n = recvmsg(fd, &head, 0);
    c = CMSG_FIRSTHDR(&head);
    *fd_count = 0;

    if (n > 0 && c != NULL && c->cmsg_type == SCM_RIGHTS) {
        *fd_count = (int) ((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    }

    return n;
}


/* as the warm process: the birth socket */

static int
take_birth(void)
{
    int   count, fds[3];
    char  byte;

    ck_assert_int_eq(take(warm_far, &byte, 1, fds, &count), 1);
    ck_assert_int_eq(byte, MINT_WARM_FORK);
    ck_assert_int_eq(count, 1);

    return fds[0];
}


static void
step(void)
{
    int            count;
    struct pollfd  fds[WARM_BIRTHS_MAX];

    count = warm_poll(fds);
    ck_assert_int_ge(poll(fds, (nfds_t) count, 1000), 1);
    warm_io(fds, count);
}


START_TEST(the_newborn_is_told_all)
{
    int                      fd, i, count, fds[3];
    char                     data[4096], begin;
    ssize_t                  n;
    struct mint_warm_birth   m;
    struct mint_warm_born    born = { 0 };
    static const char        strings[] =
        "/tmp\0/python\0serve\0A=b\0TOKEN=secret\0r/usr";

    ck_assert_int_eq(fork_one(WARM_ID, 0), 0);
    ck_assert(warm_is_expected(child_id));
    fd = take_birth();
    n = take(fd, data, sizeof(data), fds, &count);
    ck_assert_int_eq(n, sizeof(m) + sizeof(strings));
    ck_assert_int_eq(memcmp(data + sizeof(m), strings, sizeof(strings)), 0);
    ck_assert_int_eq(count, 3);

    memcpy(&m, data, sizeof(m));
    ck_assert_uint_eq(m.version, MINT_WARM_VERSION);
    ck_assert_uint_eq(m.uid, UINT32_MAX);   /* the keeper is not root */
    ck_assert_uint_eq(m.flags, MINT_SPAWN_SUBREAPER);
    ck_assert_uint_eq(m.umask, 077);
    ck_assert_uint_eq(m.argc, 2);
    ck_assert_uint_eq(m.envc, 2);
    ck_assert_uint_eq(m.parent, (uint32_t) getpid());
    ck_assert_uint_eq(m.nofile_soft, 100);
    ck_assert_uint_eq(m.nofile_hard, 200);
    ck_assert_uint_eq(m.data_bytes, UINT64_MAX);
    ck_assert_uint_eq(m.processes, 50);
    ck_assert_uint_eq(m.allow_count, 1);

    ck_assert_int_eq(send(fd, &born, sizeof(born), 0), sizeof(born));
    step();
    ck_assert_int_eq(started, getpid());
    ck_assert_int_eq(placed, getpid());
    ck_assert_int_eq(said, 0);
    ck_assert_int_eq(recv(fd, &begin, 1, 0), 1);
    ck_assert_int_eq(begin, MINT_WARM_BEGIN);
    ck_assert(!warm_is_expected(child_id));

    for (i = 0; i < 3; i++) {
        close(fds[i]);
    }

    close(fd);
}
END_TEST


START_TEST(who_cannot_fork)
{
    int  fd;

    ck_assert_int_eq(fork_one(WARM_ID + 1, 0), ESRCH);

    warm.is_reaped = 1;
    ck_assert_int_eq(fork_one(WARM_ID, 0), ESRCH);
    warm.is_reaped = 0;

    fd = warm.warm_fd;
    warm.warm_fd = -1;
    ck_assert_int_eq(fork_one(WARM_ID, 0), ESRCH);
    warm.warm_fd = fd;

    ck_assert_int_eq(fork_one(WARM_ID, 1), EPERM);

    close(warm_far);
    warm_far = -1;
    ck_assert_int_eq(fork_one(WARM_ID, 0), EPIPE);
    ck_assert_int_eq(said, 0);
}
END_TEST


static const struct {
    int  size;                              /* 0: it closes the socket */
    int  status;
    int  ours;
    int  failed;
} answers[] = {
    { 4, EACCES, 1, EACCES },
    { 4, -5, 1, EPROTO },
    { 4, 100000, 1, EPROTO },
    { 4, 0, 0, EPERM },
    { 3, 0, 1, EPROTO },
    { 5, 0, 1, EPROTO },
    { 0, 0, 1, ECONNRESET }
};


START_TEST(what_is_not_believed)
{
    int       fd;
    char      data[8] = { 0 };

    ck_assert_int_eq(fork_one(WARM_ID, 0), 0);
    fd = take_birth();
    is_ours = answers[_i].ours;
    memcpy(data, &answers[_i].status, sizeof(int));

    if (answers[_i].size != 0) {
        ck_assert_int_eq(send(fd, data, (size_t) answers[_i].size, 0),
                         answers[_i].size);
    } else {
        close(fd);
        fd = -1;
    }

    step();
    ck_assert_int_eq(said, 1);
    ck_assert_int_eq(said_status, answers[_i].failed);
    ck_assert_uint_eq(said_id, child_id);
    ck_assert_int_eq(freed, 1);
    ck_assert_int_eq(started, 0);

    if (fd != -1) {
        close(fd);
    }
}
END_TEST


START_TEST(without_its_cgroup_it_does_not_begin)
{
    int                     fd, count, fds[3];
    char                    data[4096];
    struct mint_warm_born   born = { 0 };

    ck_assert_int_eq(fork_one(WARM_ID, 0), 0);
    fd = take_birth();
    ck_assert_int_gt(take(fd, data, sizeof(data), fds, &count), 0);
    place_failed = EACCES;
    ck_assert_int_eq(send(fd, &born, sizeof(born), 0), sizeof(born));
    step();
    ck_assert_int_eq(said_status, EACCES);
    ck_assert_int_eq(started, 0);
    ck_assert_int_eq(recv(fd, data, 1, 0), 0);
    close(fd);
}
END_TEST


START_TEST(the_identity_is_the_kernels_word)
{
    int                     fd, status;
    pid_t                   pid;
    struct mint_warm_born   born = { 0 };

    if (geteuid() != 0) {
        return;                             /* cannot become another */
    }

    ck_assert_int_eq(fork_one(WARM_ID, 0), 0);
    fd = take_birth();
    pid = fork();

    if (pid == 0) {
        _exit(setresuid(60799, 60799, 60799) == 0
              && send(fd, &born, sizeof(born), 0) == sizeof(born) ? 0 : 1);
    }

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    step();
    ck_assert_int_eq(said_status, EPERM);
    ck_assert_int_eq(started, 0);
    close(fd);
}
END_TEST


START_TEST(nobody_waits_for_a_late_one)
{
    int                     fd, count, fds[3];
    char                    data[4096];
    struct mint_warm_born   born = { 0 };

    ck_assert_int_eq(fork_one(WARM_ID, 0), 0);
    ck_assert_uint_eq(warm_tick(now_ms), now_ms + AGE_MS);
    ck_assert_int_eq(said, 0);
    now_ms += AGE_MS;
    ck_assert(warm_tick(now_ms) == KEEPER_NEVER);
    ck_assert_int_eq(said_status, ETIMEDOUT);

    fd = take_birth();
    ck_assert_int_gt(take(fd, data, sizeof(data), fds, &count), 0);
    ck_assert_int_eq(send(fd, &born, sizeof(born), MSG_NOSIGNAL), -1);
    ck_assert_int_eq(recv(fd, data, 1, 0), 0);
    close(fd);
}
END_TEST


START_TEST(a_dead_supervisor_gets_no_child)
{
    int                     fd, count, fds[3];
    char                    data[4096];
    struct mint_warm_born   born = { 0 };

    ck_assert_int_eq(fork_one(WARM_ID, 0), 0);
    fd = take_birth();
    ck_assert_int_gt(take(fd, data, sizeof(data), fds, &count), 0);
    supervisor_era++;
    ck_assert_int_eq(send(fd, &born, sizeof(born), 0), sizeof(born));
    step();
    ck_assert_int_eq(said, 0);
    ck_assert_int_eq(started, 0);
    ck_assert_int_eq(freed, 1);
    ck_assert_int_eq(recv(fd, data, 1, 0), 0);
    close(fd);
}
END_TEST


START_TEST(there_are_only_so_many)
{
    int  i;

    for (i = 0; i < WARM_BIRTHS_MAX; i++) {
        ck_assert_int_eq(fork_one(WARM_ID, 0), 0);
    }

    ck_assert(warm_has_uid(geteuid()));
    ck_assert_int_eq(fork_one(WARM_ID, 0), EAGAIN);
    now_ms += AGE_MS;
    warm_tick(now_ms);
    ck_assert_int_eq(said, WARM_BIRTHS_MAX);
    ck_assert(!warm_has_uid(geteuid()));
    ck_assert_int_eq(fork_one(WARM_ID, 0), 0);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tc;
    SRunner  *runner;

    suite = suite_create("warm");
    tc = tcase_create("warm");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_newborn_is_told_all);
    tcase_add_test(tc, who_cannot_fork);
    tcase_add_loop_test(tc, what_is_not_believed, 0,
                        sizeof(answers) / sizeof(answers[0]));
    tcase_add_test(tc, without_its_cgroup_it_does_not_begin);
    tcase_add_test(tc, the_identity_is_the_kernels_word);
    tcase_add_test(tc, nobody_waits_for_a_late_one);
    tcase_add_test(tc, a_dead_supervisor_gets_no_child);
    tcase_add_test(tc, there_are_only_so_many);
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
