/* SPDX-License-Identifier: MIT */
/*
 * Lines of several logs as one list.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge_request.h"
#include "log_reader.h"


/* of the shared process, and of that plugin in it */

static bool
log_filter_is_shared(const struct log_filter *filter,
    const struct log_line *line, const char *name)
{
    const char  *member;

    if (strcmp(name, LOG_LINE_SHARED) != 0) {
        return false;
    }

    member = json_string_value(json_object_get(line->members,
                                               LOG_LINE_MEMBER));

    return member != NULL && strcmp(member, filter->plugin) == 0;
}


bool
log_filter_passes(const struct log_filter *filter,
    const struct log_line *line, const char *name)
{
    return line->level >= filter->level
           && (filter->plugin == NULL || strcmp(filter->plugin, name) == 0
               || log_filter_is_shared(filter, line, name)
               || (filter->request_id != NULL
                   && strcmp(EDGE_NAME, name) == 0))
           && (filter->request_id == NULL
               || strcmp(filter->request_id, line->request_id) == 0);
}


void
log_entries_add(struct log_entries *entries, struct log_line *line,
    const char *name)
{
    struct log_entry  *entry;

    if (entries->count == entries->size) {
        entries->size = entries->size == 0 ? 256 : entries->size * 2;
        entries->item = mem_grow(entries->item, entries->size,
                                 sizeof(struct log_entry));
    }

    entry = &entries->item[entries->count++];
    entry->line = *line;
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    memset(line, 0, sizeof(*line));
}


static int
log_entries_compare(const void *a, const void *b)
{
    const struct log_entry  *left, *right;

    left = a;
    right = b;

    if (left->line.unix_us != right->line.unix_us) {
        return left->line.unix_us < right->line.unix_us ? -1 : 1;
    }

    return strcmp(left->name, right->name);
}


void
log_entries_sort(struct log_entries *entries)
{
    size_t             i, kept;
    struct log_entry  *item;

    if (entries->count == 0) {
        return;
    }

    item = entries->item;
    qsort(item, entries->count, sizeof(*item), log_entries_compare);
    kept = 1;

    for (i = 1; i < entries->count; i++) {
        if (log_entries_compare(&item[i], &item[kept - 1]) == 0
            && strcmp(item[i].line.text, item[kept - 1].line.text) == 0)
        {
            log_line_clear(&item[i].line);
            continue;
        }

        item[kept++] = item[i];
    }

    entries->count = kept;
}


void
log_entries_by_own_time(struct log_entries *entries)
{
    size_t            i;
    uint64_t          unix_us;
    struct log_line  *line;

    for (i = 0; i < entries->count; i++) {
        line = &entries->item[i].line;
        unix_us = log_time_parse(line->logged_at, strlen(line->logged_at));

        if (unix_us != 0) {
            line->unix_us = unix_us;
        }
    }

    log_entries_sort(entries);
}


void
log_entries_keep(struct log_entries *entries, size_t count)
{
    size_t  i, gone;

    if (entries->count <= count) {
        return;
    }

    gone = entries->count - count;

    for (i = 0; i < gone; i++) {
        log_line_clear(&entries->item[i].line);
    }

    memmove(entries->item, entries->item + gone,
            count * sizeof(struct log_entry));
    entries->count = count;
}


void
log_entries_clear(struct log_entries *entries)
{
    log_entries_keep(entries, 0);
    free(entries->item);
    memset(entries, 0, sizeof(*entries));
}
