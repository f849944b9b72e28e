/* SPDX-License-Identifier: MIT */
/*
 * Installing with a runner that runs nothing: the order of commands, every
 * failure.  test_install_real.c does the same with the real tools.
 */

#include "install_scene.h"


START_TEST(test_prepare_order)
{
    char    *line;
    size_t   i;

    static const char *const  order[] = {
        "uv pip compile: ", "interpreter: ", "uv --version: ", "uv venv: ",
        "uv pip sync: ", "compare: ", "compile: ", "inventory: ",
        "chmod: /bin/chmod -R a+rX,go-w", "import check: ",
        "sync: /bin/sync --file-system", "program check: "
    };

    ck_assert_uint_ge(fake.calls.count, sizeof(order) / sizeof(order[0]));

    for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        ck_assert_msg(strncmp(fake.calls.item[i], order[i], strlen(order[i]))
                      == 0, "%s", fake.calls.item[i]);
    }

    ck_assert_uint_eq(fake_called(&fake, "--generate-hashes"), 1);
    ck_assert_uint_eq(fake_called(&fake, "--require-hashes"), 1);
    ck_assert_uint_eq(fake_called(&fake, "--relocatable"), 1);
    ck_assert_uint_eq(fake_called(&fake, "--no-build"), 2);
    ck_assert_uint_eq(fake_called(&fake, " mint_sdk uvicorn"), 1);

    /* a program, under the name that the environment has for good */

    line = mem_printf("program check: %s/bin/uvicorn --version", platform);
    ck_assert_uint_eq(fake_called(&fake, line), 1);
    free(line);

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
    ck_assert_str_ne(installer_platform_environment(world.installer),
                     platform);
}
END_TEST


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
    ck_assert_ptr_nonnull(strstr(world.plugin->environment, "/platform-"));
    ck_assert_str_ne(world.plugin->environment, platform);
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
    ck_assert_uint_eq(fake_called(&fake, "--offline"), 2);
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


/* the index is asked if uv's cache has not enough, and if that is wanted */

START_TEST(test_cache_first)
{
    forget_calls();
    fake.rules[1].match = "--offline";
    fake.rules[1].wait_status = FAKE_EXIT(1);
    fake.rules[1].output = "error: tabulate was not found in the cache\n";
    ck_assert_msg(world_install(&world, bundle, false) == 0, "%s",
                  world.err.text);
    ck_assert_int_eq(world.plugin->mode, PLUGIN_SHARED);
    ck_assert_uint_eq(fake_called(&fake, "uv pip compile"), 2);
    ck_assert_uint_eq(fake_called(&fake, "uv pip sync"), 2);
    ck_assert_uint_eq(fake_called(&fake, "--offline"), 2);

    forget_calls();
    fake.rules[1].match = NULL;
    ck_assert_int_eq(world_install(&world, bundle, true), 0);
    ck_assert_uint_eq(fake_called(&fake, "uv pip compile"), 1);
    ck_assert_uint_eq(fake_called(&fake, "uv pip sync"), 1);
    ck_assert_uint_eq(fake_called(&fake, "--no-cache"), 1);
    ck_assert_uint_eq(fake_called(&fake, "--offline"), 0);

    /* there is none: what is there is better than nothing */

    forget_calls();
    fake.rules[1].match = "uv pip compile";
    fake.rules[1].wait_status = FAKE_EXIT(2);
    fake.rules[1].output = "error: Failed to fetch: `https://index/`\n";
    fake.once = &fake.rules[1];
    fake.rules[2].match = "--no-cache";
    fake.rules[2].wait_status = FAKE_EXIT(1);
    fake.rules[2].output = fake.rules[1].output;
    ck_assert_msg(world_install(&world, bundle, true) == 0, "%s",
                  world.err.text);
    ck_assert_uint_eq(fake_called(&fake, "--offline"), 2);
    ck_assert_uint_eq(fake_called(&fake, "uv pip sync"), 2);
}
END_TEST


/* where the next call of this kind builds */

static char *
place_of(size_t *at, const char *call)
{
    char        *place;
    const char  *name;

    while (*at < fake.calls.count
           && strncmp(fake.calls.item[*at], call, strlen(call)) != 0)
    {
        (*at)++;
    }

    ck_assert_msg(*at < fake.calls.count, "no more \"%s\"", call);
    name = strstr(fake.calls.item[(*at)++], "/environments/.tmp-");
    ck_assert_ptr_nonnull(name);
    name += strlen("/environments/");
    place = mem_strdup(name);
    place[strcspn(place, " /")] = '\0';

    return place;
}


/* what was killed has left some of it: nothing goes on in there */

START_TEST(test_killed_while_fetching)
{
    char    *place[4];
    size_t   at, i;

    forget_calls();
    fake.rules[1].match = "uv pip sync";
    fake.rules[1].wait_status = 9;
    fake.rules[1].output = "";
    fake.once = &fake.rules[1];
    ck_assert_msg(world_install(&world, bundle, false) == 0, "%s",
                  world.err.text);

    at = 0;

    for (i = 0; i < 4; i++) {
        place[i] = place_of(&at, i % 2 == 0 ? "uv venv: " : "uv pip sync: ");
    }

    ck_assert_str_eq(place[0], place[1]);
    ck_assert_str_ne(place[0], place[2]);
    ck_assert_str_eq(place[2], place[3]);

    for (i = 0; i < 4; i++) {
        free(place[i]);
    }

    world_settle(&world);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
}
END_TEST


/* no solution in what is at hand need not be one in what there is */

START_TEST(test_conflict_without_the_index)
{
    forget_calls();
    fake.rules[1].match = "uv pip compile";
    fake.rules[1].wait_status = FAKE_EXIT(2);
    fake.rules[1].output = "error: Failed to fetch: `https://index/`\n";
    fake.once = &fake.rules[1];
    fake.rules[2].match = "--offline";
    fake.rules[2].wait_status = FAKE_EXIT(1);
    fake.rules[2].output = NO_SOLUTION;
    ck_assert_int_ne(world_install(&world, bundle, true), 0);
    ck_assert_uint_eq(fake_called(&fake, "isolated"), 0);
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
    { { "bytecode.py", FAKE_EXIT(0), "*** Error compiling 'x.py'...\n"
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


int
main(void)
{
    TCase  *tcase;

    tcase = install_case("install");
    tcase_add_test(tcase, test_prepare_order);
    tcase_add_test(tcase, test_another_core);
    tcase_add_test(tcase, test_shared);
    tcase_add_test(tcase, test_cache_first);
    tcase_add_test(tcase, test_killed_while_fetching);
    tcase_add_test(tcase, test_conflict_without_the_index);
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
    tcase_add_test(tcase, test_bad_requests);
    tcase_add_test(tcase, test_queue);
    tcase_add_test(tcase, test_secrets);

    return install_run("install", tcase);
}
