/* SPDX-License-Identifier: MIT */
/*
 * The registry's record of a version that has served, until another one has.
 */

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/registry.h"


#define UID_FIRST  2000


static char             *directory;
static struct registry  *registry;
static struct error      err;


/* as another supervisor does */

static void
reopen(void)
{
    registry_free(&registry);
    ck_assert_int_eq(registry_open(&registry, directory, UID_FIRST, 3000,
                                   &err), 0);
}


static void
setup(void)
{
    directory = fixture_directory();
    memset(&err, 0, sizeof(err));
    reopen();
}


static void
teardown(void)
{
    registry_free(&registry);
    fixture_remove(directory);
}


static struct plugin *
replace(const char *version, const char *environment)
{
    struct plugin   fresh, *plugin;

    fixture_plugin(&fresh, "peak-table", PLUGIN_ISOLATED);
    free(fresh.version);
    free(fresh.environment);
    fresh.version = mem_strdup(version);
    fresh.environment = mem_strdup(environment);
    ck_assert_msg(registry_put(registry, &fresh, &plugin, &err) == 0, "%s",
                  err.text);

    return plugin;
}


/* a version that has served is kept until another one has */

START_TEST(test_former_is_kept)
{
    char            token[65];
    struct plugin  *plugin;

    plugin = replace("0.1.0", "/environments/b-1");
    strcpy(token, plugin->token);
    ck_assert_ptr_null(replace("0.2.0", "/environments/b-2")->former);

    plugin_set_state(registry, plugin, PLUGIN_READY, NULL);
    plugin = replace("0.3.0", "/environments/b-3");
    ck_assert_str_eq(plugin->former->version, "0.2.0");

    /* one that has not served is no former one */

    plugin_set_state(registry, plugin, PLUGIN_RESISTING, "did not start");
    replace("0.4.0", "/environments/b-4");
    plugin_set_state(registry, plugin, PLUGIN_INITIALIZING, NULL);
    plugin = replace("0.5.0", "/environments/b-5");
    ck_assert_str_eq(plugin->former->version, "0.2.0");

    reopen();
    plugin = registry_find(registry, "peak-table");
    ck_assert_str_eq(plugin->version, "0.5.0");
    ck_assert_str_eq(plugin->former->version, "0.2.0");
    ck_assert_str_eq(plugin->former->environment, "/environments/b-2");
    ck_assert_str_eq(plugin->former->token, token);
    ck_assert_uint_eq(plugin->former->uid, UID_FIRST);
    ck_assert_ptr_null(plugin->former->former);

    ck_assert_int_eq(registry_forget_former(registry, plugin, &err), 0);
    ck_assert_ptr_null(plugin->former);

    reopen();
    ck_assert_ptr_null(registry_find(registry, "peak-table")->former);
}
END_TEST


/* ... also when it does not run at the moment */

static const struct {
    enum plugin_state  state;
    bool               is_stopped;
} down[] = {
    { PLUGIN_STOPPED, false },
    { PLUGIN_STOPPED, true },
    { PLUGIN_INITIALIZING, false },
    { PLUGIN_FAILED, false },
};


START_TEST(test_former_is_kept_while_it_is_down)
{
    struct plugin  *plugin;

    plugin = replace("0.1.0", "/environments/b-1");
    plugin_set_state(registry, plugin, PLUGIN_INITIALIZING, NULL);
    plugin_set_state(registry, plugin, PLUGIN_READY, NULL);
    plugin_set_state(registry, plugin, PLUGIN_INITIALIZING, NULL);
    plugin_set_state(registry, plugin, down[_i].state, NULL);
    ck_assert_int_eq(plugin->state, down[_i].state);
    ck_assert_int_eq(registry_set_stopped(registry, plugin,
                                          down[_i].is_stopped, &err), 0);

    plugin = replace("0.2.0", "/environments/b-2");
    ck_assert_ptr_nonnull(plugin->former);
    ck_assert_str_ne(plugin->former->version, "0.2.0");
    ck_assert(!plugin->has_served);
}
END_TEST


START_TEST(test_former_may_have_served_before)
{
    struct plugin  *plugin;

    replace("0.1.0", "/environments/b-1");
    reopen();

    plugin = registry_find(registry, "peak-table");
    plugin_set_state(registry, plugin, PLUGIN_STOPPED, "asleep");
    ck_assert_ptr_nonnull(replace("0.2.0", "/environments/b-2")->former);
}
END_TEST


/* requests come below one prefix only */

START_TEST(test_former_below_another_prefix_is_not_kept)
{
    struct plugin   fresh, *plugin;

    plugin = replace("0.1.0", "/environments/b-1");
    plugin_set_state(registry, plugin, PLUGIN_INITIALIZING, NULL);
    plugin_set_state(registry, plugin, PLUGIN_READY, NULL);
    ck_assert_ptr_nonnull(replace("0.2.0", "/environments/b-2")->former);

    fixture_plugin(&fresh, "peak-table", PLUGIN_ISOLATED);
    free(fresh.routes_prefix);
    fresh.routes_prefix = mem_strdup("/moved");
    ck_assert_int_eq(registry_put(registry, &fresh, &plugin, &err), 0);
    ck_assert_ptr_null(plugin->former);
}
END_TEST


START_TEST(test_former_cannot_be_forgotten)
{
    char            path[512];
    struct plugin  *plugin;

    plugin = replace("0.1.0", "/environments/b-1");
    plugin_set_state(registry, plugin, PLUGIN_READY, NULL);
    replace("0.2.0", "/environments/b-2");

    snprintf(path, sizeof(path), "%s/registry.json", directory);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_ne(registry_forget_former(registry, plugin, &err), 0);
    ck_assert_ptr_nonnull(plugin->former);
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST


static Suite *
former_suite(void)
{
    Suite  *suite;
    TCase  *tcase;

    suite = suite_create("former");
    tcase = tcase_create("former");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_former_is_kept);
    tcase_add_loop_test(tcase, test_former_is_kept_while_it_is_down, 0,
                        sizeof(down) / sizeof(down[0]));
    tcase_add_test(tcase, test_former_may_have_served_before);
    tcase_add_test(tcase, test_former_below_another_prefix_is_not_kept);
    tcase_add_test(tcase, test_former_cannot_be_forgotten);
    suite_add_tcase(suite, tcase);

    return suite;
}


int
main(void)
{
    int       failed;
    SRunner  *runner;

    runner = srunner_create(former_suite());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
