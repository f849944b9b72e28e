/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's admin socket: one connection, one thread, requests matched
 * to answers by id.
 */

#include "platform/link.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "contract/mint_admin.h"
#include "lib/log.h"
#include "lib/strbuf.h"


#define LINK_BACKOFF_FIRST_MS  20
#define LINK_BACKOFF_LAST_MS   1000
#define LINK_READ_BYTES        65536


struct link_pending {
    struct link_pending  *next;
    uint64_t              id;
    link_done_fn          done;
    void                 *cls;
};


struct link {
    char                 *path;
    void                (*on_connect)(void *cls);
    void                 *cls;
    pthread_t             thread;
    int                   wake_fd;      /* eventfd: output or stop */

    pthread_mutex_t       lock;         /* of what follows */
    bool                  is_stopping;
    bool                  is_connected;
    uint64_t              last_id;
    struct strbuf         output;
    struct link_pending  *pending;

    int                   fd;           /* of the thread only, as below */
    struct strbuf         input;
    size_t                scanned;      /* input without a line end */
};


static void *link_run(void *cls);
static int link_connect(struct link *link);
static void link_serve(struct link *link);
static void link_wait(struct link *link, int timeout_ms);
static int link_write(struct link *link);
static int link_read(struct link *link);
static void link_line(struct link *link, const char *line, size_t len);
static void link_disconnected(struct link *link);
static void link_wake(struct link *link);
static bool link_stopping(struct link *link);
static void link_answer(struct link_pending *pending, json_t *message);
static int link_code(const char *name);


int
link_start(struct link **out, const char *socket_path,
    void (*on_connect)(void *cls), void *cls, struct error *err)
{
    int           rc;
    struct link  *link;

    *out = NULL;

    if (strlen(socket_path) >= sizeof(((struct sockaddr_un *) 0)->sun_path)) {
        return error_set(err, MINT_ERR_INVALID, "the path \"%s\" is too long "
                         "for a socket: shorten server.runDirectory",
                         socket_path);
    }

    link = mem_alloc(sizeof(struct link));
    link->path = mem_strdup(socket_path);
    link->on_connect = on_connect;
    link->cls = cls;
    link->fd = -1;
    (void) pthread_mutex_init(&link->lock, NULL);
    link->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (link->wake_fd == -1) {
        rc = error_set_errno(err, "eventfd() failed");
        goto failed;
    }

    /* before the thread runs: on_connect may look at it */
    *out = link;

    rc = pthread_create(&link->thread, NULL, link_run, link);

    if (rc != 0) {
        errno = rc;
        rc = error_set_errno(err, "pthread_create() failed");
        *out = NULL;
        (void) close(link->wake_fd);
        goto failed;
    }

    return MINT_OK;

failed:

    free(link->path);
    free(link);

    return rc;
}


void
link_stop(struct link *link)
{
    if (link == NULL) {
        return;
    }

    (void) pthread_mutex_lock(&link->lock);
    link->is_stopping = true;
    (void) pthread_mutex_unlock(&link->lock);

    link_wake(link);
    (void) pthread_join(link->thread, NULL);
}


void
link_free(struct link **link)
{
    struct link  *l;

    l = *link;

    if (l == NULL) {
        return;
    }

    (void) close(l->wake_fd);
    (void) pthread_mutex_destroy(&l->lock);
    strbuf_free(&l->output);
    strbuf_free(&l->input);
    free(l->path);
    free(l);
    *link = NULL;
}


bool
link_is_connected(struct link *link)
{
    bool  is_connected;

    (void) pthread_mutex_lock(&link->lock);
    is_connected = link->is_connected;
    (void) pthread_mutex_unlock(&link->lock);

    return is_connected;
}


