/* SPDX-License-Identifier: MIT */
/*
 * ZIP reading by libarchive's seeking reader, which believes the central
 * directory only.  The limits count what the headers say and what really
 * comes out, so a lying header gains nothing.
 */

#include "supervisor/plugin/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/plugin/names.h"


#define ZIP_BLOCK     (64 * 1024)
#define ZIP_NAME_MAX  1024


struct zip {
    struct archive        *archive;
    int                    fd;
    struct zip_limits      limits;
    uint64_t               claimed_bytes;
    uint64_t               read_bytes;
    char                 **names;           /* sorted, of all entries so far */
    size_t                 count;
    size_t                 room;
};


static int zip_entry_name(struct zip *zip, struct archive_entry *entry,
    const char **name, bool *is_directory, struct error *err);
static int zip_remember(struct zip *zip, const char *name,
    struct error *err);
static int zip_account(struct zip *zip, struct archive_entry *entry,
    struct error *err);
static int zip_failed(struct zip *zip, struct error *err);


int
zip_open(struct zip **out, const char *path, const struct zip_limits *limits,
    struct error *err)
{
    int          fd;
    struct zip  *zip;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd == -1) {
        return error_set_errno(err, "open(\"%s\") failed", path);
    }

    zip = mem_alloc(sizeof(struct zip));
    zip->fd = fd;
    zip->limits = *limits;
    zip->archive = archive_read_new();

    if (zip->archive == NULL
        || archive_read_support_format_zip_seekable(zip->archive)
           != ARCHIVE_OK)
    {
        zip_free(&zip);
        return error_set(err, MINT_ERR_MEMORY, "libarchive cannot be used");
    }

    if (archive_read_open_fd(zip->archive, fd, ZIP_BLOCK) != ARCHIVE_OK) {
        zip_free(&zip);
        return error_set(err, MINT_ERR_INVALID, "it is not a ZIP archive");
    }

    *out = zip;

    return 0;
}


void
zip_free(struct zip **zip)
{
    size_t  i;

    if (*zip == NULL) {
        return;
    }

    if ((*zip)->archive != NULL) {
        archive_read_free((*zip)->archive);
    }

    for (i = 0; i < (*zip)->count; i++) {
        free((*zip)->names[i]);
    }

    close((*zip)->fd);
    free((*zip)->names);
    free(*zip);

    *zip = NULL;
}


int
zip_next(struct zip *zip, const char **name, struct error *err)
{
    int                    rc;
    bool                   is_directory;
    struct archive_entry  *entry;

    do {
        rc = archive_read_next_header(zip->archive, &entry);

        if (rc == ARCHIVE_EOF) {
            return 0;
        }

        if (rc < ARCHIVE_WARN) {
            return zip_failed(zip, err);
        }

        rc = zip_entry_name(zip, entry, name, &is_directory, err);

        if (rc == 0) {
            rc = zip_account(zip, entry, err);
        }

        if (rc != 0) {
            return rc;
        }

    } while (is_directory);

    return 1;
}


static int
zip_entry_name(struct zip *zip, struct archive_entry *entry,
    const char **name, bool *is_directory, struct error *err)
{
    size_t       len;
    const char  *path;

    path = archive_entry_pathname_utf8(entry);

    if (path == NULL) {
        path = archive_entry_pathname(entry);
    }

    if (path == NULL || path[0] == '\0' || strlen(path) > ZIP_NAME_MAX) {
        return error_set(err, MINT_ERR_INVALID,
                         "it holds an entry without a usable name");
    }

    if (!names_archive_path_is_safe(path)) {
        return error_set(err, MINT_ERR_INVALID,
                         "it holds an entry with the unsafe name \"%.200s\"",
                         path);
    }

    len = strlen(path);
    *is_directory = path[len - 1] == '/'
                    || archive_entry_filetype(entry) == AE_IFDIR;

    if (zip->limits.root_only && (*is_directory || strchr(path, '/') != NULL))
    {
        return error_set(err, MINT_ERR_INVALID, "\"%.200s\" is in a folder; "
                         "all files must be at its root", path);
    }

    if ((!*is_directory && archive_entry_filetype(entry) != AE_IFREG)
        || archive_entry_hardlink(entry) != NULL
        || archive_entry_symlink(entry) != NULL)
    {
        return error_set(err, MINT_ERR_INVALID,
                         "\"%.200s\" is not a plain file", path);
    }

    if (archive_entry_is_encrypted(entry)) {
        return error_set(err, MINT_ERR_INVALID, "\"%.200s\" is encrypted",
                         path);
    }

    *name = path;

    return zip_remember(zip, path, err);
}


