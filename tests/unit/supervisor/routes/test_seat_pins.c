/* SPDX-License-Identifier: MIT */
/*
 * Pins: the table against a model, what the publisher does with it, and what
 * a new supervisor finds.  Looked up by a reader written from contract/ alone.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge.h"
#include "lib/log.h"
#include "supervisor/routes/publisher.h"
#include "supervisor/routes/seat_pins.h"


#define SEAT_A  6               /* of plugin 3 */
#define SEAT_B  7
#define OTHER   8               /* of plugin 4 */


static char               directory[64];
static struct publisher  *publisher;
static struct error       err;
static struct mint_pin    table[SEAT_PINS];


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
use_seat(uint32_t index, uint32_t plugin_id, const char *address)
{
    ck_assert_int_eq(publisher_place_seat(publisher, index, plugin_id, 0,
                                          index % 2, address, &err), 0);
    publisher_set_seat(publisher, index, 1, 0, MINT_CAUSE_NONE,
                       MINT_SEAT_READY);
}


static void
setup(void)
{
    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    memset(table, 0, sizeof(table));
    edge_directory_make(directory);
    open_with(16);
    use_seat(SEAT_A, 3, "/s/3-0a");
    use_seat(SEAT_B, 3, "/s/3-0b");
    use_seat(OTHER, 4, "/s/4-0a");
}


static void
teardown(void)
{
    publisher_free(&publisher);
    edge_directory_remove(directory);
}


/* the rule of mint_seats.h; MINT_SEAT_NONE */

static uint32_t
look_up(const struct mint_pin *pins, uint32_t capacity, uint32_t plugin_id,
    uint64_t user_id)
{
    uint32_t  i, n;
    uint64_t  key;

    key = mint_pin_key(plugin_id, user_id);
    i = mint_pin_hash(key) % capacity;

    for (n = 0; n < MINT_PIN_PROBES && pins[i].key != 0; n++) {
        if (pins[i].key == key) {
            return pins[i].value == 0 ? MINT_SEAT_NONE
                                      : (uint32_t) pins[i].value - 1;
        }
        i = (i + 1) % capacity;
    }

    return MINT_SEAT_NONE;
}


static uint32_t
pin_in(const struct edge_file *file, uint32_t plugin_id, uint64_t user_id)
{
    const struct mint_pin  *pins;

    pins = (const struct mint_pin *) (const void *)
           ((const char *) file->header
            + file->header->section[MINT_SEATS_SECTION_PINS]);

    return look_up(pins, file->header->capacity[MINT_SEATS_CAPACITY_PINS],
                   plugin_id, user_id);
}


static uint32_t
pin_of(uint32_t plugin_id, uint64_t user_id)
{
    uint32_t          seat;
    struct edge_file  file;

    edge_open(&file, directory, MINT_RUN_SEATS);
    seat = pin_in(&file, plugin_id, user_id);
    edge_close(&file);

    return seat;
}


static uint32_t
used_cells(void)
{
    uint32_t  i, n;

    for (i = 0, n = 0; i < SEAT_PINS; i++) {
        n += table[i].key != 0;
    }

    return n;
}


/* ---- the table ----------------------------------------------------- */

START_TEST(the_table_agrees_with_a_model)
{
    uint32_t          i, user, n, checked;
    static uint32_t   model[2000];
    struct mint_seat  seats[16];

    memset(model, 0xff, sizeof(model));
    memset(seats, 0, sizeof(seats));
    for (i = 0; i < 16; i++) {
        seats[i].plugin_id = 3;
        seats[i].address_len = 1;
    }
    srandom(1);
    n = 0;

    for (i = 0; i < 100000; i++) {
        user = (uint32_t) random() % 2000;

        if (random() % 2 == 0) {
            n += model[user] == MINT_SEAT_NONE;
            model[user] = (uint32_t) random() % 16;
            ck_assert(seat_pins_put(table, mint_pin_key(3, user + 1),
                                    model[user]));

        } else {
            ck_assert(seat_pins_remove(table, mint_pin_key(3, user + 1))
                      == (model[user] != MINT_SEAT_NONE));
            n -= model[user] != MINT_SEAT_NONE;
            model[user] = MINT_SEAT_NONE;
        }
    }

    for (user = 0; user < 2000; user++) {
        ck_assert_uint_eq(look_up(table, SEAT_PINS, 3, user + 1),
                          model[user]);
        ck_assert_uint_eq(seat_pins_get(table, mint_pin_key(3, user + 1)),
                          model[user]);
    }

    ck_assert_int_eq(seat_pins_check(table, seats, 16, &checked, &err), 0);
    ck_assert_uint_eq(checked, n);
}
END_TEST


