/* SPDX-License-Identifier: MIT */
/*
 * The registry: put, replace, move, save and load, uids, broken files.
 */

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/registry.h"


static char             *directory;
static struct registry  *registry;
static struct error      err;

static struct {
    unsigned             count;
    enum registry_event  event;
    char                 name[65];
} heard;


static void
listen_to(void *ctx, enum registry_event event, struct plugin *plugin)
{
    ck_assert_ptr_eq(ctx, &heard);
    heard.count++;
    heard.event = event;
    snprintf(heard.name, sizeof(heard.name), "%s", plugin->name);
}


static void
open_registry(uint32_t first, uint32_t last)
{
    ck_assert_int_eq(registry_open(&registry, directory, first, last, &err),
                     0);
    registry_subscribe(registry, listen_to, &heard);
}


static void
setup(void)
{
    directory = fixture_directory();
    memset(&heard, 0, sizeof(heard));
    memset(&err, 0, sizeof(err));
    open_registry(60706, 61183);
}


static void
teardown(void)
{
    registry_free(&registry);
    fixture_remove(directory);
}


static struct plugin *
put(const char *name, enum plugin_mode mode)
{
    struct plugin   fresh, *plugin;

    fixture_plugin(&fresh, name, mode);
    ck_assert_msg(registry_put(registry, &fresh, &plugin, &err) == 0, "%s",
                  err.text);
    ck_assert_ptr_null(fresh.name);

    return plugin;
}


START_TEST(test_put_and_reload)
{
    char            token[65];
    struct plugin  *plugin, forced;

    plugin = put("peak-table", PLUGIN_SHARED);

    ck_assert_uint_eq(plugin->id, 1);
    ck_assert_uint_eq(plugin->uid, 60706);
    ck_assert_uint_eq(strlen(plugin->token), 64);
    ck_assert_uint_gt(plugin->installed_unix_ms, 0);
    ck_assert_uint_eq(plugin->registered_unix_ms, plugin->installed_unix_ms);
    ck_assert_int_eq(plugin->state, PLUGIN_REGISTERED);
    ck_assert_int_eq(heard.event, REGISTRY_ADDED);
    ck_assert_str_eq(heard.name, "peak-table");
    strcpy(token, plugin->token);

    fixture_plugin(&forced, "blank", PLUGIN_ISOLATED);
    forced.is_forced = true;
    ck_assert_int_eq(registry_put(registry, &forced, &plugin, &err), 0);
    ck_assert_uint_eq(plugin->uid, 60707);

    registry_free(&registry);
    open_registry(60706, 61183);

    ck_assert_uint_eq(registry_count(registry), 2);
    ck_assert(registry_at(registry, 1)->is_forced);
    plugin = registry_at(registry, 0);
    ck_assert(!plugin->is_forced);
    ck_assert_str_eq(plugin->name, "peak-table");
    ck_assert_str_eq(plugin->token, token);
    ck_assert_uint_eq(plugin->uid, 60706);
    ck_assert_int_eq(plugin->mode, PLUGIN_SHARED);
    ck_assert_str_eq(json_string_value(json_object_get(plugin->probe, "name")),
                     "peak-table");
    ck_assert_int_eq(registry_at(registry, 1)->mode, PLUGIN_ISOLATED);
    ck_assert_ptr_null(registry_at(registry, 2));
}
END_TEST


START_TEST(test_file_mode)
{
    char        *path;
    struct stat  st;

    put("peak-table", PLUGIN_SHARED);

    path = mem_printf("%s/registry.json", directory);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    free(path);
}
END_TEST


START_TEST(test_replace_keeps_identity)
{
    char            token[65];
    int             process;
    struct plugin   fresh, *first, *second;

    first = put("peak-table", PLUGIN_SHARED);
    strcpy(token, first->token);
    first->process = &process;
    ck_assert_int_eq(plugin_set_state(registry, first, PLUGIN_READY, NULL), 0);

    fixture_plugin(&fresh, "peak-table", PLUGIN_ISOLATED);
    free(fresh.version);
    fresh.version = mem_strdup("0.2.0");
    ck_assert_int_eq(registry_put(registry, &fresh, &second, &err), 0);

    ck_assert_ptr_eq(first, second);
    ck_assert_uint_eq(second->id, 1);
    ck_assert_uint_eq(second->uid, 60706);
    ck_assert_str_eq(second->token, token);
    ck_assert_str_eq(second->version, "0.2.0");
    ck_assert_ptr_eq(second->process, &process);
    ck_assert_int_eq(second->state, PLUGIN_READY);
    ck_assert_int_eq(second->mode, PLUGIN_ISOLATED);
    ck_assert_int_eq(heard.event, REGISTRY_REPLACED);
    ck_assert_uint_eq(registry_count(registry), 1);
}
END_TEST


