/* SPDX-License-Identifier: MIT */
/*
 * Operations that change something: start, restart, install, stop.  A waiter
 * holds a call until its plugin has become ready or has failed.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "operations_private.h"


struct waiter {
    struct operations  *operations;
    struct admin_call  *call;
    struct waiter      *next;
    uint32_t            plugin_id;
    uint64_t            wish;           /* what has become of it is told */
    json_t             *result;         /* what is answered then, or NULL */
    bool                is_all;         /* then go on with the next plugin */
    bool                is_halt;        /* until it has ended */
    uint32_t            last_id;        /* of all, what was gone on with */
};


/* what an installation needs until it ends */
struct install_call {
    struct operations  *operations;
    struct admin_call  *call;
    char               *bundle;
    bool                is_forced;
};


static void operations_restart_next(struct waiter *waiter);


static struct waiter *
waiter_new(struct operations *operations, struct admin_call *call)
{
    struct waiter  *waiter;

    waiter = mem_alloc(sizeof(struct waiter));
    waiter->operations = operations;
    waiter->call = call;
    waiter->next = operations->waiters;
    operations->waiters = waiter;

    return waiter;
}


static void
waiter_free(struct waiter *waiter)
{
    struct waiter  **p;

    for (p = &waiter->operations->waiters; *p != NULL; p = &(*p)->next) {
        if (*p == waiter) {
            *p = waiter->next;
            break;
        }
    }

    json_decref(waiter->result);
    free(waiter);
}


void
operations_waiters_free(struct operations *operations)
{
    struct error  err;

    operations_uninstalls_free(operations);

    while (operations->waiters != NULL) {
        error_set(&err, MINT_ERR_UNAVAILABLE, "the supervisor is stopping");
        admin_fail(operations->waiters->call, &err);
        waiter_free(operations->waiters);
    }
}


/* by an order that came after this one */

static bool
waiter_is_taken_back(const struct waiter *waiter, const struct plugin *plugin)
{
    return plugin->is_stopped != waiter->is_halt;
}


/* the outcome of one plugin among several, or of the only one */

static void
waiter_refuse(struct waiter *waiter, const struct plugin *plugin)
{
    struct error  err;

    if (waiter_is_taken_back(waiter, plugin)) {
        error_set(&err, MINT_ERR_CONFLICT, "plugin \"%s\" did not become %s: "
                  "that was taken back, it has been %s by hand since",
                  plugin->name, waiter->is_halt ? "stopped" : "ready",
                  waiter->is_halt ? "started" : "stopped");

    } else {
        error_set(&err, MINT_ERR_UNAVAILABLE, "plugin \"%s\" did not become "
                  "%s: %s%s", plugin->name,
                  waiter->is_halt ? "stopped" : "ready",
                  plugin->error != NULL ? plugin->error : "no reason known",
                  plugin->state == PLUGIN_RESISTING
                  ? "; the old process goes on" : "");
    }

    admin_fail(waiter->call, &err);
}


static enum plugin_wish
waiter_outcome(const struct waiter *waiter, const struct plugin *plugin)
{
    return waiter->is_halt ? plugin_process_halted(plugin)
                           : plugin_process_wish(plugin, waiter->wish);
}


/* what is done for it now, as far as that is more than what was asked for */

static void
waiter_tell(struct waiter *waiter, const struct plugin *plugin)
{
    char  *text;

    if (plugin_process_is_parked(plugin)) {
        text = mem_printf("%s is restarted once the supervisor has prepared "
                          "all it needs; \"--now\" does not wait for that",
                          plugin->name);
        admin_progress(waiter->call, text);
        free(text);
    }
}


/* {plugin, waits: what for, or null} */

static json_t *
waiter_answer(const struct plugin *plugin, enum plugin_wish outcome)
{
    char    *text;
    json_t  *answer;

    answer = json_pack("{s:s, s:n}", "plugin", plugin->name, "waits");

    if (outcome == PLUGIN_WISH_WAITS) {
        text = plugin_process_waits_for(plugin);
        json_object_set_new(answer, "waits", json_string(text));
        free(text);
    }

    return answer;
}


static void
waiter_finish(struct waiter *waiter, struct plugin *plugin)
{
    enum plugin_wish  outcome;

    if (waiter->is_all) {
        operations_restart_next(waiter);
        return;
    }

    outcome = waiter_outcome(waiter, plugin);

    if (waiter->result != NULL) {
        json_object_set_new(waiter->result, "state",
                            json_string(plugin_state_name(plugin->state)));
        json_object_set_new(waiter->result, "error", plugin->error != NULL
                            ? json_string(plugin->error) : json_null());
        admin_reply(waiter->call, json_incref(waiter->result));

    } else if (outcome == PLUGIN_WISH_REFUSED) {
        waiter_refuse(waiter, plugin);

    } else {
        admin_reply(waiter->call, waiter_answer(plugin, outcome));
    }

    waiter_free(waiter);
}


