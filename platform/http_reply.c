/* SPDX-License-Identifier: MIT */
/*
 * Filling and emptying of struct http_reply.
 */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "platform/http.h"


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
