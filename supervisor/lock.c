/* SPDX-License-Identifier: MIT */
/*
 * One supervisor a directory: a lock on a file in the data directory and one
 * in the run directory, held by the kernel as long as the process lives.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/strbuf.h"
#include "supervisor.h"


#define LOCK_FILE  "supervisor.lock"


/* whoever has it has written its pid there; 0: not known */

static int
supervisor_lock_owner(int fd)
{
    char     text[16];
    ssize_t  n;

    n = pread(fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';

    return atoi(text);
}


/* returns the fd that holds the lock, or a negative error */

static int
supervisor_lock_directory(const char *directory, const char *key,
    struct error *err)
{
    int    fd, rc;
    char  *path, pid[16];

    path = mem_printf("%s/" LOCK_FILE, directory);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

    if (fd == -1) {
        rc = error_set_errno(err, "\"%s\" cannot be opened", path);
        free(path);
        return rc;
    }

    if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
        rc = errno == EWOULDBLOCK
             ? error_set(err, MINT_ERR_CONFLICT, "\"%s\" is in use by another "
                         "mint-supervisor (pid %d): stop that one, or give "
                         "this one a %s of its own", directory,
                         supervisor_lock_owner(fd), key)
             : error_set_errno(err, "\"%s\" cannot be locked", path);
        close(fd);
        free(path);
        return rc;
    }

    /* for the message only: a full disk does not matter */

    snprintf(pid, sizeof(pid), "%d\n", (int) getpid());
    (void) !ftruncate(fd, 0);
    (void) !pwrite(fd, pid, strlen(pid), 0);
    free(path);

    return fd;
}


int
supervisor_lock(struct supervisor *s, struct error *err)
{
    s->data_lock = supervisor_lock_directory(s->config->server.data_path,
                                             "server.dataPath", err);
    if (s->data_lock < 0) {
        return s->data_lock;
    }

    s->run_lock = supervisor_lock_directory(s->config->server.run_directory,
                                            "server.runDirectory", err);

    return s->run_lock < 0 ? s->run_lock : 0;
}
