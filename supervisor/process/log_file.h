/* SPDX-License-Identifier: MIT */
/*
 * A log file that is appended to and rotated: path, path.1 (newer) to path.10
 * (older).  Never blocks for long and never fails its caller: where nothing
 * can be written, bytes are counted and tried again once a second.  Opened
 * twice under one path it is one file, so that two processes of one name do
 * not rotate it from under each other.
 */

#ifndef SUPERVISOR_PROCESS_LOG_FILE_H
#define SUPERVISOR_PROCESS_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/strbuf.h"


#define LOG_FILE_MAX        (50 * 1024 * 1024)
#define LOG_FILE_KEPT       10              /* besides the current one */


struct log_file;

enum log_file_news {
    LOG_FILE_SAME = 0,          /* as before */
    LOG_FILE_FAILS = 1,         /* from now on nothing is written */
    LOG_FILE_WORKS = 2          /* written again, after having failed */
};


/* never NULL; that it cannot be opened shows at the first append */
struct log_file *log_file_open(const char *path);
void log_file_close(struct log_file **file);

/*
 * Appends lines as a whole or not at all; count is that of the lines.  When
 * the news is not LOG_FILE_SAME, why says what has happened (borrowed until
 * the next call).
 */
enum log_file_news log_file_append(struct log_file *file, const char *lines,
    size_t len, size_t count, const char **why);

/* lines that were not written since the start */
uint64_t log_file_dropped(const struct log_file *file);

/* the last bytes of the file, at most max, from the beginning of a line on */
void log_file_tail(const struct log_file *file, size_t max,
    struct strbuf *out);

#endif /* SUPERVISOR_PROCESS_LOG_FILE_H */
