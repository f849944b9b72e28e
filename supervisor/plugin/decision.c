/* SPDX-License-Identifier: MIT */
/*
 * The decision: one uv run after the other.  Each Requires-Dist is judged
 * against what is installed, for the words; the resolver's outcome alone
 * decides.
 */

#include "supervisor/plugin/decision.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/environment.h"
#include "supervisor/plugin/lock.h"
#include "supervisor/plugin/names.h"
#include "supervisor/plugin/reason.h"
#include "supervisor/plugin/requirement.h"
#include "supervisor/plugin/requirements_file.h"


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

    char                        *conflict;      /* uv: why not shared */
    bool                         overridden;    /* forced against uv */
    struct decision              decision;

    struct decision_run        **slot;
    decision_done_fn             done;
    void                        *ctx;
};


static int decision_prepare(struct decision_run *run, struct error *err);
static enum reason_force decision_forced(const struct decision_run *run);
static int decision_judge(struct decision_run *run, struct error *err);
static void decision_judged(void *ctx, const struct command_result *result);
static int decision_shared(struct decision_run *run, bool overridden,
    struct error *err);
static int decision_shared_input(struct decision_run *run, const char *path,
    struct error *err);
static int decision_overrides(struct decision_run *run, const char *path,
    struct error *err);
static void decision_shared_done(void *ctx,
    const struct command_result *result);
static int decision_isolated(struct decision_run *run, struct error *err);
static void decision_isolated_done(void *ctx,
    const struct command_result *result);
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
    size_t                i;
    struct decision_run  *run;

    run = mem_alloc(sizeof(struct decision_run));
    run->tools = tools;
    run->input = *input;
    run->slot = slot;
    run->done = done;
    run->ctx = ctx;
    run->count = input->wheel->requires_count;
    run->requirements = mem_grow(NULL, run->count + 1,
                                 sizeof(struct requirement));

    for (i = 0; i < run->count; i++) {
        requirement_parse(&run->requirements[i], input->wheel->requires[i]);
    }

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
    lock_clear(&run->core);
    lock_clear(&run->platform);
    decision_clear(&run->decision);
    free(run);
}


static int
decision_prepare(struct decision_run *run, struct error *err)
{
    int    rc;
    char  *path;

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

    run->force = decision_forced(run);

    return rc;
}


static bool
decision_named(const struct config_list *list, const struct wheel *wheel)
{
    size_t  i;

    for (i = 0; i < list->count; i++) {
        if (strcmp(list->item[i], wheel->plugin_name) == 0
            || names_same_distribution(list->item[i], wheel->distribution))
        {
            return true;
        }
    }

    return false;
}


static enum reason_force
decision_forced(const struct decision_run *run)
{
    const struct config  *config;

    config = run->tools->config;

    if (decision_named(&config->plugins.force_isolated, run->input.wheel)) {
        return REASON_FORCED_ISOLATED;
    }

    if (decision_named(&config->plugins.force_shared, run->input.wheel)) {
        return REASON_FORCED_SHARED;
    }

    return REASON_FREE;
}


/* starts judging the next requirement that needs it, or the resolution */

