/* SPDX-License-Identifier: MIT */
/*
 * The book of what is in custody, the deaths in it while nobody else sees
 * them, and the hand-over to the next keeper.
 */

#include "supervisor/process/keeper_custody.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "contract/mint_keeper.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"


#define KEEPER_CUSTODY_HELLO_SEC  5
#define KEEPER_CUSTODY_AGAIN_MS   10        /* too many fds are on their way */


struct keeper_item {
    TAILQ_ENTRY(keeper_item)  link;
    struct keeper_custody    *custody;
    struct strbuf             message;
    uint16_t                  type;         /* enum mint_keeper_type */
    uint32_t                  id;
    int                       fds[MINT_KEEPER_FDS_MAX];
    size_t                    fd_count;
    bool                      is_dead;
    int                       pidfd;        /* while there is no keeper */
    struct event             *death;
};


struct keeper_custody {
    struct event_base                   *base;
    const struct keeper_custody_events  *events;
    void                                *ctx;
    TAILQ_HEAD(, keeper_item)            items;
    char                                 id[MINT_KEEPER_CUSTODY_LEN + 1];
    int                                  listener;      /* -1: none */
    uid_t                                keeper_uid;
    struct event                        *accept_event;
    int                                  peer;          /* -1: none */
    struct event                        *peer_event;
    struct keeper_item                  *next;          /* to be given */
    bool                                 has_begun;     /* to give */
};


static struct keeper_item *keeper_custody_find(struct keeper_custody *custody,
    uint16_t type, uint32_t id);
static void keeper_item_free(struct keeper_item *item);
static void keeper_item_watch(struct keeper_item *item);
static void keeper_item_unwatch(struct keeper_item *item);
static bool keeper_item_is(const struct keeper_item *item,
    const struct mint_keeper_child *child);
static void keeper_item_on_death(evutil_socket_t fd, short what, void *data);
static void keeper_custody_on_peer(evutil_socket_t fd, short what,
    void *data);
static void keeper_custody_on_hello(evutil_socket_t fd, short what,
    void *data);
static void keeper_custody_on_give(evutil_socket_t fd, short what,
    void *data);
static int keeper_custody_send(struct keeper_custody *custody,
    const void *data, size_t len, const int *fds, size_t fd_count);
static void keeper_custody_wait(struct keeper_custody *custody, short what,
    event_callback_fn fn, unsigned ms);
static void keeper_custody_drop(struct keeper_custody *custody);


struct keeper_custody *
keeper_custody_new(struct event_base *base,
    const struct keeper_custody_events *events, void *ctx)
{
    struct keeper_custody  *custody;

    custody = mem_alloc(sizeof(*custody));
    custody->base = base;
    custody->events = events;
    custody->ctx = ctx;
    custody->listener = custody->peer = -1;
    TAILQ_INIT(&custody->items);

    return custody;
}


void
keeper_custody_free(struct keeper_custody **at)
{
    struct keeper_item     *item;
    struct keeper_custody  *custody;

    custody = *at;
    *at = NULL;

    if (custody == NULL) {
        return;
    }

    while ((item = TAILQ_FIRST(&custody->items)) != NULL) {
        TAILQ_REMOVE(&custody->items, item, link);
        keeper_item_free(item);
    }

    keeper_custody_drop(custody);

    if (custody->accept_event != NULL) {
        event_free(custody->accept_event);
    }

    if (custody->listener != -1) {
        close(custody->listener);
    }

    free(custody);
}


/* nobody but our user and root can reach it: the mode is there before it
   listens */

