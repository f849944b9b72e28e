/* SPDX-License-Identifier: MIT */
/*
 * Writes "routes": entries sorted by prefix, a hash table over them, the CRC,
 * all made in private memory and copied into the half nobody reads.
 */

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "routes_writer.h"


#define ROUTES_CAPACITY_LEAST  16
#define ROUTES_CAPACITY_MOST   65536


static int routes_encode(struct mint_route *entry,
    const struct publisher_route *route, struct error *err);
static int routes_check_prefix(const char *prefix, struct error *err);
static int routes_segments(const char *prefix, size_t len);
static bool routes_check_entry(const struct mint_route *entry);
static int routes_compare(const void *a, const void *b);
static int routes_duplicates(const struct mint_route *entries, size_t count,
    struct error *err);
static bool routes_same(const struct routes_writer *writer,
    const struct mint_route *entries, size_t count);
static int routes_replace(struct routes_writer *writer, uint32_t capacity,
    struct mint_route *entries, uint32_t count, struct error *err);
static void routes_fill(struct run_file *file, uint64_t generation,
    const struct mint_route *entries, uint32_t count);
static int routes_read_half(const struct run_file *file, uint64_t generation,
    struct mint_route **entries, uint32_t *count);
static void routes_file_shape(uint32_t capacity, struct run_shape *shape);
static size_t routes_table_bytes(const struct mint_run_header *header);


int
routes_writer_open(struct routes_writer *writer, const char *directory,
    uint32_t capacity, gid_t gid, struct error *err)
{
    int                      rc;
    uint32_t                 actual;
    struct error             why;
    struct run_shape         shape;
    const struct run_file   *file;

    memset(writer, 0, sizeof(*writer));

    rc = run_line_open(&writer->line, directory, MINT_RUN_ROUTES, gid, err);
    if (rc != 0) {
        goto failed;
    }

    file = writer->line.current;
    actual = 0;

    if (file != NULL) {
        rc = routes_file_read(file, &writer->entries, &writer->count, &why);
        if (rc == 0) {
            actual = file->header->capacity[MINT_ROUTES_CAPACITY_ENTRIES];
            routes_file_shape(actual, &shape);

        } else {
            log_warn("run file \"routes\": %s; it will be replaced",
                     why.text);
        }
    }

    if (actual != 0 && actual >= capacity
        && run_file_has_shape(file, &shape))
    {
        writer->capacity = actual;
        return 0;
    }

    if (capacity < actual) {
        capacity = actual;
    }

    rc = routes_replace(writer, capacity, writer->entries, writer->count,
                        err);
    if (rc == 0) {
        return 0;
    }

failed:

    routes_writer_close(writer);

    return rc;
}


void
routes_writer_close(struct routes_writer *writer)
{
    run_line_close(&writer->line);
    free(writer->entries);
    memset(writer, 0, sizeof(*writer));
}


int
routes_writer_set(struct routes_writer *writer,
    const struct publisher_route *routes, size_t count, struct error *err)
{
    int                 rc;
    size_t              i;
    uint64_t            generation;
    struct mint_route  *entries;

    if (count > ROUTES_CAPACITY_MOST) {
        return error_set(err, MINT_ERR_FULL, "%zu routes: at most %d fit",
                         count, ROUTES_CAPACITY_MOST);
    }

    entries = mem_alloc((count + 1) * sizeof(*entries));

    for (i = 0; i < count; i++) {
        rc = routes_encode(&entries[i], &routes[i], err);
        if (rc != 0) {
            goto failed;
        }
    }

    qsort(entries, count, sizeof(*entries), routes_compare);

    rc = routes_duplicates(entries, count, err);
    if (rc != 0) {
        goto failed;
    }

    if (routes_same(writer, entries, count)) {
        free(entries);
        return 0;
    }

    if (count > writer->capacity) {
        rc = routes_replace(writer, run_power_of_two(count), entries,
                            (uint32_t) count, err);
        if (rc != 0) {
            goto failed;
        }

    } else {
        generation = mint_run_load(&writer->line.current->header->generation);
        routes_fill(writer->line.current, generation + 1, entries,
                    (uint32_t) count);
    }

    free(writer->entries);
    writer->entries = entries;
    writer->count = (uint32_t) count;

    return 0;

failed:

    free(entries);

    return rc;
}


