/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a section of a package's long description.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "supervisor/plugin/description.h"


#define FUZZ_INPUT_MAX  32768


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char    *section;
    size_t   len;

    if (size > FUZZ_INPUT_MAX) {
        return 0;
    }

    section = description_section((const char *) data, size, "a b");

    if (section != NULL) {
        len = strlen(section);

        if (len == 0 || len > DESCRIPTION_SECTION_MAX + 4
            || !text_is_utf8(section) || strchr(section, '\033') != NULL)
        {
            abort();
        }
    }

    free(section);

    return 0;
}
