/* SPDX-License-Identifier: MIT */
/*
 * Finds the entries of a package in uv's cache, and leaves out those that uv
 * would not take: for other interpreters, pre-releases, what is not as known.
 */

#include "supervisor/plugin/uv_cache.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/names.h"
#include "supervisor/plugin/specifier.h"


#define UV_CACHE_BUCKET      "wheels-v8"
#define UV_CACHE_SUFFIX      ".msgpack"
#define UV_CACHE_FILE_MAX    (256 * 1024)
#define UV_CACHE_READ_MAX    (8 * 1024 * 1024)      /* of one cache */
#define UV_CACHE_FILES_MAX   256                    /* of one package */
#define UV_CACHE_INDEXES_MAX 16
#define UV_CACHE_TAG_MAX     40


struct uv_cache {
    char                 *directory;
    const char           *python;           /* "3.13.5", NULL: not known */
    const char           *minor;            /* "13" of "3.13" */
    struct uv_releases  **packages;
    size_t                count;
    size_t                unread;           /* bytes still read */
};


static const char *uv_cache_variable(const struct marker_environment *from,
    const char *name);
static void uv_cache_read(struct uv_cache *cache, struct uv_releases *out);
static void uv_cache_read_from(struct uv_cache *cache, const char *directory,
    struct uv_releases *out);
static bool uv_cache_read_file(struct uv_cache *cache, const char *directory,
    const char *file, struct uv_release *out);
static bool uv_cache_is_for(const struct uv_cache *cache, const char *tags);
static void uv_cache_sort(struct uv_releases *releases);
static void uv_releases_clear(struct uv_releases *releases);


struct uv_cache *
uv_cache_open(const char *directory,
    const struct marker_environment *interpreter)
{
    const char       *version;
    struct uv_cache  *cache;

    cache = mem_alloc(sizeof(struct uv_cache));
    cache->directory = mem_printf("%s/" UV_CACHE_BUCKET, directory);
    cache->unread = UV_CACHE_READ_MAX;

    version = uv_cache_variable(interpreter, "python_version");
    cache->python = uv_cache_variable(interpreter, "python_full_version");
    cache->minor = version != NULL && strncmp(version, "3.", 2) == 0
                   ? version + 2 : NULL;

    return cache;
}


void
uv_cache_close(struct uv_cache **cache)
{
    size_t            i;
    struct uv_cache  *c;

    c = *cache;
    *cache = NULL;

    if (c == NULL) {
        return;
    }

    for (i = 0; i < c->count; i++) {
        uv_releases_clear(c->packages[i]);
        free(c->packages[i]->name);
        free(c->packages[i]);
    }

    free(c->packages);
    free(c->directory);
    free(c);
}


static const char *
uv_cache_variable(const struct marker_environment *from, const char *name)
{
    size_t  i;

    for (i = 0; i < from->count; i++) {
        if (strcmp(from->variables[i].name, name) == 0) {
            return from->variables[i].values.item[0];
        }
    }

    return NULL;
}


const struct uv_releases *
uv_cache_releases(struct uv_cache *cache, const char *name)
{
    char                *key;
    size_t               i;
    struct uv_releases  *releases;

    key = names_normalise(name);

    for (i = 0; i < cache->count; i++) {
        if (strcmp(cache->packages[i]->name, key) == 0) {
            free(key);
            return cache->packages[i];
        }
    }

    releases = mem_alloc(sizeof(struct uv_releases));
    releases->name = key;

    if (cache->python != NULL && cache->minor != NULL
        && names_distribution_is_valid(key))
    {
        uv_cache_read(cache, releases);
    }

    cache->packages = mem_grow(cache->packages, cache->count + 1,
                               sizeof(struct uv_releases *));
    cache->packages[cache->count++] = releases;

    return releases;
}


static void
uv_releases_clear(struct uv_releases *releases)
{
    size_t  i;

    for (i = 0; i < releases->count; i++) {
        uv_release_clear(&releases->items[i]);
    }

    free(releases->items);
    releases->items = NULL;
    releases->count = 0;
}


/* ---- where they are ------------------------------------------------------ */

/* the directories of a package; the number of them */

