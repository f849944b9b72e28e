/* SPDX-License-Identifier: MIT */
/*
 * uv's command lines; what it says is in uv_words.c.  Settings that may hold
 * credentials (index addresses) go through the environment, never on a command
 * line.
 */

#include "supervisor/plugin/uv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"


#define UV_COMPILE_TIMEOUT_SEC  300
#define UV_SYNC_TIMEOUT_SEC     1800


struct uv {
    const struct config  *config;
    struct text_list      env;          /* passed on from our own */
};


/* what of our own environment uv may see, besides UV_* */

static const char *const  uv_passed[] = {
    "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
    "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "NETRC"
};

/* what we decide ourselves */

static const char *const  uv_ours[] = {
    "UV_CACHE_DIR", "UV_PYTHON_INSTALL_DIR", "UV_EXTRA_INDEX_URL",
    "UV_NO_PROGRESS", "UV_PYTHON_DOWNLOADS", "UV_PYTHON", "UV_SYSTEM_PYTHON",
    "UV_CONSTRAINT", "UV_OVERRIDE", "UV_BUILD_CONSTRAINT",
    "UV_PROJECT_ENVIRONMENT", "UV_WORKING_DIRECTORY", "UV_WORKING_DIR",
    "UV_PROJECT", "UV_ENV_FILE", "UV_REQUIRE_HASHES", "UV_NO_VERIFY_HASHES",
    "UV_TORCH_BACKEND", "UV_RESOLUTION", "UV_BREAK_SYSTEM_PACKAGES",
    "UV_NO_BUILD", "UV_NO_BINARY", "UV_CUSTOM_COMPILE_COMMAND",
    "UV_VENV_CLEAR", "UV_VENV_SEED", "UV_EXCLUDE"
};


static void uv_set_indexes(struct uv *uv, char **environment);
static bool uv_may_pass(const char *variable);
static const char *uv_lookup(char **environment, const char *name);
static struct command *uv_command(const struct uv *uv, const char *label);
static void uv_add_links(struct command *command,
    const struct text_list *find_links);
static void uv_add_prefix(const struct uv *uv, struct command *command,
    const char *directory);


struct uv *
uv_new(const struct config *config, char **environment)
{
    size_t       i;
    struct uv   *uv;

    uv = mem_alloc(sizeof(struct uv));
    uv->config = config;

    for (i = 0; environment != NULL && environment[i] != NULL; i++) {
        if (uv_may_pass(environment[i])) {
            text_list_add(&uv->env, environment[i]);
        }
    }

    uv_set_indexes(uv, environment);

    text_list_printf(&uv->env, "UV_CACHE_DIR=%s",
                     config->environments.cache_directory);
    text_list_printf(&uv->env, "HOME=%s", config->server.data_path);
    text_list_printf(&uv->env, "UV_PYTHON_INSTALL_DIR=%s/python",
                     config->environments.cache_directory);
    text_list_add(&uv->env, "UV_NO_PROGRESS=1");
    text_list_add(&uv->env, "UV_PYTHON_DOWNLOADS=never");
    text_list_add(&uv->env, "NO_COLOR=1");

    return uv;
}


void
uv_free(struct uv **uv)
{
    if (*uv == NULL) {
        return;
    }

    text_list_clear(&(*uv)->env);
    free(*uv);

    *uv = NULL;
}


/* a machine set up for pip only is set up for us too */

static void
uv_set_indexes(struct uv *uv, char **environment)
{
    size_t                     i;
    const char                *inherited, *pip;
    struct strbuf              urls;
    const struct config_list  *extra;

    memset(&urls, 0, sizeof(urls));
    extra = &uv->config->plugins.extra_index_urls;

    for (i = 0; i < extra->count; i++) {
        strbuf_printf(&urls, "%s%s", i > 0 ? " " : "", extra->item[i]);
    }

    inherited = uv_lookup(environment, "UV_EXTRA_INDEX_URL");

    if (inherited != NULL && inherited[0] != '\0') {
        strbuf_printf(&urls, "%s%s", urls.len > 0 ? " " : "", inherited);
    }

    if (urls.len > 0) {
        text_list_printf(&uv->env, "UV_EXTRA_INDEX_URL=%s",
                         strbuf_text(&urls));
    }

    strbuf_free(&urls);

    pip = uv_lookup(environment, "PIP_INDEX_URL");

    if (pip != NULL && uv_lookup(environment, "UV_DEFAULT_INDEX") == NULL
        && uv_lookup(environment, "UV_INDEX_URL") == NULL)
    {
        text_list_printf(&uv->env, "UV_DEFAULT_INDEX=%s", pip);
    }
}


