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

#include "lib/fs.h"
#include "lib/log.h"
#include "supervisor/process/keeper_private.h"


#define KEEPER_CLIENT_READS_MAX  64         /* before others have their turn */


static void keeper_client_on_read(evutil_socket_t fd, short what, void *data);
static void keeper_client_on_write(evutil_socket_t fd, short what,
    void *data);
static int keeper_client_receive(struct keeper_client *client,
    struct error *err);
static int keeper_client_handle(struct keeper_client *client,
    struct keeper_message *m, size_t len);
static int keeper_client_answer(struct keeper_client *client,
    struct keeper_message *m, size_t len);
static int keeper_client_call(struct keeper_request *r, int status,
    const struct keeper_listener_info *listener,
    const struct keeper_child_info *child);
static int keeper_client_exited(struct keeper_client *client,
    struct keeper_message *m);
static void keeper_client_note(struct keeper_client *client,
    struct keeper_message *m, size_t len);
static int keeper_client_attached(struct keeper_client *client);
static void keeper_client_settled(struct keeper_client *client,
    struct keeper_message *m, const struct keeper_request *r, size_t len);
static void keeper_client_shut(const struct keeper_request *r,
    const struct keeper_listener_info *listener,
    const struct keeper_child_info *child);
static void keeper_client_free(struct keeper_client *client);


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
    client->base = base;
    client->events = events;
    client->ctx = ctx;
    client->custody = keeper_absent_custody(client);
    TAILQ_INIT(&client->queued);
    TAILQ_INIT(&client->waiting);

    if (keeper_client_use(client, fd) == -1) {
        client->fd = -1;
        keeper_client_free(client);
        return error_set(err, MINT_ERR_MEMORY,
                         "cannot watch the keeper's socket");
    }

    *client_out = client;

    return 0;
}


int
keeper_client_use(struct keeper_client *client, int fd)
{
    socklen_t     len;
    struct ucred  who;

    len = sizeof(who);
    memset(&who, 0, sizeof(who));
    (void) getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
    client->keeper_uid = who.uid;
    client->facts.pid = who.pid;
    client->fd = fd;
    client->read_event = event_new(client->base, fd, EV_READ | EV_PERSIST,
                                   keeper_client_on_read, client);
    client->write_event = event_new(client->base, fd, EV_WRITE,
                                    keeper_client_on_write, client);

    return client->read_event == NULL || client->write_event == NULL
           ? -1 : event_add(client->read_event, NULL);
}


void
keeper_client_close(struct keeper_client **client)
{
    if (*client == NULL) {
        return;
    }

    if ((*client)->is_reading) {
        (*client)->is_closed = 1;

        if ((*client)->read_event != NULL) {
            event_del((*client)->read_event);
            event_del((*client)->write_event);
        }

    } else {
        keeper_client_free(*client);
    }

    *client = NULL;
}


static void
keeper_client_free(struct keeper_client *client)
{
    struct keeper_request  *r;

    keeper_custody_free(&client->custody);
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

        if (rc == MINT_ERR_UNAVAILABLE && client->is_attached
            && keeper_custody_is_listening(client->custody))
        {
            keeper_absent_begin(client);

        } else {
            keeper_client_lost(client, &err);
        }
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
        char            space[CMSG_SPACE(KEEPER_MESSAGE_FDS_MAX * sizeof(int))];
    } control;

    head.msg_control = control.space;
    head.msg_controllen = sizeof(control.space);
    n = recvmsg(client->fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }

    /* what it had not read is said first, then comes what it had sent */

    if (n == -1 && errno == ECONNRESET) {
        return 1;
    }

    if (n == 0) {
        return error_set(err, MINT_ERR_UNAVAILABLE, "the keeper is gone");
    }

    if (n == -1) {
        return error_set_errno(err, "reading from the keeper failed");
    }

    rc = keeper_message_take_fds(&m, &head);

    if (rc == 0) {
        rc = keeper_message_parse(&m, client->data, (size_t) n);
    }

    if (rc == 0) {
        rc = keeper_client_handle(client, &m, (size_t) n);
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
keeper_client_handle(struct keeper_client *client, struct keeper_message *m,
    size_t len)
{
    void                        *ctx;
    struct keeper_child_info     child;
    struct keeper_listener_info  listener;

    ctx = client->ctx;

    if (m->header.serial != 0) {
        return keeper_client_answer(client, m, len);
    }

    switch (m->header.type) {

    case MINT_KEEPER_LISTENER:
        if (keeper_message_listener(m, &listener) != 0) {
            return MINT_ERR_PROTOCOL;
        }

        keeper_client_note(client, m, len);
        client->events->on_listener(ctx, &listener);
        return 0;

    case MINT_KEEPER_CHILD:
        if (keeper_message_child(m, &child) != 0) {
            return MINT_ERR_PROTOCOL;
        }

        keeper_client_note(client, m, len);
        client->events->on_child(ctx, &child);
        return 0;

    case MINT_KEEPER_EXITED:
        return keeper_client_exited(client, m);

    case MINT_KEEPER_FACTS:
        if (keeper_message_facts(m, &client->facts) != 0) {
            return MINT_ERR_PROTOCOL;
        }

        keeper_custody_set_id(client->custody, client->facts.custody);
        return 0;

    case MINT_KEEPER_ATTACHED:
        return keeper_client_attached(client);

    case MINT_KEEPER_STOP:
        client->events->on_stop(ctx);
        return 0;

    default:
        return MINT_ERR_PROTOCOL;
    }
}


/* a request refused for its form is answered DONE, whatever it was */

static int
keeper_client_answer(struct keeper_client *client, struct keeper_message *m,
    size_t len)
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
        rc = keeper_message_listener(m, &listener);

    } else if (status == 0 && r->answer == MINT_KEEPER_CHILD) {
        rc = keeper_message_child(m, &child);
    }

    if (rc == 0) {
        TAILQ_REMOVE(&client->waiting, r, link);
        keeper_client_settled(client, m, r, len);

        if (!keeper_client_call(r, status, &listener, &child)
            && status == 0)
        {
            keeper_client_shut(r, &listener, &child);
        }

        keeper_request_free(r);
    }

    return rc;
}


