/* SPDX-License-Identifier: MIT */
/*
 * Before jansson parses, each number in the text becomes a string that begins
 * with NUL and '#', and a string that begins with NUL gets a second one; after
 * jansson has written, both are undone.
 */

#include "platform/exact_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>


#define EXACT_NUL        "\\u0000"
#define EXACT_NUL_LEN    6
#define EXACT_DEPTH_MAX  256


static int exact_wrap(const char *text, size_t len, struct strbuf *out,
    struct error *err);
static size_t exact_wrap_string(const char *text, size_t len,
    struct strbuf *out);
static void exact_unwrap(const char *text, struct strbuf *out);
static size_t exact_number_length(const char *text, size_t len);
static size_t exact_digits(const char *text, size_t len);
static const char *exact_number_text(const json_t *value);
static bool exact_number_equal(const char *a, const char *b);
static bool exact_object_equal(const json_t *a, const json_t *b);


json_t *
exact_json_load(const char *text, size_t len, struct error *err)
{
    json_t        *value;
    json_error_t   problem;
    struct strbuf  wrapped = { 0 };

    if (exact_wrap(text, len, &wrapped, err) != MINT_OK) {
        strbuf_free(&wrapped);
        return NULL;
    }

    value = json_loadb(strbuf_text(&wrapped), wrapped.len,
                       JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
    strbuf_free(&wrapped);

    if (value == NULL) {
        (void) error_set(err, MINT_ERR_INVALID, "malformed JSON: line %d: "
                         "%.160s", problem.line, problem.text);
    }

    return value;
}


void
exact_json_dump(const json_t *value, struct strbuf *out)
{
    char  *text;

    text = json_dumps(value,
                      JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

    if (text == NULL) {
        abort();            /* out of memory: values come from a parser */
    }

    exact_unwrap(text, out);
    free(text);
}


char *
exact_json_text(const json_t *value)
{
    struct strbuf  text = { 0 };

    exact_json_dump(value, &text);

    return text.data;
}


bool
exact_json_is_number(const json_t *value)
{
    return exact_number_text(value) != NULL;
}


bool
exact_json_is_string(const json_t *value)
{
    return json_is_string(value) && exact_number_text(value) == NULL;
}


int
exact_json_integer(const json_t *value, int64_t *out)
{
    char        *end;
    long long    number;
    const char  *text;

    text = exact_number_text(value);

    if (text == NULL) {
        return -1;
    }

    errno = 0;
    number = strtoll(text, &end, 10);

    if (errno != 0 || *end != '\0') {
        return -1;
    }

    *out = number;

    return 0;
}


bool
exact_json_equal(const json_t *a, const json_t *b)
{
    size_t       i;
    const char  *number_a;
    const char  *number_b;

    number_a = exact_number_text(a);
    number_b = exact_number_text(b);

    if (number_a != NULL || number_b != NULL) {
        return number_a != NULL && number_b != NULL
               && exact_number_equal(number_a, number_b);
    }

    if (json_typeof(a) != json_typeof(b)) {
        return false;
    }

    if (json_is_object(a)) {
        return exact_object_equal(a, b);
    }

    if (!json_is_array(a)) {
        return json_equal(a, b) != 0;
    }

    if (json_array_size(a) != json_array_size(b)) {
        return false;
    }

    for (i = 0; i < json_array_size(a); i++) {
        if (!exact_json_equal(json_array_get(a, i), json_array_get(b, i))) {
            return false;
        }
    }

    return true;
}


/* refuses what begins like a number and is none, and what clients with a
   stack of their own could not read again */

static int
exact_wrap(const char *text, size_t len, struct strbuf *out,
    struct error *err)
{
    int     depth;
    size_t  i;
    size_t  n;

    depth = 0;

    for (i = 0; i < len; i += n) {
        n = 1;
        depth += (text[i] == '[' || text[i] == '{')
                 - (text[i] == ']' || text[i] == '}');

        if (depth > EXACT_DEPTH_MAX) {
            return error_set(err, MINT_ERR_INVALID, "malformed JSON: nested "
                             "deeper than %d", EXACT_DEPTH_MAX);
        }

        if (text[i] == '"') {
            n = exact_wrap_string(text + i, len - i, out);
            continue;
        }

        if (text[i] != '-' && (text[i] < '0' || text[i] > '9')) {
            strbuf_append(out, text + i, 1);
            continue;
        }

        n = exact_number_length(text + i, len - i);

        if (n == 0) {
            return error_set(err, MINT_ERR_INVALID, "malformed JSON: a number "
                             "is not valid");
        }

        strbuf_puts(out, "\"" EXACT_NUL "#");
        strbuf_append(out, text + i, n);
        strbuf_puts(out, "\"");
    }

    return MINT_OK;
}


/* up to the closing quote, or all there is; returns bytes read */

static size_t
exact_wrap_string(const char *text, size_t len, struct strbuf *out)
{
    size_t  i;

    for (i = 1; i < len && text[i] != '"'; i++) {
        i += text[i] == '\\';
    }

    i = i < len ? i + 1 : len;
    strbuf_puts(out, "\"");

    if (i > EXACT_NUL_LEN && memcmp(text + 1, EXACT_NUL, EXACT_NUL_LEN) == 0) {
        strbuf_puts(out, EXACT_NUL);
    }

    strbuf_append(out, text + 1, i - 1);

    return i;
}


/* the text is jansson's: compact and well-formed */

static void
exact_unwrap(const char *text, struct strbuf *out)
{
    bool         in_string;
    const char  *from;

    in_string = false;
    from = text;

    for ( ; *text != '\0'; text++) {

        if (in_string && *text == '\\') {
            text++;

        } else if (in_string && *text == '"') {
            in_string = false;

        } else if (*text == '"') {
            in_string = true;

            if (strncmp(text + 1, EXACT_NUL, EXACT_NUL_LEN) != 0) {
                continue;
            }

            if (text[1 + EXACT_NUL_LEN] != '#') {
                strbuf_append(out, from, (size_t) (text + 1 - from));
                text += EXACT_NUL_LEN;
                from = text + 1;
                continue;
            }

            strbuf_append(out, from, (size_t) (text - from));
            from = text + 1 + EXACT_NUL_LEN + 1;
            text = strchr(from, '"');
            strbuf_append(out, from, (size_t) (text - from));
            from = text + 1;
            in_string = false;
        }
    }

    strbuf_puts(out, from);
}


/* RFC 8259 section 6; 0 if it is not a whole number token */

static size_t
exact_number_length(const char *text, size_t len)
{
    size_t  i;
    size_t  n;

    i = text[0] == '-';
    n = exact_digits(text + i, len - i);

    if (n == 0 || (n > 1 && text[i] == '0')) {
        return 0;
    }

    i += n;

    if (i < len && text[i] == '.') {
        n = exact_digits(text + i + 1, len - i - 1);
        if (n == 0) {
            return 0;
        }
        i += 1 + n;
    }

    if (i < len && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        i += i < len && (text[i] == '+' || text[i] == '-');
        n = exact_digits(text + i, len - i);
        if (n == 0) {
            return 0;
        }
        i += n;
    }

    if (i < len && strchr(",]} \t\r\n", text[i]) == NULL) {
        return 0;
    }

    return i;
}


static size_t
exact_digits(const char *text, size_t len)
{
    size_t  n;

    n = 0;

    while (n < len && text[n] >= '0' && text[n] <= '9') {
        n++;
    }

    return n;
}


static const char *
exact_number_text(const json_t *value)
{
    const char  *text;

    if (!json_is_string(value)) {
        return NULL;
    }

    text = json_string_value(value);

    return text[0] == '\0' && json_string_length(value) > 1 && text[1] == '#'
           ? text + 2 : NULL;
}


static bool
exact_number_equal(const char *a, const char *b)
{
    double  x;
    double  y;
    bool    real_a;
    bool    real_b;

    real_a = strpbrk(a, ".eE") != NULL;
    real_b = strpbrk(b, ".eE") != NULL;

    if (real_a != real_b) {
        return false;
    }

    if (!real_a) {
        /* without leading zeros equal numbers are equal texts, but for -0 */
        return strcmp(strcmp(a, "-0") == 0 ? "0" : a,
                      strcmp(b, "-0") == 0 ? "0" : b) == 0;
    }

    x = strtod(a, NULL);
    y = strtod(b, NULL);

    return memcmp(&x, &y, sizeof(double)) == 0;
}


static bool
exact_object_equal(const json_t *a, const json_t *b)
{
    json_t      *value;
    json_t      *other;
    const char  *key;

    if (json_object_size(a) != json_object_size(b)) {
        return false;
    }

    json_object_foreach((json_t *) (uintptr_t) a, key, value) {
        other = json_object_get(b, key);

        if (other == NULL || !exact_json_equal(value, other)) {
            return false;
        }
    }

    return true;
}
