/* SPDX-License-Identifier: MIT */
/*
 * What a plugin's process needs: socket, directories, command line and
 * environment.  Owns one service per plugin; leaves states to service.c and
 * the run files to the listener.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment_block.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "plugin_environment.h"
#include "plugin_process.h"


#define PLUGIN_DRAIN_SEC          30
#define PLUGIN_NOFILE             8192


struct plugin_process {
    struct plugin_processes  *all;
    struct plugin            *plugin;
    struct service           *service;
    uint32_t                  seat;
    bool                      is_listening;
    char                     *address;
    char                     *tmp;
    char                     *data;
    char                     *running;      /* environment in use */
    uint64_t                  running_since;    /* installed then */
    char                     *note;         /* both, for the next supervisor */
    char                     *argv[4];
    struct environment_block  environment;
    struct plugin_process    *next;
};


struct plugin_processes {
    const struct config            *config;
    const struct layout            *layout;
    struct registry                *registry;
    struct service_pool            *pool;
    struct process_table           *table;
    char                           *platform_url;
    struct plugin_process_listener  listener;
    bool                            is_stopping;
    struct plugin_process          *first;
};


static void plugin_process_prepare(void *ctx, struct service *service);
static int plugin_process_fill(void *ctx, struct service *service,
    struct keeper_spawn_request *request, struct error *err);
static void plugin_process_on_state(void *ctx, struct service *service);
static uint32_t plugin_process_in_flight(void *ctx, struct service *service);
static void plugin_process_on_registry(void *ctx, enum registry_event event,
    struct plugin *plugin);


static const struct service_hooks  plugin_process_hooks = {
    plugin_process_prepare,
    plugin_process_fill,
    plugin_process_on_state,
    plugin_process_in_flight
};


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
    service_free(&p->service);
    environment_clear(&p->environment);

    for (i = 0; i < 4; i++) {
        free(p->argv[i]);
    }

    free(p->address);
    free(p->tmp);
    free(p->data);
    free(p->running);
    free(p->note);
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
    char                    *url;
    struct plugin_process   *p;
    struct service_options   options;

    if (plugin->process != NULL) {
        return plugin->process;
    }

    p = mem_alloc(sizeof(struct plugin_process));

    p->all = all;
    p->plugin = plugin;
    p->seat = LAYOUT_SEAT_OF(plugin->id);
    p->address = layout_seat_socket(all->layout, plugin->id, 0, 0);
    p->tmp = mem_printf("%s/%s", all->layout->tmp_directory, plugin->name);
    p->data = mem_printf("%s/plugin-data/%s", all->config->server.data_path,
                         plugin->name);

    url = mem_printf("http://localhost/api%s/_mint/runtime",
                     plugin->routes_prefix);

    memset(&options, 0, sizeof(options));
    options.kind = "plugin";
    options.name = plugin->name;
    options.place = "0a";
    options.log_directory = all->layout->log_directory;
    options.probe_url = url;
    options.probe_unix = p->address;
    options.waits_report = true;
    options.stop_signal = SIGTERM;
    options.ready_deadline_sec =
                        (unsigned) all->config->plugins.ready_deadline_sec;
    options.stop_grace_sec = (unsigned) all->config->plugins.stop_grace_sec;
    options.drain_sec = PLUGIN_DRAIN_SEC;

    p->service = service_new(all->pool, &options, &plugin_process_hooks, p);
    service_set_generation(p->service, mint_seat_generation(
                       all->listener.seat_word(all->listener.ctx, p->seat)));
    free(url);

    p->next = all->first;
    all->first = p;
    plugin->process = p;

    return p;
}


/* ---- socket -------------------------------------------------------- */

static void
plugin_process_on_listening(void *ctx, int status,
    const struct keeper_listener_info *info)
{
    char                    text[256];
    struct plugin_process  *p;

    p = ctx;

    if (status != 0) {
        snprintf(text, sizeof(text), "cannot listen on its socket: %s",
                 strerror(status));
        log_error("plugin \"%s\" %s", p->plugin->name, text);
        plugin_set_state(p->all->registry, p->plugin, PLUGIN_FAILED, text);
        return;
    }

    close(info->fd);
    p->is_listening = true;
    p->all->listener.on_seat(p->all->listener.ctx, p->plugin, p->seat,
                             p->address);

    if (p->all->is_stopping) {
        return;
    }

    if (service_state(p->service) == SERVICE_DOWN) {
        p->running_since = p->plugin->installed_unix_ms;
        service_start(p->service, MINT_CAUSE_FIRST_START);

    } else if (p->running_since != p->plugin->installed_unix_ms) {
        /* adopted, but replaced in the registry just before */
        service_restart(p->service, MINT_CAUSE_UPGRADING);
    }
}