/* keys whose home is one of the last cells: probing goes on at the first */

static uint64_t
key_at_home(uint32_t home, unsigned nth)
{
    uint64_t  user;

    for (user = 1; ; user++) {
        if (mint_pin_hash(mint_pin_key(1, user)) % SEAT_PINS == home
            && nth-- == 0)
        {
            return mint_pin_key(1, user);
        }
    }
}


START_TEST(probing_wraps_around)
{
    unsigned  i;
    uint64_t  keys[4];

    for (i = 0; i < 4; i++) {
        keys[i] = key_at_home(SEAT_PINS - 2, i);
        ck_assert(seat_pins_put(table, keys[i], i));
    }

    ck_assert_uint_eq(table[0].key, keys[2]);
    ck_assert_uint_eq(table[1].key, keys[3]);

    for (i = 0; i < 4; i++) {
        ck_assert_uint_eq(seat_pins_get(table, keys[i]), i);
    }

    /* removing in the middle hides nothing behind it */
    ck_assert(seat_pins_remove(table, keys[1]));
    ck_assert_uint_eq(seat_pins_get(table, keys[3]), 3);
    ck_assert_uint_eq(seat_pins_get(table, keys[1]), MINT_SEAT_NONE);

    /* its cell is used again */
    ck_assert(seat_pins_put(table, key_at_home(SEAT_PINS - 2, 4), 9));
    ck_assert_uint_eq(table[SEAT_PINS - 1].value, 10);
    ck_assert_uint_eq(used_cells(), 4);
}
END_TEST


START_TEST(removed_pins_leave_nothing_behind)
{
    uint64_t  user;

    for (user = 1; user <= 5000; user++) {
        ck_assert(seat_pins_put(table, mint_pin_key(1, user), 1));
    }

    for (user = 1; user <= 5000; user++) {
        ck_assert(seat_pins_remove(table, mint_pin_key(1, user)));
    }

    ck_assert_uint_eq(used_cells(), 0);

    for (user = 6001; user <= 11000; user++) {
        ck_assert(seat_pins_put(table, mint_pin_key(1, user), 1));
        ck_assert(seat_pins_remove(table, mint_pin_key(1, user)));
    }

    ck_assert_uint_eq(used_cells(), 0);
}
END_TEST


static const struct {
    const char  *what;
    uint32_t     offset;        /* from the cell of user 5 */
    uint64_t     key;
    uint64_t     value;
}  broken[] = {
    { "a seat beyond the file", 0, 0, 17 },
    { "a seat beyond 32 bits", 0, 0, 1ULL << 40 },
    { "a seat that has no address", 0, 0, 16 },
    { "a cell where no reader looks", 100, 1, 1 },
};


START_TEST(broken_tables_are_refused)
{
    uint64_t          key;
    uint32_t          at, n;
    struct mint_seat  seats[16];

    memset(seats, 0, sizeof(seats));
    for (n = 0; n < 15; n++) {
        seats[n].plugin_id = 3;
        seats[n].address_len = 1;
    }

    key = mint_pin_key(3, 5);
    at = mint_pin_hash(key) % SEAT_PINS;
    ck_assert(seat_pins_put(table, key, 2));
    ck_assert_int_eq(seat_pins_check(table, seats, 16, &n, &err), 0);
    ck_assert_uint_eq(n, 1);

    at = (at + broken[_i].offset) % SEAT_PINS;
    table[at].key = broken[_i].key != 0 ? mint_pin_key(3, 5) : key;
    table[at].value = broken[_i].value;
    ck_assert_msg(seat_pins_check(table, seats, 16, &n, &err)
                  == MINT_ERR_PROTOCOL, "%s", broken[_i].what);

    /* the key is the plugin alone: there is no user 0 */
    memset(table, 0, sizeof(table));
    ck_assert(seat_pins_put(table, mint_pin_key(3, 0), 2));
    ck_assert_int_eq(seat_pins_check(table, seats, 16, &n, &err),
                     MINT_ERR_PROTOCOL);
}
END_TEST


