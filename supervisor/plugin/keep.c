/* SPDX-License-Identifier: MIT */
/*
 * Keeping wheels.  The directory's name holds the digest, so the same wheel
 * uploaded twice lies there once and another one never takes its place.
 */

#include "supervisor/plugin/keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/environment.h"
#include "supervisor/plugin/lock.h"


static char *keep_directory(const struct toolset *tools,
    const struct bundle *bundle, const struct wheel *wheel);
static int keep_sort_extra(const struct bundle *bundle, const char *from,
    const struct lock *core, struct error *err);
static int keep_move(struct keep *keep, const struct toolset *tools,
    const char *from, const char *sha256, struct error *err);


int
keep_wheels(struct keep *out, const struct toolset *tools,
    const struct bundle *bundle, const struct wheel *wheel, const char *work,
    const char *core_lock, struct error *err)
{
    int           rc;
    struct keep   sorted;

    memset(&sorted, 0, sizeof(sorted));
    rc = keep_sort(&sorted, bundle, work, core_lock, err);

    if (rc == 0) {
        out->directory = keep_directory(tools, bundle, wheel);
        out->wheel = mem_printf("%s/%s", out->directory, bundle_wheel(bundle));
        rc = keep_move(out, tools, sorted.directory, bundle_sha256(bundle),
                       err);
    }

    keep_clear(&sorted);

    return rc;
}


int
keep_sort(struct keep *out, const struct bundle *bundle, const char *work,
    const char *core_lock, struct error *err)
{
    int           rc;
    char         *from, *to, *unpacked;
    struct lock   core;

    rc = lock_read(&core, core_lock, err);

    if (rc != 0) {
        return rc;
    }

    /* work goes on to be used for other files */

    from = mem_printf("%s/kept", work);
    out->directory = mem_strdup(from);
    out->wheel = mem_printf("%s/%s", from, bundle_wheel(bundle));
    unpacked = mem_printf("%s/%s", work, bundle_wheel(bundle));
    to = mem_printf("%s/%s", from, bundle_wheel(bundle));

    if (mkdir(from, 0700) == -1 || rename(unpacked, to) == -1) {
        rc = error_set_errno(err, "moving \"%s\" failed", unpacked);
    }

    free(unpacked);
    free(to);

    if (rc == 0 && bundle_extra_count(bundle) > 0) {
        unpacked = mem_printf("%s/wheels", work);
        to = mem_printf("%s/wheels", from);

        if (rename(unpacked, to) == -1) {
            rc = error_set_errno(err, "moving \"%s\" failed", unpacked);
        }

        free(unpacked);
        free(to);

        if (rc == 0) {
            rc = keep_sort_extra(bundle, from, &core, err);
        }
    }

    free(from);
    lock_clear(&core);

    return rc;
}


static char *
keep_directory(const struct toolset *tools, const struct bundle *bundle,
    const struct wheel *wheel)
{
    return mem_printf("%s/%s-%s-%.8s", tools->bundles, wheel->distribution,
                      wheel->version, bundle_sha256(bundle));
}


bool
keep_is_same(const struct toolset *tools, const struct bundle *bundle,
    const struct wheel *wheel, const char *path)
{
    bool    same;
    char   *directory;
    size_t  len;

    directory = keep_directory(tools, bundle, wheel);
    len = strlen(directory);
    same = strncmp(path, directory, len) == 0 && path[len] == '/';
    free(directory);

    return same;
}


static int
keep_sort_extra(const struct bundle *bundle, const char *from,
    const struct lock *core, struct error *err)
{
    int          rc;
    char        *distribution, *version, *old, *new;
    size_t       i;
    const char  *name;

    rc = 0;

    for (i = 0; rc == 0 && i < bundle_extra_count(bundle); i++) {
        name = bundle_extra(bundle, i);
        rc = wheel_parse_name(name, &distribution, &version, err);

        if (rc != 0) {
            break;
        }

        if (lock_find(core, distribution) != NULL) {
            new = mem_printf("%s/core-wheels", from);
            mkdir(new, 0700);
            free(new);

            old = mem_printf("%s/wheels/%s", from, name);
            new = mem_printf("%s/core-wheels/%s", from, name);

            if (rename(old, new) == -1) {
                rc = error_set_errno(err, "moving \"%s\" failed", old);
            }

            free(new);
            free(old);
        }

        free(distribution);
        free(version);
    }

    return rc;
}


static int
keep_move(struct keep *keep, const struct toolset *tools, const char *from,
    const char *sha256, struct error *err)
{
    char  hex[65];

    if (fs_exists(keep->wheel)
        && fs_sha256(keep->wheel, hex, NULL) == 0
        && strcmp(hex, sha256) == 0)
    {
        return 0;
    }

    /* cut short by a crash: replaced by the whole one */

    if (fs_exists(keep->directory)) {
        keep_discard(tools, keep->directory);
    }

    if (rename(from, keep->directory) == -1) {
        return error_set_errno(err, "rename(\"%s\", \"%s\") failed", from,
                               keep->directory);
    }

    keep->is_new = true;

    return 0;
}


/* renamed first: the next attempt must not find it half removed */

void
keep_discard(const struct toolset *tools, const char *directory)
{
    char  *aside, random[17];

    fs_random_hex(random, 8);
    aside = mem_printf("%s/%s%s", tools->bundles, ENVIRONMENT_TEMPORARY,
                       random);

    if (rename(directory, aside) == 0) {
        cleanup_remove(tools->cleanup, aside);
    }

    free(aside);
}


void
keep_undo(struct keep *keep, const struct toolset *tools)
{
    if (keep->is_new) {
        keep_discard(tools, keep->directory);
        keep->is_new = false;
    }
}


void
keep_clear(struct keep *keep)
{
    free(keep->directory);
    free(keep->wheel);
    memset(keep, 0, sizeof(struct keep));
}
