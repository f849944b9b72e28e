/* SPDX-License-Identifier: MIT */
/*
 * HTTP client for event loops: libcurl's multi interface on libevent.  Over
 * TCP or a unix socket; never blocks.  Used for probes and hooks.
 */

#ifndef LIB_HTTP_CLIENT_H
#define LIB_HTTP_CLIENT_H

#include <event2/event.h>

#include "error.h"


struct http_client;
struct http_call;

/* status 0: no answer, and error says why (time-out, refused, ...) */
typedef void (*http_done_fn)(void *ctx, long status, const char *error);


int http_client_open(struct http_client **out, struct event_base *base,
    struct error *err);
void http_client_free(struct http_client **client);     /* cancels all calls */

/*
 * GET url; unix_path, if not NULL, is the socket to connect to.  The body is
 * read and dropped.  done is called exactly once, never from within this
 * function.  NULL on failure.
 */
struct http_call *http_client_get(struct http_client *client,
    const char *url, const char *unix_path, unsigned timeout_ms,
    http_done_fn done, void *ctx);

/* done is not called any more */
void http_call_cancel(struct http_call *call);

#endif /* LIB_HTTP_CLIENT_H */
