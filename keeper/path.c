/* SPDX-License-Identifier: MIT */
/*
 * Directories below the roots given at the start: made and given to an owner,
 * or emptied, or handed over with all in it, by a process of its own.
 * Everything goes through descriptors opened without following links, because
 * plugins own some of these trees.
 */

#include "keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>


#define PATH_WIPERS_MAX   64
#define PATH_DEPTH_MAX    64
#define PATH_WIPE_SEC     120


static int path_open(const char *path, int to_wipe, int is_parent);
static int path_is_plain(const char *path);
static int path_give(int fd, const struct mint_keeper_path *m);
static int path_give_all(int fd, uid_t from, const struct mint_keeper_path *m,
    int depth);
static int path_work(uint32_t serial, int fd,
    int (*work)(int fd, const void *ctx), const void *ctx);
static int path_hand_over(int fd, const void *ctx);
static int path_wipe_all(int fd, const void *ctx);
static int path_empty_all(int top);
static int path_empty(int top, int fd, int depth, unsigned *moved);
static int path_remove(int top, int fd, const char *name, int depth,
    unsigned *moved);


static struct {
    char  *path;
    int    fd;
    int    may_wipe;
} roots[2 * KEEPER_LIST_MAX];

static struct {
    pid_t     pid;
    unsigned  era;                          /* of the supervisor that asked */
    uint32_t  serial;
} wipers[PATH_WIPERS_MAX];


/* known by the name given and by its real name */

int
path_add_root(const char *path, int may_wipe)
{
    int     fd;
    size_t  i;

    for (i = 0; roots[i].path != NULL; i += 2) {
        if (i + 2 >= sizeof(roots) / sizeof(roots[0]) - 2) {
            return E2BIG;
        }
    }

    fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1) {
        return errno;
    }

    roots[i].path = strdup(path);
    roots[i + 1].path = realpath(path, NULL);
    roots[i].fd = roots[i + 1].fd = fd;
    roots[i].may_wipe = roots[i + 1].may_wipe = may_wipe;

    return roots[i].path != NULL && roots[i + 1].path != NULL ? 0 : ENOMEM;
}


/* returns a descriptor, or an errno as a negative number */

static int
path_open(const char *path, int to_wipe, int is_parent)
{
    int              fd;
    char             below[PATH_MAX];
    size_t           i, len;
    struct open_how  how = {
        .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
                   | RESOLVE_NO_MAGICLINKS
    };

    for (i = 0; i < 2 * KEEPER_LIST_MAX && roots[i].path != NULL; i++) {
        len = strlen(roots[i].path);

        if (strncmp(path, roots[i].path, len) != 0 || path[len] != '/'
            || (to_wipe && !roots[i].may_wipe)
            || !path_is_plain(path + len))
        {
            continue;
        }

        snprintf(below, sizeof(below), "./%s", path + len + 1);

        if (is_parent) {
            *strrchr(below, '/') = '\0';
        }

        fd = (int) syscall(SYS_openat2, roots[i].fd, below, &how, sizeof(how));

        return fd != -1 ? fd : errno == ELOOP || errno == EXDEV ? -EPERM
                                                                : -errno;
    }

    return -EPERM;
}


/* no ".", "..", or empty component: below a root means not the root itself */

static int
path_is_plain(const char *path)
{
    size_t  len;

    for ( /* void */ ; *path == '/'; path += 1 + len) {
        len = strcspn(path + 1, "/");

        if (len == 0 || (len < 3 && memcmp(path + 1, "..", len) == 0)) {
            return 0;
        }
    }

    return 1;
}


int
path_own(const struct mint_keeper_path *m, const char *path)
{
    int          fd, parent, failed;
    struct stat  was;

    parent = path_open(path, 0, 1);

    if (parent < 0) {
        return -parent;
    }

    failed = mkdirat(parent, strrchr(path, '/') + 1, 0700) == -1
             && errno != EEXIST ? errno : 0;
    close(parent);

    if (failed != 0) {
        return failed;
    }

    fd = path_open(path, 0, 0);

    if (fd < 0) {
        return -fd;
    }

    if (fstat(fd, &was) == 0 && m->uid != UINT32_MAX && was.st_uid != m->uid
        && was.st_uid != 0 && was.st_uid != geteuid())
    {
        return path_work(m->header.serial, fd, path_hand_over, m);
    }

    failed = path_give(fd, m);
    close(fd);

    return failed;
}


static int
path_give(int fd, const struct mint_keeper_path *m)
{
    return fchown(fd, m->uid, m->gid) == -1 || fchmod(fd, m->mode) == -1
           ? errno : 0;
}


/*
 * It was another's, and so is what is in it: that goes along, the directory
 * itself last, so that half of it is noticed the next time.
 */

static int
path_hand_over(int fd, const void *ctx)
{
    int          failed;
    struct stat  was;

    failed = fstat(fd, &was) == -1 ? errno
             : path_give_all(dup(fd), was.st_uid, ctx, 0);

    return failed != 0 ? failed : path_give(fd, ctx);
}


/* only what that one had: a link to a file of somebody else gives nothing
   away; closes fd */

