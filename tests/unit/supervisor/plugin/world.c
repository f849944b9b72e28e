/* SPDX-License-Identifier: MIT */
/*
 * See world.h.
 */

#include "world.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "real_runner.h"


#define WORLD_DEADLINE_SEC  240


static void
world_told(void *ctx, enum registry_event event, struct plugin *plugin)
{
    struct world  *world = ctx;

    (void) plugin;

    world->added += event == REGISTRY_ADDED;
    world->changed += event == REGISTRY_REPLACED;
}


static void
world_start(struct world *world)
{
    ck_assert_msg(registry_open(&world->registry, world->config.server
                                .data_path,
                                (uint32_t) world->config.plugins.uid_first,
                                (uint32_t) world->config.plugins.uid_last,
                                &world->err) == 0, "%s", world->err.text);
    registry_subscribe(world->registry, world_told, world);
    ck_assert_msg(installer_open(&world->installer, world->base,
                                 &world->config, world->registry,
                                 &world->runner, &world->err) == 0, "%s",
                  world->err.text);
}


void
world_open(struct world *world, uint32_t first, uint32_t last)
{
    char         root[4096];
    const char  *uv, *python;

    memset(world, 0, sizeof(struct world));
    uv = getenv("MINT_TEST_UV");
    python = getenv("MINT_TEST_PYTHON");

    world->directory = fixture_directory();
    world->config.server.data_path = mem_printf("%s/data", world->directory);
    world->config.server.program_directory =
        mem_strdup(getcwd(root, sizeof(root)));
    world->config.environments.uv = mem_strdup(uv != NULL ? uv : "/fake/uv");
    world->config.environments.python =
        mem_strdup(python != NULL ? python : "/fake/python");
    world->config.environments.cache_directory =
        getenv("UV_CACHE_DIR") != NULL
        ? mem_strdup(getenv("UV_CACHE_DIR"))
        : mem_printf("%s/cache", world->directory);
    world->config.environments.platform_version = mem_strdup("1.2.10");
    world->config.plugins.venv_directory =
        mem_printf("%s/venvs", world->config.server.data_path);
    world->config.plugins.capacity = 256;
    world->config.plugins.uid_first = first;
    world->config.plugins.uid_last = last;

    ck_assert_int_eq(chmod(world->directory, 0755), 0);
    ck_assert_int_eq(mkdir(world->config.server.data_path, 0711), 0);
    ck_assert_int_eq(chmod(world->config.server.data_path, 0711), 0);

    world->base = event_base_new();
    real_runner_init(&world->runner, world->base);
    world_start(world);
}


void
world_restart(struct world *world)
{
    installer_free(&world->installer);
    registry_free(&world->registry);
    world_start(world);
}


void
world_close(struct world *world)
{
    installer_free(&world->installer);
    registry_free(&world->registry);
    event_base_free(world->base);

    free(world->config.server.data_path);
    free(world->config.server.program_directory);
    free(world->config.environments.uv);
    free(world->config.environments.python);
    free(world->config.environments.cache_directory);
    free(world->config.environments.platform_version);
    free(world->config.plugins.venv_directory);
    free(world->replaced);
    json_decref(world->plan);
    strbuf_free(&world->progress);
    fixture_remove(world->directory);
}


static void
world_progress(void *ctx, const char *text)
{
    struct world  *world = ctx;

    strbuf_printf(&world->progress, "%s\n", text);
}


static void
world_done(void *ctx, const struct error *err, struct plugin *plugin,
    const char *replaced, bool unchanged)
{
    struct world  *world = ctx;

    ck_assert(!world->is_done);
    world->is_done = true;
    world->err = *err;
    world->plugin = plugin;
    world->replaced = replaced != NULL ? mem_strdup(replaced) : NULL;
    world->unchanged = unchanged;
    event_base_loopbreak(world->base);
}


static void
world_planned(void *ctx, const struct error *err, json_t *plan)
{
    struct world  *world = ctx;

    ck_assert(!world->is_done);
    world->is_done = true;
    world->err = *err;
    world->plan = json_incref(plan);
    event_base_loopbreak(world->base);
}


static void
world_too_late(evutil_socket_t fd, short events, void *ctx)
{
    (void) fd;
    (void) events;
    (void) ctx;

    ck_abort_msg("no answer");
}


static int
world_run(struct world *world)
{
    struct event    *timer;
    struct timeval   deadline = { .tv_sec = WORLD_DEADLINE_SEC };

    timer = evtimer_new(world->base, world_too_late, world);
    evtimer_add(timer, &deadline);

    while (!world->is_done) {
        ck_assert_int_ge(event_base_dispatch(world->base), 0);
    }

    event_free(timer);

    return world->err.code;
}


static void
world_reset(struct world *world)
{
    world->is_done = false;
    free(world->replaced);
    world->replaced = NULL;
    world->plugin = NULL;
    json_decref(world->plan);
    world->plan = NULL;
    world->added = 0;
    world->changed = 0;
    strbuf_clear(&world->progress);
}


int
world_prepare(struct world *world)
{
    world_reset(world);
    installer_prepare(world->installer, world_progress, world_done, world);

    return world_run(world);
}


int
world_install(struct world *world, const char *bundle, bool force)
{
    world_reset(world);
    installer_install(world->installer, bundle, force, world_progress,
                      world_done, world);

    return world_run(world);
}


int
world_plan(struct world *world, const char *bundle, bool force)
{
    world_reset(world);
    installer_plan(world->installer, bundle, force, world_progress,
                   world_planned, world);

    return world_run(world);
}


int
world_remove(struct world *world, const char *name)
{
    world_reset(world);
    installer_remove(world->installer, name, world_done, world);

    return world_run(world);
}


void
world_abandon(struct world *world)
{
    installer_plan_abandon(world->installer, world);
}


void
world_settle(struct world *world)
{
    ck_assert_int_ge(event_base_dispatch(world->base), 0);
}


unsigned
world_count(struct world *world, const char *folder, const char *prefix)
{
    DIR            *list;
    char           *path;
    unsigned        count;
    struct dirent  *entry;

    count = 0;
    path = mem_printf("%s/%s", world->config.server.data_path, folder);
    list = opendir(path);

    while (list != NULL && (entry = readdir(list)) != NULL) {
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0
                 && strcmp(entry->d_name, ".") != 0
                 && strcmp(entry->d_name, "..") != 0;
    }

    if (list != NULL) {
        closedir(list);
    }

    free(path);

    return count;
}
