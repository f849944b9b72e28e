/* SPDX-License-Identifier: MIT */
/*
 * Which cgroup hierarchies there are and may be written, found out once at the
 * start by trying: a directory of our name is made in each, and of v2 the
 * controllers are asked for.  Nothing of it is needed: what is missing falls
 * back to v1, to resource limits, to none, and the supervisor is told.
 */

#include "keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"


#define CGROUP_NAME_MAX  64


/* what has been read of one hierarchy */
struct hierarchy {
    char  own[PATH_MAX];                    /* the keeper's, "" = not there */
    char  top[PATH_MAX];
};


static void cgroup_step_out(struct hierarchy *h);
static void cgroup_try(enum cgroup_kind kind, const struct hierarchy *h);
static int cgroup_try_below(enum cgroup_kind kind, const char *parent);
static int cgroup_controllers(const char *parent, const char *dir);
static int cgroup_alone(const char *parent);
static int cgroup_has(const char *dir, const char *file, const char *word);
static void cgroup_clear(const char *dir);
static void cgroup_mounts(struct hierarchy *all);
static int cgroup_path_of(enum cgroup_kind kind, char *path);
static enum cgroup_kind cgroup_kind_of(const char *controllers);


char                      *cgroup_root[CGROUP_KINDS];
struct mint_keeper_facts   cgroup_facts;

static const char  *cgroup_name;
static char         cgroup_why[PATH_MAX + 64] = "not asked for";
static char         cgroup_aside[PATH_MAX];     /* where the keeper moved to */

static const char *const  cgroup_v1_controller[CGROUP_KINDS] = {
    [CGROUP_V2] = "", [CGROUP_V1_MEMORY] = "memory",
    [CGROUP_V1_PIDS] = "pids", [CGROUP_V1_CPU] = "cpu"
};

static const char *const  cgroup_v2_controllers[] = { "memory", "pids", "cpu" };


int
cgroup_set_name(const char *name)
{
    size_t  len;

    len = strlen(name);

    if (len == 0 || len > CGROUP_NAME_MAX || name[0] == '.'
        || strchr(name, '/') != NULL)
    {
        return EINVAL;
    }

    cgroup_name = name;

    return 0;
}


void
cgroup_find(void)
{
    enum cgroup_kind         kind;
    static struct hierarchy  all[CGROUP_KINDS];

    cgroup_facts.tree = MINT_MEANS_WALK;
    cgroup_facts.memory = MINT_MEANS_RLIMIT;
    cgroup_facts.pids = keeper.is_root ? MINT_MEANS_RLIMIT : MINT_MEANS_NONE;

    if (cgroup_name == NULL) {
        return;
    }

    strcpy(cgroup_why, "no cgroup file system is mounted");
    cgroup_mounts(all);

    for (kind = 0; kind < CGROUP_KINDS; kind++) {
        cgroup_step_out(&all[kind]);
        cgroup_try(kind, &all[kind]);
    }

    if (cgroup_root[CGROUP_V1_PIDS] != NULL) {
        cgroup_facts.tree = MINT_MEANS_CGROUP1;
        cgroup_facts.pids = MINT_MEANS_CGROUP1;
    }

    if (cgroup_root[CGROUP_V1_MEMORY] != NULL) {
        cgroup_facts.memory = MINT_MEANS_CGROUP1;
    }

    if (cgroup_root[CGROUP_V1_CPU] != NULL) {
        cgroup_facts.cpu = MINT_MEANS_CGROUP1;
    }

    if (cgroup_root[CGROUP_V2] == NULL) {
        return;
    }

    cgroup_facts.tree = MINT_MEANS_CGROUP2;

    if (cgroup_has(cgroup_root[CGROUP_V2], "cgroup.subtree_control",
                   "memory"))
    {
        cgroup_facts.memory = MINT_MEANS_CGROUP2;
    }

    if (cgroup_has(cgroup_root[CGROUP_V2], "cgroup.subtree_control", "pids")) {
        cgroup_facts.pids = MINT_MEANS_CGROUP2;
    }

    if (cgroup_has(cgroup_root[CGROUP_V2], "cgroup.subtree_control", "cpu")) {
        cgroup_facts.cpu = MINT_MEANS_CGROUP2;
    }
}


/* where an earlier keeper has moved to, or systemd has put us
   (DelegateSubgroup=): ours is the one around it */

