/* SPDX-License-Identifier: MIT */
/*
 * What is there already: other versions, other cores, lost environments,
 * names that are taken, what nobody needs any more.
 */

#include "install_scene.h"


/* a lost platform environment comes back as it was, from its lock */

START_TEST(test_lost_platform)
{
    char  *environment, *lock;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    world_settle(&world);
    environment = mem_strdup(world.plugin->environment);
    lock = mem_printf("locks%s.txt", strrchr(environment, '/'));
    ck_assert_int_eq(fs_remove_tree(environment, NULL), 0);

    forget_calls();
    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    ck_assert_uint_eq(fake_called(&fake, "uv pip compile"), 0);
    ck_assert_uint_eq(fake_called(&fake, lock), 1);
    ck_assert_str_eq(registry_at(world.registry, 0)->environment,
                     installer_platform_environment(world.installer));
    ck_assert_str_eq(registry_at(world.registry, 0)->environment,
                     environment);
    ck_assert(fs_exists(environment));
    ck_assert_uint_eq(world.changed, 0);
    free(environment);
    free(lock);
}
END_TEST


/* shared plugins that do not fit a new core stay where they are */

START_TEST(test_new_core_conflict)
{
    char  *first, *second;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);

    first = mem_strdup(world.plugin->environment);
    free(world.config.environments.platform_version);
    world.config.environments.platform_version = mem_strdup("1.2.11");
    fake.core = "mint-sdk==1.2.11\n";
    fake.rules[1].match = "platform.lock";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    fake.rules[1].output = NO_SOLUTION;

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    second = mem_strdup(installer_platform_environment(world.installer));
    ck_assert_str_ne(second, first);
    ck_assert_str_eq(registry_at(world.registry, 0)->environment, first);
    ck_assert_ptr_nonnull(strstr(strbuf_text(&world.progress),
                                 "stay in their environment"));

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    ck_assert_str_eq(installer_platform_environment(world.installer),
                     second);

    /* and when they do fit they move along */

    fake.rules[1].match = NULL;
    fake.platform = "mint-sdk==1.2.11\nmint-plugin-x @ file:///x\n";
    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    ck_assert_str_eq(registry_at(world.registry, 0)->environment,
                     installer_platform_environment(world.installer));
    free(second);
    free(first);
}
END_TEST


START_TEST(test_same_version)
{
    struct plugin  *plugin;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    plugin = world.plugin;

    forget_calls();
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_ptr_eq(world.plugin, plugin);
    ck_assert_ptr_null(world.replaced);
    ck_assert(world.unchanged);
    ck_assert_uint_eq(world.changed, 0);
    ck_assert_uint_eq(fake_called(&fake, "uv "), 0);

    ck_assert_int_eq(world_install(&world, bundle, true), 0);
    ck_assert_str_eq(world.replaced, "0.1.0");
    ck_assert(!world.unchanged);
    ck_assert_uint_eq(world.changed, 1);
    ck_assert(fs_exists(plugin->wheel));
    ck_assert_uint_eq(fake_called(&fake, "-- mint-sdk>=1.2.0b1 "), 0);
}
END_TEST


/* built anew under the old version: neither done nor silently dropped */

START_TEST(test_same_version_other_contents)
{
    char           *old, *wheel, *other;
    struct plugin  *plugin;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    plugin = world.plugin;
    old = mem_strdup(plugin->wheel);

    wheel = fixture_wheel(world.directory, "mint-plugin-x", "0.1.0", "x",
                          requires, "class Plugin: fixed = True\n");
    other = fixture_bundle(world.directory, "mint-plugin-x", "0.1.0", wheel,
                           ">=1.2.0b1");

    forget_calls();
    ck_assert_int_eq(world_install(&world, other, false), MINT_ERR_CONFLICT);
    ck_assert_str_eq(world.err.text, "x 0.1.0 is installed already, with "
                     "other contents: give this one another version, or "
                     "force it to replace that one");
    ck_assert_uint_eq(world.changed, 0);
    ck_assert_uint_eq(fake_called(&fake, "uv "), 0);
    ck_assert_str_eq(plugin->wheel, old);
    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "bundles", ""), 1);

    ck_assert_int_eq(world_install(&world, other, true), 0);
    ck_assert_uint_eq(world.changed, 1);
    ck_assert_str_ne(plugin->wheel, old);
    ck_assert_int_eq(world_install(&world, other, false), 0);

    free(other);
    free(wheel);
    free(old);
}
END_TEST


/* a failed upgrade leaves the old version whole */

START_TEST(test_failed_upgrade)
{
    char  *newer, *environment;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    environment = mem_strdup(world.plugin->environment);

    newer = make("x", "0.2.0");
    fake.shared = SHARED("0.2.0");
    fake.rules[1].match = "probe:";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    ck_assert_int_ne(world_install(&world, newer, false), 0);

    world_settle(&world);
    ck_assert_str_eq(registry_find(world.registry, "x")->version, "0.1.0");
    ck_assert_str_eq(registry_find(world.registry, "x")->environment,
                     environment);
    ck_assert(fs_exists(environment));
    ck_assert_str_eq(installer_platform_environment(world.installer),
                     environment);
    ck_assert_uint_eq(world_count(&world, "bundles", "mint-plugin-x"), 1);

    free(environment);
    free(newer);
}
END_TEST


