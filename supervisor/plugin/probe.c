/* SPDX-License-Identifier: MIT */
/*
 * The probe.  Its answer is made by the plugin's own code, so everything that
 * is used of it later is checked here.
 */

#include "supervisor/plugin/probe.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "contract/mint_host.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/command.h"
#include "supervisor/plugin/names.h"


#define PROBE_TIMEOUT_SEC  60
#define PROBE_TYPE_MAX     64


struct probe_run {
    const struct toolset   *tools;
    struct command_run     *run;
    char                   *environment;
    struct probe_run      **slot;
    probe_done_fn           done;
    void                   *ctx;
};


static void probe_ended(void *ctx, const struct command_result *result);
static json_t *probe_find(const char *text);
static int probe_check_report(const json_t *report, const char *environment,
    struct error *err);
static int probe_check_file(const char *file, const char *environment,
    struct error *err);
static void probe_run_free(struct probe_run *run);


int
probe_start(struct probe_run **slot, const struct toolset *tools,
    const struct probe_input *input, probe_done_fn done, void *ctx,
    struct error *err)
{
    int                rc;
    char              *path;
    struct command    *command;
    struct probe_run  *run;

    run = mem_alloc(sizeof(struct probe_run));
    run->tools = tools;
    run->environment = mem_strdup(input->environment);
    run->slot = slot;
    run->done = done;
    run->ctx = ctx;

    path = mem_printf("%s/bin/python", input->environment);
    command = command_new("probe", path);
    free(path);

    path = mem_printf("%s/plugin_host/__main__.py",
                      tools->config->server.program_directory);
    command_add(command, path);
    command_add(command, "probe");
    free(path);

    command_set(command, "MINT_PLUGIN_NAME", input->name);
    command_set(command, "MINT_PLUGIN_ENTRY_POINT", input->name);
    command_set(command, "MINT_PLUGIN_DISTRIBUTION", input->distribution);
    command_set(command, "MINT_PLUGIN_VERSION", input->version);
    command_set(command, "MINT_HOST_REPORT_FD", "3");
    command_set(command, "HOME", tools->empty);
    command_set(command, "TMPDIR", "/tmp");
    command_set(command, "PYTHONDONTWRITEBYTECODE", "1");
    command_set(command, "PYTHONNOUSERSITE", "1");

    free(command->cwd);
    command->cwd = mem_strdup(tools->empty);
    command->environment = mem_strdup(input->environment);
    command->uid = input->uid;
    command->timeout_sec = PROBE_TIMEOUT_SEC;
    command->report = true;

    *slot = run;
    rc = command_start(&run->run, tools->runner, &command, NULL, probe_ended,
                       run, err);

    if (rc != 0) {
        *slot = NULL;
        probe_run_free(run);
    }

    return rc;
}


void
probe_cancel(struct probe_run **slot)
{
    struct probe_run  *run;

    run = *slot;

    if (run == NULL) {
        return;
    }

    *slot = NULL;
    command_cancel(&run->run);
    probe_run_free(run);
}


static void
probe_run_free(struct probe_run *run)
{
    free(run->environment);
    free(run);
}


static void
probe_ended(void *ctx, const struct command_result *result)
{
    int                rc;
    char               line[400];
    json_t            *report;
    struct error       err;
    struct probe_run  *run = ctx;

    report = NULL;
    memset(&err, 0, sizeof(err));

    if (result->error.code != 0) {
        err = result->error;
        rc = err.code;

    } else {
        rc = probe_check(result->report, run->environment, &report, &err);
    }

    /* a host that died without a report has said why on stderr */

    if (rc == MINT_ERR_PROTOCOL) {
        command_last_line(result->output, line, sizeof(line));
        error_set(&err, MINT_ERR_INVALID, "the plugin said nothing about "
                  "itself (exit code %d)%s%s", result->exit_code,
                  line[0] != '\0' ? ": " : "", line);
    }

    *run->slot = NULL;
    run->done(run->ctx, &err, report);

    json_decref(report);
    probe_run_free(run);
}


