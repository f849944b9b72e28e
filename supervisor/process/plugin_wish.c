/* SPDX-License-Identifier: MIT */
/*
 * What others want of a plugin's processes, and what has become of it: a
 * restart, an end, the list of what runs.  Leaves how to plugin_move.c.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "plugin_former.h"
#include "plugin_group.h"


static const char *const  plugin_role_names[PLUGIN_ROLE_COUNT] = {
    [PLUGIN_ROLE_IDLE] = "ending",
    [PLUGIN_ROLE_CURRENT] = "current",
    [PLUGIN_ROLE_TRIAL] = "trial",
    [PLUGIN_ROLE_HELD] = "current",
    [PLUGIN_ROLE_OLD] = "old",
    [PLUGIN_ROLE_ASLEEP] = "current"
};


static int
plugin_process_is_missing(const struct plugin *plugin, struct error *err)
{
    return error_set(err, MINT_ERR_UNAVAILABLE, "plugin \"%s\" has no process "
                     "yet", plugin->name);
}


void
plugin_process_wish_for(struct plugin_process *p, enum mint_seat_cause cause,
    bool is_now)
{
    p->wish++;

    /* the group inherits it */

    if (p->is_entering) {
        plugin_seat_set_role(p->current, PLUGIN_ROLE_ASLEEP);
        return;
    }

    plugin_rest_cancel(p);
    p->move.again_cause = cause;
    p->move.is_again_now = is_now;

    plugin_move_event(p, is_now ? PLUGIN_MOVE_HURRY : PLUGIN_MOVE_WISH);
}


uint64_t
plugin_process_restart(const struct plugin *plugin,
    enum mint_seat_cause cause, bool is_now)
{
    struct plugin_process  *p;

    p = plugin->process;

    if (p == NULL) {
        return 0;
    }

    plugin_process_wish_for(p, cause, is_now);

    return p->wish;
}


int
plugin_process_restart_by_hand(struct plugin *plugin, bool is_now,
    uint64_t *wish_out, struct error *err)
{
    int                     rc;
    struct plugin_process  *p;

    p = plugin->process;

    if (p == NULL) {
        return plugin_process_is_missing(plugin, err);
    }

    rc = registry_set_stopped(p->all->registry, plugin, false, err);
    if (rc != 0) {
        return rc;
    }

    *wish_out = plugin_process_restart(plugin, MINT_CAUSE_RESTART, is_now);

    return 0;
}


uint64_t
plugin_process_last_wish(const struct plugin *plugin)
{
    const struct plugin_process  *p;

    p = plugin->process;

    return p == NULL ? 0 : p->wish + plugin_group_is_leaving(plugin);
}


static bool
plugin_process_keeps_work(const struct plugin_process *p)
{
    return p->move.state == PLUGIN_MOVE_HELD
           || (p->move.state == PLUGIN_MOVE_DRAINING
               && p->move.activity.owner_count > 0);
}


static bool
plugin_process_waits(const struct plugin_process *p)
{
    return plugin_process_keeps_work(p)
           && (p->move.is_again || p->move.state == PLUGIN_MOVE_HELD);
}


enum plugin_wish
plugin_process_wish(const struct plugin *plugin, uint64_t wish)
{
    enum service_state            state;
    const struct plugin_process  *p;

    p = plugin->process;

    /* failed without a process: it has no socket to start one on */

    if (p == NULL) {
        return plugin->state == PLUGIN_FAILED ? PLUGIN_WISH_REFUSED
                                              : PLUGIN_WISH_PENDING;
    }

    if (plugin->is_stopped) {
        return PLUGIN_WISH_REFUSED;
    }

    if (plugin_group_is_leaving(plugin)) {
        return plugin_process_keeps_work(p) ? PLUGIN_WISH_WAITS
                                            : PLUGIN_WISH_PENDING;
    }

    state = service_state(p->current->service);

    if (p->current->wish >= wish && state == SERVICE_READY
        && p->current->role == PLUGIN_ROLE_CURRENT)
    {
        return p->group != NULL && plugin_group_is_broken(p, plugin)
               ? PLUGIN_WISH_REFUSED : PLUGIN_WISH_GRANTED;
    }

    /* a first crash while starting is told too, the restarts go on */

    if ((p->current->wish >= wish && (state == SERVICE_BACKOFF
                                      || state == SERVICE_FAILED))
        || p->failed_wish >= wish
        || (plugin->state == PLUGIN_FAILED && state == SERVICE_DOWN))
    {
        return PLUGIN_WISH_REFUSED;
    }

    return plugin_process_waits(p) ? PLUGIN_WISH_WAITS : PLUGIN_WISH_PENDING;
}


static bool
plugin_process_is_service_starting(const struct service *service)
{
    return service_state(service) == SERVICE_QUEUED
           || service_state(service) == SERVICE_PREPARING
           || service_state(service) == SERVICE_STARTING;
}


bool
plugin_process_is_starting(const struct plugin *plugin)
{
    const struct plugin_process  *p;

    p = plugin->process;

    return p != NULL
           && (p->move.state == PLUGIN_MOVE_STARTING
               || p->move.state == PLUGIN_MOVE_SWITCHING
               || plugin_process_is_service_starting(p->current->service));
}


