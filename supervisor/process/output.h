/* SPDX-License-Identifier: MIT */
/*
 * Output of one supervised process: reads its log pipe line by line, keeps
 * the last 200 lines in a ring, appends all to a log file (rotated, one JSON
 * object a line, see log_line.h) and repeats them on the supervisor's own log
 * with the name as prefix.
 *
 * Never blocks.  A process may print OUTPUT_BYTES_PER_SEC, a line counting
 * OUTPUT_LINE_COST bytes more than it has; then its pipe fills up and it
 * waits.  Nothing is dropped for that; what is lost is counted: the rest of
 * an overlong line, and lines for a file that cannot be written.
 */

#ifndef SUPERVISOR_PROCESS_OUTPUT_H
#define SUPERVISOR_PROCESS_OUTPUT_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/log.h"


#define OUTPUT_RING_LINES       200
#define OUTPUT_LINE_MAX         65536       /* bytes; the rest is cut off */
#define OUTPUT_BYTES_PER_SEC    (16 * 1024 * 1024)
#define OUTPUT_LINE_COST        256


struct output;

struct output_counts {
    uint64_t  lines;            /* read */
    uint64_t  bytes;
    uint64_t  cut_bytes;        /* of overlong lines */
    uint64_t  dropped_lines;    /* not in the file */
    uint64_t  slowed;           /* times the budget was used up */
};


/* name: prefix and file name; directory may be NULL (no file).  The ring is
   filled with what is at the end of the file. */
struct output *output_new(struct event_base *base, const char *name,
    const char *directory);
void output_free(struct output **output);

/* takes over fd (the log pipe's read end) and reads it from now on; instance:
   whose lines these are, copied */
void output_attach(struct output *output, int fd, const char *instance);

/* reads what is left (to EAGAIN), flushes a last unfinished line, closes */
void output_drain(struct output *output);

/* a line of our own in the same place: "started pid 7"; a text of several
   lines becomes several */
void output_note(struct output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* the same with a level and, if not NULL, a request id */
void output_write(struct output *output, enum log_level level,
    const char *request_id, const char *text);

/* the last n lines: array of objects as in the file; a new reference */
json_t *output_tail(const struct output *output, size_t lines);

/* adds the ring's lines later than that time to a list of objects */
void output_since(const struct output *output, uint64_t unix_us,
    json_t *list);

/* text of the last line of the process now attached (or attached last) that
   is not empty, "" if none */
const char *output_last_line(const struct output *output);

struct output_counts output_counts(const struct output *output);

#endif /* SUPERVISOR_PROCESS_OUTPUT_H */