int
routes_file_read(const struct run_file *file, struct mint_route **entries,
    uint32_t *count, struct error *err)
{
    unsigned           tries;
    uint32_t           capacity;
    uint64_t           generation;
    struct run_shape   shape;

    *entries = NULL;
    *count = 0;

    capacity = file->header->capacity[MINT_ROUTES_CAPACITY_ENTRIES];
    if (capacity == 0 || capacity > ROUTES_CAPACITY_MOST) {
        return error_set(err, MINT_ERR_PROTOCOL,
                         "capacity of %u routes is out of bounds", capacity);
    }

    routes_file_shape(capacity, &shape);
    if (!run_file_has_shape(file, &shape)) {
        return error_set(err, MINT_ERR_PROTOCOL,
                         "tables are not where they should be");
    }

    for (tries = 0; tries < MINT_ROUTES_TRIES; tries++) {
        generation = mint_run_load_acquire(&file->header->generation);

        if (routes_read_half(file, generation, entries, count) == 0) {
            return 0;
        }
    }

    return error_set(err, MINT_ERR_PROTOCOL,
                     "the published half is not whole (checksum)");
}


static int
routes_encode(struct mint_route *entry, const struct publisher_route *route,
    struct error *err)
{
    int     rc;
    size_t  name_len, version_len;

    rc = routes_check_prefix(route->prefix, err);
    if (rc != 0) {
        return rc;
    }

    name_len = strlen(route->name);
    version_len = strlen(route->version);

    if (name_len == 0 || name_len > MINT_NAME_MAX) {
        return error_set(err, MINT_ERR_INVALID,
                         "route \"%s\": the plugin's name has %zu bytes, "
                         "1 to %d are allowed", route->prefix, name_len,
                         MINT_NAME_MAX);
    }

    if (route->slot_count == 0 || route->slot_count > MINT_SLOTS_MAX
        || route->affinity > MINT_AFFINITY_USER)
    {
        return error_set(err, MINT_ERR_INVALID,
                         "route \"%s\": %u slots, affinity %u",
                         route->prefix, route->slot_count, route->affinity);
    }

    if (version_len >= sizeof(entry->version)) {
        version_len = sizeof(entry->version) - 1;
    }

    memset(entry, 0, sizeof(*entry));
    entry->plugin_id = route->plugin_id;
    entry->seat_first = route->seat_first;
    entry->slot_count = route->slot_count;
    entry->affinity = route->affinity;
    entry->flags = route->flags;
    entry->prefix_len = (uint16_t) strlen(route->prefix);
    entry->name_len = (uint16_t) name_len;
    memcpy(entry->prefix, route->prefix, entry->prefix_len);
    memcpy(entry->name, route->name, name_len);
    memcpy(entry->version, route->version, version_len);

    return 0;
}


static int
routes_check_prefix(const char *prefix, struct error *err)
{
    int          segments;
    size_t       len;
    const char  *why;

    len = strlen(prefix);
    segments = routes_segments(prefix, len);
    why = NULL;

    if (len > MINT_PREFIX_MAX) {
        why = "is longer than 120 bytes";

    } else if (segments == -1) {
        why = "must start with \"/\", not end with it and have no empty, "
              "\".\" or \"..\" segment and no byte but A-Z a-z 0-9 . _ ~ -";

    } else if (segments > MINT_PREFIX_SEGMENTS) {
        why = "has more than 8 segments";

    } else if (strcmp(prefix, "/api") == 0
               || strncmp(prefix, "/api/", 5) == 0
               || strncmp(prefix, "/__mint", 7) == 0)
    {
        why = "belongs to the platform";
    }

    if (why == NULL) {
        return 0;
    }

    return error_set(err, MINT_ERR_INVALID, "route prefix \"%.130s\" %s",
                     prefix, why);
}


/* the number of segments, or -1 if it is no prefix */

