/* SPDX-License-Identifier: MIT */
/*
 * Makes "workers" and reads its records.  A record counts only while a
 * process holds the OFD lock on its byte: the kernel frees it at death, so a
 * killed worker's counters are never waited for.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "worker_records.h"


#define WORKERS_SEATS_MOST    131072
#define WORKERS_PLUGINS_MOST  65536


static bool worker_file_shows(const struct run_file *file,
    enum mint_run_kind kind, uint64_t epoch);
static int worker_records_replace(struct worker_records *records,
    uint32_t seats, uint32_t plugins, struct error *err);
static bool worker_file_has(const struct run_file *file, unsigned i);
static const struct mint_worker *worker_file_at(const struct run_file *file,
    unsigned i);
static uint64_t worker_file_offset(const struct run_file *file, unsigned i);
static const uint32_t *worker_file_seat(const struct run_file *file,
    unsigned record, uint32_t seat);
static void worker_file_shape(uint32_t seats, uint32_t plugins,
    struct run_shape *shape);


int
worker_records_open(struct worker_records *records, const char *directory,
    uint32_t seats, uint32_t plugins, gid_t gid, struct error *err)
{
    int                rc;
    struct run_shape   shape;

    memset(records, 0, sizeof(*records));

    rc = run_line_open(&records->line, directory, MINT_RUN_WORKERS, gid, err);
    if (rc != 0) {
        goto failed;
    }

    worker_file_shape(seats, plugins, &shape);

    if (records->line.current != NULL
        && run_file_has_shape(records->line.current, &shape))
    {
        records->seats = seats;
        records->plugins = plugins;
        return 0;
    }

    rc = worker_records_replace(records, seats, plugins, err);
    if (rc == 0) {
        return 0;
    }

failed:

    worker_records_close(records);

    return rc;
}


void
worker_records_close(struct worker_records *records)
{
    run_line_close(&records->line);
    memset(records, 0, sizeof(*records));
}


int
worker_records_grow(struct worker_records *records, uint32_t seats,
    uint32_t plugins, struct error *err)
{
    if (seats <= records->seats && plugins <= records->plugins) {
        return 0;
    }

    return worker_records_replace(records, seats, plugins, err);
}


uint32_t
worker_records_in_flight(const struct worker_records *records, uint32_t seat)
{
    unsigned                 i;
    uint32_t                 sum;
    const uint32_t          *in_flight;
    const struct run_file   *file;

    sum = 0;

    for (i = 0; i < MINT_WORKERS_MAX; i++) {
        in_flight = worker_file_seat(records->line.current, i, seat);
        if (in_flight != NULL) {
            sum += mint_seat_count(in_flight);
        }
    }

    for (file = records->line.retired; file != NULL; file = file->next) {
        for (i = 0; i < MINT_WORKERS_MAX; i++) {
            in_flight = worker_file_seat(file, i, seat);
            if (in_flight != NULL) {
                sum += mint_seat_count(in_flight);
            }
        }
    }

    return sum;
}


/* what a dead worker has left counts for nothing: only then its lock is
   looked at, so that looking costs no system call a worker */

static void
worker_file_parked(const struct run_file *file, uint64_t *parked,
    uint32_t count)
{
    uint32_t                          i;
    uint64_t                          n;
    unsigned                          record;
    const struct mint_worker_plugin  *plugins;

    if (count > file->header->capacity[MINT_WORKERS_CAPACITY_PLUGINS]) {
        count = file->header->capacity[MINT_WORKERS_CAPACITY_PLUGINS];
    }

    for (record = 0; record < MINT_WORKERS_MAX; record++) {
        if (!worker_file_has(file, record)) {
            continue;
        }

        plugins = worker_file_plugins(file, worker_file_at(file, record));

        for (i = 0; i < count; i++) {
            n = mint_run_load(&plugins[i].parked);

            if (n > 0 && worker_file_record(file, record) != NULL) {
                parked[i] += n;
            }
        }
    }
}


void
worker_records_parked(const struct worker_records *records, uint64_t *parked,
    uint32_t count)
{
    const struct run_file  *file;

    memset(parked, 0, count * sizeof(uint64_t));
    worker_file_parked(records->line.current, parked, count);

    for (file = records->line.retired; file != NULL; file = file->next) {
        worker_file_parked(file, parked, count);
    }
}


