/* SPDX-License-Identifier: MIT */
/*
 * A file beside the pid file that says what runs, for a keeper that finds
 * neither the last one nor its supervisor.  Only starts are written: a line of
 * one that has died is known by its start time to be no one's.  The mark in
 * the environment is not enough, because some programs (nginx) write over it.
 */

#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


static int record_put(char *text, size_t size, size_t *len, pid_t pid,
    uint64_t start_ticks, uid_t uid);


static char  *record_path;


int
record_open(const char *pid_file)
{
    return asprintf(&record_path, "%s.held", pid_file) == -1 ? ENOMEM : 0;
}


/* what cannot be written is only missed by the next keeper */

void
record_write(void)
{
    int            fd;
    char          *text;
    size_t         size, len;
    struct child  *c;

    if (record_path == NULL) {
        return;
    }

    len = 0;
    size = (keeper.held + 2) * RECORD_LINE_MAX;
    text = malloc(size);
    fd = open(record_path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (text != NULL && fd != -1) {
        if (supervisor_pid != 0) {
            (void) record_put(text, size, &len, supervisor_pid,
                              tree_start_ticks(supervisor_pid),
                              keeper.supervisor.uid);
        }

        for (c = keeper.children; c != NULL; c = c->next) {
            if (!c->is_reaped && !record_put(text, size, &len, c->pid,
                                             c->start_ticks, c->uid))
            {
                break;
            }
        }

        if (pwrite(fd, text, len, 0) == -1 || ftruncate(fd, (off_t) len) == -1)
        {
            keeper_log("warn", "\"%s\" cannot be written: %s", record_path,
                       strerror(errno));
        }
    }

    if (fd != -1) {
        close(fd);
    }

    free(text);
}


static int
record_put(char *text, size_t size, size_t *len, pid_t pid,
    uint64_t start_ticks, uid_t uid)
{
    if (size - *len < RECORD_LINE_MAX) {
        return 0;
    }

    *len += (size_t) snprintf(text + *len, size - *len, "%d %llu %u\n", pid,
                              (unsigned long long) start_ticks, uid);

    return 1;
}


/* returns how many of those written there live */

uint32_t
record_left(int is_to_kill)
{
    int                  fd, pid;
    char                 line[RECORD_LINE_MAX];
    FILE                *file;
    uint32_t             left;
    unsigned             uid;
    unsigned long long   start_ticks;

    left = 0;
    fd = record_path != NULL
         ? open(record_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    file = fd != -1 ? fdopen(fd, "r") : NULL;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%d %llu %u", &pid, &start_ticks, &uid) != 3) {
            continue;
        }

        fd = adopted_open(pid, start_ticks, uid);

        if (fd >= 0) {
            left++;

            if (is_to_kill) {
                (void) tree_kill_below(pid, fd);
            }

            close(fd);
        }
    }

    if (file != NULL) {
        fclose(file);
    }

    return left;
}


void
record_remove(void)
{
    if (record_path != NULL) {
        unlink(record_path);
    }
}
