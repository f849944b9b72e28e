/* SPDX-License-Identifier: MIT */
/*
 * The publisher as the supervisor uses it, looked at with the edge's eyes:
 * routes and seats.  Identity is in test_identity.c.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge.h"
#include "lib/log.h"
#include "supervisor/routes/publisher.h"


static char               directory[64];
static struct publisher  *publisher;
static struct error       err;


static void
open_with(uint32_t plugins)
{
    struct publisher_options  options;

    memset(&options, 0, sizeof(options));
    options.run_directory = directory;
    options.plugins = plugins;
    options.edge_gid = (gid_t) -1;
    ck_assert_msg(publisher_open(&publisher, &options, &err) == 0, "%s",
                  err.text);
}


static void
setup(void)
{
    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    edge_directory_make(directory);
    open_with(16);
}


static void
teardown(void)
{
    publisher_free(&publisher);
    edge_directory_remove(directory);
}


static void
reopen_with(uint32_t plugins)
{
    publisher_free(&publisher);
    open_with(plugins);
}


static struct publisher_route
route_to(uint32_t plugin_id, const char *prefix)
{
    struct publisher_route  route;

    memset(&route, 0, sizeof(route));
    route.plugin_id = plugin_id;
    route.seat_first = 2 * plugin_id;
    route.slot_count = 1;
    route.prefix = prefix;
    route.name = prefix[0] == '/' ? prefix + 1 : "plugin";
    route.version = "1.2.3";

    return route;
}


static uint64_t
header_of(enum mint_run_kind kind, size_t offset)
{
    uint64_t          value;
    struct edge_file  file;

    edge_open(&file, directory, kind);
    value = *(uint64_t *) (void *) ((char *) file.header + offset);
    edge_close(&file);

    return value;
}

#define epoch_of(kind)       header_of(kind, 24)
#define generation_of(kind)  header_of(kind, 48)


static bool
has_route(const char *prefix, uint32_t *plugin_id)
{
    bool                found;
    struct edge_file    file;
    struct mint_route   route;

    edge_open(&file, directory, MINT_RUN_ROUTES);
    found = edge_route(&file, prefix, &route, NULL);
    edge_close(&file);
    if (found) {
        *plugin_id = route.plugin_id;
    }

    return found;
}


/* ---- routes -------------------------------------------------------- */

START_TEST(no_routes_at_first)
{
    uint32_t  id;

    ck_assert(!has_route("/peak", &id));
    ck_assert_uint_eq(publisher_live_workers(publisher), 0);
}
END_TEST


START_TEST(routes_are_found_by_their_whole_prefix)
{
    uint32_t                  id;
    struct edge_file          file;
    struct mint_route         route;
    struct mint_routes_half   half;
    struct mint_route         entries[16];
    struct edge_retries       retries;
    struct publisher_route    routes[3];

    routes[0] = route_to(5, "/peak");
    routes[1] = route_to(6, "/peak/table/deep");
    routes[2] = route_to(7, "/a");
    routes[1].name = "deep";
    routes[1].flags = MINT_ROUTE_SHARED;
    routes[1].affinity = MINT_AFFINITY_USER;
    routes[1].slot_count = 3;
    routes[1].version = "a version that is longer than forty bytes can hold";
    ck_assert_int_eq(publisher_set_routes(publisher, routes, 3, &err), 0);

    ck_assert(has_route("/peak", &id));
    ck_assert_uint_eq(id, 5);
    ck_assert(has_route("/a", &id));
    ck_assert_uint_eq(id, 7);
    ck_assert(!has_route("/peak/table", &id));
    ck_assert(!has_route("/pea", &id));
    ck_assert(!has_route("/", &id));

    edge_open(&file, directory, MINT_RUN_ROUTES);
    ck_assert(edge_route(&file, "/peak/table/deep", &route, NULL));
    ck_assert_uint_eq(route.plugin_id, 6);
    ck_assert_uint_eq(route.seat_first, 12);
    ck_assert_uint_eq(route.slot_count, 3);
    ck_assert_uint_eq(route.affinity, MINT_AFFINITY_USER);
    ck_assert_uint_eq(route.flags, MINT_ROUTE_SHARED);
    ck_assert_uint_eq(route.name_len, 4);
    ck_assert_mem_eq(route.name, "deep\0\0", 6);
    ck_assert_str_eq(route.version,
                     "a version that is longer than forty byt");

    memset(&retries, 0, sizeof(retries));
    ck_assert(edge_half(&file, &half, entries, 16, &retries));
    ck_assert_uint_eq(half.entry_count, 3);
    ck_assert_uint_eq(half.segments_max, 3);
    ck_assert_uint_eq(half.prefix_max, 16);
    edge_close(&file);
}
END_TEST


