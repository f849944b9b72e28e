/* SPDX-License-Identifier: MIT */
/*
 * One bundle on its way in, for install_job.c (as far as the decision),
 * install_build.c and install_plan.c (from there), install_conflict.c (back to
 * another decision).
 */

#ifndef SUPERVISOR_PLUGIN_INSTALL_JOB_H
#define SUPERVISOR_PLUGIN_INSTALL_JOB_H

#include "supervisor/plugin/environment.h"
#include "supervisor/plugin/install_private.h"
#include "supervisor/plugin/keep.h"
#include "supervisor/plugin/plan.h"
#include "supervisor/plugin/probe.h"


struct install_job {
    struct installer           *installer;
    struct install_request     *request;

    struct event               *step;           /* unpacking */
    struct bundle              *bundle;
    char                       *work;
    struct wheel                wheel;
    struct keep                 kept;
    uint32_t                    uid;
    char                       *replaced;       /* old version, or NULL */
    bool                        is_unchanged;   /* it is there already */
    uint64_t                    installed_unix_ms;  /* decided again, or 0 */

    struct plugin             **others;         /* shared plugins but this */
    size_t                      other_count;

    struct command_run         *requires;
    struct decision_run        *deciding;
    struct environment_build   *building;
    struct probe_run           *probing;
    struct plan_run            *planning;

    struct decision             decision;
    struct decision_refusal     refusal;        /* of what was decided first */
    char                       *environment;
    bool                        is_new;         /* nobody else uses that */
};


/* err->code 0: done; the job is freed */
void install_end(struct install_job *job, const struct error *err,
    struct plugin *plugin);

/* from the wheels that are kept: install_decided() goes on */
int install_decide(struct install_job *job, struct error *err);

/* builds and registers what has been decided; install_end() is called unless
   it returns an error */
int install_build(struct install_job *job, struct error *err);

/* an environment_judge_fn; has it said no?  Then it is decided once more */
int install_judge(void *ctx, const struct inventory *inventory,
    struct error *err);
bool install_is_refused(const struct install_job *job,
    const struct error *why);
int install_not_shared(struct install_job *job, struct error *err);

/* install_native.c: libraries that this host lacks; said before why it fails,
   if one of them is why */
void install_native(struct install_job *job,
    const struct inventory *inventory);
void install_native_blame(const struct install_job *job, struct error *err);

/* finds out what that would do instead, or that nothing would be done */
int install_plan(struct install_job *job, struct error *err);
int install_plan_unchanged(struct install_job *job, struct error *err);

#endif /* SUPERVISOR_PLUGIN_INSTALL_JOB_H */
