/* SPDX-License-Identifier: MIT */
/*
 * Operations that only look: status, plugins, explain.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contract/mint_version.h"
#include "lib/fs.h"
#include "lib/strbuf.h"
#include "operations_private.h"
#include "supervisor/observe/start_progress.h"
#include "supervisor/process/confinement.h"


static void operation_status(void *ctx, struct admin_call *call,
    json_t *arguments);
static void operation_plugins(void *ctx, struct admin_call *call,
    json_t *arguments);
static void operation_explain(void *ctx, struct admin_call *call,
    json_t *arguments);


static const struct admin_operation  operations_list[] = {
    { "status", ADMIN_ANYONE, operation_status,
      "what runs and what is going on" },
    { "plugins", ADMIN_ANYONE, operation_plugins,
      "installed plugins and their processes" },
    { "explain", ADMIN_ANYONE, operation_explain,
      "why a plugin is shared or isolated" },
    { "logs", ADMIN_ANYONE, operation_logs,
      "last lines of one or of all, as kept in memory" },
    { "facts", ADMIN_ANYONE, operation_facts,
      "directories, users and times, for mintctl doctor" },
    { "history", ADMIN_ANYONE, operation_history,
      "what has happened to a plugin" },
    { "activity", ADMIN_ANYONE, operation_activity,
      "what a plugin would lose if it ended now" },
    { "restart", ADMIN_ANYONE, operation_restart,
      "restart a plugin, answer when it is ready" },
    { "start", ADMIN_ANYONE, operation_start,
      "start a plugin that does not run, answer when it is ready" },
    { "halt", ADMIN_ANYONE, operation_halt,
      "stop a plugin until it is started again" },
    { "uninstall", ADMIN_ANYONE, operation_uninstall,
      "stop a plugin and remove it, answer when it is gone" },
    { "restart_all", ADMIN_ANYONE, operation_restart_all,
      "restart all plugins one after the other" },
    { "install", ADMIN_ANYONE, operation_install,
      "install a bundle, answer when it runs" },
    { "plan", ADMIN_ANYONE, operation_plan,
      "what installing a bundle would do; nothing is installed" },
    { "reload", ADMIN_ANYONE, operation_reload,
      "read the configuration again, answer when plugins are decided" },
    { "upgrade", ADMIN_ANYONE, operation_upgrade,
      "let the keeper start the supervisor program that is there now" },
    { "stop", ADMIN_ANYONE, operation_stop, "stop the whole system" },
    { "identity.full", ADMIN_PLATFORM, operation_identity_full,
      "all users, roles and keys" },
    { "identity.change", ADMIN_PLATFORM, operation_identity_change,
      "one change of users, roles or keys" },
    { "directory", ADMIN_PLATFORM, operation_directory,
      "plugins and tokens, to check callbacks" },
    { NULL, ADMIN_ANYONE, NULL, NULL }
};


const struct admin_operation *
operations_table(void)
{
    return operations_list;
}


static bool
operations_has_ended(const struct plugin *plugin)
{
    return plugin_process_halted(plugin) == PLUGIN_WISH_GRANTED;
}


struct operations *
operations_new(const struct operations_parts *parts, const char *boot_id)
{
    struct operations  *o;

    o = mem_alloc(sizeof(struct operations));

    o->parts = *parts;
    o->started_unix_ms = time_unix_ms();
    o->roles = json_object();
    strncpy(o->boot_id, boot_id, sizeof(o->boot_id) - 1);
    operations_set_environment(o, "building", NULL);

    plugin_processes_subscribe(parts->processes, operations_waiters_on_change,
                               o);
    registry_subscribe(parts->registry, operations_roles_on_registry, o);
    installer_watch(parts->installer, operations_has_ended,
                    plugin_process_is_quiet);
    operations_watch_removals(o);

    return o;
}


void
operations_free(struct operations **operations)
{
    if (*operations == NULL) {
        return;
    }

    operations_waiters_free(*operations);
    json_decref((*operations)->roles);
    free((*operations)->step);
    free((*operations)->environment_state);
    free((*operations)->environment_error);
    free(*operations);
    *operations = NULL;
}


void
operations_set_step(struct operations *operations, const char *step)
{
    free(operations->step);
    operations->step = step != NULL ? mem_strdup(step) : NULL;
}


void
operations_set_environment(struct operations *operations, const char *state,
    const char *error)
{
    free(operations->environment_state);
    free(operations->environment_error);

    operations->environment_state = mem_strdup(state);
    operations->environment_error = error != NULL ? mem_strdup(error) : NULL;
}


void
operations_set_stopping(struct operations *operations)
{
    operations->is_stopping = true;
    operations_waiters_free(operations);
}


const char *
operations_text(struct admin_call *call, json_t *arguments, const char *name)
{
    const char    *text;
    struct error   err;

    text = json_string_value(json_object_get(arguments, name));

    if (text == NULL) {
        error_set(&err, MINT_ERR_INVALID, "\"%s\" is missing or not a string",
                  name);
        admin_fail(call, &err);
    }

    return text;
}


const char *
operations_bundle(struct admin_call *call, json_t *arguments)
{
    const char    *bundle;
    struct error   err;

    bundle = operations_text(call, arguments, "bundle");

    if (bundle != NULL && bundle[0] != '/') {
        error_set(&err, MINT_ERR_INVALID, "\"bundle\" is not an absolute "
                  "path: \"%s\"", bundle);
        admin_fail(call, &err);
        return NULL;
    }

    return bundle;
}


struct plugin *
operations_plugin(struct operations *operations, struct admin_call *call,
    json_t *arguments)
{
    const char     *name;
    struct plugin  *plugin;

    name = operations_text(call, arguments, "plugin");
    if (name == NULL) {
        return NULL;
    }

    plugin = registry_find(operations->parts.registry, name);

    if (plugin == NULL) {
        operations_fail_unknown(call, name);
    }

    return plugin;
}


void
operations_fail_unknown(struct admin_call *call, const char *name)
{
    struct error  err;

    error_set(&err, MINT_ERR_NOT_FOUND, "no plugin \"%s\" is installed; "
              "\"mintctl plugins\" lists them", name);
    admin_fail(call, &err);
}


/* ---- status -------------------------------------------------------- */

