/* SPDX-License-Identifier: MIT */
/*
 * Environments by their names: one that is there is used, none in the place of
 * a damaged one, one that nobody uses removed after a while, one of an earlier
 * version kept.
 */

#include <fcntl.h>
#include <sys/stat.h>

#include "install_scene.h"
#include "supervisor/plugin/environment_key.h"


static char *
marker_of(const char *environment)
{
    char           *copy, *path;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    path = mem_printf("%s/%s", environment, ENVIRONMENT_MARKER);
    ck_assert_int_eq(fs_read(path, 65536, &text, NULL), 0);
    copy = mem_strdup(strbuf_text(&text));
    strbuf_free(&text);
    free(path);

    return copy;
}


static ino_t
inode_of(const char *path)
{
    struct stat  st;

    ck_assert_int_eq(stat(path, &st), 0);

    return st.st_ino;
}


static void
fail_at(const char *match)
{
    fake.rules[1].match = match;
    fake.rules[1].wait_status = FAKE_EXIT(1);
    fake.rules[1].output = "Traceback\nOSError: it is broken\n";
}


/* x upgraded and taken back: the first environment is still there */

static char *
there_and_back(void)
{
    char  *newer, *environment;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    environment = mem_strdup(world.plugin->environment);
    ck_assert(environment_key_is_of(environment, "platform"));

    newer = make("x", "0.2.0");
    fake.shared = SHARED("0.2.0");
    ck_assert_int_eq(world_install(&world, newer, false), 0);
    ck_assert_str_ne(world.plugin->environment, environment);
    free(newer);
    fake.shared = SHARED("0.1.0");
    forget_calls();

    return environment;
}


START_TEST(test_reused)
{
    char   *environment;
    ino_t   inode;

    environment = there_and_back();
    inode = inode_of(environment);
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_str_eq(world.plugin->environment, environment);
    ck_assert(inode_of(environment) == inode);
    ck_assert_uint_eq(fake_called(&fake, "uv venv: "), 0);
    ck_assert_uint_eq(fake_called(&fake, "uv pip sync: "), 0);
    ck_assert_uint_eq(fake_called(&fake, "import check: "), 1);
    ck_assert_uint_eq(fake_called(&fake, "program check: "), 1);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 3);
    free(environment);
}
END_TEST


/* its files are not what the marker promises: another one is built, under a
   name of its own, for somebody may run in it */

START_TEST(test_reused_damaged)
{
    char   *environment, *second, *third, *path;
    ino_t   inode;

    environment = there_and_back();
    second = mem_printf("%s-2", environment);
    third = mem_printf("%s-3", environment);
    inode = inode_of(environment);
    fail_at("import check: ");
    fake.once = &fake.rules[1];
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    check_logged("OSError: it is broken");
    ck_assert_str_eq(world.plugin->environment, second);
    ck_assert(inode_of(environment) == inode);
    ck_assert_uint_eq(fake_called(&fake, "uv venv: "), 1);
    ck_assert_uint_eq(fake_called(&fake, "import check: "), 2);
    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 4);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);

    /* found again */

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    ck_assert_str_eq(installer_platform_environment(world.installer), second);

    /* not even complete */

    path = mem_printf("%s/%s", second, ENVIRONMENT_MARKER);
    ck_assert_int_eq(unlink(path), 0);
    free(path);
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_str_eq(world.plugin->environment, third);
    free(third);
    free(second);
    free(environment);
}
END_TEST


/* damaged, and the new one is no better: what is there stays */

START_TEST(test_reused_in_vain)
{
    char   *environment;
    ino_t   inode;

    environment = there_and_back();
    inode = inode_of(environment);
    fail_at("import check: ");
    ck_assert_int_ne(world_install(&world, bundle, false), 0);
    world_settle(&world);
    ck_assert(inode_of(environment) == inode);
    ck_assert_uint_eq(fake_called(&fake, "import check: "), 2);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 3);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
    free(environment);
}
END_TEST


/* forced: made anew beside what is there */

START_TEST(test_forced)
{
    char   *environment, *second;
    ino_t   inode;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    environment = mem_strdup(world.plugin->environment);
    second = mem_printf("%s-2", environment);
    inode = inode_of(environment);

    fail_at("program check: ");
    ck_assert_int_ne(world_install(&world, bundle, true), 0);
    ck_assert_ptr_nonnull(strstr(world.err.text, "its programs cannot be run: "
                                 "OSError: it is broken"));
    world_settle(&world);
    ck_assert(inode_of(environment) == inode);
    ck_assert(!fs_exists(second));
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
    fake.rules[1].match = NULL;

    ck_assert_int_eq(world_install(&world, bundle, true), 0);
    ck_assert_str_eq(world.plugin->environment, second);
    ck_assert(inode_of(environment) == inode);
    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 3);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);

    fail_at("probe: ");
    ck_assert_int_ne(world_install(&world, bundle, true), 0);
    world_settle(&world);
    ck_assert(fs_exists(second));
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 3);
    free(second);
    free(environment);
}
END_TEST


