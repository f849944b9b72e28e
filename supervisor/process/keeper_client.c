/* SPDX-License-Identifier: MIT */
/*
 * Requests to the keeper and its answers.  What the keeper sends is checked
 * like anything from outside: a message that is not as agreed ends the
 * connection.  What to do with children and listeners is the caller's.
 */

#include "supervisor/process/keeper_client.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/process/keeper_private.h"


#define KEEPER_CLIENT_FDS_MAX    8          /* more than any message has */
#define KEEPER_CLIENT_READS_MAX  64         /* before others have their turn */


/* one message of the keeper; fds that nobody takes are closed */
struct keeper_message {
    union {
        struct mint_keeper_header    header;
        struct mint_keeper_listener  listener;
        struct mint_keeper_child     child;
        struct mint_keeper_exited    exited;
        struct mint_keeper_facts     facts;
    };
    const char  *at;                        /* strings not taken yet */
    const char  *end;
    int          fds[KEEPER_CLIENT_FDS_MAX];
    size_t       fd_count;
};


static void keeper_client_on_read(evutil_socket_t fd, short what, void *data);
static void keeper_client_on_write(evutil_socket_t fd, short what,
    void *data);
static int keeper_client_receive(struct keeper_client *client,
    struct error *err);
static int keeper_client_take_fds(struct keeper_message *m,
    struct msghdr *head);
static int keeper_client_parse(struct keeper_message *m, const char *data,
    size_t len);
static int keeper_client_handle(struct keeper_client *client,
    struct keeper_message *m);
static int keeper_client_answer(struct keeper_client *client,
    struct keeper_message *m);
static int keeper_client_call(struct keeper_request *r, int status,
    const struct keeper_listener_info *listener,
    const struct keeper_child_info *child);
static int keeper_client_listener(struct keeper_message *m,
    struct keeper_listener_info *info);
static int keeper_client_child(struct keeper_message *m,
    struct keeper_child_info *info);
static int keeper_client_exited(struct keeper_client *client,
    struct keeper_message *m);
static int keeper_client_take_facts(struct keeper_client *client,
    struct keeper_message *m);
static const char *keeper_client_string(struct keeper_message *m);
static void keeper_client_lost(struct keeper_client *client,
    const struct error *why);
static void keeper_client_free(struct keeper_client *client);


/* sizes of what the keeper says, besides strings */
static const size_t  keeper_client_sizes[] = {
    [MINT_KEEPER_LISTENER] = sizeof(struct mint_keeper_listener),
    [MINT_KEEPER_CHILD] = sizeof(struct mint_keeper_child),
    [MINT_KEEPER_EXITED] = sizeof(struct mint_keeper_exited),
    [MINT_KEEPER_ATTACHED] = sizeof(struct mint_keeper_header),
    [MINT_KEEPER_DONE] = sizeof(struct mint_keeper_header),
    [MINT_KEEPER_STOP] = sizeof(struct mint_keeper_header),
    [MINT_KEEPER_FACTS] = sizeof(struct mint_keeper_facts)
};

#define KEEPER_CLIENT_TYPES \
    (sizeof(keeper_client_sizes) / sizeof(keeper_client_sizes[0]))