void
link_send(struct link *link, const char *op, json_t *args, link_done_fn done,
    void *cls)
{
    char                 *text;
    size_t                len;
    struct error          err;
    struct link_pending  *pending;

    if (args == NULL) {
        args = json_object();
    }

    json_object_set_new(args, "op", json_string(op));
    text = NULL;
    pending = NULL;

    (void) pthread_mutex_lock(&link->lock);

    if (link->is_connected) {
        json_object_set_new(args, "id",
                            json_integer((json_int_t) ++link->last_id));
        text = json_dumps(args, JSON_COMPACT);
        len = text == NULL ? 0 : strlen(text);

        if (len > 0 && len < MINT_ADMIN_LINE_MAX) {
            pending = mem_alloc(sizeof(struct link_pending));
            pending->id = link->last_id;
            pending->done = done;
            pending->cls = cls;
            pending->next = link->pending;
            link->pending = pending;
            strbuf_append(&link->output, text, len);
            strbuf_puts(&link->output, "\n");
        }
    }

    (void) pthread_mutex_unlock(&link->lock);

    if (pending != NULL) {
        link_wake(link);

    } else if (text != NULL) {
        (void) error_set(&err, MINT_ERR_FULL, "the request \"%s\" to the "
                         "supervisor is longer than %d bytes", op,
                         MINT_ADMIN_LINE_MAX);
        done(cls, NULL, &err, NULL);

    } else {
        (void) error_set(&err, MINT_ERR_UNAVAILABLE, "the supervisor is not "
                         "reachable");
        done(cls, NULL, &err, NULL);
    }

    if (text != NULL) {
        explicit_bzero(text, strlen(text));     /* may hold keys */
        free(text);
    }

    json_decref(args);
}


static void *
link_run(void *cls)
{
    int           backoff_ms;
    bool          was_told;
    struct link  *link;

    link = cls;
    backoff_ms = LINK_BACKOFF_FIRST_MS;
    was_told = false;

    while (!link_stopping(link)) {

        if (link_connect(link) == -1) {
            if (!was_told) {
                log_warn("supervisor at \"%s\" is not reachable: %s",
                         link->path, strerror(errno));
                was_told = true;
            }

            link_wait(link, backoff_ms);
            backoff_ms = backoff_ms * 2 > LINK_BACKOFF_LAST_MS
                         ? LINK_BACKOFF_LAST_MS : backoff_ms * 2;
            continue;
        }

        log_info("connected to the supervisor");
        was_told = false;
        backoff_ms = LINK_BACKOFF_FIRST_MS;
        link_serve(link);
        link_disconnected(link);
    }

    return NULL;
}


static int
link_connect(struct link *link)
{
    int                 saved;
    struct sockaddr_un  address;

    link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (link->fd == -1) {
        return -1;
    }

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, link->path, strlen(link->path));

    if (connect(link->fd, (struct sockaddr *) &address, sizeof(address))
        == -1)
    {
        saved = errno;
        (void) close(link->fd);
        link->fd = -1;
        errno = saved;
        return -1;
    }

    return 0;
}


static void
link_serve(struct link *link)
{
    (void) pthread_mutex_lock(&link->lock);
    link->is_connected = true;
    (void) pthread_mutex_unlock(&link->lock);

    link->on_connect(link->cls);

    while (!link_stopping(link)) {

        if (link_write(link) == -1) {
            return;
        }

        link_wait(link, -1);

        if (link_read(link) == -1) {
            return;
        }
    }
}


static void
link_wait(struct link *link, int timeout_ms)
{
    uint64_t       ignored;
    struct pollfd  fds[2];

    fds[0].fd = link->wake_fd;
    fds[0].events = POLLIN;
    fds[1].fd = link->fd;
    fds[1].events = POLLIN;

    (void) pthread_mutex_lock(&link->lock);

    if (link->output.len > 0 && link->is_connected) {
        fds[1].events |= POLLOUT;
    }

    (void) pthread_mutex_unlock(&link->lock);

    (void) poll(fds, 2, timeout_ms);

    if (fds[0].revents & POLLIN) {
        (void) !read(link->wake_fd, &ignored, sizeof(ignored));
    }
}


static int
link_write(struct link *link)
{
    ssize_t  n;

    n = 0;
    (void) pthread_mutex_lock(&link->lock);

    while (link->output.len > 0) {
        n = send(link->fd, link->output.data, link->output.len,
                 MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n <= 0) {
            break;
        }

        strbuf_consume(&link->output, (size_t) n);
    }

    (void) pthread_mutex_unlock(&link->lock);

    return n == -1 && errno != EAGAIN && errno != EINTR ? -1 : 0;
}


