/* SPDX-License-Identifier: MIT */
/*
 * Counts the plugins by what they are doing.  Changes nothing, and is silent
 * about what happens once the start is over.
 */

#include "supervisor/observe/start_progress.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/process/plugin_process.h"


#define START_PROGRESS_LOG_MS  1000


struct start_progress {
    struct registry    *registry;
    start_progress_fn   fn;
    void               *ctx;
    bool                is_going_on;
    uint64_t            begun_ms;
    uint64_t            logged_ms;
};


static const struct {
    const char  *word;
    size_t       offset;
} start_words[] = {
    { "starting", offsetof(struct start_counts, starting) },
    { "waiting", offsetof(struct start_counts, waiting) },
    { "failed", offsetof(struct start_counts, failed) },
    { "stopped", offsetof(struct start_counts, stopped) }
};


static unsigned *
start_counts_of(struct start_counts *counts, const struct plugin *plugin)
{
    const struct service  *service;

    switch (plugin->state) {

    case PLUGIN_READY:
    case PLUGIN_UPGRADING:
    case PLUGIN_RESISTING:
        return &counts->ready;

    case PLUGIN_FAILED:
        return &counts->failed;

    case PLUGIN_STOPPED:
    case PLUGIN_UNINSTALLING:
        return &counts->stopped;

    default:
        break;
    }

    service = plugin_process_service(plugin);

    return service != NULL && (service_state(service) == SERVICE_PREPARING
                               || service_state(service) == SERVICE_STARTING)
           ? &counts->starting : &counts->waiting;
}


void
start_counts_take(struct start_counts *counts, struct registry *registry)
{
    size_t  i;

    memset(counts, 0, sizeof(struct start_counts));
    counts->total = (unsigned) registry_count(registry);

    for (i = 0; i < counts->total; i++) {
        ++*start_counts_of(counts, registry_at(registry, i));
    }
}


char *
start_counts_text(const struct start_counts *counts)
{
    size_t         i;
    unsigned       count;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    strbuf_printf(&text, "%u of %u ready", counts->ready, counts->total);

    for (i = 0; i < sizeof(start_words) / sizeof(start_words[0]); i++) {
        count = *(const unsigned *) (const void *)
                ((const char *) counts + start_words[i].offset);

        if (count > 0) {
            strbuf_printf(&text, ", %u %s", count, start_words[i].word);
        }
    }

    return text.data;
}


static void
start_progress_tell(struct start_progress *progress)
{
    char                 *text, *step;
    uint64_t              now;
    struct start_counts   counts;

    start_counts_take(&counts, progress->registry);

    text = start_counts_text(&counts);
    now = time_boot_ms();

    if (counts.starting + counts.waiting == 0) {
        progress->is_going_on = false;
        log_info("plugins: %s, %llu ms after the first start", text,
                 (unsigned long long) (now - progress->begun_ms));
        progress->fn(progress->ctx, NULL);
        free(text);
        return;
    }

    if (now - progress->logged_ms >= START_PROGRESS_LOG_MS) {
        progress->logged_ms = now;
        log_info("plugins: %s", text);
    }

    step = mem_printf("starting plugins: %s", text);
    progress->fn(progress->ctx, step);

    free(step);
    free(text);
}


static void
start_progress_on_state(void *ctx, struct service *service,
    enum service_state from)
{
    struct start_progress  *progress;

    (void) from;
    progress = ctx;

    if (progress->is_going_on
        && strcmp(service_kind(service), "plugin") == 0)
    {
        start_progress_tell(progress);
    }
}


struct start_progress *
start_progress_new(struct service_pool *pool, struct registry *registry,
    start_progress_fn fn, void *ctx)
{
    struct start_progress    *progress;
    struct service_observer   observer;

    progress = mem_alloc(sizeof(struct start_progress));
    progress->registry = registry;
    progress->fn = fn;
    progress->ctx = ctx;

    memset(&observer, 0, sizeof(observer));
    observer.ctx = progress;
    observer.on_state = start_progress_on_state;
    service_pool_observe(pool, &observer);

    return progress;
}


void
start_progress_free(struct start_progress **progress)
{
    free(*progress);
    *progress = NULL;
}


void
start_progress_begin(struct start_progress *progress)
{
    struct start_counts  counts;

    start_counts_take(&counts, progress->registry);

    if (counts.starting + counts.waiting > 0) {
        progress->is_going_on = true;
        progress->begun_ms = time_boot_ms();
        start_progress_tell(progress);
    }
}
