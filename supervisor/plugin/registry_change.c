/* SPDX-License-Identifier: MIT */
/*
 * Changes of the registry.  A change is first saved as it will be, then made
 * in memory, then told: what fails before the save has no effect at all.
 */

#include "supervisor/plugin/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/names.h"
#include "supervisor/plugin/plugin_record.h"
#include "supervisor/plugin/registry_private.h"


#define REGISTRY_TOKEN_BYTES  32


static int registry_apply(struct registry *registry,
    struct registry_change *change, struct error *err);
static int registry_prepare(struct registry *registry,
    struct registry_change *change, size_t i, struct error *err);
static void registry_stamp(struct plugin *fresh, const struct plugin *old);
static struct plugin *registry_former(const struct plugin *old,
    const struct plugin *fresh);
static json_t *registry_encode(struct registry *registry,
    const struct registry_change *change);
static const struct plugin *registry_after(const struct plugin *plugin,
    const struct registry_change *change, const char **environment);
static struct plugin *registry_commit(struct registry *registry,
    struct plugin *fresh, bool *is_new);


static const struct plugin *
registry_find_const(const struct registry *registry, const char *name)
{
    size_t  i;

    for (i = 0; i < registry->count; i++) {
        if (strcmp(registry->plugins[i]->name, name) == 0) {
            return registry->plugins[i];
        }
    }

    return NULL;
}


int
registry_next(const struct registry *registry, const char *name,
    uint32_t *id, uint32_t *uid, struct error *err)
{
    uint32_t                ignored;
    const struct plugin    *plugin;
    const struct departed  *departed;

    if (uid == NULL) {
        uid = &ignored;
    }

    plugin = registry_find_const(registry, name);

    if (plugin != NULL) {
        *id = plugin->id;
        *uid = plugin->uid;
        return 0;
    }

    departed = registry_departed_at(registry, name);
    *id = departed != NULL ? departed->id : registry->next_id;

    return registry_uid(registry, *id, uid, err);
}


/* uids belong to ids for ever: a new plugin never finds an old one's files */

int
registry_uid(const struct registry *registry, uint32_t id, uint32_t *uid,
    struct error *err)
{
    if (registry->uid_first == 0) {
        *uid = UINT32_MAX;
        return 0;
    }

    if (id - 1 > registry->uid_last - registry->uid_first) {
        return error_set(err, MINT_ERR_FULL,
                         "no uid is left for plugin number %u: plugins.uidFirst"
                         " to plugins.uidLast is %u to %u; make it longer",
                         id, registry->uid_first, registry->uid_last);
    }

    *uid = registry->uid_first + id - 1;

    return 0;
}


int
registry_put(struct registry *registry, struct plugin *fresh,
    struct plugin **out, struct error *err)
{
    int                     rc;
    char                   *name;
    struct registry_change  change;

    memset(&change, 0, sizeof(change));
    change.fresh = &fresh;
    change.count = 1;

    name = mem_strdup(fresh->name != NULL ? fresh->name : "");
    rc = registry_apply(registry, &change, err);

    if (rc == 0 && out != NULL) {
        *out = registry_find(registry, name);
    }

    free(name);

    return rc;
}


int
registry_set_stopped(struct registry *registry, struct plugin *plugin,
    bool is_stopped, struct error *err)
{
    int                  rc;
    enum plugin_removal  removal;

    removal = plugin->removal;

    if (plugin->is_stopped == is_stopped) {
        return 0;
    }

    plugin->is_stopped = is_stopped;
    plugin->removal = is_stopped ? removal : PLUGIN_STAYS;
    rc = registry_save_now(registry, err);

    if (rc != 0) {
        plugin->is_stopped = !is_stopped;
        plugin->removal = removal;

    } else if (!is_stopped) {
        plugin->is_leaving = false;
        plugin->ended_boot_ms = 0;
    }

    return rc;
}


