/* SPDX-License-Identifier: MIT */
/*
 * A strict reader of one small JSON object (RFC 8259) for mint_token.c: no
 * allocation, so that an nginx worker can use it for every request.  Not for
 * documents; the daemons use jansson for those.
 */

#ifndef MINT_JSON_H
#define MINT_JSON_H

#include <stddef.h>
#include <stdint.h>


#define MINT_JSON_DEPTH_MAX     8
#define MINT_JSON_INTEGER_MAX   9007199254740991ULL     /* RFC 7493, 2.2 */


enum mint_json_type {
    MINT_JSON_STRING,
    MINT_JSON_INTEGER,              /* 0 .. MINT_JSON_INTEGER_MAX */
    MINT_JSON_ANY,                  /* only whether it is there */
    MINT_JSON_SKIPPED               /* as if it were not listed */
};


/*
 * A member that is read.  text has room for size bytes, NUL included; len is
 * the full length, so len >= size means that it did not fit (text is then
 * cut).  A string may contain NUL bytes: use len; is_plain says that it has no
 * control characters (see mint_json_is_plain).
 */

struct mint_json_member {
    const char           *name;
    enum mint_json_type   type;
    char                 *text;
    size_t                size;
    size_t                len;
    uint64_t              integer;
    int                   is_present;
    int                   is_plain;
};

#define MINT_JSON_TEXT(name, text, size)                                      \
    { name, MINT_JSON_STRING, text, size, 0, 0, 0, 0 }
#define MINT_JSON_OTHER(name, type)  { name, type, NULL, 0, 0, 0, 0, 0 }


/*
 * Reads the object; other members are checked and skipped.  Members should be
 * listed in the order they usually come in: that is faster.  Returns 0, or -1
 * on anything that is not JSON, not one object, nested deeper than
 * MINT_JSON_DEPTH_MAX, or a listed member that is doubled or of another type.
 */
int mint_json_read(const uint8_t *data, size_t len,
    struct mint_json_member *members, size_t count);


/* mint_json_text.c */

/* reads behind a backslash, moves *p; returns the count of bytes or -1 */
int mint_json_unescape(const uint8_t **p, const uint8_t *end,
    uint8_t utf8[4]);

/* true if it is valid UTF-8 without control characters */
int mint_json_is_plain(const char *text, size_t len);

/* writes text as the inside of a JSON string, with a NUL; returns the length,
   or -1 if it is not plain or does not fit */
int mint_json_quote(char *to, size_t size, const char *text, size_t len);

#endif /* MINT_JSON_H */
