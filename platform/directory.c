/* SPDX-License-Identifier: MIT */
/*
 * Copy of the supervisor's directory of plugins.
 */

#include "platform/directory.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"


#define DIRECTORY_PAUSE_MS  200     /* between two questions */
#define DIRECTORY_AGE_MS    10000   /* then it is asked while it is used: of
                                       plugins that go nobody tells */


struct directory {
    pthread_mutex_t            lock;
    pthread_cond_t             changed;
    struct link               *link;
    struct directory_plugin  **plugins;
    size_t                     count;
    char                       boot_id[DIRECTORY_BOOT_MAX + 1];
    bool                       is_asking;
    uint64_t                   asked_ms;
    uint64_t                   questions;   /* sent */
    uint64_t                   answers;     /* number of the last question
                                               answered */
    bool                       is_answered_well;
};


static const struct {
    const char  *type;
    unsigned     capabilities;
} directory_types[] = {
    { "static",            0 },
    { "analysis",          CAPABILITY_ANALYSIS_RESULT_WRITE },
    { "experiment_design", CAPABILITY_EXPERIMENT_CRUD
                           | CAPABILITY_DESIGN_DATA_WRITE },
    { "full",              CAPABILITY_EXPERIMENT_CRUD
                           | CAPABILITY_DESIGN_DATA_WRITE
                           | CAPABILITY_ANALYSIS_RESULT_WRITE },
    { "workflow",          0 }
};


static const struct {
    const char  *name;
    unsigned     capability;
} directory_explicit[] = {
    { "experiment_crud",       CAPABILITY_EXPERIMENT_CRUD },
    { "design_data_write",     CAPABILITY_DESIGN_DATA_WRITE },
    { "analysis_result_write", CAPABILITY_ANALYSIS_RESULT_WRITE }
};


static struct directory_plugin *directory_find(struct directory *directory,
    const char *name, const char *token);
static int directory_refresh(struct directory *directory, struct error *err);
static void directory_ask(struct directory *directory, bool is_forced);
static void directory_answered(void *cls, json_t *result,
    const struct error *err, json_t *details);
static struct directory_plugin *directory_plugin_new(const json_t *entry);
static json_t *directory_metadata(const json_t *metadata, const char *key);
static void directory_wait(struct directory *directory, unsigned ms);


struct directory *
directory_new(void)
{
    struct directory    *directory;
    pthread_condattr_t   attributes;

    directory = mem_alloc(sizeof(struct directory));
    (void) pthread_mutex_init(&directory->lock, NULL);
    (void) pthread_condattr_init(&attributes);
    (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&directory->changed, &attributes);
    (void) pthread_condattr_destroy(&attributes);
    fs_random_hex(directory->boot_id, 16);

    return directory;
}


void
directory_free(struct directory **directory)
{
    size_t             i;
    struct directory  *d;

    d = *directory;

    if (d == NULL) {
        return;
    }

    for (i = 0; i < d->count; i++) {
        directory_release(&d->plugins[i]);
    }

    (void) pthread_cond_destroy(&d->changed);
    (void) pthread_mutex_destroy(&d->lock);
    free(d->plugins);
    free(d);
    *directory = NULL;
}


void
directory_use_link(struct directory *directory, struct link *link)
{
    (void) pthread_mutex_lock(&directory->lock);
    directory->link = link;
    (void) pthread_mutex_unlock(&directory->lock);
}


void
directory_connected(struct directory *directory)
{
    directory_ask(directory, true);
}


void
directory_refresh_soon(struct directory *directory)
{
    directory_ask(directory, true);
}


static bool
directory_is_old(struct directory *directory)
{
    bool  is_old;

    (void) pthread_mutex_lock(&directory->lock);
    is_old = time_boot_ms() >= directory->asked_ms + DIRECTORY_AGE_MS;
    (void) pthread_mutex_unlock(&directory->lock);

    return is_old;
}


