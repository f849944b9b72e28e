/* SPDX-License-Identifier: MIT */
/*
 * The start of a keeper whose predecessor was killed: the supervisor, which
 * lives on, hands over what it has copies of.  It has no rights that we have,
 * so what it says is believed as little as its requests: it can lay claim only
 * to processes of the identities, to cgroups below ours, to sockets that
 * listen and to pipes.  If nobody is there what is left is ended, and
 * everything begins anew.
 */

#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "handover_private.h"


#define HANDOVER_TRIES     50               /* it may be in its own start */
#define HANDOVER_TRY_MS    20
#define HANDOVER_WAIT_SEC  30
#define HANDOVER_END_MS    5000


static int handover_connect(pid_t *pid_out, int *pidfd_out);
static int handover_ask(int fd, pid_t pid, int pidfd);
static ssize_t handover_read(int fd, char *data, int *fds, size_t *fd_count);
static void handover_drop(void);
static void handover_begin(void);


void
handover_take(void)
{
    int    fd, tries, pidfd;
    pid_t  pid;

    fd = -1;
    pidfd = -1;

    for (tries = 0; keeper.socket_path != NULL; tries++) {
        fd = handover_connect(&pid, &pidfd);

        if (fd != -1 || tries == HANDOVER_TRIES
            || adopted_sweep(ADOPTED_COUNT, 0) + record_left(0) == 0)
        {
            break;
        }

        (void) poll(NULL, 0, HANDOVER_TRY_MS);
    }

    if (fd == -1) {
        handover_begin();
        return;
    }

    if (handover_ask(fd, pid, pidfd) == -1) {
        close(fd);
        close(pidfd);
        handover_drop();
        handover_begin();
        return;
    }

    keeper.has_adopted = 1;
    supervisor_attach(fd, pid, pidfd);
    record_write();
    handover_tell_refused();
    (void) adopted_sweep(ADOPTED_STRAYS, 0);
    supervisor_say(MINT_KEEPER_ATTACHED, 0, 0, 0);

    keeper_log("info", "took over supervisor %d and %zu processes and sockets",
               pid, keeper.held);
}


/* the supervisor's user alone can listen there, and it is asked who it is */

static int
handover_connect(pid_t *pid_out, int *pidfd_out)
{
    int                        fd;
    socklen_t                  len;
    struct ucred               who;
    struct timeval             wait = { HANDOVER_WAIT_SEC, 0 };
    struct sockaddr_un         address = { .sun_family = AF_UNIX };
    struct mint_keeper_header  hello = {
        MINT_KEEPER_VERSION, MINT_KEEPER_HELLO, 0, 0, 0
    };

    if (strlen(keeper.socket_path) >= sizeof(address.sun_path)) {
        return -1;
    }

    strcpy(address.sun_path, keeper.socket_path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    len = sizeof(who);
    *pidfd_out = -1;

    if (fd == -1
        || connect(fd, (struct sockaddr *) &address, sizeof(address)) == -1
        || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == -1
        || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == -1
        || who.uid != keeper.supervisor.uid || who.pid <= 1)
    {
        close(fd);
        return -1;
    }

    /* its answer comes after this: so the number is its own */

    *pid_out = who.pid;
    *pidfd_out = pidfd_open(who.pid, 0);

    if (*pidfd_out == -1
        || send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) == -1
        || adopted_watch(who.pid, *pidfd_out) != 0)
    {
        close(*pidfd_out);
        close(fd);
        return -1;
    }

    return fd;
}


/* 0, or -1 when it died or cannot be understood */

static int
handover_ask(int fd, pid_t pid, int pidfd)
{
    int                        fds[MINT_KEEPER_FDS_MAX], is_given;
    size_t                     i, fd_count;
    ssize_t                    n;
    static char                data[MINT_KEEPER_MESSAGE_MAX];
    struct mint_keeper_header  h;

    for (is_given = 0; !is_given; ) {
        n = handover_read(fd, data, fds, &fd_count);

        if (n == -1 && errno == EAGAIN) {
            keeper_log("error", "supervisor %d does not hand over: end it, and "
                       "all begins anew", pid);
            exit(EXIT_FAILURE);
        }

        memset(&h, 0, sizeof(h));
        memcpy(&h, data, n < (ssize_t) sizeof(h) ? 0 : sizeof(h));

        is_given = h.version == MINT_KEEPER_VERSION
                   ? handover_message(data, (size_t) n, fds, fd_count) : -1;

        for (i = 0; i < fd_count; i++) {
            if (fds[i] != -1) {
                close(fds[i]);
            }
        }

        if (is_given == -1) {
            keeper_log("error", "supervisor %d %s: all begins anew", pid,
                       n <= 0 ? "has gone"
                       : h.version != MINT_KEEPER_VERSION
                       ? "speaks another protocol"
                       : "hands over what cannot be");
            (void) pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
            return -1;
        }
    }

    return 0;
}


static ssize_t
handover_read(int fd, char *data, int *fds, size_t *fd_count)
{
    size_t           count;
    ssize_t          n;
    struct iovec     iov = { data, MINT_KEEPER_MESSAGE_MAX };
    struct msghdr    head = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr  *c;
    union {
        struct cmsghdr  align;
        char            space[CMSG_SPACE(MINT_KEEPER_FDS_MAX * sizeof(int))];
    } control;

    *fd_count = 0;
    head.msg_control = control.space;
    head.msg_controllen = sizeof(control.space);

    do {
        n = recvmsg(fd, &head, MSG_CMSG_CLOEXEC);
    } while (n == -1 && errno == EINTR);

    for (c = n > 0 ? CMSG_FIRSTHDR(&head) : NULL; c != NULL;
         c = CMSG_NXTHDR(&head, c))
    {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds + *fd_count, CMSG_DATA(c), count * sizeof(int));
            *fd_count += count;
        }
    }

    return n > 0 && head.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? 0 : n;
}


/* half a hand-over is none; the processes are ended by their mark */

static void
handover_drop(void)
{
    struct child  *c;

    while ((c = keeper.children) != NULL) {
        keeper.children = c->next;
        handover_forget_groups(c);
        child_free(c);
    }

    while (keeper.listeners != NULL) {
        listener_close(keeper.listeners->id);
    }

    keeper.held = 0;
}


static void
handover_begin(void)
{
    size_t         i;
    uint64_t       end;
    unsigned char  id[MINT_KEEPER_CUSTODY_LEN / 2] = { 0 };

    (void) !getrandom(id, sizeof(id), 0);

    for (i = 0; i < sizeof(id); i++) {
        keeper.custody[2 * i] = "0123456789abcdef"[id[i] >> 4];
        keeper.custody[2 * i + 1] = "0123456789abcdef"[id[i] & 15];
    }

    if (adopted_sweep(ADOPTED_COUNT, 0) + record_left(0) > 0) {
        keeper_log("warn", "what an earlier keeper has left is ended: its "
                   "supervisor is gone, too");
    }

    for (end = keeper_now_ms() + HANDOVER_END_MS;
         record_left(1) + adopted_sweep(ADOPTED_ALL, 0) > 0
         && keeper_now_ms() < end; )
    {
        (void) poll(NULL, 0, HANDOVER_TRY_MS);
    }
}
