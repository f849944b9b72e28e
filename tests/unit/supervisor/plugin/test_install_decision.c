/* SPDX-License-Identifier: MIT */
/*
 * Every outcome of the decision, as it is found in what was installed.
 */

#include "install_scene.h"
#include "supervisor/plugin/environment_key.h"


static const char *const  old_fastapi[] = { "fastapi<0.130", NULL };
static const char *const  old_tabulate[] = { "tabulate<0.9", NULL };


#define FASTAPI_CLASHES  "x 0.1.0 needs fastapi<0.130; the platform's core " \
    "has fastapi 0.165.0, required (fastapi>=0.100) by the platform through " \
    "its dependency mint-sdk[server]==1.2.10"


START_TEST(test_clash_with_core)
{
    make_needing(old_fastapi);
    fake.rules[1].match = "shared.lock";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    fake.rules[1].output = NO_SOLUTION;
    fake.isolated = "mint-sdk==1.2.10\nfastapi==0.129.0\n";

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_int_eq(world.plugin->mode, PLUGIN_ISOLATED);
    ck_assert_str_eq(world.plugin->reason, "isolated because "
                     FASTAPI_CLASHES);
    ck_assert_str_eq(json_string_value(json_array_get(world.plugin->details,
                                                      0)),
                     "fastapi<0.130: clash with 0.165.0 in the platform's "
                     "core; its own environment has 0.129.0");
    check_verdict("clashes", "", "clashes");
    ck_assert(environment_key_is_of(world.plugin->environment, "x"));
    ck_assert_str_eq(installer_platform_environment(world.installer),
                     platform);
    ck_assert_uint_eq(fake_called(&fake, "isolated.lock -c"), 0);

    /* kept, as all that is known of a plugin */

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    world.plugin = registry_find(world.registry, "x");
    check_verdict("clashes", "", "clashes");
}
END_TEST


/* the resolver is believed, whatever the engine says */

START_TEST(test_disagreement)
{
    make_needing(old_fastapi);
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_int_eq(world.plugin->mode, PLUGIN_SHARED);
    check_verdict("clashes", "", "fits");
}
END_TEST


/* what is installed has no room, but nobody keeps it there */

START_TEST(test_movable_clash)
{
    fake.inventory = "{\"interpreter\":" FAKE_INTERPRETER ",\"packages\":["
        FAKE_CORE ",{\"name\":\"mint_plugin_x\",\"version\":\"0.1.0\","
        "\"requires\":[\"tabulate>=0.8\"]},{\"name\":\"tabulate\","
        "\"version\":\"0.9.0\",\"requires\":[]}]}";
    ck_assert_int_eq(world_install(&world, bundle, false), 0);

    free(bundle);
    needs = old_tabulate;
    bundle = make("y", "1.0");
    needs = requires;
    fake.prefix = "/y";
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    check_verdict("unknown", "", "fits");
    check_logged("info: plugin \"y\" 1.0: the engine says \"unknown\" (a "
                 "package would have to move), the resolver \"fits\"");
}
END_TEST


START_TEST(test_transitive_clash)
{
    fake.rules[1].match = "shared.lock";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    fake.rules[1].output = NO_SOLUTION;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_str_eq(world.plugin->reason, "isolated because its packages do "
                     "not fit the shared environment: Because a needs b, that "
                     "is impossible.");
}
END_TEST


/* a second plugin clashes with the first; later versions move packages */

