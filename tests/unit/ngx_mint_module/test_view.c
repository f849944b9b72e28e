/* SPDX-License-Identifier: MIT */
/*
 * The module's reading of run files: headers, routes, identity.  The files are
 * laid out here by hand from contract/, not by the supervisor's writers; the
 * sources are included, because the module has no archive to link with.
 */

#include "ngx_mint_module/ngx_http_mint_identity.c"
#include "ngx_mint_module/ngx_http_mint_view.c"

#include <pthread.h>
#include <stdlib.h>

#include <check.h>


#define BUCKETS       64
#define ENTRIES       16
#define HALF_BYTES    (sizeof(struct mint_routes_half) + BUCKETS * 4          \
                       + ENTRIES * sizeof(struct mint_route))
#define ROUTES_BYTES  (sizeof(struct mint_run_header) + 2 * HALF_BYTES)

#define USERS         16
#define ROLES         4
#define PLUGINS       8
#define PATS          8
#define DENIED        8
#define ARENA_BYTES   4096
#define TURNS         20000


static uint64_t                routes_file[ROUTES_BYTES / 8];
static uint64_t                identity_file[2048];
static ngx_http_mint_view_t    view;
static ngx_http_mint_table_t   table;


/* ---- making files ------------------------------------------------------ */

static struct mint_run_header *
make_header(void *file, enum mint_run_kind kind, uint64_t bytes)
{
    struct mint_run_header  *h;

    memset(file, 0, bytes);

    h = file;
    h->magic = MINT_RUN_MAGIC;
    h->kind = kind;
    h->abi_major = MINT_RUN_ABI_MAJOR;
    h->abi_minor = MINT_RUN_ABI_MINOR;
    h->file_bytes = bytes;
    h->writer_epoch = 1;
    h->life = MINT_RUN_LIVE;

    return h;
}


/* the n prefixes, of plugins 1 to n, as the next generation */

static void
publish_routes(const char *const *prefixes, uint32_t n)
{
    uint32_t                  i, at, *buckets;
    uint64_t                  generation;
    struct mint_route        *entries;
    struct mint_run_header   *h;
    struct mint_routes_half  *half;
    static uint64_t           work[HALF_BYTES / 8];

    h = (struct mint_run_header *) routes_file;
    generation = h->generation + 1;

    memset(work, 0, sizeof(work));
    half = (struct mint_routes_half *) work;
    buckets = (uint32_t *) (half + 1);
    entries = (struct mint_route *) (buckets + BUCKETS);

    for (i = 0; i < n; i++) {
        entries[i].plugin_id = i + 1;
        entries[i].seat_first = 2 * (i + 1);
        entries[i].slot_count = 1;
        entries[i].prefix_len = (uint16_t) strlen(prefixes[i]);
        memcpy(entries[i].prefix, prefixes[i], entries[i].prefix_len);
        entries[i].name_len = 1;
        entries[i].name[0] = 'a';

        at = (uint32_t) mint_prefix_hash(MINT_PREFIX_HASH_SEED, prefixes[i],
                                         strlen(prefixes[i]));

        while (buckets[at & (BUCKETS - 1)] != 0) {
            at++;
        }

        buckets[at & (BUCKETS - 1)] = i + 1;
    }

    half->generation = generation;
    half->entry_count = n;
    half->segments_max = MINT_PREFIX_SEGMENTS;
    half->prefix_max = MINT_PREFIX_MAX;
    half->crc32 = mint_crc32(0, buckets, BUCKETS * 4);
    half->crc32 = mint_crc32(half->crc32, entries, n * sizeof(*entries));

    __atomic_thread_fence(__ATOMIC_RELEASE);
    mint_run_fill((uint8_t *) routes_file + h->section[generation & 1], work,
                  sizeof(work));
    mint_run_store_release(&h->generation, generation);
}


static const char *const  four[] = {
    "/tiny", "/tiny/deep", "/a/b/c/d/e/f/g/h", "/other"
};