START_TEST(test_names_taken)
{
    char  *wheel;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);

    wheel = fixture_wheel(world.directory, "another", "1.0", "x", requires,
                          "");
    ck_assert_int_eq(world_install(&world, wheel, false), MINT_ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(world.err.text, "\"x\" is taken"));
    free(wheel);

    wheel = fixture_wheel(world.directory, "mint-plugin-x", "1.0", "z",
                          requires, "");
    ck_assert_int_eq(world_install(&world, wheel, false), MINT_ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(world.err.text, "as plugin \"x\""));
    free(wheel);

    wheel = fixture_wheel(world.directory, "nx", "1.0", "nginx", requires,
                          "");
    ck_assert_int_eq(world_install(&world, wheel, false), MINT_ERR_CONFLICT);
    free(wheel);

    /* the prefix is known only after the probe: nothing of it stays */

    wheel = fixture_wheel(world.directory, "mint-plugin-y", "1.0", "y",
                          requires, "");
    ck_assert_int_eq(world_install(&world, wheel, false), MINT_ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(world.err.text, "that of plugin \"x\""));
    world_settle(&world);
    ck_assert_uint_eq(registry_count(world.registry), 1);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 2);
    free(wheel);
}
END_TEST


static bool  has_ended;


static bool
tell_ended(const struct plugin *plugin)
{
    ck_assert_str_eq(plugin->name, "x");

    return has_ended;
}


/* only after a stop: what is routed would not be what serves */

START_TEST(test_another_prefix)
{
    char           *newer;
    struct error    err;
    struct plugin  *plugin;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    plugin = registry_find(world.registry, "x");

    newer = make("x", "0.2.0");
    fake.prefix = "/y";
    ck_assert_int_eq(world_install(&world, newer, false), MINT_ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(world.err.text, "\"mintctl stop x\""));
    ck_assert_str_eq(plugin->version, "0.1.0");

    ck_assert_int_eq(registry_set_stopped(world.registry, plugin, true, &err),
                     0);
    has_ended = false;
    installer_watch(world.installer, tell_ended, NULL);
    ck_assert_int_eq(world_install(&world, newer, false), MINT_ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(world.err.text, "once it has ended"));
    ck_assert_str_eq(plugin->routes_prefix, "/x");

    has_ended = true;
    ck_assert_int_eq(world_install(&world, newer, false), 0);
    ck_assert_str_eq(plugin->routes_prefix, "/y");
    free(newer);
}
END_TEST


START_TEST(test_leftovers)
{
    char  *path;

    path = mem_printf("%s/environments/.tmp-platform-0123456789abcdef-0/lib",
                      world.config.server.data_path);
    ck_assert_int_eq(fs_mkdir_all(path, 0700, NULL), 0);
    free(path);
    path = mem_printf("%s/bundles/.tmp-0123/x",
                      world.config.server.data_path);
    ck_assert_int_eq(fs_mkdir_all(path, 0700, NULL), 0);
    free(path);

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
    ck_assert_uint_eq(world_count(&world, "bundles", ""), 0);
}
END_TEST


/* an isolated environment that is lost, with and without its lock */

START_TEST(test_lost_environment)
{
    char            *path, *environment;
    struct plugin   *plugin;

    fake.rules[1].match = "shared.lock";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    fake.rules[1].output = NO_SOLUTION;
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    environment = mem_strdup(world.plugin->environment);

    path = mem_printf("%s/%s", world.plugin->environment, ENVIRONMENT_MARKER);
    ck_assert_int_eq(unlink(path), 0);
    free(path);

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    plugin = registry_find(world.registry, "x");
    path = mem_printf("%s-2", environment);
    ck_assert_str_eq(plugin->environment, path);
    free(path);
    ck_assert_int_eq(plugin->state, PLUGIN_REGISTERED);

    ck_assert_int_eq(fs_remove_tree(plugin->environment, NULL), 0);
    path = mem_printf("%s/locks%s-2.txt", world.config.server.data_path,
                      strrchr(environment, '/'));
    free(environment);
    ck_assert_int_eq(unlink(path), 0);
    free(path);

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    plugin = registry_find(world.registry, "x");
    ck_assert_int_eq(plugin->state, PLUGIN_FAILED);
    ck_assert_ptr_nonnull(strstr(plugin->error, "install its bundle again"));

    /* and so it is done, although it is the same wheel */

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert(!world.unchanged);
    ck_assert(fs_exists(plugin->environment));
    ck_assert_uint_eq(world.changed, 1);
}
END_TEST


int
main(void)
{
    TCase  *tcase;

    tcase = install_case("upgrade");
    tcase_add_test(tcase, test_lost_platform);
    tcase_add_test(tcase, test_new_core_conflict);
    tcase_add_test(tcase, test_same_version);
    tcase_add_test(tcase, test_same_version_other_contents);
    tcase_add_test(tcase, test_failed_upgrade);
    tcase_add_test(tcase, test_names_taken);
    tcase_add_test(tcase, test_another_prefix);
    tcase_add_test(tcase, test_leftovers);
    tcase_add_test(tcase, test_lost_environment);

    return install_run("upgrade", tcase);
}
