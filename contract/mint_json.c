/* SPDX-License-Identifier: MIT */
/*
 * The JSON reader behind session tokens.  Recursion is bounded by
 * MINT_JSON_DEPTH_MAX; every byte read is checked against the end first.
 */

#include "mint_json.h"

#include <string.h>

#include "mint_bytes.h"
#include "mint_utf8.h"


#define MINT_JSON_NAME_MAX  16      /* longer names are of no interest */


struct mint_json {
    const uint8_t  *p;
    const uint8_t  *end;
    size_t          next;           /* the member that usually follows */
};


static int mint_json_member(struct mint_json *json,
    struct mint_json_member *members, size_t count);
static int mint_json_expected(struct mint_json *json,
    const struct mint_json_member *members, size_t count);
static int mint_json_find(struct mint_json *json,
    const struct mint_json_member *members, size_t count);
static int mint_json_value(struct mint_json *json, unsigned depth);
static int mint_json_container(struct mint_json *json, unsigned depth);
static int mint_json_name(struct mint_json *json,
    struct mint_json_member *out);
static int mint_json_string(struct mint_json *json,
    struct mint_json_member *out);
static size_t mint_json_letters(struct mint_json *json,
    const uint8_t **from);
static size_t mint_json_letter(struct mint_json *json, uint8_t utf8[4],
    const uint8_t **from);
static int mint_json_number(struct mint_json *json);
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
    struct mint_json_member  *m;

    if (!mint_json_expected(json, members, count)
        && mint_json_find(json, members, count) != 0)
    {
        return -1;
    }

    m = json->next < count ? &members[json->next] : NULL;
    json->next++;

    if (m == NULL || m->type == MINT_JSON_SKIPPED || m->type == MINT_JSON_ANY)
    {
        rc = mint_json_value(json, 2);

    } else if (m->type == MINT_JSON_STRING) {
        rc = mint_json_string(json, m);

    } else {
        rc = mint_json_integer(json, &m->integer);
    }

    if (m != NULL && m->type != MINT_JSON_SKIPPED) {
        if (m->is_present) {
            return -1;
        }

        m->is_present = 1;
    }

    mint_json_space(json);

    return rc;
}


/*
 * A short cut: is this plainly the name that usually follows?  Moves behind
 * it.  If not, that says nothing about the text.
 */

static int
mint_json_expected(struct mint_json *json,
    const struct mint_json_member *members, size_t count)
{
    const char     *name;
    const uint8_t  *p;

    if (json->next >= count || json->p == json->end || *json->p != '"') {
        return 0;
    }

    name = members[json->next].name;

    for (p = json->p + 1;
         p < json->end && *name != '\0' && *p == (uint8_t) *name;
         p++)
    {
        name++;
    }

    if (json->end - p < 2 || *name != '\0' || p[0] != '"' || p[1] != ':') {
        return 0;
    }

    json->p = p + 2;
    mint_json_space(json);

    return 1;
}


/* reads any name; next is then the member's index, or count */

static int
mint_json_find(struct mint_json *json, const struct mint_json_member *members,
    size_t count)
{
    char                      text[MINT_JSON_NAME_MAX];
    size_t                    i;
    struct mint_json_member   name = MINT_JSON_TEXT(NULL, text, sizeof(text));

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

    json->next = i;

    return 0;
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
        return mint_json_number(json);
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
        n = mint_json_letters(json, &from);

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


/* the run of plain ASCII that stands for itself, most often all there is */

static size_t
mint_json_letters(struct mint_json *json, const uint8_t **from)
{
    uint64_t        word, stops;
    const uint8_t  *p;

    *from = json->p;

    for (p = json->p; json->end - p >= 8; p += 8) {
        word = mint_bytes_load(p);
        stops = (mint_bytes_unprintable(word) | mint_bytes_equal(word, '"')
                 | mint_bytes_equal(word, '\\')) & MINT_BYTES_TOP;

        if (stops != 0) {
            json->p = p + mint_bytes_first(stops);
            return (size_t) (json->p - *from);
        }
    }

    while (p < json->end && *p >= 0x20 && *p < 0x7f && *p != '"'
           && *p != '\\')
    {
        p++;
    }

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
        n = mint_json_unescape(&json->p, json->end, utf8);
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


/* any number, of a value that is skipped */

static int
mint_json_number(struct mint_json *json)
{
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
    while (json->p < json->end && *json->p <= ' '
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
