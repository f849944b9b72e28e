/* SPDX-License-Identifier: MIT */
/*
 * Reading what uv says of files and sizes.  Its words are no interface, so
 * they are believed only if they agree with each other.
 */

#include "supervisor/plugin/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/names.h"
#include "supervisor/plugin/wheel.h"


#define FETCH_PACKAGES_MAX  4000
#define FETCH_VERSION_MAX   256
#define FETCH_DIGITS_MAX    15


static struct fetch_package *fetch_package(struct fetch *fetch,
    const char *text, const char **rest);
static void fetch_selected(struct fetch *fetch, const char *text);
static void fetch_missing(struct fetch *fetch, const char *text);
static void fetch_told(struct fetch *fetch, const char *text);
static void fetch_end(struct fetch *fetch, const char *text);
static void fetch_size_line(struct fetch *fetch, const char *line);


static const struct {
    const char   *begin;
    void        (*read)(struct fetch *fetch, const char *text);
} fetch_words[] = {
    { "DEBUG Selecting: ",                          fetch_selected },
    { "DEBUG Identified uncached distribution: ",   fetch_missing  },
    { "Would download ",                            fetch_told     },
    { "Would install ",                             fetch_end      },
    { "Would make no changes",                      fetch_end      },
};


void
fetch_line(struct fetch *fetch, const char *line)
{
    size_t  i, len;

    for (i = 0; i < sizeof(fetch_words) / sizeof(fetch_words[0]); i++) {
        len = strlen(fetch_words[i].begin);

        if (strncmp(line, fetch_words[i].begin, len) == 0) {
            fetch_words[i].read(fetch, line + len);
            return;
        }
    }
}


/* "name==version", the one of that name made if there is none; NULL if it
   says something else */

static struct fetch_package *
fetch_package(struct fetch *fetch, const char *text, const char **rest)
{
    char                  *name, *normal;
    size_t                 i, len, version_len;
    struct fetch_package  *package;

    len = strcspn(text, "= ");
    version_len = strncmp(text + len, "==", 2) == 0
                  ? strspn(text + len + 2, "abcdefghijklmnopqrstuvwxyz"
                                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                           "0123456789.!+_-")
                  : 0;
    name = mem_printf("%.*s", len < 256 ? (int) len : 256, text);

    if (version_len == 0 || version_len > FETCH_VERSION_MAX
        || !names_distribution_is_valid(name))
    {
        free(name);
        return NULL;
    }

    normal = names_normalise(name);
    free(name);

    for (i = 0; i < fetch->count; i++) {
        if (strcmp(fetch->packages[i].name, normal) == 0) {
            break;
        }
    }

    if (i == FETCH_PACKAGES_MAX) {
        free(normal);
        return NULL;
    }

    if (i == fetch->count) {
        fetch->packages = mem_grow(fetch->packages, fetch->count + 1,
                                   sizeof(struct fetch_package));
        memset(&fetch->packages[fetch->count++], 0,
               sizeof(struct fetch_package));
    }

    package = &fetch->packages[i];
    free(package->name);
    free(package->version);
    package->name = normal;
    package->version = mem_printf("%.*s", (int) version_len, text + len + 2);
    *rest = text + len + 2 + version_len;

    return package;
}


/* "name==version [compatible] (name-version-py3-none-any.whl)" */

static void
fetch_selected(struct fetch *fetch, const char *text)
{
    char                  *file, *distribution, *version;
    const char            *rest;
    struct fetch_package  *package;

    package = fetch_package(fetch, text, &rest);
    rest = package != NULL ? strrchr(rest, '(') : NULL;

    if (rest == NULL) {
        return;
    }

    file = mem_printf("%.*s", (int) strcspn(rest + 1, ")"), rest + 1);

    if (wheel_parse_name(file, &distribution, &version, NULL) != 0) {
        free(file);
        return;
    }

    free(distribution);
    free(version);
    free(package->file);
    package->file = file;
}


/* "name==version", or "name==version (from file:///...)" */

