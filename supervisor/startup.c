/* SPDX-License-Identifier: MIT */
/*
 * Start: directories, the parts and how they are joined, first starts.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "process/confinement.h"
#include "process/plugin_order.h"
#include "supervisor.h"


#define STARTUP_USERS_HINT   1024
#define STARTUP_COLLECT_SEC  600


static void supervisor_remove_unfinished(struct supervisor *s);

int
supervisor_make_directories(struct supervisor *s, struct error *err)
{
    int  rc;

    rc = fs_mkdir_all(s->layout.plugin_data, 0711, err);

    if (rc == 0) {
        rc = fs_mkdir_all(s->layout.log_directory, 0700, err);
    }

    if (rc == 0) {
        rc = fs_mkdir_all(s->layout.history_directory, 0700, err);
    }

    if (rc == 0) {
        rc = fs_mkdir_all(s->layout.tmp_directory, 0711, err);
    }

    if (rc == 0) {
        rc = fs_mkdir_all(s->layout.socket_directory, 0750, err);
    }

    if (rc == 0) {
        rc = supervisor_lock(s, err);
    }

    if (rc == 0) {
        supervisor_remove_unfinished(s);
    }

    /* workers reach the sockets through the group */

    if (rc == 0 && s->layout.has_uids
        && chown(s->layout.socket_directory, (uid_t) -1, s->layout.edge_gid)
           == -1)
    {
        rc = error_set_errno(err, "chown of \"%s\" to group %u failed",
                             s->layout.socket_directory, s->layout.edge_gid);
    }

    return rc;
}


/* mint-platform writes to the data directory, too, and may do so now */

static void
supervisor_remove_unfinished(struct supervisor *s)
{
    char        *locks;
    const char  *data;

    data = s->config->server.data_path;
    locks = mem_printf("%s/locks", data);

    fs_remove_unfinished(data, "registry.json");
    fs_remove_unfinished(locks, NULL);
    fs_remove_unfinished(s->layout.history_directory, NULL);
    fs_remove_unfinished(s->config->server.run_directory, NULL);
    free(locks);
}


/* the supervisor's own log is one of the logs; what it says of a plugin names
   that in its text */

static void
supervisor_on_log(void *ctx, enum log_level level,
    const struct log_fields *fields, const char *message)
{
    char               *text;
    struct supervisor  *s;

    s = ctx;

    if (fields == NULL || fields->plugin == NULL) {
        output_write(s->own_output, level, NULL, message);
        return;
    }

    text = mem_printf("%s: %s", fields->plugin, message);
    output_write(s->own_output, level, fields->request_id, text);
    free(text);
}


static void
supervisor_on_core_state(void *ctx, const char *name,
    const struct service *service)
{
    struct supervisor  *s;

    s = ctx;

    if (strcmp(name, CORE_PLATFORM) == 0) {
        plugin_routes_platform_state(s->routes, service);

        if (s->admin != NULL) {
            admin_server_set_platform(s->admin, service_pid(service));
        }
    }
}


static void
supervisor_on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct supervisor  *s;

    (void) fd;
    (void) what;
    s = arg;

    publisher_tick(s->publisher);
    core_process_rotate(s->core);

    if (++s->ticks % STARTUP_COLLECT_SEC == 0 && s->stop_phase == STOP_NOT) {
        installer_collect(s->installer, plugin_processes_use, s->processes);
    }
}


static void
supervisor_on_start_progress(void *ctx, const char *text)
{
    struct supervisor  *s;

    s = ctx;

    operations_set_step(s->operations, text);
}


static void
supervisor_on_prepare_progress(void *ctx, const char *text)
{
    struct supervisor  *s;

    s = ctx;

    log_info("%s", text);
    operations_set_step(s->operations, text);
}


static void
supervisor_on_prepared(void *ctx, const struct error *err,
    struct plugin *plugin, const char *replaced, bool unchanged)
{
    struct supervisor  *s;

    (void) plugin;
    (void) replaced;
    (void) unchanged;
    s = ctx;

    operations_set_step(s->operations, NULL);

