/* SPDX-License-Identifier: MIT */
/*
 * What is run to build an environment and to look at it, and what is done with
 * the output.
 */

#include "supervisor/plugin/environment_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/environment_key.h"
#include "supervisor/plugin/inventory.h"


#define ENVIRONMENT_COMPILE_SEC     1800
#define ENVIRONMENT_IMPORT_SEC      120
#define ENVIRONMENT_DISK_SEC        600
#define ENVIRONMENT_OTHERS_MAX      4


static struct command *environment_inside(struct environment_build *build,
    const char *label, const char *program, uint32_t uid);


const char *
environment_at(const struct environment_build *build)
{
    return build->place == ENVIRONMENT_ASIDE ? build->temporary
                                             : build->directory;
}


/* implementation, full version, platform, ABI */

struct command *
environment_ask_python(struct environment_build *build)
{
    struct command  *command;

    command = command_new("interpreter",
                          build->tools->config->environments.python);
    command_add(command, "-I");
    command_add(command, "-S");
    command_add(command, "-c");
    command_add(command, "import sys, sysconfig\n"
                "print(sys.implementation.name, sys.version.split()[0],\n"
                "      sysconfig.get_platform(),\n"
                "      sysconfig.get_config_var('SOABI'))");

    return command;
}


int
environment_python_said(struct environment_build *build,
    const struct command_result *result, struct error *err)
{
    build->interpreter = environment_tool(result->output);

    return build->interpreter != NULL
           ? 0 : error_set(err, MINT_ERR_PROTOCOL, "the interpreter \"%s\" "
                           "does not say what it is",
                           build->tools->config->environments.python);
}


struct command *
environment_ask_uv(struct environment_build *build)
{
    return uv_version_command(build->tools->uv);
}


int
environment_uv_said(struct environment_build *build,
    const struct command_result *result, struct error *err)
{
    build->uv = environment_tool(result->output);

    return build->uv != NULL
           ? 0 : error_set(err, MINT_ERR_PROTOCOL, "\"%s\" does not say which "
                           "version it is",
                           build->tools->config->environments.uv);
}


struct command *
environment_venv(struct environment_build *build)
{
    return uv_venv_command(build->tools->uv, build->temporary);
}


struct command *
environment_sync(struct environment_build *build)
{
    return uv_sync_command(build->tools->uv, build->temporary, build->lock,
                           &build->find_links, build->source);
}


/* most of what is in this one has been compiled for the platform's, or for an
   earlier one of its own.  One that is built anew takes nothing from others */

static void
environment_add_others(struct environment_build *build,
    struct command *command)
{
    size_t             i, count;
    const char        *name;
    struct text_list   all;

    memset(&all, 0, sizeof(all));

    if (!build->anew) {
        environment_list_all(build->tools->environments, &all);
    }

    count = 0;

    for (i = 0; i < all.count && count < ENVIRONMENT_OTHERS_MAX; i++) {
        name = strrchr(all.item[i], '/') + 1;

        if (environment_key_is_of(name, "platform")
            || environment_key_is_of(name, build->name))
        {
            command_add(command, all.item[i]);
            count++;
        }
    }

    text_list_clear(&all);
}


/* by the interpreter that the environment is made from, without its site
   module: the environment's own runs what is in its .pth files */

struct command *
environment_compile(struct environment_build *build)
{
    struct command  *command;

    command = command_new("compile",
                          build->tools->config->environments.python);
    command->timeout_sec = ENVIRONMENT_COMPILE_SEC;

    command_add(command, "-I");
    command_add(command, "-S");
    text_list_printf(&command->argv, "%s/plugin_host/bytecode.py",
                     build->tools->config->server.program_directory);
    command_add(command, build->temporary);
    environment_add_others(build, command);

    return command;
}


/*
 * Some packages have files that are no Python of this version, which is their
 * business.  What could not be written is missing for good: plugins may not
 * write there.
 */

int
environment_compiled(struct environment_build *build,
    const struct command_result *result, struct error *err)
{
    (void) build;

    if (command_disk_full(result->output)) {
        return error_set(err, MINT_ERR_FULL, "its packages could not be "
                         "compiled: the disk is full");
    }

    return 0;
}


struct command *
environment_inventory(struct environment_build *build)
{
    return inventory_command(build->tools, build->temporary);
}