int
probe_check(const char *text, const char *environment, json_t **report,
    struct error *err)
{
    int          rc;
    char         line[400];
    json_t      *found;
    const char  *event, *why;

    *report = NULL;
    found = probe_find(text);
    event = json_string_value(json_object_get(found, "event"));

    if (event == NULL) {
        json_decref(found);
        return error_set(err, MINT_ERR_PROTOCOL, "the probe gave no report");
    }

    if (strcmp(event, "failed") == 0) {
        why = json_string_value(json_object_get(found, "error"));

        if (why == NULL || why[0] == '\0') {
            why = json_string_value(json_object_get(found, "traceback"));
            command_last_line(why != NULL ? why : "", line, sizeof(line));
            why = line;
        }

        rc = error_set(err, MINT_ERR_INVALID,
                       "the plugin cannot be loaded: %.400s", why);
        json_decref(found);
        return rc;
    }

    rc = probe_check_report(found, environment, err);

    if (rc != 0) {
        json_decref(found);
        return rc;
    }

    *report = found;

    return 0;
}


/* the last line that is a "probed" or "failed" event */

static json_t *
probe_find(const char *text)
{
    size_t       len;
    json_t      *event, *found;
    const char  *name;

    found = NULL;

    for ( /* void */ ; *text != '\0'; text += len + (text[len] == '\n')) {
        len = strcspn(text, "\n");

        if (len > MINT_HOST_LINE_MAX) {
            continue;
        }

        event = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
        name = json_string_value(json_object_get(event, "event"));

        if (name != NULL
            && (strcmp(name, "probed") == 0 || strcmp(name, "failed") == 0))
        {
            json_decref(found);
            found = event;
            continue;
        }

        json_decref(event);
    }

    return found;
}


static int
probe_check_report(const json_t *report, const char *environment,
    struct error *err)
{
    int          rc;
    const char  *prefix, *type, *file;

    prefix = json_string_value(json_object_get(report, "routes_prefix"));
    type = json_string_value(json_object_get(report, "plugin_type"));
    file = json_string_value(json_object_get(report, "module_file"));

    if (prefix == NULL) {
        return error_set(err, MINT_ERR_INVALID,
                         "the plugin has no routes prefix");
    }

    rc = names_check_prefix(prefix, err);

    if (rc != 0) {
        return rc;
    }

    if (type == NULL || strlen(type) > PROBE_TYPE_MAX
        || strspn(type, "abcdefghijklmnopqrstuvwxyz_-") != strlen(type))
    {
        return error_set(err, MINT_ERR_INVALID,
                         "the plugin has no usable plugin_type");
    }

    if (!json_is_object(json_object_get(report, "capabilities"))
        || !json_is_object(json_object_get(report, "metadata")))
    {
        return error_set(err, MINT_ERR_INVALID,
                         "the plugin's capabilities and metadata are missing");
    }

    if (file == NULL) {
        return error_set(err, MINT_ERR_INVALID,
                         "the plugin does not say where its module is");
    }

    return probe_check_file(file, environment, err);
}


/* two wheels with a module of one name: the other one must not be served */

static int
probe_check_file(const char *file, const char *environment,
    struct error *err)
{
    bool    inside;
    char    real_file[PATH_MAX], real_environment[PATH_MAX];
    size_t  len;

    if (realpath(file, real_file) == NULL
        || realpath(environment, real_environment) == NULL)
    {
        return error_set_errno(err, "the plugin's module \"%s\" cannot be "
                               "found", file);
    }

    len = strlen(real_environment);
    inside = strncmp(real_file, real_environment, len) == 0
             && strncmp(real_file + len, "/lib/", 5) == 0
             && strstr(real_file + len, "/site-packages/") != NULL;

    if (!inside) {
        return error_set(err, MINT_ERR_INVALID,
                         "the plugin's module is \"%s\", outside its "
                         "environment", real_file);
    }

    return 0;
}
