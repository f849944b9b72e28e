/* SPDX-License-Identifier: MIT */
/*
 * Plugins that leave the registry: the order to, the end of their record, what
 * is kept of them, and what a failed save leaves.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/registry.h"


static char             *directory, *path;
static struct registry  *registry;
static struct error      err;
static unsigned          removed;


static void
listen_to(void *ctx, enum registry_event event, struct plugin *plugin)
{
    (void) ctx;

    if (event == REGISTRY_REMOVED) {
        removed++;
        ck_assert_ptr_null(registry_find(registry, plugin->name));
    }
}


static void
open_registry(void)
{
    ck_assert_msg(registry_open(&registry, directory, 60706, 61183, &err)
                  == 0, "%s", err.text);
    registry_subscribe(registry, listen_to, NULL);
}


static void
setup(void)
{
    directory = fixture_directory();
    path = mem_printf("%s/registry.json", directory);
    memset(&err, 0, sizeof(err));
    removed = 0;
    open_registry();
}


static void
teardown(void)
{
    registry_free(&registry);
    free(path);
    fixture_remove(directory);
}


static struct plugin *
put(const char *name)
{
    struct plugin   fresh, *plugin;

    fixture_plugin(&fresh, name, PLUGIN_SHARED);
    ck_assert_msg(registry_put(registry, &fresh, &plugin, &err) == 0, "%s",
                  err.text);

    return plugin;
}


static void
take_out(const char *name, enum plugin_removal removal)
{
    struct plugin  *plugin;

    plugin = registry_find(registry, name);
    ck_assert_int_eq(registry_set_removal(registry, plugin, removal, &err), 0);
    ck_assert_int_eq(registry_remove(registry, plugin, &err), 0);
}


static void
reopen(void)
{
    registry_free(&registry);
    open_registry();
}


START_TEST(test_order_lasts_until_it_is_taken_back)
{
    struct plugin  *plugin;

    plugin = put("a");
    ck_assert_int_eq(registry_set_removal(registry, plugin, PLUGIN_PURGE,
                                          &err), 0);
    reopen();
    plugin = registry_find(registry, "a");
    ck_assert_int_eq(plugin->removal, PLUGIN_PURGE);
    ck_assert(plugin->is_stopped);

    /* stopping it once more changes nothing, starting it does */

    ck_assert_int_eq(registry_set_stopped(registry, plugin, true, &err), 0);
    ck_assert_int_eq(plugin->removal, PLUGIN_PURGE);
    ck_assert_int_eq(registry_set_stopped(registry, plugin, false, &err), 0);
    ck_assert_int_eq(plugin->removal, PLUGIN_STAYS);
    reopen();
    plugin = registry_find(registry, "a");
    ck_assert_int_eq(plugin->removal, PLUGIN_STAYS);
    ck_assert(!plugin->is_stopped);
}
END_TEST


/* another version does not make it stay */

START_TEST(test_order_outlives_another_version)
{
    struct plugin   fresh, *plugin;

    plugin = put("a");
    registry_set_removal(registry, plugin, PLUGIN_KEEP, &err);
    plugin->is_leaving = true;
    fixture_plugin(&fresh, "a", PLUGIN_SHARED);
    ck_assert_int_eq(registry_put(registry, &fresh, &plugin, &err), 0);
    ck_assert_int_eq(plugin->removal, PLUGIN_KEEP);
    ck_assert(plugin->is_stopped);

    /* it has its place in the line, and needs no second one */

    ck_assert(plugin->is_leaving);
    ck_assert_int_eq(registry_set_stopped(registry, plugin, false, &err), 0);
    ck_assert(!plugin->is_leaving);
}
END_TEST


START_TEST(test_name_keeps_its_number)
{
    uint32_t        id, uid;
    struct plugin  *plugin;

    put("a");
    put("b");
    put("c");
    take_out("b", PLUGIN_KEEP);
    ck_assert_uint_eq(removed, 1);
    ck_assert_uint_eq(registry_count(registry), 2);
    ck_assert_str_eq(registry_find_departed(registry, "b")->name, "b");
    ck_assert_str_eq(registry_find_departed(registry, "Mint_Plugin.B")->name,
                     "b");

    reopen();
    ck_assert_ptr_null(registry_find(registry, "b"));
    ck_assert_uint_eq(registry_find_departed(registry, "b")->id, 2);
    ck_assert_int_eq(registry_next(registry, "b", &id, &uid, &err), 0);
    ck_assert_uint_eq(id, 2);
    ck_assert_uint_eq(uid, 60707);
    ck_assert_int_eq(registry_next(registry, "d", &id, &uid, &err), 0);
    ck_assert_uint_eq(id, 4);

    /* back, in its place by number, with a token of its own */

    plugin = put("b");
    ck_assert_uint_eq(plugin->id, 2);
    ck_assert_uint_eq(plugin->uid, 60707);
    ck_assert_ptr_eq(registry_at(registry, 1), plugin);
    ck_assert_uint_eq(registry_at(registry, 2)->id, 3);
    ck_assert_ptr_null(registry_find_departed(registry, "b"));
    reopen();
    ck_assert_ptr_null(registry_find_departed(registry, "b"));
    ck_assert_uint_eq(registry_count(registry), 3);
}
END_TEST


