/* SPDX-License-Identifier: MIT */
/*
 * A stream that waits for the supervisor.
 */

#include "platform/long_reply.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"


struct long_stream {
    struct long_reply   reply;
    struct link_call   *call;
    uint64_t            until_ms;
    struct strbuf       document;
    bool                is_composed;
};


static ssize_t long_stream_read(void *cls, char *to, size_t size);
static void long_stream_compose(struct long_stream *stream, bool is_done);
static void long_stream_free(void *cls);


void
long_reply_begin(struct call *call, const struct long_reply *reply)
{
    struct long_stream  *stream;

    stream = mem_alloc(sizeof(struct long_stream));
    stream->reply = *reply;
    stream->until_ms = time_boot_ms() + (uint64_t) reply->timeout_sec * 1000;
    stream->call = link_call_begin(call->api->link, reply->op, reply->args,
                                   reply->finish, reply->cls);

    call->reply->status = 200;
    call->reply->content_type = "application/json";
    call->reply->stream = long_stream_read;
    call->reply->stream_free = long_stream_free;
    call->reply->stream_cls = stream;
    http_reply_header(call->reply, "Cache-Control", "no-store");
    /* nginx would keep the white space to itself */
    http_reply_header(call->reply, "X-Accel-Buffering", "no");
}


static ssize_t
long_stream_read(void *cls, char *to, size_t size)
{
    bool                 is_done;
    size_t               n;
    struct long_stream  *stream;

    stream = cls;

    if (!stream->is_composed) {
        is_done = link_call_wait(stream->call, LONG_REPLY_PAUSE_MS);

        if (!is_done && time_boot_ms() < stream->until_ms) {
            to[0] = '\n';
            return 1;
        }

        long_stream_compose(stream, is_done);
    }

    n = stream->document.len < size ? stream->document.len : size;

    if (n > 0) {
        memcpy(to, stream->document.data, n);
        strbuf_consume(&stream->document, n);
    }

    return (ssize_t) n;
}


static void
long_stream_compose(struct long_stream *stream, bool is_done)
{
    char          *text;
    json_t        *result;
    json_t        *details;
    json_t        *document;
    struct error   err;

    result = NULL;
    details = NULL;

    if (is_done) {
        result = link_call_result(stream->call, &err, &details);
    } else {
        (void) error_set(&err, MINT_ERR_TIMEOUT, "not finished within %u "
                         "seconds; it goes on", stream->reply.timeout_sec);
    }

    document = stream->reply.compose(stream->reply.cls, result, &err, details);
    text = json_dumps(document, JSON_COMPACT);
    json_decref(document);

    if (text == NULL) {
        abort();                        /* out of memory */
    }

    strbuf_puts(&stream->document, text);
    free(text);
    stream->is_composed = true;
}


static void
long_stream_free(void *cls)
{
    struct long_stream  *stream;

    stream = cls;
    link_call_release(&stream->call);
    strbuf_free(&stream->document);
    free(stream);
}