static void
registry_swap_reason(struct plugin *plugin, struct plugin *fresh)
{
    bool     is_forced;
    char    *reason;
    json_t  *details, *verdict;

    is_forced = plugin->is_forced;
    reason = plugin->reason;
    details = plugin->details;
    verdict = plugin->verdict;

    plugin->is_forced = fresh->is_forced;
    plugin->reason = fresh->reason;
    plugin->details = fresh->details;
    plugin->verdict = fresh->verdict;

    fresh->is_forced = is_forced;
    fresh->reason = reason;
    fresh->details = details;
    fresh->verdict = verdict;
}


int
registry_set_reason(struct registry *registry, struct plugin *plugin,
    struct plugin *fresh, struct error *err)
{
    int  rc;

    registry_swap_reason(plugin, fresh);
    rc = registry_save_now(registry, err);

    if (rc != 0) {
        registry_swap_reason(plugin, fresh);
    }

    return rc;
}


int
registry_forget_former(struct registry *registry, struct plugin *plugin,
    struct error *err)
{
    int             rc;
    struct plugin  *former;

    former = plugin->former;
    plugin->former = NULL;
    rc = registry_save_now(registry, err);

    if (rc != 0) {
        plugin->former = former;
        return rc;
    }

    plugin_free(&former);

    return 0;
}


int
registry_put_all(struct registry *registry, struct plugin **fresh,
    size_t count, struct error *err)
{
    struct registry_change  change;

    memset(&change, 0, sizeof(change));
    change.fresh = fresh;
    change.count = count;

    return registry_apply(registry, &change, err);
}


int
registry_put_shared(struct registry *registry, struct plugin *fresh,
    struct plugin **out, struct error *err)
{
    int                      rc;
    char                    *name, *environment;
    size_t                   i;
    struct plugin          **moved;
    struct registry_change   change;

    name = mem_strdup(fresh->name != NULL ? fresh->name : "");
    environment = mem_strdup(fresh->environment != NULL ? fresh->environment
                                                        : "");
    moved = mem_grow(NULL, registry->count + 1, sizeof(struct plugin *));

    memset(&change, 0, sizeof(change));
    change.fresh = &fresh;
    change.count = 1;
    change.moved = moved;
    change.environment = environment;

    for (i = 0; i < registry->count; i++) {
        if (registry->plugins[i]->mode == PLUGIN_SHARED
            && strcmp(registry->plugins[i]->name, name) != 0)
        {
            moved[change.moved_count++] = registry->plugins[i];
        }
    }

    rc = registry_apply(registry, &change, err);

    if (rc == 0 && out != NULL) {
        *out = registry_find(registry, name);
    }

    free(moved);
    free(environment);
    free(name);

    return rc;
}


int
registry_move(struct registry *registry, struct plugin *const *plugins,
    size_t count, const char *environment, struct error *err)
{
    bool                    moves;
    size_t                  i;
    struct registry_change  change;

    memset(&change, 0, sizeof(change));
    change.moved = plugins;
    change.moved_count = count;
    change.environment = environment;
    moves = false;

    for (i = 0; i < count; i++) {
        moves = moves || strcmp(plugins[i]->environment, environment) != 0;
    }

    return moves ? registry_apply(registry, &change, err) : 0;
}


static int
registry_apply(struct registry *registry, struct registry_change *change,
    struct error *err)
{
    int              rc;
    bool             is_new;
    size_t           i;
    struct plugin   *plugin;

    change->next_id = registry->next_id;
    rc = 0;

    for (i = 0; i < change->count && rc == 0; i++) {
        rc = registry_prepare(registry, change, i, err);
    }

    if (rc == 0) {
        rc = registry_save(registry, change, err);
    }

    if (rc != 0) {
        return rc;
    }

    registry->next_id = change->next_id;

    for (i = 0; i < change->moved_count; i++) {
        free(change->moved[i]->environment);
        change->moved[i]->environment = mem_strdup(change->environment);
    }

    for (i = 0; i < change->count; i++) {
        plugin = registry_commit(registry, change->fresh[i], &is_new);
        registry_tell(registry, is_new ? REGISTRY_ADDED : REGISTRY_REPLACED,
                      plugin);
    }

    return 0;
}


/* gives a fresh plugin what only the registry knows: id, uid, token, time */

