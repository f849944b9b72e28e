/* SPDX-License-Identifier: MIT */
/*
 * The installer's outside: its directories and tools, and the line of
 * requests, of which one is under way at a time.
 */

#include "supervisor/plugin/install_private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/environment.h"


extern char  **environ;

const struct timeval  install_soon = { 0, 0 };


static int install_directories(struct installer *installer,
    struct error *err);
static struct install_request *install_enqueue(struct installer *installer,
    const char *bundle, bool force, install_progress_fn progress, void *ctx);
static void install_kick(struct installer *installer);
static void install_next(evutil_socket_t fd, short events, void *ctx);
static int install_begin(struct installer *installer, struct error *err);
static void install_on_registry(void *ctx, enum registry_event event,
    struct plugin *plugin);


int
installer_open(struct installer **out, struct event_base *base,
    const struct config *config, struct registry *registry,
    const struct runner *runner, struct error *err)
{
    int                rc;
    const char        *data;
    struct installer  *installer;

    data = config->server.data_path;

    installer = mem_alloc(sizeof(struct installer));
    installer->base = base;
    installer->registry = registry;
    installer->tools.config = config;
    installer->tools.runner = runner;
    installer->tools.environments = mem_printf("%s/environments", data);
    installer->tools.bundles = mem_printf("%s/bundles", data);
    installer->tools.locks = mem_printf("%s/locks", data);
    installer->tools.empty = mem_printf("%s/environments/.empty", data);
    installer->tools.uv = uv_new(config, environ);
    installer->tools.cleanup = cleanup_new(runner);
    installer->core_lock = mem_printf("%s/locks/core.lock", data);
    installer->kick = evtimer_new(base, install_next, installer);
    installer->relink = evtimer_new(base, install_link, installer);

    rc = install_directories(installer, err);

    if (rc == 0) {
        rc = venv_links_open(&installer->links,
                             config->plugins.venv_directory,
                             installer->tools.environments, err);
    }

    if (rc == 0 && (installer->kick == NULL || installer->relink == NULL)) {
        rc = error_set(err, MINT_ERR_MEMORY, "evtimer_new() failed");
    }

    if (rc != 0) {
        installer_free(&installer);
        return rc;
    }

    registry_subscribe(registry, install_on_registry, installer);
    *out = installer;

    return 0;
}


/* once for all that happens at this moment: a former version is forgotten
   after the new one was told to be ready */

static void
install_on_registry(void *ctx, enum registry_event event,
    struct plugin *plugin)
{
    struct installer  *installer = ctx;

    (void) event;
    (void) plugin;

    evtimer_add(installer->relink, &install_soon);
}


void
installer_watch(struct installer *installer,
    bool (*has_ended)(const struct plugin *plugin),
    bool (*is_quiet)(const struct plugin *plugin))
{
    installer->has_ended = has_ended;
    installer->is_quiet = is_quiet;
}


/* modes are set whatever the umask is: plugin users must reach environments */

static int
install_directories(struct installer *installer, struct error *err)
{
    int      rc;
    size_t   i;

    const struct {
        const char  *path;
        mode_t       mode;
    } directories[] = {
        { installer->tools.environments, 0755 },
        { installer->tools.empty,        0755 },
        { installer->tools.bundles,      0700 },
        { installer->tools.locks,        0700 },
    };

    for (i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        rc = fs_mkdir_all(directories[i].path, directories[i].mode, err);

        if (rc != 0) {
            return rc;
        }

        if (chmod(directories[i].path, directories[i].mode) == -1) {
            return error_set_errno(err, "chmod(\"%s\") failed",
                                   directories[i].path);
        }
    }

    return 0;
}


static void
install_request_free(struct install_request *request)
{
    json_decref(request->plan);
    free(request->bundle);
    free(request->removed);
    free(request->again);
    free(request);
}


void
installer_free(struct installer **installer)
{
    struct installer        *s;
    struct install_request  *request;

    s = *installer;

    if (s == NULL) {
        return;
    }

    install_job_cancel(&s->job);
    prepare_cancel(&s->prepare);

    while ((request = s->first) != NULL) {
        s->first = request->next;
        install_request_free(request);
    }

    if (s->kick != NULL) {
        event_free(s->kick);
    }

    if (s->relink != NULL) {
        event_free(s->relink);
    }

    venv_links_free(&s->links);
    cleanup_free(&s->tools.cleanup);
    uv_free(&s->tools.uv);
    free(s->tools.environments);
    free(s->tools.bundles);
    free(s->tools.locks);
    free(s->tools.empty);
    inventory_clear(&s->inventory);
    free(s->core_lock);
    free(s->platform);
    free(s);

    *installer = NULL;
}


void
installer_prepare(struct installer *installer, install_progress_fn progress,
    install_done_fn done, void *ctx)
{
    install_enqueue(installer, NULL, false, progress, ctx)->done = done;
}


void
installer_install(struct installer *installer, const char *bundle,
    bool force, install_progress_fn progress, install_done_fn done, void *ctx)
{
    install_enqueue(installer, bundle, force, progress, ctx)->done = done;
}


void
installer_plan(struct installer *installer, const char *bundle, bool force,
    install_progress_fn progress, install_planned_fn done, void *ctx)
{
    install_enqueue(installer, bundle, force, progress, ctx)->planned = done;
}


