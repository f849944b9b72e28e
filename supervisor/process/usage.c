/* SPDX-License-Identifier: MIT */
/*
 * Sums over a tree of processes, as /proc shows it.  Nothing here blocks for
 * longer than reading a few small files for each process takes.
 */

#include "supervisor/process/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


#define USAGE_TEXT_MAX  16384


struct usage_walk {
    int     pid[USAGE_PROCESSES_MAX];
    size_t  count;
};


static void usage_children(struct usage_walk *walk, int pid);
static size_t usage_file(const char *path, char *text, size_t size);


int
usage_read(int pid, struct usage *usage)
{
    char               path[64], text[1024];
    size_t             i;
    struct usage_walk  walk;

    memset(usage, 0, sizeof(*usage));
    walk.pid[0] = pid;
    walk.count = 1;

    for (i = 0; i < walk.count; i++) {
        snprintf(path, sizeof(path), "/proc/%d/stat", walk.pid[i]);
        usage_file(path, text, sizeof(text));

        if (usage_add(usage, text, (uint64_t) sysconf(_SC_PAGESIZE),
                      (uint64_t) sysconf(_SC_CLK_TCK)) == 0)
        {
            usage_children(&walk, walk.pid[i]);

        } else if (i == 0) {
            return -1;
        }
    }

    return 0;
}


int
usage_add(struct usage *usage, const char *stat, uint64_t page_bytes,
    uint64_t ticks_per_sec)
{
    char         state;
    uint64_t     own, kernel, reaped, reaped_kernel, pages;
    uint32_t     threads;
    const char  *at;

    /* the name may hold anything, even ")" */

    at = strrchr(stat, ')');

    if (at == NULL
        || sscanf(at, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64
                  " %" SCNu64 " %" SCNu64 " %" SCNu64 " %*d %*d %" SCNu32
                  " %*d %*u %*u %" SCNu64, &state, &own, &kernel, &reaped,
                  &reaped_kernel, &threads, &pages) != 7
        || state == 'Z' || state == 'X')
    {
        return -1;
    }

    usage->memory_bytes += pages * page_bytes;
    usage->cpu_ms += (own + kernel + reaped + reaped_kernel) * 1000
                     / ticks_per_sec;
    usage->threads += threads;
    usage->processes++;

    return 0;
}


static void
usage_children(struct usage_walk *walk, int pid)
{
    DIR            *tasks;
    char            path[64], text[USAGE_TEXT_MAX], *at, *end;
    long            child;
    struct dirent  *task;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    tasks = opendir(path);

    while (tasks != NULL && (task = readdir(tasks)) != NULL) {
        snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", pid,
                 task->d_name);
        usage_file(path, text, sizeof(text));

        for (at = text; walk->count < USAGE_PROCESSES_MAX; at = end) {
            child = strtol(at, &end, 10);

            /* the last number may have been cut off with the text */

            if (end == at || *end == '\0') {
                break;
            }

            walk->pid[walk->count++] = (int) child;
        }
    }

    if (tasks != NULL) {
        closedir(tasks);
    }
}


uint64_t
usage_oom_kills(const char *group)
{
    char                      path[512], text[1024], *at;
    size_t                    i;
    static const char *const  files[] = {
        "memory.events", "memory.oom_control"
    };

    for (i = 0; *group != '\0' && i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", group, files[i]);
        usage_file(path, text, sizeof(text));
        at = strstr(text, "oom_kill ");

        if (at != NULL) {
            return strtoull(at + strlen("oom_kill "), NULL, 10);
        }
    }

    return 0;
}


/* "" if it cannot be read */

static size_t
usage_file(const char *path, char *text, size_t size)
{
    int      fd;
    size_t   len;
    ssize_t  n;

    len = 0;
    fd = open(path, O_RDONLY | O_CLOEXEC);

    while (fd != -1) {
        n = read(fd, text + len, size - 1 - len);

        if (n <= 0) {
            close(fd);
            break;
        }

        len += (size_t) n;
    }

    text[len] = '\0';

    return len;
}
