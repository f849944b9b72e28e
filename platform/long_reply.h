/* SPDX-License-Identifier: MIT */
/*
 * Answers that take minutes: status 200 at once, white space every few
 * seconds so that neither client nor proxy gives up, then one JSON document
 * whose "success" says how it went.
 */

#ifndef PLATFORM_LONG_REPLY_H
#define PLATFORM_LONG_REPLY_H

#include "platform/api.h"


#define LONG_REPLY_PAUSE_MS  5000


struct long_reply {
    const char  *op;                /* of the supervisor */
    json_t      *args;              /* taken over */
    unsigned     timeout_sec;
    /* makes the document; result NULL: failed with err and details.  Called
       once, unless the client has gone */
    json_t    *(*compose)(void *cls, json_t *result, const struct error *err,
                          json_t *details);
    /* called when the answer of the supervisor is there and nobody needs cls
       any more */
    void       (*finish)(void *cls);
    void        *cls;
};


void long_reply_begin(struct call *call, const struct long_reply *reply);

#endif /* PLATFORM_LONG_REPLY_H */
