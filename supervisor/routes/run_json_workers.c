/* SPDX-License-Identifier: MIT */
/*
 * The run file "workers" as JSON: each live worker's record, and what all
 * workers have counted, ended ones included.
 */

#include <stdio.h>

#include "run_json.h"
#include "worker_records.h"


static json_t *run_json_totals(const struct run_file *file);
static json_t *run_json_figures(const uint64_t *figures, unsigned count);
static json_t *run_json_worker(const struct run_file *file, unsigned i,
    const struct mint_worker *worker);


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
run_json_figures(const uint64_t *figures, unsigned count)
{
    json_t    *list;
    unsigned   i;

    list = json_array();

    for (i = 0; i < count; i++) {
        json_array_append_new(list, json_integer((json_int_t) figures[i]));
    }

    return list;
}


static json_t *
run_json_worker(const struct run_file *file, unsigned i,
    const struct mint_worker *worker)
{
    char                              name[16];
    json_t                           *seats, *plugins;
    uint32_t                          k, count, n;
    const uint32_t                   *in_flight;
    const struct mint_worker_plugin  *plugin;

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

    plugin = worker_file_plugins(file, worker);
    count = file->header->capacity[MINT_WORKERS_CAPACITY_PLUGINS];
    plugins = json_object();

    for (k = 0; k < count; k++) {
        uint64_t  requests, rejections;
        unsigned  j;

        requests = 0;
        rejections = 0;
        for (j = 0; j < 6; j++) {
            requests += mint_run_load(&plugin[k].requests[j]);
        }
        for (j = 0; j < MINT_REJECT_COUNT; j++) {
            rejections += mint_run_load(&plugin[k].rejections[j]);
        }

        if (requests + rejections != 0) {
            snprintf(name, sizeof(name), "%u", k);
            json_object_set_new(plugins, name,
                json_pack("{s:I,s:I}", "requests", (json_int_t) requests,
                          "rejections", (json_int_t) rejections));
        }
    }

    return json_pack("{s:i,s:I,s:[I,I,I,I],s:I,s:I,s:o,s:o}",
                     "record", (int) i,
                     "pid", (json_int_t) mint_run_load(&worker->pid),
                     "epoch", (json_int_t) mint_run_load(&worker->epoch[0]),
                     (json_int_t) mint_run_load(&worker->epoch[1]),
                     (json_int_t) mint_run_load(&worker->epoch[2]),
                     (json_int_t) mint_run_load(&worker->epoch[3]),
                     "routes_generation",
                     (json_int_t) mint_run_load(&worker->routes_generation),
                     "requests",
                     (json_int_t) mint_run_load(&worker->requests),
                     "in_flight", seats, "plugins", plugins);
}
