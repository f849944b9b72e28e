/* SPDX-License-Identifier: MIT */
/*
 * Trace context (W3C): a valid traceparent is passed on as it came, any other
 * is replaced.  tracestate belongs to the one it came with.
 */

#include "ngx_http_mint.h"


void
ngx_http_mint_trace_see(ngx_table_elt_t *h, ngx_http_mint_told_t *told)
{
    if (ngx_http_mint_text_same_name(h->key.data, h->key.len, "traceparent",
                                     sizeof("traceparent") - 1))
    {
        told->traceparent = h->value;
        told->traceparents++;
        told->traces++;

    } else if (ngx_http_mint_text_same_name(h->key.data, h->key.len,
                                            "tracestate",
                                            sizeof("tracestate") - 1))
    {
        told->traces++;
    }
}


ngx_uint_t
ngx_http_mint_trace_is_good(ngx_http_mint_ctx_t *ctx)
{
    ngx_str_t  *value;

    value = &ctx->told.traceparent;

    if (ctx->told.traceparents != 1
        || !ngx_http_mint_web_traceparent(value->data, value->len))
    {
        return 0;
    }

    ctx->trace_id.data = value->data + sizeof("00-") - 1;
    ctx->trace_id.len = NGX_HTTP_MINT_TRACE_ID_LEN;

    return 1;
}


/* the old ones are gone already; the words need not be random, but unique */

void
ngx_http_mint_trace_make(ngx_http_mint_ctx_t *ctx, const uint64_t words[3])
{
    ngx_http_mint_web_make_traceparent(ctx->trace_text, words, words[2]);

    ctx->is_traced = 1;
    ctx->trace_id.data = ctx->trace_text + sizeof("00-") - 1;
    ctx->trace_id.len = NGX_HTTP_MINT_TRACE_ID_LEN;
}
