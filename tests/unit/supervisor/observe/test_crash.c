/* SPDX-License-Identifier: MIT */
/*
 * Which requests died with a process, its traceback, what is kept of reports.
 */

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fs.h"
#include "supervisor/observe/crash_report.h"
#include "supervisor/observe/crash_requests.h"
#include "supervisor/observe/crash_store.h"
#include "supervisor/observe/edge_request.h"
#include "supervisor/process/service_private.h"


static char  directory[64];


static void
setup(void)
{
    snprintf(directory, sizeof(directory), "/tmp/mint-crash-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}


static void
teardown(void)
{
    ck_assert_int_eq(fs_remove_tree(directory, NULL), 0);
}


/* ---- traceback -------------------------------------------------------- */

static const struct {
    const char  *lines[12];     /* of the instance, but for "|" in front */
    const char  *expected;
}  tracebacks[] = {
    { { "nothing", NULL }, NULL },
    { { "Traceback (most recent call last):", "  File \"a\"", "    x()",
        "ValueError: boom", "after", NULL },
      "Traceback (most recent call last):\n  File \"a\"\n    x()\n"
      "ValueError: boom" },
    { { "Traceback (most recent call last):", "  File \"a\"", "KeyError: 1",
        "", "During handling of the above exception, another exception",
        "", "Traceback (most recent call last):", "  File \"b\"",
        "TypeError: 2", "x", NULL },
      "Traceback (most recent call last):\n  File \"a\"\nKeyError: 1\n\n"
      "During handling of the above exception, another exception\n\n"
      "Traceback (most recent call last):\n  File \"b\"\nTypeError: 2" },
    { { "Traceback (most recent call last):", "  a", "E: 1", "between",
        "Traceback (most recent call last):", "  b", "E: 2", NULL },
      "Traceback (most recent call last):\n  b\nE: 2" },
    { { "Fatal Python error: Aborted", "", "Thread 0x1 (most recent):",
        "  File \"a\"", "", "Current thread 0x2", "  File \"b\"", "", NULL },
      "Fatal Python error: Aborted\n\nThread 0x1 (most recent):\n"
      "  File \"a\"\n\nCurrent thread 0x2\n  File \"b\"" },
    { { "|Traceback (most recent call last):", "  of another", NULL },
      NULL },
    { { "Traceback (most recent call last):", NULL },
      "Traceback (most recent call last):" },
};


START_TEST(tracebacks_are_found)
{
    char        *text;
    size_t       i, k;
    json_t      *lines;
    const char  *line;

    for (i = 0; i < sizeof(tracebacks) / sizeof(tracebacks[0]); i++) {
        lines = json_array();

        for (k = 0; (line = tracebacks[i].lines[k]) != NULL; k++) {
            json_array_append_new(lines, json_pack("{s:s, s:s}", "instance",
                *line == '|' ? "x.0a.1" : "x.0a.2", "message",
                *line == '|' ? line + 1 : line));
        }

        text = crash_traceback(lines, "x.0a.2");

        if (tracebacks[i].expected == NULL) {
            ck_assert_ptr_null(text);
        } else {
            ck_assert_ptr_nonnull(text);
            ck_assert_str_eq(text, tracebacks[i].expected);
        }

        free(text);
        json_decref(lines);
    }
}
END_TEST


START_TEST(what_was_asked_for_is_no_crash)
{
    struct service_exit  end;

    memset(&end, 0, sizeof(end));
    end.state = SERVICE_READY;
    ck_assert(crash_is_one(&end, SIGTERM));
    end.state = SERVICE_STOPPING;
    ck_assert(!crash_is_one(&end, SIGTERM));
    end.wait_status = 3 << 8;
    ck_assert(!crash_is_one(&end, SIGTERM));
    end.wait_status = SIGTERM;
    ck_assert(!crash_is_one(&end, SIGTERM));
    end.wait_status = SIGKILL;
    ck_assert(crash_is_one(&end, SIGTERM));
}
END_TEST


static const struct {
    int          wait_status;
    uint32_t     oom_kills;
    bool         has_group;
    bool         is_killed;             /* by us */
    const char  *expected;
}  memory[] = {
    { SIGKILL, 1, true, false, "yes" },
    { SIGKILL, 0, true, false, "no" },
    { SIGKILL, 0, false, false, "unknown" },
    { SIGKILL, 0, false, true, "no" },
    { SIGKILL, 1, true, true, "no" },
    { SIGSEGV, 0, false, false, "no" },
    { 1 << 8, 1, true, false, "no" },       /* a child of it was killed */
};


START_TEST(reports_say_whether_memory_was_the_reason)
{
    size_t                i;
    json_t               *report, *lines, *exit;
    struct service        service;
    struct redactor      *redactor;
    struct service_exit   end;

    redactor = redactor_new();
    redactor_add(redactor, "known-secret");
    lines = json_pack("[{s:s, s:s}]", "instance", "x.0b.4", "message",
                      "it was known-secret");

    for (i = 0; i < sizeof(memory) / sizeof(memory[0]); i++) {
        memset(&service, 0, sizeof(service));
        memset(&end, 0, sizeof(end));
        service.options.kind = "plugin";
        service.options.name = "x";
        service.options.place = "0b";
        service.is_killed = memory[i].is_killed;
        strcpy(service.error, "because of known-secret");
        strcpy(service.process.memory_group,
               memory[i].has_group ? "/sys/fs/cgroup/x" : "");

        end.state = SERVICE_READY;
        end.generation = 4;
        end.wait_status = memory[i].wait_status;
        end.oom_kills = memory[i].oom_kills;
        end.started_unix_ms = 1767323045000;
        end.unix_ms = 1767323047500;

        report = crash_report_make(&service, &end, lines, redactor);
        exit = json_object_get(report, "exit");
        ck_assert_str_eq(json_string_value(json_object_get(report,
                             "out_of_memory")), memory[i].expected);
        ck_assert_str_eq(json_string_value(json_object_get(report,
                             "instance")), "x.0b.4");
        ck_assert_str_eq(json_string_value(json_object_get(report, "error")),
                         "because of " REDACTED);
        ck_assert_double_eq_tol(json_number_value(json_object_get(report,
                                    "uptime_seconds")), 2.5, 0.001);
        ck_assert_int_eq(json_is_null(json_object_get(exit, "signal")),
                         WIFEXITED(memory[i].wait_status));
        ck_assert_str_eq(json_string_value(json_object_get(json_array_get(
                             json_object_get(report, "log"), 0), "message")),
                         "it was " REDACTED);

        crash_report_next(report, 1767323048500, SERVICE_BACKOFF, "waits");
        ck_assert_double_eq_tol(json_number_value(json_object_get(
            json_array_get(json_object_get(report, "next"), 0),
            "after_seconds")), 1.0, 0.001);
        json_decref(report);
    }

    json_decref(lines);
    redactor_free(&redactor);
}
END_TEST


/* ---- requests --------------------------------------------------------- */

#define DIED  1767323045000000          /* 2026-01-02T03:04:05Z */

static const struct {
    const char  *name;
    double       end;                   /* seconds after the death */
    double       lasted;
    const char  *status;
    const char  *answered;
    const char  *completed;
    const char  *plugin;
    const char  *seat;
    bool         is_one;
}  requests[] = {
    { "without an answer", 0.003, 2, "502", "-", "OK", "x", "3-0a", true },
    { "in the same moment", 0, 0, "502", "-", "OK", "x", "3-0a", true },
    { "within an answer", 0.01, 1, "200", "0.1", "", "x", "3-0a", true },
    { "a WebSocket", 0.02, 900, "101", "0.1", "OK", "x", "3-0a", true },
    { "noticed late", 1.0, 5, "504", "-", "OK", "x", "3-0a", true },
    { "over before", -0.5, 1, "502", "-", "OK", "x", "3-0a", false },
    { "good", 0.001, 1, "200", "0.9", "OK", "x", "3-0a", false },
    { "its own 502", 0.001, 1, "502", "0.9", "OK", "x", "3-0a", false },
    { "sent afterwards", 2, 1, "502", "-", "OK", "x", "3-0a", false },
    { "of another", 0.003, 2, "502", "-", "OK", "y", "3-0a", false },
    { "of the other seat", 0.003, 2, "502", "-", "OK", "x", "3-0b", false },
    { "refused, never sent", 0.003, 2, "503", "-", "OK", "x", "", false },
    { "of an earlier process", -20, 1, "502", "-", "OK", "x", "3-0a",
      false },
};


static char *
request_line(size_t i)
{
    return mem_printf("{\"msec\":%.3f,\"seconds\":%.3f,\"status\":\"%s\","
                      "\"method\":\"POST\",\"path\":\"/api/x/%zu\","
                      "\"plugin\":\"%s\",\"seat\":\"%s\",\"user\":\"\","
                      "\"address\":\"127.0.0.1\",\"waited\":\"\","
                      "\"answered\":\"%s\",\"completed\":\"%s\","
                      "\"bytes\":1,\"reject\":\"\",\"request_id\":\"r-%zu\","
                      "\"trace_id\":\"\"}", DIED / 1e6 + requests[i].end,
                      requests[i].lasted, requests[i].status, i,
                      requests[i].plugin, requests[i].seat,
                      requests[i].answered, requests[i].completed, i);
}


START_TEST(requests_that_died_with_it)
{
    char                *line;
    size_t               i;
    struct edge_request  request;

    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        line = request_line(i);
        ck_assert(edge_request_parse(&request, line, strlen(line)));
        ck_assert_msg(edge_request_died_with(&request, "x", "0a",
                          DIED - 10000000, DIED, 0) == requests[i].is_one,
                      "%s", requests[i].name);
        edge_request_clear(&request);
        free(line);
    }
}
END_TEST


START_TEST(requests_of_a_report)
{
    char                   *line, *path;
    size_t                  i;
    json_t                 *report, *list, *first;
    struct strbuf           text;
    struct redactor        *redactor;
    struct crash_requests   wanted = { "x", "0a", DIED - 10000000, DIED, 0 };

    memset(&text, 0, sizeof(text));

    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        line = request_line(i);
        strbuf_printf(&text, "%s\nnonsense \xff\n", line);
        free(line);
    }

    path = mem_printf("%s/access.log", directory);
    report = json_object();
    redactor = redactor_new();

    crash_requests_read(report, path, &wanted, redactor);
    ck_assert_ptr_null(json_object_get(report, "requests"));
    ck_assert_ptr_nonnull(strstr(json_string_value(
        json_object_get(report, "requests_note")), "No such file"));

    ck_assert_int_eq(fs_write_atomic(path, text.data, text.len, 0600, NULL),
                     0);
    crash_requests_read(report, path, &wanted, redactor);
    list = json_object_get(report, "requests");
    ck_assert_uint_eq(json_array_size(list), 5);
    first = json_array_get(list, 0);
    ck_assert_str_eq(json_string_value(json_object_get(first, "route")),
                     "/api/x/0");
    ck_assert_str_eq(json_string_value(json_object_get(first, "request_id")),
                     "r-0");
    ck_assert_double_eq_tol(json_number_value(
        json_object_get(first, "age_seconds")), 1.997, 0.002);
    ck_assert(json_is_true(json_object_get(json_array_get(list, 3),
                                           "websocket")));

    redactor_free(&redactor);
    json_decref(report);
    strbuf_free(&text);
    free(path);
}
END_TEST


