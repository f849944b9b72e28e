/* SPDX-License-Identifier: MIT */
/*
 * Splits what comes on a pipe into lines.  Owns the read end only; what a
 * line means is the caller's business.
 */

#include "line_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/strbuf.h"


#define LINE_READER_TURN      (256 * 1024)  /* bytes in one turn of the loop */
#define LINE_READER_DRAIN     (4 * 1024 * 1024)     /* more than a pipe holds */
#define LINE_READER_BURST_MS  250           /* of the budget, saved up */
#define LINE_READER_REST_MS   20            /* at least, once it is used up */


struct line_reader {
    int                          fd;
    struct line_reader_options   options;
    line_fn                      on_line;
    line_pause_fn                on_pause;
    void                        *ctx;
    struct event                *event;
    struct event                *rest;
    struct strbuf                pending;
    uint64_t                     cut;       /* bytes of the line so far */
    int64_t                      budget;    /* bytes that may be read */
    uint64_t                     filled_ms; /* when it was last added to */
    bool                         is_overlong;   /* until the next line end */
    bool                         is_inside;     /* within a callback */
    bool                         is_dead;       /* freed there */
};


static void line_reader_read(struct line_reader *reader, size_t limit,
    bool is_last);
static void line_reader_destroy(struct line_reader *reader);


static void
line_reader_on_event(evutil_socket_t fd, short what, void *arg)
{
    (void) fd;
    (void) what;

    line_reader_read(arg, LINE_READER_TURN, false);
}


static void
line_reader_on_rest(evutil_socket_t fd, short what, void *arg)
{
    struct line_reader  *reader;

    (void) fd;
    (void) what;
    reader = arg;

    event_add(reader->event, NULL);
}


struct line_reader *
line_reader_new(struct event_base *base, int fd,
    const struct line_reader_options *options, line_fn on_line,
    line_pause_fn on_pause, void *ctx)
{
    struct line_reader  *reader;

    reader = mem_alloc(sizeof(struct line_reader));

    reader->fd = fd;
    reader->options = *options;
    reader->on_line = on_line;
    reader->on_pause = on_pause;
    reader->ctx = ctx;

    evutil_make_socket_nonblocking(fd);

    reader->event = event_new(base, fd, EV_READ | EV_PERSIST,
                              line_reader_on_event, reader);
    reader->rest = evtimer_new(base, line_reader_on_rest, reader);
    event_add(reader->event, NULL);

    return reader;
}


void
line_reader_drain(struct line_reader *reader)
{
    line_reader_read(reader, LINE_READER_DRAIN, true);
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
    event_free(reader->rest);
    close(reader->fd);
    strbuf_free(&reader->pending);
    free(reader);
}


/* ---- lines ----------------------------------------------------------- */

static void
line_reader_give(struct line_reader *reader, char *line, size_t len)
{
    uint64_t  cut;

    reader->budget -= (int64_t) reader->options.line_bytes;

    if (!reader->is_overlong && len <= reader->options.max) {
        reader->on_line(reader->ctx, line, len);
        return;
    }

    if (!reader->is_overlong && reader->options.cuts) {
        line[reader->options.max] = '\0';
        reader->on_line(reader->ctx, line, reader->options.max);
        len -= reader->options.max;
    }

    cut = reader->cut + len;
    reader->is_overlong = false;
    reader->cut = 0;

    if (!reader->is_dead) {
        reader->on_line(reader->ctx, NULL, cut);
    }
}


/* what has no line end yet, and is too long to wait for it */

static void
line_reader_overlong(struct line_reader *reader)
{
    char    first;
    size_t  max;

    max = reader->options.max;

    if (!reader->is_overlong && reader->options.cuts) {
        first = reader->pending.data[max];
        reader->pending.data[max] = '\0';
        reader->on_line(reader->ctx, reader->pending.data, max);
        reader->pending.data[max] = first;
        reader->cut = reader->pending.len - max;

    } else {
        reader->cut += reader->pending.len;
    }

    reader->is_overlong = true;
    strbuf_clear(&reader->pending);
}


/* gives out every whole line of what is pending */

static void
line_reader_split(struct line_reader *reader, size_t searched)
{
    char    *start, *end;
    size_t   used;

    used = 0;

    while (used < reader->pending.len && !reader->is_dead) {

        start = reader->pending.data + used;
        end = memchr(start + searched, '\n',
                     reader->pending.len - used - searched);

        if (end == NULL) {
            break;
        }

        searched = 0;
        used += (size_t) (end - start) + 1;
        *end = '\0';
        line_reader_give(reader, start, (size_t) (end - start));
    }

    strbuf_consume(&reader->pending, used);

    if (reader->pending.len > reader->options.max && !reader->is_dead) {
        line_reader_overlong(reader);
    }
}


/* ---- reading within the budget --------------------------------------- */

static void
line_reader_fill(struct line_reader *reader)
{
    int64_t   most;
    uint64_t  now, gone;

    now = time_boot_ms();
    gone = now - reader->filled_ms;
    most = (int64_t) (reader->options.bytes_per_sec * LINE_READER_BURST_MS
                      / 1000);
    reader->filled_ms = now;

    if (gone > 1000) {
        gone = 1000;
    }

    reader->budget += (int64_t) (reader->options.bytes_per_sec * gone / 1000);

    if (reader->budget > most) {
        reader->budget = most;
    }
}


/* the pipe fills up, and its writer waits */

static void
line_reader_rest(struct line_reader *reader)
{
    uint64_t        ms;
    struct timeval  tv;

    ms = (uint64_t) -reader->budget * 1000 / reader->options.bytes_per_sec
         + LINE_READER_REST_MS;

    tv.tv_sec = (time_t) (ms / 1000);
    tv.tv_usec = (suseconds_t) (ms % 1000 * 1000);

    event_del(reader->event);
    evtimer_add(reader->rest, &tv);
}


static void
line_reader_finish(struct line_reader *reader)
{
    if (reader->pending.len > 0 || reader->is_overlong) {
        strbuf_append(&reader->pending, "\n", 1);
        line_reader_split(reader, 0);
    }
}


static void
line_reader_pause(struct line_reader *reader, bool is_slowed)
{
    if (reader->on_pause != NULL && !reader->is_dead) {
        reader->on_pause(reader->ctx, is_slowed);
    }

    if (is_slowed && !reader->is_dead) {
        line_reader_rest(reader);
    }
}


static void
line_reader_read(struct line_reader *reader, size_t limit, bool is_last)
{
    bool     has_budget;
    char     data[16384];
    size_t   total, before;
    ssize_t  n;

    if (reader->is_inside) {
        return;
    }

    reader->is_inside = true;
    has_budget = reader->options.bytes_per_sec > 0 && !is_last;
    total = 0;

    if (has_budget) {
        line_reader_fill(reader);
    }

    while (total < limit && !reader->is_dead
           && !(has_budget && reader->budget <= 0))
    {
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
        reader->budget -= (int64_t) n;
        before = reader->pending.len;
        strbuf_append(&reader->pending, data, (size_t) n);
        line_reader_split(reader, before);
    }

    if (is_last && !reader->is_dead) {
        line_reader_finish(reader);
    }

    line_reader_pause(reader, has_budget && reader->budget <= 0);
    reader->is_inside = false;

    if (reader->is_dead) {
        line_reader_destroy(reader);
    }
}
