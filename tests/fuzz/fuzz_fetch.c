/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: what uv says of files it would fetch, and, behind the first
 * NUL, a pylock.toml.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/fetch.h"


#define FUZZ_INPUT_MAX  16384


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool            is_complete;
    char           *said, *rest, *line;
    json_t         *list;
    size_t          i, len;
    struct fetch    fetch;
    struct strbuf   text;

    if (size > FUZZ_INPUT_MAX) {
        return 0;
    }

    memset(&fetch, 0, sizeof(fetch));
    memset(&text, 0, sizeof(text));

    len = strnlen((const char *) data, size);
    said = mem_printf("%.*s", (int) len, (const char *) data);
    rest = said;

    while ((line = strsep(&rest, "\n")) != NULL) {
        fetch_line(&fetch, line);
    }

    if (len < size) {
        strbuf_append(&text, data + len + 1, size - len - 1);
    }

    fetch_sizes(&fetch, &text);
    fetch_bytes(&fetch, &is_complete);
    list = fetch_encode(&fetch);

    if (fetch.missing > fetch.count || json_array_size(list) > fetch.missing
        || (is_complete && !fetch_is_known(&fetch)))
    {
        abort();
    }

    for (i = 0; i < json_array_size(list); i++) {
        if (!json_is_object(json_array_get(list, i))) {
            abort();
        }
    }

    json_decref(list);
    strbuf_free(&text);
    fetch_clear(&fetch);
    free(said);

    return 0;
}
