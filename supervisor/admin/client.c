/* SPDX-License-Identifier: MIT */
/*
 * One connection to the admin socket, one request at a time.
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "contract/mint_admin.h"
#include "lib/fs.h"
#include "lib/strbuf.h"


/* an answer is at most what the server keeps for a slow reader */
#define CLIENT_LINE_MAX  (8 * 1024 * 1024)


struct admin_client {
    int                           fd;
    json_int_t                    last_id;
    struct strbuf                 input;
    size_t                        scanned;
    bool                          is_lost;
    const volatile sig_atomic_t  *interrupted;
};


static int client_connect(int fd, const char *path);
static int client_send(struct admin_client *client, const char *data,
    size_t len, uint64_t deadline_ms, struct error *err);
static int client_line(struct admin_client *client, uint64_t deadline_ms,
    json_t **message, struct error *err);
static int client_fill(struct admin_client *client, uint64_t deadline_ms,
    struct error *err);
static int client_wait(struct admin_client *client, short events,
    uint64_t deadline_ms, struct error *err);
static int client_failure(json_t *message, struct error *err);


int
admin_client_open(struct admin_client **out, const char *path,
    struct error *err)
{
    int                   rc;
    struct admin_client  *client;

    *out = NULL;
    client = mem_alloc(sizeof(*client));
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                        0);
    if (client->fd == -1) {
        rc = error_set_errno(err, "socket");
        goto failed;
    }

    if (client_connect(client->fd, path) == -1) {
        if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) {
            rc = error_set(err, MINT_ERR_UNAVAILABLE,
                           "nothing answers at \"%s\": %s", path,
                           strerror(errno));

        } else if (errno == EAGAIN) {
            rc = error_set(err, MINT_ERR_BUSY,
                           "the supervisor does not accept connections at "
                           "\"%s\"", path);

        } else {
            rc = error_set_errno(err, "connect(\"%s\")", path);
        }
        goto failed;
    }

    *out = client;

    return 0;

failed:

    admin_client_free(&client);

    return rc;
}


void
admin_client_free(struct admin_client **client)
{
    if (*client == NULL) {
        return;
    }

    if ((*client)->fd != -1) {
        close((*client)->fd);
    }

    strbuf_free(&(*client)->input);
    free(*client);
    *client = NULL;
}


void
admin_client_interrupt(struct admin_client *client,
    const volatile sig_atomic_t *flag)
{
    client->interrupted = flag;
}


bool
admin_client_is_lost(const struct admin_client *client)
{
    return client->is_lost;
}


int
admin_client_call(struct admin_client *client, const char *operation,
    json_t *arguments, uint64_t deadline_ms, admin_progress_fn progress,
    void *ctx, json_t **result, struct error *err)
{
    int          rc;
    char        *text, *line;
    json_t      *message, *id, *value;

    *result = NULL;
    if (arguments == NULL) {
        arguments = json_object();
    }

    json_object_set_new(arguments, "id", json_integer(++client->last_id));
    json_object_set_new(arguments, "op", json_string(operation));
    text = json_dumps(arguments, JSON_COMPACT);
    json_decref(arguments);
    line = mem_printf("%s\n", text);
    free(text);

    rc = client_send(client, line, strlen(line), deadline_ms, err);
    free(line);

    while (rc == 0) {
        rc = client_line(client, deadline_ms, &message, err);
        if (rc != 0) {
            break;
        }

        /* a refusal before the request was read has no id */
        id = json_object_get(message, "id");
        if (json_is_integer(id)
            && json_integer_value(id) != client->last_id)
        {
            json_decref(message);
            continue;
        }

        value = json_object_get(message, "progress");
        if (json_is_string(value)) {
            if (progress != NULL) {
                progress(ctx, json_string_value(value));
            }
            json_decref(message);
            continue;
        }

        if (json_is_true(json_object_get(message, "ok"))) {
            *result = json_incref(json_object_get(message, "result"));

        } else {
            rc = client_failure(message, err);
        }

        json_decref(message);
        break;
    }

    return rc;
}


/* a path of more than 107 bytes is reached through its directory */

static int
client_connect(int fd, const char *path)
{
    int                  rc, saved, directory_fd;
    char                *copy, *short_path;
    struct sockaddr_un   address;

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;

    if (strlen(path) < sizeof(address.sun_path)) {
        strcpy(address.sun_path, path);
        return connect(fd, (struct sockaddr *) &address, sizeof(address));
    }

    copy = mem_strdup(path);
    directory_fd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (directory_fd == -1) {
        return -1;
    }

    copy = mem_strdup(path);
    short_path = mem_printf("/proc/self/fd/%d/%s", directory_fd,
                            basename(copy));
    free(copy);

    rc = -1;
    errno = ENAMETOOLONG;
    if (strlen(short_path) < sizeof(address.sun_path)) {
        strcpy(address.sun_path, short_path);
        rc = connect(fd, (struct sockaddr *) &address, sizeof(address));
    }

    saved = errno;
    free(short_path);
    close(directory_fd);
    errno = saved;

    return rc;
}


