/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a set of specifiers and behind a newline a version.  What the
 * set takes cannot be unsatisfiable, and written again it means the same.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/specifier.h"


#define FUZZ_INPUT_MAX  8192


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_set(const struct specifier_set *set, const char *version)
{
    bool                   takes;
    struct strbuf          text;
    struct specifier_set   again;

    memset(&text, 0, sizeof(text));
    specifier_set_write(set, &text);

    if (specifier_set_parse(&again, strbuf_text(&text), text.len, NULL) != 0
        || !specifier_set_equals(set, &again))
    {
        abort();
    }

    takes = specifier_set_has(set, version, SPECIFIER_AUTO);

    if (takes != specifier_set_has(&again, version, SPECIFIER_AUTO)
        || (takes && specifier_set_is_unsatisfiable(set, SPECIFIER_AUTO)))
    {
        abort();
    }

    specifier_set_is_unsatisfiable(&again, SPECIFIER_REFUSE);
    specifier_set_clear(&again);
    strbuf_free(&text);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                  *version;
    size_t                 len;
    struct strbuf          text;
    struct specifier_set   set;

    if (size > FUZZ_INPUT_MAX || memchr(data, '\0', size) != NULL) {
        return 0;
    }

    memset(&text, 0, sizeof(text));
    strbuf_append(&text, data, size);
    len = strcspn(strbuf_text(&text), "\n");
    version = mem_strdup(strbuf_text(&text) + len + (len < size));

    if (specifier_set_parse(&set, strbuf_text(&text), len, NULL) == 0) {
        fuzz_set(&set, version);
        specifier_set_clear(&set);
    }

    free(version);
    strbuf_free(&text);

    return 0;
}
