/* SPDX-License-Identifier: MIT */
/*
 * One child at a time, under a deadline.
 */

#include "child_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fs.h"


#define CHILD_OUTPUT_MAX  (64 * 1024)


static int
child_program_start(const char *const *argv, int output, pid_t *pid)
{
    int                         rc;
    posix_spawn_file_actions_t  actions;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_adddup2(&actions, output, 2);

    rc = posix_spawnp(pid, argv[0], &actions, NULL,
                      (char *const *) (uintptr_t) argv, environ);
    posix_spawn_file_actions_destroy(&actions);

    return rc;
}


/* to its end or to the deadline; false: the deadline */

static bool
child_program_read(int fd, uint64_t deadline_ms, struct strbuf *out)
{
    int            rc;
    char           block[4096];
    ssize_t        n;
    uint64_t       now;
    struct pollfd  ready = { .fd = fd, .events = POLLIN };

    for ( ;; ) {
        now = time_boot_ms();

        if (now >= deadline_ms) {
            return false;
        }

        rc = poll(&ready, 1, (int) (deadline_ms - now));

        if (rc <= 0) {
            continue;
        }

        n = read(fd, block, sizeof(block));

        if (n <= 0 && !(n == -1 && errno == EINTR)) {
            return true;
        }

        if (n > 0 && out->len + (size_t) n <= CHILD_OUTPUT_MAX) {
            strbuf_append(out, block, (size_t) n);
        }
    }
}


int
child_program_run(const char *const *argv, unsigned timeout_sec,
    struct strbuf *out, struct error *err)
{
    int    rc, status, fds[2];
    bool   has_ended;
    pid_t  pid;

    if (pipe2(fds, O_CLOEXEC) == -1) {
        return error_set_errno(err, "pipe() failed");
    }

    rc = child_program_start(argv, fds[1], &pid);
    close(fds[1]);

    if (rc != 0) {
        close(fds[0]);
        errno = rc;
        return error_set_errno(err, "\"%s\" cannot be run", argv[0]);
    }

    has_ended = child_program_read(fds[0], time_boot_ms()
                                   + timeout_sec * 1000ULL, out);
    close(fds[0]);

    if (!has_ended) {
        kill(pid, SIGKILL);
    }

    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {
        /* again */
    }

    if (!has_ended) {
        return error_set(err, MINT_ERR_TIMEOUT, "\"%s\" did not end in %u s",
                         argv[0], timeout_sec);
    }

    if (!WIFEXITED(status)) {
        return error_set(err, MINT_ERR_SYSTEM, "\"%s\" was killed by signal "
                         "%d", argv[0], WTERMSIG(status));
    }

    return WEXITSTATUS(status);
}
