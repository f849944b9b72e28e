/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a request that is refused: the answer is whole, and JSON where
 * it says so.
 */

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/process/refuser.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                 *copy;
    json_t               *json;
    const char           *body;
    struct strbuf         answer = { 0 };
    const struct refusal  refusal = {
        "peak-table", "starting", "crashed", "has no process", 1
    };

    copy = malloc(size + 1);

    if (copy == NULL) {
        return 0;
    }

    memcpy(copy, data, size);

    (void) refuser_has_head(copy, size);
    refuser_answer(&answer, copy, size, &refusal);
    body = strstr(answer.data, "\r\n\r\n");

    if (body == NULL) {
        abort();
    }

    if (strstr(answer.data, "problem+json") != NULL) {
        json = json_loads(body + 4, JSON_ALLOW_NUL, NULL);

        if (json == NULL) {
            abort();
        }

        json_decref(json);
    }

    strbuf_free(&answer);
    free(copy);

    return 0;
}
