/* SPDX-License-Identifier: MIT */
/*
 * What a printed line says: level, request id, the members of a JSON line.
 * Bytes come from plugins, so nothing here trusts them; what is not
 * understood stays the text it is.
 */

#include "log_line.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"


static void log_line_read_json(struct log_line *out,
    struct log_context *context, json_t *object);
static void log_line_read_text(struct log_line *out,
    struct log_context *context);
static void log_line_find_id(struct log_line *out);


/* names under which JSON loggers say what we have ourselves; first wins */

enum log_part {
    LOG_PART_MESSAGE = 0,
    LOG_PART_LEVEL,
    LOG_PART_REQUEST_ID,
    LOG_PART_TIME,
    LOG_PART_COUNT
};

static const char *const  log_part_names[LOG_PART_COUNT][6] = {
    [LOG_PART_MESSAGE] = { "message", "msg", "event", "text", NULL },
    [LOG_PART_LEVEL] = { "level", "levelname", "severity", "lvl", NULL },
    [LOG_PART_REQUEST_ID] = { "request_id", "requestId", "x_request_id",
                              NULL },
    [LOG_PART_TIME] = { "time", "timestamp", "ts", "@timestamp", "asctime",
                        NULL }
};

/* what a line of ours has besides the members of the printed one */
static const char *const  log_own_names[] = {
    "time", "level", "plugin", "instance", "stream", "message", "request_id",
    "logged_at", "program"
};


/* ---- reading what was printed ---------------------------------------- */

void
log_line_read(struct log_line *out, struct log_context *context,
    const char *line, size_t len)
{
    size_t         n;
    json_t        *object;
    struct strbuf  text;
    const char    *end;

    memset(out, 0, sizeof(*out));
    out->stream = "output";
    out->level = LOG_LEVEL_INFO;

    if (len > 0 && line[len - 1] == '\r') {
        len--;
    }

    if (len > 1 && line[0] == '{' && line[len - 1] == '}') {
        object = json_loadb(line, len, 0, NULL);

        if (json_is_object(object)) {
            log_line_read_json(out, context, object);
        }

        json_decref(object);
    }

    if (out->text == NULL) {
        memset(&text, 0, sizeof(text));

        for ( /* void */ ; len > 0; line += n + 1, len -= n + 1) {
            end = memchr(line, '\0', len);
            n = end != NULL ? (size_t) (end - line) : len;
            strbuf_append(&text, line, n);

            if (end == NULL) {
                break;
            }

            strbuf_puts(&text, "\xef\xbf\xbd");
        }

        out->text = text.data != NULL ? text.data : mem_strdup("");
        log_line_read_text(out, context);
        log_line_find_id(out);
    }
}


static json_t *
log_line_take(json_t *object, enum log_part part, const char **name)
{
    size_t   i;
    json_t  *value;

    *name = "";

    for (i = 0; log_part_names[part][i] != NULL; i++) {
        value = json_object_get(object, log_part_names[part][i]);

        if (value != NULL) {
            *name = log_part_names[part][i];
            return value;
        }
    }

    return NULL;
}


static bool
log_line_level(json_t *value, enum log_level *level)
{
    char         text[24];
    const char  *p;

    if (json_is_integer(value)) {
        snprintf(text, sizeof(text), "%lld",
                 (long long) json_integer_value(value));
        return log_level_parse(text, strlen(text), level);
    }

    p = json_string_value(value);

    return p != NULL && log_level_parse(p, strlen(p), level);
}


static bool
log_line_time(json_t *value, char text[LOG_LINE_TIME_SIZE])
{
    double       seconds;
    uint64_t     unix_us;
    const char  *p;

    p = json_string_value(value);

    if (p != NULL) {
        unix_us = log_time_parse(p, strlen(p));

    } else {
        seconds = json_number_value(value);
        unix_us = seconds > 1e9 && seconds < 1e10
                  ? (uint64_t) (seconds * 1e6) : 0;
    }

    if (unix_us != 0) {
        log_time_text(unix_us, text);
    }

    return unix_us != 0;
}


static bool
log_line_set_id(struct log_line *out, const char *id, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (!isalnum((unsigned char) id[i]) && strchr("._-", id[i]) == NULL) {
            return false;
        }
    }

    if (len == 0 || len > LOG_LINE_REQUEST_ID_MAX) {
        return false;
    }

    memcpy(out->request_id, id, len);
    out->request_id[len] = '\0';

    return true;
}


