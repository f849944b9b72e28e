/* SPDX-License-Identifier: MIT */
/*
 * What the commands of mintctl share: one request to the supervisor with its
 * deadline, asked again where that is harmless; what went wrong, in words and
 * as exit status.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "control_private.h"
#include "lib/fs.h"


#define CONTROL_RETRY_MS   100


static volatile sig_atomic_t  interrupted;


bool
control_interrupted(void)
{
    return interrupted != 0;
}


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


void
control_sleep(long ms)
{
    struct timespec  pause;

    pause.tv_sec = ms / 1000;
    pause.tv_nsec = ms % 1000 * 1000000;
    nanosleep(&pause, NULL);
}


uint64_t
control_deadline(const struct control *control)
{
    return time_boot_ms() + (uint64_t) control->timeout_sec * 1000;
}


/* says what went wrong; the exit status */

int
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

int
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


void
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


int
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
