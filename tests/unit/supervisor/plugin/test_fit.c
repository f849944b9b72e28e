/* SPDX-License-Identifier: MIT */
/*
 * What keeps the quick verdict from saying that a wheel fits, and what it
 * says of single requirements.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "supervisor/plugin/fit.h"


#define WHOLE  "{\"interpreter\":{\"python_full_version\":\"3.13.5\"," \
    "\"python_version\":\"3.13\",\"sys_platform\":\"linux\"},\"packages\":[" \
    "{\"name\":\"mint_sdk\",\"version\":\"1.2.10\",\"requires\":[]}," \
    "{\"name\":\"Fastapi\",\"version\":\"0.165\",\"requires\":[]}," \
    "{\"name\":\"mint-plugin-peak\",\"version\":\"0.1.0\",\"requires\":" \
    "[\"rich>=14\"]},{\"name\":\"rich\",\"version\":\"14.1\",\"requires\":[]}" \
    "]}"
#define LOCK  "mint-sdk==1.2.10\nfastapi==0.165.0\nmint-plugin-peak @ " \
    "file:///b/mint_plugin_peak-0.1.0-py3-none-any.whl\nrich==14.1.0\n"
#define ONE  "{\"interpreter\":{\"python_full_version\":\"3.13.5\"}," \
    "\"packages\":[{\"name\":\"mint-sdk\",\"version\":\"1.2.10\"," \
    "\"requires\":[]}"
#define PEAK  ",{\"name\":\"mint-plugin-peak\",\"version\":\"0.1.0\"," \
    "\"requires\":[]}"
#define PATH  "/nowhere/new-1.0-py3-none-any.whl"


static const struct {
    const char  *inventory;
    const char  *core;
    const char  *path;
    const char  *requires;
    const char  *verdict;
    const char  *doubt;
    const char  *sentence;
} cases[] = {
    { WHOLE, "mint-sdk==1.2.10\nfastapi==0.165.0\n", PATH, "rich", "fits", "",
      "" },
    { WHOLE, "mint-sdk==1.2.10\n", "/nowhere/new-1.0-py2.py3-none-any.whl",
      "rich", "fits", "", "" },
    { WHOLE, "mint-sdk==1.2.10\n", PATH, "Rich<14", "clashes", "",
      "new 1.0 needs Rich<14; the shared environment has rich 14.1, required "
      "(rich>=14) by peak 0.1.0" },
    { WHOLE, "mint-sdk==1.2.10\nfastapi==0.165.0\n", PATH, "fastapi<0.1",
      "clashes", "", "new 1.0 needs fastapi<0.1; the platform's core has "
      "fastapi 0.165" },
    { WHOLE, "mint-sdk==1.2.10\n", "/nowhere/new-1.0-cp313-cp313-linux.whl",
      "rich", "unknown", "the wheel is not for every machine", "" },
    { WHOLE, "mint-sdk==1.2.10\n", "/nowhere/new-1.0-cp312-none-any.whl",
      "rich", "unknown", "the wheel is not for every machine", "" },
    { WHOLE, "mint-sdk==1.2.10\n", "/spy3-none-any.whl", "rich", "unknown",
      "the wheel is not for every machine", "" },
    { WHOLE, "mint-sdk==1.2.10\nfastapi==0.166\n", PATH, "rich", "unknown",
      "fastapi is not installed as the core has it", "" },
    { WHOLE, "mint-sdk==1.2.10\nstarlette==1\n", PATH, "rich", "unknown",
      "starlette is not installed as the core has it", "" },
    { "{\"interpreter\":{\"python_full_version\":\"3.13.5\"},\"packages\":["
      "{\"name\":\"mint-sdk\",\"version\":\"1.2.10\",\"requires\":null}]}",
      "mint-sdk==1.2.10\n", PATH, "mint-sdk", "unknown",
      "a package does not say what it requires", "" },
    { ONE "]}", "mint-sdk==1.2.10\n", PATH, "mint-sdk", "unknown",
      "peak is not in the shared environment", "" },

    /* the newcomer is one of the core's own */

    { ONE PEAK ",{\"name\":\"mint_plugin.new\",\"version\":\"0.9\","
      "\"requires\":[]}]}", "mint-sdk==1.2.10\nmint-plugin-new==0.9\n", PATH,
      "mint-sdk", "unknown", "mint-plugin-new is a package of the core", "" },

    /* what lies there was not resolved */

    { ONE PEAK ",{\"name\":\"Ghost\",\"version\":\"1.0\",\"requires\":[]}]}",
      "mint-sdk==1.2.10\n", PATH, "ghost", "unknown",
      "ghost is not installed as the lock has it", "" },
    { ONE PEAK ",{\"name\":\"rich\",\"version\":\"13.0\",\"requires\":[]}]}",
      "mint-sdk==1.2.10\n", PATH, "rich", "unknown",
      "rich is not installed as the lock has it", "" },
};


