/* SPDX-License-Identifier: MIT */
/*
 * The table of checks, and what they share.
 */

#include "doctor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "lib/text.h"
#include "supervisor/process/core_process.h"
#include "supervisor/process/plugin_environment.h"


static const struct {
    const char       *name;
    doctor_check_fn   run;
}  doctor_checks[] = {
    { "system", doctor_check_system },
    { "sharing", doctor_check_sharing },
    { "nginx", doctor_check_nginx },
    { "run files", doctor_check_run_files },
    { "edge", doctor_check_edge },
    { "rights", doctor_check_rights },
    { "times", doctor_check_times },
    { "disk", doctor_check_disk },
    { "clock", doctor_check_clock },
    { "python", doctor_check_interpreter },
    { "limits", doctor_check_limits },
    { "logs", doctor_check_logs },
};

static const char *const  doctor_level_names[] = {
    "ok", "note", "warning", "error"
};


const char *
doctor_level_name(enum doctor_level level)
{
    return doctor_level_names[level];
}


json_t *
doctor_examine(json_t *facts, json_t *status, json_t *plugins)
{
    size_t         i;
    struct doctor  doctor;

    doctor.facts = facts;
    doctor.status = status;
    doctor.plugins = plugins;
    doctor.findings = json_array();

    for (i = 0; i < sizeof(doctor_checks) / sizeof(doctor_checks[0]); i++) {
        doctor.check = doctor_checks[i].name;
        doctor_checks[i].run(&doctor);
    }

    return doctor.findings;
}


void
doctor_say(struct doctor *doctor, enum doctor_level level, const char *fix,
    const char *format, ...)
{
    va_list        args;
    struct strbuf  text = { 0 };

    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);

    if (text.data != NULL) {
        text_clean(text.data);
    }

    json_array_append_new(doctor->findings, json_pack(
        "{s:s, s:s, s:s, s:o}", "check", doctor->check, "level",
        doctor_level_names[level], "text", strbuf_text(&text), "fix",
        fix != NULL ? json_string(fix) : json_null()));
    strbuf_free(&text);
}


/* ---- facts ------------------------------------------------------------ */

json_t *
doctor_facts(const struct config *config, const struct layout *layout)
{
    char    *nginx;
    json_t  *facts;

    nginx = core_process_nginx(config);

    facts = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:i, s:i, s:i, "
        "s:i, s:i}",
        "config_path", config->path,
        "data_directory", config->server.data_path,
        "state_directory", layout->state_directory,
        "run_directory", config->server.run_directory,
        "program_directory", config->server.program_directory,
        "log_directory", layout->log_directory,
        "socket_directory", layout->socket_directory,
        "python", config->environments.python,
        "uv", config->environments.uv,
        "has_uids", layout->has_uids,
        "own_uid", (int) layout->own_uid,
        "own_gid", (int) layout->own_gid,
        "edge_uid", (int) layout->edge_uid,
        "edge_gid", (int) layout->edge_gid,
        "backlog", (int) layout->backlog);

    json_object_set_new(facts, "nginx", json_pack("{s:b, s:s, s:s, s:b}",
        "managed", config->nginx.managed,
        "wanted", config->nginx.binary,
        "binary", nginx != NULL ? nginx : "",
        "access_log", config->nginx.access_log));

    json_object_set_new(facts, "plugins", json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:i, s:b}",
        "ready_deadline_seconds",
        (json_int_t) config->plugins.ready_deadline_sec,
        "stop_grace_seconds", (json_int_t) config->plugins.stop_grace_sec,
        "uid_first", (json_int_t) config->plugins.uid_first,
        "uid_last", (json_int_t) config->plugins.uid_last,
        "capacity", (json_int_t) config->plugins.capacity,
        "keepalive_seconds", PLUGIN_KEEPALIVE_SEC,
        "shared_process", config->plugins.shared_process));
    free(nginx);

    return facts;
}


static json_t *
doctor_fact(const struct doctor *doctor, const char *path)
{
    char         name[64];
    size_t       len;
    json_t      *value;

    for (value = doctor->facts; value != NULL && *path != '\0';
         path += len + (path[len] == '.'))
    {
        len = strcspn(path, ".");

        if (len >= sizeof(name)) {
            return NULL;
        }

        memcpy(name, path, len);
        name[len] = '\0';
        value = json_object_get(value, name);
    }

    return value;
}


const char *
doctor_text(const struct doctor *doctor, const char *path)
{
    const char  *text;

    text = json_string_value(doctor_fact(doctor, path));

    return text != NULL ? text : "";
}


long
doctor_number(const struct doctor *doctor, const char *path)
{
    return (long) json_integer_value(doctor_fact(doctor, path));
}


bool
doctor_flag(const struct doctor *doctor, const char *path)
{
    return json_is_true(doctor_fact(doctor, path));
}
