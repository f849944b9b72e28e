/* SPDX-License-Identifier: MIT */
/*
 * What has been decided is done: build the environment, ask the plugin about
 * itself, register it.
 */

#include "supervisor/plugin/install_job.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/strbuf.h"


static struct environment_import *install_imports(struct install_job *job,
    size_t *count, struct wheel **wheels);
static void install_building(void *ctx, const char *text);
static void install_built(void *ctx, const struct error *err,
    const struct environment_made *made);
static void install_probed(void *ctx, const struct error *err,
    json_t *report);
static int install_register(struct install_job *job, json_t *report,
    struct plugin **plugin, struct error *err);


int
install_build(struct install_job *job, struct error *err)
{
    int                         rc;
    bool                        is_shared;
    size_t                      i, count;
    json_t                     *contents;
    struct wheel               *wheels;
    struct environment_plan     plan;
    struct environment_import  *imports;

    is_shared = job->decision.mode == PLUGIN_SHARED;
    imports = install_imports(job, &count, &wheels);
    contents = install_contents(job->others,
                                is_shared ? job->other_count : 0,
                                job->wheel.distribution, job->wheel.version,
                                job->kept.wheel);

    memset(&plan, 0, sizeof(plan));
    plan.name = is_shared ? "platform" : job->wheel.plugin_name;
    plan.lock = job->decision.lock;
    plan.find_links = &job->decision.find_links;
    plan.plugins = contents;
    plan.imports = imports;
    plan.import_count = count;
    plan.anew = job->request->force;
    plan.judge = install_judge;

    rc = environment_build(&job->building, &job->installer->tools, &plan,
                           install_building, install_built, job, err);

    for (i = 0; i < job->other_count; i++) {
        wheel_clear(&wheels[i]);
    }

    json_decref(contents);
    free(wheels);
    free(imports);

    return rc;
}


/* the others are imported too when packages have moved under them */

static struct environment_import *
install_imports(struct install_job *job, size_t *count,
    struct wheel **wheels)
{
    size_t                      i;
    struct environment_import  *imports;

    imports = mem_alloc((job->other_count + 1)
                        * sizeof(struct environment_import));
    *wheels = mem_alloc((job->other_count + 1) * sizeof(struct wheel));

    imports[0].module = job->wheel.plugin_module;
    imports[0].uid = job->uid;
    *count = 1;

    for (i = 0; job->decision.moves && i < job->other_count; i++) {
        if (wheel_read(&(*wheels)[i], job->others[i]->wheel, NULL) == 0) {
            imports[*count].module = (*wheels)[i].plugin_module;
            imports[*count].uid = job->others[i]->uid;
            (*count)++;
        }
    }

    return imports;
}


/* one that shares against its own requirements fails by these, most likely */

static void
install_blame(const struct install_job *job, struct error *err)
{
    const struct decision  *decision;

    decision = &job->decision;
    install_native_blame(job, err);

    if (decision->mode == PLUGIN_SHARED && decision->is_overruled) {
        error_prefix(err, "it would be %s", decision->reason);
    }

    error_prefix(err, "%s %s", job->wheel.plugin_name, job->wheel.version);
}


static void
install_building(void *ctx, const char *text)
{
    struct install_job  *job = ctx;

    install_progress(job->installer, "%s", text);
}


static void
install_built(void *ctx, const struct error *err,
    const struct environment_made *made)
{
    struct error         why;
    struct install_job  *job = ctx;
    struct probe_input   input;

    why = *err;

    if (why.code == 0) {
        job->environment = mem_strdup(made->directory);
        job->is_new = made->is_new;

        input.environment = made->directory;
        input.name = job->wheel.plugin_name;
        input.distribution = job->wheel.distribution;
        input.version = job->wheel.version;
        input.uid = job->uid;

        install_progress(job->installer, "asking %s about itself",
                         job->wheel.plugin_name);

        if (probe_start(&job->probing, &job->installer->tools, &input,
                        install_probed, job, &why) == 0)
        {
            return;
        }
    }

    if (install_is_refused(job, &why)
        && install_not_shared(job, &why) == 0)
    {
        return;
    }

    install_blame(job, &why);
    install_end(job, &why, NULL);
}


static void
install_probed(void *ctx, const struct error *err, json_t *report)
{
    int                  rc;
    struct error         why;
    struct plugin       *plugin;
    struct install_job  *job = ctx;

    why = *err;
    plugin = NULL;
    rc = why.code;

    if (rc == 0) {
        rc = install_register(job, report, &plugin, &why);
    }

    if (rc != 0) {
        install_blame(job, &why);
    }

    install_end(job, &why, rc == 0 ? plugin : NULL);
}


static int
install_register(struct install_job *job, json_t *report,
    struct plugin **plugin, struct error *err)
{
    int            rc;
    struct error   why;
    struct plugin  fresh, *old;

    rc = install_check_prefix(job->installer, &job->wheel, json_string_value(
                              json_object_get(report, "routes_prefix")), err);
    if (rc != 0) {
        return rc;
    }

    install_fill(&fresh, &job->wheel, &job->decision, job->kept.wheel,
                 job->environment, report);
    fresh.installed_unix_ms = job->installed_unix_ms;

    old = job->request->again != NULL
          ? registry_find(job->installer->registry, fresh.name) : NULL;

    if (old != NULL && old->mode == fresh.mode
        && strcmp(old->environment, fresh.environment) == 0)
    {
        rc = registry_set_reason(job->installer->registry, old, &fresh, err);

        if (rc == 0) {
            *plugin = old;
            plugin_clear(&fresh);
        }

    } else if (job->decision.mode == PLUGIN_SHARED) {
        rc = registry_put_shared(job->installer->registry, &fresh, plugin,
                                 err);
    } else {
        rc = registry_put(job->installer->registry, &fresh, plugin, err);
    }

    if (rc != 0) {
        plugin_clear(&fresh);
        return rc;
    }

    if (job->decision.mode == PLUGIN_SHARED) {
        install_set_platform(job->installer, job->environment);
    }

    if (!job->is_new
        && environment_keep_lock(&job->installer->tools, job->environment,
                                 job->decision.lock, &why) != 0)
    {
        log_warn("\"%s\" could not be built again if it were lost: %s",
                 job->environment, why.text);
    }

    log_info("plugin \"%s\" %s is installed, %s", (*plugin)->name,
             (*plugin)->version, (*plugin)->reason);

    return 0;
}
