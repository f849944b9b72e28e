/* SPDX-License-Identifier: MIT */
/*
 * The file that an upload is written to while it arrives.
 */

#ifndef PLATFORM_UPLOAD_FILE_H
#define PLATFORM_UPLOAD_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"


struct upload_file {
    char      *path;            /* NULL = none, or taken by a handler */
    char      *name;            /* the client's, made safe for any path */
    int        fd;              /* valid while is_open */
    bool       is_open;
    uint64_t   bytes;
};


/* a new file below directory, mode 0600 */
int upload_file_open(struct upload_file *file, const char *directory,
    const char *client_name, struct error *err);
int upload_file_write(struct upload_file *file, const char *data, size_t len,
    struct error *err);
int upload_file_close(struct upload_file *file, struct error *err);
/* removes the file unless it was taken; frees everything */
void upload_file_clear(struct upload_file *file);

#endif /* PLATFORM_UPLOAD_FILE_H */
