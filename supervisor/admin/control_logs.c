/* SPDX-License-Identifier: MIT */
/*
 * "mintctl logs" and "mintctl trace": lines from the log files, and what the
 * supervisor still has in memory when a file could not be written.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control_private.h"
#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/observe/edge_request.h"
#include "supervisor/observe/log_reader.h"


#define CONTROL_FOLLOW_MS     300
#define CONTROL_TRACE_LINES   100000


struct logs {
    const struct control  *control;
    struct log_filter      filter;
    struct log_reader     *reader;
    uint64_t               until_us;    /* all up to here has been shown */
    bool                   is_running;
};


static int
control_usage(const char *why)
{
    fprintf(stderr, "mintctl: %s (mintctl --help says what there is)\n", why);

    return CONTROL_USAGE;
}


/* ---- what the supervisor knows --------------------------------------- */

static void
logs_add_memory(struct logs *logs, json_t *lines, struct log_entries *out)
{
    char             *text, name[72];
    size_t            i;
    json_t           *json;
    struct log_line   line;

    json_array_foreach(lines, i, json) {
        text = json_dumps(json, JSON_COMPACT);

        if (text != NULL && log_line_parse(&line, text, strlen(text), name,
                                           sizeof(name)))
        {
            if (log_filter_passes(&logs->filter, &line, name)) {
                log_entries_add(out, &line, name);
            }

            log_line_clear(&line);
        }

        free(text);
    }
}


/* the files are in <state>/data, as a rule */

static int
logs_open_alone(struct logs *logs, struct error *err)
{
    int           rc;
    char         *state, *directory, *access_log;
    struct stat   st;

    state = control_state_directory(logs->control);
    directory = mem_printf("%s/data/logs", state);
    access_log = mem_printf("%s/data/edge/access.log", state);
    free(state);
    rc = MINT_ERR_UNAVAILABLE;

    if (stat(directory, &st) == 0) {
        fprintf(stderr, "mintctl: the system is not running; from the files "
                "in %s\n", directory);
        logs->reader = log_reader_new(directory, access_log, &logs->filter);
        err->code = 0;
        rc = 0;
    }

    free(directory);
    free(access_log);

    return rc;
}


/*
 * What came since logs->until_us, or the last count lines at first.  The
 * supervisor is asked before the files are read: all up to the time it names
 * is in them.
 */

static int
logs_read(struct logs *logs, size_t count, struct log_entries *out,
    struct error *err)
{
    int          rc;
    json_t      *arguments, *result;
    uint64_t     until_us;

    arguments = json_pack("{s:i}", "lines", 200);

    if (logs->filter.plugin != NULL) {
        json_object_set_new(arguments, "plugin",
                            json_string(logs->filter.plugin));
    }

    if (logs->until_us != 0) {
        json_object_set_new(arguments, "after",
                            json_integer((json_int_t) logs->until_us));
    }

    rc = control_call(logs->control, "logs", arguments,
                      control_deadline(logs->control), true, &result,
                      &logs->is_running, err);

    if (rc != 0 && (logs->is_running || logs->reader != NULL
                    || logs_open_alone(logs, err) != 0))
    {
        return rc;
    }

    until_us = 0;

    if (rc == 0) {
        until_us = (uint64_t) json_integer_value(json_object_get(result,
                                                                 "until"));
        logs_add_memory(logs, json_object_get(result, "lines"), out);

        if (logs->reader == NULL) {
            logs->reader = log_reader_new(
                json_string_value(json_object_get(result, "directory")),
                json_string_value(json_object_get(result, "access_log")),
                &logs->filter);
        }

        json_decref(result);
    }

    if (logs->until_us == 0) {
        log_reader_last(logs->reader, count, until_us, out);

    } else {
        log_reader_more(logs->reader, until_us, out);
    }

    logs->until_us = until_us;

    return 0;
}


/* ---- showing ---------------------------------------------------------- */