/* one that is used again is not taken away when what follows fails */

START_TEST(test_reused_then_fails)
{
    char  *environment;

    environment = there_and_back();
    fail_at("probe: ");
    ck_assert_int_ne(world_install(&world, bundle, false), 0);
    world_settle(&world);
    ck_assert_uint_eq(fake_called(&fake, "uv venv: "), 0);
    ck_assert(fs_exists(environment));
    free(environment);
}
END_TEST


/* what was put in place is taken away again */

START_TEST(test_program_fails)
{
    fail_at("program check: ");
    ck_assert_int_ne(world_install(&world, bundle, false), 0);
    is_unchanged();
}
END_TEST


static const char *const  silent[] = { "interpreter: ", "uv --version: " };


START_TEST(test_tool_is_silent)
{
    fake.rules[1].match = silent[_i];
    fake.rules[1].output = "\x1b\n";
    ck_assert_int_eq(world_install(&world, bundle, false), MINT_ERR_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(world.err.text, "does not say"));
    is_unchanged();
}
END_TEST


/* another uv is another environment; the marker says which it was */

START_TEST(test_another_uv)
{
    char  *environment, *marker;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    environment = mem_strdup(world.plugin->environment);
    marker = marker_of(environment);
    ck_assert_ptr_nonnull(strstr(marker, "\"uv\": \"uv 0.9.7\""));
    ck_assert_ptr_nonnull(strstr(marker, "\"interpreter\": \"cpython 3.12.3 "
                                 "linux-x86_64 cpython-312\""));
    free(marker);

    fake.uv = "uv 0.9.8\n";
    ck_assert_int_eq(world_install(&world, bundle, true), 0);
    ck_assert_str_ne(world.plugin->environment, environment);
    ck_assert(environment_key_is_of(world.plugin->environment, "platform"));
    free(environment);
}
END_TEST


/* as an earlier version has left it: found, run, replaced by the next change */

START_TEST(test_numbered)
{
    char  *numbered, *lock, *new_lock, *newer;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    numbered = mem_printf("%s/environments/platform-2",
                          world.config.server.data_path);
    lock = mem_printf("%s/locks%s.txt", world.config.server.data_path,
                      strrchr(world.plugin->environment, '/'));
    new_lock = mem_printf("%s/locks/platform-2.txt",
                          world.config.server.data_path);
    ck_assert_int_eq(rename(world.plugin->environment, numbered), 0);
    ck_assert_int_eq(rename(lock, new_lock), 0);
    ck_assert_int_eq(registry_move(world.registry, &world.plugin, 1, numbered,
                                   NULL), 0);
    forget_calls();

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    world_settle(&world);
    ck_assert_uint_eq(fake_called(&fake, "uv "), 0);
    ck_assert_uint_eq(fake_called(&fake, "check: "), 0);
    ck_assert_str_eq(installer_platform_environment(world.installer),
                     numbered);
    ck_assert_str_eq(registry_at(world.registry, 0)->environment, numbered);

    newer = make("x", "0.2.0");
    fake.shared = SHARED("0.2.0");
    ck_assert_int_eq(world_install(&world, newer, false), 0);
    ck_assert_str_ne(world.plugin->environment, numbered);
    ck_assert(environment_key_is_of(world.plugin->environment, "platform"));

    free(newer);
    free(new_lock);
    free(lock);
    free(numbered);
}
END_TEST


static const char  *used;


static bool
use_one(void *ctx, const char *directory)
{
    (void) ctx;

    return used != NULL && strcmp(directory, used) == 0;
}


/* sec: how long ago it was seen that nobody uses it; negative: in future */

static void
note_unused(const char *environment, long sec)
{
    char             *path;
    struct timespec   times[2];

    path = mem_printf("%s/%s", environment, ENVIRONMENT_UNUSED);
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= sec;
    times[1] = times[0];
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    free(path);
}


START_TEST(test_collect)
{
    char  *first, *unused;

    first = there_and_back();
    unused = mem_printf("%s/%s", first, ENVIRONMENT_UNUSED);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 3);
    ck_assert_uint_eq(world_count(&world, "bundles", "mint-plugin-x-"), 2);

    /* not at once: it may be wanted back */

    installer_collect(world.installer, use_one, NULL);
    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 3);
    ck_assert_uint_eq(world_count(&world, "bundles", ""), 1);
    ck_assert(fs_exists(registry_at(world.registry, 0)->wheel));

    note_unused(first, 3500);
    note_unused(platform, 3600);
    installer_collect(world.installer, use_one, NULL);
    world_settle(&world);
    ck_assert(fs_exists(first));
    ck_assert(!fs_exists(platform));
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
    ck_assert_uint_eq(world_count(&world, "locks", "platform-"), 2);

    /* a process that still runs there begins it anew */

    note_unused(first, 7200);
    used = first;
    installer_collect(world.installer, use_one, NULL);
    ck_assert(!fs_exists(unused));
    used = NULL;
    installer_collect(world.installer, use_one, NULL);
    ck_assert(fs_exists(unused));

    /* so does a clock that was set back */

    note_unused(first, -100000);
    installer_collect(world.installer, use_one, NULL);
    note_unused(first, 3599);
    installer_collect(world.installer, use_one, NULL);
    ck_assert(fs_exists(first));

    /* wanted back in time */

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_str_eq(world.plugin->environment, first);
    ck_assert(!fs_exists(unused));
    free(unused);
    free(first);
}
END_TEST


