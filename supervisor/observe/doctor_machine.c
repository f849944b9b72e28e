/* SPDX-License-Identifier: MIT */
/*
 * Checks of the machine: disk, clock, interpreter, limits.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "child_program.h"
#include "doctor.h"
#include "lib/fs.h"


#define DOCTOR_MIB          (1024ULL * 1024)
#define DOCTOR_TMPFS        0x01021994
#define DOCTOR_BUILT_AT     1767225600      /* 2026-01-01: no clock is before */
#define DOCTOR_FUTURE_SEC   60
#define DOCTOR_FILES_LEAST  4096
#define DOCTOR_PYTHON_SEC   20


/* ---- disk -------------------------------------------------------------- */

static const struct {
    const char  *fact;
    uint64_t     error_mib;
    uint64_t     warn_mib;
    const char  *fix;
}  doctor_places[] = {
    { "data_directory", 100, 1024,
      "make room: old logs and crash reports below it may be deleted at any "
      "time, environments of plugins not" },
    { "run_directory", 8, 32, "make the tmpfs larger (mount -o remount,size="
      "...), or lower plugins.capacity" },
};


static void
doctor_check_place(struct doctor *doctor, size_t i)
{
    uint64_t             free_mib;
    const char          *path;
    struct statvfs       vfs;
    enum doctor_level    level;

    path = doctor_text(doctor, doctor_places[i].fact);

    if (statvfs(path, &vfs) == -1) {
        if (doctor->status != NULL) {
            doctor_say(doctor, DOCTOR_ERROR, "restart the system: it makes "
                       "its directories", "\"%s\" is not there", path);
        }
        return;
    }

    free_mib = (uint64_t) vfs.f_bavail * vfs.f_frsize / DOCTOR_MIB;
    level = free_mib < doctor_places[i].error_mib ? DOCTOR_ERROR
            : free_mib < doctor_places[i].warn_mib ? DOCTOR_WARN : DOCTOR_OK;

    doctor_say(doctor, level, level == DOCTOR_OK ? NULL
               : doctor_places[i].fix, "%llu MiB are free in \"%s\"",
               (unsigned long long) free_mib, path);

    if (vfs.f_files > 0 && vfs.f_favail < vfs.f_files / 50) {
        doctor_say(doctor, DOCTOR_WARN, doctor_places[i].fix, "only %llu more "
                   "files fit into \"%s\"",
                   (unsigned long long) vfs.f_favail, path);
    }
}


void
doctor_check_disk(struct doctor *doctor)
{
    size_t         i;
    struct statfs  fs;

    for (i = 0; i < sizeof(doctor_places) / sizeof(doctor_places[0]); i++) {
        doctor_check_place(doctor, i);
    }

    if (statfs(doctor_text(doctor, "run_directory"), &fs) == 0
        && (uint64_t) fs.f_type != DOCTOR_TMPFS)
    {
        doctor_say(doctor, DOCTOR_WARN, "set server.runDirectory to a "
                   "directory below /run or /dev/shm", "\"%s\" is not on "
                   "tmpfs: writing it back may hold up requests",
                   doctor_text(doctor, "run_directory"));
    }
}


/* ---- clock -------------------------------------------------------------- */

void
doctor_check_clock(struct doctor *doctor)
{
    char          *path, time_text[32];
    time_t         now;
    struct stat    st;
    struct timex   clock;

    now = time(NULL);
    time_rfc3339((uint64_t) now * 1000, time_text);
    path = mem_printf("%s/registry.json", doctor_text(doctor,
                                                      "data_directory"));
    memset(&clock, 0, sizeof(clock));

    if (now < DOCTOR_BUILT_AT) {
        doctor_say(doctor, DOCTOR_ERROR, "set the clock (date -s), then "
                   "synchronise it", "the clock says %s: sessions and logs "
                   "go by it", time_text);

    } else if (stat(path, &st) == 0 && st.st_mtime > now + DOCTOR_FUTURE_SEC) {
        doctor_say(doctor, DOCTOR_ERROR, "synchronise the clock; sessions of "
                   "the time between stay valid for longer", "the clock says "
                   "%s, but \"%s\" was written %lld s later", time_text, path,
                   (long long) (st.st_mtime - now));

    } else if (adjtimex(&clock) == TIME_ERROR
               || (clock.status & STA_UNSYNC) != 0)
    {
        doctor_say(doctor, DOCTOR_WARN, "apt-get install chrony, or "
                   "systemctl enable --now systemd-timesyncd (in a container: "
                   "on its host)", "the clock says %s and is not "
                   "synchronised", time_text);

    } else {
        doctor_say(doctor, DOCTOR_OK, NULL, "%s, synchronised", time_text);
    }

    free(path);
}


/* ---- interpreter -------------------------------------------------------- */

/* what "program argument" prints, its first line; NULL: err */

static char *
doctor_ask(const char *program, const char *a, const char *b,
    struct error *err)
{
    int            rc;
    char          *line;
    const char    *argv[4];
    struct strbuf  output = { 0 };

