/* SPDX-License-Identifier: MIT */
/*
 * A seat of the shared process is a seat of each plugin in it: sockets, words,
 * counts, pins, and what the host reports of one plugin or of all.
 */

#include "plugin_group.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "plugin_catch_up.h"


static struct plugin_group_place *
plugin_group_at(struct plugin_member *m, const struct plugin_seat *seat)
{
    return &m->at[seat - seat->owner->seats];
}


/* ---- sockets --------------------------------------------------------- */

/* of a call to the keeper; the member's seat that it is about */
struct plugin_group_call {
    struct plugin_member  *member;
    unsigned               letter;
};


static void
plugin_group_all_listen(struct plugin_process *p)
{
    size_t  i;

    for (i = 0; i < PLUGIN_SEATS; i++) {
        p->seats[i].is_listening = true;
    }

    plugin_group_refresh(p);
    plugin_process_on_listening(p->current, 0);
}


static void
plugin_group_on_listening(void *ctx, int status,
    const struct keeper_listener_info *info)
{
    struct plugin_member       *m;
    struct plugin_processes    *all;
    struct plugin_group_call   *call;
    struct plugin_group_place  *at;

    call = ctx;
    m = call->member;
    at = &m->at[call->letter];
    all = m->unit->all;
    free(call);

    at->is_asked = false;

    if (status == 0) {
        close(info->fd);
        at->is_listening = true;
        all->listener.on_seat(all->listener.ctx, m->plugin, at->record,
                              at->address);

    } else {
        log_error("plugin \"%s\" cannot listen on its socket: %s",
                  m->plugin->name, strerror(status));
        free(at->error);
        at->error = mem_printf("cannot listen on its socket: %s",
                               strerror(status));
    }

    if (--m->unit->group->asked == 0) {
        plugin_group_all_listen(m->unit);
        plugin_move_touch(m->unit);
    }
}


static void
plugin_group_ask_socket(struct plugin_member *m, unsigned letter)
{
    struct error                  err;
    struct plugin_processes      *all;
    struct plugin_group_call     *call;
    struct keeper_listen_request  request;

    all = m->unit->all;

    memset(&request, 0, sizeof(request));
    request.id = LAYOUT_LISTENER_SEAT(m->at[letter].record);
    request.family = MINT_KEEPER_UNIX;
    request.mode = 0660;
    request.uid = all->layout->own_uid;
    request.gid = all->layout->edge_gid;
    request.address = m->at[letter].address;
    request.label = m->plugin->name;

    call = mem_alloc(sizeof(struct plugin_group_call));
    call->member = m;
    call->letter = letter;

    if (keeper_client_listen(process_table_keeper(all->table), &request,
                             plugin_group_on_listening, call, &err)
        != 0)
    {
        log_error("plugin \"%s\": %s", m->plugin->name, err.text);
        free(call);
        return;
    }

    m->at[letter].is_asked = true;
    m->unit->group->asked++;
}


/* what listens already is not asked for again; then the process may start */

void
plugin_group_listen(struct plugin_process *p)
{
    size_t                 i;
    unsigned               letter;
    struct plugin_member  *m;

    for (i = 0; i < p->group->count; i++) {
        m = p->group->members[i];

        for (letter = 0; letter < PLUGIN_SEATS; letter++) {
            if (!m->at[letter].is_listening && !m->at[letter].is_asked) {
                plugin_group_ask_socket(m, letter);
            }
        }
    }
}


/* ---- what the edge knows ------------------------------------------- */

static bool
plugin_group_is_running(const struct plugin_seat *seat)
{
    switch (service_state(seat->service)) {

    case SERVICE_STARTING:
    case SERVICE_READY:
    case SERVICE_DRAINING:
    case SERVICE_STOPPING:
        return true;

    default:
        return false;
    }
}


/* nothing runs where it is to run: a start that has failed is no more "down" */

static bool
plugin_group_is_due(const struct plugin_seat *seat,
    const struct plugin_member *m)
{
    return service_state(seat->service) == SERVICE_DOWN
           && seat->role == PLUGIN_ROLE_CURRENT
           && !seat->owner->all->is_stopping
           && plugin_group_takes(seat->owner->all, m->plugin);
}


static enum plugin_presence
plugin_group_presence(const struct plugin_seat *seat,
    const struct plugin_member *m, const struct plugin_group_place *at)
{
    if (m->plugin->is_stopped
        && (!plugin_group_is_running(seat) || !at->is_in))
    {
        return PLUGIN_STOPPED_ALONE;
    }

    if (!plugin_group_is_running(seat)) {
        return plugin_group_is_due(seat, m) ? PLUGIN_COMING : PLUGIN_PRESENT;
    }

    /* the next process has it, unless that was given up */

    if (!at->is_in) {
        return seat->owner->move.state == PLUGIN_MOVE_RESISTING
               ? PLUGIN_ABSENT : PLUGIN_COMING;
    }

    if (at->error != NULL) {
        return PLUGIN_BROKEN;
    }

    return service_state(seat->service) == SERVICE_STARTING && at->is_up
           ? PLUGIN_UP_EARLY : PLUGIN_PRESENT;
}