START_TEST(a_route_that_is_not_set_again_goes)
{
    uint32_t                 id;
    struct publisher_route   routes[2];

    routes[0] = route_to(1, "/one");
    routes[1] = route_to(2, "/two");
    ck_assert_int_eq(publisher_set_routes(publisher, routes, 2, &err), 0);
    ck_assert_int_eq(publisher_set_routes(publisher, routes + 1, 1, &err), 0);
    ck_assert(!has_route("/one", &id));
    ck_assert(has_route("/two", &id));

    ck_assert_int_eq(publisher_set_routes(publisher, NULL, 0, &err), 0);
    ck_assert(!has_route("/two", &id));
}
END_TEST


START_TEST(equal_routes_write_nothing)
{
    uint64_t                 generation;
    struct publisher_route   routes[2];

    routes[0] = route_to(1, "/one");
    routes[1] = route_to(2, "/two");
    ck_assert_int_eq(publisher_set_routes(publisher, routes, 2, &err), 0);
    generation = generation_of(MINT_RUN_ROUTES);

    /* the order says nothing */
    routes[0] = route_to(2, "/two");
    routes[1] = route_to(1, "/one");
    ck_assert_int_eq(publisher_set_routes(publisher, routes, 2, &err), 0);
    ck_assert_uint_eq(generation_of(MINT_RUN_ROUTES), generation);

    /* nor does a new supervisor */
    reopen_with(16);
    ck_assert_int_eq(publisher_set_routes(publisher, routes, 2, &err), 0);
    ck_assert_uint_eq(generation_of(MINT_RUN_ROUTES), generation);

    routes[0].flags = MINT_ROUTE_MAINTENANCE;
    ck_assert_int_eq(publisher_set_routes(publisher, routes, 2, &err), 0);
    ck_assert_uint_eq(generation_of(MINT_RUN_ROUTES), generation + 1);
}
END_TEST


static const char *const  bad_prefixes[] = {
    "", "/", "peak", "/peak/", "//peak", "/peak//x", "/.", "/..", "/a/../b",
    "/a/./b", "/a b", "/a%2fb", "/a;b", "/a?b", "/a#b", "/a\\b", "/\xc3\xa4",
    "/a\n", "/1/2/3/4/5/6/7/8/9", "/api", "/api/x", "/__mint", "/__mintx/y",
    "/0123456789012345678901234567890123456789012345678901234567890123456789"
    "012345678901234567890123456789012345678901234567890"
};


START_TEST(a_bad_prefix_changes_nothing)
{
    uint32_t                 id;
    uint64_t                 generation;
    struct publisher_route   routes[2];

    routes[0] = route_to(1, "/good");
    ck_assert_int_eq(publisher_set_routes(publisher, routes, 1, &err), 0);
    generation = generation_of(MINT_RUN_ROUTES);

    routes[0] = route_to(2, "/other");
    routes[1] = route_to(3, bad_prefixes[_i]);
    routes[1].name = "bad";
    ck_assert_msg(publisher_set_routes(publisher, routes, 2, &err)
                  == MINT_ERR_INVALID, "\"%s\" was taken", bad_prefixes[_i]);
    ck_assert_ptr_nonnull(strstr(err.text, "prefix"));
    ck_assert_uint_eq(generation_of(MINT_RUN_ROUTES), generation);
    ck_assert(has_route("/good", &id));
    ck_assert(!has_route("/other", &id));
}
END_TEST


START_TEST(long_prefixes_fit)
{
    char                     prefix[128];
    uint32_t                 id;
    struct publisher_route   routes[2];

    memset(prefix, 'x', sizeof(prefix));
    prefix[0] = '/';
    prefix[MINT_PREFIX_MAX] = '\0';
    routes[0] = route_to(1, prefix);
    routes[0].name = "long";
    routes[1] = route_to(2, "/1/2/3/4/5/6/7/8");
    ck_assert_int_eq(publisher_set_routes(publisher, routes, 2, &err), 0);
    ck_assert(has_route(prefix, &id));
    ck_assert(has_route("/1/2/3/4/5/6/7/8", &id));
}
END_TEST


