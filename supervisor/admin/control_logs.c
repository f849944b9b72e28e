/* SPDX-License-Identifier: MIT */
/*
 * "mintctl logs": last lines, and what comes.
 */

#include "control_private.h"
#include "print.h"


#define CONTROL_FOLLOW_MS  300


/* the first line of the new window that was not in the old one: the window
   slides, so some end of the old one is the start of the new one */

static size_t
control_first_new(json_t *old, json_t *new)
{
    size_t  i, shift, count;

    count = json_array_size(old);

    for (shift = 0; shift < count; shift++) {
        for (i = 0; shift + i < count; i++) {
            if (!json_equal(json_array_get(old, shift + i),
                            json_array_get(new, i)))
            {
                break;
            }
        }

        if (shift + i == count) {
            return i;
        }
    }

    return 0;
}


int
control_logs(const struct control *control)
{
    int            rc;
    bool           is_running;
    long           count;
    json_t        *result, *lines, *before;
    size_t         first;
    struct error   err;

    before = NULL;

    do {
        /* to follow, the whole window is needed */
        count = control->follow ? CONTROL_LINES_MAX : control->lines;
        rc = control_call(control, "logs",
                      json_pack("{s:s,s:I}", "plugin", control->argument,
                                "lines", (json_int_t) count),
                      control_deadline(control), true, &result, &is_running,
                      &err);
        if (rc != 0) {
            break;
        }

        lines = json_object_get(result, "lines");

        if (control->json && !control->follow) {
            control_print(control, result, print_nothing);

        } else {
            first = control_first_new(before, lines);
            if (before == NULL
                && json_array_size(lines) > (size_t) control->lines)
            {
                first = json_array_size(lines) - (size_t) control->lines;
            }
            print_log_lines(lines, first, control->json);
        }

        json_decref(before);
        before = json_incref(lines);
        json_decref(result);

        if (control->follow && !control_interrupted()) {
            control_sleep(CONTROL_FOLLOW_MS);
        }

    } while (control->follow && !control_interrupted());

    json_decref(before);

    if (control_interrupted() && control->follow) {
        return 0;
    }

    return rc == 0 ? 0 : control_failed(control, &err, is_running);
}
