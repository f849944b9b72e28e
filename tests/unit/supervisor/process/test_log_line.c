/* SPDX-License-Identifier: MIT */
/*
 * What printed lines are made into: levels, request ids, merged JSON, and the
 * way into the file and back.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/process/log_line.h"


/* ---- levels: a line, given after the one before it ------------------- */

static const struct {
    const char      *line;
    enum log_level   level;
}  levels[] = {
    { "plain", LOG_LEVEL_INFO },
    { "ERROR: it", LOG_LEVEL_ERROR },
    { "  indented belongs to it", LOG_LEVEL_ERROR },
    { "plain again", LOG_LEVEL_INFO },
    { "WARNING mint_sdk.app: x", LOG_LEVEL_WARN },
    { "[warning] x", LOG_LEVEL_WARN },
    { "info is not a level here", LOG_LEVEL_INFO },
    { "Error: boom", LOG_LEVEL_ERROR },
    { "error messages are fine", LOG_LEVEL_INFO },
    { "DEBUG", LOG_LEVEL_DEBUG },
    { "2026/11/30 03:14:04 [error] 12#12: *3 upstream", LOG_LEVEL_ERROR },
    { "2026/11/30 03:14:04 [notice] 12#12: start", LOG_LEVEL_INFO },
    { "2026-11-30T03:14:04.5Z WARN x", LOG_LEVEL_WARN },
    { "Traceback (most recent call last):", LOG_LEVEL_ERROR },
    { "  File \"a.py\", line 3, in f", LOG_LEVEL_ERROR },
    { "    info = 1", LOG_LEVEL_ERROR },
    { "ValueError: INFO", LOG_LEVEL_ERROR },
    { "after it", LOG_LEVEL_INFO },
    { "Traceback (most recent call last):", LOG_LEVEL_ERROR },
    { "  File \"a.py\", line 3, in f", LOG_LEVEL_ERROR },
    { "KeyError: 'a'", LOG_LEVEL_ERROR },
    { "", LOG_LEVEL_INFO },
    { "Fatal Python error: Aborted", LOG_LEVEL_ERROR },
    { "", LOG_LEVEL_ERROR },
    { "Current thread 0x1 (most recent call first):", LOG_LEVEL_ERROR },
    { "  File \"b.py\"", LOG_LEVEL_ERROR },
    { "INFO uvicorn: x", LOG_LEVEL_INFO },
    { "{\"msg\": \"x\", \"level\": \"Critical\"}", LOG_LEVEL_ERROR },
    { "{\"msg\": \"x\", \"levelname\": \"WARNING\"}", LOG_LEVEL_WARN },
    { "{\"msg\": \"x\", \"level\": 40}", LOG_LEVEL_ERROR },
    { "{\"msg\": \"x\", \"level\": 3}", LOG_LEVEL_INFO },
    { "{\"msg\": \"x\", \"level\": null}", LOG_LEVEL_INFO },
    { "{\"msg\": \"Traceback (most recent call last):\"}", LOG_LEVEL_ERROR },
    { "{\"msg\": \"  File\"}", LOG_LEVEL_ERROR },
    { "{\"msg\": \"KeyError: 3\"}", LOG_LEVEL_ERROR },
    { "{\"msg\": \"next\"}", LOG_LEVEL_INFO },
};


START_TEST(levels_are_found)
{
    size_t              i;
    struct log_line     line;
    struct log_context  context;

    memset(&context, 0, sizeof(context));

    for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        log_line_read(&line, &context, levels[i].line,
                      strlen(levels[i].line));
        ck_assert_msg(line.level == levels[i].level, "%zu: \"%s\" is %s", i,
                      levels[i].line, log_level_name(line.level));
        log_line_clear(&line);
    }
}
END_TEST


/* ---- the line of the file -------------------------------------------- */

