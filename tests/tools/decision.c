/* SPDX-License-Identifier: MIT */
/*
 * decision ROUNDS
 * The quick decision over and over, for tests/bench/decision: a plugin with 40
 * requirements against 150 installed packages with 12 each, 30 of them core,
 * 12 of them plugins.  Prints the median and the longest of reading the
 * inventory, and of deciding, in ms of processor time.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "supervisor/plugin/fit.h"


#define DECISION_PACKAGES      150
#define DECISION_CORE          30
#define DECISION_REQUIRED      12
#define DECISION_REQUIREMENTS  40
#define DECISION_INTERPRETER  "{\"implementation_name\":\"cpython\"," \
    "\"implementation_version\":\"3.13.5\",\"os_name\":\"posix\"," \
    "\"platform_machine\":\"x86_64\",\"platform_python_implementation\":" \
    "\"CPython\",\"platform_release\":\"6.1.0-13-amd64\"," \
    "\"platform_system\":\"Linux\",\"platform_version\":\"#1 SMP\"," \
    "\"python_full_version\":\"3.13.5\",\"python_version\":\"3.13\"," \
    "\"sys_platform\":\"linux\"}"


struct scene {
    struct lock                core;
    struct lock                platform;
    struct plugin              plugins[DECISION_PACKAGES];
    struct plugin             *others[DECISION_PACKAGES];
    struct requirement_scene   given;
};


/* as real METADATA has them; the number of a package goes between */
static const struct {
    const char  *name;
    const char  *rest;
} decision_forms[] = {
    { "package", ">=1.0" },
    { "package", "<3,>=1.2.1" },
    { "package", "!=1.9.*,>=1.0 ; python_version >= \\\"3.9\\\"" },
    { "package", "~=2.0" },
    { "package", "<2.9" },
    { "absent", ">=2.0; python_version < \\\"3.11\\\"" },
    { "absent", "; sys_platform == \\\"win32\\\"" },
    { "absent", "<4,>=3.2; extra == \\\"test\\\"" },
    { "absent", ">=1; extra == \\\"docs\\\" or extra == \\\"all\\\"" },
    { "absent", ">=7; extra == \\\"dev\\\"" },
    { "absent", "; python_version >= \\\"3.9\\\" and extra == \\\"dev\\\"" },
    { "absent", "; extra == \\\"docs\\\"" },
};

#define DECISION_APPLYING  5            /* the first ones */
#define DECISION_FORMS     (sizeof(decision_forms) / sizeof(decision_forms[0]))


static void
decision_package(struct strbuf *out, const char *name, size_t seed,
    size_t count)
{
    size_t  i, form;

    strbuf_printf(out, "{\"name\":\"%s\",\"version\":\"2.%zu.%zu\","
                  "\"requires\":[", name, seed % 8, seed % 5);

    for (i = 0; i < count; i++) {
        form = i % (count > DECISION_FORMS ? DECISION_APPLYING
                                           : DECISION_FORMS);
        strbuf_printf(out, "%s\"%s-%zu%s\"", i > 0 ? "," : "",
                      decision_forms[form].name,
                      (seed * 7 + i * 13) % (DECISION_PACKAGES - 1),
                      decision_forms[form].rest);
    }

    strbuf_puts(out, "]}");
}


/* the newcomer alone if count is 0 */

static void
decision_inventory(struct strbuf *out, size_t count)
{
    char    name[32];
    size_t  i;

    strbuf_puts(out, "{\"interpreter\":" DECISION_INTERPRETER
                ",\"packages\":[");

    if (count == 0) {
        decision_package(out, "legacy-report", 1, DECISION_REQUIREMENTS);

    } else {
        decision_package(out, "mint-sdk", 0, DECISION_REQUIRED);
    }

    for (i = 0; i + 1 < count; i++) {
        snprintf(name, sizeof(name), "package-%zu", i);
        strbuf_puts(out, ",");
        decision_package(out, name, i, DECISION_REQUIRED);
    }

    strbuf_puts(out, "]}");
}


static double
decision_now_ms(void)
{
    struct timespec  now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);

    return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}


static int
decision_compare(const void *a, const void *b)
{
    const double  *x = a;
    const double  *y = b;

    return (*x > *y) - (*x < *y);
}


static void
decision_print(const char *what, double *times, size_t count)
{
    qsort(times, count, sizeof(double), decision_compare);
    printf("%s %.3f %.3f\n", what, times[count / 2], times[count - 1]);
}


