/* SPDX-License-Identifier: MIT */
/*
 * One cgroup for each child, in every hierarchy that is writable: v2 where it
 * has the controller, else v1.  Below the keeper's own cgroup, or, where that
 * has no controllers to give, below the top as container engines do it.  What
 * there is was found out once, at the start (cgroup_find.c).
 */

#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"


#define CGROUP_PERIOD_US  100000
#define CGROUP_PIDS_READ  65536             /* bytes of cgroup.procs a time */


static int cgroup_needs(enum cgroup_kind kind, const struct cgroup_limits *l);
static void cgroup_limit(const struct cgroup *g,
    const struct cgroup_limits *l);
static int cgroup_put(const char *dir, const char *file, const char *format,
    ...) __attribute__((format(printf, 3, 4)));


/* "plugin/peak-table/0a/3/note" -> "plugin-peak-table-0a-3-note.17" */

void
cgroup_make(struct cgroup *g, const char *label, uint32_t id,
    const struct cgroup_limits *l)
{
    char         name[80], *at;
    const char  *allowed =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    enum cgroup_kind  kind;

    snprintf(name, sizeof(name), "%.60s", label);

    for (at = name; *at != '\0'; at++) {
        *at = strchr(allowed, *at) != NULL ? *at : '-';
    }

    snprintf(at, sizeof(name) - (size_t) (at - name), ".%u", id);

    for (kind = 0; kind < CGROUP_KINDS; kind++) {
        if (cgroup_root[kind] == NULL || !cgroup_needs(kind, l)) {
            continue;
        }

        if (asprintf(&g->dir[kind], "%s/%s", cgroup_root[kind], name) == -1) {
            g->dir[kind] = NULL;
            continue;
        }

        /* what a killed keeper left may be in the way, empty as a rule */

        if (mkdir(g->dir[kind], 0755) == -1
            && (errno != EEXIST || rmdir(g->dir[kind]) == -1
                || mkdir(g->dir[kind], 0755) == -1))
        {
            keeper_log("warn", "mkdir(\"%s\") failed: %s", g->dir[kind],
                       strerror(errno));
            free(g->dir[kind]);
            g->dir[kind] = NULL;
        }
    }

    cgroup_limit(g, l);
}


/* v1 groups cost the kernel more: only those that limit something */

static int
cgroup_needs(enum cgroup_kind kind, const struct cgroup_limits *l)
{
    switch (kind) {

    case CGROUP_V1_MEMORY:
        return l->memory_bytes != 0
               && cgroup_facts.memory == MINT_MEANS_CGROUP1;

    case CGROUP_V1_PIDS:
        return cgroup_root[CGROUP_V2] == NULL
               || (l->pids != 0 && cgroup_facts.pids == MINT_MEANS_CGROUP1);

    case CGROUP_V1_CPU:
        return l->cpu_percent != 0
               && cgroup_facts.cpu == MINT_MEANS_CGROUP1;

    default:
        return 1;
    }
}


static void
cgroup_limit(const struct cgroup *g, const struct cgroup_limits *l)
{
    int                 v2;
    const char         *dir;
    unsigned long long  bytes;

    bytes = l->memory_bytes;
    v2 = cgroup_facts.memory == MINT_MEANS_CGROUP2;
    dir = g->dir[v2 ? CGROUP_V2 : CGROUP_V1_MEMORY];

    if (bytes != 0 && dir != NULL) {
        cgroup_put(dir, v2 ? "memory.max" : "memory.limit_in_bytes", "%llu",
                   bytes);

        /* swapped out it would be slow instead of ended; may not exist */

        (void) (v2 ? cgroup_put(dir, "memory.swap.max", "0")
                : cgroup_put(dir, "memory.memsw.limit_in_bytes", "%llu",
                             bytes));
    }

    v2 = cgroup_facts.pids == MINT_MEANS_CGROUP2;
    dir = g->dir[v2 ? CGROUP_V2 : CGROUP_V1_PIDS];

    if (l->pids != 0 && dir != NULL) {
        cgroup_put(dir, "pids.max", "%u", l->pids);
    }

    v2 = cgroup_facts.cpu == MINT_MEANS_CGROUP2;
    dir = g->dir[v2 ? CGROUP_V2 : CGROUP_V1_CPU];

    if (l->cpu_percent != 0 && dir != NULL) {
        (void) (v2 ? cgroup_put(dir, "cpu.max", "%u %d", l->cpu_percent
                                * (CGROUP_PERIOD_US / 100), CGROUP_PERIOD_US)
                : cgroup_put(dir, "cpu.cfs_quota_us", "%u", l->cpu_percent
                             * (CGROUP_PERIOD_US / 100)));
    }
}


