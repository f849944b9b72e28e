/* SPDX-License-Identifier: MIT */
/*
 * Installing with a runner that runs nothing: the order of commands, every
 * failure, every outcome of the decision.  test_install_real.c does the same
 * with the real tools.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_runner.h"
#include "fixture.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "supervisor/plugin/environment.h"
#include "world.h"


#define CORE  "mint-sdk==1.2.10 \\\n    --hash=sha256:00\n    # via -r x\n" \
              "fastapi==0.165.0 \\\n    --hash=sha256:01\n" \
              "    # via mint-sdk\n"
#define NO_SOLUTION  "error: No solution found when resolving dependencies\n" \
                     "  cause: Because a needs b, that is impossible.\n" \
                     "         And so on.\n\nhint: try this\n"


static struct world  world;
static struct fake   fake;
static char         *bundle;


static const char *const  requires[] = {
    "mint-sdk<1.3,>=1.2.0b1", "tabulate>=0.9",
    "colorama>=1; sys_platform == 'win32'", "fastapi<0.200",
    "pytest; extra == 'dev'", NULL
};

static const char *const  old_fastapi[] = { "fastapi<0.130", NULL };
static const char *const  old_tabulate[] = { "tabulate<0.9", NULL };

static const char *const  *needs = requires;    /* of what is made */
static const char         *wants;               /* its requires_mint */


static char *
make(const char *name, const char *version)
{
    char  *distribution, *wheel, *path;

    distribution = mem_printf("mint-plugin-%s", name);
    wheel = fixture_wheel(world.directory, distribution, version, name,
                          needs, "class Plugin: pass\n");
    path = fixture_bundle(world.directory, distribution, version, wheel,
                          wants);
    free(distribution);
    free(wheel);

    return path;
}


/* lines of the log as "info: ..." */

static struct text_list  lines;


static void
hear_line(void *ctx, enum log_level level, const struct log_fields *fields,
    const char *message)
{
    (void) ctx;
    (void) fields;

    text_list_printf(&lines, "%s: %s", log_level_name(level), message);
}


static void
check_logged(const char *line)
{
    size_t  i;

    for (i = 0; i < lines.count; i++) {
        if (strstr(lines.item[i], line) != NULL) {
            return;
        }
    }

    ck_abort_msg("not logged: %s", line);
}


static void
setup(void)
{
    world_open(&world, 60706, 61183);
    fake_init(&fake, &world.runner, world.base);
    log_open("test");
    log_copy_to(hear_line, NULL);
    wants = ">=1.2.0b1";

    fake.shared = CORE "tabulate==0.9.0 \\\n    --hash=sha256:02\n"
                  "    # via mint-plugin-x\n"
                  "mint-plugin-x @ file:///b/mint_plugin_x-0.1.0-py3-none-any"
                  ".whl \\\n    --hash=sha256:03\n    # via -r shared.in\n";
    fake.isolated = CORE "tabulate==0.8.10\n";

    ck_assert_msg(world_prepare(&world) == 0, "%s", world.err.text);
    bundle = make("x", "0.1.0");
}


static void
teardown(void)
{
    free(bundle);
    world_close(&world);
    fake_clear(&fake);
    log_copy_to(NULL, NULL);
    text_list_clear(&lines);
}


/* the bundle again, with other requirements */

static void
make_needing(const char *const *other)
{
    free(bundle);
    needs = other;
    bundle = make("x", "0.1.0");
    needs = requires;
}


static void
forget_calls(void)
{
    text_list_clear(&fake.calls);
}


START_TEST(test_prepare_order)
{
    size_t  i;

    static const char *const  order[] = {
        "uv pip compile: ", "uv venv: ", "uv pip sync: ", "compile: ",
        "inventory: ", "chmod: /bin/chmod -R a+rX,go-w", "import check: ",
        "sync: /bin/sync --file-system"
    };

    ck_assert_uint_ge(fake.calls.count, 8);

    for (i = 0; i < 8; i++) {
        ck_assert_msg(strncmp(fake.calls.item[i], order[i], strlen(order[i]))
                      == 0, "%s", fake.calls.item[i]);
    }

    ck_assert_uint_eq(fake_called(&fake, "--generate-hashes"), 1);
    ck_assert_uint_eq(fake_called(&fake, "--require-hashes"), 1);
    ck_assert_uint_eq(fake_called(&fake, "--relocatable"), 1);
    ck_assert_uint_eq(fake_called(&fake, "--no-build"), 2);
    ck_assert_uint_eq(fake_called(&fake, " mint_sdk uvicorn"), 1);

    /* complete: nothing to do, also for a new supervisor */

    world_settle(&world);
    forget_calls();
    ck_assert_int_eq(world_prepare(&world), 0);
    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    world_settle(&world);
    ck_assert_uint_eq(fake_called(&fake, "uv "), 0);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 1);
}
END_TEST


