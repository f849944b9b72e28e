/* SPDX-License-Identifier: MIT */
/*
 * The sandbox and the limits of a plugin's process.  Open is what any program
 * needs of the system, the interpreter, the plugin's own environment, and to
 * be changed its data and temporary directories; the rest, files of others in
 * the same user's home among them, is not.
 */

#include "confinement.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"


/* read and executed by everybody; what a system lacks is left out */
static const char *const  confinement_system[] = {
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc",
    "/proc", "/sys", "/nix/store", "/gnu/store", "/var/cache/fontconfig",

    /* where /etc/resolv.conf leads to */
    "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
    "/run/nscd"
};

static const char *const  confinement_devices[] = {
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
    "/dev/tty", "/dev/dri", "/dev/kfd"
};


static void confinement_system_paths(struct confinement *c,
    const struct config *config, const struct layout *layout);
static void confinement_allow(struct confinement *c, char access,
    const char *path);
static void confinement_interpreter(struct confinement *c,
    const struct config *config, const struct layout *layout,
    const char *environment);
static void confinement_gpus(struct confinement *c);
static bool confinement_is_above(const char *directory, const char *path);


void
confinement_make(struct confinement *c, const struct config *config,
    const struct layout *layout, const struct confinement_place *place,
    struct keeper_spawn_request *request)
{
    const struct config_limits  *limits;

    confinement_clear(c);
    limits = config_limits_of(config, place->name);

    request->memory_bytes = (uint64_t) limits->memory_mb << 20;
    request->pids = (uint32_t) limits->processes;
    request->cpu_percent = (uint32_t) limits->cpu_percent;

    if (!limits->sandbox) {
        return;
    }

    confinement_begin(c, config, layout, place->environment);
    confinement_admit(c, limits, place->data, place->tmp);

    request->flags |= MINT_SPAWN_SANDBOX;
    request->allow = (const char *const *) c->allow.item;
}


void
confinement_begin(struct confinement *c, const struct config *config,
    const struct layout *layout, const char *environment)
{
    char  *host;

    confinement_clear(c);
    confinement_system_paths(c, config, layout);

    host = mem_printf("%s/plugin_host", config->server.program_directory);
    confinement_allow(c, MINT_ALLOW_READ, host);
    free(host);

    confinement_allow(c, MINT_ALLOW_READ, environment);
    confinement_interpreter(c, config, layout, environment);
}


void
confinement_admit(struct confinement *c, const struct config_limits *limits,
    const char *data, const char *tmp)
{
    size_t  i;

    for (i = 0; i < limits->read_paths.count; i++) {
        confinement_allow(c, MINT_ALLOW_READ, limits->read_paths.item[i]);
    }

    for (i = 0; i < limits->write_paths.count; i++) {
        confinement_allow(c, MINT_ALLOW_WRITE, limits->write_paths.item[i]);
    }

    confinement_allow(c, MINT_ALLOW_WRITE, data);
    confinement_allow(c, MINT_ALLOW_WRITE, tmp);
}


void
confinement_add(struct confinement *c, const char *path,
    struct keeper_spawn_request *request)
{
    if (request->flags & MINT_SPAWN_SANDBOX) {
        confinement_allow(c, MINT_ALLOW_WRITE, path);
        request->allow = (const char *const *) c->allow.item;
    }
}


static void
confinement_system_paths(struct confinement *c, const struct config *config,
    const struct layout *layout)
{
    size_t  i;

    for (i = 0; i < sizeof(confinement_system) / sizeof(char *); i++) {
        confinement_allow(c, MINT_ALLOW_READ, confinement_system[i]);
    }

    for (i = 0; i < sizeof(confinement_devices) / sizeof(char *); i++) {
        confinement_allow(c, MINT_ALLOW_DEVICE, confinement_devices[i]);
    }

    confinement_gpus(c);

    /*
     * Of POSIX semaphores; with one user for all it would open the run files,
     * where there is no better place for those.  SDK jobs do without.
     */

    if (layout->has_uids
        || !confinement_is_above("/dev/shm", config->server.run_directory))
    {
        confinement_allow(c, MINT_ALLOW_WRITE, "/dev/shm");
    }

    if (!confinement_is_above("/opt", layout->state_directory)) {
        confinement_allow(c, MINT_ALLOW_READ, "/opt");
    }
}


