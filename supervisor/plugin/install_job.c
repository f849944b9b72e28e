/* SPDX-License-Identifier: MIT */
/*
 * Installing one bundle: unpack, read, check, decide; install_build.c goes on
 * from there.  Until the registry has been saved nothing that is in use has
 * changed.
 */

#include "supervisor/plugin/install_job.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/environment.h"
#include "supervisor/plugin/forced.h"
#include "supervisor/plugin/keep.h"
#include "supervisor/plugin/names.h"


static int install_open(struct install_job *job, struct error *err);
static void install_unpack(evutil_socket_t fd, short events, void *ctx);
static int install_check(struct install_job *job, struct error *err);
static int install_requires(struct install_job *job, struct error *err);
static void install_requires_done(void *ctx,
    const struct command_result *result);
static void install_again(evutil_socket_t fd, short events, void *ctx);
static int install_again_read(struct install_job *job, struct error *err);
static int install_keep_wheels(struct install_job *job, struct error *err);
static int install_keep(struct install_job *job, struct error *err);
static void install_decided(void *ctx, const struct error *err,
    struct decision *decision);
static void install_job_free(struct install_job *job);


int
install_job_start(struct installer *installer, struct error *err)
{
    int                  rc;
    char                 random[17];
    struct install_job  *job;

    job = mem_alloc(sizeof(struct install_job));
    job->installer = installer;
    job->request = installer->first;

    fs_random_hex(random, 8);
    job->work = mem_printf("%s/%s%s", installer->tools.bundles,
                           ENVIRONMENT_TEMPORARY, random);
    rc = 0;

    if (mkdir(job->work, 0700) == -1) {
        rc = error_set_errno(err, "mkdir(\"%s\") failed", job->work);
    }

    if (rc == 0 && job->request->bundle != NULL) {
        rc = install_open(job, err);
    }

    if (rc == 0) {
        job->step = evtimer_new(installer->base, job->bundle != NULL
                                ? install_unpack : install_again, job);

        if (job->step == NULL) {
            rc = error_set(err, MINT_ERR_MEMORY, "evtimer_new() failed");
        }
    }

    if (rc != 0) {
        install_job_free(job);
        return rc;
    }

    installer->job = job;
    evtimer_add(job->step, &install_soon);

    return 0;
}


static int
install_open(struct install_job *job, struct error *err)
{
    install_progress(job->installer, "reading \"%s\"",
                     strrchr(job->request->bundle, '/') + 1);

    return bundle_open(&job->bundle, job->request->bundle, job->work, err);
}


void
install_job_cancel(struct install_job **job)
{
    struct install_job  *j;

    j = *job;

    if (j == NULL) {
        return;
    }

    *job = NULL;
    command_cancel(&j->requires);
    decision_cancel(&j->deciding);
    environment_cancel(&j->building);
    probe_cancel(&j->probing);
    plan_cancel(&j->planning);

    if (j->is_new) {
        environment_discard(&j->installer->tools, j->environment);
    }

    keep_undo(&j->kept, &j->installer->tools);
    install_job_free(j);
}


static void
install_job_free(struct install_job *job)
{
    cleanup_remove(job->installer->tools.cleanup, job->work);

    if (job->step != NULL) {
        event_free(job->step);
    }

    bundle_free(&job->bundle);
    wheel_clear(&job->wheel);
    keep_clear(&job->kept);
    decision_clear(&job->decision);
    json_decref(job->refusal.verdict);
    free(job->others);
    free(job->environment);
    free(job->replaced);
    free(job->work);
    free(job);
}


/* err->code 0: installed */

void
install_end(struct install_job *job, const struct error *err,
    struct plugin *plugin)
{
    bool               unchanged;
    struct error       why;
    char              *replaced;
    struct installer  *installer;

    why = *err;
    installer = job->installer;
    unchanged = job->is_unchanged;
    replaced = job->replaced;
    job->replaced = NULL;
    installer->job = NULL;

    if (why.code != 0) {
        if (job->is_new) {
            environment_discard(&installer->tools, job->environment);
        }

        keep_undo(&job->kept, &installer->tools);
    }

    install_job_free(job);
    install_finished(installer, &why, plugin,
                     why.code == 0 ? replaced : NULL, unchanged);
    free(replaced);
}


