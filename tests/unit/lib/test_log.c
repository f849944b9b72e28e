/* SPDX-License-Identifier: MIT */
/*
 * Log lines: format, level, fields, outside bytes.
 */

#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>
#include <jansson.h>

#include "lib/fs.h"
#include "scratch.h"


static void
open_as(const char *format, const char *level)
{
    if (format != NULL) {
        setenv("MINT_LOG_FORMAT", format, 1);
    } else {
        unsetenv("MINT_LOG_FORMAT");
    }

    if (level != NULL) {
        setenv("MINT_LOG_LEVEL", level, 1);
    } else {
        unsetenv("MINT_LOG_LEVEL");
    }

    log_open("supervisor");
}


static json_t *
parse_line(const char *text)
{
    json_t        *line;
    json_error_t   why;

    ck_assert_int_eq(text[strlen(text) - 1], '\n');
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);

    line = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    ck_assert_msg(json_is_object(line), "%s: %s", why.text, text);

    return line;
}


static const char *
member(const json_t *line, const char *name)
{
    return json_string_value(json_object_get(line, name));
}


START_TEST(test_json)
{
    json_t            *line;
    const char        *time;
    struct log_fields  fields = { "blue", "blue.1a.3", "req\"1\n" };

    scratch_capture();
    open_as("json", NULL);
    errno = EXDEV;
    log_write(LOG_LEVEL_WARN, &fields, "spawn(\"%s\") failed: %d",
              "a\\b\x01\xff\xc3\xa9\n", 7);
    ck_assert_int_eq(errno, EXDEV);
    line = parse_line(scratch_restore());

    ck_assert_str_eq(member(line, "level"), "warn");
    ck_assert_str_eq(member(line, "program"), "supervisor");
    ck_assert_str_eq(member(line, "message"),
                     "spawn(\"a\\b\x01\xef\xbf\xbd\xc3\xa9\n\") failed: 7");
    ck_assert_str_eq(member(line, "plugin"), "blue");
    ck_assert_str_eq(member(line, "instance"), "blue.1a.3");
    ck_assert_str_eq(member(line, "request_id"), "req\"1\n");

    time = member(line, "time");
    ck_assert_uint_eq(strlen(time), 24);
    ck_assert_int_eq(time[23], 'Z');
    json_decref(line);
}
END_TEST


START_TEST(test_absent_fields)
{
    json_t            *line;
    struct log_fields  fields = { NULL, "i", NULL };

    scratch_capture();
    open_as("json", NULL);
    log_write(LOG_LEVEL_INFO, &fields, "x");
    line = parse_line(scratch_restore());

    ck_assert_uint_eq(json_object_size(line), 5);
    ck_assert_str_eq(member(line, "instance"), "i");
    json_decref(line);
}
END_TEST


/* no value can begin a line of its own or reach the terminal */

START_TEST(test_text)
{
    const char        *text;
    struct log_fields  fields = { "blue", NULL, "r\n1" };

    scratch_capture();
    open_as("text", NULL);
    log_write(LOG_LEVEL_ERROR, &fields, "said \"%s\"",
              "a\nforged\x1b[2J\t\\");
    text = scratch_restore();

    ck_assert_ptr_nonnull(strstr(text, " error blue: said "
                                 "\"a\\nforged\\u001b[2J\\t\\\" "
                                 "request_id=r\\n1\n"));
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST


START_TEST(test_levels)
{
    int          i, count;
    char        *p;
    const char  *text;

    static const struct {
        const char  *level;
        int          lines;
    } levels[] = {
        { NULL, 3 }, { "", 3 }, { "debug", 4 }, { "info", 3 }, { "WARN", 2 },
        { "error", 1 },
        { "loud", 4 },                  /* info, and a line that says so */
    };

    for (i = 0; i < (int) (sizeof(levels) / sizeof(levels[0])); i++) {
        scratch_capture();
        open_as("text", levels[i].level);
        log_debug("one");
        log_info("two");
        log_warn("three");
        log_error("four");
        log_write((enum log_level) 9, NULL, "never");
        text = scratch_restore();

        for (count = 0, p = (char *) text; (p = strchr(p, '\n')) != NULL;
             p++)
        {
            count++;
        }

        ck_assert_msg(count == levels[i].lines, "level %s: %s",
                      levels[i].level, text);
        ck_assert_ptr_null(strstr(text, "never"));
        ck_assert_int_eq(strstr(text, "MINT_LOG_LEVEL") != NULL, i == 6);
    }
}
END_TEST


/* a file is no terminal */

START_TEST(test_format_by_default)
{
    json_t  *line;

    scratch_capture();
    open_as(NULL, NULL);
    log_info("x");
    line = parse_line(scratch_restore());
    json_decref(line);

    scratch_capture();
    open_as("xml", "error");
    ck_assert_ptr_nonnull(strstr(scratch_restore(), "MINT_LOG_FORMAT"));
}
END_TEST


START_TEST(test_long_lines)
{
    char        *text;
    json_t      *line;

    text = malloc(200001);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', 200000);
    text[200000] = '\0';

    scratch_capture();
    open_as("json", NULL);
    log_info("%s", text);
    line = parse_line(scratch_restore());
    ck_assert_uint_eq(strlen(member(line, "message")), 64 * 1024);
    json_decref(line);
    free(text);
}
END_TEST


static void *
write_many(void *letter)
{
    int   i;
    char  text[200];

    memset(text, *(char *) letter, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';

    for (i = 0; i < 200; i++) {
        log_info("%s", text);
    }

    return NULL;
}


START_TEST(test_threads_do_not_mix)
{
    int          i, lines;
    char         letters[] = "abcd";
    char        *text, *p, *end;
    pthread_t    threads[4];

    scratch_capture();
    open_as("text", NULL);

    for (i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many,
                                        &letters[i]), 0);
    }

    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }

    text = (char *) scratch_restore();

    for (lines = 0, p = text; *p != '\0'; p = end + 1, lines++) {
        end = strchr(p, '\n');
        ck_assert_ptr_nonnull(end);
        p = strstr(p, "supervisor: ");
        ck_assert_ptr_nonnull(p);
        p += strlen("supervisor: ");
        ck_assert_int_eq(end - p, 199);
        ck_assert_uint_eq(strspn(p, (char[]) { *p, '\0' }), 199);
    }

    ck_assert_int_eq(lines, 800);
}
END_TEST


/* a daemon must not stand still because nobody reads its log; the pipe it was
   given blocks as a rule */

START_TEST(test_full_pipe_does_not_block)
{
    int       ends[2], old, i;
    uint64_t  started;

    ck_assert_int_eq(pipe2(ends, _i == 0 ? O_CLOEXEC
                                         : O_NONBLOCK | O_CLOEXEC), 0);
    old = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);

    open_as("text", NULL);
    started = time_boot_ms();

    for (i = 0; i < 100; i++) {
        log_info("%05000d", i);
    }

    dup2(old, STDERR_FILENO);
    ck_assert_uint_lt(time_boot_ms() - started, 5000);

    close(old);
    close(ends[0]);
    close(ends[1]);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("log");
    tcase = tcase_create("log");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, scratch_enter, scratch_leave);
    tcase_add_test(tcase, test_json);
    tcase_add_test(tcase, test_absent_fields);
    tcase_add_test(tcase, test_text);
    tcase_add_test(tcase, test_levels);
    tcase_add_test(tcase, test_format_by_default);
    tcase_add_test(tcase, test_long_lines);
    tcase_add_test(tcase, test_threads_do_not_mix);
    tcase_add_loop_test(tcase, test_full_pipe_does_not_block, 0, 2);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
