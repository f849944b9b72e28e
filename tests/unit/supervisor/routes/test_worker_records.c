/* SPDX-License-Identifier: MIT */
/*
 * Records of "workers": only those of living workers count, and requests that
 * were counted in a replaced file go on counting there.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "edge.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "supervisor/routes/worker_records.h"


static char                   directory[64];
static struct worker_records  records;
static struct edge_worker     one, two;
static struct error           err;


static void
setup(void)
{
    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    edge_directory_make(directory);
    ck_assert_int_eq(worker_records_open(&records, directory, 16, 8,
                                         (gid_t) -1, &err), 0);
}


static void
teardown(void)
{
    worker_records_close(&records);
    edge_directory_remove(directory);
}


START_TEST(the_file_is_as_large_as_agreed)
{
    const struct mint_run_header  *h;

    h = records.line.current->header;
    ck_assert_uint_eq(h->capacity[MINT_WORKERS_CAPACITY_RECORDS], 64);
    ck_assert_uint_eq(h->capacity[MINT_WORKERS_CAPACITY_SEATS], 16);
    ck_assert_uint_eq(h->capacity[MINT_WORKERS_CAPACITY_PLUGINS], 8);
    ck_assert_uint_eq(h->section[0], 65536);
    ck_assert_uint_eq(h->file_bytes, 65 * 65536);
}
END_TEST


/* bytes of the file that take room */

static uint64_t
room_taken(void)
{
    struct stat  st;

    ck_assert_int_eq(fstat(records.line.current->fd, &st), 0);

    return (uint64_t) st.st_blocks * 512;
}


START_TEST(a_record_takes_room_when_it_has_an_owner)
{
    uint64_t                    empty;
    struct mint_worker_plugin   sum;

    empty = room_taken();
    ck_assert_uint_lt(empty, 65536);

    /* looking at what is not there brings nothing into being */
    ck_assert_uint_eq(worker_records_live(&records), 0);
    ck_assert(!worker_file_total(records.line.current, 3, &sum));
    ck_assert_uint_eq(room_taken(), empty);

    edge_worker_start(&one, directory);
    ck_assert_uint_eq(worker_records_live(&records), 1);
    ck_assert_uint_ge(room_taken(), empty + 65536);
    ck_assert_uint_lt(room_taken(), empty + 2 * 65536);

    edge_worker_kill(&one);
}
END_TEST


START_TEST(counts_of_all_workers_are_added)
{
    edge_worker_start(&one, directory);
    edge_worker_start(&two, directory);
    ck_assert_uint_eq(worker_records_live(&records), 2);
    ck_assert_uint_eq(worker_records_in_flight(&records, 4), 0);

    edge_worker_command(&one, EDGE_ENTER, 4);
    edge_worker_command(&one, EDGE_ENTER, 4);
    edge_worker_command(&two, EDGE_ENTER, 4);
    edge_worker_command(&two, EDGE_ENTER, 15);
    ck_assert_uint_eq(worker_records_in_flight(&records, 4), 3);
    ck_assert_uint_eq(worker_records_in_flight(&records, 15), 1);
    ck_assert_uint_eq(worker_records_in_flight(&records, 5), 0);

    edge_worker_command(&one, EDGE_LEAVE, 4);
    ck_assert_uint_eq(worker_records_in_flight(&records, 4), 2);

    /* a seat that the file does not have */
    ck_assert_uint_eq(worker_records_in_flight(&records, 16), 0);
    ck_assert_uint_eq(worker_records_in_flight(&records, UINT32_MAX), 0);

    edge_worker_kill(&one);
    edge_worker_kill(&two);
}
END_TEST


START_TEST(a_killed_worker_counts_no_more)
{
    edge_worker_start(&one, directory);
    edge_worker_start(&two, directory);
    edge_worker_command(&one, EDGE_ENTER, 4);
    edge_worker_command(&two, EDGE_ENTER, 4);

    edge_worker_kill(&one);
    ck_assert_uint_eq(worker_records_in_flight(&records, 4), 1);
    ck_assert_uint_eq(worker_records_live(&records), 1);

    /* the next one takes its record and finds it clean */
    edge_worker_start(&one, directory);
    ck_assert_uint_eq(worker_records_live(&records), 2);
    ck_assert_uint_eq(worker_records_in_flight(&records, 4), 1);

    edge_worker_kill(&one);
    edge_worker_kill(&two);
    ck_assert_uint_eq(worker_records_in_flight(&records, 4), 0);
    ck_assert_uint_eq(worker_records_live(&records), 0);
}
END_TEST