    argv[0] = program;
    argv[1] = a;
    argv[2] = b;
    argv[3] = NULL;
    rc = child_program_run(argv, DOCTOR_PYTHON_SEC, &output, err);

    line = mem_strdup(strbuf_text(&output));
    line[strcspn(line, "\n")] = '\0';
    strbuf_free(&output);

    if (rc == 0) {
        return line;
    }

    if (rc > 0) {
        error_set(err, MINT_ERR_SYSTEM, "\"%s\" failed: %s", program, line);
    }

    free(line);

    return NULL;
}


void
doctor_check_interpreter(struct doctor *doctor)
{
    int           major, minor;
    char         *version, *uv;
    struct error  err;

    version = doctor_ask(doctor_text(doctor, "python"), "-c",
                         "import sys; print(*sys.version_info[:3], sep='.')",
                         &err);
    if (version == NULL) {
        doctor_say(doctor, DOCTOR_ERROR, "install Python 3.12 or newer, or "
                   "name it in environments.python", "%s", err.text);

    } else if (sscanf(version, "%d.%d", &major, &minor) != 2 || major != 3
               || minor < 12)
    {
        doctor_say(doctor, DOCTOR_ERROR, "name one in environments.python",
                   "\"%s\" is Python %s, mint-sdk needs 3.12 or newer",
                   doctor_text(doctor, "python"), version);
    }

    uv = doctor_ask(doctor_text(doctor, "uv"), "--version", NULL, &err);

    if (uv == NULL) {
        doctor_say(doctor, DOCTOR_ERROR, "pip install uv, or name it in "
                   "environments.uv; what is installed runs without it",
                   "plugins cannot be installed: %s", err.text);

    } else if (version != NULL) {
        doctor_say(doctor, DOCTOR_OK, NULL, "Python %s (%s), %s", version,
                   doctor_text(doctor, "python"), uv);
    }

    free(version);
    free(uv);
}


/* ---- limits ------------------------------------------------------------- */

static void
doctor_check_files(struct doctor *doctor, const char *name)
{
    long           pid, limit;
    char           path[64], *p;
    struct strbuf  text = { 0 };

    pid = (long) json_integer_value(json_object_get(doctor->status, name));
    snprintf(path, sizeof(path), "/proc/%ld/limits", pid);

    if (pid > 0 && fs_read(path, 65536, &text, NULL) == 0) {
        p = strstr(strbuf_text(&text), "Max open files");
        limit = p != NULL ? strtol(p + 14, NULL, 10) : 0;

        if (limit > 0 && limit < DOCTOR_FILES_LEAST) {
            doctor_say(doctor, DOCTOR_WARN, "LimitNOFILE=65536 in the unit, "
                       "or ulimit -n 65536 before it is started",
                       "%s may open %ld files: about %ld plugins", name,
                       limit, limit / 8);
        }
    }

    strbuf_free(&text);
}


/* what the keeper has found: by what each limit of plugins is kept */

static const char *
doctor_means(const struct doctor *doctor, const char *what)
{
    const char  *means;

    means = json_string_value(json_object_get(json_object_get(doctor->status,
                                                              "limits"),
                                              what));

    return means != NULL ? means : "not known";
}


static void
doctor_check_means(struct doctor *doctor)
{
    size_t  i;

    static const struct {
        const char  *what;
        const char  *effect;
    }  means[] = {
        { "memory", "a plugin can take all of it, and it is not known which "
          "was killed for want of it" },
        { "processes", "a plugin can fork until nothing else can" },
    };

    for (i = 0; i < sizeof(means) / sizeof(means[0]); i++) {
        if (doctor->status != NULL
            && strncmp(doctor_means(doctor, means[i].what), "cgroup", 6) != 0)
        {
            doctor_say(doctor, DOCTOR_WARN, "start as root, or with "
                       "Delegate=yes in the unit, on a machine with cgroups",
                       "no cgroup limits the %s of plugins (%s): %s",
                       means[i].what, doctor_means(doctor, means[i].what),
                       means[i].effect);
        }
    }
}


void
doctor_check_limits(struct doctor *doctor)
{
    long    landlock;
    size_t  before;

    before = json_array_size(doctor->findings);
    doctor_check_files(doctor, "supervisor_pid");
    doctor_check_files(doctor, "keeper_pid");

    doctor_check_means(doctor);

    if (doctor_number(doctor, "backlog") < 511) {
        doctor_say(doctor, DOCTOR_WARN, "sysctl -w net.core.somaxconn=4096",
                   "only %ld connections may wait for a plugin",
                   doctor_number(doctor, "backlog"));
    }

    landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1U);

    if (landlock <= 0) {
        doctor_say(doctor, DOCTOR_NOTE, NULL, "this kernel has no Landlock "
                   "(5.13 or newer, with lsm=landlock)");
    }

    if (json_array_size(doctor->findings) == before) {
        doctor_say(doctor, DOCTOR_OK, NULL, "memory of plugins by %s, "
                   "processes by %s, Landlock ABI %ld, %ld connections may "
                   "wait", doctor_means(doctor, "memory"),
                   doctor_means(doctor, "processes"), landlock,
                   doctor_number(doctor, "backlog"));
    }
}
