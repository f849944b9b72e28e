/* SPDX-License-Identifier: MIT */
/*
 * Bytes as text: UTF-8 checks and cleaning for logs and JSON.
 */

#ifndef LIB_TEXT_H
#define LIB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/strbuf.h"


/* length of the valid UTF-8 sequence at text, 0 if there is none */
size_t text_utf8_length(const char *text, size_t len);

bool text_is_utf8(const char *text);

/* replaces in place each byte that is not part of valid UTF-8 and each
   control character except line feed and tab by '?' */
void text_clean(char *text);

/* adds the inside of a JSON string: escapes, and U+FFFD for each byte that is
   not part of valid UTF-8; text may hold NULs */
void text_json(struct strbuf *out, const char *text, size_t len);

#endif /* LIB_TEXT_H */