START_TEST(test_another_core)
{
    free(world.config.environments.platform_version);
    world.config.environments.platform_version = mem_strdup("1.2.11");
    fake.core = "mint-sdk==1.2.11\n";
    forget_calls();

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    ck_assert_uint_eq(fake_called(&fake, "uv pip compile"), 1);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 2);
    ck_assert_ptr_nonnull(strstr(installer_platform_environment(
                                     world.installer), "platform-2"));
}
END_TEST


static void
check_verdict(const char *engine, const char *doubt, const char *resolver)
{
    json_t      *verdict;
    const char  *text;

    verdict = world.plugin->verdict;
    ck_assert_str_eq(json_string_value(json_object_get(verdict, "resolver")),
                     resolver);
    verdict = json_object_get(verdict, "engine");
    ck_assert_str_eq(json_string_value(json_object_get(verdict, "verdict")),
                     engine);
    text = json_string_value(json_object_get(verdict, "doubt"));
    ck_assert_str_eq(text != NULL ? text : "", doubt);
}


START_TEST(test_shared)
{
    char  *texts;

    forget_calls();
    ck_assert_msg(world_install(&world, bundle, false) == 0, "%s",
                  world.err.text);

    ck_assert_str_eq(world.plugin->name, "x");
    ck_assert_int_eq(world.plugin->mode, PLUGIN_SHARED);
    ck_assert_str_eq(world.plugin->reason, "shared because everything it "
                     "needs fits the platform environment (adds tabulate "
                     "0.9.0)");
    ck_assert_uint_eq(world.plugin->uid, 60706);
    ck_assert_ptr_nonnull(strstr(world.plugin->environment, "/platform-2"));
    ck_assert_str_eq(installer_platform_environment(world.installer),
                     world.plugin->environment);
    ck_assert(!world.plugin->has_frontend);
    ck_assert(fs_exists(world.plugin->wheel));

    texts = json_dumps(world.plugin->details, 0);
    ck_assert_str_eq(texts, "[\"mint-sdk<1.3,>=1.2.0b1: satisfied by 1.2.10 in "
                     "the platform's core\", \"tabulate>=0.9: added as 0.9.0\""
                     ", \"colorama>=1; sys_platform == 'win32': does not apply "
                     "here\", \"fastapi<0.200: satisfied by 0.165.0 in the "
                     "platform's core\"]");
    free(texts);

    /* the core is fixed; what the plugin runs is run as the plugin */

    ck_assert_uint_eq(fake_called(&fake, "shared.lock -c "), 1);
    ck_assert_uint_eq(fake_called(&fake, "core.lock"), 1);
    ck_assert_uint_eq(fake_called(&fake, "mint_plugin_x uid=60706"), 1);
    ck_assert_uint_eq(fake_called(&fake, "probe: "), 1);
    ck_assert_uint_eq(fake_called(&fake, "probe uid=60706"), 1);
    ck_assert_uint_eq(fake_called(&fake, "isolated"), 0);

    /* what the engine can tell nobody else is asked, not even requires_mint */

    ck_assert_uint_eq(fake_called(&fake, "--dry-run"), 0);
    check_verdict("unknown", "tabulate is not installed yet", "fits");

    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "bundles", ".tmp-"), 0);
}
END_TEST


