/* SPDX-License-Identifier: MIT */
/*
 * The decision: one uv run after the other.  The quick verdict, and that on
 * each Requires-Dist, give the words (uv is asked where they know nothing for
 * certain); the resolver's outcome alone decides.
 */

#include "supervisor/plugin/decision.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/environment.h"
#include "supervisor/plugin/fit.h"
#include "supervisor/plugin/forced.h"
#include "supervisor/plugin/lock.h"
#include "supervisor/plugin/names.h"
#include "supervisor/plugin/reason.h"
#include "supervisor/plugin/requirement.h"
#include "supervisor/plugin/resolution.h"


/* the resolutions that may be tried */
enum decision_pass {
    DECISION_TOGETHER = 0,          /* the core, all shared plugins, this one */
    DECISION_UNFORCED = 1,          /* without those that were forced */
    DECISION_PINNED = 2,            /* all, at the versions of UNFORCED */
    DECISION_ALONE = 3
};


struct decision_run {
    const struct toolset        *tools;
    struct decision_input        input;
    enum reason_force          force;
    struct command_run          *run;

    struct requirement          *requirements;
    size_t                       count;
    size_t                       judged;        /* the next one */

    struct lock                  core;
    struct lock                  platform;
    struct requirement_scene     scene;
    struct fit                   fit;           /* the quick verdict */
    const char                  *resolver;      /* that of uv, together */

    char                        *conflict;      /* uv: why not shared */
    enum decision_pass           pass;
    bool                         is_offline;    /* the index is not asked */
    struct error                 first;         /* of that */
    bool                         is_second;     /* the first try of a pass has
                                                   not been enough */
    struct lock                  pins;          /* of the unforced ones */
    struct decision              decision;

    struct decision_run        **slot;
    decision_done_fn             done;
    void                        *ctx;
};


static const char *const  decision_pass_names[] = {
    [DECISION_TOGETHER] = "shared",
    [DECISION_UNFORCED] = "unforced",
    [DECISION_PINNED] = "pinned",
    [DECISION_ALONE] = "isolated"
};


static int decision_prepare(struct decision_run *run, struct error *err);
static int decision_judge(struct decision_run *run, struct error *err);
static void decision_judged(void *ctx, const struct command_result *result);
static int decision_resolve(struct decision_run *run,
    enum decision_pass pass, struct error *err);
static int decision_ask(struct decision_run *run, struct error *err);
static bool decision_is_conflict(const struct decision_run *run,
    const struct command_result *result);
static size_t decision_wheels(struct decision_run *run,
    enum decision_pass pass, struct resolution_wheel *wheels);
static void decision_resolved(void *ctx, const struct command_result *result);
static void decision_compare(struct decision_run *run, bool fits);
static int decision_found(struct decision_run *run, struct error *err);
static int decision_conflict(struct decision_run *run,
    const struct command_result *result, struct error *err);
static int decision_explain(struct decision_run *run, enum plugin_mode mode,
    struct error *err);
static void decision_end(struct decision_run *run, const struct error *err);
static void decision_run_free(struct decision_run *run);


int
decision_start(struct decision_run **slot, const struct toolset *tools,
    const struct decision_input *input, decision_done_fn done, void *ctx,
    struct error *err)
{
    int                   rc;
    struct decision_run  *run;

    run = mem_alloc(sizeof(struct decision_run));
    run->tools = tools;
    run->input = *input;
    run->slot = slot;
    run->done = done;
    run->ctx = ctx;
    run->resolver = "not asked";
    run->count = input->wheel->requires_count;
    run->requirements = fit_read(input->wheel->requires, run->count);
    rc = decision_prepare(run, err);

    if (rc == 0) {
        *slot = run;
        rc = decision_judge(run, err);
    }

    if (rc != 0) {
        *slot = NULL;
        decision_run_free(run);
    }

    return rc;
}


void
decision_cancel(struct decision_run **slot)
{
    struct decision_run  *run;

    run = *slot;

    if (run == NULL) {
        return;
    }

    *slot = NULL;
    command_cancel(&run->run);
    decision_run_free(run);
}


void
decision_clear(struct decision *decision)
{
    free(decision->reason);
    free(decision->lock);
    json_decref(decision->details);
    json_decref(decision->verdict);
    text_list_clear(&decision->find_links);
    memset(decision, 0, sizeof(struct decision));
}


