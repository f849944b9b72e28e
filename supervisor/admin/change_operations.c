/* SPDX-License-Identifier: MIT */
/*
 * Operations that change something: restart, install, stop.  A waiter holds a
 * call until its plugin has become ready or has failed.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "operations_private.h"


struct waiter {
    struct operations  *operations;
    struct admin_call  *call;
    struct waiter      *next;
    uint32_t            plugin_id;
    uint32_t            generation;     /* a later one must be ready */
    json_t             *result;         /* what is answered then, or NULL */
    bool                is_all;         /* then go on with the next plugin */
    size_t              position;
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

    while (operations->waiters != NULL) {
        error_set(&err, MINT_ERR_UNAVAILABLE, "the supervisor is stopping");
        admin_fail(operations->waiters->call, &err);
        waiter_free(operations->waiters);
    }
}


/* a start that is being prepared counts: a restart does not begin it anew */

static uint32_t
waiter_generation(const struct service *service)
{
    return service_generation(service)
           - (service_state(service) == SERVICE_PREPARING);
}


static void
waiter_finish(struct waiter *waiter, struct plugin *plugin)
{
    struct error  err;

    if (waiter->is_all) {
        operations_restart_next(waiter);
        return;
    }

    if (waiter->result != NULL) {
        json_object_set_new(waiter->result, "state",
                            json_string(plugin_state_name(plugin->state)));
        json_object_set_new(waiter->result, "error", plugin->error != NULL
                            ? json_string(plugin->error) : json_null());
        admin_reply(waiter->call, json_incref(waiter->result));

    } else if (plugin->state == PLUGIN_READY) {
        admin_reply(waiter->call, json_pack("{s:s}", "plugin", plugin->name));

    } else {
        error_set(&err, MINT_ERR_UNAVAILABLE, "plugin \"%s\" did not become "
                  "ready: %s", plugin->name,
                  plugin->error != NULL ? plugin->error : "no reason known");
        admin_fail(waiter->call, &err);
    }

    waiter_free(waiter);
}


/*
 * Ready in a later generation, or failed; a first crash while starting is
 * reported too: whoever waits wants to know, the restarts go on without.
 */

static bool
waiter_is_over(const struct waiter *waiter, const struct plugin *plugin)
{
    struct service  *service;

    service = plugin_process_service(plugin);

    /* failed without a process: it has no socket to start one on */

    if (service == NULL
        || (int32_t) (service_generation(service) - waiter->generation) <= 0)
    {
        return plugin->state == PLUGIN_FAILED
               && (service == NULL
                   || service_state(service) == SERVICE_DOWN);
    }

    return plugin->state == PLUGIN_READY || plugin->state == PLUGIN_FAILED
           || service_state(service) == SERVICE_BACKOFF;
}


void
operations_waiters_on_registry(void *ctx, enum registry_event event,
    struct plugin *plugin)
{
    struct waiter      *waiter;
    struct operations  *operations;

    (void) event;
    operations = ctx;
    waiter = operations->waiters;

    while (waiter != NULL) {
        if (waiter->plugin_id != plugin->id
            || !waiter_is_over(waiter, plugin))
        {
            waiter = waiter->next;
            continue;
        }

        /* it may restart another plugin, which ends other waiters */
        waiter_finish(waiter, plugin);
        waiter = operations->waiters;
    }
}


/* the system is stopping: nothing is to be started any more */

static bool
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


/* ---- restart ------------------------------------------------------- */

void
operation_restart(void *ctx, struct admin_call *call, json_t *arguments)
{
    struct error     err;
    struct plugin   *plugin;
    struct waiter   *waiter;
    struct service  *service;

    if (operations_refuses(ctx, call)) {
        return;
    }

    plugin = operations_plugin(ctx, call, arguments);
    if (plugin == NULL) {
        return;
    }

    service = plugin_process_service(plugin);

    if (service == NULL) {
        error_set(&err, MINT_ERR_UNAVAILABLE, "plugin \"%s\" has no process "
                  "yet", plugin->name);
        admin_fail(call, &err);
        return;
    }

    waiter = waiter_new(ctx, call);
    waiter->plugin_id = plugin->id;
    waiter->generation = waiter_generation(service);

    admin_progress(call, "restarting");
    service_restart(service, MINT_CAUSE_RESTART);
}


static void
operations_restart_next(struct waiter *waiter)
{
    char               *text;
    struct plugin      *plugin;
    struct service     *service;
    struct operations  *o;

    o = waiter->operations;
    waiter->plugin_id = 0;

    while (waiter->position < registry_count(o->parts.registry)) {

        plugin = registry_at(o->parts.registry, waiter->position++);
        service = plugin_process_service(plugin);

        if (service == NULL) {
            continue;
        }

        waiter->plugin_id = plugin->id;
        waiter->generation = waiter_generation(service);

        text = mem_printf("restarting %s", plugin->name);
        admin_progress(waiter->call, text);
        free(text);

        service_restart(service, MINT_CAUSE_RESTART);
        return;
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
    bool                  starts;
    json_t               *result;
    struct waiter        *waiter;
    struct service       *service;
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

    service = plugin_process_service(plugin);
    waiter->generation = service != NULL ? service_generation(service) : 0;

    starts = service != NULL && (service_state(service) == SERVICE_PREPARING
                                 || service_state(service)
                                    == SERVICE_STARTING);

    /* finds it as it was, even failed: nothing would come of waiting */
    if (unchanged && !starts) {
        waiter_finish(waiter, plugin);
        install_free(install);
        return;
    }

    /* the start under way already is the one to wait for */
    if (starts) {
        waiter->generation--;
    }

    admin_progress(install->call, "starting");
    install_free(install);
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
    struct error          err;
    struct operations    *o;
    struct install_call  *install;

    o = ctx;

    if (operations_refuses(o, call)) {
        return;
    }

    bundle = operations_text(call, arguments, "bundle");

    if (bundle == NULL) {
        return;
    }

    if (bundle[0] != '/') {
        error_set(&err, MINT_ERR_INVALID, "\"bundle\" is not an absolute "
                  "path: \"%s\"", bundle);
        admin_fail(call, &err);
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


void
operation_stop(void *ctx, struct admin_call *call, json_t *arguments)
{
    struct operations  *o;

    (void) arguments;
    o = ctx;

    admin_reply(call, NULL);
    o->parts.stop(o->parts.stop_ctx);
}
