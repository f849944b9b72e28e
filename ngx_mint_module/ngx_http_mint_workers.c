/* SPDX-License-Identifier: MIT */
/*
 * This worker's record in the run file "workers": claiming it, counting
 * requests into seats and out again, and the figures of finished requests.
 * A request counts out of the record it counted into, also when the file has
 * been replaced since.
 */

#include "ngx_http_mint.h"

#include <fcntl.h>
#include <time.h>


static ngx_int_t ngx_http_mint_workers_reserve(ngx_http_mint_file_t *file,
    ngx_uint_t i);
static ngx_int_t ngx_http_mint_workers_lock(ngx_fd_t fd, ngx_uint_t i);
static ngx_uint_t ngx_http_mint_workers_is_live(ngx_fd_t fd, ngx_uint_t i);
static void ngx_http_mint_workers_wait(ngx_http_mint_ctx_t *ctx);
static void ngx_http_mint_workers_oldest(ngx_http_mint_record_t *record,
    uint32_t plugin_id);
static void ngx_http_mint_workers_add(uint64_t *counter, uint64_t n);
static ngx_uint_t ngx_http_mint_workers_bucket(ngx_http_request_t *r);


/* takes over the mapping and its descriptor; NULL: no record could be had */

ngx_http_mint_record_t *
ngx_http_mint_workers_claim(ngx_http_mint_file_t *file)
{
    size_t                    i, bytes;
    ngx_time_t               *now;
    ngx_uint_t                at;
    ngx_http_mint_record_t   *record;
    struct mint_run_header   *header;

    header = &file->view.header;

    for (at = 0; at < MINT_WORKERS_MAX; at++) {
        if (ngx_http_mint_workers_lock(file->fd, at) == NGX_OK) {
            break;
        }
    }

    if (at == MINT_WORKERS_MAX) {
        ngx_http_mint_run_complain(MINT_RUN_WORKERS, 0,
                                   "all its records are taken by other "
                                   "workers");
        return NULL;
    }

    if (ngx_http_mint_workers_reserve(file, at) != NGX_OK) {
        return NULL;
    }

    record = ngx_calloc(sizeof(ngx_http_mint_record_t), ngx_cycle->log);
    if (record == NULL) {
        return NULL;
    }

    record->number = at;
    record->seats = header->capacity[MINT_WORKERS_CAPACITY_SEATS];
    record->plugin_count = header->capacity[MINT_WORKERS_CAPACITY_PLUGINS];
    record->waiting = ngx_alloc(record->plugin_count * sizeof(ngx_queue_t) + 1,
                                ngx_cycle->log);

    if (record->waiting == NULL) {
        ngx_free(record);
        return NULL;
    }

    bytes = (size_t) mint_worker_record_bytes(record->seats,
                                              record->plugin_count);

    record->worker = (struct mint_worker *) (void *)
                     (file->view.base
                      + header->section[MINT_WORKERS_SECTION_RECORDS]
                      + at * bytes);
    record->in_flight = (uint32_t *) (record->worker + 1);
    record->plugins = (struct mint_worker_plugin *) (void *)
                      ((u_char *) record->in_flight
                       + (((size_t) record->seats * 4 + 7) & ~(size_t) 7));

    mint_worker_begin(record->worker, record->seats, record->plugin_count);

    (void) __atomic_fetch_or(ngx_http_mint_view_word(&file->view, owned),
                             1ULL << at, __ATOMIC_RELEASE);

    for (i = 0; i < record->plugin_count; i++) {
        ngx_queue_init(&record->waiting[i]);
    }

    now = ngx_timeofday();

    mint_run_store(&record->worker->started_unix_ms,
                   (uint64_t) now->sec * 1000 + now->msec);
    mint_run_store_release(&record->worker->pid, (uint64_t) ngx_pid);

    record->file = *file;
    record->refs = 1;

    return record;
}


/* a store into a page for which there is no room would kill the worker */