START_TEST(counters_outlive_their_worker)
{
    struct mint_worker_plugin   sum;
    struct mint_worker_plugin  *plugin;

    ck_assert(!worker_file_total(records.line.current, 3, &sum));

    edge_worker_start(&one, directory);
    plugin = (struct mint_worker_plugin *) worker_file_plugins(
        records.line.current,
        worker_file_record(records.line.current, 0)) + 3;
    plugin->requests[2] = 5;
    plugin->latency[23] = 7;
    plugin->in_flight = 2;
    plugin->oldest_start_ms = 9;

    ck_assert(worker_file_total(records.line.current, 3, &sum));
    ck_assert_uint_eq(sum.requests[2], 5);
    ck_assert_uint_eq(sum.in_flight, 2);

    edge_worker_kill(&one);
    ck_assert(worker_file_total(records.line.current, 3, &sum));
    ck_assert_uint_eq(sum.requests[2], 5);
    ck_assert_uint_eq(sum.latency[23], 7);
    ck_assert_uint_eq(sum.in_flight, 0);
    ck_assert_uint_eq(sum.oldest_start_ms, 0);

    /* the next owner goes on with them, and only with them */
    edge_worker_start(&one, directory);
    plugin->requests[2]++;
    ck_assert(worker_file_total(records.line.current, 3, &sum));
    ck_assert_uint_eq(sum.requests[2], 6);
    ck_assert_uint_eq(sum.in_flight, 0);
    ck_assert_uint_eq(plugin->in_flight, 0);
    ck_assert_uint_eq(plugin->oldest_start_ms, 0);

    ck_assert(!worker_file_total(records.line.current, 4, &sum));
    ck_assert(!worker_file_total(records.line.current, 8, &sum));
    edge_worker_kill(&one);
}
END_TEST


START_TEST(requests_count_in_the_file_before)
{
    uint64_t  now_ms;

    edge_worker_start(&one, directory);
    edge_worker_command(&one, EDGE_ENTER, 4);

    ck_assert_int_eq(worker_records_grow(&records, 64, 32, &err), 0);
    ck_assert_uint_eq(records.line.current->epoch, 2);
    ck_assert_uint_eq(worker_records_in_flight(&records, 4), 1);
    ck_assert_uint_eq(worker_records_live(&records), 1);

    /* the worker notices, owns a record in the new file, goes on there */
    edge_worker_command(&one, EDGE_REOPEN, 0);
    edge_worker_command(&one, EDGE_ENTER, 4);
    edge_worker_command(&one, EDGE_ENTER, 63);
    ck_assert_uint_eq(worker_records_in_flight(&records, 4), 2);
    ck_assert_uint_eq(worker_records_in_flight(&records, 63), 1);
    ck_assert_uint_eq(worker_records_live(&records), 1);

    /* hours later: a WebSocket may still be counted there */
    now_ms = time_boot_ms();
    run_line_tick(&records.line, worker_records_in_use, &records,
                  now_ms + 3600000);
    ck_assert_ptr_nonnull(records.line.retired);
    ck_assert_uint_eq(worker_records_in_flight(&records, 4), 2);

    edge_worker_command(&one, EDGE_LEAVE, 4);
    edge_worker_command(&one, EDGE_LEAVE, 4);
    ck_assert_uint_eq(worker_records_in_flight(&records, 4), 0);

    edge_worker_kill(&one);
    run_line_tick(&records.line, worker_records_in_use, &records,
                  now_ms + 3600000);
    ck_assert_ptr_null(records.line.retired);
}
END_TEST


