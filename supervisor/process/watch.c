/* SPDX-License-Identifier: MIT */
/*
 * One timer for each ready process: reads what it uses, asks its host for
 * figures, probes it.  Judging the probe is health.c's, reading /proc usage.c's
 * work; what follows is the service's state machine's.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "health.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "service_private.h"
#include "usage.h"
#include "watch.h"


#define WATCH_ASK    "{\"command\": \"figures\"}\n"
#define WATCH_NOTE   200            /* bytes of a reason */

/* the new one may have failed, or waited for somebody's work */
#define WATCH_AGAIN_MS  3600000


/* of the host's report "figures", -1 = not known */
enum watch_figure {
    FIGURE_FDS, FIGURE_REQUESTS, FIGURE_WEBSOCKETS, FIGURE_JOBS,
    FIGURE_SERVED, FIGURE_LAG, FIGURE_COUNT
};

static const char *const  watch_figures[FIGURE_COUNT] = {
    [FIGURE_FDS] = "fds",
    [FIGURE_REQUESTS] = "requests",
    [FIGURE_WEBSOCKETS] = "websockets",
    [FIGURE_JOBS] = "jobs",
    [FIGURE_SERVED] = "served",
    [FIGURE_LAG] = "lag_ms"
};


struct watch {
    struct watcher     *watcher;
    struct service     *service;
    struct watch       *next;
    struct event       *timer;
    struct http_call   *probe;
    struct health       health;
    struct usage        usage;
    uint64_t            usage_ms;       /* when it was read, 0 = never */
    unsigned            cpu_percent;    /* of one CPU, since the last time */
    uint64_t            oom_kills;
    int64_t             figure[FIGURE_COUNT];
    int64_t             stuck_ms;       /* 0: it is not, as far as is known */
    char               *stack;
    uint64_t            recycled_ms;    /* when it was asked for, 0 = not */
};


struct watcher {
    struct service_pool  *pool;
    const struct config  *config;
    watch_recycle_fn      recycle;
    void                 *ctx;
    struct watch         *first;
};


static void watch_on_state(void *ctx, struct service *service,
    enum service_state from);
static void watch_on_report(void *ctx, struct service *service,
    const char *event, json_t *report);
static void watch_on_timer(evutil_socket_t fd, short what, void *arg);
static void watch_on_probed(void *ctx, long status, const char *error);


struct watcher *
watcher_new(struct service_pool *pool, const struct config *config,
    watch_recycle_fn recycle, void *ctx)
{
    struct watcher           *watcher;
    struct service_observer   observer;

    watcher = mem_alloc(sizeof(struct watcher));
    watcher->pool = pool;
    watcher->config = config;
    watcher->recycle = recycle;
    watcher->ctx = ctx;

    memset(&observer, 0, sizeof(observer));
    observer.ctx = watcher;
    observer.on_state = watch_on_state;
    observer.on_report = watch_on_report;
    service_pool_observe(pool, &observer);

    return watcher;
}


static void
watch_free(struct watch *watch)
{
    if (watch->probe != NULL) {
        http_call_cancel(watch->probe);
    }

    watch->service->watch = NULL;
    event_free(watch->timer);
    free(watch->stack);
    free(watch);
}


void
watcher_free(struct watcher **watcher)
{
    struct watch  *watch;

    if (*watcher == NULL) {
        return;
    }

    while ((watch = (*watcher)->first) != NULL) {
        (*watcher)->first = watch->next;
        watch_free(watch);
    }

    free(*watcher);
    *watcher = NULL;
}


void
watch_forget(struct watch *watch)
{
    struct watch  **at;

    if (watch == NULL) {
        return;
    }

    for (at = &watch->watcher->first; *at != watch; at = &(*at)->next) {
        /* void */
    }

    *at = watch->next;
    watch_free(watch);
}


static bool
watch_is_plugin(const struct service *service)
{
    return strcmp(service->options.kind, "plugin") == 0;
}


static const struct config_limits *
watch_limits(const struct watch *watch)
{
    return config_limits_of(watch->watcher->config,
                            watch->service->options.name);
}


static void
watch_wait(struct watch *watch)
{
    struct timeval  tv = { watch_limits(watch)->probe_interval_sec, 0 };

    evtimer_add(watch->timer, &tv);
}


/* a watch lasts as long as its process is ready */

