/* SPDX-License-Identifier: MIT */
/*
 * The run files of this worker: opened and mapped here, never by the master,
 * looked at once a second and whenever a request finds one retired.  A file
 * that cannot be used leaves the last good one in place; without any, the
 * requests that need it get 503.
 */

#include "ngx_http_mint.h"

#include <fcntl.h>
#include <sys/mman.h>


#define NGX_HTTP_MINT_CHECK_MSEC     1000
#define NGX_HTTP_MINT_RETRY_MSEC     50         /* between retired and new */
#define NGX_HTTP_MINT_COMPLAIN_SEC   60


typedef struct {
    u_char                  *path;
    ngx_http_mint_file_t     file;              /* base NULL: none */
    ngx_msec_t               retry_at;          /* while retired */
    time_t                   complained_at;
} ngx_http_mint_place_t;


static ngx_int_t ngx_http_mint_run_open(enum mint_run_kind kind);
static ngx_int_t ngx_http_mint_run_map(ngx_http_mint_file_t *file,
    ngx_http_mint_place_t *place, enum mint_run_kind kind);
static void ngx_http_mint_run_adopt(enum mint_run_kind kind,
    ngx_http_mint_file_t *file);
static ngx_uint_t ngx_http_mint_run_is_replaced(ngx_http_mint_place_t *place);
static void ngx_http_mint_run_epochs(void);
static void ngx_http_mint_run_timer_handler(ngx_event_t *ev);
static void ngx_http_mint_run_free_table(ngx_http_mint_table_t *table);
static ngx_int_t ngx_http_mint_run_table(ngx_http_mint_table_t *table,
    ngx_http_mint_view_t *view);


static const char  *ngx_http_mint_names[NGX_HTTP_MINT_KINDS] = {
    NULL, MINT_RUN_ROUTES_NAME, MINT_RUN_SEATS_NAME, MINT_RUN_IDENTITY_NAME,
    MINT_RUN_WORKERS_NAME
};

static ngx_http_mint_place_t    ngx_http_mint_places[NGX_HTTP_MINT_KINDS];

/* NULL until there is a file: once there is one, there always is one */
ngx_http_mint_view_t  *ngx_http_mint_run_views[NGX_HTTP_MINT_KINDS];

/* two tables: one is in use while the other is filled */
static ngx_http_mint_table_t    ngx_http_mint_tables[2];
static ngx_uint_t               ngx_http_mint_table_at;
static ngx_uint_t               ngx_http_mint_table_is_old;
static ngx_msec_t               ngx_http_mint_table_retry_at;


static ngx_event_t              ngx_http_mint_timer;
static ngx_connection_t         ngx_http_mint_timer_connection;


ngx_int_t
ngx_http_mint_run_init(ngx_cycle_t *cycle, ngx_http_mint_main_conf_t *mcf)
{
    ngx_uint_t              kind;
    ngx_http_mint_place_t  *place;

    for (kind = MINT_RUN_ROUTES; kind < NGX_HTTP_MINT_KINDS; kind++) {
        place = &ngx_http_mint_places[kind];

        place->path = ngx_pnalloc(cycle->pool, mcf->directory.len + 2
                                       + strlen(ngx_http_mint_names[kind]));
        if (place->path == NULL) {
            return NGX_ERROR;
        }

        ngx_sprintf(place->path, "%V/%s%Z", &mcf->directory,
                    ngx_http_mint_names[kind]);

        place->file.fd = NGX_INVALID_FILE;
        (void) ngx_http_mint_run_open(kind);
    }

    ngx_http_mint_timer_connection.fd = (ngx_socket_t) -1;

    ngx_http_mint_timer.handler = ngx_http_mint_run_timer_handler;
    ngx_http_mint_timer.data = &ngx_http_mint_timer_connection;
    ngx_http_mint_timer.log = cycle->log;
    ngx_http_mint_timer.cancelable = 1;

    ngx_add_timer(&ngx_http_mint_timer, NGX_HTTP_MINT_CHECK_MSEC);

    return NGX_OK;
}


