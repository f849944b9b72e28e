/* SPDX-License-Identifier: MIT */
/*
 * The processes of all plugins: what the registry's news and the seats' states
 * mean for them.  A plugin has two seats (plugin_seat.c), one of which is
 * current; leaves the run files to the listener.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "plugin_environment.h"
#include "plugin_private.h"


static void plugin_process_on_registry(void *ctx, enum registry_event event,
    struct plugin *plugin);


struct plugin_processes *
plugin_processes_new(const struct config *config, const struct layout *layout,
    struct registry *registry, struct service_pool *pool,
    struct process_table *table, const char *platform_url,
    const struct plugin_process_listener *listener)
{
    struct plugin_processes  *all;

    all = mem_alloc(sizeof(struct plugin_processes));

    all->config = config;
    all->layout = layout;
    all->registry = registry;
    all->pool = pool;
    all->table = table;
    all->platform_url = mem_strdup(platform_url);
    all->listener = *listener;

    registry_subscribe(registry, plugin_process_on_registry, all);

    return all;
}


static void
plugin_process_free(struct plugin_process *p)
{
    size_t  i;

    p->plugin->process = NULL;

    for (i = 0; i < PLUGIN_SEATS; i++) {
        plugin_seat_clear(&p->seats[i]);
    }

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

    while ((p = (*processes)->first) != NULL) {
        (*processes)->first = p->next;
        plugin_process_free(p);
    }

    free((*processes)->platform_url);
    free(*processes);
    *processes = NULL;
}


static struct plugin_process *
plugin_process_get(struct plugin_processes *all, struct plugin *plugin)
{
    unsigned                i;
    struct plugin_process  *p;

    if (plugin->process != NULL) {
        return plugin->process;
    }

    p = mem_alloc(sizeof(struct plugin_process));

    p->all = all;
    p->plugin = plugin;
    p->data = mem_printf("%s/plugin-data/%s", all->config->server.data_path,
                         plugin->name);

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

void
plugin_process_on_listening(struct plugin_seat *seat, int status)
{
    char                    text[256];
    struct plugin_process  *p;

    p = seat->owner;

    if (status != 0) {
        snprintf(text, sizeof(text), "cannot listen on its socket: %s",
                 strerror(status));
        log_error("plugin \"%s\" %s", p->plugin->name, text);

        if (seat == p->current) {
            plugin_set_state(p->all->registry, p->plugin, PLUGIN_FAILED,
                             text);
        }

        return;
    }

    if (p->all->is_stopping || seat != p->current) {
        return;
    }

    if (service_state(seat->service) == SERVICE_DOWN) {
        seat->running_since = p->plugin->installed_unix_ms;
        service_start(seat->service, MINT_CAUSE_FIRST_START);

    } else if (seat->running_since != p->plugin->installed_unix_ms) {
        /* adopted, but replaced in the registry just before */
        service_restart(seat->service, MINT_CAUSE_UPGRADING);
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
    struct service         *service;
    struct plugin_process  *p;

    p = seat->owner;
    service = seat->service;

    if (seat != p->current) {
        return;
    }

    plugin_set_state(p->all->registry, p->plugin,
                     plugin_state_of[service_state(service)],
                     service_error(service)[0] == '\0'
                     ? NULL : service_error(service));
}


static void
plugin_process_listen(struct plugin_process *p)
{
    size_t  i;

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

    if (event == REGISTRY_STATE || all->is_stopping) {
        return;
    }

    p = plugin_process_get(all, plugin);

    if (event == REGISTRY_REPLACED && p->current->is_listening) {
        service_restart(p->current->service, MINT_CAUSE_UPGRADING);
        return;
    }

    plugin_process_listen(p);
}


/* ---- all of them --------------------------------------------------- */

static struct plugin_seat *
plugin_process_seat(struct plugin_process *p, const char *place)
{
    size_t  i;

    for (i = 0; i < PLUGIN_SEATS; i++) {
        if (strcmp(p->seats[i].place, place) == 0) {
            return &p->seats[i];
        }
    }

    return NULL;
}


bool
plugin_processes_adopt(struct plugin_processes *processes, const char *name,
    const char *place, uint32_t generation, const char *note,
    const struct process *process, bool is_dead, int wait_status)
{
    uint64_t             word;
    struct plugin       *plugin;
    struct plugin_seat  *seat;

    plugin = registry_find(processes->registry, name);

    if (plugin == NULL) {
        return false;
    }

    seat = plugin_process_seat(plugin_process_get(processes, plugin), place);

    if (seat == NULL || plugin_seat_runs(seat)) {
        return false;               /* two of one seat: keep the first */
    }

    /* before any word of it: the file may be a new one */
    processes->listener.on_seat(processes->listener.ctx, plugin, seat->record,
                                seat->address);

    if (is_dead) {
        seat->running_since = plugin->installed_unix_ms;
        service_adopt_dead(seat->service, process, generation, wait_status);
        return true;
    }

    free(seat->running);
    seat->running = plugin_note_read(note, plugin->environment,
                                     &seat->running_since);

    word = processes->listener.seat_word(processes->listener.ctx,
                                         seat->record);

    service_adopt(seat->service, process, generation,
                  mint_seat_state(word) == MINT_SEAT_READY
                  && mint_seat_generation(word) == generation);

    return true;
}


void
plugin_processes_start(struct plugin_processes *processes)
{
    size_t  i;

    for (i = 0; i < registry_count(processes->registry); i++) {
        plugin_process_listen(plugin_process_get(processes,
                                  registry_at(processes->registry, i)));
    }
}


void
plugin_processes_stop(struct plugin_processes *processes)
{
    size_t                  i;
    struct plugin_process  *p;

    processes->is_stopping = true;

    for (p = processes->first; p != NULL; p = p->next) {
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


bool
plugin_processes_use(void *processes, const char *environment)
{
    size_t                          i;
    const struct plugin_seat       *seat;
    const struct plugin_process    *p;
    const struct plugin_processes  *all;

    all = processes;

    for (p = all->first; p != NULL; p = p->next) {
        for (i = 0; i < PLUGIN_SEATS; i++) {
            seat = &p->seats[i];

            if (service_pid(seat->service) != 0 && seat->running != NULL
                && strcmp(seat->running, environment) == 0)
            {
                return true;
            }
        }
    }

    return false;
}
