/* SPDX-License-Identifier: MIT */
/*
 * Building an environment: a table of steps, each one command, one after the
 * other.  Whatever fails, the half-built directory goes and nothing else has
 * changed.
 */

#include "supervisor/plugin/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/inventory.h"


#define ENVIRONMENT_LOCK_MAX        (16 * 1024 * 1024)
#define ENVIRONMENT_COMPILE_SEC     1800
#define ENVIRONMENT_IMPORT_SEC      120
#define ENVIRONMENT_DISK_SEC        600


struct environment_build {
    const struct toolset      *tools;
    struct command_run        *run;
    size_t                     step;
    size_t                     import;      /* the next of imports */

    char                      *directory;   /* when complete */
    char                      *temporary;
    char                      *lock;
    struct text_list           find_links;
    struct text_list           modules;
    uint32_t                  *uids;
    json_t                    *plugins;
    json_t                    *packages;

    struct environment_build **slot;
    environment_progress_fn    progress;
    environment_done_fn        done;
    void                      *ctx;
};


/* what a step's command is, and what is done with its output */
struct environment_step {
    const char        *what;            /* "... failed" */
    const char        *progress;        /* or NULL */
    struct command  *(*command)(struct environment_build *build);
    int              (*after)(struct environment_build *build,
        const struct command_result *result, struct error *err);
};


static struct command *environment_venv(struct environment_build *build);
static struct command *environment_sync(struct environment_build *build);
static struct command *environment_compile(struct environment_build *build);
static struct command *environment_list(struct environment_build *build);
static struct command *environment_chmod(struct environment_build *build);
static struct command *environment_import(struct environment_build *build);
static struct command *environment_flush(struct environment_build *build);
static int environment_compiled(struct environment_build *build,
    const struct command_result *result, struct error *err);
static int environment_listed(struct environment_build *build,
    const struct command_result *result, struct error *err);
static int environment_imported(struct environment_build *build,
    const struct command_result *result, struct error *err);

static int environment_next(struct environment_build *build,
    struct error *err);
static void environment_line(void *ctx, const char *line);
static void environment_ended(void *ctx, const struct command_result *result);
static int environment_describe(struct environment_build *build,
    const struct environment_step *step, const struct command_result *result,
    struct error *err);
static int environment_finish(struct environment_build *build,
    struct error *err);
static int environment_save_lock(struct environment_build *build,
    struct error *err);
static int environment_save_marker(struct environment_build *build,
    const char *lock_sha256, struct error *err);
static void environment_free(struct environment_build *build);


static const struct environment_step  environment_steps[] = {
    { "the environment could not be made", "making the environment",
      environment_venv, NULL },
    { "its packages could not be installed", "installing its packages",
      environment_sync, NULL },
    { "its packages could not be compiled", "compiling its packages",
      environment_compile, environment_compiled },
    { "its packages could not be listed", NULL,
      environment_list, environment_listed },
    { "its files could not be opened to plugins", NULL,
      environment_chmod, NULL },
    { "its packages cannot be imported", "importing what is installed",
      environment_import, environment_imported },
    { "it could not be written to disk", "writing it to disk",
      environment_flush, NULL },
};

#define ENVIRONMENT_STEPS \
    (sizeof(environment_steps) / sizeof(environment_steps[0]))


int
environment_build(struct environment_build **out,
    const struct toolset *tools, const struct environment_plan *plan,
    environment_progress_fn progress, environment_done_fn done, void *ctx,
    struct error *err)
{
    int                        rc;
    size_t                     i;
    unsigned                   number;
    struct environment_build  *build;

    number = environment_highest(tools->environments, plan->name) + 1;

    build = mem_alloc(sizeof(struct environment_build));
    build->tools = tools;
    build->directory = mem_printf("%s/%s-%u", tools->environments,
                                  plan->name, number);
    build->temporary = mem_printf("%s/%s%s-%u", tools->environments,
                                  ENVIRONMENT_TEMPORARY, plan->name, number);
    build->lock = mem_strdup(plan->lock);
    build->plugins = json_deep_copy(plan->plugins);
    build->uids = mem_grow(NULL, plan->import_count + 1, sizeof(uint32_t));
    build->slot = out;
    build->progress = progress;
    build->done = done;
    build->ctx = ctx;

    for (i = 0; plan->find_links != NULL && i < plan->find_links->count; i++) {
        text_list_add(&build->find_links, plan->find_links->item[i]);
    }

