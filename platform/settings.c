/* SPDX-License-Identifier: MIT */
/*
 * Settings of plugins: top-level keys with values whose text is kept.  A
 * plugin reads and swaps the keys it owns and the table of its secrets; keys
 * of the platform (PLUGIN_TYPES_KEY) survive whatever it writes.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "platform/exact_json.h"
#include "platform/plugin_types.h"
#include "platform/resources.h"


#define SETTINGS_SECRETS   "__secrets__"
#define SETTINGS_KEY_MAX   255
#define SETTINGS_KEYS_MAX  1000


/* a write under way */
struct settings_change {
    const json_t  *owned;           /* list of keys */
    const json_t  *expected;        /* NULL = write whatever is there */
    json_t        *settings;        /* what the scope becomes */
    json_t        *current;         /* read in the transaction */
    bool           is_committed;
};


static int settings_enter(struct call *call);
static int settings_read_owned(struct call *call, json_t *body,
    json_t **out);
static int settings_read_values(struct call *call, json_t *body,
    const char *name, const json_t *owned, json_t **out);
static int settings_read_expected(struct call *call, json_t *body,
    json_t **out);
static void settings_collect(void *cls, const char *key,
    const char *value_json);
static void settings_collect_current(void *cls, const char *key,
    const char *value_json);
static json_t *settings_scope(const json_t *all, const json_t *owned);
static int settings_decide(void *cls, struct store_settings_change *change,
    struct error *err);
static void settings_write(struct call *call, bool is_swap);
static bool settings_holds(const json_t *owned, const char *key);


void
settings_get(struct call *call)
{
    json_t        *all;
    struct error   err;

    if (settings_enter(call) != 0) {
        return;
    }

    all = json_object();

    if (store_settings(call->api->store, call->plugin->name, settings_collect,
                       all, &err)
        != MINT_OK)
    {
        json_decref(all);
        reply_failure(call, &err);
        return;
    }

    (void) json_object_del(all, SETTINGS_SECRETS);

    if (json_object_get(all, PLUGIN_TYPES_KEY) == NULL
        && call->plugin->experiment_types != NULL)
    {
        json_object_set(all, PLUGIN_TYPES_KEY,
                        call->plugin->experiment_types);
    }

    reply_exact(call, 200, all);
}


void
settings_snapshot(struct call *call)
{
    json_t        *all;
    json_t        *body;
    json_t        *owned;
    struct error   err;

    if (settings_enter(call) != 0 || (body = call_body(call)) == NULL) {
        return;
    }

    if (settings_read_owned(call, body, &owned) != 0) {
        json_decref(body);
        return;
    }

    all = json_object();

    if (store_settings(call->api->store, call->plugin->name, settings_collect,
                       all, &err)
        == MINT_OK)
    {
        reply_exact(call, 200, json_pack("{s:o}", "settings",
                                         settings_scope(all, owned)));
    } else {
        reply_failure(call, &err);
    }

    json_decref(all);
    json_decref(body);
}


void
settings_put(struct call *call)
{
    settings_write(call, false);
}


void
settings_swap(struct call *call)
{
    settings_write(call, true);
}


/* a plugin has settings under its own name only */

static int
settings_enter(struct call *call)
{
    if (strcmp(call->params.value[0], call->plugin->name) == 0) {
        return 0;
    }

    reply_error(call, 403, "PERMISSION_DENIED",
                json_pack("{s:s}", "own_plugin_id", call->plugin->name),
                "A plugin has access to its own settings only");

    return -1;
}


static void
settings_write(struct call *call, bool is_swap)
{
    int                            rc;
    json_t                        *body;
    json_t                        *owned;
    json_t                        *expected;
    struct error                   err;
    struct settings_change         change;
    struct store_settings_change   store_change;

    memset(&change, 0, sizeof(change));
    expected = NULL;

    if (settings_enter(call) != 0 || (body = call_body(call)) == NULL) {
        return;
    }

    if (settings_read_owned(call, body, &owned) != 0
        || settings_read_values(call, body, "settings", owned,
                                &change.settings) != 0
        || (is_swap && settings_read_expected(call, body, &expected) != 0))
    {
        json_decref(body);
        return;
    }

    change.owned = owned;
    change.expected = expected;
    change.current = json_object();

    memset(&store_change, 0, sizeof(store_change));
    store_change.each = settings_collect_current;
    store_change.decide = settings_decide;
    store_change.cls = &change;

    rc = store_settings_change(call->api->store, call->plugin->name,
                               &store_change, &err);

    if (rc != MINT_OK) {
        reply_failure(call, &err);
    } else {
        reply_json(call, 200, json_pack("{s:b}", "committed",
                                        change.is_committed));
    }

    json_decref(change.current);
    json_decref(body);
}