static void
watch_on_state(void *ctx, struct service *service, enum service_state from)
{
    size_t           i;
    struct watch    *watch;
    struct watcher  *watcher;

    (void) from;
    watcher = ctx;
    watch_forget(service->watch);

    if (service->state != SERVICE_READY) {
        return;
    }

    watch = mem_alloc(sizeof(struct watch));
    watch->watcher = watcher;
    watch->service = service;
    watch->timer = evtimer_new(process_table_base(watcher->pool->table),
                               watch_on_timer, watch);

    for (i = 0; i < FIGURE_COUNT; i++) {
        watch->figure[i] = -1;
    }

    watch->next = watcher->first;
    watcher->first = watch;
    service->watch = watch;

    watch->oom_kills = usage_oom_kills(service->process.memory_group);
    watch_wait(watch);
}


/* ---- what it uses -------------------------------------------------- */

static void
watch_read_usage(struct watch *watch)
{
    uint64_t      now, spent;
    struct usage  usage;

    if (usage_read(watch->service->process.pid, &usage) != 0) {
        return;
    }

    now = time_boot_ms();
    spent = usage.cpu_ms > watch->usage.cpu_ms
            ? usage.cpu_ms - watch->usage.cpu_ms : 0;

    if (watch->usage_ms != 0 && now > watch->usage_ms) {
        watch->cpu_percent = (unsigned) (spent * 100
                                         / (now - watch->usage_ms));
    }

    watch->usage = usage;
    watch->usage_ms = now;
}


/* a job's process may be killed while the plugin goes on */

static void
watch_read_oom_kills(struct watch *watch)
{
    uint64_t         kills;
    struct service  *service;

    service = watch->service;
    kills = usage_oom_kills(service->process.memory_group);

    if (kills > watch->oom_kills) {
        log_warn("\"%s\": out of memory: %llu of its processes were killed at "
                 "its limit of %llu MiB", service->options.name,
                 (unsigned long long) (kills - watch->oom_kills),
                 (unsigned long long) (service->memory_limit_bytes >> 20));
        output_note(service->output, "out of memory: %llu processes were "
                    "killed at the limit of %llu MiB",
                    (unsigned long long) (kills - watch->oom_kills),
                    (unsigned long long) (service->memory_limit_bytes >> 20));
    }

    watch->oom_kills = kills;
}


/* ---- recycling ----------------------------------------------------- */

static void
watch_judge_age(struct watch *watch)
{
    char                         why[WATCH_NOTE];
    int64_t                      age_sec, served;
    uint64_t                     limit_bytes;
    const struct config_limits  *limits;

    limits = watch_limits(watch);
    limit_bytes = (uint64_t) limits->recycle_memory_mb << 20;
    age_sec = (int64_t) (time_unix_ms()
                         - watch->service->process.started_unix_ms) / 1000;
    served = watch->figure[FIGURE_SERVED];

    if (limits->recycle_hours > 0 && age_sec > limits->recycle_hours * 3600) {
        snprintf(why, sizeof(why), "is older than %lld hours",
                 (long long) limits->recycle_hours);

    } else if (limits->recycle_requests > 0
               && served >= limits->recycle_requests)
    {
        snprintf(why, sizeof(why), "has served %lld requests",
                 (long long) served);

    } else if (limit_bytes > 0 && watch->usage.memory_bytes > limit_bytes) {
        snprintf(why, sizeof(why), "uses %llu MiB of memory",
                 (unsigned long long) (watch->usage.memory_bytes >> 20));

    } else {
        return;
    }

    watch->recycled_ms = time_boot_ms();
    output_note(watch->service->output, "%s: to be replaced", why);
    watch->watcher->recycle(watch->watcher->ctx, watch->service, why);
}


/* ---- the timer ----------------------------------------------------- */

static void
watch_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct error     err;
    struct watch    *watch;
    struct service  *service;

    (void) fd;
    (void) what;
    watch = arg;
    service = watch->service;

    watch_read_usage(watch);
    watch_read_oom_kills(watch);

    if (!watch_is_plugin(service) || service->options.probe_url == NULL) {
        watch_wait(watch);
        return;
    }

    /* one that does not read its commands is found out by the probe */

    (void) service_command(service, WATCH_ASK, &err);

    watch->probe = http_client_get(service->pool->http,
                                   service->options.probe_url,
                                   service->options.probe_unix,
                                   (unsigned) watch_limits(watch)
                                   ->probe_timeout_sec * 1000,
                                   watch_on_probed, watch);

    if (watch->probe == NULL) {
        watch_wait(watch);
    }

    if (watch->recycled_ms == 0
        || time_boot_ms() - watch->recycled_ms > WATCH_AGAIN_MS)
    {
        watch_judge_age(watch);     /* may end this watch: nothing after it */
    }
}


