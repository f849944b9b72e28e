/* SPDX-License-Identifier: MIT */
/*
 * The succession of files under one name: each is made beside the name with
 * all its space reserved, filled, renamed into place; its predecessor is told
 * that it is retired only after the rename, so a worker that looks again finds
 * the new one.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "run_file.h"


/* a worker may have opened the file just before it was replaced */
#define RUN_RETIRED_LEAST_MS  2000
#define RUN_RETIRED_MOST_MS   60000


static int run_line_own(const struct run_line *line, int fd,
    struct error *err);
static int run_line_reserve(struct run_file *file,
    const struct run_shape *shape,
    struct error *err);
static void run_line_head(const struct run_line *line, struct run_file *file,
    const struct run_shape *shape);
static void run_line_replace(struct run_line *line, struct run_file *file);
static void run_line_sweep(const struct run_line *line);
static void run_line_foreign(struct run_line *line);


int
run_line_open(struct run_line *line, const char *directory,
    enum mint_run_kind kind, gid_t gid, struct error *err)
{
    int           rc;
    struct error  why;

    memset(line, 0, sizeof(*line));
    memset(&why, 0, sizeof(why));
    line->directory = mem_strdup(directory);
    line->kind = kind;
    line->gid = gid;
    line->foreign_fd = -1;

    run_line_sweep(line);

    rc = run_file_open(&line->current, directory, kind, true, &why);
    if (rc == MINT_ERR_NOT_FOUND) {
        return 0;
    }

    if (rc != 0) {
        log_warn("%s; it will be replaced", why.text);
        run_line_foreign(line);
        return 0;
    }

    line->last_epoch = line->current->epoch;

    return run_line_own(line, line->current->fd, err);
}


void
run_line_close(struct run_line *line)
{
    struct run_file  *file;

    run_file_free(&line->current);

    while (line->retired != NULL) {
        file = line->retired;
        line->retired = file->next;
        run_file_free(&file);
    }

    if (line->directory != NULL && line->foreign_fd != -1) {
        close(line->foreign_fd);
    }

    free(line->directory);
    line->directory = NULL;
    line->foreign_fd = -1;
}


int
run_line_make(struct run_line *line, const struct run_shape *shape,
    struct run_file **fresh, struct error *err)
{
    int               rc;
    struct run_file  *file;

    *fresh = NULL;
    file = mem_alloc(sizeof(*file));
    file->temporary = mem_printf("%s/%s.new-%d", line->directory,
                                 run_kind_name(line->kind), (int) getpid());

    file->fd = open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC
                                     | O_NOFOLLOW, 0600);
    if (file->fd == -1) {
        rc = error_set_errno(err, "create(\"%s\")", file->temporary);
        free(file->temporary);
        file->temporary = NULL;
        goto failed;
    }

    rc = run_line_reserve(file, shape, err);
    if (rc != 0) {
        goto failed;
    }

    rc = run_file_map(file, true, err);
    if (rc != 0) {
        error_prefix(err, "run file \"%s\"", file->temporary);
        goto failed;
    }

    file->epoch = line->last_epoch + 1;
    run_line_head(line, file, shape);

    *fresh = file;

    return 0;

failed:

    run_file_free(&file);

    return rc;
}


int
run_line_commit(struct run_line *line, struct run_file **fresh,
    struct error *err)
{
    int               rc;
    char             *path;
    struct run_file  *file;

    file = *fresh;
    *fresh = NULL;
    path = mem_printf("%s/%s", line->directory, run_kind_name(line->kind));

    rc = run_line_own(line, file->fd, err);
    if (rc != 0) {
        goto failed;
    }

    mint_run_store_release(&file->header->life, MINT_RUN_LIVE);

    if (rename(file->temporary, path) == -1) {
        rc = error_set_errno(err, "rename(\"%s\", \"%s\")", file->temporary,
                             path);
        goto failed;
    }

    free(path);
    free(file->temporary);
    file->temporary = NULL;
    line->last_epoch = file->epoch;

    run_line_replace(line, file);

    return 0;

failed:

    free(path);
    run_file_free(&file);

    return rc;
}


void
run_line_tick(struct run_line *line, run_line_in_use_fn in_use, void *ctx,
    uint64_t now_ms)
{
    bool               keep;
    uint64_t           age_ms;
    struct run_file   *file, **link;

    if (line->current != NULL && line->kind != MINT_RUN_WORKERS) {
        run_file_heartbeat(line->current, now_ms);
    }

    link = &line->retired;
    while (*link != NULL) {
        file = *link;
        age_ms = now_ms - file->retired_ms;

        /* a retired "workers" is kept while a worker counts in it: its
           WebSockets may last for hours */
        keep = age_ms < RUN_RETIRED_LEAST_MS
               || ((age_ms < RUN_RETIRED_MOST_MS
                    || line->kind == MINT_RUN_WORKERS)
                   && in_use(ctx, line->kind, file));

        if (keep) {
            link = &file->next;
            continue;
        }

        log_debug("run file \"%s\" of epoch %llu is given up",
                  run_kind_name(line->kind),
                  (unsigned long long) file->epoch);
        *link = file->next;
        run_file_free(&file);
    }
}