START_TEST(test_probe_environment)
{
    forget_calls();
    fake.rules[1].match = "probe:";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    fake.rules[1].output = "Traceback\nImportError: libfoo.so\n";
    fake.rules[2].match = "rm:";
    fake.rules[2].refuse = true;

    ck_assert_int_eq(world_install(&world, bundle, false), MINT_ERR_INVALID);
    ck_assert_str_eq(world.err.text, "x 0.1.0: the plugin said nothing about "
                     "itself (exit code 1): ImportError: libfoo.so");
    ck_assert(text_list_has(&fake.variables, "MINT_PLUGIN_ENTRY_POINT=x"));
    ck_assert(text_list_has(&fake.variables,
                            "MINT_PLUGIN_DISTRIBUTION=mint-plugin-x"));
    ck_assert(text_list_has(&fake.variables, "MINT_PLUGIN_NAME=x"));
    ck_assert(text_list_has(&fake.variables, "MINT_HOST_REPORT_FD=3"));
    fake.rules[2].match = NULL;
}
END_TEST


static void
is_unchanged(void)
{
    world_settle(&world);
    ck_assert_uint_eq(registry_count(world.registry), 0);
    ck_assert_uint_eq(world.added + world.changed, 0);
    ck_assert_uint_eq(world_count(&world, "bundles", ""), 0);
    ck_assert_uint_eq(world_count(&world, "environments", "x-"), 0);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 1);
    ck_assert_ptr_nonnull(strstr(installer_platform_environment(
                                     world.installer), "platform-1"));
}


static const struct {
    struct fake_rule   rule;
    int                code;
    const char        *says;
} failures[] = {
    { { "shared.lock", FAKE_EXIT(2),
        "error: Failed to fetch: https://i/x\n  cause: tcp connect error\n",
        false, false }, MINT_ERR_UNAVAILABLE,
      "the package index cannot be reached: Failed to fetch" },
    { { "shared.lock", 9, "", false, false },
      MINT_ERR_SYSTEM, "killed by signal 9" },
    { { ".lock", FAKE_EXIT(1), NO_SOLUTION, false, false },
      MINT_ERR_INVALID, "neither in the shared environment nor in one of its "
      "own: Because a needs b, that is impossible. And so on." },
    { { "uv venv", FAKE_EXIT(2), "error: No interpreter", false, false },
      MINT_ERR_INVALID, "No interpreter" },
    { { "uv venv", 0, "", false, true },
      MINT_ERR_UNAVAILABLE, "uv venv could not be started: no runner" },
    { { "uv pip sync", FAKE_EXIT(2), "error: Failed to install: x\n  cause: "
        "failed to copy: No space left on device (os error 28)\n", false,
        false }, MINT_ERR_FULL, "could not be installed: the disk is full: "
      "Failed to install: x" },
    { { "uv pip sync", FAKE_EXIT(1), "error: Hash mismatch for `x==1`\n",
        false, false }, MINT_ERR_INVALID, "Hash mismatch" },
    { { "compileall", FAKE_EXIT(0), "*** Error compiling 'x.py'...\n"
        "OSError: [Errno 28] No space left on device\n", false, false },
      MINT_ERR_FULL, "could not be compiled: the disk is full" },
    { { "inventory:", FAKE_EXIT(0), "", false, false },
      MINT_ERR_NOT_FOUND, "its packages could not be listed: " },
    { { "inventory:", FAKE_EXIT(1), "Traceback\n  x\nKeyError: no\n", false,
        false }, MINT_ERR_PROTOCOL, "could not be listed: KeyError: no" },
    { { "inventory:", FAKE_EXIT(1),
        "OSError: [Errno 28] No space left on device\n", false, false },
      MINT_ERR_FULL, "the disk is full" },
    { { "chmod", FAKE_EXIT(1), "chmod: no", false, false },
      MINT_ERR_INVALID, "opened to plugins" },
    { { "import check", FAKE_EXIT(1),
        "Traceback (most recent call last):\n  x\nImportError: no numpy\n\n",
        false, false }, MINT_ERR_INVALID,
      "\"mint_plugin_x\" cannot be imported in its environment: ImportError: "
      "no numpy" },
    { { "import check", FAKE_EXIT(1),
        "OSError: [Errno 28] No space left on device\n", false, false },
      MINT_ERR_FULL, "the disk is full" },
    { { "sync: /bin/sync", FAKE_EXIT(1), "sync: error", false, false },
      MINT_ERR_INVALID, "written to disk" },
    { { "probe:", 0, "", true, false },
      MINT_ERR_TIMEOUT, "not finished after 60 s" },
};


