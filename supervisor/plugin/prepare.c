/* SPDX-License-Identifier: MIT */
/*
 * The platform environment at start: the lock of the core, compiled once, and
 * an environment with the core and the shared plugins.  Environments that are
 * missing are built again from their locks.
 */

#include "supervisor/plugin/install_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/environment.h"
#include "supervisor/plugin/lock.h"
#include "supervisor/plugin/resolution.h"


#define PREPARE_LOCK_MAX  (16 * 1024 * 1024)


struct prepare {
    struct installer           *installer;
    struct command_run         *run;
    struct environment_build   *building;
    char                       *work;

    struct plugin             **shared;
    size_t                      shared_count;
    bool                        core_only;      /* shared plugins stay behind */
    struct text_list            find_links;
    char                       *lock;

    size_t                      next;           /* plugin to look at */
    struct plugin              *rebuilt;
};


static bool prepare_core_is_there(struct prepare *prepare);
static int prepare_core(struct prepare *prepare, struct error *err);
static int prepare_resolve(struct prepare *prepare,
    struct resolution *resolution, command_done_fn done, struct error *err);
static void prepare_core_done(void *ctx, const struct command_result *result);
static int prepare_platform(struct prepare *prepare, struct error *err);
static int prepare_compile(struct prepare *prepare, struct error *err);
static void prepare_compiled(void *ctx, const struct command_result *result);
static void prepare_core_only(struct prepare *prepare);
static int prepare_build(struct prepare *prepare, struct error *err);
static void prepare_building(void *ctx, const char *text);
static void prepare_built(void *ctx, const struct error *err,
    const struct environment_made *made);
static int prepare_adopt(struct prepare *prepare, const char *directory,
    struct error *err);
static void prepare_plugins(struct prepare *prepare);
static int prepare_rebuild(struct prepare *prepare, struct plugin *plugin,
    struct error *why);
static void prepare_rebuilt(void *ctx, const struct error *err,
    const struct environment_made *made);
static void prepare_give_up(struct prepare *prepare, struct plugin *plugin,
    const char *text);
static void prepare_end(struct prepare *prepare, const struct error *err);
static void prepare_free(struct prepare *prepare);


int
prepare_start(struct installer *installer, struct error *err)
{
    int              rc;
    char             random[17];
    struct prepare  *prepare;

    environment_remove_leftovers(&installer->tools);

    prepare = mem_alloc(sizeof(struct prepare));
    prepare->installer = installer;
    prepare->shared = install_shared(installer, NULL, &prepare->shared_count);
    fs_random_hex(random, 8);
    prepare->work = mem_printf("%s/%s%s", installer->tools.bundles,
                               ENVIRONMENT_TEMPORARY, random);
    rc = 0;

    if (mkdir(prepare->work, 0700) == -1) {
        rc = error_set_errno(err, "mkdir(\"%s\") failed", prepare->work);
    }

    if (rc == 0) {
        installer->prepare = prepare;
        rc = prepare_core_is_there(prepare) ? prepare_platform(prepare, err)
                                            : prepare_core(prepare, err);
    }

    if (rc != 0) {
        installer->prepare = NULL;
        prepare_free(prepare);
    }

    return rc;
}


void
prepare_cancel(struct prepare **prepare)
{
    struct prepare  *p;

    p = *prepare;

    if (p == NULL) {
        return;
    }

    *prepare = NULL;
    command_cancel(&p->run);
    environment_cancel(&p->building);
    prepare_free(p);
}


static void
prepare_free(struct prepare *prepare)
{
    cleanup_remove(prepare->installer->tools.cleanup, prepare->work);
    text_list_clear(&prepare->find_links);
    free(prepare->shared);
    free(prepare->lock);
    free(prepare->work);
    free(prepare);
}


