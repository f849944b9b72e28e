/* SPDX-License-Identifier: MIT */
/*
 * The warm interpreter's service, and who is forked from it.  Leaves states to
 * service.c, and which interpreter is wanted to warm_wish.c.
 */

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "warm_private.h"


#define WARM_NOFILE      8192
#define WARM_READY_SEC   60
#define WARM_PLACE       "0a"

/* forking is that much quicker, and needs that much less memory */
#define WARM_WAIT_MS     5000

/* what is adopted younger than this may not be ready, and nobody will say */
#define WARM_PROVEN_MS   10000

/* room for what ps is to show of those that are forked */
#define WARM_ARGUMENTS   200
#define WARM_VARIABLES   8192


static void warm_prepare(void *ctx, struct service *service);
static int warm_fill(void *ctx, struct service *service,
    struct keeper_spawn_request *request, struct error *err);
static void warm_on_registry(void *ctx, enum registry_event event,
    struct plugin *plugin);
static void warm_on_timer(evutil_socket_t fd, short what, void *arg);
static void warm_look(struct warm *warm);


static const struct service_hooks  warm_hooks = {
    .prepare = warm_prepare,
    .fill = warm_fill
};


struct warm *
warm_new(const struct config *config, const struct layout *layout,
    struct registry *registry, struct service_pool *pool,
    struct process_table *table)
{
    struct warm             *warm;
    struct service_options   options;

    warm = mem_alloc(sizeof(struct warm));

    warm->config = config;
    warm->layout = layout;
    warm->registry = registry;
    warm->pool = pool;
    warm->table = table;
    warm->tmp = layout_seat_tmp(layout, CORE_WARM, WARM_PLACE);
    warm->timer = evtimer_new(process_table_base(table), warm_on_timer, warm);

    memset(&options, 0, sizeof(options));
    options.kind = "core";
    options.name = CORE_WARM;
    options.place = WARM_PLACE;
    options.log_directory = layout->log_directory;
    options.waits_report = true;
    options.needs_no_place = true;
    options.stop_signal = SIGTERM;
    options.ready_deadline_sec = WARM_READY_SEC;
    options.stop_grace_sec = 3;

    warm->service = service_new(pool, &options, &warm_hooks, warm);
    registry_subscribe(registry, warm_on_registry, warm);

    return warm;
}


static void
warm_clear_arguments(struct warm *warm)
{
    size_t  i;

    for (i = 0; i < sizeof(warm->argv) / sizeof(warm->argv[0]); i++) {
        free(warm->argv[i]);
        warm->argv[i] = NULL;
    }

    environment_clear(&warm->variables);
}


void
warm_free(struct warm **warm)
{
    struct warm  *w;

    w = *warm;
    *warm = NULL;

    if (w == NULL) {
        return;
    }

    service_free(&w->service);
    event_free(w->timer);
    warm_clear_arguments(w);
    confinement_clear(&w->confinement);
    free(w->environment);
    free(w->running_environment);
    free(w->tmp);
    free(w);
}


/* ---- the wanted one -------------------------------------------------- */

static void
warm_await(struct warm *warm)
{
    struct timeval  tv = { WARM_WAIT_MS / 1000, WARM_WAIT_MS % 1000 * 1000 };

    warm->awaited_until_ms = time_boot_ms() + WARM_WAIT_MS;
    evtimer_add(warm->timer, &tv);
}


static void
warm_look(struct warm *warm)
{
    bool  is_down, is_other;

    if (!warm->is_begun || warm->is_stopping) {
        return;
    }

    warm_want(warm);

    if (warm->environment == NULL) {
        service_stop(warm->service, true);
        return;
    }

    is_down = service_state(warm->service) == SERVICE_DOWN;
    is_other = strcmp(warm->key, warm->running) != 0;

    if (is_down || is_other) {
        warm_await(warm);
    }

    if (is_other && !is_down) {
        service_restart(warm->service, MINT_CAUSE_UPGRADING);

    } else {
        service_start(warm->service, MINT_CAUSE_FIRST_START);
    }
}


static void
warm_on_registry(void *ctx, enum registry_event event, struct plugin *plugin)
{
    (void) plugin;

    if (event != REGISTRY_STATE) {
        warm_look(ctx);
    }
}