    if (err->code != 0) {
        log_error("the platform environment cannot be made: %s", err->text);
        operations_set_environment(s->operations, "failed", err->text);

    } else {
        operations_set_environment(s->operations, "ready", NULL);
    }

    if (s->stop_phase == STOP_NOT) {
        warm_begin(s->warm);
        plugin_processes_start(s->processes);
        start_progress_begin(s->progress);
        purger_look(s->purger);
        installer_collect(s->installer, plugin_processes_use, s->processes);
    }

    /* the lists may have changed while nobody was there to be told */

    if (s->stop_phase == STOP_NOT && err->code == 0) {
        operations_decide_again(s->operations);
    }
}


/* the same for all supervisors of one system: it is known by the id of what its
   keepers hold */

static void
supervisor_boot_id(struct supervisor *s, char boot_id[33])
{
    char           *path, mark[64];
    struct error    err;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    path = mem_printf("%s/boot_id", s->config->server.run_directory);
    snprintf(mark, sizeof(mark), " %s\n",
             keeper_client_facts(s->keeper)->custody);

    if (fs_read(path, 128, &text, NULL) == 0 && text.len > 32
        && strcmp(text.data + 32, mark) == 0)
    {
        memcpy(boot_id, text.data, 32);
        boot_id[32] = '\0';

    } else {
        fs_random_hex(boot_id, 16);
        strbuf_clear(&text);
        strbuf_printf(&text, "%s%s", boot_id, mark);

        if (fs_write_atomic(path, text.data, text.len, 0640, &err) != 0) {
            log_warn("boot id cannot be kept: %s", err.text);
        }
    }

    strbuf_free(&text);
    free(path);
}


/* the services' memory: of supervisors of this system only */

static void
supervisor_remember(struct supervisor *s)
{
    char  *path, mark[64];

    snprintf(mark, sizeof(mark), "custody %s",
             keeper_client_facts(s->keeper)->custody);
    path = mem_printf("%s/services.json", s->config->server.run_directory);
    service_pool_remember(s->pool, path, mark);
    free(path);
}


/* the last of the range is the shared process's, whether there is one or not:
   the setting may change, the ids of plugins never do */

static uint32_t
supervisor_last_uid(const struct config *config)
{
    int64_t  last;

    last = config->plugins.uid_last;

    return (uint32_t) (last > config->plugins.uid_first ? last - 1 : last);
}


static int
supervisor_open_parts(struct supervisor *s, struct error *err)
{
    struct publisher_options  options;

    s->own_output = output_new(s->base, "supervisor",
                               s->layout.log_directory);
    log_copy_to(supervisor_on_log, s);

    memset(&options, 0, sizeof(options));
    options.run_directory = s->config->server.run_directory;
    options.plugins = (uint32_t) s->config->plugins.capacity;
    options.users = STARTUP_USERS_HINT;
    options.edge_gid = s->layout.has_uids ? (gid_t) s->layout.edge_gid
                                          : (gid_t) -1;

    if (publisher_open(&s->publisher, &options, err) != 0
        || registry_open(&s->registry, s->config->server.data_path,
               s->layout.has_uids
               ? (uint32_t) s->config->plugins.uid_first : 0,
               s->layout.has_uids
               ? supervisor_last_uid(s->config) : 0, err) != 0)
    {
        return err->code;
    }

    return installer_open(&s->installer, s->base, s->config, s->registry,
                          tool_runner_interface(s->tools), err);
}


static int
supervisor_open_admin(struct supervisor *s, struct error *err)
{
    char                     boot_id[33];
    struct operations_parts  parts;

    memset(&parts, 0, sizeof(parts));
    parts.base = s->base;
    parts.config = s->config;
    parts.layout = &s->layout;
    parts.facts = keeper_client_facts(s->keeper);
    parts.registry = s->registry;
    parts.installer = s->installer;
    parts.core = s->core;
    parts.processes = s->processes;
    parts.warm = s->warm;
    parts.purger = s->purger;
    parts.publisher = s->publisher;
    parts.pool = s->pool;
    parts.own_output = s->own_output;
    parts.upgrade = supervisor_upgrade;
    parts.reload = supervisor_reload;
    parts.stop = supervisor_on_stop;
    parts.stop_ctx = s;

    supervisor_boot_id(s, boot_id);
    s->operations = operations_new(&parts, boot_id);

    return admin_server_open(&s->admin, s->base, s->admin_fd,
                             operations_table(), s->operations, err);
}