START_TEST(test_walk_while_they_come_and_go)
{
    put("a");
    put("b");
    put("c");
    ck_assert_str_eq(registry_find_after(registry, 0)->name, "a");
    take_out("a", PLUGIN_KEEP);
    ck_assert_str_eq(registry_find_after(registry, 1)->name, "b");
    take_out("b", PLUGIN_KEEP);
    ck_assert_str_eq(registry_find_after(registry, 2)->name, "c");
    put("a");
    ck_assert_str_eq(registry_find_after(registry, 2)->name, "c");
    ck_assert_ptr_null(registry_find_after(registry, 3));
}
END_TEST


START_TEST(test_purged_is_forgotten)
{
    put("a");
    put("b");
    put("c");
    take_out("a", PLUGIN_PURGE);
    take_out("b", PLUGIN_KEEP);
    take_out("c", PLUGIN_PURGE);
    reopen();
    ck_assert_str_eq(registry_to_purge(registry, 0)->name, "a");
    ck_assert_str_eq(registry_to_purge(registry, 1)->name, "c");
    ck_assert_ptr_null(registry_to_purge(registry, 2));

    ck_assert_int_eq(registry_purged(registry, "a", &err), 0);
    ck_assert_int_eq(registry_purged(registry, "c", &err), 0);
    ck_assert_int_eq(registry_purge(registry, "b", &err), 0);
    reopen();
    ck_assert_ptr_null(registry_find_departed(registry, "a"));
    ck_assert_str_eq(registry_to_purge(registry, 0)->name, "b");

    /* its number is nobody's any more */

    ck_assert_uint_eq(put("a")->id, 4);
}
END_TEST


/* it would get the number back, and its data would be removed under it */

START_TEST(test_back_during_the_purge)
{
    struct plugin   fresh, *plugin;

    put("a");
    take_out("a", PLUGIN_KEEP);
    ck_assert_int_eq(registry_purge(registry, "a", &err), 0);

    fixture_plugin(&fresh, "a", PLUGIN_SHARED);
    ck_assert_int_eq(registry_put(registry, &fresh, &plugin, &err),
                     MINT_ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "\"a\" has left is being removed"));
    plugin_clear(&fresh);
    ck_assert_str_eq(registry_to_purge(registry, 0)->name, "a");
    ck_assert_uint_eq(registry_count(registry), 0);

    ck_assert_int_eq(registry_purged(registry, "a", &err), 0);
    ck_assert_uint_eq(put("a")->id, 2);
}
END_TEST


/* a directory in its place cannot be replaced, not even by root */

START_TEST(test_save_fails)
{
    struct plugin  *plugin;

    plugin = put("a");
    put("gone");
    take_out("gone", PLUGIN_PURGE);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);

    ck_assert_int_ne(registry_set_removal(registry, plugin, PLUGIN_KEEP, &err),
                     0);
    ck_assert_int_eq(plugin->removal, PLUGIN_STAYS);
    ck_assert(!plugin->is_stopped);

    plugin->removal = PLUGIN_KEEP;
    ck_assert_int_ne(registry_remove(registry, plugin, &err), 0);
    ck_assert_ptr_eq(registry_find(registry, "a"), plugin);
    ck_assert_ptr_null(registry_find_departed(registry, "a"));
    ck_assert_uint_eq(removed, 1);

    ck_assert_int_ne(registry_purged(registry, "gone", &err), 0);
    ck_assert_ptr_nonnull(registry_to_purge(registry, 0));
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST


static const struct {
    const char  *departed;
    const char  *complaint;
} broken[] = {
    { "{}", "departed: expected a list" },
    { "[1]", "departed[0]: name" },
    { "[{\"name\": \"../x\", \"distribution\": \"x\", \"id\": 1}]",
      "departed[0]: name" },
    { "[{\"name\": \"x\", \"distribution\": \"-\", \"id\": 1}]",
      "distribution" },
    { "[{\"name\": \"x\", \"distribution\": \"x\", \"id\": 9}]", "id" },
    { "[{\"name\": \"x\", \"distribution\": \"x\", \"id\": 1},"
      " {\"name\": \"x\", \"distribution\": \"x\", \"id\": 1}]",
      "departed[1]: \"x\" is there twice" },
};


START_TEST(test_broken_file)
{
    char  *text;

    registry_free(&registry);
    text = mem_printf("{\"format\": 1, \"next_id\": 2, \"plugins\": [], "
                      "\"departed\": %s}", broken[_i].departed);
    fixture_write(path, text);
    free(text);

    ck_assert_int_ne(registry_open(&registry, directory, 60706, 61183, &err),
                     0);
    ck_assert_msg(strstr(err.text, broken[_i].complaint) != NULL, "%s",
                  err.text);
    ck_assert_int_eq(unlink(path), 0);
    open_registry();
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("departed");
    tcase = tcase_create("departed");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_order_lasts_until_it_is_taken_back);
    tcase_add_test(tcase, test_order_outlives_another_version);
    tcase_add_test(tcase, test_name_keeps_its_number);
    tcase_add_test(tcase, test_walk_while_they_come_and_go);
    tcase_add_test(tcase, test_purged_is_forgotten);
    tcase_add_test(tcase, test_back_during_the_purge);
    tcase_add_test(tcase, test_save_fails);
    tcase_add_loop_test(tcase, test_broken_file, 0,
                        sizeof(broken) / sizeof(broken[0]));
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
