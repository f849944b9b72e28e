/* SPDX-License-Identifier: MIT */
/*
 * Installing with the real uv and a real interpreter: MINT_TEST_UV and
 * MINT_TEST_PYTHON name them; without these nothing is tested here.  Run in
 * the repository's root, whose plugin_host/ is used.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "lib/fs.h"
#include "supervisor/plugin/environment.h"
#include "world.h"


#define UID_FIRST  60706

#define SOURCE(name) \
    "from mint_sdk import AnalysisPlugin, PluginCapabilities, PluginType, " \
    "mint_plugin\n" \
    "@mint_plugin(analysis_type='custom', routes_prefix='/" name "', " \
    "plugin_type=PluginType.ANALYSIS, capabilities=PluginCapabilities())\n" \
    "class Plugin(AnalysisPlugin):\n" \
    "    async def initialize(self, context): pass\n" \
    "    async def shutdown(self): pass\n"


static struct world  world;


/* as root: can a plugin's uid reach what we make, and the interpreter? */

static bool
uids_work(void)
{
    int          status;
    pid_t        pid;
    struct stat  st;
    const char  *scratch;

    if (geteuid() != 0) {
        return false;
    }

    /* given to this program alone, and closed to everybody else */

    scratch = getenv("TMPDIR");

    if (scratch != NULL && stat(scratch, &st) == 0
        && (st.st_mode & 01777) == 0700)
    {
        ck_assert_int_eq(chmod(scratch, 0711), 0);
    }

    pid = fork();

    if (pid == 0) {
        _exit(setgid(UID_FIRST) == -1 || setuid(UID_FIRST) == -1
              || access(scratch != NULL ? scratch : "/tmp", X_OK) == -1
              || access(getenv("MINT_TEST_PYTHON"), X_OK) == -1);
    }

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);

    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}


static char *
make(const char *name, const char *version, const char *const *requires,
    const char *source)
{
    char  *distribution, *wheel, *bundle;

    distribution = mem_printf("mint-plugin-%s", name);
    wheel = fixture_wheel(world.directory, distribution, version, name,
                          requires, source);
    bundle = fixture_bundle(world.directory, distribution, version, wheel,
                            ">=1.2.0b1");
    free(distribution);
    free(wheel);

    return bundle;
}


static void
install(const char *bundle)
{
    ck_assert_msg(world_install(&world, bundle, false) == 0, "%s\n%s",
                  world.err.text, strbuf_text(&world.progress));
}


static const struct {
    const char  *requires[2];
    const char  *source;
    const char  *says;
} failures[] = {
    { { "mint-sdk>=1.2" }, "import no_such_module\n", "no_such_module" },
    { { "mint-sdk>=1.2" }, "class Plugin: pass\n",    "cannot be loaded" },
    { { "no-such-package-of-mint>=1" }, SOURCE("x"),
      "no-such-package-of-mint was not found" },
    { { "mint-sdk>=99" },  SOURCE("x"),               "mint-sdk" },
};


/* each one leaves everything as it was */

static void
nothing_changes_by(size_t i)
{
    char  *bundle;

    bundle = make("x", "0.1.0", failures[i].requires, failures[i].source);
    ck_assert_int_eq(world_install(&world, bundle, false), MINT_ERR_INVALID);
    ck_assert_msg(strstr(world.err.text, failures[i].says) != NULL, "%s",
                  world.err.text);
    ck_assert_ptr_null(world.plugin);

    world_settle(&world);
    ck_assert_uint_eq(registry_count(world.registry), 0);
    ck_assert_uint_eq(world_count(&world, "bundles", ""), 0);
    ck_assert_uint_eq(world_count(&world, "environments", "x-"), 0);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 1);
    free(bundle);
}


static void
check_reason(const char *part)
{
    ck_assert_msg(strstr(world.plugin->reason, part) != NULL, "%s",
                  world.plugin->reason);
}


/* with the real uv beside it */

static void
check_verdicts(const char *engine, const char *resolver)
{
    char    *text;
    json_t  *verdict;

    verdict = world.plugin->verdict;
    text = json_dumps(verdict, 0);
    ck_assert_msg(strcmp(json_string_value(json_object_get(
                             json_object_get(verdict, "engine"), "verdict")),
                         engine) == 0, "%s", text);
    ck_assert_msg(strcmp(json_string_value(json_object_get(verdict,
                             "resolver")), resolver) == 0, "%s", text);
    free(text);
}