/* an answer changes what is in custody */

static void
keeper_client_settled(struct keeper_client *client, struct keeper_message *m,
    const struct keeper_request *r, size_t len)
{
    struct mint_keeper_header  asked;

    memcpy(&asked, r->message.data, sizeof(asked));

    if (m->header.status != 0) {
        return;
    }

    if (asked.type == MINT_KEEPER_DRAINED) {
        keeper_custody_forget(client->custody, MINT_KEEPER_CHILD, asked.id);

    } else if (asked.type == MINT_KEEPER_UNLISTEN) {
        keeper_custody_forget(client->custody, MINT_KEEPER_LISTENER, asked.id);

    } else if (r->answer != MINT_KEEPER_DONE) {
        keeper_client_note(client, m, len);
    }
}


/* the copies that nobody takes */

static void
keeper_client_shut(const struct keeper_request *r,
    const struct keeper_listener_info *listener,
    const struct keeper_child_info *child)
{
    int  i, fds[3] = { -1, -1, -1 };

    if (r->answer == MINT_KEEPER_LISTENER) {
        fds[0] = listener->fd;

    } else if (r->answer == MINT_KEEPER_CHILD) {
        fds[0] = child->log_fd;
        fds[1] = child->report_fd;
        fds[2] = child->control_fd;
    }

    for (i = 0; i < 3; i++) {
        if (fds[i] != -1) {
            close(fds[i]);
        }
    }
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


static void
keeper_client_note(struct keeper_client *client, struct keeper_message *m,
    size_t len)
{
    if (m->fd_count > 0) {
        keeper_custody_note(client->custody, client->data, len, m->fds,
                            m->fd_count);
        m->fd_count = 0;
    }
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

    if (keeper_custody_died(client->custody, end.id, end.wait_status,
                            end.tree_killed, end.oom_kills))
    {
        client->events->on_exited(client->ctx, &end);
    }

    return 0;
}


/* the second time there is another keeper */

static int
keeper_client_attached(struct keeper_client *client)
{
    client->facts.absent_since_ms = 0;

    if (client->is_attached) {
        log_info("keeper %d has taken over everything", client->facts.pid);
        return 0;
    }

    client->is_attached = true;
    client->events->on_attached(client->ctx);

    return 0;
}


const struct keeper_facts *
keeper_client_facts(const struct keeper_client *client)
{
    return &client->facts;
}


void
keeper_client_lost(struct keeper_client *client, const struct error *why)
{
    struct keeper_request  *r;

    keeper_client_hang_up(client);
    client->is_lost = true;
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


void
keeper_client_hang_up(struct keeper_client *client)
{
    event_free(client->read_event);
    event_free(client->write_event);
    client->read_event = client->write_event = NULL;
    close(client->fd);
    client->fd = -1;
}


static void
keeper_client_on_write(evutil_socket_t fd, short what, void *data)
{
    (void) fd;
    (void) what;
    keeper_request_flush(data);
}
