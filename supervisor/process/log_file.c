/* SPDX-License-Identifier: MIT */
/*
 * Owns the descriptors and names of log files; what is in them is the
 * caller's.
 */

#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"


#define LOG_FILE_RETRY_MS  1000


struct log_file {
    char             *path;
    unsigned          users;
    int               fd;
    uint64_t          bytes;
    uint64_t          dropped;
    uint64_t          dropped_now;      /* since it has failed */
    uint64_t          retry_ms;         /* not before; 0 = it works */
    uint64_t          checked_ms;       /* that it still has its name */
    char              why[320];
    struct log_file  *next;
};


static struct log_file  *log_files;


static int log_file_reopen(struct log_file *file);
static void log_file_rotate(struct log_file *file);


struct log_file *
log_file_open(const char *path)
{
    struct log_file  *file;

    for (file = log_files; file != NULL; file = file->next) {
        if (strcmp(file->path, path) == 0) {
            file->users++;
            return file;
        }
    }

    file = mem_alloc(sizeof(struct log_file));
    file->path = mem_strdup(path);
    file->users = 1;
    file->fd = -1;
    (void) log_file_reopen(file);

    file->next = log_files;
    log_files = file;

    return file;
}


void
log_file_close(struct log_file **file)
{
    struct log_file  *f, **p;

    f = *file;
    *file = NULL;

    if (f == NULL || --f->users > 0) {
        return;
    }

    for (p = &log_files; *p != NULL; p = &(*p)->next) {
        if (*p == f) {
            *p = f->next;
            break;
        }
    }

    if (f->fd != -1) {
        close(f->fd);
    }

    free(f->path);
    free(f);
}


static int
log_file_reopen(struct log_file *file)
{
    struct stat  st;

    if (file->fd != -1) {
        close(file->fd);
    }

    file->fd = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC
                    | O_NOFOLLOW | O_NONBLOCK, 0640);

    if (file->fd == -1) {
        return -1;
    }

    file->bytes = fstat(file->fd, &st) == 0 ? (uint64_t) st.st_size : 0;

    return 0;
}


static void
log_file_rotate(struct log_file *file)
{
    int    i;
    char  *from, *to;

    for (i = LOG_FILE_KEPT - 1; i >= 0; i--) {

        from = i == 0 ? mem_strdup(file->path)
                      : mem_printf("%s.%d", file->path, i);
        to = mem_printf("%s.%d", file->path, i + 1);

        if (rename(from, to) == -1 && errno != ENOENT) {
            log_warn("rename(\"%s\") failed: %s", from, strerror(errno));
        }

        free(from);
        free(to);
    }

    (void) log_file_reopen(file);
}


/* somebody may have moved or deleted it */

static void
log_file_check(struct log_file *file, uint64_t now)
{
    struct stat  ours, named;

    if (file->fd != -1 && now - file->checked_ms < LOG_FILE_RETRY_MS) {
        return;
    }

    file->checked_ms = now;

    if (file->fd != -1 && fstat(file->fd, &ours) == 0
        && stat(file->path, &named) == 0 && ours.st_ino == named.st_ino
        && ours.st_dev == named.st_dev)
    {
        return;
    }

    (void) log_file_reopen(file);
}


/* 0, or the errno; a part of a line is taken back */

static int
log_file_write(struct log_file *file, const char *lines, size_t len)
{
    ssize_t  n;

    n = write(file->fd, lines, len);

    if (n == (ssize_t) len) {
        file->bytes += len;
        return 0;
    }

    if (n == -1) {
        return errno;
    }

    /* what fits of a short write would be half a line */

    (void) !ftruncate(file->fd, (off_t) file->bytes);

    return ENOSPC;
}


static enum log_file_news
log_file_failed(struct log_file *file, int number, size_t count, uint64_t now)
{
    bool  is_news;

    is_news = file->retry_ms == 0;
    file->retry_ms = now + LOG_FILE_RETRY_MS;
    file->dropped += count;
    file->dropped_now += count;

    if (!is_news) {
        return LOG_FILE_SAME;
    }

    snprintf(file->why, sizeof(file->why), "\"%.180s\" cannot be written: "
             "%.40s; lines are counted until it can", file->path,
             strerror(number));

    return LOG_FILE_FAILS;
}


enum log_file_news
log_file_append(struct log_file *file, const char *lines, size_t len,
    size_t count, const char **why)
{
    int       rc;
    uint64_t  now;

    *why = file->why;
    now = time_boot_ms();

    if (file->retry_ms > now) {
        file->dropped += count;
        file->dropped_now += count;
        return LOG_FILE_SAME;
    }

    errno = 0;
    log_file_check(file, now);
    rc = file->fd == -1 ? errno : log_file_write(file, lines, len);

    if (rc != 0) {
        return log_file_failed(file, rc, count, now);
    }

    if (file->bytes > LOG_FILE_MAX) {
        log_file_rotate(file);
    }

    if (file->retry_ms == 0) {
        return LOG_FILE_SAME;
    }

    snprintf(file->why, sizeof(file->why), "\"%.180s\" is written again; "
             "%llu lines are missing in it", file->path,
             (unsigned long long) file->dropped_now);

    file->retry_ms = 0;
    file->dropped_now = 0;

    return LOG_FILE_WORKS;
}


uint64_t
log_file_dropped(const struct log_file *file)
{
    return file->dropped;
}


void
log_file_tail(const struct log_file *file, size_t max, struct strbuf *out)
{
    int          fd;
    char        *data, *start;
    size_t       skip;
    ssize_t      n;
    struct stat  st;

    fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd == -1) {
        return;
    }

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        close(fd);
        return;
    }

    skip = st.st_size > (off_t) max ? (size_t) st.st_size - max : 0;
    data = mem_alloc(max);
    n = pread(fd, data, max, (off_t) skip);
    close(fd);

    if (n > 0) {
        start = skip == 0 ? data : memchr(data, '\n', (size_t) n);

        if (start != NULL) {
            start += skip == 0 ? 0 : 1;
            strbuf_append(out, start, (size_t) (data + n - start));
        }
    }

    free(data);
}