static void
decision_run_free(struct decision_run *run)
{
    size_t  i;

    for (i = 0; i < run->count; i++) {
        requirement_clear(&run->requirements[i]);
    }

    free(run->requirements);
    free(run->conflict);
    fit_clear(&run->fit);
    lock_clear(&run->core);
    lock_clear(&run->platform);
    lock_clear(&run->pins);
    decision_clear(&run->decision);
    free(run);
}


static int
decision_prepare(struct decision_run *run, struct error *err)
{
    int               rc;
    char             *path;
    struct fit_input  fit;

    path = mem_printf("%s/%s", run->input.platform, ENVIRONMENT_LOCK);
    rc = lock_read(&run->platform, path, err);
    free(path);

    if (rc == 0) {
        rc = lock_read(&run->core, run->input.core_lock, err);
    }

    run->scene.core = &run->core;
    run->scene.platform = &run->platform;
    run->scene.distribution = run->input.wheel->distribution;
    run->scene.others = run->input.others;
    run->scene.other_count = run->input.other_count;

    run->force = forced_by(run->tools->config,
                           run->input.wheel->plugin_name,
                           run->input.wheel->distribution);

    fit.wheel = run->input.wheel;
    fit.wheel_path = run->input.wheel_path;
    fit.sdk_version = run->tools->config->environments.platform_version;
    fit.uv_cache = run->tools->config->environments.cache_directory;
    fit.inventory = run->input.inventory;
    fit.scene = &run->scene;

    if (rc == 0) {
        fit_judge(&run->fit, &fit);
    }

    return rc;
}


static bool
decision_is_forced(const struct decision_run *run,
    const struct plugin *plugin)
{
    return forced_by(run->tools->config, plugin->name, plugin->distribution)
           == REASON_FORCED_SHARED;
}


/* starts judging the next requirement that needs it, or the resolution */

static int
decision_judge(struct decision_run *run, struct error *err)
{
    bool                        alone;
    struct command             *command;
    struct requirement         *requirement;
    const struct lock_package  *installed;

    for ( /* void */ ; run->judged < run->count; run->judged++) {
        requirement = &run->requirements[run->judged];

        installed = lock_find(&run->platform, requirement->name);
        fit_requirement(requirement, &run->input.inventory->interpreter,
                        installed != NULL ? installed->version : NULL);

        if (requirement->verdict != REQUIREMENT_OPEN) {
            continue;
        }

        if (installed == NULL && !requirement->has_marker) {
            requirement->verdict = REQUIREMENT_MISSING;
            continue;
        }

        command = uv_judge_command(run->tools->uv, run->input.platform,
                                   requirement->whole);

        return command_start(&run->run, run->tools->runner, &command, NULL,
                             decision_judged, run, err);
    }

    alone = run->force == REASON_FORCED_ISOLATED || run->input.refusal != NULL;

    return decision_resolve(run, alone ? DECISION_ALONE : DECISION_TOGETHER,
                            err);
}


static void
decision_judged(void *ctx, const struct command_result *result)
{
    int                   rc;
    bool                  installed;
    struct error          err;
    struct requirement   *requirement;
    struct decision_run  *run = ctx;

    memset(&err, 0, sizeof(err));
    uv_judged(run->input.platform);
    requirement = &run->requirements[run->judged];
    installed = lock_find(&run->platform, requirement->name) != NULL;

    if (result->error.code == 0 && result->exit_code == 0) {
        requirement->verdict = installed ? REQUIREMENT_SATISFIED
                                         : REQUIREMENT_ABSENT;

    } else if (uv_is_conflict(result)) {
        requirement->verdict = installed ? REQUIREMENT_CLASH
                                         : REQUIREMENT_MISSING;

    } else {
        uv_failed(result, &err, "its requirement \"%.100s\" cannot be judged",
                  requirement->whole);
        decision_end(run, &err);
        return;
    }

    run->judged++;
    rc = decision_judge(run, &err);

    if (rc != 0) {
        decision_end(run, &err);
    }
}


/* with what uv has in its cache; the index, which may be far away or not there
   at all, is asked if that is not enough.  Or the other way */

static int
decision_resolve(struct decision_run *run, enum decision_pass pass,
    struct error *err)
{
    run->pass = pass;
    run->is_offline = !run->input.asks_index;
    run->is_second = false;

    return decision_ask(run, err);
}


/*
 * One resolution.  What is pinned today is preferred, so that others move as
 * little as can be; the core does not move at all.  Alone, a plugin begins
 * from the platform's core: packages known to work, where its ranges allow.
 */

