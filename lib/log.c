/* SPDX-License-Identifier: MIT */
/*
 * One line per event to stderr, by one write(2), so that lines of threads and
 * of processes sharing the pipe do not mix.  Who collects and rotates them is
 * the keeper's and the supervisor's business.
 */

#include "lib/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "lib/text.h"


#define LOG_PROGRAM_MAX    32
#define LOG_LINE_MAX       (64 * 1024)
#define LOG_WAIT_MS        100


static void log_line_text(struct strbuf *line, enum log_level level,
    const struct log_fields *fields, const char *message);
static void log_line_json(struct strbuf *line, enum log_level level,
    const struct log_fields *fields, const char *message);
static void log_escape(struct strbuf *line, const char *text);
static void log_emit(const char *data, size_t len);


static const char *const  log_level_names[] = {
    "debug", "info", "warn", "error"
};

#define LOG_LEVEL_COUNT  (sizeof(log_level_names) / sizeof(log_level_names[0]))


/* set once by log_open(), before there are threads */
static struct {
    char            program[LOG_PROGRAM_MAX];
    enum log_level  level;
    bool            is_json;
    bool            is_file;                /* never full for a moment only */
    log_copy_fn     copy;
    void           *copy_ctx;
} log_state = { "mint", LOG_LEVEL_INFO, false, false, NULL, NULL };

static _Thread_local bool  log_is_copying;


void
log_open(const char *program)
{
    size_t       i;
    const char  *level, *format;
    struct stat  st;

    snprintf(log_state.program, sizeof(log_state.program), "%s", program);
    text_clean(log_state.program);

    log_state.level = LOG_LEVEL_INFO;
    log_state.is_json = !isatty(STDERR_FILENO);
    log_state.is_file = fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);

    format = getenv("MINT_LOG_FORMAT");
    level = getenv("MINT_LOG_LEVEL");

    if (format != NULL && *format != '\0') {
        if (strcmp(format, "json") == 0) {
            log_state.is_json = true;

        } else if (strcmp(format, "text") == 0) {
            log_state.is_json = false;

        } else {
            log_warn("MINT_LOG_FORMAT is \"%s\": expected text or json",
                     format);
        }
    }

    if (level == NULL || *level == '\0') {
        return;
    }

    for (i = 0; i < LOG_LEVEL_COUNT; i++) {
        if (strcasecmp(level, log_level_names[i]) == 0) {
            log_state.level = (enum log_level) i;
            return;
        }
    }

    log_warn("MINT_LOG_LEVEL is \"%s\": expected debug, info, warn or error",
             level);
}


void
log_write(enum log_level level, const struct log_fields *fields,
    const char *format, ...)
{
    int            saved;
    va_list        args;
    struct strbuf  message = { 0 }, line = { 0 };

    if (level < log_state.level || (size_t) level >= LOG_LEVEL_COUNT) {
        return;
    }

    saved = errno;

    va_start(args, format);
    strbuf_vprintf(&message, format, args);
    va_end(args);

    if (message.len > LOG_LINE_MAX) {
        message.len = LOG_LINE_MAX;
        message.data[message.len] = '\0';
    }

    if (log_state.copy != NULL && !log_is_copying) {
        log_is_copying = true;
        log_state.copy(log_state.copy_ctx, level, fields,
                       strbuf_text(&message));
        log_is_copying = false;
    }

    if (log_state.is_json) {
        log_line_json(&line, level, fields, strbuf_text(&message));

    } else {
        log_line_text(&line, level, fields, strbuf_text(&message));
    }

    log_emit(line.data, line.len);

    strbuf_free(&message);
    strbuf_free(&line);

    errno = saved;
}


const char *
log_level_name(enum log_level level)
{
    return log_level_names[level];
}


bool
log_wants(enum log_level level)
{
    return level >= log_state.level;
}


bool
log_is_json(void)
{
    return log_state.is_json;
}


void
log_pass(const char *lines, size_t len)
{
    log_emit(lines, len);
}


