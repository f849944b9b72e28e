/* SPDX-License-Identifier: MIT */
/*
 * The environments on disk: reading their markers, finding, giving up.
 */

#include "supervisor/plugin/environment_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/environment_key.h"
#include "supervisor/plugin/lock.h"


#define ENVIRONMENT_MARKER_MAX  (1024 * 1024)


static bool environment_fits(const char *directory, const json_t *plugins,
    bool may_have_more, const char *core_lock, char **created);
static bool environment_has_each(const json_t *list, const json_t *wanted);


int
environment_read(const char *directory, json_t **marker, struct error *err)
{
    int             rc;
    char            path[PATH_MAX];
    json_error_t    where;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    snprintf(path, sizeof(path), "%s/%s", directory, ENVIRONMENT_MARKER);

    rc = fs_read(path, ENVIRONMENT_MARKER_MAX, &text, err);

    if (rc != 0) {
        strbuf_free(&text);
        return rc;
    }

    *marker = json_loadb(strbuf_text(&text), text.len, 0, &where);
    strbuf_free(&text);

    if (!json_is_array(json_object_get(*marker, "packages"))
        || !json_is_array(json_object_get(*marker, "plugins")))
    {
        json_decref(*marker);
        return error_set(err, MINT_ERR_INVALID, "\"%s\" is broken", path);
    }

    snprintf(path, sizeof(path), "%s/bin/python", directory);

    if (access(path, X_OK) == -1) {
        json_decref(*marker);
        return error_set_errno(err, "the interpreter \"%s\" cannot be run",
                               path);
    }

    return 0;
}


/* renamed first: a directory that is half removed must not look complete */

void
environment_discard(const struct toolset *tools, const char *directory)
{
    char        *aside, *lock, random[9];
    const char  *name;

    fs_random_hex(random, 4);
    name = strrchr(directory, '/') + 1;
    aside = mem_printf("%s/%s%s-%s", tools->environments,
                       ENVIRONMENT_TEMPORARY, name, random);
    lock = mem_printf("%s/%s.txt", tools->locks, name);

    unlink(lock);

    if (rename(directory, aside) == 0) {
        cleanup_remove(tools->cleanup, aside);

    } else {
        log_warn("\"%s\" is left behind: it cannot be renamed", directory);
    }

    free(lock);
    free(aside);
}


/* what cannot be noted (the disk is full) has been so for ever */

uint64_t
environment_unused_sec(const char *directory)
{
    int          fd;
    char         path[PATH_MAX];
    time_t       now;
    uint64_t     sec;
    struct stat  st;

    snprintf(path, sizeof(path), "%s/%s", directory, ENVIRONMENT_UNUSED);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
              0644);

    if (fd != -1) {
        close(fd);
        return 0;
    }

    if (errno != EEXIST || lstat(path, &st) == -1) {
        return UINT64_MAX;
    }

    now = time(NULL);
    sec = now > st.st_mtime ? (uint64_t) (now - st.st_mtime) : 0;

    /* a clock that was set back: from now on */

    if (now < st.st_mtime) {
        utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
    }

    return sec;
}


void
environment_set_used(const char *directory)
{
    char  path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", directory, ENVIRONMENT_UNUSED);
    unlink(path);
}


void
environment_list_all(const char *parent, struct text_list *out)
{
    char           *path;
    DIR            *list;
    struct dirent  *entry;

    list = opendir(parent);

    if (list == NULL) {
        return;
    }

    while ((entry = readdir(list)) != NULL) {
        if (entry->d_name[0] != '.') {
            path = mem_printf("%s/%s", parent, entry->d_name);
            text_list_add(out, path);
            free(path);
        }
    }

    closedir(list);
}


void
environment_remove_leftovers(const struct toolset *tools)
{
    size_t          i;
    char           *path;
    DIR            *list;
    struct dirent  *entry;

    const char  *const  places[] = { tools->environments, tools->bundles };

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        list = opendir(places[i]);

        while (list != NULL && (entry = readdir(list)) != NULL) {
            if (strncmp(entry->d_name, ENVIRONMENT_TEMPORARY,
                        strlen(ENVIRONMENT_TEMPORARY)) == 0)
            {
                path = mem_printf("%s/%s", places[i], entry->d_name);
                cleanup_remove(tools->cleanup, path);
                free(path);
            }
        }

        if (list != NULL) {
            closedir(list);
        }
    }
}


char *
environment_find(const struct toolset *tools, const char *name,
    const char *core_lock, const json_t *plugins, const char *prefer)
{
    char              *created, *best;
    size_t             i, found;
    struct text_list   all;

    if (prefer != NULL
        && environment_fits(prefer, plugins, true, core_lock, NULL))
    {
        return mem_strdup(prefer);
    }

    memset(&all, 0, sizeof(all));
    best = NULL;
    found = 0;
    environment_list_all(tools->environments, &all);

    for (i = 0; i < all.count; i++) {
        if (!environment_key_is_of(all.item[i], name)
            || !environment_fits(all.item[i], plugins, false, core_lock,
                                 &created))
        {
            continue;
        }

        if (best == NULL || strcmp(created, best) > 0) {
            free(best);
            best = created;
            found = i;

        } else {
            free(created);
        }
    }

    created = best != NULL ? mem_strdup(all.item[found]) : NULL;

    text_list_clear(&all);
    free(best);

    return created;
}


/* created: of RFC 3339, or NULL */

static bool
environment_fits(const char *directory, const json_t *plugins,
    bool may_have_more, const char *core_lock, char **created)
{
    bool         fits;
    char        *path;
    json_t      *marker, *list;
    const char  *when;

    if (environment_read(directory, &marker, NULL) != 0) {
        return false;
    }

    list = json_object_get(marker, "plugins");
    fits = may_have_more ? environment_has_each(list, plugins)
                         : environment_has_all(list, plugins);

    path = mem_printf("%s/%s", directory, ENVIRONMENT_LOCK);
    fits = fits && environment_lock_has(path, core_lock);
    free(path);

    if (fits && created != NULL) {
        when = json_string_value(json_object_get(marker, "created"));
        *created = mem_strdup(when != NULL ? when : "");
    }

    json_decref(marker);

    return fits;
}


bool
environment_lock_has(const char *path, const char *core_lock)
{
    bool                        has;
    size_t                      i;
    struct lock                 lock, core;
    const struct lock_package  *package;

    if (lock_read(&core, core_lock, NULL) != 0) {
        return false;
    }

    has = lock_read(&lock, path, NULL) == 0;

    for (i = 0; has && i < core.count; i++) {
        package = lock_find(&lock, core.packages[i].name);
        has = package != NULL
              && strcmp(package->version, core.packages[i].version) == 0;
    }

    lock_clear(&lock);
    lock_clear(&core);

    return has;
}


/* the same set, in any order */

bool
environment_has_all(const json_t *list, const json_t *wanted)
{
    return json_array_size(list) == json_array_size(wanted)
           && environment_has_each(list, wanted);
}


static bool
environment_has_each(const json_t *list, const json_t *wanted)
{
    size_t  i, k;

    for (i = 0; i < json_array_size(wanted); i++) {
        for (k = 0; k < json_array_size(list); k++) {
            if (json_equal(json_array_get(wanted, i),
                           json_array_get(list, k)))
            {
                break;
            }
        }

        if (k == json_array_size(list)) {
            return false;
        }
    }

    return true;
}
