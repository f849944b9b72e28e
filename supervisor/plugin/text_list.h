/* SPDX-License-Identifier: MIT */
/*
 * A growing list of texts, always ended by NULL in memory.  Zero-initialise.
 */

#ifndef SUPERVISOR_PLUGIN_TEXT_LIST_H
#define SUPERVISOR_PLUGIN_TEXT_LIST_H

#include <stdbool.h>
#include <stddef.h>


struct text_list {
    char   **item;                  /* NULL while empty */
    size_t   count;
};


void text_list_add(struct text_list *list, const char *text);
void text_list_printf(struct text_list *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool text_list_has(const struct text_list *list, const char *text);
void text_list_clear(struct text_list *list);

#endif /* SUPERVISOR_PLUGIN_TEXT_LIST_H */