static int
registry_prepare(struct registry *registry, struct registry_change *change,
    size_t i, struct error *err)
{
    int                     rc;
    char                    token[REGISTRY_TOKEN_BYTES * 2 + 1];
    struct plugin          *fresh;
    const struct plugin    *old;
    const struct departed  *departed;

    fresh = change->fresh[i];
    rc = plugin_record_check(fresh, err);

    if (rc == 0) {
        rc = registry_check_unique(registry->plugins, registry->count, fresh,
                                   err);
    }

    if (rc == 0) {
        rc = registry_check_unique(change->fresh, i, fresh, err);
    }

    if (rc == 0) {
        rc = registry_departed_check(registry, fresh->name, err);
    }

    if (rc != 0) {
        return rc;
    }

    old = registry_find(registry, fresh->name);
    departed = registry_departed_at(registry, fresh->name);
    fresh->id = old != NULL ? old->id
                : departed != NULL ? departed->id : change->next_id;

    if (old != NULL) {
        fresh->uid = old->uid;
        fresh->is_stopped = old->is_stopped;
        fresh->removal = old->removal;
        fresh->former = registry_former(old, fresh);
        snprintf(token, sizeof(token), "%s", old->token);

    } else {
        rc = registry_uid(registry, fresh->id, &fresh->uid, err);
        fs_random_hex(token, REGISTRY_TOKEN_BYTES);
        change->next_id += departed == NULL;
    }

    if (fresh->token != NULL) {
        explicit_bzero(fresh->token, strlen(fresh->token));
        free(fresh->token);
    }

    fresh->token = mem_strdup(token);
    explicit_bzero(token, sizeof(token));

    registry_stamp(fresh, old);

    return rc;
}


/* its processes are told from those of other records by this time, also where
   two come within a millisecond, or the clock was set back */

static void
registry_stamp(struct plugin *fresh, const struct plugin *old)
{
    fresh->registered_unix_ms = time_unix_ms();

    if (old != NULL && fresh->registered_unix_ms <= old->registered_unix_ms) {
        fresh->registered_unix_ms = old->registered_unix_ms + 1;
    }

    if (fresh->installed_unix_ms == 0) {
        fresh->installed_unix_ms = fresh->registered_unix_ms;
    }
}


/* a version that has never served is nothing to go back to, nor is one below
   another prefix: it was stopped for that */

static struct plugin *
registry_former(const struct plugin *old, const struct plugin *fresh)
{
    if (strcmp(old->routes_prefix, fresh->routes_prefix) != 0) {
        return NULL;
    }

    if (old->former != NULL) {
        return plugin_record_copy(old->former);
    }

    switch (old->state) {

    case PLUGIN_READY:
    case PLUGIN_UPGRADING:
    case PLUGIN_RESISTING:
        return plugin_record_copy(old);

    case PLUGIN_STOPPED:
        /* asleep or drained: it may have served an earlier supervisor */
        return old->has_served || !old->is_stopped ? plugin_record_copy(old)
                                                   : NULL;

    default:
        return old->has_served ? plugin_record_copy(old) : NULL;
    }
}


int
registry_check_unique(struct plugin *const *others, size_t count,
    const struct plugin *plugin, struct error *err)
{
    size_t                i;
    const char           *what;
    const struct plugin  *other;

    for (i = 0; i < count; i++) {
        other = others[i];

        if (strcmp(other->name, plugin->name) == 0) {
            continue;
        }

        if (names_same_distribution(other->distribution,
                                    plugin->distribution))
        {
            what = "distribution";

        } else if (strcmp(other->routes_prefix, plugin->routes_prefix) == 0) {
            what = "routes prefix";

        } else {
            continue;
        }

        return error_set(err, MINT_ERR_CONFLICT,
                         "plugin \"%s\" has the %s of plugin \"%s\"",
                         plugin->name, what, other->name);
    }

    return 0;
}


int
registry_save_now(struct registry *registry, struct error *err)
{
    struct registry_change  change;

    memset(&change, 0, sizeof(change));
    change.next_id = registry->next_id;

    return registry_save(registry, &change, err);
}


