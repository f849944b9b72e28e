/* SPDX-License-Identifier: MIT */
/*
 * What another user may do with a path, by the mode bits on the way to it.
 * ACLs and security modules are not looked at.
 */

#ifndef SUPERVISOR_OBSERVE_ACCESS_AS_H
#define SUPERVISOR_OBSERVE_ACCESS_AS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>


#define ACCESS_GROUPS_MAX  64

struct access_user {
    uid_t   uid;
    gid_t   group[ACCESS_GROUPS_MAX];
    size_t  groups;
};


/*
 * want: R_OK, W_OK, X_OK as of access(2).  Links are followed.  On false,
 * where (size bytes) is the first place that does not let the user through, or
 * the path with the error as errno if it does not exist.
 */
bool access_as(const struct access_user *user, const char *path, int want,
    char *where, size_t size);

/* of a process; false: there is none */
bool access_user_of(pid_t pid, struct access_user *user);

#endif /* SUPERVISOR_OBSERVE_ACCESS_AS_H */
