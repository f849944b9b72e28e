/* SPDX-License-Identifier: MIT */
/*
 * Answers below <prefix>/: pages of plugins, all of one origin with the
 * platform's own.  They get the headers that keep foreign pages from framing
 * them and that make them say where their requests come from.
 */

#include "ngx_http_mint.h"


static ngx_uint_t ngx_http_mint_page_is_one_of(ngx_table_elt_t *h,
    const ngx_str_t *names, ngx_uint_t count);


/* ours take the place of the plugin's; not so the policy (below) */

static const ngx_str_t  ngx_http_mint_page_replaced[] = {
    ngx_string("x-frame-options"),
    ngx_string("x-content-type-options"),
    ngx_string("referrer-policy")
};


/* what would reach beyond the plugin: all of the origin's pages, and the
   cookies of all */

static const ngx_str_t  ngx_http_mint_page_foreign[] = {
    ngx_string("service-worker-allowed"),
    ngx_string("clear-site-data")
};


/*
 * Browsers enforce each of several policies, so a plugin's own stays in
 * force.  Ours says nothing about scripts: frontends have some in their
 * pages.  X-Frame-Options is not looked at where there is a policy, so what
 * a plugin has denied there must be in ours.
 */

ngx_int_t
ngx_http_mint_page_headers(ngx_http_request_t *r)
{
    ngx_uint_t        i, is_denied;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  policies[2] = {
        ngx_string("frame-ancestors 'self'; base-uri 'self'"),
        ngx_string("frame-ancestors 'none'; base-uri 'self'")
    };
    static ngx_str_t  frames[2] = {
        ngx_string("SAMEORIGIN"), ngx_string("DENY")
    };
    static ngx_str_t  nosniff = ngx_string("nosniff");
    static ngx_str_t  referrer = ngx_string("same-origin");

    is_denied = 0;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (!ngx_http_mint_page_is_one_of(&h[i],
                                              ngx_http_mint_page_replaced, 3))
            {
                continue;
            }

            h[i].hash = 0;
            is_denied |= ngx_http_mint_text_same_name(h[i].value.data,
                                                      h[i].value.len, "deny",
                                                      sizeof("deny") - 1);
        }
    }

    if (ngx_http_mint_headers_answer(r, "Content-Security-Policy",
                                     &policies[is_denied])
        != NGX_OK
        || ngx_http_mint_headers_answer(r, "X-Frame-Options",
                                        &frames[is_denied])
           != NGX_OK
        || ngx_http_mint_headers_answer(r, "X-Content-Type-Options", &nosniff)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mint_headers_answer(r, "Referrer-Policy", &referrer);
}


ngx_uint_t
ngx_http_mint_page_is_foreign(ngx_table_elt_t *h)
{
    return ngx_http_mint_page_is_one_of(h, ngx_http_mint_page_foreign, 2);
}


static ngx_uint_t
ngx_http_mint_page_is_one_of(ngx_table_elt_t *h, const ngx_str_t *names,
    ngx_uint_t count)
{
    ngx_uint_t  i;

    for (i = 0; i < count; i++) {
        if (ngx_http_mint_text_same_name(h->key.data, h->key.len,
                                         (const char *) names[i].data,
                                         names[i].len))
        {
            return 1;
        }
    }

    return 0;
}
