/* SPDX-License-Identifier: MIT */
/*
 * Walks a path from / with another user's eyes.
 */

#include "access_as.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"


static bool
access_by_mode(const struct access_user *user, const struct stat *st,
    unsigned want)
{
    size_t    i;
    unsigned  bits;

    if (user->uid == 0) {
        return true;
    }

    bits = st->st_mode & 7;

    for (i = 0; i < user->groups; i++) {
        if (user->group[i] == st->st_gid) {
            bits = (st->st_mode >> 3) & 7;
        }
    }

    if (user->uid == st->st_uid) {
        bits = (st->st_mode >> 6) & 7;
    }

    return (bits & want) == want;
}


bool
access_as(const struct access_user *user, const char *path, int want,
    char *where, size_t size)
{
    char         real[PATH_MAX], *slash;
    struct stat  st;

    snprintf(where, size, "%s", path);

    if (realpath(path, real) == NULL || stat(real, &st) == -1) {
        return false;
    }

    snprintf(where, size, "%s", real);

    if (!access_by_mode(user, &st, (unsigned) want)) {
        errno = EACCES;
        return false;
    }

    /* from the end to the beginning: the last one that is found is the first
       one on the way */

    errno = 0;

    for (slash = strrchr(real, '/'); slash != NULL;
         slash = strrchr(real, '/'))
    {
        slash[slash == real] = '\0';

        if (stat(real, &st) == -1 || !access_by_mode(user, &st, X_OK)) {
            snprintf(where, size, "%s", real);
            errno = EACCES;
        }

        if (slash == real) {
            break;
        }
    }

    return errno == 0;
}


bool
access_user_of(pid_t pid, struct access_user *user)
{
    int            n;
    char           path[64], *p;
    unsigned       id;
    struct strbuf  text = { 0 };

    memset(user, 0, sizeof(*user));
    snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);

    if (fs_read(path, 65536, &text, NULL) != 0) {
        return false;
    }

    /* "Uid: real effective saved filesystem" */

    p = strstr(strbuf_text(&text), "\nUid:");
    if (p == NULL || sscanf(p + 5, "%*u %u", &id) != 1) {
        strbuf_free(&text);
        return false;
    }

    user->uid = (uid_t) id;

    p = strstr(strbuf_text(&text), "\nGid:");
    if (p != NULL && sscanf(p + 5, "%*u %u", &id) == 1) {
        user->group[user->groups++] = (gid_t) id;
    }

    p = strstr(strbuf_text(&text), "\nGroups:");
    p = p != NULL ? p + 8 : NULL;

    while (p != NULL && user->groups < ACCESS_GROUPS_MAX
           && sscanf(p, "%*[ \t]%u%n", &id, &n) == 1)
    {
        user->group[user->groups++] = (gid_t) id;
        p += n;
    }

    strbuf_free(&text);

    return true;
}
