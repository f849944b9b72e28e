/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the JSON reader of session tokens, compared with jansson.
 * Both must say the same of every input, apart from what the reader leaves
 * out on purpose: deep nesting.
 */

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "contract/mint_json.h"


#define FUZZ_INPUT_MAX  3072


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static unsigned
fuzz_depth(const json_t *value)
{
    size_t       i;
    json_t      *member;
    unsigned     depth, deepest;
    const char  *key;

    deepest = 0;

    if (json_is_array(value)) {
        json_array_foreach(value, i, member) {
            depth = fuzz_depth(member);
            deepest = depth > deepest ? depth : deepest;
        }

    } else if (json_is_object(value)) {
        json_object_foreach((json_t *) value, key, member) {
            depth = fuzz_depth(member);
            deepest = depth > deepest ? depth : deepest;
        }

    } else {
        return 0;
    }

    return deepest + 1;
}


/* what jansson refuses although it is JSON */

static int
fuzz_is_limit(const json_error_t *why)
{
    return json_error_code(why) == json_error_numeric_overflow
           || json_error_code(why) == json_error_null_byte_in_key;
}


static void
fuzz_members(const uint8_t *data, size_t size)
{
    int                       rc;
    char                      text[8];
    size_t                    i;
    struct mint_json_member   m[] = {
        MINT_JSON_TEXT("sub", text, sizeof(text)),
        MINT_JSON_OTHER("exp", MINT_JSON_INTEGER),
        MINT_JSON_OTHER("crit", MINT_JSON_ANY),
    };

    rc = mint_json_read(data, size, m, 3);

    if (rc == 0 && m[1].integer > MINT_JSON_INTEGER_MAX) {
        abort();
    }

    /* members that are read can only make it stricter */

    if (rc == 0 && mint_json_read(data, size, NULL, 0) != 0) {
        abort();
    }

    if (rc == 0 && m[0].is_present && m[0].len < sizeof(text)) {
        for (i = 0; i < m[0].len && text[i] != '\0'; i++) {
            /* void: reads what it claims to have written */
        }

        if (text[m[0].len] != '\0') {
            abort();
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int            rc;
    json_t        *second;
    json_error_t   why;

    if (size > FUZZ_INPUT_MAX) {
        return 0;
    }

    rc = mint_json_read(data, size, NULL, 0);

    /* jansson 2.14 loses a NUL byte after a word: "false\0" is false to it */

    if (memchr(data, '\0', size) != NULL) {
        if (rc == 0) {
            abort();
        }

        return 0;
    }

    second = json_loadb((const char *) data, size, JSON_ALLOW_NUL, &why);

    if (rc == 0 && second == NULL && !fuzz_is_limit(&why)) {
        abort();
    }

    if (rc != 0 && json_is_object(second)
        && fuzz_depth(second) <= MINT_JSON_DEPTH_MAX)
    {
        /* a doubled member with a deeper first value is not in the tree */
        json_decref(second);
        second = json_loadb((const char *) data, size,
                            JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);

        if (second != NULL) {
            abort();
        }
    }

    json_decref(second);
    fuzz_members(data, size);

    return 0;
}
