/* SPDX-License-Identifier: MIT */
/*
 * Reads the end of the edge's log; lines of other requests are passed over
 * without being parsed, so that a busy gateway costs little.
 */

#include "crash_requests.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge_request.h"


#define CRASH_LOG_TAIL  (8 * 1024 * 1024)


static bool
crash_line_has(const char *line, size_t len, const char *part)
{
    return memmem(line, len, part, strlen(part)) != NULL;
}


/* completed and without an error: cannot have died with anything */

static bool
crash_line_is_fine(const char *line, size_t len)
{
    return crash_line_has(line, len, "\"completed\":\"OK\"")
           && !crash_line_has(line, len, "\"status\":\"50")
           && !crash_line_has(line, len, "\"status\":\"101\"");
}


static json_t *
crash_request(const struct edge_request *request, uint64_t died_us,
    struct redactor *redactor)
{
    json_t        *json, *clean;
    uint64_t       age_us;

    age_us = died_us > request->start_us ? died_us - request->start_us : 0;
    json = json_pack("{s:s, s:s, s:s, s:f, s:i, s:b}",
                     "method", request->method,
                     "route", request->path,
                     "request_id", request->request_id,
                     "age_seconds", (double) (age_us / 1000) / 1000,
                     "status", (int) request->status,
                     "websocket", request->status == 101);
    clean = redactor_json(redactor, json);
    json_decref(json);

    return clean;
}


static void
crash_requests_scan(const char *text, size_t len, json_t *list,
    size_t *left_out, const struct crash_requests *wanted,
    struct redactor *redactor)
{
    char                 mark[160];
    const char          *p, *end;
    struct edge_request  request;

    snprintf(mark, sizeof(mark), "\"plugin\":\"%s\"", wanted->plugin);

    for (p = text; p < text + len; p = end + 1) {

        end = memchr(p, '\n', (size_t) (text + len - p));

        if (end == NULL) {
            break;
        }

        if (!crash_line_has(p, (size_t) (end - p), mark)
            || crash_line_is_fine(p, (size_t) (end - p))
            || !edge_request_parse(&request, p, (size_t) (end - p)))
        {
            continue;
        }

        if (edge_request_died_with(&request, wanted->plugin, wanted->place,
                                   wanted->born_us, wanted->died_us,
                                   wanted->slack_us))
        {
            if (json_array_size(list) < CRASH_REQUESTS_MAX) {
                json_array_append_new(list, crash_request(&request,
                                                wanted->died_us, redactor));
            } else {
                (*left_out)++;
            }
        }

        edge_request_clear(&request);
    }
}


void
crash_requests_read(json_t *report, const char *access_log,
    const struct crash_requests *wanted, struct redactor *redactor)
{
    int          fd;
    char        *text;
    off_t        begin;
    size_t       left_out;
    json_t      *list;
    ssize_t      n;
    struct stat  st;

    fd = open(access_log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd == -1 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        json_object_set_new(report, "requests_note", json_sprintf(
            "not known: the edge's log \"%s\" cannot be read (%s); see "
            "nginx.accessLog", access_log, strerror(errno)));
        if (fd != -1) {
            close(fd);
        }
        return;
    }

    begin = st.st_size > CRASH_LOG_TAIL ? st.st_size - CRASH_LOG_TAIL : 0;
    text = mem_alloc((size_t) (st.st_size - begin) + 1);
    n = pread(fd, text, (size_t) (st.st_size - begin), begin);
    close(fd);

    left_out = 0;
    list = json_array();
    crash_requests_scan(text, n > 0 ? (size_t) n : 0, list, &left_out, wanted,
                        redactor);
    free(text);

    json_object_set_new(report, "requests", list);

    if (left_out > 0) {
        json_object_set_new(report, "requests_note", json_sprintf(
            "%zu more were in its hands", left_out));
    }
}
