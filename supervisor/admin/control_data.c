/* SPDX-License-Identifier: MIT */
/*
 * Where the data of a system are, for commands that read files.
 */

#include <libgen.h>
#include <stdlib.h>

#include "control_private.h"
#include "lib/strbuf.h"
#include "print.h"


/* "var" of "var/run/supervisor.sock": the name, since run may be a link */

char *
control_state_directory(const struct control *control)
{
    char  *path, *directory;

    path = mem_strdup(control->socket);
    directory = mem_strdup(dirname(dirname(path)));
    free(path);

    return directory;
}


char *
control_data_directory(const struct control *control, json_t **status)
{
    bool           is_running;
    char          *state, *directory;
    json_t        *result;
    struct error   err;

    if (control_call(control, "status", NULL, control_deadline(control), true,
                     &result, &is_running, &err)
        == 0)
    {
        directory = mem_strdup(print_text(result, "data_directory"));

        if (status != NULL) {
            *status = result;
        } else {
            json_decref(result);
        }

        return directory;
    }

    if (status != NULL) {
        *status = NULL;
    }

    state = control_state_directory(control);
    directory = mem_printf("%s/data", state);
    free(state);

    return directory;
}
