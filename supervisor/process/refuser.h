/* SPDX-License-Identifier: MIT */
/*
 * Answers, in the place of a process, connections that wait at a listening
 * socket: 503 with Retry-After, as the edge would have (RFC 9457 and the error
 * envelope of mint-sdk).  What was refused so was executed by nobody.
 */

#ifndef SUPERVISOR_PROCESS_REFUSER_H
#define SUPERVISOR_PROCESS_REFUSER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/strbuf.h"


#define REFUSER_HEAD_MAX  16384     /* of a request; the id is in it */


struct refusal {
    const char  *plugin;
    const char  *state;             /* of the seat, as in docs/directives.md */
    const char  *cause;
    const char  *why;               /* in words, after the plugin's name */
    unsigned     retry_after_sec;
};


/* those that are answered at this moment; zero-initialise */
struct refuser {
    struct refuser_client  *clients;
    size_t                  count;
};


/* accepts all that wait at the non-blocking socket; returns how many.  Text of
   the refusal is copied. */
size_t refuser_accept(struct refuser *refuser, struct event_base *base,
    int listener_fd, const struct refusal *refusal);

/* ends those that are not answered yet */
void refuser_clear(struct refuser *refuser);

/* is the head of a request complete, or too long to wait for its end? */
bool refuser_has_head(const char *data, size_t len);

/* appends the whole answer to the request that begins with head */
void refuser_answer(struct strbuf *out, const char *head, size_t len,
    const struct refusal *refusal);

#endif /* SUPERVISOR_PROCESS_REFUSER_H */