/* ---- publisher ----------------------------------------------------- */

START_TEST(a_pin_is_seen_moved_and_removed)
{
    ck_assert_uint_eq(pin_of(3, 7), MINT_SEAT_NONE);
    ck_assert_int_eq(publisher_pin(publisher, SEAT_A, 7, &err), 0);
    ck_assert_int_eq(publisher_pin(publisher, OTHER, 7, &err), 0);
    ck_assert_uint_eq(pin_of(3, 7), SEAT_A);
    ck_assert_uint_eq(pin_of(4, 7), OTHER);

    /* of one plugin a user has one pin */
    ck_assert_int_eq(publisher_pin(publisher, SEAT_B, 7, &err), 0);
    ck_assert_uint_eq(pin_of(3, 7), SEAT_B);
    ck_assert_uint_eq(publisher_pins_of(publisher, SEAT_A), 0);
    ck_assert_uint_eq(publisher_pins_of(publisher, SEAT_B), 1);

    ck_assert(publisher_unpin(publisher, 3, 7));
    ck_assert(!publisher_unpin(publisher, 3, 7));
    ck_assert_uint_eq(pin_of(3, 7), MINT_SEAT_NONE);
    ck_assert_uint_eq(pin_of(4, 7), OTHER);
}
END_TEST


START_TEST(all_pins_of_a_seat_go_at_once)
{
    uint64_t  user;

    for (user = 1; user <= 100; user++) {
        ck_assert_int_eq(publisher_pin(publisher, SEAT_A, user, &err), 0);
        ck_assert_int_eq(publisher_pin(publisher, OTHER, user, &err), 0);
    }

    ck_assert_uint_eq(publisher_pins_of(publisher, SEAT_A), 100);
    ck_assert_uint_eq(publisher_unpin_seat(publisher, SEAT_A), 100);
    ck_assert_uint_eq(publisher_pins_of(publisher, SEAT_A), 0);
    ck_assert_uint_eq(publisher_pins_of(publisher, OTHER), 100);
    ck_assert_uint_eq(publisher_unpin_seat(publisher, SEAT_A), 0);
}
END_TEST


START_TEST(only_seats_in_use_and_real_users_are_pinned)
{
    ck_assert_int_eq(publisher_pin(publisher, 12, 7, &err),
                     MINT_ERR_NOT_FOUND);
    ck_assert_int_eq(publisher_pin(publisher, 100000, 7, &err),
                     MINT_ERR_NOT_FOUND);
    ck_assert_int_eq(publisher_pin(publisher, SEAT_A, 0, &err),
                     MINT_ERR_INVALID);

    /* user numbers so large that they reach into the plugin's: told apart */
    ck_assert_int_eq(publisher_pin(publisher, SEAT_A, 7, &err), 0);
    ck_assert_int_eq(publisher_pin(publisher, OTHER,
                                   7 ^ (uint64_t) (3 ^ 4) << 40, &err),
                     MINT_ERR_INVALID);
    ck_assert_uint_eq(pin_of(3, 7), SEAT_A);
}
END_TEST


START_TEST(a_full_table_says_so)
{
    uint64_t  user;

    for (user = 1; user <= SEAT_PINS_MOST; user++) {
        ck_assert_int_eq(publisher_pin(publisher, SEAT_A, user, &err), 0);
    }

    ck_assert_int_eq(publisher_pin(publisher, SEAT_A, user, &err),
                     MINT_ERR_FULL);
    ck_assert_uint_eq(pin_of(3, user), MINT_SEAT_NONE);

    /* who has a pin may still get another one */
    ck_assert_int_eq(publisher_pin(publisher, SEAT_B, 1, &err), 0);
    ck_assert_uint_eq(pin_of(3, 1), SEAT_B);

    ck_assert(publisher_unpin(publisher, 3, 2));
    ck_assert_int_eq(publisher_pin(publisher, SEAT_A, user, &err), 0);
    ck_assert_uint_eq(pin_of(3, user), SEAT_A);

    /* a new supervisor counts them */
    publisher_free(&publisher);
    open_with(16);
    ck_assert_int_eq(publisher_pin(publisher, SEAT_A, user + 1, &err),
                     MINT_ERR_FULL);
    ck_assert_uint_eq(publisher_unpin_seat(publisher, SEAT_A),
                      SEAT_PINS_MOST - 1);
}
END_TEST