static const struct {
    const char  *line;
    const char  *rest;          /* behind time and level */
}  merged[] = {
    { "text", "\"message\":\"text\"" },
    { "carriage return\r", "\"message\":\"carriage return\"" },
    { "tab\tquote\"", "\"message\":\"tab\\tquote\\\"\"" },
    { "\x1b[31mred", "\"message\":\"\\u001b[31mred\"" },
    { "bad \xff\xc0\xaf utf8", "\"message\":\"bad \xef\xbf\xbd\xef\xbf\xbd"
      "\xef\xbf\xbd utf8\"" },
    { "{\"message\": \"m\", \"n\": 1, \"o\": {\"p\": [1.5, null]}}",
      "\"message\":\"m\",\"n\":1,\"o\":{\"p\":[1.5,null]}" },
    { "{\"msg\": \"m\", \"time\": \"2026-01-02T03:04:05.25Z\"}",
      "\"message\":\"m\",\"logged_at\":\"2026-01-02T03:04:05.250000Z\"" },
    { "{\"msg\": \"m\", \"ts\": 1767323045.5}",
      "\"message\":\"m\",\"logged_at\":\"2026-01-02T03:04:05.500000Z\"" },
    { "{\"msg\": \"m\", \"time\": \"yesterday\"}",
      "\"message\":\"m\",\"line_time\":\"yesterday\"" },
    { "{\"msg\": \"m\", \"plugin\": \"other\", \"stream\": 1}",
      "\"message\":\"m\",\"line_plugin\":\"other\",\"line_stream\":1" },
    { "{\"msg\": \"m\", \"request_id\": \"a-1\"}",
      "\"message\":\"m\",\"request_id\":\"a-1\"" },
    { "{\"msg\": \"m\", \"request_id\": \"a b\"}",
      "\"message\":\"m\",\"line_request_id\":\"a b\"" },
    { "{\"event\": \"e\", \"logger\": \"x\"}",
      "\"message\":\"e\",\"logger\":\"x\"" },

    /* no message, or no JSON: the text it is */
    { "{\"n\": 1}", "\"message\":\"{\\\"n\\\": 1}\"" },
    { "{\"msg\": 1}", "\"message\":\"{\\\"msg\\\": 1}\"" },
    { "{\"msg\": \"m\"", "\"message\":\"{\\\"msg\\\": \\\"m\\\"\"" },
    { "{msg: m}", "\"message\":\"{msg: m}\"" },
    { "{}", "\"message\":\"{}\"" },

    { "mint: ended: x, request id \"r-2\"",
      "\"message\":\"mint: ended: x, request id \\\"r-2\\\"\","
      "\"request_id\":\"r-2\"" },
    { "done request_id=r.3, later",
      "\"message\":\"done request_id=r.3, later\",\"request_id\":\"r.3\"" },
    { "request_id=", "\"message\":\"request_id=\"" },
};


START_TEST(lines_are_merged)
{
    size_t              i;
    const char         *rest;
    struct strbuf       text;
    struct log_line     line;
    struct log_context  context;

    memset(&context, 0, sizeof(context));
    memset(&text, 0, sizeof(text));

    for (i = 0; i < sizeof(merged) / sizeof(merged[0]); i++) {
        log_line_read(&line, &context, merged[i].line,
                      strlen(merged[i].line));
        line.unix_us = 1767323045000006;
        line.instance = mem_strdup("demo.0a.1");
        strbuf_clear(&text);
        log_line_write(&line, "demo", &text);
        log_line_clear(&line);

        rest = strstr(text.data, "\"message\"");
        ck_assert_ptr_nonnull(rest);
        ck_assert_str_eq(text.data + text.len - 2, "}\n");
        text.data[text.len - 2] = '\0';
        ck_assert_str_eq(rest, merged[i].rest);
        ck_assert_int_eq(strncmp(text.data, "{\"time\":\"2026-01-02T03:04:05."
                         "000006Z\",\"level\":\"info\",\"plugin\":\"demo\","
                         "\"instance\":\"demo.0a.1\",\"stream\":\"output\",",
                         108), 0);
    }

    strbuf_free(&text);
}
END_TEST


