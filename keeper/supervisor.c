/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: started, started again, told everything at its start.  What
 * it does not read waits in a bounded queue; the fds of a message are looked
 * up when it leaves.  One that lets the queue run full is killed: the next
 * one is told everything anew, so nothing is lost.
 */

#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>


#define SUPERVISOR_QUEUE_MAX     4096       /* and one for each thing held */
#define SUPERVISOR_READS_MAX     64         /* before others have their turn */
#define SUPERVISOR_SHORT_MS      1000
#define SUPERVISOR_DELAY_MIN_MS  100
#define SUPERVISOR_DELAY_MAX_MS  2000
#define SUPERVISOR_ABSENT_MS     1000
#define SUPERVISOR_DISCARD_MS    100


struct message {
    struct message  *next;
    size_t           size;
    char             data[];
};


static void supervisor_start(uint64_t now);
static void supervisor_say_facts(void);
static void supervisor_kill(void);
static void supervisor_close(void);
static void supervisor_flush(void);
static int supervisor_send_one(struct message *m);
static int supervisor_fds(const struct message *m, int *fds);


pid_t     supervisor_pid;
int       supervisor_pidfd = -1;
unsigned  supervisor_era;

static struct {
    int              fd;
    struct message  *first;
    struct message **last;
    size_t           queued;
    uint64_t         started_ms;
    uint64_t         restart_ms;
    uint64_t         absent_since_ms;
    uint64_t         delay_ms;
} state = { .fd = -1, .last = &state.first };


int
supervisor_poll(short *events)
{
    *events = (short) (state.first != NULL ? POLLIN | POLLOUT : POLLIN);

    return state.fd;
}


void
supervisor_io(short events)
{
    int           i;
    ssize_t       n;
    static char   data[MINT_KEEPER_MESSAGE_MAX];
    struct iovec  iov = { data, sizeof(data) };

    if (events & POLLOUT) {
        supervisor_flush();
    }

    for (i = 0; i < SUPERVISOR_READS_MAX && state.fd != -1; i++) {
        struct msghdr  head = { .msg_iov = &iov, .msg_iovlen = 1 };

        /* no room for fds: the kernel closes what a message may bring */

        n = recvmsg(state.fd, &head, MSG_DONTWAIT);

        if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }

        if (n <= 0) {
            supervisor_kill();
            break;
        }

        request_handle(data, head.msg_flags & MSG_TRUNC ? 0 : (size_t) n);
    }
}


/* without its socket it is of no use: it may also just have died */

static void
supervisor_kill(void)
{
    if (supervisor_pidfd != -1) {
        (void) pidfd_send_signal(supervisor_pidfd, SIGKILL, NULL, 0);

    } else if (supervisor_pid != 0) {
        kill(supervisor_pid, SIGKILL);
    }

    supervisor_close();
}


static void
supervisor_close(void)
{
    struct message  *m;

    if (state.fd != -1) {
        close(state.fd);
        state.fd = -1;
    }

    while (state.first != NULL) {
        m = state.first;
        state.first = m->next;
        free(m);
    }

    state.last = &state.first;
    state.queued = 0;
}


/* starts it, and keeps children printing while there is none */

uint64_t
supervisor_tick(uint64_t now)
{
    if (supervisor_pid == 0 && now >= state.restart_ms) {
        supervisor_start(now);
    }

    if (supervisor_pid != 0) {
        return KEEPER_NEVER;
    }

    if (now - state.absent_since_ms >= SUPERVISOR_ABSENT_MS) {
        child_discard();
    }

    now += SUPERVISOR_DISCARD_MS;

    return now < state.restart_ms ? now : state.restart_ms;
}


static void
supervisor_start(uint64_t now)
{
    int               failed, pair[2];
    struct child     *c;
    struct listener  *l;

    state.started_ms = now;
    state.restart_ms = now + SUPERVISOR_DELAY_MAX_MS;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
        keeper_log("error", "socketpair() failed: %s", strerror(errno));
        return;
    }

    keeper.supervisor.fds[MINT_KEEPER_FIRST_FD] = pair[1];
    failed = spawn_run(&keeper.supervisor, &supervisor_pid);
    close(pair[1]);

    if (failed != 0) {
        keeper_log("error", "cannot start the supervisor \"%s\": %s",
                   keeper.supervisor.argv[0], strerror(failed));
        close(pair[0]);
        supervisor_pid = 0;

        if (supervisor_era == 0) {
            keeper_finish(EXIT_FAILURE, 0);
        }

        return;
    }

    keeper_log("info", "supervisor started, pid %d", supervisor_pid);
    state.fd = pair[0];
    supervisor_era++;
    record_write();
    supervisor_say_facts();

    for (l = keeper.listeners; l != NULL; l = l->next) {
        listener_send(l, 0);
    }

    for (c = keeper.children; c != NULL; c = c->next) {
        child_send(c, 0);
    }

    supervisor_say(MINT_KEEPER_ATTACHED, 0, 0, 0);
}


/* one that an earlier keeper has started, and that has handed over to us */

void
supervisor_attach(int fd, pid_t pid, int pidfd)
{
    state.fd = fd;
    state.started_ms = keeper_now_ms();
    supervisor_pid = pid;
    supervisor_pidfd = pidfd;
    supervisor_era++;
    supervisor_say_facts();
}


