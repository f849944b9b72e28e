/* SPDX-License-Identifier: MIT */
/*
 * config.json and MINT_ environment: one table of keys (config.c), read by
 * mint-supervisor and mint-platform alike.
 *
 * Order: defaults < config.json < environment.  Env names: MINT_ + the path
 * upper-cased, "__" between levels (MINT_SERVER__DATA_PATH); camelCase and
 * snake_case spellings of a key are both read.  An unknown key, a wrong type
 * or a value out of bounds is an error that names file, key path and what was
 * expected; nothing is half-applied.  Keys of the documented MINT
 * configuration that this version does not act on are accepted and reported
 * once as a warning through config_notices().
 */

#ifndef LIB_CONFIG_H
#define LIB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"


struct config_list {
    char   **item;
    size_t   count;
};


/* what plugins.perPlugin may change for one of them; lists are whole */
struct config_limits {
    int64_t             memory_mb;      /* plugins.memoryMegabytes, 0 = none */
    int64_t             processes;      /* plugins.maxProcesses, 4096 */
    int64_t             cpu_percent;    /* plugins.cpuPercent, 0 = none */
    int64_t             idle_stop_minutes;      /* plugins.idleStopMinutes */
    bool                sandbox;        /* plugins.sandbox, true */
    struct config_list  read_paths;     /* plugins.readPaths, absolute */
    struct config_list  write_paths;    /* plugins.writePaths */
    int64_t             probe_interval_sec;     /* ... .probeIntervalSeconds */
    int64_t             probe_timeout_sec;      /* 3 */
    int64_t             probe_down_after;       /* 3 */
    int64_t             probe_up_after;         /* 2 */
    int64_t             stuck_sec;      /* plugins.stuckLoopSeconds, 5 */
    int64_t             recycle_hours;  /* plugins.recycleHours, 0 = never */
    int64_t             recycle_requests;
    int64_t             recycle_memory_mb;
    int64_t             job_slots;      /* plugins.jobCpuSlots, 0 = a share */
};


struct config_plugin {
    char                  *name;
    struct config_limits   limits;
};


struct config {
    char  *path;                        /* of config.json, "" if none */
    char  *platform_name;               /* platformName */

    struct {
        char     *data_path;            /* server.dataPath, absolute */
        char     *run_directory;        /* server.runDirectory, absolute */
        char     *program_directory;    /* server.programDirectory: holds bin/,
                                           plugin_host/, conf/, module/ */
        char     *address;              /* server.address, "127.0.0.1" */
        int64_t   port;                 /* server.port, 8001 */
        char     *external_url;         /* server.externalUrl, "" */
        struct config_list  trusted_proxies;    /* ... .trustedProxyCidrs */
    } server;

    struct {
        bool      managed;              /* nginx.managed, true */
        char     *binary;               /* nginx.binary, "nginx" on PATH */
        int64_t   workers;              /* nginx.workers, 0 = auto */
        bool      access_log;           /* nginx.accessLog, true */
    } nginx;

    struct {
        bool      enable;               /* auth.enableAuth, true */
        char     *jwt_secret;           /* auth.jwtSecretKey, "" = generate */
        int64_t   token_expire_minutes; /* auth.tokenExpireMinutes, 10080 */
        int64_t   failed_login_limit;   /* auth.failedLoginLimit, 5 */
        int64_t   lockout_minutes;      /* auth.loginLockoutMinutes, 15 */
    } auth;

    struct {
        char     *uv;                   /* environments.uv, path of uv */
        char     *python;               /* environments.python, path */
        char     *cache_directory;      /* environments.cacheDirectory */
        char     *platform_version;     /* environments.sdkVersion, 1.2.10 */
    } environments;

    struct {
        int64_t   uid_first;            /* plugins.uidFirst, 60706 */
        int64_t   uid_last;             /* plugins.uidLast, 61183 */
        int64_t   capacity;             /* plugins.capacity, 256 */
        int64_t   ready_deadline_sec;   /* plugins.readyDeadlineSeconds, 60 */
        int64_t   stop_grace_sec;       /* plugins.stopGraceSeconds, 10 */
        int64_t   job_drain_hours;      /* plugins.jobDrainHours, 24 */
        int64_t   starts_at_once;       /* plugins.startsAtOnce, 4 */
        bool      shared_process;       /* plugins.sharedProcess, false */
        bool      warm_start;           /* plugins.warmStart, true */
        char     *venv_directory;       /* plugins.venvDir */
        struct config_list  force_isolated;
        struct config_list  force_shared;
        struct config_list  extra_index_urls;
        struct config_limits  limits;   /* of those not named in perPlugin */
        char     *per_plugin;           /* plugins.perPlugin, JSON */
        struct config_plugin *each;     /* the same, read */
        size_t    each_count;
    } plugins;

    struct config_list  cors_origins;   /* corsOrigins */

    char  *admin_username;              /* ADMIN_USERNAME */
    char  *admin_password;              /* ADMIN_PASSWORD */
};


/*
 * path NULL: MINT_CONFIG_PATH, else <MINT_SERVER__DATA_PATH>/config.json, else
 * ./config.json; a missing file is only an error when it was named.  environ
 * is that of the process (char **, NULL-terminated).
 */
int config_load(struct config **out, const char *path, char **environment,
    struct error *err);
void config_free(struct config **config);

/*
 * A configuration that was read again: what may change while the program runs
 * is exchanged between the two; then row *i and those behind it are looked
 * through for the next key whose value differs, NULL at the end.
 */
void config_take(struct config *config, struct config *fresh);
const char *config_next_difference(const struct config *a,
    const struct config *b, size_t *i);

/* never NULL; names are compared as package names */
const struct config_limits *config_limits_of(const struct config *config,
    const char *plugin);

/* texts for the log: keys accepted but not acted on; NULL-terminated */
const char *const *config_notices(const struct config *config);

/* "NAME<tab>type<tab>default<tab>help" of row i, or NULL: for --help-config
   and the check that docs/configuration.md names every key */
const char *config_describe(size_t i);

#endif /* LIB_CONFIG_H */
