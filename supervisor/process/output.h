/* SPDX-License-Identifier: MIT */
/*
 * Output of one supervised process: splits what comes on its log pipe into
 * lines, keeps the last 200 in a ring, appends all to a log file (rotated)
 * and repeats them on the supervisor's own log with the name as prefix.
 * Never blocks and never stops reading: a full disk drops lines and counts.
 */

#ifndef SUPERVISOR_PROCESS_OUTPUT_H
#define SUPERVISOR_PROCESS_OUTPUT_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


#define OUTPUT_RING_LINES       200
#define OUTPUT_LINE_MAX         65536       /* bytes; the rest is cut off */
#define OUTPUT_FILE_MAX         (50 * 1024 * 1024)
#define OUTPUT_FILES_KEPT       10
#define OUTPUT_BYTES_PER_SEC    (16 * 1024 * 1024)


struct output;

/* name: prefix and file name; directory may be NULL (no file) */
struct output *output_new(struct event_base *base, const char *name,
    const char *directory);
void output_free(struct output **output);

/* takes over fd (the log pipe's read end) and reads it from now on */
void output_attach(struct output *output, int fd);

/* reads what is left (to EAGAIN), flushes a last unfinished line, closes */
void output_drain(struct output *output);

/* a line of our own in the same place: "started pid 7" */
void output_note(struct output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* the last n lines: array of {time, stream, text}; a new reference */
json_t *output_tail(const struct output *output, size_t lines);

/* text of the last line that is not empty, "" if none */
const char *output_last_line(const struct output *output);


/*
 * Line reader for report pipes: on_line gets each line without its end.  A
 * line longer than max is dropped and reported once as NULL.
 */

struct line_reader;

typedef void (*line_fn)(void *ctx, char *line, size_t len);

struct line_reader *line_reader_new(struct event_base *base, int fd,
    size_t max, line_fn on_line, void *ctx);
void line_reader_drain(struct line_reader *reader);     /* to EAGAIN */
void line_reader_free(struct line_reader **reader);     /* closes fd */

#endif /* SUPERVISOR_PROCESS_OUTPUT_H */