int
keeper_client_fd(struct error *err)
{
    int          fd, type;
    char        *end;
    long         number;
    socklen_t    len;
    const char  *text;

    text = getenv(MINT_KEEPER_FD_ENV);

    if (text == NULL) {
        return error_set(err, MINT_ERR_UNAVAILABLE,
                         MINT_KEEPER_FD_ENV " is not set: mint-supervisor is "
                         "started by mint-keeper");
    }

    number = strtol(text, &end, 10);
    fd = number >= 0 && number <= 65535 && end != text && *end == '\0'
         ? (int) number : -1;
    len = sizeof(type);

    if (fd == -1
        || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1
        || type != SOCK_SEQPACKET
        || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
    {
        return error_set(err, MINT_ERR_INVALID, MINT_KEEPER_FD_ENV "=\"%s\" "
                         "is not the keeper's socket: mint-supervisor is "
                         "started by mint-keeper", text);
    }

    unsetenv(MINT_KEEPER_FD_ENV);

    return fd;
}


int
keeper_client_open(struct event_base *base, int fd,
    const struct keeper_client_events *events, void *ctx,
    struct keeper_client **client_out, struct error *err)
{
    struct keeper_client  *client;

    if (evutil_make_socket_nonblocking(fd) == -1) {
        return error_set_errno(err, "fcntl(%d) failed", fd);
    }

    client = mem_alloc(sizeof(*client));
    client->fd = fd;
    client->events = events;
    client->ctx = ctx;
    TAILQ_INIT(&client->queued);
    TAILQ_INIT(&client->waiting);
    client->read_event = event_new(base, fd, EV_READ | EV_PERSIST,
                                   keeper_client_on_read, client);
    client->write_event = event_new(base, fd, EV_WRITE,
                                    keeper_client_on_write, client);

    if (client->read_event == NULL || client->write_event == NULL
        || event_add(client->read_event, NULL) == -1)
    {
        client->fd = -1;
        keeper_client_free(client);
        return error_set(err, MINT_ERR_MEMORY,
                         "cannot watch the keeper's socket");
    }

    *client_out = client;

    return 0;
}


void
keeper_client_close(struct keeper_client **client)
{
    if (*client == NULL) {
        return;
    }

    if ((*client)->is_reading) {
        (*client)->is_closed = 1;
        event_del((*client)->read_event);
        event_del((*client)->write_event);

    } else {
        keeper_client_free(*client);
    }

    *client = NULL;
}


static void
keeper_client_free(struct keeper_client *client)
{
    struct keeper_request  *r;

    TAILQ_CONCAT(&client->waiting, &client->queued, link);

    while ((r = TAILQ_FIRST(&client->waiting)) != NULL) {
        TAILQ_REMOVE(&client->waiting, r, link);
        keeper_request_free(r);
    }

    if (client->read_event != NULL) {
        event_free(client->read_event);
    }

    if (client->write_event != NULL) {
        event_free(client->write_event);
    }

    if (client->fd != -1) {
        close(client->fd);
    }

    free(client);
}


/* ---- what the keeper says ------------------------------------------ */

static void
keeper_client_on_read(evutil_socket_t fd, short what, void *data)
{
    int                    i, rc;
    struct error           err;
    struct keeper_client  *client;

    (void) fd;
    (void) what;
    client = data;
    client->is_reading = 1;
    rc = 1;

    for (i = 0; i < KEEPER_CLIENT_READS_MAX && rc == 1; i++) {
        rc = client->is_closed ? 0 : keeper_client_receive(client, &err);
    }

    if (rc < 0 && !client->is_closed) {
        keeper_client_lost(client, &err);
    }

    client->is_reading = 0;

    if (client->is_closed) {
        keeper_client_free(client);
    }
}


/* returns 1 when there may be more, 0 when not, or an error */

static int
keeper_client_receive(struct keeper_client *client, struct error *err)
{
    int                    rc;
    size_t                 i;
    ssize_t                n;
    struct iovec           iov = { client->data, sizeof(client->data) };
    struct msghdr          head = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct keeper_message  m = { .fds = { 0 } };
    union {
        struct cmsghdr  align;
        char            space[CMSG_SPACE(KEEPER_CLIENT_FDS_MAX * sizeof(int))];
    } control;

    head.msg_control = control.space;
    head.msg_controllen = sizeof(control.space);
    n = recvmsg(client->fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }

    if (n == 0 || (n == -1 && errno == ECONNRESET)) {
        return error_set(err, MINT_ERR_UNAVAILABLE, "the keeper is gone");
    }

    if (n == -1) {
        return error_set_errno(err, "reading from the keeper failed");
    }

    rc = keeper_client_take_fds(&m, &head);

    if (rc == 0) {
        rc = keeper_client_parse(&m, client->data, (size_t) n);
    }

    if (rc == 0) {
        rc = keeper_client_handle(client, &m);
    }

    for (i = 0; i < m.fd_count; i++) {
        close(m.fds[i]);
    }

    return rc == 0 ? 1
           : error_set(err, MINT_ERR_PROTOCOL, "the keeper sent a message "
                       "that is not as agreed (type %u, %zd bytes)",
                       m.header.type, n);
}


static int
keeper_client_take_fds(struct keeper_message *m, struct msghdr *head)
{
    size_t           count;
    struct cmsghdr  *c;

    for (c = CMSG_FIRSTHDR(head); c != NULL; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(m->fds + m->fd_count, CMSG_DATA(c), count * sizeof(int));
            m->fd_count += count;
        }
    }

    return head->msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? MINT_ERR_PROTOCOL : 0;
}


