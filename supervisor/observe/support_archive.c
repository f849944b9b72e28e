/* SPDX-License-Identifier: MIT */
/*
 * Writing by libarchive.
 */

#include "support_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/strbuf.h"


struct support_archive {
    struct archive  *archive;
    int              fd;
    char            *path;
    char            *folder;
    time_t           now;
};


static int
support_archive_failed(struct support_archive *archive, struct error *err)
{
    const char  *why;

    why = archive_error_string(archive->archive);

    return error_set(err, MINT_ERR_SYSTEM, "writing \"%s\" failed: %s",
                     archive->path, why != NULL ? why : "out of memory");
}


int
support_archive_open(struct support_archive **out, const char *path,
    const char *folder, struct error *err)
{
    int                      fd;
    struct support_archive  *archive;

    *out = NULL;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
              0600);

    if (fd == -1) {
        return error_set_errno(err, "\"%s\" cannot be made", path);
    }

    archive = mem_alloc(sizeof(struct support_archive));
    archive->fd = fd;
    archive->path = mem_strdup(path);
    archive->folder = mem_strdup(folder);
    archive->now = time(NULL);
    archive->archive = archive_write_new();

    if (archive->archive == NULL
        || archive_write_add_filter_gzip(archive->archive) != ARCHIVE_OK
        || archive_write_set_format_pax_restricted(archive->archive)
           != ARCHIVE_OK
        || archive_write_open_fd(archive->archive, fd) != ARCHIVE_OK)
    {
        support_archive_failed(archive, err);
        support_archive_drop(&archive);
        return err->code;
    }

    *out = archive;

    return 0;
}


int
support_archive_add(struct support_archive *archive, const char *name,
    const void *data, size_t len, struct error *err)
{
    int                    rc;
    char                  *path;
    struct archive_entry  *entry;

    path = mem_printf("%s/%s", archive->folder, name);
    entry = archive_entry_new();

    if (entry == NULL) {
        free(path);
        return error_set(err, MINT_ERR_MEMORY, "out of memory");
    }

    archive_entry_set_pathname(entry, path);
    archive_entry_set_size(entry, (la_int64_t) len);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0600);
    archive_entry_set_mtime(entry, archive->now, 0);

    rc = archive_write_header(archive->archive, entry) == ARCHIVE_OK
         && archive_write_data(archive->archive, data, len)
            == (la_ssize_t) len
         ? 0 : support_archive_failed(archive, err);

    archive_entry_free(entry);
    free(path);

    return rc;
}


static void
support_archive_free(struct support_archive *archive)
{
    archive_write_free(archive->archive);
    close(archive->fd);
    free(archive->path);
    free(archive->folder);
    free(archive);
}


int
support_archive_close(struct support_archive **archive, struct error *err)
{
    struct support_archive  *a;

    a = *archive;

    if (archive_write_close(a->archive) != ARCHIVE_OK) {
        support_archive_failed(a, err);
        support_archive_drop(archive);
        return err->code;
    }

    *archive = NULL;
    support_archive_free(a);

    return 0;
}


void
support_archive_drop(struct support_archive **archive)
{
    if (*archive != NULL) {
        (void) unlink((*archive)->path);
        support_archive_free(*archive);
        *archive = NULL;
    }
}
