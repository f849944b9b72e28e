/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: two versions, a newline between them.  What was normalised
 * stays as it is and compares equal, and the order has two sides.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/version.h"


#define FUZZ_INPUT_MAX  8192


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_normalised(const struct version *version)
{
    struct version  again;
    struct strbuf   trimmed;

    if (version_parse(&again, version->text, strlen(version->text), NULL) != 0
        || strcmp(again.text, version->text) != 0
        || version_compare(&again, version) != 0)
    {
        abort();
    }

    version_clear(&again);
    memset(&trimmed, 0, sizeof(trimmed));
    version_write(version, true, &trimmed);

    if (version_parse(&again, trimmed.data, trimmed.len, NULL) != 0
        || version_compare(&again, version) != 0)
    {
        abort();
    }

    version_clear(&again);
    strbuf_free(&trimmed);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t           len;
    const char      *text;
    struct version   a, b;

    if (size > FUZZ_INPUT_MAX) {
        return 0;
    }

    text = (const char *) data;

    for (len = 0; len < size && text[len] != '\n'; len++) {
        /* void */
    }

    if (version_parse(&a, text, len, NULL) != 0) {
        return 0;
    }

    fuzz_normalised(&a);

    if (len < size
        && version_parse(&b, text + len + 1, size - len - 1, NULL) == 0)
    {
        if ((version_compare(&a, &b) < 0) != (version_compare(&b, &a) > 0)
            || (version_compare(&a, &b) == 0) != (version_compare(&b, &a) == 0))
        {
            abort();
        }

        version_clear(&b);
    }

    version_clear(&a);

    return 0;
}