static void
cgroup_step_out(struct hierarchy *h)
{
    char    name[CGROUP_NAME_MAX + 16];
    size_t  len, at;

    len = (size_t) snprintf(name, sizeof(name), "/%s-keeper", cgroup_name);
    at = strlen(h->own);

    if (at > len && strcmp(h->own + at - len, name) == 0) {
        h->own[at - len] = '\0';
    }
}


/* below the own one first: whoever limits the keeper limits all of it */

static void
cgroup_try(enum cgroup_kind kind, const struct hierarchy *h)
{
    int    good;
    char  *first;

    if (h->top[0] == '\0') {
        return;
    }

    good = h->own[0] != '\0' ? cgroup_try_below(kind, h->own) : 0;

    if (good == 2 || strcmp(h->own, h->top) == 0) {
        return;
    }

    /* perhaps there are more controllers at the top */

    first = cgroup_root[kind];
    cgroup_root[kind] = NULL;

    if (cgroup_try_below(kind, h->top) <= good) {
        if (cgroup_root[kind] != NULL) {
            rmdir(cgroup_root[kind]);
            free(cgroup_root[kind]);
        }

        cgroup_root[kind] = first;

    } else if (first != NULL) {
        rmdir(first);
        free(first);
    }
}


/* 0: not writable, 1: only to find processes in, 2: with controllers */

static int
cgroup_try_below(enum cgroup_kind kind, const char *parent)
{
    char  *dir;

    if (asprintf(&dir, "%s/%s", parent, cgroup_name) == -1) {
        return 0;
    }

    if ((mkdir(dir, 0755) == -1 && errno != EEXIST)
        || access(dir, W_OK) == -1)
    {
        snprintf(cgroup_why, sizeof(cgroup_why), "mkdir(\"%s\") failed: %s",
                 dir, strerror(errno));
        free(dir);
        return 0;
    }

    cgroup_clear(dir);
    cgroup_root[kind] = dir;

    return kind != CGROUP_V2 || cgroup_controllers(parent, dir) ? 2 : 1;
}


/*
 * Controllers are passed on only by a cgroup without processes of its own,
 * the top apart: if only the keeper is there it moves aside.  Returns whether
 * memory and pids were passed on.
 */

static int
cgroup_controllers(const char *parent, const char *dir)
{
    int     fd;
    char    word[32];
    size_t  i, k, len;

    for (i = 0; i < 2; i++) {
        for (k = 0; k < 3; k++) {
            len = (size_t) snprintf(word, sizeof(word), "+%s",
                                    cgroup_v2_controllers[k]);
            fd = cgroup_open(i == 0 ? parent : dir, "cgroup.subtree_control",
                             O_WRONLY);

            if (fd == -1) {
                break;
            }

            if (write(fd, word, len) == -1 && errno == EBUSY && i == 0
                && cgroup_alone(parent))
            {
                (void) !write(fd, word, len);
            }

            close(fd);
        }
    }

    return cgroup_has(dir, "cgroup.subtree_control", "memory")
           && cgroup_has(dir, "cgroup.subtree_control", "pids");
}


static int
cgroup_alone(const char *parent)
{
    int      fd, is_moved;
    char     text[64], own[32];
    ssize_t  n;

    fd = cgroup_open(parent, "cgroup.procs", O_RDONLY);
    n = fd != -1 ? read(fd, text, sizeof(text) - 1) : -1;
    text[n > 0 ? n : 0] = '\0';
    snprintf(own, sizeof(own), "%d\n", getpid());

    if (fd != -1) {
        close(fd);
    }

    if (strcmp(text, own) != 0
        || snprintf(cgroup_aside, sizeof(cgroup_aside), "%s/%s-keeper",
                    parent, cgroup_name) >= PATH_MAX
        || (mkdir(cgroup_aside, 0755) == -1 && errno != EEXIST))
    {
        return 0;
    }

    fd = cgroup_open(cgroup_aside, "cgroup.procs", O_WRONLY);
    is_moved = fd != -1 && write(fd, "0", 1) == 1;

    if (fd != -1) {
        close(fd);
    }

    return is_moved;
}


/* whether a file has the word among others */

static int
cgroup_has(const char *dir, const char *file, const char *word)
{
    int      fd;
    char     text[512], *at, *rest;
    ssize_t  n;

    fd = cgroup_open(dir, file, O_RDONLY);
    n = fd != -1 ? read(fd, text, sizeof(text) - 1) : -1;
    text[n > 0 ? n : 0] = '\0';

    if (fd != -1) {
        close(fd);
    }

    for (at = strtok_r(text, " \n", &rest); at != NULL;
         at = strtok_r(NULL, " \n", &rest))
    {
        if (strcmp(at, word) == 0) {
            return 1;
        }
    }

    return 0;
}


