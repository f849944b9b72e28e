/* SPDX-License-Identifier: MIT */
/*
 * Reading lock files.  Only what we show and compare is taken out of them;
 * hashes are uv's affair.
 */

#include "supervisor/plugin/lock.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "supervisor/plugin/names.h"
#include "supervisor/plugin/wheel.h"


#define LOCK_FILE_MAX  (16 * 1024 * 1024)


static int lock_line(struct lock *lock, const char *line, struct error *err);
static void lock_via(struct lock_package *package, const char *line);
static char *lock_url_version(const char *url);


int
lock_read(struct lock *out, const char *path, struct error *err)
{
    int            rc;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    memset(out, 0, sizeof(struct lock));

    rc = fs_read(path, LOCK_FILE_MAX, &text, err);

    if (rc == 0) {
        rc = lock_parse(out, &text, err);

        if (rc != 0) {
            error_prefix(err, "\"%s\"", path);
        }
    }

    strbuf_free(&text);

    return rc;
}


int
lock_parse(struct lock *out, const struct strbuf *text, struct error *err)
{
    int    rc;
    char  *copy, *rest, *line;

    memset(out, 0, sizeof(struct lock));
    copy = mem_strdup(strbuf_text(text));
    rest = copy;
    rc = 0;

    while (rc == 0 && (line = strsep(&rest, "\n")) != NULL) {
        if (line[0] == '\0' || line[0] == '#' || line[0] == '-') {
            continue;
        }

        if (line[0] != ' ' && line[0] != '\t') {
            rc = lock_line(out, line, err);

        } else if (out->count > 0) {
            lock_via(&out->packages[out->count - 1], line);
        }
    }

    free(copy);

    if (rc != 0) {
        lock_clear(out);
    }

    return rc;
}


void
lock_clear(struct lock *lock)
{
    size_t  i;

    for (i = 0; i < lock->count; i++) {
        free(lock->packages[i].name);
        free(lock->packages[i].version);
        text_list_clear(&lock->packages[i].via);
    }

    free(lock->packages);
    memset(lock, 0, sizeof(struct lock));
}


const struct lock_package *
lock_find(const struct lock *lock, const char *name)
{
    char    *wanted;
    size_t   i;

    wanted = names_normalise(name);

    for (i = 0; i < lock->count; i++) {
        if (strcmp(lock->packages[i].name, wanted) == 0) {
            break;
        }
    }

    free(wanted);

    return i < lock->count ? &lock->packages[i] : NULL;
}


/* "name==version \" or "name @ file:///x.whl \"; a marker may follow */

static int
lock_line(struct lock *lock, const char *line, struct error *err)
{
    char                 *name;
    size_t                len;
    const char           *p;
    struct lock_package  *package;

    len = strcspn(line, " =@[;\\");
    name = mem_printf("%.*s", (int) len, line);

    if (!names_distribution_is_valid(name)) {
        free(name);
        return error_set(err, MINT_ERR_INVALID,
                         "a line of the lock is not a pinned package: "
                         "\"%.80s\"", line);
    }

    p = line + len;

    if (*p == '[') {
        p += strcspn(p, "]");
        p += *p == ']';
    }

    p += strspn(p, " ");

    lock->packages = mem_grow(lock->packages, lock->count + 1,
                              sizeof(struct lock_package));
    package = &lock->packages[lock->count++];
    memset(package, 0, sizeof(struct lock_package));

    package->name = names_normalise(name);
    free(name);

    if (strncmp(p, "==", 2) == 0) {
        package->version = mem_printf("%.*s", (int) strcspn(p + 2, " ;\\"),
                                      p + 2);

    } else if (*p == '@') {
        package->version = lock_url_version(p + 1 + strspn(p + 1, " "));

    } else {
        package->version = mem_strdup("");
    }

    return 0;
}


/* "    # via name", or "    # via" and then "    #   name" */

static void
lock_via(struct lock_package *package, const char *line)
{
    char    *name, *normal;
    size_t   len;

    line += strspn(line, " \t");

    if (*line != '#') {
        return;
    }

    line++;
    line += strspn(line, " ");

    if (strncmp(line, "via", 3) == 0 && (line[3] == ' ' || line[3] == '\0')) {
        line += 3;
        line += strspn(line, " ");
    }

    /* a requirements file ("-r", "-c") is nobody's name */

    len = strcspn(line, " [(,");
    name = mem_printf("%.*s", (int) len, line);

    if (names_distribution_is_valid(name)) {
        normal = names_normalise(name);
        text_list_add(&package->via, normal);
        free(normal);
    }

    free(name);
}


static char *
lock_url_version(const char *url)
{
    char        *copy, *slash, *plus, *distribution, *version;
    const char  *name;

    copy = mem_printf("%.*s", (int) strcspn(url, " \\;"), url);

    while ((plus = strstr(copy, "%2B")) != NULL) {
        *plus = '+';
        memmove(plus + 1, plus + 3, strlen(plus + 3) + 1);
    }

    slash = strrchr(copy, '/');
    name = slash != NULL ? slash + 1 : copy;

    if (wheel_parse_name(name, &distribution, &version, NULL) != 0) {
        version = mem_strdup("");

    } else {
        free(distribution);
    }

    free(copy);

    return version;
}
