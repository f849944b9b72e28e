/* SPDX-License-Identifier: MIT */
/*
 * Plugins are taken out in their turn, unless something has come up meanwhile.
 */

#include <sys/stat.h>

#include "install_scene.h"


static bool             has_ended, is_quiet;
static struct plugin   *plugin;


static bool
tell_ended(const struct plugin *asked)
{
    ck_assert_str_eq(asked->name, "x");

    return has_ended;
}


static bool
tell_quiet(const struct plugin *asked)
{
    ck_assert_str_eq(asked->name, "x");

    return is_quiet;
}


/* x is installed, and to be uninstalled */

static void
order(enum plugin_removal removal)
{
    has_ended = true;
    is_quiet = true;
    installer_watch(world.installer, tell_ended, tell_quiet);
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    plugin = registry_find(world.registry, "x");
    ck_assert_int_eq(registry_set_removal(world.registry, plugin, removal,
                                          NULL), 0);
}


static void
is_there(const char *why)
{
    ck_assert_ptr_nonnull(strstr(world.err.text, why));
    ck_assert_ptr_eq(registry_find(world.registry, "x"), plugin);
    ck_assert_ptr_null(registry_find_departed(world.registry, "x"));
}


START_TEST(test_removed)
{
    order(PLUGIN_KEEP);
    ck_assert_int_eq(world_remove(&world, "x"), 0);
    ck_assert_ptr_null(registry_find(world.registry, "x"));
    ck_assert_ptr_nonnull(registry_find_departed(world.registry, "x"));
    ck_assert_int_eq(world_remove(&world, "x"), MINT_ERR_NOT_FOUND);
}
END_TEST


START_TEST(test_wanted_again)
{
    order(PLUGIN_KEEP);
    has_ended = false;
    ck_assert_int_eq(world_remove(&world, "x"), MINT_ERR_CONFLICT);
    is_there("was started again");

    has_ended = true;
    ck_assert_int_eq(registry_set_stopped(world.registry, plugin, false, NULL),
                     0);
    ck_assert_int_eq(world_remove(&world, "x"), MINT_ERR_CONFLICT);
    is_there("was started again");
}
END_TEST


/* the answer that it waits for is written into what would be freed */

START_TEST(test_waits_for_an_answer)
{
    order(PLUGIN_KEEP);
    is_quiet = false;
    ck_assert_int_eq(world_remove(&world, "x"), MINT_ERR_BUSY);
    is_there("still under way");

    is_quiet = true;
    ck_assert_int_eq(world_remove(&world, "x"), 0);
    ck_assert_ptr_null(registry_find(world.registry, "x"));
}
END_TEST


static char *
text_of(const char *path)
{
    char           *text;
    struct strbuf   buf;

    memset(&buf, 0, sizeof(buf));
    text = fs_read(path, 65536, &buf, NULL) == 0
           ? mem_strdup(strbuf_text(&buf)) : NULL;
    strbuf_free(&buf);

    return text;
}


/* what the others' environment would be built from names x, until x is gone;
   not even root can put a file in the place of a directory */

START_TEST(test_lock)
{
    char  *lock, *path, *before, *after;

    order(PLUGIN_KEEP);
    lock = mem_printf("%s/locks%s.txt", world.config.server.data_path,
                      strrchr(plugin->environment, '/'));
    path = mem_printf("%s/registry.json", world.config.server.data_path);
    before = text_of(lock);
    ck_assert_ptr_nonnull(strstr(before, "mint-plugin-x @ "));

    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_ne(world_remove(&world, "x"), 0);
    is_there("is stopped, but not uninstalled");
    after = text_of(lock);
    ck_assert_ptr_nonnull(after);
    ck_assert_str_eq(after, before);
    free(after);

    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(world_remove(&world, "x"), 0);
    ck_assert_uint_eq(world_count(&world, "locks", "platform-"), 1);
    ck_assert_ptr_null(text_of(lock));

    /* back, in the environment that is still there */

    fake.rules[1].match = "probe: ";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    ck_assert_int_ne(world_install(&world, bundle, false), 0);
    ck_assert_ptr_null(text_of(lock));
    fake.rules[1].match = NULL;

    forget_calls();
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_uint_eq(fake_called(&fake, "uv venv: "), 0);
    after = text_of(lock);
    ck_assert_ptr_nonnull(after);
    ck_assert_str_eq(after, before);
    free(after);
    free(before);
    free(path);
    free(lock);
}
END_TEST


/* under that name, number and uid there are data of another package's users */

START_TEST(test_another_package)
{
    char  *wheel;

    order(PLUGIN_KEEP);
    ck_assert_int_eq(world_remove(&world, "x"), 0);

    wheel = fixture_wheel(world.directory, "another-x", "0.1.0", "x",
                          requires, "class Plugin: pass\n");
    ck_assert_int_eq(world_install(&world, wheel, false), MINT_ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(world.err.text, "it came from package "
                                 "\"mint-plugin-x\", this one is from "
                                 "\"another-x\"; \"mintctl uninstall x --mode "
                                 "purge\" removes them first"));
    ck_assert_uint_eq(registry_count(world.registry), 0);

    /* its own one gets them back */

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_uint_eq(world.plugin->id, 1);
    free(wheel);
}
END_TEST


/* "x" is the package of the plugin "y" here, whose data go */

START_TEST(test_package_with_a_plugins_name)
{
    char  *wheel;

    wheel = fixture_wheel(world.directory, "x", "0.1.0", "y", requires,
                          "class Plugin: pass\n");
    fake.prefix = "/y";
    fake.shared = CORE "tabulate==0.9.0\n";
    ck_assert_msg(world_install(&world, wheel, false) == 0, "%s",
                  world.err.text);
    ck_assert_int_eq(registry_set_removal(world.registry, world.plugin,
                                          PLUGIN_PURGE, NULL), 0);
    ck_assert_int_eq(registry_remove(world.registry, world.plugin, NULL), 0);

    fake.prefix = "/x";
    fake.shared = SHARED("0.1.0");
    ck_assert_msg(world_install(&world, bundle, false) == 0, "%s",
                  world.err.text);
    free(wheel);
}
END_TEST


int
main(void)
{
    TCase  *tcase;

    tcase = install_case("install_remove");
    tcase_add_test(tcase, test_removed);
    tcase_add_test(tcase, test_wanted_again);
    tcase_add_test(tcase, test_waits_for_an_answer);
    tcase_add_test(tcase, test_lock);
    tcase_add_test(tcase, test_another_package);
    tcase_add_test(tcase, test_package_with_a_plugins_name);

    return install_run("install_remove", tcase);
}
