/* SPDX-License-Identifier: MIT */
/*
 * The processes of all plugins: what the registry's news and the seats' states
 * mean for them.  A plugin has two seats (plugin_seat.c), one of which is
 * current; leaves the run files to the listener.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "plugin_catch_up.h"
#include "plugin_former.h"
#include "plugin_group.h"
#include "plugin_history.h"
#include "plugin_private.h"


static void plugin_process_on_registry(void *ctx, enum registry_event event,
    struct plugin *plugin);


struct plugin_processes *
plugin_processes_new(const struct config *config, const struct layout *layout,
    struct registry *registry, struct service_pool *pool,
    struct process_table *table, struct warm *warm, const char *platform_url,
    const struct plugin_process_listener *listener)
{
    struct plugin_processes  *all;

    all = mem_alloc(sizeof(struct plugin_processes));

    all->config = config;
    all->layout = layout;
    all->registry = registry;
    all->pool = pool;
    all->table = table;
    all->warm = warm;
    all->platform_url = mem_strdup(platform_url);
    all->listener = *listener;

    registry_subscribe(registry, plugin_process_on_registry, all);

    return all;
}


void
plugin_process_free(struct plugin_process *p)
{
    size_t  i;

    plugin_questions_clear(p);
    plugin_move_clear(p);
    plugin_rest_clear(p);

    for (i = 0; i < PLUGIN_SEATS; i++) {
        plugin_seat_clear(&p->seats[i]);
    }

    if (p->group != NULL) {
        plugin_group_free(p);

    } else {
        p->plugin->process = NULL;
    }

    history_free(&p->history);
    free(p->data);
    free(p);
}


void
plugin_processes_free(struct plugin_processes **processes)
{
    struct plugin_process  *p;

    if (*processes == NULL) {
        return;
    }

    plugin_rest_end(*processes);

    if ((*processes)->left_timer != NULL) {
        event_free((*processes)->left_timer);
    }

    while ((p = (*processes)->first) != NULL) {
        (*processes)->first = p->next;
        plugin_process_free(p);
    }

    free((*processes)->platform_url);
    free(*processes);
    *processes = NULL;
}


struct plugin_process *
plugin_process_get(struct plugin_processes *all, struct plugin *plugin)
{
    if (plugin->process != NULL) {
        return plugin->process;
    }

    return plugin_group_takes(all, plugin)
           ? plugin_group_join(all, plugin)
           : plugin_process_make(all, plugin, NULL);
}


struct plugin_process *
plugin_process_make(struct plugin_processes *all, struct plugin *plugin,
    struct plugin_group *group)
{
    unsigned                i;
    struct plugin_process  *p;

    p = mem_alloc(sizeof(struct plugin_process));

    p->all = all;
    p->plugin = plugin;
    p->group = group;
    p->wish = 1;
    p->data = layout_data(all->layout, plugin->name);
    p->history = history_open(all->layout->history_directory, plugin->name);
    plugin_move_init(p, process_table_base(all->table));
    plugin_rest_init(p);

    for (i = 0; i < PLUGIN_SEATS; i++) {
        plugin_seat_init(&p->seats[i], p, i);
    }

    p->current = &p->seats[0];
    p->current->role = PLUGIN_ROLE_CURRENT;

    p->next = all->first;
    all->first = p;
    plugin->process = p;

    return p;
}


/* ---- what the seats tell ------------------------------------------- */

static void
plugin_process_changed(struct plugin_process *p)
{
    if (p->group != NULL) {
        plugin_group_changed(p);
        return;
    }

    plugin_removal_look(p->all, p->plugin);

    if (p->all->on_changed != NULL) {
        p->all->on_changed(p->all->on_changed_ctx, p->plugin);
    }
}


void
plugin_process_on_listening(struct plugin_seat *seat, int status)
{
    char                    text[256];
    struct plugin_process  *p;

    p = seat->owner;

    if (p->is_entering) {
        plugin_move_touch(p);       /* that was waited for */
        return;
    }

    if (status != 0) {
        snprintf(text, sizeof(text), "cannot listen on its socket: %s",
                 strerror(status));
        log_error("plugin \"%s\" %s", p->plugin->name, text);
        seat->cannot_listen = true;

        if (seat == p->current) {
            plugin_set_state(p->all->registry, p->plugin, PLUGIN_FAILED,
                             text);
            plugin_process_changed(p);

        } else {
            plugin_catch_up_in_place(p);
        }

        return;
    }

    if (p->all->is_stopping) {
        return;
    }

    if (service_state(p->current->service) != SERVICE_DOWN) {
        plugin_catch_up(p);

    } else if (seat == p->current
               && (p->group != NULL ? plugin_group_is_wanted(p, NULL)
                                    : !plugin_rest_keeps_down(p)))
    {
        if (!plugin_former_is_in(seat)) {
            plugin_former_leave(seat);
        }

        service_start(seat->service, MINT_CAUSE_FIRST_START);
    }
}


