/* SPDX-License-Identifier: MIT */
/*
 * What a host reports, in figures and in words: the table is one report a row.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/process/plugin_activity.h"


static const struct {
    const char  *report;
    bool         is_known;
    bool         is_idle;
    size_t       owners;
    const char  *text;
} reports[] = {
    { "{\"known\":true,\"requests\":0,\"websockets\":0,\"jobs\":0,"
      "\"results\":0,\"sessions\":0,\"uploads\":0,\"owners\":[]}",
      true, true, 0, "nothing" },

    { "{\"known\":true,\"requests\":2,\"websockets\":1,\"jobs\":0,"
      "\"results\":0,\"sessions\":0,\"uploads\":0,\"owners\":[]}",
      true, true, 0, "1 WebSocket and 2 requests" },

    { "{\"known\":true,\"requests\":0,\"websockets\":3,\"jobs\":2,"
      "\"results\":0,\"sessions\":1,\"uploads\":0,\"owners\":[\"42\","
      "\"43\"]}",
      true, false, 2,
      "2 jobs, 1 session and 3 WebSockets of the users 42, 43" },

    { "{\"known\":true,\"requests\":0,\"websockets\":0,\"jobs\":0,"
      "\"results\":1,\"sessions\":0,\"uploads\":0,\"owners\":[\"7\"]}",
      true, false, 1, "1 unfetched result of the user 7" },

    { "{\"known\":true,\"requests\":0,\"websockets\":0,\"jobs\":6,"
      "\"results\":0,\"sessions\":0,\"uploads\":0,\"owners\":[\"1\",\"2\","
      "\"3\",\"4\",\"5\",\"6\"]}",
      true, false, 6, "6 jobs of 6 users" },

    /* a job of nobody that can be pinned still keeps the process */
    { "{\"known\":true,\"requests\":0,\"websockets\":0,\"jobs\":1,"
      "\"results\":0,\"sessions\":0,\"uploads\":0,\"owners\":[]}",
      true, false, 0, "1 job" },

    { "{\"known\":false,\"requests\":0,\"websockets\":0,\"jobs\":1,"
      "\"results\":0,\"sessions\":0,\"uploads\":0,\"owners\":[]}",
      false, false, 0, "1 job, and what is not known" },

    /* owners that are no user ids, and reports of another shape */
    { "{\"known\":true,\"requests\":0,\"websockets\":0,\"jobs\":0,"
      "\"results\":0,\"sessions\":0,\"uploads\":0,\"owners\":[\"marie\"]}",
      false, false, 0, "what is not known" },
    { "{\"known\":true,\"requests\":0,\"websockets\":0,\"jobs\":0,"
      "\"results\":0,\"sessions\":0,\"uploads\":0,\"owners\":[\"0\"]}",
      false, false, 0, "what is not known" },
    { "{\"known\":true,\"requests\":0,\"websockets\":0,\"jobs\":0,"
      "\"results\":0,\"sessions\":0,\"uploads\":0,\"owners\":[\"9\","
      "\"99999999999999999999\"]}",
      false, false, 1, "what is not known" },
    { "{\"known\":true,\"requests\":-1,\"websockets\":0,\"jobs\":0,"
      "\"results\":0,\"sessions\":0,\"uploads\":0,\"owners\":[]}",
      false, false, 0, "what is not known" },
    { "{\"known\":true,\"jobs\":\"2\",\"owners\":5}",
      false, false, 0, "what is not known" },
    { "{}", false, false, 0, "what is not known" },
};


START_TEST(reports_are_read)
{
    char                    *text;
    json_t                  *report, *json;
    struct plugin_activity   activity;

    memset(&activity, 0, sizeof(activity));
    report = json_loads(reports[_i].report, 0, NULL);
    ck_assert_ptr_nonnull(report);

    plugin_activity_read(&activity, report);
    ck_assert_int_eq(activity.is_known, reports[_i].is_known);
    ck_assert_int_eq(plugin_activity_is_idle(&activity), reports[_i].is_idle);
    ck_assert_uint_eq(activity.owner_count, reports[_i].owners);

    text = plugin_activity_text(&activity);

    if (reports[_i].is_known) {
        ck_assert_str_eq(text, reports[_i].text);

    } else {
        ck_assert_ptr_nonnull(strstr(text, "what is not known"));
    }

    json = plugin_activity_json(&activity);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "owners")),
                      reports[_i].owners);

    /* read again: the former is given up */
    plugin_activity_read(&activity, report);
    plugin_activity_clear(&activity);
    plugin_activity_clear(&activity);

    free(text);
    json_decref(json);
    json_decref(report);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("plugin_activity");
    tcase = tcase_create("reports");
    tcase_add_loop_test(tcase, reports_are_read, 0,
                        sizeof(reports) / sizeof(reports[0]));
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