static void
make_routes(void)
{
    size_t                   bucket_bytes, entry_bytes;
    struct mint_run_header  *h;

    h = make_header(routes_file, MINT_RUN_ROUTES, sizeof(routes_file));
    h->capacity[MINT_ROUTES_CAPACITY_ENTRIES] = ENTRIES;
    h->capacity[MINT_ROUTES_CAPACITY_BUCKETS] = BUCKETS;
    h->section[MINT_ROUTES_SECTION_HALF0] = sizeof(*h);
    h->section[MINT_ROUTES_SECTION_HALF1] = sizeof(*h) + HALF_BYTES;
    publish_routes(four, 4);

    ck_assert_ptr_null(ngx_http_mint_view_open(&view, routes_file,
                                               sizeof(routes_file),
                                               MINT_RUN_ROUTES));

    memset(&table, 0, sizeof(table));
    ngx_http_mint_table_sizes(&view, &bucket_bytes, &entry_bytes);
    table.buckets = malloc(bucket_bytes);
    table.entries = malloc(entry_bytes);
}


static void
free_routes(void)
{
    free(table.buckets);
    free(table.entries);
}


static uint64_t
put_blob(const void *data, size_t len)
{
    uint64_t                    offset;
    struct mint_run_header     *h;
    struct mint_identity_misc  *misc;

    h = (struct mint_run_header *) identity_file;
    misc = (struct mint_identity_misc *) (void *)
           ((uint8_t *) identity_file
            + h->section[MINT_IDENTITY_SECTION_ARENA]);
    offset = misc->arena_used;
    misc->arena_used = (offset + len + 15) & ~15ULL;
    memcpy((uint8_t *) identity_file + offset, data, len);

    return mint_blob_ref(offset, (uint32_t) len, 1);
}


static void
make_identity(void)
{
    unsigned                    i;
    uint64_t                    at;
    struct mint_run_header     *h;
    struct mint_identity_misc  *misc;
    static const struct {
        unsigned                capacity;
        unsigned                section;
        uint32_t                rows;
        size_t                  row;
    }                           parts[] = {
        { 0, 0, USERS, sizeof(struct mint_identity_user) },
        { 1, 1, ROLES, sizeof(struct mint_identity_role) },
        { 2, 2, PLUGINS, sizeof(struct mint_identity_plugin) },
        { 3, 3, PATS, sizeof(struct mint_identity_pat) },
        { 4, 4, DENIED, sizeof(struct mint_identity_denied) }
    };

    h = make_header(identity_file, MINT_RUN_IDENTITY, sizeof(identity_file));
    at = sizeof(*h);

    for (i = 0; i < 5; i++) {
        h->capacity[parts[i].capacity] = parts[i].rows;
        h->section[parts[i].section] = at;
        at += parts[i].rows * parts[i].row;
    }

    at = (at + 63) & ~63ULL;
    h->capacity[MINT_IDENTITY_CAPACITY_KEYS] = MINT_IDENTITY_KEYS;
    h->section[MINT_IDENTITY_SECTION_ARENA] = at;
    misc = (struct mint_identity_misc *) (void *)
           ((uint8_t *) identity_file + at);
    misc->arena_used = at + sizeof(*misc);

    ck_assert_ptr_null(ngx_http_mint_view_open(&view, identity_file,
                                               sizeof(identity_file),
                                               MINT_RUN_IDENTITY));
}


static void *
section(unsigned index)
{
    return view.base + view.header.section[index];
}


/* ---- headers ------------------------------------------------------------ */

