/* SPDX-License-Identifier: MIT */
/*
 * Commands of mintctl that wait for the whole system: stop, wait,
 * upgrade-supervisor.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "control_private.h"
#include "lib/fs.h"
#include "lib/strbuf.h"
#include "print.h"


#define CONTROL_RETRY_MS   100


/* one plugin, or everything: done when nobody listens any more, because the
   keeper is the last to go */

int
control_stop(const struct control *control)
{
    int                   rc;
    bool                  is_running;
    json_t               *result;
    uint64_t              deadline_ms;
    struct error          err;
    struct admin_client  *client;

    if (control->argument != NULL) {
        return control_drain(control);
    }

    deadline_ms = control_deadline(control);
    rc = control_call(control, "stop", NULL, deadline_ms, false, &result,
                  &is_running, &err);
    if (rc != 0) {
        return control_failed(control, &err, is_running);
    }

    fprintf(stderr, "stopping\n");

    while (rc == 0 && !control_interrupted()) {
        if (admin_client_open(&client, control->socket, &err)
            == MINT_ERR_UNAVAILABLE)
        {
            break;
        }

        admin_client_free(&client);
        if (time_boot_ms() >= deadline_ms) {
            rc = error_set(&err, MINT_ERR_TIMEOUT,
                           "it has not stopped in time");
        }
        control_sleep(CONTROL_RETRY_MS);
    }

    if (rc != 0 || control_interrupted()) {
        json_decref(result);
        return control_failed(control, &err, true);
    }

    if (!control->json) {
        printf("stopped\n");

    } else {
        control_print(control, result, print_nothing);
    }

    json_decref(result);

    return 0;
}


/* names of plugins that are not ready, with their error; NULL if none */

static char *
control_unready(const struct control *control, uint64_t deadline_ms)
{
    bool           is_running;
    size_t         i;
    json_t        *result, *plugin;
    const char    *state, *why;
    struct error   err;
    struct strbuf  text;

    if (control_call(control, "plugins", NULL, deadline_ms, true, &result,
                 &is_running, &err) != 0)
    {
        return NULL;
    }

    memset(&text, 0, sizeof(text));

    json_array_foreach(json_object_get(result, "plugins"), i, plugin) {
        state = print_text(plugin, "state");
        why = print_text(plugin, "error");
        if (strcmp(state, "ready") != 0 && strcmp(state, "stopped") != 0) {
            strbuf_printf(&text, "%s%s is %s%s%s", text.len > 0 ? "; " : "",
                          print_text(plugin, "name"), state,
                          why[0] != '\0' ? ": " : "", why);
        }
    }

    json_decref(result);

    return text.data;
}


/* 1 = go on waiting, 0 = all is ready, else an error */

static int
control_look(const struct control *control, uint64_t deadline_ms, char **step,
    bool *was_running, json_t **result, struct error *err)
{
    int          rc;
    bool         is_running;
    char        *unready;
    json_t      *plugins;
    const char  *now;

    rc = control_call(control, "status", NULL, deadline_ms, true, result,
                  &is_running, err);
    if (rc != 0) {
        /* it may not have started yet, or be busy until the deadline */
        return (!is_running && !*was_running) || rc == MINT_ERR_TIMEOUT
               ? 1 : rc;
    }

    *was_running = true;
    now = print_text(*result, "step");
    if (now[0] != '\0' && (*step == NULL || strcmp(*step, now) != 0)) {
        fprintf(stderr, "%s\n", now);
        free(*step);
        *step = mem_strdup(now);
    }

    if (strcmp(print_text(*result, "state"), "running") != 0) {
        json_decref(*result);
        return 1;
    }

    plugins = json_object_get(*result, "plugins");
    if (json_integer_value(json_object_get(plugins, "ready"))
        + json_integer_value(json_object_get(plugins, "stopped"))
        == json_integer_value(json_object_get(plugins, "total")))
    {
        return 0;
    }

    json_decref(*result);
    unready = control_unready(control, deadline_ms);
    if (unready == NULL) {
        return 1;
    }

    rc = error_set(err, MINT_ERR_UNAVAILABLE, "not all plugins are ready: %s",
                   unready);
    free(unready);

    return rc;
}


int
control_wait(const struct control *control)
{
    int            rc;
    bool           was_running;
    char          *step;
    json_t        *result;
    uint64_t       deadline_ms;
    struct error   err;

    step = NULL;
    was_running = false;
    deadline_ms = control_deadline(control);

    for ( ;; ) {
        rc = control_look(control, deadline_ms, &step, &was_running, &result,
                      &err);
        if (rc <= 0 || control_interrupted()) {
            break;
        }

        if (time_boot_ms() >= deadline_ms) {
            if (was_running) {
                error_set(&err, MINT_ERR_TIMEOUT,
                          "the system is not ready after %ld seconds%s%s",
                          control->timeout_sec, step != NULL ? ", at: " : "",
                          step != NULL ? step : "");
            }
            break;
        }

        control_sleep(CONTROL_RETRY_MS);
    }

    free(step);

    if (rc != 0 || control_interrupted()) {
        return control_failed(control, &err, was_running);
    }

    control_print(control, result, print_status);
    json_decref(result);

    return 0;
}


/* ---- the next supervisor -------------------------------------------- */

/* 1 = go on waiting, 0 = it is there, in *result, else an error */

static int
control_look_next(const struct control *control, uint64_t deadline_ms,
    json_int_t old, json_t **result, struct error *err)
{
    int      rc;
    bool     is_running;
    json_t  *pid;

    rc = control_call(control, "status", NULL, deadline_ms, true, result,
                      &is_running, err);
    if (rc != 0) {
        return rc == MINT_ERR_UNAVAILABLE || rc == MINT_ERR_TIMEOUT ? 1 : rc;
    }

    pid = json_object_get(*result, "supervisor_pid");
    if (json_integer_value(pid) != old) {
        return 0;
    }

    json_decref(*result);

    return 1;
}


int
control_upgrade(const struct control *control)
{
    int           rc;
    bool          is_running;
    json_t       *result;
    uint64_t      deadline_ms;
    json_int_t    old;
    struct error  err;

    deadline_ms = control_deadline(control);
    rc = control_call(control, "upgrade", NULL, deadline_ms, false, &result,
                      &is_running, &err);
    if (rc != 0) {
        return control_failed(control, &err, is_running);
    }

    old = json_integer_value(json_object_get(result, "supervisor_pid"));
    json_decref(result);

    while ((rc = control_look_next(control, deadline_ms, old, &result, &err))
           == 1 && !control_interrupted())
    {
        if (time_boot_ms() >= deadline_ms) {
            rc = error_set(&err, MINT_ERR_TIMEOUT, "the new supervisor does "
                           "not answer after %ld seconds; plugins and nginx "
                           "go on, the log says why", control->timeout_sec);
            break;
        }
        control_sleep(CONTROL_RETRY_MS);
    }

    if (rc != 0 || control_interrupted()) {
        return control_failed(control, &err, true);
    }

    control_print(control, result, print_upgrade);
    json_decref(result);

    return 0;
}