static void
prepare_end(struct prepare *prepare, const struct error *err)
{
    struct error       why;
    struct installer  *installer;

    why = *err;
    installer = prepare->installer;
    installer->prepare = NULL;

    prepare_free(prepare);
    install_finished(installer, &why, NULL, NULL, false);
}


/* another version or interpreter in the configuration is another core */

static char *
prepare_core_title(const struct prepare *prepare)
{
    const struct config  *config;

    config = prepare->installer->tools.config;

    return mem_printf("# core: mint-sdk[server]==%s, %s\n",
                      config->environments.platform_version,
                      config->environments.python);
}


static bool
prepare_core_is_there(struct prepare *prepare)
{
    bool            is_there;
    char           *title;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    title = prepare_core_title(prepare);

    is_there = fs_read(prepare->installer->core_lock, PREPARE_LOCK_MAX, &text,
                       NULL) == 0
               && strncmp(strbuf_text(&text), title, strlen(title)) == 0;

    strbuf_free(&text);
    free(title);

    return is_there;
}


static int
prepare_core(struct prepare *prepare, struct error *err)
{
    struct resolution  resolution;

    memset(&resolution, 0, sizeof(resolution));
    resolution.name = "core";

    install_progress(prepare->installer,
                     "resolving the platform's packages (mint-sdk %s)",
                     prepare->installer->tools.config
                     ->environments.platform_version);

    return prepare_resolve(prepare, &resolution, prepare_core_done, err);
}


static int
prepare_resolve(struct prepare *prepare, struct resolution *resolution,
    command_done_fn done, struct error *err)
{
    struct command  *command;
    struct toolset  *tools;

    tools = &prepare->installer->tools;
    resolution->work = prepare->work;
    resolution->sdk_version = tools->config->environments.platform_version;

    command = resolution_command(tools, resolution, &prepare->lock,
                                 &prepare->find_links, err);

    if (command == NULL) {
        return MINT_ERR_SYSTEM;
    }

    return command_start(&prepare->run, tools->runner, &command, NULL, done,
                         prepare, err);
}


static void
prepare_core_done(void *ctx, const struct command_result *result)
{
    int              rc;
    char            *path, *title;
    struct error     err;
    struct lock      lock;
    struct strbuf    text, whole;
    struct prepare  *prepare = ctx;

    if (result->error.code != 0 || result->exit_code != 0) {
        uv_failed(result, &err, "the platform's packages cannot be resolved");
        prepare_end(prepare, &err);
        return;
    }

    memset(&text, 0, sizeof(text));
    memset(&whole, 0, sizeof(whole));
    path = mem_printf("%s/core.lock", prepare->work);
    title = prepare_core_title(prepare);

    rc = fs_read(path, PREPARE_LOCK_MAX, &text, &err);

    if (rc == 0) {
        rc = lock_parse(&lock, &text, &err);
    }

    if (rc == 0) {
        lock_clear(&lock);
        strbuf_puts(&whole, title);
        strbuf_append(&whole, strbuf_text(&text), text.len);
        rc = fs_write_atomic(prepare->installer->core_lock, whole.data,
                             whole.len, 0600, &err);
    }

    free(title);
    free(path);
    strbuf_free(&text);
    strbuf_free(&whole);

    if (rc == 0) {
        rc = prepare_platform(prepare, &err);
    }

    if (rc != 0) {
        prepare_end(prepare, &err);
    }
}


static int
prepare_platform(struct prepare *prepare, struct error *err)
{
    int      rc;
    char    *directory;
    json_t  *contents;

    contents = install_contents(prepare->shared, prepare->shared_count, NULL,
                                NULL, NULL);
    directory = environment_find(&prepare->installer->tools, "platform",
                                 prepare->installer->core_lock, contents,
                                 prepare->shared_count > 0
                                 ? prepare->shared[0]->environment : NULL);
    json_decref(contents);

    if (directory != NULL) {
        rc = prepare_adopt(prepare, directory, err);
        free(directory);
        return rc;
    }

    install_progress(prepare->installer, "building the platform environment");
    free(prepare->lock);
    prepare->lock = install_common_lock(prepare->installer, prepare->shared,
                                        prepare->shared_count,
                                        &prepare->find_links);

    return prepare->lock != NULL ? prepare_build(prepare, err)
                                 : prepare_compile(prepare, err);
}


