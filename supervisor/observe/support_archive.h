/* SPDX-License-Identifier: MIT */
/*
 * A new .tar.gz of texts, readable by its owner only.
 */

#ifndef SUPERVISOR_OBSERVE_SUPPORT_ARCHIVE_H
#define SUPERVISOR_OBSERVE_SUPPORT_ARCHIVE_H

#include <stddef.h>

#include "lib/error.h"


struct support_archive;

/* path must not exist; folder: all names begin with it */
int support_archive_open(struct support_archive **out, const char *path,
    const char *folder, struct error *err);

/* name: "logs/nginx.log" */
int support_archive_add(struct support_archive *archive, const char *name,
    const void *data, size_t len, struct error *err);

/* finishes the file; on failure it is removed */
int support_archive_close(struct support_archive **archive,
    struct error *err);

/* gives up: the file is removed */
void support_archive_drop(struct support_archive **archive);

#endif /* SUPERVISOR_OBSERVE_SUPPORT_ARCHIVE_H */
