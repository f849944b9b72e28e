/* SPDX-License-Identifier: MIT */
/*
 * Who can reach what: nginx's workers the sockets, plugins their interpreter,
 * nobody else the secrets.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access_as.h"
#include "doctor.h"
#include "lib/fs.h"


/* ---- nginx ------------------------------------------------------------ */

/* pid of some nginx worker of this machine, 0 = none */

static pid_t
doctor_nginx_worker(void)
{
    DIR            *proc;
    char            path[300];
    pid_t           found;
    struct dirent  *entry;
    struct strbuf   line = { 0 };

    proc = opendir("/proc");
    found = 0;

    while (proc != NULL && found == 0 && (entry = readdir(proc)) != NULL) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') {
            continue;
        }

        strbuf_clear(&line);
        snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);

        if (fs_read(path, 4096, &line, NULL) == 0
            && strncmp(strbuf_text(&line), "nginx: worker process", 21) == 0)
        {
            found = (pid_t) strtol(entry->d_name, NULL, 10);
        }
    }

    if (proc != NULL) {
        closedir(proc);
    }

    strbuf_free(&line);

    return found;
}


static bool
doctor_edge_user(struct doctor *doctor, struct access_user *user)
{
    pid_t  pid;

    if (doctor_flag(doctor, "nginx.managed")) {
        memset(user, 0, sizeof(*user));
        user->uid = (uid_t) doctor_number(doctor, "edge_uid");
        user->group[0] = (gid_t) doctor_number(doctor, "edge_gid");
        user->groups = 1;
        return true;
    }

    pid = doctor_nginx_worker();

    return pid != 0 && access_user_of(pid, user);
}


static void
doctor_edge_path(struct doctor *doctor, const struct access_user *user,
    const char *path, int want, const char *what)
{
    char         where[512];
    const char  *fix;

    if (access_as(user, path, want, where, sizeof(where))) {
        return;
    }

    if (errno == ENOENT) {
        if (doctor->status != NULL) {
            doctor_say(doctor, DOCTOR_ERROR, "mintctl logs supervisor",
                       "%s \"%s\" is not there", what, where);
        }
        return;
    }

    fix = doctor_flag(doctor, "nginx.managed")
          ? "stop the system and make run again: it sets owners and modes; "
            "directories above the run directory must let everybody through "
            "(chmod o+x)"
          : "in nginx.conf: \"user www-data mint-edge;\" (change the line "
            "that is there), usermod --append --groups www-data www-data, "
            "then restart nginx";
    doctor_say(doctor, DOCTOR_ERROR, fix, "nginx's workers (user %u, group "
               "%u) cannot reach %s: \"%s\" does not let them through",
               (unsigned) user->uid, (unsigned) user->group[0], what, where);
}


void
doctor_check_edge(struct doctor *doctor)
{
    DIR                 *directory;
    char                *path;
    size_t               i, before, sockets;
    const char          *run;
    struct dirent       *entry;
    struct access_user   user;

    static const char *const  files[] = {
        "routes", "seats", "identity", "workers"
    };

    if (doctor->status == NULL) {
        return;
    }

    if (!doctor_edge_user(doctor, &user)) {
        doctor_say(doctor, DOCTOR_WARN, "start nginx, with conf/mint.conf",
                   "nginx.managed is false, and no nginx worker runs");
        return;
    }

    before = json_array_size(doctor->findings);
    run = doctor_text(doctor, "run_directory");

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        path = mem_printf("%s/%s", run, files[i]);
        doctor_edge_path(doctor, &user, path,
                         strcmp(files[i], "workers") == 0 ? R_OK | W_OK
                                                          : R_OK,
                         "the run file");
        free(path);
    }

    directory = opendir(doctor_text(doctor, "socket_directory"));
    sockets = 0;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (strstr(entry->d_name, ".sock") != NULL) {
            path = mem_printf("%s/%s", doctor_text(doctor,
                                           "socket_directory"),
                              entry->d_name);
            doctor_edge_path(doctor, &user, path, R_OK | W_OK, "the socket");
            free(path);
            sockets++;
        }
    }

    if (directory != NULL) {
        closedir(directory);
    }

    if (json_array_size(doctor->findings) == before) {
        doctor_say(doctor, DOCTOR_OK, NULL, "nginx's workers (user %u) reach "
                   "run files and %zu sockets", (unsigned) user.uid, sockets);
    }
}


/* ---- files ------------------------------------------------------------- */

static const struct {
    const char  *fact;
    const char  *below;             /* "" = the fact's path itself */
    unsigned     forbidden;         /* mode bits that nobody should have */
    const char  *what;
}  doctor_private[] = {
    { "config_path", "", 0007, "keys and passwords of the configuration" },
    { "data_directory", "/registry.json", 0077, "tokens of plugins" },
    { "data_directory", "/mint.db", 0077, "the store" },
    { "data_directory", "/crashes", 0077, "crash reports" },
    { "log_directory", "", 0077, "logs" },
    { "run_directory", "", 0007, "run files and sockets" },
};


static void
doctor_check_private(struct doctor *doctor)
{
    char         *path, *fix;
    size_t        i;
    struct stat   st;

    for (i = 0; i < sizeof(doctor_private) / sizeof(doctor_private[0]); i++) {
        path = mem_printf("%s%s", doctor_text(doctor, doctor_private[i].fact),
                          doctor_private[i].below);

        if (stat(path, &st) == 0
            && (st.st_mode & doctor_private[i].forbidden) != 0)
        {
            fix = mem_printf("chmod %s \"%s\"",
                             doctor_private[i].forbidden == 0007
                             ? "o-rwx" : "go-rwx", path);
            doctor_say(doctor, DOCTOR_ERROR, fix, "others may open \"%s\" "
                       "(mode %04o): %s", path,
                       (unsigned) st.st_mode & 07777,
                       doctor_private[i].what);
            free(fix);
        }

        free(path);
    }
}


void
doctor_check_rights(struct doctor *doctor)
{
    char                 where[512];
    size_t               before;
    struct access_user   user;

    before = json_array_size(doctor->findings);
    doctor_check_private(doctor);

    if (doctor_flag(doctor, "has_uids")) {
        memset(&user, 0, sizeof(user));
        user.uid = (uid_t) doctor_number(doctor, "plugins.uid_first");
        user.group[0] = (gid_t) user.uid;
        user.groups = 1;

        if (!access_as(&user, doctor_text(doctor, "python"), X_OK, where,
                       sizeof(where)))
        {
            doctor_say(doctor, DOCTOR_ERROR, "use an interpreter that all "
                       "users can reach: environments.python, not below a "
                       "home directory", "plugins (user %u) cannot run \"%s\""
                       ": \"%s\" does not let them through",
                       (unsigned) user.uid, doctor_text(doctor, "python"),
                       where);
        }
    }

    if (json_array_size(doctor->findings) == before) {
        doctor_say(doctor, DOCTOR_OK, NULL, "secrets are closed%s",
                   doctor_flag(doctor, "has_uids")
                   ? ", plugins reach their interpreter" : "");
    }
}