bool
plugin_process_is_parked(const struct plugin *plugin)
{
    const struct plugin_process  *p;

    p = plugin->process;

    return p != NULL && plugin_move_is_parked(&p->move);
}


char *
plugin_process_waits_for(const struct plugin *plugin)
{
    char                         *text, *lost;
    const struct plugin_process  *p;

    p = plugin->process;

    if (p->move.state == PLUGIN_MOVE_HELD && p->move.error != NULL) {
        return mem_strdup(p->move.error);
    }

    lost = plugin_activity_text(&p->move.activity);
    text = plugin->is_stopped
           ? mem_printf("it still has %s; \"mintctl %s %s --now\" would end "
                        "it", lost, plugin->removal != PLUGIN_STAYS
                                    ? "uninstall" : "stop", plugin->name)
           : mem_printf("an older process still has %s; \"mintctl restart %s "
                        "--now\" would end it", lost, plugin->name);
    free(lost);

    return text;
}


bool
plugin_process_is_following(const struct plugin_process *p)
{
    return p->move.fresh != NULL
           && (p->move.state == PLUGIN_MOVE_SWITCHING
               || p->move.state == PLUGIN_MOVE_DRAINING
               || p->move.state == PLUGIN_MOVE_EMPTYING
               || p->move.state == PLUGIN_MOVE_CLOSING);
}


static int
plugin_process_may_leave(const struct plugin *plugin, struct error *err)
{
    if (plugin_process_is_following(plugin->process)) {
        return error_set(err, MINT_ERR_CONFLICT, "an older process of plugin "
                         "\"%s\" is still ending", plugin->name);
    }

    return 0;
}


static void
plugin_process_go(struct plugin_process *p, bool is_now)
{
    plugin_rest_cancel(p);
    p->move.is_again_now = is_now;
    plugin_move_event(p, PLUGIN_MOVE_LEAVE);
}


/* a member of the shared process that was stopped before, and is not in it any
   more: whatever is kept of it now is nothing to the others */

static bool
plugin_process_is_apart(const struct plugin *plugin)
{
    const struct plugin_process  *p;

    p = plugin->process;

    return p->group != NULL && plugin->is_stopped
           && !plugin_group_is_in(p, plugin);
}


/* removal PLUGIN_STAYS: it is only stopped, unless that was said before */

static int
plugin_process_end(struct plugin *plugin, enum plugin_removal removal,
    bool is_now, struct error *err)
{
    int                     rc;
    bool                    is_apart, is_shared;
    struct plugin_process  *p;

    p = plugin->process;

    if (p == NULL) {
        return plugin_process_is_missing(plugin, err);
    }

    /* before it is kept: what is refused is not to be taken back */

    is_apart = plugin_process_is_apart(plugin);
    is_shared = p->group != NULL && plugin_group_is_wanted(p, plugin);
    rc = is_apart || is_shared ? 0 : plugin_process_may_leave(plugin, err);

    if (rc == 0) {
        rc = removal == PLUGIN_STAYS
             ? registry_set_stopped(p->all->registry, plugin, true, err)
             : registry_set_removal(p->all->registry, plugin, removal, err);
    }

    if (rc != 0) {
        return rc;
    }

    if (is_apart) {
        plugin_process_tell(p);
        return 0;
    }

    if (is_shared) {

        /* the others go on, in a process without it */

        plugin_process_wish_for(p, MINT_CAUSE_RESTART, is_now);
        return 0;
    }

    plugin_process_go(p, is_now);

    if (p->group == NULL) {
        plugin_rest_by_hand(p);
    }

    plugin_process_tell(p);

    return 0;
}


int
plugin_process_halt(struct plugin *plugin, bool is_now, struct error *err)
{
    return plugin_process_end(plugin, PLUGIN_STAYS, is_now, err);
}


int
plugin_process_remove(struct plugin *plugin, enum plugin_removal removal,
    bool is_now, struct error *err)
{
    return plugin_process_end(plugin, removal, is_now, err);
}


enum plugin_wish
plugin_process_halted(const struct plugin *plugin)
{
    const struct plugin_process  *p;

    p = plugin->process;

    if (p == NULL || !plugin->is_stopped) {
        return PLUGIN_WISH_REFUSED;         /* started meanwhile */
    }

    if (p->group != NULL && !plugin_group_is_in(p, plugin)) {
        return PLUGIN_WISH_GRANTED;
    }

    /* those without it could not be started */

    if (p->group != NULL && p->move.state == PLUGIN_MOVE_RESISTING) {
        return PLUGIN_WISH_REFUSED;
    }

    if (service_state(p->seats[0].service) == SERVICE_DOWN
        && service_state(p->seats[1].service) == SERVICE_DOWN)
    {
        return PLUGIN_WISH_GRANTED;
    }

    return plugin_process_keeps_work(p) ? PLUGIN_WISH_WAITS
                                        : PLUGIN_WISH_PENDING;
}


