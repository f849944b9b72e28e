/* SPDX-License-Identifier: MIT */
/*
 * Variables, for the access log and for the proxying location.  In a request
 * without a verdict all of them are empty.
 */

#include "ngx_http_mint_park.h"


enum ngx_http_mint_variable {
    NGX_HTTP_MINT_VARIABLE_PLUGIN = 0,
    NGX_HTTP_MINT_VARIABLE_USER,
    NGX_HTTP_MINT_VARIABLE_REQUEST_ID,
    NGX_HTTP_MINT_VARIABLE_TRACE_ID,
    NGX_HTTP_MINT_VARIABLE_SEAT,
    NGX_HTTP_MINT_VARIABLE_SLOT,
    NGX_HTTP_MINT_VARIABLE_AFFINITY,
    NGX_HTTP_MINT_VARIABLE_STATE,
    NGX_HTTP_MINT_VARIABLE_UPGRADE,
    NGX_HTTP_MINT_VARIABLE_CONNECTION,
    NGX_HTTP_MINT_VARIABLE_REJECT,
    NGX_HTTP_MINT_VARIABLE_WAITED
};


static ngx_int_t ngx_http_mint_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_mint_variable_seat(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_http_mint_variable_waited(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_str_t *value);
static ngx_int_t ngx_http_mint_variable_slot(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_str_t *value);
static void ngx_http_mint_variable_text(ngx_str_t *value, const char *text);


static ngx_http_variable_t  ngx_http_mint_variables[] = {

    { ngx_string("mint_plugin"), NULL, ngx_http_mint_variable,
      NGX_HTTP_MINT_VARIABLE_PLUGIN, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mint_user"), NULL, ngx_http_mint_variable,
      NGX_HTTP_MINT_VARIABLE_USER, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mint_request_id"), NULL, ngx_http_mint_variable,
      NGX_HTTP_MINT_VARIABLE_REQUEST_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mint_trace_id"), NULL, ngx_http_mint_variable,
      NGX_HTTP_MINT_VARIABLE_TRACE_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mint_seat"), NULL, ngx_http_mint_variable,
      NGX_HTTP_MINT_VARIABLE_SEAT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mint_slot"), NULL, ngx_http_mint_variable,
      NGX_HTTP_MINT_VARIABLE_SLOT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mint_affinity"), NULL, ngx_http_mint_variable,
      NGX_HTTP_MINT_VARIABLE_AFFINITY, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mint_state"), NULL, ngx_http_mint_variable,
      NGX_HTTP_MINT_VARIABLE_STATE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mint_upgrade"), NULL, ngx_http_mint_variable,
      NGX_HTTP_MINT_VARIABLE_UPGRADE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mint_connection"), NULL, ngx_http_mint_variable,
      NGX_HTTP_MINT_VARIABLE_CONNECTION, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mint_reject"), NULL, ngx_http_mint_variable,
      NGX_HTTP_MINT_VARIABLE_REJECT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("mint_waited"), NULL, ngx_http_mint_variable,
      NGX_HTTP_MINT_VARIABLE_WAITED, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_mint_variables_add(ngx_conf_t *cf)
{
    ngx_http_variable_t  *v, *added;

    for (v = ngx_http_mint_variables; v->name.len; v++) {
        added = ngx_http_add_variable(cf, &v->name, v->flags);
        if (added == NULL) {
            return NGX_ERROR;
        }

        added->get_handler = v->get_handler;
        added->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_mint_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_int_t             rc;
    ngx_str_t             value;
    ngx_http_mint_ctx_t  *ctx;

    rc = NGX_OK;
    ctx = ngx_http_mint_get_ctx(r);
    ngx_str_null(&value);

    switch (ctx != NULL ? (ngx_int_t) data : -1) {

    case NGX_HTTP_MINT_VARIABLE_PLUGIN:
        value = ctx->plugin;
        break;

    case NGX_HTTP_MINT_VARIABLE_USER:
        value = *ngx_http_mint_user(ctx);
        break;

    case NGX_HTTP_MINT_VARIABLE_REQUEST_ID:
        value = ctx->request_id;
        break;

    case NGX_HTTP_MINT_VARIABLE_TRACE_ID:
        value = ctx->trace_id;
        break;

    case NGX_HTTP_MINT_VARIABLE_SEAT:
        rc = ngx_http_mint_variable_seat(r, ctx, &value);
        break;

    case NGX_HTTP_MINT_VARIABLE_SLOT:
        rc = ngx_http_mint_variable_slot(r, ctx, &value);
        break;

    case NGX_HTTP_MINT_VARIABLE_AFFINITY:
        if (ctx->seat != MINT_SEAT_NONE) {
            ngx_http_mint_variable_text(&value,
                                   ngx_http_mint_affinity_word(ctx->led_by));
        }
        break;

    case NGX_HTTP_MINT_VARIABLE_STATE:
        if (ctx->word != 0) {
            ngx_http_mint_variable_text(&value,
                ngx_http_mint_seat_state_word(mint_seat_state(ctx->word)));
        }
        break;

    case NGX_HTTP_MINT_VARIABLE_UPGRADE:
        if (ctx->is_upgrade) {
            ngx_str_set(&value, "websocket");
        }
        break;

    case NGX_HTTP_MINT_VARIABLE_CONNECTION:
        if (ctx->is_upgrade) {
            ngx_str_set(&value, "upgrade");
        }
        break;

    case NGX_HTTP_MINT_VARIABLE_REJECT:
        if (ctx->reject != NULL) {
            ngx_http_mint_variable_text(&value, ctx->reject);
        }
        break;

    case NGX_HTTP_MINT_VARIABLE_WAITED:
        rc = ngx_http_mint_variable_waited(r, ctx, &value);
        break;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    /* an access log shows "-" for what is not found */

    v->valid = value.len != 0;
    v->no_cacheable = 0;
    v->not_found = value.len == 0;
    v->len = value.len;
    v->data = value.data;

    return NGX_OK;
}


/* as the seat's socket is named: "<plugin id>-<slot><seat>" */

static ngx_int_t
ngx_http_mint_variable_seat(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_str_t *value)
{
    if (ctx->seat == MINT_SEAT_NONE) {
        return NGX_OK;
    }

    value->data = ngx_pnalloc(r->pool, 3 * NGX_INT_T_LEN);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    value->len = ngx_sprintf(value->data, "%uD-%ud%c", ctx->plugin_id,
                             ctx->slot,
                             (ctx->seat - ctx->seat_first) % 2 ? 'b' : 'a')
                 - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_mint_variable_slot(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_str_t *value)
{
    if (ctx->seat == MINT_SEAT_NONE) {
        return NGX_OK;
    }

    value->data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    value->len = ngx_sprintf(value->data, "%ud", ctx->slot) - value->data;

    return NGX_OK;
}


/* in seconds, as $request_time; of a request that has never waited: empty */

static ngx_int_t
ngx_http_mint_variable_waited(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_str_t *value)
{
    ngx_msec_t  waited;

    if (ctx->park == NULL) {
        return NGX_OK;
    }

    value->data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    waited = ngx_http_mint_park_waited(ctx);

    value->len = ngx_sprintf(value->data, "%T.%03M", (time_t) (waited / 1000),
                             waited % 1000)
                 - value->data;

    return NGX_OK;
}


static void
ngx_http_mint_variable_text(ngx_str_t *value, const char *text)
{
    value->data = (u_char *) text;
    value->len = strlen(text);
}
