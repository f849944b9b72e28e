/* SPDX-License-Identifier: MIT */
/*
 * Which version of a plugin starts.  A crash is followed by a start of the
 * version that ran; one that was wanted is of the newest.  If that does not
 * become ready, the former one serves on or is started again, and the plugin
 * resists.  The registry keeps its record until then.
 */

#include <errno.h>
#include <unistd.h>

#include "lib/log.h"
#include "plugin_former.h"
#include "plugin_history.h"
#include "supervisor/plugin/environment.h"


bool
plugin_former_is_in(const struct plugin_seat *seat)
{
    const struct plugin  *former;

    former = seat->owner->plugin->former;

    return former != NULL && seat->running_since == former->registered_unix_ms;
}


const struct plugin *
plugin_former_record(const struct plugin_seat *seat)
{
    return plugin_former_is_in(seat) ? seat->owner->plugin->former
                                     : seat->owner->plugin;
}


void
plugin_former_leave(struct plugin_seat *seat)
{
    const struct plugin  *plugin;

    plugin = seat->owner->plugin;
    seat->running_since = plugin->registered_unix_ms;

    if (seat == seat->owner->current) {
        service_set_once(seat->service, plugin->former != NULL);
    }
}


void
plugin_former_made(struct plugin_seat *seat)
{
    if (!plugin_former_is_in(seat)) {
        seat->wish = seat->owner->wish;
    }
}


int
plugin_former_check(struct plugin_seat *seat, struct error *err)
{
    json_t               *marker;
    struct error          why;
    const struct plugin  *plugin;

    plugin = seat->owner->plugin;

    if (!plugin_former_is_in(seat)) {
        return 0;
    }

    if (environment_read(plugin->former->environment, &marker, &why) == 0) {
        json_decref(marker);
        return 0;
    }

    /* no further try would bring it back; other errors may pass */

    if (access(plugin->former->environment, F_OK) != 0
        && (errno == ENOENT || errno == ENOTDIR))
    {
        service_set_once(seat->service, true);
    }

    return error_set(err, MINT_ERR_UNAVAILABLE, "version %s, which serves "
                     "until another one has become ready, has lost its "
                     "environment: %.400s; \"mintctl start %s\" tries version "
                     "%s, or install another one", plugin->former->version,
                     why.text, plugin->name, plugin->version);
}


void
plugin_former_forget(struct plugin_processes *all, struct plugin *plugin)
{
    struct error  err;

    if (plugin->former != NULL
        && registry_forget_former(all->registry, plugin, &err) != 0)
    {
        log_warn("plugin \"%s\": its former version is kept: %s",
                 plugin->name, err.text);
    }
}


/* in its place: nothing else of the plugin runs, or an older process only ends
   the work it has; then the plugin resists when that is over */

static void
plugin_former_return(struct plugin_process *p)
{
    struct service     *service;
    struct log_fields   fields = { .plugin = p->plugin->name };

    service = p->current->service;

    plugin_move_set_error(p, service_error(service)[0] != '\0'
                             ? service_error(service)
                             : service_last_exit(service),
                          service_traceback(service));
    log_write(LOG_LEVEL_ERROR, &fields, "version %s is given up, version %s is "
              "started again: %s", p->plugin->version,
              p->plugin->former->version, p->move.error);

    p->moves_resisted++;
    p->failed_wish = p->current->wish;
    p->current->running_since = p->plugin->former->registered_unix_ms;
    service_set_once(service, false);

    if (p->move.state == PLUGIN_MOVE_NONE) {
        plugin_move_set_state(p, PLUGIN_MOVE_RESISTING);

    } else {
        plugin_history_move(p, p->move.state);
    }

    service_restart(service, MINT_CAUSE_CRASHED);
}


/* not every former version that serves is one: the newest may still wait for
   the end of an older process */

bool
plugin_former_is_back(const struct plugin_process *p)
{
    return p->move.error != NULL && p->current == p->move.fresh
           && plugin_former_is_in(p->current);
}


/* nothing else of the plugin is to serve */

static bool
plugin_former_may_return(const struct plugin_process *p)
{
    return p->move.state == PLUGIN_MOVE_NONE
           || p->current == p->move.fresh;
}


void
plugin_former_look(struct plugin_process *p)
{
    struct service  *service;

    service = p->current->service;

    if (p->plugin->former == NULL || p->current == p->move.old
        || p->current->running_since != p->plugin->registered_unix_ms)
    {
        return;
    }

    if (service_state(service) == SERVICE_READY) {
        service_set_once(service, false);
        plugin_former_forget(p->all, p->plugin);

    } else if (service_state(service) == SERVICE_FAILED
               && plugin_former_may_return(p))
    {
        plugin_former_return(p);
    }
}


void
plugin_former_resume(struct plugin_process *p)
{
    struct plugin_seat  *seat;

    seat = p->current;

    if (p->plugin->former == NULL || !plugin_former_may_return(p)) {
        return;
    }

    if (p->move.state == PLUGIN_MOVE_NONE && plugin_history_is_resisting(p)
        && (plugin_former_is_in(seat) || !plugin_seat_runs(seat)))
    {
        seat->running_since = p->plugin->former->registered_unix_ms;
        plugin_history_restore_error(p);
        plugin_move_resume(p, PLUGIN_MOVE_RESISTING);

    } else if (seat->running_since == p->plugin->registered_unix_ms) {
        service_set_once(seat->service, true);
    }
}