static const enum plugin_state  plugin_state_of[SERVICE_STATE_COUNT] = {
    [SERVICE_DOWN] = PLUGIN_STOPPED,
    [SERVICE_QUEUED] = PLUGIN_INITIALIZING,
    [SERVICE_PREPARING] = PLUGIN_INITIALIZING,
    [SERVICE_STARTING] = PLUGIN_INITIALIZING,
    [SERVICE_READY] = PLUGIN_READY,
    [SERVICE_DRAINING] = PLUGIN_READY,
    [SERVICE_STOPPING] = PLUGIN_INITIALIZING,
    [SERVICE_BACKOFF] = PLUGIN_INITIALIZING,
    [SERVICE_FAILED] = PLUGIN_FAILED
};


void
plugin_process_on_state(struct plugin_seat *seat)
{
    plugin_rest_on_state(seat->owner);
    plugin_history_process(seat);
    plugin_process_tell(seat->owner);
    plugin_move_touch(seat->owner);
}


void
plugin_process_on_activity(struct plugin_seat *seat, const json_t *report)
{
    if (!plugin_rest_on_activity(seat->owner, seat, report)) {
        plugin_move_on_activity(seat->owner, seat, report);
        plugin_questions_on_activity(seat->owner, report);
    }
}


/* what was given up is newer than what serves */

static bool
plugin_process_is_resisting(const struct plugin_process *p)
{
    if (service_state(p->current->service) != SERVICE_READY) {
        return false;
    }

    return p->move.state == PLUGIN_MOVE_RESISTING
           || plugin_former_is_back(p);
}


enum plugin_state
plugin_process_state(struct plugin_process *p, const char **text)
{
    const struct plugin_move  *move;

    move = &p->move;
    *text = service_error(p->current->service)[0] == '\0'
            ? NULL : service_error(p->current->service);

    if (p->plugin->removal != PLUGIN_STAYS) {
        *text = PLUGIN_REMOVAL_TEXT;
        return PLUGIN_UNINSTALLING;
    }

    if (plugin_process_is_resisting(p)) {
        *text = move->error;
        return PLUGIN_RESISTING;
    }

    switch (move->state) {

    case PLUGIN_MOVE_STARTING:
    case PLUGIN_MOVE_SWITCHING:
    case PLUGIN_MOVE_HELD:
        *text = move->error;
        return move->cause == MINT_CAUSE_UPGRADING ? PLUGIN_UPGRADING
                                                   : PLUGIN_READY;

    case PLUGIN_MOVE_DRAINING:
    case PLUGIN_MOVE_EMPTYING:
    case PLUGIN_MOVE_CLOSING:
        if (move->fresh == NULL) {
            *text = "stopped by hand; it takes no new work and ends when it "
                    "has finished what it has";
            return PLUGIN_STOPPED;
        }
        break;

    default:
        break;
    }

    if (service_state(p->current->service) == SERVICE_DOWN) {
        *text = plugin_rest_text(p);

    } else if (service_state(p->current->service) == SERVICE_QUEUED
               && service_waits_for(p->current->service) != NULL)
    {
        snprintf(p->waits, sizeof(p->waits), "waits for plugin \"%s\"",
                 service_waits_for(p->current->service));
        *text = p->waits;
        return PLUGIN_WAITING;
    }

    return plugin_state_of[service_state(p->current->service)];
}


void
plugin_process_tell(struct plugin_process *p)
{
    const char         *text;
    enum plugin_state   state;

    if (p->group != NULL) {
        plugin_group_tell(p);
        return;
    }

    state = plugin_process_state(p, &text);
    plugin_history_plugin(p, p->plugin, p->history, state, text);
    plugin_set_state(p->all->registry, p->plugin, state, text);
    plugin_process_changed(p);
}


struct plugin_seat *
plugin_process_other_seat(struct plugin_process *p,
    const struct plugin_seat *seat)
{
    return &p->seats[seat == &p->seats[0]];
}


/* so that an answer to an earlier supervisor's question is no answer */

