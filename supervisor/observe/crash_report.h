/* SPDX-License-Identifier: MIT */
/*
 * What is kept of one death of a process, as JSON:
 *
 *   {"format": 1, "plugin", "kind": "plugin"|"core", "instance", "time",
 *    "pid", "uptime_seconds", "state": in which it died, "exit": {"text",
 *    "code"|null, "signal"|null, "signal_name"|null, "core_dumped"},
 *    "out_of_memory": "yes"|"no"|"unknown", "killed_by_supervisor": bool,
 *    "descendants_killed",
 *    "without_supervisor": bool, "error": text|null, "traceback": text|null,
 *    "requests": [REQUEST]|null, "requests_note": text|null,
 *    "next": [{"time", "after_seconds", "state", "text"}],
 *    "log": [LINE of the admin protocol]}
 *   REQUEST = {"method", "route", "request_id", "age_seconds", "status": what
 *    its client got, "websocket": bool}
 *
 * Pure: no file, no clock.  All texts are redacted.
 */

#ifndef SUPERVISOR_OBSERVE_CRASH_REPORT_H
#define SUPERVISOR_OBSERVE_CRASH_REPORT_H

#include <jansson.h>

#include "redact.h"
#include "supervisor/process/service.h"


#define CRASH_LOG_LINES  200
#define CRASH_LINE_MAX   2048           /* bytes of a line's text */


/* an end that nobody asked for: not of a process that was told to stop and
   did, with any status */
bool crash_is_one(const struct service_exit *end, int stop_signal);

/* a new report; requests are not known yet */
json_t *crash_report_make(const struct service *service,
    const struct service_exit *end, json_t *lines,
    struct redactor *redactor);

/* what has happened after it; text may be NULL */
void crash_report_next(json_t *report, uint64_t unix_ms,
    enum service_state state, const char *text);

/* the last traceback among lines of that instance, as one text; NULL if there
   is none; to be freed */
char *crash_traceback(json_t *lines, const char *instance);

#endif /* SUPERVISOR_OBSERVE_CRASH_REPORT_H */