static void
supervisor_on_recycle(void *ctx, struct service *service, const char *why)
{
    struct plugin      *plugin;
    struct supervisor  *s;

    s = ctx;
    plugin = plugin_processes_find(s->processes, service);

    /* a process that is kept for its users' work only goes by itself */

    if (plugin == NULL || plugin_process_service(plugin) != service
        || plugin_process_is_ending(plugin))
    {
        return;
    }

    log_info("\"%s\" %s and is replaced", service_name(service), why);
    plugin_process_restart(plugin, MINT_CAUSE_RESTART, false);
}


static void
supervisor_make_services(struct supervisor *s)
{
    struct plugin_process_listener  listener;

    s->crashes = crash_watch_new(s->base, s->config, s->registry, s->pool);
    supervisor_remember(s);

    s->routes = plugin_routes_new(s->publisher, s->registry);
    plugin_routes_platform_address(s->routes, s->layout.platform_socket);

    s->warm = warm_new(s->config, &s->layout, s->registry, s->pool, s->table);

    listener = plugin_routes_listener(s->routes);
    s->processes = plugin_processes_new(s->config, &s->layout, s->registry,
                                        s->pool, s->table, s->warm,
                                        s->platform_url, &listener);
    s->purger = purger_new(s->config, &s->layout, s->registry, s->table,
                           tool_runner_interface(s->tools));
    s->watcher = watcher_new(s->pool, s->config, supervisor_on_recycle, s);
    s->core = core_processes_new(s->config, &s->layout, s->pool, s->table,
                                 supervisor_on_core_state, s);

    service_pool_order(s->pool, plugin_order_waits_for, s->registry);
    s->progress = start_progress_new(s->pool, s->registry,
                                     supervisor_on_start_progress, s);
}


void
supervisor_start(struct supervisor *s)
{
    char            *held;
    size_t           adopted;
    struct error     err;
    struct timeval   second;
    struct service  *nginx, *platform;

    s->own_output = output_new(s->base, "supervisor",
                               s->layout.log_directory);
    log_copy_to(supervisor_on_log, s);

    if (supervisor_open_parts(s, &err) != 0) {
        supervisor_fail(s, &err);
        return;
    }

    supervisor_make_services(s);

    if (supervisor_open_admin(s, &err) != 0) {
        supervisor_fail(s, &err);
        return;
    }

    /* before it may be adopted: adoption knows the generation better */

    platform = core_process_service(s->core, CORE_PLATFORM);
    service_set_generation(platform, mint_seat_generation(
        publisher_seat_word(s->publisher, MINT_SEAT_PLATFORM)));

    adopted = supervisor_adopt_all(s);
    s->is_started = true;

    log_info("supervisor %d attached to keeper %d, %zu processes adopted",
             (int) getpid(), keeper_client_facts(s->keeper)->pid, adopted);

    held = confinement_text(keeper_client_facts(s->keeper));
    log_info("%s", held);
    free(held);

    service_start(platform, MINT_CAUSE_FIRST_START);
    admin_server_set_platform(s->admin, service_pid(platform));

    nginx = core_process_service(s->core, CORE_NGINX);

    if (nginx != NULL) {
        service_start(nginx, MINT_CAUSE_FIRST_START);
    }

    second.tv_sec = 1;
    second.tv_usec = 0;
    s->tick = event_new(s->base, -1, EV_PERSIST, supervisor_on_tick, s);
    event_add(s->tick, &second);

    installer_prepare(s->installer, supervisor_on_prepare_progress,
                      supervisor_on_prepared, s);

    if (s->is_hung_up) {
        supervisor_hang_up(s);
    }
}
