/* SPDX-License-Identifier: MIT */
/*
 * Connection to the supervisor's admin socket (contract/mint_admin.h).  One
 * thread keeps it up, with back-off, and reads the answers.
 */

#ifndef PLATFORM_LINK_H
#define PLATFORM_LINK_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/error.h"


struct link;
struct link_call;


/*
 * Answer of a request: result (borrowed), or NULL with err, whose code is
 * UNAVAILABLE when the connection was not there or was lost, and details
 * (borrowed, may be NULL).  Called once, in the link's thread or, without a
 * connection, in that of link_send(): it must not block.
 */
typedef void (*link_done_fn)(void *cls, json_t *result,
    const struct error *err, json_t *details);

/* on_connect is called in the link's thread after each connect, before any
   answer; it may call link_send() */
int link_start(struct link **out, const char *socket_path,
    void (*on_connect)(void *cls), void *cls, struct error *err);
/* every request that is under way, and every later one, is answered
   UNAVAILABLE */
void link_stop(struct link *link);
/* after link_stop(), when nobody sends any more */
void link_free(struct link **link);
bool link_is_connected(struct link *link);

/* args: object, taken over, may be NULL */
void link_send(struct link *link, const char *op, json_t *args,
    link_done_fn done, void *cls);


/*
 * The same, to be waited for.  Whoever began the call releases it, even
 * before it is done: the request goes on.  finish(finish_cls), if not NULL,
 * is called when the answer is there and the call is released, whichever
 * comes last.
 */
struct link_call *link_call_begin(struct link *link, const char *op,
    json_t *args, void (*finish)(void *cls), void *finish_cls);
/* true when done */
bool link_call_wait(struct link_call *call, unsigned timeout_ms);
/* after link_call_wait() said true: result (borrowed), or NULL with *err and
   *details_out (borrowed, may be NULL) */
json_t *link_call_result(struct link_call *call, struct error *err,
    json_t **details_out);
void link_call_release(struct link_call **call);

/* false if there is no connection within timeout_ms: a supervisor that was
   killed is back in well under a second */
bool link_wait_connected(struct link *link, unsigned timeout_ms);

/* send, wait, copy: *result_out is a new reference.  Asked again when the
   supervisor dies meanwhile: only for questions that change nothing */
int link_ask(struct link *link, const char *op, json_t *args,
    unsigned timeout_ms, json_t **result_out, struct error *err);

#endif /* PLATFORM_LINK_H */
