/* SPDX-License-Identifier: MIT */
/*
 * struct plugin to and from JSON.  The texts of a plugin are one table, so
 * that writing, reading, checking and freeing cannot disagree.
 */

#include "supervisor/plugin/plugin_record.h"

#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/names.h"


#define PLUGIN_RECORD_TEXT_MAX   4096
#define PLUGIN_RECORD_TOKEN_LEN  64


static const struct {
    const char  *key;
    size_t       offset;
} plugin_texts[] = {
    { "name",          offsetof(struct plugin, name) },
    { "distribution",  offsetof(struct plugin, distribution) },
    { "version",       offsetof(struct plugin, version) },
    { "entry_point",   offsetof(struct plugin, entry_point) },
    { "entry_group",   offsetof(struct plugin, entry_group) },
    { "routes_prefix", offsetof(struct plugin, routes_prefix) },
    { "plugin_type",   offsetof(struct plugin, plugin_type) },
    { "reason",        offsetof(struct plugin, reason) },
    { "environment",   offsetof(struct plugin, environment) },
    { "wheel",         offsetof(struct plugin, wheel) },
    { "token",         offsetof(struct plugin, token) },
};

#define PLUGIN_TEXT_COUNT  (sizeof(plugin_texts) / sizeof(plugin_texts[0]))


static int plugin_record_former(const json_t *record, struct plugin *out,
    struct error *err);
static int plugin_record_numbers(const json_t *record, struct plugin *out,
    struct error *err);
static int plugin_record_token(const struct plugin *plugin,
    struct error *err);


static char **
plugin_text(struct plugin *plugin, size_t i)
{
    return (char **) (void *) ((char *) plugin + plugin_texts[i].offset);
}


static const char *
plugin_text_of(const struct plugin *plugin, size_t i)
{
    return *(char *const *) (const void *)
           ((const char *) plugin + plugin_texts[i].offset);
}


json_t *
plugin_record_encode(const struct plugin *plugin, const char *environment)
{
    size_t       i;
    json_t      *record;
    const char  *text;

    record = json_object();

    json_object_set_new(record, "id", json_integer(plugin->id));
    json_object_set_new(record, "mode",
                        json_string(plugin_mode_name(plugin->mode)));

    for (i = 0; i < PLUGIN_TEXT_COUNT; i++) {
        text = plugin_text_of(plugin, i);

        if (environment != NULL
            && plugin_texts[i].offset == offsetof(struct plugin, environment))
        {
            text = environment;
        }

        json_object_set_new(record, plugin_texts[i].key, json_string(text));
    }

    json_object_set_new(record, "uid", plugin->uid == UINT32_MAX
                        ? json_null() : json_integer(plugin->uid));
    json_object_set_new(record, "installed_unix_ms",
                        json_integer((json_int_t) plugin->installed_unix_ms));
    json_object_set_new(record, "registered_unix_ms",
                        json_integer((json_int_t) plugin->registered_unix_ms));
    json_object_set_new(record, "has_frontend",
                        json_boolean(plugin->has_frontend));
    json_object_set_new(record, "forced", json_boolean(plugin->is_forced));
    json_object_set_new(record, "stopped", json_boolean(plugin->is_stopped));

    if (plugin->removal != PLUGIN_STAYS) {
        json_object_set_new(record, "removal", json_string(
                            plugin_removal_name(plugin->removal)));
    }

    json_object_set(record, "details", plugin->details);
    json_object_set(record, "probe", plugin->probe);

    if (plugin->former != NULL) {
        json_object_set_new(record, "former",
                            plugin_record_encode(plugin->former, NULL));
    }

    if (plugin->verdict != NULL) {
        json_object_set(record, "verdict", plugin->verdict);
    }

    return record;
}


int
plugin_record_decode(const json_t *record, struct plugin *out,
    struct error *err)
{
    size_t         i;
    const json_t  *value;

    memset(out, 0, sizeof(struct plugin));

    if (!json_is_object(record)) {
        return error_set(err, MINT_ERR_INVALID, "expected an object");
    }

