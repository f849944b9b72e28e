/* SPDX-License-Identifier: MIT */
/*
 * One line of a log: what a process printed, made into time, level, text and
 * what else a JSON line says; and the form it has in log files and on the
 * supervisor's own log.  Plain text is told from JSON lines, which are merged:
 * their members become members of ours.
 *
 *   {"time": "2026-01-02T03:04:05.000006Z", "level": "warn", "plugin": "x",
 *    "instance": "x.0a.3", "stream": "output"|"supervisor", "message": "...",
 *    "request_id": "..."?, "logged_at": the line's own time?, ...its members}
 *
 * A member that we have ourselves keeps its value under "line_" + its name.
 */

#ifndef SUPERVISOR_PROCESS_LOG_LINE_H
#define SUPERVISOR_PROCESS_LOG_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/log.h"
#include "lib/strbuf.h"


#define LOG_LINE_REQUEST_ID_MAX  64
#define LOG_LINE_TIME_SIZE       28         /* with microseconds, and NUL */


/* the log of a process that is several plugins; its lines name theirs in the
   member LOG_LINE_MEMBER */
#define LOG_LINE_SHARED  "+shared"
#define LOG_LINE_MEMBER  "shared_plugin"


struct log_line {
    uint64_t         unix_us;       /* when it was read; unique */
    enum log_level   level;
    const char      *stream;        /* "output", "supervisor"; static */
    char            *text;          /* may hold any byte but NUL */
    char            *instance;      /* "x.0a.3", NULL = of none */
    char             request_id[LOG_LINE_REQUEST_ID_MAX + 1];
    char             logged_at[LOG_LINE_TIME_SIZE];     /* "" = not said */
    json_t          *members;       /* of a JSON line, what is not above */
};


/* what lines before say of a plain one; zero-initialise, one per process */

struct log_context {
    enum log_level  level;
    bool            is_traceback;
};


/*
 * line: as it was printed, without its end; NULs become U+FFFD.  out is
 * overwritten; free with log_line_clear().
 */
void log_line_read(struct log_line *out, struct log_context *context,
    const char *line, size_t len);

void log_line_clear(struct log_line *line);

/* adds the line of the file, with its end */
void log_line_write(const struct log_line *line, const char *plugin,
    struct strbuf *out);

/* adds the line as people read it, with its end */
void log_line_show(const struct log_line *line, const char *plugin,
    struct strbuf *out);

/* any text on one line, without what a terminal would obey */
void log_text_show(struct strbuf *out, const char *text);

/* reads back what log_line_write() wrote, without its end; false: it is none;
   plugin (if not NULL) has room for size bytes */
bool log_line_parse(struct log_line *out, const char *text, size_t len,
    char *plugin, size_t size);

/* 2026-01-02T03:04:05.000006Z */
void log_time_text(uint64_t unix_us, char text[LOG_LINE_TIME_SIZE]);

/* 0 if it is no such text: a date and a time in UTC, with or without a
   fraction; len as far as it may be read */
uint64_t log_time_parse(const char *text, size_t len);

/* "warning", "CRITICAL", "30" ... as a level; false if it is none */
bool log_level_parse(const char *text, size_t len, enum log_level *level);

/* "ERROR: ...", "WARNING ...", "[error] ...", also behind a date and a time;
   false if it begins otherwise */
bool log_text_level(const char *text, enum log_level *level);

/* the first line of a Python traceback, or of what faulthandler says */
bool log_line_is_traceback(const char *text);

/* now, but later than every time given out or told of before */
uint64_t log_clock_us(void);
void log_clock_seen(uint64_t unix_us);

#endif /* SUPERVISOR_PROCESS_LOG_LINE_H */
