/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a marker, evaluated; written again it can be read again.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/marker.h"


#define FUZZ_INPUT_MAX  8192


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_evaluate(const struct marker *marker)
{
    bool                        result;
    size_t                      i;
    struct text_list            extras;
    struct marker_environment   environment;

    static const char *const  variables[] = {
        "implementation_name", "cpython", "implementation_version", "3.13.5",
        "os_name", "posix", "platform_machine", "x86_64", "platform_release",
        "6.1.0-10-amd64", "platform_system", "Linux", "platform_version", "#1",
        "python_full_version", "3.13.5+", "platform_python_implementation",
        "CPython", "python_version", "3.13", "sys_platform", "linux"
    };

    memset(&environment, 0, sizeof(environment));
    memset(&extras, 0, sizeof(extras));

    for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i += 2) {
        marker_environment_set(&environment, variables[i], variables[i + 1]);
    }

    text_list_add(&extras, "Test_Extra");
    marker_environment_set_names(&environment, "extra", &extras);
    marker_environment_set_names(&environment, "extras", &extras);
    text_list_clear(&extras);

    marker_evaluate(marker, &environment, &result, NULL);
    marker_environment_clear(&environment);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strbuf   text;
    struct marker   marker, again;

    if (size > FUZZ_INPUT_MAX) {
        return 0;
    }

    memset(&text, 0, sizeof(text));

    if (marker_parse(&marker, (const char *) data, (const char *) data + size,
                     NULL) == 0)
    {
        fuzz_evaluate(&marker);

        /* a backslash in a text is not written as it was read */

        if (marker_write(&marker, &text, NULL) == 0
            && memchr(data, '\\', size) == NULL)
        {
            if (marker_parse(&again, text.data, text.data + text.len, NULL)
                != 0)
            {
                abort();
            }

            marker_clear(&again);
        }
    }

    strbuf_free(&text);
    marker_clear(&marker);

    return 0;
}