/* what is not whole is nobody's */

START_TEST(test_collect_broken)
{
    char  *path;

    path = mem_printf("%s/environments/x-7", world.config.server.data_path);
    ck_assert_int_eq(fs_mkdir_all(path, 0755, NULL), 0);
    installer_collect(world.installer, use_one, NULL);
    world_settle(&world);
    ck_assert(!fs_exists(path));
    ck_assert(fs_exists(platform));
    free(path);
}
END_TEST


/* a lock goes, unless its environment is there or somebody wants it built
   again from it */

START_TEST(test_collect_locks)
{
    char  *path, *used_lock, *aside;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    path = mem_printf("%s/locks/x-7.txt", world.config.server.data_path);
    used_lock = mem_printf("%s/locks/%s.txt", world.config.server.data_path,
                           strrchr(world.plugin->environment, '/') + 1);
    aside = mem_printf("%s/aside", world.config.server.data_path);
    ck_assert_int_eq(fs_write_atomic(path, "", 0, 0600, NULL), 0);
    ck_assert_int_eq(rename(world.plugin->environment, aside), 0);

    installer_collect(world.installer, use_one, NULL);
    ck_assert(!fs_exists(path));
    ck_assert(fs_exists(used_lock));
    ck_assert_uint_eq(world_count(&world, "locks", "core.lock"), 1);

    free(aside);
    free(used_lock);
    free(path);
}
END_TEST


static void
check_link(const char *name, const char *environment)
{
    char     *path, target[4096];
    ssize_t   len;

    world_settle(&world);
    path = mem_printf("%s/%s", world.config.plugins.venv_directory, name);
    len = readlink(path, target, sizeof(target) - 1);
    ck_assert_int_eq(len >= 0, environment != NULL);

    if (environment != NULL) {
        target[len] = '\0';
        ck_assert_str_eq(target, environment);
    }

    free(path);
}


/* shared ones at once; an isolated one when it has proved itself */

START_TEST(test_links)
{
    char           *newer, *former, *path;
    struct plugin  *plugin;

    check_link("platform", platform);
    check_link("x", NULL);
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    check_link("x", world.plugin->environment);
    check_link("platform", world.plugin->environment);

    fake.rules[1].match = "shared.lock";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    fake.rules[1].output = NO_SOLUTION;
    ck_assert_int_eq(world_install(&world, bundle, true), 0);
    plugin = world.plugin;
    former = mem_strdup(plugin->environment);
    ck_assert(environment_key_is_of(former, "x"));
    check_link("x", former);

    plugin->has_served = true;
    newer = make("x", "0.2.0");
    fake.isolated = CORE "tabulate==0.8.9\n";
    ck_assert_int_eq(world_install(&world, newer, false), 0);
    ck_assert_str_ne(plugin->environment, former);
    ck_assert_str_eq(plugin->former->environment, former);
    check_link("x", former);

    ck_assert_int_eq(plugin_set_state(world.registry, plugin,
                                      PLUGIN_INITIALIZING, NULL), 0);
    check_link("x", former);
    ck_assert_int_eq(plugin_set_state(world.registry, plugin, PLUGIN_READY,
                                      NULL), 0);
    ck_assert_int_eq(registry_forget_former(world.registry, plugin, NULL), 0);
    check_link("x", plugin->environment);

    /* repaired at a start */

    path = mem_printf("%s/x", world.config.plugins.venv_directory);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink(former, path), 0);
    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    check_link("x", registry_at(world.registry, 0)->environment);

    free(path);
    free(newer);
    free(former);
}
END_TEST


int
main(void)
{
    TCase  *tcase;

    tcase = install_case("reuse");
    tcase_add_test(tcase, test_reused);
    tcase_add_test(tcase, test_reused_damaged);
    tcase_add_test(tcase, test_reused_in_vain);
    tcase_add_test(tcase, test_forced);
    tcase_add_test(tcase, test_reused_then_fails);
    tcase_add_test(tcase, test_program_fails);
    tcase_add_loop_test(tcase, test_tool_is_silent, 0, 2);
    tcase_add_test(tcase, test_another_uv);
    tcase_add_test(tcase, test_numbered);
    tcase_add_test(tcase, test_collect);
    tcase_add_test(tcase, test_collect_broken);
    tcase_add_test(tcase, test_collect_locks);
    tcase_add_test(tcase, test_links);

    return install_run("reuse", tcase);
}
