/* SPDX-License-Identifier: MIT */
/*
 * The JSON reader behind session tokens.  Recursion is bounded by
 * MINT_JSON_DEPTH_MAX; every byte read is checked against the end first.
 */

#include "mint_json.h"

#include <string.h>

#include "mint_utf8.h"


#define MINT_JSON_NAME_MAX  16      /* longer names are of no interest */


struct mint_json {
    const uint8_t  *p;
    const uint8_t  *end;
};


static int mint_json_member(struct mint_json *json,
    struct mint_json_member *members, size_t count);
static int mint_json_value(struct mint_json *json, unsigned depth);
static int mint_json_container(struct mint_json *json, unsigned depth);
static int mint_json_name(struct mint_json *json,
    struct mint_json_member *out);
static int mint_json_string(struct mint_json *json,
    struct mint_json_member *out);
static int mint_json_escape(struct mint_json *json, uint8_t utf8[4]);
static int mint_json_unicode(struct mint_json *json, uint8_t utf8[4]);
static int mint_json_hex4(struct mint_json *json, uint32_t *unit);
static int mint_json_number(struct mint_json *json, uint64_t *integer);
static int mint_json_digits(struct mint_json *json);
static int mint_json_literal(struct mint_json *json, const char *word);
static void mint_json_space(struct mint_json *json);
static int mint_json_take(struct mint_json *json, char c);


int
mint_json_read(const uint8_t *data, size_t len,
    struct mint_json_member *members, size_t count)
{
    int               is_first;
    struct mint_json  json;

    json.p = data;
    json.end = data + len;

    mint_json_space(&json);

    if (!mint_json_take(&json, '{')) {
        return -1;
    }

    mint_json_space(&json);

    for (is_first = 1; !mint_json_take(&json, '}'); is_first = 0) {
        if (!is_first && !mint_json_take(&json, ',')) {
            return -1;
        }

        if (mint_json_member(&json, members, count) != 0) {
            return -1;
        }
    }

    mint_json_space(&json);

    return json.p == json.end ? 0 : -1;
}


static int
mint_json_member(struct mint_json *json, struct mint_json_member *members,
    size_t count)
{
    int                       rc;
    char                      text[MINT_JSON_NAME_MAX];
    size_t                    i;
    struct mint_json_member   name = { NULL, MINT_JSON_STRING, text,
                                       sizeof(text), 0, 0, 0 };

    if (mint_json_name(json, &name) != 0) {
        return -1;
    }

    for (i = 0; i < count; i++) {
        if (strlen(members[i].name) == name.len
            && memcmp(members[i].name, text, name.len) == 0)
        {
            break;
        }
    }

    if (i == count || members[i].type == MINT_JSON_ANY) {
        rc = mint_json_value(json, 2);

    } else if (members[i].type == MINT_JSON_STRING) {
        rc = mint_json_string(json, &members[i]);

    } else {
        rc = mint_json_number(json, &members[i].integer);
    }

    if (i < count) {
        if (members[i].is_present) {
            return -1;
        }

        members[i].is_present = 1;
    }

    mint_json_space(json);

    return rc;
}


static int
mint_json_value(struct mint_json *json, unsigned depth)
{
    if (json->p == json->end) {
        return -1;
    }

    switch (*json->p) {

    case '{':
    case '[':
        return mint_json_container(json, depth);

    case '"':
        return mint_json_string(json, NULL);

    case 't':
        return mint_json_literal(json, "true");

    case 'f':
        return mint_json_literal(json, "false");

    case 'n':
        return mint_json_literal(json, "null");

    default:
        return mint_json_number(json, NULL);
    }
}


static int
mint_json_container(struct mint_json *json, unsigned depth)
{
    int   is_first, is_object;

    if (depth > MINT_JSON_DEPTH_MAX) {
        return -1;
    }

    is_object = *json->p++ == '{';

    mint_json_space(json);

    for (is_first = 1;
         !mint_json_take(json, is_object ? '}' : ']');
         is_first = 0)
    {
        if (!is_first && !mint_json_take(json, ',')) {
            return -1;
        }

        if (is_object && mint_json_name(json, NULL) != 0) {
            return -1;
        }

        mint_json_space(json);

        if (mint_json_value(json, depth + 1) != 0) {
            return -1;
        }

        mint_json_space(json);
    }

    return 0;
}


/* up to and with the colon and the space after it */

static int
mint_json_name(struct mint_json *json, struct mint_json_member *out)
{
    mint_json_space(json);

    if (mint_json_string(json, out) != 0) {
        return -1;
    }

    mint_json_space(json);

    if (!mint_json_take(json, ':')) {
        return -1;
    }

    mint_json_space(json);

    return 0;
}


static int
mint_json_string(struct mint_json *json, struct mint_json_member *out)
{
    int             n;
    size_t          len;
    uint8_t         utf8[4];
    const uint8_t  *from;

    if (!mint_json_take(json, '"')) {
        return -1;
    }

    len = 0;

    while (!mint_json_take(json, '"')) {
        if (mint_json_take(json, '\\')) {
            n = mint_json_escape(json, utf8);
            from = utf8;

        } else {
            from = json->p;
            n = (int) mint_utf8_length(from, (size_t) (json->end - from));
            json->p += n;

            if (n == 1 && *from < 0x20) {
                return -1;
            }
        }

        if (n <= 0) {
            return -1;
        }

        if (out != NULL && len + (size_t) n < out->size) {
            memcpy(out->text + len, from, (size_t) n);
            out->text[len + (size_t) n] = '\0';
        }

        len += (size_t) n;
    }

    if (out != NULL) {
        out->len = len;

        if (len == 0) {
            out->text[0] = '\0';
        }
    }

    return 0;
}