uint32_t
worker_records_live(const struct worker_records *records)
{
    unsigned                i;
    uint32_t                live;
    const struct run_file  *file;

    live = 0;

    for (i = 0; i < MINT_WORKERS_MAX; i++) {
        live += worker_file_record(records->line.current, i) != NULL;
    }

    /* a worker that has moved on keeps its old record only while requests
       are counted there; it is live in the current file too */
    for (file = records->line.retired; file != NULL; file = file->next) {
        for (i = 0; live == 0 && i < MINT_WORKERS_MAX; i++) {
            live += worker_file_record(file, i) != NULL;
        }
    }

    return live;
}


bool
worker_records_in_use(void *ctx, enum mint_run_kind kind,
    const struct run_file *file)
{
    const struct run_file        *f;
    const struct worker_records  *records;

    records = ctx;

    if (kind == MINT_RUN_WORKERS) {
        return worker_file_shows(file, kind, file->epoch);
    }

    if (worker_file_shows(records->line.current, kind, file->epoch)) {
        return true;
    }

    for (f = records->line.retired; f != NULL; f = f->next) {
        if (worker_file_shows(f, kind, file->epoch)) {
            return true;
        }
    }

    return false;
}


int
worker_file_check(const struct run_file *file, struct error *err)
{
    uint32_t           seats, plugins;
    struct run_shape   shape;

    seats = file->header->capacity[MINT_WORKERS_CAPACITY_SEATS];
    plugins = file->header->capacity[MINT_WORKERS_CAPACITY_PLUGINS];

    if (seats > WORKERS_SEATS_MOST || plugins > WORKERS_PLUGINS_MOST) {
        return error_set(err, MINT_ERR_PROTOCOL,
                         "capacities (%u seats, %u plugins) are out of "
                         "bounds", seats, plugins);
    }

    worker_file_shape(seats, plugins, &shape);
    if (!run_file_has_shape(file, &shape)) {
        return error_set(err, MINT_ERR_PROTOCOL,
                         "records are not where they should be");
    }

    return 0;
}


const struct mint_worker *
worker_file_record(const struct run_file *file, unsigned i)
{
    struct flock  lock;

    memset(&lock, 0, sizeof(lock));
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = i;
    lock.l_len = 1;

    /* an error counts as "held": nobody is stopped on a guess */
    if (fcntl(file->fd, F_OFD_GETLK, &lock) != -1 && lock.l_type == F_UNLCK) {
        return NULL;
    }

    return worker_file_has(file, i) ? worker_file_at(file, i) : NULL;
}


bool
worker_file_total(const struct run_file *file, uint32_t plugin_id,
    struct mint_worker_plugin *sum)
{
    bool                              is_used;
    size_t                            k;
    uint64_t                         *to, n;
    unsigned                          i;
    const uint64_t                   *from;
    const struct mint_worker_plugin  *plugin;

    memset(sum, 0, sizeof(*sum));

    if (plugin_id >= file->header->capacity[MINT_WORKERS_CAPACITY_PLUGINS]) {
        return false;
    }

    is_used = false;
    to = (uint64_t *) (void *) sum;

    for (i = 0; i < MINT_WORKERS_MAX; i++) {
        if (!worker_file_has(file, i)) {
            continue;
        }

        plugin = worker_file_plugins(file, worker_file_at(file, i))
                 + plugin_id;
        from = (const uint64_t *) (const void *) plugin;

        for (k = 0; k < offsetof(struct mint_worker_plugin, oldest_start_ms)
                        / sizeof(uint64_t); k++)
        {
            n = mint_run_load(&from[k]);

            if (n != 0 && (from + k != &plugin->in_flight
                           || worker_file_record(file, i) != NULL))
            {
                to[k] += n;
                is_used = true;
            }
        }
    }

    return is_used;
}


const struct mint_worker_plugin *
worker_file_plugins(const struct run_file *file,
    const struct mint_worker *worker)
{
    uint32_t  seats;

    seats = file->header->capacity[MINT_WORKERS_CAPACITY_SEATS];

    return (const struct mint_worker_plugin *) (const void *)
           ((const uint32_t *) (const void *) (worker + 1)
            + ((seats + 1) & ~1U));
}


/*
 * Has the record ever had an owner?  Space is reserved from its beginning to
 * its end, so its last page is the last to be there.
 */