START_TEST(test_shared_move_together)
{
    struct plugin   fresh, *a, *b, *c;

    a = put("a", PLUGIN_SHARED);
    b = put("b", PLUGIN_ISOLATED);
    heard.count = 0;

    fixture_plugin(&fresh, "c", PLUGIN_SHARED);
    free(fresh.environment);
    fresh.environment = mem_strdup("/environments/platform-2");
    ck_assert_int_eq(registry_put_shared(registry, &fresh, &c, &err), 0);

    ck_assert_str_eq(a->environment, "/environments/platform-2");
    ck_assert_str_eq(b->environment, "/environments/platform-1");
    ck_assert_str_eq(c->environment, "/environments/platform-2");
    ck_assert_uint_eq(heard.count, 1);
    ck_assert_str_eq(heard.name, "c");

    ck_assert_int_eq(registry_move(registry, &b, 1, "/environments/b-2",
                                   &err), 0);
    ck_assert_uint_eq(heard.count, 1);

    registry_free(&registry);
    open_registry(60706, 61183);
    ck_assert_str_eq(registry_find(registry, "a")->environment,
                     "/environments/platform-2");
    ck_assert_str_eq(registry_find(registry, "b")->environment,
                     "/environments/b-2");
}
END_TEST


START_TEST(test_put_all_is_one_change)
{
    struct plugin   x, y, *fresh[2] = { &x, &y };

    fixture_plugin(&x, "x", PLUGIN_SHARED);
    fixture_plugin(&y, "y", PLUGIN_SHARED);
    free(y.routes_prefix);
    y.routes_prefix = mem_strdup("/x");

    ck_assert_int_eq(registry_put_all(registry, fresh, 2, &err),
                     MINT_ERR_CONFLICT);
    ck_assert_uint_eq(registry_count(registry), 0);
    ck_assert_uint_eq(heard.count, 0);
    ck_assert_ptr_nonnull(x.name);

    free(y.routes_prefix);
    y.routes_prefix = mem_strdup("/y");
    ck_assert_int_eq(registry_put_all(registry, fresh, 2, &err), 0);
    ck_assert_uint_eq(registry_find(registry, "x")->id, 1);
    ck_assert_uint_eq(registry_find(registry, "y")->id, 2);
    ck_assert_uint_eq(heard.count, 2);
}
END_TEST


START_TEST(test_conflicts)
{
    struct plugin   fresh;

    put("peak-table", PLUGIN_SHARED);

    fixture_plugin(&fresh, "other", PLUGIN_SHARED);
    free(fresh.distribution);
    fresh.distribution = mem_strdup("Mint_Plugin.Peak--Table");
    ck_assert_int_eq(registry_put(registry, &fresh, NULL, &err),
                     MINT_ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "peak-table"));
    plugin_clear(&fresh);

    ck_assert_ptr_nonnull(
        registry_find_distribution(registry, "Mint_Plugin.Peak--Table"));
    ck_assert_ptr_nonnull(registry_find_prefix(registry, "/peak-table"));
    ck_assert_ptr_null(registry_find_prefix(registry, "/peak"));
    ck_assert_ptr_null(registry_find_id(registry, 2));
}
END_TEST


START_TEST(test_uids_run_out)
{
    uint32_t        id, uid;
    struct plugin   fresh;

    registry_free(&registry);
    open_registry(70000, 70001);

    put("a", PLUGIN_SHARED);
    put("b", PLUGIN_SHARED);

    ck_assert_int_eq(registry_next(registry, "c", &id, &uid, &err),
                     MINT_ERR_FULL);
    ck_assert_ptr_nonnull(strstr(err.text, "plugins.uidFirst"));
    ck_assert_int_eq(registry_next(registry, "b", &id, &uid, &err), 0);
    ck_assert_uint_eq(uid, 70001);

    fixture_plugin(&fresh, "c", PLUGIN_SHARED);
    ck_assert_msg(registry_put(registry, &fresh, NULL, &err) == MINT_ERR_FULL,
                  "%s", err.text);
    ck_assert_uint_eq(registry_count(registry), 2);
    plugin_clear(&fresh);
}
END_TEST


