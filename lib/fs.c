/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing whole files, time and random bytes.  Whole trees are
 * in fs_tree.c.
 */

#include "lib/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "lib/log.h"


#define FS_BLOCK  (64 * 1024)
#define FS_UNFINISHED  ".tmp-"          /* and the writer's pid */


static int fs_read_all(int fd, const char *path, size_t max,
    struct strbuf *out, struct error *err);
static int fs_open_regular(const char *path, struct error *err);
static int fs_write_new(const char *path, const void *data, size_t len,
    mode_t mode, struct error *err);
static int fs_open_parent(const char *path, struct error *err);
static int fs_is_unfinished(const char *entry, const char *name);
static int fs_mkdir_one(const char *path, mode_t mode, struct error *err);
static void fs_hex(char *hex, const unsigned char *data, size_t len);


int
fs_read(const char *path, size_t max, struct strbuf *out, struct error *err)
{
    int  fd, rc;

    strbuf_clear(out);

    fd = fs_open_regular(path, err);
    if (fd < 0) {
        return fd;
    }

    rc = fs_read_all(fd, path, max, out, err);
    close(fd);

    if (rc != 0) {
        strbuf_clear(out);
    }

    return rc;
}


static int
fs_read_all(int fd, const char *path, size_t max, struct strbuf *out,
    struct error *err)
{
    char     block[4096];
    ssize_t  n;

    for ( ;; ) {
        n = read(fd, block, sizeof(block));

        if (n == 0) {
            return 0;
        }

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1) {
            return error_set_errno(err, "read(\"%s\") failed", path);
        }

        if ((size_t) n > max - out->len) {
            return error_set(err, MINT_ERR_FULL,
                             "\"%s\" is longer than %zu bytes", path, max);
        }

        strbuf_append(out, block, (size_t) n);
    }
}


/* O_NONBLOCK: opening a FIFO someone has put there must not hang */

static int
fs_open_regular(const char *path, struct error *err)
{
    int          fd;
    struct stat  st;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd == -1) {
        return error_set_errno(err, "open(\"%s\") failed", path);
    }

    if (fstat(fd, &st) == -1) {
        error_set_errno(err, "stat(\"%s\") failed", path);
        close(fd);
        return MINT_ERR_SYSTEM;
    }

    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return error_set(err, MINT_ERR_INVALID,
                         "\"%s\" is not a regular file", path);
    }

    return fd;
}


int
fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
    struct error *err)
{
    int   rc, directory;
    char  temporary[PATH_MAX];

    rc = snprintf(temporary, sizeof(temporary), "%s" FS_UNFINISHED "%ld",
                  path, (long) getpid());

    if (rc < 0 || (size_t) rc >= sizeof(temporary)) {
        return error_set(err, MINT_ERR_INVALID, "path \"%s\" is too long",
                         path);
    }

    directory = fs_open_parent(path, err);
    if (directory < 0) {
        return directory;
    }

    rc = fs_write_new(temporary, data, len, mode, err);

    if (rc == 0 && rename(temporary, path) == -1) {
        rc = error_set_errno(err, "rename(\"%s\", \"%s\") failed", temporary,
                             path);
        unlink(temporary);
    }

    /* EINVAL: a file system whose directories cannot be synced.  No error is
       one any more: whoever reads it next reads the new file */

    if (rc == 0 && fsync(directory) == -1 && errno != EINVAL) {
        log_warn("\"%s\" is written, but may not survive a power cut: fsync "
                 "of its directory failed: %s", path, strerror(errno));
    }

    close(directory);

    return rc;
}


static int
fs_write_new(const char *path, const void *data, size_t len, mode_t mode,
    struct error *err)
{
    int          fd, rc;
    ssize_t      n;
    const char  *p;

    /* left by a process of the same pid that was killed while writing */

    if (unlink(path) == -1 && errno != ENOENT) {
        return error_set_errno(err, "unlink(\"%s\") failed", path);
    }

    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
              0600);
    if (fd == -1) {
        return error_set_errno(err, "open(\"%s\") failed", path);
    }

    for (p = data; len > 0; p += n, len -= (size_t) n) {
        n = write(fd, p, len);

        if (n == -1 && errno == EINTR) {
            n = 0;

        } else if (n == -1) {
            rc = error_set_errno(err, "write(\"%s\") failed", path);
            goto failed;
        }
    }

    if (fchmod(fd, mode) == -1) {
        rc = error_set_errno(err, "fchmod(\"%s\") failed", path);
        goto failed;
    }

    if (fsync(fd) == -1) {
        rc = error_set_errno(err, "fsync(\"%s\") failed", path);
        goto failed;
    }

    if (close(fd) == -1) {
        rc = error_set_errno(err, "close(\"%s\") failed", path);
        unlink(path);
        return rc;
    }

    return 0;

failed:

    close(fd);
    unlink(path);

    return rc;
}


static int
fs_open_parent(const char *path, struct error *err)
{
    int          fd;
    char         parent[PATH_MAX];
    size_t       len;
    const char  *slash;

    slash = strrchr(path, '/');

    if (slash == NULL) {
        strcpy(parent, ".");

    } else {
        len = slash == path ? 1 : (size_t) (slash - path);

        if (len >= sizeof(parent)) {
            return error_set(err, MINT_ERR_INVALID,
                             "path \"%s\" is too long", path);
        }

        memcpy(parent, path, len);
        parent[len] = '\0';
    }

    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1) {
        return error_set_errno(err, "open(\"%s\") failed", parent);
    }

    return fd;
}