START_TEST(test_case)
{
    char                      *requires[1];
    struct fit                 fit;
    struct lock                core, platform;
    struct wheel               wheel;
    struct plugin              peak, *others[] = { &peak };
    struct strbuf              text;
    struct fit_input           input;
    struct inventory           inventory;
    struct requirement_scene   scene;

    memset(&text, 0, sizeof(text));
    memset(&wheel, 0, sizeof(wheel));
    memset(&scene, 0, sizeof(scene));
    strbuf_puts(&text, cases[_i].core);
    ck_assert_int_eq(lock_parse(&core, &text, NULL), 0);
    strbuf_clear(&text);
    strbuf_printf(&text, "%s%s", LOCK, cases[_i].core);
    ck_assert_int_eq(lock_parse(&platform, &text, NULL), 0);
    ck_assert_int_eq(inventory_parse(&inventory, cases[_i].inventory,
                                     strlen(cases[_i].inventory), NULL), 0);
    fixture_plugin(&peak, "peak", PLUGIN_SHARED);

    requires[0] = mem_strdup(cases[_i].requires);
    wheel.distribution = (char []) { "mint-plugin-new" };
    wheel.plugin_name = (char []) { "new" };
    wheel.version = (char []) { "1.0" };
    wheel.requires_python = (char []) { ">=3.12" };
    wheel.requires = requires;
    wheel.requires_count = 1;

    scene.core = &core;
    scene.platform = &platform;
    scene.others = others;
    scene.other_count = 1;
    input.wheel = &wheel;
    input.wheel_path = cases[_i].path;
    input.sdk_version = "1.2.10";
    input.uv_cache = NULL;
    input.inventory = &inventory;
    input.scene = &scene;

    memset(&fit, 0, sizeof(fit));
    fit_judge(&fit, &input);
    ck_assert_str_eq(clash_verdict_name(fit.result.verdict),
                     cases[_i].verdict);
    ck_assert_str_eq(fit.result.doubt != NULL ? fit.result.doubt : "",
                     cases[_i].doubt);
    strbuf_clear(&text);

    if (clash_first(&fit.result) != NULL) {
        clash_write(clash_first(&fit.result), &text);
    }

    ck_assert_str_eq(strbuf_text(&text), cases[_i].sentence);

    fit_clear(&fit);
    inventory_clear(&inventory);
    plugin_clear(&peak);
    lock_clear(&core);
    lock_clear(&platform);
    free(requires[0]);
    strbuf_free(&text);
}
END_TEST


static const struct {
    const char                *text;
    const char                *installed;
    enum requirement_verdict   verdict;
} requirements[] = {
    { "a>=1", "1.0", REQUIREMENT_SATISFIED },
    { "a>1", "1.0.post1", REQUIREMENT_CLASH },
    { "a", NULL, REQUIREMENT_MISSING },
    { "a<1", "1.0", REQUIREMENT_CLASH },
    { "a; python_version < '3.9'", "1", REQUIREMENT_ABSENT },
    { "a>1; python_version > '3.9'", "1", REQUIREMENT_CLASH },
    { "a; python_version > '3.9'", NULL, REQUIREMENT_MISSING },
    { "a; extra == 'x'", "1", REQUIREMENT_OTHER },

    /* uv has to tell */

    { "a>=1", "1.1rc1", REQUIREMENT_OPEN },
    { "a>=1", "1.1+cpu", REQUIREMENT_OPEN },
    { "a>=1", "", REQUIREMENT_OPEN },
    { "a===1", "1", REQUIREMENT_OPEN },
    { "a[x]>=1", "1", REQUIREMENT_OPEN },
    { "a>>1", "1", REQUIREMENT_OPEN },
    { "a>>1", NULL, REQUIREMENT_OPEN },
    { "a; platform_release > '6'", "1", REQUIREMENT_OPEN },
    { "a; os_name == 'posix'", "1", REQUIREMENT_OPEN },
    { "a; python_version >= '3.8.*'", "1", REQUIREMENT_OPEN },
    { "a; '3.9' > python_version", "1", REQUIREMENT_OPEN },
    { "a; python_version == '3.\\x39'", "1", REQUIREMENT_OPEN },
};


START_TEST(test_requirement)
{
    struct requirement          requirement;
    struct marker_environment   interpreter;

    memset(&interpreter, 0, sizeof(interpreter));
    marker_environment_set(&interpreter, "python_version", "3.13");
    requirement_parse(&requirement, requirements[_i].text, NULL);
    fit_requirement(&requirement, &interpreter, requirements[_i].installed);
    ck_assert_int_eq(requirement.verdict, requirements[_i].verdict);
    requirement_clear(&requirement);
    marker_environment_clear(&interpreter);
}
END_TEST


/* of what is too long, and of too much, there are the names */

START_TEST(test_read)
{
    char                *texts[402];
    size_t               i;
    struct strbuf        text, some;
    struct requirement  *read;

    memset(&text, 0, sizeof(text));
    memset(&some, 0, sizeof(some));
    strbuf_puts(&text, " Long_One>=1");
    strbuf_puts(&some, "a>=1");

    while (text.len < 4 * 1024 * 1024) {
        strbuf_puts(&text, ",<9");
    }

    while (some.len < 1000) {
        strbuf_puts(&some, ",<9");
    }

    texts[0] = text.data;
    texts[1] = (char []) { "short>=1" };

    for (i = 2; i < 402; i++) {
        texts[i] = some.data;
    }

    read = fit_read(texts, 402);
    ck_assert_str_eq(read[0].name, "Long_One");
    ck_assert(!read[0].is_valid && read[1].is_valid && read[2].is_valid);
    ck_assert_uint_eq(read[0].specifiers.count, 0);
    ck_assert_uint_eq(read[1].specifiers.count, 1);
    ck_assert(!read[401].is_valid);
    ck_assert_str_eq(read[401].name, "a");

    fit_requirement(&read[0], NULL, "1.0");
    ck_assert_int_eq(read[0].verdict, REQUIREMENT_OPEN);

    for (i = 0; i < 402; i++) {
        requirement_clear(&read[i]);
    }

    free(read);
    strbuf_free(&some);
    strbuf_free(&text);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("fit");
    tcase = tcase_create("all");
    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, test_case, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_loop_test(tcase, test_requirement, 0,
                        sizeof(requirements) / sizeof(requirements[0]));

    tcase_add_test(tcase, test_read);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed != 0;
}