START_TEST(test_failures)
{
    fake.rules[1] = failures[_i].rule;

    ck_assert_int_eq(world_install(&world, bundle, false), failures[_i].code);
    ck_assert_msg(strstr(world.err.text, failures[_i].says) != NULL, "%s",
                  world.err.text);
    is_unchanged();

    /* and then it works */

    fake.rules[1].match = NULL;
    ck_assert_msg(world_install(&world, bundle, false) == 0, "%s",
                  world.err.text);
}
END_TEST


/* an environment from before there were inventories: uv is asked */

static const struct {
    struct fake_rule   rule;
    int                code;
    const char        *says;
} judgements[] = {
    { { "-- mint-sdk>=1.2.0b1 ", FAKE_EXIT(1), NO_SOLUTION, false, false },
      MINT_ERR_CONFLICT, "x 0.1.0 needs MINT >=1.2.0b1 and this platform is "
      "1.2.10" },
    { { "-- mint-sdk>=1.2.0b1 ", FAKE_EXIT(2), "error: Failed to parse",
        false, false }, MINT_ERR_INVALID, "Invalid .mint bundle: " },
    { { "-- mint-sdk>=1.2.0b1 ", FAKE_EXIT(101), "", false, false },
      MINT_ERR_INVALID, "could not be judged" },
    { { "-- colorama", FAKE_EXIT(2), "error: bad", false, false },
      MINT_ERR_INVALID, "\"colorama>=1; sys_platform == 'win32'\" cannot be "
      "judged: bad" },
    { { "-- colorama", 0, "", true, false },
      MINT_ERR_TIMEOUT, "was not finished after 60 s" },
};


/* what lies there now: nothing if text is NULL */

static void
spoil_inventory(const char *text)
{
    char  *path;

    path = mem_printf("%s/mint-packages.json",
                      installer_platform_environment(world.installer));
    ck_assert_int_eq(unlink(path), 0);

    if (text != NULL) {
        fixture_write(path, text);
    }

    free(path);
    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
}


START_TEST(test_no_inventory)
{
    spoil_inventory(NULL);

    fake.rules[0] = judgements[_i].rule;
    ck_assert_int_eq(world_install(&world, bundle, false),
                     judgements[_i].code);
    ck_assert_msg(strstr(world.err.text, judgements[_i].says) != NULL, "%s",
                  world.err.text);
    is_unchanged();

    forget_calls();
    fake.rules[0].match = NULL;
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_uint_eq(fake_called(&fake, "--dry-run"), 2);
    check_verdict("unknown", "the shared environment does not say what is "
                  "installed in it", "fits");
    check_logged("info: only the resolver can tell what fits ");
}
END_TEST


START_TEST(test_broken_inventory)
{
    spoil_inventory("{");
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    check_verdict("unknown", "what the shared environment says of itself "
                  "cannot be read", "fits");
    check_logged("warn: only the resolver can tell what fits ");
}
END_TEST


/* what is no specifier behind the name is left to uv, as it always was */

static const struct {
    const char        *wants;
    struct fake_rule   rule;
} odd_wants[] = {
    { "2.0",
      { "-- mint-sdk2.0 ", FAKE_EXIT(1), NO_SOLUTION, false, false } },
    { "-x>=0",
      { "-- mint-sdk-x>=0 ", FAKE_EXIT(1), NO_SOLUTION, false, false } },
    { "rc>=0",
      { "-- mint-sdkrc>=0 ", FAKE_EXIT(1), NO_SOLUTION, false, false } },
};


START_TEST(test_odd_requires_mint)
{
    free(bundle);
    wants = odd_wants[_i].wants;
    bundle = make("x", "0.1.0");

    fake.rules[0] = odd_wants[_i].rule;
    ck_assert_int_eq(world_install(&world, bundle, false), MINT_ERR_CONFLICT);
    ck_assert_msg(strstr(world.err.text, "x 0.1.0 needs MINT ") != NULL, "%s",
                  world.err.text);
    is_unchanged();
}
END_TEST


