/* SPDX-License-Identifier: MIT */
/*
 * Asking uv what it would have to fetch, and the disk what there is: one
 * command after the other.  What they do not tell stays unknown; only a runner
 * that runs nothing is an error.
 */

#include "supervisor/plugin/plan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "lib/text.h"
#include "supervisor/plugin/environment.h"


#define PLAN_PYLOCK_MAX    (16 * 1024 * 1024)
#define PLAN_MEASURE_SEC   60
#define PLAN_DIGITS_MAX    18


struct plan_run {
    const struct toolset   *tools;
    struct plan_input       input;
    struct command_run     *run;
    size_t                  step;

    struct plan_facts       facts;
    char                   *doubt;
    char                   *pylock;         /* path */
    char                   *empty;          /* path */
    const char             *base;           /* environment to measure */
    struct lock             measured;       /* its packages */
    int64_t                 base_bytes;     /* what it takes */

    struct plan_run       **slot;
    plan_done_fn            done;
    void                   *ctx;
};


struct plan_step {
    struct command  *(*command)(struct plan_run *run);
    runner_line_fn     line;
    void             (*after)(struct plan_run *run,
        const struct command_result *result);
};


static int plan_prepare(struct plan_run *run, struct error *err);
static int plan_next(struct plan_run *run, struct error *err);
static void plan_ended(void *ctx, const struct command_result *result);
static void plan_finish(struct plan_run *run, struct error *err);
static void plan_free(struct plan_run *run);
static struct command *plan_fetch(struct plan_run *run);
static void plan_fetch_line(void *ctx, const char *line);
static void plan_fetched(struct plan_run *run,
    const struct command_result *result);
static struct command *plan_sizes(struct plan_run *run);
static void plan_sized(struct plan_run *run,
    const struct command_result *result);
static struct command *plan_measure(struct plan_run *run);
static void plan_measured(struct plan_run *run,
    const struct command_result *result);


static const struct plan_step  plan_steps[] = {
    { plan_fetch,   plan_fetch_line,  plan_fetched  },
    { plan_sizes,   NULL,             plan_sized    },
    { plan_measure, NULL,             plan_measured },
};

#define PLAN_STEPS  (sizeof(plan_steps) / sizeof(plan_steps[0]))


int
plan_start(struct plan_run **slot, const struct toolset *tools,
    const struct plan_input *input, plan_done_fn done, void *ctx,
    struct error *err)
{
    int               rc;
    struct plan_run  *run;

    run = mem_alloc(sizeof(struct plan_run));
    run->tools = tools;
    run->input = *input;
    run->slot = slot;
    run->done = done;
    run->ctx = ctx;
    run->base_bytes = -1;
    run->pylock = mem_printf("%s/pylock.toml", input->work);
    run->empty = mem_printf("%s/nothing", input->work);

    *slot = run;
    rc = plan_prepare(run, err);

    if (rc == 0) {
        rc = plan_next(run, err);
    }

    if (rc != 0) {
        *slot = NULL;
        plan_free(run);
    }

    return rc;
}


void
plan_cancel(struct plan_run **slot)
{
    struct plan_run  *run;

    run = *slot;

    if (run == NULL) {
        return;
    }

    *slot = NULL;
    command_cancel(&run->run);
    plan_free(run);
}


static void
plan_free(struct plan_run *run)
{
    lock_clear(&run->facts.now);
    lock_clear(&run->facts.then);
    lock_clear(&run->measured);
    fetch_clear(&run->facts.fetch);
    free(run->doubt);
    free(run->pylock);
    free(run->empty);
    free(run);
}


/* an isolated plugin that has no environment yet takes as much as its part of
   the shared one */

static int
plan_prepare(struct plan_run *run, struct error *err)
{
    int                     rc;
    char                   *path;
    struct plan_facts      *facts;
    const struct plugin    *old;
    const struct decision  *decision;

    facts = &run->facts;
    old = run->input.old;
    decision = run->input.decision;

    facts->wheel = run->input.wheel;
    facts->requires_mint = run->input.requires_mint;
    facts->program_directory = run->tools->config->server.program_directory;
    facts->old = old;
    facts->mode = decision->mode;
    facts->reason = decision->reason;
    facts->details = decision->details;
    facts->verdict = decision->verdict;

    if (decision->mode == PLUGIN_SHARED) {
        facts->environment = run->input.platform;

    } else if (old != NULL && old->mode == PLUGIN_ISOLATED) {
        facts->environment = old->environment;
    }

    rc = lock_read(&facts->then, decision->lock, err);

    if (rc == 0 && facts->environment != NULL) {
        path = mem_printf("%s/%s", facts->environment, ENVIRONMENT_LOCK);
        rc = lock_read(&facts->now, path, err);
        free(path);
    }

    run->base = facts->environment != NULL ? facts->environment
                                           : run->input.platform;

    if (rc == 0) {
        path = mem_printf("%s/%s", run->base, ENVIRONMENT_LOCK);
        rc = lock_read(&run->measured, path, err);
        free(path);
    }

    return rc;
}