static int
client_send(struct admin_client *client, const char *data, size_t len,
    uint64_t deadline_ms, struct error *err)
{
    int      rc;
    size_t   sent;
    ssize_t  n;

    sent = 0;

    while (sent < len) {
        n = send(client->fd, data + sent, len - sent, MSG_NOSIGNAL);
        if (n > 0) {
            sent += (size_t) n;
            continue;
        }

        if (errno == EAGAIN) {
            rc = client_wait(client, POLLOUT, deadline_ms, err);
            if (rc != 0) {
                return rc;
            }
            continue;
        }

        if (errno != EINTR) {
            client->is_lost = true;
            return error_set(err, MINT_ERR_UNAVAILABLE,
                             "the supervisor has closed the connection: %s",
                             strerror(errno));
        }
    }

    return 0;
}


static int
client_line(struct admin_client *client, uint64_t deadline_ms,
    json_t **message, struct error *err)
{
    int            rc;
    char          *end;
    size_t         len;
    json_error_t   why;

    for ( ;; ) {
        end = NULL;
        if (client->input.len > client->scanned) {
            end = memchr(client->input.data + client->scanned, '\n',
                         client->input.len - client->scanned);
        }

        if (end != NULL) {
            break;
        }

        client->scanned = client->input.len;
        if (client->input.len > CLIENT_LINE_MAX) {
            return error_set(err, MINT_ERR_PROTOCOL,
                             "an answer is longer than 8 MiB");
        }

        rc = client_fill(client, deadline_ms, err);
        if (rc != 0) {
            return rc;
        }
    }

    len = (size_t) (end - client->input.data);
    *message = json_loadb(client->input.data, len, 0, &why);
    strbuf_consume(&client->input, len + 1);
    client->scanned = 0;

    if (!json_is_object(*message)) {
        json_decref(*message);
        return error_set(err, MINT_ERR_PROTOCOL,
                         "an answer is no JSON object: what listens there is "
                         "not the supervisor");
    }

    return 0;
}


static int
client_fill(struct admin_client *client, uint64_t deadline_ms,
    struct error *err)
{
    int      rc;
    char     chunk[16384];
    ssize_t  n;

    for ( ;; ) {
        n = recv(client->fd, chunk, sizeof(chunk), 0);
        if (n > 0) {
            strbuf_append(&client->input, chunk, (size_t) n);
            return 0;
        }

        if (n == -1 && errno == EAGAIN) {
            rc = client_wait(client, POLLIN, deadline_ms, err);
            if (rc != 0) {
                return rc;
            }
            continue;
        }

        if (n == 0 || errno != EINTR) {
            client->is_lost = true;
            return error_set(err, MINT_ERR_UNAVAILABLE,
                             "the supervisor went away before it answered");
        }
    }
}


static int
client_wait(struct admin_client *client, short events, uint64_t deadline_ms,
    struct error *err)
{
    int            rc;
    uint64_t       now_ms;
    struct pollfd  poll_fd;

    poll_fd.fd = client->fd;
    poll_fd.events = events;

    for ( ;; ) {
        if (client->interrupted != NULL && *client->interrupted) {
            return error_set(err, MINT_ERR_TIMEOUT, "interrupted");
        }

        now_ms = time_boot_ms();
        if (now_ms >= deadline_ms) {
            return error_set(err, MINT_ERR_TIMEOUT,
                             "the supervisor did not answer in time");
        }

        /* at most half a second, so that a signal that came just before the
           call is noticed too */
        rc = poll(&poll_fd, 1, deadline_ms - now_ms < 500
                               ? (int) (deadline_ms - now_ms) : 500);
        if (rc > 0) {
            return 0;
        }

        if (rc == -1 && errno != EINTR) {
            return error_set_errno(err, "poll");
        }
    }
}


static int
client_failure(json_t *message, struct error *err)
{
    int          code;
    json_t      *error;
    const char  *name, *text;

    error = json_object_get(message, "error");
    name = json_string_value(json_object_get(error, "code"));
    text = json_string_value(json_object_get(error, "message"));

    if (name == NULL || text == NULL) {
        return error_set(err, MINT_ERR_PROTOCOL,
                         "an answer has neither result nor error");
    }

    for (code = MINT_ERR_NOT_BUILT; code < MINT_ERR_SYSTEM; code++) {
        if (strcmp(error_code_name(code), name) == 0) {
            break;
        }
    }

    return error_set(err, (enum mint_err) code, "%s", text);
}