static const struct {
    const char  *report;
    const char  *says;
} reports[] = {
    { "",                                              "said nothing" },
    { "not json\n{\"event\": 3}\n",                    "said nothing" },
    { "{\"event\": \"failed\", \"stage\": \"import\", \"error\": "
      "\"ImportError: x\", \"traceback\": \"\"}",
      "cannot be loaded: ImportError: x" },
    { "{\"event\": \"failed\", \"traceback\": \"a\\nb\\nE: last\\n\"}",
      "cannot be loaded: E: last" },
    { "{\"event\": \"probed\"}",                       "no routes prefix" },
    { "{\"event\": \"probed\", \"routes_prefix\": \"/api/x\"}", "/api" },
    { "{\"event\": \"probed\", \"routes_prefix\": \"/x\"}",
      "plugin_type" },
    { "{\"event\": \"probed\", \"routes_prefix\": \"/x\", \"plugin_type\": "
      "\"a b\"}", "plugin_type" },
    { "{\"event\": \"probed\", \"routes_prefix\": \"/x\", \"plugin_type\": "
      "\"full\", \"capabilities\": []}", "capabilities" },
    { "{\"event\": \"probed\", \"routes_prefix\": \"/x\", \"plugin_type\": "
      "\"full\", \"capabilities\": {}, \"metadata\": {}}", "module is" },
    { "{\"event\": \"probed\", \"routes_prefix\": \"/x\", \"plugin_type\": "
      "\"full\", \"capabilities\": {}, \"metadata\": {}, \"module_file\": "
      "\"/etc/passwd\"}", "outside its environment" },
};


START_TEST(test_reports)
{
    fake.report = reports[_i].report;

    ck_assert_int_eq(world_install(&world, bundle, false), MINT_ERR_INVALID);
    ck_assert_msg(strstr(world.err.text, reports[_i].says) != NULL, "%s",
                  world.err.text);
    is_unchanged();
}
END_TEST


static void
must_not_answer(void *ctx, const struct error *err, struct plugin *plugin,
    const char *replaced, bool unchanged)
{
    (void) ctx;
    (void) plugin;
    (void) replaced;
    (void) unchanged;

    ck_abort_msg("answered: %s", err->text);
}


/* whatever step it is at, giving up leaves nothing behind */

START_TEST(test_cancel)
{
    world_settle(&world);
    forget_calls();
    fake.break_at = (size_t) _i;
    installer_install(world.installer, bundle, false, NULL, must_not_answer,
                      NULL);

    ck_assert_int_ge(event_base_dispatch(world.base), 0);
    ck_assert_uint_eq(fake.calls.count, (size_t) _i);

    installer_free(&world.installer);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 1);
    ck_assert_uint_eq(world_count(&world, "bundles", ""), 0);
    ck_assert_uint_eq(registry_count(world.registry), 0);
    world_restart(&world);
}
END_TEST


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
    ck_assert_ptr_nonnull(strstr(world.plugin->environment, "/x-1"));
    ck_assert_ptr_nonnull(strstr(installer_platform_environment(
                                     world.installer), "platform-1"));
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
    char  *other;

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
    ck_assert_ptr_nonnull(strstr(registry_find(world.registry, "x")
                                 ->environment, "/platform-2"));

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
    ck_assert_ptr_nonnull(strstr(registry_find(world.registry, "x")
                                 ->environment, "/platform-3"));
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


/* a lost platform environment comes back as it was, from its lock */

START_TEST(test_lost_platform)
{
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    world_settle(&world);
    ck_assert_int_eq(fs_remove_tree(world.plugin->environment, NULL), 0);

    forget_calls();
    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    ck_assert_uint_eq(fake_called(&fake, "uv pip compile"), 0);
    ck_assert_uint_eq(fake_called(&fake, "locks/platform-2.txt"), 1);
    ck_assert_str_eq(registry_at(world.registry, 0)->environment,
                     installer_platform_environment(world.installer));
    ck_assert_uint_eq(world.changed, 0);
}
END_TEST


/* shared plugins that do not fit a new core stay where they are */

