/* SPDX-License-Identifier: MIT */
/*
 * Reports that are not finished yet.  One is finished when its requests are
 * known and the service is ready, given up or down; or when it dies again.
 */

#include "crash_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash_report.h"
#include "crash_requests.h"
#include "crash_store.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "secrets.h"
#include "supervisor/process/access_log.h"
#include "supervisor/process/service_private.h"


/* nginx writes its log in blocks, half a second late at most */
#define CRASH_REQUESTS_MS  1200

/* a supervisor that was away sees a death later than it was */
#define CRASH_ALONE_US     60000000


struct crash {
    struct crash_watch    *watch;
    const struct service  *service;     /* compared, not looked into */
    json_t                *report;
    char                  *name;
    char                  *place;
    uint64_t               unix_ms;
    uint64_t               born_us;
    bool                   was_alone;
    bool                   is_over;     /* what happens next is known */
    struct event          *timer;       /* until the requests are known */
    struct crash          *next;
};


struct crash_watch {
    struct event_base    *base;
    const struct config  *config;
    struct registry      *registry;
    char                 *directory;
    char                 *access_log;
    struct crash         *crashes;
};


static void crash_watch_on_exit(void *ctx, struct service *service,
    const struct service_exit *end);
static void crash_watch_on_state(void *ctx, struct service *service,
    enum service_state from);


struct crash_watch *
crash_watch_new(struct event_base *base, const struct config *config,
    struct registry *registry, struct service_pool *pool)
{
    struct crash_watch       *watch;
    struct service_observer   observer;

    watch = mem_alloc(sizeof(struct crash_watch));
    watch->base = base;
    watch->config = config;
    watch->registry = registry;
    watch->directory = crash_directory(config->server.data_path);
    watch->access_log = access_log_path(config->server.data_path);

    memset(&observer, 0, sizeof(observer));
    observer.ctx = watch;
    observer.on_exit = crash_watch_on_exit;
    observer.on_state = crash_watch_on_state;
    service_pool_observe(pool, &observer);

    return watch;
}


static void
crash_free(struct crash *crash)
{
    struct crash  **p;

    for (p = &crash->watch->crashes; *p != NULL; p = &(*p)->next) {
        if (*p == crash) {
            *p = crash->next;
            break;
        }
    }

    if (crash->timer != NULL) {
        event_free(crash->timer);
    }

    json_decref(crash->report);
    free(crash->name);
    free(crash->place);
    free(crash);
}


void
crash_watch_free(struct crash_watch **watch)
{
    struct crash_watch  *w;

    w = *watch;
    *watch = NULL;

    if (w == NULL) {
        return;
    }

    while (w->crashes != NULL) {
        crash_free(w->crashes);
    }

    free(w->directory);
    free(w->access_log);
    free(w);
}


static void
crash_write(const struct crash *crash)
{
    struct error  err;

    if (crash_save(crash->watch->directory, crash->name, crash->unix_ms,
                   crash->report, &err)
        != 0)
    {
        log_warn("the crash report of \"%s\" cannot be kept: %s", crash->name,
                 err.text);
    }
}


static void
crash_end_if_known(struct crash *crash)
{
    if (crash->is_over && crash->timer == NULL) {
        crash_free(crash);
    }
}


/* ---- a death ---------------------------------------------------------- */

static void
crash_on_requests(evutil_socket_t fd, short what, void *arg)
{
    struct crash           *crash;
    struct redactor        *redactor;
    struct crash_requests   wanted;

    (void) fd;
    (void) what;
    crash = arg;

    event_free(crash->timer);
    crash->timer = NULL;

    wanted.plugin = strcmp(crash->name, "platform") == 0 ? "" : crash->name;
    wanted.place = crash->place;
    wanted.born_us = crash->born_us;
    wanted.died_us = crash->unix_ms * 1000;
    wanted.slack_us = crash->was_alone ? CRASH_ALONE_US : 0;

    redactor = secrets_redactor(crash->watch->config, crash->watch->registry);
    crash_requests_read(crash->report, crash->watch->access_log, &wanted,
                        redactor);
    redactor_free(&redactor);

    crash_write(crash);
    crash_end_if_known(crash);
}


static struct crash *
crash_find(struct crash_watch *watch, const struct service *service)
{
    struct crash  *crash;

    for (crash = watch->crashes; crash != NULL; crash = crash->next) {
        if (crash->service == service && !crash->is_over) {
            return crash;
        }
    }

    return NULL;
}


static void
crash_watch_on_exit(void *ctx, struct service *service,
    const struct service_exit *end)
{
    json_t              *lines;
    struct crash        *crash;
    struct timeval       tv;
    struct redactor     *redactor;
    struct crash_watch  *watch;

    watch = ctx;
    crash = crash_find(watch, service);

    if (crash != NULL) {
        crash_report_next(crash->report, end->unix_ms, end->state,
                          "ended again");
        crash->is_over = true;
        crash_write(crash);
        crash_end_if_known(crash);
    }

    if (!crash_is_one(end, service->options.stop_signal)) {
        return;
    }

    crash = mem_alloc(sizeof(struct crash));
    crash->watch = watch;
    crash->service = service;
    crash->name = mem_strdup(service_name(service));
    crash->place = mem_strdup(service_place(service));
    crash->unix_ms = end->unix_ms;
    crash->born_us = end->started_unix_ms * 1000;
    crash->was_alone = end->was_alone;
    crash->next = watch->crashes;
    watch->crashes = crash;

    lines = output_tail(service_output(service), CRASH_LOG_LINES);
    redactor = secrets_redactor(watch->config, watch->registry);
    crash->report = crash_report_make(service, end, lines, redactor);
    redactor_free(&redactor);
    json_decref(lines);

    tv.tv_sec = CRASH_REQUESTS_MS / 1000;
    tv.tv_usec = CRASH_REQUESTS_MS % 1000 * 1000;
    crash->timer = evtimer_new(watch->base, crash_on_requests, crash);
    evtimer_add(crash->timer, &tv);

    crash_write(crash);
}


/* ---- what happens next ------------------------------------------------ */

static const struct {
    const char  *text;                  /* NULL = not worth a line */
    bool         is_end;
}  crash_steps[SERVICE_STATE_COUNT] = {
    [SERVICE_DOWN] = { "stopped", true },
    [SERVICE_QUEUED] = { "is started again", false },
    [SERVICE_STARTING] = { "starts", false },
    [SERVICE_READY] = { "ready again", true },
    [SERVICE_BACKOFF] = { "waits before it is started again", false },
    [SERVICE_FAILED] = { "given up for now", true },
};


static void
crash_watch_on_state(void *ctx, struct service *service,
    enum service_state from)
{
    char                 text[128];
    struct crash        *crash;
    enum service_state   state;

    (void) from;
    state = service_state(service);
    crash = crash_find(ctx, service);

    if (crash == NULL || crash_steps[state].text == NULL) {
        return;
    }

    snprintf(text, sizeof(text), "%s", crash_steps[state].text);

    if (state == SERVICE_BACKOFF || state == SERVICE_FAILED) {
        snprintf(text, sizeof(text), "%s (%u s)", crash_steps[state].text,
                 service_retry_after_sec(service));
    }

    crash_report_next(crash->report, time_unix_ms(), state, text);
    crash->is_over = crash_steps[state].is_end;
    crash_write(crash);
    crash_end_if_known(crash);
}
