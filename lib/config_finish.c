/* SPDX-License-Identifier: MIT */
/*
 * What follows from the values: directories that depend on who we are,
 * programs found on PATH, checks of keys against each other.
 */

#include "lib/config_table.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract/mint_origin.h"


/* where Debian keeps nginx, whatever a user's PATH says */
#define CONFIG_MORE_PATH  "/usr/local/sbin:/usr/sbin:/sbin"

#define CONFIG_RUN_MAX    80


static char *config_run_directory(char **environment);
static char *config_program_directory(void);
static void config_find_program(char **program, const char *search);
static bool config_is_program(const char *path);
static int config_check_lists(const struct config *config, const char *where,
    struct error *err);
static int config_check_external(const struct config *config,
    const char *where, struct error *err);


int
config_finish(struct config *config, char **environment, const char *where,
    struct error *err)
{
    char        *search;
    const char  *path;

    if (config->server.run_directory == NULL) {
        config->server.run_directory = config_run_directory(environment);
    }

    if (config->server.program_directory == NULL) {
        config->server.program_directory = config_program_directory();
    }

    if (config->environments.cache_directory == NULL) {
        config->environments.cache_directory =
            mem_printf("%s/cache/uv", config->server.data_path);
    }

    if (config->plugins.venv_directory == NULL) {
        config->plugins.venv_directory =
            mem_printf("%s/venvs", config->server.data_path);
    }

    path = config_environment(environment, "PATH");
    search = mem_printf("%s%s%s", path == NULL ? "/usr/local/bin:/usr/bin:"
                                                 "/bin" : path,
                        ":", CONFIG_MORE_PATH);

    config_find_program(&config->nginx.binary, search);
    config_find_program(&config->environments.uv, search);
    config_find_program(&config->environments.python, search);
    free(search);

    if (config->plugins.uid_last < config->plugins.uid_first) {
        return error_set(err, MINT_ERR_INVALID,
                         "%s: plugins.uidLast: expected at least "
                         "plugins.uidFirst, which is %lld, got %lld", where,
                         (long long) config->plugins.uid_first,
                         (long long) config->plugins.uid_last);
    }

    if (config_check_external(config, where, err) != 0) {
        return err->code;
    }

    if (config_check_lists(config, where, err) != 0) {
        return err->code;
    }

    return config_read_plugins(config, where, err);
}


/* browsers compare it with the origin of their pages */

static int
config_check_external(const struct config *config, const char *where,
    struct error *err)
{
    const char         *url;
    struct mint_origin  origin;

    url = config->server.external_url;

    if (*url == '\0' || mint_origin_parse_url(url, strlen(url), &origin) > 0) {
        return 0;
    }

    return error_set(err, MINT_ERR_INVALID, "%s: server.externalUrl: expected "
                     "an address like https://mint.example.org", where);
}


static char *
config_run_directory(char **environment)
{
    const char  *user;

    if (geteuid() == 0) {
        return mem_strdup("/run/mint");
    }

    user = config_environment(environment, "XDG_RUNTIME_DIR");

    if (user != NULL && *user == '/'
        && strlen(user) + strlen("/mint") <= CONFIG_RUN_MAX)
    {
        return config_absolute(user, "mint");
    }

    return mem_printf("/dev/shm/mint-%lu", (unsigned long) geteuid());
}


/* <program>/bin/mint-supervisor -> <program> */

static char *
config_program_directory(void)
{
    int      i;
    char     path[PATH_MAX];
    char    *slash;
    ssize_t  len;

    len = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (len <= 0) {
        return mem_strdup("/usr/lib/mint");
    }

    path[len] = '\0';

    for (i = 0; i < 2; i++) {
        slash = strrchr(path, '/');

        if (slash != NULL) {
            *slash = '\0';
        }
    }

    return mem_strdup(*path == '\0' ? "/" : path);
}


/* a name that is not found stays as it is: whoever runs it says so */

static void
config_find_program(char **program, const char *search)
{
    char    *candidate;
    size_t   len;

    if (strchr(*program, '/') != NULL) {
        return;
    }

    for ( ; *search != '\0'; search += len + (search[len] == ':')) {
        len = strcspn(search, ":");

        /* a relative entry means something else in each directory */

        if (len == 0 || *search != '/') {
            continue;
        }

        candidate = mem_printf("%.*s/%s", (int) len, search, *program);

        if (config_is_program(candidate)) {
            free(*program);
            *program = candidate;
            return;
        }

        free(candidate);
    }
}


static bool
config_is_program(const char *path)
{
    struct stat  st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode)
           && access(path, X_OK) == 0;
}


static int
config_check_lists(const struct config *config, const char *where,
    struct error *err)
{
    size_t                     i, k;
    const struct config_list  *isolated, *shared;

    isolated = &config->plugins.force_isolated;
    shared = &config->plugins.force_shared;

    for (i = 0; i < isolated->count; i++) {
        for (k = 0; k < shared->count; k++) {
            if (config_same_plugin(isolated->item[i], shared->item[k])) {
                return error_set(err, MINT_ERR_INVALID,
                                 "%s: plugins.forceIsolated and "
                                 "plugins.forceShared both name \"%s\"; "
                                 "leave it in one", where, shared->item[k]);
            }
        }
    }

    return 0;
}


const char *
config_environment(char **environment, const char *name)
{
    size_t  len;

    len = strlen(name);

    for ( ; environment != NULL && *environment != NULL; environment++) {
        if (strncmp(*environment, name, len) == 0
            && (*environment)[len] == '='
            && (*environment)[len + 1] != '\0')
        {
            return *environment + len + 1;
        }
    }

    return NULL;
}
