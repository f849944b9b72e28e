/* SPDX-License-Identifier: MIT */
/*
 * Makes reports from what is known at a death.
 */

#include "crash_report.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/fs.h"
#include "supervisor/process/log_line.h"
#include "supervisor/process/service_private.h"


bool
crash_is_one(const struct service_exit *end, int stop_signal)
{
    if (end->state != SERVICE_STOPPING) {
        return true;
    }

    return WIFSIGNALED(end->wait_status)
           && WTERMSIG(end->wait_status) != stop_signal;
}


/* ---- traceback ------------------------------------------------------- */

static const char *
crash_member(json_t *line, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(line, name));

    return text != NULL ? text : "";
}


/* a traceback goes on with indented lines, ends with the one that is not; what
   Python says between two that belong together, too */

static bool
crash_goes_on(const char *text)
{
    size_t  i;

    static const char *const  joints[] = {
        "During handling of the above exception",
        "The above exception was the direct cause", "Extension modules:"
    };

    if (text[0] == ' ' || text[0] == '\0' || log_line_is_traceback(text)) {
        return true;
    }

    for (i = 0; i < sizeof(joints) / sizeof(joints[0]); i++) {
        if (strncmp(text, joints[i], strlen(joints[i])) == 0) {
            return true;
        }
    }

    return false;
}


/* the first line after the traceback that begins at start */

static size_t
crash_traceback_end(json_t *lines, size_t start)
{
    bool         has_error;
    size_t       i, end;
    const char  *text;

    has_error = false;
    end = start;

    for (i = start; i < json_array_size(lines); i++) {
        text = crash_member(json_array_get(lines, i), "message");

        if (crash_goes_on(text)) {
            has_error = has_error && text[0] == '\0';

        } else if (has_error) {
            break;

        } else {
            has_error = true;           /* "ValueError: boom" */
        }

        if (text[0] != '\0') {
            end = i + 1;
        }
    }

    return end;
}


char *
crash_traceback(json_t *lines, const char *instance)
{
    size_t         i, start, end;
    json_t        *line;
    struct strbuf  text;

    start = SIZE_MAX;
    end = 0;

    json_array_foreach(lines, i, line) {
        if (i >= end
            && strcmp(crash_member(line, "instance"), instance) == 0
            && log_line_is_traceback(crash_member(line, "message")))
        {
            start = i;
            end = crash_traceback_end(lines, i);
        }
    }

    if (start == SIZE_MAX) {
        return NULL;
    }

    memset(&text, 0, sizeof(text));

    for (i = start; i < end; i++) {
        strbuf_printf(&text, "%s%s", i > start ? "\n" : "",
                      crash_member(json_array_get(lines, i), "message"));
    }

    return text.data;
}


/* ---- the report ------------------------------------------------------- */

static json_t *
crash_exit(const struct service_exit *end, const char *text)
{
    int      number;
    json_t  *exit;

    number = WIFSIGNALED(end->wait_status) ? WTERMSIG(end->wait_status) : 0;
    exit = json_pack("{s:s, s:o, s:o, s:o, s:b}", "text", text,
                     "code", WIFEXITED(end->wait_status)
                     ? json_integer(WEXITSTATUS(end->wait_status))
                     : json_null(),
                     "signal", number > 0 ? json_integer(number)
                                          : json_null(),
                     "signal_name", json_null(),
                     "core_dumped", number > 0
                     && WCOREDUMP(end->wait_status));

    if (number > 0 && sigabbrev_np(number) != NULL) {
        json_object_set_new(exit, "signal_name",
                            json_sprintf("SIG%s", sigabbrev_np(number)));
    }

    return exit;
}


/* at most max bytes, not in the middle of a character */

static size_t
crash_cut(const char *text, size_t max)
{
    while (max > 0 && ((unsigned char) text[max] & 0xc0) == 0x80) {
        max--;
    }

    return max;
}


static json_t *
crash_log(json_t *lines, struct redactor *redactor)
{
    size_t       i;
    json_t      *list, *line, *copy;
    const char  *text;

    list = json_array();
    redactor_begin(redactor);

    json_array_foreach(lines, i, line) {
        text = crash_member(line, "message");
        copy = json_copy(line);

        if (strlen(text) > CRASH_LINE_MAX) {
            json_object_set_new(copy, "message",
                                json_sprintf("%.*s ...",
                                    (int) crash_cut(text, CRASH_LINE_MAX),
                                    text));
        }

        json_array_append_new(list, redactor_json_go_on(redactor, copy));
        json_decref(copy);
    }

    return list;
}


/* the kernel's killer sends nothing but SIGKILL, and so do we and others; only
   a memory cgroup counts its victims */

static const char *
crash_memory(const struct service *service, const struct service_exit *end)
{
    if (!WIFSIGNALED(end->wait_status)
        || WTERMSIG(end->wait_status) != SIGKILL || service->is_killed)
    {
        return "no";
    }

    return end->oom_kills > 0 ? "yes"
           : service->process.memory_group[0] != '\0' ? "no" : "unknown";
}


json_t *
crash_report_make(const struct service *service,
    const struct service_exit *end, json_t *lines, struct redactor *redactor)
{
    char           time[32], instance[256], *traceback;
    json_t        *report, *clean;
    uint64_t       lived_ms;

    time_rfc3339(end->unix_ms, time);
    snprintf(instance, sizeof(instance), "%s.%s.%u", service_name(service),
             service_place(service), end->generation);
    lived_ms = end->started_unix_ms != 0 && end->unix_ms
               > end->started_unix_ms ? end->unix_ms - end->started_unix_ms
                                      : 0;

    traceback = crash_traceback(lines, instance);
    report = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:i, s:f, s:s, s:o, s:s, s:b, s:i, s:b, "
        "s:o, s:o, s:n, s:n, s:[]}",
        "format", 1,
        "plugin", service_name(service),
        "kind", service_kind(service),
        "instance", instance,
        "time", time,
        "pid", end->pid,
        "uptime_seconds", (double) lived_ms / 1000,
        "state", service_state_name(end->state),
        "exit", crash_exit(end, service_last_exit(service)),
        "out_of_memory", crash_memory(service, end),
        "killed_by_supervisor", service->is_killed,
        "descendants_killed", (int) end->tree_killed,
        "without_supervisor", end->was_alone,
        "error", service_error(service)[0] != '\0'
                 ? json_string(service_error(service)) : json_null(),
        "traceback", traceback != NULL ? json_string(traceback)
                                       : json_null(),
        "requests",
        "requests_note",
        "next");
    free(traceback);

    clean = redactor_json(redactor, report);
    json_decref(report);
    json_object_set_new(clean, "log", crash_log(lines, redactor));

    return clean;
}


void
crash_report_next(json_t *report, uint64_t unix_ms, enum service_state state,
    const char *text)
{
    char         time[32];
    double       after;
    uint64_t     died_us;
    const char  *died;

    died = crash_member(report, "time");
    died_us = log_time_parse(died, strlen(died));
    after = unix_ms * 1000 > died_us ? (double) (unix_ms * 1000 - died_us) / 1e6
                                     : 0;
    time_rfc3339(unix_ms, time);

    json_array_append_new(json_object_get(report, "next"), json_pack(
        "{s:s, s:f, s:s, s:s}", "time", time, "after_seconds", after, "state",
        service_state_name(state), "text", text != NULL ? text : ""));
}
