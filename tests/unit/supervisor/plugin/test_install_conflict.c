/* SPDX-License-Identifier: MIT */
/*
 * Files that two packages bring: seen in what was built, before any of it is
 * run.  What would be shared is decided once more.
 */

#include "install_scene.h"
#include "supervisor/plugin/environment_key.h"


#define INVENTORY(packages, more, conflicts)  "{\"interpreter\":" \
    FAKE_INTERPRETER ",\"packages\":[" FAKE_CORE packages "],\"conflicts\":[" \
    conflicts "],\"conflicts_more\":" more "}"
#define X  ",{\"name\":\"mint_plugin_x\",\"version\":\"0.1.0\"," \
    "\"requires\":[]}"
#define WITH_CORE  "{\"kind\":\"file\",\"path\":\"fastapi/__init__.py\"," \
    "\"count\":1,\"packages\":[" \
    "{\"name\":\"fastapi\",\"version\":\"0.165.0\"}," \
    "{\"name\":\"mint_plugin_x\",\"version\":\"0.1.0\"}]}"
#define WHY  "it brings fastapi/__init__.py, which fastapi 0.165.0 in the " \
    "shared environment has, too"
#define BOTH  "fastapi 0.165.0 and mint_plugin_x 0.1.0 both bring " \
    "fastapi/__init__.py"


/* of an installation that is decided twice */
#define CONFLICT_COMMANDS  20


static const char *
conflict_text(size_t i, const char *name)
{
    json_t  *list;

    list = json_object_get(world.plugin->verdict, "conflicts");

    return json_string_value(json_object_get(json_array_get(list, i), name));
}


START_TEST(test_not_shared)
{
    fake.inventory = INVENTORY(X, "0", WITH_CORE);
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_int_eq(world.plugin->mode, PLUGIN_ISOLATED);
    ck_assert_str_eq(world.plugin->reason, "isolated because " WHY);
    ck_assert(environment_key_is_of(world.plugin->environment, "x"));

    /* the engine and the resolver have spoken of versions, and keep to it */

    check_verdict("unknown", "tabulate is not installed yet", "fits");
    ck_assert_str_eq(conflict_text(0, "sentence"), WHY);
    ck_assert_str_eq(conflict_text(0, "environment"), "shared");

    /* in its own environment it is the same, and only told */

    ck_assert_str_eq(conflict_text(1, "sentence"), BOTH);
    ck_assert_str_eq(conflict_text(1, "environment"), "own");
    check_logged("warn: plugin \"x\" 0.1.0: in its environment " BOTH);

    /* the shared environment is as it was, and nothing has been imported in
       the one that was not to be */

    ck_assert_str_eq(installer_platform_environment(world.installer),
                     platform);
    ck_assert_uint_eq(fake_called(&fake, "import check:"), 2);
    ck_assert_uint_eq(fake_called(&fake, "program check:"), 2);
    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 1);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    world.plugin = registry_find(world.registry, "x");
    ck_assert_str_eq(conflict_text(0, "sentence"), WHY);
}
END_TEST


/* the next version does without: shared as any other */

START_TEST(test_upgrade)
{
    char  *newer;

    fake.inventory = INVENTORY(X, "0", WITH_CORE);
    ck_assert_int_eq(world_install(&world, bundle, false), 0);

    fake.inventory = INVENTORY(X, "0", "");
    fake.shared = SHARED("0.2.0");
    newer = make("x", "0.2.0");
    ck_assert_int_eq(world_install(&world, newer, false), 0);
    ck_assert_int_eq(world.plugin->mode, PLUGIN_SHARED);
    ck_assert_ptr_null(json_object_get(world.plugin->verdict, "conflicts"));
    free(newer);
}
END_TEST


START_TEST(test_forced_shared)
{
    char  *names[] = { (char []) { "x" } };

    world.config.plugins.force_shared.item = names;
    world.config.plugins.force_shared.count = 1;
    fake.inventory = INVENTORY(X, "0", WITH_CORE);

    ck_assert_int_eq(world_install(&world, bundle, false),
                     MINT_ERR_CONFLICT);
    ck_assert_str_eq(world.err.text, "x 0.1.0: it cannot be forced into the "
                     "shared environment: " WHY);
    ck_assert_uint_eq(fake_called(&fake, "isolated.lock"), 0);
    is_unchanged();
}
END_TEST