static int
keeper_client_parse(struct keeper_message *m, const char *data, size_t len)
{
    size_t  size;

    if (len < sizeof(m->header)) {
        return MINT_ERR_PROTOCOL;
    }

    memcpy(&m->header, data, sizeof(m->header));

    if (m->header.version != MINT_KEEPER_VERSION
        || m->header.type >= KEEPER_CLIENT_TYPES
        || keeper_client_sizes[m->header.type] == 0)
    {
        return MINT_ERR_PROTOCOL;
    }

    /* a refusal is the header alone */

    size = m->header.status != 0 ? sizeof(m->header)
           : keeper_client_sizes[m->header.type];

    if (len < size) {
        return MINT_ERR_PROTOCOL;
    }

    memcpy(m, data, size);
    m->at = data + size;
    m->end = data + len;

    return 0;
}


static int
keeper_client_handle(struct keeper_client *client, struct keeper_message *m)
{
    void                        *ctx;
    struct keeper_child_info     child;
    struct keeper_listener_info  listener;

    ctx = client->ctx;

    if (m->header.serial != 0) {
        return keeper_client_answer(client, m);
    }

    switch (m->header.type) {

    case MINT_KEEPER_LISTENER:
        if (keeper_client_listener(m, &listener) != 0) {
            return MINT_ERR_PROTOCOL;
        }

        m->fd_count = 0;
        client->events->on_listener(ctx, &listener);
        return 0;

    case MINT_KEEPER_CHILD:
        if (keeper_client_child(m, &child) != 0) {
            return MINT_ERR_PROTOCOL;
        }

        m->fd_count = 0;
        client->events->on_child(ctx, &child);
        return 0;

    case MINT_KEEPER_EXITED:
        return keeper_client_exited(client, m);

    case MINT_KEEPER_FACTS:
        return keeper_client_take_facts(client, m);

    case MINT_KEEPER_ATTACHED:
        client->events->on_attached(ctx);
        return 0;

    case MINT_KEEPER_STOP:
        client->events->on_stop(ctx);
        return 0;

    default:
        return MINT_ERR_PROTOCOL;
    }
}


/* a request refused for its form is answered DONE, whatever it was */

static int
keeper_client_answer(struct keeper_client *client, struct keeper_message *m)
{
    int                          rc, status;
    struct keeper_request       *r;
    struct keeper_child_info     child;
    struct keeper_listener_info  listener;

    TAILQ_FOREACH(r, &client->waiting, link) {
        if (r->serial == m->header.serial) {
            break;
        }
    }

    status = m->header.status;

    if (r == NULL || (m->header.type != r->answer
                      && (m->header.type != MINT_KEEPER_DONE || status == 0)))
    {
        return MINT_ERR_PROTOCOL;
    }

    rc = 0;

    if (status == 0 && r->answer == MINT_KEEPER_LISTENER) {
        rc = keeper_client_listener(m, &listener);

    } else if (status == 0 && r->answer == MINT_KEEPER_CHILD) {
        rc = keeper_client_child(m, &child);
    }

    if (rc == 0) {
        TAILQ_REMOVE(&client->waiting, r, link);
        m->fd_count = keeper_client_call(r, status, &listener, &child)
                      ? 0 : m->fd_count;
        keeper_request_free(r);
    }

    return rc;
}


/* returns whether there was somebody to take the fds */

static int
keeper_client_call(struct keeper_request *r, int status,
    const struct keeper_listener_info *listener,
    const struct keeper_child_info *child)
{
    if (r->listener != NULL) {
        r->listener(r->ctx, status, status == 0 ? listener : NULL);

    } else if (r->child != NULL) {
        r->child(r->ctx, status, status == 0 ? child : NULL);

    } else if (r->done != NULL) {
        r->done(r->ctx, status);
    }

    return r->listener != NULL || r->child != NULL;
}


