/* SPDX-License-Identifier: MIT */
/*
 * Building an environment: a table of steps, one after the other, most of them
 * one command.  Whatever fails, the half-built directory goes and nothing else
 * has changed.
 */

#include "supervisor/plugin/environment_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/strbuf.h"


static int environment_judge(struct environment_build *build,
    const struct command_result *result, struct error *err);
static int environment_go_on(struct environment_build *build,
    struct error *err);
static void environment_line(void *ctx, const char *line);
static void environment_ended(void *ctx, const struct command_result *result);
static bool environment_asks_index(struct environment_build *build,
    const struct environment_step *step);
static bool environment_again(struct environment_build *build,
    const struct error *why);
static void environment_end(struct environment_build *build,
    const struct error *err);
static void environment_free(struct environment_build *build);


static const struct environment_step  environment_steps[] = {
    { "the interpreter does not say what it is", NULL, true,
      environment_ask_python, environment_python_said },
    { "uv does not say which version it is", NULL, true,
      environment_ask_uv, environment_uv_said },
    { "the lock cannot be read", NULL, true,
      NULL, environment_choose },
    { "the environment could not be made", "making the environment", false,
      environment_venv, NULL },
    { "its packages could not be installed", "installing its packages", false,
      environment_sync, NULL },
    { "its files could not be compared with its packages", NULL, false,
      environment_compare, environment_compared },
    { "its packages could not be compiled", "compiling its packages", false,
      environment_compile, environment_compiled },
    { "its packages could not be listed", NULL, false,
      environment_inventory, environment_listed },
    { "it cannot be used", NULL, true,
      NULL, environment_judge },
    { "its files could not be opened to plugins", NULL, false,
      environment_chmod, NULL },
    { "its packages cannot be imported", "importing what is installed", true,
      environment_import, environment_imported },
    { "it could not be written to disk", "writing it to disk", false,
      environment_flush, NULL },
    { "it could not be put in place", NULL, false,
      NULL, environment_put },
    { "its programs cannot be run", NULL, true,
      environment_program, NULL },
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
    struct environment_build  *build;

    build = mem_alloc(sizeof(struct environment_build));
    build->tools = tools;
    build->name = mem_strdup(plan->name);
    build->anew = plan->anew;
    build->source = plan->anew ? UV_ANEW : UV_CACHE;
    build->lock = mem_strdup(plan->lock);
    build->plugins = json_deep_copy(plan->plugins);
    build->uids = mem_grow(NULL, plan->import_count + 1, sizeof(uint32_t));
    build->slot = out;
    build->judge = plan->judge;
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
    rc = environment_go_on(build, err);

    if (rc < 0) {
        *out = NULL;
        environment_free(build);
    }

    return rc < 0 ? rc : 0;
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
    environment_take_away(b);
    environment_free(b);
}


static void
environment_free(struct environment_build *build)
{
    text_list_clear(&build->find_links);
    text_list_clear(&build->modules);
    json_decref(build->plugins);
    json_decref(build->packages);
    json_decref(build->disk);
    free(build->uids);
    free(build->name);
    free(build->interpreter);
    free(build->uv);
    free(build->lock);
    free(build->temporary);
    free(build->directory);
    free(build->next);
    free(build);
}


/* one of an earlier version, used again, does not say what is in it */

static int
environment_judge(struct environment_build *build,
    const struct command_result *result, struct error *err)
{
    int               rc;
    struct inventory  inventory;

    (void) result;

    if (build->judge == NULL) {
        return 0;
    }

    rc = inventory_read(&inventory, environment_at(build), err);

    if (rc != 0) {
        return build->place == ENVIRONMENT_REUSED ? 0 : rc;
    }

    rc = build->judge(build->ctx, &inventory, err);
    inventory_clear(&inventory);

    return rc;
}


/* 0: a command was started, 1: all is done, or an error */

static int
environment_go_on(struct environment_build *build, struct error *err)
{
    int                             rc;
    struct command                 *command;
    const struct environment_step  *step;

    for ( /* void */ ; build->step < ENVIRONMENT_STEPS; build->step++) {
        step = &environment_steps[build->step];

        if (build->place == ENVIRONMENT_REUSED && !step->always) {
            continue;
        }

        if (step->command == NULL) {
            rc = step->after(build, NULL, err);

            if (rc != 0) {
                return error_prefix(err, "%s", step->what);
            }

            continue;
        }

        if (step->progress != NULL && build->progress != NULL) {
            build->progress(build->ctx, step->progress);
        }

        command = step->command(build);

        return command_start(&build->run, build->tools->runner, &command,
                             environment_line, environment_ended, build, err);
    }

    return 1;
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
        rc = environment_asks_index(build, step)
             ? 0 : environment_describe(build, step, result, &err);

    } else {
        build->step++;
        rc = step->after != NULL ? step->after(build, result, &err) : 0;
    }

    if (rc != 0 && environment_again(build, &err)) {
        rc = 0;
    }

    if (rc == 0) {
        rc = environment_go_on(build, &err);
    }

    if (rc != 0) {
        environment_end(build, &err);
    }
}


/* tried once more, with all there is: what it has failed of then is what is to
   be told.  A uv that was killed has left half of the packages, so this begins
   with a directory of its own */

static bool
environment_asks_index(struct environment_build *build,
    const struct environment_step *step)
{
    if (step->command != environment_sync || build->source == UV_INDEX) {
        return false;
    }

    if (build->source == UV_ANEW) {
        build->is_without_anew = true;
        build->source = UV_CACHE;
        log_warn("the packages of \"%s\" cannot be fetched anew, those of uv's "
                 "cache are taken", build->name);

    } else {
        build->source = UV_INDEX;
    }

    environment_take_other(build);
    environment_from_venv(build);

    return true;
}


void
environment_from_venv(struct environment_build *build)
{
    build->step = 0;

    while (environment_steps[build->step].command != environment_venv) {
        build->step++;
    }
}


/* one that was there is damaged: another is made; who runs in it may go on */

static bool
environment_again(struct environment_build *build, const struct error *why)
{
    if (build->place != ENVIRONMENT_REUSED) {
        return false;
    }

    log_warn("building \"%s\" again: %s", build->directory, why->text);

    environment_take_next(build);
    build->import = 0;
    environment_from_venv(build);

    return true;
}


static void
environment_end(struct environment_build *build, const struct error *err)
{
    struct environment_made  made;

    if (err->code != 0) {
        environment_take_away(build);

    } else {
        environment_set_used(build->directory);
    }

    made.directory = build->directory;
    made.is_new = build->place == ENVIRONMENT_PLACED;

    *build->slot = NULL;
    build->done(build->ctx, err, err->code == 0 ? &made : NULL);
    environment_free(build);
}
