/* SPDX-License-Identifier: MIT */
/*
 * This worker's run files and its record in "workers".
 */

#ifndef NGX_HTTP_MINT_RUN_H
#define NGX_HTTP_MINT_RUN_H

#include "ngx_http_mint_compat.h"
#include "ngx_http_mint_view.h"

#include "contract/mint_token.h"


typedef struct ngx_http_mint_ctx_s        ngx_http_mint_ctx_t;
typedef struct ngx_http_mint_main_conf_s  ngx_http_mint_main_conf_t;
typedef struct ngx_http_mint_park_s       ngx_http_mint_park_t;


/* ngx_http_mint_run.c: one mapped run file */

typedef struct ngx_http_mint_record_s  ngx_http_mint_record_t;

typedef struct {
    ngx_http_mint_view_t     view;
    ngx_fd_t                 fd;        /* kept open for "workers" only */
    dev_t                    device;
    ino_t                    inode;
    ngx_http_mint_record_t  *record;    /* "workers": ours */
} ngx_http_mint_file_t;

/* ngx_http_mint_workers.c: our record, for as long as a request counts in it */

struct ngx_http_mint_record_s {
    ngx_http_mint_file_t        file;
    ngx_uint_t                  refs;
    ngx_uint_t                  number;     /* which of the file's records */
    struct mint_worker         *worker;
    uint32_t                   *in_flight;
    uint32_t                    seats;
    struct mint_worker_plugin  *plugins;
    uint32_t                    plugin_count;
    ngx_queue_t                *waiting;    /* a plugin's requests by age */
};


/* requests that wait for a plugin's seat */

typedef struct {
    uint64_t                    requests;
    uint64_t                    oldest_ns;      /* 0: none */
} ngx_http_mint_parked_t;


#define NGX_HTTP_MINT_KINDS  5          /* enum mint_run_kind + 1 */

extern ngx_http_mint_view_t  *ngx_http_mint_run_views[NGX_HTTP_MINT_KINDS];

#define ngx_http_mint_run_view(kind)  (ngx_http_mint_run_views[kind])


/* ngx_http_mint_run.c; file and routes are NULL while there is none */
ngx_int_t ngx_http_mint_run_init(ngx_cycle_t *cycle,
    ngx_http_mint_main_conf_t *mcf);
void ngx_http_mint_run_done(void);
void ngx_http_mint_run_check(void);
ngx_http_mint_record_t *ngx_http_mint_run_record(void);
const ngx_http_mint_table_t *ngx_http_mint_run_routes(void);
ngx_uint_t ngx_http_mint_run_is_generation(uint64_t generation);
void ngx_http_mint_run_unmap(ngx_http_mint_file_t *file);
void ngx_http_mint_run_complain(enum mint_run_kind kind, ngx_err_t err,
    const char *what);

/* ngx_http_mint_keys.c: how many there are */
ngx_uint_t ngx_http_mint_keys(struct mint_token_key ***keys);
void ngx_http_mint_keys_forget(void);

/* ngx_http_mint_workers.c */
ngx_http_mint_record_t *ngx_http_mint_workers_claim(
    ngx_http_mint_file_t *file);
void ngx_http_mint_workers_release(ngx_http_mint_record_t *record);
ngx_int_t ngx_http_mint_workers_enter(ngx_http_mint_ctx_t *ctx,
    uint32_t seat);
void ngx_http_mint_workers_leave(ngx_http_mint_ctx_t *ctx);
void ngx_http_mint_workers_rejected(ngx_http_mint_ctx_t *ctx,
    ngx_int_t rejection);
void ngx_http_mint_workers_upgraded(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
void ngx_http_mint_workers_park(ngx_http_mint_record_t *record,
    uint32_t plugin_id, ngx_http_mint_parked_t *parked);
void ngx_http_mint_workers_parked(ngx_http_mint_record_t *record,
    uint32_t plugin_id, ngx_http_mint_parked_t *others);
uint64_t ngx_http_mint_workers_boot_ns(void);
ngx_int_t ngx_http_mint_workers_log_handler(ngx_http_request_t *r);

#endif /* NGX_HTTP_MINT_RUN_H */
