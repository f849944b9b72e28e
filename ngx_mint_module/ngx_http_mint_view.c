/* SPDX-License-Identifier: MIT */
/*
 * Checks of a run file's header and the lookups in "routes" and "seats".
 * Opening, mapping and replacing files is ngx_http_mint_run.c.
 */

#include "ngx_http_mint_view.h"

#include <stddef.h>
#include <string.h>

#include "contract/mint_crc32.h"


#define MINT_VIEW_ENTRIES_MAX   65536
#define MINT_VIEW_SEATS_MAX     (1 << 20)
#define MINT_VIEW_TABLE_MAX     (1 << 26)
#define MINT_VIEW_API           "/api"
#define MINT_VIEW_API_LEN       (sizeof(MINT_VIEW_API) - 1)


/* one table of a file: where it starts and how many bytes it takes */

struct mint_view_section {
    unsigned  index;
    uint64_t  bytes;
};


static const char *ngx_http_mint_view_sections(
    const ngx_http_mint_view_t *view);
static unsigned ngx_http_mint_view_routes(const struct mint_run_header *h,
    struct mint_view_section *s, int *is_sane);
static unsigned ngx_http_mint_view_identity(const struct mint_run_header *h,
    struct mint_view_section *s, int *is_sane);
static int ngx_http_mint_table_copy(ngx_http_mint_table_t *table,
    const ngx_http_mint_view_t *view, uint64_t generation);
static int ngx_http_mint_table_is_sane(const ngx_http_mint_table_t *table);
static const struct mint_route *ngx_http_mint_table_get(
    const ngx_http_mint_table_t *table, uint64_t hash, const uint8_t *prefix,
    size_t len);
static const struct mint_route *ngx_http_mint_table_longest(
    const ngx_http_mint_table_t *table, const uint8_t *path, size_t len);


static int
ngx_http_mint_view_power(uint32_t value, uint32_t max)
{
    return value != 0 && value <= max && (value & (value - 1)) == 0;
}


const char *
ngx_http_mint_view_open(ngx_http_mint_view_t *view, void *base,
    uint64_t bytes, enum mint_run_kind kind)
{
    const char              *reason;
    struct mint_run_header  *h;

    memset(view, 0, sizeof(*view));

    if (bytes < sizeof(struct mint_run_header)) {
        return "it is shorter than a run file's header";
    }

    h = &view->header;
    mint_run_copy(h, base, sizeof(*h));

    if (h->magic != MINT_RUN_MAGIC) {
        return "it is no run file";
    }

    if (h->kind != (uint32_t) kind) {
        return "it is a run file of another kind";
    }

    if (h->abi_major != MINT_RUN_ABI_MAJOR) {
        return "it is of another version than this module";
    }

    if (MINT_RUN_ABI_MINOR - (int) h->abi_minor > 0) {
        return "it is older than this module";
    }

    if (h->file_bytes != bytes) {
        return "its size is not what its header says";
    }

    view->base = base;
    view->bytes = bytes;

    reason = ngx_http_mint_view_sections(view);

    if (reason == NULL && h->life == MINT_RUN_FILLING) {
        reason = "it is not finished";
    }

    if (reason == NULL && h->life != MINT_RUN_LIVE) {
        reason = "it is retired";
    }

    if (reason != NULL) {
        memset(view, 0, sizeof(*view));
    }

    return reason;
}