static int
routes_segments(const char *prefix, size_t len)
{
    int          segments;
    size_t       i, start;
    const char  *c;

    static const char  allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz"
                                   "0123456789._~-";

    if (len < 2 || prefix[0] != '/') {
        return -1;
    }

    segments = 0;
    start = 1;

    for (i = 1; i <= len; i++) {
        if (i < len && prefix[i] != '/') {
            c = memchr(allowed, prefix[i], sizeof(allowed) - 1);
            if (c == NULL) {
                return -1;
            }
            continue;
        }

        if (i == start
            || (i - start == 1 && prefix[start] == '.')
            || (i - start == 2 && memcmp(&prefix[start], "..", 2) == 0))
        {
            return -1;
        }

        segments++;
        start = i + 1;
    }

    return segments;
}


static bool
routes_check_entry(const struct mint_route *entry)
{
    return entry->prefix_len <= MINT_PREFIX_MAX
           && routes_segments(entry->prefix, entry->prefix_len) > 0
           && entry->name_len > 0 && entry->name_len <= MINT_NAME_MAX
           && entry->version[sizeof(entry->version) - 1] == '\0'
           && entry->slot_count > 0 && entry->slot_count <= MINT_SLOTS_MAX
           && entry->affinity <= MINT_AFFINITY_USER;
}


static int
routes_compare(const void *a, const void *b)
{
    const struct mint_route  *x, *y;

    x = a;
    y = b;

    return memcmp(x->prefix, y->prefix, sizeof(x->prefix));
}


static int
routes_duplicates(const struct mint_route *entries, size_t count,
    struct error *err)
{
    size_t  i;

    for (i = 1; i < count; i++) {
        if (routes_compare(&entries[i - 1], &entries[i]) == 0) {
            return error_set(err, MINT_ERR_INVALID,
                             "route prefix \"%.*s\" is there twice: plugins "
                             "\"%.*s\" and \"%.*s\"", entries[i].prefix_len,
                             entries[i].prefix, entries[i - 1].name_len,
                             entries[i - 1].name, entries[i].name_len,
                             entries[i].name);
        }
    }

    return 0;
}


static bool
routes_same(const struct routes_writer *writer,
    const struct mint_route *entries, size_t count)
{
    return count == writer->count
           && (count == 0
               || memcmp(entries, writer->entries, count * sizeof(*entries))
                  == 0);
}


static int
routes_replace(struct routes_writer *writer, uint32_t capacity,
    struct mint_route *entries, uint32_t count, struct error *err)
{
    int                rc;
    uint64_t           generation;
    struct run_file   *fresh;
    struct run_shape   shape;

    if (capacity < ROUTES_CAPACITY_LEAST) {
        capacity = ROUTES_CAPACITY_LEAST;
    }

    if (capacity > ROUTES_CAPACITY_MOST) {
        return error_set(err, MINT_ERR_FULL, "%u routes: at most %d fit",
                         capacity, ROUTES_CAPACITY_MOST);
    }

    routes_file_shape(capacity, &shape);

    rc = run_line_make(&writer->line, &shape, &fresh, err);
    if (rc != 0) {
        return rc;
    }

    generation = 1;
    if (writer->line.current != NULL) {
        generation += mint_run_load(&writer->line.current->header->generation);
    }

    routes_fill(fresh, generation, entries, count);

    rc = run_line_commit(&writer->line, &fresh, err);
    if (rc != 0) {
        return rc;
    }

    writer->capacity = capacity;
    log_info("run file \"routes\" made: epoch %llu, room for %u routes",
             (unsigned long long) writer->line.current->epoch, capacity);

    return 0;
}


