/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's writers and the module's readers at work on the very same
 * mapping.  In the real system each has a mapping of its own, which hides from
 * ThreadSanitizer what they do to each other: "make tsan" runs this one.  What
 * it would say: a word that is shared and not read or written as one, or that
 * is read without the acquire that its release waits for.
 */

#include "ngx_mint_module/ngx_http_mint_identity.c"
#include "ngx_mint_module/ngx_http_mint_view.c"

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "edge.h"
#include "lib/log.h"
#include "supervisor/routes/routes_writer.h"
#include "supervisor/routes/seats_writer.h"
#include "supervisor/routes/worker_records.h"


#define ROUTES  24
#define SEATS   48
#define TURNS   300         /* of the writer, at least */
#define LOADED  50          /* by the reader, at least */


static char                    directory[64];
static struct routes_writer    routes;
static struct seats_writer     seats;
static struct worker_records   records;
static uint32_t               *in_flight;
static bool                    is_over;
static uint64_t                loaded, entered;
static const char             *wrong;


static void
setup(void)
{
    struct error                err;
    const struct mint_worker   *worker;
    struct run_file            *file;

    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    edge_directory_make(directory);
    ck_assert_int_eq(routes_writer_open(&routes, directory, 64, (gid_t) -1,
                                        &err), 0);
    ck_assert_int_eq(seats_writer_open(&seats, directory, 64, (gid_t) -1,
                                       &err), 0);
    ck_assert_int_eq(worker_records_open(&records, directory, 64, 32,
                                         (gid_t) -1, &err), 0);
    file = records.line.current;
    worker = (const struct mint_worker *) run_file_section(
        file, MINT_WORKERS_SECTION_RECORDS);
    in_flight = (uint32_t *) (void *) (worker + 1);
    is_over = false;
    loaded = 0;
    entered = 0;
    wrong = NULL;
}


static void
teardown(void)
{
    worker_records_close(&records);
    seats_writer_close(&seats);
    routes_writer_close(&routes);
    edge_directory_remove(directory);
}


static bool
over(void)
{
    return __atomic_load_n(&is_over, __ATOMIC_ACQUIRE);
}


/* ends both sides */

static void
complain(const char *what)
{
    wrong = what;
    __atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
}


/* the seat's place in "workers" is counted in and out, its address looked at */

static void
visit_seat(const ngx_http_mint_view_t *view, uint32_t index)
{
    uint64_t                 word;
    struct mint_seat         copy;
    const struct mint_seat  *seat;

    seat = ngx_http_mint_view_seat(view, index);
    word = mint_run_load_acquire(&seat->word);

    if (mint_seat_state(word) == MINT_SEAT_EMPTY) {
        return;
    }

    if (seat->plugin_id != index / 2) {
        complain("another plugin's seat");
        return;
    }

    mint_seat_enter(&in_flight[index]);
    word = mint_seat_word_reload(seat);

    if (mint_seat_state(word) == MINT_SEAT_READY) {
        mint_run_copy(&copy, seat, sizeof(copy));

        if (copy.address_len == 0 || copy.address[0] != '/') {
            complain("no address");
        }

        __atomic_fetch_add(&entered, 1, __ATOMIC_RELAXED);
    }

    mint_seat_leave(&in_flight[index]);
}


static void *
worker(void *ctx)
{
    int                      result;
    size_t                   bucket_bytes, entry_bytes;
    uint32_t                 i;
    ngx_http_mint_view_t     view[2];
    ngx_http_mint_table_t    table;

    (void) ctx;

    if (ngx_http_mint_view_open(&view[0], routes.line.current->header,
                                routes.line.current->bytes, MINT_RUN_ROUTES)
        != NULL
        || ngx_http_mint_view_open(&view[1], seats.line.current->header,
                                   seats.line.current->bytes, MINT_RUN_SEATS)
           != NULL)
    {
        complain("a file cannot be opened");
        return NULL;
    }

    memset(&table, 0, sizeof(table));
    ngx_http_mint_table_sizes(&view[0], &bucket_bytes, &entry_bytes);
    table.buckets = malloc(bucket_bytes);
    table.entries = malloc(entry_bytes);

    while (!over()) {
        result = ngx_http_mint_table_load(&table, &view[0]);

        if (result == NGX_HTTP_MINT_TABLE_LOADED) {
            __atomic_fetch_add(&loaded, 1, __ATOMIC_RELAXED);
        }

        for (i = 1; result == NGX_HTTP_MINT_TABLE_LOADED
                    && i < table.entry_count; i++)
        {
            if (table.entries[i].slot_count != table.entries[0].slot_count) {
                complain("routes of two generations");
            }
        }

        for (i = 2; i < SEATS; i += 2) {
            visit_seat(&view[1], i);
        }
    }

    free(table.buckets);
    free(table.entries);

    return NULL;
}


/* all of one generation have the same number of slots */

static void
publish(unsigned turn)
{
    char                     prefix[ROUTES][16];
    size_t                   i;
    struct error             err;
    struct publisher_route   list[ROUTES];

    memset(list, 0, sizeof(list));

    for (i = 0; i < ROUTES; i++) {
        snprintf(prefix[i], sizeof(prefix[i]), "/p%zu", i);
        list[i].prefix = prefix[i];
        list[i].name = "p";
        list[i].version = "1";
        list[i].plugin_id = (uint32_t) i + 1;
        list[i].seat_first = 2 * list[i].plugin_id;
        list[i].slot_count = (uint16_t) (1 + turn % 2);
    }

    ck_assert_int_eq(routes_writer_set(&routes, list, ROUTES, &err), 0);
}


static void
set_seat(uint32_t index, uint32_t generation, enum mint_seat_state state)
{
    struct error  err;

    ck_assert_int_eq(seats_writer_set(&seats, index,
                                      mint_seat_word(generation, 0,
                                                     MINT_CAUSE_NONE, state),
                                      &err), 0);
}


START_TEST(writers_and_readers_share_no_plain_word)
{
    char          address[32];
    uint32_t      index;
    unsigned      turn;
    pthread_t     thread;
    struct error  err;

    publish(0);
    ck_assert_int_eq(pthread_create(&thread, NULL, worker, NULL), 0);

    for (turn = 1; !over()
                   && (turn < TURNS
                       || __atomic_load_n(&loaded, __ATOMIC_RELAXED) < LOADED
                       || __atomic_load_n(&entered, __ATOMIC_RELAXED) == 0);
         turn++)
    {
        publish(turn);

        index = 2 + 2 * (turn % (SEATS / 2 - 1));
        snprintf(address, sizeof(address), "/s/%u", index);
        ck_assert_int_eq(seats_writer_place(&seats, index, index / 2, 0, 0,
                                            address, &err), 0);
        set_seat(index, turn, MINT_SEAT_READY);
        set_seat(index, turn, turn % 3 == 0 ? MINT_SEAT_CLOSED
                                            : MINT_SEAT_READY);
        (void) mint_seat_count(&in_flight[index]);
    }

    __atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    ck_assert_msg(wrong == NULL, "%s", wrong);
    ck_assert_uint_ge(loaded, LOADED);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *cases;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("one_mapping");
    cases = tcase_create("one_mapping");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, writers_and_readers_share_no_plain_word);
    suite_add_tcase(suite, cases);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