int
keeper_custody_listen(struct keeper_custody *custody, const char *path,
    uid_t uid, struct error *err)
{
    int                 fd;
    struct sockaddr_un  address;

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;

    if (strlen(path) >= sizeof(address.sun_path)) {
        return error_set(err, MINT_ERR_INVALID, "\"%s\" is too long for a "
                         "socket", path);
    }

    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void) unlink(path);

    if (fd == -1
        || bind(fd, (struct sockaddr *) &address, sizeof(address)) == -1
        || chmod(path, 0600) == -1 || listen(fd, 4) == -1)
    {
        error_set_errno(err, "the socket \"%s\" cannot be opened", path);
        close(fd);
        return err->code;
    }

    custody->listener = fd;
    custody->keeper_uid = uid;
    custody->accept_event = event_new(custody->base, fd, EV_READ,
                                      keeper_custody_on_peer, custody);

    return 0;
}


bool
keeper_custody_is_listening(const struct keeper_custody *custody)
{
    return custody->listener != -1;
}


void
keeper_custody_set_id(struct keeper_custody *custody, const char *id)
{
    snprintf(custody->id, sizeof(custody->id), "%s", id);
}


/* ---- the book ------------------------------------------------------- */

void
keeper_custody_note(struct keeper_custody *custody, const char *data,
    size_t len, const int *fds, size_t fd_count)
{
    struct keeper_item          *item;
    struct mint_keeper_child     child;
    struct mint_keeper_header   *h;

    item = mem_alloc(sizeof(*item));
    item->custody = custody;
    item->pidfd = -1;
    strbuf_append(&item->message, data, len);
    h = (struct mint_keeper_header *) (void *) item->message.data;
    item->type = h->type;
    item->id = h->id;
    h->serial = 0;

    memcpy(item->fds, fds, fd_count * sizeof(*fds));
    item->fd_count = fd_count;

    if (item->type == MINT_KEEPER_CHILD) {
        memcpy(&child, data, sizeof(child));
        item->is_dead = child.exited != 0;
    }

    keeper_custody_forget(custody, item->type, item->id);
    TAILQ_INSERT_TAIL(&custody->items, item, link);
}


static struct keeper_item *
keeper_custody_find(struct keeper_custody *custody, uint16_t type, uint32_t id)
{
    struct keeper_item  *item;

    TAILQ_FOREACH(item, &custody->items, link) {
        if (item->type == type && item->id == id) {
            break;
        }
    }

    return item;
}


bool
keeper_custody_died(struct keeper_custody *custody, uint32_t id,
    int wait_status, uint32_t tree_killed, uint32_t oom_kills)
{
    struct keeper_item        *item;
    struct mint_keeper_child  *child;

    item = keeper_custody_find(custody, MINT_KEEPER_CHILD, id);

    if (item == NULL) {
        return true;
    }

    if (item->is_dead) {
        return false;
    }

    item->is_dead = true;
    child = (struct mint_keeper_child *) (void *) item->message.data;
    child->exited = 1;
    child->wait_status = wait_status;
    child->tree_killed = tree_killed;
    child->oom_kills = oom_kills;

    return true;
}


void
keeper_custody_forget(struct keeper_custody *custody, uint16_t type,
    uint32_t id)
{
    struct keeper_item  *item;

    item = keeper_custody_find(custody, type, id);

    if (item != NULL) {
        TAILQ_REMOVE(&custody->items, item, link);
        keeper_item_free(item);
    }
}


static void
keeper_item_free(struct keeper_item *item)
{
    size_t  i;

    keeper_item_unwatch(item);

    for (i = 0; i < item->fd_count; i++) {
        close(item->fds[i]);
    }

    strbuf_free(&item->message);
    free(item);
}


/* ---- without a keeper ----------------------------------------------- */

void
keeper_custody_begin(struct keeper_custody *custody)
{
    struct keeper_item  *item;

    TAILQ_FOREACH(item, &custody->items, link) {
        if (item->type == MINT_KEEPER_CHILD && !item->is_dead) {
            keeper_item_watch(item);
        }
    }

    event_add(custody->accept_event, NULL);
}


/* one that is gone is told of from the loop as well */