static json_t *
operations_service_json(struct service *service)
{
    json_t  *json;

    if (service == NULL) {
        return json_pack("{s:s, s:i}", "state", "not managed", "pid", 0);
    }

    json = json_pack("{s:s, s:i, s:i}",
                     "state", service_state_name(service_state(service)),
                     "pid", service_pid(service),
                     "restarts", (int) service_restarts(service));

    json_object_set_new(json, "error", service_error(service)[0] == '\0'
                        ? json_null() : json_string(service_error(service)));
    json_object_set_new(json, "last_exit",
                        service_last_exit(service)[0] == '\0'
                        ? json_null()
                        : json_string(service_last_exit(service)));

    return json;
}


static bool
operations_is_settled(enum plugin_state state)
{
    return state == PLUGIN_READY || state == PLUGIN_FAILED
           || state == PLUGIN_STOPPED || state == PLUGIN_RESISTING
           || state == PLUGIN_UNINSTALLING;
}


bool
operations_is_running(const struct operations *o)
{
    size_t           i;
    struct service  *nginx;

    if (strcmp(o->environment_state, "building") == 0
        || service_state(core_process_service(o->parts.core, CORE_PLATFORM))
           != SERVICE_READY)
    {
        return false;
    }

    nginx = core_process_service(o->parts.core, CORE_NGINX);

    if (nginx != NULL && service_state(nginx) != SERVICE_READY) {
        return false;
    }

    for (i = 0; i < registry_count(o->parts.registry); i++) {
        if (!operations_is_settled(registry_at(o->parts.registry, i)->state)) {
            return false;
        }
    }

    return true;
}


static json_t *
operations_protection(const struct operations *o)
{
    json_t  *list;

    list = json_array();

    if (o->parts.layout->has_uids) {
        return list;
    }

    if (o->parts.facts->landlock_abi == 0) {
        json_array_append_new(list, json_string(
            "plugins run under the same user as the system, and this kernel "
            "has no Landlock: each of them can read the run files, the "
            "store, other plugins' sockets, environment and data (start as "
            "root for one user a plugin)"));

    } else {
        json_array_append_new(list, json_string(
            "plugins run under the same user as the system: Landlock keeps "
            "them from the run files, the store, other plugins' environment "
            "and data, but each can connect to other plugins' sockets (start "
            "as root for one user a plugin)"));
    }

    if (!o->parts.config->plugins.limits.sandbox) {
        json_array_append_new(list, json_string(
            "plugins.sandbox is false: without users of their own nothing "
            "keeps plugins from the files of others"));
    }

    return list;
}


/* by what limits are kept on this machine */

static json_t *
operations_limits(const struct operations *o)
{
    const struct keeper_facts  *facts;

    facts = o->parts.facts;

    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}",
                     "memory", confinement_means(facts->memory),
                     "processes", confinement_means(facts->pids),
                     "cpu", confinement_means(facts->cpu),
                     "tree", confinement_means(facts->tree),
                     "landlock_abi", (json_int_t) facts->landlock_abi,
                     "cgroup", facts->cgroup);
}


static json_t *
operations_plugin_totals(const struct operations *o)
{
    struct start_counts  counts;

    start_counts_take(&counts, o->parts.registry);

    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}",
                     "total", (int) counts.total,
                     "ready", (int) counts.ready,
                     "starting", (int) counts.starting,
                     "waiting", (int) counts.waiting,
                     "failed", (int) counts.failed,
                     "stopped", (int) counts.stopped);
}


/* null: there is one */

static json_t *
operations_keeper_absent(const struct operations *o)
{
    char      text[32];
    uint64_t  since_ms;

    since_ms = o->parts.facts->absent_since_ms;

    if (since_ms == 0) {
        return json_null();
    }

    time_rfc3339(since_ms, text);

    return json_string(text);
}