START_TEST(a_worker_shows_what_it_has_mapped)
{
    unsigned          kind;
    struct run_line   lines[5];
    struct run_file  *fresh;

    static const struct run_shape  small = { .bytes = 4096 };

    for (kind = MINT_RUN_ROUTES; kind <= MINT_RUN_IDENTITY; kind++) {
        ck_assert_int_eq(run_line_open(&lines[kind], directory,
                                       (enum mint_run_kind) kind, (gid_t) -1,
                                       &err), 0);
        ck_assert_int_eq(run_line_make(&lines[kind], &small, &fresh, &err),
                         0);
        ck_assert_int_eq(run_line_commit(&lines[kind], &fresh, &err), 0);
    }

    edge_worker_start(&one, directory);
    edge_worker_command(&one, EDGE_EPOCHS, 0);

    for (kind = MINT_RUN_ROUTES; kind <= MINT_RUN_IDENTITY; kind++) {
        ck_assert(worker_records_in_use(&records, (enum mint_run_kind) kind,
                                        lines[kind].current));
    }

    ck_assert_int_eq(run_line_make(&lines[2], &small, &fresh, &err), 0);
    ck_assert_int_eq(run_line_commit(&lines[2], &fresh, &err), 0);
    ck_assert(worker_records_in_use(&records, MINT_RUN_SEATS,
                                    lines[2].retired));
    ck_assert(!worker_records_in_use(&records, MINT_RUN_SEATS,
                                     lines[2].current));

    edge_worker_command(&one, EDGE_EPOCHS, 0);
    ck_assert(!worker_records_in_use(&records, MINT_RUN_SEATS,
                                     lines[2].retired));
    ck_assert(worker_records_in_use(&records, MINT_RUN_SEATS,
                                    lines[2].current));

    /* a worker still on the old "workers" is asked too */
    ck_assert_int_eq(worker_records_grow(&records, 64, 32, &err), 0);
    ck_assert(worker_records_in_use(&records, MINT_RUN_SEATS,
                                    lines[2].current));

    edge_worker_kill(&one);
    ck_assert(!worker_records_in_use(&records, MINT_RUN_SEATS,
                                     lines[2].current));

    for (kind = MINT_RUN_ROUTES; kind <= MINT_RUN_IDENTITY; kind++) {
        run_line_close(&lines[kind]);
    }
}
END_TEST


START_TEST(the_file_is_adopted_with_its_workers)
{
    edge_worker_start(&one, directory);
    edge_worker_command(&one, EDGE_ENTER, 3);

    worker_records_close(&records);
    ck_assert_int_eq(worker_records_open(&records, directory, 16, 8,
                                         (gid_t) -1, &err), 0);
    ck_assert_uint_eq(records.line.current->epoch, 1);
    ck_assert_uint_eq(worker_records_live(&records), 1);
    ck_assert_uint_eq(worker_records_in_flight(&records, 3), 1);

    /* other capacities: a new file, the old one is counted as well */
    worker_records_close(&records);
    ck_assert_int_eq(worker_records_open(&records, directory, 32, 16,
                                         (gid_t) -1, &err), 0);
    ck_assert_uint_eq(records.line.current->epoch, 2);
    ck_assert_uint_eq(worker_records_in_flight(&records, 3), 1);

    edge_worker_kill(&one);
}
END_TEST


START_TEST(a_file_with_wrong_tables_is_not_counted)
{
    records.line.current->header->capacity[MINT_WORKERS_CAPACITY_SEATS] =
        100000;
    worker_records_close(&records);

    ck_assert_int_eq(worker_records_open(&records, directory, 16, 8,
                                         (gid_t) -1, &err), 0);
    ck_assert_uint_eq(records.line.current->epoch, 2);
    ck_assert_ptr_null(records.line.retired);
    ck_assert_uint_eq(worker_records_in_flight(&records, 99999), 0);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *cases;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("worker_records");
    cases = tcase_create("worker_records");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, the_file_is_as_large_as_agreed);
    tcase_add_test(cases, a_record_takes_room_when_it_has_an_owner);
    tcase_add_test(cases, counts_of_all_workers_are_added);
    tcase_add_test(cases, a_killed_worker_counts_no_more);
    tcase_add_test(cases, counters_outlive_their_worker);
    tcase_add_test(cases, requests_count_in_the_file_before);
    tcase_add_test(cases, a_worker_shows_what_it_has_mapped);
    tcase_add_test(cases, the_file_is_adopted_with_its_workers);
    tcase_add_test(cases, a_file_with_wrong_tables_is_not_counted);
    suite_add_tcase(suite, cases);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