static void
confinement_allow(struct confinement *c, char access, const char *path)
{
    char  *item;

    if (path == NULL) {
        return;
    }

    item = mem_printf("%c%s", access, path);

    if (!text_list_has(&c->allow, item)) {
        text_list_add(&c->allow, item);
    }

    free(item);
}


/*
 * Environments link to the interpreter they were made with.  Its prefix is
 * open as a whole, unless our own state or a home lies below it: then only
 * what Python keeps there.
 */

static void
confinement_interpreter(struct confinement *c, const struct config *config,
    const struct layout *layout, const char *environment)
{
    char                      *link, *slash, real[PATH_MAX], part[PATH_MAX];
    size_t                     i, len;
    const char                *home;
    static const char *const   parts[] = { "bin", "lib", "lib64", "share" };

    link = mem_printf("%s/bin/python", environment);
    home = getenv("HOME");

    if (realpath(link, real) == NULL) {
        free(link);
        return;                     /* the start says why it cannot */
    }

    free(link);
    confinement_allow(c, MINT_ALLOW_READ, real);

    for (i = 0; i < 2; i++) {
        slash = strrchr(real, '/');

        if (slash != NULL) {
            *slash = '\0';
        }
    }

    /* a system's tree somewhere else: its libraries lie beside its usr/ */

    len = strlen(real);

    if (len > 4 && strcmp(real + len - 4, "/usr") == 0) {
        real[len - 4] = '\0';
    }

    if (real[0] != '\0' && strcmp(real, "/usr") != 0
        && !confinement_is_above(real, layout->state_directory)
        && !confinement_is_above(real, config->server.run_directory)
        && (home == NULL || !confinement_is_above(real, home)))
    {
        confinement_allow(c, MINT_ALLOW_READ, real);
        return;
    }

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (snprintf(part, sizeof(part), "%s/%s", real, parts[i]) < PATH_MAX) {
            confinement_allow(c, MINT_ALLOW_READ, part);
        }
    }
}


static void
confinement_gpus(struct confinement *c)
{
    glob_t  found;
    size_t  i;

    if (glob("/dev/nvidia*", GLOB_NOSORT, NULL, &found) == 0) {
        for (i = 0; i < found.gl_pathc; i++) {
            confinement_allow(c, MINT_ALLOW_DEVICE, found.gl_pathv[i]);
        }

        globfree(&found);
    }
}


/* also of itself */

static bool
confinement_is_above(const char *directory, const char *path)
{
    size_t  len;

    len = strlen(directory);

    return strncmp(directory, path, len) == 0
           && (path[len] == '\0' || path[len] == '/');
}


void
confinement_clear(struct confinement *c)
{
    text_list_clear(&c->allow);
}


const char *
confinement_means(uint32_t means)
{
    static const char *const  names[] = {
        [MINT_MEANS_NONE] = "nothing",
        [MINT_MEANS_CGROUP2] = "cgroup v2",
        [MINT_MEANS_CGROUP1] = "cgroup v1",
        [MINT_MEANS_RLIMIT] = "resource limits",
        [MINT_MEANS_WALK] = "/proc"
    };

    return means < sizeof(names) / sizeof(names[0]) ? names[means]
                                                    : "unknown means";
}


char *
confinement_text(const struct keeper_facts *facts)
{
    char  landlock[64];

    if (facts->landlock_abi == 0) {
        snprintf(landlock, sizeof(landlock), "nothing (this kernel has no "
                 "Landlock)");

    } else {
        snprintf(landlock, sizeof(landlock), "Landlock (ABI %u)",
                 facts->landlock_abi);
    }

    return mem_printf("plugins are held: memory by %s, processes by %s, CPU "
                      "by %s, files by %s; what they leave is found by %s "
                      "(cgroups: %s)", confinement_means(facts->memory),
                      confinement_means(facts->pids),
                      confinement_means(facts->cpu), landlock,
                      confinement_means(facts->tree), facts->cgroup);
}
