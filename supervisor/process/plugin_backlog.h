/* SPDX-License-Identifier: MIT */
/*
 * Requests that have come as far as a seat's socket when its process was gone.
 * The next process accepts them; if there is none for long, they are refused
 * here: the edge would wait for an answer as long as for a working plugin.
 */

#ifndef SUPERVISOR_PROCESS_PLUGIN_BACKLOG_H
#define SUPERVISOR_PROCESS_PLUGIN_BACKLOG_H

#include "refuser.h"
#include "service.h"


struct plugin_seat;


struct plugin_backlog {
    int              socket_fd;     /* the seat's; -1: not known yet */
    uint64_t         gone_ms;       /* no process since, boot time; 0: none is
                                       missed */
    struct event    *timer;
    struct refuser   refuser;
};


void plugin_backlog_init(struct plugin_seat *seat);
void plugin_backlog_clear(struct plugin_seat *seat);

/* fd: taken over */
void plugin_backlog_set_socket(struct plugin_seat *seat, int fd);

/* the service's state or the seat's role has changed */
void plugin_backlog_touch(struct plugin_seat *seat);

#endif /* SUPERVISOR_PROCESS_PLUGIN_BACKLOG_H */
