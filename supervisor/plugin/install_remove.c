/* SPDX-License-Identifier: MIT */
/*
 * Taking a plugin out: one save of the registry.  Its environment and its kept
 * wheel are collected like everything that nobody needs any more.
 */

#include "supervisor/plugin/install_private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/strbuf.h"


static void install_forget_lock(struct installer *installer,
    const struct plugin *plugin);


int
install_remove(struct installer *installer, const char *name,
    struct error *err)
{
    int             rc;
    struct plugin  *plugin;

    plugin = registry_find(installer->registry, name);

    if (plugin == NULL) {
        return error_set(err, MINT_ERR_NOT_FOUND, "no plugin \"%s\" is "
                         "installed any more", name);
    }

    /* an order to start it may have come while this waited in line */

    if (plugin->removal == PLUGIN_STAYS
        || (installer->has_ended != NULL && !installer->has_ended(plugin)))
    {
        return error_set(err, MINT_ERR_CONFLICT, "plugin \"%s\" was started "
                         "again and is not uninstalled", name);
    }

    /* so may what needs it for a moment, as a start of all plugins does */

    if (installer->is_quiet != NULL && !installer->is_quiet(plugin)) {
        return error_set(err, MINT_ERR_BUSY, "something of plugin \"%s\" is "
                         "still under way", name);
    }

    install_forget_lock(installer, plugin);
    rc = registry_remove(installer->registry, plugin, err);

    if (rc != 0) {
        return error_prefix(err, "plugin \"%s\" is stopped, but not "
                            "uninstalled", name);
    }

    log_info("plugin \"%s\" is uninstalled", name);

    return 0;
}


/* the copy that a lost shared environment would be built from names the
   plugin's kept wheel, which goes: the others would be resolved anew then */

static void
install_forget_lock(struct installer *installer, const struct plugin *plugin)
{
    char  *path;

    if (plugin->mode != PLUGIN_SHARED) {
        return;
    }

    path = mem_printf("%s/%s.txt", installer->tools.locks,
                      strrchr(plugin->environment, '/') + 1);
    unlink(path);
    free(path);
}
