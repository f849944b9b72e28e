/* SPDX-License-Identifier: MIT */
/*
 * Log lines of the daemons, to stderr: text for people on a terminal, JSON
 * lines otherwise (MINT_LOG_FORMAT=text|json decides).  One write(2) a line.
 * error = someone must act, warn = degraded, info = state change.
 * Lines are lower-case, without a final stop, values quoted.
 */

#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdbool.h>
#include <stddef.h>


enum log_level {
    LOG_LEVEL_DEBUG = 0,
    LOG_LEVEL_INFO = 1,
    LOG_LEVEL_WARN = 2,
    LOG_LEVEL_ERROR = 3
};


/* optional fields of a line; NULL = absent */
struct log_fields {
    const char  *plugin;
    const char  *instance;
    const char  *request_id;
};


/* program: "supervisor"; level from MINT_LOG_LEVEL (default info) */
void log_open(const char *program);

void log_write(enum log_level level, const struct log_fields *fields,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* "debug", "info", "warn", "error" */
const char *log_level_name(enum log_level level);

/* whether lines of that level are written at all */
bool log_wants(enum log_level level);

/* whether lines are JSON objects */
bool log_is_json(void);

/* whole lines that are in our format already, e.g. those of a plugin */
void log_pass(const char *lines, size_t len);

/* fn gets every line that log_write() writes, too (before it is written); it
   may log, that is not passed on to it again; NULL = nobody */
typedef void (*log_copy_fn)(void *ctx, enum log_level level,
    const struct log_fields *fields, const char *message);

void log_copy_to(log_copy_fn fn, void *ctx);

#define log_debug(...)  log_write(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__)
#define log_info(...)   log_write(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
#define log_warn(...)   log_write(LOG_LEVEL_WARN, NULL, __VA_ARGS__)
#define log_error(...)  log_write(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)

#endif /* LIB_LOG_H */