static int
prepare_compile(struct prepare *prepare, struct error *err)
{
    int                       rc;
    size_t                    i;
    struct resolution         resolution;
    struct resolution_wheel  *wheels;

    wheels = mem_alloc(prepare->shared_count
                       * sizeof(struct resolution_wheel));

    for (i = 0; i < prepare->shared_count; i++) {
        wheels[i].distribution = prepare->shared[i]->distribution;
        wheels[i].path = prepare->shared[i]->wheel;
    }

    memset(&resolution, 0, sizeof(resolution));
    resolution.name = "platform";
    resolution.wheels = wheels;
    resolution.count = prepare->shared_count;
    resolution.prefer = prepare->installer->core_lock;
    resolution.constraints = prepare->installer->core_lock;

    rc = prepare_resolve(prepare, &resolution, prepare_compiled, err);
    free(wheels);

    return rc;
}


/* a new core that shared plugins do not fit: they stay where they are */

static void
prepare_compiled(void *ctx, const struct command_result *result)
{
    int              rc;
    struct error     err;
    struct strbuf    why;
    struct prepare  *prepare = ctx;

    memset(&why, 0, sizeof(why));

    if (uv_is_conflict(result)) {
        uv_explanation(result->output, true, &why);
        install_progress(prepare->installer, "the shared plugins stay in "
                         "their environment, they do not fit the new "
                         "platform: %s", strbuf_text(&why));
        log_warn("shared plugins do not fit the new platform environment: %s",
                 strbuf_text(&why));
        strbuf_free(&why);

        prepare_core_only(prepare);
        return;
    }

    rc = result->error.code != 0 || result->exit_code != 0
         ? uv_failed(result, &err, "the platform's packages cannot be resolved")
         : prepare_build(prepare, &err);

    if (rc != 0) {
        prepare_end(prepare, &err);
    }
}


static void
prepare_core_only(struct prepare *prepare)
{
    int           rc;
    char         *directory;
    json_t       *contents;
    struct error  err;

    prepare->core_only = true;
    text_list_clear(&prepare->find_links);
    free(prepare->lock);
    prepare->lock = mem_strdup(prepare->installer->core_lock);

    contents = json_array();
    directory = environment_find(&prepare->installer->tools, "platform",
                                 prepare->installer->core_lock, contents,
                                 NULL);
    json_decref(contents);

    rc = directory != NULL ? prepare_adopt(prepare, directory, &err)
                           : prepare_build(prepare, &err);
    free(directory);

    if (rc != 0) {
        prepare_end(prepare, &err);
    }
}


static int
prepare_build(struct prepare *prepare, struct error *err)
{
    int                       rc;
    json_t                   *contents;
    struct environment_plan   plan;

    contents = install_contents(prepare->shared,
                                prepare->core_only ? 0
                                                   : prepare->shared_count,
                                NULL, NULL, NULL);

    memset(&plan, 0, sizeof(plan));
    plan.name = "platform";
    plan.lock = prepare->lock;
    plan.find_links = &prepare->find_links;
    plan.plugins = contents;

    rc = environment_build(&prepare->building, &prepare->installer->tools,
                           &plan, prepare_building, prepare_built, prepare,
                           err);
    json_decref(contents);

    return rc;
}


static void
prepare_building(void *ctx, const char *text)
{
    struct prepare  *prepare = ctx;

    install_progress(prepare->installer, "%s", text);
}