static void
fetch_missing(struct fetch *fetch, const char *text)
{
    const char            *rest;
    struct fetch_package  *package;

    package = fetch_package(fetch, text, &rest);

    if (package == NULL || package->is_missing) {
        return;
    }

    package->is_missing = true;
    package->is_local = strncmp(rest, " (from file://", 14) == 0;
    fetch->missing++;
}


static void
fetch_told(struct fetch *fetch, const char *text)
{
    fetch->told = (size_t) strtoul(text, NULL, 10);
}


static void
fetch_end(struct fetch *fetch, const char *text)
{
    (void) text;
    fetch->has_ended = true;
}


bool
fetch_is_known(const struct fetch *fetch)
{
    return fetch->has_ended && fetch->missing == fetch->told;
}


void
fetch_sizes(struct fetch *fetch, const struct strbuf *text)
{
    char  *copy, *rest, *line;

    copy = mem_strdup(strbuf_text(text));
    rest = copy;

    while ((line = strsep(&rest, "\n")) != NULL) {
        fetch_size_line(fetch, line);
    }

    free(copy);
}


/* one wheel a line: ...{ url = ".../name.whl", ..., size = 123, hashes... */

static void
fetch_size_line(struct fetch *fetch, const char *line)
{
    char                  *file;
    size_t                 i, len;
    uint64_t               bytes;
    const char            *url, *size, *name;
    struct fetch_package  *package;

    url = strstr(line, "{ url = \"");

    if (url == NULL) {
        return;
    }

    url += strlen("{ url = \"");
    len = strcspn(url, "\"");
    size = strstr(url + len, ", size = ");
    size = size != NULL ? size + strlen(", size = ") : "";
    bytes = strspn(size, "0123456789") <= FETCH_DIGITS_MAX
            ? strtoull(size, NULL, 10) : 0;

    for (name = url + len; name > url && name[-1] != '/'; name--) {
        /* void */
    }

    file = mem_printf("%.*s", (int) (len - (size_t) (name - url)), name);

    /* the "+" of a local version is escaped in addresses */

    while ((name = strstr(file, "%2B")) != NULL) {
        i = (size_t) (name - file);
        file[i] = '+';
        memmove(file + i + 1, file + i + 3, strlen(file + i + 3) + 1);
    }

    for (i = 0; i < fetch->count; i++) {
        package = &fetch->packages[i];

        if (package->file != NULL && strcmp(package->file, file) == 0) {
            package->bytes = bytes;
            package->is_local = strncmp(url, "file://", 7) == 0;
        }
    }

    free(file);
}


uint64_t
fetch_bytes(const struct fetch *fetch, bool *complete)
{
    size_t                       i;
    uint64_t                     sum;
    const struct fetch_package  *package;

    sum = 0;
    *complete = fetch_is_known(fetch);

    for (i = 0; i < fetch->count; i++) {
        package = &fetch->packages[i];

        if (package->is_missing && !package->is_local) {
            sum += package->bytes;
            *complete = *complete && package->bytes != 0;
        }
    }

    return sum;
}


json_t *
fetch_encode(const struct fetch *fetch)
{
    size_t                       i;
    json_t                      *list;
    const struct fetch_package  *package;

    list = json_array();

    for (i = 0; i < fetch->count; i++) {
        package = &fetch->packages[i];

        if (package->is_missing && !package->is_local) {
            json_array_append_new(list, json_pack("{s:s, s:s, s:o}",
                                  "name", package->name,
                                  "version", package->version, "bytes",
                                  package->bytes != 0
                                  ? json_integer((json_int_t) package->bytes)
                                  : json_null()));
        }
    }

    return list;
}


void
fetch_clear(struct fetch *fetch)
{
    size_t  i;

    for (i = 0; i < fetch->count; i++) {
        free(fetch->packages[i].name);
        free(fetch->packages[i].version);
        free(fetch->packages[i].file);
    }

    free(fetch->packages);
    memset(fetch, 0, sizeof(struct fetch));
}
