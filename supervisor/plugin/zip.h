/* SPDX-License-Identifier: MIT */
/*
 * Reading ZIP archives that nobody has checked yet: libarchive behind one
 * file.  Entry names are checked here, before anyone sees them.
 */

#ifndef SUPERVISOR_PLUGIN_ZIP_H
#define SUPERVISOR_PLUGIN_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/strbuf.h"


struct zip;

struct zip_limits {
    size_t    entries;
    uint64_t  total_bytes;          /* unpacked, as the headers say */
    bool      root_only;            /* no directories */
};


/* err->text fits after "Invalid .mint bundle: " */
int zip_open(struct zip **out, const char *path,
    const struct zip_limits *limits, struct error *err);
void zip_free(struct zip **zip);

/*
 * 1: *name is the next entry (valid until the next call), 0: no more.
 * Directories are passed over (with root_only they are errors); links,
 * devices, encrypted entries, unsafe and doubled names are errors.
 */
int zip_next(struct zip *zip, const char **name, struct error *err);

/* the next piece of the entry's data: > 0 bytes at *data, 0 at its end */
int64_t zip_read(struct zip *zip, const void **data, struct error *err);

/* the whole entry; more than max bytes is MINT_ERR_FULL */
int zip_read_text(struct zip *zip, const char *name, size_t max,
    struct strbuf *out, struct error *err);

#endif /* SUPERVISOR_PLUGIN_ZIP_H */
