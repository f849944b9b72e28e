/* SPDX-License-Identifier: MIT */
/*
 * What keeper_client.c (the connection and what the keeper says),
 * keeper_message.c (how it says that), keeper_request.c (what is asked of it)
 * and keeper_absent.c (when there is none) share.
 */

#ifndef SUPERVISOR_PROCESS_KEEPER_PRIVATE_H
#define SUPERVISOR_PROCESS_KEEPER_PRIVATE_H

#include <sys/queue.h>

#include "lib/strbuf.h"
#include "supervisor/process/keeper_client.h"
#include "supervisor/process/keeper_custody.h"


struct event;
struct msghdr;


#define KEEPER_MESSAGE_FDS_MAX  8           /* more than any message has */

/* one message of the keeper; fds that nobody takes are closed */
struct keeper_message {
    union {
        struct mint_keeper_header    header;
        struct mint_keeper_listener  listener;
        struct mint_keeper_child     child;
        struct mint_keeper_exited    exited;
        struct mint_keeper_facts     facts;
    };
    const char  *at;                        /* strings not taken yet */
    const char  *end;
    int          fds[KEEPER_MESSAGE_FDS_MAX];
    size_t       fd_count;
};


/* queued until sent, then waiting for its answer; sent again to the next
   keeper if the one that was asked has died */
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
    int                                 fd; /* -1: no keeper, or lost */
    bool                                is_lost;    /* for good */
    bool                                is_attached;
    struct event_base                  *base;
    struct keeper_custody              *custody;
    unsigned                            keeper_uid;
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


/* keeper_client.c */
int keeper_client_use(struct keeper_client *client, int fd);    /* 0 or -1 */
void keeper_client_hang_up(struct keeper_client *client);
void keeper_client_lost(struct keeper_client *client, const struct error *why);

/* keeper_absent.c */
struct keeper_custody *keeper_absent_custody(struct keeper_client *client);
void keeper_absent_begin(struct keeper_client *client);

/* keeper_message.c: 0 or MINT_ERR_PROTOCOL.  What is filled has copies of the
   fds, and points into the message. */

int keeper_message_take_fds(struct keeper_message *m, struct msghdr *head);
int keeper_message_parse(struct keeper_message *m, const char *data,
    size_t len);
int keeper_message_listener(struct keeper_message *m,
    struct keeper_listener_info *info);
int keeper_message_child(struct keeper_message *m,
    struct keeper_child_info *info);
int keeper_message_facts(struct keeper_message *m, struct keeper_facts *facts);

#endif /* SUPERVISOR_PROCESS_KEEPER_PRIVATE_H */
