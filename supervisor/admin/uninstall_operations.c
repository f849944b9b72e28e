/* SPDX-License-Identifier: MIT */
/*
 * The operation "uninstall": its calls wait until the plugin has ended, is out
 * of the registry and, if that was wanted, its data are gone.  What is kept in
 * the registry goes on without them, also in the next supervisor.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "operations_private.h"
#include "supervisor/plugin/dependencies.h"


struct uninstall {
    struct operations  *operations;
    struct admin_call  *call;
    char               *name;
    json_t             *result;
    bool                is_out;         /* of the registry */
    struct uninstall   *next;
};


/* of an installer_remove() */
struct removing {
    struct operations  *operations;
    char               *name;
};


static void uninstall_go_on(struct operations *operations, const char *name);


static struct uninstall *
uninstall_new(struct operations *operations, struct admin_call *call,
    const char *name)
{
    struct uninstall  *u;

    u = mem_alloc(sizeof(struct uninstall));
    u->operations = operations;
    u->call = call;
    u->name = mem_strdup(name);
    u->next = operations->uninstalls;
    operations->uninstalls = u;

    return u;
}


/* what becomes of the data; a later order may have changed it */

static void
uninstall_set_mode(struct uninstall *u, enum plugin_removal removal)
{
    json_object_set_new(u->result, "mode",
                        json_string(plugin_removal_name(removal)));
}


/* err NULL: it is done, or waits as the result says */

static void
uninstall_answer(struct uninstall *u, const struct error *err)
{
    struct uninstall  **p;

    for (p = &u->operations->uninstalls; *p != u; p = &(*p)->next) {
        /* void */
    }

    *p = u->next;

    if (err != NULL) {
        admin_fail(u->call, err);

    } else {
        admin_reply(u->call, json_incref(u->result));
    }

    json_decref(u->result);
    free(u->name);
    free(u);
}


void
operations_uninstalls_free(struct operations *operations)
{
    struct error  err;

    while (operations->uninstalls != NULL) {
        error_set(&err, MINT_ERR_UNAVAILABLE, "the supervisor is stopping; "
                  "the next one goes on with it");
        uninstall_answer(operations->uninstalls, &err);
    }
}


/* ---- what becomes of the plugin ---------------------------------------- */

/* true: answered */

static bool
uninstall_look(struct uninstall *u, struct plugin *plugin)
{
    char          *text;
    struct error   err;

    switch (plugin_process_halted(plugin)) {

    case PLUGIN_WISH_REFUSED:
        error_set(&err, MINT_ERR_CONFLICT, "plugin \"%s\" was started again "
                  "and is not uninstalled", u->name);
        uninstall_answer(u, &err);
        return true;

    case PLUGIN_WISH_WAITS:
        text = plugin_process_waits_for(plugin);
        json_object_set_new(u->result, "waits", json_string(text));
        uninstall_set_mode(u, plugin->removal);
        free(text);
        uninstall_answer(u, NULL);
        return true;

    default:
        return false;
    }
}


void
operations_uninstalls_on_change(struct operations *operations,
    struct plugin *plugin)
{
    struct uninstall  *u, *next;

    for (u = operations->uninstalls; u != NULL; u = next) {
        next = u->next;

        if (!u->is_out && strcmp(u->name, plugin->name) == 0) {
            (void) uninstall_look(u, plugin);
        }
    }
}


/* it is out of the registry: unless its data are to go, all is done.  The last
   order has decided that, and calls of earlier ones are told */

static void
uninstall_go_on(struct operations *operations, const char *name)
{
    bool                    is_purged;
    struct uninstall       *u, *next;
    const struct departed  *departed;

    departed = registry_departed_named(operations->parts.registry, name);
    is_purged = departed != NULL && departed->is_purged;

    for (u = operations->uninstalls; u != NULL; u = next) {
        next = u->next;

        if (strcmp(u->name, name) != 0) {
            continue;
        }

        u->is_out = true;
        uninstall_set_mode(u, is_purged ? PLUGIN_PURGE : PLUGIN_KEEP);

        if (!is_purged) {
            uninstall_answer(u, NULL);
        }
    }
}