static void
keeper_item_watch(struct keeper_item *item)
{
    struct mint_keeper_child  child;

    memcpy(&child, item->message.data, sizeof(child));
    item->pidfd = pidfd_open(child.pid, 0);

    if (item->pidfd != -1 && !keeper_item_is(item, &child)) {
        close(item->pidfd);
        item->pidfd = -1;
    }

    item->death = event_new(item->custody->base, item->pidfd,
                            item->pidfd != -1 ? EV_READ : 0,
                            keeper_item_on_death, item);

    if (item->pidfd != -1) {
        event_add(item->death, NULL);

    } else {
        event_active(item->death, 0, 0);
    }
}


static void
keeper_item_unwatch(struct keeper_item *item)
{
    if (item->death != NULL) {
        event_free(item->death);
        item->death = NULL;
    }

    if (item->pidfd != -1) {
        close(item->pidfd);
        item->pidfd = -1;
    }
}


/* the number may be another's by now: field 22 of its stat, counted from the
   end of its name */

static bool
keeper_item_is(const struct keeper_item *item,
    const struct mint_keeper_child *child)
{
    int            field;
    char          *path;
    uint64_t       ticks;
    const char    *at;
    struct strbuf  text;

    (void) item;
    memset(&text, 0, sizeof(text));
    path = mem_printf("/proc/%d/stat", child->pid);
    at = fs_read(path, 4096, &text, NULL) == 0 ? strrchr(text.data, ')')
                                               : NULL;

    for (field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }

    ticks = at != NULL ? strtoull(at + 1, NULL, 10) : 0;
    strbuf_free(&text);
    free(path);

    return ticks == child->start_ticks;
}


static void
keeper_item_on_death(evutil_socket_t fd, short what, void *data)
{
    struct keeper_item        *item;
    struct keeper_custody     *custody;
    struct mint_keeper_child   child;

    (void) fd;
    (void) what;
    item = data;
    custody = item->custody;
    memcpy(&child, item->message.data, sizeof(child));
    keeper_item_unwatch(item);

    if (keeper_custody_died(custody, item->id, MINT_KEEPER_STATUS_UNKNOWN, 0,
                            0))
    {
        custody->events->on_died(custody->ctx, child.header.id, child.pid);
    }
}


/* ---- the next keeper ------------------------------------------------ */

static void
keeper_custody_on_peer(evutil_socket_t fd, short what, void *data)
{
    socklen_t               len;
    struct ucred            who;
    struct keeper_custody  *custody;

    (void) what;
    custody = data;
    len = sizeof(who);
    custody->peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (custody->peer == -1) {
        event_add(custody->accept_event, NULL);
        return;
    }

    if (getsockopt(custody->peer, SOL_SOCKET, SO_PEERCRED, &who, &len) == -1
        || who.uid != custody->keeper_uid)
    {
        log_warn("somebody who is no keeper asks for all we have (pid %d, "
                 "uid %u): refused", who.pid, who.uid);
        keeper_custody_drop(custody);
        return;
    }

    keeper_custody_wait(custody, EV_READ, keeper_custody_on_hello,
                        KEEPER_CUSTODY_HELLO_SEC * 1000);
}


static void
keeper_custody_on_hello(evutil_socket_t fd, short what, void *data)
{
    ssize_t                    n;
    struct keeper_custody     *custody;
    struct mint_keeper_header  hello, no = {
        MINT_KEEPER_VERSION, MINT_KEEPER_DONE, 0, EPROTO, 0
    };

    (void) what;
    custody = data;
    memset(&hello, 0, sizeof(hello));
    n = recv(fd, &hello, sizeof(hello), MSG_DONTWAIT);

    if (n != sizeof(hello) || hello.version != MINT_KEEPER_VERSION
        || hello.type != MINT_KEEPER_HELLO)
    {
        log_warn("the next keeper is not understood (protocol %u)",
                 hello.version);
        (void) !send(fd, &no, sizeof(no), MSG_DONTWAIT | MSG_NOSIGNAL);
        keeper_custody_drop(custody);
        return;
    }

    custody->has_begun = false;
    keeper_custody_on_give(fd, EV_WRITE, custody);
}


