/* SPDX-License-Identifier: MIT */
/*
 * Shared by the files that hold mintctl's commands, one file a group of them.
 */

#ifndef SUPERVISOR_ADMIN_CONTROL_PRIVATE_H
#define SUPERVISOR_ADMIN_CONTROL_PRIVATE_H

#include <jansson.h>
#include <stdint.h>

#include "control.h"
#include "lib/error.h"


/* Ctrl-C or SIGTERM has come */
bool control_interrupted(void);

void control_sleep(long ms);

/* CLOCK_BOOTTIME at which --timeout is over */
uint64_t control_deadline(const struct control *control);

/* says what went wrong; the exit status */
int control_failed(const struct control *control, const struct error *err,
    bool is_running);

/*
 * One request on its own connection; takes arguments over.  A request that
 * only asks is sent again when the supervisor went away: it comes back at
 * once.
 */
int control_call(const struct control *control, const char *operation,
    json_t *arguments, uint64_t deadline_ms, bool only_asks, json_t **result,
    bool *is_running, struct error *err);

/* the result as JSON, or by print */
void control_print(const struct control *control, json_t *result,
    void (*print)(json_t *result));

/* request, result or error printed; the exit status */
int control_simple(const struct control *control, const char *operation,
    json_t *arguments, bool only_asks, void (*print)(json_t *result));

/* control_data.c: the directory above that of the socket, and <data> as the
   supervisor says it or else below that one; to be freed.  status: its
   answer, NULL if it does not run; may be NULL itself */
char *control_state_directory(const struct control *control);
char *control_data_directory(const struct control *control,
    json_t **status);

/* control_doctor.c: what doctor goes by and finds; status and plugins are NULL
   when nothing runs.  0, or err */
struct examination {
    json_t  *facts;
    json_t  *status;
    json_t  *plugins;
    json_t  *findings;
};

int control_examine(const struct control *control,
    struct examination *found, struct error *err);
void examination_clear(struct examination *found);

#endif /* SUPERVISOR_ADMIN_CONTROL_PRIVATE_H */