static void
prepare_built(void *ctx, const struct error *err,
    const struct environment_made *made)
{
    struct error     why;
    struct prepare  *prepare = ctx;

    why = *err;

    if (why.code != 0) {
        error_prefix(&why, "the platform environment");

    } else if (prepare_adopt(prepare, made->directory, &why) == 0) {
        return;
    }

    prepare_end(prepare, &why);
}


static int
prepare_adopt(struct prepare *prepare, const char *directory,
    struct error *err)
{
    int  rc;

    rc = prepare->core_only
         ? 0 : registry_move(prepare->installer->registry, prepare->shared,
                             prepare->shared_count, directory, err);
    if (rc != 0) {
        return rc;
    }

    install_set_platform(prepare->installer, directory);
    prepare_plugins(prepare);

    return 0;
}


/* one plugin that cannot be helped must not keep the others from starting */

static void
prepare_plugins(struct prepare *prepare)
{
    json_t           *marker;
    struct error      why;
    struct plugin    *plugin;
    struct registry  *registry;

    registry = prepare->installer->registry;

    while (prepare->next < registry_count(registry)) {
        plugin = registry_at(registry, prepare->next++);

        if (plugin->removal != PLUGIN_STAYS) {
            continue;
        }

        if (environment_read(plugin->environment, &marker, &why) == 0) {
            json_decref(marker);
            continue;
        }

        if (plugin->mode == PLUGIN_ISOLATED
            && prepare_rebuild(prepare, plugin, &why) == 0)
        {
            return;
        }

        prepare_give_up(prepare, plugin, why.text);
    }

    memset(&why, 0, sizeof(why));
    prepare_end(prepare, &why);
}


/* why: what is wrong with the present one, or with building another */

static int
prepare_rebuild(struct prepare *prepare, struct plugin *plugin,
    struct error *why)
{
    int                       rc;
    char                     *lock;
    json_t                   *contents;
    struct toolset           *tools;
    struct text_list          find_links;
    struct environment_plan   plan;

    tools = &prepare->installer->tools;
    lock = mem_printf("%s/%s.txt", tools->locks,
                      strrchr(plugin->environment, '/') + 1);

    if (!fs_exists(lock)) {
        free(lock);
        return MINT_ERR_NOT_FOUND;
    }

    log_warn("building the environment of plugin \"%s\" again: %s",
             plugin->name, why->text);
    install_progress(prepare->installer, "building the environment of %s "
                     "again", plugin->name);

    memset(&find_links, 0, sizeof(find_links));
    resolution_find_links(&find_links, plugin->wheel, true);
    contents = install_contents(&plugin, 1, NULL, NULL, NULL);

    memset(&plan, 0, sizeof(plan));
    plan.name = plugin->name;
    plan.lock = lock;
    plan.find_links = &find_links;
    plan.plugins = contents;

    prepare->rebuilt = plugin;
    rc = environment_build(&prepare->building, tools, &plan, prepare_building,
                           prepare_rebuilt, prepare, why);

    json_decref(contents);
    text_list_clear(&find_links);
    free(lock);

    return rc;
}


static void
prepare_rebuilt(void *ctx, const struct error *err,
    const struct environment_made *made)
{
    int              rc;
    struct error     why;
    struct prepare  *prepare = ctx;

    why = *err;
    rc = why.code;

    if (rc == 0) {
        rc = registry_move(prepare->installer->registry, &prepare->rebuilt, 1,
                           made->directory, &why);
    }

    if (rc != 0) {
        prepare_give_up(prepare, prepare->rebuilt, why.text);
    }

    prepare_plugins(prepare);
}


static void
prepare_give_up(struct prepare *prepare, struct plugin *plugin,
    const char *text)
{
    char  *sentence;

    sentence = mem_printf("its environment is missing and cannot be built "
                          "again: %.600s; install its bundle again", text);
    plugin_set_state(prepare->installer->registry, plugin, PLUGIN_FAILED,
                     sentence);
    free(sentence);
}
