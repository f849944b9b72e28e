/* SPDX-License-Identifier: MIT */
/*
 * Commands of mintctl around planned changes: restart, drain, uninstall,
 * history, reload.  What "--now" would end is said first, and asked about.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control_private.h"
#include "print.h"


/* says what would end; true if that is nothing */

static bool
control_say_lost(json_t *result)
{
    bool     is_nothing;
    size_t   i;
    json_t  *process;

    is_nothing = true;

    json_array_foreach(json_object_get(result, "processes"), i, process) {
        if (strcmp(print_text(process, "text"), "nothing") != 0) {
            is_nothing = false;
            fprintf(stderr, "%s process %s of \"%s\" (pid %lld) would end "
                    "with %s\n", print_text(process, "role"),
                    print_text(process, "seat"), print_text(result, "plugin"),
                    (long long) json_integer_value(
                                    json_object_get(process, "pid")),
                    print_text(process, "text"));
        }
    }

    return is_nothing;
}


static bool
control_confirm(const char *question)
{
    char  answer[16];

    fprintf(stderr, "%s [y/N] ", question);

    return fgets(answer, sizeof(answer), stdin) != NULL
           && (answer[0] == 'y' || answer[0] == 'Y');
}


/* -1: go on; else the exit status */

static int
control_may_end(const struct control *control)
{
    int            rc;
    bool           is_running, is_nothing;
    json_t        *result;
    struct error   err;

    if (!control->now) {
        return -1;
    }

    rc = control_call(control, "activity",
                      json_pack("{s:s}", "plugin", control->argument),
                      control_deadline(control), true, &result, &is_running,
                      &err);
    if (rc != 0) {
        return control_failed(control, &err, is_running);
    }

    is_nothing = control_say_lost(result);
    json_decref(result);

    if (is_nothing || control->yes) {
        return -1;
    }

    if (!isatty(STDIN_FILENO)) {
        fprintf(stderr, "mintctl: nothing is done: \"--yes\" says that this "
                "may end\n");
        return CONTROL_FAILED;
    }

    if (control_confirm("end it?")) {
        return -1;
    }

    fprintf(stderr, "nothing is done\n");

    return CONTROL_FAILED;
}


int
control_restart(const struct control *control)
{
    int  rc;

    if (control->all) {
        if (control->now) {
            fprintf(stderr, "mintctl: --now is for one plugin, not for "
                    "--all\n");
            return CONTROL_USAGE;
        }

        return control_simple(control, "restart_all", NULL, false,
                              print_restart_all);
    }

    rc = control_may_end(control);
    if (rc != -1) {
        return rc;
    }

    return control_simple(control, "restart",
                          json_pack("{s:s,s:b}", "plugin", control->argument,
                                    "now", control->now),
                          false, print_restart);
}


int
control_drain(const struct control *control)
{
    int  rc;

    rc = control_may_end(control);
    if (rc != -1) {
        return rc;
    }

    return control_simple(control, "halt",
                          json_pack("{s:s,s:b}", "plugin", control->argument,
                                    "now", control->now),
                          false, print_halt);
}


static int
control_may_purge(const struct control *control)
{
    if (control->mode == NULL || strcmp(control->mode, "purge") != 0
        || control->yes)
    {
        return -1;
    }

    if (!isatty(STDIN_FILENO)) {
        fprintf(stderr, "mintctl: nothing is done: \"--yes\" says that the "
                "data of \"%s\" may be removed\n", control->argument);
        return CONTROL_FAILED;
    }

    fprintf(stderr, "all data, history, logs and crash reports of \"%s\" "
            "will be removed\n", control->argument);

    if (control_confirm("remove them?")) {
        return -1;
    }

    fprintf(stderr, "nothing is done\n");

    return CONTROL_FAILED;
}


int
control_uninstall(const struct control *control)
{
    int      rc;
    json_t  *arguments, *mode;

    rc = control_may_end(control);

    if (rc == -1) {
        rc = control_may_purge(control);
    }

    if (rc != -1) {
        return rc;
    }

    arguments = json_pack("{s:s,s:b,s:b}", "plugin", control->argument,
                          "now", control->now, "force", control->force);

    if (control->mode != NULL) {
        mode = json_string(control->mode);          /* NULL: not UTF-8 */
        json_object_set_new(arguments, "mode", mode != NULL ? mode
                                                            : json_null());
    }

    return control_simple(control, "uninstall", arguments, false,
                          print_uninstall);
}


int
control_history(const struct control *control)
{
    return control_simple(control, "history",
                          json_pack("{s:s,s:I}", "plugin", control->argument,
                                    "lines", (json_int_t) control->lines),
                          true, print_history);
}


/* a plugin that could not be put where it is wanted is a failure */

int
control_reload(const struct control *control)
{
    int            rc;
    bool           is_running;
    json_t        *result, *row;
    size_t         i;
    struct error   err;

    rc = control_call(control, "reload", NULL, control_deadline(control),
                      false, &result, &is_running, &err);
    if (rc != 0) {
        if (control_interrupted()) {
            fprintf(stderr, "what was asked for goes on\n");
        }
        return control_failed(control, &err, is_running);
    }

    control_print(control, result, print_reload);

    json_array_foreach(json_object_get(result, "plugins"), i, row) {
        if (json_is_string(json_object_get(row, "error"))) {
            rc = CONTROL_FAILED;
        }
    }

    json_decref(result);

    return rc;
}