static void
supervisor_say_facts(void)
{
    struct mint_keeper_facts  m;

    m = cgroup_facts;
    m.header = (struct mint_keeper_header) {
        MINT_KEEPER_VERSION, MINT_KEEPER_FACTS, 0, 0, 0
    };
    m.landlock_abi = sandbox_abi();

    supervisor_send(&m, sizeof(m), (const char *const []) {
        cgroup_where(), keeper.custody, NULL
    });
}


void
supervisor_died(int status)
{
    uint64_t  now, lived;

    /* it is reaped, its number may be another's: not to be killed by it */

    supervisor_pid = 0;

    if (supervisor_pidfd != -1) {
        close(supervisor_pidfd);
        supervisor_pidfd = -1;
    }

    /* what it said before, GOODBYE perhaps, still counts */

    supervisor_io(0);
    supervisor_close();
    now = keeper_now_ms();
    lived = now - state.started_ms;

    if (lived >= SUPERVISOR_SHORT_MS || supervisor_era == 1) {
        state.absent_since_ms = now;
    }

    state.restart_ms = now;

    if (lived >= SUPERVISOR_SHORT_MS) {
        state.delay_ms = 0;

    } else {
        state.restart_ms += state.delay_ms;
        state.delay_ms *= 2;
        state.delay_ms = state.delay_ms < SUPERVISOR_DELAY_MIN_MS
                         ? SUPERVISOR_DELAY_MIN_MS : state.delay_ms;
        state.delay_ms = state.delay_ms > SUPERVISOR_DELAY_MAX_MS
                         ? SUPERVISOR_DELAY_MAX_MS : state.delay_ms;
    }

    keeper_log(status == 0 ? "info" : "error",
               "supervisor %s after %llu ms: %s %d",
               status == 0 ? "ended" : "died", (unsigned long long) lived,
               status == MINT_KEEPER_STATUS_UNKNOWN ? "unknown"
               : WIFSIGNALED(status) ? "signal" : "exit status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));

    if (keeper.stop_deadline_ms != KEEPER_NEVER) {
        keeper_finish(EXIT_FAILURE, 0);
    }
}


void
supervisor_send(const void *head, size_t size, const char *const *texts)
{
    char            *end;
    size_t           i, total;
    struct message  *m;

    total = size;

    for (i = 0; texts != NULL && texts[i] != NULL; i++) {
        total += strlen(texts[i]) + 1;
    }

    m = NULL;

    if (state.fd == -1) {
        return;
    }

    if (state.queued < SUPERVISOR_QUEUE_MAX + keeper.held) {
        m = malloc(sizeof(*m) + total);
    }

    if (m == NULL) {
        keeper_log("error", "supervisor does not read: killing it");
        supervisor_kill();
        return;
    }

    end = mempcpy(m->data, head, size);

    for (i = 0; texts != NULL && texts[i] != NULL; i++) {
        end = mempcpy(end, texts[i], strlen(texts[i]) + 1);
    }

    m->size = total;
    m->next = NULL;
    *state.last = m;
    state.last = &m->next;
    state.queued++;
    supervisor_flush();
}


void
supervisor_say(enum mint_keeper_type type, uint32_t serial, int status,
    uint32_t id)
{
    struct mint_keeper_header  m = {
        MINT_KEEPER_VERSION, (uint16_t) type, serial, status, id
    };

    supervisor_send(&m, sizeof(m), NULL);
}


static void
supervisor_flush(void)
{
    struct message  *m;

    while (state.first != NULL) {
        m = state.first;

        if (supervisor_send_one(m) == -1) {
            if (errno != EAGAIN && errno != EINTR && errno != ETOOMANYREFS) {
                supervisor_kill();
            }

            return;
        }

        state.first = m->next;
        state.last = m->next == NULL ? &state.first : state.last;
        state.queued--;
        free(m);
    }
}


static int
supervisor_send_one(struct message *m)
{
    int              n, fds[MINT_KEEPER_FDS_MAX];
    char             control[CMSG_SPACE(sizeof(fds))];
    struct iovec     iov = { m->data, m->size };
    struct msghdr    head = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr  *c;

    n = supervisor_fds(m, fds);

    if (n > 0) {
        memset(control, 0, sizeof(control));
        head.msg_control = control;
        head.msg_controllen = CMSG_SPACE((size_t) n * sizeof(int));
        c = CMSG_FIRSTHDR(&head);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t) n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, (size_t) n * sizeof(int));
    }

    return sendmsg(state.fd, &head, MSG_DONTWAIT | MSG_NOSIGNAL) == -1
           ? -1 : 0;
}


static int
supervisor_fds(const struct message *m, int *fds)
{
    int                        i, n;
    struct child              *c;
    struct listener           *l;
    struct mint_keeper_header  h;

    n = 0;
    memcpy(&h, m->data, sizeof(h));

    if (h.type == MINT_KEEPER_LISTENER && h.status == 0) {
        l = listener_find(h.id);

        if (l != NULL) {
            fds[n++] = l->fd;
        }
    }

    if (h.type == MINT_KEEPER_CHILD && h.status == 0) {
        c = child_find(h.id);

        for (i = 0; c != NULL && i < CHILD_FDS; i++) {
            if (c->fd[i] != -1) {
                fds[n++] = c->fd[i];
            }
        }
    }

    return n;
}