static void
decision_scene(struct scene *scene, const struct inventory *inventory)
{
    size_t                       i;
    struct strbuf                text;
    const struct clash_package  *package;

    memset(&text, 0, sizeof(text));

    for (i = 0; i < inventory->count; i++) {
        package = &inventory->packages[i];
        strbuf_printf(&text, "%s==%s\n", package->name, package->version);

        if (i + 1 == DECISION_CORE) {
            lock_parse(&scene->core, &text, NULL);
        }

        if (i >= DECISION_CORE && i % 10 == 0) {
            scene->plugins[scene->given.other_count] = (struct plugin) {
                .name = mem_strdup(package->name),
                .distribution = mem_strdup(package->name),
                .version = mem_strdup(package->version)
            };
            scene->others[scene->given.other_count] =
                &scene->plugins[scene->given.other_count];
            scene->given.other_count++;
        }
    }

    lock_parse(&scene->platform, &text, NULL);
    strbuf_free(&text);

    scene->given.core = &scene->core;
    scene->given.platform = &scene->platform;
    scene->given.distribution = "legacy-report";
    scene->given.others = scene->others;
}


/* what decision.c does before it asks uv */

static bool
decision_judge(const struct fit_input *input)
{
    bool                        fits;
    size_t                      i;
    struct fit                  fit;
    struct requirement          requirement;
    const struct lock_package  *installed;

    memset(&fit, 0, sizeof(fit));
    fit_judge(&fit, input);
    fits = fit.result.verdict == CLASH_FITS;

    for (i = 0; i < input->wheel->requires_count; i++) {
        requirement_parse(&requirement, input->wheel->requires[i], NULL);
        installed = lock_find(input->scene->platform, requirement.name);
        fit_requirement(&requirement, &input->inventory->interpreter,
                        installed != NULL ? installed->version : NULL);
        fits = fits && requirement.verdict == REQUIREMENT_SATISFIED;
        requirement_clear(&requirement);
    }

    fit_clear(&fit);

    return fits;
}


/* false: the figures would be of something else */

static bool
decision_round(const struct strbuf *text, struct fit_input *input,
    double *read_ms, double *judge_ms)
{
    bool              fits;
    double            start;
    struct inventory  inventory;

    start = decision_now_ms();

    if (inventory_parse(&inventory, text->data, text->len, NULL) != 0) {
        return false;
    }

    *read_ms = decision_now_ms() - start;

    input->inventory = &inventory;
    start = decision_now_ms();
    fits = decision_judge(input);
    *judge_ms = decision_now_ms() - start;
    inventory_clear(&inventory);

    return fits;
}


int
main(int argc, char **argv)
{
    long               i, rounds;
    double            *reads, *judges;
    struct wheel       wheel;
    struct scene       scene;
    struct strbuf      text, alone;
    struct inventory   newcomer, installed;
    struct fit_input   input;

    rounds = argc == 2 ? strtol(argv[1], NULL, 10) : 0;

    if (rounds < 1 || rounds > 100000) {
        fprintf(stderr, "usage: decision ROUNDS\n");
        return 2;
    }

    memset(&text, 0, sizeof(text));
    memset(&alone, 0, sizeof(alone));
    memset(&wheel, 0, sizeof(wheel));
    memset(&scene, 0, sizeof(scene));
    decision_inventory(&text, DECISION_PACKAGES);
    decision_inventory(&alone, 0);

    if (inventory_parse(&newcomer, alone.data, alone.len, NULL) != 0
        || inventory_parse(&installed, text.data, text.len, NULL) != 0)
    {
        return 1;
    }

    decision_scene(&scene, &installed);

    wheel.distribution = (char *) (uintptr_t) newcomer.packages[0].name;
    wheel.plugin_name = wheel.distribution;
    wheel.version = (char *) (uintptr_t) newcomer.packages[0].version;
    wheel.requires = (char **) (uintptr_t) newcomer.packages[0].requires;
    wheel.requires_count = newcomer.packages[0].count;
    wheel.requires_python = (char []) { ">=3.12" };

    input.wheel = &wheel;
    input.wheel_path = "/nowhere/legacy_report-1.0-py3-none-any.whl";
    input.sdk_version = installed.packages[0].version;
    input.scene = &scene.given;

    reads = mem_alloc((size_t) rounds * sizeof(double));
    judges = mem_alloc((size_t) rounds * sizeof(double));

    for (i = 0; i < rounds; i++) {
        if (!decision_round(&text, &input, &reads[i], &judges[i])) {
            fprintf(stderr, "decision: what is judged here must fit\n");
            return 1;
        }
    }

    decision_print("read", reads, (size_t) rounds);
    decision_print("judge", judges, (size_t) rounds);

    return 0;
}
