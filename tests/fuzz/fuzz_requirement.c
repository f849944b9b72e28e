/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a requirement as METADATA has it.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/names.h"
#include "supervisor/plugin/requirement.h"


#define FUZZ_INPUT_MAX  8192


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                  rc;
    char                *name;
    struct strbuf        text;
    struct requirement   requirement, again;

    if (size > FUZZ_INPUT_MAX) {
        return 0;
    }

    memset(&text, 0, sizeof(text));
    strbuf_append(&text, data, size);
    rc = requirement_parse(&requirement, strbuf_text(&text), NULL);
    strbuf_free(&text);

    /* without its marker it is one too */

    if (rc == 0) {
        if (requirement_parse(&again, requirement.text, NULL) != 0
            || again.has_marker || strcmp(again.name, requirement.name) != 0)
        {
            abort();
        }

        requirement_clear(&again);
        name = names_normalise(requirement.name);

        if (!names_same_distribution(name, requirement.name)) {
            abort();
        }

        free(name);
    }

    requirement_clear(&requirement);

    return 0;
}