/* one piece, then the loop gets its turn: by a timer, since an event made
   active from its own callback would run again before anything else */

static void
install_unpack(evutil_socket_t fd, short events, void *ctx)
{
    int                  rc;
    struct error         err;
    struct install_job  *job = ctx;

    (void) fd;
    (void) events;

    memset(&err, 0, sizeof(err));
    rc = bundle_step(job->bundle, &err);

    if (rc == 1) {
        evtimer_add(job->step, &install_soon);
        return;
    }

    if (rc == 0) {
        rc = install_check(job, &err);
    }

    if (rc == 0 && job->is_unchanged && job->request->planned != NULL) {
        rc = install_plan_unchanged(job, &err);
    }

    if (rc == 0 && job->is_unchanged) {
        install_end(job, &err, registry_find(job->installer->registry,
                                             job->wheel.plugin_name));
        return;
    }

    if (rc == 0) {
        rc = install_requires(job, &err);
    }

    if (rc != 0) {
        install_end(job, &err, NULL);
    }
}


static int
install_check(struct install_job *job, struct error *err)
{
    int             rc;
    char           *path;
    struct plugin  *old;

    path = mem_printf("%s/%s", job->work, bundle_wheel(job->bundle));
    rc = wheel_read(&job->wheel, path, err);
    free(path);

    if (rc == 0 && bundle_name(job->bundle)[0] != '\0'
        && !names_same_distribution(bundle_name(job->bundle),
                                    job->wheel.distribution))
    {
        rc = error_set(err, MINT_ERR_INVALID, "manifest.json: plugin.name is "
                       "\"%.100s\", the main wheel is \"%.100s\"",
                       bundle_name(job->bundle), job->wheel.distribution);
    }

    if (rc != 0) {
        error_prefix(err, "%s", bundle_complaint(job->bundle));
        return rc;
    }

    rc = install_check_names(job->installer, &job->wheel, &job->uid, err);

    if (rc != 0) {
        return rc;
    }

    old = registry_find(job->installer->registry, job->wheel.plugin_name);

    if (old == NULL) {
        return 0;
    }

    if (strcmp(old->version, job->wheel.version) == 0
        && !job->request->force)
    {
        rc = install_check_same(job->installer, job->bundle, &job->wheel, old,
                                &job->is_unchanged, err);
    }

    if (rc == 0 && !job->is_unchanged) {
        job->replaced = mem_strdup(old->version);
    }

    return rc;
}


/* what is installed goes the same way, but for what its bundle was asked */

static void
install_again(evutil_socket_t fd, short events, void *ctx)
{
    int                  rc;
    struct error         err;
    struct install_job  *job = ctx;

    (void) fd;
    (void) events;

    memset(&err, 0, sizeof(err));
    rc = install_again_read(job, &err);

    if (rc == 0 && job->is_unchanged) {
        install_end(job, &err, registry_find(job->installer->registry,
                                             job->request->again));
        return;
    }

    if (rc == 0) {
        rc = install_keep(job, &err);
    }

    if (rc != 0) {
        error_prefix(&err, "%s", job->request->again);
        install_end(job, &err, NULL);
    }
}


/* it may have been taken out, replaced or decided again since it was asked
   for */

static int
install_again_read(struct install_job *job, struct error *err)
{
    int                   rc;
    const struct plugin  *plugin;

    plugin = registry_find(job->installer->registry, job->request->again);

    if (plugin == NULL) {
        return error_set(err, MINT_ERR_NOT_FOUND, "it is not installed any "
                         "more");
    }

    if (job->request->planned == NULL
        && !forced_differs(job->installer->tools.config, plugin))
    {
        job->is_unchanged = true;
        return 0;
    }

    rc = wheel_read(&job->wheel, plugin->wheel, err);

    if (rc == 0) {
        rc = install_check_names(job->installer, &job->wheel, &job->uid, err);
    }

    if (rc == 0) {
        job->kept.wheel = mem_strdup(plugin->wheel);
        job->replaced = mem_strdup(plugin->version);
        job->installed_unix_ms = plugin->installed_unix_ms;
    }

    return rc;
}


/* does the bundle want this platform at all? */

