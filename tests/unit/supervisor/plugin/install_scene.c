/* SPDX-License-Identifier: MIT */

#include "install_scene.h"


struct world       world;
struct fake        fake;
char              *bundle;
char              *platform;

const char *const  requires[] = {
    "mint-sdk<1.3,>=1.2.0b1", "tabulate>=0.9",
    "colorama>=1; sys_platform == 'win32'", "fastapi<0.200",
    "pytest; extra == 'dev'", NULL
};

const char *const  *needs = requires;
const char         *wants;


char *
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


void
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

    fake.shared = SHARED("0.1.0");
    fake.isolated = CORE "tabulate==0.8.10\n";

    ck_assert_msg(world_prepare(&world) == 0, "%s", world.err.text);
    platform = mem_strdup(installer_platform_environment(world.installer));
    bundle = make("x", "0.1.0");
}


static void
teardown(void)
{
    free(bundle);
    free(platform);
    world_close(&world);
    fake_clear(&fake);
    log_copy_to(NULL, NULL);
    text_list_clear(&lines);
}


/* the bundle again, with other requirements */

void
make_needing(const char *const *other)
{
    free(bundle);
    needs = other;
    bundle = make("x", "0.1.0");
    needs = requires;
}


void
forget_calls(void)
{
    text_list_clear(&fake.calls);
}


void
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


void
is_unchanged(void)
{
    world_settle(&world);
    ck_assert_uint_eq(registry_count(world.registry), 0);
    ck_assert_uint_eq(world.added + world.changed, 0);
    ck_assert_uint_eq(world_count(&world, "bundles", ""), 0);
    ck_assert_uint_eq(world_count(&world, "environments", "x-"), 0);
    ck_assert_uint_eq(world_count(&world, "environments", ".tmp-"), 0);
    ck_assert_uint_eq(world_count(&world, "environments", "platform-"), 1);
    ck_assert_str_eq(installer_platform_environment(world.installer),
                     platform);
}


TCase *
install_case(const char *name)
{
    TCase  *tcase;

    tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);

    return tcase;
}


int
install_run(const char *name, TCase *tcase)
{
    int       failed;
    Suite    *suite;
    SRunner  *runner;

    unsetenv("MINT_TEST_UV");
    unsetenv("MINT_TEST_PYTHON");
    unsetenv("UV_CACHE_DIR");

    suite = suite_create(name);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