static ngx_int_t
ngx_http_mint_workers_reserve(ngx_http_mint_file_t *file, ngx_uint_t i)
{
    int                      rc;
    uint64_t                 bytes;
    struct mint_run_header  *header;

    header = &file->view.header;
    bytes = mint_worker_record_bytes(
                            header->capacity[MINT_WORKERS_CAPACITY_SEATS],
                            header->capacity[MINT_WORKERS_CAPACITY_PLUGINS]);

    do {
        rc = posix_fallocate(file->fd,
                      (off_t) (header->section[MINT_WORKERS_SECTION_RECORDS]
                               + i * bytes),
                      (off_t) bytes);
    } while (rc == NGX_EINTR);

    if (rc != 0) {
        ngx_http_mint_run_complain(MINT_RUN_WORKERS, rc,
                                   "posix_fallocate() of a record failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * Open file description locks: the kernel frees one when its worker dies, and
 * no other open of the file can free it by accident.
 */

static ngx_int_t
ngx_http_mint_workers_lock(ngx_fd_t fd, ngx_uint_t i)
{
    struct flock  lock;

    ngx_memzero(&lock, sizeof(struct flock));

    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = (off_t) i;
    lock.l_len = 1;

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
        return NGX_OK;
    }

    if (ngx_errno != NGX_EAGAIN && ngx_errno != NGX_EACCES) {
        ngx_http_mint_run_complain(MINT_RUN_WORKERS, ngx_errno,
                                   "fcntl(F_OFD_SETLK) failed");
    }

    return NGX_ERROR;
}


void
ngx_http_mint_workers_release(ngx_http_mint_record_t *record)
{
    if (--record->refs != 0) {
        return;
    }

    ngx_http_mint_run_unmap(&record->file);
    ngx_free(record->waiting);
    ngx_free(record);
}


/* NGX_DECLINED: there is no record to count in */

ngx_int_t
ngx_http_mint_workers_enter(ngx_http_mint_ctx_t *ctx, uint32_t seat)
{
    ngx_http_mint_record_t  *record;

    record = ngx_http_mint_run_record();

    if (record == NULL || seat >= record->seats) {
        return NGX_DECLINED;
    }

    ctx->in_flight = &record->in_flight[seat];
    mint_seat_enter(ctx->in_flight);

    ctx->record = record;
    record->refs++;

    ngx_http_mint_workers_wait(ctx);

    return NGX_OK;
}


/* harmless when the request is not counted in */

void
ngx_http_mint_workers_leave(ngx_http_mint_ctx_t *ctx)
{
    ngx_http_mint_record_t  *record;

    record = ctx->record;

    if (record == NULL) {
        return;
    }

    if (ctx->is_queued) {
        ngx_queue_remove(&ctx->queue);
        ctx->is_queued = 0;
        ngx_http_mint_workers_add(
            &record->plugins[ctx->plugin_id].in_flight, (uint64_t) -1);
        ngx_http_mint_workers_oldest(record, ctx->plugin_id);
    }

    mint_seat_leave(ctx->in_flight);

    ctx->in_flight = NULL;
    ctx->record = NULL;

    ngx_http_mint_workers_release(record);
}


static void
ngx_http_mint_workers_wait(ngx_http_mint_ctx_t *ctx)
{
    ngx_http_mint_record_t  *record;

    record = ctx->record;

    if (ctx->plugin_id >= record->plugin_count) {
        return;
    }

    ctx->started_ms = ngx_http_mint_workers_boot_ns() / 1000000;
    ctx->is_queued = 1;

    ngx_queue_insert_tail(&record->waiting[ctx->plugin_id], &ctx->queue);
    ngx_http_mint_workers_add(&record->plugins[ctx->plugin_id].in_flight, 1);
    ngx_http_mint_workers_oldest(record, ctx->plugin_id);
}


static void
ngx_http_mint_workers_oldest(ngx_http_mint_record_t *record,
    uint32_t plugin_id)
{
    uint64_t              oldest_ms;
    ngx_queue_t          *waiting;
    ngx_http_mint_ctx_t  *ctx;

    waiting = &record->waiting[plugin_id];
    oldest_ms = 0;

    if (!ngx_queue_empty(waiting)) {
        ctx = ngx_queue_data(ngx_queue_head(waiting), ngx_http_mint_ctx_t,
                             queue);
        oldest_ms = ctx->started_ms;
    }

    mint_run_store(&record->plugins[plugin_id].oldest_start_ms, oldest_ms);
}


/* the kernel's time page, no system call */

uint64_t
ngx_http_mint_workers_boot_ns(void)
{
    struct timespec  now;

    if (clock_gettime(CLOCK_BOOTTIME, &now) == -1) {
        return 1000000;
    }

    return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}


/* one writer per record: a plain sum, stored whole */

static void
ngx_http_mint_workers_add(uint64_t *counter, uint64_t n)
{
    mint_run_store(counter, mint_run_load(counter) + n);
}


/* ours, for the other workers to see; before theirs is looked at */

void
ngx_http_mint_workers_park(ngx_http_mint_record_t *record, uint32_t plugin_id,
    ngx_http_mint_parked_t *parked)
{
    struct mint_worker_plugin  *plugin;

    plugin = &record->plugins[plugin_id];

    mint_run_store(&plugin->parked, parked->requests);
    mint_run_store(&plugin->oldest_parked_ns, parked->oldest_ns);

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}


/* the sum and the oldest of the other live workers */

void
ngx_http_mint_workers_parked(ngx_http_mint_record_t *record,
    uint32_t plugin_id, ngx_http_mint_parked_t *others)
{
    size_t                            bytes, offset;
    u_char                           *first;
    uint64_t                          owned;
    uint64_t                          requests, oldest_ns;
    ngx_uint_t                        i;
    const struct mint_worker_plugin  *plugin;

    ngx_memzero(others, sizeof(ngx_http_mint_parked_t));

    bytes = (size_t) mint_worker_record_bytes(record->seats,
                                              record->plugin_count);
    first = (u_char *) record->worker - record->number * bytes;
    offset = (u_char *) &record->plugins[plugin_id]
             - (u_char *) record->worker;

    owned = mint_run_load_acquire(ngx_http_mint_view_word(&record->file.view,
                                                          owned));

    for (i = 0; i < MINT_WORKERS_MAX; i++) {

        /* memory that is not there must not be touched */

        if (!(owned >> i & 1)) {
            continue;
        }

        plugin = (const struct mint_worker_plugin *) (void *)
                 (first + i * bytes + offset);
        requests = mint_run_load(&plugin->parked);
        oldest_ns = mint_run_load(&plugin->oldest_parked_ns);

        if ((requests == 0 && oldest_ns == 0) || i == record->number
            || !ngx_http_mint_workers_is_live(record->file.fd, i))
        {
            continue;
        }

        others->requests += requests;

        if (oldest_ns != 0
            && (others->oldest_ns == 0 || oldest_ns < others->oldest_ns))
        {
            others->oldest_ns = oldest_ns;
        }
    }
}


/* what a worker that died has left in its record does not count */

static ngx_uint_t
ngx_http_mint_workers_is_live(ngx_fd_t fd, ngx_uint_t i)
{
    struct flock  lock;

    ngx_memzero(&lock, sizeof(struct flock));

    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = (off_t) i;
    lock.l_len = 1;

    return fcntl(fd, F_OFD_GETLK, &lock) == -1 || lock.l_type != F_UNLCK;
}


void
ngx_http_mint_workers_rejected(ngx_http_mint_ctx_t *ctx, ngx_int_t rejection)
{
    ngx_http_mint_record_t  *record;

    record = ngx_http_mint_run_record();

    if (record == NULL || rejection < 0 || rejection >= MINT_REJECT_COUNT
        || ctx->plugin_id >= record->plugin_count)
    {
        return;
    }

    ngx_http_mint_workers_add(
        &record->plugins[ctx->plugin_id].rejections[rejection], 1);
}


/* when it begins: the end of a WebSocket may be far, and is no latency */

void
ngx_http_mint_workers_upgraded(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx)
{
    struct mint_worker_plugin  *plugin;

    if (!ctx->is_queued) {
        return;
    }

    plugin = &ctx->record->plugins[ctx->plugin_id];

    ngx_http_mint_workers_add(&plugin->upgrades, 1);
    ngx_http_mint_workers_add(
        &plugin->latency[ngx_http_mint_workers_bucket(r)], 1);
}


ngx_int_t
ngx_http_mint_workers_log_handler(ngx_http_request_t *r)
{
    ngx_uint_t                   status;
    ngx_http_mint_ctx_t         *ctx;
    ngx_http_mint_record_t      *record;
    struct mint_worker_plugin   *plugin;

    if (r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_http_mint_get_ctx(r);

    if (ctx == NULL || ctx->record == NULL || !ctx->is_queued) {
        return NGX_OK;
    }

    record = ctx->record;
    plugin = &record->plugins[ctx->plugin_id];
    status = r->err_status ? r->err_status : r->headers_out.status;

    ngx_http_mint_workers_add(&record->worker->requests, 1);
    ngx_http_mint_workers_add(
        &plugin->requests[status >= 100 && status < 600 ? status / 100 : 0],
        1);
    ngx_http_mint_workers_add(&plugin->bytes_in,
                              (uint64_t) (r->request_length
                                          + ctx->tunnel_bytes));
    ngx_http_mint_workers_add(&plugin->bytes_out,
                              (uint64_t) r->connection->sent);
    ngx_http_mint_workers_add(&plugin->affinity_hits, ctx->is_hit);

    if (status != NGX_HTTP_SWITCHING_PROTOCOLS) {
        ngx_http_mint_workers_add(
            &plugin->latency[ngx_http_mint_workers_bucket(r)], 1);
    }

    return NGX_OK;
}


/* the clock's grain is 1 ms, so the first bucket used is "< 1 ms" */

static ngx_uint_t
ngx_http_mint_workers_bucket(ngx_http_request_t *r)
{
    ngx_time_t      *now;
    ngx_uint_t       bucket;
    ngx_msec_int_t   ms;

    now = ngx_timeofday();
    ms = (ngx_msec_int_t) ((now->sec - r->start_sec) * 1000
                           + (now->msec - r->start_msec));
    bucket = 2;

    while (ms > 0 && bucket < 23) {
        ms >>= 1;
        bucket++;
    }

    return bucket;
}