/* empty ones of a keeper that was killed; what has processes is not ours */

static void
cgroup_clear(const char *dir)
{
    int             fd;
    DIR            *entries;
    struct dirent  *entry;

    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    entries = fd != -1 ? fdopendir(fd) : NULL;

    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
            (void) unlinkat(fd, entry->d_name, AT_REMOVEDIR);
        }
    }

    if (entries != NULL) {
        closedir(entries);

    } else if (fd != -1) {
        close(fd);
    }
}


/* "36 25 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory" */

static void
cgroup_mounts(struct hierarchy *all)
{
    FILE              *file;
    char              *line, root[PATH_MAX], point[PATH_MAX], type[32],
                       options[512], path[PATH_MAX];
    size_t             size, len;
    const char        *dash, *rest;
    enum cgroup_kind   kind;

    line = NULL;
    size = 0;
    file = fopen("/proc/self/mountinfo", "re");

    while (file != NULL && getline(&line, &size, file) > 0) {
        dash = strstr(line, " - ");

        if (dash == NULL
            || sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) != 2
            || sscanf(dash, " - %31s %*s %511s", type, options) != 2)
        {
            continue;
        }

        kind = strcmp(type, "cgroup2") == 0 ? CGROUP_V2
               : strcmp(type, "cgroup") == 0 ? cgroup_kind_of(options)
               : CGROUP_KINDS;

        if (kind == CGROUP_KINDS || all[kind].top[0] != '\0') {
            continue;
        }

        snprintf(all[kind].top, PATH_MAX, "%s", point);

        if (!cgroup_path_of(kind, path)) {
            continue;
        }

        /* in a container only a part of the hierarchy is mounted */

        len = strcmp(root, "/") == 0 ? 0 : strlen(root);
        rest = strncmp(path, root, len) == 0 ? path + len : "";
        rest = strcmp(rest, "/") == 0 ? "" : rest;

        if (snprintf(all[kind].own, PATH_MAX, "%s%s", point, rest)
            >= PATH_MAX)
        {
            all[kind].own[0] = '\0';
        }
    }

    free(line);

    if (file != NULL) {
        fclose(file);
    }
}


/* "4:memory:/some/where", of v2 "0::/some/where" */

static int
cgroup_path_of(enum cgroup_kind kind, char *path)
{
    int      found;
    FILE    *file;
    char    *line, *controllers, *rest;
    size_t   size;

    found = 0;
    line = NULL;
    size = 0;
    file = fopen("/proc/self/cgroup", "re");

    while (file != NULL && !found && getline(&line, &size, file) > 0) {
        controllers = strchr(line, ':');
        rest = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

        if (rest == NULL) {
            continue;
        }

        *rest++ = '\0';
        rest[strcspn(rest, "\n")] = '\0';
        found = (controllers[1] == '\0' ? CGROUP_V2
                 : cgroup_kind_of(controllers + 1)) == kind
                && snprintf(path, PATH_MAX, "%s", rest) < PATH_MAX;
    }

    free(line);

    if (file != NULL) {
        fclose(file);
    }

    return found;
}


/* of v1, by the first of its controllers that is of use */

static enum cgroup_kind
cgroup_kind_of(const char *controllers)
{
    char              *copy, *at, *rest;
    enum cgroup_kind   kind, found;

    found = CGROUP_KINDS;
    copy = strdup(controllers);

    for (at = copy != NULL ? strtok_r(copy, ",", &rest) : NULL; at != NULL;
         at = strtok_r(NULL, ",", &rest))
    {
        for (kind = CGROUP_V1_MEMORY; kind < CGROUP_KINDS; kind++) {
            if (strcmp(at, cgroup_v1_controller[kind]) == 0) {
                found = kind;
            }
        }
    }

    free(copy);

    return found;
}


const char *
cgroup_where(void)
{
    enum cgroup_kind  kind;

    for (kind = 0; kind < CGROUP_KINDS; kind++) {
        if (cgroup_root[kind] != NULL) {
            return cgroup_root[kind];
        }
    }

    return cgroup_why;
}


void
cgroup_leave(void)
{
    enum cgroup_kind  kind;

    for (kind = 0; kind < CGROUP_KINDS; kind++) {
        if (cgroup_root[kind] != NULL) {
            cgroup_clear(cgroup_root[kind]);
            rmdir(cgroup_root[kind]);
            free(cgroup_root[kind]);
            cgroup_root[kind] = NULL;
        }
    }
}