/* after the backslash; returns the count of bytes or -1 */

static int
mint_json_escape(struct mint_json *json, uint8_t utf8[4])
{
    const char         *found;
    static const char   letters[] = "\"\\/bfnrt";
    static const char   meaning[] = "\"\\/\b\f\n\r\t";

    if (json->p == json->end || *json->p == '\0') {
        return -1;
    }

    if (*json->p == 'u') {
        json->p++;
        return mint_json_unicode(json, utf8);
    }

    found = strchr(letters, *json->p);

    if (found == NULL) {
        return -1;
    }

    json->p++;
    utf8[0] = (uint8_t) meaning[found - letters];

    return 1;
}


/* after "\u"; a lone surrogate names no character and is refused */

static int
mint_json_unicode(struct mint_json *json, uint8_t utf8[4])
{
    uint32_t  code, low;

    if (mint_json_hex4(json, &code) != 0) {
        return -1;
    }

    if (code >= 0xd800 && code <= 0xdfff) {
        if (code > 0xdbff || !mint_json_take(json, '\\')
            || !mint_json_take(json, 'u') || mint_json_hex4(json, &low) != 0
            || low < 0xdc00 || low > 0xdfff)
        {
            return -1;
        }

        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        utf8[0] = (uint8_t) (0xf0 | code >> 18);
        utf8[1] = (uint8_t) (0x80 | (code >> 12 & 0x3f));
        utf8[2] = (uint8_t) (0x80 | (code >> 6 & 0x3f));
        utf8[3] = (uint8_t) (0x80 | (code & 0x3f));
        return 4;
    }

    if (code < 0x80) {
        utf8[0] = (uint8_t) code;
        return 1;
    }

    if (code < 0x800) {
        utf8[0] = (uint8_t) (0xc0 | code >> 6);
        utf8[1] = (uint8_t) (0x80 | (code & 0x3f));
        return 2;
    }

    utf8[0] = (uint8_t) (0xe0 | code >> 12);
    utf8[1] = (uint8_t) (0x80 | (code >> 6 & 0x3f));
    utf8[2] = (uint8_t) (0x80 | (code & 0x3f));

    return 3;
}


static int
mint_json_hex4(struct mint_json *json, uint32_t *unit)
{
    int      i;
    uint8_t  c;

    if (json->end - json->p < 4) {
        return -1;
    }

    *unit = 0;

    for (i = 0; i < 4; i++) {
        c = *json->p++;

        if (c >= '0' && c <= '9') {
            c = (uint8_t) (c - '0');

        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            c = (uint8_t) ((c | 0x20) - 'a' + 10);

        } else {
            return -1;
        }

        *unit = *unit << 4 | c;
    }

    return 0;
}


/* integer NULL: any number; else one that is a non-negative integer */

static int
mint_json_number(struct mint_json *json, uint64_t *integer)
{
    uint64_t        value;
    const uint8_t  *start, *p;

    start = json->p;
    mint_json_take(json, '-');

    if (!mint_json_take(json, '0') && mint_json_digits(json) != 0) {
        return -1;
    }

    if (integer != NULL) {
        if (*start == '-') {
            return -1;
        }

        for (value = 0, p = start; p < json->p; p++) {
            value = value * 10 + (uint64_t) (*p - '0');

            if (value > MINT_JSON_INTEGER_MAX) {
                return -1;
            }
        }

        /* a fraction or an exponent after it is then out of place */

        *integer = value;
        return 0;
    }

    if (mint_json_take(json, '.') && mint_json_digits(json) != 0) {
        return -1;
    }

    if (mint_json_take(json, 'e') || mint_json_take(json, 'E')) {
        if (!mint_json_take(json, '+')) {
            mint_json_take(json, '-');
        }

        return mint_json_digits(json);
    }

    return 0;
}


/* one or more */

static int
mint_json_digits(struct mint_json *json)
{
    const uint8_t  *start;

    start = json->p;

    while (json->p < json->end && *json->p >= '0' && *json->p <= '9') {
        json->p++;
    }

    return json->p == start ? -1 : 0;
}


static int
mint_json_literal(struct mint_json *json, const char *word)
{
    size_t  len;

    len = strlen(word);

    if ((size_t) (json->end - json->p) < len
        || memcmp(json->p, word, len) != 0)
    {
        return -1;
    }

    json->p += len;

    return 0;
}


static void
mint_json_space(struct mint_json *json)
{
    while (json->p < json->end
           && (*json->p == ' ' || *json->p == '\t' || *json->p == '\n'
               || *json->p == '\r'))
    {
        json->p++;
    }
}


static int
mint_json_take(struct mint_json *json, char c)
{
    if (json->p == json->end || *json->p != (uint8_t) c) {
        return 0;
    }

    json->p++;

    return 1;
}


int
mint_json_is_plain(const char *text, size_t len)
{
    size_t          n;
    const uint8_t  *p;

    for (p = (const uint8_t *) text; len > 0; p += n, len -= n) {
        n = mint_utf8_length(p, len);

        if (n == 0 || *p < 0x20 || *p == 0x7f) {
            return 0;
        }
    }

    return 1;
}


int
mint_json_quote(char *to, size_t size, const char *text, size_t len)
{
    int     is_special;
    size_t  i, n;

    if (size == 0 || !mint_json_is_plain(text, len)) {
        return -1;
    }

    for (i = 0, n = 0; i < len; i++) {
        is_special = text[i] == '"' || text[i] == '\\';

        if (size - n < (is_special ? 3 : 2)) {
            return -1;
        }

        if (is_special) {
            to[n++] = '\\';
        }

        to[n++] = text[i];
    }

    to[n] = '\0';

    return (int) n;
}
