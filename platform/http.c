/* SPDX-License-Identifier: MIT */
/*
 * HTTP server on libmicrohttpd.  Owns connections, body limits, upload files
 * and the drain at the end; what a request means is decided by the callbacks
 * of struct http_options.
 */

#include "platform/http.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"


#define HTTP_CONNECTION_MEMORY   (64 * 1024)
#define HTTP_STACK_BYTES         (1024 * 1024)
#define HTTP_UPLOAD_BUFFER       (64 * 1024)
#define HTTP_STREAM_BLOCK        4096
#define HTTP_DISCARD_MAX         (64ULL * 1024 * 1024)
#define HTTP_NAME_MAX            200


struct http_server {
    struct MHD_Daemon   *daemon;
    struct http_options  options;
    atomic_uint          in_flight;
    atomic_bool          is_draining;
};


enum exchange_phase {
    EXCHANGE_NEW = 0,
    EXCHANGE_BODY = 1,              /* body is being taken */
    EXCHANGE_DISCARD = 2,           /* answer is known: body is thrown away */
    EXCHANGE_SENT = 3
};


/* one request and its answer; freed by exchange_completed() */
struct exchange {
    struct http_request        request;
    struct http_reply          reply;
    struct http_server        *server;
    enum exchange_phase        phase;
    char                      *uri;
    char                      *method;
    uint64_t                   received;
    struct MHD_PostProcessor  *post;
    int                        upload_fd;
    unsigned                   upload_files;
    uint64_t                   upload_bytes;
};


struct count {
    const char  *name;
    unsigned     n;
};


static void *exchange_new(void *cls, const char *uri,
    struct MHD_Connection *connection);
static enum MHD_Result exchange_step(void *cls,
    struct MHD_Connection *connection, const char *url, const char *method,
    const char *version, const char *data, size_t *data_len, void **state);
static void exchange_completed(void *cls, struct MHD_Connection *connection,
    void **state, enum MHD_RequestTerminationCode code);