static size_t
uv_cache_directories(const struct uv_cache *cache, const char *name,
    char **out)
{
    DIR            *dir;
    char           *path;
    size_t          n;
    struct dirent  *entry;

    n = 0;
    path = mem_printf("%s/pypi/%s", cache->directory, name);

    if (fs_exists(path)) {
        out[n++] = path;

    } else {
        free(path);
    }

    path = mem_printf("%s/index", cache->directory);
    dir = opendir(path);
    free(path);

    while (dir != NULL && n < UV_CACHE_INDEXES_MAX
           && (entry = readdir(dir)) != NULL)
    {
        if (entry->d_name[0] == '.') {
            continue;
        }

        path = mem_printf("%s/index/%s/%s", cache->directory, entry->d_name,
                          name);

        if (fs_exists(path)) {
            out[n++] = path;

        } else {
            free(path);
        }
    }

    if (dir != NULL) {
        closedir(dir);
    }

    return n;
}


/* which of two indexes uv would ask is not known here */

static void
uv_cache_read(struct uv_cache *cache, struct uv_releases *out)
{
    char    *directories[UV_CACHE_INDEXES_MAX];
    size_t   i, n;

    n = uv_cache_directories(cache, out->name, directories);

    if (n == 1) {
        uv_cache_read_from(cache, directories[0], out);
    }

    for (i = 0; i < n; i++) {
        free(directories[i]);
    }
}


static void
uv_cache_read_from(struct uv_cache *cache, const char *directory,
    struct uv_releases *out)
{
    DIR                *dir;
    size_t              files;
    struct dirent      *entry;
    struct uv_release   release;

    dir = opendir(directory);

    if (dir == NULL) {
        return;
    }

    for (files = 0; files < UV_CACHE_FILES_MAX
                    && (entry = readdir(dir)) != NULL; )
    {
        if (strstr(entry->d_name, UV_CACHE_SUFFIX) == NULL) {
            continue;
        }

        files++;

        if (!uv_cache_read_file(cache, directory, entry->d_name, &release)) {
            continue;
        }

        if (strcmp(release.name, out->name) != 0) {
            uv_release_clear(&release);
            continue;
        }

        out->items = mem_grow(out->items, out->count + 1,
                              sizeof(struct uv_release));
        out->items[out->count++] = release;
    }

    closedir(dir);
    uv_cache_sort(out);
}


/* ---- one of them --------------------------------------------------------- */

/* "3.13" or "313" is this interpreter, or, with a stable ABI, not newer */

static bool
uv_cache_is_python(const struct uv_cache *cache, const char *tag,
    bool is_stable)
{
    if (strncmp(tag, "cp3", 3) != 0 || tag[3] == '\0'
        || strspn(tag + 3, "0123456789") != strlen(tag + 3))
    {
        return false;
    }

    return is_stable ? atoi(tag + 3) <= atoi(cache->minor)
                     : strcmp(tag + 3, cache->minor) == 0;
}


/* "py3-none-any", "cp313-cp313-<platforms>", "cp310-abi3-<platforms>".  uv has
   looked at it for this machine, but maybe for another of its interpreters */

static bool
uv_cache_is_for(const struct uv_cache *cache, const char *tags)
{
    int   length;
    char  python[UV_CACHE_TAG_MAX], abi[UV_CACHE_TAG_MAX];

    length = 0;

    if (sscanf(tags, "%39[a-z0-9._]-%39[a-z0-9._]-%n", python, abi, &length)
        != 2 || length == 0 || tags[length] == '\0'
        || strchr(tags + length, '-') != NULL)
    {
        return false;
    }

    if (strcmp(abi, "none") == 0) {
        return strcmp(tags + length, "any") == 0
               && (strcmp(python, "py3") == 0
                   || strcmp(python, "py2.py3") == 0);
    }

    return strcmp(abi, "abi3") == 0
           ? uv_cache_is_python(cache, python, true)
           : strcmp(abi, python) == 0
             && uv_cache_is_python(cache, python, false);
}


static bool
uv_cache_takes_python(const struct uv_cache *cache, const char *wanted)
{
    bool                  takes;
    struct specifier_set  set;

    if (wanted == NULL) {
        return true;
    }

    if (specifier_set_parse(&set, wanted, strlen(wanted), NULL) != 0) {
        return false;
    }

    takes = specifier_set_has(&set, cache->python, SPECIFIER_REFUSE);
    specifier_set_clear(&set);

    return takes;
}


static bool
uv_cache_is_final(const char *text)
{
    bool            is_final;
    struct version  version;

    if (version_parse(&version, text, strlen(text), NULL) != 0) {
        return false;
    }

    is_final = !version_is_prerelease(&version) && version.local.len == 0;
    version_clear(&version);

    return is_final;
}