void
plugin_group_publish(struct plugin_seat *seat)
{
    size_t                      i;
    enum mint_seat_cause        cause;
    struct plugin_member       *m;
    struct plugin_processes    *all;
    struct plugin_group_place  *at;

    all = seat->owner->all;

    for (i = 0; i < seat->owner->group->count; i++) {
        m = seat->owner->group->members[i];
        at = plugin_group_at(m, seat);

        /* for one that nobody has yet it is no restart: its users wait as long
           as a start takes */

        cause = plugin_group_at(m, seat->owner->current)->is_in
                ? seat->owner->move.cause : MINT_CAUSE_FIRST_START;

        all->listener.on_state(all->listener.ctx, at->record, seat->service,
                               seat->role, cause,
                               plugin_group_presence(seat, m, at));
    }
}


uint32_t
plugin_group_count(const struct plugin_seat *seat)
{
    size_t                      i;
    uint32_t                    count;
    struct plugin_processes    *all;
    struct plugin_group_place  *at;

    all = seat->owner->all;
    count = 0;

    for (i = 0; i < seat->owner->group->count; i++) {
        at = plugin_group_at(seat->owner->group->members[i], seat);
        count += all->listener.in_flight(all->listener.ctx, at->record);
    }

    return count;
}


/* who has work in one of the plugins stays in the old process with all */

int
plugin_group_pin(struct plugin_seat *seat, uint64_t user_id,
    struct error *err)
{
    int                         rc;
    size_t                      i;
    struct plugin_processes    *all;
    struct plugin_group_place  *at;

    all = seat->owner->all;

