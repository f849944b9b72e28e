/* SPDX-License-Identifier: MIT */
/*
 * A process's output: ring, log file, prefix on our own log.  Owns the log
 * pipe's read end; leaves the process to service.c.
 */

#include "output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "line_reader.h"
#include "log_file.h"
#include "log_line.h"


#define OUTPUT_FLUSH      (64 * 1024)
#define OUTPUT_TAIL       (128 * 1024)      /* of the file, for the ring */
#define OUTPUT_SLOWED_US  60000000          /* between two notes about it */


struct output {
    struct event_base     *base;
    char                  *name;
    char                  *instance;        /* NULL before the first one */
    struct log_file       *file;            /* NULL = none */
    struct line_reader    *reader;
    struct log_context     context;
    struct output_counts   counts;
    uint64_t               slowed_us;       /* when it was said last */
    uint64_t               slowed_said;     /* counts.slowed then */
    bool                   is_noting;       /* no note about a note */
    struct strbuf          for_file;
    struct strbuf          for_log;         /* the supervisor's own */
    size_t                 for_file_lines;
    struct log_line        ring[OUTPUT_RING_LINES];
    size_t                 ring_next;
    size_t                 ring_count;
};


static void output_read_back(struct output *output);
static void output_flush(struct output *output);


struct output *
output_new(struct event_base *base, const char *name, const char *directory)
{
    char           *path;
    struct output  *output;

    output = mem_alloc(sizeof(struct output));

    output->base = base;
    output->name = mem_strdup(name);

    if (directory != NULL) {
        path = mem_printf("%s/%s.log", directory, name);
        output->file = log_file_open(path);
        free(path);
        output_read_back(output);
    }

    return output;
}


void
output_free(struct output **output)
{
    size_t          i;
    struct output  *o;

    o = *output;
    *output = NULL;

    if (o == NULL) {
        return;
    }

    line_reader_free(&o->reader);
    output_flush(o);
    log_file_close(&o->file);

    for (i = 0; i < OUTPUT_RING_LINES; i++) {
        log_line_clear(&o->ring[i]);
    }

    strbuf_free(&o->for_file);
    strbuf_free(&o->for_log);
    free(o->name);
    free(o->instance);
    free(o);
}


/* ---- lines ----------------------------------------------------------- */

/* takes the line over */

static void
output_keep(struct output *output, struct log_line *line)
{
    struct log_line  *place;

    place = &output->ring[output->ring_next];
    log_line_clear(place);
    *place = *line;

    output->ring_next = (output->ring_next + 1) % OUTPUT_RING_LINES;

    if (output->ring_count < OUTPUT_RING_LINES) {
        output->ring_count++;
    }
}


/* an earlier supervisor's lines */

static void
output_read_back(struct output *output)
{
    char            *p, *end;
    struct strbuf    text;
    struct log_line  line;

    memset(&text, 0, sizeof(text));
    log_file_tail(output->file, OUTPUT_TAIL, &text);

    for (p = text.data; p != NULL; p = end + 1) {
        end = memchr(p, '\n', (size_t) (text.data + text.len - p));

        if (end == NULL) {
            break;
        }

        if (log_line_parse(&line, p, (size_t) (end - p), NULL, 0)) {
            log_clock_seen(line.unix_us);
            output_keep(output, &line);
        }
    }

    strbuf_free(&text);
}


static void
output_add(struct output *output, struct log_line *line, bool is_repeated)
{
    line->unix_us = log_clock_us();

    if (output->instance != NULL) {
        line->instance = mem_strdup(output->instance);
    }

    if (output->file != NULL) {
        log_line_write(line, output->name, &output->for_file);
        output->for_file_lines++;
    }

    if (is_repeated && log_wants(line->level)) {
        if (log_is_json()) {
            log_line_write(line, output->name, &output->for_log);

        } else {
            log_line_show(line, output->name, &output->for_log);
        }
    }

    output_keep(output, line);

    if (output->for_file.len > OUTPUT_FLUSH
        || output->for_log.len > OUTPUT_FLUSH)
    {
        output_flush(output);
    }
}


static void
output_flush(struct output *output)
{
    size_t              count;
    const char         *why;
    enum log_file_news  news;

    if (output->for_log.len > 0) {
        log_pass(output->for_log.data, output->for_log.len);
        strbuf_clear(&output->for_log);
    }

    if (output->for_file.len == 0) {
        return;
    }

    count = output->for_file_lines;
    news = log_file_append(output->file, output->for_file.data,
                           output->for_file.len, count, &why);
    strbuf_clear(&output->for_file);
    output->for_file_lines = 0;

    if (news == LOG_FILE_SAME || output->is_noting) {
        return;
    }

    output->is_noting = true;
    log_warn("%s", why);
    output_write(output, LOG_LEVEL_WARN, NULL, why);
    output->is_noting = false;
}