static int
zip_remember(struct zip *zip, const char *name, struct error *err)
{
    int     order;
    size_t  low, high, middle;

    if (zip->count >= zip->limits.entries) {
        return error_set(err, MINT_ERR_INVALID,
                         "it holds more than %zu entries",
                         zip->limits.entries);
    }

    for (low = 0, high = zip->count; low < high; /* void */) {
        middle = low + (high - low) / 2;
        order = strcmp(name, zip->names[middle]);

        if (order == 0) {
            return error_set(err, MINT_ERR_INVALID,
                             "it holds \"%.200s\" twice", name);
        }

        if (order < 0) {
            high = middle;

        } else {
            low = middle + 1;
        }
    }

    if (zip->count == zip->room) {
        zip->room = zip->room * 2 + 64;
        zip->names = mem_grow(zip->names, zip->room, sizeof(char *));
    }

    memmove(zip->names + low + 1, zip->names + low,
            (zip->count - low) * sizeof(char *));
    zip->names[low] = mem_strdup(name);
    zip->count++;

    return 0;
}


static int
zip_account(struct zip *zip, struct archive_entry *entry, struct error *err)
{
    int64_t  size;

    size = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : 0;

    if (size < 0
        || (uint64_t) size > zip->limits.total_bytes - zip->claimed_bytes)
    {
        return error_set(err, MINT_ERR_INVALID,
                         "unpacked it is larger than %llu MiB",
                         (unsigned long long)
                         (zip->limits.total_bytes >> 20));
    }

    zip->claimed_bytes += (uint64_t) size;

    return 0;
}


int64_t
zip_read(struct zip *zip, const void **data, struct error *err)
{
    int         rc;
    size_t      len;
    la_int64_t  offset;

    do {
        rc = archive_read_data_block(zip->archive, data, &len, &offset);

        if (rc == ARCHIVE_EOF) {
            return 0;
        }

        /* a wrong checksum is only a warning to libarchive */

        if (rc != ARCHIVE_OK) {
            return zip_failed(zip, err);
        }

        if (len > zip->limits.total_bytes - zip->read_bytes) {
            return error_set(err, MINT_ERR_INVALID,
                             "unpacked it is larger than %llu MiB",
                             (unsigned long long)
                             (zip->limits.total_bytes >> 20));
        }

        zip->read_bytes += len;

    } while (len == 0);

    return (int64_t) len;
}


int
zip_read_text(struct zip *zip, const char *name, size_t max,
    struct strbuf *out, struct error *err)
{
    int64_t      n;
    const void  *data;

    strbuf_clear(out);

    for ( ;; ) {
        n = zip_read(zip, &data, err);

        if (n <= 0) {
            return (int) n;
        }

        if ((size_t) n > max - out->len) {
            return error_set(err, MINT_ERR_FULL,
                             "\"%.200s\" is longer than %zu KiB", name,
                             max >> 10);
        }

        strbuf_append(out, data, (size_t) n);
    }
}


static int
zip_failed(struct zip *zip, struct error *err)
{
    const char  *why;

    why = archive_error_string(zip->archive);

    if (archive_file_count(zip->archive) == 0) {
        return error_set(err, MINT_ERR_INVALID, "it is not a ZIP archive");
    }

    return error_set(err, MINT_ERR_INVALID, "the ZIP archive is damaged: %s",
                     why != NULL ? why : "its data cannot be unpacked");
}