    for (i = 0; i < seat->owner->group->count; i++) {
        at = plugin_group_at(seat->owner->group->members[i], seat);

        if (!at->is_in || at->error != NULL) {
            continue;
        }

        rc = all->listener.pin(all->listener.ctx, at->record, user_id, err);
        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


void
plugin_group_unpin(struct plugin_seat *seat)
{
    size_t                      i;
    struct plugin_processes    *all;
    struct plugin_group_place  *at;

    all = seat->owner->all;

    for (i = 0; i < seat->owner->group->count; i++) {
        at = plugin_group_at(seat->owner->group->members[i], seat);
        all->listener.unpin(all->listener.ctx, at->record);
    }
}


/* ---- the host's reports ---------------------------------------------- */

static void
plugin_group_fail(struct plugin_seat *seat, struct plugin_member *m,
    const char *error)
{
    struct log_fields           fields = { .plugin = m->plugin->name };
    struct plugin_group_place  *at;

    at = plugin_group_at(m, seat);

    if (at->error != NULL) {
        return;
    }

    at->is_up = false;
    at->error = mem_strdup(error);
    log_write(LOG_LEVEL_ERROR, &fields, "could not be started in the shared "
              "process: %s", error);
}


static void
plugin_group_rise(struct plugin_seat *seat, struct plugin_member *m)
{
    struct plugin_group_place  *at;

    at = plugin_group_at(m, seat);
    at->is_up = at->is_in;
    free(at->error);
    at->error = NULL;
}


static struct plugin_member *
plugin_group_named(const struct plugin_seat *seat, const char *name)
{
    size_t                i;
    struct plugin_group  *group;

    group = seat->owner->group;

    for (i = 0; i < group->count; i++) {
        if (strcmp(group->members[i]->plugin->name, name) == 0) {
            return group->members[i];
        }
    }

    return NULL;
}


void
plugin_group_probe_at(struct plugin_seat *seat)
{
    char                       *url;
    size_t                      i;
    struct plugin_member       *m;
    struct plugin_group_place  *at;

    for (i = 0; i < seat->owner->group->count; i++) {
        m = seat->owner->group->members[i];
        at = plugin_group_at(m, seat);

        if (at->is_up) {
            url = mem_printf("http://localhost/api%s/_mint/runtime",
                             m->plugin->routes_prefix);
            service_set_probe(seat->service, url, at->address);
            free(url);
            return;
        }
    }
}


/* one that has left, maybe under an earlier supervisor, and whose socket in
   this seat is nobody else's */

static void
plugin_group_set_left(struct plugin_seat *seat, const char *name)
{
    char                     *address, *url;
    size_t                    letter;
    struct plugin            *plugin;
    struct plugin_process    *own;
    struct plugin_processes  *all;

    all = seat->owner->all;
    plugin = registry_find(all->registry, name);
    own = plugin != NULL ? plugin->process : NULL;
    letter = (size_t) (seat - seat->owner->seats);

    if (own == NULL || own->group != NULL) {
        return;
    }

    own->was_in[letter] = service_generation(seat->service);

    if (seat->owner->group->count == 0) {
        address = layout_seat_socket(all->layout, plugin->id, 0,
                                     (unsigned) letter);
        url = mem_printf("http://localhost/api%s/_mint/runtime",
                         plugin->routes_prefix);
        service_set_probe(seat->service, url, address);
        free(address);
        free(url);
    }
}


/* the list is complete: what a process has is known from it, whatever words
   and records of an earlier supervisor have said.  One that is not in has its
   own error if it had no room */

static void
plugin_group_set_members(struct plugin_seat *seat, json_t *plugins)
{
    size_t                      i;
    json_t                     *error;
    const char                 *name;
    struct plugin_member       *m;
    struct plugin_group_place  *at;

    json_object_foreach(plugins, name, error) {
        plugin_group_set_left(seat, name);
    }

    for (i = 0; i < seat->owner->group->count; i++) {
        m = seat->owner->group->members[i];
        at = plugin_group_at(m, seat);

        if (json_object_get(plugins, m->plugin->name) != NULL) {
            at->is_in = true;

        } else if (at->error == NULL) {
            at->is_in = false;
            at->is_up = false;
        }
    }
}


static void
plugin_group_read(struct plugin_seat *seat, json_t *plugins)
{
    json_t                *error;
    const char            *name;
    struct plugin_member  *m;

    plugin_group_set_members(seat, plugins);

    json_object_foreach(plugins, name, error) {
        m = plugin_group_named(seat, name);

        if (m == NULL) {
            continue;
        }

        if (json_is_string(error)) {
            plugin_group_fail(seat, m, json_string_value(error));

        } else {
            plugin_group_rise(seat, m);
        }
    }

    plugin_group_probe_at(seat);
}


/*
 * A next process that lacks one that the old one has is none: the old one goes
 * on with all, for two processes side by side are what is not wanted here.
 */

static bool
plugin_group_is_refused(struct plugin_seat *seat)
{
    char                       *why;
    size_t                      i;
    struct plugin_seat         *old;
    struct plugin_member       *m;
    struct plugin_group_place  *at;

    old = plugin_process_other_seat(seat->owner, seat);

    for (i = 0; i < seat->owner->group->count; i++) {
        m = seat->owner->group->members[i];
        at = plugin_group_at(m, seat);

        if (seat->role == PLUGIN_ROLE_TRIAL && at->is_in && at->error != NULL
            && plugin_group_at(m, old)->is_up)
        {
            why = mem_printf("plugin \"%s\": %s", m->plugin->name, at->error);
            service_refuse(seat->service, why);
            free(why);
            return true;
        }
    }

    return false;
}


static void
plugin_group_one(struct plugin_seat *seat, struct plugin_member *m,
    const char *event, json_t *report)
{
    json_t      *record;
    const char  *error;

    if (strcmp(event, "ready") == 0) {
        plugin_group_rise(seat, m);

    } else if (strcmp(event, "failed") == 0) {
        error = json_string_value(json_object_get(report, "error"));
        plugin_group_fail(seat, m, error != NULL
                                   ? error : "failed without saying why");

        record = json_pack("{s:s, s:s, s:s, s:s?, s:s?}",
            "subject", "process",
            "seat", seat->place,
            "to", "failed",
            "text", error,
            "traceback", json_string_value(json_object_get(report,
                                                           "traceback")));
        history_add(m->history, record);

    } else {
        return;
    }

    plugin_seat_publish(seat);
    plugin_process_tell(seat->owner);
}


bool
plugin_group_on_report(void *ctx, struct service *service,
    const char *event, json_t *report)
{
    json_t                *plugins;
    const char            *name;
    struct plugin_seat    *seat;
    struct plugin_member  *m;

    seat = ctx;
    name = json_string_value(json_object_get(report, "plugin"));
    plugins = json_object_get(report, "plugins");

    if (name != NULL) {
        m = plugin_group_named(seat, name);

        if (m != NULL) {
            plugin_group_one(seat, m, event, report);
        }

        return true;
    }

    if (plugins == NULL) {
        return false;
    }

    plugin_group_read(seat, plugins);
    plugin_seat_publish(seat);
    plugin_process_tell(seat->owner);

    /* one that was adopted may be without a plugin that came in between */

    if (seat == seat->owner->current && service_state(service) == SERVICE_READY
        && plugin_group_lacks(seat->owner))
    {
        plugin_catch_up(seat->owner);
    }

    return plugin_group_is_refused(seat);
}