static int
settings_read_owned(struct call *call, json_t *body, json_t **out)
{
    size_t   i;
    json_t  *key;

    *out = json_object_get(body, "owned_keys");

    if (!json_is_array(*out) || json_array_size(*out) > SETTINGS_KEYS_MAX) {
        reply_invalid(call, "owned_keys", "Field owned_keys must be a list of "
                      "at most %d keys", SETTINGS_KEYS_MAX);
        return -1;
    }

    json_array_foreach(*out, i, key) {
        if (!exact_json_is_string(key)
            || json_string_length(key) > SETTINGS_KEY_MAX)
        {
            reply_invalid(call, "owned_keys", "A key must be a text of at "
                          "most %d bytes", SETTINGS_KEY_MAX);
            return -1;
        }

        if (strcmp(json_string_value(key), PLUGIN_TYPES_KEY) == 0) {
            reply_invalid(call, "owned_keys", "The key %s belongs to the "
                          "platform", PLUGIN_TYPES_KEY);
            return -1;
        }
    }

    return 0;
}


/* only keys of the scope: others would be lost or belong to the platform */

static int
settings_read_values(struct call *call, json_t *body, const char *name,
    const json_t *owned, json_t **out)
{
    json_t      *value;
    const char  *key;

    *out = json_object_get(body, name);

    if (!json_is_object(*out)) {
        reply_invalid(call, name, "Field %s must be an object", name);
        return -1;
    }

    json_object_foreach(*out, key, value) {
        if (!settings_holds(owned, key)) {
            reply_invalid(call, name, "The key %.255s in %s is not one of "
                          "owned_keys", key, name);
            return -1;
        }
    }

    return 0;
}


/* a key outside the scope only makes it unequal */

static int
settings_read_expected(struct call *call, json_t *body, json_t **out)
{
    *out = json_object_get(body, "expected");

    if (json_is_object(*out)) {
        return 0;
    }

    reply_invalid(call, "expected", "Field expected must be an object");

    return -1;
}


static void
settings_collect(void *cls, const char *key, const char *value_json)
{
    json_t  *value;

    value = exact_json_load(value_json, strlen(value_json), NULL);

    if (value != NULL) {
        json_object_set_new(cls, key, value);
    }
}


static void
settings_collect_current(void *cls, const char *key, const char *value_json)
{
    struct settings_change  *change;

    change = cls;
    settings_collect(change->current, key, value_json);
}


static json_t *
settings_scope(const json_t *all, const json_t *owned)
{
    json_t      *scope;
    json_t      *value;
    const char  *key;

    scope = json_object();

    json_object_foreach((json_t *) (uintptr_t) all, key, value) {
        if (settings_holds(owned, key)) {
            json_object_set(scope, key, value);
        }
    }

    return scope;
}


/* within the store's transaction: compare, then replace the whole scope */

static int
settings_decide(void *cls, struct store_settings_change *change,
    struct error *err)
{
    int                      rc;
    char                    *text;
    json_t                  *scope;
    json_t                  *value;
    const char              *key;
    struct settings_change  *settings;

    settings = cls;
    scope = settings_scope(settings->current, settings->owned);
    rc = MINT_OK;

    if (settings->expected != NULL
        && !exact_json_equal(scope, settings->expected))
    {
        json_decref(scope);
        return MINT_OK;
    }

    json_object_foreach(scope, key, value) {
        if (rc == MINT_OK
            && json_object_get(settings->settings, key) == NULL
            /* without a comparison secrets go only when replaced */
            && (settings->expected != NULL
                || strcmp(key, SETTINGS_SECRETS) != 0))
        {
            rc = store_settings_write(change, key, NULL, err);
        }
    }

    json_object_foreach(settings->settings, key, value) {
        if (rc == MINT_OK) {
            text = exact_json_text(value);
            rc = store_settings_write(change, key, text, err);
            explicit_bzero(text, strlen(text));
            free(text);
        }
    }

    json_decref(scope);
    settings->is_committed = rc == MINT_OK;

    return rc;
}


static bool
settings_holds(const json_t *owned, const char *key)
{
    size_t   i;
    json_t  *item;

    if (strcmp(key, SETTINGS_SECRETS) == 0) {
        return true;
    }

    json_array_foreach(owned, i, item) {
        if (strcmp(json_string_value(item), key) == 0) {
            return true;
        }
    }

    return false;
}