static int
decision_judge(struct decision_run *run, struct error *err)
{
    bool                 installed;
    struct command      *command;
    struct requirement  *requirement;

    for ( /* void */ ; run->judged < run->count; run->judged++) {
        requirement = &run->requirements[run->judged];

        if (requirement->verdict != REQUIREMENT_OPEN) {
            continue;
        }

        installed = lock_find(&run->platform, requirement->name) != NULL;

        if (!installed && requirement->marker[0] == '\0') {
            requirement->verdict = REQUIREMENT_MISSING;
            continue;
        }

        command = uv_judge_command(run->tools->uv, run->input.platform,
                                   requirement->whole);

        return command_start(&run->run, run->tools->runner, &command, NULL,
                             decision_judged, run, err);
    }

    if (run->force == REASON_FORCED_ISOLATED) {
        return decision_isolated(run, err);
    }

    return decision_shared(run, false, err);
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


/* what is pinned today is preferred, so that others move as little as can be;
   the core does not move at all */

static int
decision_shared(struct decision_run *run, bool overridden, struct error *err)
{
    int                 rc;
    char               *input, *lock, *overrides, *platform_lock;
    size_t              i;
    struct command     *command;
    struct uv_compile   compile;

    input = mem_printf("%s/shared.in", run->input.work);
    lock = mem_printf("%s/shared.lock", run->input.work);
    overrides = mem_printf("%s/overrides.txt", run->input.work);
    platform_lock = mem_printf("%s/%s", run->input.platform,
                               ENVIRONMENT_LOCK);

    run->overridden = overridden;
    text_list_clear(&run->decision.find_links);
    requirements_find_links(&run->decision.find_links, run->input.wheel_path,
                         false);

    for (i = 0; i < run->input.other_count; i++) {
        requirements_find_links(&run->decision.find_links,
                             run->input.others[i]->wheel, false);
    }

    rc = decision_shared_input(run, input, err);

    if (rc == 0) {
        rc = requirements_copy_lock(platform_lock, lock, err);
    }

    if (rc == 0 && overridden) {
        rc = decision_overrides(run, overrides, err);
    }

    if (rc == 0) {
        compile.input = input;
        compile.output = lock;
        compile.constraints = run->input.core_lock;
        compile.overrides = overridden ? overrides : NULL;
        compile.find_links = &run->decision.find_links;

        free(run->decision.lock);
        run->decision.lock = mem_strdup(lock);

        command = uv_compile_command(run->tools->uv, &compile);
        rc = command_start(&run->run, run->tools->runner, &command, NULL,
                           decision_shared_done, run, err);
    }

    free(platform_lock);
    free(overrides);
    free(lock);
    free(input);

    return rc;
}


static int
decision_shared_input(struct decision_run *run, const char *path,
    struct error *err)
{
    int             rc;
    size_t          i;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    strbuf_printf(&text, "mint-sdk[server]==%s\n",
                  run->tools->config->environments.platform_version);

    for (i = 0; i < run->input.other_count; i++) {
        requirements_add_wheel(&text, run->input.others[i]->distribution,
                            run->input.others[i]->wheel);
    }

    requirements_add_wheel(&text, run->input.wheel->distribution,
                        run->input.wheel_path);

    rc = fs_write_atomic(path, text.data, text.len, 0600, err);
    strbuf_free(&text);

    return rc;
}


/* forced into the shared environment: what is pinned there wins */

static int
decision_overrides(struct decision_run *run, const char *path,
    struct error *err)
{
    int                         rc;
    size_t                      i, k;
    struct strbuf               text;
    const struct lock_package  *package;

    memset(&text, 0, sizeof(text));

    for (i = 0; i < run->platform.count; i++) {
        package = &run->platform.packages[i];

        for (k = 0; k < run->input.other_count; k++) {
            if (names_same_distribution(package->name,
                                        run->input.others[k]->distribution))
            {
                break;
            }
        }

        if (k == run->input.other_count && package->version[0] != '\0'
            && !names_same_distribution(package->name,
                                        run->input.wheel->distribution))
        {
            strbuf_printf(&text, "%s==%s\n", package->name,
                          package->version);
        }
    }

    rc = fs_write_atomic(path, strbuf_text(&text), text.len, 0600, err);
    strbuf_free(&text);

    return rc;
}


static void
decision_shared_done(void *ctx, const struct command_result *result)
{
    int                   rc;
    struct error          err;
    struct strbuf         why;
    struct decision_run  *run = ctx;

    memset(&err, 0, sizeof(err));
    memset(&why, 0, sizeof(why));

    if (result->error.code == 0 && result->exit_code == 0) {
        rc = decision_explain(run, PLUGIN_SHARED, &err);
        decision_end(run, rc == 0 ? NULL : &err);
        return;
    }

    if (!uv_is_conflict(result) || run->overridden) {
        uv_failed(result, &err, "its place in the shared environment could "
                  "not be resolved");
        decision_end(run, &err);
        return;
    }

    uv_explanation(result->output, true, &why);
    free(run->conflict);
    run->conflict = mem_strdup(strbuf_text(&why));
    strbuf_free(&why);

    if (run->force == REASON_FORCED_SHARED) {
        rc = decision_shared(run, true, &err);

    } else {
        rc = decision_isolated(run, &err);
    }

    if (rc != 0) {
        decision_end(run, &err);
    }
}


/* alone, but where its ranges allow it with the packages known to work: those
   of the platform's core */

static int
decision_isolated(struct decision_run *run, struct error *err)
{
    int                 rc;
    char               *input, *lock;
    struct strbuf       text;
    struct command     *command;
    struct uv_compile   compile;

    memset(&text, 0, sizeof(text));
    input = mem_printf("%s/isolated.in", run->input.work);
    lock = mem_printf("%s/isolated.lock", run->input.work);

    text_list_clear(&run->decision.find_links);
    requirements_find_links(&run->decision.find_links, run->input.wheel_path,
                         true);

    strbuf_puts(&text, "mint-sdk[server]\n");
    requirements_add_wheel(&text, run->input.wheel->distribution,
                        run->input.wheel_path);

    rc = fs_write_atomic(input, text.data, text.len, 0600, err);
    strbuf_free(&text);

    if (rc == 0) {
        rc = requirements_copy_lock(run->input.core_lock, lock, err);
    }

    if (rc == 0) {
        compile.input = input;
        compile.output = lock;
        compile.constraints = NULL;
        compile.overrides = NULL;
        compile.find_links = &run->decision.find_links;

        free(run->decision.lock);
        run->decision.lock = mem_strdup(lock);

        command = uv_compile_command(run->tools->uv, &compile);
        rc = command_start(&run->run, run->tools->runner, &command, NULL,
                           decision_isolated_done, run, err);
    }

    free(lock);
    free(input);

    return rc;
}


static void
decision_isolated_done(void *ctx, const struct command_result *result)
{
    int                   rc;
    struct error          err;
    struct decision_run  *run = ctx;

    memset(&err, 0, sizeof(err));

    if (result->error.code == 0 && result->exit_code == 0) {
        rc = decision_explain(run, PLUGIN_ISOLATED, &err);
        decision_end(run, rc == 0 ? NULL : &err);
        return;
    }

    uv_failed(result, &err, "what it needs cannot be installed, neither in the "
              "shared environment nor in one of its own");
    decision_end(run, &err);
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
    in.overridden = run->overridden;
    in.conflict = run->conflict;
    in.requirements = run->requirements;
    in.count = run->count;
    in.scene = &run->scene;
    in.chosen = &chosen;

    run->decision.mode = mode;
    run->decision.reason = reason_sentence(&in);
    run->decision.details = reason_details(&in);
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
