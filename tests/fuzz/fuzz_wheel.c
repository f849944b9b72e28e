/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: what an uploaded wheel says about itself.  The first byte
 * chooses the parser: file name, METADATA, entry_points.txt.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/wheel.h"


#define FUZZ_INPUT_MAX  8192


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_name(const uint8_t *data, size_t size)
{
    char           *distribution, *name, *version;
    struct error    err;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    strbuf_append(&text, data, size);
    name = mem_strdup(strbuf_text(&text));
    strbuf_free(&text);

    distribution = NULL;
    version = NULL;

    if (wheel_parse_name(name, &distribution, &version, &err) == 0
        && (distribution[0] == '\0' || version[0] == '\0'
            || strchr(distribution, '/') != NULL
            || strchr(version, '/') != NULL))
    {
        abort();
    }

    free(distribution);
    free(version);
    free(name);
}


static void
fuzz_text(const uint8_t *data, size_t size,
    int (*parse)(struct wheel *wheel, const struct strbuf *text,
    struct error *err))
{
    struct error   err;
    struct wheel   wheel;
    struct strbuf  text;

    memset(&wheel, 0, sizeof(wheel));
    memset(&text, 0, sizeof(text));
    strbuf_append(&text, data, size);

    parse(&wheel, &text, &err);

    strbuf_free(&text);
    wheel_clear(&wheel);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > FUZZ_INPUT_MAX) {
        return 0;
    }

    switch (data[0] % 3) {

    case 0:
        fuzz_name(data + 1, size - 1);
        break;

    case 1:
        fuzz_text(data + 1, size - 1, wheel_parse_metadata);
        break;

    default:
        fuzz_text(data + 1, size - 1, wheel_parse_entry_points);
        break;
    }

    return 0;
}
