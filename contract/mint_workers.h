/* SPDX-License-Identifier: MIT */
/*
 * Run file "workers": one record per nginx worker, written by that worker.
 *
 * Made by the supervisor (mode 0660), never written by it afterwards.  A
 * worker owns record i by an OFD write lock on byte i of the file: it opens
 * the file anew in init_process (O_RDWR | O_CLOEXEC, never inherited, kept
 * open as long as the mapping), locks the first free byte below
 * MINT_WORKERS_MAX, reserves the record's space with posix_fallocate, then
 * calls mint_worker_begin().  The kernel frees the lock when the worker dies; a
 * reader tests with F_OFD_GETLK.
 *
 * Unlike the other files it has holes: a record takes memory once it has had
 * an owner, not before.  A reader must not touch one that has none (in a full
 * tmpfs that would kill it): a worker looks at the header's word "owned", in
 * which each owner sets its record's bit; the supervisor asks for the record's
 * last page with SEEK_DATA, because space is reserved from the beginning to
 * the end and that page is written to last.
 *
 * Two kinds of figures: what is under way (pid, epochs, in_flight, the oldest
 * request) is that of the record's owner and counts only while the record is
 * locked.  Counters outlive their worker and are gone on with by the next
 * owner, so the sum over all records, locked or not, is the total since the
 * file was made: nothing is lost by a reload or by a worker's death.
 *
 * Record i is at section[0] + i * record_bytes, where record_bytes =
 * mint_worker_record_bytes(seat capacity, plugin capacity).  It holds struct
 * mint_worker, then in_flight[seats] (u32 each, padded to 8), then struct
 * mint_worker_plugin[plugins], indexed by plugin id.
 */

#ifndef MINT_WORKERS_H
#define MINT_WORKERS_H

#include "mint_seats.h"


#define MINT_WORKERS_MAX               64
#define MINT_WORKERS_ALIGN             65536    /* no page of two records */

#define MINT_WORKERS_CAPACITY_RECORDS  0    /* MINT_WORKERS_MAX */
#define MINT_WORKERS_CAPACITY_SEATS    1
#define MINT_WORKERS_CAPACITY_PLUGINS  2
#define MINT_WORKERS_SECTION_RECORDS   0


enum mint_rejection {
    MINT_REJECT_NO_TOKEN = 0,       /* reserved for authenticated-only use */
    MINT_REJECT_BAD_TOKEN = 1,
    MINT_REJECT_EXPIRED = 2,
    MINT_REJECT_REVOKED = 3,
    MINT_REJECT_FORBIDDEN = 4,
    MINT_REJECT_BAD_PATH = 5,
    MINT_REJECT_NOT_READY = 6,
    MINT_REJECT_FULL = 7,
    MINT_REJECT_COUNT = 8
};


struct mint_worker {
    uint64_t  pid;
    uint64_t  started_unix_ms;
    uint64_t  epoch[4];             /* writer_epoch of the mapped routes,
                                       seats, identity, workers; 0 = none */
    uint64_t  routes_generation;    /* last one this worker used */
    uint64_t  requests;
    uint64_t  reserved[8];
};


struct mint_worker_plugin {
    uint64_t  requests[6];          /* index = status / 100; 0 = others */
    uint64_t  in_flight;
    uint64_t  upgrades;             /* WebSockets opened */
    uint64_t  bytes_in;
    uint64_t  bytes_out;
    uint64_t  affinity_hits;        /* met the process they belong to */
    uint64_t  rejections[MINT_REJECT_COUNT];
    uint64_t  latency[24];          /* bucket i: < 2^i ms x 0.25 */

    /* from here on only what is under way, no counters */
    uint64_t  oldest_start_ms;      /* CLOCK_BOOTTIME; 0 = none in flight */
    uint64_t  parked;               /* waiting for a seat, not in flight */
    uint64_t  oldest_parked_ns;     /* CLOCK_BOOTTIME; 0 = none parked */
    uint64_t  reserved[2];
};


static inline uint64_t
mint_worker_record_bytes(uint32_t seats, uint32_t plugins)
{
    uint64_t  bytes;

    bytes = sizeof(struct mint_worker) + (((uint64_t) seats * 4 + 7) & ~7ULL)
            + (uint64_t) plugins * sizeof(struct mint_worker_plugin);

    return (bytes + MINT_WORKERS_ALIGN - 1) & ~(MINT_WORKERS_ALIGN - 1ULL);
}


/* a new owner: nothing is under way, counters go on */

static inline void
mint_worker_begin(struct mint_worker *worker, uint32_t seats,
    uint32_t plugins)
{
    uint32_t                    i;
    uint32_t                   *in_flight;
    uint64_t                   *word;
    struct mint_worker_plugin  *plugin;

    mint_run_store(&worker->pid, 0);
    mint_run_store(&worker->started_unix_ms, 0);
    mint_run_store(&worker->routes_generation, 0);

    for (i = 0; i < 4; i++) {
        mint_run_store(&worker->epoch[i], 0);
    }

    in_flight = (uint32_t *) (worker + 1);

    for (i = 0; i < seats; i++) {
        __atomic_store_n(&in_flight[i], 0, __ATOMIC_RELAXED);
    }

    plugin = (struct mint_worker_plugin *) (void *)
             (in_flight + ((seats + 1) & ~(uint32_t) 1));

    for (i = 0; i < plugins; i++) {
        mint_run_store(&plugin[i].in_flight, 0);

        for (word = &plugin[i].oldest_start_ms;
             word < (uint64_t *) (void *) &plugin[i + 1]; word++)
        {
            mint_run_store(word, 0);
        }
    }

    /* reserved space that was never written to is a hole on some file systems;
       the last page says that the record is there */
    word = (uint64_t *) (void *) ((char *) worker - sizeof(uint64_t)
                                  + mint_worker_record_bytes(seats, plugins));
    mint_run_store(word, mint_run_load(word));
}


/*
 * Counts into the seat.  The caller must then re-read the routes generation
 * and the seat's word with mint_seat_word_reload() and, if the seat may no
 * longer take the request, call mint_seat_leave() and choose again.
 */

static inline void
mint_seat_enter(uint32_t *in_flight)
{
    __atomic_fetch_add(in_flight, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}


static inline void
mint_seat_leave(uint32_t *in_flight)
{
    __atomic_fetch_sub(in_flight, 1, __ATOMIC_RELEASE);
}


static inline uint64_t
mint_seat_word_reload(const struct mint_seat *seat)
{
    return __atomic_load_n(&seat->word, __ATOMIC_SEQ_CST);
}


/*
 * The supervisor's side: publishes the word so that every later
 * mint_seat_count() sees each request that was let in under the old one.
 */

static inline void
mint_seat_word_publish(struct mint_seat *seat, uint64_t word)
{
    __atomic_store_n(&seat->word, word, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}


static inline uint32_t
mint_seat_count(const uint32_t *in_flight)
{
    return __atomic_load_n(in_flight, __ATOMIC_SEQ_CST);
}


_Static_assert(sizeof(struct mint_worker) == 128, "worker size");
_Static_assert(sizeof(struct mint_worker_plugin) == 384, "worker plugin size");

#endif /* MINT_WORKERS_H */