int
directory_authenticate(struct directory *directory, const char *name,
    const char *token, struct directory_plugin **out, struct error *err)
{
    int  rc;

    *out = directory_find(directory, name, token);

    if (*out != NULL) {
        if (directory_is_old(directory)) {
            directory_ask(directory, false);
        }

        return MINT_OK;
    }

    rc = directory_refresh(directory, err);

    if (rc != MINT_OK) {
        return rc;
    }

    *out = directory_find(directory, name, token);

    if (*out == NULL) {
        return error_set(err, MINT_ERR_FORBIDDEN, "The plugin name and the "
                         "internal token do not belong together");
    }

    return MINT_OK;
}


void
directory_release(struct directory_plugin **plugin)
{
    struct directory_plugin  *p;

    p = *plugin;
    *plugin = NULL;

    if (p == NULL || __atomic_sub_fetch(&p->holders, 1, __ATOMIC_ACQ_REL) > 0)
    {
        return;
    }

    explicit_bzero(p->token, strlen(p->token));
    free(p->token);
    free(p->name);
    json_decref(p->experiment_types);
    free(p);
}


void
directory_boot_id(struct directory *directory,
    char text[DIRECTORY_BOOT_MAX + 1])
{
    (void) pthread_mutex_lock(&directory->lock);
    memcpy(text, directory->boot_id, DIRECTORY_BOOT_MAX + 1);
    (void) pthread_mutex_unlock(&directory->lock);
}


void
directory_set_boot_id(struct directory *directory, const char *text)
{
    if (text == NULL || *text == '\0') {
        return;
    }

    (void) pthread_mutex_lock(&directory->lock);
    (void) snprintf(directory->boot_id, sizeof(directory->boot_id), "%s",
                    text);
    (void) pthread_mutex_unlock(&directory->lock);
}


unsigned
directory_capabilities(const json_t *metadata)
{
    size_t       i;
    json_t      *stated;
    unsigned     capabilities;
    const char  *type;

    capabilities = 0;
    type = json_string_value(directory_metadata(metadata, "plugin_type"));

    for (i = 0; i < sizeof(directory_types) / sizeof(directory_types[0]); i++)
    {
        if (type != NULL && strcmp(directory_types[i].type, type) == 0) {
            capabilities = directory_types[i].capabilities;
        }
    }

    stated = directory_metadata(metadata, "capabilities");

    for (i = 0;
         i < sizeof(directory_explicit) / sizeof(directory_explicit[0]);
         i++)
    {
        if (json_is_true(json_object_get(stated,
                                         directory_explicit[i].name)))
        {
            capabilities |= directory_explicit[i].capability;

        } else if (json_is_false(json_object_get(stated,
                                                 directory_explicit[i].name)))
        {
            capabilities &= ~directory_explicit[i].capability;
        }
    }

    return capabilities;
}


static struct directory_plugin *
directory_find(struct directory *directory, const char *name,
    const char *token)
{
    size_t                    i;
    size_t                    len;
    struct directory_plugin  *plugin;
    struct directory_plugin  *found;

    found = NULL;
    len = strlen(token);

    (void) pthread_mutex_lock(&directory->lock);

    for (i = 0; i < directory->count && found == NULL; i++) {
        plugin = directory->plugins[i];

        if (strcmp(plugin->name, name) == 0 && len > 0
            && strlen(plugin->token) == len
            && CRYPTO_memcmp(plugin->token, token, len) == 0)
        {
            found = plugin;
            (void) __atomic_add_fetch(&found->holders, 1, __ATOMIC_RELAXED);
        }
    }

    (void) pthread_mutex_unlock(&directory->lock);

    return found;
}


/*
 * Waits for a good answer to a question that was put after this call began:
 * a supervisor that is just coming back is waited for.
 */

static int
directory_refresh(struct directory *directory, struct error *err)
{
    bool      is_good;
    bool      is_over;
    uint64_t  want;
    uint64_t  until_ms;

    until_ms = time_boot_ms() + DIRECTORY_WAIT_MS;
    is_over = false;
    is_good = false;

    (void) pthread_mutex_lock(&directory->lock);
    want = directory->questions + 1;
    (void) pthread_mutex_unlock(&directory->lock);

    while (!is_over) {
        directory_ask(directory, false);

        (void) pthread_mutex_lock(&directory->lock);

        is_good = directory->answers >= want && directory->is_answered_well;
        is_over = is_good || time_boot_ms() >= until_ms;

        if (!is_over) {
            directory_wait(directory, 50);
        }

        (void) pthread_mutex_unlock(&directory->lock);
    }

    if (!is_good) {
        return error_set(err, MINT_ERR_UNAVAILABLE, "The plugin is not known "
                         "here and the supervisor, which knows, does not "
                         "answer");
    }

    return MINT_OK;
}