static bool
plugin_process_is_up(const struct plugin_process *p)
{
    enum service_state  state;

    state = service_state(p->current->service);

    return p->rest.state != PLUGIN_REST_BY_HAND
           && p->current->role == PLUGIN_ROLE_CURRENT
           && p->move.state != PLUGIN_MOVE_SWITCHING
           && (p->move.state != PLUGIN_MOVE_HELD || p->move.fresh != NULL)
           && (state == SERVICE_READY || state == SERVICE_QUEUED
               || state == SERVICE_PREPARING || state == SERVICE_STARTING);
}


int
plugin_process_begin(struct plugin *plugin, uint64_t *wish_out,
    struct error *err)
{
    int                     rc;
    bool                    was_stopped;
    struct plugin_process  *p;

    p = plugin->process;

    if (p == NULL) {
        return plugin_process_is_missing(plugin, err);
    }

    was_stopped = plugin->is_stopped;

    rc = registry_set_stopped(p->all->registry, plugin, false, err);
    if (rc != 0) {
        return rc;
    }

    /* up in a shared process that is to be followed by one without it */

    if (p->group != NULL ? !was_stopped && plugin_group_is_up(p, plugin)
                         : plugin_process_is_up(p))
    {
        *wish_out = p->current->wish;
        return 0;
    }

    plugin_process_wish_for(p, p->move.state == PLUGIN_MOVE_HELD
                               ? MINT_CAUSE_RESTART : MINT_CAUSE_FIRST_START,
                            false);
    *wish_out = p->wish;

    return 0;
}


bool
plugin_process_is_ending(const struct plugin *plugin)
{
    const struct plugin_process  *p;

    p = plugin->process;

    return p != NULL && p->move.fresh == NULL
           && p->move.state != PLUGIN_MOVE_NONE
           && p->move.state != PLUGIN_MOVE_RESISTING;
}


bool
plugin_process_rests(const struct plugin *plugin)
{
    const struct plugin_process  *p;

    p = plugin->process;

    if (p != NULL && p->group != NULL) {
        return plugin->is_stopped;
    }

    return p != NULL && (p->rest.state == PLUGIN_REST_ASLEEP
                         || p->rest.state == PLUGIN_REST_FALLING
                         || p->rest.state == PLUGIN_REST_BY_HAND);
}


/* ---- what is shown --------------------------------------------------- */

json_t *
plugin_process_history(const struct plugin *plugin, size_t count)
{
    const struct plugin_process  *p;

    p = plugin->process;

    if (p == NULL) {
        return json_array();
    }

    return history_tail(p->group != NULL
                        ? plugin_group_member(p, plugin)->history
                        : p->history, count);
}


static void
plugin_process_show_seat(json_t *list, const struct plugin_seat *seat)
{
    json_t  *json;

    json = service_json(seat->service);
    json_object_set_new(json, "role",
                        json_string(plugin_role_names[seat->role]));
    json_array_append_new(list, json);
}


json_t *
plugin_process_instances(const struct plugin *plugin)
{
    json_t                    *list;
    const struct plugin_seat  *other;
    struct plugin_process     *p;

    p = plugin->process;
    list = json_array();

    if (p == NULL) {
        return list;
    }

    plugin_process_show_seat(list, p->current);
    other = plugin_process_other_seat(p, p->current);

    if (plugin_seat_runs(other)) {
        plugin_process_show_seat(list, other);
    }

    return list;
}


json_t *
plugin_process_moves(const struct plugin *plugin)
{
    const struct plugin_process  *p;

    p = plugin->process;

    return json_pack("{s:I, s:I, s:I}",
        "done", p != NULL ? (json_int_t) p->moves_done : 0,
        "resisted", p != NULL ? (json_int_t) p->moves_resisted : 0,
        "defects", p != NULL ? (json_int_t) p->defects : 0);
}


static json_t *
plugin_process_optional(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}


/* of a process of several nobody knows */

static const char *
plugin_process_serving(const struct plugin_process *p)
{
    return p->group == NULL ? plugin_former_record(p->current)->version : NULL;
}


json_t *
plugin_process_move(const struct plugin *plugin)
{
    char                          since[32];
    json_t                       *json;
    const struct plugin_move     *move;
    const struct plugin_process  *p;

    p = plugin->process;

    if (p == NULL || p->move.state == PLUGIN_MOVE_NONE) {
        return json_null();
    }

    move = &p->move;
    time_rfc3339(time_unix_ms() - (time_boot_ms() - move->since_ms), since);

    json = json_pack("{s:s, s:s, s:s, s:o, s:o, s:b, s:o}",
        "state", plugin_move_state_name(move->state),
        "cause", move->cause == MINT_CAUSE_UPGRADING ? "upgrade"
                 : move->cause == MINT_CAUSE_STOPPED ? "drain" : "restart",
        "since", since,
        "error", plugin_process_optional(move->error),
        "traceback", plugin_process_optional(move->traceback),
        "again", move->is_again,
        "activity", plugin_activity_json(&move->activity));

    if (move->state == PLUGIN_MOVE_RESISTING) {
        json_object_set_new(json, "serves",
                            plugin_process_optional(plugin_process_serving(p)));
        json_object_set_new(json, "refused", json_string(plugin->version));
    }

    return json;
}