START_TEST(what_is_written_is_read_back)
{
    char                plugin[8];
    size_t              i;
    struct strbuf       first, second;
    struct log_line     line;
    struct log_context  context;

    memset(&context, 0, sizeof(context));
    memset(&first, 0, sizeof(first));
    memset(&second, 0, sizeof(second));

    for (i = 0; i < sizeof(merged) / sizeof(merged[0]); i++) {
        log_line_read(&line, &context, merged[i].line,
                      strlen(merged[i].line));
        line.unix_us = log_clock_us();
        strbuf_clear(&first);
        log_line_write(&line, "demo", &first);
        log_line_clear(&line);

        ck_assert(log_line_parse(&line, first.data, first.len - 1, plugin,
                                 sizeof(plugin)));
        ck_assert_str_eq(plugin, "demo");
        strbuf_clear(&second);
        log_line_write(&line, plugin, &second);
        log_line_clear(&line);

        /* members of ours that had to give way do so once */
        ck_assert_str_eq(first.data, second.data);
    }

    ck_assert(!log_line_parse(&line, "{}", 2, NULL, 0));
    ck_assert(!log_line_parse(&line, "", 0, NULL, 0));
    ck_assert(!log_line_parse(&line, "{\"time\":\"2026-01-02T03:04:05Z\"}", 31,
                              NULL, 0));

    strbuf_free(&first);
    strbuf_free(&second);
}
END_TEST


START_TEST(people_see_no_control_characters)
{
    struct strbuf       text;
    struct log_line     line;
    struct log_context  context;

    memset(&context, 0, sizeof(context));
    memset(&text, 0, sizeof(text));

    log_line_read(&line, &context, "a\x1b[2J\0b\xff", 8);
    line.unix_us = 1767323045000006;
    log_line_show(&line, "demo", &text);
    ck_assert_str_eq(text.data, "2026-01-02T03:04:05.000Z info  demo: "
                     "a\\x1b[2J\xef\xbf\xbd" "b\xef\xbf\xbd\n");
    log_line_clear(&line);

    strbuf_clear(&text);
    log_line_read(&line, &context,
                  "{\"msg\":\"m\\nn\",\"k\":\"v\",\"request_id\":\"r\"}", 39);
    line.unix_us = 1767323045000006;
    log_line_show(&line, NULL, &text);
    ck_assert_str_eq(text.data, "2026-01-02T03:04:05.000Z info  m\\nn k=\"v\" "
                     "request_id=r\n");
    log_line_clear(&line);
    strbuf_free(&text);
}
END_TEST


/* ---- times ----------------------------------------------------------- */

static const struct {
    const char  *text;
    uint64_t     unix_us;
}  times[] = {
    { "2026-01-02T03:04:05Z", 1767323045000000 },
    { "2026-01-02T03:04:05.1Z", 1767323045100000 },
    { "2026-01-02 03:04:05,123", 0 },
    { "2026-01-02T03:04:05.123456789Z", 1767323045123456 },
    { "2026-01-02T03:04:05.000001+00:00", 1767323045000001 },
    { "2026-01-02T03:04:05+01:00", 0 },
    { "2026-13-02T03:04:05Z", 0 },
    { "2026-01-02T25:04:05Z", 0 },
    { "2026-01-02T03:04:05", 0 },
    { "0001-01-02T03:04:05Z", 0 },
    { "1970-01-01T00:00:00Z", 0 },
    { "2026-01-02T03:04:05Zx", 0 },
    { "2026-01-02T03:04:05.Z", 1767323045000000 },
    { "", 0 },
};


START_TEST(times_are_read)
{
    char    text[LOG_LINE_TIME_SIZE];
    size_t  i;

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        ck_assert_msg(log_time_parse(times[i].text, strlen(times[i].text))
                      == times[i].unix_us, "%s", times[i].text);
    }

    log_time_text(1767323045123456, text);
    ck_assert_str_eq(text, "2026-01-02T03:04:05.123456Z");
    log_time_text(UINT64_MAX, text);
    ck_assert_str_eq(text, "1970-01-01T00:00:00.000000Z");
}
END_TEST


START_TEST(no_two_lines_have_one_time)
{
    int       i;
    uint64_t  now, last;

    last = log_clock_us();
    log_clock_seen(last + 100);

    for (i = 0; i < 1000; i++) {
        now = log_clock_us();
        ck_assert_uint_gt(now, last);
        last = now;
    }
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tc;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("log_line");
    tc = tcase_create("log_line");
    tcase_add_test(tc, levels_are_found);
    tcase_add_test(tc, lines_are_merged);
    tcase_add_test(tc, what_is_written_is_read_back);
    tcase_add_test(tc, people_see_no_control_characters);
    tcase_add_test(tc, times_are_read);
    tcase_add_test(tc, no_two_lines_have_one_time);
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
