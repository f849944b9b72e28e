/* SPDX-License-Identifier: MIT */
/*
 * The files of crash reports.
 */

#include "crash_store.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/strbuf.h"


#define CRASH_FILES_MAX  1000           /* looked at in one directory */


char *
crash_directory(const char *data_path)
{
    return mem_printf("%s/crashes", data_path);
}


/* newest first */

static int
crash_compare(const void *a, const void *b)
{
    uint64_t  left, right;

    left = *(const uint64_t *) a;
    right = *(const uint64_t *) b;

    return left > right ? -1 : left < right;
}


/* times of the reports in a directory, newest first; their number */

static size_t
crash_times(const char *directory, uint64_t *times, size_t max)
{
    DIR            *dir;
    char           *end;
    size_t          count;
    struct dirent  *entry;

    dir = opendir(directory);
    count = 0;

    while (dir != NULL && count < max && (entry = readdir(dir)) != NULL) {
        times[count] = strtoull(entry->d_name, &end, 10);
        count += end != entry->d_name && strcmp(end, ".json") == 0;
    }

    if (dir != NULL) {
        closedir(dir);
    }

    qsort(times, count, sizeof(uint64_t), crash_compare);

    return count;
}


static void
crash_path(char path[PATH_MAX], const char *directory, const char *plugin,
    uint64_t unix_ms)
{
    snprintf(path, PATH_MAX, "%s/%s/%llu.json", directory, plugin,
             (unsigned long long) unix_ms);
}


static void
crash_prune(const char *directory, const char *plugin)
{
    char       path[PATH_MAX];
    size_t     i, count;
    uint64_t  *times;

    snprintf(path, sizeof(path), "%s/%s", directory, plugin);
    times = mem_alloc(CRASH_FILES_MAX * sizeof(uint64_t));
    count = crash_times(path, times, CRASH_FILES_MAX);

    for (i = CRASH_KEPT; i < count; i++) {
        crash_path(path, directory, plugin, times[i]);
        (void) unlink(path);
    }

    free(times);
}


int
crash_save(const char *directory, const char *plugin, uint64_t unix_ms,
    json_t *report, struct error *err)
{
    int    rc;
    FILE  *file;
    char   path[PATH_MAX], temporary[PATH_MAX + 8];

    snprintf(path, sizeof(path), "%s/%s", directory, plugin);
    rc = fs_mkdir_all(path, 0700, err);
    if (rc != 0) {
        return rc;
    }

    crash_path(path, directory, plugin, unix_ms);
    snprintf(temporary, sizeof(temporary), "%s.tmp", path);

    file = fopen(temporary, "we");
    if (file == NULL) {
        return error_set_errno(err, "open(\"%s\") failed", temporary);
    }

    rc = json_dumpf(report, file, JSON_INDENT(1));

    if (fclose(file) != 0 || rc != 0) {
        error_set_errno(err, "write(\"%s\") failed", temporary);
        (void) unlink(temporary);
        return err->code;
    }

    if (rename(temporary, path) == -1) {
        return error_set_errno(err, "rename(\"%s\") failed", temporary);
    }

    crash_prune(directory, plugin);

    return 0;
}


/* ---- reading ---------------------------------------------------------- */

static void
crash_list_of(const char *directory, const char *plugin, json_t *list)
{
    char            path[PATH_MAX];
    size_t          i, count;
    json_t         *report;
    uint64_t       *times;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    times = mem_alloc(CRASH_FILES_MAX * sizeof(uint64_t));
    snprintf(path, sizeof(path), "%s/%s", directory, plugin);
    count = crash_times(path, times, CRASH_FILES_MAX);

    for (i = 0; i < count; i++) {
        crash_path(path, directory, plugin, times[i]);
        strbuf_clear(&text);

        if (fs_read(path, CRASH_FILE_MAX, &text, NULL) != 0) {
            continue;
        }

        report = json_loadb(strbuf_text(&text), text.len, 0, NULL);

        if (!json_is_object(report)) {
            json_decref(report);
            continue;
        }

        json_object_set_new(report, "number", json_integer((json_int_t) i
                                                           + 1));
        json_array_append_new(list, report);
    }

    strbuf_free(&text);
    free(times);
}


static int
crash_compare_reports(const void *a, const void *b)
{
    const char  *left, *right;

    left = json_string_value(json_object_get(*(json_t *const *) a, "time"));
    right = json_string_value(json_object_get(*(json_t *const *) b, "time"));

    return strcmp(right != NULL ? right : "", left != NULL ? left : "");
}


static json_t *
crash_sorted(json_t *list)
{
    size_t    i, count;
    json_t   *sorted, **items;

    count = json_array_size(list);
    items = mem_alloc((count + 1) * sizeof(json_t *));

    for (i = 0; i < count; i++) {
        items[i] = json_array_get(list, i);
    }

    qsort(items, count, sizeof(json_t *), crash_compare_reports);
    sorted = json_array();

    for (i = 0; i < count; i++) {
        json_array_append(sorted, items[i]);
    }

    free(items);
    json_decref(list);

    return sorted;
}


json_t *
crash_list(const char *directory, const char *plugin)
{
    DIR            *dir;
    json_t         *list;
    struct dirent  *entry;

    list = json_array();

    if (plugin != NULL) {
        if (strchr(plugin, '/') == NULL && plugin[0] != '.') {
            crash_list_of(directory, plugin, list);
        }

        return list;
    }

    dir = opendir(directory);

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            crash_list_of(directory, entry->d_name, list);
        }
    }

    if (dir != NULL) {
        closedir(dir);
    }

    return crash_sorted(list);
}