static int
run_line_own(const struct run_line *line, int fd, struct error *err)
{
    mode_t        mode;
    const char   *name;
    struct stat   st;

    name = run_kind_name(line->kind);

    /* workers write into their own record */
    mode = line->kind == MINT_RUN_WORKERS ? 0660 : 0640;

    if (fstat(fd, &st) == -1) {
        return error_set_errno(err, "fstat of \"%s\"", name);
    }

    if (line->gid != (gid_t) -1 && st.st_gid != line->gid
        && fchown(fd, (uid_t) -1, line->gid) == -1)
    {
        return error_set_errno(err, "giving run file \"%s\" to group %u", name,
                               (unsigned) line->gid);
    }

    if ((st.st_mode & 07777) != mode && fchmod(fd, mode) == -1) {
        return error_set_errno(err, "fchmod of \"%s\"", name);
    }

    return 0;
}


static int
run_line_reserve(struct run_file *file, const struct run_shape *shape,
    struct error *err)
{
    int       rc;
    uint64_t  bytes;

    bytes = shape->reserve != 0 ? shape->reserve : shape->bytes;

    do {
        rc = posix_fallocate(file->fd, 0, (off_t) bytes);
    } while (rc == EINTR);

    if (rc == 0 && bytes < shape->bytes
        && ftruncate(file->fd, (off_t) shape->bytes) == -1)
    {
        rc = errno;
    }

    if (rc == 0) {
        return 0;
    }

    if (rc == ENOSPC || rc == EFBIG || rc == EDQUOT) {
        return error_set(err, MINT_ERR_FULL,
                         "no room for %llu bytes of run file \"%s\": %s; "
                         "make room on the file system of the run directory",
                         (unsigned long long) bytes, file->temporary,
                         strerror(rc));
    }

    errno = rc;

    return error_set_errno(err, "posix_fallocate(\"%s\", %llu)",
                           file->temporary, (unsigned long long) bytes);
}


static void
run_line_head(const struct run_line *line, struct run_file *file,
    const struct run_shape *shape)
{
    struct mint_run_header  *h;

    h = file->header;
    h->magic = MINT_RUN_MAGIC;
    h->kind = line->kind;
    h->abi_major = MINT_RUN_ABI_MAJOR;
    h->abi_minor = MINT_RUN_ABI_MINOR;
    h->file_bytes = shape->bytes;
    h->writer_epoch = file->epoch;
    h->created_unix_ms = time_unix_ms();
    h->life = MINT_RUN_FILLING;
    h->heartbeat_ms = line->kind == MINT_RUN_WORKERS ? 0 : time_boot_ms();
    memcpy(h->capacity, shape->capacity, sizeof(h->capacity));
    memcpy(h->section, shape->section, sizeof(h->section));
}


/* tells everyone who has the old file that there is a new one */

static void
run_line_replace(struct run_line *line, struct run_file *file)
{
    uint64_t  life;

    if (line->current != NULL) {
        mint_run_store_release(&line->current->header->life,
                               MINT_RUN_RETIRED);
        line->current->retired_ms = time_boot_ms();
        line->current->next = line->retired;
        line->retired = line->current;
    }

    if (line->foreign_fd != -1) {
        life = MINT_RUN_RETIRED;
        if (pwrite(line->foreign_fd, &life, sizeof(life),
                   offsetof(struct mint_run_header, life)) == -1)
        {
            log_warn("pwrite(\"%s\") of the file before failed: %s; workers "
                     "notice the new one within a second",
                     run_kind_name(line->kind), strerror(errno));
        }
        close(line->foreign_fd);
        line->foreign_fd = -1;
    }

    line->current = file;
}


/* a supervisor killed while it filled a file has left it behind */

static void
run_line_sweep(const struct run_line *line)
{
    DIR            *dir;
    char            path[PATH_MAX], prefix[32];
    struct dirent  *entry;

    dir = opendir(line->directory);
    if (dir == NULL) {
        return;
    }

    snprintf(prefix, sizeof(prefix), "%s.new-", run_kind_name(line->kind));

    while ((entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0
            && snprintf(path, sizeof(path), "%s/%s", line->directory,
                        entry->d_name) < (int) sizeof(path))
        {
            unlink(path);
        }
    }

    closedir(dir);
}


/* its epoch and its "life" word are where every version has had them */

static void
run_line_foreign(struct run_line *line)
{
    int                     fd;
    char                   *path;
    struct mint_run_header  header;

    path = mem_printf("%s/%s", line->directory, run_kind_name(line->kind));
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    free(path);

    if (fd == -1) {
        return;
    }

    if (pread(fd, &header, sizeof(header), 0) != (ssize_t) sizeof(header)
        || header.magic != MINT_RUN_MAGIC
        || header.kind != (uint32_t) line->kind)
    {
        close(fd);
        return;
    }

    line->last_epoch = header.writer_epoch;
    line->foreign_fd = fd;
}
