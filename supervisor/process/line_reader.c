/* SPDX-License-Identifier: MIT */
/*
 * Splits what comes on a pipe into lines.  Owns the read end only; what a
 * line means is the caller's business.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/strbuf.h"
#include "output.h"


#define LINE_READER_TURN  (256 * 1024)      /* bytes in one turn of the loop */


struct line_reader {
    int             fd;
    size_t          max;
    line_fn         on_line;
    void           *ctx;
    struct event   *event;
    struct strbuf   pending;
    bool            is_overlong;    /* dropping until the next line end */
    bool            is_inside;      /* within a callback: free later */
    bool            is_dead;
};


static void line_reader_read(struct line_reader *reader, size_t limit);
static void line_reader_destroy(struct line_reader *reader);


static void
line_reader_on_event(evutil_socket_t fd, short what, void *arg)
{
    (void) fd;
    (void) what;

    line_reader_read(arg, LINE_READER_TURN);
}


struct line_reader *
line_reader_new(struct event_base *base, int fd, size_t max, line_fn on_line,
    void *ctx)
{
    struct line_reader  *reader;

    reader = mem_alloc(sizeof(struct line_reader));

    reader->fd = fd;
    reader->max = max;
    reader->on_line = on_line;
    reader->ctx = ctx;

    evutil_make_socket_nonblocking(fd);

    reader->event = event_new(base, fd, EV_READ | EV_PERSIST,
                              line_reader_on_event, reader);
    event_add(reader->event, NULL);

    return reader;
}


void
line_reader_drain(struct line_reader *reader)
{
    line_reader_read(reader, SIZE_MAX);
}


void
line_reader_free(struct line_reader **reader)
{
    struct line_reader  *r;

    r = *reader;
    *reader = NULL;

    if (r == NULL) {
        return;
    }

    if (r->is_inside) {
        r->is_dead = true;
        return;
    }

    line_reader_destroy(r);
}


static void
line_reader_destroy(struct line_reader *reader)
{
    event_free(reader->event);
    close(reader->fd);
    strbuf_free(&reader->pending);
    free(reader);
}


/* gives out every whole line of what is pending */

static void
line_reader_split(struct line_reader *reader)
{
    char    *start, *end;
    size_t   used;

    used = 0;

    while (used < reader->pending.len && !reader->is_dead) {

        start = reader->pending.data + used;
        end = memchr(start, '\n', reader->pending.len - used);

        if (end == NULL) {
            break;
        }

        used += (size_t) (end - start) + 1;
        *end = '\0';

        if (reader->is_overlong) {
            reader->is_overlong = false;
            continue;
        }

        reader->on_line(reader->ctx, start, (size_t) (end - start));
    }

    strbuf_consume(&reader->pending, used);

    if (reader->pending.len > reader->max) {
        strbuf_clear(&reader->pending);

        if (!reader->is_overlong && !reader->is_dead) {
            reader->is_overlong = true;
            reader->on_line(reader->ctx, NULL, 0);
        }
    }
}


static void
line_reader_read(struct line_reader *reader, size_t limit)
{
    char     data[16384];
    size_t   total;
    ssize_t  n;

    if (reader->is_inside) {
        return;
    }

    reader->is_inside = true;
    total = 0;

    while (total < limit && !reader->is_dead) {

        n = read(reader->fd, data, sizeof(data));

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            if (n == 0) {
                event_del(reader->event);   /* every writer has gone */
            }

            break;
        }

        total += (size_t) n;
        strbuf_append(&reader->pending, data, (size_t) n);
        line_reader_split(reader);
    }

    reader->is_inside = false;

    if (reader->is_dead) {
        line_reader_destroy(reader);
    }
}
