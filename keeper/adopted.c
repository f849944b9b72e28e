/* SPDX-License-Identifier: MIT */
/*
 * Processes that an earlier keeper has started: no children of ours, so their
 * ends come by pidfd and their exit status is not known.  And what carries our
 * mark although nobody answers for it: started by a keeper that died before it
 * could say so, or left by a system whose keeper and supervisor both died.
 */

#include "keeper.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <unistd.h>


#define ADOPTED_EVENTS     64
#define ADOPTED_DEPTH_MAX  64


static int adopted_is_dead(int pidfd);
static int adopted_is_known(pid_t pid, const char *text, size_t len);
static uint32_t adopted_look(pid_t pid, enum adopted_sweep how);


static int  adopted_fd = -1;


int
adopted_prepare(void)
{
    adopted_fd = epoll_create1(EPOLL_CLOEXEC);

    return adopted_fd;
}


/*
 * A pidfd, or an errno as a negative number: ESRCH when that process is gone,
 * EPERM when it is none that a keeper can have started: those have one of the
 * identities and lead a session, and the time of a start cannot be chosen.
 */

int
adopted_open(pid_t pid, uint64_t start_ticks, uid_t uid)
{
    int             fd, failed;
    struct process  process;

    if (pid <= 1 || pid == getpid() || pid == getppid()
        || uid == (uid_t) -1 || !identity_allowed(uid, UINT32_MAX, 0))
    {
        return -EPERM;
    }

    fd = pidfd_open(pid, 0);

    if (fd == -1) {
        return -errno;
    }

    /* looked at after it was opened: the number cannot be another's now */

    failed = tree_look(pid, &process) == -1
             || process.start_ticks != start_ticks || adopted_is_dead(fd)
             ? ESRCH
             : process.session != pid || tree_uid(pid) != uid ? EPERM : 0;

    if (failed != 0) {
        close(fd);
        return -failed;
    }

    return fd;
}


/* its end is told by adopted_io() */

int
adopted_watch(pid_t pid, int pidfd)
{
    struct epoll_event  event = {
        .events = EPOLLIN,
        .data.u64 = (uint64_t) (uint32_t) pid << 32 | (uint32_t) pidfd
    };

    return epoll_ctl(adopted_fd, EPOLL_CTL_ADD, pidfd, &event) == -1 ? errno
                                                                     : 0;
}


void
adopted_io(void)
{
    int                 i, n, fd;
    pid_t               pid;
    struct epoll_event  events[ADOPTED_EVENTS];

    n = epoll_wait(adopted_fd, events, ADOPTED_EVENTS, 0);

    for (i = 0; i < n; i++) {
        fd = (int) (uint32_t) events[i].data.u64;
        pid = (pid_t) (events[i].data.u64 >> 32);
        epoll_ctl(adopted_fd, EPOLL_CTL_DEL, fd, NULL);

        if (fd == supervisor_pidfd) {
            supervisor_died(MINT_KEEPER_STATUS_UNKNOWN);

        } else {
            child_died(pid, MINT_KEEPER_STATUS_UNKNOWN, 1);
        }
    }
}


static int
adopted_is_dead(int pidfd)
{
    struct pollfd  end = { pidfd, POLLIN, 0 };

    return poll(&end, 1, 0) == 1;
}


/* all of them but one; at the end.  Returns how many there are. */

int
adopted_kill(pid_t spared)
{
    int            left;
    struct child  *c;

    left = 0;

    for (c = keeper.children; c != NULL; c = c->next) {
        if (c->pidfd != -1 && !adopted_is_dead(c->pidfd)) {
            (void) tree_kill_below(c->pid, c->pidfd);
            left++;
        }
    }

    if (supervisor_pidfd != -1 && !adopted_is_dead(supervisor_pidfd)) {
        left++;

        if (supervisor_pid != spared) {
            (void) pidfd_send_signal(supervisor_pidfd, SIGKILL, NULL, 0);
        }
    }

    return left;
}


/* of the processes with our mark; returns how many there are */

uint32_t
adopted_sweep(enum adopted_sweep how, pid_t spared)
{
    DIR            *all;
    char           *end;
    long            pid;
    uint32_t        found;
    struct dirent  *entry;

    found = 0;
    all = keeper.mark != NULL ? opendir("/proc") : NULL;

    while (all != NULL && (entry = readdir(all)) != NULL) {
        pid = strtol(entry->d_name, &end, 10);

        if (pid > 1 && *end == '\0' && pid != getpid() && pid != getppid()
            && pid != spared)
        {
            found += adopted_look((pid_t) pid, how);
        }
    }

    if (all != NULL) {
        closedir(all);
    }

    return found;
}


static uint32_t
adopted_look(pid_t pid, enum adopted_sweep how)
{
    size_t          len;
    const char     *text;
    struct process  process;

    /* the mark can be put on anybody by himself, but not on others */

    if (!identity_allowed(tree_uid(pid), UINT32_MAX, 0)) {
        return 0;
    }

    len = tree_environment(pid, &text);

    if (!tree_has(text, len, keeper.mark)
        || (how == ADOPTED_STRAYS && adopted_is_known(pid, text, len))
        || tree_look(pid, &process) == -1)
    {
        return 0;
    }

    if (how != ADOPTED_COUNT) {
        (void) tree_kill_found(pid, process.parent);
    }

    return 1;
}


/* somebody's of whom we know, as far as can be seen */

static int
adopted_is_known(pid_t pid, const char *text, size_t len)
{
    int             depth;
    pid_t           at;
    struct child   *c;
    struct process  process;

    for (c = keeper.children; c != NULL; c = c->next) {
        if (c->instance != NULL && tree_has(text, len, c->instance)) {
            return 1;
        }
    }

    for (at = pid, depth = 0; at > 1 && depth < ADOPTED_DEPTH_MAX; depth++) {
        if (keeper_made(at) || tree_look(at, &process) == -1) {
            return 1;
        }

        for (c = keeper.children; c != NULL; c = c->next) {
            if (process.session == c->pid) {
                return 1;
            }
        }

        at = process.parent;
    }

    return 0;
}
