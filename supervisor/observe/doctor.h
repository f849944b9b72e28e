/* SPDX-License-Identifier: MIT */
/*
 * mintctl doctor: looks at a system and the machine it is on, and says what is
 * wrong and what to do about it.  Runs in mintctl, as root or as the
 * supervisor's user; may block; works when the system is down, too.
 */

#ifndef SUPERVISOR_OBSERVE_DOCTOR_H
#define SUPERVISOR_OBSERVE_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/config.h"
#include "supervisor/process/layout.h"


enum doctor_level {
    DOCTOR_OK = 0,
    DOCTOR_NOTE = 1,            /* worth knowing, nothing to do */
    DOCTOR_WARN = 2,            /* will be a problem, or weakens something */
    DOCTOR_ERROR = 3
};


struct doctor {
    json_t      *facts;         /* doctor_facts() */
    json_t      *status;        /* of the admin protocol; NULL = down */
    json_t      *plugins;       /* its list of plugins; NULL = not known */
    json_t      *findings;      /* [{check, level, text, fix|null}] */
    const char  *check;         /* the one that runs */
};


/*
 * What the checks go by: directories, users, times, as configured.  Of a
 * running system by the supervisor, which knows its environment.
 */
json_t *doctor_facts(const struct config *config,
    const struct layout *layout);

/* runs all checks; facts, status and plugins are borrowed */
json_t *doctor_examine(json_t *facts, json_t *status, json_t *plugins);

/* "ok", "note", "warning", "error" */
const char *doctor_level_name(enum doctor_level level);


/* ---- for the checks --------------------------------------------------- */

/* a finding; fix may be NULL */
void doctor_say(struct doctor *doctor, enum doctor_level level,
    const char *fix, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* a fact by its path, "nginx.binary"; "" or 0 if there is none */
const char *doctor_text(const struct doctor *doctor, const char *path);
long doctor_number(const struct doctor *doctor, const char *path);
bool doctor_flag(const struct doctor *doctor, const char *path);

typedef void (*doctor_check_fn)(struct doctor *doctor);

void doctor_check_system(struct doctor *doctor);        /* doctor_system.c */
void doctor_check_sharing(struct doctor *doctor);
void doctor_check_logs(struct doctor *doctor);
void doctor_check_run_files(struct doctor *doctor);
void doctor_check_nginx(struct doctor *doctor);         /* doctor_nginx.c */
void doctor_check_edge(struct doctor *doctor);          /* doctor_rights.c */
void doctor_check_rights(struct doctor *doctor);
void doctor_check_times(struct doctor *doctor);         /* doctor_times.c */
void doctor_check_disk(struct doctor *doctor);          /* doctor_machine.c */
void doctor_check_clock(struct doctor *doctor);
void doctor_check_interpreter(struct doctor *doctor);
void doctor_check_limits(struct doctor *doctor);

#endif /* SUPERVISOR_OBSERVE_DOCTOR_H */
