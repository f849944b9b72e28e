/* SPDX-License-Identifier: MIT */
/*
 * Every pair of plugin states against a table written down a second time, as
 * text, and the words of the states.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "supervisor/plugin/plugin_state.h"


/* columns in the order of enum plugin_state; "=" staying, "x" allowed */

static const struct {
    const char  *name;
    const char  *steps;
} table[PLUGIN_STATE_COUNT] = {
    { "registered",   "=xxxxxxxxxx" },
    { "installing",   "x=xx...xxxx" },
    { "migrating",    "..=x..xxxxx" },
    { "initializing", "..x=xxxxxxx" },
    { "ready",        "...x=xxxxxx" },
    { "upgrading",    "..xxx=xxxxx" },
    { "resisting",    "...xxx=.xxx" },
    { "waiting",      "..xx.x.=xxx" },
    { "stopped",      ".xxxxx.x=xx" },
    { "failed",       ".xxx.x.xx=x" },
    { "uninstalling", "..xxxxxxxx=" },
};


START_TEST(test_table)
{
    int          from, to;
    const char  *steps;

    for (from = 0; from < PLUGIN_STATE_COUNT; from++) {
        steps = table[from].steps;
        ck_assert_uint_eq(strlen(steps), PLUGIN_STATE_COUNT);
        ck_assert_str_eq(plugin_state_name((enum plugin_state) from),
                         table[from].name);

        for (to = 0; to < PLUGIN_STATE_COUNT; to++) {
            ck_assert_msg(plugin_state_may_follow((enum plugin_state) from,
                                                  (enum plugin_state) to)
                          == (steps[to] == 'x'), "%s -> %s",
                          table[from].name, table[to].name);
        }
    }
}
END_TEST


static unsigned  heard;


static void
listen_to(void *ctx, enum registry_event event, struct plugin *plugin)
{
    (void) ctx;
    (void) plugin;

    if (event == REGISTRY_STATE) {
        heard++;
    }
}


/* the setter obeys the table, and tells exactly when something changed */

START_TEST(test_setter)
{
    int               from, to, rc;
    char             *directory;
    struct plugin     fresh, *plugin;
    struct registry  *registry;

    directory = fixture_directory();
    ck_assert_int_eq(registry_open(&registry, directory, 0, 0, NULL), 0);
    registry_subscribe(registry, listen_to, NULL);
    fixture_plugin(&fresh, "a", PLUGIN_SHARED);
    ck_assert_int_eq(registry_put(registry, &fresh, &plugin, NULL), 0);

    for (from = 0; from < PLUGIN_STATE_COUNT; from++) {
        for (to = 0; to < PLUGIN_STATE_COUNT; to++) {
            plugin->state = (enum plugin_state) from;
            heard = 0;
            rc = plugin_set_state(registry, plugin, (enum plugin_state) to,
                                  NULL);

            ck_assert_int_eq(rc, table[from].steps[to] == '.'
                             ? MINT_ERR_CONFLICT : 0);
            ck_assert_int_eq((int) plugin->state, rc == 0 ? to : from);
            ck_assert_uint_eq(heard, table[from].steps[to] == 'x');
        }
    }

    plugin->state = PLUGIN_READY;
    heard = 0;
    ck_assert_int_eq(plugin_set_state(registry, plugin, PLUGIN_FAILED, "why"),
                     0);
    ck_assert_str_eq(plugin->error, "why");
    ck_assert_int_eq(plugin_set_state(registry, plugin, PLUGIN_FAILED, "why"),
                     0);
    ck_assert_uint_eq(heard, 1);
    ck_assert_int_eq(plugin_set_state(registry, plugin, PLUGIN_FAILED, "new"),
                     0);
    ck_assert_uint_eq(heard, 2);
    ck_assert_int_eq(plugin_set_state(registry, plugin, PLUGIN_INITIALIZING,
                                      NULL), 0);
    ck_assert_ptr_null(plugin->error);

    registry_free(&registry);
    fixture_remove(directory);
}
END_TEST


START_TEST(test_words)
{
    ck_assert_str_eq(plugin_state_name(PLUGIN_STATE_COUNT), "unknown");
    ck_assert(!plugin_state_may_follow(PLUGIN_STATE_COUNT, PLUGIN_READY));
    ck_assert_str_eq(plugin_mode_name(PLUGIN_SHARED), "shared");
    ck_assert_str_eq(plugin_mode_name(PLUGIN_ISOLATED), "isolated");
}
END_TEST


static Suite *
plugin_state_suite(void)
{
    Suite  *suite;
    TCase  *tcase;

    suite = suite_create("plugin_state");
    tcase = tcase_create("plugin_state");

    tcase_add_test(tcase, test_table);
    tcase_add_test(tcase, test_setter);
    tcase_add_test(tcase, test_words);
    suite_add_tcase(suite, tcase);

    return suite;
}


int
main(void)
{
    int       failed;
    SRunner  *runner;

    runner = srunner_create(plugin_state_suite());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
