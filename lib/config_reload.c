/* SPDX-License-Identifier: MIT */
/*
 * A configuration read again beside the one in use: what of it is taken over,
 * and what would take a restart.
 */

#include "lib/config_table.h"

#include <string.h>


static bool config_row_differs(const struct config_row *row,
    const struct config *a, const struct config *b);
static bool config_list_differs(const struct config_list *a,
    const struct config_list *b);


void
config_take(struct config *config, struct config *fresh)
{
    size_t               i;
    struct config_list  *list, *other, was;

    for (i = 0; i < config_row_count; i++) {
        if (config_rows[i].flags & CONFIG_RELOAD) {
            list = (void *) ((char *) config + config_rows[i].offset);
            other = (void *) ((char *) fresh + config_rows[i].offset);
            was = *list;
            *list = *other;
            *other = was;
        }
    }
}


const char *
config_next_difference(const struct config *a, const struct config *b,
    size_t *i)
{
    const struct config_row  *row;

    while (*i < config_row_count) {
        row = &config_rows[(*i)++];

        if (row->offset != CONFIG_NOT_USED
            && !(row->flags & CONFIG_RELOAD)
            && config_row_differs(row, a, b))
        {
            return row->path;
        }
    }

    return NULL;
}


static bool
config_row_differs(const struct config_row *row, const struct config *a,
    const struct config *b)
{
    const void  *left, *right;
    const char  *text, *other;

    left = (const char *) a + row->offset;
    right = (const char *) b + row->offset;

    switch (row->type) {

    case CONFIG_INTEGER:
        return *(const int64_t *) left != *(const int64_t *) right;

    case CONFIG_BOOLEAN:
        return *(const bool *) left != *(const bool *) right;

    case CONFIG_LIST:
    case CONFIG_URL_LIST:
    case CONFIG_ORIGIN_LIST:
    case CONFIG_NETWORK_LIST:
    case CONFIG_PATH_LIST:
        return config_list_differs(left, right);

    default:
        text = *(char *const *) left;
        other = *(char *const *) right;

        return text == NULL || other == NULL ? text != other
                                             : strcmp(text, other) != 0;
    }
}


static bool
config_list_differs(const struct config_list *a, const struct config_list *b)
{
    size_t  i;

    if (a->count != b->count) {
        return true;
    }

    for (i = 0; i < a->count; i++) {
        if (strcmp(a->item[i], b->item[i]) != 0) {
            return true;
        }
    }

    return false;
}
