/* SPDX-License-Identifier: MIT */
/*
 * The run files: shared memory between the supervisor and the nginx workers.
 *
 * Four files in the run directory (on tmpfs): "routes", "seats", "identity"
 * (writer: supervisor) and "workers" (each record written by the one nginx
 * worker that owns it).  Every file starts with struct mint_run_header.
 *
 * Rules that hold for all four
 *   - A file keeps its size for life (posix_fallocate before mmap, of
 *     "workers" record by record; never truncated).  A larger table is a new
 *     file, renamed over the old name; after the rename the old file's header
 *     says MINT_RUN_RETIRED, which every request checks.  A worker that sees
 *     it opens the name again.
 *   - A reader never trusts an offset, length or index: it checks bounds,
 *     copies out with mint_run_copy(), then validates.
 *   - Shared words are read and written by the helpers below only: relaxed
 *     atomics by 8-byte words, so that a race is a stale value and not
 *     undefined behaviour.
 *   - Nothing but this header (and the file it describes) is agreed on;
 *     pointers never appear in a file.
 *
 * Byte order and alignment are those of the host: the files never leave it.
 */

#ifndef MINT_RUN_H
#define MINT_RUN_H

#include <stddef.h>
#include <stdint.h>


#define MINT_RUN_MAGIC         0x4e55522d544e494dULL    /* "MINT-RUN" */
#define MINT_RUN_ABI_MAJOR     1
#define MINT_RUN_ABI_MINOR     0

#define MINT_RUN_ROUTES_NAME    "routes"
#define MINT_RUN_SEATS_NAME     "seats"
#define MINT_RUN_IDENTITY_NAME  "identity"
#define MINT_RUN_WORKERS_NAME   "workers"


enum mint_run_kind {
    MINT_RUN_ROUTES = 1,
    MINT_RUN_SEATS = 2,
    MINT_RUN_IDENTITY = 3,
    MINT_RUN_WORKERS = 4
};


enum mint_run_life {
    MINT_RUN_FILLING = 0,       /* being made; not yet under its name */
    MINT_RUN_LIVE = 1,
    MINT_RUN_RETIRED = 2        /* replaced: open the name again */
};


/*
 * Header of each run file, at offset 0.
 *
 * life, generation, heartbeat_ms and owned are atomic words; everything else is
 * written before the file gets its name and never changes.
 */

struct mint_run_header {
    uint64_t  magic;
    uint32_t  kind;             /* enum mint_run_kind */
    uint16_t  abi_major;        /* a reader refuses another major */
    uint16_t  abi_minor;        /* a reader accepts any minor >= its own */
    uint64_t  file_bytes;       /* equals fstat's st_size */
    uint64_t  writer_epoch;     /* grows by one with each new file of a kind */
    uint64_t  created_unix_ms;
    uint64_t  life;             /* atomic, enum mint_run_life */
    uint64_t  generation;       /* atomic; routes: the published half is
                                   generation & 1; others: count of changes */
    uint64_t  heartbeat_ms;     /* atomic; CLOCK_BOOTTIME of the writer's last
                                   sign of life, 0 in "workers" */
    uint32_t  capacity[8];      /* per kind, see MINT_*_CAPACITY_* */
    uint64_t  section[6];       /* per kind: byte offsets of the tables */
    uint64_t  owned;            /* atomic; "workers": bit i = record i has had
                                   an owner, so its memory is there */
    uint8_t   reserved[40];
};


/* ---- words --------------------------------------------------------- */

/* a word of any struct: without it a compiler may assume that copying by words
   does not touch the struct's fields */
typedef uint64_t  mint_run_word __attribute__((may_alias));


static inline uint64_t
mint_run_load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}


static inline uint64_t
mint_run_load_acquire(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}


static inline void
mint_run_store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}


static inline void
mint_run_store_release(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}


/*
 * Copies "bytes" (a multiple of 8; both sides 8-byte aligned) out of, or into,
 * shared memory by relaxed words.
 */

static inline void
mint_run_copy(void *to, const void *from, size_t bytes)
{
    size_t                i;
    mint_run_word        *d;
    const mint_run_word  *s;

    d = (mint_run_word *) to;
    s = (const mint_run_word *) from;

    for (i = 0; i < bytes / 8; i++) {
        d[i] = __atomic_load_n(&s[i], __ATOMIC_RELAXED);
    }
}


static inline void
mint_run_fill(void *to, const void *from, size_t bytes)
{
    size_t                i;
    mint_run_word        *d;
    const mint_run_word  *s;

    d = (mint_run_word *) to;
    s = (const mint_run_word *) from;

    for (i = 0; i < bytes / 8; i++) {
        __atomic_store_n(&d[i], s[i], __ATOMIC_RELAXED);
    }
}


_Static_assert(sizeof(struct mint_run_header) == 192, "run header size");
_Static_assert(offsetof(struct mint_run_header, life) == 40, "life");
_Static_assert(offsetof(struct mint_run_header, generation) == 48, "gen");
_Static_assert(offsetof(struct mint_run_header, capacity) == 64, "capacity");
_Static_assert(offsetof(struct mint_run_header, section) == 96, "section");
_Static_assert(offsetof(struct mint_run_header, owned) == 144, "owned");

#endif /* MINT_RUN_H */