int
registry_save(struct registry *registry,
    const struct registry_change *change, struct error *err)
{
    int      rc;
    char    *text;
    size_t   i, len;
    json_t  *root, *list;

    root = registry_encode(registry, change);
    text = json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    list = json_object_get(root, "plugins");

    for (i = 0; i < json_array_size(list); i++) {
        plugin_record_wipe(json_array_get(list, i));
    }

    json_decref(root);

    if (text == NULL) {
        return error_set(err, MINT_ERR_INVALID,
                         "the plugin's texts are not valid UTF-8");
    }

    /* what could not be read again would keep the supervisor from starting */

    len = strlen(text);
    rc = len <= REGISTRY_FILE_MAX
         ? fs_write_atomic(registry->path, text, len, 0600, err)
         : error_set(err, MINT_ERR_FULL, "the registry would be longer than "
                     "%d bytes", REGISTRY_FILE_MAX);

    explicit_bzero(text, len);
    free(text);

    return rc;
}


/* the registry as it will be after the change */

static json_t *
registry_encode(struct registry *registry,
    const struct registry_change *change)
{
    size_t                i;
    json_t               *root, *list;
    const char           *environment;
    const struct plugin  *plugin;

    list = json_array();

    for (i = 0; i < registry->count; i++) {
        if (registry->plugins[i] == change->removed) {
            continue;
        }

        plugin = registry_after(registry->plugins[i], change, &environment);
        json_array_append_new(list, plugin_record_encode(plugin,
                                                         environment));
    }

    for (i = 0; i < change->count; i++) {
        if (registry_find(registry, change->fresh[i]->name) == NULL) {
            json_array_append_new(list,
                                  plugin_record_encode(change->fresh[i],
                                                       NULL));
        }
    }

    root = json_object();
    json_object_set_new(root, "format", json_integer(REGISTRY_FORMAT));
    json_object_set_new(root, "next_id", json_integer(change->next_id));
    json_object_set_new(root, "plugins", list);
    json_object_set_new(root, "departed",
                        registry_departed_encode(registry, change));

    return root;
}


static const struct plugin *
registry_after(const struct plugin *plugin,
    const struct registry_change *change, const char **environment)
{
    size_t  i;

    *environment = NULL;

    for (i = 0; i < change->count; i++) {
        if (strcmp(change->fresh[i]->name, plugin->name) == 0) {
            return change->fresh[i];
        }
    }

    for (i = 0; i < change->moved_count; i++) {
        if (change->moved[i] == plugin) {
            *environment = change->environment;
        }
    }

    return plugin;
}


/* by id: one that was uninstalled comes back with the one it had */

static void
registry_insert(struct registry *registry, struct plugin *plugin, uint32_t id)
{
    size_t  i;

    registry->plugins = mem_grow(registry->plugins, registry->count + 1,
                                 sizeof(struct plugin *));

    for (i = registry->count++; i > 0 && registry->plugins[i - 1]->id > id;
         i--)
    {
        registry->plugins[i] = registry->plugins[i - 1];
    }

    registry->plugins[i] = plugin;
}


/* the struct of an installed plugin stays where it is: others point to it */

static struct plugin *
registry_commit(struct registry *registry, struct plugin *fresh,
    bool *is_new)
{
    struct plugin  *plugin, was;

    plugin = registry_find(registry, fresh->name);
    *is_new = plugin == NULL;
    memset(&was, 0, sizeof(was));
    was.state = PLUGIN_REGISTERED;

    if (plugin != NULL) {
        was = *plugin;
        plugin_clear(plugin);

    } else {
        plugin = mem_alloc(sizeof(struct plugin));
        registry_insert(registry, plugin, fresh->id);
        registry_departed_drop(registry, fresh->name);
    }

    *plugin = *fresh;
    plugin->state = was.state;
    plugin->process = was.process;
    plugin->ended_boot_ms = was.ended_boot_ms;
    plugin->is_leaving = was.is_leaving;
    plugin->error = NULL;

    memset(fresh, 0, sizeof(struct plugin));

    return plugin;
}
