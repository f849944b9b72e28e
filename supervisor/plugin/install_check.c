/* SPDX-License-Identifier: MIT */
/*
 * Between a wheel and the registry: may it have its name, is it there already,
 * and what of it is registered.
 */

#include "supervisor/plugin/install_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/environment.h"
#include "supervisor/plugin/fit.h"
#include "supervisor/plugin/keep.h"
#include "supervisor/plugin/names.h"


/* what is going, or has left something that is to go, is waited for; what it
   has left is for its own package alone */

static int
install_check_removal(struct registry *registry, const struct wheel *wheel,
    const struct plugin *other, struct error *err)
{
    const char             *name;
    const struct departed  *departed;

    name = wheel->plugin_name;
    departed = registry_departed_named(registry, name);

    if (other != NULL && other->removal != PLUGIN_STAYS) {
        return error_set(err, MINT_ERR_CONFLICT, "plugin \"%s\" is being "
                         "uninstalled; wait until it is gone, or keep it by "
                         "\"mintctl start %s\"", name, name);
    }

    if (departed != NULL && departed->is_purged) {
        return error_set(err, MINT_ERR_CONFLICT, "what an uninstalled plugin "
                         "\"%s\" has left is not removed yet; \"mintctl "
                         "uninstall %s --mode purge\" says why", name, name);
    }

    if (departed != NULL
        && !names_same_distribution(departed->distribution,
                                    wheel->distribution))
    {
        return error_set(err, MINT_ERR_CONFLICT, "an uninstalled plugin "
                         "\"%s\" has left data here: it came from package "
                         "\"%s\", this one is from \"%s\"; \"mintctl "
                         "uninstall %s --mode purge\" removes them first",
                         name, departed->distribution, wheel->distribution,
                         name);
    }

    return 0;
}


int
install_check_names(struct installer *installer, const struct wheel *wheel,
    uint32_t *uid, struct error *err)
{
    uint32_t                id;
    const char             *name;
    const struct plugin    *other;
    struct registry        *registry;

    name = wheel->plugin_name;
    registry = installer->registry;

    if (names_plugin_is_reserved(name)) {
        return error_set(err, MINT_ERR_CONFLICT, "a plugin cannot be called "
                         "\"%s\": the platform uses that name itself", name);
    }

    other = registry_find(registry, name);

    if (install_check_removal(registry, wheel, other, err) != 0) {
        return MINT_ERR_CONFLICT;
    }

    if (other != NULL
        && !names_same_distribution(other->distribution,
                                    wheel->distribution))
    {
        return error_set(err, MINT_ERR_CONFLICT, "the plugin name \"%s\" is "
                         "taken: it comes from package \"%s\", this one from "
                         "\"%s\"", name, other->distribution,
                         wheel->distribution);
    }

    other = registry_find_distribution(registry, wheel->distribution);

    if (other != NULL && strcmp(other->name, name) != 0) {
        return error_set(err, MINT_ERR_CONFLICT, "package \"%s\" is installed "
                         "as plugin \"%s\"; this version calls itself \"%s\"",
                         wheel->distribution, other->name, name);
    }

    if (registry_next(registry, name, &id, uid, err) != 0) {
        return MINT_ERR_FULL;
    }

    if (id >= installer->tools.config->plugins.capacity) {
        return error_set(err, MINT_ERR_FULL, "plugins.capacity (%lld) is used "
                         "up: make it larger",
                         (long long)
                         installer->tools.config->plugins.capacity);
    }

    return 0;
}


int
install_check_prefix(struct installer *installer, const struct wheel *wheel,
    const char *prefix, struct error *err)
{
    const struct plugin  *other;

    other = registry_find_prefix(installer->registry, prefix);

    if (other != NULL && strcmp(other->name, wheel->plugin_name) != 0) {
        return error_set(err, MINT_ERR_CONFLICT, "its routes prefix \"%s\" is "
                         "that of plugin \"%s\"", prefix, other->name);
    }

    other = registry_find(installer->registry, wheel->plugin_name);

    /* requests would go to one, and what serves, or has users' results,
       answer below the other */

    if (other == NULL || strcmp(other->routes_prefix, prefix) == 0
        || (other->is_stopped && (installer->has_ended == NULL
                                  || installer->has_ended(other))))
    {
        return 0;
    }

    return error_set(err, MINT_ERR_CONFLICT, "its routes prefix is \"%s\", "
                     "that of version %s is \"%s\", and the two cannot "
                     "follow each other while it runs: first \"mintctl stop "
                     "%s\", then, once it has ended, install it and "
                     "\"mintctl start %s\"", prefix, other->version,
                     other->routes_prefix, other->name, other->name);
}


