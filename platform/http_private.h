/* SPDX-License-Identifier: MIT */
/*
 * Between http_server.c and http_exchange.c: the two files that know
 * libmicrohttpd.
 */

#ifndef PLATFORM_HTTP_PRIVATE_H
#define PLATFORM_HTTP_PRIVATE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "platform/http.h"


/* one client; listed by the server while it is there */
struct http_connection {
    struct http_connection  *next;
    struct http_connection  *previous;
    int                      fd;
    uint64_t                 accepted_ms;
    unsigned                 requests;      /* begun */
    bool                     is_in_flight;
};


struct http_server {
    struct MHD_Daemon       *daemon;
    struct http_options      options;
    atomic_bool              is_draining;
    pthread_mutex_t          lock;          /* of what follows */
    struct http_connection  *connections;
};


/* counts a request in or out of its connection */
void http_connection_busy(struct http_server *server,
    struct MHD_Connection *connection, bool is_busy);


/* callbacks of the daemon; cls is struct http_server, *state the exchange */
void *exchange_new(void *cls, const char *uri,
    struct MHD_Connection *connection);
enum MHD_Result exchange_step(void *cls, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version,
    const char *data, size_t *data_len, void **state);
void exchange_completed(void *cls, struct MHD_Connection *connection,
    void **state, enum MHD_RequestTerminationCode code);

#endif /* PLATFORM_HTTP_PRIVATE_H */