static int
decision_ask(struct decision_run *run, struct error *err)
{
    int                       rc;
    char                     *platform_lock;
    struct command           *command;
    struct resolution         resolution;
    struct resolution_wheel  *wheels;

    wheels = mem_alloc((run->input.other_count + 1)
                       * sizeof(struct resolution_wheel));
    platform_lock = mem_printf("%s/%s", run->input.platform,
                               ENVIRONMENT_LOCK);

    memset(&resolution, 0, sizeof(resolution));
    resolution.work = run->input.work;
    resolution.name = decision_pass_names[run->pass];
    resolution.wheels = wheels;
    resolution.count = decision_wheels(run, run->pass, wheels);
    resolution.is_offline = run->is_offline;

    if (run->pass == DECISION_ALONE) {
        resolution.core_wheels = true;
        resolution.prefer = run->input.core_lock;

    } else {
        resolution.sdk_version =
            run->tools->config->environments.platform_version;
        resolution.prefer = platform_lock;
        resolution.constraints = run->input.core_lock;
        resolution.pins = run->pass == DECISION_PINNED ? &run->pins : NULL;
    }

    command = resolution_command(run->tools, &resolution, &run->decision.lock,
                                 &run->decision.find_links, err);
    rc = command != NULL
         ? command_start(&run->run, run->tools->runner, &command, NULL,
                         decision_resolved, run, err)
         : MINT_ERR_SYSTEM;

    free(platform_lock);
    free(wheels);

    return rc;
}


static size_t
decision_wheels(struct decision_run *run, enum decision_pass pass,
    struct resolution_wheel *wheels)
{
    size_t                i, n;
    const struct plugin  *other;

    n = 0;

    for (i = 0; pass != DECISION_ALONE && i < run->input.other_count; i++) {
        other = run->input.others[i];

        if (pass != DECISION_UNFORCED || !decision_is_forced(run, other)) {
            wheels[n].distribution = other->distribution;
            wheels[n++].path = other->wheel;
        }
    }

    if (pass != DECISION_UNFORCED || run->force != REASON_FORCED_SHARED) {
        wheels[n].distribution = run->input.wheel->distribution;
        wheels[n++].path = run->input.wheel_path;
    }

    return n;
}


static void
decision_resolved(void *ctx, const struct command_result *result)
{
    int                   rc;
    struct error          err;
    struct decision_run  *run = ctx;

    memset(&err, 0, sizeof(err));

    if (result->error.code == 0 && result->exit_code == 0) {
        decision_compare(run, true);
        rc = decision_found(run, &err);

    } else if (decision_is_conflict(run, result)) {
        decision_compare(run, false);
        rc = decision_conflict(run, result, &err);

    } else if (!run->is_second) {
        (void) uv_failed(result, &run->first, "what it needs could not be "
                         "resolved");
        run->is_second = true;
        run->is_offline = !run->is_offline;
        rc = decision_ask(run, &err);

    } else if (run->is_offline) {
        err = run->first;           /* the index is what was to be asked */
        rc = err.code;

    } else {
        rc = uv_failed(result, &err, "what it needs could not be resolved");
    }

    if (rc != 0) {
        decision_end(run, &err);
    }
}


/* without the index only where no release of anything would help */

static bool
decision_is_conflict(const struct decision_run *run,
    const struct command_result *result)
{
    return uv_is_conflict(result)
           && (!run->is_offline
               || (run->pass == DECISION_TOGETHER
                   && run->fit.result.verdict == CLASH_CLASHES));
}


/* the resolver is believed; but one of the two is wrong, or the index has
   changed since */

static void
decision_compare(struct decision_run *run, bool fits)
{
    const char          *doubt;
    const struct wheel  *wheel;
    enum clash_verdict   verdict;

    if (run->pass != DECISION_TOGETHER) {
        return;
    }

    fit_look_again(&run->fit);
    wheel = run->input.wheel;
    doubt = run->fit.result.doubt;
    verdict = run->fit.result.verdict;

    if (doubt == NULL) {
        doubt = verdict == CLASH_UNKNOWN ? "a package would have to move"
                                         : "no doubt";
    }

    run->resolver = clash_verdict_name(fits ? CLASH_FITS : CLASH_CLASHES);

    if (verdict == (fits ? CLASH_CLASHES : CLASH_FITS)) {
        log_warn("plugin \"%s\" %s: the engine says \"%s\" and the resolver "
                 "\"%s\"; the resolver decides", wheel->plugin_name,
                 wheel->version, clash_verdict_name(verdict), run->resolver);
        return;
    }

    log_info("plugin \"%s\" %s: the engine says \"%s\" (%s), the resolver "
             "\"%s\"", wheel->plugin_name, wheel->version,
             clash_verdict_name(verdict), doubt, run->resolver);
}