static void
directory_ask(struct directory *directory, bool is_forced)
{
    bool           is_due;
    uint64_t       now;
    struct link   *link;

    now = time_boot_ms();

    (void) pthread_mutex_lock(&directory->lock);
    is_due = directory->link != NULL
             && (is_forced
                 || (!directory->is_asking
                     && now >= directory->asked_ms + DIRECTORY_PAUSE_MS));

    if (is_due) {
        directory->is_asking = true;
        directory->asked_ms = now;
        directory->questions++;
    }

    link = directory->link;
    (void) pthread_mutex_unlock(&directory->lock);

    if (is_due) {
        link_send(link, "directory", NULL, directory_answered, directory);
    }
}


static void
directory_answered(void *cls, json_t *result, const struct error *err,
    json_t *details)
{
    size_t                     i;
    size_t                     count;
    json_t                    *entry;
    json_t                    *list;
    struct directory          *directory;
    struct directory_plugin  **plugins;

    (void) details;

    directory = cls;
    plugins = NULL;
    count = 0;
    list = json_object_get(result, "plugins");

    if (json_array_size(list) > 0) {
        plugins = mem_alloc(json_array_size(list)
                            * sizeof(struct directory_plugin *));

        json_array_foreach(list, i, entry) {
            plugins[count] = directory_plugin_new(entry);
            count += plugins[count] != NULL;
        }
    }

    directory_set_boot_id(directory, json_string_value(
                              json_object_get(result, "boot_id")));

    (void) pthread_mutex_lock(&directory->lock);
    directory->is_asking = false;
    directory->is_answered_well = result != NULL;
    directory->answers = directory->questions;
    (void) pthread_cond_broadcast(&directory->changed);

    if (result != NULL) {
        for (i = 0; i < directory->count; i++) {
            directory_release(&directory->plugins[i]);
        }

        free(directory->plugins);
        directory->plugins = plugins;
        directory->count = count;
    }

    (void) pthread_mutex_unlock(&directory->lock);

    if (result == NULL && err->code != MINT_ERR_UNAVAILABLE) {
        log_error("directory of plugins not received: %s", err->text);
    }
}


static struct directory_plugin *
directory_plugin_new(const json_t *entry)
{
    json_t                   *types;
    json_t                   *metadata;
    const char               *name;
    const char               *token;
    struct directory_plugin  *plugin;

    name = json_string_value(json_object_get(entry, "name"));
    token = json_string_value(json_object_get(entry, "token"));

    if (name == NULL || token == NULL || *token == '\0') {
        log_error("directory: an entry has no name or no token");
        return NULL;
    }

    metadata = json_object_get(entry, "metadata");
    types = directory_metadata(metadata, "allowed_experiment_types");

    plugin = mem_alloc(sizeof(struct directory_plugin));
    plugin->holders = 1;
    plugin->id = (uint32_t) json_integer_value(json_object_get(entry, "id"));
    plugin->name = mem_strdup(name);
    plugin->token = mem_strdup(token);
    plugin->capabilities = directory_capabilities(metadata);
    plugin->experiment_types = json_is_array(types) ? json_incref(types)
                                                    : NULL;

    return plugin;
}


/* a probe reports the plugin's own metadata object inside its result */

static json_t *
directory_metadata(const json_t *metadata, const char *key)
{
    json_t  *value;

    value = json_object_get(json_object_get(metadata, "metadata"), key);

    return value != NULL ? value : json_object_get(metadata, key);
}


static void
directory_wait(struct directory *directory, unsigned ms)
{
    struct timespec  until;

    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long) ms * 1000000;

    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }

    (void) pthread_cond_timedwait(&directory->changed, &directory->lock,
                                  &until);
}
