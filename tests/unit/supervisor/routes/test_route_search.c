/* SPDX-License-Identifier: MIT */
/*
 * Prefixes as the supervisor writes them and as the nginx module finds them,
 * against a search that tries every prefix in turn.  The module's source is
 * included: it has no archive to link with.
 */

#include "ngx_mint_module/ngx_http_mint_view.c"

#include <stdio.h>
#include <stdlib.h>

#include <check.h>

#include "edge.h"
#include "lib/log.h"
#include "supervisor/routes/routes_writer.h"


#define ROUTES_MAX   10000
#define QUERIES      3000
#define TEXT_MAX     256


static char                     directory[64];
static uint64_t                 random_state;
static struct routes_writer     writer;
static struct publisher_route   routes[ROUTES_MAX];
static char                     prefixes[ROUTES_MAX][MINT_PREFIX_MAX + 1];
static char                     names[ROUTES_MAX][16];


static uint32_t
random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;

    return (uint32_t) (random_state >> 16) % n;
}


/* few different segments, so that prefixes are often prefixes of others */

static void
random_path(char *to, unsigned segments)
{
    static const char *const  few[] = {
        "/a", "/b", "/ab", "/a-b", "/aa", "/a.b", "/x~1", "/_", "/api", "/Z"
    };

    for (to[0] = '\0'; segments > 0; segments--) {
        strcat(to, few[random_below(sizeof(few) / sizeof(few[0]))]);
    }
}


static int
compare_prefixes(const void *a, const void *b)
{
    return strcmp(a, b);
}


/* different prefixes, none of them below /api; returns how many */

static uint32_t
make_prefixes(uint32_t wanted)
{
    uint32_t  i, n;

    for (i = 0; i < wanted; i++) {
        do {
            random_path(prefixes[i], 1 + random_below(MINT_PREFIX_SEGMENTS));
        } while (strncmp(prefixes[i], "/api", 4) == 0);
    }

    qsort(prefixes, wanted, sizeof(prefixes[0]), compare_prefixes);

    for (i = 1, n = 1; i < wanted; i++) {
        if (strcmp(prefixes[i], prefixes[n - 1]) != 0) {
            memmove(prefixes[n++], prefixes[i], sizeof(prefixes[0]));
        }
    }

    return n;
}


static void
publish(uint32_t n)
{
    uint32_t       i;
    struct error   err;

    for (i = 0; i < n; i++) {
        snprintf(names[i], sizeof(names[i]), "p%u", i);
        memset(&routes[i], 0, sizeof(routes[i]));
        routes[i].plugin_id = i + 1;
        routes[i].seat_first = 2 * (i + 1);
        routes[i].slot_count = 1;
        routes[i].prefix = prefixes[i];
        routes[i].name = names[i];
        routes[i].version = "1";
    }

    ck_assert_msg(routes_writer_set(&writer, routes, n, &err) == 0, "%s",
                  err.text);
}


/* plugin id of the longest prefix, 0 for none */

static uint32_t
search_all(const char *path, uint32_t n)
{
    size_t    len, longest;
    uint32_t  i, found;

    if (strncmp(path, "/api/", 5) == 0) {
        path += 4;
    }

    for (i = 0, found = 0, longest = 0; i < n; i++) {
        len = strlen(prefixes[i]);

        if (len > longest && strncmp(path, prefixes[i], len) == 0
            && (path[len] == '\0' || path[len] == '/'))
        {
            found = i + 1;
            longest = len;
        }
    }

    return found;
}


/* near a prefix more often than not */

static void
random_query(char *to, uint32_t n)
{
    size_t  len;

    to[0] = '\0';

    if (random_below(2) == 0) {
        strcat(to, "/api");
    }

    if (random_below(8) == 0) {
        random_path(to + strlen(to), random_below(12));
        return;
    }

    strcat(to, prefixes[random_below(n)]);
    len = strlen(to);

    switch (random_below(7)) {

    case 0:
        to[len - 1] = '\0';
        break;

    case 1:
        strcat(to, "x");
        break;

    case 2:
        strcat(to, "/");
        break;

    case 3:
        strcat(to, "//a");
        break;

    case 4:
        random_path(to + len, 1 + random_below(3));
        break;

    case 5:
        to[1 + random_below((uint32_t) len - 1)] ^= 1;
        break;
    }
}


static void
load(ngx_http_mint_table_t *table, ngx_http_mint_view_t *view,
    const struct edge_file *file)
{
    size_t       bucket_bytes, entry_bytes;
    const char  *reason;

    reason = ngx_http_mint_view_open(view, file->header, file->bytes,
                                     MINT_RUN_ROUTES);
    ck_assert_msg(reason == NULL, "%s", reason);

    memset(table, 0, sizeof(*table));
    ngx_http_mint_table_sizes(view, &bucket_bytes, &entry_bytes);
    table->buckets = malloc(bucket_bytes);
    table->entries = malloc(entry_bytes);
    ck_assert(table->buckets != NULL && table->entries != NULL);
    ck_assert_int_eq(ngx_http_mint_table_load(table, view),
                     NGX_HTTP_MINT_TABLE_LOADED);
}


static void
setup(void)
{
    struct error  err;

    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    edge_directory_make(directory);
    ck_assert_int_eq(routes_writer_open(&writer, directory, 4, (gid_t) -1,
                                        &err), 0);
}


static void
teardown(void)
{
    routes_writer_close(&writer);
    edge_directory_remove(directory);
}


static const uint32_t  sizes[] = { 1, 2, 3, 10, 100, 1000, ROUTES_MAX };


START_TEST(test_finds_what_a_search_of_all_finds)
{
    int                      found;
    char                     path[TEXT_MAX];
    uint32_t                 i, n, expected, hits;
    struct edge_file         file;
    ngx_http_mint_view_t     view;
    ngx_http_mint_match_t    match;
    ngx_http_mint_table_t    table;

    random_state = 0x9e3779b97f4a7c15ULL + sizes[_i];
    n = make_prefixes(sizes[_i]);
    publish(n);
    edge_open(&file, directory, MINT_RUN_ROUTES);
    load(&table, &view, &file);

    for (i = 0, hits = 0; i < QUERIES; i++) {
        random_query(path, n);
        expected = search_all(path, n);
        found = ngx_http_mint_table_find(&table, (const uint8_t *) path,
                                         strlen(path), &match);

        ck_assert_msg(found == (expected != 0), "\"%s\" of %u", path, n);

        if (found) {
            ck_assert_msg(match.route->plugin_id == expected,
                          "\"%s\" of %u: %u instead of %u", path, n,
                          match.route->plugin_id, expected);
            hits++;
        }
    }

    /* both answers were asked for */
    ck_assert_uint_gt(hits, QUERIES / 4);
    ck_assert_uint_lt(hits, QUERIES);

    free(table.buckets);
    free(table.entries);
    edge_close(&file);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("route search");
    tcase = tcase_create("random");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, test_finds_what_a_search_of_all_finds, 0,
                        (int) (sizeof(sizes) / sizeof(sizes[0])));
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
