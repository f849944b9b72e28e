/* SPDX-License-Identifier: MIT */
/*
 * "mintctl table": run files as they are on disk.  Works without a supervisor:
 * what nginx goes by is then all the more of interest.
 */

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "lib/strbuf.h"
#include "supervisor/routes/run_show.h"


/* the supervisor's socket lies in the run directory; to be freed */

static char *
control_run_directory(const struct control *control)
{
    char  *path, *directory;

    path = mem_strdup(control->socket);
    directory = mem_strdup(dirname(path));
    free(path);

    return directory;
}


static int
control_usage(const char *why)
{
    fprintf(stderr, "mintctl: %s (mintctl --help says what there is)\n", why);

    return CONTROL_USAGE;
}


int
control_table(const struct control *control)
{
    int          rc;
    char        *running;
    const char  *first, *second;

    if (strcmp(control->argument, "dump") == 0) {
        if (control->more_count > 1) {
            return control_usage("\"table dump\" takes one directory");
        }

        running = control_run_directory(control);
        first = control->more_count == 1 ? control->more[0] : running;
        rc = run_show_dump(first, control->json, false);

    } else if (strcmp(control->argument, "diff") == 0) {
        if (control->more_count < 1) {
            return control_usage("\"table diff\" needs a directory to compare "
                                 "with");
        }

        running = control_run_directory(control);
        first = control->more_count == 2 ? control->more[0] : running;
        second = control->more[control->more_count - 1];
        rc = run_show_diff(first, second, control->json);

    } else {
        return control_usage("\"table\" knows \"dump\" and \"diff\"");
    }

    free(running);

    return rc == 0 ? 0 : CONTROL_FAILED;
}
