/* SPDX-License-Identifier: MIT */
/*
 * Killing by descent, on real processes: the test is the subreaper.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/keeper.h"


struct keeper  keeper;

static pid_t  made[2];
static int    has_uid_alone;


int
keeper_made(pid_t pid)
{
    return pid == made[0] || pid == made[1];
}


int
child_has_uid_alone(const struct child *c)
{
    (void) c;
    return has_uid_alone;
}


/* a process that says hello on fd and stays */

static void
stay(int fd)
{
    (void) !write(fd, "x", 1);

    for ( ;; ) {
        pause();
    }
}


/* a chain of processes below a new one; every second has its own session */

static pid_t
start_chain(int depth)
{
    int    i, fds[2];
    char   byte;
    pid_t  pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();

    if (pid == 0) {
        setsid();
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

        for (i = 0; i < depth; i++) {
            if (fork() != 0) {
                stay(fds[1]);
            }

            if (i % 2 == 0) {
                setsid();
            }
        }

        stay(fds[1]);
    }

    close(fds[1]);

    for (i = 0; i < depth + 1; i++) {
        ck_assert_int_eq(read(fds[0], &byte, 1), 1);
    }

    close(fds[0]);

    return pid;
}


/* reaps what is there; returns how many children are left alive */

static int
reap(pid_t *last)
{
    int        status, count;
    pid_t      pid;
    siginfo_t  info;

    count = 0;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        tree_forget(pid);
        count++;
        *last = pid;
    }

    info.si_pid = 0;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1
           && errno == ECHILD ? 0 : 1;
}


static void
bury(struct child *c)
{
    int    i;
    pid_t  last;

    for (i = 0; tree_kill_orphans(c) > 0; i++) {
        ck_assert_int_lt(i, 1000);
        poll(NULL, 0, 5);
        reap(&last);
    }
}


START_TEST(start_ticks)
{
    ck_assert(tree_start_ticks(getpid()) > 0);
    ck_assert(tree_start_ticks(getpid()) >= tree_start_ticks(getppid()));
    ck_assert(tree_start_ticks(0x7ffffff0) == 0);
}
END_TEST


/* a name may look like the rest of the line */

START_TEST(start_ticks_of_a_strange_name)
{
    uint64_t  ticks;

    ticks = tree_start_ticks(getpid());
    prctl(PR_SET_NAME, "a) Z 1 (2) 3", 0, 0, 0);
    ck_assert(tree_start_ticks(getpid()) == ticks);
}
END_TEST


static const int  depths[] = { 0, 1, 2, 5, 30 };


START_TEST(a_chain_is_killed_to_its_end)
{
    int           i;
    pid_t         last;
    struct child  c = { .pid = start_chain(depths[_i]) };

    made[0] = c.pid;
    c.tree_killed = tree_kill_below(c.pid, -1);
    ck_assert_int_eq(waitpid(c.pid, NULL, 0), c.pid);
    made[0] = 0;

    for (i = 0; reap(&last) != 0; i++) {
        ck_assert_int_lt(i, 1000);
        tree_kill_orphans(&c);
        poll(NULL, 0, 5);
    }

    ck_assert_uint_eq(c.tree_killed, (uint32_t) depths[_i]);
}
END_TEST


/* the kernel closes descriptors at an exec before the variables can be read */

static void
bury_until(struct child *c, uint32_t killed)
{
    int  i;

    for (i = 0; i < 1000 && c->tree_killed < killed; i++) {
        bury(c);
        poll(NULL, 0, c->tree_killed < killed ? 5 : 0);
    }

    ck_assert_uint_eq(c->tree_killed, killed);
}


START_TEST(orphans_are_known_by_variable)
{
    int           fds[2];
    char          byte;
    char          a[] = "MINT_INSTANCE=a.0a.1", b[] = "MINT_INSTANCE=a.0a.11";
    char         *env[2] = { a, NULL };
    char         *argv[] = { (char *) (uintptr_t) "sleep",
                             (char *) (uintptr_t) "600", NULL };
    pid_t         last, survivor;
    struct child  c = { .pid = 0x7ffffff0, .instance = a };

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);

    if (fork() == 0) {
        execve("/bin/sleep", argv, env);
        _exit(1);
    }

    env[0] = b;
    survivor = fork();

    if (survivor == 0) {
        execve("/bin/sleep", argv, env);
        _exit(1);
    }

    close(fds[1]);
    ck_assert_int_eq(read(fds[0], &byte, 1), 0);    /* both have exec'ed */
    close(fds[0]);

    bury_until(&c, 1);
    ck_assert_int_eq(kill(survivor, 0), 0);
    c.instance = b;
    bury_until(&c, 2);
    ck_assert_int_eq(reap(&last), 0);
}
END_TEST


START_TEST(what_is_ours_is_no_orphan)
{
    pid_t         last;
    struct child  c = { .pid = 0x7ffffff0, .uid = geteuid() };

    has_uid_alone = 1;
    made[0] = start_chain(0);
    made[1] = start_chain(0);
    ck_assert_uint_eq(tree_kill_orphans(&c), 0);
    made[1] = 0;
    bury(&c);
    ck_assert_uint_eq(c.tree_killed, 1);
    ck_assert_int_eq(kill(made[0], 0), 0);
    tree_kill_all(made[0]);
    ck_assert_int_eq(kill(made[0], 0), 0);
    tree_kill_all(0);
    ck_assert_int_eq(waitpid(made[0], NULL, 0), made[0]);
    ck_assert_int_eq(reap(&last), 0);
}
END_TEST


START_TEST(zombies_are_not_counted)
{
    siginfo_t     info;
    struct child  c = { .pid = start_chain(0) };

    kill(c.pid, SIGKILL);
    ck_assert_int_eq(waitid(P_PID, (id_t) c.pid, &info, WEXITED | WNOWAIT), 0);
    ck_assert_uint_eq(tree_kill_orphans(&c), 0);
    ck_assert_uint_eq(c.tree_killed, 0);
    ck_assert_int_eq(waitpid(c.pid, NULL, 0), c.pid);
}
END_TEST


static void
setup(void)
{
    made[0] = made[1] = 0;
    has_uid_alone = 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}


static void
teardown(void)
{
    tree_kill_all(0);
}


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tc;
    SRunner  *runner;

    suite = suite_create("tree");
    tc = tcase_create("tree");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, start_ticks);
    tcase_add_test(tc, start_ticks_of_a_strange_name);
    tcase_add_loop_test(tc, a_chain_is_killed_to_its_end, 0, 5);
    tcase_add_test(tc, orphans_are_known_by_variable);
    tcase_add_test(tc, what_is_ours_is_no_orphan);
    tcase_add_test(tc, zombies_are_not_counted);
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
