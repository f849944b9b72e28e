/* SPDX-License-Identifier: MIT */
/*
 * What keeper_client.c (the connection and what the keeper says) and
 * keeper_request.c (what is asked of it) share.
 */

#ifndef SUPERVISOR_PROCESS_KEEPER_PRIVATE_H
#define SUPERVISOR_PROCESS_KEEPER_PRIVATE_H

#include <sys/queue.h>

#include "lib/strbuf.h"
#include "supervisor/process/keeper_client.h"


struct event;


/* queued until sent, then waiting for its answer */
struct keeper_request {
    TAILQ_ENTRY(keeper_request)  link;
    struct strbuf                message;
    uint32_t                     serial;
    void                        *ctx;
    uint16_t                     answer;    /* enum mint_keeper_type */
    keeper_done_pt               done;      /* by answer, one of these */
    keeper_listener_pt           listener;
    keeper_child_pt              child;
};

TAILQ_HEAD(keeper_requests, keeper_request);


struct keeper_client {
    int                                 fd; /* -1: lost */
    const struct keeper_client_events  *events;
    void                               *ctx;
    struct event                       *read_event;
    struct event                       *write_event;
    struct keeper_requests              queued;
    struct keeper_requests              waiting;
    uint32_t                            last_serial;
    struct keeper_facts                 facts;
    int                                 is_reading;
    int                                 is_closed;  /* freed after reading */
    char                                data[MINT_KEEPER_MESSAGE_MAX];
};


/* sends what is queued as far as the socket takes it */
void keeper_request_flush(struct keeper_client *client);

void keeper_request_free(struct keeper_request *r);

#endif /* SUPERVISOR_PROCESS_KEEPER_PRIVATE_H */