START_TEST(duplicates_name_both_plugins)
{
    struct publisher_route  routes[3];

    routes[0] = route_to(1, "/same");
    routes[1] = route_to(2, "/other");
    routes[2] = route_to(3, "/same");
    routes[0].name = "first";
    routes[2].name = "third";
    ck_assert_int_eq(publisher_set_routes(publisher, routes, 3, &err),
                     MINT_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "first"));
    ck_assert_ptr_nonnull(strstr(err.text, "third"));
    ck_assert_ptr_nonnull(strstr(err.text, "/same"));
}
END_TEST


START_TEST(more_routes_than_fit_are_a_larger_file)
{
    char                     text[300][16];
    uint32_t                 i, id;
    struct edge_file         old;
    struct publisher_route   routes[300];

    edge_open(&old, directory, MINT_RUN_ROUTES);

    for (i = 0; i < 300; i++) {
        snprintf(text[i], sizeof(text[i]), "/p%u", i);
        routes[i] = route_to(i % 16, text[i]);
    }

    ck_assert_int_eq(publisher_set_routes(publisher, routes, 300, &err), 0);
    ck_assert(edge_is_retired(&old));
    ck_assert_uint_eq(epoch_of(MINT_RUN_ROUTES), 2);

    for (i = 0; i < 300; i++) {
        ck_assert(has_route(text[i], &id));
        ck_assert_uint_eq(id, i % 16);
    }

    edge_close(&old);
}
END_TEST


START_TEST(a_half_with_a_wrong_checksum_is_not_adopted)
{
    FILE                    *f;
    char                     path[128];
    uint32_t                 id;
    struct publisher_route   route;

    route = route_to(1, "/one");
    ck_assert_int_eq(publisher_set_routes(publisher, &route, 1, &err), 0);
    publisher_free(&publisher);

    /* a bit of the published entry: of generation 2, in half 0 */
    snprintf(path, sizeof(path), "%s/routes", directory);
    f = fopen(path, "r+");
    ck_assert_int_eq(fseek(f, 192 + 64 + 32 * 4 + 3, SEEK_SET), 0);
    ck_assert_int_eq(fputc(1, f), 1);
    fclose(f);

    open_with(16);
    ck_assert_uint_eq(epoch_of(MINT_RUN_ROUTES), 2);
    ck_assert(!has_route("/one", &id));

    /* the others are as good as before */
    ck_assert_uint_eq(epoch_of(MINT_RUN_SEATS), 1);
    ck_assert_uint_eq(epoch_of(MINT_RUN_IDENTITY), 1);
    ck_assert_uint_eq(epoch_of(MINT_RUN_WORKERS), 1);
}
END_TEST


/* ---- seats --------------------------------------------------------- */

START_TEST(a_seat_is_placed_and_set)
{
    struct edge_file         file;
    const struct mint_seat  *seat;

    ck_assert_int_eq(publisher_place_seat(publisher, 7, 3, 0, 1,
                                          "/run/mint/s/3-0b.sock", &err), 0);
    edge_open(&file, directory, MINT_RUN_SEATS);
    seat = edge_seat(&file, 7);
    ck_assert_uint_eq(mint_seat_state(seat->word), MINT_SEAT_EMPTY);
    ck_assert_uint_eq(publisher_seat_word(publisher, 7), 0);

    publisher_set_seat(publisher, 7, 41, 3, MINT_CAUSE_CRASHED,
                       MINT_SEAT_STARTING);
    ck_assert_uint_eq(seat->word, publisher_seat_word(publisher, 7));
    ck_assert_uint_eq(mint_seat_state(seat->word), MINT_SEAT_STARTING);
    ck_assert_uint_eq(mint_seat_cause(seat->word), MINT_CAUSE_CRASHED);
    ck_assert_uint_eq(mint_seat_retry_after(seat->word), 3);
    ck_assert_uint_eq(mint_seat_generation(seat->word), 41);
    ck_assert_uint_eq(seat->plugin_id, 3);
    ck_assert_uint_eq(seat->slot, 0);
    ck_assert_uint_eq(seat->seat, 1);
    ck_assert_uint_eq(seat->family, MINT_FAMILY_UNIX);
    ck_assert_str_eq(seat->address, "/run/mint/s/3-0b.sock");
    ck_assert_uint_eq(seat->address_len, 21);
    ck_assert_uint_eq(file.header->generation, 1);
    edge_close(&file);
}
END_TEST


