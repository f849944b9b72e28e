/* SPDX-License-Identifier: MIT */
/*
 * "mintctl crashes": the reports on the disk, so that they are there when
 * nothing runs, too.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_private.h"
#include "lib/strbuf.h"
#include "print.h"
#include "supervisor/observe/crash_store.h"
#include "supervisor/process/log_line.h"


#define CRASHES_LINES  40               /* of the log, without --json */


/* ---- as text ----------------------------------------------------------- */

static void
crashes_show_text(const char *text)
{
    struct strbuf  out;

    memset(&out, 0, sizeof(out));
    log_text_show(&out, text);
    puts(strbuf_text(&out));
    strbuf_free(&out);
}


static const char *
crashes_last_step(json_t *report)
{
    json_t  *next;

    next = json_object_get(report, "next");

    return print_text(json_array_get(next, json_array_size(next) - 1),
                      "text");
}


static void
crashes_print_list(json_t *list)
{
    size_t   i;
    json_t  *report, *requests;

    if (json_array_size(list) == 0) {
        printf("nothing has died\n");
        return;
    }

    printf("%-20s %-20s %2s  %-30s %9s %8s  %s\n", "TIME", "PLUGIN", "N",
           "HOW", "UPTIME", "REQUESTS", "THEN");

    json_array_foreach(list, i, report) {
        requests = json_object_get(report, "requests");
        printf("%.19sZ %-20s %2lld  %-30s %8.0fs ",
               print_text(report, "time"), print_text(report, "plugin"),
               (long long) json_integer_value(json_object_get(report,
                                                              "number")),
               print_text(json_object_get(report, "exit"), "text"),
               json_number_value(json_object_get(report, "uptime_seconds")));

        if (json_is_array(requests)) {
            printf("%8zu", json_array_size(requests));
        } else {
            printf("%8s", "?");
        }

        printf("  %s\n", crashes_last_step(report));
    }
}


static void
crashes_print_requests(json_t *report)
{
    size_t         i;
    json_t        *requests, *request;
    const char    *note;
    struct strbuf  text = { 0 };

    requests = json_object_get(report, "requests");
    note = print_text(report, "requests_note");

    if (!json_is_array(requests)) {
        printf("  requests    %s\n", note[0] != '\0' ? note
               : "not known yet, or the supervisor ended before it knew");
        return;
    }

    printf("  requests    %zu in its hands%s%s\n", json_array_size(requests),
           note[0] != '\0' ? "; " : "", note);

    json_array_foreach(requests, i, request) {
        /* clients choose these: nothing that a terminal would obey */

        strbuf_clear(&text);
        log_text_show(&text, print_text(request, "method"));
        strbuf_puts(&text, " ");
        log_text_show(&text, print_text(request, "route"));
        strbuf_puts(&text, ", ");
        log_text_show(&text, print_text(request, "request_id"));

        printf("              %s, age %.3f s%s, its client got %lld\n",
               strbuf_text(&text),
               json_number_value(json_object_get(request, "age_seconds")),
               json_is_true(json_object_get(request, "websocket"))
               ? ", WebSocket" : "",
               (long long) json_integer_value(json_object_get(request,
                                                              "status")));
    }

    strbuf_free(&text);
}


static void
crashes_print_block(const char *title, const char *text)
{
    char        *line;
    size_t       len;

    if (text[0] == '\0') {
        return;
    }

    printf("\n%s\n", title);

    for ( ;; ) {
        len = strcspn(text, "\n");
        line = mem_printf("%.*s", (int) len, text);
        fputs("  ", stdout);
        crashes_show_text(line);
        free(line);

        if (text[len] == '\0') {
            break;
        }

        text += len + 1;
    }
}


static void
crashes_print_log(json_t *log)
{
    size_t   i, first;
    json_t  *line;

    first = json_array_size(log) > CRASHES_LINES
            ? json_array_size(log) - CRASHES_LINES : 0;

    printf("\nlast lines%s\n", first > 0 ? " (all 200 with --json)" : "");

    json_array_foreach(log, i, line) {
        if (i >= first) {
            printf("  %.23sZ ", print_text(line, "time"));
            crashes_show_text(print_text(line, "message"));
        }
    }
}


static void
crashes_print(json_t *report)
{
    size_t   i;
    json_t  *step, *next;

    printf("%s %s\n", print_text(report, "instance"),
           print_text(json_object_get(report, "exit"), "text"));
    printf("  time        %s, pid %lld, after %.1f s, while %s%s\n",
           print_text(report, "time"),
           (long long) json_integer_value(json_object_get(report, "pid")),
           json_number_value(json_object_get(report, "uptime_seconds")),
           print_text(report, "state"),
           json_is_true(json_object_get(report, "without_supervisor"))
           ? ", while no supervisor was there" : "");
    printf("  memory      killed for want of memory: %s%s\n",
           print_text(report, "out_of_memory"),
           json_is_true(json_object_get(report, "killed_by_supervisor"))
           ? " (by the supervisor: see the reason)" : "");

    if (print_text(report, "error")[0] != '\0') {
        printf("  error       ");
        crashes_show_text(print_text(report, "error"));
    }

    crashes_print_requests(report);
    next = json_object_get(report, "next");

    json_array_foreach(next, i, step) {
        printf("  %-11s %+.3f s  %s\n", i == 0 ? "then" : "",
               json_number_value(json_object_get(step, "after_seconds")),
               print_text(step, "text"));
    }

    crashes_print_block("traceback", print_text(report, "traceback"));
    crashes_print_log(json_object_get(report, "log"));
}


/* ---- the command -------------------------------------------------------- */

/* long parts only when one report is asked for */

static json_t *
crashes_short(json_t *list)
{
    size_t   i;
    json_t  *report;

    json_array_foreach(list, i, report) {
        json_object_del(report, "log");
        json_object_del(report, "traceback");
    }

    return list;
}


static json_t *
crashes_pick(const struct control *control, json_t *list, struct error *err)
{
    char    *end;
    long     number;
    json_t  *report;

    number = strtol(control->more[0], &end, 10);

    if (end == control->more[0] || *end != '\0' || number < 1) {
        error_set(err, MINT_ERR_INVALID, "\"%s\" is no number of a report",
                  control->more[0]);
        return NULL;
    }

    report = json_array_get(list, (size_t) number - 1);

    if (report == NULL) {
        error_set(err, MINT_ERR_NOT_FOUND, "\"%s\" has %zu crash reports",
                  control->argument, json_array_size(list));
    }

    return report;
}


int
control_crashes(const struct control *control)
{
    int            rc;
    char          *data, *directory;
    json_t        *list, *report, *result;
    struct error   err;

    data = control_data_directory(control, NULL);
    directory = crash_directory(data);
    list = crash_list(directory, control->argument);
    free(directory);
    free(data);
    rc = 0;

    if (control->more_count == 1) {
        report = crashes_pick(control, list, &err);

        if (report != NULL) {
            control_print(control, report, crashes_print);

        } else {
            rc = control_failed(control, &err, true);
        }

    } else if (control->json) {
        result = json_pack("{s:O}", "crashes", crashes_short(list));
        control_print(control, result, print_nothing);
        json_decref(result);

    } else {
        crashes_print_list(list);
    }

    json_decref(list);

    return rc;
}
