/* SPDX-License-Identifier: MIT */
/*
 * Plans: what is said before an installation, and that nothing is done.
 */

#include "install_scene.h"


#define FETCH  "uv pip sync --dry-run"
#define SAID   "DEBUG Selecting: tabulate==0.9.0 [compatible] " \
               "(tabulate-0.9.0-py3-none-any.whl)\n" \
               "DEBUG Identified uncached distribution: tabulate==0.9.0\n" \
               "Would download 1 package\nWould install 4 packages\n"


static void
answer(void)
{
    fake.rules[1].match = FETCH;
    fake.rules[1].output = SAID;
    fake.rules[2].match = "measure:";
    fake.rules[2].output = "200000\n";
    fake.pylock = "[[packages]]\nwheels = [{ url = \"https://i/tabulate-0.9.0-"
                  "py3-none-any.whl\", size = 35000 }]\n";
}


static const char *
text(const char *name)
{
    const char  *found;

    found = json_string_value(json_object_get(world.plan, name));

    return found != NULL ? found : "";
}


static void
check_json(const char *name, const char *expected)
{
    char  *found;

    found = json_dumps(json_object_get(world.plan, name),
                       JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found, expected);
    free(found);
}


START_TEST(test_shared)
{
    answer();
    forget_calls();
    ck_assert_msg(world_plan(&world, bundle, false) == 0, "%s",
                  world.err.text);
    is_unchanged();

    ck_assert_str_eq(text("name"), "x");
    ck_assert_str_eq(text("mode"), "shared");
    ck_assert_ptr_nonnull(strstr(text("reason"), "adds tabulate 0.9.0"));
    ck_assert_str_eq(text("environment"),
                     installer_platform_environment(world.installer));
    ck_assert_str_eq(text("requires_mint"), ">=1.2.0b1");
    check_json("installed", "null");
    check_json("packages",
               "{\"add\":[{\"name\":\"mint-plugin-x\",\"version\":\"0.1.0\"},"
               "{\"name\":\"tabulate\",\"version\":\"0.9.0\"}],"
               "\"change\":[],\"remove\":[],\"same\":2}");
    check_json("download",
               "{\"bytes\":35000,\"doubt\":null,\"known_bytes\":35000,"
               "\"packages\":[{\"bytes\":35000,\"name\":\"tabulate\","
               "\"version\":\"0.9.0\"}]}");
    ck_assert_int_gt(json_integer_value(json_object_get(json_object_get(
                         world.plan, "disk"), "bytes")), 200000 + 4 * 35000);

    /* no code of the plugin, no environment */

    ck_assert_uint_eq(fake_called(&fake, "uv venv"), 0);
    ck_assert_uint_eq(fake_called(&fake, "probe:"), 0);
    ck_assert_uint_eq(fake_called(&fake, "import check"), 0);
    ck_assert_uint_eq(fake_called(&fake, "uv pip sync:"), 0);
    ck_assert_uint_eq(fake_called(&fake, FETCH), 1);
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
}
END_TEST


START_TEST(test_isolated)
{
    answer();
    fake.rules[3].match = "shared.lock";
    fake.rules[3].wait_status = FAKE_EXIT(1);
    fake.rules[3].output = NO_SOLUTION;

    ck_assert_int_eq(world_plan(&world, bundle, false), 0);
    is_unchanged();
    ck_assert_str_eq(text("mode"), "isolated");
    check_json("environment", "null");
    check_json("packages",
               "{\"add\":[{\"name\":\"fastapi\",\"version\":\"0.165.0\"},"
               "{\"name\":\"mint-sdk\",\"version\":\"1.2.10\"},"
               "{\"name\":\"tabulate\",\"version\":\"0.8.10\"}],"
               "\"change\":[],\"remove\":[],\"same\":0}");
}
END_TEST


START_TEST(test_upgrade)
{
    char  *newer;

    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    answer();
    newer = make("x", "0.2.0");
    fake.shared = CORE "mint-plugin-x @ file:///b/mint_plugin_x-0.2.0-py3-none"
                  "-any.whl\n";
    ck_assert_int_eq(world_plan(&world, newer, false), 0);

    check_json("installed", "{\"capabilities\":[],\"mode\":\"shared\","
               "\"routes_prefix\":\"/x\",\"version\":\"0.1.0\"}");
    check_json("packages",
               "{\"add\":[],\"change\":[{\"from\":\"0.1.0\",\"name\":"
               "\"mint-plugin-x\",\"to\":\"0.2.0\"}],\"remove\":[{\"name\":"
               "\"tabulate\",\"version\":\"0.9.0\"}],\"same\":2}");
    ck_assert_uint_eq(world.changed, 0);
    ck_assert_str_eq(registry_find(world.registry, "x")->version, "0.1.0");
    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "bundles", ""), 1);
    free(newer);
}
END_TEST


/* a plain wheel says nothing of the platform; programs are looked for */

