/* SPDX-License-Identifier: MIT */
/*
 * One mapped run file: what its header says of itself is checked here, once,
 * for writers and readers alike.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/strbuf.h"
#include "run_file.h"


#define RUN_FILE_BYTES_MAX   (1ULL << 32)


static int run_file_check(const struct run_file *file,
    enum mint_run_kind kind, struct error *err);


static const char *const  run_kind_names[] = {
    [MINT_RUN_ROUTES] = MINT_RUN_ROUTES_NAME,
    [MINT_RUN_SEATS] = MINT_RUN_SEATS_NAME,
    [MINT_RUN_IDENTITY] = MINT_RUN_IDENTITY_NAME,
    [MINT_RUN_WORKERS] = MINT_RUN_WORKERS_NAME
};


const char *
run_kind_name(enum mint_run_kind kind)
{
    return run_kind_names[kind];
}


uint64_t
run_align(uint64_t bytes)
{
    return (bytes + 63) & ~63ULL;
}


uint32_t
run_power_of_two(uint64_t least)
{
    uint32_t  n;

    for (n = 1; n < least && n < 1U << 31; n *= 2) {
        /* void */
    }

    return n;
}


void *
run_file_section(const struct run_file *file, unsigned i)
{
    return (char *) file->header + file->header->section[i];
}


bool
run_file_has_shape(const struct run_file *file, const struct run_shape *shape)
{
    const struct mint_run_header  *h;

    h = file->header;

    return h->file_bytes == shape->bytes
           && memcmp(h->capacity, shape->capacity, sizeof(h->capacity)) == 0
           && memcmp(h->section, shape->section, sizeof(h->section)) == 0;
}


int
run_file_open(struct run_file **out, const char *directory,
    enum mint_run_kind kind, bool writable, struct error *err)
{
    int               rc;
    char             *path;
    struct run_file  *file;

    *out = NULL;
    path = mem_printf("%s/%s", directory, run_kind_name(kind));
    file = mem_alloc(sizeof(*file));

    file->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC
                          | O_NOFOLLOW | O_NONBLOCK);
    if (file->fd == -1) {
        rc = error_set_errno(err, "open(\"%s\")", path);
        goto failed;
    }

    rc = run_file_map(file, writable, err);
    if (rc != 0) {
        error_prefix(err, "run file \"%s\"", path);
        goto failed;
    }

    rc = run_file_check(file, kind, err);
    if (rc != 0) {
        error_prefix(err, "run file \"%s\"", path);
        goto failed;
    }

    file->epoch = file->header->writer_epoch;
    free(path);
    *out = file;

    return 0;

failed:

    free(path);
    run_file_free(&file);

    return rc;
}


void
run_file_free(struct run_file **file)
{
    struct run_file  *f;

    f = *file;
    if (f == NULL) {
        return;
    }

    if (f->header != NULL) {
        munmap(f->header, f->bytes);
    }

    if (f->fd != -1) {
        close(f->fd);
    }

    if (f->temporary != NULL) {
        unlink(f->temporary);
        free(f->temporary);
    }

    free(f);
    *file = NULL;
}


void
run_file_changed(struct run_file *file)
{
    struct mint_run_header  *h;

    h = file->header;
    mint_run_store_release(&h->generation, mint_run_load(&h->generation) + 1);
}


void
run_file_heartbeat(struct run_file *file, uint64_t now_ms)
{
    mint_run_store(&file->header->heartbeat_ms, now_ms);
}


int
run_file_map(struct run_file *file, bool writable, struct error *err)
{
    void         *p;
    struct stat   st;

    if (fstat(file->fd, &st) == -1) {
        return error_set_errno(err, "fstat");
    }

    if (!S_ISREG(st.st_mode)
        || (uint64_t) st.st_size < sizeof(struct mint_run_header)
        || (uint64_t) st.st_size > RUN_FILE_BYTES_MAX)
    {
        return error_set(err, MINT_ERR_PROTOCOL,
                         "is no run file (%lld bytes)",
                         (long long) st.st_size);
    }

    p = mmap(NULL, (size_t) st.st_size,
             writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
             file->fd, 0);
    if (p == MAP_FAILED) {
        return error_set_errno(err, "mmap");
    }

    file->header = p;
    file->bytes = (size_t) st.st_size;

    return 0;
}


/* any minor but our own is refused: a writer must know every field */

static int
run_file_check(const struct run_file *file, enum mint_run_kind kind,
    struct error *err)
{
    unsigned                       i;
    const struct mint_run_header  *h;

    h = file->header;

    if (h->magic != MINT_RUN_MAGIC || h->kind != (uint32_t) kind) {
        return error_set(err, MINT_ERR_PROTOCOL, "is not of this kind");
    }

    if (h->abi_major != MINT_RUN_ABI_MAJOR
        || h->abi_minor != MINT_RUN_ABI_MINOR)
    {
        return error_set(err, MINT_ERR_PROTOCOL,
                         "has ABI %u.%u, this program speaks %u.%u",
                         h->abi_major, h->abi_minor, MINT_RUN_ABI_MAJOR,
                         MINT_RUN_ABI_MINOR);
    }

    if (h->file_bytes != file->bytes) {
        return error_set(err, MINT_ERR_PROTOCOL,
                         "has %zu bytes, its header says %llu", file->bytes,
                         (unsigned long long) h->file_bytes);
    }

    if (mint_run_load(&h->life) != MINT_RUN_LIVE) {
        return error_set(err, MINT_ERR_PROTOCOL, "is not live");
    }

    for (i = 0; i < RUN_FILE_SECTIONS; i++) {
        if (h->section[i] >= h->file_bytes || h->section[i] % 8 != 0) {
            return error_set(err, MINT_ERR_PROTOCOL,
                             "has section %u out of bounds", i);
        }
    }

    return 0;
}