static void
uninstall_fail(struct operations *operations, const char *name,
    const struct error *err)
{
    struct uninstall  *u, *next;

    for (u = operations->uninstalls; u != NULL; u = next) {
        next = u->next;

        if (strcmp(u->name, name) == 0) {
            uninstall_answer(u, err);
        }
    }
}


static void
uninstall_on_removed(void *ctx, const struct error *err,
    struct plugin *plugin, const char *replaced, bool unchanged)
{
    struct removing    *removing;
    struct operations  *o;

    (void) replaced;
    (void) unchanged;
    removing = ctx;
    o = removing->operations;
    plugin = registry_find(o->parts.registry, removing->name);

    if (err->code == 0) {
        installer_collect(o->parts.installer, plugin_processes_use,
                          o->parts.processes);
        uninstall_go_on(o, removing->name);
        purger_look(o->parts.purger);

    } else if (plugin != NULL && err->code == MINT_ERR_BUSY) {
        plugin_process_leaves_later(plugin);

    } else if (plugin != NULL) {
        log_error("%s", err->text);
        plugin_process_stays(plugin);
        uninstall_fail(o, removing->name, err);
    }

    free(removing->name);
    free(removing);
}


static void
uninstall_on_left(void *ctx, struct plugin *plugin)
{
    struct removing    *removing;
    struct operations  *o;

    o = ctx;
    removing = mem_alloc(sizeof(struct removing));
    removing->operations = o;
    removing->name = mem_strdup(plugin->name);

    installer_remove(o->parts.installer, plugin->name, uninstall_on_removed,
                     removing);
}


static void
uninstall_on_purged(void *ctx, const char *name, const struct error *err)
{
    struct uninstall   *u, *next;
    struct operations  *o;

    o = ctx;

    for (u = o->uninstalls; u != NULL; u = next) {
        next = u->next;

        if (u->is_out && strcmp(u->name, name) == 0) {
            uninstall_answer(u, err->code != 0 ? err : NULL);
        }
    }
}


void
operations_watch_removals(struct operations *operations)
{
    plugin_processes_on_left(operations->parts.processes, uninstall_on_left,
                             operations);
    purger_subscribe(operations->parts.purger, uninstall_on_purged,
                     operations);
}


/* ---- the operation ------------------------------------------------------ */

struct plugin *
operations_named(struct operations *operations, const char *name,
    const struct departed **departed)
{
    struct plugin    *plugin;
    struct registry  *registry;

    registry = operations->parts.registry;
    plugin = registry_find(registry, name);
    *departed = plugin == NULL ? registry_departed_named(registry, name)
                               : NULL;

    if (plugin == NULL && *departed == NULL) {
        plugin = registry_find_distribution(registry, name);
    }

    if (plugin == NULL && *departed == NULL) {
        *departed = registry_find_departed(registry, name);
    }

    return plugin;
}


/* PLUGIN_STAYS: it is not said */

static int
uninstall_mode(const json_t *arguments, enum plugin_removal *removal,
    struct error *err)
{
    const char    *word;
    const json_t  *mode;

    mode = json_object_get(arguments, "mode");
    word = json_is_string(mode) ? json_string_value(mode) : "";
    *removal = plugin_removal_of(word);

    if (mode == NULL || *removal != PLUGIN_STAYS) {
        return 0;
    }

    if (strcmp(word, "archive") == 0) {
        return error_set(err, MINT_ERR_NOT_BUILT, "mode \"archive\" is not "
                         "built yet: \"keep\" leaves the data where they are, "
                         "\"purge\" removes them");
    }

