/* SPDX-License-Identifier: MIT */
/*
 * The file of a plugin's history, and its last records in memory.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "history.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"


#define HISTORY_FILE_LINES  400         /* then the file is written anew */
#define HISTORY_FILE_MAX    (8 * 1024 * 1024)
#define HISTORY_RETRY_MS    60000       /* after the disk was full */


struct history {
    char    *path;
    int      fd;                /* -1: memory only */
    uint64_t retry_ms;          /* then all is written anew */
    size_t   lines;             /* in the file */
    json_t  *records;
};


static void
history_keep(struct history *history, json_t *record)
{
    json_array_append_new(history->records, record);

    if (json_array_size(history->records) > HISTORY_RECORDS) {
        json_array_remove(history->records, 0);
    }
}


static void
history_read(struct history *history)
{
    char           *line, *rest;
    json_t         *record;
    struct error    err;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));

    if (fs_exists(history->path)
        && fs_read(history->path, HISTORY_FILE_MAX, &text, &err) != 0)
    {
        log_warn("history is begun anew: %s", err.text);
    }

    rest = text.data;

    while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
        record = json_loads(line, 0, NULL);
        history->lines++;

        if (json_is_object(record)) {
            history_keep(history, record);

        } else {
            json_decref(record);
        }
    }

    strbuf_free(&text);
}


static void
history_open_file(struct history *history)
{
    history->fd = open(history->path,
                       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (history->fd == -1) {
        log_warn("open(\"%s\") failed: %s; history is kept in memory only",
                 history->path, strerror(errno));
        history->retry_ms = time_boot_ms() + HISTORY_RETRY_MS;
    }
}


/* the records in memory are all that is to be kept */

static void
history_shorten(struct history *history)
{
    char           *line;
    size_t          i;
    json_t         *record;
    struct error    err;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));

    json_array_foreach(history->records, i, record) {
        line = json_dumps(record, JSON_COMPACT);
        strbuf_printf(&text, "%s\n", line);
        free(line);
    }

    if (fs_write_atomic(history->path, strbuf_text(&text), text.len, 0600,
                        &err) != 0)
    {
        log_warn("history cannot be written anew: %s", err.text);
        history->retry_ms = time_boot_ms() + HISTORY_RETRY_MS;

    } else {
        if (history->fd != -1) {
            close(history->fd);
        }

        history_open_file(history);
    }

    history->lines = json_array_size(history->records);
    strbuf_free(&text);
}


struct history *
history_open(const char *directory, const char *name)
{
    struct history  *history;

    history = mem_alloc(sizeof(struct history));
    history->path = mem_printf("%s/%s.jsonl", directory, name);
    history->records = json_array();

    history_read(history);
    history_open_file(history);

    if (history->fd != -1 && history->lines > json_array_size(history->records))
    {
        history_shorten(history);       /* half a line at its end, too */
    }

    return history;
}


void
history_free(struct history **history)
{
    if (*history == NULL) {
        return;
    }

    if ((*history)->fd != -1) {
        close((*history)->fd);
    }

    json_decref((*history)->records);
    free((*history)->path);
    free(*history);
    *history = NULL;
}


static void
history_write(struct history *history, const char *line)
{
    char     *text;
    size_t    len;
    ssize_t   n;

    text = mem_printf("%s\n", line);
    len = strlen(text);
    n = write(history->fd, text, len);
    free(text);

    if (n == (ssize_t) len) {
        history->lines++;
        return;
    }

    log_warn("write(\"%s\") failed: %s; history is kept in memory only",
             history->path, n == -1 ? strerror(errno) : "short write");

    /* a part of a line must not run into the next one */

    close(history->fd);
    history->fd = -1;
    history->retry_ms = time_boot_ms() + HISTORY_RETRY_MS;
}


void
history_add(struct history *history, json_t *record)
{
    char   time[32];
    char  *line;

    time_rfc3339(time_unix_ms(), time);
    json_object_set_new(record, "time", json_string(time));
    line = json_dumps(record, JSON_COMPACT);

    if (line != NULL && strlen(line) > HISTORY_LINE_MAX) {
        json_object_set_new(record, "text", json_string("(too long)"));
        json_object_del(record, "traceback");
        free(line);
        line = json_dumps(record, JSON_COMPACT);
    }

    history_keep(history, record);

    if (history->fd == -1) {
        if (time_boot_ms() >= history->retry_ms) {
            history_shorten(history);
        }

    } else if (line != NULL) {
        history_write(history, line);
    }

    if (history->fd != -1 && history->lines >= HISTORY_FILE_LINES) {
        history_shorten(history);
    }

    free(line);
}


json_t *
history_tail(const struct history *history, size_t count)
{
    size_t   i, size;
    json_t  *list;

    list = json_array();
    size = json_array_size(history->records);

    for (i = count < size ? size - count : 0; i < size; i++) {
        json_array_append(list, json_array_get(history->records, i));
    }

    return list;
}


static bool
history_has(const json_t *record, const char *key, const char *text)
{
    const char  *value;

    value = json_string_value(json_object_get(record, key));

    return value != NULL && strcmp(value, text) == 0;
}


json_t *
history_last(const struct history *history, const char *key,
    const char *text, const char *other, const char *that)
{
    size_t   i;
    json_t  *record;

    for (i = json_array_size(history->records); i > 0; i--) {
        record = json_array_get(history->records, i - 1);

        if (history_has(record, key, text)
            && (other == NULL || history_has(record, other, that)))
        {
            return record;
        }
    }

    return NULL;
}