static json_t *
operations_warm(const struct operations *o)
{
    json_t  *warm;

    warm = operations_service_json(warm_service(o->parts.warm));
    json_object_set_new(warm, "wanted",
                        json_boolean(warm_is_wanted(o->parts.warm)));

    return warm;
}


static void
operation_status(void *ctx, struct admin_call *call, json_t *arguments)
{
    char                *url;
    char                 started[32];
    json_t              *result, *nginx, *environment;
    const char          *path;
    struct operations   *o;

    (void) arguments;
    o = ctx;
    time_rfc3339(o->started_unix_ms, started);
    url = core_process_url(o->parts.config);
    path = installer_platform_environment(o->parts.installer);

    nginx = operations_service_json(core_process_service(o->parts.core,
                                                         CORE_NGINX));
    json_object_set_new(nginx, "managed",
                        json_boolean(o->parts.config->nginx.managed));

    environment = json_pack("{s:s, s:s, s:o, s:o}",
        "state", o->environment_state,
        "python", o->parts.config->environments.python,
        "path", path != NULL ? json_string(path) : json_null(),
        "error", o->environment_error != NULL
                 ? json_string(o->environment_error) : json_null());

    result = json_pack(
        "{s:i, s:i, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, "
        "s:o, s:o, s:o, s:o, s:o, s:s, s:o}",
        "supervisor_pid", (int) getpid(),
        "keeper_pid", o->parts.facts->absent_since_ms == 0
                      ? o->parts.facts->pid : 0,
        "keeper_absent_since", operations_keeper_absent(o),
        "started_at", started,
        "version", MINT_VERSION,
        "state", o->is_stopping ? "stopping"
                 : operations_is_running(o) ? "running" : "starting",
        "run_directory", o->parts.config->server.run_directory,
        "state_directory", o->parts.layout->state_directory,
        "data_directory", o->parts.config->server.data_path,
        "address", url,
        "step", o->step != NULL ? json_string(o->step) : json_null(),
        "platform", operations_service_json(
                        core_process_service(o->parts.core, CORE_PLATFORM)),
        "nginx", nginx,
        "warm", operations_warm(o),
        "environment", environment,
        "identity", json_pack("{s:I, s:I}",
            "sequence",
            (json_int_t) publisher_sequence(o->parts.publisher),
            "users",
            (json_int_t) publisher_user_count(o->parts.publisher)),
        "protection", operations_protection(o),
        "limits", operations_limits(o),
        "boot_id", o->boot_id,
        "plugins", operations_plugin_totals(o));

    free(url);
    admin_reply(call, result);
}


/* ---- plugins ------------------------------------------------------- */

static json_t *
operations_optional(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}


json_t *
operations_plugin_json(struct operations *operations, struct plugin *plugin)
{
    char     installed[32];
    json_t  *json;

    (void) operations;

    time_rfc3339(plugin->installed_unix_ms, installed);

    json = json_pack(
        "{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, "
        "s:s, s:s, s:b, s:O, s:o, s:o, s:o}",
        "id", (json_int_t) plugin->id,
        "name", plugin->name,
        "distribution", plugin->distribution,
        "version", plugin->version,
        "entry_point", plugin->entry_point,
        "routes_prefix", plugin->routes_prefix,
        "plugin_type", plugin->plugin_type,
        "mode", plugin_mode_name(plugin->mode),
        "state", plugin_state_name(plugin->state),
        "reason", plugin->reason,
        "error", operations_optional(plugin->error),
        "list_error", operations_optional(plugin->list_error),
        "uid", plugin->uid == UINT32_MAX
               ? json_null() : json_integer((json_int_t) plugin->uid),
        "environment", plugin->environment,
        "installed_at", installed,
        "has_frontend", plugin->has_frontend,
        "metadata", plugin->probe != NULL ? plugin->probe : json_null(),
        "instances", plugin_process_instances(plugin),
        "move", plugin_process_move(plugin),
        "moves", plugin_process_moves(plugin));

    return json;
}


static void
operation_plugins(void *ctx, struct admin_call *call, json_t *arguments)
{
    size_t              i;
    json_t             *list;
    struct operations  *o;

    (void) arguments;
    o = ctx;
    list = json_array();

    for (i = 0; i < registry_count(o->parts.registry); i++) {
        json_array_append_new(list, operations_plugin_json(o,
                                  registry_at(o->parts.registry, i)));
    }

    admin_reply(call, json_pack("{s:o}", "plugins", list));
}


static void
operation_explain(void *ctx, struct admin_call *call, json_t *arguments)
{
    struct plugin  *plugin;

    plugin = operations_plugin(ctx, call, arguments);

    if (plugin != NULL) {
        admin_reply(call, json_pack("{s:s, s:s, s:s, s:o, s:o, s:O, s:O}",
            "plugin", plugin->name,
            "mode", plugin_mode_name(plugin->mode),
            "reason", plugin->reason,
            "list_error", operations_optional(plugin->list_error),
            "move", plugin_process_move(plugin),
            "details", plugin->details,
            "verdict", plugin->verdict != NULL ? plugin->verdict
                                               : json_null()));
    }
}