/* uv replaces long tags in the name of its file by a hash; then they are in the
   wheel's address, which lies behind the entry.  NULL: not found; mem_alloc */

static char *
uv_cache_tags_of_url(const struct strbuf *text, const char *version)
{
    char        *tags;
    size_t       length;
    const char  *at, *end, *stop;

    at = text->data;
    stop = at + text->len;
    length = strlen(version);
    tags = NULL;

    while ((end = memmem(at, (size_t) (stop - at), ".whl", 4)) != NULL) {
        at = memrchr(text->data, '/', (size_t) (end - text->data));

        while (at != NULL && at < end && tags == NULL) {
            at = memchr(at + 1, '-', (size_t) (end - at - 1));

            if (at != NULL && (size_t) (end - at) > length + 2
                && memcmp(at + 1, version, length) == 0
                && at[length + 1] == '-')
            {
                at += length + 2;
                tags = mem_alloc((size_t) (end - at) + 1);
                memcpy(tags, at, (size_t) (end - at));
            }
        }

        at = end + 4;
    }

    return tags;
}


/* a file's name begins with the version that is in it */

static bool
uv_cache_is_wanted(const struct uv_cache *cache, const char *file,
    const struct strbuf *text, const struct uv_release *release)
{
    bool     is_for;
    char    *tags;
    size_t   length;

    length = strlen(release->version);

    if (strncmp(file, release->version, length) != 0 || file[length] != '-') {
        return false;
    }

    tags = mem_strdup(file + length + 1);
    tags[strlen(tags) - strlen(UV_CACHE_SUFFIX)] = '\0';

    if (strchr(tags, '-') == NULL) {
        free(tags);
        tags = uv_cache_tags_of_url(text, release->version);
    }

    is_for = tags != NULL && uv_cache_is_for(cache, tags);
    free(tags);

    return is_for && uv_cache_is_final(release->version)
           && uv_cache_takes_python(cache, release->requires_python);
}


static bool
uv_cache_read_file(struct uv_cache *cache, const char *directory,
    const char *file, struct uv_release *out)
{
    bool           is_good;
    char          *path;
    struct strbuf  text;

    if (strlen(file) < sizeof(UV_CACHE_SUFFIX)
        || strcmp(file + strlen(file) - strlen(UV_CACHE_SUFFIX),
                  UV_CACHE_SUFFIX) != 0)
    {
        return false;
    }

    memset(&text, 0, sizeof(text));
    path = mem_printf("%s/%s", directory, file);
    is_good = fs_read(path, cache->unread < UV_CACHE_FILE_MAX
                            ? cache->unread : UV_CACHE_FILE_MAX,
                      &text, NULL) == 0;
    free(path);

    if (is_good) {
        cache->unread -= text.len;
        is_good = uv_release_parse(out, text.data, text.len) == 0;
    }

    if (is_good && !uv_cache_is_wanted(cache, file, &text, out)) {
        uv_release_clear(out);
        is_good = false;
    }

    strbuf_free(&text);

    return is_good;
}


/* ---- their order --------------------------------------------------------- */

struct uv_cache_key {
    struct version      version;
    struct uv_release   release;
};


static int
uv_cache_compare(const void *a, const void *b)
{
    return version_compare(&((const struct uv_cache_key *) b)->version,
                           &((const struct uv_cache_key *) a)->version);
}


/* a release with wheels for several interpreters is one */

static void
uv_cache_sort(struct uv_releases *releases)
{
    size_t                i, n;
    struct uv_cache_key  *keys;

    if (releases->count == 0) {
        return;
    }

    keys = mem_alloc(releases->count * sizeof(struct uv_cache_key));

    for (i = 0; i < releases->count; i++) {
        keys[i].release = releases->items[i];
        version_parse(&keys[i].version, keys[i].release.version,
                      strlen(keys[i].release.version), NULL);
    }

    qsort(keys, releases->count, sizeof(struct uv_cache_key),
          uv_cache_compare);
    n = 0;

    for (i = 0; i < releases->count; i++) {
        if (i > 0 && version_compare(&keys[i - 1].version, &keys[i].version)
                     == 0)
        {
            uv_release_clear(&keys[i].release);
            continue;
        }

        releases->items[n++] = keys[i].release;
    }

    for (i = 0; i < releases->count; i++) {
        version_clear(&keys[i].version);
    }

    free(keys);
    releases->count = n;
}