/* as much as the socket takes; what fails for good ends this attempt */

static void
keeper_custody_on_give(evutil_socket_t fd, short what, void *data)
{
    int                         rc, peer;
    char                        begin[sizeof(struct mint_keeper_header)
                                      + MINT_KEEPER_CUSTODY_LEN + 1];
    struct keeper_item         *item;
    struct keeper_custody      *custody;
    struct mint_keeper_header   h = {
        MINT_KEEPER_VERSION, MINT_KEEPER_CUSTODY, 0, 0, 0
    };

    (void) fd;
    (void) what;
    custody = data;
    rc = 0;

    if (!custody->has_begun) {
        memcpy(begin, &h, sizeof(h));
        memcpy(begin + sizeof(h), custody->id, sizeof(custody->id));
        rc = keeper_custody_send(custody, begin, sizeof(begin), NULL, 0);
        custody->has_begun = rc == 0;
        custody->next = TAILQ_FIRST(&custody->items);
    }

    while (rc == 0 && (item = custody->next) != NULL) {
        rc = keeper_custody_send(custody, item->message.data,
                                 item->message.len, item->fds,
                                 item->fd_count);
        custody->next = rc == 0 ? TAILQ_NEXT(item, link) : item;
    }

    if (rc == 0) {
        h.type = MINT_KEEPER_GIVEN;
        rc = keeper_custody_send(custody, &h, sizeof(h), NULL, 0);
    }

    if (rc != 0) {
        return;
    }

    TAILQ_FOREACH(item, &custody->items, link) {
        keeper_item_unwatch(item);
    }

    peer = custody->peer;
    event_free(custody->peer_event);
    custody->peer_event = NULL;
    custody->peer = -1;
    custody->events->on_keeper(custody->ctx, peer);
}


/* 0: sent; else it is tried again, or this keeper is dropped */

static int
keeper_custody_send(struct keeper_custody *custody, const void *data,
    size_t len, const int *fds, size_t fd_count)
{
    char             control[CMSG_SPACE(MINT_KEEPER_FDS_MAX * sizeof(int))];
    struct iovec     iov = { (void *) (uintptr_t) data, len };
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

    if (sendmsg(custody->peer, &head, MSG_DONTWAIT | MSG_NOSIGNAL) != -1) {
        return 0;
    }

    if (errno == EAGAIN || errno == EINTR || errno == ETOOMANYREFS) {
        keeper_custody_wait(custody, errno == ETOOMANYREFS ? 0 : EV_WRITE,
                            keeper_custody_on_give,
                            errno == ETOOMANYREFS ? KEEPER_CUSTODY_AGAIN_MS
                                                  : 0);

    } else {
        log_warn("the next keeper has gone: %s", strerror(errno));
        keeper_custody_drop(custody);
    }

    return -1;
}


/* ms 0: as long as it takes */

static void
keeper_custody_wait(struct keeper_custody *custody, short what,
    event_callback_fn fn, unsigned ms)
{
    struct timeval  wait;

    if (custody->peer_event != NULL) {
        event_free(custody->peer_event);
    }

    wait.tv_sec = ms / 1000;
    wait.tv_usec = ms % 1000 * 1000;
    custody->peer_event = event_new(custody->base, custody->peer, what, fn,
                                    custody);
    event_add(custody->peer_event, ms != 0 ? &wait : NULL);
}


static void
keeper_custody_drop(struct keeper_custody *custody)
{
    if (custody->peer_event != NULL) {
        event_free(custody->peer_event);
        custody->peer_event = NULL;
    }

    if (custody->peer != -1) {
        close(custody->peer);
        custody->peer = -1;

        if (custody->accept_event != NULL) {
            event_add(custody->accept_event, NULL);
        }
    }
}
