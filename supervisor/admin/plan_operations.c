/* SPDX-License-Identifier: MIT */
/*
 * "plan": what an installation would do, or another decision on what is
 * installed.  It waits in the line of installations, and ends when its client
 * goes.
 */

#include <stdlib.h>

#include "lib/strbuf.h"
#include "operations_private.h"


struct plan_call {
    struct operations  *operations;
    struct admin_call  *call;
};


static void
plan_on_progress(void *ctx, const char *text)
{
    struct plan_call  *plan = ctx;

    operations_set_step(plan->operations, text);
    admin_progress(plan->call, text);
}


static void
plan_on_done(void *ctx, const struct error *err, json_t *document)
{
    struct plan_call  *plan = ctx;

    operations_set_step(plan->operations, NULL);

    if (err->code != 0) {
        admin_fail(plan->call, err);

    } else {
        admin_reply(plan->call, json_incref(document));
    }

    free(plan);
}


static void
plan_on_gone(void *ctx)
{
    struct plan_call  *plan = ctx;

    installer_plan_abandon(plan->operations->parts.installer, plan);
}


/* NULL, and the call is answered, if neither is asked for as it is to be */

static const char *
plan_subject(struct operations *o, struct admin_call *call,
    json_t *arguments, bool *is_installed)
{
    struct plugin  *plugin;

    *is_installed = json_object_get(arguments, "plugin") != NULL;

    if (!*is_installed) {
        return operations_bundle(call, arguments);
    }

    plugin = operations_plugin(o, call, arguments);

    return plugin != NULL ? plugin->name : NULL;
}


void
operation_plan(void *ctx, struct admin_call *call, json_t *arguments)
{
    bool                is_installed;
    const char         *subject;
    struct operations  *o = ctx;
    struct installer   *installer;
    struct plan_call   *plan;

    if (operations_refuses(o, call)) {
        return;
    }

    subject = plan_subject(o, call, arguments, &is_installed);

    if (subject == NULL) {
        return;
    }

    installer = o->parts.installer;

    if (installer_is_busy(installer)) {
        admin_progress(call, "waiting until the installation under way has "
                       "ended");
    }

    plan = mem_alloc(sizeof(struct plan_call));
    plan->operations = o;
    plan->call = call;
    admin_call_watch(call, plan_on_gone, plan);

    if (is_installed) {
        installer_plan_again(installer, subject, plan_on_progress,
                             plan_on_done, plan);
        return;
    }

    installer_plan(installer, subject,
                   json_is_true(json_object_get(arguments, "force")),
                   plan_on_progress, plan_on_done, plan);
}
