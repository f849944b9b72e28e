/* SPDX-License-Identifier: MIT */
/*
 * The admin socket: JSON lines (contract/mint_admin.h) on a listening socket
 * that the keeper holds.  Knows lines, ids, credentials and sizes; what an
 * operation does is a table of handlers given by main.c.
 */

#ifndef SUPERVISOR_ADMIN_SERVER_H
#define SUPERVISOR_ADMIN_SERVER_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "lib/error.h"


struct admin_server;
struct admin_call;                      /* one request under way */


enum admin_who {
    ADMIN_ANYONE = 0,                   /* root or our own uid */
    ADMIN_PLATFORM = 1                  /* only the process of the platform */
};


/* arguments: the request object (borrowed).  The handler answers now or later,
   exactly once, by admin_reply() or admin_fail(). */
typedef void (*admin_handler_fn)(void *ctx, struct admin_call *call,
    json_t *arguments);

struct admin_operation {
    const char        *name;
    enum admin_who     who;
    admin_handler_fn   handler;
    const char        *help;            /* one line */
};


/* listen_fd is taken over; operations: table ended by name NULL, borrowed */
int admin_server_open(struct admin_server **out, struct event_base *base,
    int listen_fd, const struct admin_operation *operations, void *ctx,
    struct error *err);
void admin_server_free(struct admin_server **server);

/* the pid that may use ADMIN_PLATFORM operations (0 = none) */
void admin_server_set_platform(struct admin_server *server, int pid);

/* result is taken over (stolen); NULL = {} */
void admin_reply(struct admin_call *call, json_t *result);
void admin_fail(struct admin_call *call, const struct error *err);
void admin_progress(struct admin_call *call, const char *text);

/* false when the client has gone; the call must still be answered once */
bool admin_call_alive(const struct admin_call *call);

/* gone is called when the client goes before it has its answer; not from
   there, but soon, the call has to be answered all the same */
void admin_call_watch(struct admin_call *call, void (*gone)(void *ctx),
    void *ctx);

#endif /* SUPERVISOR_ADMIN_SERVER_H */