static int
path_give_all(int fd, uid_t from, const struct mint_keeper_path *m, int depth)
{
    int             below, failed;
    DIR            *list;
    struct stat     entry_stat;
    struct dirent  *entry;

    list = depth <= PATH_DEPTH_MAX ? fdopendir(fd) : NULL;

    if (list == NULL) {
        close(fd);
        return depth > PATH_DEPTH_MAX ? ELOOP : errno;
    }

    failed = 0;

    while (failed == 0 && (entry = readdir(list)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0
            || strcmp(entry->d_name, "..") == 0
            || fstatat(fd, entry->d_name, &entry_stat, AT_SYMLINK_NOFOLLOW)
               == -1)
        {
            continue;
        }

        if (S_ISDIR(entry_stat.st_mode)) {
            below = openat(fd, entry->d_name,
                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            failed = below == -1 ? errno
                                 : path_give_all(below, from, m, depth + 1);
        }

        if (failed == 0 && entry_stat.st_uid == from
            && fchownat(fd, entry->d_name, m->uid, m->gid,
                        AT_SYMLINK_NOFOLLOW) == -1
            && errno != ENOENT)
        {
            failed = errno;
        }
    }

    closedir(list);

    return failed;
}


/* answered when the wiper ends */

int
path_wipe(const struct mint_keeper_header *h, const char *path)
{
    int  fd;

    fd = path_open(path, 1, 0);

    return fd < 0 ? -fd : path_work(h->serial, fd, path_wipe_all, NULL);
}


static int
path_wipe_all(int fd, const void *ctx)
{
    (void) ctx;

    return path_empty_all(fd);
}


/* in a process of its own, however long it takes; closes fd */

static int
path_work(uint32_t serial, int fd, int (*work)(int fd, const void *ctx),
    const void *ctx)
{
    pid_t   pid;
    size_t  i;

    for (i = 0; i < PATH_WIPERS_MAX && wipers[i].pid != 0; i++) {
        /* void */
    }

    if (i == PATH_WIPERS_MAX) {
        close(fd);
        return EAGAIN;
    }

    pid = spawn_fork();

    if (pid == 0) {
        fd = dup2(fd, MINT_KEEPER_FIRST_FD);
        close_range(MINT_KEEPER_FIRST_FD + 1, ~0U, 0);
        alarm(PATH_WIPE_SEC);

        _exit(work(fd, ctx));
    }

    wipers[i].pid = pid == -1 ? 0 : pid;
    wipers[i].era = supervisor_era;
    wipers[i].serial = serial;
    close(fd);

    return pid == -1 ? errno : -1;
}


int
path_wiped(pid_t pid, int status)
{
    size_t  i;

    for (i = 0; i < PATH_WIPERS_MAX && wipers[i].pid != pid; i++) {
        /* void */
    }

    if (i == PATH_WIPERS_MAX) {
        return 0;
    }

    wipers[i].pid = 0;

    if (wipers[i].era == supervisor_era) {
        supervisor_say(MINT_KEEPER_DONE, wipers[i].serial,
                       WIFEXITED(status) ? WEXITSTATUS(status) : ETIMEDOUT, 0);
    }

    return 1;
}


/* again as long as directories were moved up to here meanwhile */

static int
path_empty_all(int top)
{
    int       failed;
    unsigned  moved, before;

    moved = 0;

    do {
        before = moved;
        failed = path_empty(top, dup(top), 0, &moved);
    } while (moved != before);

    return failed;
}


/* goes on after a failure and returns the last one; closes fd */

static int
path_empty(int top, int fd, int depth, unsigned *moved)
{
    DIR            *list;
    int             one, failed;
    struct dirent  *entry;

    list = fdopendir(fd);

    if (list == NULL) {
        return errno;
    }

    failed = 0;
    rewinddir(list);                        /* dup() shares the position */

    while ((entry = readdir(list)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
        {
            one = path_remove(top, fd, entry->d_name, depth, moved);
            failed = one != 0 ? one : failed;
        }
    }

    closedir(list);

    return failed;
}


static int
path_remove(int top, int fd, const char *name, int depth, unsigned *moved)
{
    int   below, failed;
    char  aside[64];

    if (unlinkat(fd, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }

    if (errno != EISDIR) {
        return errno;
    }

    /* too deep for recursion: up to the top, for the next round */

    if (depth == PATH_DEPTH_MAX) {
        snprintf(aside, sizeof(aside), "wipe-%d-%u", getpid(), *moved);

        if (renameat(fd, name, top, aside) == -1) {
            return errno;
        }

        ++*moved;
        return 0;
    }

    if (!keeper.is_root) {
        (void) !fchmodat(fd, name, 0700, 0);
    }

    below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    failed = below == -1 ? errno : path_empty(top, below, depth + 1, moved);

    return unlinkat(fd, name, AT_REMOVEDIR) == -1 && errno != ENOENT
           ? failed != 0 ? failed : errno : 0;
}


int
path_is_wiper(pid_t pid)
{
    size_t  i;

    for (i = 0; i < PATH_WIPERS_MAX && wipers[i].pid != pid; i++) {
        /* void */
    }

    return i < PATH_WIPERS_MAX;
}