int
environment_listed(struct environment_build *build,
    const struct command_result *result, struct error *err)
{
    int               rc;
    struct inventory  inventory;

    (void) result;

    rc = inventory_read(&inventory, build->temporary, err);

    if (rc == 0) {
        build->packages = inventory_list(&inventory);
        build->disk = json_incref(json_object_get(inventory.data, "disk"));
        inventory_clear(&inventory);

    } else {
        error_prefix(err, "its packages could not be listed");
    }

    return rc;
}


/* whatever our umask is, plugin users read environments and write nowhere */

struct command *
environment_chmod(struct environment_build *build)
{
    char             path[PATH_MAX];
    struct command  *command;

    /* uv's own lock file, which everybody may write */

    snprintf(path, sizeof(path), "%s/.lock", build->temporary);
    unlink(path);

    command = command_new("chmod", "/bin/chmod");
    command_add(command, "-R");
    command_add(command, "a+rX,go-w");
    command_add(command, "--");
    command_add(command, build->temporary);

    return command;
}


struct command *
environment_import(struct environment_build *build)
{
    struct command  *command;

    command = environment_inside(build, "import check", "python",
                                 build->modules.count > 0
                                 ? build->uids[build->import] : UINT32_MAX);
    command_add(command, "-I");
    command_add(command, "-B");
    command_add(command, "-c");
    command_add(command, "import importlib, sys\n"
                "for name in sys.argv[1:]: importlib.import_module(name)");

    /* the SDK and the server it is run by, once */

    if (build->import == 0) {
        command_add(command, "mint_sdk");
        command_add(command, "uvicorn");
    }

    if (build->modules.count > 0) {
        command_add(command, build->modules.item[build->import]);
    }

    return command;
}


int
environment_imported(struct environment_build *build,
    const struct command_result *result, struct error *err)
{
    (void) result;
    (void) err;

    if (build->import + 1 < build->modules.count) {
        build->import++;
        build->step--;
    }

    return 0;
}


/* one syncfs(2) instead of thousands of fsync(2) */

struct command *
environment_flush(struct environment_build *build)
{
    struct command  *command;

    command = command_new("sync", "/bin/sync");
    command->timeout_sec = ENVIRONMENT_DISK_SEC;
    command_add(command, "--file-system");
    command_add(command, build->temporary);

    return command;
}


/*
 * A program of the environment, once this has its name: their first line has
 * to find the interpreter there.  The server's is in each of them.
 */

struct command *
environment_program(struct environment_build *build)
{
    struct command  *command;

    command = environment_inside(build, "program check", "uvicorn",
                                 build->modules.count > 0 ? build->uids[0]
                                                          : UINT32_MAX);
    command_set(command, "PYTHONDONTWRITEBYTECODE", "1");
    command_set(command, "PYTHONNOUSERSITE", "1");
    command_add(command, "--version");

    return command;
}


/* code of plugins is never run under our own uid when there is another */

static struct command *
environment_inside(struct environment_build *build, const char *label,
    const char *program, uint32_t uid)
{
    char            *path;
    struct command  *command;

    path = mem_printf("%s/bin/%s", environment_at(build), program);
    command = command_new(label, path);
    free(path);

    command->environment = mem_strdup(environment_at(build));
    command->timeout_sec = ENVIRONMENT_IMPORT_SEC;
    command->uid = uid;
    command_set(command, "HOME", build->tools->empty);
    command_set(command, "TMPDIR", "/tmp");

    return command;
}


/* Python fails with a traceback, everything else in uv's words */

int
environment_describe(struct environment_build *build,
    const struct environment_step *step, const struct command_result *result,
    struct error *err)
{
    char  line[400];
    bool  is_full;

    command_last_line(result->output, line, sizeof(line));

    if ((step->command == environment_inventory
         || step->command == environment_program)
        && result->error.code == 0)
    {
        is_full = command_disk_full(result->output);

        return error_set(err, is_full ? MINT_ERR_FULL : MINT_ERR_PROTOCOL,
                         "%s: %s%s", step->what,
                         is_full ? "the disk is full: " : "", line);
    }

    if (step->command != environment_import || result->error.code != 0
        || command_disk_full(result->output))
    {
        return uv_failed(result, err, "%s", step->what);
    }

    return error_set(err, MINT_ERR_INVALID,
                     "\"%s\" cannot be imported in its environment: %s",
                     build->modules.count > 0
                     ? build->modules.item[build->import] : "mint_sdk", line);
}
