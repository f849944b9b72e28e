/* SPDX-License-Identifier: MIT */
/*
 * Lists of texts: arguments, environments, names.
 */

#include "supervisor/plugin/text_list.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"


/* takes the text over */

static void
text_list_push(struct text_list *list, char *text)
{
    list->item = mem_grow(list->item, list->count + 2, sizeof(char *));
    list->item[list->count++] = text;
    list->item[list->count] = NULL;
}


void
text_list_add(struct text_list *list, const char *text)
{
    text_list_push(list, mem_strdup(text));
}


void
text_list_printf(struct text_list *list, const char *format, ...)
{
    va_list        args;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));

    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);

    text_list_push(list, mem_strdup(strbuf_text(&text)));
    strbuf_free(&text);
}


bool
text_list_has(const struct text_list *list, const char *text)
{
    size_t  i;

    for (i = 0; i < list->count; i++) {
        if (strcmp(list->item[i], text) == 0) {
            return true;
        }
    }

    return false;
}


void
text_list_clear(struct text_list *list)
{
    size_t  i;

    for (i = 0; i < list->count; i++) {
        free(list->item[i]);
    }

    free(list->item);
    memset(list, 0, sizeof(struct text_list));
}
