/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: packages and what they require, as METADATA has it.  Lines
 * "name version|requirement|..."; the first is the newcomer, the one after it
 * core, every third one a plugin.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/clash.h"


#define FUZZ_INPUT_MAX     8192
#define FUZZ_PACKAGES_MAX  32
#define FUZZ_REQUIRES_MAX  256


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static size_t
fuzz_packages(char *text, struct clash_package *packages,
    const char **requires)
{
    char                  *line, *part;
    size_t                 n, total;
    struct clash_package  *package;

    n = 0;
    total = 0;

    while ((line = strsep(&text, "\n")) != NULL && n < FUZZ_PACKAGES_MAX) {
        package = &packages[n];
        package->requires = &requires[total];
        package->name = strsep(&line, " ");
        package->version = strsep(&line, "|");

        if (package->version == NULL) {
            continue;
        }

        while (total < FUZZ_REQUIRES_MAX
               && (part = strsep(&line, "|")) != NULL)
        {
            requires[total++] = part;
            package->count++;
        }

        package->role = n == 1 ? CLASH_CORE : n % 3 == 0 ? CLASH_PLUGIN
                                                         : CLASH_PACKAGE;
        n++;
    }

    return n;
}


static void
fuzz_judge(const struct clash_package *packages, size_t count)
{
    json_t                     *data;
    const struct clash         *clash;
    struct strbuf               text;
    struct clash_input          input;
    struct clash_result         result;
    struct marker_environment   environment;

    memset(&text, 0, sizeof(text));
    memset(&input, 0, sizeof(input));
    memset(&environment, 0, sizeof(environment));
    marker_environment_set(&environment, "python_version", "3.13");
    marker_environment_set(&environment, "python_full_version", "3.13.5");
    marker_environment_set(&environment, "sys_platform", "linux");

    input.environment = &environment;
    input.newcomer = &packages[0];
    input.packages = packages + 1;
    input.count = count - 1;
    input.platform = "a[b]>=1";
    input.requires_python = "";

    clash_judge(&input, &result);
    clash = clash_first(&result);

    if (clash != NULL) {
        clash_write(clash, &text);
    }

    /* whoever is said to fit has nothing said against him */

    if ((result.verdict == CLASH_FITS)
        != (result.count == 0 && result.doubt == NULL)
        || (result.verdict == CLASH_CLASHES && result.count == 0))
    {
        abort();
    }

    data = clash_encode(&result);

    if (!json_is_array(json_object_get(data, "clashes"))) {
        abort();
    }

    json_decref(data);
    strbuf_free(&text);
    clash_clear(&result);
    marker_environment_clear(&environment);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                  *text;
    size_t                 count;
    const char            *requires[FUZZ_REQUIRES_MAX];
    struct clash_package   packages[FUZZ_PACKAGES_MAX];

    if (size > FUZZ_INPUT_MAX) {
        return 0;
    }

    memset(packages, 0, sizeof(packages));
    text = mem_alloc(size + 1);
    memcpy(text, data, size);
    count = fuzz_packages(text, packages, requires);

    if (count > 0) {
        fuzz_judge(packages, count);
    }

    free(text);

    return 0;
}