static void
routes_fill(struct run_file *file, uint64_t generation,
    const struct mint_route *entries, uint32_t count)
{
    char                     *table;
    size_t                    bytes;
    uint32_t                  i, at, buckets, *bucket;
    struct mint_run_header   *h;
    struct mint_routes_half   half, *to;

    h = file->header;
    bytes = routes_table_bytes(h);
    buckets = h->capacity[MINT_ROUTES_CAPACITY_BUCKETS];
    table = mem_alloc(bytes + count * sizeof(*entries));
    bucket = (uint32_t *) table;

    memset(&half, 0, sizeof(half));
    half.generation = generation;
    half.entry_count = count;

    for (i = 0; i < count; i++) {
        at = (uint32_t) mint_prefix_hash(MINT_PREFIX_HASH_SEED,
                                         entries[i].prefix,
                                         entries[i].prefix_len);
        while (bucket[at & (buckets - 1)] != 0) {
            at++;
        }
        bucket[at & (buckets - 1)] = i + 1;

        if (entries[i].prefix_len > half.prefix_max) {
            half.prefix_max = entries[i].prefix_len;
        }

        at = (uint32_t) routes_segments(entries[i].prefix,
                                        entries[i].prefix_len);
        if (at > half.segments_max) {
            half.segments_max = at;
        }
    }

    if (count > 0) {
        memcpy(table + bytes, entries, count * sizeof(*entries));
    }

    bytes += count * sizeof(*entries);
    half.crc32 = (uint32_t) crc32(0, (const Bytef *) table, (uInt) bytes);

    /* no store below may be seen before the generation stored last time */
    __atomic_thread_fence(__ATOMIC_RELEASE);

    to = run_file_section(file, MINT_ROUTES_SECTION_HALF0 + (generation & 1));
    mint_run_fill(to, &half, sizeof(half));
    mint_run_fill(to + 1, table, bytes);
    mint_run_store_release(&h->generation, generation);

    free(table);
}


static int
routes_read_half(const struct run_file *file, uint64_t generation,
    struct mint_route **entries, uint32_t *count)
{
    char                           *table;
    size_t                          bytes;
    uint32_t                        i, crc, capacity;
    struct mint_routes_half         half, *from;
    const struct mint_run_header   *h;

    h = file->header;
    capacity = h->capacity[MINT_ROUTES_CAPACITY_ENTRIES];
    from = run_file_section(file,
                            MINT_ROUTES_SECTION_HALF0 + (generation & 1));

    mint_run_copy(&half, from, sizeof(half));
    if (half.entry_count > capacity || half.generation != generation) {
        return -1;
    }

    bytes = routes_table_bytes(h) + half.entry_count * sizeof(**entries);
    table = mem_alloc(bytes + sizeof(**entries));
    mint_run_copy(table, from + 1, bytes);

    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    crc = (uint32_t) crc32(0, (const Bytef *) table, (uInt) bytes);
    if (mint_run_load(&h->generation) != generation || crc != half.crc32) {
        free(table);
        return -1;
    }

    memmove(table, table + routes_table_bytes(h),
            half.entry_count * sizeof(**entries));
    *entries = (struct mint_route *) (void *) table;
    *count = half.entry_count;

    for (i = 0; i < half.entry_count; i++) {
        if (!routes_check_entry(&(*entries)[i])) {
            free(table);
            *entries = NULL;
            *count = 0;
            return -1;
        }
    }

    return 0;
}


static void
routes_file_shape(uint32_t capacity, struct run_shape *shape)
{
    uint64_t  half;
    uint32_t  buckets;

    buckets = run_power_of_two((uint64_t) capacity * 2);
    half = run_align(sizeof(struct mint_routes_half) + (uint64_t) buckets * 4
                     + (uint64_t) capacity * sizeof(struct mint_route));

    memset(shape, 0, sizeof(*shape));
    shape->capacity[MINT_ROUTES_CAPACITY_ENTRIES] = capacity;
    shape->capacity[MINT_ROUTES_CAPACITY_BUCKETS] = buckets;
    shape->section[MINT_ROUTES_SECTION_HALF0] = sizeof(struct mint_run_header);
    shape->section[MINT_ROUTES_SECTION_HALF1] =
        sizeof(struct mint_run_header) + half;
    shape->bytes = sizeof(struct mint_run_header) + 2 * half;
}


static size_t
routes_table_bytes(const struct mint_run_header *header)
{
    return (size_t) header->capacity[MINT_ROUTES_CAPACITY_BUCKETS] * 4;
}