/* the kernel frees all of it at exit; keys are wiped by their destructor */

void
ngx_http_mint_run_done(void)
{
    ngx_http_mint_keys_forget();
}


/*
 * For each request: is a file retired?  One load a file; only when one is, it
 * is opened again; when that fails, not before 50 ms have passed.
 */

void
ngx_http_mint_run_check(void)
{
    ngx_uint_t              kind;
    ngx_http_mint_place_t  *place;

#pragma GCC unroll 4

    for (kind = MINT_RUN_ROUTES; kind < NGX_HTTP_MINT_KINDS; kind++) {
        place = &ngx_http_mint_places[kind];

        if (place->file.view.base == NULL
            || mint_run_load(ngx_http_mint_view_word(&place->file.view, life))
               == MINT_RUN_LIVE)
        {
            continue;
        }

        if ((ngx_msec_int_t) (ngx_current_msec - place->retry_at) < 0) {
            continue;
        }

        if (ngx_http_mint_run_open(kind) != NGX_OK) {
            place->retry_at = ngx_current_msec + NGX_HTTP_MINT_RETRY_MSEC;
        }
    }
}


ngx_http_mint_record_t *
ngx_http_mint_run_record(void)
{
    return ngx_http_mint_places[MINT_RUN_WORKERS].file.record;
}


/* one log line a minute and file: nothing here is worth more */

void
ngx_http_mint_run_complain(enum mint_run_kind kind, ngx_err_t err,
    const char *what)
{
    const char             *hint;
    ngx_http_mint_place_t  *place;

    place = &ngx_http_mint_places[kind];

    if (place->complained_at != 0
        && ngx_time() - place->complained_at < NGX_HTTP_MINT_COMPLAIN_SEC)
    {
        return;
    }

    place->complained_at = ngx_time();

    hint = "";

    if (err == NGX_EACCES) {
        hint = ": nginx's workers must be in group mint-edge, see "
               "\"mintctl doctor\"";

    } else if (err == NGX_ENOENT) {
        hint = ": is mint-supervisor running?";
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, err,
                  "mint: run file \"%s\" cannot be used: %s%s", place->path,
                  what, hint);
}


/* ---- opening ----------------------------------------------------------- */

static ngx_int_t
ngx_http_mint_run_open(enum mint_run_kind kind)
{
    ngx_http_mint_file_t    file;
    ngx_http_mint_place_t  *place;

    place = &ngx_http_mint_places[kind];

    ngx_memzero(&file, sizeof(ngx_http_mint_file_t));
    file.fd = NGX_INVALID_FILE;

    if (ngx_http_mint_run_map(&file, place, kind) != NGX_OK) {
        return NGX_ERROR;
    }

    if (kind == MINT_RUN_WORKERS) {
        file.record = ngx_http_mint_workers_claim(&file);

        if (file.record == NULL) {
            ngx_http_mint_run_unmap(&file);
            return NGX_ERROR;
        }

    } else if (ngx_close_file(file.fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      "mint: close(\"%s\") failed", place->path);
    }

    ngx_http_mint_run_adopt(kind, &file);

    return NGX_OK;
}