static int
install_requires(struct install_job *job, struct error *err)
{
    int               rc;
    char             *requirement;
    bool              is_known;
    const char       *specifier;
    struct command   *command;

    specifier = bundle_requires_mint(job->bundle);

    if (specifier[strspn(specifier, " ")] == '\0' || job->request->force) {
        return install_keep(job, err);
    }

    rc = install_check_mint(job->installer, specifier, &job->wheel, &is_known,
                            err);

    if (is_known) {
        return rc == 0 ? install_keep(job, err) : rc;
    }

    requirement = mem_printf("mint-sdk%s", specifier);
    command = uv_judge_command(job->installer->tools.uv,
                               job->installer->platform, requirement);
    free(requirement);

    return command_start(&job->requires, job->installer->tools.runner,
                         &command, NULL, install_requires_done, job, err);
}


static void
install_requires_done(void *ctx, const struct command_result *result)
{
    int                  rc;
    struct error         err;
    const char          *specifier;
    struct install_job  *job = ctx;

    memset(&err, 0, sizeof(err));
    uv_judged(job->installer->platform);
    specifier = bundle_requires_mint(job->bundle);

    if (result->error.code == 0 && result->exit_code == 0) {
        rc = install_keep(job, &err);

    } else if (uv_is_conflict(result)) {
        rc = install_refuse_mint(job->installer, specifier, &job->wheel, &err);

    } else if (result->error.code == 0 && result->exit_code == 2) {
        rc = error_set(&err, MINT_ERR_INVALID, "%s: manifest.json: plugin."
                       "requires_mint: \"%s\" is not a version specifier",
                       bundle_complaint(job->bundle), specifier);

    } else {
        rc = uv_failed(result, &err, "what it requires of MINT could not be "
                       "judged");
    }

    if (rc != 0) {
        install_end(job, &err, NULL);
    }
}


/* nothing stays of a dry run but the job's own directory, until its end; what
   is decided again is kept already */

static int
install_keep_wheels(struct install_job *job, struct error *err)
{
    const char  *core;

    core = job->installer->core_lock;

    if (job->bundle == NULL) {
        return 0;
    }

    if (job->request->planned != NULL) {
        return keep_sort(&job->kept, job->bundle, job->work, core, err);
    }

    return keep_wheels(&job->kept, &job->installer->tools, job->bundle,
                       &job->wheel, job->work, core, err);
}


static int
install_keep(struct install_job *job, struct error *err)
{
    int  rc;

    rc = install_keep_wheels(job, err);

    if (rc != 0) {
        return rc;
    }

    job->others = install_shared(job->installer, job->wheel.plugin_name,
                                 &job->other_count);

    return install_decide(job, err);
}


int
install_decide(struct install_job *job, struct error *err)
{
    struct decision_input  input;

    memset(&input, 0, sizeof(input));
    input.wheel = &job->wheel;
    input.wheel_path = job->kept.wheel;
    input.work = job->work;
    input.platform = job->installer->platform;
    input.core_lock = job->installer->core_lock;
    input.inventory = &job->installer->inventory;
    input.others = job->others;
    input.other_count = job->other_count;
    input.asks_index = job->request->force;
    input.refusal = job->refusal.verdict != NULL ? &job->refusal : NULL;

    install_progress(job->installer, "resolving what %s %s needs",
                     job->wheel.plugin_name, job->wheel.version);

    return decision_start(&job->deciding, &job->installer->tools, &input,
                          install_decided, job, err);
}


static void
install_decided(void *ctx, const struct error *err,
    struct decision *decision)
{
    int                  rc;
    struct error         why;
    struct install_job  *job = ctx;

    why = *err;

    if (why.code == 0) {
        job->decision = *decision;
        memset(decision, 0, sizeof(struct decision));

        if (job->request->planned != NULL) {
            rc = install_plan(job, &why);

        } else {
            install_progress(job->installer, "%s will be %s",
                             job->wheel.plugin_name, job->decision.reason);
            rc = install_build(job, &why);
        }

        if (rc == 0) {
            return;
        }
    }

    error_prefix(&why, "%s %s", job->wheel.plugin_name, job->wheel.version);
    install_end(job, &why, NULL);
}
