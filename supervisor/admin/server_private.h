/* SPDX-License-Identifier: MIT */
/*
 * What server.c (who may connect) and connection.c (what is said) share.
 */

#ifndef SUPERVISOR_ADMIN_SERVER_PRIVATE_H
#define SUPERVISOR_ADMIN_SERVER_PRIVATE_H

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <sys/types.h>

#include "server.h"


struct admin_connection {
    struct admin_server      *server;
    struct bufferevent       *bev;
    struct admin_call        *calls;
    unsigned                  call_count;
    size_t                    scanned;      /* no line end before this */
    pid_t                     pid;
    bool                      is_dead;      /* to be freed by the reaper */
    bool                      is_ending;    /* no more requests: the peer has
                                               shut down its side, or broke
                                               the rules */
    struct admin_connection  *next;
};

struct admin_server {
    struct event_base             *base;
    struct evconnlistener         *listener;
    struct event                  *reaper;
    struct event                  *backoff_timer;
    const struct admin_operation  *operations;
    void                          *ctx;
    struct admin_connection       *connections;
    unsigned                       connection_count;
    int                            platform_pid;
};


/* sets the callbacks and starts to read */
void admin_connection_start(struct admin_connection *c);
void admin_connection_free(struct admin_connection *c);

/* an answer of its own, id null, after which the connection ends */
void admin_connection_turn_away(struct admin_connection *c,
    enum mint_err code, const char *text);

#endif /* SUPERVISOR_ADMIN_SERVER_PRIVATE_H */
