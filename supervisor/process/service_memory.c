/* SPDX-License-Identifier: MIT */
/*
 * The deaths of services and what follows from them: back-off and give-up,
 * kept in a file of the run directory, so that the next supervisor goes on
 * from there and a plugin that fails is not tried at once again because the
 * supervisor was.
 *
 * A death is written down before the keeper is told to forget it, with the
 * generation it was: whoever finds the dead process again does not count it
 * twice.  Times are those of the boot; the file does not outlive it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "service_private.h"


#define MEMORY_FILE_MAX  (4 * 1024 * 1024)


/* ---- deaths -------------------------------------------------------- */

void
service_memory_count(struct service *service)
{
    if (service->counted_generation == service->generation
        && service->deaths[0] != 0)
    {
        return;
    }

    memmove(&service->deaths[1], &service->deaths[0],
            sizeof(uint64_t) * (SERVICE_DEATHS - 1));
    service->deaths[0] = time_boot_ms();
    service->counted_generation = service->generation;
}


bool
service_memory_is_hopeless(const struct service *service)
{
    uint64_t  oldest;

    oldest = service->deaths[SERVICE_DEATHS - 1];

    return oldest != 0 && service->deaths[0] - oldest < SERVICE_PROVEN_MS;
}


bool
service_memory_has_deaths(const struct service *service)
{
    return service->backoff > 0 || service->deaths[0] != 0;
}


void
service_memory_forgive(struct service *service)
{
    service->backoff = 0;
    service->pending_until_ms = 0;
    memset(service->deaths, 0, sizeof(service->deaths));
}


/* ---- file ---------------------------------------------------------- */

static void
service_memory_label(const struct service *service, char *label, size_t size)
{
    snprintf(label, size, "%s/%s/%s", service->options.kind,
             service->options.name, service->options.place);
}


static json_t *
service_memory_encode(const struct service *service)
{
    size_t   i;
    json_t  *record, *deaths;

    deaths = json_array();

    for (i = 0; i < SERVICE_DEATHS; i++) {
        json_array_append_new(deaths,
                              json_integer((json_int_t) service->deaths[i]));
    }

    record = json_pack("{s:i, s:i, s:I, s:o}",
                       "backoff", (int) service->backoff,
                       "restarts", (int) service->restarts,
                       "generation", (json_int_t) service->counted_generation,
                       "deaths", deaths);

    /* texts come from outside: what is not UTF-8 is left out */

    json_object_set_new(record, "last_exit", json_string(service->last_exit));
    json_object_set_new(record, "error", json_string(service->error));

    if ((service->state == SERVICE_BACKOFF || service->state == SERVICE_FAILED)
        && service->delay_ms > 0)
    {
        json_object_set_new(record, "failed",
                            json_boolean(service->state == SERVICE_FAILED));
        json_object_set_new(record, "until", json_integer((json_int_t)
                            (service->since_ms + service->delay_ms)));
    }

    return record;
}


void
service_memory_save(struct service_pool *pool)
{
    char             *text, label[256];
    json_t           *root, *services;
    struct error      err;
    struct service   *p;

    if (pool->memory_path == NULL) {
        return;
    }

    services = json_object();

    for (p = pool->services; p != NULL; p = p->next) {
        if (service_memory_has_deaths(p) || p->restarts > 0) {
            service_memory_label(p, label, sizeof(label));
            json_object_set_new(services, label, service_memory_encode(p));
        }
    }

    root = json_pack("{s:s, s:o}", "mark", pool->memory_mark, "services",
                     services);
    text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(root);

    if (text != NULL && (pool->memory_text == NULL
                         || strcmp(text, pool->memory_text) != 0))
    {
        if (fs_write_atomic(pool->memory_path, text, strlen(text), 0640, &err)
            != 0)
        {
            log_warn("what is known of earlier deaths cannot be kept: %s",
                     err.text);
        }

        free(pool->memory_text);
        pool->memory_text = text;
        return;
    }

    free(text);
}


void
service_pool_remember(struct service_pool *pool, const char *path,
    const char *mark)
{
    json_t         *root;
    const char     *found;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    pool->memory_path = mem_strdup(path);
    pool->memory_mark = mem_strdup(mark);

    if (fs_read(path, MEMORY_FILE_MAX, &text, NULL) != 0) {
        return;
    }

    root = json_loadb(text.data, text.len, 0, NULL);
    found = json_string_value(json_object_get(root, "mark"));

    if (found != NULL && strcmp(found, mark) == 0) {
        pool->memory = json_incref(json_object_get(root, "services"));
    }

    json_decref(root);
    strbuf_free(&text);
}


void
service_memory_free(struct service_pool *pool)
{
    json_decref(pool->memory);
    free(pool->memory_path);
    free(pool->memory_mark);
    free(pool->memory_text);
}


/* a number from 0 to most, else 0 */

static uint64_t
service_memory_number(const json_t *record, const char *key, uint64_t most)
{
    const json_t  *value;

    value = json_object_get(record, key);

    return json_is_integer(value) && json_integer_value(value) >= 0
           && (uint64_t) json_integer_value(value) <= most
           ? (uint64_t) json_integer_value(value) : 0;
}


static void
service_memory_text(const json_t *record, const char *key, char *text,
    size_t size)
{
    const char  *value;

    value = json_string_value(json_object_get(record, key));
    snprintf(text, size, "%s", value != NULL ? value : "");
}


void
service_memory_restore(struct service *service)
{
    char           label[256];
    size_t         i;
    uint64_t       now;
    const json_t  *record, *deaths;

    service_memory_label(service, label, sizeof(label));
    record = json_object_get(service->pool->memory, label);

    if (record == NULL) {
        return;
    }

    now = time_boot_ms();
    deaths = json_object_get(record, "deaths");

    for (i = 0; i < SERVICE_DEATHS && i < json_array_size(deaths); i++) {
        json_int_t  at;

        at = json_integer_value(json_array_get(deaths, i));
        service->deaths[i] = at > 0 && (uint64_t) at <= now ? (uint64_t) at
                                                            : 0;
    }

    service->backoff = (unsigned) service_memory_number(record, "backoff",
                                                        1000000);
    service->restarts = (unsigned) service_memory_number(record, "restarts",
                                                         INT32_MAX);
    service->counted_generation = (uint32_t)
               service_memory_number(record, "generation", UINT32_MAX);
    service->pending_until_ms = service_memory_number(record, "until",
                                                      UINT32_MAX + now);
    service->pending_is_failed = json_is_true(json_object_get(record,
                                                              "failed"));

    service_memory_text(record, "last_exit", service->last_exit,
                        sizeof(service->last_exit));

    if (service->pending_until_ms > 0) {
        service_memory_text(record, "error", service->error,
                            sizeof(service->error));
    }
}
