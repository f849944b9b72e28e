/* SPDX-License-Identifier: MIT */
/*
 * Are the files of a new environment those of its packages?  uv links them from
 * its cache without looking, and a cache is files on a disk.  What differs is
 * fetched anew, past the cache.
 */

#include "supervisor/plugin/environment_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/strbuf.h"


#define ENVIRONMENT_COMPARE_SEC  300


/* by the interpreter that the environment is made from: no code of a package
   is run */

struct command *
environment_compare(struct environment_build *build)
{
    struct command  *command;

    command = command_new("compare",
                          build->tools->config->environments.python);
    command->timeout_sec = ENVIRONMENT_COMPARE_SEC;

    command_add(command, "-I");
    command_add(command, "-S");
    text_list_printf(&command->argv, "%s/plugin_host/verify.py",
                     build->tools->config->server.program_directory);
    command_add(command, build->temporary);
    command_add(command, "--records");

    return command;
}


/* the last line is the report; before it is what came of the progress */

static json_t *
environment_compare_report(const char *output, struct error *err)
{
    size_t       len;
    json_t      *report;
    const char  *line, *end, *why;

    end = output + strlen(output);

    while (end > output && end[-1] == '\n') {
        end--;
    }

    for (line = end; line > output && line[-1] != '\n'; line--) {
        /* void */
    }

    len = (size_t) (end - line);
    report = json_loadb(line, len, 0, NULL);

    if (json_is_array(json_object_get(report, "problems"))) {
        return report;
    }

    why = json_string_value(json_object_get(report, "error"));
    error_set(err, MINT_ERR_PROTOCOL, "its files could not be compared with "
              "its packages: %s", why != NULL ? why : "no report");
    json_decref(report);

    return NULL;
}


/* what a package says badly of its files is its own affair; NULL: no other */

static char *
environment_compare_problem(const json_t *report)
{
    char           *first;
    size_t          i;
    json_t         *problem;
    json_int_t      count;
    const char     *kind;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    count = 0;

    json_array_foreach(json_object_get(report, "problems"), i, problem) {
        kind = json_string_value(json_object_get(problem, "kind"));

        if (kind == NULL
            || (strcmp(kind, "changed") != 0 && strcmp(kind, "missing") != 0))
        {
            continue;
        }

        if (count++ == 0) {
            strbuf_printf(&text, "%s of %s %s",
                json_string_value(json_object_get(problem, "path")),
                json_string_value(json_object_get(problem, "package")),
                json_string_value(json_object_get(problem, "text")));
        }
    }

    if (count > 0) {
        count += json_integer_value(json_object_get(report, "left_off"));
    }

    if (count > 1) {
        strbuf_printf(&text, ", and %lld more", (long long) count - 1);
    }

    first = count > 0 ? mem_strdup(strbuf_text(&text)) : NULL;
    strbuf_free(&text);

    return first;
}


int
environment_compared(struct environment_build *build,
    const struct command_result *result, struct error *err)
{
    int      rc;
    char    *problem;
    json_t  *report;

    report = environment_compare_report(result->output, err);

    if (report == NULL) {
        return err->code;
    }

    problem = environment_compare_problem(report);
    json_decref(report);
    rc = 0;

    if (problem == NULL) {
        return 0;
    }

    if (build->source == UV_ANEW) {
        log_warn("environment \"%s\": %s, also as it was fetched anew: the "
                 "package is wrong about its files", build->name, problem);

    } else if (build->is_without_anew) {
        rc = error_set(err, MINT_ERR_INVALID, "uv's cache is damaged (%s), and "
                       "its packages cannot be fetched anew at the moment; "
                       "install it again with --force when the package index "
                       "can be reached", problem);

    } else {
        log_warn("environment \"%s\": uv's cache is damaged (%s); its "
                 "packages are fetched anew", build->name, problem);
        build->source = UV_ANEW;
        environment_take_other(build);
        environment_from_venv(build);
    }

    free(problem);

    return rc;
}
