/* SPDX-License-Identifier: MIT */
/*
 * JSON whose numbers keep their text.  Plugins compute revisions over the
 * text of their settings: 1.0 must not come back as 1, nor a long integer as
 * a rounded one.  Values are those of jansson, except that a number is a
 * string that this file recognises, and that a string that begins with NUL
 * begins with two.
 */

#ifndef PLATFORM_EXACT_JSON_H
#define PLATFORM_EXACT_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/strbuf.h"


/* NULL and *err on malformed text; any JSON value */
json_t *exact_json_load(const char *text, size_t len, struct error *err);

/* appends the text; object members sorted, no white space */
void exact_json_dump(const json_t *value, struct strbuf *out);
/* the same, owned by the caller */
char *exact_json_text(const json_t *value);

bool exact_json_is_number(const json_t *value);
/* true for a string that is not a number */
bool exact_json_is_string(const json_t *value);
/* 0 if the value is a number written as an integer that fits, else -1 */
int exact_json_integer(const json_t *value, int64_t *out);

/* as Python compares the JSON text of both: 1 is not 1.0, 1e2 is 100.0 */
bool exact_json_equal(const json_t *a, const json_t *b);

#endif /* PLATFORM_EXACT_JSON_H */
