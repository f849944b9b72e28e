/* SPDX-License-Identifier: MIT */
/*
 * A history's file: what a killed supervisor leaves, half a line, a full disk,
 * and that it does not grow for ever.
 */

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/process/history.h"


static char  directory[] = "/tmp/mint-history-XXXXXX";
static char  path[64];


static void
setup(void)
{
    log_open("test");
    strcpy(directory + sizeof(directory) - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/p.jsonl", directory);
}


static void
teardown(void)
{
    fs_remove_tree(directory, NULL);
}


static void
add(struct history *history, int number)
{
    history_add(history, json_pack("{s:s, s:i, s:s}", "subject", "move",
                                   "number", number,
                                   "to", number % 2 == 0 ? "even" : "odd"));
}


static int
number_at(const struct history *history, size_t count, size_t i)
{
    int      number;
    json_t  *list;

    list = history_tail(history, count);
    number = (int) json_integer_value(json_object_get(json_array_get(list, i),
                                                      "number"));
    json_decref(list);

    return number;
}


START_TEST(records_outlive_the_writer)
{
    int              i;
    json_t          *list;
    struct history  *history, *next;

    history = history_open(directory, "p");

    for (i = 1; i <= 150; i++) {
        add(history, i);
    }

    /* the first one is still there: it was killed */
    next = history_open(directory, "p");
    list = history_tail(next, 1000);
    ck_assert_uint_eq(json_array_size(list), HISTORY_RECORDS);
    json_decref(list);
    ck_assert_int_eq(number_at(next, 1000, 0), 51);
    ck_assert_int_eq(number_at(next, 1, 0), 150);

    ck_assert_int_eq((int) json_integer_value(json_object_get(
                         history_last(next, "to", "odd", NULL, NULL),
                         "number")), 149);
    ck_assert_ptr_null(history_last(next, "to", "odd", "subject", "plugin"));

    history_free(&history);
    history_free(&next);
    ck_assert_ptr_null(next);
    history_free(&next);
}
END_TEST


START_TEST(half_a_line_is_skipped)
{
    int              fd;
    json_t          *list;
    struct history  *history;

    history = history_open(directory, "p");
    add(history, 1);
    history_free(&history);

    fd = open(path, O_WRONLY | O_APPEND);
    ck_assert_int_eq((int) write(fd, "nonsense\n\0\n[1]\n{\"number\":2", 27),
                     27);
    close(fd);

    history = history_open(directory, "p");
    add(history, 3);
    list = history_tail(history, 10);
    ck_assert_uint_eq(json_array_size(list), 2);
    json_decref(list);
    history_free(&history);

    history = history_open(directory, "p");
    ck_assert_int_eq(number_at(history, 10, 0), 1);
    ck_assert_int_eq(number_at(history, 10, 1), 3);
    history_free(&history);
}
END_TEST


START_TEST(the_file_does_not_grow)
{
    int              i;
    char            *text;
    struct stat      st;
    struct history  *history;

    history = history_open(directory, "p");
    text = mem_alloc(HISTORY_LINE_MAX + 100);
    memset(text, 'x', HISTORY_LINE_MAX + 50);

    for (i = 0; i < 2000; i++) {
        add(history, i);
    }

    history_add(history, json_pack("{s:i, s:s}", "number", 2000, "text",
                                   text));
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_lt((int) st.st_size, 100 * 500);
    ck_assert_int_eq((int) (st.st_mode & 0777), 0600);
    ck_assert_int_eq(number_at(history, 1, 0), 2000);

    history_free(&history);
    free(text);
}
END_TEST


START_TEST(without_room_it_is_in_memory)
{
    int              i;
    struct stat      st;
    struct rlimit    limit;
    struct history  *history;

    signal(SIGXFSZ, SIG_IGN);
    history = history_open(directory, "p");

    /* longer than what this test prints, which may go to a file, too */

    for (i = 0; i < 300; i++) {
        add(history, 1);
    }

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_gt((int) st.st_size, 16384);
    limit.rlim_cur = limit.rlim_max = (rlim_t) st.st_size + 10;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    add(history, 2);
    add(history, 3);
    ck_assert_int_eq(number_at(history, 3, 2), 3);
    history_free(&history);

    history = history_open("/nonexistent", "p");
    add(history, 4);
    ck_assert_int_eq(number_at(history, 1, 0), 4);
    history_free(&history);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("history");
    tcase = tcase_create("file");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, records_outlive_the_writer);
    tcase_add_test(tcase, half_a_line_is_skipped);
    tcase_add_test(tcase, the_file_does_not_grow);
    tcase_add_test(tcase, without_room_it_is_in_memory);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