/* the keeper answers with the socket it already holds, if it does */

static void
plugin_process_listen(struct plugin_process *p)
{
    struct error                  err;
    struct keeper_listen_request  request;

    memset(&request, 0, sizeof(request));
    request.id = LAYOUT_LISTENER_SEAT(p->seat);
    request.family = MINT_KEEPER_UNIX;
    request.mode = 0660;
    request.uid = p->all->layout->own_uid;
    request.gid = p->all->layout->edge_gid;
    request.address = p->address;
    request.label = p->plugin->name;

    if (keeper_client_listen(process_table_keeper(p->all->table), &request,
                             plugin_process_on_listening, p, &err)
        != 0)
    {
        log_error("plugin \"%s\": %s", p->plugin->name, err.text);
    }
}


/* ---- directories --------------------------------------------------- */

static void
plugin_process_done_wipe(void *ctx, int status)
{
    struct error            err;
    struct plugin_process  *p;

    p = ctx;
    err.code = 0;

    if (status != 0) {
        error_set(&err, MINT_ERR_SYSTEM, "emptying \"%s\" failed: %s", p->tmp,
                  strerror(status));
    }

    service_prepared(p->service, &err);
}


static void
plugin_process_done_tmp(void *ctx, int status)
{
    struct error            err;
    struct plugin_process  *p;

    p = ctx;

    if (status != 0) {
        error_set(&err, MINT_ERR_SYSTEM, "making \"%s\" failed: %s", p->tmp,
                  strerror(status));
        service_prepared(p->service, &err);
        return;
    }

    if (keeper_client_wipe(process_table_keeper(p->all->table), p->tmp,
                           plugin_process_done_wipe, p, &err)
        != 0)
    {
        service_prepared(p->service, &err);
    }
}


static void
plugin_process_done_data(void *ctx, int status)
{
    struct error            err;
    struct plugin_process  *p;

    p = ctx;

    if (status != 0) {
        error_set(&err, MINT_ERR_SYSTEM, "making \"%s\" failed: %s", p->data,
                  strerror(status));
        service_prepared(p->service, &err);
        return;
    }

    if (keeper_client_own(process_table_keeper(p->all->table), p->tmp, 0700,
                          p->plugin->uid, p->plugin->uid,
                          plugin_process_done_tmp, p, &err)
        != 0)
    {
        service_prepared(p->service, &err);
    }
}


static void
plugin_process_prepare(void *ctx, struct service *service)
{
    struct error            err;
    struct plugin_process  *p;

    p = ctx;

    if (keeper_client_own(process_table_keeper(p->all->table), p->data, 0700,
                          p->plugin->uid, p->plugin->uid,
                          plugin_process_done_data, p, &err)
        != 0)
    {
        service_prepared(service, &err);
    }
}


/* ---- command line --------------------------------------------------- */

static int
plugin_process_fill(void *ctx, struct service *service,
    struct keeper_spawn_request *request, struct error *err)
{
    size_t                    i;
    struct plugin            *plugin;
    struct plugin_process    *p;
    struct plugin_place       where;

    (void) err;
    p = ctx;
    plugin = p->plugin;

    for (i = 0; i < 4; i++) {
        free(p->argv[i]);
        p->argv[i] = NULL;
    }

    free(p->running);
    p->running = mem_strdup(plugin->environment);
    p->running_since = plugin->installed_unix_ms;

    free(p->note);
    p->note = plugin_note(p->running, p->running_since);

    p->argv[0] = mem_printf("%s/bin/python", plugin->environment);
    p->argv[1] = mem_printf("%s/plugin_host/__main__.py",
                            p->all->config->server.program_directory);
    p->argv[2] = mem_strdup("serve");

    where.data = p->data;
    where.tmp = p->tmp;
    where.platform_url = p->all->platform_url;
    where.backlog = p->all->layout->backlog;
    where.stop_grace_sec = p->all->config->plugins.stop_grace_sec;
    plugin_environment_make(&p->environment, plugin,
                            service_generation(service), &where);