static int
keeper_client_listener(struct keeper_message *m,
    struct keeper_listener_info *info)
{
    info->id = m->header.id;
    info->family = m->listener.family;
    info->address = keeper_client_string(m);
    info->label = keeper_client_string(m);
    info->fd = m->fd_count > 0 ? m->fds[0] : -1;

    return info->label != NULL && m->at == m->end && m->fd_count <= 1
           ? 0 : MINT_ERR_PROTOCOL;
}


static int
keeper_client_child(struct keeper_message *m, struct keeper_child_info *info)
{
    size_t    count;
    uint32_t  flags;

    flags = m->child.flags;
    info->id = m->header.id;
    info->flags = flags;
    info->pid = m->child.pid;
    info->exited = m->child.exited != 0;
    info->wait_status = m->child.wait_status;
    info->start_ticks = m->child.start_ticks;
    info->started_unix_ms = m->child.started_unix_ms;
    info->tree_killed = m->child.tree_killed;
    info->oom_kills = m->child.oom_kills;
    info->label = keeper_client_string(m);
    info->memory_group = keeper_client_string(m);

    count = 0;
    info->log_fd = m->fds[count++];
    info->report_fd = flags & MINT_SPAWN_REPORT ? m->fds[count++] : -1;
    info->control_fd = flags & MINT_SPAWN_CONTROL ? m->fds[count++] : -1;

    /* none: it was forgotten before this was sent */

    if (m->fd_count == 0) {
        info->log_fd = info->report_fd = info->control_fd = -1;
        count = 0;
    }

    return info->memory_group != NULL && m->at == m->end
           && m->fd_count == count ? 0 : MINT_ERR_PROTOCOL;
}


static int
keeper_client_exited(struct keeper_client *client, struct keeper_message *m)
{
    struct keeper_exit_info  end;

    end.id = m->header.id;
    end.pid = m->exited.pid;
    end.wait_status = m->exited.wait_status;
    end.tree_killed = m->exited.tree_killed;
    end.oom_kills = m->exited.oom_kills;

    client->events->on_exited(client->ctx, &end);

    return 0;
}


static int
keeper_client_take_facts(struct keeper_client *client,
    struct keeper_message *m)
{
    const char           *text;
    struct keeper_facts  *facts;

    text = keeper_client_string(m);

    if (text == NULL || m->at != m->end) {
        return MINT_ERR_PROTOCOL;
    }

    facts = &client->facts;
    facts->memory = m->facts.memory;
    facts->pids = m->facts.pids;
    facts->cpu = m->facts.cpu;
    facts->tree = m->facts.tree;
    facts->landlock_abi = m->facts.landlock_abi;
    snprintf(facts->cgroup, sizeof(facts->cgroup), "%s", text);

    return 0;
}


const struct keeper_facts *
keeper_client_facts(const struct keeper_client *client)
{
    return &client->facts;
}


static const char *
keeper_client_string(struct keeper_message *m)
{
    const char  *text, *nul;

    text = m->at;
    nul = text != NULL ? memchr(text, '\0', (size_t) (m->end - text)) : NULL;
    m->at = nul != NULL ? nul + 1 : NULL;

    return nul != NULL ? text : NULL;
}


static void
keeper_client_lost(struct keeper_client *client, const struct error *why)
{
    struct keeper_request  *r;

    event_del(client->read_event);
    event_del(client->write_event);
    close(client->fd);
    client->fd = -1;
    TAILQ_CONCAT(&client->waiting, &client->queued, link);

    while ((r = TAILQ_FIRST(&client->waiting)) != NULL) {
        TAILQ_REMOVE(&client->waiting, r, link);

        if (!client->is_closed) {
            keeper_client_call(r, ECONNRESET, NULL, NULL);
        }

        keeper_request_free(r);
    }

    if (!client->is_closed) {
        client->events->on_lost(client->ctx, why);
    }
}


static void
keeper_client_on_write(evutil_socket_t fd, short what, void *data)
{
    (void) fd;
    (void) what;
    keeper_request_flush(data);
}
