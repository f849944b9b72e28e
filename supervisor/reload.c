/* SPDX-License-Identifier: MIT */
/*
 * The configuration is read again, by mintctl or SIGHUP.  Two lists are taken
 * over and plugins decided again by them; all the rest needs a restart, and
 * is named.
 */

#include <signal.h>

#include "lib/log.h"
#include "supervisor.h"


int
supervisor_reload(void *ctx, json_t **restart, struct error *err)
{
    int                 rc;
    size_t              i;
    const char         *path;
    struct config      *fresh;
    struct supervisor  *s = ctx;

    fresh = NULL;
    rc = config_load(&fresh, s->config_path, environ, err);

    if (rc != 0) {
        log_error("the configuration stays as it was: %s", err->text);
        return rc;
    }

    config_take(s->config, fresh);
    *restart = json_array();
    i = 0;

    while ((path = config_next_difference(s->config, fresh, &i)) != NULL) {
        json_array_append_new(*restart, json_string(path));
        log_warn("%s has changed; that takes effect when MINT is stopped and "
                 "started", path);
    }

    log_info("the configuration has been read again");
    config_free(&fresh);

    return 0;
}


void
supervisor_hang_up(struct supervisor *s)
{
    json_t        *restart;
    struct error   err;

    s->is_hung_up = !s->is_started;

    if (s->is_hung_up || s->stop_phase != STOP_NOT) {
        return;
    }

    if (supervisor_reload(s, &restart, &err) == 0) {
        json_decref(restart);
        operations_decide_again(s->operations);
    }
}


static void
supervisor_on_hangup(evutil_socket_t fd, short what, void *ctx)
{
    (void) fd;
    (void) what;

    supervisor_hang_up(ctx);
}


int
supervisor_catch_hangup(struct supervisor *s, struct error *err)
{
    s->hangup = evsignal_new(s->base, SIGHUP, supervisor_on_hangup, s);

    if (s->hangup == NULL || event_add(s->hangup, NULL) == -1) {
        return error_set(err, MINT_ERR_SYSTEM, "SIGHUP cannot be caught");
    }

    return 0;
}
