/* SPDX-License-Identifier: MIT */
/*
 * Values of the configuration by type: reading the environment's text and
 * checking.  Types are one table; what a type accepts and how it is described
 * stand side by side.  Storing is in config_store.c.
 */

#include "lib/config_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "contract/mint_origin.h"


#define CONFIG_SHOW_MAX  60         /* bytes of a wrong value in an error */
#define CONFIG_URL_MAX   2048


static json_t *config_parse_list(const char *text);
static bool config_is_text(const struct config_row *row, const json_t *value);
static bool config_is_word(const struct config_row *row, const json_t *value);
static bool config_is_choice(const struct config_row *row,
    const json_t *value);
static bool config_is_url(const struct config_row *row, const json_t *value);
static bool config_is_address(const struct config_row *row,
    const json_t *value);
static bool config_is_time(const struct config_row *row, const json_t *value);
static bool config_is_path(const struct config_row *row, const json_t *value);
static bool config_is_integer(const struct config_row *row,
    const json_t *value);
static bool config_is_number(const struct config_row *row,
    const json_t *value);
static bool config_is_boolean(const struct config_row *row,
    const json_t *value);
static bool config_is_item(const struct config_row *row, const json_t *value);
static bool config_is_text_or_list(const struct config_row *row,
    const json_t *value);
static bool config_is_object(const struct config_row *row,
    const json_t *value);
static bool config_is_origin(const struct config_row *row,
    const json_t *value);
static bool config_is_network(const struct config_row *row,
    const json_t *value);
static bool config_is_absolute(const struct config_row *row,
    const json_t *value);
static bool config_has_choice(const char *choices, const char *text);
static void config_expected(const struct config_row *row, struct strbuf *out);
static void config_show(const struct config_row *row, const json_t *value,
    struct strbuf *out);


static const struct {
    const char  *expected;          /* of a value, or of a list's item */
    bool         is_list;
    bool       (*accepts)(const struct config_row *row, const json_t *value);
} config_types[CONFIG_TYPE_COUNT] = {
    [CONFIG_TEXT] = { "a string", false, config_is_text },
    [CONFIG_WORD] = { "a string of letters, digits and . _ + ! -", false,
                      config_is_word },
    [CONFIG_CHOICE] = { "one of", false, config_is_choice },
    [CONFIG_URL] = { "an http:// or https:// address", false, config_is_url },
    [CONFIG_ADDRESS] = { "an IPv4 or IPv6 address", false,
                         config_is_address },
    [CONFIG_TIME] = { "a time of day like 03:00", false, config_is_time },
    [CONFIG_PATH] = { "a path", false, config_is_path },
    [CONFIG_PROGRAM] = { "a path or a program's name", false,
                         config_is_path },
    [CONFIG_INTEGER] = { "an integer", false, config_is_integer },
    [CONFIG_NUMBER] = { "a number", false, config_is_number },
    [CONFIG_BOOLEAN] = { "true or false", false, config_is_boolean },
    [CONFIG_LIST] = { "a list of strings", true, config_is_item },
    [CONFIG_URL_LIST] = { "a list of http:// or https:// addresses", true,
                          config_is_url },
    [CONFIG_TEXT_OR_LIST] = { "a string or a list of strings", false,
                              config_is_text_or_list },
    [CONFIG_OBJECT] = { "an object", false, config_is_object },
    [CONFIG_OBJECT_LIST] = { "a list of objects", true, config_is_object },
    [CONFIG_ORIGIN_LIST] = { "a list of origins like "
                             "https://lims.example.org, without a path", true,
                             config_is_origin },
    [CONFIG_PATH_LIST] = { "a list of absolute paths", true,
                           config_is_absolute },
    [CONFIG_NETWORK_LIST] = { "a list of addresses and networks like "
                              "10.0.0.0/8", true, config_is_network },
};


json_t *
config_parse(const struct config_row *row, const char *text)
{
    char       *end;
    json_t     *value;
    long long   number;

    value = NULL;

    switch (row->type) {

    case CONFIG_INTEGER:
        errno = 0;
        number = strtoll(text, &end, 10);

        if (errno == 0 && *end == '\0' && end != text
            && strspn(text, "-0123456789") == strlen(text))
        {
            value = json_integer(number);
        }

        break;

    case CONFIG_BOOLEAN:
        if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0) {
            value = json_true();

        } else if (strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0) {
            value = json_false();
        }

        break;

    case CONFIG_LIST:
    case CONFIG_URL_LIST:
    case CONFIG_ORIGIN_LIST:
    case CONFIG_NETWORK_LIST:
    case CONFIG_PATH_LIST:
        value = config_parse_list(text);
        break;

    case CONFIG_NUMBER:
    case CONFIG_OBJECT:
    case CONFIG_OBJECT_LIST:
        value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                           NULL);
        break;

    default:
        break;
    }

    return value != NULL ? value : json_string(text);
}


/* a JSON list, or texts between commas */