static void
warm_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct warm  *warm;

    (void) fd;
    (void) what;
    warm = arg;

    service_pool_look(warm->pool);
}


bool
warm_adopt(struct warm *warm, uint32_t generation, const char *note,
    const struct process *process, bool is_dead)
{
    warm_want(warm);

    if (is_dead || note == NULL || warm->environment == NULL
        || strcmp(note, warm->key) != 0
        || service_state(warm->service) != SERVICE_DOWN
        || time_unix_ms() - process->started_unix_ms < WARM_PROVEN_MS)
    {
        service_set_generation(warm->service, generation);
        return false;
    }

    snprintf(warm->running, sizeof(warm->running), "%s", note);
    warm->running_environment = mem_strdup(warm->environment);
    service_adopt(warm->service, process, generation, true);

    return true;
}


void
warm_begin(struct warm *warm)
{
    warm->is_begun = true;
    warm_look(warm);
}


void
warm_stop(struct warm *warm)
{
    warm->is_stopping = true;
    service_stop(warm->service, true);
}


/* ---- who is forked -------------------------------------------------- */

/* its own sandbox lies within that of the interpreter, or neither has one */

static bool
warm_serves(const struct warm *warm, const struct plugin *plugin)
{
    return warm != NULL && !warm->is_stopping
           && warm_has(warm->environment, plugin)
           && config_limits_of(warm->config, plugin->name)->sandbox
              == warm->config->plugins.limits.sandbox;
}


bool
warm_is_awaited(const struct warm *warm, const struct plugin *plugin)
{
    if (!warm_serves(warm, plugin)
        || time_boot_ms() >= warm->awaited_until_ms)
    {
        return false;
    }

    switch (service_state(warm->service)) {

    case SERVICE_QUEUED:
    case SERVICE_PREPARING:
    case SERVICE_STARTING:
    case SERVICE_STOPPING:
        return true;

    default:
        return false;
    }
}


uint32_t
warm_child(const struct warm *warm, const struct plugin *plugin)
{
    return warm_serves(warm, plugin)
           && service_state(warm->service) == SERVICE_READY
           && strcmp(warm->key, warm->running) == 0
           ? service_child(warm->service) : 0;
}


void
warm_failed(struct warm *warm, const struct plugin *plugin, int status)
{
    log_warn("\"%s\" is not forked from the warm interpreter but started "
             "anew: %s", plugin->name, strerror(status));

    /* the next one is not to wait for as long again */

    if (status == ETIMEDOUT) {
        service_condemn(warm->service, "did not fork when asked to");
    }
}


bool
warm_uses(const struct warm *warm, const char *environment)
{
    return warm != NULL && service_pid(warm->service) != 0
           && warm->running_environment != NULL
           && strcmp(warm->running_environment, environment) == 0;
}


struct service *
warm_service(const struct warm *warm)
{
    return warm->service;
}


bool
warm_is_wanted(const struct warm *warm)
{
    return warm->environment != NULL;
}


/* ---- the process ----------------------------------------------------- */

static void
warm_on_made(void *ctx, int status)
{
    struct warm  *warm;

    warm = ctx;

    if (status != 0 && warm->failure.code == 0) {
        error_set(&warm->failure, MINT_ERR_SYSTEM, "making its directories "
                  "failed: %s", strerror(status));
    }

    if (--warm->pending > 0) {
        return;
    }

    if (warm->failure.code == 0 && warm->environment != NULL
        && strcmp(warm->prepared, warm->key) != 0)
    {
        warm_prepare(warm, warm->service);      /* others are wanted by now */
        return;
    }

    service_prepared(warm->service, &warm->failure);
}


static void
warm_make(struct warm *warm, char *path, uint32_t uid)
{
    struct error  err;

    warm->pending++;

    if (keeper_client_own(process_table_keeper(warm->table), path, 0700, uid,
                          uid, warm_on_made, warm, &err)
        != 0)
    {
        warm->pending--;
        warm->failure = err;
    }

    free(path);
}


/* the plugins' directories, too: a sandbox is opened only for what is there */

