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
    size_t          next;           /* the member that is looked at first */
};


/* what stands for itself in a string, and is plain: ASCII without controls,
   quote and backslash */

static const uint8_t  mint_json_letters[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0,
};


static int mint_json_member(struct mint_json *json,
    struct mint_json_member *members, size_t count);
static size_t mint_json_find(struct mint_json *json,
    const struct mint_json_member *members, size_t count, const char *text,
    size_t len);
static int mint_json_value(struct mint_json *json, unsigned depth);
static int mint_json_container(struct mint_json *json, unsigned depth);
static int mint_json_name(struct mint_json *json,
    struct mint_json_member *out);
static int mint_json_string(struct mint_json *json,
    struct mint_json_member *out);
static size_t mint_json_letters_at(struct mint_json *json,
    const uint8_t **from);
static size_t mint_json_letter(struct mint_json *json, uint8_t utf8[4],
    const uint8_t **from);
static int mint_json_escape(struct mint_json *json, uint8_t utf8[4]);
static int mint_json_unicode(struct mint_json *json, uint8_t utf8[4]);
static int mint_json_hex4(struct mint_json *json, uint32_t *unit);
static int mint_json_number(struct mint_json *json, uint64_t *integer);
static int mint_json_integer(struct mint_json *json, uint64_t *integer);
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
    json.next = 0;

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
    struct mint_json_member   name = MINT_JSON_TEXT(NULL, text, sizeof(text));

    if (mint_json_name(json, &name) != 0) {
        return -1;
    }

    i = name.len < sizeof(text)
        ? mint_json_find(json, members, count, text, name.len) : count;

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


/* the index of the member of this name, or count */

static size_t
mint_json_find(struct mint_json *json, const struct mint_json_member *members,
    size_t count, const char *text, size_t len)
{
    size_t       i, k, at;
    const char  *name;

    for (i = 0; i < count; i++) {
        at = json->next + i;
        at = at < count ? at : at - count;
        name = members[at].name;

        for (k = 0; k < len && name[k] == text[k] && name[k] != '\0'; k++) {
            /* void */
        }

        if (k == len && name[k] == '\0') {
            json->next = at + 1 < count ? at + 1 : 0;
            return at;
        }
    }

    return count;
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
    int             is_plain;
    size_t          n, len;
    uint8_t         utf8[4];
    const uint8_t  *from;

    if (!mint_json_take(json, '"')) {
        return -1;
    }

    is_plain = 1;

    if (out != NULL) {
        out->text[0] = '\0';
    }

    for (len = 0; /* void */ ; len += n) {
        n = mint_json_letters_at(json, &from);

        if (n == 0) {
            if (mint_json_take(json, '"')) {
                break;
            }

            n = mint_json_letter(json, utf8, &from);

            if (n == 0) {
                return -1;
            }

            is_plain &= *from >= 0x20 && *from != 0x7f;
        }

        if (out != NULL && len + n < out->size) {
            memcpy(out->text + len, from, n);
            out->text[len + n] = '\0';
        }
    }

    if (out != NULL) {
        out->len = len;
        out->is_plain = is_plain;
    }

    return 0;
}


/* the run of letters that stand for themselves, most often all there is */

static size_t
mint_json_letters_at(struct mint_json *json, const uint8_t **from)
{
    const uint8_t  *p;

    for (p = json->p; p < json->end && mint_json_letters[*p]; p++) {
        /* void */
    }

    *from = json->p;
    json->p = p;

    return (size_t) (p - *from);
}


/* any other letter, as it is or unescaped; returns its bytes, 0 if none */

static size_t
mint_json_letter(struct mint_json *json, uint8_t utf8[4],
    const uint8_t **from)
{
    int     n;
    size_t  len;

    if (mint_json_take(json, '\\')) {
        n = mint_json_escape(json, utf8);
        *from = utf8;
        return n > 0 ? (size_t) n : 0;
    }

    *from = json->p;
    len = mint_utf8_length(*from, (size_t) (json->end - *from));

    if (len == 1 && **from < 0x20) {
        return 0;
    }

    json->p += len;

    return len;
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
    if (integer != NULL) {
        return mint_json_integer(json, integer);
    }

    mint_json_take(json, '-');

    if (!mint_json_take(json, '0') && mint_json_digits(json) != 0) {
        return -1;
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


/* a fraction or an exponent after it is then out of place */

static int
mint_json_integer(struct mint_json *json, uint64_t *integer)
{
    uint64_t        value;
    const uint8_t  *p;

    value = 0;

    for (p = json->p; p < json->end && *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (uint64_t) (*p - '0');

        if (value > MINT_JSON_INTEGER_MAX) {
            return -1;
        }
    }

    /* none, or a zero before others */

    if (p == json->p || (*json->p == '0' && p - json->p > 1)) {
        return -1;
    }

    *integer = value;
    json->p = p;

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
