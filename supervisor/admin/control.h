/* SPDX-License-Identifier: MIT */
/*
 * The commands of mintctl.  Each returns the program's exit status, prints its
 * result to stdout and everything else to stderr.
 */

#ifndef SUPERVISOR_ADMIN_CONTROL_H
#define SUPERVISOR_ADMIN_CONTROL_H

#include <stdbool.h>


#define CONTROL_FAILED       1
#define CONTROL_USAGE        2
#define CONTROL_NOT_RUNNING  3
#define CONTROL_INTERRUPTED  130

#define CONTROL_LINES        20
#define CONTROL_LINES_MAX    100000


struct control {
    const char  *socket;
    const char  *argument;              /* NULL if the command has none */
    char       **more;                  /* what follows it */
    int          more_count;
    bool         json;
    bool         follow;
    bool         all;
    bool         force;
    bool         now;
    bool         yes;
    bool         help;
    bool         version;
    const char  *plugin;
    const char  *level;
    const char  *mode;
    const char  *request_id;
    long         lines;
    long         timeout_sec;
};


/* Ctrl-C and SIGTERM end a command in order */
void control_catch_signals(void);

/* control.c */
int control_status(const struct control *control);
int control_plugins(const struct control *control);
int control_top(const struct control *control);
int control_explain(const struct control *control);
int control_start(const struct control *control);
int control_install(const struct control *control);
int control_plan(const struct control *control);

/* control_move.c */
int control_restart(const struct control *control);
int control_drain(const struct control *control);
int control_uninstall(const struct control *control);
int control_history(const struct control *control);
int control_reload(const struct control *control);

/* control_logs.c */
int control_logs(const struct control *control);
int control_trace(const struct control *control);

/* control_crashes.c */
int control_crashes(const struct control *control);

/* control_doctor.c */
int control_doctor(const struct control *control);

/* control_environment.c */
int control_verify_env(const struct control *control);
int control_disk(const struct control *control);

/* control_support.c */
int control_support(const struct control *control);

/* control_wait.c */
int control_stop(const struct control *control);
int control_wait(const struct control *control);
int control_upgrade(const struct control *control);

/* control_table.c: "dump" and "diff" of run files; asks nobody */
int control_table(const struct control *control);

#endif /* SUPERVISOR_ADMIN_CONTROL_H */
