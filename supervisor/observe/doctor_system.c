/* SPDX-License-Identifier: MIT */
/*
 * Checks of what the system says of itself: state, plugins, logs, run files.
 */

#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "lib/strbuf.h"
#include "supervisor/routes/run_json.h"


static const char *
doctor_member(json_t *object, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}


static void
doctor_check_core(struct doctor *doctor, const char *name)
{
    json_t      *part;
    const char  *state, *error;

    part = json_object_get(doctor->status, name);
    state = doctor_member(part, "state");
    error = doctor_member(part, "error");

    if (strcmp(state, "ready") != 0 && strcmp(state, "not managed") != 0) {
        doctor_say(doctor, DOCTOR_ERROR, strcmp(name, "nginx") == 0
                   ? "mintctl logs nginx; mintctl crashes nginx"
                   : "mintctl logs platform; mintctl crashes platform",
                   "%s is %s%s%s", name, state, error[0] != '\0' ? ": " : "",
                   error);
    }
}


/* nothing depends on it but time and memory */

static void
doctor_check_warm(struct doctor *doctor)
{
    json_t      *part;
    const char  *state;

    part = json_object_get(doctor->status, "warm");
    state = doctor_member(part, "state");

    if (json_is_true(json_object_get(part, "wanted"))
        && (strcmp(state, "backoff") == 0 || strcmp(state, "failed") == 0))
    {
        doctor_say(doctor, DOCTOR_WARN, "mintctl logs warm; mintctl crashes "
                   "warm", "the warm interpreter is %s: %s; plugins start, "
                   "but take longer and more memory", state,
                   doctor_member(part, "error"));
    }
}


static void
doctor_check_plugin(struct doctor *doctor, json_t *plugin)
{
    char        *fix;
    const char  *name, *state, *error;

    name = doctor_member(plugin, "name");
    state = doctor_member(plugin, "state");
    error = doctor_member(plugin, "list_error");

    if (error[0] != '\0') {
        doctor_say(doctor, DOCTOR_WARN, "take it off the list, or install a "
                   "version that can follow it; then mintctl reload",
                   "plugin \"%s\" is not where plugins.forceIsolated or "
                   "plugins.forceShared wants it: %s", name, error);
    }

    error = doctor_member(plugin, "error");

    if (strcmp(state, "failed") == 0 || strcmp(state, "resisting") == 0) {
        fix = mem_printf("mintctl crashes %s 1; mintctl logs %s", name, name);
        doctor_say(doctor, DOCTOR_ERROR, fix, "plugin \"%s\" is %s: %s", name,
                   state, error[0] != '\0' ? error : "no reason is known");
        free(fix);
    }
}


/* not wrong, but whoever looks for a cause has to know */

void
doctor_check_sharing(struct doctor *doctor)
{
    if (doctor_flag(doctor, "plugins.shared_process")) {
        doctor_say(doctor, DOCTOR_NOTE, "set plugins.sharedProcess to false "
                   "where memory allows it", "plugins.sharedProcess is on: "
                   "the plugins of the shared environment are one process and "
                   "one user; a crash, a blocked event loop or an exhausted "
                   "limit of one is that of all, and each can read the files "
                   "and the token of the others");
    }
}


void
doctor_check_system(struct doctor *doctor)
{
    size_t       i, before;
    json_t      *item, *protection;
    const char  *error;

    if (doctor->status == NULL) {
        doctor_say(doctor, DOCTOR_NOTE, NULL, "the system is not running; "
                   "what only it knows is not checked");
        return;
    }

    before = json_array_size(doctor->findings);
    doctor_check_core(doctor, "nginx");
    doctor_check_core(doctor, "platform");
    doctor_check_warm(doctor);

    error = doctor_member(json_object_get(doctor->status, "environment"),
                          "error");
    if (error[0] != '\0') {
        doctor_say(doctor, DOCTOR_ERROR, "mintctl logs supervisor",
                   "the shared environment cannot be made: %s", error);
    }

    json_array_foreach(doctor->plugins, i, item) {
        doctor_check_plugin(doctor, item);
    }

    protection = json_object_get(doctor->status, "protection");
    json_array_foreach(protection, i, item) {
        doctor_say(doctor, DOCTOR_WARN, NULL, "missing protection: %s",
                   json_string_value(item));
    }

    if (json_array_size(doctor->findings) == before) {
        doctor_say(doctor, DOCTOR_OK, NULL, "version %s is %s, %zu plugins",
                   doctor_member(doctor->status, "version"),
                   doctor_member(doctor->status, "state"),
                   json_array_size(doctor->plugins));
    }
}


void
doctor_check_logs(struct doctor *doctor)
{
    size_t      i, before;
    json_t     *output;
    long long   dropped, slowed;

    before = json_array_size(doctor->findings);

    json_array_foreach(json_object_get(doctor->facts, "outputs"), i, output) {
        dropped = json_integer_value(json_object_get(output,
                                                     "dropped_lines"));
        slowed = json_integer_value(json_object_get(output, "slowed"));

        if (dropped > 0) {
            doctor_say(doctor, DOCTOR_WARN, "see \"disk\" and \"rights\"; "
                       "lines are written again as soon as that is possible",
                       "%lld lines of \"%s\" are in no file", dropped,
                       doctor_member(output, "name"));
        }

        if (slowed > 0) {
            doctor_say(doctor, DOCTOR_WARN, "have it print less: its requests "
                       "wait while it prints",
                       "\"%s\" printed more than its budget %lld times and "
                       "was slowed", doctor_member(output, "name"), slowed);
        }
    }

    if (json_array_size(doctor->findings) == before) {
        doctor_say(doctor, DOCTOR_OK, NULL, "in \"%s\"; requests are %s",
                   doctor_text(doctor, "log_directory"),
                   doctor_flag(doctor, "nginx.access_log") ? "logged, too"
                   : "not logged (nginx.accessLog): trace and crash reports "
                     "lack them");
    }
}


void
doctor_check_run_files(struct doctor *doctor)
{
    size_t       before;
    json_t      *dump, *file;
    const char  *name, *error;

    if (doctor->status == NULL) {
        return;
    }

    before = json_array_size(doctor->findings);
    dump = run_json_dump(doctor_text(doctor, "run_directory"), false);

    json_object_foreach(json_object_get(dump, "files"), name, file) {
        error = doctor_member(file, "error");

        if (error[0] != '\0') {
            doctor_say(doctor, DOCTOR_ERROR, "the supervisor makes it anew at "
                       "its start: remove the file, then end the supervisor "
                       "(kill PID of mintctl status); plugins go on",
                       "run file \"%s\": %s", name, error);
        }
    }

    if (json_array_size(doctor->findings) == before) {
        doctor_say(doctor, DOCTOR_OK, NULL, "whole, read by %zu workers",
                   json_array_size(json_object_get(dump, "workers")));
    }

    json_decref(dump);
}
