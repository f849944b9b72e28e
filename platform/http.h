/* SPDX-License-Identifier: MIT */
/*
 * HTTP server of the platform: only http_*.c knows libmicrohttpd.  A
 * thread per connection; a request goes through two callbacks: begin() when
 * its header is complete (may refuse it, or say what body is wanted) and
 * serve() when the body is there.  Both must leave an answer in the reply.
 */

#ifndef PLATFORM_HTTP_H
#define PLATFORM_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"
#include "lib/strbuf.h"
#include "platform/upload_file.h"


#define HTTP_REQUEST_ID_MAX   64
#define HTTP_REPLY_HEADERS    8


enum http_side {
    HTTP_PUBLIC = 0,                /* behind nginx */
    HTTP_INTERNAL = 1               /* callbacks of plugins */
};


struct http_reply {
    int            status;          /* 0 = not answered yet */
    struct strbuf  body;
    const char    *content_type;
    size_t         headers;
    struct {
        const char  *name;
        char        *value;         /* owned */
    } header[HTTP_REPLY_HEADERS];

    /* instead of body: chunks of a length that is not known yet; returns
       bytes, 0 at the end, -1 to break off.  The server owns stream_cls. */
    ssize_t      (*stream)(void *cls, char *to, size_t size);
    void         (*stream_free)(void *cls);
    void          *stream_cls;
};


struct http_request {
    enum http_side  side;
    const char     *method;
    const char     *path;           /* as sent, without the query */
    char            request_id[HTTP_REQUEST_ID_MAX + 1];

    /* set by begin() */
    size_t          body_max;       /* 0 = no body wanted: it is discarded */
    const char     *upload_directory;   /* else: part "file" of a multipart
                                           form is written below it */
    uint64_t        upload_max;
    void           *context;
    void          (*context_free)(void *context);

    /* for serve() */
    struct strbuf   body;
    struct upload_file  upload;     /* removed at the end unless its path is
                                       taken (set to NULL) */

    void           *connection;     /* of http_*.c */
};


struct http_options {
    enum http_side  side;
    int             fd;             /* listening; never shut down or closed */
    unsigned        connections_max;
    unsigned        idle_sec;
    void          (*begin)(void *cls, struct http_request *request,
                           struct http_reply *reply);
    void          (*serve)(void *cls, struct http_request *request,
                           struct http_reply *reply);
    /* fills the reply for what http_*.c refuses by itself (413, 507, ...) */
    void          (*refuse)(void *cls, struct http_request *request,
                            struct http_reply *reply, int status,
                            const char *message);
    void           *cls;
};


struct http_server;

int http_server_start(struct http_server **out,
    const struct http_options *options, struct error *err);
/* in this order: stops accepting; lets what is in flight finish for wait_ms;
   closes the connections */
void http_server_quiesce(struct http_server *server);
void http_server_drain(struct http_server *server, unsigned wait_ms);
void http_server_stop(struct http_server **server);

/* value of the first header or query argument of that name, else NULL */
const char *http_header(const struct http_request *request, const char *name);
unsigned http_header_count(const struct http_request *request,
    const char *name);
/* NULL if absent or if it holds a NUL byte */
const char *http_query(const struct http_request *request, const char *name);

/* value of the cookie, else NULL */
const char *http_cookie(const struct http_request *request, const char *name);

void http_reply_header(struct http_reply *reply, const char *name,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
void http_reply_clear(struct http_reply *reply);

#endif /* PLATFORM_HTTP_H */
