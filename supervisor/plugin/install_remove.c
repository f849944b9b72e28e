/* SPDX-License-Identifier: MIT */
/*
 * Taking a plugin out: one save of the registry.  Its environment and its kept
 * wheel are collected like everything that nobody needs any more.
 */

#include "supervisor/plugin/install_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/strbuf.h"


static char *install_lock_of(const struct installer *installer,
    const struct plugin *plugin);
static int install_take_out(struct installer *installer,
    struct plugin *plugin, struct error *err);


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

    rc = install_take_out(installer, plugin, err);

    if (rc != 0) {
        return error_prefix(err, "plugin \"%s\" is stopped, but not "
                            "uninstalled", name);
    }

    log_info("plugin \"%s\" is uninstalled", name);

    return 0;
}


/*
 * The copy that a lost shared environment would be built from names the
 * plugin's kept wheel, which goes: the others would be resolved anew then.
 * Put aside first: a kill may cost the copy, and never leave one that nothing
 * can be built from.
 */

static int
install_take_out(struct installer *installer, struct plugin *plugin,
    struct error *err)
{
    int    rc;
    bool   is_aside;
    char  *lock, *aside;

    lock = install_lock_of(installer, plugin);
    aside = mem_printf("%s.old", lock);
    is_aside = plugin->mode == PLUGIN_SHARED && rename(lock, aside) == 0;
    rc = registry_remove(installer->registry, plugin, err);

    if (is_aside && rc == 0) {
        unlink(aside);

    } else if (is_aside && rename(aside, lock) == -1) {
        log_warn("\"%s\" is left behind: it cannot be renamed", aside);
    }

    free(aside);
    free(lock);

    return rc;
}


static char *
install_lock_of(const struct installer *installer,
    const struct plugin *plugin)
{
    return mem_printf("%s/%s.txt", installer->tools.locks,
                      strrchr(plugin->environment, '/') + 1);
}