static bool
uv_may_pass(const char *variable)
{
    size_t  i, len;

    len = strcspn(variable, "=");

    if (strncmp(variable, "UV_", 3) == 0) {
        for (i = 0; i < sizeof(uv_ours) / sizeof(uv_ours[0]); i++) {
            if (strlen(uv_ours[i]) == len
                && strncmp(uv_ours[i], variable, len) == 0)
            {
                return false;
            }
        }

        return true;
    }

    for (i = 0; i < sizeof(uv_passed) / sizeof(uv_passed[0]); i++) {
        if (strlen(uv_passed[i]) == len
            && strncmp(uv_passed[i], variable, len) == 0)
        {
            return true;
        }
    }

    return false;
}


static const char *
uv_lookup(char **environment, const char *name)
{
    size_t  i, len;

    len = strlen(name);

    for (i = 0; environment != NULL && environment[i] != NULL; i++) {
        if (strncmp(environment[i], name, len) == 0
            && environment[i][len] == '=')
        {
            return environment[i] + len + 1;
        }
    }

    return NULL;
}


static struct command *
uv_command(const struct uv *uv, const char *label)
{
    size_t           i;
    struct command  *command;

    command = command_new(label, uv->config->environments.uv);

    for (i = 0; i < uv->env.count; i++) {
        text_list_add(&command->env, uv->env.item[i]);
    }

    free(command->cwd);
    command->cwd = mem_strdup(uv->config->server.data_path);

    return command;
}


/*
 * --no-build: a source distribution would run its own code under our uid.
 * The annotations of the lock ("# via ...") tell who needs what.
 */

struct command *
uv_compile_command(const struct uv *uv, const struct uv_compile *compile)
{
    size_t           i;
    struct command  *command;

    const char  *const  fixed[] = {
        "pip", "compile", "--quiet", "--no-header", "--no-build",
        "--generate-hashes", "--annotation-style", "split", "--python",
        uv->config->environments.python, "--output-file", compile->output
    };

    command = uv_command(uv, "uv pip compile");
    command->timeout_sec = UV_COMPILE_TIMEOUT_SEC;

    for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        command_add(command, fixed[i]);
    }

    if (compile->constraints != NULL) {
        command_add(command, "-c");
        command_add(command, compile->constraints);
    }

    if (compile->overrides != NULL) {
        command_add(command, "--override");
        command_add(command, compile->overrides);
    }

    if (compile->is_offline) {
        command_add(command, "--offline");
    }

    uv_add_links(command, compile->find_links);
    command_add(command, compile->input);

    return command;
}


static void
uv_add_links(struct command *command, const struct text_list *find_links)
{
    size_t  i;

    for (i = 0; find_links != NULL && i < find_links->count; i++) {
        command_add(command, "--find-links");
        command_add(command, find_links->item[i]);
    }
}


struct command *
uv_venv_command(const struct uv *uv, const char *directory)
{
    struct command  *command;

    command = uv_command(uv, "uv venv");

    command_add(command, "venv");
    command_add(command, "--quiet");
    command_add(command, "--no-project");
    command_add(command, "--relocatable");
    command_add(command, "--python");
    command_add(command, uv->config->environments.python);
    command_add(command, directory);

    return command;
}


struct command *
uv_version_command(const struct uv *uv)
{
    struct command  *command;

    command = uv_command(uv, "uv --version");
    command_add(command, "--version");

    return command;
}


/* into an empty environment: its interpreter, which uv asks for its paths, runs
   no code of a wheel yet, and must not do so afterwards */

