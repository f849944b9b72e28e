/* SPDX-License-Identifier: MIT */
/*
 * Which steps between the states of a plugin are allowed, and the words for
 * states and modes.  The setter itself is in registry.c, with the listeners.
 */

#include "supervisor/plugin/plugin_state.h"

#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"


#define REG   (1U << PLUGIN_REGISTERED)
#define INST  (1U << PLUGIN_INSTALLING)
#define MIG   (1U << PLUGIN_MIGRATING)
#define INIT  (1U << PLUGIN_INITIALIZING)
#define RDY   (1U << PLUGIN_READY)
#define UPG   (1U << PLUGIN_UPGRADING)
#define RES   (1U << PLUGIN_RESISTING)
#define WAIT  (1U << PLUGIN_WAITING)
#define STOP  (1U << PLUGIN_STOPPED)
#define FAIL  (1U << PLUGIN_FAILED)
#define UNIN  (1U << PLUGIN_UNINSTALLING)


/*
 * From each state, the states that may follow.  READY, UPGRADING and
 * RESISTING follow REGISTERED when a new supervisor adopts a process that has
 * been running all the time; READY follows STOPPED when a plugin is wanted
 * again before it has left the process that it shares with others; UNINSTALLING
 * is followed by whatever its processes do when it is started after all.
 */

static const struct {
    const char  *name;
    unsigned     next;
} plugin_states[PLUGIN_STATE_COUNT] = {

    [PLUGIN_REGISTERED] =
        { "registered",
          INST | MIG | INIT | RDY | UPG | RES | WAIT | STOP | FAIL | UNIN },

    [PLUGIN_INSTALLING] =
        { "installing", REG | MIG | INIT | WAIT | STOP | FAIL | UNIN },

    [PLUGIN_MIGRATING] =
        { "migrating", INIT | RES | WAIT | STOP | FAIL | UNIN },

    [PLUGIN_INITIALIZING] =
        { "initializing", MIG | RDY | UPG | RES | WAIT | STOP | FAIL | UNIN },

    [PLUGIN_READY] =
        { "ready", INIT | UPG | RES | WAIT | STOP | FAIL | UNIN },

    [PLUGIN_UPGRADING] =
        { "upgrading", MIG | INIT | RDY | RES | WAIT | STOP | FAIL | UNIN },

    [PLUGIN_RESISTING] =
        { "resisting", INIT | RDY | UPG | STOP | FAIL | UNIN },

    [PLUGIN_WAITING] =
        { "waiting", MIG | INIT | UPG | STOP | FAIL | UNIN },

    [PLUGIN_STOPPED] =
        { "stopped", INST | MIG | INIT | RDY | UPG | WAIT | FAIL | UNIN },

    [PLUGIN_FAILED] =
        { "failed", INST | MIG | INIT | UPG | WAIT | STOP | UNIN },

    [PLUGIN_UNINSTALLING] =
        { "uninstalling", MIG | INIT | RDY | UPG | RES | WAIT | STOP | FAIL },
};


bool
plugin_state_may_follow(enum plugin_state from, enum plugin_state to)
{
    if ((unsigned) from >= PLUGIN_STATE_COUNT
        || (unsigned) to >= PLUGIN_STATE_COUNT)
    {
        return false;
    }

    return (plugin_states[from].next >> to & 1U) != 0;
}


const char *
plugin_state_name(enum plugin_state state)
{
    if ((unsigned) state >= PLUGIN_STATE_COUNT) {
        return "unknown";
    }

    return plugin_states[state].name;
}


const char *
plugin_mode_name(enum plugin_mode mode)
{
    switch (mode) {

    case PLUGIN_SHARED:
        return "shared";

    case PLUGIN_ISOLATED:
        return "isolated";
    }

    return "unknown";
}


static const char *const  plugin_removals[PLUGIN_REMOVAL_COUNT] = {
    [PLUGIN_STAYS] = "stays",
    [PLUGIN_KEEP] = "keep",
    [PLUGIN_PURGE] = "purge"
};


const char *
plugin_removal_name(enum plugin_removal removal)
{
    return (unsigned) removal < PLUGIN_REMOVAL_COUNT
           ? plugin_removals[removal] : "unknown";
}


enum plugin_removal
plugin_removal_of(const char *name)
{
    unsigned  i;

    for (i = PLUGIN_KEEP; name != NULL && i < PLUGIN_REMOVAL_COUNT; i++) {
        if (strcmp(plugin_removals[i], name) == 0) {
            return (enum plugin_removal) i;
        }
    }

    return PLUGIN_STAYS;
}


void
plugin_set_list_error(struct plugin *plugin, const char *text)
{
    char  *copy;

    copy = text != NULL ? mem_strdup(text) : NULL;
    free(plugin->list_error);
    plugin->list_error = copy;
}