START_TEST(test_life)
{
    char           *a, *b, *c, *platform, *path;
    size_t          i;
    struct stat     st;
    struct plugin  *first;

    static const char *const  new_tabulate[] = { "mint-sdk<1.3,>=1.2.0b1",
                                                 "tabulate>=0.9", NULL };
    static const char *const  old_tabulate[] = { "mint-sdk<1.3,>=1.2.0b1",
                                                 "tabulate<0.9", NULL };
    static const char *const  old_fastapi[] = { "mint-sdk<1.3,>=1.2.0b1",
                                                "fastapi<0.130", NULL };

    /* whatever our umask is, plugins must be able to read environments */

    umask(077);

    if (uids_work()) {
        world_open(&world, UID_FIRST, UID_FIRST + 100);

    } else {
        world_open(&world, 0, 0);
        puts("plugins run as ourselves: no uid of theirs could be used");
    }

    /* the platform's environment, and that the second time costs nothing */

    ck_assert_msg(world_prepare(&world) == 0, "%s", world.err.text);
    ck_assert_ptr_nonnull(installer_platform_environment(world.installer));
    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    ck_assert_ptr_null(strstr(strbuf_text(&world.progress), "resolving"));
    ck_assert_ptr_null(strstr(strbuf_text(&world.progress), "making"));
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 1);

    for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        nothing_changes_by(i);
    }

    /* fits */

    a = make("a", "0.1.0", new_tabulate, SOURCE("a"));
    install(a);
    first = world.plugin;
    ck_assert_int_eq(first->mode, PLUGIN_SHARED);
    ck_assert_msg(strncmp(first->reason, "shared because everything it needs "
                          "fits the platform environment (adds tabulate ",
                          78) == 0, "%s", first->reason);
    ck_assert_str_eq(first->routes_prefix, "/a");
    ck_assert_str_eq(first->environment,
                     installer_platform_environment(world.installer));
    ck_assert_uint_eq(world.added, 1);
    ck_assert_ptr_null(world.replaced);
    ck_assert_uint_eq(json_array_size(first->details), 2);
    check_verdicts("fits", "fits");

    path = mem_printf("%s/bin/python", first->environment);
    ck_assert_int_eq(access(path, X_OK), 0);
    free(path);
    path = mem_printf("%s/%s", first->environment, ENVIRONMENT_LOCK);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0644);
    free(path);

    /* clashes with a plugin, then with the core */

    b = make("b", "0.1.0", old_tabulate, SOURCE("b"));
    install(b);
    ck_assert_int_eq(world.plugin->mode, PLUGIN_ISOLATED);
    check_reason("isolated because b 0.1.0 needs tabulate<0.9; the shared "
                 "environment has tabulate 0.");
    check_reason(", required (tabulate>=0.9) by a 0.1.0");
    check_verdicts("clashes", "clashes");

    c = make("c", "0.1.0", old_fastapi, SOURCE("c"));
    install(c);
    ck_assert_int_eq(world.plugin->mode, PLUGIN_ISOLATED);
    check_reason("isolated because c 0.1.0 needs fastapi<0.130; the platform's "
                 "core has fastapi ");
    check_reason(" by the platform through its dependency mint-sdk[server]==");
    check_verdicts("clashes", "clashes");
    platform = mem_strdup(installer_platform_environment(world.installer));
    ck_assert_str_eq(first->environment, platform);

    /* the same again: no work; a new version: re-decided and replaced */

    install(a);
    ck_assert_uint_eq(world.added + world.changed, 0);
    ck_assert_ptr_eq(world.plugin, first);

    free(b);
    b = make("b", "0.2.0", new_tabulate, SOURCE("b"));
    install(b);
    ck_assert_int_eq(world.plugin->mode, PLUGIN_SHARED);
    check_verdicts("fits", "fits");
    ck_assert_str_eq(world.replaced, "0.1.0");
    ck_assert_str_eq(world.plugin->version, "0.2.0");
    ck_assert_uint_eq(world.changed, 1);
    ck_assert_str_ne(platform,
                     installer_platform_environment(world.installer));
    ck_assert_str_eq(first->environment,
                     installer_platform_environment(world.installer));

    /* everything is found again */

    world_settle(&world);
    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    ck_assert_uint_eq(world.added + world.changed, 0);
    ck_assert_str_eq(registry_find(world.registry, "a")->environment,
                     installer_platform_environment(world.installer));

    /* a lost environment is built again */

    path = mem_printf("%s/%s", registry_find(world.registry, "c")->environment,
                      ENVIRONMENT_MARKER);
    ck_assert_int_eq(unlink(path), 0);
    free(path);
    ck_assert_int_eq(world_prepare(&world), 0);
    path = mem_printf("%s/%s", registry_find(world.registry, "c")->environment,
                      ENVIRONMENT_MARKER);
    ck_assert_int_eq(access(path, R_OK), 0);
    free(path);
    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
    ck_assert_uint_eq(world_count(&world, "bundles", ".tmp-"), 0);

    free(platform);
    free(a);
    free(b);
    free(c);
    world_close(&world);
}
END_TEST


static Suite *
install_real_suite(void)
{
    Suite  *suite;
    TCase  *tcase;

    suite = suite_create("install_real");
    tcase = tcase_create("install_real");

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, test_life);
    suite_add_tcase(suite, tcase);

    return suite;
}


int
main(void)
{
    int       failed;
    SRunner  *runner;

    if (getenv("MINT_TEST_UV") == NULL || getenv("MINT_TEST_PYTHON") == NULL) {
        puts("skipped: MINT_TEST_UV and MINT_TEST_PYTHON are not set");
        return EXIT_SUCCESS;
    }

    runner = srunner_create(install_real_suite());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
