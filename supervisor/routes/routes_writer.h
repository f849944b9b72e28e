/* SPDX-License-Identifier: MIT */
/*
 * The run file "routes": checks what is to be published and swaps the halves.
 */

#ifndef SUPERVISOR_ROUTES_ROUTES_WRITER_H
#define SUPERVISOR_ROUTES_ROUTES_WRITER_H

#include "contract/mint_routes.h"
#include "publisher.h"
#include "run_file.h"


struct routes_writer {
    struct run_line     line;
    struct mint_route  *entries;        /* what is published, by prefix */
    uint32_t            count;
    uint32_t            capacity;       /* of the current file */
};


/* adopts a whole file with at least this capacity (0 = any), else makes one
   with what could be read from it */
int routes_writer_open(struct routes_writer *writer, const char *directory,
    uint32_t capacity, gid_t gid, struct error *err);
void routes_writer_close(struct routes_writer *writer);

/* see publisher_set_routes() */
int routes_writer_set(struct routes_writer *writer,
    const struct publisher_route *routes, size_t count, struct error *err);

/*
 * Reads the published half of a mapped file into a fresh array, checking all
 * of it.  For a file that is being written by another process it is tried
 * MINT_ROUTES_TRIES times.
 */
int routes_file_read(const struct run_file *file, struct mint_route **entries,
    uint32_t *count, struct error *err);

#endif /* SUPERVISOR_ROUTES_ROUTES_WRITER_H */