static int
plan_next(struct plan_run *run, struct error *err)
{
    struct command          *command;
    const struct plan_step  *step;

    step = &plan_steps[run->step];
    command = step->command(run);

    return command_start(&run->run, run->tools->runner, &command, step->line,
                         plan_ended, run, err);
}


static void
plan_ended(void *ctx, const struct command_result *result)
{
    struct error      err;
    struct plan_run  *run = ctx;

    memset(&err, 0, sizeof(err));
    plan_steps[run->step].after(run, result);

    if (++run->step == PLAN_STEPS || plan_next(run, &err) != 0) {
        plan_finish(run, &err);
    }
}


static void
plan_finish(struct plan_run *run, struct error *err)
{
    json_t             *document;
    struct stat         wheel;
    struct plan_facts  *facts;

    facts = &run->facts;
    facts->doubt = run->doubt;
    facts->free_bytes = plan_free_bytes(run->tools);
    facts->disk_bytes = stat(run->input.wheel_path, &wheel) == 0
                        ? plan_disk_bytes(run->base_bytes, &run->measured,
                                          &facts->then, &facts->fetch,
                                          (uint64_t) wheel.st_size)
                        : -1;

    document = err->code == 0 ? plan_document(facts, err) : NULL;

    *run->slot = NULL;
    run->done(run->ctx, err, document);
    json_decref(document);
    plan_free(run);
}


int64_t
plan_free_bytes(const struct toolset *tools)
{
    struct statvfs  disk;

    return statvfs(tools->environments, &disk) == 0
           ? (int64_t) disk.f_bavail * (int64_t) disk.f_frsize : -1;
}


/* ---- what uv would fetch ------------------------------------------------ */

static struct command *
plan_fetch(struct plan_run *run)
{
    return uv_fetch_command(run->tools->uv, run->empty,
                            run->input.decision->lock,
                            &run->input.decision->find_links);
}


static void
plan_fetch_line(void *ctx, const char *line)
{
    struct plan_run  *run = ctx;

    fetch_line(&run->facts.fetch, line);
}


/* the first reason is the one that counts */

static void
plan_doubt(struct plan_run *run, const char *text)
{
    if (run->doubt == NULL) {
        run->doubt = mem_strdup(text);
        text_clean(run->doubt);
    }
}


static bool
plan_failed(struct plan_run *run, const struct command_result *result,
    const char *what)
{
    struct error  why;

    if (result->error.code == 0 && result->exit_code == 0) {
        return false;
    }

    uv_failed(result, &why, "%s", what);
    plan_doubt(run, why.text);

    return true;
}


static void
plan_fetched(struct plan_run *run, const struct command_result *result)
{
    if (!plan_failed(run, result, "uv cannot tell what it would fetch")
        && !fetch_is_known(&run->facts.fetch))
    {
        plan_doubt(run, "this uv does not tell what it would fetch");
    }
}


static struct command *
plan_sizes(struct plan_run *run)
{
    return uv_sizes_command(run->tools->uv, run->input.decision->lock,
                            run->pylock, &run->input.decision->find_links);
}


static void
plan_sized(struct plan_run *run, const struct command_result *result)
{
    bool           is_complete;
    struct error   err;
    struct strbuf  text;

    if (plan_failed(run, result, "uv cannot tell sizes")) {
        return;
    }

    memset(&text, 0, sizeof(text));

    if (fs_read(run->pylock, PLAN_PYLOCK_MAX, &text, &err) == 0) {
        fetch_sizes(&run->facts.fetch, &text);

    } else {
        plan_doubt(run, err.text);
    }

    strbuf_free(&text);
    fetch_bytes(&run->facts.fetch, &is_complete);

    if (!is_complete) {
        plan_doubt(run, "the package index does not state all sizes");
    }
}


/* ---- what an environment takes ------------------------------------------ */

/* files that uv's cache has, too, cost nothing.  The interpreter is the one
   outside, without its site module: nothing of the environment runs */

static struct command *
plan_measure(struct plan_run *run)
{
    struct command  *command;

    command = command_new("measure", run->tools->config->environments.python);
    command->timeout_sec = PLAN_MEASURE_SEC;

    command_add(command, "-I");
    command_add(command, "-S");
    command_add(command, "-c");
    command_add(command, "import os, sys\n"
                "files = (os.lstat(os.path.join(top, name))\n"
                "         for top, _, names in os.walk(sys.argv[1])\n"
                "         for name in names)\n"
                "print(sum(f.st_blocks * 512 for f in files"
                " if f.st_nlink == 1))");
    command_add(command, run->base);

    return command;
}


static void
plan_measured(struct plan_run *run, const struct command_result *result)
{
    size_t  len;

    len = strspn(result->output, "0123456789");

    if (result->error.code == 0 && result->exit_code == 0 && len > 0
        && len <= PLAN_DIGITS_MAX && result->output[len] == '\n')
    {
        run->base_bytes = (int64_t) strtoll(result->output, NULL, 10);
    }
}
