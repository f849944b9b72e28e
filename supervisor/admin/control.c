/* SPDX-License-Identifier: MIT */
/*
 * What mintctl does: asks the supervisor, waits where waiting is useful, says
 * what went wrong.
 */

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "control.h"
#include "lib/fs.h"
#include "lib/strbuf.h"
#include "print.h"


#define CONTROL_FOLLOW_MS  300
#define CONTROL_RETRY_MS   100


static volatile sig_atomic_t  interrupted;


/* ---- calls --------------------------------------------------------- */

static void
control_on_signal(int number)
{
    (void) number;
    interrupted = 1;
}


static void
control_on_progress(void *ctx, const char *text)
{
    (void) ctx;
    fprintf(stderr, "%s\n", text);
}


static void
control_sleep(long ms)
{
    struct timespec  pause;

    pause.tv_sec = ms / 1000;
    pause.tv_nsec = ms % 1000 * 1000000;
    nanosleep(&pause, NULL);
}


static uint64_t
control_deadline(const struct control *control)
{
    return time_boot_ms() + (uint64_t) control->timeout_sec * 1000;
}


/* says what went wrong; the exit status */

static int
control_failed(const struct control *control, const struct error *err,
    bool is_running)
{
    json_t  *json;

    if (interrupted) {
        fprintf(stderr, "mintctl: interrupted\n");
        return CONTROL_INTERRUPTED;
    }

    if (control->json) {
        json = json_pack("{s:{s:s,s:s}}", "error", "code",
                         error_code_name(err->code), "message", err->text);
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    }

    if (!is_running) {
        fprintf(stderr, "mintctl: the system is not running: %s\n",
                err->text);
        return CONTROL_NOT_RUNNING;
    }

    fprintf(stderr, "mintctl: %s\n", err->text);

    return CONTROL_FAILED;
}


/*
 * One request on its own connection.  A request that only asks is sent again
 * when the supervisor went away: it comes back at once.
 */

static int
control_call(const struct control *control, const char *operation,
    json_t *arguments, uint64_t deadline_ms, bool only_asks, json_t **result,
    bool *is_running, struct error *err)
{
    int                   rc;
    bool                  again;
    struct admin_client  *client;

    *is_running = true;

    do {
        again = false;

        rc = admin_client_open(&client, control->socket, err);
        if (rc != 0) {
            *is_running = rc != MINT_ERR_UNAVAILABLE;
            break;
        }

        admin_client_interrupt(client, &interrupted);
        rc = admin_client_call(client, operation,
                               arguments != NULL
                               ? json_deep_copy(arguments) : NULL,
                               deadline_ms, control_on_progress, NULL, result,
                               err);
        again = rc != 0 && only_asks && admin_client_is_lost(client)
                && !interrupted && time_boot_ms() < deadline_ms;
        admin_client_free(&client);

        if (again) {
            control_sleep(CONTROL_RETRY_MS);
        }

    } while (again);

    json_decref(arguments);

    return rc;
}


static void
control_print(const struct control *control, json_t *result,
    void (*print)(json_t *result))
{
    if (!control->json) {
        print(result);
        return;
    }

    json_dumpf(result, stdout, JSON_INDENT(2));
    putchar('\n');
}


static int
control_simple(const struct control *control, const char *operation,
    json_t *arguments, bool only_asks, void (*print)(json_t *result))
{
    int            rc;
    bool           is_running;
    json_t        *result;
    struct error   err;

    rc = control_call(control, operation, arguments, control_deadline(control),
                  only_asks, &result, &is_running, &err);
    if (rc != 0) {
        if (interrupted && !only_asks) {
            fprintf(stderr, "what was asked for goes on\n");
        }
        return control_failed(control, &err, is_running);
    }

    control_print(control, result, print);
    json_decref(result);

    return 0;
}


void
control_catch_signals(void)
{
    struct sigaction  action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = control_on_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}


/* ---- commands ------------------------------------------------------ */

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
control_explain(const struct control *control)
{
    return control_simple(control, "explain",
                      json_pack("{s:s}", "plugin", control->argument), true,
                      print_explain);
}


int
control_restart(const struct control *control)
{
    if (control->all) {
        return control_simple(control, "restart_all", NULL, false,
                          print_restart_all);
    }

    return control_simple(control, "restart",
                      json_pack("{s:s}", "plugin", control->argument), false,
                      print_restart);
}


int
control_install(const struct control *control)
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

    return control_simple(control, "install", arguments, false, print_install);
}


/* the first line of the new window that was not in the old one: the window
   slides, so some end of the old one is the start of the new one */

static size_t
control_first_new(json_t *old, json_t *new)
{
    size_t  i, shift, count;

    count = json_array_size(old);

    for (shift = 0; shift < count; shift++) {
        for (i = 0; shift + i < count; i++) {
            if (!json_equal(json_array_get(old, shift + i),
                            json_array_get(new, i)))
            {
                break;
            }
        }

        if (shift + i == count) {
            return i;
        }
    }

    return 0;
}


int
control_logs(const struct control *control)
{
    int            rc;
    bool           is_running;
    long           count;
    json_t        *result, *lines, *before;
    size_t         first;
    struct error   err;

    before = NULL;

    do {
        /* to follow, the whole window is needed */
        count = control->follow ? CONTROL_LINES_MAX : control->lines;
        rc = control_call(control, "logs",
                      json_pack("{s:s,s:I}", "plugin", control->argument,
                                "lines", (json_int_t) count),
                      control_deadline(control), true, &result, &is_running,
                      &err);
        if (rc != 0) {
            break;
        }

        lines = json_object_get(result, "lines");

        if (control->json && !control->follow) {
            control_print(control, result, print_nothing);

        } else {
            first = control_first_new(before, lines);
            if (before == NULL
                && json_array_size(lines) > (size_t) control->lines)
            {
                first = json_array_size(lines) - (size_t) control->lines;
            }
            print_log_lines(lines, first, control->json);
        }

        json_decref(before);
        before = json_incref(lines);
        json_decref(result);

        if (control->follow && !interrupted) {
            control_sleep(CONTROL_FOLLOW_MS);
        }

    } while (control->follow && !interrupted);

    json_decref(before);

    if (interrupted && control->follow) {
        return 0;
    }

    return rc == 0 ? 0 : control_failed(control, &err, is_running);
}


/* done when nobody listens any more: the keeper is the last to go */

int
control_stop(const struct control *control)
{
    int                   rc;
    bool                  is_running;
    json_t               *result;
    uint64_t              deadline_ms;
    struct error          err;
    struct admin_client  *client;

    deadline_ms = control_deadline(control);
    rc = control_call(control, "stop", NULL, deadline_ms, false, &result,
                  &is_running, &err);
    if (rc != 0) {
        return control_failed(control, &err, is_running);
    }

    fprintf(stderr, "stopping\n");

    while (rc == 0 && !interrupted) {
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

    if (rc != 0 || interrupted) {
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
        if (strcmp(state, "ready") != 0) {
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
        if (rc <= 0 || interrupted) {
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

    if (rc != 0 || interrupted) {
        return control_failed(control, &err, was_running);
    }

    control_print(control, result, print_status);
    json_decref(result);

    return 0;
}
