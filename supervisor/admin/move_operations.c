/* SPDX-License-Identifier: MIT */
/*
 * Operations around planned changes of a plugin's process: what would be lost,
 * history.  Restart itself is in change_operations.c.
 */

#include <stdlib.h>
#include <string.h>

#include "operations_private.h"
#include "supervisor/process/history.h"


static void
operation_on_activity(void *ctx, json_t *answer)
{
    admin_reply(ctx, answer);
}


void
operation_activity(void *ctx, struct admin_call *call, json_t *arguments)
{
    const char             *name;
    struct plugin          *plugin;
    const struct departed  *departed;

    name = operations_text(call, arguments, "plugin");

    if (name == NULL) {
        return;
    }

    plugin = operations_named(ctx, name, &departed);

    if (plugin != NULL) {
        plugin_process_ask(plugin, operation_on_activity, call);

    } else if (departed != NULL) {
        admin_reply(call, json_pack("{s:s, s:[]}", "plugin", departed->name,
                                    "processes"));

    } else {
        operations_fail_unknown(call, name);
    }
}


void
operation_history(void *ctx, struct admin_call *call, json_t *arguments)
{
    json_int_t      lines;
    struct plugin  *plugin;

    plugin = operations_plugin(ctx, call, arguments);

    if (plugin == NULL) {
        return;
    }

    lines = json_integer_value(json_object_get(arguments, "lines"));

    if (lines < 1 || lines > HISTORY_RECORDS) {
        lines = HISTORY_RECORDS;
    }

    admin_reply(call, json_pack("{s:s, s:o}", "plugin", plugin->name,
        "records", plugin_process_history(plugin, (size_t) lines)));
}