/* borrows object; a part that is not as expected stays a member */

static void
log_line_read_json(struct log_line *out, struct log_context *context,
    json_t *object)
{
    json_t      *value;
    const char  *name, *text;

    value = log_line_take(object, LOG_PART_MESSAGE, &name);
    text = json_string_value(value);

    if (text == NULL) {
        return;
    }

    out->text = mem_strdup(text);
    out->members = json_copy(object);
    json_object_del(out->members, name);

    value = log_line_take(out->members, LOG_PART_LEVEL, &name);
    if (value != NULL && log_line_level(value, &out->level)) {
        json_object_del(out->members, name);
        context->is_traceback = false;
        context->level = out->level;

    } else {
        log_line_read_text(out, context);       /* as its text says */
    }

    value = log_line_take(out->members, LOG_PART_REQUEST_ID, &name);
    text = json_string_value(value);
    if (text != NULL && log_line_set_id(out, text, strlen(text))) {
        json_object_del(out->members, name);
    }

    value = log_line_take(out->members, LOG_PART_TIME, &name);
    if (value != NULL && log_line_time(value, out->logged_at)) {
        json_object_del(out->members, name);
    }

    if (json_object_size(out->members) == 0) {
        json_decref(out->members);
        out->members = NULL;
    }
}


/* ---- plain text ------------------------------------------------------ */

/*
 * A traceback is an error from its first line to the one that is not
 * indented, and so are other indented lines what the line before them was.
 */

static void
log_line_read_text(struct log_line *out, struct log_context *context)
{
    const char  *text;

    text = out->text;

    if (log_line_is_traceback(text)) {
        context->is_traceback = true;
        context->level = LOG_LEVEL_ERROR;

    } else if (text[0] == ' ' || text[0] == '\t') {
        /* belongs to the line before */

    } else if (context->is_traceback
               && !log_text_level(text, &context->level))
    {
        context->is_traceback = text[0] == '\0';
        context->level = LOG_LEVEL_ERROR;

        if (!context->is_traceback) {
            out->level = LOG_LEVEL_ERROR;
            context->level = LOG_LEVEL_INFO;
            return;
        }

    } else {
        context->is_traceback = false;

        if (!log_text_level(text, &context->level)) {
            context->level = LOG_LEVEL_INFO;
        }
    }

    out->level = context->level;
}


/* as the edge and other programs of ours write it into a text */

static void
log_line_find_id(struct log_line *out)
{
    size_t       i, len;
    const char  *p;

    static const char *const  marks[] = { "request id \"", "request_id=" };

    for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        p = strstr(out->text, marks[i]);

        if (p != NULL) {
            p += strlen(marks[i]);
            len = strcspn(p, "\" ,;)");
            (void) log_line_set_id(out, p, len);
            return;
        }
    }
}


void
log_line_clear(struct log_line *line)
{
    free(line->text);
    free(line->instance);
    json_decref(line->members);
    memset(line, 0, sizeof(*line));
}


/* ---- writing and reading back ---------------------------------------- */

static void
log_line_member(struct strbuf *out, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        strbuf_printf(out, ",\"%s\":\"", name);
        text_json(out, value, strlen(value));
        strbuf_puts(out, "\"");
    }
}


static bool
log_line_is_own(const char *name)
{
    size_t  i;

    for (i = 0; i < sizeof(log_own_names) / sizeof(log_own_names[0]); i++) {
        if (strcmp(log_own_names[i], name) == 0) {
            return true;
        }
    }

    return false;
}


static void
log_line_write_members(const struct log_line *line, struct strbuf *out)
{
    char        *value, *other;
    json_t      *member;
    const char  *name;

    json_object_foreach(line->members, name, member) {
        other = log_line_is_own(name) ? mem_printf("line_%s", name)
                                      : mem_strdup(name);
        value = NULL;

        if (strcmp(other, name) == 0
            || json_object_get(line->members, other) == NULL)
        {
            value = json_dumps(member, JSON_COMPACT | JSON_ENCODE_ANY);
        }

        if (value != NULL) {
            strbuf_puts(out, ",\"");
            text_json(out, other, strlen(other));
            strbuf_printf(out, "\":%s", value);
        }

        free(value);
        free(other);
    }
}


void
log_line_write(const struct log_line *line, const char *plugin,
    struct strbuf *out)
{
    char  time[LOG_LINE_TIME_SIZE];

