/* SPDX-License-Identifier: MIT */
/*
 * Declared dependencies: how they are named, what is left out, cycles.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/dependencies.h"


static char             *directory;
static struct registry  *registry;
static struct error      err;


static void
setup(void)
{
    directory = fixture_directory();
    ck_assert_int_eq(registry_open(&registry, directory, 60706, 61183, &err),
                     0);
}


static void
teardown(void)
{
    registry_free(&registry);
    fixture_remove(directory);
}


/* dependencies: JSON, "[...]" */

static struct plugin *
put(const char *name, const char *dependencies)
{
    json_t         *list;
    struct plugin   fresh, *plugin;

    fixture_plugin(&fresh, name, PLUGIN_SHARED);
    list = json_loads(dependencies, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(list);
    json_object_set_new(fresh.probe, "metadata",
                        json_pack("{s:o}", "dependencies", list));
    ck_assert_msg(registry_put(registry, &fresh, &plugin, &err) == 0, "%s",
                  err.text);

    return plugin;
}


static char *
names_of(const struct plugin *plugin)
{
    size_t          i;
    struct plugin  *other;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, "");

    for (i = 0; (other = dependencies_at(registry, plugin, i)) != NULL; i++) {
        strbuf_printf(&text, "%s%s", i > 0 ? " " : "", other->name);
    }

    return text.data;
}


static void
expect(const struct plugin *plugin, const char *names)
{
    char  *text;

    text = names_of(plugin);
    ck_assert_str_eq(text != NULL ? text : "", names);
    free(text);
}


/* what a plugin may say, and what is meant; "table" and "lab.db" exist */

static const struct {
    const char  *said;
    const char  *meant;
} spellings[] = {
    { "[]", "" },
    { "[\"table\"]", "table" },
    { "[\"table>=1.2\", \"lab.db\"]", "table lab.db" },
    { "[\"  table  ==1.0\"]", "table" },
    { "[\"mint-plugin-table\"]", "table" },
    { "[\"Mint_Plugin.Table[extra] ~= 1\"]", "table" },
    { "[\"numpy>=2\", \"table ; python_version > '3'\"]", "table" },
    { "[\"\", \">=1\", 7, null, \"../table\"]", "" },
    { "[\"user\"]", "" },               /* itself */
    { "\"table\"", "" },
    { "null", "" },
    { "{\"table\": 1}", "" }
};


START_TEST(spelling)
{
    put("table", "[]");
    put("lab.db", "[]");
    expect(put("user", spellings[_i].said), spellings[_i].meant);
}
END_TEST


START_TEST(longest_name)
{
    char  said[400];

    memset(said, 'a', sizeof(said));
    memcpy(said, "[\"", 2);
    memcpy(said + sizeof(said) - 3, "\"]", 3);

    expect(put("user", said), "");
}
END_TEST


/* nobody of a cycle waits for another of it, others wait for all of them */

START_TEST(cycles)
{
    struct plugin  *a, *b, *c, *user;

    a = put("a", "[\"b\", \"z\"]");
    b = put("b", "[\"c\"]");
    c = put("c", "[\"a\"]");
    user = put("user", "[\"a\", \"c\"]");
    put("z", "[]");

    expect(a, "z");
    expect(b, "");
    expect(c, "");
    expect(user, "a c");
}
END_TEST


/* by the name of either, in turn too, but never itself */

START_TEST(dependants)
{
    struct plugin  *a, *b, *c;

    a = put("a", "[\"c\", \"a\"]");
    b = put("b", "[\"nobody\", \"mint-plugin-a>=1\"]");
    c = put("c", "[\"a\", \"b\"]");

    ck_assert_ptr_eq(dependencies_dependant(registry, a, 0), b);
    ck_assert_ptr_eq(dependencies_dependant(registry, a, 1), c);
    ck_assert_ptr_null(dependencies_dependant(registry, a, 2));
    ck_assert_ptr_eq(dependencies_dependant(registry, b, 0), c);
    ck_assert_ptr_null(dependencies_dependant(registry, b, 1));
    ck_assert_ptr_eq(dependencies_dependant(registry, c, 0), a);
}
END_TEST


START_TEST(without_metadata)
{
    struct plugin   fresh, *plugin;

    fixture_plugin(&fresh, "bare", PLUGIN_SHARED);
    ck_assert_int_eq(registry_put(registry, &fresh, &plugin, &err), 0);
    expect(plugin, "");
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("dependencies");
    tcase = tcase_create("dependencies");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, spelling, 0,
                        sizeof(spellings) / sizeof(spellings[0]));
    tcase_add_test(tcase, longest_name);
    tcase_add_test(tcase, cycles);
    tcase_add_test(tcase, dependants);
    tcase_add_test(tcase, without_metadata);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