static const struct {
    const char  *address;
    int          family;        /* 0 = refused */
}  addresses[] = {
    { "/s", MINT_FAMILY_UNIX },
    { "127.0.0.1:8000", MINT_FAMILY_INET },
    { "[::1]:1", MINT_FAMILY_INET6 },
    { "", 0 }, { "relative.sock", 0 }, { "127.0.0.1", 0 },
    { "127.0.0.1:", 0 }, { "127.0.0.1:0", 0 }, { "127.0.0.1:65536", 0 },
    { "127.0.0.1:80x", 0 }, { "127.0.0.1: 80", 0 }, { "localhost:80", 0 },
    { "::1:80", 0 }, { "[::1]", 0 }, { "[::1:80", 0 }, { "[127.0.0.1]:80", 0 },
    { "/0123456789012345678901234567890123456789012345678901234567890123456"
      "7890123456789012345678901234567890123456", 0 },  /* 108 bytes */
    { "/012345678901234567890123456789012345678901234567890123456789012345"
      "6789012345678901234567890123456789012345", MINT_FAMILY_UNIX }
};


START_TEST(addresses_are_checked)
{
    int               rc;
    struct edge_file  file;

    rc = publisher_place_seat(publisher, 4, 2, 0, 0, addresses[_i].address,
                              &err);

    if (addresses[_i].family == 0) {
        ck_assert_msg(rc == MINT_ERR_INVALID, "\"%s\" was taken",
                      addresses[_i].address);
        return;
    }

    ck_assert_msg(rc == 0, "%s", err.text);
    publisher_set_seat(publisher, 4, 1, 0, MINT_CAUSE_NONE, MINT_SEAT_READY);
    edge_open(&file, directory, MINT_RUN_SEATS);
    ck_assert_uint_eq(edge_seat(&file, 4)->family, addresses[_i].family);
    ck_assert_str_eq(edge_seat(&file, 4)->address, addresses[_i].address);
    edge_close(&file);
}
END_TEST


START_TEST(an_address_never_changes)
{
    ck_assert_int_eq(publisher_place_seat(publisher, 4, 2, 0, 0, "/s/2-0a",
                                          &err), 0);
    ck_assert_int_eq(publisher_place_seat(publisher, 4, 2, 0, 0, "/s/2-0a",
                                          &err), 0);
    ck_assert_int_eq(publisher_place_seat(publisher, 4, 2, 0, 0, "/s/other",
                                          &err), MINT_ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "/s/2-0a"));
    ck_assert_int_eq(publisher_place_seat(publisher, 4, 3, 0, 0, "/s/2-0a",
                                          &err), MINT_ERR_CONFLICT);
    ck_assert_int_eq(publisher_place_seat(publisher, 4, 2, 1, 0, "/s/2-0a",
                                          &err), MINT_ERR_CONFLICT);

    publisher_set_seat(publisher, 4, 1, 0, MINT_CAUSE_NONE, MINT_SEAT_READY);
    reopen_with(16);
    ck_assert_int_eq(publisher_place_seat(publisher, 4, 2, 0, 0, "/s/other",
                                          &err), MINT_ERR_CONFLICT);
    ck_assert_int_eq(publisher_place_seat(publisher, 4, 2, 0, 0, "/s/2-0a",
                                          &err), 0);
}
END_TEST


/* a supervisor killed between address and word has promised nothing */

START_TEST(an_address_without_a_word_is_forgotten)
{
    ck_assert_int_eq(publisher_place_seat(publisher, 4, 2, 0, 0, "/s/half",
                                          &err), 0);
    reopen_with(16);
    ck_assert_int_eq(publisher_place_seat(publisher, 4, 2, 0, 0, "/s/2-0a",
                                          &err), 0);
}
END_TEST


START_TEST(a_seat_without_an_address_is_not_published)
{
    struct edge_file  file;

    publisher_set_seat(publisher, 9, 1, 0, MINT_CAUSE_NONE, MINT_SEAT_READY);
    publisher_set_seat(publisher, 1 << 30, 1, 0, MINT_CAUSE_NONE,
                       MINT_SEAT_READY);
    edge_open(&file, directory, MINT_RUN_SEATS);
    ck_assert_uint_eq(edge_seat(&file, 9)->word, 0);
    ck_assert_uint_eq(publisher_seat_word(publisher, 1 << 30), 0);
    edge_close(&file);
}
END_TEST


