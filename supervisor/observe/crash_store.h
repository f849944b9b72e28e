/* SPDX-License-Identifier: MIT */
/*
 * Crash reports as files, <data>/crashes/<plugin>/<milliseconds>.json: the
 * last 20 of each plugin.  Written by the supervisor, read by mintctl.
 */

#ifndef SUPERVISOR_OBSERVE_CRASH_STORE_H
#define SUPERVISOR_OBSERVE_CRASH_STORE_H

#include <jansson.h>
#include <stdint.h>

#include "lib/error.h"


#define CRASH_KEPT      20
#define CRASH_FILE_MAX  (4 * 1024 * 1024)


/* <data>/crashes; to be freed */
char *crash_directory(const char *data_path);

/* writes or replaces one and removes what is too old; not synced to the disk:
   it must not hold up the supervisor, and survives its death all the same */
int crash_save(const char *directory, const char *plugin, uint64_t unix_ms,
    json_t *report, struct error *err);

/*
 * All reports of a plugin (NULL: of all), newest first; each gets its
 * "number" among those of its plugin, 1 = the newest.  A new reference to a
 * list; unreadable files are left out.
 */
json_t *crash_list(const char *directory, const char *plugin);

#endif /* SUPERVISOR_OBSERVE_CRASH_STORE_H */
