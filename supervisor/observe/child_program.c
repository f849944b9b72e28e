/* SPDX-License-Identifier: MIT */
/*
 * One child at a time, under a deadline.
 */

#include "child_program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fs.h"


#define CHILD_OUTPUT_MAX  (64 * 1024)


/* in the child; why: where an errno goes if the program cannot be run */

static void
child_program_become(const char *const *argv, int output, int why)
{
    int  fd, number;

    static const char *const  environment[] = {
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/",
        "LANG=C.UTF-8", NULL
    };

    fd = open("/dev/null", O_RDONLY);

    if (fd != -1 && dup2(fd, 0) != -1 && dup2(output, 1) != -1
        && dup2(output, 2) != -1
        && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        && (geteuid() != 0
            || (setgroups(0, NULL) == 0
                && setresgid(CHILD_PROGRAM_UID, CHILD_PROGRAM_UID,
                             CHILD_PROGRAM_UID) == 0
                && setresuid(CHILD_PROGRAM_UID, CHILD_PROGRAM_UID,
                             CHILD_PROGRAM_UID) == 0)))
    {
        execvpe(argv[0], (char *const *) (uintptr_t) argv,
                (char *const *) (uintptr_t) environment);
    }

    number = errno;
    (void) !write(why, &number, sizeof(number));
    _exit(127);
}


/* 0, or the errno */

static int
child_program_start(const char *const *argv, int output, pid_t *pid)
{
    int      number, fds[2];
    ssize_t  n;

    if (pipe2(fds, O_CLOEXEC) == -1) {
        return errno;
    }

    *pid = fork();

    if (*pid == 0) {
        child_program_become(argv, output, fds[1]);
    }

    number = *pid == -1 ? errno : 0;
    close(fds[1]);

    do {
        n = read(fds[0], &number, sizeof(number));
    } while (n == -1 && errno == EINTR);

    close(fds[0]);

    if (n == (ssize_t) sizeof(number) && *pid != -1) {
        (void) waitpid(*pid, NULL, 0);
    }

    return number;
}


/* lines that are whole by now, from *told on */

static void
child_program_tell(const struct strbuf *out, size_t *told,
    child_program_line_fn line, void *ctx)
{
    char        *copy;
    const char  *end;

    while (line != NULL
           && (end = memchr(out->data + *told, '\n', out->len - *told)) != NULL)
    {
        copy = mem_printf("%.*s", (int) (end - out->data - (ptrdiff_t) *told),
                          out->data + *told);
        *told = (size_t) (end - out->data) + 1;
        line(ctx, copy);
        free(copy);
    }
}


/* to its end or to the deadline; false: the deadline */

static bool
child_program_read(int fd, uint64_t deadline_ms, struct strbuf *out,
    child_program_line_fn line, void *ctx)
{
    int            rc;
    char           block[4096];
    size_t         told;
    ssize_t        n;
    uint64_t       now;
    struct pollfd  ready = { .fd = fd, .events = POLLIN };

    told = out->len;

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
            child_program_tell(out, &told, line, ctx);
        }
    }
}


int
child_program_run(const char *const *argv, unsigned timeout_sec,
    struct strbuf *out, struct error *err)
{
    return child_program_follow(argv, timeout_sec, out, NULL, NULL, err);
}


int
child_program_follow(const char *const *argv, unsigned timeout_sec,
    struct strbuf *out, child_program_line_fn line, void *ctx,
    struct error *err)
{
    int    rc, status, fds[2];
    bool   has_ended;
    pid_t  pid;

    if (pipe2(fds, O_CLOEXEC) == -1) {
        return error_set_errno(err, "pipe() failed");
    }

    pid = -1;
    rc = child_program_start(argv, fds[1], &pid);
    close(fds[1]);

    if (rc != 0) {
        close(fds[0]);
        errno = rc;
        return error_set_errno(err, "\"%s\" cannot be run", argv[0]);
    }

    has_ended = child_program_read(fds[0], time_boot_ms()
                                   + timeout_sec * 1000ULL, out, line, ctx);
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
