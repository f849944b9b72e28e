/* SPDX-License-Identifier: MIT */
/*
 * nginx's workers run as another user and may neither make nor rename files:
 * the supervisor does both, and the workers' group may write.
 */

#include "access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "log_file.h"


char *
access_log_path(const char *data_path)
{
    return mem_printf("%s/edge/access.log", data_path);
}


static int
access_log_own(const char *path, gid_t gid, mode_t mode, struct error *err)
{
    struct stat  st;

    if (stat(path, &st) == -1) {
        return error_set_errno(err, "stat(\"%s\") failed", path);
    }

    /* not ours (run by another user before): left as it is */

    if (st.st_uid != geteuid()) {
        return 0;
    }

    if ((gid != (gid_t) -1 && st.st_gid != gid
         && chown(path, (uid_t) -1, gid) == -1)
        || ((st.st_mode & 07777) != mode && chmod(path, mode) == -1))
    {
        return error_set_errno(err, "\"%s\" cannot be given to nginx", path);
    }

    return 0;
}


int
access_log_prepare(const char *path, gid_t edge_gid, struct error *err)
{
    int    fd, rc;
    char  *directory;

    directory = mem_strdup(path);
    *strrchr(directory, '/') = '\0';

    rc = fs_mkdir_all(directory, 0750, err);

    if (rc == 0) {
        rc = access_log_own(directory, edge_gid, 0750, err);
    }

    free(directory);

    if (rc != 0) {
        return rc;
    }

    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW
              | O_NONBLOCK, 0660);
    if (fd == -1) {
        return error_set_errno(err, "open(\"%s\") failed", path);
    }

    close(fd);

    return access_log_own(path, edge_gid, 0660, err);
}


bool
access_log_rotate(const char *path, gid_t edge_gid)
{
    int           i;
    char          from[PATH_MAX], to[PATH_MAX];
    struct stat   st;
    struct error  err;

    if (stat(path, &st) == -1 || st.st_size <= LOG_FILE_MAX) {
        return false;
    }

    for (i = LOG_FILE_KEPT - 1; i >= 0; i--) {
        snprintf(from, sizeof(from), "%s.%d", path, i);

        if (i == 0) {
            snprintf(from, sizeof(from), "%s", path);
        }

        snprintf(to, sizeof(to), "%s.%d", path, i + 1);

        if (rename(from, to) == -1 && errno != ENOENT) {
            log_warn("rename(\"%s\") failed: %s", from, strerror(errno));
        }
    }

    if (access_log_prepare(path, edge_gid, &err) != 0) {
        log_warn("%s; requests are logged in the old file", err.text);

        if (rename(to, path) == -1) {
            log_warn("rename(\"%s\") failed: %s", to, strerror(errno));
        }

        return false;
    }

    return true;
}
