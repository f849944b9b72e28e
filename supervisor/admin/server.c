/* SPDX-License-Identifier: MIT */
/*
 * The listening side of the admin socket: accepts, checks who it is, keeps
 * the list of connections.  What they say is in connection.c.
 */

#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "server_private.h"


#define ADMIN_CONNECTIONS_MAX  64
#define ADMIN_BACKOFF_SEC      1        /* after a failed accept() */


static void admin_accept(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int len, void *ctx);
static void admin_accept_failed(struct evconnlistener *listener, void *ctx);
static void admin_accept_again(evutil_socket_t fd, short events, void *ctx);
static void admin_reap(evutil_socket_t fd, short events, void *ctx);


int
admin_server_open(struct admin_server **out, struct event_base *base,
    int listen_fd, const struct admin_operation *operations, void *ctx,
    struct error *err)
{
    struct admin_server  *server;

    *out = NULL;
    server = mem_alloc(sizeof(*server));
    server->base = base;
    server->operations = operations;
    server->ctx = ctx;

    server->reaper = event_new(base, -1, 0, admin_reap, server);
    server->backoff_timer = evtimer_new(base, admin_accept_again, server);

    if (server->reaper == NULL || server->backoff_timer == NULL
        || evutil_make_socket_nonblocking(listen_fd) == -1)
    {
        goto failed;
    }

    /* backlog 0: it is listening already */
    server->listener = evconnlistener_new(base, admin_accept, server,
                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0,
                           listen_fd);
    if (server->listener == NULL) {
        goto failed;
    }

    evconnlistener_set_error_cb(server->listener, admin_accept_failed);
    *out = server;

    return 0;

failed:

    close(listen_fd);
    admin_server_free(&server);

    return error_set(err, MINT_ERR_SYSTEM,
                     "the event loop does not take the admin socket");
}


void
admin_server_free(struct admin_server **server)
{
    struct evbuffer          *output;
    struct admin_server      *s;
    struct admin_connection  *c;

    s = *server;
    if (s == NULL) {
        return;
    }

    while (s->connections != NULL) {
        c = s->connections;
        s->connections = c->next;

        /* the last answers, as far as the socket takes them */
        if (!c->is_dead) {
            output = bufferevent_get_output(c->bev);
            evbuffer_unfreeze(output, 1);
            evbuffer_write(output, bufferevent_getfd(c->bev));
        }

        admin_connection_free(c);
    }

    if (s->listener != NULL) {
        evconnlistener_free(s->listener);
    }

    if (s->reaper != NULL) {
        event_free(s->reaper);
    }

    if (s->backoff_timer != NULL) {
        event_free(s->backoff_timer);
    }

    free(s);
    *server = NULL;
}


void
admin_server_set_platform(struct admin_server *server, int pid)
{
    server->platform_pid = pid;
}


static void
admin_accept(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int len, void *ctx)
{
    socklen_t                 size;
    struct ucred              peer;
    struct admin_server      *server;
    struct admin_connection  *c;

    (void) listener;
    (void) address;
    (void) len;

    server = ctx;
    size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1) {
        log_warn("getsockopt(SO_PEERCRED) failed: %s", strerror(errno));
        close(fd);
        return;
    }

    c = mem_alloc(sizeof(*c));
    c->server = server;
    c->pid = peer.pid;
    c->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (c->bev == NULL) {
        free(c);
        close(fd);
        return;
    }

    c->next = server->connections;
    server->connections = c;
    server->connection_count++;

    admin_connection_start(c);

    if (peer.uid != 0 && peer.uid != geteuid()) {
        log_warn("admin connection of uid %u, pid %d refused",
                 (unsigned) peer.uid, (int) peer.pid);
        admin_connection_turn_away(c, MINT_ERR_FORBIDDEN,
                                   "only root and the supervisor's own user "
                                   "may use this socket");

    } else if (server->connection_count > ADMIN_CONNECTIONS_MAX) {
        admin_connection_turn_away(c, MINT_ERR_BUSY,
                                   "too many connections to the admin "
                                   "socket");
    }
}


/* out of descriptors: the listener stays readable, so wait before the next
   try instead of spinning */

static void
admin_accept_failed(struct evconnlistener *listener, void *ctx)
{
    struct timeval        wait = { ADMIN_BACKOFF_SEC, 0 };
    struct admin_server  *server;

    server = ctx;
    log_error("accept() on the admin socket failed: %s",
              evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
    evconnlistener_disable(listener);
    evtimer_add(server->backoff_timer, &wait);
}


static void
admin_accept_again(evutil_socket_t fd, short events, void *ctx)
{
    struct admin_server  *server;

    (void) fd;
    (void) events;

    server = ctx;
    evconnlistener_enable(server->listener);
}


static void
admin_reap(evutil_socket_t fd, short events, void *ctx)
{
    struct admin_server      *server;
    struct admin_connection  *c, **link;

    (void) fd;
    (void) events;

    server = ctx;
    link = &server->connections;

    while (*link != NULL) {
        c = *link;
        if (!c->is_dead) {
            link = &c->next;
            continue;
        }

        *link = c->next;
        server->connection_count--;
        admin_connection_free(c);
    }
}