static const char *
ngx_http_mint_view_sections(const ngx_http_mint_view_t *view)
{
    int                            is_sane;
    unsigned                       i, n;
    uint64_t                       offset;
    const struct mint_run_header  *h;
    struct mint_view_section       s[6];

    h = &view->header;
    is_sane = 1;
    n = 0;

    switch (h->kind) {

    case MINT_RUN_ROUTES:
        n = ngx_http_mint_view_routes(h, s, &is_sane);
        break;

    case MINT_RUN_SEATS:
        is_sane = h->capacity[MINT_SEATS_CAPACITY_SEATS] >= 2
                  && h->capacity[MINT_SEATS_CAPACITY_SEATS]
                     <= MINT_VIEW_SEATS_MAX
                  && h->capacity[MINT_SEATS_CAPACITY_PINS]
                     <= MINT_VIEW_TABLE_MAX;
        s[0].index = MINT_SEATS_SECTION_SEATS;
        s[0].bytes = (uint64_t) h->capacity[MINT_SEATS_CAPACITY_SEATS]
                     * sizeof(struct mint_seat);
        s[1].index = MINT_SEATS_SECTION_PINS;
        s[1].bytes = (uint64_t) h->capacity[MINT_SEATS_CAPACITY_PINS]
                     * sizeof(struct mint_pin);
        n = 2;
        break;

    case MINT_RUN_IDENTITY:
        n = ngx_http_mint_view_identity(h, s, &is_sane);
        break;

    case MINT_RUN_WORKERS:
        is_sane = h->capacity[MINT_WORKERS_CAPACITY_RECORDS]
                  == MINT_WORKERS_MAX
                  && h->capacity[MINT_WORKERS_CAPACITY_SEATS]
                     <= MINT_VIEW_SEATS_MAX
                  && h->capacity[MINT_WORKERS_CAPACITY_PLUGINS]
                     <= MINT_VIEW_SEATS_MAX;
        s[0].index = MINT_WORKERS_SECTION_RECORDS;
        s[0].bytes = MINT_WORKERS_MAX * mint_worker_record_bytes(
                                  h->capacity[MINT_WORKERS_CAPACITY_SEATS],
                                  h->capacity[MINT_WORKERS_CAPACITY_PLUGINS]);
        n = 1;
        break;
    }

    if (!is_sane) {
        return "its header has impossible capacities";
    }

    for (i = 0; i < n; i++) {
        offset = h->section[s[i].index];

        if (offset % 8 != 0 || offset < sizeof(*h) || offset > view->bytes
            || s[i].bytes > view->bytes - offset)
        {
            return "a table reaches beyond its end";
        }
    }

    return NULL;
}


static unsigned
ngx_http_mint_view_routes(const struct mint_run_header *h,
    struct mint_view_section *s, int *is_sane)
{
    uint32_t  buckets, entries;

    buckets = h->capacity[MINT_ROUTES_CAPACITY_BUCKETS];
    entries = h->capacity[MINT_ROUTES_CAPACITY_ENTRIES];

    *is_sane = ngx_http_mint_view_power(buckets, 2 * MINT_VIEW_ENTRIES_MAX)
               && buckets >= 2 && entries >= 1
               && entries <= MINT_VIEW_ENTRIES_MAX;

    s[0].index = MINT_ROUTES_SECTION_HALF0;
    s[0].bytes = sizeof(struct mint_routes_half) + (uint64_t) buckets * 4
                 + (uint64_t) entries * sizeof(struct mint_route);
    s[1].index = MINT_ROUTES_SECTION_HALF1;
    s[1].bytes = s[0].bytes;

    return 2;
}


static unsigned
ngx_http_mint_view_identity(const struct mint_run_header *h,
    struct mint_view_section *s, int *is_sane)
{
    unsigned                     i;
    static const struct {
        unsigned                 capacity;
        unsigned                 section;
        size_t                   row;
        int                      is_hash;
    }                            tables[] = {
        { MINT_IDENTITY_CAPACITY_USERS, MINT_IDENTITY_SECTION_USERS,
          sizeof(struct mint_identity_user), 1 },
        { MINT_IDENTITY_CAPACITY_ROLES, MINT_IDENTITY_SECTION_ROLES,
          sizeof(struct mint_identity_role), 0 },
        { MINT_IDENTITY_CAPACITY_PLUGINS, MINT_IDENTITY_SECTION_PLUGINS,
          sizeof(struct mint_identity_plugin), 0 },
        { MINT_IDENTITY_CAPACITY_PATS, MINT_IDENTITY_SECTION_PATS,
          sizeof(struct mint_identity_pat), 1 },
        { MINT_IDENTITY_CAPACITY_DENIED, MINT_IDENTITY_SECTION_DENIED,
          sizeof(struct mint_identity_denied), 1 }
    };

