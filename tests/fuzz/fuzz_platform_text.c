/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: what callers of mint-platform send as text.  JSON with exact
 * numbers that is accepted must be written as text that is accepted, equal to
 * it and written the same again; paths and times only must not break
 * anything.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "platform/exact_json.h"
#include "platform/router.h"
#include "platform/time_text.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_json(const char *text, size_t len)
{
    char     *written;
    char     *again;
    json_t   *value;
    json_t   *copy;
    int64_t   number;

    value = exact_json_load(text, len, NULL);

    if (value == NULL) {
        return;
    }

    (void) exact_json_integer(value, &number);
    written = exact_json_text(value);
    copy = exact_json_load(written, strlen(written), NULL);

    if (copy == NULL || !exact_json_equal(value, copy)) {
        abort();
    }

    again = exact_json_text(copy);

    if (strcmp(written, again) != 0) {
        abort();
    }

    free(again);
    free(written);
    json_decref(copy);
    json_decref(value);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                       *text;
    uint64_t                    unix_ms;
    const struct route         *route;
    struct route_params         params;
    static const struct route   table[] = {
        { "GET", "/a/{name}/b/{#id}", 0, NULL, 0, NULL, NULL },
        { "GET", "/{+rest}", 0, NULL, 0, NULL, NULL }
    };

    fuzz_json((const char *) data, size);

    text = malloc(size + 1);

    if (text == NULL) {
        return 0;
    }

    memcpy(text, data, size);
    text[size] = '\0';

    (void) time_text_parse(text, &unix_ms);
    (void) router_find(table, 2, "GET", text, &route, &params);
    free(text);

    return 0;
}
