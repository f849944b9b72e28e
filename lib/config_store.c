/* SPDX-License-Identifier: MIT */
/*
 * Values of the configuration in struct config: by the row's offset and type.
 * Secrets are wiped when they are replaced or freed.
 */

#include "lib/config_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>


static void config_store_list(struct config_list *list, const json_t *value);
static void config_free_text(char *text, bool is_secret);


void
config_store(struct config *config, const struct config_row *row,
    const json_t *value, const char *folder)
{
    void        *field;
    const char  *text;

    if (row->offset == CONFIG_NOT_USED) {
        return;
    }

    config_release(config, row);

    field = (char *) config + row->offset;
    text = json_string_value(value);

    switch (row->type) {

    case CONFIG_INTEGER:
        *(int64_t *) field = json_integer_value(value);
        break;

    case CONFIG_BOOLEAN:
        *(bool *) field = json_is_true(value);
        break;

    case CONFIG_LIST:
    case CONFIG_URL_LIST:
    case CONFIG_ORIGIN_LIST:
    case CONFIG_NETWORK_LIST:
    case CONFIG_PATH_LIST:
        config_store_list(field, value);
        break;

    case CONFIG_OBJECT:
        *(char **) field = json_dumps(value, JSON_COMPACT);
        break;

    case CONFIG_PATH:
        *(char **) field = config_absolute(folder, text);
        break;

    case CONFIG_PROGRAM:
        *(char **) field = strchr(text, '/') == NULL
                           ? mem_strdup(text) : config_absolute(folder, text);
        break;

    default:
        *(char **) field = mem_strdup(text);
        break;
    }
}


static void
config_store_list(struct config_list *list, const json_t *value)
{
    size_t  i;

    list->count = json_array_size(value);
    list->item = mem_alloc(list->count * sizeof(char *));

    for (i = 0; i < list->count; i++) {
        list->item[i] = mem_strdup(json_string_value(json_array_get(value,
                                                                    i)));
    }
}


void
config_release(struct config *config, const struct config_row *row)
{
    bool                 is_secret;
    void                *field;
    size_t               i;
    struct config_list  *list;

    if (row->offset == CONFIG_NOT_USED) {
        return;
    }

    field = (char *) config + row->offset;
    is_secret = row->flags & CONFIG_SECRET;

    switch (row->type) {

    case CONFIG_INTEGER:
    case CONFIG_BOOLEAN:
        break;

    case CONFIG_LIST:
    case CONFIG_URL_LIST:
    case CONFIG_ORIGIN_LIST:
    case CONFIG_NETWORK_LIST:
    case CONFIG_PATH_LIST:
        list = field;

        for (i = 0; i < list->count; i++) {
            config_free_text(list->item[i], is_secret);
        }

        free(list->item);
        list->item = NULL;
        list->count = 0;
        break;

    default:
        config_free_text(*(char **) field, is_secret);
        *(char **) field = NULL;
        break;
    }
}


static void
config_free_text(char *text, bool is_secret)
{
    if (text != NULL && is_secret) {
        explicit_bzero(text, strlen(text));
    }

    free(text);
}


void
config_wipe(const struct config_row *row, json_t *value)
{
    if ((row->flags & CONFIG_SECRET) && json_is_string(value)) {
        explicit_bzero((char *) json_string_value(value),
                       json_string_length(value));
    }
}


/* ".." is left alone: above a link it is not what the text suggests */

char *
config_absolute(const char *folder, const char *path)
{
    char   *joined, *from, *to;
    size_t  len;

    joined = *path == '/' ? mem_strdup(path)
                          : mem_printf("%s/%s", folder, path);

    for (from = to = joined; *from != '\0'; from += len) {
        from += strspn(from, "/");
        len = strcspn(from, "/");

        if (len == 0 || (len == 1 && *from == '.')) {
            continue;
        }

        *to++ = '/';
        memmove(to, from, len);
        to += len;
    }

    if (to == joined) {
        *to++ = '/';
    }

    *to = '\0';

    return joined;
}


void
config_type_text(const struct config_row *row, struct strbuf *out)
{
    static const char *const  names[CONFIG_TYPE_COUNT] = {
        [CONFIG_TEXT] = "string",
        [CONFIG_WORD] = "word",
        [CONFIG_CHOICE] = "",
        [CONFIG_URL] = "URL",
        [CONFIG_ADDRESS] = "IP address",
        [CONFIG_TIME] = "time",
        [CONFIG_PATH] = "path",
        [CONFIG_PROGRAM] = "program",
        [CONFIG_INTEGER] = "integer",
        [CONFIG_NUMBER] = "number",
        [CONFIG_BOOLEAN] = "boolean",
        [CONFIG_LIST] = "list",
        [CONFIG_URL_LIST] = "list of URLs",
        [CONFIG_TEXT_OR_LIST] = "string or list",
        [CONFIG_OBJECT] = "object",
        [CONFIG_OBJECT_LIST] = "list of objects",
        [CONFIG_ORIGIN_LIST] = "list of origins",
        [CONFIG_NETWORK_LIST] = "list of networks",
        [CONFIG_PATH_LIST] = "list of paths"
    };

    strbuf_puts(out, names[row->type]);

    if (row->choices != NULL) {
        strbuf_puts(out, row->type == CONFIG_CHOICE ? "" : " ");
        config_choices_text(row->choices, out);

    } else if (row->type == CONFIG_NUMBER
               || (row->type == CONFIG_INTEGER && row->max != INT64_MAX)
               || (row->type == CONFIG_TEXT && row->min > 0))
    {
        strbuf_printf(out, " %" PRId64 "-%" PRId64, row->min, row->max);

    } else if (row->type == CONFIG_INTEGER) {
        strbuf_printf(out, " from %" PRId64, row->min);
    }
}


/* the text is the thread's and good until its next call */

const char *
config_describe(size_t i)
{
    static _Thread_local struct strbuf  text;

    if (i >= config_row_count) {
        return NULL;
    }

    strbuf_clear(&text);
    strbuf_printf(&text, "%s\t", config_rows[i].path);
    config_type_text(&config_rows[i], &text);
    strbuf_printf(&text, "\t%s\t%s", config_rows[i].fallback,
                  config_rows[i].help);

    return strbuf_text(&text);
}