    for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        s[i].index = tables[i].section;
        s[i].bytes = (uint64_t) h->capacity[tables[i].capacity]
                     * tables[i].row;

        if (h->capacity[tables[i].capacity] > MINT_VIEW_TABLE_MAX
            || (tables[i].is_hash && h->capacity[tables[i].capacity] != 0
                && !ngx_http_mint_view_power(h->capacity[tables[i].capacity],
                                             MINT_VIEW_TABLE_MAX)))
        {
            *is_sane = 0;
        }
    }

    if (h->capacity[MINT_IDENTITY_CAPACITY_KEYS] != MINT_IDENTITY_KEYS
        || h->capacity[MINT_IDENTITY_CAPACITY_ROLES] > 256)
    {
        *is_sane = 0;
    }

    s[i].index = MINT_IDENTITY_SECTION_ARENA;
    s[i].bytes = sizeof(struct mint_identity_misc);

    return i + 1;
}


/* ---- routes ---------------------------------------------------------- */

void
ngx_http_mint_table_sizes(const ngx_http_mint_view_t *view,
    size_t *bucket_bytes, size_t *entry_bytes)
{
    *bucket_bytes = view->header.capacity[MINT_ROUTES_CAPACITY_BUCKETS] * 4;
    *entry_bytes = view->header.capacity[MINT_ROUTES_CAPACITY_ENTRIES]
                   * sizeof(struct mint_route);
}


enum ngx_http_mint_table_result
ngx_http_mint_table_load(ngx_http_mint_table_t *table,
    const ngx_http_mint_view_t *view)
{
    unsigned   i;
    uint64_t   generation;

    for (i = 0; i < MINT_ROUTES_TRIES; i++) {
        generation = mint_run_load_acquire(
                                  ngx_http_mint_view_word(view, generation));

        if (generation == table->generation) {
            return NGX_HTTP_MINT_TABLE_SAME;
        }

        if (ngx_http_mint_table_copy(table, view, generation)) {
            table->generation = generation;
            return NGX_HTTP_MINT_TABLE_LOADED;
        }
    }

    return NGX_HTTP_MINT_TABLE_TORN;
}


/* a copy that fails must leave no half-read table: the caller has a second */

static int
ngx_http_mint_table_copy(ngx_http_mint_table_t *table,
    const ngx_http_mint_view_t *view, uint64_t generation)
{
    size_t                         bucket_bytes;
    uint32_t                       crc;
    const uint8_t                 *from;
    struct mint_routes_half        half;
    const struct mint_run_header  *h;

    h = &view->header;
    from = view->base + h->section[generation & 1];
    bucket_bytes = (size_t) h->capacity[MINT_ROUTES_CAPACITY_BUCKETS] * 4;

    mint_run_copy(&half, from, sizeof(half));

    if (half.generation != generation
        || half.entry_count > h->capacity[MINT_ROUTES_CAPACITY_ENTRIES]
        || half.segments_max > MINT_PREFIX_SEGMENTS)
    {
        return 0;
    }

    mint_run_copy(table->buckets, from + sizeof(half), bucket_bytes);
    mint_run_copy(table->entries, from + sizeof(half) + bucket_bytes,
                  half.entry_count * sizeof(struct mint_route));

    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    if (mint_run_load(ngx_http_mint_view_word(view, generation))
        != generation)
    {
        return 0;
    }

    crc = mint_crc32(0, table->buckets, bucket_bytes);
    crc = mint_crc32(crc, table->entries,
                     half.entry_count * sizeof(struct mint_route));

    if (crc != half.crc32) {
        return 0;
    }

    table->entry_count = half.entry_count;
    table->bucket_mask = h->capacity[MINT_ROUTES_CAPACITY_BUCKETS] - 1;
    table->segments_max = half.segments_max;

    return ngx_http_mint_table_is_sane(table);
}


