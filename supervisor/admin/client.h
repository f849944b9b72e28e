/* SPDX-License-Identifier: MIT */
/*
 * The client side of the admin socket, for mintctl: blocking, every wait under
 * a deadline.
 */

#ifndef SUPERVISOR_ADMIN_CLIENT_H
#define SUPERVISOR_ADMIN_CLIENT_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"


struct admin_client;

typedef void (*admin_progress_fn)(void *ctx, const char *text);


/*
 * MINT_ERR_UNAVAILABLE: nobody listens there.  A path too long for a socket
 * address is no error.
 */
int admin_client_open(struct admin_client **out, const char *path,
    struct error *err);
void admin_client_free(struct admin_client **client);

/* a signal handler may set *flag: waiting calls then end with
   MINT_ERR_TIMEOUT; flag must outlive the client */
void admin_client_interrupt(struct admin_client *client,
    const volatile sig_atomic_t *flag);

/* the connection broke: the supervisor may be starting anew */
bool admin_client_is_lost(const struct admin_client *client);

/*
 * Sends one request and waits for its answer until deadline_ms
 * (CLOCK_BOOTTIME).  arguments is taken over and may be NULL.  On success
 * *result is the caller's; on failure err is what the supervisor said, or
 * MINT_ERR_UNAVAILABLE if it went away, MINT_ERR_TIMEOUT, MINT_ERR_PROTOCOL.
 */
int admin_client_call(struct admin_client *client, const char *operation,
    json_t *arguments, uint64_t deadline_ms, admin_progress_fn progress,
    void *ctx, json_t **result, struct error *err);

#endif /* SUPERVISOR_ADMIN_CLIENT_H */