START_TEST(test_header_is_checked)
{
    struct mint_run_header   good;
    struct mint_run_header  *h;
    size_t                   i;
    static const struct {
        size_t               offset;
        uint64_t             value;
        size_t               size;
    }                        changes[] = {
        { offsetof(struct mint_run_header, magic), 1, 8 },
        { offsetof(struct mint_run_header, kind), MINT_RUN_SEATS, 4 },
        { offsetof(struct mint_run_header, abi_major), 2, 2 },
        { offsetof(struct mint_run_header, file_bytes), 192, 8 },
        { offsetof(struct mint_run_header, life), MINT_RUN_FILLING, 8 },
        { offsetof(struct mint_run_header, life), MINT_RUN_RETIRED, 8 },
        { offsetof(struct mint_run_header, life), 99, 8 },
        { offsetof(struct mint_run_header, capacity), 0, 4 },
        { offsetof(struct mint_run_header, capacity), ENTRIES + 1, 4 },
        { offsetof(struct mint_run_header, capacity), UINT32_MAX, 4 },
        { offsetof(struct mint_run_header, capacity) + 4, 0, 4 },
        { offsetof(struct mint_run_header, capacity) + 4, 1, 4 },
        { offsetof(struct mint_run_header, capacity) + 4, 63, 4 },
        { offsetof(struct mint_run_header, capacity) + 4, 1U << 31, 4 },
        { offsetof(struct mint_run_header, section), 0, 8 },
        { offsetof(struct mint_run_header, section), 193, 8 },
        { offsetof(struct mint_run_header, section), ROUTES_BYTES, 8 },
        { offsetof(struct mint_run_header, section), UINT64_MAX - 7, 8 },
        { offsetof(struct mint_run_header, section) + 8,
          sizeof(struct mint_run_header) + HALF_BYTES + 8, 8 }
    };

    h = (struct mint_run_header *) routes_file;
    good = *h;

    for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        memcpy((uint8_t *) h + changes[i].offset, &changes[i].value,
               changes[i].size);
        ck_assert_msg(ngx_http_mint_view_open(&view, routes_file,
                                              sizeof(routes_file),
                                              MINT_RUN_ROUTES) != NULL,
                      "change %zu", i);
        ck_assert_ptr_null(view.base);
        *h = good;
    }

    ck_assert_ptr_nonnull(ngx_http_mint_view_open(&view, routes_file, 191,
                                                  MINT_RUN_ROUTES));

    /* what a later minor version adds does not disturb */

    h->abi_minor = MINT_RUN_ABI_MINOR + 1;
    ck_assert_ptr_null(ngx_http_mint_view_open(&view, routes_file,
                                               sizeof(routes_file),
                                               MINT_RUN_ROUTES));
}
END_TEST


/* ---- routes -------------------------------------------------------------- */

static const struct {
    const char  *path;
    unsigned     plugin;        /* 0 = the platform */
    int          is_page;
    size_t       head_len;
} lookups[] = {
    { "/api/tiny", 1, 0, 9 },
    { "/api/tiny/", 1, 0, 9 },
    { "/api/tiny/x/y", 1, 0, 9 },
    { "/tiny", 1, 1, 5 },
    { "/tiny//deep", 1, 1, 5 },
    { "/tiny/deep", 2, 1, 10 },
    { "/api/tiny/deep/x", 2, 0, 14 },
    { "/tiny/deeper", 1, 1, 5 },
    { "/a/b/c/d/e/f/g/h/i", 3, 1, 16 },
    { "/a/b/c/d/e/f/g", 0, 0, 0 },
    { "/other", 4, 1, 6 },
    { "/othe", 0, 0, 0 },
    { "/others", 0, 0, 0 },
    { "/api", 0, 0, 0 },
    { "/api/", 0, 0, 0 },
    { "/apitiny", 0, 0, 0 },
    { "/api/api/tiny", 0, 0, 0 },
    { "/", 0, 0, 0 },
    { "//", 0, 0, 0 },
    { "//tiny", 0, 0, 0 },
    { "tiny", 0, 0, 0 },
    { "", 0, 0, 0 }
};


START_TEST(test_find)
{
    int                    found;
    const char            *path;
    ngx_http_mint_match_t  match;

    path = lookups[_i].path;
    ck_assert_int_eq(ngx_http_mint_table_load(&table, &view),
                     NGX_HTTP_MINT_TABLE_LOADED);
    ck_assert_int_eq(ngx_http_mint_table_load(&table, &view),
                     NGX_HTTP_MINT_TABLE_SAME);

    found = ngx_http_mint_table_find(&table, (const uint8_t *) path,
                                     strlen(path), &match);

    ck_assert_int_eq(found, lookups[_i].plugin != 0);

    if (found) {
        ck_assert_uint_eq(match.route->plugin_id, lookups[_i].plugin);
        ck_assert_int_eq(match.is_page, lookups[_i].is_page);
        ck_assert_uint_eq(match.head_len, lookups[_i].head_len);
    }
}
END_TEST


