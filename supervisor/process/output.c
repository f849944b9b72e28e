/* SPDX-License-Identifier: MIT */
/*
 * A process's output: ring, log file, prefix on our own log.  Owns the log
 * pipe's read end and the file; leaves the process to service.c.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "output.h"


struct ring_line {
    uint64_t     unix_ms;
    const char  *stream;            /* "output" or "supervisor" */
    char        *text;
};


struct output {
    struct event_base   *base;
    char                *name;
    char                *path;      /* of the log file, NULL = none */
    int                  fd;
    uint64_t             file_bytes;
    uint64_t             dropped;
    uint64_t             second;    /* rate: which second, bytes in it */
    uint64_t             second_bytes;
    uint64_t             excess;    /* lines dropped in that second */
    struct line_reader  *reader;
    struct ring_line     ring[OUTPUT_RING_LINES];
    size_t               ring_next;
    size_t               ring_count;
};


static void output_file_open(struct output *output);


struct output *
output_new(struct event_base *base, const char *name, const char *directory)
{
    struct output  *output;

    output = mem_alloc(sizeof(struct output));

    output->base = base;
    output->name = mem_strdup(name);
    output->fd = -1;

    if (directory != NULL) {
        output->path = mem_printf("%s/%s.log", directory, name);
        output_file_open(output);
    }

    return output;
}


void
output_free(struct output **output)
{
    size_t  i;

    if (*output == NULL) {
        return;
    }

    line_reader_free(&(*output)->reader);

    for (i = 0; i < OUTPUT_RING_LINES; i++) {
        free((*output)->ring[i].text);
    }

    if ((*output)->fd != -1) {
        close((*output)->fd);
    }

    free((*output)->name);
    free((*output)->path);
    free(*output);
    *output = NULL;
}


static void
output_file_open(struct output *output)
{
    struct stat  st;

    output->fd = open(output->path,
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    if (output->fd == -1) {
        log_warn("open(\"%s\") failed: %s", output->path, strerror(errno));
        return;
    }

    output->file_bytes = fstat(output->fd, &st) == 0
                         ? (uint64_t) st.st_size : 0;
}


static void
output_file_rotate(struct output *output)
{
    int    i;
    char  *from, *to;

    close(output->fd);
    output->fd = -1;

    for (i = OUTPUT_FILES_KEPT - 1; i >= 0; i--) {

        from = i == 0 ? mem_strdup(output->path)
                      : mem_printf("%s.%d", output->path, i);
        to = mem_printf("%s.%d", output->path, i + 1);

        if (rename(from, to) == -1 && errno != ENOENT) {
            log_warn("rename(\"%s\") failed: %s", from, strerror(errno));
        }

        free(from);
        free(to);
    }

    output_file_open(output);
}


static void
output_file_write(struct output *output, uint64_t now, const char *text)
{
    char     time[32];
    char    *line;
    size_t   len;
    ssize_t  n;

    if (output->fd == -1) {
        return;
    }

    time_rfc3339(now, time);
    line = mem_printf("%s %s\n", time, text);
    len = strlen(line);

    n = write(output->fd, line, len);
    free(line);

    if (n != (ssize_t) len) {
        if (output->dropped++ == 0) {
            log_warn("log file \"%s\" cannot be written: %s; lines are "
                     "dropped until it can", output->path,
                     n == -1 ? strerror(errno) : "short write");
        }

        return;
    }

    output->dropped = 0;
    output->file_bytes += len;

    if (output->file_bytes > OUTPUT_FILE_MAX) {
        output_file_rotate(output);
    }
}


/* JSON knows UTF-8 only; a process may print anything */

static char *
output_clean(const char *text)
{
    char    *copy, *p;
    json_t  *json;

    copy = mem_strdup(text);
    json = json_string(copy);

    if (json != NULL) {
        json_decref(json);
        return copy;
    }

    for (p = copy; *p != '\0'; p++) {
        if ((unsigned char) *p >= 0x80) {
            *p = '?';
        }
    }

    return copy;
}


static void
output_add(struct output *output, const char *stream, const char *text)
{
    uint64_t           now;
    struct ring_line  *line;

    now = time_unix_ms();

    line = &output->ring[output->ring_next];
    free(line->text);

    line->unix_ms = now;
    line->stream = stream;
    line->text = output_clean(text);

    output->ring_next = (output->ring_next + 1) % OUTPUT_RING_LINES;

    if (output->ring_count < OUTPUT_RING_LINES) {
        output->ring_count++;
    }

    output_file_write(output, now, text);
}


static void
output_on_line(void *ctx, char *line, size_t len)
{
    uint64_t           second;
    struct output     *output;
    struct log_fields  fields;

    output = ctx;

    if (line == NULL) {
        line = (char *) "(a line of more than 64 KiB was dropped)";
    }

    second = time_boot_ms() / 1000;

    if (second != output->second) {
        if (output->excess > 0) {
            output_note(output, "%llu lines were dropped: more than %d MiB "
                        "in one second",
                        (unsigned long long) output->excess,
                        OUTPUT_BYTES_PER_SEC / 1024 / 1024);
        }

        output->second = second;
        output->second_bytes = 0;
        output->excess = 0;
    }

    output->second_bytes += len;

    if (output->second_bytes > OUTPUT_BYTES_PER_SEC) {
        output->excess++;
        return;
    }

    output_add(output, "output", line);

    memset(&fields, 0, sizeof(fields));
    fields.plugin = output->name;
    log_write(LOG_LEVEL_INFO, &fields, "%s", line);
}


void
output_attach(struct output *output, int fd)
{
    output_drain(output);

    output->reader = line_reader_new(output->base, fd, OUTPUT_LINE_MAX,
                                     output_on_line, output);
}


void
output_drain(struct output *output)
{
    if (output->reader != NULL) {
        line_reader_drain(output->reader);
        line_reader_free(&output->reader);
    }
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

    output_add(output, "supervisor", strbuf_text(&text));
    strbuf_free(&text);
}


json_t *
output_tail(const struct output *output, size_t lines)
{
    char                     time[32];
    size_t                   i, start;
    json_t                  *list;
    const struct ring_line  *line;

    if (lines > output->ring_count) {
        lines = output->ring_count;
    }

    start = (output->ring_next + OUTPUT_RING_LINES - lines)
            % OUTPUT_RING_LINES;
    list = json_array();

    for (i = 0; i < lines; i++) {
        line = &output->ring[(start + i) % OUTPUT_RING_LINES];
        time_rfc3339(line->unix_ms, time);

        json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "time", time,
            "stream", line->stream, "text", json_string(line->text)));
    }

    return list;
}


const char *
output_last_line(const struct output *output)
{
    size_t                   i;
    const struct ring_line  *line;

    for (i = 1; i <= output->ring_count; i++) {
        line = &output->ring[(output->ring_next + OUTPUT_RING_LINES - i)
                             % OUTPUT_RING_LINES];

        if (line->text[0] != '\0' && strcmp(line->stream, "output") == 0) {
            return line->text;
        }
    }

    return "";
}
