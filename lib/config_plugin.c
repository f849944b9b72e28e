/* SPDX-License-Identifier: MIT */
/*
 * plugins.perPlugin: the values of plugins.* that hold for one plugin alone.
 * Each entry starts as a copy of what holds for all; its keys are the rows
 * with CONFIG_PER_PLUGIN, checked and stored like everywhere else.
 */

#include "lib/config_table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>


static int config_read_plugin(struct config *config, const char *name,
    json_t *keys, const char *where, struct error *err);
static void config_copy_list(struct config_list *to,
    const struct config_list *from);
static void config_copy_limits(struct config_limits *to,
    const struct config_limits *from);
static void config_free_list(struct config_list *list);


int
config_read_plugins(struct config *config, const char *where,
    struct error *err)
{
    int          rc;
    json_t      *all, *keys;
    const char  *name;

    rc = 0;
    all = json_loads(config->plugins.per_plugin, 0, NULL);

    json_object_foreach(all, name, keys) {
        rc = config_read_plugin(config, name, keys, where, err);

        if (rc != 0) {
            break;
        }
    }

    json_decref(all);

    return rc;
}


static int
config_read_plugin(struct config *config, const char *name, json_t *keys,
    const char *where, struct error *err)
{
    char                       section[128];
    size_t                     i;
    json_t                    *value;
    const char                *key;
    struct config             *scratch;
    struct config_plugin      *plugin;
    const struct config_row   *row;

    for (i = 0; i < config->plugins.each_count; i++) {
        if (config_same_plugin(config->plugins.each[i].name, name)) {
            return error_set(err, MINT_ERR_INVALID, "%s: plugins.perPlugin "
                             "names \"%s\" twice", where, name);
        }
    }

    if (!json_is_object(keys)) {
        return error_set(err, MINT_ERR_INVALID, "%s: plugins.perPlugin.%s: "
                         "expected an object", where, name);
    }

    config->plugins.each = mem_grow(config->plugins.each,
                                    config->plugins.each_count + 1,
                                    sizeof(*config->plugins.each));
    plugin = &config->plugins.each[config->plugins.each_count++];
    plugin->name = mem_strdup(name);
    config_copy_limits(&plugin->limits, &config->plugins.limits);

    /* rows know where a value is in a struct config, so it is lent one */

    scratch = mem_alloc(sizeof(*scratch));
    scratch->plugins.limits = plugin->limits;
    err->code = 0;

    json_object_foreach(keys, key, value) {
        row = NULL;

        if (!config_find_key("plugins", key, &row, section, sizeof(section))
            || row == NULL || !(row->flags & CONFIG_PER_PLUGIN))
        {
            error_set(err, MINT_ERR_INVALID, "%s: plugins.perPlugin.%s.%s: "
                      "no key that can be set for one plugin", where, name,
                      key);
            break;
        }

        if (config_check(row, value, err) != 0) {
            error_prefix(err, "%s: plugins.perPlugin.%s.%s", where, name,
                         key);
            break;
        }

        config_store(scratch, row, value, "/");
    }

    plugin->limits = scratch->plugins.limits;
    free(scratch);

    return err->code;
}


const struct config_limits *
config_limits_of(const struct config *config, const char *plugin)
{
    size_t  i;

    for (i = 0; i < config->plugins.each_count; i++) {
        if (config_same_plugin(config->plugins.each[i].name, plugin)) {
            return &config->plugins.each[i].limits;
        }
    }

    return &config->plugins.limits;
}


static void
config_copy_limits(struct config_limits *to, const struct config_limits *from)
{
    *to = *from;
    config_copy_list(&to->read_paths, &from->read_paths);
    config_copy_list(&to->write_paths, &from->write_paths);
}


static void
config_copy_list(struct config_list *to, const struct config_list *from)
{
    size_t  i;

    to->count = from->count;
    to->item = mem_alloc(from->count * sizeof(char *));

    for (i = 0; i < from->count; i++) {
        to->item[i] = mem_strdup(from->item[i]);
    }
}


void
config_free_plugins(struct config *config)
{
    size_t                 i;
    struct config_plugin  *plugin;

    for (i = 0; i < config->plugins.each_count; i++) {
        plugin = &config->plugins.each[i];
        free(plugin->name);
        config_free_list(&plugin->limits.read_paths);
        config_free_list(&plugin->limits.write_paths);
    }

    free(config->plugins.each);
}


static void
config_free_list(struct config_list *list)
{
    size_t  i;

    for (i = 0; i < list->count; i++) {
        free(list->item[i]);
    }

    free(list->item);
}


/* PEP 503: case does not count, "-", "_" and "." are one */

bool
config_same_plugin(const char *a, const char *b)
{
    static const char  separators[] = "-_.";

    while (*a != '\0' && *b != '\0') {
        if (strchr(separators, *a) != NULL && strchr(separators, *b) != NULL)
        {
            a += strspn(a, separators);
            b += strspn(b, separators);

        } else if (tolower((unsigned char) *a++)
                   != tolower((unsigned char) *b++))
        {
            return false;
        }
    }

    return *a == *b;
}