    return error_set(err, MINT_ERR_INVALID, "\"mode\" is neither \"keep\" nor "
                     "\"purge\"");
}


static int
uninstall_check(struct operations *o, const struct plugin *plugin,
    const json_t *arguments, struct error *err)
{
    size_t                i;
    struct strbuf         names;
    const struct plugin  *other;

    if (json_is_true(json_object_get(arguments, "force"))) {
        return 0;
    }

    memset(&names, 0, sizeof(names));

    for (i = 0; (other = dependencies_dependant(o->parts.registry, plugin, i))
                != NULL; i++)
    {
        if (other->removal == PLUGIN_STAYS) {
            strbuf_printf(&names, "%s\"%s\"", names.len > 0 ? ", " : "",
                          other->name);
        }
    }

    if (names.len == 0) {
        return 0;
    }

    error_set(err, MINT_ERR_CONFLICT, "plugin \"%s\" is needed by %s: "
              "uninstall what needs it first, or force it", plugin->name,
              strbuf_text(&names));
    strbuf_free(&names);

    return err->code;
}


static json_t *
uninstall_result(const char *name, const char *distribution,
    const char *version)
{
    return json_pack("{s:s, s:s, s:o, s:n, s:n, s:b}",
        "plugin", name,
        "distribution", distribution,
        "version", version != NULL ? json_string(version) : json_null(),
        "mode",
        "waits",
        "unchanged", version == NULL);
}


/* uninstalled before: its data may still be removed, and what is being removed
   is not kept any more */

static void
uninstall_departed(struct operations *o, struct admin_call *call,
    const char *wanted, const struct departed *departed,
    enum plugin_removal removal)
{
    bool               is_purged;
    struct error       err;
    struct uninstall  *u;

    if (departed == NULL) {
        operations_fail_unknown(call, wanted);
        return;
    }

    if (removal == PLUGIN_PURGE
        && registry_purge(o->parts.registry, departed->name, &err) != 0)
    {
        admin_fail(call, &err);
        return;
    }

    is_purged = departed->is_purged;
    u = uninstall_new(o, call, departed->name);
    u->result = uninstall_result(departed->name, departed->distribution, NULL);
    u->is_out = true;
    uninstall_set_mode(u, is_purged ? PLUGIN_PURGE : PLUGIN_KEEP);

    if (!is_purged) {
        uninstall_answer(u, NULL);

    } else {
        purger_look(o->parts.purger);
    }
}


void
operation_uninstall(void *ctx, struct admin_call *call, json_t *arguments)
{
    const char             *wanted;
    struct error            err;
    struct plugin          *plugin;
    struct operations      *o;
    struct uninstall       *u;
    enum plugin_removal     removal;
    const struct departed  *departed;

    o = ctx;
    wanted = operations_refuses(o, call)
             ? NULL : operations_text(call, arguments, "plugin");

    if (wanted == NULL) {
        return;
    }

    if (uninstall_mode(arguments, &removal, &err) != 0) {
        admin_fail(call, &err);
        return;
    }

    plugin = operations_named(o, wanted, &departed);

    if (plugin == NULL) {
        uninstall_departed(o, call, wanted, departed, removal);
        return;
    }

    /* as it was said before, if it was */

    if (removal == PLUGIN_STAYS) {
        removal = plugin->removal != PLUGIN_STAYS ? plugin->removal
                                                  : PLUGIN_KEEP;
    }

    if (uninstall_check(o, plugin, arguments, &err) != 0
        || plugin_process_remove(plugin, removal,
               json_is_true(json_object_get(arguments, "now")), &err) != 0)
    {
        admin_fail(call, &err);
        return;
    }

    u = uninstall_new(o, call, plugin->name);
    u->result = uninstall_result(plugin->name, plugin->distribution,
                                 plugin->version);
    uninstall_set_mode(u, removal);

    admin_progress(call, "stopping");
    operations_uninstalls_on_change(o, plugin);
}