/* a process places itself: between fork and exec, with the keeper's rights */

int
cgroup_enter(const struct cgroup *g)
{
    return cgroup_place(g, 0);
}


int
cgroup_place(const struct cgroup *g, pid_t pid)
{
    int               failed;
    enum cgroup_kind  kind;

    for (kind = 0; kind < CGROUP_KINDS; kind++) {
        failed = g->dir[kind] == NULL ? 0
                 : cgroup_put(g->dir[kind], "cgroup.procs", "%d", pid);

        if (failed != 0) {
            return failed;
        }
    }

    return 0;
}


/* returns how many are left in it; no more can be made meanwhile */

uint32_t
cgroup_kill(const struct cgroup *g)
{
    int          fd;
    char        *at, *end;
    long         pid;
    size_t       len;
    ssize_t      n;
    uint32_t     found;
    const char  *dir;
    static char  text[CGROUP_PIDS_READ];

    dir = cgroup_members(g);
    fd = dir != NULL ? cgroup_open(dir, "cgroup.procs", O_RDONLY) : -1;

    if (fd == -1) {
        return 0;
    }

    for (len = 0; len < sizeof(text) - 1; len += (size_t) n) {
        n = read(fd, text + len, sizeof(text) - 1 - len);

        if (n <= 0) {
            break;
        }
    }

    close(fd);
    text[len] = '\0';

    if (len == 0) {
        return 0;
    }

    (void) cgroup_put(dir, "pids.max", "0");

    /* one write, and not even a fork under way gets out */

    if (dir == g->dir[CGROUP_V2] && cgroup_put(dir, "cgroup.kill", "1") == 0)
    {
        dir = NULL;
    }

    for (found = 0, at = text; ; at = end) {
        pid = strtol(at, &end, 10);

        if (end == at) {
            return found;
        }

        found++;

        if (dir != NULL && pid > 1) {
            kill((pid_t) pid, SIGKILL);
        }
    }
}


/* where its processes are listed, NULL if nowhere */

const char *
cgroup_members(const struct cgroup *g)
{
    return g->dir[CGROUP_V2] != NULL ? g->dir[CGROUP_V2]
                                     : g->dir[CGROUP_V1_PIDS];
}


/* "" if its memory is not accounted */

const char *
cgroup_memory(const struct cgroup *g)
{
    const char  *dir;

    dir = g->dir[cgroup_facts.memory == MINT_MEANS_CGROUP2
                 ? CGROUP_V2 : CGROUP_V1_MEMORY];

    return dir != NULL ? dir : "";
}


/* "oom_kill N" is a line of both versions' files */

uint32_t
cgroup_oom_kills(const struct cgroup *g)
{
    int          fd;
    char         text[512], *at;
    ssize_t      n;
    const char  *dir;

    dir = cgroup_memory(g);

    if (*dir == '\0') {
        return 0;
    }

    fd = cgroup_open(dir, cgroup_facts.memory == MINT_MEANS_CGROUP2
                     ? "memory.events" : "memory.oom_control", O_RDONLY);
    n = fd != -1 ? read(fd, text, sizeof(text) - 1) : -1;
    text[n > 0 ? n : 0] = '\0';

    if (fd != -1) {
        close(fd);
    }

    at = strstr(text, "oom_kill ");

    return at != NULL ? (uint32_t) strtoul(at + 9, NULL, 10) : 0;
}


/* what does not go away (a process that cannot die) stays, and is said */

void
cgroup_remove(struct cgroup *g)
{
    enum cgroup_kind  kind;

    for (kind = 0; kind < CGROUP_KINDS; kind++) {
        if (g->dir[kind] != NULL && rmdir(g->dir[kind]) == -1
            && errno != ENOENT)
        {
            keeper_log("warn", "rmdir(\"%s\") failed: %s", g->dir[kind],
                       strerror(errno));
        }

        free(g->dir[kind]);
        g->dir[kind] = NULL;
    }
}


int
cgroup_open(const char *dir, const char *file, int mode)
{
    char  path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }

    return open(path, mode | O_CLOEXEC);
}


static int
cgroup_put(const char *dir, const char *file, const char *format, ...)
{
    int      fd, len, failed;
    char     text[64];
    va_list  args;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    fd = cgroup_open(dir, file, O_WRONLY);

    if (fd == -1) {
        return errno;
    }

    failed = write(fd, text, (size_t) len) == -1 ? errno : 0;
    close(fd);

    return failed;
}