uint64_t
plugin_process_next_serial(struct plugin_processes *all)
{
    if (all->serial == 0) {
        all->serial = time_unix_ms();
    }

    return ++all->serial;
}


static void
plugin_process_listen(struct plugin_process *p)
{
    size_t  i;

    if (p->group != NULL) {
        plugin_group_listen(p);
        return;
    }

    for (i = 0; i < PLUGIN_SEATS; i++) {
        if (!p->seats[i].is_listening) {
            plugin_seat_listen(&p->seats[i]);
        }
    }
}


static void
plugin_process_on_registry(void *ctx, enum registry_event event,
    struct plugin *plugin)
{
    struct plugin_process    *p;
    struct plugin_processes  *all;

    all = ctx;

    if (event == REGISTRY_REMOVED) {
        plugin_removal_done(all, plugin);
        return;
    }

    if (event == REGISTRY_STATE || all->is_stopping) {
        return;
    }

    if (plugin_group_has_changed(all, plugin)) {
        plugin_former_forget(all, plugin);
        return;
    }

    p = plugin_process_get(all, plugin);

    if (p->group != NULL) {
        plugin_former_forget(all, plugin);
    }

    if (event == REGISTRY_REPLACED && plugin->is_stopped) {
        plugin_process_tell(p);         /* the new record does not say why */
        return;
    }

    if (event == REGISTRY_REPLACED && p->current->is_listening) {
        plugin_process_wish_for(p, MINT_CAUSE_UPGRADING, false);
        return;
    }

    p->wish++;

    plugin_process_listen(p);
}


/* ---- all of them --------------------------------------------------- */

void
plugin_processes_start(struct plugin_processes *processes)
{
    size_t  i;

    for (i = 0; i < registry_count(processes->registry); i++) {
        plugin_process_listen(plugin_process_get(processes,
                                  registry_at(processes->registry, i)));
    }

    plugin_rest_begin(processes);
}


void
plugin_processes_stop(struct plugin_processes *processes)
{
    size_t                  i;
    struct plugin_process  *p;

    processes->is_stopping = true;
    plugin_rest_end(processes);

    for (p = processes->first; p != NULL; p = p->next) {
        plugin_move_forget(p);

        for (i = 0; i < PLUGIN_SEATS; i++) {
            service_stop(p->seats[i].service, true);
        }
    }
}


bool
plugin_processes_all_down(const struct plugin_processes *processes)
{
    size_t                        i;
    const struct plugin_process  *p;

    for (p = processes->first; p != NULL; p = p->next) {
        for (i = 0; i < PLUGIN_SEATS; i++) {
            if (plugin_seat_runs(&p->seats[i])) {
                return false;
            }
        }
    }

    return true;
}


struct plugin *
plugin_processes_find(struct plugin_processes *processes,
    const struct service *service)
{
    size_t          i;
    struct plugin  *plugin;

    for (i = 0; i < registry_count(processes->registry); i++) {
        plugin = registry_at(processes->registry, i);

        if (plugin_process_service(plugin) == service) {
            return plugin;
        }
    }

    return NULL;
}


struct service *
plugin_process_service(const struct plugin *plugin)
{
    const struct plugin_process  *p;

    p = plugin->process;

    return p != NULL ? p->current->service : NULL;
}


struct service *
plugin_process_other(const struct plugin *plugin)
{
    const struct plugin_seat     *seat;
    const struct plugin_process  *p;

    p = plugin->process;

    if (p == NULL) {
        return NULL;
    }

    seat = &p->seats[p->current == &p->seats[0]];

    return plugin_seat_runs(seat) ? seat->service : NULL;
}


void
plugin_processes_subscribe(struct plugin_processes *processes,
    plugin_changed_fn fn, void *ctx)
{
    processes->on_changed = fn;
    processes->on_changed_ctx = ctx;
}


bool
plugin_processes_use(void *processes, const char *environment)
{
    size_t                          i;
    const struct plugin_seat       *seat;
    const struct plugin_process    *p;
    const struct plugin_processes  *all;

    all = processes;

    if (warm_uses(all->warm, environment)) {
        return true;
    }

    for (p = all->first; p != NULL; p = p->next) {
        for (i = 0; i < PLUGIN_SEATS; i++) {
            seat = &p->seats[i];

            /* a plugin that resists goes on with what it has */

            if ((service_pid(seat->service) != 0
                 || (p->move.state == PLUGIN_MOVE_RESISTING
                     && seat == p->current))
                && seat->running != NULL
                && strcmp(seat->running, environment) == 0)
            {
                return true;
            }
        }
    }

    return false;
}
