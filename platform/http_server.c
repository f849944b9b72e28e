/* SPDX-License-Identifier: MIT */
/*
 * The daemon of libmicrohttpd: start, drain, stop, and reading of headers,
 * cookies and query arguments.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "platform/http_private.h"


#define HTTP_CONNECTION_MEMORY   (64 * 1024)
#define HTTP_STACK_BYTES         (1024 * 1024)
#define HTTP_FIRST_WORD_MS       1000
#define HTTP_QUIET_TIMES         4


struct count {
    const char  *name;
    unsigned     n;
};


static void http_log(void *cls, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void http_connection_made(void *cls, struct MHD_Connection *connection,
    void **socket_context, enum MHD_ConnectionNotificationCode code);
static struct http_connection *http_connection_new(
    struct http_server *server, struct MHD_Connection *connection);
static bool http_server_is_busy(struct http_server *server);


int
http_server_start(struct http_server **out, const struct http_options *options,
    struct error *err)
{
    struct http_server  *server;

    *out = NULL;

    server = mem_alloc(sizeof(struct http_server));
    server->options = *options;
    (void) pthread_mutex_init(&server->lock, NULL);

    /* the listener is shared with the process that passed it on: never let
       accept() block a thread when another process was faster */
    if (fcntl(options->fd, F_SETFL,
              fcntl(options->fd, F_GETFL) | O_NONBLOCK) == -1)
    {
        (void) pthread_mutex_destroy(&server->lock);
        free(server);
        return error_set_errno(err, "fcntl(listener %d) failed", options->fd);
    }

    server->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD
        | MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, NULL, NULL, exchange_step, server,
        MHD_OPTION_EXTERNAL_LOGGER, http_log, server,
        MHD_OPTION_LISTEN_SOCKET, options->fd,
        MHD_OPTION_URI_LOG_CALLBACK, exchange_new, server,
        MHD_OPTION_NOTIFY_COMPLETED, exchange_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, http_connection_made, server,
        MHD_OPTION_CONNECTION_LIMIT, options->connections_max,
        MHD_OPTION_CONNECTION_TIMEOUT, options->idle_sec,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) HTTP_CONNECTION_MEMORY,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t) HTTP_STACK_BYTES,
        MHD_OPTION_END);

    if (server->daemon == NULL) {
        (void) pthread_mutex_destroy(&server->lock);
        free(server);
        return error_set(err, MINT_ERR_SYSTEM, "the HTTP server could not "
                         "start on listener %d", options->fd);
    }

    *out = server;

    return MINT_OK;
}


void
http_server_quiesce(struct http_server *server)
{
    atomic_store(&server->is_draining, true);
    (void) MHD_quiesce_daemon(server->daemon);
}


void
http_server_drain(struct http_server *server, unsigned wait_ms)
{
    unsigned         quiet;
    uint64_t         until_ms;
    struct timespec  pause;

    /* quiet more than once: the accept() that was under way is on its way
       here, and a client that got an answer just now may have a next request
       on its lips */
    pause.tv_sec = 0;
    pause.tv_nsec = 10 * 1000 * 1000;
    until_ms = time_boot_ms() + wait_ms;
    quiet = 0;

    while (quiet < HTTP_QUIET_TIMES && time_boot_ms() < until_ms) {
        (void) nanosleep(&pause, NULL);
        quiet = http_server_is_busy(server) ? 0 : quiet + 1;
    }
}


void
http_server_stop(struct http_server **server)
{
    struct http_server  *s;

    s = *server;

    if (s == NULL) {
        return;
    }

    if (!atomic_load(&s->is_draining)) {
        http_server_quiesce(s);
    }

    MHD_stop_daemon(s->daemon);
    (void) pthread_mutex_destroy(&s->lock);
    free(s);
    *server = NULL;
}


const char *
http_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                       name);
}


static enum MHD_Result
http_count_header(void *cls, enum MHD_ValueKind kind, const char *key,
    const char *value)
{
    struct count  *count;

    (void) kind;
    (void) value;

    count = cls;

    if (strcasecmp(key, count->name) == 0) {
        count->n++;
    }

    return MHD_YES;
}