START_TEST(test_wheel)
{
    char  *path;

    static const struct fixture_file  files[] = {
        { "w-1.dist-info/METADATA", "Name: w\nVersion: 1\nRequires-Python: "
          ">=3.12\n\n# w\n## Runtime Requirements\nR 4\n", 0 },
        { "w-1.dist-info/entry_points.txt", "[mint.plugins]\nw = w:W\n"
          "[mint.requires]\nsh = x\nno-such-program = x\n", 0 },
        { NULL, NULL, 0 }
    };

    answer();
    path = mem_printf("%s/w-1-py3-none-any.whl", world.directory);
    fixture_zip(path, files);
    fake.shared = CORE "w @ file:///b/w-1-py3-none-any.whl\n";

    ck_assert_msg(world_plan(&world, path, false) == 0, "%s", world.err.text);
    ck_assert_str_eq(text("distribution"), "w");
    check_json("requires_mint", "null");
    check_json("requires_python", "\">=3.12\"");
    check_json("runtime_requirements", "\"R 4\"");
    check_json("capabilities", "null");
    check_json("programs", "[{\"debian\":null,\"name\":\"sh\","
               "\"path\":\"/usr/bin/sh\"},{\"debian\":null,\"name\":"
               "\"no-such-program\",\"path\":null}]");
    free(path);
}
END_TEST


START_TEST(test_unchanged)
{
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    world_settle(&world);
    forget_calls();

    ck_assert_int_eq(world_plan(&world, bundle, false), 0);
    check_json("unchanged", "true");
    check_json("packages", "{\"add\":[],\"change\":[],\"remove\":[],"
               "\"same\":4}");
    check_json("download", "{\"bytes\":0,\"doubt\":null,\"known_bytes\":0,"
               "\"packages\":[]}");
    ck_assert_uint_eq(fake_called(&fake, "uv "), 0);
    ck_assert_uint_eq(world.changed, 0);
}
END_TEST


/* what uv does not tell is not known; the rest is */

static const struct {
    int          wait_status;
    const char  *output;
    const char  *doubt;
} doubts[] = {
    { FAKE_EXIT(2), "error: Failed to fetch: x\n",
      "uv cannot tell what it would fetch: the package index cannot be "
      "reached" },
    { FAKE_EXIT(0), "Would fetch 1 package\n",
      "this uv does not tell what it would fetch" },
    { FAKE_EXIT(2), "DEBUG Using request timeout of 30s\n",
      "uv cannot tell what it would fetch: exit code 2 without a word" },
    { FAKE_EXIT(2), "error: bad \xff\n",
      "uv cannot tell what it would fetch: bad ?" },
};


START_TEST(test_doubt)
{
    answer();
    fake.rules[1].wait_status = doubts[_i].wait_status;
    fake.rules[1].output = doubts[_i].output;

    ck_assert_int_eq(world_plan(&world, bundle, false), 0);
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(
        json_object_get(world.plan, "download"), "doubt")), doubts[_i].doubt));
    ck_assert(json_is_null(json_object_get(json_object_get(
        world.plan, "download"), "packages")));
    ck_assert(json_is_null(json_object_get(json_object_get(
        world.plan, "disk"), "bytes")));
    ck_assert_str_eq(text("mode"), "shared");
    is_unchanged();
}
END_TEST


START_TEST(test_not_measured)
{
    answer();
    fake.rules[2].output = "Traceback\n";
    ck_assert_int_eq(world_plan(&world, bundle, false), 0);
    ck_assert(json_is_null(json_object_get(json_object_get(
        world.plan, "disk"), "bytes")));
}
END_TEST


/* no runner, at any of its commands */

static const char *const  commands[] = {
    "shared.lock", FETCH, "pylock.toml", "measure:"
};


START_TEST(test_no_runner)
{
    answer();
    fake.rules[0].match = commands[_i];
    fake.rules[0].refuse = true;
    ck_assert_int_eq(world_plan(&world, bundle, false), MINT_ERR_UNAVAILABLE);
    ck_assert_ptr_null(world.plan);
    fake.rules[0].match = NULL;
    is_unchanged();
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
}
END_TEST


static void
give_up(void)
{
    world_abandon(&world);
}


/* it ends at once, and the next one has its turn; the last command of all has
   its answer first here */

START_TEST(test_abandoned)
{
    answer();
    fake.call_at = commands[_i];
    fake.called = give_up;
    ck_assert_int_eq(world_plan(&world, bundle, false), MINT_ERR_TIMEOUT);
    ck_assert_ptr_null(world.plan);
    fake.call_at = NULL;
    is_unchanged();
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
}
END_TEST


START_TEST(test_refused)
{
    ck_assert_int_eq(world_plan(&world, "x.mint", false), MINT_ERR_INVALID);
    ck_assert_int_ne(world_plan(&world, "/nowhere/x.mint", false), 0);

    wants = ">=99";
    make_needing(requires);
    ck_assert_int_eq(world_plan(&world, bundle, false), MINT_ERR_CONFLICT);
    is_unchanged();
}
END_TEST


int
main(void)
{
    TCase  *tcase;

    tcase = install_case("install_plan");
    tcase_add_test(tcase, test_shared);
    tcase_add_test(tcase, test_isolated);
    tcase_add_test(tcase, test_upgrade);
    tcase_add_test(tcase, test_wheel);
    tcase_add_test(tcase, test_unchanged);
    tcase_add_loop_test(tcase, test_doubt, 0,
                        sizeof(doubts) / sizeof(doubts[0]));
    tcase_add_test(tcase, test_not_measured);
    tcase_add_loop_test(tcase, test_no_runner, 0,
                        sizeof(commands) / sizeof(commands[0]));
    tcase_add_loop_test(tcase, test_abandoned, 0,
                        sizeof(commands) / sizeof(commands[0]) - 1);
    tcase_add_test(tcase, test_refused);

    return install_run("install_plan", tcase);
}
