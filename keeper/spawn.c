/* SPDX-License-Identifier: MIT */
/*
 * The only place that makes processes.  Everything between fork and exec is
 * here; who may be started as whom is checked before (child.c).
 */

#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>


#define SPAWN_ASIDE_FD  32                  /* above every final fd */


static void spawn_child(const struct spawn_plan *plan, int report)
    __attribute__((noreturn));
static int spawn_place_fds(const struct spawn_plan *plan, int *report);
static void spawn_limit(int resource, struct rlimit limit);
static void spawn_limit_more(const struct spawn_plan *plan);
static int spawn_become(const struct spawn_plan *plan);


/*
 * By the system call: signal() refuses 32 and 33, which are the C library's,
 * but a parent (make is one) can leave them ignored.
 */

static void
spawn_default_signals(void)
{
    int            number;
    unsigned long  action[4] = { 0 };       /* the kernel's: all default */

    for (number = 1; number <= 64; number++) {
        syscall(SYS_rt_sigaction, number, action, NULL, sizeof(uint64_t));
    }
}


/* a child that starts with default signals and none blocked */

pid_t
spawn_fork(void)
{
    pid_t     pid;
    sigset_t  none;

    pid = fork();

    if (pid == 0) {
        spawn_default_signals();

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
    }

    return pid;
}


/*
 * Waits for the exec, not longer: the pipe ends there, or carries the errno of
 * what failed before.
 */

int
spawn_run(const struct spawn_plan *plan, pid_t *pid_out)
{
    int      report[2], failed;
    pid_t    pid;
    ssize_t  n;

    if (pipe2(report, O_CLOEXEC) == -1) {
        return errno;
    }

    pid = spawn_fork();

    if (pid == 0) {
        spawn_child(plan, report[1]);
    }

    failed = pid == -1 ? errno : 0;
    close(report[1]);

    if (pid != -1) {
        do {
            n = read(report[0], &failed, sizeof(failed));
        } while (n == -1 && errno == EINTR);

        if (n == sizeof(failed)) {
            waitpid(pid, NULL, 0);
        }
    }

    close(report[0]);
    *pid_out = pid;

    return failed;
}


static void
spawn_child(const struct spawn_plan *plan, int report)
{
    int  failed;

    failed = plan->cgroup != NULL ? cgroup_enter(plan->cgroup) : 0;

    if (failed == 0) {
        failed = spawn_place_fds(plan, &report);
    }

    if (failed == 0) {
        setsid();

        if (plan->umask != UINT32_MAX) {
            umask((mode_t) plan->umask);
        }

        spawn_limit(RLIMIT_NOFILE, plan->nofile);
        spawn_limit_more(plan);
        failed = spawn_become(plan);
    }

    if (failed == 0 && plan->flags & MINT_SPAWN_SANDBOX) {
        failed = sandbox_apply(plan->allow, plan->allow_count);
    }

    if (failed == 0) {
        execve(plan->argv[0], plan->argv, plan->env);
        failed = errno;
    }

    (void) !write(report, &failed, sizeof(failed));
    _exit(127);
}


/* first all out of the way, then each to its number, then the rest away */

static int
spawn_place_fds(const struct spawn_plan *plan, int *report)
{
    int  i, aside[SPAWN_FDS_MAX];

    *report = fcntl(*report, F_DUPFD_CLOEXEC, SPAWN_ASIDE_FD);

    if (*report == -1) {
        return errno;
    }

    for (i = 0; i < plan->fd_count; i++) {
        aside[i] = fcntl(plan->fds[i], F_DUPFD_CLOEXEC, SPAWN_ASIDE_FD);

        if (aside[i] == -1) {
            return errno;
        }
    }

    for (i = 0; i < plan->fd_count; i++) {
        if (dup2(aside[i], i) == -1) {
            return errno;
        }
    }

    if (close_range((unsigned) i, (unsigned) *report - 1, 0) == -1
        || close_range((unsigned) *report + 1, ~0U, 0) == -1)
    {
        return errno;
    }

    return 0;
}


/* more than may be had is as much as may be had */

static void
spawn_limit(int resource, struct rlimit limit)
{
    rlim_t  most;

    most = limit.rlim_max;

    if (limit.rlim_cur > most) {
        limit.rlim_max = limit.rlim_cur;
    }

    if (setrlimit((__rlimit_resource_t) resource, &limit) == -1) {
        limit.rlim_cur = limit.rlim_max = most;
        setrlimit((__rlimit_resource_t) resource, &limit);
    }
}


/* where there is no cgroup for it; not to be raised again by the child */

static void
spawn_limit_more(const struct spawn_plan *plan)
{
    if (plan->data_bytes != RLIM_INFINITY) {
        spawn_limit(RLIMIT_DATA, (struct rlimit) {
            plan->data_bytes, plan->data_bytes
        });
    }

    if (plan->processes != RLIM_INFINITY) {
        spawn_limit(RLIMIT_NPROC, (struct rlimit) {
            plan->processes, plan->processes
        });
    }
}


static int
spawn_become(const struct spawn_plan *plan)
{
    int  failed;

    if (plan->flags & MINT_SPAWN_WARM) {
        failed = warm_rights_limit();

        if (failed != 0) {
            return failed;
        }
    }

    if (keeper.is_root
        && (setgroups(plan->group_count, plan->groups) == -1
            || setresgid(plan->gid, plan->gid, plan->gid) == -1
            || setresuid(plan->uid, plan->uid, plan->uid) == -1))
    {
        return errno;
    }

    if (plan->flags & MINT_SPAWN_WARM) {
        failed = warm_rights_keep();

        if (failed != 0) {
            return failed;
        }
    }

    if ((plan->flags & MINT_SPAWN_SUBREAPER
         && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
        || (plan->flags & MINT_SPAWN_NO_NEW_PRIVS
            && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        || (plan->cwd != NULL && chdir(plan->cwd) == -1))
    {
        return errno;
    }

    return 0;
}