    request->flags = MINT_SPAWN_REPORT | MINT_SPAWN_CONTROL
                     | MINT_SPAWN_SUBREAPER | MINT_SPAWN_NO_NEW_PRIVS;
    request->uid = plugin->uid == UINT32_MAX ? p->all->layout->own_uid
                                             : plugin->uid;
    request->gid = plugin->uid == UINT32_MAX ? p->all->layout->own_gid
                                             : plugin->uid;
    request->umask = 077;
    request->nofile = PLUGIN_NOFILE;
    request->listener_count = 1;
    request->listeners[0] = LAYOUT_LISTENER_SEAT(p->seat);
    request->label = p->note;
    request->cwd = p->tmp;
    request->argv = (const char *const *) p->argv;
    request->env = environment_list(&p->environment);

    return 0;
}


/* ---- states -------------------------------------------------------- */

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


static void
plugin_process_on_state(void *ctx, struct service *service)
{
    struct plugin_process  *p;

    p = ctx;

    p->all->listener.on_state(p->all->listener.ctx, p->plugin, p->seat,
                              service);

    plugin_set_state(p->all->registry, p->plugin,
                     plugin_state_of[service_state(service)],
                     service_error(service)[0] == '\0'
                     ? NULL : service_error(service));
}


static uint32_t
plugin_process_in_flight(void *ctx, struct service *service)
{
    struct plugin_process  *p;

    (void) service;
    p = ctx;

    return p->all->listener.in_flight(p->all->listener.ctx, p->seat);
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

    if (event == REGISTRY_REPLACED && p->is_listening) {
        service_restart(p->service, MINT_CAUSE_UPGRADING);
        return;
    }

    plugin_process_listen(p);
}


/* ---- all of them --------------------------------------------------- */

bool
plugin_processes_adopt(struct plugin_processes *processes, const char *name,
    uint32_t generation, const char *note, const struct process *process,
    bool is_dead, int wait_status)
{
    uint64_t                word;
    struct plugin          *plugin;
    struct plugin_process  *p;

    plugin = registry_find(processes->registry, name);

    if (plugin == NULL) {
        return false;
    }

    p = plugin_process_get(processes, plugin);

    if (service_state(p->service) != SERVICE_DOWN) {
        return false;               /* two of one seat: keep the first */
    }

    /* before any word of it: the file may be a new one */
    processes->listener.on_seat(processes->listener.ctx, plugin, p->seat,
                                p->address);

    if (is_dead) {
        p->running_since = plugin->installed_unix_ms;
        service_adopt_dead(p->service, process, generation, wait_status);
        return true;
    }

    free(p->running);
    p->running = plugin_note_read(note, plugin->environment,
                                  &p->running_since);

    word = processes->listener.seat_word(processes->listener.ctx, p->seat);

    service_adopt(p->service, process, generation,
                  mint_seat_state(word) == MINT_SEAT_READY
                  && mint_seat_generation(word) == generation);

    return true;
}


void
plugin_processes_start(struct plugin_processes *processes)
{
    size_t                  i;
    struct plugin_process  *p;

    for (i = 0; i < registry_count(processes->registry); i++) {
        p = plugin_process_get(processes,
                               registry_at(processes->registry, i));

        if (!p->is_listening) {
            plugin_process_listen(p);
        }
    }
}


void
plugin_processes_stop(struct plugin_processes *processes)
{
    struct plugin_process  *p;

    processes->is_stopping = true;

    for (p = processes->first; p != NULL; p = p->next) {
        service_stop(p->service, true);
    }
}


bool
plugin_processes_all_down(const struct plugin_processes *processes)
{
    const struct plugin_process  *p;

    for (p = processes->first; p != NULL; p = p->next) {
        if (service_state(p->service) != SERVICE_DOWN) {
            return false;
        }
    }

    return true;
}


struct service *
plugin_process_service(const struct plugin *plugin)
{
    const struct plugin_process  *p;

    p = plugin->process;

    return p != NULL ? p->service : NULL;
}


bool
plugin_processes_use(void *processes, const char *environment)
{
    const struct plugin_process    *p;
    const struct plugin_processes  *all;

    all = processes;

    for (p = all->first; p != NULL; p = p->next) {
        if (service_pid(p->service) != 0 && p->running != NULL
            && strcmp(p->running, environment) == 0)
        {
            return true;
        }
    }

    return false;
}