void
log_copy_to(log_copy_fn fn, void *ctx)
{
    log_state.copy = fn;
    log_state.copy_ctx = ctx;
}


static void
log_line_text(struct strbuf *line, enum log_level level,
    const struct log_fields *fields, const char *message)
{
    char         time[32];
    size_t       i;
    const char  *names[] = { "instance", "request_id" };
    const char  *values[2];

    time_rfc3339(time_unix_ms(), time);
    strbuf_printf(line, "%s %-5s ", time, log_level_names[level]);

    /* whose line it is comes first: a reader looks for one plugin */

    log_escape(line, fields != NULL && fields->plugin != NULL
                     ? fields->plugin : log_state.program);
    strbuf_puts(line, ": ");
    log_escape(line, message);

    if (fields != NULL) {
        values[0] = fields->instance;
        values[1] = fields->request_id;

        for (i = 0; i < 2; i++) {
            if (values[i] != NULL) {
                strbuf_printf(line, " %s=", names[i]);
                log_escape(line, values[i]);
            }
        }
    }

    strbuf_puts(line, "\n");
}


static void
log_line_json(struct strbuf *line, enum log_level level,
    const struct log_fields *fields, const char *message)
{
    char         time[32];
    size_t       i;
    const char  *names[] = { "message", "plugin", "instance", "request_id" };
    const char  *values[4] = { message, NULL, NULL, NULL };

    if (fields != NULL) {
        values[1] = fields->plugin;
        values[2] = fields->instance;
        values[3] = fields->request_id;
    }

    time_rfc3339(time_unix_ms(), time);
    strbuf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"",
                  time, log_level_names[level]);
    log_escape(line, log_state.program);
    strbuf_puts(line, "\"");

    for (i = 0; i < 4; i++) {
        if (values[i] != NULL) {
            strbuf_printf(line, ",\"%s\":\"", names[i]);
            log_escape(line, values[i]);
            strbuf_puts(line, "\"");
        }
    }

    strbuf_puts(line, "}\n");
}


/*
 * JSON string escapes; in text lines only control characters get them, so
 * that no value can begin a line of its own or reach the terminal.
 */

static void
log_escape(struct strbuf *line, const char *text)
{
    size_t  len, n;

    for (len = strlen(text); len > 0; text += n, len -= n) {
        n = text_utf8_length(text, len);

        if (n == 0) {
            strbuf_puts(line, "\xef\xbf\xbd");          /* U+FFFD */
            n = 1;

        } else if (*text == '\n') {
            strbuf_puts(line, "\\n");

        } else if (*text == '\t') {
            strbuf_puts(line, "\\t");

        } else if ((unsigned char) *text < 0x20 || *text == 0x7f) {
            strbuf_printf(line, "\\u%04x", (unsigned char) *text);

        } else if (log_state.is_json && (*text == '"' || *text == '\\')) {
            strbuf_printf(line, "\\%c", *text);

        } else {
            strbuf_append(line, text, n);
        }
    }
}


/*
 * A full pipe is waited for a moment, and only once until it moves again: a
 * daemon must not stand still because nobody reads its log.  The pipe is not
 * ours alone, so it may well block: what is ready takes PIPE_BUF bytes.
 */

static void
log_emit(const char *data, size_t len)
{
    int                 rc;
    ssize_t             n;
    struct pollfd       ready;
    static atomic_bool  is_stuck;

    ready.fd = STDERR_FILENO;
    ready.events = POLLOUT;

    while (len > 0) {
        rc = poll(&ready, 1, atomic_load(&is_stuck) ? 0 : LOG_WAIT_MS);

        if (rc == -1 && errno == EINTR) {
            continue;
        }

        if (rc <= 0) {
            atomic_store(&is_stuck, true);
            return;
        }

        n = write(STDERR_FILENO, data,
                  log_state.is_file || len <= PIPE_BUF ? len : PIPE_BUF);

        if (n == -1 && errno != EINTR && errno != EAGAIN) {
            return;
        }

        if (n > 0) {
            atomic_store(&is_stuck, false);
            data += n;
            len -= (size_t) n;
        }
    }
}
