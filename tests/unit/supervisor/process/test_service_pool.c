/* SPDX-License-Identifier: MIT */
/*
 * Who may start, and when: few at once, in turn, after what they wait for.  No
 * process and no keeper: services stay in "preparing" until the test says so.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "supervisor/process/service_private.h"


#define MANY    50
#define PLACES  4


static struct event_base     *base;
static struct process_table  *table;
static struct service_pool   *pool;
static struct service        *services[MANY];
static int                    order[2 * MANY];
static int                    started;
static int                    at_once;
static int                    most_at_once;
static int                    waits_for[MANY];  /* -1 = for nobody */


static int
number_of(const struct service *service)
{
    return atoi(service_name(service));
}


static void
hook_prepare(void *ctx, struct service *service)
{
    (void) ctx;

    order[started++] = number_of(service);
}


static void
on_state(void *ctx, struct service *service, enum service_state from)
{
    (void) ctx;

    at_once += service_state(service) == SERVICE_PREPARING;
    at_once -= from == SERVICE_PREPARING;
    most_at_once = at_once > most_at_once ? at_once : most_at_once;
}


static const char *
waits(void *ctx, const struct service *service)
{
    int  other;

    (void) ctx;

    other = waits_for[number_of(service)];

    return other != -1 && service_state(services[other]) != SERVICE_READY
           ? service_name(services[other]) : NULL;
}


static const struct service_hooks  hooks = { .prepare = hook_prepare };


static void
setup(void)
{
    int                       i;
    char                      name[8];
    struct service_options    options;
    struct service_observer   observer;

    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    started = at_once = most_at_once = 0;

    base = event_base_new();
    table = process_table_new(base, NULL);
    pool = service_pool_new(table, NULL, PLACES);

    memset(&observer, 0, sizeof(observer));
    observer.on_state = on_state;
    service_pool_observe(pool, &observer);
    service_pool_order(pool, waits, NULL);

    for (i = 0; i < MANY; i++) {
        memset(&options, 0, sizeof(options));
        snprintf(name, sizeof(name), "%d", i);
        options.kind = "test";
        options.name = name;
        options.place = "0a";
        services[i] = service_new(pool, &options, &hooks, NULL);
        waits_for[i] = -1;
    }
}


static void
teardown(void)
{
    int  i;

    for (i = 0; i < MANY; i++) {
        service_free(&services[i]);
    }

    service_pool_free(&pool);
    process_table_free(&table);
    event_base_free(base);
}


static void
start_all(void)
{
    int  i;

    for (i = 0; i < MANY; i++) {
        service_start(services[i], MINT_CAUSE_FIRST_START);
    }
}


/* whoever has been started becomes ready, until nobody is left */

static void
finish_all(void)
{
    int  i;

    for (i = 0; i < started; i++) {
        service_set_state(services[order[i]], SERVICE_READY);
    }
}


START_TEST(few_at_once_and_in_turn)
{
    int  i;

    start_all();
    ck_assert_int_eq(started, PLACES);

    finish_all();
    ck_assert_int_eq(started, MANY);
    ck_assert_int_eq(most_at_once, PLACES);

    for (i = 0; i < MANY; i++) {
        ck_assert_int_eq(order[i], i);
    }
}
END_TEST


/* a chain against the order of the queue takes one after the other */

START_TEST(what_is_needed_comes_first)
{
    int  i;

    for (i = 0; i < MANY - 1; i++) {
        waits_for[i] = i + 1;
    }

    start_all();
    ck_assert_int_eq(started, 1);
    ck_assert_str_eq(service_waits_for(services[0]), "1");
    ck_assert_ptr_null(service_waits_for(services[MANY - 1]));

    finish_all();
    ck_assert_int_eq(started, MANY);
    ck_assert_int_eq(most_at_once, 1);

    for (i = 0; i < MANY; i++) {
        ck_assert_int_eq(order[i], MANY - 1 - i);
    }
}
END_TEST


START_TEST(who_waits_takes_no_place)
{
    waits_for[0] = waits_for[1] = waits_for[2] = waits_for[3] = 40;

    start_all();
    ck_assert_int_eq(started, PLACES);
    ck_assert_int_eq(order[0], 4);

    finish_all();
    ck_assert_int_eq(started, MANY);
    ck_assert_int_eq(order[MANY - 1], 49);
}
END_TEST


/* one that is not wanted any more makes way for the next */

START_TEST(leaving_the_queue)
{
    start_all();
    service_stop(services[PLACES], false);
    ck_assert_int_eq(service_state(services[PLACES]), SERVICE_DOWN);

    service_set_state(services[0], SERVICE_FAILED);
    ck_assert_int_eq(order[PLACES], PLACES + 1);
    ck_assert_int_eq(started, PLACES + 1);
}
END_TEST


START_TEST(core_services_need_no_place)
{
    start_all();
    services[MANY - 1]->options.needs_no_place = true;
    service_stop(services[MANY - 1], false);
    service_start(services[MANY - 1], MINT_CAUSE_FIRST_START);

    ck_assert_int_eq(service_state(services[MANY - 1]), SERVICE_PREPARING);
    ck_assert_int_eq(started, PLACES + 1);

    service_set_state(services[MANY - 1], SERVICE_READY);
    ck_assert_int_eq(started, PLACES + 1);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("service_pool");
    tcase = tcase_create("service_pool");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, few_at_once_and_in_turn);
    tcase_add_test(tcase, what_is_needed_comes_first);
    tcase_add_test(tcase, who_waits_takes_no_place);
    tcase_add_test(tcase, leaving_the_queue);
    tcase_add_test(tcase, core_services_need_no_place);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