START_TEST(test_every_changed_byte_of_a_half_is_seen)
{
    size_t    i, used;
    uint8_t  *half;

    half = (uint8_t *) section(MINT_ROUTES_SECTION_HALF1);
    used = sizeof(struct mint_routes_half) + BUCKETS * 4
           + 4 * sizeof(struct mint_route);

    for (i = 0; i < used; i++) {

        /* not covered: what says how long the longest prefix is, reserved */
        if (i >= offsetof(struct mint_routes_half, segments_max)
            && i < sizeof(struct mint_routes_half))
        {
            continue;
        }

        half[i] ^= 0x55;
        ck_assert_msg(ngx_http_mint_table_load(&table, &view)
                      == NGX_HTTP_MINT_TABLE_TORN, "byte %zu", i);
        half[i] ^= 0x55;
    }

    ck_assert_int_eq(ngx_http_mint_table_load(&table, &view),
                     NGX_HTTP_MINT_TABLE_LOADED);
}
END_TEST


/* a writer that has a wrong idea of an entry, but a right CRC */

START_TEST(test_odd_entries_are_refused)
{
    unsigned                   i;
    struct mint_route          good, *entry;
    struct mint_routes_half   *half;
    static const struct {
        size_t                 offset;
        uint64_t               value;
        size_t                 size;
    }                          changes[] = {
        { offsetof(struct mint_route, prefix_len), 0, 2 },
        { offsetof(struct mint_route, prefix_len), MINT_PREFIX_MAX + 1, 2 },
        { offsetof(struct mint_route, prefix_len), 1, 2 },
        { offsetof(struct mint_route, prefix), 'x', 1 },
        { offsetof(struct mint_route, prefix) + 4, '/', 1 },
        { offsetof(struct mint_route, name_len), 0, 2 },
        { offsetof(struct mint_route, name_len), MINT_NAME_MAX + 1, 2 },
        { offsetof(struct mint_route, slot_count), 0, 2 },
        { offsetof(struct mint_route, plugin_id), 0, 4 }
    };

    half = section(MINT_ROUTES_SECTION_HALF1);
    entry = (struct mint_route *) (void *)
            ((uint8_t *) (half + 1) + BUCKETS * 4);
    good = *entry;

    for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        memcpy((uint8_t *) entry + changes[i].offset, &changes[i].value,
               changes[i].size);
        half->crc32 = mint_crc32(0, half + 1, BUCKETS * 4 + 4 * sizeof(good));
        ck_assert_msg(ngx_http_mint_table_load(&table, &view)
                      == NGX_HTTP_MINT_TABLE_TORN, "change %u", i);
        *entry = good;
    }

    half->crc32 = mint_crc32(0, half + 1, BUCKETS * 4 + 4 * sizeof(good));
    ck_assert_int_eq(ngx_http_mint_table_load(&table, &view),
                     NGX_HTTP_MINT_TABLE_LOADED);
}
END_TEST


/* full of buckets that lead nowhere the search still ends */

START_TEST(test_full_buckets)
{
    uint32_t                  i, *buckets;
    ngx_http_mint_match_t     match;
    struct mint_routes_half  *half;

    half = section(MINT_ROUTES_SECTION_HALF1);
    buckets = (uint32_t *) (half + 1);

    for (i = 0; i < BUCKETS; i++) {
        buckets[i] = 1;
    }

    half->crc32 = mint_crc32(0, half + 1,
                             BUCKETS * 4 + 4 * sizeof(struct mint_route));
    ck_assert_int_eq(ngx_http_mint_table_load(&table, &view),
                     NGX_HTTP_MINT_TABLE_LOADED);
    ck_assert(!ngx_http_mint_table_find(&table, (const uint8_t *) "/none", 5,
                                        &match));
}
END_TEST


static int  is_writing;

static void *
write_routes(void *unused)
{
    unsigned                   i;
    static const char *const   other[] = {
        "/p1", "/p2", "/p3", "/p4", "/p5", "/p6", "/p7", "/p8", "/tiny"
    };

    (void) unused;

    for (i = 0; i < TURNS; i++) {
        if (i & 1) {
            publish_routes(four, 4);

        } else {
            publish_routes(other, 9);
        }
    }

    __atomic_store_n(&is_writing, 0, __ATOMIC_RELEASE);

    return NULL;
}


/* each table that was loaded is wholly one of the two */

