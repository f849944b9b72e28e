/* SPDX-License-Identifier: MIT */
/*
 * Owns the open log files and how far each has been read.  A file is read
 * backwards in blocks until there are enough lines, then the older ones it
 * was rotated to; forwards from where that began.
 */

#include "log_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge_request.h"
#include "supervisor/process/log_file.h"


#define LOG_READER_BLOCK  (256 * 1024)


struct log_source {
    char               *path;
    char                name[72];
    bool                is_edge;
    bool                is_known;       /* offset has been set */
    int                 fd;
    ino_t               inode;
    off_t               offset;         /* read up to here */
    struct log_source  *next;
};


struct log_reader {
    char               *directory;
    char               *access_log;
    struct log_filter   filter;
    struct log_source  *sources;
};


static void log_reader_look(struct log_reader *reader);


struct log_reader *
log_reader_new(const char *directory, const char *access_log,
    const struct log_filter *filter)
{
    struct log_reader  *reader;

    reader = mem_alloc(sizeof(struct log_reader));
    reader->directory = mem_strdup(directory);
    reader->access_log = mem_strdup(access_log);
    reader->filter = *filter;

    return reader;
}


void
log_reader_free(struct log_reader **reader)
{
    struct log_reader  *r;
    struct log_source  *source;

    r = *reader;
    *reader = NULL;

    if (r == NULL) {
        return;
    }

    while ((source = r->sources) != NULL) {
        r->sources = source->next;

        if (source->fd != -1) {
            close(source->fd);
        }

        free(source->path);
        free(source);
    }

    free(r->directory);
    free(r->access_log);
    free(r);
}


/* ---- which files ------------------------------------------------------ */

static int
log_source_open(const char *path, struct stat *st)
{
    int  fd;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd != -1 && (fstat(fd, st) == -1 || !S_ISREG(st->st_mode))) {
        close(fd);
        fd = -1;
    }

    return fd;
}


static void
log_reader_add(struct log_reader *reader, const char *path, const char *name,
    bool is_edge)
{
    struct log_source  *source;

    for (source = reader->sources; source != NULL; source = source->next) {
        if (strcmp(source->path, path) == 0) {
            return;
        }
    }

    source = mem_alloc(sizeof(struct log_source));
    source->path = mem_strdup(path);
    snprintf(source->name, sizeof(source->name), "%s", name);
    source->is_edge = is_edge;
    source->fd = -1;
    source->next = reader->sources;
    reader->sources = source;
}


static bool
log_reader_wants(const struct log_reader *reader, const char *name,
    bool is_edge)
{
    const struct log_filter  *filter;

    filter = &reader->filter;

    if (filter->plugin != NULL) {
        return strcmp(filter->plugin, name) == 0
               || strcmp(LOG_LINE_SHARED, name) == 0
               || (is_edge && filter->request_id != NULL);
    }

    return !is_edge || filter->request_id != NULL;
}


/* a plugin may have been installed meanwhile */

static void
log_reader_look(struct log_reader *reader)
{
    DIR            *directory;
    char           *path, name[NAME_MAX + 1];
    size_t          len;
    struct dirent  *entry;

    if (log_reader_wants(reader, EDGE_NAME, true)) {
        log_reader_add(reader, reader->access_log, EDGE_NAME, true);
    }

    directory = opendir(reader->directory);

    while (directory != NULL && (entry = readdir(directory)) != NULL) {

        len = strlen(entry->d_name);

        if (len < 5 || strcmp(entry->d_name + len - 4, ".log") != 0) {
            continue;
        }

        snprintf(name, sizeof(name), "%.*s", (int) len - 4, entry->d_name);

        if (log_reader_wants(reader, name, false)) {
            path = mem_printf("%s/%s", reader->directory, entry->d_name);
            log_reader_add(reader, path, name, false);
            free(path);
        }
    }

    if (directory != NULL) {
        closedir(directory);
    }
}


/* ---- one line --------------------------------------------------------- */

static void
log_reader_edge(struct log_reader *reader, const char *text, size_t len,
    uint64_t until_us, struct log_entries *out)
{
    struct log_line      line;
    struct edge_request  request;

    if (!edge_request_parse(&request, text, len)) {
        return;
    }

    if (until_us == 0 || request.end_us <= until_us) {

        if (reader->filter.begins) {
            edge_request_begin(&request, &line);

            if (log_filter_passes(&reader->filter, &line, EDGE_NAME)) {
                log_entries_add(out, &line, EDGE_NAME);
            }

            log_line_clear(&line);
        }

        edge_request_end(&request, !reader->filter.begins, &line);

        if (log_filter_passes(&reader->filter, &line, EDGE_NAME)) {
            log_entries_add(out, &line, EDGE_NAME);
        }

        log_line_clear(&line);
    }

    edge_request_clear(&request);
}


/* false: the line is later than until_us; one that is none is passed over */