static int
link_read(struct link *link)
{
    char     buffer[LINK_READ_BYTES];
    char    *end;
    size_t   len;
    ssize_t  n;

    n = recv(link->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (n == -1) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }

    if (n == 0) {
        return -1;
    }

    strbuf_append(&link->input, buffer, (size_t) n);

    while ((end = memchr(link->input.data + link->scanned, '\n',
                         link->input.len - link->scanned))
           != NULL)
    {
        len = (size_t) (end - link->input.data);
        link_line(link, link->input.data, len);
        strbuf_consume(&link->input, len + 1);
        link->scanned = 0;
    }

    link->scanned = link->input.len;

    if (link->input.len > MINT_ADMIN_LINE_MAX) {
        log_error("supervisor: a line is longer than %d bytes: disconnecting",
                  MINT_ADMIN_LINE_MAX);
        return -1;
    }

    return 0;
}


static void
link_line(struct link *link, const char *line, size_t len)
{
    json_t                *message;
    uint64_t               id;
    struct link_pending   *found;
    struct link_pending  **next;

    message = json_loadb(line, len, 0, NULL);

    if (!json_is_object(message)) {
        log_error("supervisor: a line is not a JSON object");
        json_decref(message);
        return;
    }

    if (json_object_get(message, "progress") != NULL) {
        json_decref(message);
        return;
    }

    id = (uint64_t) json_integer_value(json_object_get(message, "id"));
    found = NULL;

    (void) pthread_mutex_lock(&link->lock);

    for (next = &link->pending; *next != NULL; next = &(*next)->next) {
        if ((*next)->id == id) {
            found = *next;
            *next = found->next;
            break;
        }
    }

    (void) pthread_mutex_unlock(&link->lock);

    if (found != NULL) {
        link_answer(found, message);
        free(found);
    }

    json_decref(message);
}


static void
link_answer(struct link_pending *pending, json_t *message)
{
    json_t        *error;
    json_t        *result;
    const char    *text;
    struct error   err;

    result = json_object_get(message, "result");

    if (json_is_true(json_object_get(message, "ok"))
        && json_is_object(result))
    {
        pending->done(pending->cls, result, NULL, NULL);
        return;
    }

    error = json_object_get(message, "error");
    text = json_string_value(json_object_get(error, "message"));

    (void) error_set(&err,
                     link_code(json_string_value(json_object_get(error,
                                                                 "code"))),
                     "%s", text == NULL ? "the supervisor's answer is not "
                     "understood" : text);

    pending->done(pending->cls, NULL, &err, json_object_get(error, "details"));
}


static int
link_code(const char *name)
{
    int  code;

    if (name != NULL && strcmp(name, "UNAVAILABLE") == 0) {
        return MINT_ERR_UNAVAILABLE;    /* FULL has the same word */
    }

    for (code = -1; name != NULL && code >= MINT_ERR_NOT_BUILT; code--) {
        if (strcmp(error_code_name(code), name) == 0) {
            return code;
        }
    }

    return MINT_ERR_PROTOCOL;
}


static void
link_disconnected(struct link *link)
{
    struct error          err;
    struct link_pending  *next;
    struct link_pending  *pending;

    (void) pthread_mutex_lock(&link->lock);
    link->is_connected = false;
    strbuf_clear(&link->output);
    pending = link->pending;
    link->pending = NULL;
    (void) pthread_mutex_unlock(&link->lock);

    (void) close(link->fd);
    link->fd = -1;
    strbuf_clear(&link->input);
    link->scanned = 0;

    if (!link_stopping(link)) {
        log_warn("connection to the supervisor lost");
    }

    (void) error_set(&err, MINT_ERR_UNAVAILABLE, "the connection to the "
                     "supervisor was lost");

    for ( ; pending != NULL; pending = next) {
        next = pending->next;
        pending->done(pending->cls, NULL, &err, NULL);
        free(pending);
    }
}


static void
link_wake(struct link *link)
{
    uint64_t  one;

    one = 1;
    (void) !write(link->wake_fd, &one, sizeof(one));
}


static bool
link_stopping(struct link *link)
{
    bool  is_stopping;

    (void) pthread_mutex_lock(&link->lock);
    is_stopping = link->is_stopping;
    (void) pthread_mutex_unlock(&link->lock);

    return is_stopping;
}
