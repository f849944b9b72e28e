/* SPDX-License-Identifier: MIT */
/*
 * Asking the interpreter that an environment is made from, which finds its
 * packages without running them (plugin_host/inventory.py), and reading the
 * answer.
 */

#include "supervisor/plugin/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/names.h"


#define INVENTORY_MAX  (4 * 1024 * 1024)


static int inventory_interpreter(struct inventory *inventory,
    struct error *err);
static int inventory_packages(struct inventory *inventory, struct error *err);
static bool inventory_requires(struct clash_package *package,
    const json_t *list);


struct command *
inventory_command(const struct toolset *tools, const char *directory)
{
    struct command  *command;

    command = command_new("inventory", tools->config->environments.python);

    command_add(command, "-I");
    command_add(command, "-S");
    command_add(command, "-B");
    text_list_printf(&command->argv, "%s/plugin_host/inventory.py",
                     tools->config->server.program_directory);
    command_add(command, directory);
    text_list_printf(&command->argv, "%s/%s", directory, INVENTORY_FILE);

    return command;
}


int
inventory_read(struct inventory *out, const char *directory,
    struct error *err)
{
    int            rc;
    char          *path;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    memset(out, 0, sizeof(struct inventory));
    path = mem_printf("%s/%s", directory, INVENTORY_FILE);
    rc = fs_read(path, INVENTORY_MAX, &text, err);

    if (rc == 0) {
        rc = inventory_parse(out, strbuf_text(&text), text.len, err);

        if (rc != 0) {
            error_prefix(err, "\"%s\"", path);
        }
    }

    strbuf_free(&text);
    free(path);

    return rc;
}


int
inventory_parse(struct inventory *out, const char *text, size_t len,
    struct error *err)
{
    int           rc;
    json_error_t  where;

    memset(out, 0, sizeof(struct inventory));
    out->data = json_loadb(text, len, 0, &where);

    if (out->data == NULL) {
        return error_set(err, MINT_ERR_INVALID, "%s", where.text);
    }

    rc = inventory_interpreter(out, err);

    if (rc == 0) {
        rc = inventory_packages(out, err);
    }

    if (rc != 0) {
        inventory_clear(out);
    }

    return rc;
}


void
inventory_clear(struct inventory *inventory)
{
    size_t  i;

    for (i = 0; i < inventory->count; i++) {
        free((void *) (uintptr_t) inventory->packages[i].requires);
        free(inventory->names[i]);
    }

    free(inventory->packages);
    free(inventory->names);
    marker_environment_clear(&inventory->interpreter);
    json_decref(inventory->data);
    memset(inventory, 0, sizeof(struct inventory));
}


static int
inventory_interpreter(struct inventory *inventory, struct error *err)
{
    json_t      *interpreter, *value;
    const char  *name;

    interpreter = json_object_get(inventory->data, "interpreter");

    if (!json_is_object(interpreter)) {
        return error_set(err, MINT_ERR_INVALID,
                         "interpreter: expected an object");
    }

    json_object_foreach(interpreter, name, value) {
        if (!json_is_string(value)) {
            return error_set(err, MINT_ERR_INVALID,
                             "interpreter: %.40s: expected text", name);
        }

        marker_environment_set(&inventory->interpreter, name,
                               json_string_value(value));
    }

    return 0;
}


static int
inventory_packages(struct inventory *inventory, struct error *err)
{
    size_t                 i;
    json_t                *list, *entry;
    struct clash_package  *package;

    list = json_object_get(inventory->data, "packages");

    if (!json_is_array(list)) {
        return error_set(err, MINT_ERR_INVALID, "packages: expected a list");
    }

    inventory->packages = mem_alloc((json_array_size(list) + 1)
                                    * sizeof(struct clash_package));
    inventory->names = mem_alloc((json_array_size(list) + 1)
                                 * sizeof(char *));

    json_array_foreach(list, i, entry) {
        package = &inventory->packages[i];
        package->name = json_string_value(json_object_get(entry, "name"));
        package->version = json_string_value(json_object_get(entry,
                                                             "version"));
        if (package->name == NULL || package->version == NULL) {
            return error_set(err, MINT_ERR_INVALID,
                             "packages[%zu]: expected name and version", i);
        }

        inventory->names[i] = names_normalise(package->name);
        inventory->count++;

        if (!inventory_requires(package, json_object_get(entry, "requires"))) {
            inventory->doubt = "a package does not say what it requires";
        }
    }

    return 0;
}


static bool
inventory_requires(struct clash_package *package, const json_t *list)
{
    size_t        i;
    json_t       *entry;
    const char  **requires;

    if (!json_is_array(list)) {
        return false;
    }

    requires = mem_alloc((json_array_size(list) + 1) * sizeof(char *));
    package->requires = requires;

    json_array_foreach(list, i, entry) {
        if (!json_is_string(entry)) {
            return false;
        }

        requires[package->count++] = json_string_value(entry);
    }

    return true;
}


size_t
inventory_find(const struct inventory *inventory, const char *name)
{
    char    *key;
    size_t   i;

    key = names_normalise(name);

    for (i = 0; i < inventory->count; i++) {
        if (strcmp(inventory->names[i], key) == 0) {
            break;
        }
    }

    free(key);

    return i < inventory->count ? i : INVENTORY_NONE;
}


json_t *
inventory_list(const struct inventory *inventory)
{
    size_t   i;
    json_t  *list;

    list = json_array();

    for (i = 0; i < inventory->count; i++) {
        json_array_append_new(list,
                              json_pack("{s:s, s:s}", "name",
                                        inventory->packages[i].name,
                                        "version",
                                        inventory->packages[i].version));
    }

    return list;
}
