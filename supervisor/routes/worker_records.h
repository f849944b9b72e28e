/* SPDX-License-Identifier: MIT */
/*
 * The run file "workers": made here, written by the nginx workers, read here.
 */

#ifndef SUPERVISOR_ROUTES_WORKER_RECORDS_H
#define SUPERVISOR_ROUTES_WORKER_RECORDS_H

#include "contract/mint_workers.h"
#include "run_file.h"


struct worker_records {
    struct run_line  line;
    uint32_t         seats;
    uint32_t         plugins;
};


/* adopts a whole file of exactly these capacities, else makes one */
int worker_records_open(struct worker_records *records, const char *directory,
    uint32_t seats, uint32_t plugins, gid_t gid, struct error *err);
void worker_records_close(struct worker_records *records);

/* a larger file; requests under way go on counting in the one before */
int worker_records_grow(struct worker_records *records, uint32_t seats,
    uint32_t plugins, struct error *err);

/* sum over the live records of the current and of each retired file */
uint32_t worker_records_in_flight(const struct worker_records *records,
    uint32_t seat);

/* parked[i]: requests that wait for a seat of plugin i, in the live records of
   the current and of each retired file */
void worker_records_parked(const struct worker_records *records,
    uint64_t *parked, uint32_t count);

/* live workers of the current file and of retired ones */
uint32_t worker_records_live(const struct worker_records *records);

/* a run_line_in_use_fn; ctx = the worker_records */
bool worker_records_in_use(void *ctx, enum mint_run_kind kind,
    const struct run_file *file);

/* checks capacities and tables of a mapped file */
int worker_file_check(const struct run_file *file, struct error *err);

/*
 * Sums the counters of a plugin over all records of the file, owned or not:
 * everything since the file was made.  in_flight is that of live workers, what
 * follows the counters is 0.  false: nothing was counted yet.
 */
bool worker_file_total(const struct run_file *file, uint32_t plugin_id,
    struct mint_worker_plugin *sum);

/* record i, or NULL if no process holds its lock */
const struct mint_worker *worker_file_record(const struct run_file *file,
    unsigned i);

/* of a record: what it says of each plugin, by id */
const struct mint_worker_plugin *worker_file_plugins(
    const struct run_file *file, const struct mint_worker *worker);

#endif /* SUPERVISOR_ROUTES_WORKER_RECORDS_H */