static int
decision_found(struct decision_run *run, struct error *err)
{
    int  rc;

    if (run->pass == DECISION_UNFORCED) {
        lock_clear(&run->pins);
        rc = lock_read(&run->pins, run->decision.lock, err);

        return rc == 0 ? decision_resolve(run, DECISION_PINNED, err) : rc;
    }

    rc = decision_explain(run, run->pass == DECISION_ALONE ? PLUGIN_ISOLATED
                                                           : PLUGIN_SHARED,
                          err);
    if (rc == 0) {
        decision_end(run, NULL);
    }

    return rc;
}


/* plugins that were forced into the shared environment conflict for ever: the
   others are resolved without them, and that outcome is pinned for all */

static int
decision_conflict(struct decision_run *run,
    const struct command_result *result, struct error *err)
{
    size_t         i;
    bool           any_forced;
    struct strbuf  why;

    if (run->pass == DECISION_ALONE) {
        return uv_failed(result, err, "what it needs cannot be installed, "
                         "neither in the shared environment nor in one of "
                         "its own");
    }

    if (run->force == REASON_FORCED_SHARED && run->pass != DECISION_TOGETHER) {
        return uv_failed(result, err, "it cannot be forced into the shared "
                         "environment");
    }

    memset(&why, 0, sizeof(why));
    uv_explanation(result->output, true, &why);
    free(run->conflict);
    run->conflict = mem_strdup(strbuf_text(&why));
    strbuf_free(&why);

    any_forced = run->force == REASON_FORCED_SHARED;

    for (i = 0; i < run->input.other_count; i++) {
        any_forced = any_forced
                     || decision_is_forced(run, run->input.others[i]);
    }

    return decision_resolve(run, any_forced && run->pass == DECISION_TOGETHER
                                 ? DECISION_UNFORCED : DECISION_ALONE, err);
}


static json_t *
decision_verdict(const struct decision_run *run)
{
    json_t  *engine;

    if (run->input.refusal != NULL) {
        return json_deep_copy(run->input.refusal->verdict);
    }

    engine = clash_encode(&run->fit.result);
    json_object_set_new(engine, "basis",
                        json_string(fit_basis_name(run->fit.basis)));

    return json_pack("{s:o, s:s}", "engine", engine, "resolver",
                     run->resolver);
}


static int
decision_explain(struct decision_run *run, enum plugin_mode mode,
    struct error *err)
{
    int                    rc;
    struct lock            chosen;
    struct reason_input    in;

    rc = lock_read(&chosen, run->decision.lock, err);

    if (rc != 0) {
        return rc;
    }

    in.mode = mode;
    in.force = run->force;
    in.overridden = run->pass == DECISION_PINNED;
    in.conflict = run->conflict;
    in.refusal = run->input.refusal != NULL ? run->input.refusal->sentence
                                            : NULL;
    in.clash = clash_first(&run->fit.result);
    in.requirements = run->requirements;
    in.count = run->count;
    in.scene = &run->scene;
    in.chosen = &chosen;

    run->decision.mode = mode;
    run->decision.reason = reason_sentence(&in);
    run->decision.details = reason_details(&in);
    run->decision.verdict = decision_verdict(run);
    run->decision.is_forced = mode == PLUGIN_SHARED
                              && run->force == REASON_FORCED_SHARED;
    run->decision.is_overruled = run->force == REASON_FORCED_ISOLATED
                                 || (run->decision.is_forced && in.overridden);
    run->decision.moves = mode == PLUGIN_SHARED
                          && requirement_moves(&run->scene, &chosen);
    lock_clear(&chosen);

    return 0;
}


/* err NULL: decided */

static void
decision_end(struct decision_run *run, const struct error *err)
{
    struct error  none;

    memset(&none, 0, sizeof(none));

    *run->slot = NULL;
    run->done(run->ctx, err != NULL ? err : &none,
              err == NULL ? &run->decision : NULL);
    decision_run_free(run);
}