static bool
log_reader_line(struct log_reader *reader, const struct log_source *source,
    const char *text, size_t len, uint64_t until_us, struct log_entries *out)
{
    bool             is_later;
    struct log_line  line;

    /* cheaper than parsing, and most lines are of other requests */

    if (reader->filter.request_id != NULL
        && memmem(text, len, reader->filter.request_id,
                  strlen(reader->filter.request_id)) == NULL)
    {
        return true;
    }

    if (source->is_edge) {
        log_reader_edge(reader, text, len, 0, out);
        return true;
    }

    if (!log_line_parse(&line, text, len, NULL, 0)) {
        return true;
    }

    is_later = until_us != 0 && line.unix_us > until_us;

    if (!is_later && log_filter_passes(&reader->filter, &line, source->name))
    {
        log_entries_add(out, &line, source->name);
    }

    log_line_clear(&line);

    return !is_later;
}


/* ---- backwards -------------------------------------------------------- */

/* adds the last lines of what lies before end, newest first */

static void
log_reader_back(struct log_reader *reader, const struct log_source *source,
    int fd, off_t end, size_t count, uint64_t until_us,
    struct log_entries *out)
{
    char    *block, *p, *stop;
    off_t    begin;
    size_t   size, had;
    ssize_t  n;

    size = LOG_READER_BLOCK;
    had = out->count;

    while (end > 0 && out->count - had < count) {

        begin = end > (off_t) size ? end - (off_t) size : 0;
        block = mem_alloc((size_t) (end - begin));
        n = pread(fd, block, (size_t) (end - begin), begin);

        if (n != end - begin) {
            free(block);
            return;
        }

        /* lines end at stop; the first one of the block may have begun
           before it */

        stop = block + n;

        while (stop > block && out->count - had < count) {
            p = memrchr(block, '\n', (size_t) (stop - 1 - block));

            if (p == NULL && begin > 0) {
                break;
            }

            p = p == NULL ? block : p + 1;

            if (stop[-1] == '\n') {
                (void) log_reader_line(reader, source, p,
                                       (size_t) (stop - 1 - p), until_us,
                                       out);
            }

            stop = p;
        }

        /* a line longer than the block: a larger block */

        size = stop == block + n ? size * 2 : LOG_READER_BLOCK;
        end = begin + (stop - block);
        free(block);
    }
}


static void
log_reader_last_of(struct log_reader *reader, struct log_source *source,
    size_t count, uint64_t until_us, struct log_entries *out)
{
    int          i, fd;
    char        *older;
    size_t       had;
    struct stat  st;

    had = out->count;
    source->fd = log_source_open(source->path, &st);
    source->is_known = true;

    if (source->fd != -1) {
        source->inode = st.st_ino;
        source->offset = st.st_size;
        log_reader_back(reader, source, source->fd, st.st_size, count,
                        until_us, out);
    }

    for (i = 1; i <= LOG_FILE_KEPT && out->count - had < count; i++) {
        older = mem_printf("%s.%d", source->path, i);
        fd = log_source_open(older, &st);
        free(older);

        if (fd == -1) {
            break;
        }

        log_reader_back(reader, source, fd, st.st_size,
                        count - (out->count - had), until_us, out);
        close(fd);
    }
}


void
log_reader_last(struct log_reader *reader, size_t count, uint64_t until_us,
    struct log_entries *out)
{
    struct log_source  *source;

    log_reader_look(reader);

    for (source = reader->sources; source != NULL; source = source->next) {
        if (!source->is_known) {
            log_reader_last_of(reader, source, count, until_us, out);
        }
    }

    log_entries_sort(out);
    log_entries_keep(out, count);
}


/* ---- forwards --------------------------------------------------------- */

/* reads on to the end of what is there; false: later lines are left */

static bool
log_reader_forward(struct log_reader *reader, struct log_source *source,
    uint64_t until_us, struct log_entries *out)
{
    char    *block, *p, *end;
    size_t   size;
    ssize_t  n;

    size = LOG_READER_BLOCK;
    block = mem_alloc(size);

    for ( ;; ) {
        n = pread(source->fd, block, size, source->offset);

        if (n <= 0) {
            break;
        }

        for (p = block; p < block + n; p = end + 1) {
            end = memchr(p, '\n', (size_t) (block + n - p));

            if (end == NULL) {
                break;
            }

            if (!log_reader_line(reader, source, p, (size_t) (end - p),
                                 until_us, out))
            {
                source->offset += p - block;
                free(block);
                return false;
            }
        }

        source->offset += p - block;

        if (p == block && n < (ssize_t) size) {
            break;                          /* half a line: later */
        }

        if (p == block) {
            size *= 2;
            free(block);
            block = mem_alloc(size);
        }
    }

    free(block);

    return true;
}


void
log_reader_more(struct log_reader *reader, uint64_t until_us,
    struct log_entries *out)
{
    int                 fd;
    bool                is_whole;
    struct stat         st;
    struct log_source  *source;

    log_reader_look(reader);

    for (source = reader->sources; source != NULL; source = source->next) {

        is_whole = source->fd == -1
                   || log_reader_forward(reader, source, until_us, out);

        /* rotated, or there for the first time */

        if (!is_whole || stat(source->path, &st) == -1
            || (source->fd != -1 && st.st_ino == source->inode))
        {
            continue;
        }

        fd = log_source_open(source->path, &st);

        if (fd == -1) {
            continue;
        }

        if (source->fd != -1) {
            (void) log_reader_forward(reader, source, until_us, out);
            close(source->fd);
        }

        source->fd = fd;
        source->inode = st.st_ino;
        source->offset = 0;
        (void) log_reader_forward(reader, source, until_us, out);
    }

    log_entries_sort(out);
}
