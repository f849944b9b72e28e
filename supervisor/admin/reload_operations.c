/* SPDX-License-Identifier: MIT */
/*
 * "reload": the lists that force plugins have been read again.  Those that
 * they concern are decided again, one after the other in line with
 * installations; the answer comes with the last one.
 */

#include <stdlib.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "operations_private.h"
#include "supervisor/plugin/forced.h"


struct reload {
    struct operations  *operations;
    struct admin_call  *call;           /* NULL: nobody waits for it */
    json_t             *restart;        /* keys, for the answer */
    json_t             *plugins;
    size_t              left;           /* to be decided again */
};


/* one of them */
struct reload_plugin {
    struct reload  *reload;
    char           *name;
};


static void
reload_finish(struct reload *reload)
{
    if (reload->call != NULL) {
        admin_reply(reload->call, json_pack("{s:O, s:O}",
                                            "restart", reload->restart,
                                            "plugins", reload->plugins));
    }

    json_decref(reload->restart);
    json_decref(reload->plugins);
    free(reload);
}


static void
reload_on_progress(void *ctx, const char *text)
{
    struct reload_plugin  *one = ctx;

    operations_set_step(one->reload->operations, text);

    if (one->reload->call != NULL) {
        admin_progress(one->reload->call, text);
    }
}


static void
reload_on_done(void *ctx, const struct error *err, struct plugin *plugin,
    const char *replaced, bool unchanged)
{
    struct operations     *o;
    struct reload         *reload;
    struct reload_plugin  *one = ctx;

    (void) replaced;
    (void) unchanged;

    reload = one->reload;
    o = reload->operations;
    operations_set_step(o, NULL);

    if (err->code != 0) {
        log_error("plugin \"%s\" stays as it is, although plugins.forceIsolated"
                  " and plugins.forceShared have changed: %s", one->name,
                  err->text);
        plugin = registry_find(o->parts.registry, one->name);

        if (plugin != NULL) {
            plugin_set_list_error(plugin, err->text);
        }

    } else {
        plugin_set_list_error(plugin, NULL);
        installer_collect(o->parts.installer, plugin_processes_use,
                          o->parts.processes);
        operations_follow_lists(o, plugin);
    }

    json_array_append_new(reload->plugins, json_pack(
        "{s:s, s:o, s:o, s:o}", "plugin", one->name,
        "mode", plugin != NULL ? json_string(plugin_mode_name(plugin->mode))
                               : json_null(),
        "reason", plugin != NULL ? json_string(plugin->reason) : json_null(),
        "error", err->code != 0 ? json_string(err->text) : json_null()));

    free(one->name);
    free(one);

    if (--reload->left == 0) {
        reload_finish(reload);
    }
}


/* what is being uninstalled is not decided on any more */

static bool
reload_concerns(const struct operations *o, const struct plugin *plugin)
{
    return plugin->removal == PLUGIN_STAYS
           && forced_differs(o->parts.config, plugin);
}


static void
reload_add(struct reload *reload, const struct plugin *plugin)
{
    struct reload_plugin  *one;

    log_info("plugin \"%s\", %s, is decided again: plugins.forceIsolated or "
             "plugins.forceShared has changed", plugin->name,
             plugin_mode_name(plugin->mode));

    one = mem_alloc(sizeof(struct reload_plugin));
    one->reload = reload;
    one->name = mem_strdup(plugin->name);
    reload->left++;

    installer_decide_again(reload->operations->parts.installer, plugin->name,
                           reload_on_progress, reload_on_done, one);
}


/* takes restart */

static struct reload *
reload_new(struct operations *o, struct admin_call *call, json_t *restart)
{
    struct reload  *reload;

    reload = mem_alloc(sizeof(struct reload));
    reload->operations = o;
    reload->call = call;
    reload->restart = restart;
    reload->plugins = json_array();

    return reload;
}


/* takes restart */

static void
reload_begin(struct operations *o, struct admin_call *call, json_t *restart)
{
    size_t          i;
    struct plugin  *plugin;
    struct reload  *reload;

    reload = reload_new(o, call, restart);

    for (i = 0; i < registry_count(o->parts.registry); i++) {
        plugin = registry_at(o->parts.registry, i);

        if (reload_concerns(o, plugin)) {
            reload_add(reload, plugin);

        } else {
            plugin_set_list_error(plugin, NULL);
        }
    }

    if (reload->left == 0) {
        reload_finish(reload);
    }
}


void
operations_decide_again(struct operations *operations)
{
    reload_begin(operations, NULL, json_array());
}


void
operations_follow_lists(struct operations *operations,
    const struct plugin *plugin)
{
    if (reload_concerns(operations, plugin)) {
        reload_add(reload_new(operations, NULL, json_array()), plugin);
    }
}


void
operation_reload(void *ctx, struct admin_call *call, json_t *arguments)
{
    json_t             *restart;
    struct error        err;
    struct operations  *o = ctx;

    (void) arguments;

    if (operations_refuses(o, call)) {
        return;
    }

    if (o->parts.reload(o->parts.stop_ctx, &restart, &err) != 0) {
        admin_fail(call, &err);
        return;
    }

    reload_begin(o, call, restart);
}
