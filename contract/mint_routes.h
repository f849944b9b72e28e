/* SPDX-License-Identifier: MIT */
/*
 * Run file "routes": which public prefix belongs to which plugin.
 *
 * Two halves of equal shape; the published one is header.generation & 1.
 * The writer fills the other half, computes its CRC, stores generation + 1
 * (release) and issues a release fence before the first store of its next
 * fill.  A reader loads the generation (acquire), looks up and copies out,
 * issues an acquire fence and loads the generation again: equal means that
 * what it copied is whole.  After 16 tries it keeps its last good answer.
 *
 * A half is: struct mint_routes_half, then bucket[bucket_capacity] (u32, two
 * to a word; 0 = empty, else entry index + 1; open addressing with linear
 * probing over FNV-1a 64 of the prefix, start = hash & (buckets - 1)), then
 * entry[entry_capacity].
 *
 * A prefix starts with "/", has no trailing "/", may have several segments
 * and is stored whole in its entry.  "/" itself never is an entry: what no
 * prefix matches belongs to the platform (seat MINT_SEAT_PLATFORM).
 */

#ifndef MINT_ROUTES_H
#define MINT_ROUTES_H

#include "mint_run.h"


#define MINT_PREFIX_MAX          120     /* bytes, without NUL */
#define MINT_PREFIX_SEGMENTS     8
#define MINT_NAME_MAX            64      /* plugin name, without NUL */
#define MINT_SLOTS_MAX           64      /* of a plugin */
#define MINT_ROUTES_TRIES        16

/* indexes of header.capacity and header.section */
#define MINT_ROUTES_CAPACITY_ENTRIES  0
#define MINT_ROUTES_CAPACITY_BUCKETS  1  /* a power of two, >= 2 x entries */
#define MINT_ROUTES_SECTION_HALF0     0
#define MINT_ROUTES_SECTION_HALF1     1


enum mint_route_flag {
    MINT_ROUTE_MAINTENANCE = 1,          /* 503 to all but admins */
    MINT_ROUTE_SHARED = 2                /* mode shared (for messages) */
};


enum mint_affinity {
    MINT_AFFINITY_NONE = 0,
    MINT_AFFINITY_SESSION = 1,
    MINT_AFFINITY_USER = 2
};


struct mint_routes_half {
    uint64_t  generation;       /* the generation this half was filled for */
    uint32_t  entry_count;
    uint32_t  crc32;            /* zlib's crc32 over buckets and the first
                                   entry_count entries; see mint_crc32() */
    uint32_t  segments_max;     /* longest prefix, in segments */
    uint32_t  prefix_max;       /* longest prefix, in bytes */
    uint64_t  reserved[5];
};


struct mint_route {
    uint32_t  plugin_id;        /* index into identity's plugin table */
    uint32_t  seat_first;       /* seats seat_first .. + 2 * slot_count - 1 */
    uint16_t  slot_count;
    uint8_t   affinity;         /* enum mint_affinity */
    uint8_t   flags;            /* enum mint_route_flag */
    uint16_t  prefix_len;
    uint16_t  name_len;
    char      prefix[MINT_PREFIX_MAX];
    char      name[MINT_NAME_MAX];
    char      version[40];      /* NUL padded, for messages */
    uint64_t  reserved[2];
};


static inline uint64_t
mint_prefix_hash(uint64_t hash, const char *text, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        hash = (hash ^ (uint8_t) text[i]) * 0x100000001b3ULL;
    }

    return hash;
}

#define MINT_PREFIX_HASH_SEED  0xcbf29ce484222325ULL


_Static_assert(sizeof(struct mint_routes_half) == 64, "routes half size");
_Static_assert(sizeof(struct mint_route) == 256, "route size");
_Static_assert(offsetof(struct mint_route, prefix) == 16, "route prefix");
_Static_assert(offsetof(struct mint_route, name) == 136, "route name");

#endif /* MINT_ROUTES_H */
