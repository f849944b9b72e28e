/* SPDX-License-Identifier: MIT */
/*
 * Run file "seats": where each seat is and whether it may take requests.
 *
 * A slot (a plugin's place n) has two seats, a and b; seat a of slot n is
 * record seat_first + 2n, seat b the one after it.  Records 0 and 1 are the
 * platform's.  A record belongs to one plugin for the life of the file: its
 * address is written once, before its word first leaves MINT_SEAT_EMPTY
 * (release), so a reader that has seen another state (acquire) may read the
 * address without a lock.
 *
 * Everything that changes is in the record's one atomic word.
 *
 * Counting in (worker): count into the seat in the worker's own record of
 * "workers" (seq_cst), then load the routes generation and the word again
 * (seq_cst); if the seat may no longer take the request, count out and
 * choose again.  Stopping (supervisor): store the word (seq_cst), full
 * fence, wait until the sum of all live workers' counts is zero, only then
 * SIGTERM.  See mint_workers.h for mint_seat_enter() and mint_seat_leave().
 */

#ifndef MINT_SEATS_H
#define MINT_SEATS_H

#include "mint_run.h"


#define MINT_SEAT_PLATFORM        0     /* record of the platform */
#define MINT_SEAT_NONE            UINT32_MAX
#define MINT_SEAT_ADDRESS_MAX     108   /* sizeof(sun_path), NUL included */

#define MINT_SEATS_CAPACITY_SEATS  0
#define MINT_SEATS_CAPACITY_PINS   1    /* a power of two */
#define MINT_SEATS_SECTION_SEATS   0
#define MINT_SEATS_SECTION_PINS    1


enum mint_seat_state {
    MINT_SEAT_EMPTY = 0,        /* nothing there */
    MINT_SEAT_STARTING = 1,
    MINT_SEAT_READY = 2,
    MINT_SEAT_DRAINING = 3,     /* pinned users and open WebSockets only */
    MINT_SEAT_CLOSED = 4,       /* nobody; see the cause */
    MINT_SEAT_STATE_COUNT = 5
};


/* why a seat is not ready: chooses the words of the 503 */
enum mint_seat_cause {
    MINT_CAUSE_NONE = 0,
    MINT_CAUSE_FIRST_START = 1,
    MINT_CAUSE_CRASHED = 2,     /* died; a restart is under way or due */
    MINT_CAUSE_RESTART = 3,     /* asked for */
    MINT_CAUSE_FAILED = 4,      /* died too often or never became ready */
    MINT_CAUSE_STOPPED = 5,     /* stopped on purpose */
    MINT_CAUSE_INSTALLING = 6,
    MINT_CAUSE_UPGRADING = 7,
    MINT_CAUSE_COUNT = 8
};


enum mint_seat_family {
    MINT_FAMILY_UNIX = 1,       /* address: path */
    MINT_FAMILY_INET = 2,       /* address: "127.0.0.1:8000" */
    MINT_FAMILY_INET6 = 3       /* address: "[::1]:8000" */
};


/*
 * The word: state in bits 0-7, cause in 8-15, Retry-After in seconds in
 * 16-31 (0 = say the default), generation in 32-63.  The generation grows by
 * one with each process that takes the seat; the worker puts it behind the
 * NUL of sun_path so that nginx's keepalive pool never reuses a connection
 * to a dead process.
 */

static inline uint64_t
mint_seat_word(uint32_t generation, unsigned retry_after_sec,
    enum mint_seat_cause cause, enum mint_seat_state state)
{
    return (uint64_t) generation << 32
           | (uint64_t) (retry_after_sec & 0xffff) << 16
           | (uint64_t) cause << 8 | (uint64_t) state;
}

#define mint_seat_state(word)        ((unsigned) ((word) & 0xff))
#define mint_seat_cause(word)        ((unsigned) ((word) >> 8 & 0xff))
#define mint_seat_retry_after(word)  ((unsigned) ((word) >> 16 & 0xffff))
#define mint_seat_generation(word)   ((uint32_t) ((word) >> 32))


struct mint_seat {
    uint64_t  word;             /* atomic */
    uint32_t  plugin_id;
    uint16_t  slot;
    uint8_t   seat;             /* 0 = a, 1 = b */
    uint8_t   family;           /* enum mint_seat_family */
    char      address[MINT_SEAT_ADDRESS_MAX];    /* NUL padded */
    uint32_t  address_len;      /* without NUL */
};


/*
 * A pin keeps one user of one plugin on one seat while an older process still
 * holds something of theirs.  key = plugin_id << 40 ^ user id, never 0;
 * linear probing from mint_pin_hash(key), over at most MINT_PIN_PROBES cells;
 * value = seat record + 1, 0 = removed.
 *
 * The cell of a removed pin may be given to another key: the writer stores
 * key, then value (release).  A reader loads key, value (acquire) and key
 * again: equal means that they belong together.  A value counts only if its
 * seat belongs to the plugin that is asked for.
 *
 * A move writes pins first, words afterwards: a worker that has counted in
 * and looks for a pin again cannot miss one that is older than the word.
 */

#define MINT_PIN_PROBES           1024

struct mint_pin {
    uint64_t  key;              /* atomic; 0 = never used */
    uint64_t  value;            /* atomic */
};


/* the finalizer of splitmix64: every bit depends on every bit */

static inline uint64_t
mint_mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;

    return x ^ x >> 31;
}


static inline uint64_t
mint_pin_key(uint32_t plugin_id, uint64_t user_id)
{
    return (uint64_t) plugin_id << 40 ^ user_id;
}

static inline uint32_t
mint_pin_hash(uint64_t key)
{
    return (uint32_t) mint_mix(key);
}


_Static_assert(sizeof(struct mint_seat) == 128, "seat size");
_Static_assert(offsetof(struct mint_seat, address) == 16, "seat address");
_Static_assert(sizeof(struct mint_pin) == 16, "pin size");

#endif /* MINT_SEATS_H */