    log_time_text(line->unix_us, time);
    strbuf_printf(out, "{\"time\":\"%s\",\"level\":\"%s\"", time,
                  log_level_name(line->level));
    log_line_member(out, "plugin", plugin);
    log_line_member(out, "instance", line->instance);
    log_line_member(out, "stream", line->stream);
    strbuf_puts(out, ",\"message\":\"");
    text_json(out, line->text, strlen(line->text));
    strbuf_puts(out, "\"");
    log_line_member(out, "request_id", line->request_id);
    log_line_member(out, "logged_at", line->logged_at);
    log_line_write_members(line, out);
    strbuf_puts(out, "}\n");
}


/* control characters would reach the terminal, line ends begin a new line */

void
log_text_show(struct strbuf *out, const char *text)
{
    size_t  n, len;

    for (len = strlen(text); len > 0; text += n, len -= n) {
        n = text_utf8_length(text, len);

        if (n == 0) {
            strbuf_puts(out, "\xef\xbf\xbd");
            n = 1;

        } else if (*text == '\t') {
            strbuf_puts(out, "\t");

        } else if (*text == '\n') {
            strbuf_puts(out, "\\n");

        } else if ((unsigned char) *text < 0x20 || *text == 0x7f) {
            strbuf_printf(out, "\\x%02x", (unsigned char) *text);

        } else {
            strbuf_append(out, text, n);
        }
    }
}


void
log_line_show(const struct log_line *line, const char *plugin,
    struct strbuf *out)
{
    char        *value, time[LOG_LINE_TIME_SIZE];
    json_t      *member;
    const char  *name;

    log_time_text(line->unix_us, time);
    strbuf_printf(out, "%.23sZ %-5s ", time, log_level_name(line->level));

    if (plugin != NULL) {
        log_text_show(out, plugin);
        strbuf_puts(out, ": ");
    }

    log_text_show(out, line->text);

    json_object_foreach(line->members, name, member) {
        value = json_dumps(member, JSON_COMPACT | JSON_ENCODE_ANY);
        strbuf_puts(out, " ");
        log_text_show(out, name);
        strbuf_puts(out, "=");
        log_text_show(out, value != NULL ? value : "?");
        free(value);
    }

    if (line->request_id[0] != '\0' && strstr(line->text, line->request_id)
                                       == NULL)
    {
        strbuf_printf(out, " request_id=%s", line->request_id);
    }

    strbuf_puts(out, "\n");
}


/* the member as text, taken out of object; NULL if it is none */

static const char *
log_line_pull(json_t *object, const char *name, char *copy, size_t size)
{
    const char  *text;

    text = json_string_value(json_object_get(object, name));

    if (text == NULL) {
        return NULL;
    }

    snprintf(copy, size, "%s", text);
    json_object_del(object, name);

    return copy;
}


bool
log_line_parse(struct log_line *out, const char *text, size_t len,
    char *plugin, size_t size)
{
    char         part[LOG_LINE_REQUEST_ID_MAX + 1], name[256];
    json_t      *object;
    const char  *message;

    memset(out, 0, sizeof(*out));
    object = json_loadb(text, len, 0, NULL);
    message = json_string_value(json_object_get(object, "message"));

    if (message == NULL
        || log_line_pull(object, "time", part, sizeof(part)) == NULL
        || (out->unix_us = log_time_parse(part, strlen(part))) == 0
        || log_line_pull(object, "level", part, sizeof(part)) == NULL
        || !log_level_parse(part, strlen(part), &out->level))
    {
        json_decref(object);
        return false;
    }

    out->text = mem_strdup(message);
    json_object_del(object, "message");

    if (log_line_pull(object, "instance", name, sizeof(name)) != NULL) {
        out->instance = mem_strdup(name);
    }

    out->stream = "output";
    if (log_line_pull(object, "stream", part, sizeof(part)) != NULL
        && strcmp(part, "supervisor") == 0)
    {
        out->stream = "supervisor";
    }

    if (log_line_pull(object, "request_id", part, sizeof(part)) != NULL) {
        (void) log_line_set_id(out, part, strlen(part));
    }

    (void) log_line_pull(object, "logged_at", out->logged_at,
                         sizeof(out->logged_at));

    name[0] = '\0';
    (void) log_line_pull(object, "plugin", name, sizeof(name));
    if (plugin != NULL) {
        snprintf(plugin, size, "%s", name);
    }

    out->members = object;

    return true;
}