START_TEST(test_reading_while_it_is_written)
{
    unsigned                 loaded;
    pthread_t                writer;
    ngx_http_mint_match_t    match;

    loaded = 0;
    is_writing = 1;
    ck_assert_int_eq(pthread_create(&writer, NULL, write_routes, NULL), 0);

    while (__atomic_load_n(&is_writing, __ATOMIC_ACQUIRE)) {
        if (ngx_http_mint_table_load(&table, &view)
            != NGX_HTTP_MINT_TABLE_LOADED)
        {
            continue;
        }

        loaded++;
        ck_assert(ngx_http_mint_table_find(&table, (const uint8_t *) "/tiny",
                                           5, &match));
        ck_assert_uint_eq(match.route->plugin_id,
                          table.entry_count == 4 ? 1 : 9);
        ck_assert_uint_eq(table.entry_count, table.generation & 1 ? 4 : 9);
    }

    ck_assert_int_eq(pthread_join(writer, NULL), 0);
    ck_assert_uint_gt(loaded, 0);
}
END_TEST


/* ---- identity ------------------------------------------------------------ */

START_TEST(test_users)
{
    uint32_t                     at, first;
    uint64_t                     id, word;
    const uint64_t              *name;
    struct mint_identity_user   *users;

    users = section(MINT_IDENTITY_SECTION_USERS);

    ck_assert(!ngx_http_mint_identity_user(&view, 0, &word, &name));
    ck_assert(!ngx_http_mint_identity_user(&view, 7, &word, &name));

    /* as many as fit, so that the search goes round */

    for (id = 1; id <= USERS; id++) {
        first = mint_identity_hash(id);

        for (at = first; users[at & (USERS - 1)].id != 0; at++) {
            ck_assert_uint_lt(at - first, USERS);
        }

        users[at & (USERS - 1)].id = id;
        users[at & (USERS - 1)].word = mint_user_word((uint32_t) id, 1, 1);
    }

    for (id = 1; id <= USERS; id++) {
        ck_assert(ngx_http_mint_identity_user(&view, id, &word, &name));
        ck_assert_uint_eq(mint_user_session_version(word), id);
        ck_assert_uint_eq(mint_user_role(word), 1);
    }

    ck_assert(!ngx_http_mint_identity_user(&view, USERS + 1, &word, &name));
    ck_assert(!ngx_http_mint_identity_user(&view, UINT64_MAX, &word, &name));
}
END_TEST


START_TEST(test_roles_and_tokens)
{
    uint64_t                          word;
    const uint64_t                   *ref;
    struct mint_identity_role        *roles;
    const struct mint_identity_role  *role;
    struct mint_identity_plugin      *plugins;

    roles = section(MINT_IDENTITY_SECTION_ROLES);
    plugins = section(MINT_IDENTITY_SECTION_PLUGINS);

    ck_assert(!ngx_http_mint_identity_role(&view, 0, &role, &word));
    ck_assert(!ngx_http_mint_identity_role(&view, ROLES, &role, &word));
    ck_assert(!ngx_http_mint_identity_role(&view, 255, &role, &word));
    roles[3].word = 1ULL << 63 | MINT_ROLE_ADMIN;
    ck_assert(ngx_http_mint_identity_role(&view, 3, &role, &word));
    ck_assert_ptr_eq(role, &roles[3]);

    ck_assert(!ngx_http_mint_identity_token(&view, 2, &ref));
    plugins[2].token = put_blob("secret", 6);
    ck_assert(ngx_http_mint_identity_token(&view, 2, &ref));
    ck_assert(!ngx_http_mint_identity_token(&view, PLUGINS, &ref));
    ck_assert(!ngx_http_mint_identity_token(&view, UINT32_MAX, &ref));
}
END_TEST


START_TEST(test_personal_tokens)
{
    unsigned                    i;
    uint64_t                    user, word, hash[4] = { 7, 1, 2, 3 };
    struct mint_identity_pat   *pats;

    pats = section(MINT_IDENTITY_SECTION_PATS);

    ck_assert(!ngx_http_mint_identity_pat(&view, hash, &user, &word));

    for (i = 0; i < PATS; i++) {
        memcpy(pats[i].hash, hash, sizeof(hash));
        pats[i].hash[3] = 100 + i;
        pats[i].user_id = 40 + i;
        pats[i].word = i;
    }

    for (i = 0; i < PATS; i++) {
        hash[3] = 100 + i;
        ck_assert(ngx_http_mint_identity_pat(&view, hash, &user, &word));
        ck_assert_uint_eq(user, 40 + i);
        ck_assert_uint_eq(word, i);
    }

    hash[3] = 99;
    ck_assert(!ngx_http_mint_identity_pat(&view, hash, &user, &word));

    hash[3] = 100;
    pats[0].user_id = 0;
    ck_assert(!ngx_http_mint_identity_pat(&view, hash, &user, &word));
}
END_TEST