static int
ngx_http_mint_table_is_sane(const ngx_http_mint_table_t *table)
{
    uint32_t                  i;
    const struct mint_route  *route;

    for (i = 0; i <= table->bucket_mask; i++) {
        if (table->buckets[i] > table->entry_count) {
            return 0;
        }
    }

    for (i = 0; i < table->entry_count; i++) {
        route = &table->entries[i];

        if (route->prefix_len < 2 || route->prefix_len > MINT_PREFIX_MAX
            || route->prefix[0] != '/'
            || route->prefix[route->prefix_len - 1] == '/'
            || route->name_len == 0 || route->name_len > MINT_NAME_MAX
            || route->slot_count == 0 || route->slot_count > MINT_SLOTS_MAX
            || route->plugin_id == 0)
        {
            return 0;
        }
    }

    return 1;
}


int
ngx_http_mint_table_find(const ngx_http_mint_table_t *table,
    const uint8_t *path, size_t len, ngx_http_mint_match_t *match)
{
    size_t  skip;

    skip = 0;
    match->is_page = 1;

    if (len > MINT_VIEW_API_LEN
        && memcmp(path, MINT_VIEW_API "/", MINT_VIEW_API_LEN + 1) == 0)
    {
        skip = MINT_VIEW_API_LEN;
        match->is_page = 0;
    }

    match->route = ngx_http_mint_table_longest(table, path + skip, len - skip);

    if (match->route == NULL) {
        return 0;
    }

    match->head_len = skip + match->route->prefix_len;

    return 1;
}


static const struct mint_route *
ngx_http_mint_table_longest(const ngx_http_mint_table_t *table,
    const uint8_t *path, size_t len)
{
    size_t                    ends[MINT_PREFIX_SEGMENTS];
    unsigned                  n;
    uint64_t                  hash, hashes[MINT_PREFIX_SEGMENTS];
    const uint8_t            *p, *end;
    const struct mint_route  *route;

    if (len < 2 || path[0] != '/') {
        return NULL;
    }

    hash = MINT_PREFIX_HASH_SEED;
    p = path;
    end = path + (len <= MINT_PREFIX_MAX ? len : MINT_PREFIX_MAX + 1);

    /* a slash and what follows it, up to the next one */

    for (n = 0; n < table->segments_max && p < end; n++) {

        do {
            hash = mint_prefix_hash(hash, (const char *) p, 1);
            p++;
        } while (p < end && *p != '/');

        if (p - path > MINT_PREFIX_MAX) {
            break;
        }

        ends[n] = (size_t) (p - path);
        hashes[n] = hash;
    }

    while (n > 0) {
        n--;
        route = ngx_http_mint_table_get(table, hashes[n], path, ends[n]);

        if (route != NULL) {
            return route;
        }
    }

    return NULL;
}


static const struct mint_route *
ngx_http_mint_table_get(const ngx_http_mint_table_t *table, uint64_t hash,
    const uint8_t *prefix, size_t len)
{
    uint32_t                  i, probes, index;
    const struct mint_route  *route;

    i = (uint32_t) hash & table->bucket_mask;

    for (probes = 0; probes <= table->bucket_mask; probes++) {
        index = table->buckets[i];

        if (index == 0) {
            return NULL;
        }

        route = &table->entries[index - 1];

        if (route->prefix_len == len
            && memcmp(route->prefix, prefix, len) == 0)
        {
            return route;
        }

        i = (i + 1) & table->bucket_mask;
    }

    return NULL;
}