static void
warm_prepare(void *ctx, struct service *service)
{
    size_t          i;
    struct warm    *warm;
    struct error    err;
    struct plugin  *plugin;

    warm = ctx;
    memset(&warm->failure, 0, sizeof(warm->failure));
    snprintf(warm->prepared, sizeof(warm->prepared), "%s", warm->key);

    warm_make(warm, mem_strdup(warm->tmp), warm->layout->has_uids
              ? warm_uid(warm) : UINT32_MAX);

    for (i = 0; i < registry_count(warm->registry); i++) {
        plugin = registry_at(warm->registry, i);

        if (warm_has(warm->environment, plugin)) {
            warm_make(warm, layout_data(warm->layout, plugin->name),
                      plugin->uid);
            warm_make(warm, layout_seat_tmp(warm->layout, plugin->name, "0a"),
                      plugin->uid);
            warm_make(warm, layout_seat_tmp(warm->layout, plugin->name, "0b"),
                      plugin->uid);
        }
    }

    warm->pending++;

    if (keeper_client_wipe(process_table_keeper(warm->table), warm->tmp,
                           warm_on_made, warm, &err)
        != 0)
    {
        warm->pending--;
        warm->failure = err;
    }

    if (warm->pending == 0) {
        service_prepared(service, &warm->failure);
    }
}


static char *
warm_padding(size_t len)
{
    char  *text;

    text = mem_alloc(len + 1);
    memset(text, '-', len);

    return text;
}


static int
warm_fill(void *ctx, struct service *service,
    struct keeper_spawn_request *request, struct error *err)
{
    char                      *padding;
    struct warm               *warm;
    struct environment_block  *e;

    warm = ctx;
    e = &warm->variables;

    if (warm->environment == NULL) {
        return error_set(err, MINT_ERR_CONFLICT, "it is not wanted any more");
    }

    warm_clear_arguments(warm);
    free(warm->running_environment);
    warm->running_environment = mem_strdup(warm->environment);
    snprintf(warm->running, sizeof(warm->running), "%s", warm->key);

    warm->argv[0] = mem_printf("%s/bin/python", warm->environment);
    warm->argv[1] = mem_printf("%s/plugin_host/__main__.py",
                               warm->config->server.program_directory);
    warm->argv[2] = mem_strdup("warm");
    warm->argv[3] = warm_padding(WARM_ARGUMENTS);

    environment_add(e, "PATH", "%s/bin:/usr/local/bin:/usr/bin:/bin",
                    warm->environment);
    environment_add(e, "VIRTUAL_ENV", "%s", warm->environment);
    environment_add(e, "HOME", "%s", warm->tmp);
    environment_add(e, "TMPDIR", "%s", warm->tmp);
    environment_add(e, "LANG", "C.UTF-8");
    environment_add(e, "PYTHONUNBUFFERED", "1");
    environment_add(e, "SSL_CERT_DIR", "/etc/ssl/certs");
    environment_add(e, "MINT_INSTANCE", "%s.%s.%u", CORE_WARM, WARM_PLACE,
                    service_generation(service));
    environment_add(e, "MINT_HOST_REPORT_FD", "%d", MINT_KEEPER_FIRST_FD);
    environment_add(e, "MINT_HOST_WARM_FD", "%d", MINT_KEEPER_FIRST_FD + 1);
    environment_pass(e, "TZ");

    padding = warm_padding(WARM_VARIABLES);
    environment_add(e, "MINT_HOST_PADDING", "%s", padding);
    free(padding);

    request->flags = MINT_SPAWN_REPORT | MINT_SPAWN_NO_NEW_PRIVS
                     | MINT_SPAWN_WARM;
    request->uid = warm_uid(warm);
    request->gid = warm->layout->has_uids ? warm_uid(warm)
                                          : warm->layout->own_gid;
    request->umask = 077;
    request->nofile = WARM_NOFILE;
    request->label = warm->running;
    request->cwd = warm->tmp;
    request->argv = (const char *const *) warm->argv;
    request->env = environment_list(e);

    if (warm->config->plugins.limits.sandbox) {
        request->flags |= MINT_SPAWN_SANDBOX;
        request->allow = (const char *const *) warm->confinement.allow.item;
    }

    return 0;
}
