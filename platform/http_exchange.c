/* SPDX-License-Identifier: MIT */
/*
 * One request and its answer: body limits, upload files, refusals that the
 * client gets to see, streams.  What a request means is decided by the
 * callbacks of struct http_options.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "platform/http_private.h"


#define HTTP_UPLOAD_BUFFER       (64 * 1024)
#define HTTP_STREAM_BLOCK        4096
#define HTTP_DISCARD_MAX         (64ULL * 1024 * 1024)


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
};


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
static void exchange_upload_end(struct exchange *x);
static void exchange_refuse_upload(struct exchange *x,
    const struct error *err);


void *
exchange_new(void *cls, const char *uri, struct MHD_Connection *connection)
{
    char             *query;
    struct exchange  *x;

    x = mem_alloc(sizeof(struct exchange));
    x->server = cls;
    x->uri = mem_strdup(uri);
    x->request.side = x->server->options.side;
    x->request.connection = connection;

    query = strchr(x->uri, '?');
    if (query != NULL) {
        *query = '\0';
    }

    x->request.path = x->uri;
    http_connection_busy(x->server, connection, true);

    return x;
}


void
exchange_completed(void *cls, struct MHD_Connection *connection, void **state,
    enum MHD_RequestTerminationCode code)
{
    struct exchange  *x;

    (void) code;

    x = *state;

    if (x == NULL) {
        return;
    }

    if (x->post != NULL) {
        (void) MHD_destroy_post_processor(x->post);
    }

    upload_file_clear(&x->request.upload);

    if (x->request.context_free != NULL) {
        x->request.context_free(x->request.context);
    }

    if (x->request.body.data != NULL) {
        /* sign-in bodies hold passwords */
        explicit_bzero(x->request.body.data, x->request.body.size);
    }

    strbuf_free(&x->request.body);
    http_reply_clear(&x->reply);
    free(x->method);
    free(x->uri);
    free(x);
    *state = NULL;

    http_connection_busy(cls, connection, false);
}


enum MHD_Result
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


/* reading is asked for with each request to a plugin: too much to log */

static void
exchange_log(const struct exchange *x)
{
    bool               is_reading;
    struct log_fields  fields = { .request_id = x->request.request_id };

    is_reading = strcmp(x->request.method, "GET") == 0
                 || strcmp(x->request.method, "HEAD") == 0;

    log_write(is_reading && x->reply.status < 500 ? LOG_LEVEL_DEBUG
                                                  : LOG_LEVEL_INFO,
              &fields, "%s %s %d", x->request.method, x->request.path,
              x->reply.status);
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

    exchange_log(x);

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
    int                   rc;
    struct error          err;
    struct exchange      *x;
    struct upload_file   *file;

    (void) kind;
    (void) type;
    (void) encoding;

    x = cls;
    file = &x->request.upload;

    if (x->phase != EXCHANGE_BODY || key == NULL || strcmp(key, "file") != 0) {
        return MHD_YES;
    }

    /* the second block of a part never has offset 0 */
    if (offset == 0 && file->bytes > 0) {
        exchange_refuse(x, 422, "Only one part named \"file\" is expected");
        return MHD_YES;
    }

    rc = file->is_open
         ? MINT_OK : upload_file_open(file, x->request.upload_directory,
                                      filename, &err);

    if (rc == MINT_OK) {
        rc = upload_file_write(file, data, len, &err);
    }

    if (rc != MINT_OK) {
        exchange_refuse_upload(x, &err);
    }

    return MHD_YES;
}


static void
exchange_upload_end(struct exchange *x)
{
    struct error     err;
    enum MHD_Result  complete;

    complete = MHD_destroy_post_processor(x->post);
    x->post = NULL;

    if (x->phase != EXCHANGE_BODY) {
        return;
    }

    if (upload_file_close(&x->request.upload, &err) != MINT_OK) {
        exchange_refuse_upload(x, &err);

    } else if (complete != MHD_YES) {
        exchange_refuse(x, 400, "The multipart form is incomplete");

    } else if (x->request.upload.path == NULL) {
        exchange_refuse(x, 422, "A part named \"file\" is expected");
    }
}


static void
exchange_refuse_upload(struct exchange *x, const struct error *err)
{
    log_error("upload not stored: %s", err->text);
    exchange_refuse(x, err->code == MINT_ERR_FULL ? 507 : 500,
                    "The upload could not be stored: the disk of the server "
                    "is full or failing");
}