static ngx_int_t
ngx_http_mint_run_map(ngx_http_mint_file_t *file,
    ngx_http_mint_place_t *place, enum mint_run_kind kind)
{
    int              mode, protection;
    void            *base;
    const char      *reason;
    struct stat      info;

    mode = kind == MINT_RUN_WORKERS ? O_RDWR : O_RDONLY;
    protection = kind == MINT_RUN_WORKERS ? PROT_READ|PROT_WRITE : PROT_READ;

    file->fd = open((const char *) place->path,
                    mode|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);

    if (file->fd == NGX_INVALID_FILE) {
        ngx_http_mint_run_complain(kind, ngx_errno, "open() failed");
        return NGX_ERROR;
    }

    if (fstat(file->fd, &info) == -1) {
        ngx_http_mint_run_complain(kind, ngx_errno, "fstat() failed");
        goto failed;
    }

    if (!S_ISREG(info.st_mode)
        || info.st_size < (off_t) sizeof(struct mint_run_header))
    {
        ngx_http_mint_run_complain(kind, 0, "it is no run file");
        goto failed;
    }

    base = mmap(NULL, (size_t) info.st_size, protection, MAP_SHARED,
                file->fd, 0);

    if (base == MAP_FAILED) {
        ngx_http_mint_run_complain(kind, ngx_errno, "mmap() failed");
        goto failed;
    }

    reason = ngx_http_mint_view_open(&file->view, base,
                                     (uint64_t) info.st_size, kind);

    if (reason != NULL) {
        ngx_http_mint_run_complain(kind, 0, reason);
        (void) munmap(base, (size_t) info.st_size);
        goto failed;
    }

    file->device = info.st_dev;
    file->inode = info.st_ino;

    return NGX_OK;

failed:

    (void) ngx_close_file(file->fd);
    file->fd = NGX_INVALID_FILE;

    return NGX_ERROR;
}


void
ngx_http_mint_run_unmap(ngx_http_mint_file_t *file)
{
    if (file->view.base != NULL) {
        (void) munmap(file->view.base, (size_t) file->view.bytes);
        file->view.base = NULL;
    }

    if (file->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(file->fd);
        file->fd = NGX_INVALID_FILE;
    }
}


/* the new file takes the place of the old one, which nothing refers to but,
   for "workers", the requests that still count in it */

static void
ngx_http_mint_run_adopt(enum mint_run_kind kind, ngx_http_mint_file_t *file)
{
    ngx_http_mint_file_t    old;
    ngx_http_mint_place_t  *place;
    static uint64_t         mappings;

    place = &ngx_http_mint_places[kind];
    old = place->file;
    file->view.mapping = ++mappings;

    if (kind != MINT_RUN_WORKERS) {
        file->fd = NGX_INVALID_FILE;
    }

    if (kind == MINT_RUN_IDENTITY) {
        ngx_http_mint_keys_forget();
    }

    if (kind == MINT_RUN_ROUTES) {
        ngx_http_mint_table_is_old = 1;
        ngx_http_mint_table_retry_at = ngx_current_msec;
    }

    place->file = *file;
    ngx_http_mint_run_views[kind] = &place->file.view;
    place->retry_at = ngx_current_msec;
    place->complained_at = 0;

    if (old.record != NULL) {
        ngx_http_mint_workers_release(old.record);

    } else if (old.view.base != NULL) {
        ngx_http_mint_run_unmap(&old);
    }

    ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                  "mint: run file \"%s\" mapped, epoch %uL", place->path,
                  (uint64_t) file->view.header.writer_epoch);

    ngx_http_mint_run_epochs();
}


/* tells the supervisor which files and routes this worker reads now */

static void
ngx_http_mint_run_epochs(void)
{
    ngx_uint_t               kind;
    ngx_http_mint_file_t    *file;
    ngx_http_mint_record_t  *record;

    record = ngx_http_mint_run_record();

    if (record == NULL) {
        return;
    }

    for (kind = MINT_RUN_ROUTES; kind < NGX_HTTP_MINT_KINDS; kind++) {
        file = &ngx_http_mint_places[kind].file;

        mint_run_store_release(&record->worker->epoch[kind - 1],
                               file->view.base == NULL
                               ? 0 : file->view.header.writer_epoch);
    }

    mint_run_store_release(&record->worker->routes_generation,
                     ngx_http_mint_tables[ngx_http_mint_table_at].generation);
}


static ngx_uint_t
ngx_http_mint_run_is_replaced(ngx_http_mint_place_t *place)
{
    ngx_file_info_t  info;

    if (place->file.view.base == NULL) {
        return 1;
    }

    if (ngx_file_info(place->path, &info) == NGX_FILE_ERROR) {
        return 0;
    }

    return info.st_ino != place->file.inode
           || info.st_dev != place->file.device;
}