unsigned
http_header_count(const struct http_request *request, const char *name)
{
    struct count  count;

    count.name = name;
    count.n = 0;

    (void) MHD_get_connection_values(request->connection, MHD_HEADER_KIND,
                                     http_count_header, &count);

    return count.n;
}


const char *
http_query(const struct http_request *request, const char *name)
{
    size_t       len;
    const char  *value;

    value = NULL;
    len = 0;

    if (MHD_lookup_connection_value_n(request->connection,
                                      MHD_GET_ARGUMENT_KIND, name,
                                      strlen(name), &value, &len)
        != MHD_YES
        || value == NULL || strlen(value) != len)
    {
        return NULL;
    }

    return value;
}


const char *
http_cookie(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND,
                                       name);
}


static void
http_log(void *cls, const char *format, va_list args)
{
    char                  text[256];
    size_t                len;
    struct http_server   *server;

    server = cls;
    (void) vsnprintf(text, sizeof(text), format, args);

    len = strlen(text);

    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '.')) {
        text[--len] = '\0';
    }

    log_debug("http %s: %s",
              server->options.side == HTTP_PUBLIC ? "public" : "internal",
              text);
}


static void
http_connection_made(void *cls, struct MHD_Connection *connection,
    void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    struct http_server      *server;
    struct http_connection  *c;

    server = cls;
    c = *socket_context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = http_connection_new(server, connection);
        return;
    }

    if (c == NULL) {
        return;
    }

    (void) pthread_mutex_lock(&server->lock);

    if (c->previous != NULL) {
        c->previous->next = c->next;
    } else {
        server->connections = c->next;
    }

    if (c->next != NULL) {
        c->next->previous = c->previous;
    }

    (void) pthread_mutex_unlock(&server->lock);

    free(c);
    *socket_context = NULL;
}


static struct http_connection *
http_connection_new(struct http_server *server,
    struct MHD_Connection *connection)
{
    int                              one;
    struct http_connection          *c;
    const union MHD_ConnectionInfo  *info;

    info = MHD_get_connection_info(connection,
                                   MHD_CONNECTION_INFO_CONNECTION_FD);
    c = mem_alloc(sizeof(struct http_connection));
    c->fd = info == NULL ? -1 : (int) info->connect_fd;
    c->accepted_ms = time_boot_ms();

    /* header and body of a callback arrive in two writes, so does our answer;
       on the unix socket this fails, and is not needed */
    one = 1;
    (void) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    (void) pthread_mutex_lock(&server->lock);
    c->next = server->connections;

    if (c->next != NULL) {
        c->next->previous = c;
    }

    server->connections = c;
    (void) pthread_mutex_unlock(&server->lock);

    return c;
}


void
http_connection_busy(struct http_server *server,
    struct MHD_Connection *connection, bool is_busy)
{
    struct http_connection          *c;
    const union MHD_ConnectionInfo  *info;

    info = MHD_get_connection_info(connection,
                                   MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    c = info == NULL ? NULL : info->socket_context;

    if (c == NULL) {
        return;
    }

    (void) pthread_mutex_lock(&server->lock);
    c->is_in_flight = is_busy;
    c->requests += is_busy;
    (void) pthread_mutex_unlock(&server->lock);
}


/*
 * Something is to be lost by closing now: a request under way, one that has
 * arrived and was not looked at, or a client that has just connected to send
 * one.
 */

static bool
http_server_is_busy(struct http_server *server)
{
    char                     byte;
    bool                     is_busy;
    uint64_t                 now;
    struct http_connection  *c;

    is_busy = false;
    now = time_boot_ms();

    (void) pthread_mutex_lock(&server->lock);

    for (c = server->connections; c != NULL && !is_busy; c = c->next) {
        is_busy = c->is_in_flight
                  || (c->requests == 0
                      && now < c->accepted_ms + HTTP_FIRST_WORD_MS)
                  || recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
    }

    (void) pthread_mutex_unlock(&server->lock);

    return is_busy;
}