static json_t *
config_parse_list(const char *text)
{
    size_t   len, skip;
    json_t  *list;

    text += strspn(text, " \t");

    if (*text == '[') {
        return json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    }

    list = json_array();

    while (*text != '\0') {
        skip = strcspn(text, ",");

        for (len = skip; len > 0 && strchr(" \t", text[len - 1]); len--) {
            /* void */
        }

        json_array_append_new(list, json_stringn(text, len));

        text += skip + (text[skip] == ',');
        text += strspn(text, " \t");
    }

    return list;
}


int
config_check(const struct config_row *row, const json_t *value,
    struct error *err)
{
    int            rc;
    size_t         i;
    const json_t  *wrong;
    struct strbuf  expected = { 0 }, shown = { 0 };

    wrong = NULL;
    i = 0;

    if (!config_types[row->type].is_list) {
        wrong = config_types[row->type].accepts(row, value) ? NULL : value;

    } else if (!json_is_array(value)) {
        wrong = value;

    } else {
        for (i = 0; i < json_array_size(value) && wrong == NULL; i++) {
            wrong = json_array_get(value, i);
            wrong = config_types[row->type].accepts(row, wrong) ? NULL
                                                                : wrong;
        }
    }

    if (wrong == NULL) {
        return 0;
    }

    config_expected(row, &expected);
    config_show(row, wrong, &shown);

    if (wrong != value) {
        strbuf_printf(&shown, " as item %zu", i);
    }

    rc = error_set(err, MINT_ERR_INVALID, "expected %s, got %s",
                   strbuf_text(&expected), strbuf_text(&shown));

    strbuf_free(&expected);
    strbuf_free(&shown);

    return rc;
}


/* control characters would end up in nginx's configuration and in logs */

static bool
config_is_text(const struct config_row *row, const json_t *value)
{
    size_t       i, len;
    const char  *text;

    if (!json_is_string(value)) {
        return false;
    }

    text = json_string_value(value);
    len = json_string_length(value);

    for (i = 0; i < len; i++) {
        if ((unsigned char) text[i] >= 0x20 && text[i] != 0x7f) {
            continue;
        }

        if (!(row->flags & CONFIG_LINES) || text[i] == '\0'
            || strchr("\t\r\n", text[i]) == NULL)
        {
            return false;
        }
    }

    if (len == 0 && *row->fallback == '\0') {
        return true;
    }

    return row->max == 0
           || ((int64_t) len >= row->min && (int64_t) len <= row->max);
}


