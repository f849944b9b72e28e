/* SPDX-License-Identifier: MIT */
/*
 * Ordered stop: nginx first (nobody comes in any more), then the plugins, then
 * the platform they call, then goodbye to the keeper.
 */

#include <string.h>

#include "lib/log.h"
#include "supervisor.h"


#define SHUTDOWN_POLL_MS  20


static bool
supervisor_is_down(const struct service *service)
{
    return service == NULL || service_state(service) == SERVICE_DOWN;
}


static void
supervisor_on_goodbye(void *ctx, int status)
{
    struct supervisor  *s;

    (void) status;
    s = ctx;

    event_base_loopbreak(s->base);
}


static void
supervisor_stop_step(evutil_socket_t fd, short what, void *arg)
{
    struct error        err;
    struct timeval      poll;
    struct service     *nginx, *platform;
    struct supervisor  *s;

    (void) fd;
    (void) what;
    s = arg;

    nginx = core_process_service(s->core, CORE_NGINX);
    platform = core_process_service(s->core, CORE_PLATFORM);

    if (s->stop_phase == STOP_NGINX && supervisor_is_down(nginx)) {
        s->stop_phase = STOP_PLUGINS;
        plugin_processes_stop(s->processes);
        warm_stop(s->warm);
    }

    if (s->stop_phase == STOP_PLUGINS
        && plugin_processes_all_down(s->processes)
        && supervisor_is_down(warm_service(s->warm)))
    {
        s->stop_phase = STOP_PLATFORM;
        service_stop(platform, true);
    }

    if (s->stop_phase == STOP_PLATFORM && supervisor_is_down(platform)) {
        s->stop_phase = STOP_DONE;
        log_info("all stopped");

        if (keeper_client_goodbye(s->keeper, 0, supervisor_on_goodbye, s,
                                  &err)
            != 0)
        {
            supervisor_fail(s, &err);
        }

        return;
    }

    poll.tv_sec = 0;
    poll.tv_usec = SHUTDOWN_POLL_MS * 1000;
    evtimer_add(s->stop_poll, &poll);
}


void
supervisor_on_stop(void *ctx)
{
    struct error        err;
    struct service     *nginx;
    struct supervisor  *s;

    s = ctx;

    if (s->stop_phase != STOP_NOT) {
        return;
    }

    if (!s->is_started) {
        s->stop_phase = STOP_DONE;

        if (keeper_client_goodbye(s->keeper, 0, supervisor_on_goodbye, s,
                                  &err)
            != 0)
        {
            supervisor_fail(s, &err);
        }

        return;
    }

    log_info("stopping");
    s->stop_phase = STOP_NGINX;
    operations_set_stopping(s->operations);
    nginx = core_process_service(s->core, CORE_NGINX);

    if (nginx != NULL) {
        service_stop(nginx, true);
    }

    s->stop_poll = evtimer_new(s->base, supervisor_stop_step, s);
    supervisor_stop_step(-1, 0, s);
}
