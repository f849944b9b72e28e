/* SPDX-License-Identifier: MIT */
/*
 * The run file "workers" as JSON: each live worker's record, and what all
 * workers have counted, ended ones included.
 */

#include <stdio.h>

#include "run_json.h"
#include "worker_records.h"


static json_t *run_json_totals(const struct run_file *file);
static json_t *run_json_worker(const struct run_file *file, unsigned i,
    const struct mint_worker *worker);
static json_t *run_json_in_flight(const struct run_file *file,
    const struct mint_worker *worker);
static json_t *run_json_plugins(const struct run_file *file,
    const struct mint_worker *worker);
static json_t *run_json_plugin(const struct mint_worker_plugin *plugin);
static json_t *run_json_figures(const uint64_t *figures, unsigned count);
static uint64_t run_json_sum(const uint64_t *figures, unsigned count);


static const char *const  run_json_rejections[MINT_REJECT_COUNT] = {
    [MINT_REJECT_NO_TOKEN] = "no_token",
    [MINT_REJECT_BAD_TOKEN] = "bad_token",
    [MINT_REJECT_EXPIRED] = "expired",
    [MINT_REJECT_REVOKED] = "revoked",
    [MINT_REJECT_FORBIDDEN] = "forbidden",
    [MINT_REJECT_BAD_PATH] = "bad_path",
    [MINT_REJECT_NOT_READY] = "not_ready",
    [MINT_REJECT_FULL] = "full"
};


int
run_json_workers(const struct run_file *file, json_t *to, bool secrets,
    struct error *err)
{
    int                        rc;
    json_t                    *list;
    unsigned                   i;
    const struct mint_worker  *worker;

    (void) secrets;

    rc = worker_file_check(file, err);
    if (rc != 0) {
        return rc;
    }

    list = json_array();

    for (i = 0; i < MINT_WORKERS_MAX; i++) {
        worker = worker_file_record(file, i);
        if (worker != NULL) {
            json_array_append_new(list, run_json_worker(file, i, worker));
        }
    }

    json_object_set_new(to, "totals", run_json_totals(file));

    return json_object_set_new(to, "workers", list);
}


/* of each plugin that was ever asked for, also by workers that have ended */

static json_t *
run_json_totals(const struct run_file *file)
{
    char                        name[16];
    json_t                     *totals;
    uint32_t                    id, count;
    struct mint_worker_plugin   sum;

    count = file->header->capacity[MINT_WORKERS_CAPACITY_PLUGINS];
    totals = json_object();

    for (id = 0; id < count; id++) {
        if (!worker_file_total(file, id, &sum)) {
            continue;
        }

        snprintf(name, sizeof(name), "%u", id);
        json_object_set_new(totals, name,
            json_pack("{s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:I}",
                "requests", run_json_figures(sum.requests, 6),
                "rejections", run_json_figures(sum.rejections,
                                               MINT_REJECT_COUNT),
                "latency", run_json_figures(sum.latency, 24),
                "in_flight", (json_int_t) sum.in_flight,
                "upgrades", (json_int_t) sum.upgrades,
                "bytes_in", (json_int_t) sum.bytes_in,
                "bytes_out", (json_int_t) sum.bytes_out,
                "affinity_hits", (json_int_t) sum.affinity_hits));
    }

    return totals;
}


static json_t *
run_json_worker(const struct run_file *file, unsigned i,
    const struct mint_worker *worker)
{
    return json_pack("{s:i,s:I,s:I,s:o,s:I,s:I,s:o,s:o}",
                     "record", (int) i,
                     "pid", (json_int_t) mint_run_load(&worker->pid),
                     "started_unix_ms",
                     (json_int_t) mint_run_load(&worker->started_unix_ms),
                     "epoch", run_json_figures(worker->epoch, 4),
                     "routes_generation",
                     (json_int_t) mint_run_load(&worker->routes_generation),
                     "requests",
                     (json_int_t) mint_run_load(&worker->requests),
                     "in_flight", run_json_in_flight(file, worker),
                     "plugins", run_json_plugins(file, worker));
}


static json_t *
run_json_in_flight(const struct run_file *file,
    const struct mint_worker *worker)
{
    char             name[16];
    json_t          *seats;
    uint32_t         k, count, n;
    const uint32_t  *in_flight;

    count = file->header->capacity[MINT_WORKERS_CAPACITY_SEATS];
    in_flight = (const uint32_t *) (const void *) (worker + 1);
    seats = json_object();

    for (k = 0; k < count; k++) {
        n = __atomic_load_n(&in_flight[k], __ATOMIC_RELAXED);
        if (n != 0) {
            snprintf(name, sizeof(name), "%u", k);
            json_object_set_new(seats, name, json_integer(n));
        }
    }

    return seats;
}


static json_t *
run_json_plugins(const struct run_file *file,
    const struct mint_worker *worker)
{
    char                              name[16];
    json_t                           *map;
    uint32_t                          k, count;
    const struct mint_worker_plugin  *plugins;

    plugins = worker_file_plugins(file, worker);
    count = file->header->capacity[MINT_WORKERS_CAPACITY_PLUGINS];
    map = json_object();

    for (k = 0; k < count; k++) {
        if (run_json_sum((const uint64_t *) (const void *) &plugins[k],
                         sizeof(plugins[k]) / sizeof(uint64_t))
            != 0)
        {
            snprintf(name, sizeof(name), "%u", k);
            json_object_set_new(map, name, run_json_plugin(&plugins[k]));
        }
    }

    return map;
}


/* "requests" and "rejections" are the sums of the lists behind them */

static json_t *
run_json_plugin(const struct mint_worker_plugin *plugin)
{
    json_t    *rejected;
    unsigned   i;

    rejected = json_object();

    for (i = 0; i < MINT_REJECT_COUNT; i++) {
        json_object_set_new(rejected, run_json_rejections[i],
            json_integer((json_int_t) mint_run_load(&plugin->rejections[i])));
    }

    return json_pack("{s:I,s:o,s:I,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:I}",
                     "requests",
                     (json_int_t) run_json_sum(plugin->requests, 6),
                     "status", run_json_figures(plugin->requests, 6),
                     "rejections",
                     (json_int_t) run_json_sum(plugin->rejections,
                                               MINT_REJECT_COUNT),
                     "rejected", rejected,
                     "in_flight",
                     (json_int_t) mint_run_load(&plugin->in_flight),
                     "parked",
                     (json_int_t) mint_run_load(&plugin->parked),
                     "upgrades",
                     (json_int_t) mint_run_load(&plugin->upgrades),
                     "bytes_in",
                     (json_int_t) mint_run_load(&plugin->bytes_in),
                     "bytes_out",
                     (json_int_t) mint_run_load(&plugin->bytes_out),
                     "affinity_hits",
                     (json_int_t) mint_run_load(&plugin->affinity_hits),
                     "latency", run_json_figures(plugin->latency, 24),
                     "oldest_start_ms",
                     (json_int_t) mint_run_load(&plugin->oldest_start_ms));
}


static json_t *
run_json_figures(const uint64_t *figures, unsigned count)
{
    json_t    *list;
    unsigned   i;

    list = json_array();

    for (i = 0; i < count; i++) {
        json_array_append_new(list,
            json_integer((json_int_t) mint_run_load(&figures[i])));
    }

    return list;
}


static uint64_t
run_json_sum(const uint64_t *figures, unsigned count)
{
    uint64_t  sum;
    unsigned  i;

    sum = 0;

    for (i = 0; i < count; i++) {
        sum += mint_run_load(&figures[i]);
    }

    return sum;
}
