/* SPDX-License-Identifier: MIT */
/*
 * Lines from a pipe, within a budget: a writer that is faster is slowed by
 * its full pipe, everybody else goes on.  Never blocks.
 */

#ifndef SUPERVISOR_PROCESS_LINE_READER_H
#define SUPERVISOR_PROCESS_LINE_READER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


struct line_reader;

struct line_reader_options {
    size_t    max;              /* bytes of a line */
    bool      cuts;             /* a longer one is cut, else dropped */
    uint64_t  bytes_per_sec;    /* 0 = no budget */
    unsigned  line_bytes;       /* what a line costs besides its bytes */
};

/*
 * line NULL: len bytes of a line that was too long are not there; it comes at
 * that line's end.  line may hold any byte but a line end, and a NUL behind
 * its len bytes.
 */
typedef void (*line_fn)(void *ctx, char *line, size_t len);

/* NULL: nobody is told.  After each read, when its lines have been given
   out; slowed: the budget is used up, reading goes on in a moment */
typedef void (*line_pause_fn)(void *ctx, bool slowed);


/* takes fd over */
struct line_reader *line_reader_new(struct event_base *base, int fd,
    const struct line_reader_options *options, line_fn on_line,
    line_pause_fn on_pause, void *ctx);

/* what is there (to EAGAIN, but not for ever), and what has no line end yet */
void line_reader_drain(struct line_reader *reader);

void line_reader_free(struct line_reader **reader);     /* closes fd */

#endif /* SUPERVISOR_PROCESS_LINE_READER_H */
