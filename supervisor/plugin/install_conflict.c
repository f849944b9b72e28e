/* SPDX-License-Identifier: MIT */
/*
 * What the files of an environment say to a decision, once they are there: a
 * plugin does not share what it would change.
 */

#include "supervisor/plugin/install_job.h"

#include <string.h>

#include "lib/log.h"
#include "supervisor/plugin/conflict.h"


static int install_judge_shared(struct install_job *job,
    const struct inventory *inventory, struct error *err);
static void install_judge_own(struct install_job *job,
    const struct inventory *inventory);


int
install_judge(void *ctx, const struct inventory *inventory,
    struct error *err)
{
    int                  rc;
    struct install_job  *job = ctx;

    rc = 0;

    if (job->decision.mode == PLUGIN_SHARED) {
        rc = install_judge_shared(job, inventory, err);
    } else {
        install_judge_own(job, inventory);
    }

    /* what is refused is asked again, of the environment that it gets */
    if (rc == 0) {
        install_native(job, inventory);
    }

    return rc;
}


/* which of the two files is there is chance: uv installs packages side by
   side.  What others have in use is not left to it */

static int
install_judge_shared(struct install_job *job,
    const struct inventory *inventory, struct error *err)
{
    json_t  *conflicts;

    conflicts = conflict_brought(inventory, &job->installer->inventory,
                                 job->wheel.distribution);

    if (conflicts == NULL) {
        return 0;
    }

    job->refusal.verdict = json_incref(job->decision.verdict);
    job->refusal.sentence = conflict_sentence(conflicts);
    json_object_set_new(job->refusal.verdict, "conflicts", conflicts);

    return error_set(err, MINT_ERR_CONFLICT, "%s", job->refusal.sentence);
}


/* without those of its own environment, which may have been built before and
   was found damaged */

static json_t *
install_conflicts_with_others(const json_t *verdict)
{
    size_t       i;
    json_t      *list, *conflict;
    const char  *environment;

    list = json_array();

    json_array_foreach(json_object_get(verdict, "conflicts"), i, conflict) {
        environment = json_string_value(json_object_get(conflict,
                                                        "environment"));

        if (environment != NULL && strcmp(environment, "own") != 0) {
            json_array_append(list, conflict);
        }
    }

    return list;
}


/* its own affair, and it may be made so that it works */

static void
install_judge_own(struct install_job *job, const struct inventory *inventory)
{
    size_t   i;
    json_t  *conflicts, *conflict, *list, *verdict;

    conflicts = conflict_own(inventory);

    if (conflicts == NULL) {
        return;
    }

    verdict = job->decision.verdict;
    list = install_conflicts_with_others(verdict);

    json_array_foreach(conflicts, i, conflict) {
        log_warn("plugin \"%s\" %s: in its environment %s; which of them it "
                 "gets is chance", job->wheel.plugin_name, job->wheel.version,
                 json_string_value(json_object_get(conflict, "sentence")));
    }

    json_array_extend(list, conflicts);
    json_object_set_new(verdict, "conflicts", list);
    json_decref(conflicts);
}


bool
install_is_refused(const struct install_job *job, const struct error *why)
{
    return why->code == MINT_ERR_CONFLICT && job->refusal.verdict != NULL
           && job->decision.mode == PLUGIN_SHARED;
}


int
install_not_shared(struct install_job *job, struct error *err)
{
    if (job->decision.is_forced) {
        return error_set(err, MINT_ERR_CONFLICT, "it cannot be forced into "
                         "the shared environment: %s", job->refusal.sentence);
    }

    log_info("plugin \"%s\" %s is not shared after all: %s",
             job->wheel.plugin_name, job->wheel.version,
             job->refusal.sentence);
    decision_clear(&job->decision);

    return install_decide(job, err);
}
