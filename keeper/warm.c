/* SPDX-License-Identifier: MIT */
/*
 * Children that are not exec'ed but forked by a warm child: what
 * contract/mint_warm.h says from this side.  Each birth has a socket of its
 * own and a deadline; nothing here waits.  What is not born yet is in no list
 * of children: whoever asked for it and died gets none.
 */

#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "contract/mint_warm.h"


#define WARM_BIRTH_MS  5000


struct birth {
    int            fd;                      /* our end; child NULL: unused */
    struct child  *child;
    uid_t          uid;
    gid_t          gid;
    uint32_t       serial;
    unsigned       era;                     /* of the supervisor that asked */
    uint64_t       deadline_ms;
};


static struct birth  births[WARM_BIRTHS_MAX];

static int warm_say(int fd, const struct spawn_plan *plan);
static int warm_send(int fd, const void *data, size_t size, const int *fds,
    size_t fd_count);
static void warm_hear(struct birth *b);
static int warm_receive(const struct birth *b, pid_t *pid_out);
static void warm_end(struct birth *b, int failed);


int
warm_fork(struct child *c, const struct spawn_plan *plan, uint32_t warm_id,
    uint32_t serial)
{
    int            i, failed, on, pair[2];
    char           ask;
    struct birth  *b;
    struct child  *warm;

    warm = child_find(warm_id);

    if (warm == NULL || warm->warm_fd == -1 || warm->is_reaped) {
        return ESRCH;
    }

    for (i = 0; i < WARM_BIRTHS_MAX && births[i].child != NULL; i++) {
        /* void */
    }

    if (i == WARM_BIRTHS_MAX) {
        return EAGAIN;
    }

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
        return errno;
    }

    on = 1;
    ask = MINT_WARM_FORK;
    failed = !keeper_fds_left(pair[1])
             || setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on))
                == -1 ? errno : warm_say(pair[0], plan);

    if (failed == 0) {
        failed = warm_send(warm->warm_fd, &ask, 1, &pair[1], 1);
    }

    close(pair[1]);

    if (failed != 0) {
        close(pair[0]);
        return failed;
    }

    b = &births[i];
    b->fd = pair[0];
    b->child = c;
    b->uid = keeper.is_root ? plan->uid : geteuid();
    b->gid = keeper.is_root ? plan->gid : getegid();
    b->serial = serial;
    b->era = supervisor_era;
    b->deadline_ms = keeper_now_ms() + WARM_BIRTH_MS;

    /* to move a process into a group the kernel first waits some 10 ms for all
       CPUs, but not again shortly after: it does that now, for nothing, while
       the other one is being born */

    (void) cgroup_place(&warm->cgroup, warm->pid);

    return 0;
}


/* all that the process is to be, for its own eyes */

static int
warm_say(int fd, const struct spawn_plan *plan)
{
    int                      failed;
    char                    *text, *end;
    size_t                   size, i;
    struct mint_warm_birth   m = {
        .version = MINT_WARM_VERSION, .flags = plan->flags,
        .uid = keeper.is_root ? plan->uid : UINT32_MAX,
        .gid = keeper.is_root ? plan->gid : UINT32_MAX,
        .umask = plan->umask, .parent = (uint32_t) getpid(),
        .nofile_soft = plan->nofile.rlim_cur,
        .nofile_hard = plan->nofile.rlim_max,
        .data_bytes = plan->data_bytes, .processes = plan->processes,
        .allow_count = plan->allow_count
    };

    /* it may not choose groups: see warm_rights.c */

    if (plan->group_count != 0) {
        return EPERM;
    }

    size = sizeof(m) + strlen(plan->cwd) + 1;

    for (i = 0; plan->argv[i] != NULL; i++, m.argc++) {
        size += strlen(plan->argv[i]) + 1;
    }

    for (i = 0; plan->env[i] != NULL; i++, m.envc++) {
        size += strlen(plan->env[i]) + 1;
    }

    for (i = 0; i < m.allow_count; i++) {
        size += strlen(plan->allow[i]) + 1;
    }

    text = malloc(size);

    if (text == NULL) {
        return ENOMEM;
    }

    end = mempcpy(text, &m, sizeof(m));
    end = mempcpy(end, plan->cwd, strlen(plan->cwd) + 1);

    for (i = 0; i < m.argc; i++) {
        end = mempcpy(end, plan->argv[i], strlen(plan->argv[i]) + 1);
    }

    for (i = 0; i < m.envc; i++) {
        end = mempcpy(end, plan->env[i], strlen(plan->env[i]) + 1);
    }

    for (i = 0; i < m.allow_count; i++) {
        end = mempcpy(end, plan->allow[i], strlen(plan->allow[i]) + 1);
    }

    failed = warm_send(fd, text, size, plan->fds, (size_t) plan->fd_count);
    explicit_bzero(text, size);
    free(text);

    return failed;
}