START_TEST(test_clash_with_plugin)
{
    char  *other, *before;

    fake.inventory = "{\"interpreter\":" FAKE_INTERPRETER ",\"packages\":["
        FAKE_CORE ",{\"name\":\"mint_plugin_x\",\"version\":\"0.1.0\","
        "\"requires\":[\"tabulate>=0.9\"]},{\"name\":\"tabulate\","
        "\"version\":\"0.9.0\",\"requires\":[]}]}";
    ck_assert_int_eq(world_install(&world, bundle, false), 0);

    needs = old_tabulate;
    other = make("y", "1.0");
    needs = requires;
    fake.prefix = "/y";
    fake.rules[2].match = "shared.lock";
    fake.rules[2].wait_status = FAKE_EXIT(1);
    fake.rules[2].output = NO_SOLUTION;

    ck_assert_int_eq(world_install(&world, other, false), 0);
    ck_assert_str_eq(world.plugin->reason, "isolated because y 1.0 needs "
                     "tabulate<0.9; the shared environment has tabulate "
                     "0.9.0, required (tabulate>=0.9) by x 0.1.0");
    check_verdict("clashes", "", "clashes");
    ck_assert_uint_eq(world.plugin->uid, 60707);
    before = mem_strdup(registry_find(world.registry, "x")->environment);
    ck_assert_str_eq(before, installer_platform_environment(world.installer));

    /* the resolver finds room after all: x is imported again, as itself */

    free(other);
    other = make("y", "2.0");
    fake.rules[2].match = NULL;
    fake.shared = CORE "tabulate==0.9.5\nmint-plugin-x @ file:///x\n"
                  "mint-plugin-y @ file:///y\n";
    forget_calls();

    ck_assert_int_eq(world_install(&world, other, false), 0);
    ck_assert_str_eq(world.plugin->reason, "shared because everything it "
                     "needs fits the platform environment (moves tabulate "
                     "from 0.9.0 to 0.9.5)");
    check_verdict("fits", "", "fits");
    ck_assert_str_eq(world.replaced, "1.0");
    ck_assert_uint_eq(fake_called(&fake, "mint_plugin_y uid=60707"), 1);
    ck_assert_uint_eq(fake_called(&fake, "mint_plugin_x uid=60706"), 1);
    ck_assert_uint_eq(world.changed, 1);
    ck_assert_str_ne(registry_find(world.registry, "x")->environment, before);
    ck_assert_str_eq(registry_find(world.registry, "x")->environment,
                     installer_platform_environment(world.installer));
    free(before);
    free(other);
}
END_TEST


START_TEST(test_forced_isolated)
{
    char  *names[] = { (char []) { "x" } };

    world.config.plugins.force_isolated.item = names;
    world.config.plugins.force_isolated.count = 1;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_str_eq(world.plugin->reason, "isolated because "
                     "plugins.forceIsolated names it");
    ck_assert_uint_eq(fake_called(&fake, "shared.lock"), 0);
}
END_TEST


START_TEST(test_forced_shared)
{
    char  *names[] = { (char []) { "mint_plugin.x" } }, *other;

    world.config.plugins.force_shared.item = names;
    world.config.plugins.force_shared.count = 1;
    make_needing(old_fastapi);

    /* uv refuses even with the pins of the others: an error, not isolated */

    fake.rules[2].match = "shared.lock";
    fake.rules[2].wait_status = FAKE_EXIT(1);
    fake.rules[2].output = NO_SOLUTION;
    fake.rules[3].match = "--override";
    fake.rules[3].wait_status = FAKE_EXIT(1);
    fake.rules[3].output = NO_SOLUTION;
    ck_assert_int_eq(world_install(&world, bundle, false), MINT_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(world.err.text, "cannot be forced"));
    ck_assert_uint_eq(fake_called(&fake, "unforced.lock"), 1);
    ck_assert_uint_eq(fake_called(&fake, "isolated.lock"), 0);

    fake.rules[3].match = NULL;
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_int_eq(world.plugin->mode, PLUGIN_SHARED);
    ck_assert_str_eq(world.plugin->reason, "shared because "
                     "plugins.forceShared names it, although "
                     FASTAPI_CLASHES);

    /* its conflict is not held against the next one */

    other = make("y", "1.0");
    fake.prefix = "/y";
    ck_assert_int_eq(world_install(&world, other, false), 0);
    ck_assert_str_eq(world.plugin->reason, "shared because everything it "
                     "needs fits the platform environment");
    free(other);

    /* which may still have one of its own */

    other = make("y", "2.0");
    fake.rules[1].match = "unforced.lock";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    fake.rules[1].output = NO_SOLUTION;
    ck_assert_int_eq(world_install(&world, other, false), 0);
    ck_assert_int_eq(world.plugin->mode, PLUGIN_ISOLATED);
    free(other);
}
END_TEST


int
main(void)
{
    TCase  *tcase;

    tcase = install_case("decision");
    tcase_add_test(tcase, test_clash_with_core);
    tcase_add_test(tcase, test_disagreement);
    tcase_add_test(tcase, test_movable_clash);
    tcase_add_test(tcase, test_transitive_clash);
    tcase_add_test(tcase, test_clash_with_plugin);
    tcase_add_test(tcase, test_forced_isolated);
    tcase_add_test(tcase, test_forced_shared);

    return install_run("decision", tcase);
}