/* the version is installed: is it this very wheel, and whole? */

int
install_check_same(struct installer *installer, const struct bundle *bundle,
    const struct wheel *wheel, const struct plugin *old, bool *is_same,
    struct error *err)
{
    json_t        *marker;
    struct error   why;

    if (!keep_is_same(&installer->tools, bundle, wheel, old->wheel)) {
        return error_set(err, MINT_ERR_CONFLICT, "%s %s is installed already, "
                         "with other contents: give this one another "
                         "version, or force it to replace that one",
                         old->name, old->version);
    }

    if (environment_read(old->environment, &marker, &why) != 0) {
        log_warn("%s %s is installed, but not whole: %s", old->name,
                 old->version, why.text);
        return 0;
    }

    json_decref(marker);
    install_progress(installer, "%s %s is installed already", old->name,
                     old->version);
    *is_same = true;

    return 0;
}


int
install_check_mint(struct installer *installer, const char *specifier,
    const struct wheel *wheel, bool *is_known, struct error *err)
{
    char                      *text;
    size_t                     found;
    struct requirement         requirement;
    const struct inventory    *inventory;
    enum requirement_verdict   verdict;

    inventory = &installer->inventory;
    found = inventory_find(inventory, "mint-sdk");
    *is_known = false;

    if (found == INVENTORY_NONE) {
        return 0;
    }

    /* the blank keeps what is no specifier ("2.0") out of the name */

    text = mem_printf("mint-sdk %s", specifier);
    requirement_parse(&requirement, text, NULL);
    fit_requirement(&requirement, &inventory->interpreter,
                    inventory->packages[found].version);
    verdict = requirement.verdict;
    requirement_clear(&requirement);
    free(text);

    *is_known = verdict == REQUIREMENT_SATISFIED
                || verdict == REQUIREMENT_CLASH;

    return verdict == REQUIREMENT_CLASH
           ? install_refuse_mint(installer, specifier, wheel, err) : 0;
}


int
install_refuse_mint(struct installer *installer, const char *specifier,
    const struct wheel *wheel, struct error *err)
{
    return error_set(err, MINT_ERR_CONFLICT,
                     "%s %s needs MINT %s and this platform is %s",
                     wheel->plugin_name, wheel->version, specifier,
                     installer->tools.config->environments.platform_version);
}


void
install_fill(struct plugin *plugin, const struct wheel *wheel,
    const struct decision *decision, const char *wheel_path,
    const char *environment, json_t *report)
{
    memset(plugin, 0, sizeof(struct plugin));

    plugin->name = mem_strdup(wheel->plugin_name);
    plugin->distribution = mem_strdup(wheel->distribution);
    plugin->version = mem_strdup(wheel->version);
    plugin->entry_point = mem_strdup(wheel->plugin_name);
    plugin->entry_group = mem_strdup(wheel->entry_group);
    plugin->routes_prefix = mem_strdup(
        json_string_value(json_object_get(report, "routes_prefix")));
    plugin->plugin_type = mem_strdup(
        json_string_value(json_object_get(report, "plugin_type")));
    plugin->mode = decision->mode;
    plugin->is_forced = decision->is_overruled;
    plugin->reason = mem_strdup(decision->reason);
    plugin->details = json_incref(decision->details);
    plugin->verdict = json_incref(decision->verdict);
    plugin->environment = mem_strdup(environment);
    plugin->wheel = mem_strdup(wheel_path);
    plugin->probe = json_incref(report);
    plugin->has_frontend = json_is_string(json_object_get(report,
                                                          "frontend_dir"));
}
