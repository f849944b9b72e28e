/* SPDX-License-Identifier: MIT */
/*
 * The end of a dry run: what has been decided is described instead of done.
 */

#include "supervisor/plugin/install_job.h"

#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"


static void install_plan_done(void *ctx, const struct error *err,
    json_t *document);


int
install_plan(struct install_job *job, struct error *err)
{
    struct plan_input   input;
    struct installer   *installer;

    installer = job->installer;

    memset(&input, 0, sizeof(input));
    input.wheel = &job->wheel;
    input.wheel_path = job->kept.wheel;
    input.requires_mint = job->bundle != NULL
                          ? bundle_requires_mint(job->bundle) : "";
    input.decision = &job->decision;
    input.old = registry_find(installer->registry, job->wheel.plugin_name);
    input.work = job->work;
    input.platform = installer->platform;

    install_progress(installer, "looking what would have to be fetched");

    return plan_start(&job->planning, &installer->tools, &input,
                      install_plan_done, job, err);
}


static void
install_plan_done(void *ctx, const struct error *err, json_t *document)
{
    struct error         why;
    struct install_job  *job = ctx;

    why = *err;

    if (why.code != 0) {
        error_prefix(&why, "%s %s", job->wheel.plugin_name,
                     job->wheel.version);
    }

    job->request->plan = json_incref(document);
    install_end(job, &why, NULL);
}


/* what is installed stays as it was decided then */

int
install_plan_unchanged(struct install_job *job, struct error *err)
{
    int                   rc;
    char                 *path;
    struct plan_facts     facts;
    const struct plugin  *old;

    old = registry_find(job->installer->registry, job->wheel.plugin_name);
    memset(&facts, 0, sizeof(facts));

    facts.wheel = &job->wheel;
    facts.requires_mint = bundle_requires_mint(job->bundle);
    facts.program_directory =
        job->installer->tools.config->server.program_directory;
    facts.old = old;
    facts.unchanged = true;
    facts.mode = old->mode;
    facts.reason = old->reason;
    facts.details = old->details;
    facts.verdict = old->verdict;
    facts.environment = old->environment;
    facts.fetch.has_ended = true;
    facts.free_bytes = plan_free_bytes(&job->installer->tools);

    path = mem_printf("%s/%s", old->environment, ENVIRONMENT_LOCK);
    rc = lock_read(&facts.now, path, err);
    free(path);

    if (rc == 0) {
        facts.then = facts.now;
        job->request->plan = plan_document(&facts, err);
        lock_clear(&facts.now);
        rc = job->request->plan != NULL ? 0 : MINT_ERR_INVALID;
    }

    return rc;
}