/* "    line of code" of the innermost frame, or "" */

static void
watch_where(const struct watch *watch, char *text, size_t size)
{
    char        *copy, *at, *line;
    const char  *file;

    text[0] = '\0';
    file = NULL;
    copy = mem_strdup(watch->stuck_ms > 0 && watch->stack != NULL
                      ? watch->stack : "");

    for (at = copy; (line = strsep(&at, "\n")) != NULL; ) {
        line += strspn(line, " ");

        if (strncmp(line, "File \"", 6) == 0) {
            file = line;
        }
    }

    if (file != NULL) {
        snprintf(text, size, "; its event loop was stuck at: %s", file);
    }

    free(copy);
}


static void
watch_on_probed(void *ctx, long status, const char *error)
{
    char                         why[2 * WATCH_NOTE], where[WATCH_NOTE];
    bool                         has_answered;
    struct watch                *watch;
    enum health_state            before;
    const struct config_limits  *limits;

    watch = ctx;
    watch->probe = NULL;
    limits = watch_limits(watch);
    has_answered = status > 0 && status < 500;
    before = watch->health.state;

    if (has_answered) {
        watch->stuck_ms = 0;
    }

    if (health_step(&watch->health, has_answered,
                    (unsigned) limits->probe_down_after,
                    (unsigned) limits->probe_up_after) != HEALTH_DOWN)
    {
        if (watch->health.state != before) {
            output_note(watch->service->output, "%s", has_answered
                        ? "answers again" : "does not answer");
        }

        watch_wait(watch);
        return;
    }

    watch_where(watch, where, sizeof(where));

    if (status == 0) {
        snprintf(why, sizeof(why), "did not answer %u times in a row (%s)%s",
                 watch->health.missed, error, where);

    } else {
        snprintf(why, sizeof(why), "answered %u times in a row with status "
                 "%ld%s", watch->health.missed, status, where);
    }

    service_condemn(watch->service, why);
}


/* ---- the host's reports -------------------------------------------- */

static void
watch_on_report(void *ctx, struct service *service, const char *event,
    json_t *report)
{
    size_t         i;
    json_t        *value;
    const char    *stack;
    struct watch  *watch;

    (void) ctx;
    watch = service->watch;

    if (watch == NULL) {
        return;
    }

    if (strcmp(event, "figures") == 0) {
        for (i = 0; i < FIGURE_COUNT; i++) {
            value = json_object_get(report, watch_figures[i]);
            watch->figure[i] = json_is_integer(value)
                               && json_integer_value(value) >= 0
                               ? json_integer_value(value) : -1;
        }

    } else if (strcmp(event, "stuck") == 0) {
        stack = json_string_value(json_object_get(report, "stack"));
        watch->stuck_ms = json_integer_value(json_object_get(report, "ms"));
        free(watch->stack);
        watch->stack = mem_strdup(stack != NULL ? stack : "");

        output_note(service->output, "event loop has been stuck for %lld ms "
                    "in:", (long long) watch->stuck_ms);
        output_note(service->output, "%.8000s", watch->stack);

    } else if (strcmp(event, "lag") == 0) {
        watch->stuck_ms = 0;        /* it goes on */
    }
}


json_t *
watch_json(const struct watch *watch)
{
    size_t                 i;
    json_t                *json;
    const struct service  *service;

    service = watch->service;
    json = json_pack("{s:s?, s:i, s:I, s:I, s:i, s:i, s:i, s:I, s:s?}",
                     "health", watch_is_plugin(service)
                     ? health_name(watch->health.state) : NULL,
                     "missed", (int) watch->health.missed,
                     "memory_bytes", (json_int_t) watch->usage.memory_bytes,
                     "memory_limit_bytes",
                     (json_int_t) service->memory_limit_bytes,
                     "cpu_percent", (int) watch->cpu_percent,
                     "processes", (int) watch->usage.processes,
                     "threads", (int) watch->usage.threads,
                     "stuck_ms", (json_int_t) watch->stuck_ms,
                     "stack", watch->stack);

    for (i = 0; i < FIGURE_COUNT; i++) {
        json_object_set_new(json, watch_figures[i], watch->figure[i] < 0
                            ? json_null() : json_integer(watch->figure[i]));
    }

    return json;
}