START_TEST(test_without_root)
{
    registry_free(&registry);
    open_registry(0, 0);
    ck_assert_uint_eq(put("a", PLUGIN_SHARED)->uid, UINT32_MAX);

    /* the same data later run by root */

    registry_free(&registry);
    open_registry(60706, 61183);
    ck_assert_uint_eq(registry_at(registry, 0)->uid, 60706);
}
END_TEST


START_TEST(test_save_fails)
{
    char            *path;
    struct plugin    fresh, *plugin;

    plugin = put("peak-table", PLUGIN_SHARED);
    heard.count = 0;

    /* a directory in its place cannot be replaced, not even by root */

    path = mem_printf("%s/registry.json", directory);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);

    fixture_plugin(&fresh, "peak-table", PLUGIN_SHARED);
    free(fresh.version);
    fresh.version = mem_strdup("9.9");
    ck_assert_int_ne(registry_put(registry, &fresh, NULL, &err), 0);
    ck_assert_str_eq(plugin->version, "0.1.0");
    ck_assert_uint_eq(heard.count, 0);
    ck_assert_str_eq(fresh.version, "9.9");

    plugin_clear(&fresh);
    ck_assert_int_eq(rmdir(path), 0);
    free(path);
}
END_TEST


/* nothing is written that could not be read at the next start */

START_TEST(test_too_long)
{
    char           *path, *text;
    size_t          len;
    struct plugin   fresh;
    struct strbuf   before, after;

    memset(&before, 0, sizeof(before));
    memset(&after, 0, sizeof(after));
    path = mem_printf("%s/registry.json", directory);
    put("peak-table", PLUGIN_SHARED);
    ck_assert_int_eq(fs_read(path, 65536, &before, &err), 0);
    heard.count = 0;

    len = 64 * 1024 * 1024;
    fixture_plugin(&fresh, "b", PLUGIN_SHARED);
    text = mem_alloc(len + 1);
    memset(text, 'a', len);
    json_decref(fresh.details);
    fresh.details = json_pack("[s]", text);
    free(text);
    ck_assert_msg(registry_put(registry, &fresh, NULL, &err) == MINT_ERR_FULL,
                  "%s", err.text);
    ck_assert_str_eq(err.text, "the registry would be longer than 67108864 "
                     "bytes");
    ck_assert_uint_eq(heard.count, 0);
    ck_assert_uint_eq(registry_count(registry), 1);
    ck_assert_int_eq(fs_read(path, 65536, &after, &err), 0);
    ck_assert_str_eq(strbuf_text(&after), strbuf_text(&before));

    plugin_clear(&fresh);
    strbuf_free(&before);
    strbuf_free(&after);
    free(path);
}
END_TEST


static const struct {
    const char  *text;
    const char  *says;
} broken[] = {
    { "{",                                     "line 1, column 1" },
    { "[]",                                    "format" },
    { "{\"format\": 2}",                       "format: expected 1" },
    { "{\"format\": 1}",                       "next_id" },
    { "{\"format\": 1, \"next_id\": 0}",       "next_id" },
    { "{\"format\": 1, \"next_id\": 1}",       "plugins: expected a list" },
    { "{\"format\": 1, \"next_id\": 1, \"plugins\": [3]}",
                                           "plugins[0]: expected an object" },
    { "{\"format\": 1, \"next_id\": 1, \"plugins\": [{}]}",
                                           "plugins[0]: name: expected text" },
    { "{\"format\": 1, \"format\": 1}",        "duplicate" },
};


START_TEST(test_broken_file)
{
    char           *path;
    struct strbuf   after;

    memset(&after, 0, sizeof(after));
    registry_free(&registry);
    path = mem_printf("%s/registry.json", directory);
    fixture_write(path, broken[_i].text);

    ck_assert_int_eq(registry_open(&registry, directory, 0, 0, &err),
                     MINT_ERR_INVALID);
    ck_assert_ptr_null(registry);
    ck_assert_msg(strstr(err.text, broken[_i].says) != NULL, "%s", err.text);
    ck_assert_ptr_nonnull(strstr(err.text, path));

    ck_assert_int_eq(fs_read(path, 1000, &after, NULL), 0);
    ck_assert_str_eq(strbuf_text(&after), broken[_i].text);

    strbuf_free(&after);
    free(path);
}
END_TEST


