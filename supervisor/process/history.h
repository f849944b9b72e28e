/* SPDX-License-Identifier: MIT */
/*
 * What has happened to a plugin: the last 100 records, kept as JSON lines in a
 * file that is only appended to and now and then written anew, shorter.  A
 * supervisor that is killed loses nothing; one that finds half a line skips
 * it.
 */

#ifndef SUPERVISOR_PROCESS_HISTORY_H
#define SUPERVISOR_PROCESS_HISTORY_H

#include <jansson.h>
#include <stddef.h>


#define HISTORY_RECORDS    100
#define HISTORY_LINE_MAX   16384        /* a longer record loses its text */


struct history;


/* <directory>/<name>.jsonl; what cannot be read or written is logged once and
   kept in memory only */
struct history *history_open(const char *directory, const char *name);
void history_free(struct history **history);

/* takes record over and gives it its "time" */
void history_add(struct history *history, json_t *record);

/* the last count ones, oldest first; a new reference */
json_t *history_tail(const struct history *history, size_t count);

/* the last one whose key has this text and, unless NULL, whose other has that
   one; borrowed, NULL if there is none */
json_t *history_last(const struct history *history, const char *key,
    const char *text, const char *other, const char *that);

#endif /* SUPERVISOR_PROCESS_HISTORY_H */
