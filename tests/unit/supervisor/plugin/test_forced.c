/* SPDX-License-Identifier: MIT */
/*
 * The lists against what is installed: every place and way to it, by every
 * list.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/forced.h"


static const struct {
    enum plugin_mode   mode;
    bool               is_forced;
    const char        *isolated;        /* named there, or NULL */
    const char        *shared;
    bool               differs;
} cases[] = {
    { PLUGIN_SHARED,   false, NULL,          NULL,      false },
    { PLUGIN_SHARED,   true,  NULL,          NULL,      true },
    { PLUGIN_ISOLATED, false, NULL,          NULL,      false },
    { PLUGIN_ISOLATED, true,  NULL,          NULL,      true },

    { PLUGIN_SHARED,   false, "tool",        NULL,      true },
    { PLUGIN_SHARED,   true,  "tool",        NULL,      true },
    { PLUGIN_ISOLATED, false, "tool",        NULL,      false },
    { PLUGIN_ISOLATED, true,  "tool",        NULL,      false },

    { PLUGIN_SHARED,   false, NULL,          "tool",    false },
    { PLUGIN_SHARED,   true,  NULL,          "tool",    false },
    { PLUGIN_ISOLATED, false, NULL,          "tool",    true },
    { PLUGIN_ISOLATED, true,  NULL,          "tool",    true },

    /* spellings, the package's name, and that of somebody else */

    { PLUGIN_SHARED,   false, "TOOL",        NULL,      true },
    { PLUGIN_SHARED,   false, "Lab_Tool",    NULL,      true },
    { PLUGIN_ISOLATED, false, NULL,          "lab.tool", true },
    { PLUGIN_SHARED,   false, "tools",       NULL,      false },
    { PLUGIN_ISOLATED, true,  "other",       "tools",   true },
};


START_TEST(test_cases)
{
    char           isolated[32], shared[32], *isolated_list, *shared_list;
    struct config  config;
    struct plugin  plugin;

    memset(&config, 0, sizeof(config));
    memset(&plugin, 0, sizeof(plugin));

    if (cases[_i].isolated != NULL) {
        strcpy(isolated, cases[_i].isolated);
        isolated_list = isolated;
        config.plugins.force_isolated.item = &isolated_list;
        config.plugins.force_isolated.count = 1;
    }

    if (cases[_i].shared != NULL) {
        strcpy(shared, cases[_i].shared);
        shared_list = shared;
        config.plugins.force_shared.item = &shared_list;
        config.plugins.force_shared.count = 1;
    }

    plugin.name = (char []) { "tool" };
    plugin.distribution = (char []) { "lab-tool" };
    plugin.mode = cases[_i].mode;
    plugin.is_forced = cases[_i].is_forced;

    ck_assert_int_eq(forced_differs(&config, &plugin), cases[_i].differs);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tc;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("forced");
    tc = tcase_create("all");
    tcase_add_loop_test(tc, test_cases, 0,
                        (int) (sizeof(cases) / sizeof(cases[0])));
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