START_TEST(test_forced_isolated)
{
    char  *names[] = { (char []) { "x" } };

    world.config.plugins.force_isolated.item = names;
    world.config.plugins.force_isolated.count = 1;
    fake.inventory = INVENTORY(X, "0", WITH_CORE);

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_str_eq(world.plugin->reason, "isolated because "
                     "plugins.forceIsolated names it");
    ck_assert_str_eq(conflict_text(0, "sentence"), BOTH);
    ck_assert_str_eq(conflict_text(0, "environment"), "own");
    ck_assert_ptr_null(conflict_text(1, "sentence"));
}
END_TEST


/* an environment that is there may have been built for others */

START_TEST(test_reused)
{
    char  *newer, *path;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_int_eq(world.plugin->mode, PLUGIN_SHARED);
    path = mem_printf("%s/mint-packages.json", world.plugin->environment);

    newer = make("x", "0.2.0");
    fake.shared = SHARED("0.2.0");
    ck_assert_int_eq(world_install(&world, newer, false), 0);
    fake.shared = SHARED("0.1.0");
    fixture_write(path, INVENTORY(X, "0", WITH_CORE));

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_int_eq(world.plugin->mode, PLUGIN_ISOLATED);
    ck_assert_str_eq(world.plugin->reason, "isolated because " WHY);
    ck_assert_int_eq(access(path, F_OK), 0);
    free(newer);
    free(path);
}
END_TEST


/* neither shared nor alone: nothing has changed */

START_TEST(test_not_alone_either)
{
    fake.inventory = INVENTORY(X, "0", WITH_CORE);
    fake.rules[1].match = "isolated.lock";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    fake.rules[1].output = NO_SOLUTION;

    ck_assert_int_eq(world_install(&world, bundle, false), MINT_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(world.err.text, "that is impossible"));
    is_unchanged();
}
END_TEST


/* the supervisor ends at some command, before or after it has been decided once
   more */

static void
must_not_answer(void *ctx, const struct error *err, struct plugin *plugin,
    const char *replaced, bool unchanged)
{
    (void) ctx;
    (void) err;
    (void) plugin;
    (void) replaced;
    (void) unchanged;

    ck_abort_msg("a cancelled installation has answered");
}


START_TEST(test_ended_between)
{
    fake.inventory = INVENTORY(X, "0", WITH_CORE);
    forget_calls();
    fake.break_at = (size_t) _i;
    installer_install(world.installer, bundle, false, NULL, must_not_answer,
                      NULL);

    ck_assert_int_ge(event_base_dispatch(world.base), 0);
    ck_assert_uint_ge(fake.calls.count, (size_t) _i);

    installer_free(&world.installer);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 1);
    ck_assert_uint_eq(world_count(&world, "environments", "x-"), 0);
    ck_assert_uint_eq(world_count(&world, "bundles", ""), 0);
    ck_assert_uint_eq(registry_count(world.registry), 0);
    world_restart(&world);
}
END_TEST


START_TEST(test_more_than_told)
{
    fake.inventory = INVENTORY(X, "1", "");
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_str_eq(world.plugin->reason, "isolated because more of its "
                     "files are those of several packages than can be told");
}
END_TEST


int
main(void)
{
    TCase  *tcase;

    tcase = install_case("conflict");
    tcase_add_test(tcase, test_not_shared);
    tcase_add_test(tcase, test_upgrade);
    tcase_add_test(tcase, test_forced_shared);
    tcase_add_test(tcase, test_forced_isolated);
    tcase_add_test(tcase, test_reused);
    tcase_add_test(tcase, test_not_alone_either);
    tcase_add_loop_test(tcase, test_ended_between, 1, CONFLICT_COMMANDS + 1);
    tcase_add_test(tcase, test_more_than_told);

    return install_run("conflict", tcase);
}