void
output_write(struct output *output, enum log_level level,
    const char *request_id, const char *text)
{
    size_t           len;
    const char      *end;
    struct log_line  line;

    for ( /* void */ ; ; text = end + 1) {
        end = strchr(text, '\n');
        len = end != NULL ? (size_t) (end - text) : strlen(text);

        memset(&line, 0, sizeof(line));
        line.stream = "supervisor";
        line.level = level;
        line.text = mem_printf("%.*s", (int) len, text);

        if (request_id != NULL) {
            snprintf(line.request_id, sizeof(line.request_id), "%s",
                     request_id);
        }

        output_add(output, &line, false);

        if (end == NULL || end[1] == '\0') {
            break;
        }
    }

    output_flush(output);
}


void
output_note(struct output *output, const char *format, ...)
{
    va_list        args;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));

    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);

    output_write(output, LOG_LEVEL_INFO, NULL, strbuf_text(&text));
    strbuf_free(&text);
}


/* ---- the pipe -------------------------------------------------------- */

/* our own programs name themselves in their lines; the name is there already */

static void
output_drop_program(const struct output *output, struct log_line *line)
{
    const char  *program;

    program = json_string_value(json_object_get(line->members, "program"));

    if (program != NULL && strcmp(program, output->name) == 0) {
        json_object_del(line->members, "program");
    }
}


static void
output_on_line(void *ctx, char *text, size_t len)
{
    struct output    *output;
    struct log_line   line;

    output = ctx;

    if (text == NULL) {
        output->counts.cut_bytes += len;
        memset(&line, 0, sizeof(line));
        line.stream = "supervisor";
        line.level = LOG_LEVEL_WARN;
        line.text = mem_printf("the line before was longer than %d bytes: "
                               "%zu more are cut off", OUTPUT_LINE_MAX, len);

    } else {
        output->counts.lines++;
        output->counts.bytes += len + 1;
        log_line_read(&line, &output->context, text, len);
        output_drop_program(output, &line);
    }

    output_add(output, &line, true);
}


static void
output_on_pause(void *ctx, bool slowed)
{
    uint64_t        now;
    struct output  *output;

    output = ctx;
    output_flush(output);

    if (!slowed) {
        return;
    }

    output->counts.slowed++;
    now = log_clock_us();

    if (output->slowed_us != 0
        && now - output->slowed_us < OUTPUT_SLOWED_US)
    {
        return;
    }

    output_note(output, "prints more than %d MiB a second and is slowed "
                "(%llu times since it was said last)",
                OUTPUT_BYTES_PER_SEC / 1024 / 1024,
                (unsigned long long) (output->counts.slowed
                                      - output->slowed_said));
    output->slowed_us = now;
    output->slowed_said = output->counts.slowed;
}


void
output_attach(struct output *output, int fd, const char *instance)
{
    static const struct line_reader_options  options = {
        OUTPUT_LINE_MAX, true, OUTPUT_BYTES_PER_SEC, OUTPUT_LINE_COST
    };

    output_drain(output);

    free(output->instance);
    output->instance = mem_strdup(instance);
    memset(&output->context, 0, sizeof(output->context));

    output->reader = line_reader_new(output->base, fd, &options,
                                     output_on_line, output_on_pause, output);
}


void
output_drain(struct output *output)
{
    if (output->reader != NULL) {
        line_reader_drain(output->reader);
        line_reader_free(&output->reader);
    }
}


/* ---- questions ------------------------------------------------------- */

/* i lines before the last one */

static const struct log_line *
output_back(const struct output *output, size_t i)
{
    return &output->ring[(output->ring_next + 2 * OUTPUT_RING_LINES - 1 - i)
                         % OUTPUT_RING_LINES];
}


static void
output_list(const struct output *output, size_t lines, json_t *list)
{
    struct strbuf  text;

    memset(&text, 0, sizeof(text));

    while (lines > 0) {
        lines--;
        log_line_write(output_back(output, lines), output->name, &text);
        json_array_append_new(list, json_loadb(text.data, text.len, 0, NULL));
        strbuf_clear(&text);
    }

    strbuf_free(&text);
}


json_t *
output_tail(const struct output *output, size_t lines)
{
    json_t  *list;

    list = json_array();
    output_list(output, lines < output->ring_count ? lines
                                                   : output->ring_count, list);

    return list;
}


void
output_since(const struct output *output, uint64_t unix_us, json_t *list)
{
    size_t  n;

    for (n = 0; n < output->ring_count; n++) {
        if (output_back(output, n)->unix_us <= unix_us) {
            break;
        }
    }

    output_list(output, n, list);
}


const char *
output_last_line(const struct output *output)
{
    size_t                  i;
    const struct log_line  *line;

    for (i = 0; i < output->ring_count && output->instance != NULL; i++) {
        line = output_back(output, i);

        if (line->instance == NULL
            || strcmp(line->instance, output->instance) != 0)
        {
            break;
        }

        if (line->text[0] != '\0' && strcmp(line->stream, "output") == 0) {
            return line->text;
        }
    }

    return "";
}


struct output_counts
output_counts(const struct output *output)
{
    struct output_counts  counts;

    counts = output->counts;
    counts.dropped_lines = output->file != NULL
                           ? log_file_dropped(output->file) : 0;

    return counts;
}
