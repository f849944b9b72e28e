/* SPDX-License-Identifier: MIT */
/*
 * "mintctl doctor": gathers facts, prints findings.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control_private.h"
#include "lib/fs.h"
#include "lib/strbuf.h"
#include "print.h"
#include "supervisor/observe/doctor.h"


/* the configuration as the supervisor would read it, but for its environment:
   <state>/config.json, or the usual search */

static int
doctor_facts_alone(const struct control *control, json_t **facts,
    struct error *err)
{
    int             rc;
    char           *state, *path;
    struct config  *config;
    struct layout   layout;

    state = control_state_directory(control);
    path = mem_printf("%s/config.json", state);
    rc = config_load(&config, fs_exists(path) ? path : NULL, environ, err);
    free(path);
    free(state);

    if (rc != 0) {
        return rc;
    }

    rc = layout_open(&layout, config, err);

    if (rc == 0) {
        *facts = doctor_facts(config, &layout);
        layout_close(&layout);
    }

    config_free(&config);

    return rc;
}


static json_t *
doctor_call(const struct control *control, const char *operation)
{
    bool           is_running;
    json_t        *result;
    struct error   err;

    return control_call(control, operation, NULL, control_deadline(control),
                        true, &result, &is_running, &err) == 0
           ? result : NULL;
}


int
control_examine(const struct control *control, struct examination *found,
    struct error *err)
{
    int  rc;

    memset(found, 0, sizeof(*found));
    found->facts = doctor_call(control, "facts");

    if (found->facts != NULL) {
        found->status = doctor_call(control, "status");
        found->plugins = doctor_call(control, "plugins");

    } else {
        rc = doctor_facts_alone(control, &found->facts, err);
        if (rc != 0) {
            return rc;
        }
    }

    found->findings = doctor_examine(found->facts, found->status,
                                     json_object_get(found->plugins,
                                                     "plugins"));

    return 0;
}


void
examination_clear(struct examination *found)
{
    json_decref(found->facts);
    json_decref(found->status);
    json_decref(found->plugins);
    json_decref(found->findings);
    memset(found, 0, sizeof(*found));
}


static size_t
doctor_count(json_t *findings, enum doctor_level level)
{
    size_t   i, count;
    json_t  *finding;

    count = 0;

    json_array_foreach(findings, i, finding) {
        count += strcmp(print_text(finding, "level"),
                        doctor_level_name(level)) == 0;
    }

    return count;
}


static void
doctor_print(json_t *result)
{
    size_t   i;
    json_t  *finding;

    json_array_foreach(json_object_get(result, "findings"), i, finding) {
        printf("%-8s %-10s %s\n", print_text(finding, "level"),
               print_text(finding, "check"), print_text(finding, "text"));

        if (print_text(finding, "fix")[0] != '\0') {
            printf("%19s fix: %s\n", "", print_text(finding, "fix"));
        }
    }

    printf("\n%lld errors, %lld warnings\n",
           (long long) json_integer_value(json_object_get(result, "errors")),
           (long long) json_integer_value(json_object_get(result,
                                                          "warnings")));
}


int
control_doctor(const struct control *control)
{
    size_t               errors;
    json_t              *result;
    struct error         err;
    struct examination   found;

    if (control_examine(control, &found, &err) != 0) {
        return control_failed(control, &err, true);
    }

    errors = doctor_count(found.findings, DOCTOR_ERROR);
    result = json_pack("{s:O, s:I, s:I}", "findings", found.findings,
                       "errors", (json_int_t) errors, "warnings",
                       (json_int_t) doctor_count(found.findings,
                                                 DOCTOR_WARN));
    control_print(control, result, doctor_print);
    json_decref(result);
    examination_clear(&found);

    return errors > 0 ? CONTROL_FAILED : 0;
}
