/* SPDX-License-Identifier: MIT */
/*
 * Making, adopting, replacing and retiring one run file.  A line is the
 * succession of files under one name: the current one and those that were
 * replaced but may still be mapped by a worker.  What is inside a file is the
 * business of the writers.
 */

#ifndef SUPERVISOR_ROUTES_RUN_FILE_H
#define SUPERVISOR_ROUTES_RUN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "contract/mint_run.h"
#include "lib/error.h"


#define RUN_FILE_SECTIONS   6
#define RUN_FILE_CAPACITIES 8


struct run_shape {
    uint64_t  bytes;
    uint64_t  reserve;              /* bytes that get room at once, 0 = all */
    uint32_t  capacity[RUN_FILE_CAPACITIES];
    uint64_t  section[RUN_FILE_SECTIONS];
};


struct run_file {
    struct mint_run_header  *header;        /* the mapping */
    size_t                   bytes;
    int                      fd;
    char                    *temporary;     /* path while it is being filled */
    uint64_t                 epoch;
    uint64_t                 retired_ms;    /* CLOCK_BOOTTIME, 0 = current */
    struct run_file         *next;          /* among the retired */
};


struct run_line {
    char                *directory;
    enum mint_run_kind   kind;
    gid_t                gid;               /* (gid_t) -1: leave the group */
    struct run_file     *current;           /* NULL until there is one */
    struct run_file     *retired;           /* newest first */
    int                  foreign_fd;        /* -1, or what lies under the name
                                               and cannot be adopted */
    uint64_t             last_epoch;
};


/* does a live worker still use the retired file? */
typedef bool (*run_line_in_use_fn)(void *ctx, enum mint_run_kind kind,
    const struct run_file *file);


const char *run_kind_name(enum mint_run_kind kind);

/* rounds up to a multiple of 64, and to a power of two >= least */
uint64_t run_align(uint64_t bytes);
uint32_t run_power_of_two(uint64_t least);

/* start of section i */
void *run_file_section(const struct run_file *file, unsigned i);
bool run_file_has_shape(const struct run_file *file,
    const struct run_shape *shape);

/*
 * Maps <directory>/<kind>; checks all that the header says of itself, but not
 * the content.  MINT_ERR_NOT_FOUND: no such file; MINT_ERR_PROTOCOL: not one
 * that this version can use.
 */
int run_file_open(struct run_file **out, const char *directory,
    enum mint_run_kind kind, bool writable, struct error *err);
void run_file_free(struct run_file **file);

/* maps all of file->fd, which may be one that is just being made */
int run_file_map(struct run_file *file, bool writable, struct error *err);

/* count of changes, for readers who want to know that something is new */
void run_file_changed(struct run_file *file);
void run_file_heartbeat(struct run_file *file, uint64_t now_ms);


/*
 * Adopts the file under the name as current if its header is in order; else
 * current stays NULL and what is there will be retired by the first commit.
 * Left-overs of unfinished files are removed.
 */
int run_line_open(struct run_line *line, const char *directory,
    enum mint_run_kind kind, gid_t gid, struct error *err);
void run_line_close(struct run_line *line);     /* files stay */

/* a zeroed file of this shape, not yet under its name */
int run_line_make(struct run_line *line, const struct run_shape *shape,
    struct run_file **fresh, struct error *err);

/* gives the file its name, makes it current and retires its predecessor;
   *fresh is taken over, on failure it is removed */
int run_line_commit(struct run_line *line, struct run_file **fresh,
    struct error *err);

/* gives up retired mappings that nobody uses */
void run_line_tick(struct run_line *line, run_line_in_use_fn in_use, void *ctx,
    uint64_t now_ms);

#endif /* SUPERVISOR_ROUTES_RUN_FILE_H */
