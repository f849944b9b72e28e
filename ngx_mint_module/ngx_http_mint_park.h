/* SPDX-License-Identifier: MIT */
/*
 * Parking: requests that wait in PREACCESS for a seat that is about to be
 * ready.
 */

#ifndef NGX_HTTP_MINT_PARK_H
#define NGX_HTTP_MINT_PARK_H

#include "ngx_http_mint.h"


typedef struct ngx_http_mint_queue_s  ngx_http_mint_queue_t;


/* a request's place in the queue of its plugin */

struct ngx_http_mint_park_s {
    ngx_queue_t              link;
    ngx_http_mint_queue_t   *queue;         /* NULL: waits no more */
    ngx_http_request_t      *request;
    uint32_t                 plugin_id;
    uint32_t                 seat_first;
    uint32_t                 seat_count;
    uint64_t                 since_ns;      /* CLOCK_BOOTTIME */
    ngx_msec_t               since;
    ngx_msec_t               limit;
    ngx_msec_t               waited;
    uint64_t                 seen;          /* the seats' words; 0: look */
};


/* what the words of a route's seats say together */

typedef struct {
    uint64_t                 sum;
    ngx_uint_t               has_ready;
    ngx_uint_t               has_word;      /* one is the word asked for */
} ngx_http_mint_words_t;


/* ngx_http_mint_park.c */

ngx_uint_t ngx_http_mint_park_is_waiting(ngx_http_mint_ctx_t *ctx);

/*
 * No seat could be had: NGX_AGAIN if the request now waits, NGX_DECLINED with
 * the refusal if it may not, NGX_ERROR without memory.
 */
ngx_int_t ngx_http_mint_park(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal);

/* decided about: waits no more; harmless if it has not waited */
void ngx_http_mint_park_leave(ngx_http_mint_ctx_t *ctx);

/* how long it has waited, in all */
ngx_msec_t ngx_http_mint_park_waited(ngx_http_mint_ctx_t *ctx);

void ngx_http_mint_park_init(ngx_http_mint_park_conf_t *conf);
void ngx_http_mint_park_merge(ngx_http_mint_park_conf_t *prev,
    ngx_http_mint_park_conf_t *conf);
char *ngx_http_mint_park_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_mint_queue.c: NGX_DECLINED if the plugin's queue is full */
ngx_int_t ngx_http_mint_queue_add(ngx_http_mint_park_t *park,
    uint32_t plugin_id, ngx_uint_t max);
void ngx_http_mint_queue_remove(ngx_http_mint_park_t *park);
void ngx_http_mint_queue_words(ngx_http_mint_park_t *park, uint64_t word,
    ngx_http_mint_words_t *words);

#endif /* NGX_HTTP_MINT_PARK_H */