static void
logs_show(const struct logs *logs, const struct log_entries *entries,
    bool with_names)
{
    size_t                   i;
    struct strbuf            text;
    const struct log_entry  *entry;

    memset(&text, 0, sizeof(text));

    for (i = 0; i < entries->count; i++) {
        entry = &entries->item[i];

        if (logs->control->json) {
            log_line_write(&entry->line, entry->name, &text);

        } else {
            log_line_show(&entry->line, with_names ? entry->name : NULL,
                          &text);
        }

        fwrite(text.data, 1, text.len, stdout);
        strbuf_clear(&text);
    }

    fflush(stdout);
    strbuf_free(&text);
}


static void
logs_show_list(const struct log_entries *entries)
{
    size_t                   i;
    json_t                  *list, *result;
    struct strbuf            text;
    const struct log_entry  *entry;

    memset(&text, 0, sizeof(text));
    list = json_array();

    for (i = 0; i < entries->count; i++) {
        entry = &entries->item[i];
        log_line_write(&entry->line, entry->name, &text);
        json_array_append_new(list, json_loadb(text.data, text.len, 0, NULL));
        strbuf_clear(&text);
    }

    result = json_pack("{s:o}", "lines", list);
    json_dumpf(result, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(result);
    strbuf_free(&text);
}


/* ---- logs ------------------------------------------------------------- */

static int
logs_filter(const struct control *control, struct logs *logs)
{
    memset(logs, 0, sizeof(*logs));
    logs->control = control;
    logs->filter.plugin = control->argument != NULL ? control->argument
                                                    : control->plugin;
    logs->filter.request_id = control->request_id;

    if (control->argument != NULL && control->plugin != NULL) {
        return control_usage("a name and --plugin at once");
    }

    if (control->level != NULL
        && !log_level_parse(control->level, strlen(control->level),
                            &logs->filter.level))
    {
        return control_usage("--level needs debug, info, warn or error");
    }

    return -1;
}


int
control_logs(const struct control *control)
{
    int                 rc;
    bool                with_names;
    struct logs         logs;
    struct error        err;
    struct log_entries  entries;

    rc = logs_filter(control, &logs);
    if (rc != -1) {
        return rc;
    }

    memset(&entries, 0, sizeof(entries));
    with_names = logs.filter.plugin == NULL
                 || logs.filter.request_id != NULL;
    rc = logs_read(&logs, (size_t) control->lines, &entries, &err);

    if (rc == 0) {
        log_entries_keep(&entries, (size_t) control->lines);

        if (control->json && !control->follow) {
            logs_show_list(&entries);

        } else {
            logs_show(&logs, &entries, with_names);
        }
    }

    while (rc == 0 && control->follow && logs.is_running
           && !control_interrupted())
    {
        log_entries_clear(&entries);
        control_sleep(CONTROL_FOLLOW_MS);
        rc = logs_read(&logs, 0, &entries, &err);

        if (rc == 0) {
            logs_show(&logs, &entries, with_names);
        }
    }

    log_entries_clear(&entries);
    log_reader_free(&logs.reader);

    if (control_interrupted() && control->follow) {
        return 0;
    }

    return rc == 0 ? 0 : control_failed(control, &err, logs.is_running);
}


/* ---- trace ------------------------------------------------------------ */

int
control_trace(const struct control *control)
{
    int                 rc;
    bool                is_found;
    struct logs         logs;
    struct error        err;
    struct log_entries  entries;

    memset(&logs, 0, sizeof(logs));
    memset(&entries, 0, sizeof(entries));
    logs.control = control;
    logs.filter.request_id = control->argument;
    logs.filter.begins = true;

    rc = logs_read(&logs, CONTROL_TRACE_LINES, &entries, &err);

    if (rc == 0) {
        log_entries_by_own_time(&entries);

        if (control->json) {
            logs_show_list(&entries);

        } else {
            logs_show(&logs, &entries, true);
        }
    }

    is_found = entries.count > 0;
    log_entries_clear(&entries);
    log_reader_free(&logs.reader);

    if (rc != 0) {
        return control_failed(control, &err, logs.is_running);
    }

    if (!is_found) {
        fprintf(stderr, "mintctl: no line of request \"%s\" is in the logs; "
                "the edge writes its lines up to a second later\n",
                control->argument);
    }

    return is_found ? 0 : CONTROL_FAILED;
}
