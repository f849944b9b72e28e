/* SPDX-License-Identifier: MIT */
/*
 * Writing an upload to disk.
 */

#include "platform/upload_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/strbuf.h"


#define UPLOAD_NAME_MAX  200


static char *upload_file_name(const char *client_name);


int
upload_file_open(struct upload_file *file, const char *directory,
    const char *client_name, struct error *err)
{
    char  random[33];

    fs_random_hex(random, 16);
    file->name = upload_file_name(client_name == NULL ? "" : client_name);
    file->path = mem_printf("%s/upload-%s", directory, random);
    file->fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (file->fd == -1) {
        (void) error_set_errno(err, "open(\"%s\") failed", file->path);
        free(file->path);
        file->path = NULL;
        return err->code;
    }

    file->is_open = true;

    return MINT_OK;
}


int
upload_file_write(struct upload_file *file, const char *data, size_t len,
    struct error *err)
{
    ssize_t  n;

    while (len > 0) {
        n = write(file->fd, data, len);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1) {
            return error_set_errno(err, "write(\"%s\") failed", file->path);
        }

        data += n;
        len -= (size_t) n;
        file->bytes += (uint64_t) n;
    }

    return MINT_OK;
}


int
upload_file_close(struct upload_file *file, struct error *err)
{
    if (!file->is_open) {
        return MINT_OK;
    }

    file->is_open = false;

    return close(file->fd) == 0
           ? MINT_OK
           : error_set_errno(err, "close(\"%s\") failed", file->path);
}


void
upload_file_clear(struct upload_file *file)
{
    if (file->is_open) {
        (void) close(file->fd);
    }

    if (file->path != NULL) {
        (void) unlink(file->path);
    }

    free(file->path);
    free(file->name);
    memset(file, 0, sizeof(struct upload_file));
}


/* only the last component, and only characters that are safe in any path */

static char *
upload_file_name(const char *client_name)
{
    char        *name;
    size_t       i;
    size_t       len;
    const char  *base;

    base = client_name;

    for (i = 0; client_name[i] != '\0'; i++) {
        if (client_name[i] == '/' || client_name[i] == '\\') {
            base = client_name + i + 1;
        }
    }

    /* the end of a long name says what it is */
    len = strlen(base);
    name = mem_strdup(len > UPLOAD_NAME_MAX ? base + len - UPLOAD_NAME_MAX
                                            : base);

    for (i = 0; name[i] != '\0'; i++) {
        if ((i == 0 && name[i] == '.')
            || strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                      "0123456789._+!-", name[i])
               == NULL)
        {
            name[i] = '_';
        }
    }

    return name;
}
