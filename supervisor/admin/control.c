/* SPDX-License-Identifier: MIT */
/*
 * Commands of mintctl that are one question or one order: status, plugins,
 * explain, install, plan.
 */

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control_private.h"
#include "print.h"


int
control_status(const struct control *control)
{
    return control_simple(control, "status", NULL, true, print_status);
}


int
control_plugins(const struct control *control)
{
    return control_simple(control, "plugins", NULL, true, print_plugins);
}


int
control_top(const struct control *control)
{
    return control_simple(control, "plugins", NULL, true, print_top);
}


int
control_explain(const struct control *control)
{
    return control_simple(control, "explain",
                      json_pack("{s:s}", "plugin", control->argument), true,
                      print_explain);
}


int
control_start(const struct control *control)
{
    return control_simple(control, "start",
                      json_pack("{s:s}", "plugin", control->argument), false,
                      print_start);
}


/* "install" or "plan" of a file */

static int
control_bundle(const struct control *control, const char *operation,
    bool only_asks, void (*print)(json_t *result))
{
    char           path[PATH_MAX];
    json_t        *arguments;
    struct error   err;

    if (realpath(control->argument, path) == NULL) {
        error_set_errno(&err, "bundle \"%s\"", control->argument);
        return control_failed(control, &err, true);
    }

    arguments = json_pack("{s:s,s:b}", "bundle", path, "force",
                          control->force);
    if (arguments == NULL) {
        error_set(&err, MINT_ERR_INVALID,
                  "the path of the bundle is not UTF-8");
        return control_failed(control, &err, true);
    }

    return control_simple(control, operation, arguments, only_asks, print);
}


int
control_install(const struct control *control)
{
    return control_bundle(control, "install", false, print_install);
}


/* what is neither a file nor can be the path of one */

static bool
control_is_plugin(const char *argument)
{
    size_t  len;

    len = strlen(argument);

    return access(argument, F_OK) == -1 && strchr(argument, '/') == NULL
           && !(len > 5 && strcmp(argument + len - 5, ".mint") == 0)
           && !(len > 4 && strcmp(argument + len - 4, ".whl") == 0);
}


int
control_plan(const struct control *control)
{
    if (control_is_plugin(control->argument)) {
        return control_simple(control, "plan",
                              json_pack("{s:s}", "plugin", control->argument),
                              true, print_plan_again);
    }

    return control_bundle(control, "plan", true, print_plan);
}