    for (i = 0; i < plan->import_count; i++) {
        text_list_add(&build->modules, plan->imports[i].module);
        build->uids[i] = plan->imports[i].uid;
    }

    *out = build;
    rc = environment_next(build, err);

    if (rc != 0) {
        *out = NULL;
        environment_free(build);
    }

    return rc;
}


void
environment_cancel(struct environment_build **build)
{
    struct environment_build  *b;

    b = *build;

    if (b == NULL) {
        return;
    }

    *build = NULL;
    command_cancel(&b->run);
    cleanup_remove(b->tools->cleanup, b->temporary);
    environment_free(b);
}


static void
environment_free(struct environment_build *build)
{
    text_list_clear(&build->find_links);
    text_list_clear(&build->modules);
    json_decref(build->plugins);
    json_decref(build->packages);
    free(build->uids);
    free(build->lock);
    free(build->temporary);
    free(build->directory);
    free(build);
}


static int
environment_next(struct environment_build *build, struct error *err)
{
    struct command                 *command;
    const struct environment_step  *step;

    step = &environment_steps[build->step];

    if (step->progress != NULL && build->progress != NULL) {
        build->progress(build->ctx, step->progress);
    }

    command = step->command(build);

    return command_start(&build->run, build->tools->runner, &command,
                         environment_line, environment_ended, build, err);
}


static void
environment_line(void *ctx, const char *line)
{
    char                      *text;
    struct environment_build  *build = ctx;

    text = uv_progress(line);

    if (text != NULL && build->progress != NULL) {
        build->progress(build->ctx, text);
    }

    free(text);
}


static void
environment_ended(void *ctx, const struct command_result *result)
{
    int                             rc;
    struct error                    err;
    struct environment_build       *build = ctx;
    const struct environment_step  *step;

    memset(&err, 0, sizeof(err));
    step = &environment_steps[build->step];

    if (result->error.code != 0 || result->exit_code != 0) {
        rc = environment_describe(build, step, result, &err);

    } else {
        build->step++;
        rc = step->after != NULL ? step->after(build, result, &err) : 0;
    }

    if (rc == 0 && build->step < ENVIRONMENT_STEPS) {
        rc = environment_next(build, &err);

        if (rc == 0) {
            return;
        }
    }

    if (rc == 0) {
        rc = environment_finish(build, &err);
    }

    if (rc != 0) {
        cleanup_remove(build->tools->cleanup, build->temporary);
    }

    *build->slot = NULL;
    build->done(build->ctx, &err, rc == 0 ? build->directory : NULL);
    environment_free(build);
}


/* Python fails with a traceback, everything else in uv's words */

static int
environment_describe(struct environment_build *build,
    const struct environment_step *step, const struct command_result *result,
    struct error *err)
{
    char  line[400];
    bool  is_full;

    command_last_line(result->output, line, sizeof(line));

