/* SPDX-License-Identifier: MIT */
/*
 * When a plugin counts as idle: times only, no process.
 */

#include <check.h>

#include "supervisor/process/plugin_private.h"
#include "supervisor/process/plugin_rest.h"


#define MINUTE  60000ULL


static const struct {
    uint64_t                  limit_ms;
    uint64_t                  idle_ms;      /* since it was used */
    uint64_t                  asked_ms;     /* since it was asked */
    bool                      is_answered;
    enum plugin_rest_verdict  verdict;
} cases[] = {
    { 0, 100 * MINUTE, 100 * MINUTE, true, PLUGIN_REST_WAIT },
    { 0, 100 * MINUTE, 100 * MINUTE, false, PLUGIN_REST_WAIT },
    { MINUTE, 0, 0, false, PLUGIN_REST_WAIT },
    { MINUTE, 14999, 14999, false, PLUGIN_REST_WAIT },
    { MINUTE, 15000, 15000, false, PLUGIN_REST_ASK },
    { MINUTE, 15000, 14999, false, PLUGIN_REST_WAIT },
    { MINUTE, 15000, 0, true, PLUGIN_REST_WAIT },
    { MINUTE, 59999, 0, true, PLUGIN_REST_WAIT },
    { MINUTE, 60000, 0, true, PLUGIN_REST_STOP },
    { MINUTE, 60000, 0, false, PLUGIN_REST_WAIT },
    { MINUTE, 60000, 15000, false, PLUGIN_REST_ASK },
    { 60 * MINUTE, 59999, 59999, false, PLUGIN_REST_WAIT },
    { 60 * MINUTE, 60000, 60000, false, PLUGIN_REST_ASK },
    { 60 * MINUTE, 60 * MINUTE, 0, true, PLUGIN_REST_STOP }
};


START_TEST(verdicts)
{
    uint64_t  now;

    now = 1000 * MINUTE;

    ck_assert_int_eq(plugin_rest_judge(cases[_i].limit_ms, now,
                                       now - cases[_i].idle_ms,
                                       now - cases[_i].asked_ms,
                                       cases[_i].is_answered),
                     cases[_i].verdict);
}
END_TEST


/* asked and answered at each chance, it ends within a quarter of the limit */

START_TEST(idle_for_good)
{
    bool      answered;
    uint64_t  now, asked;

    asked = 0;
    answered = false;

    for (now = 1; now < 200 * MINUTE; now += 1000) {
        switch (plugin_rest_judge(20 * MINUTE, now, 0, asked, answered)) {

        case PLUGIN_REST_STOP:
            ck_assert_uint_ge(now, 20 * MINUTE);
            ck_assert_uint_lt(now, 22 * MINUTE);
            return;

        case PLUGIN_REST_ASK:
            asked = now;
            answered = true;
            break;

        default:
            answered = false;
        }
    }

    ck_abort_msg("it was never stopped");
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("plugin_rest");
    tcase = tcase_create("plugin_rest");
    tcase_add_loop_test(tcase, verdicts, 0,
                        sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tcase, idle_for_good);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