    for (i = 0; i < PLUGIN_TEXT_COUNT; i++) {
        value = json_object_get(record, plugin_texts[i].key);

        if (!json_is_string(value)) {
            error_set(err, MINT_ERR_INVALID, "%s: expected text",
                      plugin_texts[i].key);
            goto failed;
        }

        *plugin_text(out, i) = mem_strdup(json_string_value(value));
    }

    if (plugin_record_numbers(record, out, err) != 0
        || plugin_record_check(out, err) != 0
        || plugin_record_token(out, err) != 0
        || plugin_record_former(record, out, err) != 0)
    {
        goto failed;
    }

    return 0;

failed:

    plugin_clear(out);

    return MINT_ERR_INVALID;
}


static int
plugin_record_former(const json_t *record, struct plugin *out,
    struct error *err)
{
    int            rc;
    const json_t  *former;

    former = json_object_get(record, "former");

    if (former == NULL) {
        return 0;
    }

    if (json_object_get(former, "former") != NULL) {
        return error_set(err, MINT_ERR_INVALID, "former: has a former itself");
    }

    out->former = mem_alloc(sizeof(struct plugin));
    rc = plugin_record_decode(former, out->former, err);

    if (rc != 0) {
        return error_prefix(err, "former");
    }

    if (strcmp(out->former->name, out->name) != 0) {
        return error_set(err, MINT_ERR_INVALID,
                         "former: is of another plugin");
    }

    return 0;
}


struct plugin *
plugin_record_copy(const struct plugin *plugin)
{
    json_t         *record;
    struct error    err;
    struct plugin  *copy;

    copy = mem_alloc(sizeof(struct plugin));
    record = plugin_record_encode(plugin, NULL);
    json_object_del(record, "former");

    if (plugin_record_decode(record, copy, &err) != 0) {
        plugin_free(&copy);
    }

    plugin_record_wipe(record);
    json_decref(record);

    return copy;
}


static int
plugin_record_numbers(const json_t *record, struct plugin *out,
    struct error *err)
{
    const char    *mode;
    const json_t  *id, *uid, *installed, *registered;

    id = json_object_get(record, "id");
    uid = json_object_get(record, "uid");
    installed = json_object_get(record, "installed_unix_ms");
    registered = json_object_get(record, "registered_unix_ms");
    mode = json_string_value(json_object_get(record, "mode"));

    if (!json_is_integer(id) || json_integer_value(id) < 1
        || json_integer_value(id) >= UINT32_MAX)
    {
        return error_set(err, MINT_ERR_INVALID,
                         "id: expected a number from 1");
    }

    if (!json_is_null(uid)
        && (!json_is_integer(uid) || json_integer_value(uid) < 1
            || json_integer_value(uid) >= UINT32_MAX))
    {
        return error_set(err, MINT_ERR_INVALID, "uid: expected a uid or null");
    }

    if (!json_is_integer(installed) || json_integer_value(installed) < 0) {
        return error_set(err, MINT_ERR_INVALID,
                         "installed_unix_ms: expected a time");
    }

    /* records of earlier releases have one time for both */

    if (registered == NULL) {
        registered = installed;
    }

    if (!json_is_integer(registered) || json_integer_value(registered) < 0) {
        return error_set(err, MINT_ERR_INVALID,
                         "registered_unix_ms: expected a time");
    }

    if (json_object_get(record, "removal") != NULL
        && plugin_removal_of(json_string_value(
               json_object_get(record, "removal"))) == PLUGIN_STAYS)
    {
        return error_set(err, MINT_ERR_INVALID,
                         "removal: expected \"keep\" or \"purge\"");
    }

    if (mode == NULL
        || (strcmp(mode, "shared") != 0 && strcmp(mode, "isolated") != 0))
    {
        return error_set(err, MINT_ERR_INVALID,
                         "mode: expected \"shared\" or \"isolated\"");
    }

