/* SPDX-License-Identifier: MIT */
/*
 * Line splitting, ring, log file and rotation of a process's output, and the
 * environment block of a process to be.
 */

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/process/environment_block.h"
#include "supervisor/process/line_reader.h"
#include "supervisor/process/log_file.h"
#include "supervisor/process/log_line.h"
#include "supervisor/process/output.h"


static struct event_base  *base;
static char                directory[64];


static void
setup(void)
{
    snprintf(directory, sizeof(directory), "/tmp/mint-output-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));

    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    base = event_base_new();
}


static void
teardown(void)
{
    event_base_free(base);
    ck_assert_int_eq(fs_remove_tree(directory, NULL), 0);
}


/* writes text into a pipe and has it read by an output */

static struct output *
output_of(const char *text, size_t len)
{
    int             fds[2];
    struct output  *output;

    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    fcntl(fds[1], F_SETPIPE_SZ, 1024 * 1024);
    ck_assert_int_eq((int) write(fds[1], text, len), (int) len);

    output = output_new(base, "demo", directory);
    output_attach(output, fds[0], "demo.0a.1");
    output_drain(output);
    close(fds[1]);

    return output;
}


static const char *
line_text(json_t *list, size_t i)
{
    return json_string_value(json_object_get(json_array_get(list, i),
                                             "message"));
}


START_TEST(lines_are_split_and_kept)
{
    json_t         *list;
    struct output  *output;

    output = output_of("one\n\ntwo\xff\nunfinished", 20);
    list = output_tail(output, 10);

    ck_assert_uint_eq(json_array_size(list), 4);
    ck_assert_str_eq(line_text(list, 0), "one");
    ck_assert_str_eq(line_text(list, 1), "");
    ck_assert_str_eq(line_text(list, 2), "two\xef\xbf\xbd");
    ck_assert_str_eq(line_text(list, 3), "unfinished");
    ck_assert_str_eq(output_last_line(output), "unfinished");

    json_decref(list);
    output_free(&output);
}
END_TEST


START_TEST(ring_keeps_the_last_lines)
{
    int             i;
    json_t         *list;
    struct output  *output;

    output = output_new(base, "demo", NULL);

    for (i = 0; i < OUTPUT_RING_LINES + 7; i++) {
        output_note(output, "line %d", i);
    }

    list = output_tail(output, 1000);
    ck_assert_uint_eq(json_array_size(list), OUTPUT_RING_LINES);
    ck_assert_str_eq(line_text(list, 0), "line 7");
    json_decref(list);

    list = output_tail(output, 2);
    ck_assert_str_eq(line_text(list, 0), "line 205");
    ck_assert_str_eq(line_text(list, 1), "line 206");
    json_decref(list);

    /* notes are ours: not what the process said last */
    ck_assert_str_eq(output_last_line(output), "");

    output_free(&output);
}
END_TEST


START_TEST(overlong_line_is_cut_and_said)
{
    char           *text;
    size_t          len;
    json_t         *list;
    struct output  *output;

    /* one that is read in pieces, one whose end is in the same piece */

    len = OUTPUT_LINE_MAX * 2;
    text = mem_alloc(len + OUTPUT_LINE_MAX + 128);
    memset(text, 'x', len);
    text[len++] = '\n';
    memset(text + len, 'y', OUTPUT_LINE_MAX + 5);
    len += OUTPUT_LINE_MAX + 5;
    memcpy(text + len, "\nafter\n", 7);

    output = output_of(text, len + 7);
    list = output_tail(output, 10);

    ck_assert_uint_eq(json_array_size(list), 5);
    ck_assert_uint_eq(strlen(line_text(list, 0)), OUTPUT_LINE_MAX);
    ck_assert_ptr_nonnull(strstr(line_text(list, 1), "65536 more are cut"));
    ck_assert_uint_eq(strlen(line_text(list, 2)), OUTPUT_LINE_MAX);
    ck_assert_ptr_nonnull(strstr(line_text(list, 3), " 5 more are cut"));
    ck_assert_str_eq(line_text(list, 4), "after");
    ck_assert_uint_eq(output_counts(output).cut_bytes, OUTPUT_LINE_MAX + 5);
    ck_assert_uint_eq(output_counts(output).lines, 3);

    json_decref(list);
    output_free(&output);
    free(text);
}
END_TEST


/* a flood without a line end is one line, and its memory is bounded */

START_TEST(no_line_end_at_all)
{
    char           *text;
    size_t          len;
    json_t         *list;
    struct output  *output;

    len = 900 * 1024;
    text = mem_alloc(len);
    output = output_of(text, len);      /* NULs */
    list = output_tail(output, 10);

    ck_assert_uint_eq(json_array_size(list), 2);
    ck_assert_uint_eq(strlen(line_text(list, 0)), OUTPUT_LINE_MAX * 3);
    ck_assert_uint_eq(output_counts(output).cut_bytes, len - OUTPUT_LINE_MAX);

    json_decref(list);
    output_free(&output);
    free(text);
}
END_TEST


START_TEST(ring_comes_back_from_the_file)
{
    json_t         *list;
    uint64_t        between;
    const char     *time;
    struct output  *output;

    output = output_of("ERROR: before\n{\"msg\": \"json\", \"n\": 1}\n", 38);
    output_note(output, "a\nb\n");
    list = output_tail(output, 10);
    time = json_string_value(json_object_get(json_array_get(list, 1),
                                             "time"));
    between = log_time_parse(time, strlen(time));
    json_decref(list);
    output_free(&output);

    output = output_new(base, "demo", directory);
    list = output_tail(output, 10);
    ck_assert_uint_eq(json_array_size(list), 4);
    ck_assert_str_eq(line_text(list, 0), "ERROR: before");
    ck_assert_str_eq(line_text(list, 1), "json");
    ck_assert_int_eq(json_integer_value(json_object_get(
                         json_array_get(list, 1), "n")), 1);
    ck_assert_str_eq(line_text(list, 3), "b");
    json_decref(list);

    list = json_array();
    output_since(output, between, list);
    ck_assert_uint_eq(json_array_size(list), 2);
    ck_assert_str_eq(line_text(list, 0), "a");
    json_decref(list);

    /* not the words of a process that is not attached */
    ck_assert_str_eq(output_last_line(output), "");
    output_free(&output);
}
END_TEST


/* what a full disk does, too: see the test that fills one */

START_TEST(file_that_cannot_be_written_is_said_once)
{
    char           *path;
    json_t         *list;
    struct output  *output;

    path = mem_printf("%s/demo.log", directory);
    ck_assert_int_eq(mkdir(path, 0700), 0);     /* cannot be opened */

    output = output_new(base, "demo", directory);
    output_note(output, "one");
    output_note(output, "two");
    ck_assert_uint_eq(output_counts(output).dropped_lines, 3);

    list = output_tail(output, 10);
    ck_assert_uint_eq(json_array_size(list), 3);
    ck_assert_str_eq(line_text(list, 0), "one");
    ck_assert_ptr_nonnull(strstr(line_text(list, 1), "cannot be written"));
    ck_assert_str_eq(line_text(list, 2), "two");
    json_decref(list);

    /* tried again after a second */

    ck_assert_int_eq(rmdir(path), 0);
    usleep(1100000);
    output_note(output, "three");
    list = output_tail(output, 10);
    ck_assert_ptr_nonnull(strstr(line_text(list, 4), "written again; 3 lines"));
    json_decref(list);

    output_free(&output);
    ck_assert_int_eq(fs_exists(path), 1);
    free(path);
}
END_TEST


static void
count_lines(void *ctx, char *line, size_t len)
{
    (void) line;
    (void) len;
    ++*(int *) ctx;
}


/* a writer that never stops is slowed, and the loop stays free for others */

START_TEST(a_flood_is_slowed_to_its_budget)
{
    int                         fds[2], lines, turns;
    char                        block[4096];
    uint64_t                    begin, ms;
    struct timeval              tick;
    struct line_reader         *reader;
    struct line_reader_options  options = { 100, false, 1000000, 0 };

    memset(block, 'x', sizeof(block));
    block[99] = '\n';
    lines = 0;
    turns = 0;
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    reader = line_reader_new(base, fds[0], &options, count_lines, NULL,
                             &lines);
    begin = time_boot_ms();

    while (lines < 8000) {
        while (write(fds[1], block, 100) == 100) {
            /* as full as can be */
        }

        tick.tv_sec = 0;
        tick.tv_usec = 1000;
        event_base_loopexit(base, &tick);
        event_base_dispatch(base);
        turns++;
    }

    ms = time_boot_ms() - begin;
    ck_assert_uint_ge(ms, 400);         /* 800 kB, 250 of them saved up */
    ck_assert_int_gt(turns, 10);

    line_reader_free(&reader);
    close(fds[1]);
}
END_TEST


START_TEST(file_is_written_and_rotated)
{
    int             fd;
    char           *path, *older;
    struct stat     st;
    struct strbuf   text;
    struct output  *output;

    memset(&text, 0, sizeof(text));
    path = mem_printf("%s/demo.log", directory);
    older = mem_printf("%s/demo.log.1", directory);

    /* as if much had been written before: sparse */
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    ck_assert_int_eq(ftruncate(fd, LOG_FILE_MAX), 0);
    close(fd);

    output = output_new(base, "demo", directory);
    output_note(output, "the one that is too much");
    output_note(output, "the next");
    output_free(&output);

    ck_assert_int_eq(stat(older, &st), 0);
    ck_assert_int_gt(st.st_size, LOG_FILE_MAX);
    ck_assert_int_eq(fs_read(path, 4096, &text, NULL), 0);
    ck_assert_ptr_nonnull(strstr(strbuf_text(&text), "\"the next\""));
    ck_assert_ptr_null(strstr(strbuf_text(&text), "too much"));

    strbuf_free(&text);
    free(path);
    free(older);
}
END_TEST


/* a reader that frees itself from within its callback */

struct self_freeing {
    struct line_reader  *reader;
    int                  lines;
};


static void
free_on_line(void *ctx, char *line, size_t len)
{
    struct self_freeing  *self;

    (void) line;
    (void) len;
    self = ctx;

    self->lines++;
    line_reader_free(&self->reader);
}


START_TEST(reader_may_be_freed_while_reading)
{
    int                         fds[2];
    struct self_freeing         self;
    struct line_reader_options  options = { 100, false, 0, 0 };

    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    ck_assert_int_eq((int) write(fds[1], "a\nb\nc\n", 6), 6);

    self.lines = 0;
    self.reader = line_reader_new(base, fds[0], &options, free_on_line, NULL,
                                  &self);
    line_reader_drain(self.reader);

    ck_assert_int_eq(self.lines, 1);
    ck_assert_ptr_null(self.reader);
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
    close(fds[1]);
}
END_TEST


START_TEST(environment_holds_only_what_is_named)
{
    const char *const        *list;
    struct environment_block  block;

    memset(&block, 0, sizeof(block));
    ck_assert_ptr_null(environment_list(&block)[0]);

    setenv("MINT_TEST_A_1", "x", 1);
    setenv("MINT_TEST_A_2", "y", 1);
    setenv("MINT_TEST_B", "z", 1);
    unsetenv("MINT_TEST_NONE");

    environment_add(&block, "NAME", "%s-%d", "v", 7);
    environment_pass(&block, "MINT_TEST_B");
    environment_pass(&block, "MINT_TEST_NONE");
    environment_pass_prefix(&block, "MINT_TEST_A_");

    list = environment_list(&block);
    ck_assert_uint_eq(block.count, 4);
    ck_assert_str_eq(list[0], "NAME=v-7");
    ck_assert_str_eq(list[1], "MINT_TEST_B=z");
    ck_assert_ptr_null(list[4]);

    environment_clear(&block);
    ck_assert_uint_eq(block.count, 0);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tc;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("output");
    tc = tcase_create("output");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, lines_are_split_and_kept);
    tcase_add_test(tc, ring_keeps_the_last_lines);
    tcase_add_test(tc, overlong_line_is_cut_and_said);
    tcase_add_test(tc, no_line_end_at_all);
    tcase_add_test(tc, ring_comes_back_from_the_file);
    tcase_add_test(tc, file_that_cannot_be_written_is_said_once);
    tcase_add_test(tc, a_flood_is_slowed_to_its_budget);
    tcase_add_test(tc, file_is_written_and_rotated);
    tcase_add_test(tc, reader_may_be_freed_while_reading);
    tcase_add_test(tc, environment_holds_only_what_is_named);
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
