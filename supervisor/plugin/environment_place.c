/* SPDX-License-Identifier: MIT */
/*
 * The place of an environment: under which name it lies, whether one with that
 * name can be used as it is, and how a new one gets there.
 */

#include "supervisor/plugin/environment_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/environment_key.h"


static bool environment_is_usable(const struct environment_build *build);
static int environment_save_lock(struct environment_build *build,
    struct error *err);
static int environment_save_marker(struct environment_build *build,
    struct error *err);
static int environment_exchange(struct environment_build *build,
    struct error *err);
static void environment_flush_names(const struct environment_build *build);


int
environment_choose(struct environment_build *build,
    const struct command_result *result, struct error *err)
{
    int            rc;
    char           random[9], key[ENVIRONMENT_KEY_LENGTH + 1];
    struct strbuf  lock;

    (void) result;

    memset(&lock, 0, sizeof(lock));
    rc = fs_read(build->lock, ENVIRONMENT_LOCK_MAX, &lock, err);

    if (rc == 0) {
        rc = environment_key(strbuf_text(&lock), build->interpreter,
                             build->uv, key, err);
    }

    strbuf_free(&lock);

    if (rc != 0) {
        return rc;
    }

    /* what is left of an earlier try may be removed at this moment */

    fs_random_hex(random, 4);
    build->directory = mem_printf("%s/%s-%s", build->tools->environments,
                                  build->name, key);
    build->temporary = mem_printf("%s/%s%s-%s-%s",
                                  build->tools->environments,
                                  ENVIRONMENT_TEMPORARY, build->name, key,
                                  random);

    if (!build->anew && environment_is_usable(build)) {
        build->place = ENVIRONMENT_REUSED;
    }

    return 0;
}


/* whole, as far as its marker says, and of the interpreter we would take */

static bool
environment_is_usable(const struct environment_build *build)
{
    bool         is_usable;
    json_t      *marker;
    const char  *python;

    if (environment_read(build->directory, &marker, NULL) != 0) {
        return false;
    }

    python = json_string_value(json_object_get(marker, "python"));
    is_usable = python != NULL
                && strcmp(python,
                          build->tools->config->environments.python) == 0
                && environment_has_all(json_object_get(marker, "plugins"),
                                       build->plugins);
    json_decref(marker);

    return is_usable;
}


/* the marker is the last thing written: with it the directory is complete */

int
environment_put(struct environment_build *build,
    const struct command_result *result, struct error *err)
{
    int  rc;

    (void) result;

    rc = environment_save_lock(build, err);

    if (rc == 0) {
        rc = environment_save_marker(build, err);
    }

    if (rc != 0) {
        return rc;
    }

    if (renameat2(AT_FDCWD, build->temporary, AT_FDCWD, build->directory,
                  RENAME_NOREPLACE) == 0)
    {
        build->place = ENVIRONMENT_PLACED;

    } else if (fs_exists(build->directory)) {
        rc = environment_exchange(build, err);

        if (rc == 0) {
            build->place = ENVIRONMENT_EXCHANGED;
        }

    } else {
        rc = error_set_errno(err, "rename(\"%s\", \"%s\") failed",
                             build->temporary, build->directory);
    }

    environment_flush_names(build);

    return rc;
}


void
environment_take_away(struct environment_build *build)
{
    struct error  err;

    if (build->temporary == NULL || build->place == ENVIRONMENT_REUSED) {
        return;
    }

    err.code = 0;

    if (build->place == ENVIRONMENT_EXCHANGED) {
        (void) environment_exchange(build, &err);

    } else if (build->place == ENVIRONMENT_PLACED
               && rename(build->directory, build->temporary) == -1)
    {
        error_set_errno(&err, "rename(\"%s\", \"%s\") failed",
                        build->directory, build->temporary);
    }

    if (err.code != 0) {
        log_warn("\"%s\" is left behind: %s", build->directory, err.text);
    }

    build->place = ENVIRONMENT_ASIDE;
    cleanup_remove(build->tools->cleanup, build->temporary);
}


/*
 * Who runs in the one that was there finds the same files under the same
 * names, so this is done without waiting for them.  At once where the file
 * system can do that.
 */

static int
environment_exchange(struct environment_build *build, struct error *err)
{
    int    rc;
    char  *aside;

    if (renameat2(AT_FDCWD, build->temporary, AT_FDCWD, build->directory,
                  RENAME_EXCHANGE) == 0)
    {
        return 0;
    }

    rc = 0;
    aside = mem_printf("%s.old", build->temporary);

    if (rename(build->directory, aside) == -1
        || rename(build->temporary, build->directory) == -1
        || rename(aside, build->temporary) == -1)
    {
        rc = error_set_errno(err, "\"%s\" cannot be replaced by \"%s\"",
                             build->directory, build->temporary);
    }

    free(aside);

    return rc;
}


/* without it a power cut may take a name away: built again then */

static void
environment_flush_names(const struct environment_build *build)
{
    int  fd;

    fd = open(build->tools->environments, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1) {
        return;
    }

    if (fsync(fd) == -1) {
        log_warn("fsync(\"%s\") failed: %s", build->tools->environments,
                 strerror(errno));
    }

    close(fd);
}


/* and a second copy outside: to build it again if the directory is lost */

static int
environment_save_lock(struct environment_build *build, struct error *err)
{
    int            rc;
    char           path[PATH_MAX];
    struct strbuf  lock;

    memset(&lock, 0, sizeof(lock));
    rc = fs_read(build->lock, ENVIRONMENT_LOCK_MAX, &lock, err);

    if (rc == 0) {
        snprintf(path, sizeof(path), "%s/%s", build->temporary,
                 ENVIRONMENT_LOCK);
        rc = fs_write_atomic(path, strbuf_text(&lock), lock.len, 0644, err);
    }

    if (rc == 0) {
        snprintf(path, sizeof(path), "%s/%s.txt", build->tools->locks,
                 strrchr(build->directory, '/') + 1);
        rc = fs_write_atomic(path, strbuf_text(&lock), lock.len, 0600, err);
    }

    strbuf_free(&lock);

    return rc;
}


static int
environment_save_marker(struct environment_build *build, struct error *err)
{
    int      rc;
    char     path[PATH_MAX], now[32], hex[65], *text;
    json_t  *marker;

    rc = fs_sha256(build->lock, hex, err);

    if (rc != 0) {
        return rc;
    }

    time_rfc3339(time_unix_ms(), now);

    marker = json_pack("{s:s, s:s, s:s, s:s, s:s, s:O, s:O, s:O*}",
                       "created", now, "lock_sha256", hex, "python",
                       build->tools->config->environments.python,
                       "interpreter", build->interpreter, "uv", build->uv,
                       "packages", build->packages,
                       "plugins", build->plugins, "disk", build->disk);
    text = marker != NULL ? json_dumps(marker, JSON_INDENT(1)) : NULL;
    json_decref(marker);

    if (text == NULL) {
        return error_set(err, MINT_ERR_INVALID,
                         "the environment cannot be described: a text in it "
                         "is not valid UTF-8");
    }

    snprintf(path, sizeof(path), "%s/%s", build->temporary,
             ENVIRONMENT_MARKER);
    rc = fs_write_atomic(path, text, strlen(text), 0644, err);
    free(text);

    return rc;
}