    if (step->command == environment_list && result->error.code == 0) {
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


static struct command *
environment_venv(struct environment_build *build)
{
    return uv_venv_command(build->tools->uv, build->temporary);
}


static struct command *
environment_sync(struct environment_build *build)
{
    return uv_sync_command(build->tools->uv, build->temporary, build->lock,
                           &build->find_links);
}


/*
 * By the interpreter that the environment is made from, without its site
 * module: the environment's own runs what is in its .pth files.  Nothing is
 * imported.  What is not Python at all (templates, tests of other versions) is
 * passed over.
 */

static struct command *
environment_compile(struct environment_build *build)
{
    struct command  *command;

    command = command_new("compile",
                          build->tools->config->environments.python);
    command->timeout_sec = ENVIRONMENT_COMPILE_SEC;

    command_add(command, "-I");
    command_add(command, "-S");
    command_add(command, "-c");
    command_add(command, "import compileall, sys\n"
                "compileall.compile_dir(sys.argv[1], quiet=1, workers=0)");
    text_list_printf(&command->argv, "%s/lib", build->temporary);

    return command;
}


/*
 * Some packages have files that are no Python of this version, which is their
 * business.  What could not be written is missing for good: plugins may not
 * write there.
 */

static int
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


static struct command *
environment_list(struct environment_build *build)
{
    return inventory_command(build->tools, build->temporary);
}


static int
environment_listed(struct environment_build *build,
    const struct command_result *result, struct error *err)
{
    int               rc;
    struct inventory  inventory;

    (void) result;

    rc = inventory_read(&inventory, build->temporary, err);

    if (rc == 0) {
        build->packages = inventory_list(&inventory);
        inventory_clear(&inventory);

    } else {
        error_prefix(err, "its packages could not be listed");
    }

    return rc;
}


/* whatever our umask is, plugin users read environments and write nowhere */

static struct command *
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


/* code of plugins is never run under our own uid when there is another */

static struct command *
environment_import(struct environment_build *build)
{
    char            *python;
    struct command  *command;

    python = mem_printf("%s/bin/python", build->temporary);
    command = command_new("import check", python);
    free(python);

    command->environment = mem_strdup(build->temporary);
    command->timeout_sec = ENVIRONMENT_IMPORT_SEC;
    command->uid = build->modules.count > 0 ? build->uids[build->import]
                                            : UINT32_MAX;
    command_set(command, "HOME", build->tools->empty);
    command_set(command, "TMPDIR", "/tmp");

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


static int
environment_imported(struct environment_build *build,
    const struct command_result *result, struct error *err)
{
    (void) result;
    (void) err;

    if (++build->import < build->modules.count) {
        build->step--;
    }

    return 0;
}


/* one syncfs(2) instead of thousands of fsync(2) */

static struct command *
environment_flush(struct environment_build *build)
{
    struct command  *command;

    command = command_new("sync", "/bin/sync");
    command->timeout_sec = ENVIRONMENT_DISK_SEC;
    command_add(command, "--file-system");
    command_add(command, build->temporary);

    return command;
}


/* the marker is the last thing written: with it the directory is complete */

static int
environment_finish(struct environment_build *build, struct error *err)
{
    int   rc, fd;
    char  hex[65];

    rc = environment_save_lock(build, err);

    if (rc == 0) {
        rc = fs_sha256(build->lock, hex, err);
    }

    if (rc == 0) {
        rc = environment_save_marker(build, hex, err);
    }

    if (rc == 0 && rename(build->temporary, build->directory) == -1) {
        rc = error_set_errno(err, "rename(\"%s\", \"%s\") failed",
                             build->temporary, build->directory);
    }

    if (rc != 0) {
        return rc;
    }

    fd = open(build->tools->environments, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd == -1) {
        return 0;
    }

    /* without it a power cut may take the name away: built again then */

    if (fsync(fd) == -1) {
        log_warn("fsync(\"%s\") failed: %s", build->tools->environments,
                 strerror(errno));
    }

    close(fd);

    return 0;
}


/* and a second copy outside: to build it again if the directory is lost */

static int
environment_save_lock(struct environment_build *build, struct error *err)
{
    int            rc;
    char           path[PATH_MAX];
    struct strbuf  lock;

    memset(&lock, 0, sizeof(lock));
    rc = fs_read(build->lock, ENVIRONMENT_LOCK_MAX, &lock, err);

    if (rc == 0) {
        snprintf(path, sizeof(path), "%s/%s", build->temporary,
                 ENVIRONMENT_LOCK);
        rc = fs_write_atomic(path, strbuf_text(&lock), lock.len, 0644, err);
    }

    if (rc == 0) {
        snprintf(path, sizeof(path), "%s/%s.txt", build->tools->locks,
                 strrchr(build->directory, '/') + 1);
        rc = fs_write_atomic(path, strbuf_text(&lock), lock.len, 0600, err);
    }

    strbuf_free(&lock);

    return rc;
}


static int
environment_save_marker(struct environment_build *build,
    const char *lock_sha256, struct error *err)
{
    int      rc;
    char     path[PATH_MAX], now[32], *text;
    json_t  *marker;

    time_rfc3339(time_unix_ms(), now);

    marker = json_pack("{s:s, s:s, s:s, s:O, s:O}", "created", now,
                       "lock_sha256", lock_sha256, "python",
                       build->tools->config->environments.python,
                       "packages", build->packages,
                       "plugins", build->plugins);
    text = marker != NULL ? json_dumps(marker, JSON_INDENT(1)) : NULL;
    json_decref(marker);

    if (text == NULL) {
        return error_set(err, MINT_ERR_INVALID,
                         "the environment cannot be described: a text in it "
                         "is not valid UTF-8");
    }

    snprintf(path, sizeof(path), "%s/%s", build->temporary,
             ENVIRONMENT_MARKER);
    rc = fs_write_atomic(path, text, strlen(text), 0644, err);
    free(text);

    return rc;
}
