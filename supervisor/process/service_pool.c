/* SPDX-License-Identifier: MIT */
/*
 * What all services share: who observes them, the few places to start in, and
 * the queue for those.  Leaves what is done with a place to service_machine.c.
 */

#include <assert.h>
#include <stdlib.h>

#include "lib/strbuf.h"
#include "service_private.h"


struct service_pool *
service_pool_new(struct process_table *table, struct http_client *http,
    unsigned starts_at_once)
{
    struct service_pool  *pool;

    pool = mem_alloc(sizeof(struct service_pool));
    pool->table = table;
    pool->http = http;
    pool->places = (int) starts_at_once;

    return pool;
}


void
service_pool_free(struct service_pool **pool)
{
    if (*pool != NULL) {
        service_memory_free(*pool);
        free(*pool);
        *pool = NULL;
    }
}


void
service_pool_observe(struct service_pool *pool,
    const struct service_observer *observer)
{
    assert(pool->observers < SERVICE_OBSERVERS);
    pool->observer[pool->observers++] = *observer;
}


void
service_pool_order(struct service_pool *pool, service_wait_fn fn, void *ctx)
{
    pool->waits_for = fn;
    pool->waits_ctx = ctx;
}


void
service_pool_each(struct service_pool *pool,
    bool (*fn)(void *ctx, struct service *service), void *ctx)
{
    struct service  *p, *next;

    for (p = pool->services; p != NULL; p = next) {
        next = p->next;

        if (!fn(ctx, p)) {
            return;
        }
    }
}


void
service_pool_tell(struct service *service, enum service_state from)
{
    size_t                          i;
    const struct service_observer  *observer;

    for (i = 0; i < service->pool->observers; i++) {
        observer = &service->pool->observer[i];

        if (observer->on_state != NULL) {
            observer->on_state(observer->ctx, service, from);
        }
    }
}


/* ---- places -------------------------------------------------------- */

void
service_pool_enter(struct service *service)
{
    if (!service->options.needs_no_place) {
        service->pool->places--;
        service->has_place = true;
    }
}


void
service_pool_leave(struct service *service)
{
    if (service->has_place) {
        service->has_place = false;
        service->pool->places++;
    }
}


const char *
service_waits_for(const struct service *service)
{
    const struct service_pool  *pool;

    pool = service->pool;

    return service->state == SERVICE_QUEUED && pool->waits_for != NULL
           ? pool->waits_for(pool->waits_ctx, service) : NULL;
}


static struct service *
service_pool_next(const struct service_pool *pool)
{
    struct service  *p, *next;

    next = NULL;

    for (p = pool->services; p != NULL; p = p->next) {
        if (p->state == SERVICE_QUEUED
            && (pool->places > 0 || p->options.needs_no_place)
            && (next == NULL || p->turn < next->turn)
            && service_waits_for(p) == NULL
            && (p->hooks->may_start == NULL
                || p->hooks->may_start(p->ctx, p)))
        {
            next = p;
        }
    }

    return next;
}


/* starting one may end in this function again: nothing is kept between */

void
service_pool_look(struct service_pool *pool)
{
    struct service  *next;

    while ((next = service_pool_next(pool)) != NULL) {
        service_event(next, EVENT_PLACE);
    }
}