static void http_log(void *cls, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void http_connection_made(void *cls, struct MHD_Connection *connection,
    void **socket_context, enum MHD_ConnectionNotificationCode code);
static enum MHD_Result exchange_begin(struct exchange *x);
static void exchange_take(struct exchange *x, const char *data, size_t len);
static enum MHD_Result exchange_finish(struct exchange *x);
static enum MHD_Result exchange_send(struct exchange *x);
static void exchange_refuse(struct exchange *x, int status,
    const char *message);
static bool exchange_upload_begin(struct exchange *x);
static enum MHD_Result exchange_upload_part(void *cls,
    enum MHD_ValueKind kind, const char *key, const char *filename,
    const char *type, const char *encoding, const char *data, uint64_t offset,
    size_t len);
static int exchange_upload_open(struct exchange *x, const char *filename);
static void exchange_upload_end(struct exchange *x);


int
http_server_start(struct http_server **out, const struct http_options *options,
    struct error *err)
{
    struct http_server  *server;

    *out = NULL;

    server = mem_alloc(sizeof(struct http_server));
    server->options = *options;

    /* the listener is shared with the process that passed it on: never let
       accept() block a thread when another process was faster */
    if (fcntl(options->fd, F_SETFL,
              fcntl(options->fd, F_GETFL) | O_NONBLOCK) == -1)
    {
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
    unsigned         waited_ms;
    struct timespec  pause;

    pause.tv_sec = 0;
    pause.tv_nsec = 5 * 1000 * 1000;

    for (waited_ms = 0; waited_ms < wait_ms; waited_ms += 5) {
        if (atomic_load(&server->in_flight) == 0) {
            return;
        }

        (void) nanosleep(&pause, NULL);
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


void
http_reply_header(struct http_reply *reply, const char *name,
    const char *format, ...)
{
    va_list        args;
    struct strbuf  value = { 0 };

    if (reply->headers == HTTP_REPLY_HEADERS) {
        log_error("reply header \"%s\" dropped: too many", name);
        return;
    }

    va_start(args, format);
    strbuf_vprintf(&value, format, args);
    va_end(args);

    reply->header[reply->headers].name = name;
    reply->header[reply->headers].value = mem_strdup(strbuf_text(&value));
    reply->headers++;

    strbuf_free(&value);
}


void
http_reply_clear(struct http_reply *reply)
{
    size_t  i;

    for (i = 0; i < reply->headers; i++) {
        free(reply->header[i].value);
    }

    if (reply->stream_free != NULL) {
        reply->stream_free(reply->stream_cls);
    }

    strbuf_free(&reply->body);
    memset(reply, 0, sizeof(struct http_reply));
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


/* header and body of a callback arrive in two writes, so does our answer */

static void
http_connection_made(void *cls, struct MHD_Connection *connection,
    void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    int                              one;
    const union MHD_ConnectionInfo  *info;

    (void) cls;
    (void) socket_context;

    if (code != MHD_CONNECTION_NOTIFY_STARTED) {
        return;
    }

    info = MHD_get_connection_info(connection,
                                   MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info != NULL) {
        one = 1;
        (void) setsockopt(info->connect_fd, IPPROTO_TCP, TCP_NODELAY, &one,
                          sizeof(one));
    }
}


static void *
exchange_new(void *cls, const char *uri, struct MHD_Connection *connection)
{
    char             *query;
    struct exchange  *x;

    x = mem_alloc(sizeof(struct exchange));
    x->server = cls;
    x->upload_fd = -1;
    x->uri = mem_strdup(uri);
    x->request.side = x->server->options.side;
    x->request.connection = connection;

    query = strchr(x->uri, '?');
    if (query != NULL) {
        *query = '\0';
    }

    x->request.path = x->uri;
    atomic_fetch_add(&x->server->in_flight, 1);

    return x;
}


static void
exchange_completed(void *cls, struct MHD_Connection *connection, void **state,
    enum MHD_RequestTerminationCode code)
{
    struct exchange  *x;

    (void) connection;
    (void) code;

    x = *state;

    if (x == NULL) {
        return;
    }

    if (x->post != NULL) {
        (void) MHD_destroy_post_processor(x->post);
    }

    if (x->upload_fd != -1) {
        (void) close(x->upload_fd);
    }

    if (x->request.upload_path != NULL) {
        (void) unlink(x->request.upload_path);
        free(x->request.upload_path);
    }

    if (x->request.context_free != NULL) {
        x->request.context_free(x->request.context);
    }

    if (x->request.body.data != NULL) {
        /* sign-in bodies hold passwords */
        explicit_bzero(x->request.body.data, x->request.body.size);
    }

    strbuf_free(&x->request.body);
    http_reply_clear(&x->reply);
    free(x->request.upload_name);
    free(x->method);
    free(x->uri);
    free(x);
    *state = NULL;

    atomic_fetch_sub(&((struct http_server *) cls)->in_flight, 1);
}


static enum MHD_Result
exchange_step(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data,
    size_t *data_len, void **state)
{
    struct exchange  *x;

    (void) cls;
    (void) connection;
    (void) url;
    (void) version;

    x = *state;

    if (x->phase == EXCHANGE_NEW) {
        x->method = mem_strdup(method);
        x->request.method = x->method;

        return exchange_begin(x);
    }

    if (*data_len > 0) {
        exchange_take(x, data, *data_len);
        *data_len = 0;

        /* an answer cannot be queued in mid-body: one that goes on and on
           is cut off */
        return x->phase == EXCHANGE_DISCARD && x->received > HTTP_DISCARD_MAX
               && x->received > 2 * x->request.upload_max ? MHD_NO : MHD_YES;
    }

    return exchange_finish(x);
}


static bool
exchange_request_id_valid(const char *id)
{
    size_t  len;

    len = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                 "0123456789._-");

    return len > 0 && len <= HTTP_REQUEST_ID_MAX && id[len] == '\0';
}


static enum MHD_Result
exchange_begin(struct exchange *x)
{
    uint64_t              limit;
    uint64_t              length;
    const char           *text;
    struct http_options  *options;

    options = &x->server->options;
    text = http_header(&x->request, "X-Request-ID");

    if (text != NULL && exchange_request_id_valid(text)) {
        (void) snprintf(x->request.request_id, HTTP_REQUEST_ID_MAX + 1, "%s",
                        text);
    } else {
        fs_random_hex(x->request.request_id, 16);
    }

    x->phase = EXCHANGE_BODY;
    options->begin(options->cls, &x->request, &x->reply);

    text = http_header(&x->request, "Content-Length");
    length = text == NULL ? 0 : strtoull(text, NULL, 10);
    limit = x->request.upload_directory != NULL ? x->request.upload_max
                                                : x->request.body_max;

    if (x->reply.status == 0 && limit > 0 && length > limit) {
        exchange_refuse(x, 413, "The request body is too large");
    }

    if (x->reply.status == 0 && x->request.upload_directory != NULL
        && !exchange_upload_begin(x))
    {
        exchange_refuse(x, 422, "A multipart form with a part named \"file\" "
                        "is expected");
    }

    if (x->reply.status == 0) {
        return MHD_YES;
    }

    x->phase = EXCHANGE_DISCARD;

    /* a client that is still sending would not see the answer before a reset
       of the connection: read its body first, unless it is huge or waits */
    if (length > HTTP_DISCARD_MAX || http_header(&x->request, "Expect")) {
        return exchange_send(x);
    }

    return MHD_YES;
}


static void
exchange_refuse(struct exchange *x, int status, const char *message)
{
    struct http_options  *options;

    options = &x->server->options;
    http_reply_clear(&x->reply);
    options->refuse(options->cls, &x->request, &x->reply, status, message);
    x->phase = EXCHANGE_DISCARD;
}


static void
exchange_take(struct exchange *x, const char *data, size_t len)
{
    x->received += len;

    if (x->phase != EXCHANGE_BODY) {
        return;
    }

    if (x->post != NULL) {
        if (x->received > x->request.upload_max + HTTP_UPLOAD_BUFFER) {
            exchange_refuse(x, 413, "The upload is too large");

        } else if (MHD_post_process(x->post, data, len) != MHD_YES
                   && x->phase == EXCHANGE_BODY)
        {
            exchange_refuse(x, 400, "The multipart form is malformed");
        }

        return;
    }

    if (x->request.body_max == 0) {
        return;
    }

    if (x->request.body.len + len > x->request.body_max) {
        exchange_refuse(x, 413, "The request body is too large");
        return;
    }

    strbuf_append(&x->request.body, data, len);
}


static enum MHD_Result
exchange_finish(struct exchange *x)
{
    struct http_options  *options;

    if (x->phase == EXCHANGE_SENT) {
        return MHD_YES;
    }

    if (x->post != NULL) {
        exchange_upload_end(x);
    }

    if (x->phase == EXCHANGE_BODY) {
        options = &x->server->options;
        options->serve(options->cls, &x->request, &x->reply);
    }

    return exchange_send(x);
}


static ssize_t
exchange_stream_read(void *cls, uint64_t position, char *to, size_t size)
{
    ssize_t             n;
    struct http_reply  *reply;

    (void) position;

    reply = cls;
    n = reply->stream(reply->stream_cls, to, size);

    if (n > 0) {
        return n;
    }

    return n == 0 ? MHD_CONTENT_READER_END_OF_STREAM
                  : MHD_CONTENT_READER_END_WITH_ERROR;
}


static void
exchange_stream_free(void *cls)
{
    struct http_reply  *reply;

    reply = cls;
    reply->stream_free(reply->stream_cls);
    free(reply);
}


static struct MHD_Response *
exchange_response(struct exchange *x)
{
    struct http_reply    *streamed;
    struct MHD_Response  *response;

    if (x->reply.stream != NULL) {
        streamed = mem_alloc(sizeof(struct http_reply));
        streamed->stream = x->reply.stream;
        streamed->stream_free = x->reply.stream_free;
        streamed->stream_cls = x->reply.stream_cls;
        x->reply.stream_free = NULL;

        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN,
                                                 HTTP_STREAM_BLOCK,
                                                 exchange_stream_read,
                                                 streamed,
                                                 exchange_stream_free);
    }

    response = MHD_create_response_from_buffer_with_free_callback(
                   x->reply.body.len, x->reply.body.data, free);

    if (response != NULL) {
        memset(&x->reply.body, 0, sizeof(struct strbuf));
    }

    return response;
}


static enum MHD_Result
exchange_send(struct exchange *x)
{
    size_t                i;
    enum MHD_Result       result;
    struct MHD_Response  *response;

    x->phase = EXCHANGE_SENT;
    response = exchange_response(x);

    if (response == NULL) {
        log_error("request \"%s %s\": no answer could be made",
                  x->request.method, x->request.path);
        return MHD_NO;
    }

    (void) MHD_add_response_header(response, "X-Request-ID",
                                   x->request.request_id);

    if (x->reply.content_type != NULL) {
        (void) MHD_add_response_header(response, "Content-Type",
                                       x->reply.content_type);
    }

    if (atomic_load(&x->server->is_draining)) {
        (void) MHD_add_response_header(response, "Connection", "close");
    }

    for (i = 0; i < x->reply.headers; i++) {
        if (MHD_add_response_header(response, x->reply.header[i].name,
                                    x->reply.header[i].value)
            != MHD_YES)
        {
            log_error("reply header \"%s\" is not valid",
                      x->reply.header[i].name);
        }
    }

    result = MHD_queue_response(x->request.connection,
                                (unsigned) x->reply.status, response);
    MHD_destroy_response(response);

    log_debug("%s %s %d %s", x->request.method, x->request.path,
              x->reply.status, x->request.request_id);

    return result;
}


static bool
exchange_upload_begin(struct exchange *x)
{
    const char  *type;

    type = http_header(&x->request, "Content-Type");

    if (type == NULL || strncasecmp(type, "multipart/form-data", 19) != 0) {
        return false;
    }

    x->post = MHD_create_post_processor(x->request.connection,
                                        HTTP_UPLOAD_BUFFER,
                                        exchange_upload_part, x);

    return x->post != NULL;
}


static enum MHD_Result
exchange_upload_part(void *cls, enum MHD_ValueKind kind, const char *key,
    const char *filename, const char *type, const char *encoding,
    const char *data, uint64_t offset, size_t len)
{
    ssize_t           n;
    struct exchange  *x;

    (void) kind;
    (void) type;
    (void) encoding;

    x = cls;

    if (x->phase != EXCHANGE_BODY || key == NULL || strcmp(key, "file") != 0) {
        return MHD_YES;
    }

    if (offset == 0 && exchange_upload_open(x, filename) != 0) {
        return MHD_YES;
    }

    while (len > 0) {
        n = write(x->upload_fd, data, len);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1) {
            log_error("write(\"%s\") failed: %s", x->request.upload_path,
                      strerror(errno));
            exchange_refuse(x, errno == ENOSPC || errno == EDQUOT ? 507 : 500,
                            "The upload could not be stored: the disk of the "
                            "server is full or failing");
            return MHD_YES;
        }

        data += n;
        len -= (size_t) n;
        x->upload_bytes += (uint64_t) n;
    }

    return MHD_YES;
}


/* only the last component, and only characters that are safe in any path */

static void
exchange_upload_name(struct exchange *x, const char *filename)
{
    size_t       i;
    size_t       len;
    const char  *base;

    base = filename == NULL ? "" : filename;

    for (i = 0; base[i] != '\0'; i++) {
        if (base[i] == '/' || base[i] == '\\') {
            base += i + 1;
            i = (size_t) -1;
        }
    }

    /* the end of a long name says what it is */
    len = strlen(base);
    x->request.upload_name = mem_strdup(len > HTTP_NAME_MAX
                                        ? base + len - HTTP_NAME_MAX : base);

    for (i = 0; x->request.upload_name[i] != '\0'; i++) {
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                   "0123456789._+!-", x->request.upload_name[i])
            == NULL
            || (i == 0 && x->request.upload_name[i] == '.'))
        {
            x->request.upload_name[i] = '_';
        }
    }
}


