/* SPDX-License-Identifier: MIT */
/*
 * One request as the edge has logged it when it was over: a line of
 * <data>/edge/access.log, written by nginx in the format "mint" of
 * conf/mint-upstream.conf.
 */

#ifndef SUPERVISOR_OBSERVE_EDGE_REQUEST_H
#define SUPERVISOR_OBSERVE_EDGE_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/strbuf.h"
#include "supervisor/process/log_line.h"


#define EDGE_NAME  "edge"               /* what its lines are called */


struct edge_request {
    uint64_t     start_us;              /* CLOCK_REALTIME */
    uint64_t     end_us;
    long         status;
    bool         is_complete;           /* the client got all of the answer */
    bool         has_answer;            /* the plugin had begun to answer */

    /* borrowed from json; "" if there is none */
    const char  *request_id;
    const char  *plugin;
    const char  *seat;                  /* "3-0a" */
    const char  *method;
    const char  *path;                  /* without arguments */
    const char  *address;               /* of the client */
    const char  *user;
    const char  *waited;                /* seconds, for the seat */
    const char  *reject;                /* why the edge refused it */
    json_t      *json;
};


/* false: no such line.  Free with edge_request_clear(). */
bool edge_request_parse(struct edge_request *out, const char *line,
    size_t len);
void edge_request_clear(struct edge_request *request);

/* as lines of a log: its begin, its end (and how it ended); text is owned by
   out.  both: the end alone says everything, too */
void edge_request_begin(const struct edge_request *request,
    struct log_line *out);
void edge_request_end(const struct edge_request *request, bool both,
    struct log_line *out);

/*
 * Whether it was in the hands of a process in that seat when that died: it
 * had begun and was not over, or it was over because of that death.  place:
 * "0a"; the process lived from born_us to died_us; slack_us: how much earlier
 * than died_us it may really have died.
 */
bool edge_request_died_with(const struct edge_request *request,
    const char *plugin, const char *place, uint64_t born_us,
    uint64_t died_us, uint64_t slack_us);

#endif /* SUPERVISOR_OBSERVE_EDGE_REQUEST_H */