static const char *const  no_requests[] = {
    "", "{", "{}", "[]", "{\"msec\":\"1\"}", "{\"msec\":-1}", "{\"msec\":1e99}",
    "{\"msec\":0}", "null"
};


START_TEST(what_is_no_request)
{
    size_t               i;
    struct edge_request  request;

    for (i = 0; i < sizeof(no_requests) / sizeof(no_requests[0]); i++) {
        ck_assert(!edge_request_parse(&request, no_requests[i],
                                      strlen(no_requests[i])));
    }
}
END_TEST


/* ---- files ------------------------------------------------------------ */

START_TEST(twenty_are_kept)
{
    int            i;
    char          *path;
    json_t        *report, *list;
    struct error   err;

    for (i = 1; i <= CRASH_KEPT + 5; i++) {
        report = json_pack("{s:s++, s:i}", "time", "2026-01-0",
                           i % 2 ? "1" : "2", "T", "i", i);
        ck_assert_int_eq(crash_save(directory, "x", (uint64_t) i, report,
                                    &err), 0);
        json_decref(report);
    }

    report = json_pack("{s:s, s:i}", "time", "2026-01-09", "i", 99);
    ck_assert_int_eq(crash_save(directory, "y", 7, report, &err), 0);
    json_decref(report);

    list = crash_list(directory, "x");
    ck_assert_uint_eq(json_array_size(list), CRASH_KEPT);
    ck_assert_int_eq(json_integer_value(json_object_get(
                         json_array_get(list, 0), "i")), CRASH_KEPT + 5);
    ck_assert_int_eq(json_integer_value(json_object_get(
                         json_array_get(list, 19), "number")), 20);
    json_decref(list);

    list = crash_list(directory, NULL);
    ck_assert_uint_eq(json_array_size(list), CRASH_KEPT + 1);
    ck_assert_int_eq(json_integer_value(json_object_get(
                         json_array_get(list, 0), "i")), 99);
    json_decref(list);

    /* what is no report, and names that lead elsewhere */

    path = mem_printf("%s/y/8.json", directory);
    ck_assert_int_eq(fs_write_atomic(path, "{", 1, 0600, NULL), 0);
    free(path);
    list = crash_list(directory, "y");
    ck_assert_uint_eq(json_array_size(list), 1);
    json_decref(list);
    list = crash_list(directory, "../" "x");
    ck_assert_uint_eq(json_array_size(list), 0);
    json_decref(list);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tc;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("crash");
    tc = tcase_create("crash");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, tracebacks_are_found);
    tcase_add_test(tc, what_was_asked_for_is_no_crash);
    tcase_add_test(tc, reports_say_whether_memory_was_the_reason);
    tcase_add_test(tc, requests_that_died_with_it);
    tcase_add_test(tc, requests_of_a_report);
    tcase_add_test(tc, what_is_no_request);
    tcase_add_test(tc, twenty_are_kept);
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