static bool
config_is_word(const struct config_row *row, const json_t *value)
{
    const char  *text;

    if (!config_is_text(row, value)) {
        return false;
    }

    text = json_string_value(value);

    return *text != '-'
           && strspn(text, "abcdefghijklmnopqrstuvwxyz"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+!-")
              == strlen(text);
}


static bool
config_is_choice(const struct config_row *row, const json_t *value)
{
    return json_is_string(value)
           && config_has_choice(row->choices, json_string_value(value));
}


static bool
config_is_url(const struct config_row *row, const json_t *value)
{
    size_t       len;
    const char  *text, *host;

    if (!json_is_string(value)) {
        return false;
    }

    text = json_string_value(value);
    len = strlen(text);

    if (len == 0 && row->type == CONFIG_URL) {
        return true;
    }

    if (strncmp(text, "https://", 8) == 0) {
        host = text + 8;

    } else if (strncmp(text, "http://", 7) == 0) {
        host = text + 7;

    } else {
        return false;
    }

    return len <= CONFIG_URL_MAX && strcspn(host, "/?#") > 0
           && strspn(text, "abcdefghijklmnopqrstuvwxyz"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                           "-._~:/?#[]@!$&'()*+,;=%") == len;
}


static bool
config_is_address(const struct config_row *row, const json_t *value)
{
    unsigned char  address[sizeof(struct in6_addr)];

    (void) row;

    return json_is_string(value)
           && (inet_pton(AF_INET, json_string_value(value), address) == 1
               || inet_pton(AF_INET6, json_string_value(value), address)
                  == 1);
}


static bool
config_is_origin(const struct config_row *row, const json_t *value)
{
    struct mint_origin  origin;

    (void) row;

    return json_is_string(value)
           && mint_origin_parse(json_string_value(value),
                                json_string_length(value), &origin)
              == 0;
}


static bool
config_is_absolute(const struct config_row *row, const json_t *value)
{
    return config_is_text(row, value) && *json_string_value(value) == '/';
}


static bool
config_is_network(const struct config_row *row, const json_t *value)
{
    int            bits;
    char           text[INET6_ADDRSTRLEN];
    size_t         len;
    const char    *slash;
    unsigned char  address[sizeof(struct in6_addr)];

    (void) row;

    if (!json_is_string(value)) {
        return false;
    }

    len = strcspn(json_string_value(value), "/");
    slash = json_string_value(value) + len;

    if (len >= sizeof(text)) {
        return false;
    }

    memcpy(text, json_string_value(value), len);
    text[len] = '\0';

    bits = inet_pton(AF_INET, text, address) == 1 ? 32
           : inet_pton(AF_INET6, text, address) == 1 ? 128 : -1;

    if (*slash == '\0' || bits < 0) {
        return bits > 0;
    }

    len = strlen(slash + 1);

    return len > 0 && len < 4 && strspn(slash + 1, "0123456789") == len
           && atoi(slash + 1) <= bits;
}


static bool
config_is_time(const struct config_row *row, const json_t *value)
{
    const char  *t;

    (void) row;

    if (!json_is_string(value) || json_string_length(value) != 5) {
        return false;
    }

    t = json_string_value(value);

    return strspn(t, "0123456789") == 2 && t[2] == ':'
           && strspn(t + 3, "0123456789") == 2 && atoi(t) < 24
           && atoi(t + 3) < 60;
}


static bool
config_is_path(const struct config_row *row, const json_t *value)
{
    return config_is_text(row, value) && json_string_length(value) > 0;
}


static bool
config_is_integer(const struct config_row *row, const json_t *value)
{
    char     text[24];
    int64_t  number;

    if (!json_is_integer(value)) {
        return false;
    }

    number = json_integer_value(value);

    if (row->choices != NULL) {
        snprintf(text, sizeof(text), "%" PRId64, number);
        return config_has_choice(row->choices, text);
    }

    return number >= row->min && number <= row->max;
}


static bool
config_is_number(const struct config_row *row, const json_t *value)
{
    return json_is_number(value)
           && json_number_value(value) >= (double) row->min
           && json_number_value(value) <= (double) row->max;
}


static bool
config_is_boolean(const struct config_row *row, const json_t *value)
{
    (void) row;

    return json_is_boolean(value);
}


static bool
config_is_item(const struct config_row *row, const json_t *value)
{
    return config_is_text(row, value) && json_string_length(value) > 0;
}


static bool
config_is_text_or_list(const struct config_row *row, const json_t *value)
{
    size_t  i;

    if (!json_is_array(value)) {
        return config_is_text(row, value);
    }

    for (i = 0; i < json_array_size(value); i++) {
        if (!config_is_item(row, json_array_get(value, i))) {
            return false;
        }
    }

    return true;
}


static bool
config_is_object(const struct config_row *row, const json_t *value)
{
    (void) row;

    return json_is_object(value);
}


static bool
config_has_choice(const char *choices, const char *text)
{
    size_t  len, text_len;

    text_len = strlen(text);

    for ( ;; ) {
        len = strcspn(choices, "|");

        if (len == text_len && memcmp(choices, text, len) == 0) {
            return true;
        }

        if (choices[len] == '\0') {
            return false;
        }

        choices += len + 1;
    }
}


static void
config_expected(const struct config_row *row, struct strbuf *out)
{
    if (row->type == CONFIG_CHOICE) {
        config_choices_text(row->choices, out);
        return;
    }

    strbuf_puts(out, config_types[row->type].expected);

    if (row->choices != NULL) {
        strbuf_puts(out, ": ");
        config_choices_text(row->choices, out);

    } else if (row->type == CONFIG_INTEGER || row->type == CONFIG_NUMBER) {
        strbuf_printf(out, " from %" PRId64 " to %" PRId64, row->min,
                      row->max);

    } else if (row->type == CONFIG_TEXT && row->min > 0) {
        strbuf_printf(out, " of %" PRId64 " to %" PRId64 " bytes", row->min,
                      row->max);

    } else if (row->max > 0) {
        strbuf_printf(out, " of at most %" PRId64 " bytes", row->max);
    }
}


void
config_choices_text(const char *choices, struct strbuf *out)
{
    size_t       len;
    const char  *next;

    for ( ;; ) {
        len = strcspn(choices, "|");
        strbuf_append(out, choices, len);

        if (choices[len] == '\0') {
            return;
        }

        choices += len + 1;
        next = strchr(choices, '|');
        strbuf_puts(out, next == NULL ? " or " : ", ");
    }
}


static void
config_show(const struct config_row *row, const json_t *value,
    struct strbuf *out)
{
    int          len;
    const char  *text;

    switch (json_typeof(value)) {

    case JSON_STRING:
        text = json_string_value(value);

        if (row->flags & CONFIG_SECRET) {
            strbuf_printf(out, "a string of %zu bytes (not shown)",
                          json_string_length(value));
            break;
        }

        len = (int) strnlen(text, CONFIG_SHOW_MAX);
        strbuf_printf(out, "the string \"%.*s\"%s", len, text,
                      text[len] == '\0' ? "" : "...");
        break;

    case JSON_INTEGER:
        strbuf_printf(out, "the integer %" JSON_INTEGER_FORMAT,
                      json_integer_value(value));
        break;

    case JSON_REAL:
        strbuf_printf(out, "the number %g", json_real_value(value));
        break;

    case JSON_TRUE:
    case JSON_FALSE:
        strbuf_puts(out, json_is_true(value) ? "true" : "false");
        break;

    case JSON_NULL:
        strbuf_puts(out, "null");
        break;

    case JSON_ARRAY:
        strbuf_puts(out, "a list");
        break;

    case JSON_OBJECT:
        strbuf_puts(out, "an object");
        break;
    }
}