/* each field of a good record spoiled in turn */

static const struct {
    const char  *key;
    const char  *value;             /* JSON */
} spoiled[] = {
    { "id",                "0" },
    { "id",                "7" },
    { "uid",               "\"x\"" },
    { "mode",              "\"both\"" },
    { "name",              "\"Peak\"" },
    { "name",              "\"../x\"" },
    { "entry_point",       "\"other\"" },
    { "routes_prefix",     "\"/api\"" },
    { "environment",       "\"relative\"" },
    { "token",             "\"short\"" },
    { "installed_unix_ms", "-1" },
    { "registered_unix_ms", "-1" },
    { "details",           "{}" },
    { "probe",             "[]" },
    { "former",            "{}" },
    { "former",            "{\"former\": {}}" },
};


START_TEST(test_spoiled_record)
{
    char    *path, *text;
    json_t  *root, *record;

    put("peak-table", PLUGIN_SHARED);
    registry_free(&registry);

    path = mem_printf("%s/registry.json", directory);
    root = json_load_file(path, 0, NULL);
    record = json_array_get(json_object_get(root, "plugins"), 0);
    json_object_set_new(record, spoiled[_i].key,
                        json_loads(spoiled[_i].value, JSON_DECODE_ANY, NULL));
    text = json_dumps(root, 0);
    fixture_write(path, text);

    ck_assert_int_eq(registry_open(&registry, directory, 1000, 2000, &err),
                     MINT_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "plugins[0]"));

    free(text);
    free(path);
    json_decref(root);
}
END_TEST


START_TEST(test_stopped_by_hand_is_kept)
{
    char            path[512];
    struct plugin   fresh, *plugin;

    plugin = put("peak-table", PLUGIN_SHARED);
    ck_assert(!plugin->is_stopped);
    heard.count = 0;

    ck_assert_int_eq(registry_set_stopped(registry, plugin, true, &err), 0);
    ck_assert_uint_eq(heard.count, 0);

    registry_free(&registry);
    open_registry(60706, 61183);
    plugin = registry_find(registry, "peak-table");
    ck_assert(plugin->is_stopped);

    /* another version is stopped as well, a new plugin is not */

    fixture_plugin(&fresh, "peak-table", PLUGIN_ISOLATED);
    ck_assert_int_eq(registry_put(registry, &fresh, &plugin, &err), 0);
    ck_assert(plugin->is_stopped);
    ck_assert(!put("blank", PLUGIN_SHARED)->is_stopped);

    /* what cannot be kept has not happened */

    snprintf(path, sizeof(path), "%s/registry.json", directory);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_ne(registry_set_stopped(registry, plugin, false, &err), 0);
    ck_assert(plugin->is_stopped);
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(registry_set_stopped(registry, plugin, false, &err), 0);
    ck_assert(!plugin->is_stopped);
}
END_TEST


static Suite *
registry_suite(void)
{
    Suite  *suite;
    TCase  *tcase;

    suite = suite_create("registry");
    tcase = tcase_create("registry");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_put_and_reload);
    tcase_add_test(tcase, test_stopped_by_hand_is_kept);
    tcase_add_test(tcase, test_file_mode);
    tcase_add_test(tcase, test_replace_keeps_identity);
    tcase_add_test(tcase, test_shared_move_together);
    tcase_add_test(tcase, test_put_all_is_one_change);
    tcase_add_test(tcase, test_conflicts);
    tcase_add_test(tcase, test_uids_run_out);
    tcase_add_test(tcase, test_without_root);
    tcase_add_test(tcase, test_save_fails);
    tcase_add_test(tcase, test_too_long);
    tcase_add_loop_test(tcase, test_broken_file, 0,
                        sizeof(broken) / sizeof(broken[0]));
    tcase_add_loop_test(tcase, test_spoiled_record, 0,
                        sizeof(spoiled) / sizeof(spoiled[0]));
    suite_add_tcase(suite, tcase);

    return suite;
}


int
main(void)
{
    int       failed;
    SRunner  *runner;

    runner = srunner_create(registry_suite());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