START_TEST(test_new_core_conflict)
{
    ck_assert_int_eq(world_install(&world, bundle, false), 0);

    free(world.config.environments.platform_version);
    world.config.environments.platform_version = mem_strdup("1.2.11");
    fake.core = "mint-sdk==1.2.11\n";
    fake.rules[1].match = "platform.lock";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    fake.rules[1].output = NO_SOLUTION;

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    ck_assert_ptr_nonnull(strstr(installer_platform_environment(
                                     world.installer), "/platform-3"));
    ck_assert_ptr_nonnull(strstr(registry_at(world.registry, 0)->environment,
                                 "/platform-2"));
    ck_assert_ptr_nonnull(strstr(strbuf_text(&world.progress),
                                 "stay in their environment"));

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    ck_assert_ptr_nonnull(strstr(installer_platform_environment(
                                     world.installer), "/platform-3"));

    /* and when they do fit they move along */

    fake.rules[1].match = NULL;
    fake.platform = "mint-sdk==1.2.11\nmint-plugin-x @ file:///x\n";
    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    ck_assert_str_eq(registry_at(world.registry, 0)->environment,
                     installer_platform_environment(world.installer));
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


START_TEST(test_bad_requests)
{
    char  *path;

    ck_assert_int_eq(world_install(&world, "relative.mint", false),
                     MINT_ERR_INVALID);

    path = mem_printf("%s/none.mint", world.directory);
    ck_assert_int_eq(world_install(&world, path, false), MINT_ERR_NOT_FOUND);
    fixture_write(path, "no archive");
    ck_assert_int_eq(world_install(&world, path, false), MINT_ERR_INVALID);
    ck_assert_str_eq(world.err.text,
                     "Invalid .mint bundle: it is not a ZIP archive");
    is_unchanged();
    free(path);

    world.config.plugins.capacity = 1;
    ck_assert_int_eq(world_install(&world, bundle, false), MINT_ERR_FULL);
    ck_assert_ptr_nonnull(strstr(world.err.text, "plugins.capacity"));
    world.config.plugins.capacity = 256;
    is_unchanged();

    world_restart(&world);
    ck_assert_int_eq(world_install(&world, bundle, false),
                     MINT_ERR_UNAVAILABLE);
}
END_TEST


static unsigned  answers;


static void
count_answer(void *ctx, const struct error *err, struct plugin *plugin,
    const char *replaced, bool unchanged)
{
    (void) plugin;
    (void) replaced;
    (void) unchanged;

    /* in the order of the requests */

    ck_assert_int_eq(err->code, 0);
    ck_assert_uint_eq(answers++, (unsigned) (uintptr_t) ctx);
}


START_TEST(test_queue)
{
    uintptr_t  i;


    for (i = 0; i < 3; i++) {
        installer_install(world.installer, bundle, i == 2, NULL, count_answer,
                          (void *) i);
    }

    world_settle(&world);
    ck_assert_uint_eq(answers, 3);
    ck_assert_uint_eq(world.added, 1);
    ck_assert_uint_eq(world.changed, 1);
}
END_TEST


static bool
use_second(void *ctx, const char *directory)
{
    (void) ctx;

    return strstr(directory, "/platform-2") != NULL;
}


START_TEST(test_collect)
{
    char  *newer;

    newer = make("x", "0.2.0");
    ck_assert_int_eq(world_install(&world, bundle, false), 0);
    ck_assert_int_eq(world_install(&world, newer, false), 0);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 3);
    ck_assert_uint_eq(world_count(&world, "bundles", "mint-plugin-x-"), 2);
    free(newer);

    installer_collect(world.installer, use_second, NULL);
    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 2);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-1"), 0);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
    ck_assert_uint_eq(world_count(&world, "locks", "platform-"), 2);
    ck_assert_uint_eq(world_count(&world, "bundles", ""), 1);
    ck_assert(fs_exists(registry_at(world.registry, 0)->wheel));

    /* numbers go on: nobody finds another environment under an old name */

    ck_assert_int_eq(world_install(&world, bundle, true), 0);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-4"), 1);
}
END_TEST


