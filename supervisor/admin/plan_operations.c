/* SPDX-License-Identifier: MIT */
/*
 * "plan": what an installation would do.  It waits in the line of
 * installations, and ends when its client goes.
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


void
operation_plan(void *ctx, struct admin_call *call, json_t *arguments)
{
    const char         *bundle;
    struct operations  *o = ctx;
    struct installer   *installer;
    struct plan_call   *plan;

    if (operations_refuses(o, call)) {
        return;
    }

    bundle = operations_bundle(call, arguments);

    if (bundle == NULL) {
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

    installer_plan(installer, bundle,
                   json_is_true(json_object_get(arguments, "force")),
                   plan_on_progress, plan_on_done, plan);
}