static uint64_t
jti(const char *text)
{
    return ngx_http_mint_identity_jti(text, strlen(text));
}


START_TEST(test_denied)
{
    uint64_t                       hash;
    struct mint_identity_denied   *denied;

    ck_assert_uint_eq(jti(""), 0);
    ck_assert(!ngx_http_mint_identity_is_denied(&view, 0, 50));

    denied = section(MINT_IDENTITY_SECTION_DENIED);
    hash = mint_prefix_hash(MINT_PREFIX_HASH_SEED, "j1", 2);

    ck_assert(!ngx_http_mint_identity_is_denied(&view, jti("j1"), 50));
    denied[hash & (DENIED - 1)].jti_hash = hash;
    denied[hash & (DENIED - 1)].expires_unix = 100;
    ck_assert(ngx_http_mint_identity_is_denied(&view, jti("j1"), 50));
    ck_assert(ngx_http_mint_identity_is_denied(&view, jti("j1"), 100));
    ck_assert(!ngx_http_mint_identity_is_denied(&view, jti("j1"), 101));
    ck_assert(!ngx_http_mint_identity_is_denied(&view, jti("j2"), 50));
}
END_TEST


START_TEST(test_blobs)
{
    unsigned   i;
    uint64_t   ref, to[8];
    uint64_t   odd[] = {
        0, mint_blob_ref(0, 8, 1), mint_blob_ref(192, 8, 1),
        mint_blob_ref(sizeof(identity_file), 1, 1),
        mint_blob_ref(sizeof(identity_file) - 16, 17, 1),
        mint_blob_ref(0xfffffff0, 8, 1), UINT64_MAX
    };

    ref = put_blob("hello", 5);
    ck_assert_int_eq(ngx_http_mint_identity_blob(&view, &ref, to, 8), 5);
    ck_assert(memcmp(to, "hello", 5) == 0);
    ck_assert_int_eq(ngx_http_mint_identity_blob(&view, &ref, to, 4), -1);

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        ck_assert_int_eq(ngx_http_mint_identity_blob(&view, &odd[i], to, 64),
                         -1);
        ck_assert_int_eq(ngx_http_mint_identity_bit(&view, &odd[i], 3),
                         odd[i] == 0 ? 0 : -1);
    }

    /* the last bytes of the file */

    ref = mint_blob_ref(sizeof(identity_file) - 16, 16, 1);
    ck_assert_int_eq(ngx_http_mint_identity_blob(&view, &ref, to, 64), 16);
}
END_TEST


START_TEST(test_bits)
{
    uint32_t  i;
    uint64_t  ref;
    uint8_t   map[9] = { 0x08, 0, 0, 0, 0, 0, 0, 0, 0x41 };

    ref = put_blob(map, sizeof(map));

    for (i = 0; i < 200; i++) {
        ck_assert_int_eq(ngx_http_mint_identity_bit(&view, &ref, i),
                         i == 3 || i == 64 || i == 70);
    }
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *routes, *identity;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("module view");

    routes = tcase_create("routes");
    tcase_add_checked_fixture(routes, make_routes, free_routes);
    tcase_set_timeout(routes, 120);
    tcase_add_test(routes, test_header_is_checked);
    tcase_add_loop_test(routes, test_find, 0,
                        (int) (sizeof(lookups) / sizeof(lookups[0])));
    tcase_add_test(routes, test_every_changed_byte_of_a_half_is_seen);
    tcase_add_test(routes, test_odd_entries_are_refused);
    tcase_add_test(routes, test_full_buckets);
    tcase_add_test(routes, test_reading_while_it_is_written);
    suite_add_tcase(suite, routes);

    identity = tcase_create("identity");
    tcase_add_checked_fixture(identity, make_identity, NULL);
    tcase_add_test(identity, test_users);
    tcase_add_test(identity, test_roles_and_tokens);
    tcase_add_test(identity, test_personal_tokens);
    tcase_add_test(identity, test_denied);
    tcase_add_test(identity, test_blobs);
    tcase_add_test(identity, test_bits);
    suite_add_tcase(suite, identity);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