START_TEST(a_new_supervisor_changes_nothing)
{
    ino_t                    inode[5];
    char                     path[128];
    unsigned                 kind;
    uint64_t                 generation[5];
    struct stat              st;
    struct publisher_route   route;

    static const char *const  names[] = {
        NULL, "routes", "seats", "identity", "workers"
    };

    route = route_to(2, "/two");
    ck_assert_int_eq(publisher_place_seat(publisher, 4, 2, 0, 0, "/s/2-0a",
                                          &err), 0);
    publisher_set_seat(publisher, 4, 12, 0, MINT_CAUSE_NONE, MINT_SEAT_READY);
    ck_assert_int_eq(publisher_set_routes(publisher, &route, 1, &err), 0);

    for (kind = 1; kind <= 4; kind++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[kind]);
        ck_assert_int_eq(stat(path, &st), 0);
        inode[kind] = st.st_ino;
        generation[kind] = generation_of((enum mint_run_kind) kind);
    }

    reopen_with(16);
    ck_assert_uint_eq(publisher_seat_word(publisher, 4),
                      mint_seat_word(12, 0, MINT_CAUSE_NONE,
                                     MINT_SEAT_READY));

    for (kind = 1; kind <= 4; kind++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[kind]);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert(st.st_ino == inode[kind]);
        ck_assert_uint_eq(generation_of((enum mint_run_kind) kind),
                          generation[kind]);
    }

    /* a smaller configuration needs no other file */
    reopen_with(8);
    ck_assert_uint_eq(epoch_of(MINT_RUN_SEATS), 1);
    ck_assert_uint_eq(epoch_of(MINT_RUN_WORKERS), 1);
}
END_TEST


START_TEST(a_larger_configuration_carries_all_over)
{
    uint32_t                 id;
    unsigned                 kind;
    struct edge_file         old[5], file;
    struct publisher_route   route;

    route = route_to(2, "/two");
    ck_assert_int_eq(publisher_place_seat(publisher, 4, 2, 0, 0, "/s/2-0a",
                                          &err), 0);
    publisher_set_seat(publisher, 4, 12, 0, MINT_CAUSE_NONE, MINT_SEAT_READY);
    ck_assert_int_eq(publisher_set_routes(publisher, &route, 1, &err), 0);
    ck_assert_int_eq(publisher_set_plugin_token(publisher, 2, "tok", &err),
                     0);

    for (kind = 1; kind <= 4; kind++) {
        edge_open(&old[kind], directory, (enum mint_run_kind) kind);
    }

    reopen_with(100);

    for (kind = 1; kind <= 4; kind++) {
        ck_assert(edge_is_retired(&old[kind]));
        ck_assert_uint_eq(epoch_of((enum mint_run_kind) kind), 2);
        edge_close(&old[kind]);
    }

    ck_assert(has_route("/two", &id));
    edge_open(&file, directory, MINT_RUN_SEATS);
    ck_assert_uint_eq(file.header->capacity[0], 200);
    ck_assert_uint_eq(mint_seat_generation(edge_seat(&file, 4)->word), 12);
    ck_assert_str_eq(edge_seat(&file, 4)->address, "/s/2-0a");
    edge_close(&file);
    edge_open(&file, directory, MINT_RUN_WORKERS);
    ck_assert_uint_eq(file.header->capacity[1], 200);
    ck_assert_uint_eq(file.header->capacity[2], 100);
    edge_close(&file);
}
END_TEST


START_TEST(a_higher_plugin_id_grows_all_files)
{
    uint32_t                 id;
    struct edge_file         seats, workers, identity;
    struct publisher_route   route;

    ck_assert_int_eq(publisher_place_seat(publisher, 201, 100, 0, 1,
                                          "/s/100-0b", &err), 0);
    publisher_set_seat(publisher, 201, 1, 0, MINT_CAUSE_NONE,
                       MINT_SEAT_READY);
    ck_assert_int_eq(publisher_set_plugin_token(publisher, 100, "tok", &err),
                     0);
    route = route_to(100, "/hundred");
    ck_assert_int_eq(publisher_set_routes(publisher, &route, 1, &err), 0);
    ck_assert(has_route("/hundred", &id));

    edge_open(&seats, directory, MINT_RUN_SEATS);
    edge_open(&workers, directory, MINT_RUN_WORKERS);
    edge_open(&identity, directory, MINT_RUN_IDENTITY);
    ck_assert_uint_eq(seats.header->capacity[0], 256);
    ck_assert_uint_eq(workers.header->capacity[1], 256);
    ck_assert_uint_eq(workers.header->capacity[2], 128);
    ck_assert_uint_ge(identity.header->capacity[2], 128);
    ck_assert_str_eq(edge_seat(&seats, 201)->address, "/s/100-0b");
    edge_close(&seats);
    edge_close(&workers);
    edge_close(&identity);

    route = route_to(70000, "/x");
    ck_assert_int_eq(publisher_set_routes(publisher, &route, 1, &err),
                     MINT_ERR_INVALID);
}
END_TEST


