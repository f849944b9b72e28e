/* SPDX-License-Identifier: MIT */
/*
 * Removing and syncing whole trees.  Everything goes through directory
 * descriptors without following links, because plugins own some of these
 * trees and may change them while we walk.  Depth is unlimited for removal:
 * what lies deeper than FS_TREE_DEPTH is first moved up to the top.
 */

#include "lib/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


#define FS_TREE_DEPTH   32
#define FS_SYNC_DEPTH   256


struct fs_removal {
    const char    *path;                /* as the caller named it */
    int            top;                 /* descriptor of the whole tree */
    unsigned long  moved;
    struct error  *err;
};


static int fs_remove_below(struct fs_removal *r, int parent, unsigned depth);
static int fs_remove_entry(struct fs_removal *r, int fd,
    const struct dirent *entry, unsigned depth);
static int fs_remove_directory(struct fs_removal *r, int fd,
    const char *name, unsigned depth);
static int fs_move_up(struct fs_removal *r, int fd, const char *name);
static int fs_sync_below(int fd, const char *path, unsigned depth,
    struct error *err);
static int fs_sync_entry(int directory, const char *path, const char *name,
    unsigned depth, struct error *err);
static DIR *fs_list(int fd);
static int fs_is_dot(const char *name);


int
fs_remove_tree(const char *path, struct error *err)
{
    int                rc;
    unsigned long      before;
    struct fs_removal  r;

    if (unlink(path) == 0 || errno == ENOENT) {
        return 0;
    }

    if (errno != EISDIR && errno != EPERM) {
        return error_set_errno(err, "unlink(\"%s\") failed", path);
    }

    r.path = path;
    r.moved = 0;
    r.err = err;
    r.top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (r.top == -1) {
        return error_set_errno(err, "open(\"%s\") failed", path);
    }

    /* again as long as directories were moved to the top meanwhile */

    do {
        before = r.moved;
        rc = fs_remove_below(&r, r.top, 0);
    } while (rc == 0 && r.moved != before);

    close(r.top);

    if (rc == 0 && rmdir(path) == -1 && errno != ENOENT) {
        rc = error_set_errno(err, "rmdir(\"%s\") failed", path);
    }

    return rc;
}


/* empties the directory fd, which stays open */

static int
fs_remove_below(struct fs_removal *r, int fd, unsigned depth)
{
    int             rc;
    DIR            *list;
    struct dirent  *entry;

    list = fs_list(fd);

    if (list == NULL) {
        return error_set_errno(r->err, "reading below \"%s\" failed",
                               r->path);
    }

    rc = 0;

    for ( ;; ) {
        errno = 0;
        entry = readdir(list);

        if (entry == NULL) {
            break;
        }

        if (fs_is_dot(entry->d_name)) {
            continue;
        }

        rc = fs_remove_entry(r, fd, entry, depth);

        if (rc != 0) {
            break;
        }
    }

    if (rc == 0 && errno != 0) {
        rc = error_set_errno(r->err, "reading below \"%s\" failed", r->path);
    }

    closedir(list);

    return rc;
}


static int
fs_remove_entry(struct fs_removal *r, int fd, const struct dirent *entry,
    unsigned depth)
{
    if (entry->d_type == DT_DIR) {
        return fs_remove_directory(r, fd, entry->d_name, depth);
    }

    if (unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT) {
        return 0;
    }

    if (errno == EISDIR) {
        return fs_remove_directory(r, fd, entry->d_name, depth);
    }

    return error_set_errno(r->err, "unlink(\"%s\") below \"%s\" failed",
                           entry->d_name, r->path);
}


static int
fs_remove_directory(struct fs_removal *r, int fd, const char *name,
    unsigned depth)
{
    int  rc, child;

    if (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        return 0;
    }

    if (depth >= FS_TREE_DEPTH) {
        return fs_move_up(r, fd, name);
    }

    child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (child == -1) {
        return error_set_errno(r->err, "open(\"%s\") below \"%s\" failed",
                               name, r->path);
    }

    rc = fs_remove_below(r, child, depth + 1);
    close(child);

    if (rc != 0) {
        return rc;
    }

    if (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        return 0;
    }

    return error_set_errno(r->err, "rmdir(\"%s\") below \"%s\" failed", name,
                           r->path);
}


/* keeps the number of open descriptors bounded in trees of any depth */

static int
fs_move_up(struct fs_removal *r, int fd, const char *name)
{
    char  to[48], random[17];

    fs_random_hex(random, 8);
    snprintf(to, sizeof(to), ".removing-%s", random);

    if (renameat(fd, name, r->top, to) == -1) {
        return error_set_errno(r->err, "rename(\"%s\") below \"%s\" failed",
                               name, r->path);
    }

    r->moved++;

    return 0;
}


int
fs_sync_tree(const char *path, struct error *err)
{
    int  fd, rc;

    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd == -1) {
        return error_set_errno(err, "open(\"%s\") failed", path);
    }

    rc = fs_sync_below(fd, path, 0, err);
    close(fd);

    return rc;
}


static int
fs_sync_below(int fd, const char *path, unsigned depth, struct error *err)
{
    int             rc;
    DIR            *list;
    struct dirent  *entry;

    if (depth > FS_SYNC_DEPTH) {
        return error_set(err, MINT_ERR_INVALID,
                         "\"%s\" is nested more than %d directories deep",
                         path, FS_SYNC_DEPTH);
    }

    list = fs_list(fd);

    if (list == NULL) {
        return error_set_errno(err, "reading below \"%s\" failed", path);
    }

    rc = 0;

    while (rc == 0 && (errno = 0, entry = readdir(list)) != NULL) {
        if (fs_is_dot(entry->d_name)
            || (entry->d_type != DT_DIR && entry->d_type != DT_REG
                && entry->d_type != DT_UNKNOWN))
        {
            continue;
        }

        rc = fs_sync_entry(fd, path, entry->d_name, depth, err);
    }

    if (rc == 0 && errno != 0) {
        rc = error_set_errno(err, "reading below \"%s\" failed", path);
    }

    closedir(list);

    if (rc == 0 && fsync(fd) == -1 && errno != EINVAL) {
        rc = error_set_errno(err, "fsync below \"%s\" failed", path);
    }

    return rc;
}


static int
fs_sync_entry(int directory, const char *path, const char *name,
    unsigned depth, struct error *err)
{
    int          fd, rc;
    struct stat  st;

    fd = openat(directory, name,
                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    /* ELOOP: a link; ENXIO: a socket; ENOENT: removed meanwhile */

    if (fd == -1) {
        if (errno == ELOOP || errno == ENXIO || errno == ENOENT) {
            return 0;
        }

        return error_set_errno(err, "open(\"%s\") below \"%s\" failed", name,
                               path);
    }

    rc = 0;

    if (fstat(fd, &st) == -1) {
        rc = error_set_errno(err, "stat(\"%s\") below \"%s\" failed", name,
                             path);

    } else if (S_ISDIR(st.st_mode)) {
        rc = fs_sync_below(fd, path, depth + 1, err);

    } else if (S_ISREG(st.st_mode) && fsync(fd) == -1) {
        rc = error_set_errno(err, "fsync(\"%s\") below \"%s\" failed", name,
                             path);
    }

    close(fd);

    return rc;
}


/* a listing with an offset of its own; fd stays the caller's */

static DIR *
fs_list(int fd)
{
    int   own, saved;
    DIR  *list;

    own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (own == -1) {
        return NULL;
    }

    list = fdopendir(own);

    if (list == NULL) {
        saved = errno;
        close(own);
        errno = saved;
    }

    return list;
}


static int
fs_is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}