START_TEST(test_leftovers)
{
    char  *path;

    path = mem_printf("%s/environments/.tmp-platform-9/lib",
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
    char            *path;
    struct plugin   *plugin;

    fake.rules[1].match = "shared.lock";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    fake.rules[1].output = NO_SOLUTION;
    ck_assert_int_eq(world_install(&world, bundle, false), 0);

    path = mem_printf("%s/%s", world.plugin->environment, ENVIRONMENT_MARKER);
    ck_assert_int_eq(unlink(path), 0);
    free(path);

    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    plugin = registry_find(world.registry, "x");
    ck_assert_ptr_nonnull(strstr(plugin->environment, "/x-2"));
    ck_assert_int_eq(plugin->state, PLUGIN_REGISTERED);

    ck_assert_int_eq(fs_remove_tree(plugin->environment, NULL), 0);
    path = mem_printf("%s/locks/x-2.txt", world.config.server.data_path);
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


/* index addresses may hold passwords: in the environment, never in argv */

START_TEST(test_secrets)
{
    char  *urls[] = { (char []) { "https://u:secret@index/simple" } };

    world.config.plugins.extra_index_urls.item = urls;
    world.config.plugins.extra_index_urls.count = 1;
    setenv("UV_INDEX_URL", "https://u:secret@main/simple", 1);
    setenv("UV_CACHE_DIR", "/nowhere", 1);
    setenv("MINT_SECRET", "secret", 1);
    world_restart(&world);
    ck_assert_int_eq(world_prepare(&world), 0);
    world_settle(&world);

    fake.rules[1].match = "shared.lock";
    fake.rules[1].wait_status = FAKE_EXIT(2);
    fake.rules[2].match = "rm:";
    fake.rules[2].refuse = true;
    ck_assert_int_ne(world_install(&world, bundle, false), 0);

    ck_assert_uint_eq(fake_called(&fake, "secret"), 0);
    ck_assert(text_list_has(&fake.variables, "UV_EXTRA_INDEX_URL="
                            "https://u:secret@index/simple"));
    ck_assert(text_list_has(&fake.variables,
                            "UV_INDEX_URL=https://u:secret@main/simple"));
    ck_assert(text_list_has(&fake.variables, "UV_PYTHON_DOWNLOADS=never"));
    ck_assert(!text_list_has(&fake.variables, "MINT_SECRET=secret"));
    ck_assert(!text_list_has(&fake.variables, "UV_CACHE_DIR=/nowhere"));
    fake.rules[2].match = NULL;
}
END_TEST


static Suite *
install_suite(void)
{
    Suite  *suite;
    TCase  *tcase;

    suite = suite_create("install");
    tcase = tcase_create("install");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_prepare_order);
    tcase_add_test(tcase, test_another_core);
    tcase_add_test(tcase, test_shared);
    tcase_add_test(tcase, test_probe_environment);
    tcase_add_loop_test(tcase, test_failures, 0,
                        sizeof(failures) / sizeof(failures[0]));
    tcase_add_loop_test(tcase, test_reports, 0,
                        sizeof(reports) / sizeof(reports[0]));
    tcase_add_loop_test(tcase, test_odd_requires_mint, 0,
                        sizeof(odd_wants) / sizeof(odd_wants[0]));
    tcase_add_loop_test(tcase, test_no_inventory, 0,
                        sizeof(judgements) / sizeof(judgements[0]));
    tcase_add_test(tcase, test_broken_inventory);
    tcase_add_loop_test(tcase, test_cancel, 1, 10);
    tcase_add_test(tcase, test_clash_with_core);
    tcase_add_test(tcase, test_disagreement);
    tcase_add_test(tcase, test_movable_clash);
    tcase_add_test(tcase, test_transitive_clash);
    tcase_add_test(tcase, test_clash_with_plugin);
    tcase_add_test(tcase, test_forced_isolated);
    tcase_add_test(tcase, test_forced_shared);
    tcase_add_test(tcase, test_lost_platform);
    tcase_add_test(tcase, test_new_core_conflict);
    tcase_add_test(tcase, test_same_version);
    tcase_add_test(tcase, test_same_version_other_contents);
    tcase_add_test(tcase, test_failed_upgrade);
    tcase_add_test(tcase, test_names_taken);
    tcase_add_test(tcase, test_bad_requests);
    tcase_add_test(tcase, test_queue);
    tcase_add_test(tcase, test_collect);
    tcase_add_test(tcase, test_leftovers);
    tcase_add_test(tcase, test_lost_environment);
    tcase_add_test(tcase, test_secrets);
    suite_add_tcase(suite, tcase);

    return suite;
}


int
main(void)
{
    int       failed;
    SRunner  *runner;

    unsetenv("MINT_TEST_UV");
    unsetenv("MINT_TEST_PYTHON");
    unsetenv("UV_CACHE_DIR");

    runner = srunner_create(install_suite());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