static int
exchange_upload_open(struct exchange *x, const char *filename)
{
    char  random[33];

    if (x->upload_fd != -1) {
        /* the next block of the same part never has offset 0 */
        if (x->upload_bytes == 0) {
            return 0;
        }

        exchange_refuse(x, 422, "Only one part named \"file\" is expected");
        return -1;
    }

    exchange_upload_name(x, filename);
    fs_random_hex(random, 16);
    x->request.upload_path = mem_printf("%s/upload-%s",
                                        x->request.upload_directory, random);
    x->upload_fd = open(x->request.upload_path,
                        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    x->upload_files++;

    if (x->upload_fd == -1) {
        log_error("open(\"%s\") failed: %s", x->request.upload_path,
                  strerror(errno));
        free(x->request.upload_path);
        x->request.upload_path = NULL;
        exchange_refuse(x, errno == ENOSPC || errno == EDQUOT ? 507 : 500,
                        "The upload could not be stored: the disk of the "
                        "server is full or failing");
        return -1;
    }

    return 0;
}


static void
exchange_upload_end(struct exchange *x)
{
    enum MHD_Result  complete;

    complete = MHD_destroy_post_processor(x->post);
    x->post = NULL;

    if (x->upload_fd != -1) {
        if (close(x->upload_fd) == -1 && x->phase == EXCHANGE_BODY) {
            log_error("close(\"%s\") failed: %s", x->request.upload_path,
                      strerror(errno));
            exchange_refuse(x, 507, "The upload could not be stored");
        }

        x->upload_fd = -1;
    }

    if (x->phase != EXCHANGE_BODY) {
        return;
    }

    if (complete != MHD_YES) {
        exchange_refuse(x, 400, "The multipart form is incomplete");

    } else if (x->request.upload_path == NULL) {
        exchange_refuse(x, 422, "A part named \"file\" is expected");
    }
}