struct command *
uv_sync_command(const struct uv *uv, const char *directory, const char *lock,
    const struct text_list *find_links, enum uv_source source)
{
    struct command  *command;

    static const char *const  options[] = {
        [UV_CACHE] = "--offline",
        [UV_INDEX] = NULL,
        [UV_ANEW] = "--no-cache"
    };

    command = uv_command(uv, "uv pip sync");
    command->timeout_sec = UV_SYNC_TIMEOUT_SEC;

    command_add(command, "pip");
    command_add(command, "sync");
    command_add(command, "--no-build");
    command_add(command, "--require-hashes");
    command_add(command, "--python");
    text_list_printf(&command->argv, "%s/bin/python", directory);

    if (options[source] != NULL) {
        command_add(command, options[source]);
    }

    uv_add_links(command, find_links);
    command_add(command, lock);

    return command;
}


/* its packages without its interpreter: that would run their .pth files, as us
   and unconfined */

static void
uv_add_prefix(const struct uv *uv, struct command *command,
    const char *directory)
{
    command_add(command, "--python");
    command_add(command, uv->config->environments.python);
    command_add(command, "--prefix");
    command_add(command, directory);
}


/* uv's own lock file, which everybody may write, and hold; also of a dry run */

void
uv_judged(const char *directory)
{
    char  *path;

    path = mem_printf("%s/.lock", directory);

    if (unlink(path) == -1 && errno != ENOENT) {
        log_warn("unlink(\"%s\") failed: %s", path, strerror(errno));
    }

    free(path);
}


/*
 * A dry run without any index: what is not met by the installed packages has
 * nowhere to come from, so uv fails exactly then.
 */

struct command *
uv_judge_command(const struct uv *uv, const char *directory,
    const char *requirement)
{
    struct command  *command;

    uv_judged(directory);       /* one that was cancelled */

    command = uv_command(uv, "uv pip install --dry-run");

    command_add(command, "pip");
    command_add(command, "install");
    command_add(command, "--quiet");
    command_add(command, "--dry-run");
    command_add(command, "--no-deps");
    command_add(command, "--no-index");
    command_add(command, "--offline");
    command_add(command, "--no-build");
    uv_add_prefix(uv, command, directory);
    command_add(command, "--");
    command_add(command, requirement);

    return command;
}


/*
 * Asks for what has been resolved already, so that little is asked again.  The
 * form gives the sizes that an index states.
 */

struct command *
uv_sizes_command(const struct uv *uv, const char *lock, const char *output,
    const struct text_list *find_links)
{
    struct command  *command;

    command = uv_command(uv, "uv pip compile --format pylock.toml");
    command->timeout_sec = UV_COMPILE_TIMEOUT_SEC;

    command_add(command, "pip");
    command_add(command, "compile");
    command_add(command, "--quiet");
    command_add(command, "--no-header");
    command_add(command, "--no-deps");
    command_add(command, "--no-build");
    command_add(command, "--format");
    command_add(command, "pylock.toml");
    command_add(command, "--python");
    command_add(command, uv->config->environments.python);
    command_add(command, "--output-file");
    command_add(command, output);
    uv_add_links(command, find_links);
    command_add(command, lock);

    return command;
}


/* only with --verbose uv says which files it does not have */

struct command *
uv_fetch_command(const struct uv *uv, const char *directory, const char *lock,
    const struct text_list *find_links)
{
    struct command  *command;

    command = uv_command(uv, "uv pip sync --dry-run");
    command->timeout_sec = UV_COMPILE_TIMEOUT_SEC;

    command_add(command, "pip");
    command_add(command, "sync");
    command_add(command, "--dry-run");
    command_add(command, "--verbose");
    command_add(command, "--no-build");
    command_add(command, "--require-hashes");
    uv_add_prefix(uv, command, directory);
    uv_add_links(command, find_links);
    command_add(command, lock);

    return command;
}


char *
uv_file_url(const char *path)
{
    char           *url;
    const char     *p;
    struct strbuf   out;

    memset(&out, 0, sizeof(out));
    strbuf_puts(&out, "file://");

    for (p = path; *p != '\0'; p++) {
        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')
            || (*p >= '0' && *p <= '9') || strchr("/._~-", *p) != NULL)
        {
            strbuf_append(&out, p, 1);

        } else {
            strbuf_printf(&out, "%%%02X", (unsigned char) *p);
        }
    }

    url = mem_strdup(strbuf_text(&out));
    strbuf_free(&out);

    return url;
}