static bool
worker_file_has(const struct run_file *file, unsigned i)
{
    off_t  last, found;

    last = (off_t) worker_file_offset(file, i + 1) - 1;
    found = lseek(file->fd, last, SEEK_DATA);

    /* any error but "a hole": nobody is stopped on a guess */
    return found == last || (found == -1 && errno != ENXIO);
}


static const struct mint_worker *
worker_file_at(const struct run_file *file, unsigned i)
{
    return (const struct mint_worker *) (const void *)
           ((char *) file->header + worker_file_offset(file, i));
}


static uint64_t
worker_file_offset(const struct run_file *file, unsigned i)
{
    const struct mint_run_header  *h;

    h = file->header;

    return h->section[MINT_WORKERS_SECTION_RECORDS]
           + i * mint_worker_record_bytes(
                               h->capacity[MINT_WORKERS_CAPACITY_SEATS],
                               h->capacity[MINT_WORKERS_CAPACITY_PLUGINS]);
}


/* a live worker of this file has mapped that epoch of the kind; for "workers"
   itself it is enough to be alive: its requests count here */

static bool
worker_file_shows(const struct run_file *file, enum mint_run_kind kind,
    uint64_t epoch)
{
    unsigned                   i;
    const struct mint_worker  *worker;

    for (i = 0; i < MINT_WORKERS_MAX; i++) {
        worker = worker_file_record(file, i);
        if (worker == NULL) {
            continue;
        }

        if (kind == MINT_RUN_WORKERS
            || mint_run_load(&worker->epoch[kind - 1]) == epoch)
        {
            return true;
        }
    }

    return false;
}


static int
worker_records_replace(struct worker_records *records, uint32_t seats,
    uint32_t plugins, struct error *err)
{
    int                rc;
    struct run_file   *fresh;
    struct run_shape   shape;

    if (seats > WORKERS_SEATS_MOST || plugins > WORKERS_PLUGINS_MOST) {
        return error_set(err, MINT_ERR_FULL,
                         "%u seats, %u plugins: at most %d and %d fit",
                         seats, plugins, WORKERS_SEATS_MOST,
                         WORKERS_PLUGINS_MOST);
    }

    /* a file that cannot be trusted must not be counted in either */
    if (records->line.current != NULL
        && worker_file_check(records->line.current, NULL) != 0)
    {
        log_warn("run file \"workers\" is not whole; it will be replaced");
        mint_run_store_release(&records->line.current->header->life,
                               MINT_RUN_RETIRED);
        run_file_free(&records->line.current);
    }

    worker_file_shape(seats, plugins, &shape);

    rc = run_line_make(&records->line, &shape, &fresh, err);
    if (rc != 0) {
        return rc;
    }

    rc = run_line_commit(&records->line, &fresh, err);
    if (rc != 0) {
        return rc;
    }

    records->seats = seats;
    records->plugins = plugins;
    log_info("run file \"workers\" made: epoch %llu, room for %u seats and "
             "%u plugins", (unsigned long long) records->line.current->epoch,
             seats, plugins);

    return 0;
}


static const uint32_t *
worker_file_seat(const struct run_file *file, unsigned record, uint32_t seat)
{
    const struct mint_worker  *worker;

    if (seat >= file->header->capacity[MINT_WORKERS_CAPACITY_SEATS]) {
        return NULL;
    }

    worker = worker_file_record(file, record);
    if (worker == NULL) {
        return NULL;
    }

    return (const uint32_t *) (const void *) (worker + 1) + seat;
}


static void
worker_file_shape(uint32_t seats, uint32_t plugins, struct run_shape *shape)
{
    memset(shape, 0, sizeof(*shape));
    shape->capacity[MINT_WORKERS_CAPACITY_RECORDS] = MINT_WORKERS_MAX;
    shape->capacity[MINT_WORKERS_CAPACITY_SEATS] = seats;
    shape->capacity[MINT_WORKERS_CAPACITY_PLUGINS] = plugins;
    shape->section[MINT_WORKERS_SECTION_RECORDS] = MINT_WORKERS_ALIGN;
    shape->bytes = MINT_WORKERS_ALIGN
                   + MINT_WORKERS_MAX
                     * mint_worker_record_bytes(seats, plugins);
    shape->reserve = sizeof(struct mint_run_header);
}