void
installer_plan_again(struct installer *installer, const char *name,
    install_progress_fn progress, install_planned_fn done, void *ctx)
{
    struct install_request  *request;

    request = install_enqueue(installer, NULL, false, progress, ctx);
    request->again = mem_strdup(name);
    request->planned = done;
}


void
installer_decide_again(struct installer *installer, const char *name,
    install_progress_fn progress, install_done_fn done, void *ctx)
{
    struct install_request  *request;

    request = install_enqueue(installer, NULL, false, progress, ctx);
    request->again = mem_strdup(name);
    request->done = done;
}


void
installer_remove(struct installer *installer, const char *name,
    install_done_fn done, void *ctx)
{
    struct install_request  *request;

    request = install_enqueue(installer, NULL, false, NULL, ctx);
    request->removed = mem_strdup(name);
    request->done = done;
}


static struct install_request *
install_enqueue(struct installer *installer, const char *bundle, bool force,
    install_progress_fn progress, void *ctx)
{
    struct install_request  *request, **last;

    request = mem_alloc(sizeof(struct install_request));
    request->bundle = bundle != NULL ? mem_strdup(bundle) : NULL;
    request->force = force;
    request->progress = progress;
    request->ctx = ctx;

    for (last = &installer->first; *last != NULL; last = &(*last)->next) {
        /* void */
    }

    *last = request;
    install_kick(installer);

    return request;
}


/* from the loop: it may come from inside of what is to be ended */

void
installer_plan_abandon(struct installer *installer, void *ctx)
{
    struct install_request  *request;

    for (request = installer->first; request != NULL; request = request->next)
    {
        if (request->planned != NULL && request->ctx == ctx) {
            request->is_abandoned = true;
            evtimer_add(installer->kick, &install_soon);
        }
    }
}


/* from the loop, so that nobody is called back from inside their own call */

static void
install_kick(struct installer *installer)
{
    if (!installer->is_running && installer->first != NULL) {
        evtimer_add(installer->kick, &install_soon);
    }
}


static void
install_next(evutil_socket_t fd, short events, void *ctx)
{
    struct error             err;
    struct installer        *installer = ctx;
    struct install_request  *request;

    (void) fd;
    (void) events;

    request = installer->first;

    if (request == NULL || (installer->is_running && !request->is_abandoned)) {
        return;
    }

    memset(&err, 0, sizeof(err));

    if (request->is_abandoned) {
        install_job_cancel(&installer->job);
        error_set(&err, MINT_ERR_TIMEOUT, "nobody waits for the plan any "
                  "more");

    } else if (request->removed != NULL) {
        install_remove(installer, request->removed, &err);
        install_finished(installer, &err, NULL, NULL, false);
        return;

    } else {
        installer->is_running = true;
        install_begin(installer, &err);
    }

    if (err.code != 0) {
        install_finished(installer, &err, NULL, NULL, false);
    }
}


static int
install_begin(struct installer *installer, struct error *err)
{
    const char                    *bundle;
    const struct install_request  *request;

    request = installer->first;
    bundle = request->bundle;

    if (bundle == NULL && request->again == NULL) {
        return prepare_start(installer, err);
    }

    if (bundle != NULL && bundle[0] != '/') {
        return error_set(err, MINT_ERR_INVALID,
                         "bundle: expected an absolute path");
    }

    if (installer->platform == NULL) {
        return error_set(err, MINT_ERR_UNAVAILABLE,
                         "the platform environment is not there yet");
    }

    return install_job_start(installer, err);
}


void
install_finished(struct installer *installer, const struct error *err,
    struct plugin *plugin, const char *replaced, bool unchanged)
{
    struct install_request  *request;

    request = installer->first;
    installer->first = request->next;
    installer->is_running = false;

    if (request->planned != NULL) {
        request->planned(request->ctx, err, request->plan);

    } else {
        request->done(request->ctx, err, plugin, replaced, unchanged);
    }

    install_request_free(request);
    install_kick(installer);
}


void
install_progress(struct installer *installer, const char *format, ...)
{
    va_list                        args;
    struct strbuf                  text;
    const struct install_request  *request;

    memset(&text, 0, sizeof(text));

    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);

    request = installer->first;

    if (request != NULL && request->progress != NULL) {
        request->progress(request->ctx, strbuf_text(&text));
    }

    strbuf_free(&text);
}


/* an environment of an earlier version says nothing, and stays in use */

static void
install_inventory(struct installer *installer)
{
    int           rc;
    struct error  err;

    inventory_clear(&installer->inventory);
    rc = inventory_read(&installer->inventory, installer->platform, &err);

    if (rc == MINT_ERR_NOT_FOUND) {
        installer->inventory.doubt = "the shared environment does not say "
                                     "what is installed in it";
        log_info("only the resolver can tell what fits \"%s\", which was "
                 "built before there was " INVENTORY_FILE,
                 installer->platform);

    } else if (rc != 0) {
        installer->inventory.doubt = "what the shared environment says of "
                                     "itself cannot be read";
        log_warn("only the resolver can tell what fits \"%s\": %s",
                 installer->platform, err.text);
    }
}


void
install_set_platform(struct installer *installer, const char *environment)
{
    char  *copy;

    copy = mem_strdup(environment);
    free(installer->platform);
    installer->platform = copy;

    install_inventory(installer);
    evtimer_add(installer->relink, &install_soon);
}


bool
installer_is_busy(const struct installer *installer)
{
    return installer->first != NULL;
}


const char *
installer_platform_environment(const struct installer *installer)
{
    return installer->platform;
}