void
operations_waiters_on_change(void *ctx, struct plugin *plugin)
{
    struct waiter      *waiter;
    struct operations  *operations;

    operations = ctx;
    operations_uninstalls_on_change(operations, plugin);
    waiter = operations->waiters;

    while (waiter != NULL) {
        if (waiter->plugin_id != plugin->id
            || waiter_outcome(waiter, plugin)
               == PLUGIN_WISH_PENDING)
        {
            waiter = waiter->next;
            continue;
        }

        /* it may restart another plugin, which ends other waiters */
        waiter_finish(waiter, plugin);
        waiter = operations->waiters;
    }
}


bool
operations_refuses(const struct operations *operations,
    struct admin_call *call)
{
    struct error  err;

    if (!operations->is_stopping) {
        return false;
    }

    error_set(&err, MINT_ERR_UNAVAILABLE, "the system is stopping");
    admin_fail(call, &err);

    return true;
}


/* the plugin that is named, unless nothing may be changed now: then NULL, and
   the call has been answered */

static struct plugin *
change_target(void *ctx, struct admin_call *call, json_t *arguments)
{
    return operations_refuses(ctx, call)
           ? NULL : operations_plugin(ctx, call, arguments);
}


/* ---- restart ------------------------------------------------------- */

void
operation_restart(void *ctx, struct admin_call *call, json_t *arguments)
{
    uint64_t        wish;
    struct error    err;
    struct plugin  *plugin;
    struct waiter  *waiter;

    plugin = change_target(ctx, call, arguments);
    if (plugin == NULL) {
        return;
    }

    if (plugin_process_restart_by_hand(plugin,
            json_is_true(json_object_get(arguments, "now")), &wish, &err)
        != 0)
    {
        admin_fail(call, &err);
        return;
    }

    waiter = waiter_new(ctx, call);
    waiter->plugin_id = plugin->id;
    waiter->wish = wish;

    admin_progress(call, "restarting");
    waiter_tell(waiter, plugin);
    operations_waiters_on_change(ctx, plugin);
}


/* ---- start and stop of one plugin ---------------------------------- */

void
operation_start(void *ctx, struct admin_call *call, json_t *arguments)
{
    uint64_t        wish;
    struct error    err;
    struct plugin  *plugin;
    struct waiter  *waiter;

    plugin = change_target(ctx, call, arguments);
    if (plugin == NULL) {
        return;
    }

    if (plugin_process_begin(plugin, &wish, &err) != 0) {
        admin_fail(call, &err);
        return;
    }

    waiter = waiter_new(ctx, call);
    waiter->plugin_id = plugin->id;
    waiter->wish = wish;

    operations_waiters_on_change(ctx, plugin);
}


void
operation_halt(void *ctx, struct admin_call *call, json_t *arguments)
{
    struct error    err;
    struct plugin  *plugin;
    struct waiter  *waiter;

    plugin = change_target(ctx, call, arguments);
    if (plugin == NULL) {
        return;
    }

    if (plugin_process_halt(plugin, json_is_true(json_object_get(arguments,
                                                             "now")), &err)
        != 0)
    {
        admin_fail(call, &err);
        return;
    }

    waiter = waiter_new(ctx, call);
    waiter->plugin_id = plugin->id;
    waiter->is_halt = true;

    admin_progress(call, "stopping");
    operations_waiters_on_change(ctx, plugin);
}


/* ---- restart of all ------------------------------------------------- */

static void
operations_restart_next(struct waiter *waiter)
{
    char               *text;
    uint64_t            wish;
    struct plugin      *plugin;
    struct operations  *o;

    o = waiter->operations;
    waiter->plugin_id = 0;

    /* by number: plugins come and go meanwhile, and their places change */

    while ((plugin = registry_find_after(o->parts.registry,
                                         waiter->last_id)) != NULL)
    {
        waiter->last_id = plugin->id;
        wish = plugin_process_rests(plugin) ? 0
               : plugin_process_restart(plugin, MINT_CAUSE_RESTART, false);

        if (wish == 0) {
            continue;
        }

        waiter->plugin_id = plugin->id;
        waiter->wish = wish;

        text = mem_printf("restarting %s", plugin->name);
        admin_progress(waiter->call, text);
        free(text);

        if (plugin_process_wish(plugin, wish) == PLUGIN_WISH_PENDING) {
            waiter_tell(waiter, plugin);
            return;
        }
    }

    fs_random_hex(o->boot_id, 16);
    admin_reply(waiter->call, json_pack("{s:s}", "boot_id", o->boot_id));
    waiter_free(waiter);
}


