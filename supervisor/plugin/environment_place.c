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


static void environment_name_temporary(struct environment_build *build);
static void environment_choose_name(struct environment_build *build);
static bool environment_is_usable(const struct environment_build *build);
static int environment_save_lock(struct environment_build *build,
    struct error *err);
static int environment_copy(const char *from, const char *to, mode_t mode,
    struct error *err);
static int environment_save_marker(struct environment_build *build,
    struct error *err);
static void environment_flush_names(const struct environment_build *build);


int
environment_choose(struct environment_build *build,
    const struct command_result *result, struct error *err)
{
    int            rc;
    struct strbuf  lock;

    (void) result;

    memset(&lock, 0, sizeof(lock));
    rc = fs_read(build->lock, ENVIRONMENT_LOCK_MAX, &lock, err);

    if (rc == 0) {
        rc = environment_key(strbuf_text(&lock), build->interpreter,
                             build->uv, build->key, err);
    }

    strbuf_free(&lock);

    if (rc != 0) {
        return rc;
    }

    environment_name_temporary(build);
    environment_choose_name(build);

    return 0;
}


/* what is left of an earlier try may be removed at this moment */

static void
environment_name_temporary(struct environment_build *build)
{
    char  random[9];

    fs_random_hex(random, 4);
    free(build->temporary);
    build->temporary = mem_printf("%s/%s%s-%s-%s",
                                  build->tools->environments,
                                  ENVIRONMENT_TEMPORARY, build->name,
                                  build->key, random);
}


void
environment_take_other(struct environment_build *build)
{
    cleanup_remove(build->tools->cleanup, build->temporary);
    environment_name_temporary(build);
}


/*
 * One with the key that is there is taken, or left alone: who runs in it is
 * confined to that very directory, not to its name.  So the second one with
 * the same key has a number.
 */

static void
environment_choose_name(struct environment_build *build)
{
    char      *next;
    unsigned   number;

    next = mem_printf("%s/%s-%s", build->tools->environments, build->name,
                      build->key);

    for (number = 2; fs_exists(next); number++) {
        free(build->directory);
        build->directory = next;
        next = mem_printf("%s/%s-%s-%u", build->tools->environments,
                          build->name, build->key, number);
    }

    if (build->directory != NULL && !build->anew
        && environment_is_usable(build))
    {
        build->place = ENVIRONMENT_REUSED;
        build->next = next;

    } else {
        free(build->directory);
        build->directory = next;
    }
}


void
environment_take_next(struct environment_build *build)
{
    free(build->directory);
    build->directory = build->next;
    build->next = NULL;
    build->place = ENVIRONMENT_ASIDE;
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

    if (rename(build->temporary, build->directory) == -1) {
        return error_set_errno(err, "rename(\"%s\", \"%s\") failed",
                               build->temporary, build->directory);
    }

    build->place = ENVIRONMENT_PLACED;
    environment_flush_names(build);

    return 0;
}


void
environment_take_away(struct environment_build *build)
{
    if (build->temporary == NULL || build->place == ENVIRONMENT_REUSED) {
        return;
    }

    if (build->place == ENVIRONMENT_PLACED
        && rename(build->directory, build->temporary) == -1)
    {
        log_warn("\"%s\" is left behind: it cannot be renamed",
                 build->directory);
    }

    build->place = ENVIRONMENT_ASIDE;
    cleanup_remove(build->tools->cleanup, build->temporary);
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
    int   rc;
    char  path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", build->temporary, ENVIRONMENT_LOCK);
    rc = environment_copy(build->lock, path, 0644, err);

    return rc == 0 ? environment_keep_lock(build->tools, build->directory,
                                           build->lock, err)
                   : rc;
}


int
environment_keep_lock(const struct toolset *tools, const char *directory,
    const char *lock, struct error *err)
{
    char  path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s.txt", tools->locks,
             strrchr(directory, '/') + 1);

    return environment_copy(lock, path, 0600, err);
}


static int
environment_copy(const char *from, const char *to, mode_t mode,
    struct error *err)
{
    int            rc;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    rc = fs_read(from, ENVIRONMENT_LOCK_MAX, &text, err);

    if (rc == 0) {
        rc = fs_write_atomic(to, strbuf_text(&text), text.len, mode, err);
    }

    strbuf_free(&text);

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
