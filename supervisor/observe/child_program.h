/* SPDX-License-Identifier: MIT */
/*
 * Runs a program and takes what it prints; for mintctl, which may block.
 */

#ifndef SUPERVISOR_OBSERVE_CHILD_PROGRAM_H
#define SUPERVISOR_OBSERVE_CHILD_PROGRAM_H

#include "lib/error.h"
#include "lib/strbuf.h"


/*
 * As root it runs as nobody, with nothing of our environment: which program it
 * is is said by others (configuration, supervisor) that are not root.
 *
 * argv[0] is a path or looked for on PATH; stdin is /dev/null, stdout and
 * stderr go to out (at most 64 KiB).  Returns the exit status (0-255), or a
 * negative enum mint_err: not started, killed, not ended in time.
 */
#define CHILD_PROGRAM_UID  65534            /* nobody; as root only */

int child_program_run(const char *const *argv, unsigned timeout_sec,
    struct strbuf *out, struct error *err);

/* the same; line is also told each whole line when it comes, without its end */
typedef void (*child_program_line_fn)(void *ctx, const char *line);

int child_program_follow(const char *const *argv, unsigned timeout_sec,
    struct strbuf *out, child_program_line_fn line, void *ctx,
    struct error *err);

#endif /* SUPERVISOR_OBSERVE_CHILD_PROGRAM_H */