/*
 * Re-armed also while the worker is exiting: its last requests may last for
 * hours, and the supervisor waits for the epochs of every live worker.  Being
 * cancelable the timer keeps no worker alive.
 */

static void
ngx_http_mint_run_timer_handler(ngx_event_t *ev)
{
    ngx_uint_t  kind;

    for (kind = MINT_RUN_ROUTES; kind < NGX_HTTP_MINT_KINDS; kind++) {
        if (ngx_http_mint_run_is_replaced(&ngx_http_mint_places[kind])) {
            (void) ngx_http_mint_run_open(kind);
        }
    }

    ngx_http_mint_revoke_check();

    ngx_add_timer(ev, NGX_HTTP_MINT_CHECK_MSEC);
}


/* ---- what is kept of them ------------------------------------------------ */

/* nobody keeps a pointer into it beyond the lookup it was for */

static void
ngx_http_mint_run_free_table(ngx_http_mint_table_t *table)
{
    ngx_free(table->buckets);
    ngx_free(table->entries);
    ngx_memzero(table, sizeof(ngx_http_mint_table_t));
}


/* (re)allocates a table for the view; what it held is void */

static ngx_int_t
ngx_http_mint_run_table(ngx_http_mint_table_t *table,
    ngx_http_mint_view_t *view)
{
    size_t   bucket_bytes, entry_bytes;
    void    *buckets, *entries;

    ngx_http_mint_table_sizes(view, &bucket_bytes, &entry_bytes);

    buckets = ngx_alloc(bucket_bytes, ngx_cycle->log);
    entries = ngx_alloc(entry_bytes, ngx_cycle->log);

    if (buckets == NULL || entries == NULL) {
        ngx_free(buckets);
        ngx_free(entries);
        return NGX_ERROR;
    }

    ngx_http_mint_run_free_table(table);

    table->buckets = buckets;
    table->entries = entries;

    return NGX_OK;
}


/* the routes as published now, or the last ones that could be read */

const ngx_http_mint_table_t *
ngx_http_mint_run_routes(void)
{
    ngx_http_mint_view_t   *view;
    ngx_http_mint_table_t  *table, *fresh;

    view = ngx_http_mint_run_view(MINT_RUN_ROUTES);
    table = &ngx_http_mint_tables[ngx_http_mint_table_at];

    if (view == NULL) {
        return NULL;
    }

    if ((!ngx_http_mint_table_is_old
         && table->generation
            == mint_run_load_acquire(ngx_http_mint_view_word(view,
                                                             generation)))
        || (ngx_msec_int_t) (ngx_current_msec - ngx_http_mint_table_retry_at)
           < 0)
    {
        return table->generation != 0 ? table : NULL;
    }

    fresh = &ngx_http_mint_tables[!ngx_http_mint_table_at];

    if (ngx_http_mint_run_table(fresh, view) == NGX_OK
        && ngx_http_mint_table_load(fresh, view)
           == NGX_HTTP_MINT_TABLE_LOADED)
    {
        ngx_http_mint_table_at = !ngx_http_mint_table_at;
        ngx_http_mint_table_is_old = 0;
        ngx_http_mint_run_free_table(table);
        ngx_http_mint_run_epochs();
        return fresh;
    }

    ngx_http_mint_table_retry_at = ngx_current_msec + NGX_HTTP_MINT_RETRY_MSEC;
    ngx_http_mint_run_complain(MINT_RUN_ROUTES, 0,
                               "its routes could not be read whole");

    return table->generation != 0 ? table : NULL;
}


/* are the routes that were looked at the ones that are published now? */

ngx_uint_t
ngx_http_mint_run_is_generation(uint64_t generation)
{
    ngx_http_mint_view_t  *view;

    view = ngx_http_mint_run_view(MINT_RUN_ROUTES);

    return view != NULL && !ngx_http_mint_table_is_old
           && mint_run_load_acquire(ngx_http_mint_view_word(view, generation))
              == generation;
}