static int
warm_send(int fd, const void *data, size_t size, const int *fds,
    size_t fd_count)
{
    char             control[CMSG_SPACE(SPAWN_FDS_MAX * sizeof(int))];
    struct iovec     iov = { (void *) (uintptr_t) data, size };
    struct msghdr    head = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr  *c;

    if (fd_count > 0) {
        memset(control, 0, sizeof(control));
        head.msg_control = control;
        head.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        c = CMSG_FIRSTHDR(&head);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }

    return sendmsg(fd, &head, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 ? errno : 0;
}


int
warm_is_expected(uint32_t id)
{
    int  i;

    for (i = 0; i < WARM_BIRTHS_MAX; i++) {
        if (births[i].child != NULL && births[i].child->id == id) {
            return 1;
        }
    }

    return 0;
}


int
warm_has_uid(uid_t uid)
{
    int  i;

    for (i = 0; i < WARM_BIRTHS_MAX; i++) {
        if (births[i].child != NULL && births[i].uid == uid) {
            return 1;
        }
    }

    return 0;
}


int
warm_poll(struct pollfd *fds)
{
    int  i, count;

    count = 0;

    for (i = 0; i < WARM_BIRTHS_MAX; i++) {
        if (births[i].child != NULL) {
            fds[count++] = (struct pollfd) { births[i].fd, POLLIN, 0 };
        }
    }

    return count;
}


void
warm_io(const struct pollfd *fds, int count)
{
    int  i, k;

    for (k = 0; k < count; k++) {
        for (i = 0; fds[k].revents != 0 && i < WARM_BIRTHS_MAX; i++) {
            if (births[i].child != NULL && births[i].fd == fds[k].fd) {
                warm_hear(&births[i]);
                break;
            }
        }
    }
}


uint64_t
warm_tick(uint64_t now)
{
    int       i;
    uint64_t  next;

    next = KEEPER_NEVER;

    for (i = 0; i < WARM_BIRTHS_MAX; i++) {
        if (births[i].child != NULL && now >= births[i].deadline_ms) {
            warm_end(&births[i], ETIMEDOUT);
        }

        if (births[i].child != NULL && births[i].deadline_ms < next) {
            next = births[i].deadline_ms;
        }
    }

    return next;
}


static void
warm_hear(struct birth *b)
{
    int    failed;
    char   begin;
    pid_t  pid;

    begin = MINT_WARM_BEGIN;
    failed = warm_receive(b, &pid);

    if (failed == 0 && b->era == supervisor_era) {
        failed = cgroup_place(&b->child->cgroup, pid);
    }

    if (failed != 0 || b->era != supervisor_era) {
        warm_end(b, failed);
        return;
    }

    /* told of first: it cannot die before it is known */

    child_started(b->child, pid, b->serial);
    b->child = NULL;
    (void) !send(b->fd, &begin, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(b->fd);
}


static int
warm_receive(const struct birth *b, pid_t *pid_out)
{
    ssize_t                 n;
    struct ucred            who = { 0, 0, 0 };
    struct cmsghdr         *c;
    struct mint_warm_born   born;
    struct iovec            iov = { &born, sizeof(born) };
    struct msghdr           head = { .msg_iov = &iov, .msg_iovlen = 1 };
    union {
        struct cmsghdr  align;
        char            space[CMSG_SPACE(sizeof(struct ucred))];
    } control;

    head.msg_control = control.space;
    head.msg_controllen = sizeof(control.space);
    n = recvmsg(b->fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n != sizeof(born) || head.msg_flags & MSG_TRUNC) {
        return n > 0 ? EPROTO : ECONNRESET;
    }

    c = CMSG_FIRSTHDR(&head);

    if (c != NULL && c->cmsg_level == SOL_SOCKET
        && c->cmsg_type == SCM_CREDENTIALS)
    {
        memcpy(&who, CMSG_DATA(c), sizeof(who));
    }

    if (born.status != 0) {
        return born.status > 0 && born.status < 4096 ? born.status : EPROTO;
    }

    /* a stranger: not our child, or not whom it was to become */

    if (who.pid <= 1 || !tree_is_ours(who.pid) || keeper_made(who.pid)
        || who.uid != b->uid || who.gid != b->gid)
    {
        return EPERM;
    }

    *pid_out = who.pid;

    return 0;
}


/* the end of file tells a late one that nobody waits for it */

static void
warm_end(struct birth *b, int failed)
{
    if (b->era == supervisor_era) {
        supervisor_say(MINT_KEEPER_CHILD, b->serial, failed, b->child->id);
    }

    close(b->fd);
    child_free(b->child);
    b->child = NULL;
}