START_TEST(words_go_to_the_file_before_as_long_as_it_is_used)
{
    struct edge_file    old;
    struct edge_worker  worker;

    ck_assert_int_eq(publisher_place_seat(publisher, 4, 2, 0, 0, "/s/2-0a",
                                          &err), 0);
    publisher_set_seat(publisher, 4, 12, 0, MINT_CAUSE_NONE, MINT_SEAT_READY);
    edge_open(&old, directory, MINT_RUN_SEATS);
    edge_worker_start(&worker, directory);
    edge_worker_command(&worker, EDGE_EPOCHS, 0);
    edge_worker_command(&worker, EDGE_ENTER, 4);
    ck_assert_uint_eq(publisher_live_workers(publisher), 1);

    /* grows all files */
    ck_assert_int_eq(publisher_place_seat(publisher, 101, 50, 0, 1, "/s/50",
                                          &err), 0);
    ck_assert(edge_is_retired(&old));
    publisher_set_seat(publisher, 4, 12, 0, MINT_CAUSE_RESTART,
                       MINT_SEAT_CLOSED);
    ck_assert_uint_eq(mint_seat_state(edge_seat(&old, 4)->word),
                      MINT_SEAT_CLOSED);

    /* and the request let in before is still counted */
    ck_assert_uint_eq(publisher_seat_in_flight(publisher, 4), 1);
    edge_worker_command(&worker, EDGE_LEAVE, 4);
    ck_assert_uint_eq(publisher_seat_in_flight(publisher, 4), 0);

    publisher_tick(publisher);
    edge_worker_kill(&worker);
    ck_assert_uint_eq(publisher_live_workers(publisher), 0);
    edge_close(&old);
}
END_TEST


START_TEST(the_tick_is_a_heartbeat)
{
    uint64_t  before;

    before = header_of(MINT_RUN_SEATS, 56);
    usleep(5000);
    publisher_tick(publisher);
    ck_assert_uint_gt(header_of(MINT_RUN_SEATS, 56), before);
    ck_assert_uint_gt(header_of(MINT_RUN_ROUTES, 56), before);
    ck_assert_uint_gt(header_of(MINT_RUN_IDENTITY, 56), before);
    ck_assert_uint_eq(header_of(MINT_RUN_WORKERS, 56), 0);
}
END_TEST


#define COUNT(list)  ((int) (sizeof(list) / sizeof((list)[0])))

int
main(void)
{
    int       failed;
    TCase    *cases;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("publisher");
    cases = tcase_create("publisher");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, no_routes_at_first);
    tcase_add_test(cases, routes_are_found_by_their_whole_prefix);
    tcase_add_test(cases, a_route_that_is_not_set_again_goes);
    tcase_add_test(cases, equal_routes_write_nothing);
    tcase_add_loop_test(cases, a_bad_prefix_changes_nothing, 0,
                        COUNT(bad_prefixes));
    tcase_add_test(cases, long_prefixes_fit);
    tcase_add_test(cases, duplicates_name_both_plugins);
    tcase_add_test(cases, more_routes_than_fit_are_a_larger_file);
    tcase_add_test(cases, a_half_with_a_wrong_checksum_is_not_adopted);
    tcase_add_test(cases, a_seat_is_placed_and_set);
    tcase_add_loop_test(cases, addresses_are_checked, 0, COUNT(addresses));
    tcase_add_test(cases, an_address_never_changes);
    tcase_add_test(cases, an_address_without_a_word_is_forgotten);
    tcase_add_test(cases, a_seat_without_an_address_is_not_published);
    tcase_add_test(cases, a_new_supervisor_changes_nothing);
    tcase_add_test(cases, a_larger_configuration_carries_all_over);
    tcase_add_test(cases, a_higher_plugin_id_grows_all_files);
    tcase_add_test(cases, words_go_to_the_file_before_as_long_as_it_is_used);
    tcase_add_test(cases, the_tick_is_a_heartbeat);
    suite_add_tcase(suite, cases);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
