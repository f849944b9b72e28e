/* SPDX-License-Identifier: MIT */
/*
 * What is in use, for people who look: links.  What nobody uses any more:
 * environments are removed after a while, kept wheels at once.
 */

#include "supervisor/plugin/install_private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/environment.h"
#include "supervisor/plugin/keep.h"


/*
 * A change that was wrong is taken back without building anything, and who
 * looks into an environment by hand is not surprised; a day of installing one
 * plugin after the other, each of which makes a shared environment, does not
 * fill the disk.
 */
#define INSTALL_GRACE_SEC  3600

#define INSTALL_LOCK_SUFFIX  ".txt"


static void install_collect_environment(struct installer *installer,
    const char *path);
static void install_collect_locks(struct installer *installer);
static bool install_is_needed(struct installer *installer,
    const char *directory);


/* until a new version has proved itself the former one is in use; before the
   platform's environment is there nothing is known */

void
install_link(evutil_socket_t fd, short events, void *ctx)
{
    size_t                i, count;
    struct installer     *installer = ctx;
    struct venv_link     *wanted;
    const struct plugin  *plugin;

    (void) fd;
    (void) events;

    if (installer->platform == NULL) {
        return;
    }

    count = registry_count(installer->registry);
    wanted = mem_alloc((count + 1) * sizeof(struct venv_link));
    wanted[count].name = "platform";
    wanted[count].environment = installer->platform;

    for (i = 0; i < count; i++) {
        plugin = registry_at(installer->registry, i);
        wanted[i].name = plugin->name;
        wanted[i].environment = plugin->former != NULL
                                ? plugin->former->environment
                                : plugin->environment;
    }

    venv_links_set(installer->links, wanted, count + 1);
    free(wanted);
}


void
installer_collect(struct installer *installer,
    bool (*in_use)(void *ctx, const char *directory), void *ctx)
{
    size_t             i;
    const char        *path;
    struct text_list   all;

    /* what is being built or decided now may look unused */

    if (installer->is_running || installer->first != NULL
        || installer->platform == NULL)
    {
        return;
    }

    evtimer_add(installer->relink, &install_soon);

    memset(&all, 0, sizeof(all));
    environment_list_all(installer->tools.environments, &all);

    for (i = 0; i < all.count; i++) {
        path = all.item[i];

        if (strcmp(path, installer->platform) == 0
            || install_is_needed(installer, path) || in_use(ctx, path))
        {
            environment_set_used(path);

        } else {
            install_collect_environment(installer, path);
        }
    }

    text_list_clear(&all);
    install_collect_locks(installer);
    environment_list_all(installer->tools.bundles, &all);

    for (i = 0; i < all.count; i++) {
        if (!install_is_needed(installer, all.item[i])) {
            keep_discard(&installer->tools, all.item[i]);
        }
    }

    text_list_clear(&all);
}


/* what is not whole nobody can want back */

static void
install_collect_environment(struct installer *installer, const char *path)
{
    json_t  *marker;

    if (environment_read(path, &marker, NULL) == 0) {
        json_decref(marker);

        if (environment_unused_sec(path) < INSTALL_GRACE_SEC) {
            return;
        }
    }

    log_info("environment \"%s\" is not used any more, removing it", path);
    environment_discard(&installer->tools, path);
}


/* a kill between a lock and its environment leaves the lock; one that was lost
   is built again from it, if somebody needs it */

static void
install_collect_locks(struct installer *installer)
{
    int                len;
    char              *environment;
    size_t             i;
    const char        *name;
    struct text_list   all;

    memset(&all, 0, sizeof(all));
    environment_list_all(installer->tools.locks, &all);

    for (i = 0; i < all.count; i++) {
        name = strrchr(all.item[i], '/') + 1;
        len = (int) strlen(name) - (int) strlen(INSTALL_LOCK_SUFFIX);

        if (len <= 0 || strcmp(name + len, INSTALL_LOCK_SUFFIX) != 0) {
            continue;
        }

        environment = mem_printf("%s/%.*s", installer->tools.environments, len,
                                 name);

        if (!fs_exists(environment)
            && strcmp(environment, installer->platform) != 0
            && !install_is_needed(installer, environment))
        {
            unlink(all.item[i]);
        }

        free(environment);
    }

    text_list_clear(&all);
}


/* an environment of a plugin, or the directory of its kept wheel */

static bool
install_is_of(const struct plugin *plugin, const char *directory)
{
    size_t  len;

    len = strlen(directory);

    return strcmp(plugin->environment, directory) == 0
           || (strncmp(plugin->wheel, directory, len) == 0
               && plugin->wheel[len] == '/');
}


static bool
install_is_needed(struct installer *installer, const char *directory)
{
    size_t                i;
    const struct plugin  *plugin;

    for (i = 0; i < registry_count(installer->registry); i++) {
        plugin = registry_at(installer->registry, i);

        if (install_is_of(plugin, directory)
            || (plugin->former != NULL
                && install_is_of(plugin->former, directory)))
        {
            return true;
        }
    }

    return false;
}
