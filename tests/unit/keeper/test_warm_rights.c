/* SPDX-License-Identifier: MIT */
/*
 * What a warm process may do as root's child, and what not: each line tried
 * in a process of its own.
 */

#include <check.h>
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/keeper.h"


#define MINT   60790
#define FIRST  60706
#define LAST   60716


struct keeper  keeper;


static int
ids(uid_t real, uid_t effective, uid_t saved)
{
    return setresuid(real, effective, saved);
}


static int
plugin(void)
{
    return setgroups(0, NULL) == 0 && setresgid(FIRST, FIRST, FIRST) == 0
           && ids(FIRST, FIRST, FIRST) == 0 ? 0 : -1;
}


static int
last(void)
{
    return ids(LAST, LAST, LAST);
}


static int
before(void)
{
    return ids(FIRST - 1, FIRST, FIRST);
}


static int
after(void)
{
    return ids(FIRST, FIRST, LAST + 1);
}


static int
root(void)
{
    return ids(FIRST, 0, FIRST);
}


static int
same(void)
{
    return ids(FIRST, FIRST, (uid_t) -1);
}


static int
high_half(void)
{
    /* the kernel would take the lower half, which is root */
    return (int) syscall(SYS_setresuid, 1L << 32, 1L << 32, 1L << 32);
}


static int
root_group(void)
{
    return setresgid(0, 0, 0);
}


static int
groups(void)
{
    gid_t  list[1] = { 0 };

    return setgroups(1, list);
}


static int
plain_setuid(void)
{
    return setuid(FIRST);
}


static int
plain_setgid(void)
{
    return setgid(FIRST);
}


static int
setreuid_too(void)
{
    return setreuid(FIRST, FIRST);
}


static int
fsuid(void)
{
    setfsuid(FIRST);

    return setfsuid((uid_t) -1) == FIRST ? 0 : -1;
}


static int
user_namespace(void)
{
    return unshare(CLONE_NEWUSER);
}


static int
user_namespace_at_birth(void)
{
    pid_t  pid;

    pid = (pid_t) syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0) {
        _exit(0);
    }

    return pid == -1 ? -1 : 0;
}


static int
plain_fork(void)
{
    int    status;
    pid_t  pid;

    pid = fork();

    if (pid == 0) {
        _exit(0);
    }

    return pid != -1 && waitpid(pid, &status, 0) == pid && status == 0
           ? 0 : -1;
}


static int
new_file_for_another(void)
{
    return chown("/", MINT, MINT);          /* no CAP_CHOWN */
}


static const struct {
    const char  *name;
    int        (*attempt)(void);
    int          is_allowed;
} attempts[] = {
    { "plugin", plugin, 1 },
    { "last", last, 1 },
    { "plain_fork", plain_fork, 1 },
    { "before", before, 0 },
    { "after", after, 0 },
    { "root", root, 0 },
    { "same", same, 0 },
    { "high_half", high_half, 0 },
    { "root_group", root_group, 0 },
    { "groups", groups, 0 },
    { "setuid", plain_setuid, 0 },
    { "setgid", plain_setgid, 0 },
    { "setreuid", setreuid_too, 0 },
    { "setfsuid", fsuid, 0 },
    { "user_namespace", user_namespace, 0 },
    { "user_namespace_at_birth", user_namespace_at_birth, 0 },
    { "chown", new_file_for_another, 0 }
};

#define ATTEMPTS  ((int) (sizeof(attempts) / sizeof(attempts[0])))


static int
in_a_warm_process(int (*attempt)(void))
{
    int    status;
    pid_t  pid;

    pid = fork();

    if (pid == 0) {
        if (warm_rights_limit() != 0 || setgroups(0, NULL) == -1
            || setresgid(MINT, MINT, MINT) == -1
            || setresuid(MINT, MINT, MINT) == -1 || warm_rights_keep() != 0)
        {
            _exit(99);
        }

        _exit(attempt() == 0 ? 0 : 1);
    }

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);

    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}


START_TEST(ids_of_the_range_alone)
{
    if (geteuid() != 0) {
        return;
    }

    keeper.is_root = 1;
    keeper.range_first = FIRST;
    keeper.range_last = LAST;

    ck_assert_msg(in_a_warm_process(attempts[_i].attempt)
                  == !attempts[_i].is_allowed, "%s", attempts[_i].name);
}
END_TEST


START_TEST(no_range_no_ids)
{
    if (geteuid() != 0) {
        return;
    }

    keeper.is_root = 1;
    keeper.range_first = keeper.range_last = 0;

    ck_assert_int_eq(in_a_warm_process(plugin), 1);
    ck_assert_int_eq(in_a_warm_process(root), 1);
}
END_TEST


START_TEST(nothing_changes_without_root)
{
    keeper.is_root = 0;

    ck_assert_int_eq(warm_rights_limit(), 0);
    ck_assert_int_eq(warm_rights_keep(), 0);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tc;
    SRunner  *runner;

    suite = suite_create("warm_rights");
    tc = tcase_create("warm_rights");
    tcase_add_loop_test(tc, ids_of_the_range_alone, 0, ATTEMPTS);
    tcase_add_test(tc, no_range_no_ids);
    tcase_add_test(tc, nothing_changes_without_root);
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
