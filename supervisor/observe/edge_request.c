/* SPDX-License-Identifier: MIT */
/*
 * Lines of the edge's log.  nginx escapes what JSON needs escaped, but passes
 * bytes on that are no UTF-8: clients choose them.
 */

#include "edge_request.h"

#include <stdlib.h>
#include <string.h>

#include "lib/text.h"


#define EDGE_SLACK_US    50000          /* of nginx's and of our clock */

/* nginx leaves out what is less than a millisecond: an end is not before what
   happened in the same one */
#define EDGE_ROUNDED_US  999


static const char *
edge_text(json_t *json, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(json, name));

    return text != NULL && strcmp(text, "-") != 0 ? text : "";
}


/* seconds as microseconds; 0 if it is none */

static uint64_t
edge_us(json_t *json, const char *name)
{
    double  seconds;

    seconds = json_number_value(json_object_get(json, name));

    return seconds > 0 && seconds < 1e11 ? (uint64_t) (seconds * 1e6 + 0.5)
                                         : 0;
}


bool
edge_request_parse(struct edge_request *out, const char *line, size_t len)
{
    char      *copy;
    uint64_t   lasted_us;

    memset(out, 0, sizeof(*out));

    if (len == 0 || line[0] != '{' || memchr(line, '\0', len) != NULL) {
        return false;
    }

    copy = mem_printf("%.*s", (int) len, line);
    text_clean(copy);
    out->json = json_loads(copy, 0, NULL);
    free(copy);

    out->end_us = edge_us(out->json, "msec");

    if (out->end_us == 0) {
        edge_request_clear(out);
        return false;
    }

    lasted_us = edge_us(out->json, "seconds");
    out->start_us = lasted_us < out->end_us ? out->end_us - lasted_us
                                            : out->end_us;
    out->status = strtol(edge_text(out->json, "status"), NULL, 10);
    out->is_complete = strcmp(edge_text(out->json, "completed"), "OK") == 0;
    out->has_answer = edge_text(out->json, "answered")[0] != '\0';
    out->request_id = edge_text(out->json, "request_id");
    out->plugin = edge_text(out->json, "plugin");
    out->seat = edge_text(out->json, "seat");
    out->method = edge_text(out->json, "method");
    out->path = edge_text(out->json, "path");
    out->address = edge_text(out->json, "address");
    out->user = edge_text(out->json, "user");
    out->waited = edge_text(out->json, "waited");
    out->reject = edge_text(out->json, "reject");

    return true;
}


void
edge_request_clear(struct edge_request *request)
{
    json_decref(request->json);
    memset(request, 0, sizeof(*request));
}


/* ---- as lines -------------------------------------------------------- */

static void
edge_request_line(const struct edge_request *request, struct log_line *out)
{
    memset(out, 0, sizeof(*out));
    out->stream = "edge";
    out->level = LOG_LEVEL_INFO;

    if (strlen(request->request_id) <= LOG_LINE_REQUEST_ID_MAX) {
        strcpy(out->request_id, request->request_id);
    }
}


void
edge_request_begin(const struct edge_request *request, struct log_line *out)
{
    edge_request_line(request, out);
    out->unix_us = request->start_us;
    out->text = mem_printf("%s %s from %s%s%s", request->method,
                           request->path, request->address,
                           request->user[0] != '\0' ? ", user " : "",
                           request->user);
}


void
edge_request_end(const struct edge_request *request, bool both,
    struct log_line *out)
{
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    edge_request_line(request, out);
    out->unix_us = request->end_us + EDGE_ROUNDED_US;

    if (request->status >= 500) {
        out->level = LOG_LEVEL_WARN;
    }

    if (both) {
        strbuf_printf(&text, "%s %s: ", request->method, request->path);
    }

    strbuf_printf(&text, "%ld after %.3f s", request->status,
                  (double) (request->end_us - request->start_us) / 1e6);

    if (request->waited[0] != '\0') {
        strbuf_printf(&text, ", %s s of it waiting", request->waited);
    }

    if (request->plugin[0] != '\0') {
        strbuf_printf(&text, ", by %s (%s)", request->plugin, request->seat);

    } else if (request->seat[0] != '\0') {
        strbuf_puts(&text, ", by the platform");
    }

    if (!request->is_complete) {
        strbuf_puts(&text, ", not completed");
    }

    if (request->reject[0] != '\0') {
        strbuf_printf(&text, ": %s", request->reject);
    }

    out->text = text.data;
}


/* ---- who died with a process ----------------------------------------- */

static bool
edge_request_in_place(const struct edge_request *request, const char *place)
{
    const char  *dash;

    dash = strchr(request->seat, '-');

    return dash != NULL && strcmp(dash + 1, place) == 0;
}


bool
edge_request_died_with(const struct edge_request *request,
    const char *plugin, const char *place, uint64_t born_us,
    uint64_t died_us, uint64_t slack_us)
{
    bool  is_broken;

    if (strcmp(request->plugin, plugin) != 0
        || !edge_request_in_place(request, place)
        || request->start_us > died_us + EDGE_SLACK_US
        || request->end_us + EDGE_SLACK_US < born_us)
    {
        return false;
    }

    /* a plugin may answer 502 itself: then it has begun to answer */

    is_broken = request->status == 101
                || (!request->has_answer
                    && (request->status == 502 || request->status == 504))
                || (request->has_answer && !request->is_complete);

    return is_broken && request->end_us + slack_us + EDGE_SLACK_US >= died_us;
}
