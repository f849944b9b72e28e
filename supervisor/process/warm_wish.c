/* SPDX-License-Identifier: MIT */
/*
 * Which warm interpreter is wanted: of which environment, with what in reach.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "warm_private.h"


bool
warm_has(const char *environment, const struct plugin *plugin)
{
    return plugin->mode == PLUGIN_SHARED && plugin->environment != NULL
           && environment != NULL
           && strcmp(plugin->environment, environment) == 0;
}


/*
 * The last uid of the range, which is the last that a plugin gets: code of the
 * environment runs here, too, and must not have a user who reads the store.
 */

uint32_t
warm_uid(const struct warm *warm)
{
    return warm->layout->has_uids ? (uint32_t) warm->config->plugins.uid_last
                                  : warm->layout->own_uid;
}


static bool
warm_has_uid(struct warm *warm)
{
    size_t  i;

    for (i = 0; i < registry_count(warm->registry)
                && warm->layout->has_uids; i++)
    {
        if (registry_at(warm->registry, i)->uid == warm_uid(warm)) {
            if (!warm->is_refused) {
                log_warn("plugins are not forked: no uid is left for the warm "
                         "interpreter; make plugins.uidLast greater");
            }

            warm->is_refused = true;
            return false;
        }
    }

    return true;
}


/* that of the shared plugin installed last: all others move with it */

static const char *
warm_environment(struct warm *warm)
{
    size_t          i;
    struct plugin  *plugin, *last;

    last = NULL;

    for (i = 0; i < registry_count(warm->registry); i++) {
        plugin = registry_at(warm->registry, i);

        if (plugin->mode == PLUGIN_SHARED && plugin->environment != NULL
            && (last == NULL
                || plugin->registered_unix_ms >= last->registered_unix_ms))
        {
            last = plugin;
        }
    }

    return last != NULL && warm->config->plugins.warm_start
           && !warm->config->plugins.shared_process
           && warm_has_uid(warm) ? last->environment : NULL;
}


/* what one of its plugins may reach all of them must be able to: the sandbox
   of a forked process lies within this one */

static void
warm_confine(struct warm *warm)
{
    char                        *data, *tmp[2];
    size_t                       i, k;
    struct plugin               *plugin;
    const struct config_limits  *limits;

    confinement_begin(&warm->confinement, warm->config, warm->layout,
                      warm->environment);
    confinement_admit(&warm->confinement, &warm->config->plugins.limits, NULL,
                      warm->tmp);

    for (i = 0; i < registry_count(warm->registry); i++) {
        plugin = registry_at(warm->registry, i);

        if (!warm_has(warm->environment, plugin)) {
            continue;
        }

        limits = config_limits_of(warm->config, plugin->name);
        data = layout_data(warm->layout, plugin->name);
        tmp[0] = layout_seat_tmp(warm->layout, plugin->name, "0a");
        tmp[1] = layout_seat_tmp(warm->layout, plugin->name, "0b");

        for (k = 0; k < 2; k++) {
            confinement_admit(&warm->confinement, limits, data, tmp[k]);
            free(tmp[k]);
        }

        free(data);
    }
}


static uint64_t
warm_mix(uint64_t hash, const void *data, size_t len)
{
    size_t                i;
    const unsigned char  *bytes;

    bytes = data;

    for (i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * 1099511628211ULL;
    }

    return hash;
}


/* a new plugin host lies in a new directory */

static void
warm_make_key(struct warm *warm)
{
    char         *host;
    size_t        i;
    uint64_t      hash;
    const char   *slash, *item;
    struct stat   st;

    hash = 14695981039346656037ULL;
    host = mem_printf("%s/plugin_host/mint_plugin_host",
                      warm->config->server.program_directory);

    if (stat(host, &st) == 0) {
        hash = warm_mix(hash, &st.st_ino, sizeof(st.st_ino));
        hash = warm_mix(hash, &st.st_mtim, sizeof(st.st_mtim));
    }

    free(host);

    for (i = 0; i < warm->confinement.allow.count; i++) {
        item = warm->confinement.allow.item[i];
        hash = warm_mix(hash, item, strlen(item) + 1);
    }

    slash = strrchr(warm->environment, '/');
    snprintf(warm->key, sizeof(warm->key), "%.64s/%016llx",
             slash != NULL ? slash + 1 : warm->environment,
             (unsigned long long) hash);
}


void
warm_want(struct warm *warm)
{
    const char  *environment;

    environment = warm_environment(warm);

    free(warm->environment);
    warm->environment = environment != NULL ? mem_strdup(environment) : NULL;
    warm->key[0] = '\0';

    if (warm->environment != NULL) {
        warm_confine(warm);
        warm_make_key(warm);
    }
}
