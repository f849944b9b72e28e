/* SPDX-License-Identifier: MIT */
/*
 * "mintctl support": makes the bundle and says what is in it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control_private.h"
#include "lib/strbuf.h"
#include "print.h"
#include "supervisor/observe/support.h"
#include "supervisor/process/access_log.h"


static void
support_print(json_t *result)
{
    size_t   i, crashes;
    json_t  *file;

    crashes = 0;

    json_array_foreach(json_object_get(result, "contents"), i, file) {
        if (strncmp(print_text(file, "name"), "crashes/", 8) == 0) {
            crashes++;
            continue;
        }
        printf("  %-28s %s\n", print_text(file, "name"),
               print_text(file, "what"));
    }

    printf("  %-28s %zu crash reports\n\n%s\n", "crashes/", crashes,
           print_text(result, "path"));
    fprintf(stderr, "secrets are left out; what plugins print and paths of "
            "requests are in it: look\nthrough it before you pass it on\n");
}


static char *
support_path(void)
{
    char       text[64];
    time_t     now;
    struct tm  tm;

    now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(text, sizeof(text), "mint-support-%Y%m%d-%H%M%S.tar.gz", &tm);

    return mem_strdup(text);
}


int
control_support(const struct control *control)
{
    int                     rc;
    char                   *path, *access_log;
    json_t                 *result, *contents;
    struct error            err;
    struct examination      found;
    struct support_parts    parts;

    if (control_examine(control, &found, &err) != 0) {
        return control_failed(control, &err, true);
    }

    path = control->argument != NULL ? mem_strdup(control->argument)
                                     : support_path();
    parts.facts = found.facts;
    parts.status = found.status;
    parts.plugins = found.plugins;
    parts.findings = found.findings;
    parts.data_directory = print_text(found.facts, "data_directory");
    access_log = access_log_path(parts.data_directory);
    parts.access_log = access_log;

    rc = support_make(path, &parts, &contents, &err);

    if (rc == 0) {
        result = json_pack("{s:s, s:o}", "path", path, "contents", contents);
        control_print(control, result, support_print);
        json_decref(result);
    }

    free(access_log);
    free(path);
    examination_clear(&found);

    return rc == 0 ? 0 : control_failed(control, &err, true);
}
