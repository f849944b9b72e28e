/* SPDX-License-Identifier: MIT */
/*
 * A request that waits for its seat: which may, for how long, and how nginx
 * is told to leave it alone meanwhile.  When it is woken it goes through the
 * whole decision again: route, identity, seat.  Whose turn it is is decided in
 * ngx_http_mint_queue.c.
 */

#include "ngx_http_mint_park.h"


enum ngx_http_mint_park_limit {
    NGX_HTTP_MINT_PARK_NOT = 0,
    NGX_HTTP_MINT_PARK_CRASH,
    NGX_HTTP_MINT_PARK_START
};


static ngx_msec_t ngx_http_mint_park_limit(ngx_http_request_t *r,
    ngx_http_mint_refusal_t *refusal);
static ngx_int_t ngx_http_mint_park_enter(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
static ngx_int_t ngx_http_mint_park_wait(ngx_http_request_t *r);
static void ngx_http_mint_park_resume(ngx_http_request_t *r);
static void ngx_http_mint_park_cleanup(void *data);


/* how long requests wait for a seat that is starting, by its cause */

static const u_char  ngx_http_mint_park_starting[MINT_CAUSE_COUNT] = {
    NGX_HTTP_MINT_PARK_START,           /* none: not known any more */
    NGX_HTTP_MINT_PARK_START,           /* first_start */
    NGX_HTTP_MINT_PARK_CRASH,           /* crashed */
    NGX_HTTP_MINT_PARK_CRASH,           /* restart */
    NGX_HTTP_MINT_PARK_CRASH,           /* failed: tried once more */
    NGX_HTTP_MINT_PARK_START,           /* stopped: started on demand */
    NGX_HTTP_MINT_PARK_START,           /* installing */
    NGX_HTTP_MINT_PARK_CRASH            /* upgrading */
};

/* of closed ones only those whose process makes way for the next one */

static const u_char  ngx_http_mint_park_closed[MINT_CAUSE_COUNT] = {
    NGX_HTTP_MINT_PARK_NOT, NGX_HTTP_MINT_PARK_NOT, NGX_HTTP_MINT_PARK_NOT,
    NGX_HTTP_MINT_PARK_CRASH,           /* restart */
    NGX_HTTP_MINT_PARK_NOT, NGX_HTTP_MINT_PARK_NOT, NGX_HTTP_MINT_PARK_NOT,
    NGX_HTTP_MINT_PARK_CRASH            /* upgrading */
};


ngx_uint_t
ngx_http_mint_park_is_waiting(ngx_http_mint_ctx_t *ctx)
{
    return ctx->park != NULL && ctx->park->queue != NULL;
}


ngx_int_t
ngx_http_mint_park(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal)
{
    ngx_int_t               rc;
    ngx_uint_t              is_new;
    ngx_msec_t              limit;
    ngx_http_mint_park_t   *park;
    ngx_http_mint_words_t   words;

    limit = ngx_http_mint_park_limit(r, refusal);
    park = ctx->park;

    if (limit == 0) {
        return NGX_DECLINED;
    }

    is_new = park == NULL || park->queue == NULL
             || park->plugin_id != ctx->plugin_id;

    if (is_new) {
        rc = ngx_http_mint_park_enter(r, ctx);

        if (rc == NGX_DECLINED) {
            refusal->rejection = MINT_REJECT_FULL;
            refusal->reason = "too many requests wait";
        }

        if (rc != NGX_OK) {
            return rc;
        }

        park = ctx->park;

    } else if (ngx_current_msec - park->since >= limit) {
        refusal->reason = "waited in vain";
        return NGX_DECLINED;
    }

    park->limit = limit;
    park->seat_first = ctx->seat_first;
    park->seat_count = ctx->seat_count;

    /*
     * Are the words still those that said to wait?  One that is ready may have
     * become so just now; who has looked again waits for another, by a pin.
     */

    ngx_http_mint_queue_words(park, ctx->word, &words);
    park->seen = words.has_word && !(is_new && words.has_ready)
                 ? words.sum : 0;

    return ngx_http_mint_park_wait(r);
}


static ngx_msec_t
ngx_http_mint_park_limit(ngx_http_request_t *r,
    ngx_http_mint_refusal_t *refusal)
{
    ngx_uint_t                 limit;
    ngx_http_mint_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    if (!refusal->has_seat || refusal->cause >= MINT_CAUSE_COUNT
        || lcf->park.requests == 0)
    {
        return 0;
    }

    limit = NGX_HTTP_MINT_PARK_NOT;

    if (refusal->state == MINT_SEAT_STARTING) {
        limit = ngx_http_mint_park_starting[refusal->cause];

    } else if (refusal->state == MINT_SEAT_CLOSED) {
        limit = ngx_http_mint_park_closed[refusal->cause];
    }

    if (limit == NGX_HTTP_MINT_PARK_NOT) {
        return 0;
    }

    return limit == NGX_HTTP_MINT_PARK_CRASH ? lcf->park.crash
                                             : lcf->park.start;
}


/* takes a place at the end of the queue: NGX_DECLINED if there is none */

static ngx_int_t
ngx_http_mint_park_enter(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    ngx_http_cleanup_t        *cln;
    ngx_http_mint_park_t      *park;
    ngx_http_mint_loc_conf_t  *lcf;

    park = ctx->park;

    if (park == NULL) {
        cln = ngx_http_cleanup_add(r, sizeof(ngx_http_mint_park_t));
        if (cln == NULL) {
            return NGX_ERROR;
        }

        park = cln->data;
        ngx_memzero(park, sizeof(ngx_http_mint_park_t));
        park->request = r;
        cln->handler = ngx_http_mint_park_cleanup;
        ctx->park = park;
    }

    /* the path may belong to another plugin now */

    if (park->queue != NULL) {
        ngx_http_mint_queue_remove(park);

    } else {
        park->since = ngx_current_msec;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    return ngx_http_mint_queue_add(park, ctx->plugin_id, lcf->park.requests);
}


/* as limit_req delays a request */

static ngx_int_t
ngx_http_mint_park_wait(ngx_http_request_t *r)
{
    ngx_event_t  *read;

    read = r->connection->read;

    if (read->ready) {
        ngx_post_event(read, &ngx_posted_events);

    } else if (ngx_handle_read_event(read, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_mint_park_resume;
    r->connection->write->delayed = 1;

    return NGX_AGAIN;
}


/* the write event: posted by the timer, or the connection is writable */

static void
ngx_http_mint_park_resume(ngx_http_request_t *r)
{
    ngx_event_t  *write;

    write = r->connection->write;

    if (write->delayed) {
        if (ngx_handle_write_event(write, 0) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        }

        return;
    }

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
}


void
ngx_http_mint_park_leave(ngx_http_mint_ctx_t *ctx)
{
    if (ctx->park != NULL) {
        ngx_http_mint_park_cleanup(ctx->park);
    }
}


static void
ngx_http_mint_park_cleanup(void *data)
{
    ngx_http_mint_park_t  *park;

    park = data;

    if (park->queue != NULL) {
        park->waited = ngx_current_msec - park->since;
        ngx_http_mint_queue_remove(park);
    }
}


ngx_msec_t
ngx_http_mint_park_waited(ngx_http_mint_ctx_t *ctx)
{
    ngx_http_mint_park_t  *park;

    park = ctx->park;

    if (park == NULL) {
        return 0;
    }

    return park->queue != NULL ? ngx_current_msec - park->since
                               : park->waited;
}


/* ---- configuration ------------------------------------------------------ */

void
ngx_http_mint_park_init(ngx_http_mint_park_conf_t *conf)
{
    conf->requests = NGX_CONF_UNSET_UINT;
    conf->crash = NGX_CONF_UNSET_MSEC;
    conf->start = NGX_CONF_UNSET_MSEC;
}


void
ngx_http_mint_park_merge(ngx_http_mint_park_conf_t *prev,
    ngx_http_mint_park_conf_t *conf)
{
    ngx_conf_merge_uint_value(conf->requests, prev->requests, 100);
    ngx_conf_merge_msec_value(conf->crash, prev->crash, 2000);
    ngx_conf_merge_msec_value(conf->start, prev->start, 60000);
}


/* "mint_park off" or "mint_park [requests=100] [crash=2s] [start=60s]" */

char *
ngx_http_mint_park_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mint_loc_conf_t *lcf = conf;

    ngx_int_t    number;
    ngx_str_t   *value, text;
    ngx_uint_t   i;

    value = cf->args->elts;

    if (lcf->park.is_set) {
        return "is duplicate";
    }

    lcf->park.is_set = 1;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        lcf->park.requests = 0;
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        number = NGX_ERROR;

        if (ngx_strncmp(value[i].data, "requests=", 9) == 0) {
            number = ngx_atoi(value[i].data + 9, value[i].len - 9);
            lcf->park.requests = (ngx_uint_t) number;

        } else if (ngx_strncmp(value[i].data, "crash=", 6) == 0) {
            text.data = value[i].data + 6;
            text.len = value[i].len - 6;
            number = ngx_parse_time(&text, 0);
            lcf->park.crash = (ngx_msec_t) number;

        } else if (ngx_strncmp(value[i].data, "start=", 6) == 0) {
            text.data = value[i].data + 6;
            text.len = value[i].len - 6;
            number = ngx_parse_time(&text, 0);
            lcf->park.start = (ngx_msec_t) number;
        }

        if (number == NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