void
operation_restart_all(void *ctx, struct admin_call *call, json_t *arguments)
{
    struct waiter  *waiter;

    (void) arguments;

    if (operations_refuses(ctx, call)) {
        return;
    }

    waiter = waiter_new(ctx, call);
    waiter->is_all = true;

    operations_restart_next(waiter);
}


/* ---- install ------------------------------------------------------- */

static void
install_free(struct install_call *install)
{
    free(install->bundle);
    free(install);
}


static void
install_on_progress(void *ctx, const char *text)
{
    struct install_call  *install;

    install = ctx;

    operations_set_step(install->operations, text);
    admin_progress(install->call, text);
}


static void
install_on_done(void *ctx, const struct error *err, struct plugin *plugin,
    const char *replaced, bool unchanged)
{
    json_t               *result;
    struct waiter        *waiter;
    struct operations    *o;
    struct install_call  *install;

    install = ctx;
    o = install->operations;
    operations_set_step(o, NULL);

    if (err->code != 0) {
        admin_fail(install->call, err);
        install_free(install);
        return;
    }

    installer_collect(o->parts.installer, plugin_processes_use,
                      o->parts.processes);
    operations_follow_lists(o, plugin);

    result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:b}",
        "name", plugin->name,
        "distribution", plugin->distribution,
        "version", plugin->version,
        "mode", plugin_mode_name(plugin->mode),
        "reason", plugin->reason,
        "routes_prefix", plugin->routes_prefix,
        "replaced", replaced != NULL ? json_string(replaced) : json_null(),
        "unchanged", unchanged);

    waiter = waiter_new(o, install->call);
    waiter->plugin_id = plugin->id;
    waiter->result = result;

    waiter->wish = plugin_process_last_wish(plugin);

    /* finds it as it was, even failed: nothing would come of waiting */

    if (unchanged && !plugin_process_is_starting(plugin)) {
        waiter_finish(waiter, plugin);
        install_free(install);
        return;
    }

    admin_progress(install->call, "starting");
    install_free(install);
    operations_waiters_on_change(o, plugin);
}


/* an earlier attempt, at the start, may have failed for want of space */

static void
install_on_prepared(void *ctx, const struct error *err, struct plugin *plugin,
    const char *replaced, bool unchanged)
{
    struct operations    *o;
    struct install_call  *install;

    (void) plugin;
    (void) replaced;
    (void) unchanged;

    install = ctx;
    o = install->operations;

    if (err->code != 0) {
        operations_set_step(o, NULL);
        operations_set_environment(o, "failed", err->text);
        admin_fail(install->call, err);
        install_free(install);
        return;
    }

    operations_set_environment(o, "ready", NULL);
    installer_install(o->parts.installer, install->bundle, install->is_forced,
                      install_on_progress, install_on_done, install);
}


void
operation_install(void *ctx, struct admin_call *call, json_t *arguments)
{
    const char           *bundle;
    struct operations    *o;
    struct install_call  *install;

    o = ctx;

    if (operations_refuses(o, call)) {
        return;
    }

    bundle = operations_bundle(call, arguments);

    if (bundle == NULL) {
        return;
    }

    install = mem_alloc(sizeof(struct install_call));
    install->operations = o;
    install->call = call;
    install->bundle = mem_strdup(bundle);
    install->is_forced = json_is_true(json_object_get(arguments, "force"));

    if (installer_platform_environment(o->parts.installer) == NULL) {
        installer_prepare(o->parts.installer, install_on_progress,
                          install_on_prepared, install);
        return;
    }

    installer_install(o->parts.installer, bundle, install->is_forced,
                      install_on_progress, install_on_done, install);
}


/* ---- the next supervisor -------------------------------------------- */

static void
upgrade_on_done(void *ctx, const struct error *err)
{
    struct admin_call  *call;

    call = ctx;

    if (err->code != 0) {
        admin_fail(call, err);

    } else {
        admin_reply(call, json_pack("{s:i}", "supervisor_pid",
                                    (int) getpid()));
    }
}


void
operation_upgrade(void *ctx, struct admin_call *call, json_t *arguments)
{
    struct error        err;
    struct operations  *o;

    (void) arguments;
    o = ctx;

    if (operations_refuses(o, call)) {
        return;
    }

    if (installer_is_busy(o->parts.installer)) {
        error_set(&err, MINT_ERR_BUSY, "an installation is under way and "
                  "would be lost; try again when it has ended");
        admin_fail(call, &err);
        return;
    }

    admin_progress(call, "trying the new program");
    o->parts.upgrade(o->parts.stop_ctx, upgrade_on_done, call);
}


void
operation_stop(void *ctx, struct admin_call *call, json_t *arguments)
{
    struct operations  *o;

    (void) arguments;
    o = ctx;

    admin_reply(call, NULL);
    o->parts.stop(o->parts.stop_ctx);
}