void
fs_remove_unfinished(const char *directory, const char *name)
{
    DIR            *list;
    struct dirent  *entry;

    list = opendir(directory);

    if (list == NULL) {
        return;
    }

    while ((entry = readdir(list)) != NULL) {
        if (fs_is_unfinished(entry->d_name, name)) {
            (void) unlinkat(dirfd(list), entry->d_name, 0);
        }
    }

    closedir(list);
}


static int
fs_is_unfinished(const char *entry, const char *name)
{
    size_t       len;
    const char  *mark;

    len = name != NULL ? strlen(name) : 0;
    mark = name == NULL ? strstr(entry, FS_UNFINISHED)
           : strncmp(entry, name, len) == 0 ? entry + len : NULL;

    if (mark == NULL || mark == entry
        || strncmp(mark, FS_UNFINISHED, strlen(FS_UNFINISHED)) != 0)
    {
        return 0;
    }

    mark += strlen(FS_UNFINISHED);

    return *mark != '\0' && mark[strspn(mark, "0123456789")] == '\0';
}


/* every directory that is made gets the mode, whatever the umask */

int
fs_mkdir_all(const char *path, mode_t mode, struct error *err)
{
    int     rc;
    char    part[PATH_MAX];
    char   *p;
    size_t  len;

    len = strlen(path);

    if (len == 0 || len >= sizeof(part)) {
        return error_set(err, MINT_ERR_INVALID,
                         "\"%s\" is not a usable directory path", path);
    }

    memcpy(part, path, len + 1);

    for (p = part + 1; *p != '\0'; p++) {
        if (*p != '/' || p[-1] == '/') {
            continue;
        }

        *p = '\0';
        rc = fs_mkdir_one(part, mode, err);
        *p = '/';

        if (rc != 0) {
            return rc;
        }
    }

    return fs_mkdir_one(part, mode, err);
}


static int
fs_mkdir_one(const char *path, mode_t mode, struct error *err)
{
    int          saved;
    struct stat  st;

    if (mkdir(path, mode & 0777) == 0) {
        if (chmod(path, mode) == -1) {
            return error_set_errno(err, "chmod(\"%s\") failed", path);
        }

        return 0;
    }

    /* an unwritable or read-only parent says so before "exists" */

    saved = errno;

    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            return 0;
        }

        saved = ENOTDIR;
    }

    errno = saved;

    return error_set_errno(err, "mkdir(\"%s\") failed", path);
}


int
fs_exists(const char *path)
{
    struct stat  st;

    return stat(path, &st) == 0;
}


int
fs_sha256(const char *path, char hex[65], struct error *err)
{
    int             fd, rc;
    char           *block;
    ssize_t         n;
    unsigned int    digest_len;
    EVP_MD_CTX     *ctx;
    unsigned char   digest[EVP_MAX_MD_SIZE];

    fd = fs_open_regular(path, err);
    if (fd < 0) {
        return fd;
    }

    rc = 0;
    block = mem_alloc(FS_BLOCK);
    ctx = EVP_MD_CTX_new();

    if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        rc = error_set(err, MINT_ERR_SYSTEM, "SHA-256 is not available");
        goto done;
    }

    do {
        n = read(fd, block, FS_BLOCK);

        if (n == -1 && errno != EINTR) {
            rc = error_set_errno(err, "read(\"%s\") failed", path);
            goto done;
        }

        if (n > 0) {
            EVP_DigestUpdate(ctx, block, (size_t) n);
        }

    } while (n != 0);

    if (EVP_DigestFinal_ex(ctx, digest, &digest_len) != 1
        || digest_len != 32)
    {
        rc = error_set(err, MINT_ERR_SYSTEM, "SHA-256 of \"%s\" failed",
                       path);
        goto done;
    }

    fs_hex(hex, digest, digest_len);

done:

    EVP_MD_CTX_free(ctx);
    free(block);
    close(fd);

    return rc;
}


void
fs_random_hex(char *hex, size_t n)
{
    size_t         part;
    ssize_t        got;
    unsigned char  data[256];

    for ( ; n > 0; hex += 2 * part, n -= part) {
        part = n < sizeof(data) ? n : sizeof(data);

        /* up to 256 bytes come whole, or not at all before the pool is up */

        do {
            got = getrandom(data, part, 0);
        } while (got == -1 && errno == EINTR);

        if (got != (ssize_t) part) {
            abort();
        }

        fs_hex(hex, data, part);
    }

    *hex = '\0';
    explicit_bzero(data, sizeof(data));
}


/* writes 2 * len characters and a NUL */

static void
fs_hex(char *hex, const unsigned char *data, size_t len)
{
    size_t             i;
    static const char  digits[] = "0123456789abcdef";

    for (i = 0; i < len; i++) {
        *hex++ = digits[data[i] >> 4];
        *hex++ = digits[data[i] & 15];
    }

    *hex = '\0';
}


static uint64_t
time_of_clock(clockid_t clock)
{
    struct timespec  now;

    if (clock_gettime(clock, &now) == -1) {
        abort();
    }

    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}


uint64_t
time_unix_ms(void)
{
    return time_of_clock(CLOCK_REALTIME);
}


uint64_t
time_boot_ms(void)
{
    return time_of_clock(CLOCK_BOOTTIME);
}


void
time_rfc3339(uint64_t unix_ms, char text[32])
{
    char       day[24];
    time_t     seconds;
    struct tm  tm;

    /* the last moment that four digits of a year can name */

    if (unix_ms > 253402300799999) {
        unix_ms = 253402300799999;
    }

    seconds = (time_t) (unix_ms / 1000);
    gmtime_r(&seconds, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, 32, "%s.%03uZ", day, (unsigned) (unix_ms % 1000));
}
