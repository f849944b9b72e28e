/* SPDX-License-Identifier: MIT */
/*
 * The environments on disk: reading their markers, numbering, giving up.
 */

#include "supervisor/plugin/environment.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"


#define ENVIRONMENT_MARKER_MAX  (1024 * 1024)


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


/* complete ones and those being built or removed: numbers never come twice */

unsigned
environment_highest(const char *parent, const char *name)
{
    DIR            *list;
    char           *end;
    size_t          len;
    unsigned        highest;
    const char     *p;
    unsigned long   number;
    struct dirent  *entry;

    highest = 0;
    len = strlen(name);
    list = opendir(parent);

    if (list == NULL) {
        return 0;
    }

    while ((entry = readdir(list)) != NULL) {
        p = entry->d_name;

        if (strncmp(p, ENVIRONMENT_TEMPORARY,
                    strlen(ENVIRONMENT_TEMPORARY)) == 0)
        {
            p += strlen(ENVIRONMENT_TEMPORARY);
        }

        if (strncmp(p, name, len) != 0 || p[len] != '-'
            || p[len + 1] < '0' || p[len + 1] > '9')
        {
            continue;
        }

        number = strtoul(p + len + 1, &end, 10);

        if (*end == '\0' && number < UINT32_MAX && number > highest) {
            highest = (unsigned) number;
        }
    }

    closedir(list);

    return highest;
}


/* renamed first: a directory that is half removed must not look complete */

void
environment_discard(const struct toolset *tools, const char *directory)
{
    char        *aside, *lock;
    const char  *name;

    name = strrchr(directory, '/') + 1;
    aside = mem_printf("%s/%s%s", tools->environments, ENVIRONMENT_TEMPORARY,
                       name);
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