START_TEST(a_new_supervisor_keeps_pins)
{
    ck_assert_int_eq(publisher_pin(publisher, SEAT_A, 7, &err), 0);
    ck_assert_int_eq(publisher_pin(publisher, SEAT_A, 1ULL << 39, &err), 0);

    publisher_free(&publisher);
    open_with(16);
    ck_assert_uint_eq(pin_of(3, 7), SEAT_A);
    ck_assert_uint_eq(publisher_pins_of(publisher, SEAT_A), 2);

    /* and into a larger file */
    publisher_free(&publisher);
    open_with(200);
    ck_assert_uint_eq(pin_of(3, 7), SEAT_A);
    ck_assert_uint_eq(pin_of(3, 1ULL << 39), SEAT_A);
    ck_assert_uint_eq(publisher_pins_of(publisher, SEAT_A), 2);
    ck_assert(publisher_unpin(publisher, 3, 7));
    ck_assert_uint_eq(publisher_pins_of(publisher, SEAT_A), 1);
}
END_TEST


START_TEST(pins_go_to_the_file_before_as_long_as_it_is_used)
{
    struct edge_file  old;

    ck_assert_int_eq(publisher_pin(publisher, SEAT_A, 7, &err), 0);
    edge_open(&old, directory, MINT_RUN_SEATS);

    /* grows all files */
    use_seat(101, 50, "/s/50");
    ck_assert(edge_is_retired(&old));
    ck_assert_uint_eq(pin_of(3, 7), SEAT_A);

    ck_assert_int_eq(publisher_pin(publisher, SEAT_B, 8, &err), 0);
    ck_assert_uint_eq(pin_in(&old, 3, 8), SEAT_B);
    ck_assert(publisher_unpin(publisher, 3, 7));
    ck_assert_uint_eq(pin_in(&old, 3, 7), MINT_SEAT_NONE);

    /* a seat that the old file does not have */
    ck_assert_int_eq(publisher_pin(publisher, 101, 9, &err), 0);
    ck_assert_uint_eq(pin_in(&old, 50, 9), MINT_SEAT_NONE);
    ck_assert_uint_eq(pin_of(50, 9), 101);
    edge_close(&old);
}
END_TEST


START_TEST(a_file_with_broken_pins_is_replaced)
{
    char              path[96];
    FILE             *f;
    uint64_t          beyond, epoch;
    struct edge_file  file;

    ck_assert_int_eq(publisher_pin(publisher, SEAT_A, 7, &err), 0);
    publisher_free(&publisher);

    edge_open(&file, directory, MINT_RUN_SEATS);
    epoch = file.header->writer_epoch;
    snprintf(path, sizeof(path), "%s/seats", directory);
    f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    fseek(f, (long) file.header->section[MINT_SEATS_SECTION_PINS]
             + (long) (mint_pin_hash(mint_pin_key(3, 7)) % SEAT_PINS)
               * (long) sizeof(struct mint_pin) + 8, SEEK_SET);
    beyond = 4000;
    ck_assert_uint_eq(fwrite(&beyond, sizeof(beyond), 1, f), 1);
    fclose(f);
    edge_close(&file);

    open_with(16);
    edge_open(&file, directory, MINT_RUN_SEATS);
    ck_assert_uint_gt(file.header->writer_epoch, epoch);
    ck_assert_uint_eq(pin_in(&file, 3, 7), MINT_SEAT_NONE);
    edge_close(&file);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *cases;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("pins");
    cases = tcase_create("pins");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, the_table_agrees_with_a_model);
    tcase_add_test(cases, probing_wraps_around);
    tcase_add_test(cases, removed_pins_leave_nothing_behind);
    tcase_add_loop_test(cases, broken_tables_are_refused, 0,
                        (int) (sizeof(broken) / sizeof(broken[0])));
    tcase_add_test(cases, a_pin_is_seen_moved_and_removed);
    tcase_add_test(cases, all_pins_of_a_seat_go_at_once);
    tcase_add_test(cases, only_seats_in_use_and_real_users_are_pinned);
    tcase_add_test(cases, a_full_table_says_so);
    tcase_add_test(cases, a_new_supervisor_keeps_pins);
    tcase_add_test(cases, pins_go_to_the_file_before_as_long_as_it_is_used);
    tcase_add_test(cases, a_file_with_broken_pins_is_replaced);
    suite_add_tcase(suite, cases);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
