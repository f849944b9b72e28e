/* SPDX-License-Identifier: MIT */
/*
 * "proxy_cache" in a location of ours.  nginx tells variants of an answer apart
 * by the client's headers; ours are not among them, so what differs by them is
 * not kept: everybody would get the first one's answer.
 */

#include "ngx_http_mint.h"


#if (NGX_HTTP_CACHE)

static ngx_uint_t ngx_http_mint_cache_varies(const ngx_str_t *vary);
static ngx_uint_t ngx_http_mint_cache_is_ours(const u_char *name, size_t len);


/* in the header filter, also of subrequests: before nginx decides what to keep;
   "proxy_hide_header" may have taken Vary out of the answer */

void
ngx_http_mint_cache_judge(ngx_http_request_t *r)
{
    ngx_uint_t                 i;
    ngx_list_part_t           *part;
    ngx_table_elt_t           *h;
    ngx_http_upstream_t       *u;
    ngx_http_mint_loc_conf_t  *lcf;

    u = r->upstream;
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    if (!lcf->is_proxied
        || (u->conf->ignore_headers & NGX_HTTP_UPSTREAM_IGN_VARY))
    {
        return;
    }

    for (part = &u->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_mint_text_same_name(h[i].key.data, h[i].key.len,
                                             "vary", sizeof("vary") - 1)
                && ngx_http_mint_cache_varies(&h[i].value))
            {
                u->cacheable = 0;
                return;
            }
        }
    }
}


static ngx_uint_t
ngx_http_mint_cache_varies(const ngx_str_t *vary)
{
    const u_char  *name, *p, *last;

    last = vary->data + vary->len;

    for (p = vary->data; p < last; /* void */) {

        if (*p == ',' || *p == ' ' || *p == '\t') {
            p++;
            continue;
        }

        name = p;

        while (p < last && *p != ',' && *p != ' ' && *p != '\t') {
            p++;
        }

        if (ngx_http_mint_cache_is_ours(name, p - name)) {
            return 1;
        }
    }

    return 0;
}


/* as the lines in ngx_http_mint_inject.c */

static ngx_uint_t
ngx_http_mint_cache_is_ours(const u_char *name, size_t len)
{
    return ngx_http_mint_text_starts_with(name, len, "x-mint-",
                                          sizeof("x-mint-") - 1)
           || ngx_http_mint_text_same_name(name, len, "x-request-id",
                                           sizeof("x-request-id") - 1)
           || ngx_http_mint_text_same_name(name, len, "traceparent",
                                           sizeof("traceparent") - 1)
           || ngx_http_mint_web_is_forwarding(name, len);
}

#endif