    out->id = (uint32_t) json_integer_value(id);
    out->uid = json_is_null(uid) ? UINT32_MAX
                                 : (uint32_t) json_integer_value(uid);
    out->installed_unix_ms = (uint64_t) json_integer_value(installed);
    out->registered_unix_ms = (uint64_t) json_integer_value(registered);
    out->mode = strcmp(mode, "shared") == 0 ? PLUGIN_SHARED
                                            : PLUGIN_ISOLATED;
    out->has_frontend = json_is_true(json_object_get(record, "has_frontend"));
    out->is_forced = json_is_true(json_object_get(record, "forced"));
    out->is_stopped = json_is_true(json_object_get(record, "stopped"));
    out->removal = plugin_removal_of(
                       json_string_value(json_object_get(record, "removal")));
    out->details = json_incref(json_object_get(record, "details"));
    out->probe = json_incref(json_object_get(record, "probe"));
    out->verdict = json_incref(json_object_get(record, "verdict"));

    return 0;
}


static int
plugin_record_token(const struct plugin *plugin, struct error *err)
{
    if (strlen(plugin->token) != PLUGIN_RECORD_TOKEN_LEN
        || strspn(plugin->token, "0123456789abcdef")
           != PLUGIN_RECORD_TOKEN_LEN)
    {
        return error_set(err, MINT_ERR_INVALID,
                         "token: expected 64 hexadecimal digits");
    }

    return 0;
}


int
plugin_record_check(const struct plugin *plugin, struct error *err)
{
    size_t       i;
    const char  *text;

    for (i = 0; i < PLUGIN_TEXT_COUNT; i++) {
        text = plugin_text_of(plugin, i);

        if (plugin_texts[i].offset == offsetof(struct plugin, token)) {
            continue;
        }

        if (text == NULL || strlen(text) > PLUGIN_RECORD_TEXT_MAX) {
            return error_set(err, MINT_ERR_INVALID,
                             "%s: expected text of at most %d bytes",
                             plugin_texts[i].key, PLUGIN_RECORD_TEXT_MAX);
        }
    }

    if (!names_plugin_is_valid(plugin->name)) {
        return error_set(err, MINT_ERR_INVALID,
                         "name: \"%.80s\" is not a plugin name "
                         "([a-z0-9][a-z0-9._-]{0,63})", plugin->name);
    }

    if (!names_distribution_is_valid(plugin->distribution)) {
        return error_set(err, MINT_ERR_INVALID, "distribution: \"%.80s\" is "
                         "not a distribution name", plugin->distribution);
    }

    if (strcmp(plugin->entry_point, plugin->name) != 0) {
        return error_set(err, MINT_ERR_INVALID,
                         "entry_point: must equal the name");
    }

    if (plugin->environment[0] != '/' || plugin->wheel[0] != '/') {
        return error_set(err, MINT_ERR_INVALID,
                         "environment and wheel: expected absolute paths");
    }

    if (plugin->mode != PLUGIN_SHARED && plugin->mode != PLUGIN_ISOLATED) {
        return error_set(err, MINT_ERR_INVALID, "mode: not set");
    }

    if (!json_is_array(plugin->details) || !json_is_object(plugin->probe)) {
        return error_set(err, MINT_ERR_INVALID, "details: expected a list; "
                         "probe: expected an object");
    }

    return names_check_prefix(plugin->routes_prefix, err);
}


void
plugin_record_wipe(json_t *record)
{
    json_t  *token, *former;

    token = json_object_get(record, "token");

    if (json_is_string(token)) {
        explicit_bzero((void *) (uintptr_t) json_string_value(token),
                       json_string_length(token));
    }

    former = json_object_get(record, "former");

    if (former != NULL) {
        plugin_record_wipe(former);
    }
}


void
plugin_clear(struct plugin *plugin)
{
    size_t  i;

    if (plugin->token != NULL) {
        explicit_bzero(plugin->token, strlen(plugin->token));
    }

    for (i = 0; i < PLUGIN_TEXT_COUNT; i++) {
        free(*plugin_text(plugin, i));
    }

    json_decref(plugin->details);
    json_decref(plugin->verdict);
    json_decref(plugin->probe);
    plugin_free(&plugin->former);
    free(plugin->error);
    free(plugin->list_error);

    memset(plugin, 0, sizeof(struct plugin));
}


void
plugin_free(struct plugin **plugin)
{
    if (*plugin == NULL) {
        return;
    }

    plugin_clear(*plugin);
    free(*plugin);
    *plugin = NULL;
}
