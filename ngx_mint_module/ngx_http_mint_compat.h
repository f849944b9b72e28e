/* SPDX-License-Identifier: MIT */
/*
 * What differs between the versions of nginx that Debian ships (1.22.1,
 * 1.26.3, 1.30).  Nothing else in this folder tests nginx_version.
 */

#ifndef NGX_HTTP_MINT_COMPAT_H
#define NGX_HTTP_MINT_COMPAT_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* nginx declares it in the module's own file only */
extern ngx_module_t  ngx_http_proxy_module;


/*
 * The request's Cookie header lines one after the other: NULL asks for the
 * first.  1.23.0 made the array a list.
 */

static ngx_inline ngx_table_elt_t *
ngx_http_mint_compat_cookie(ngx_http_request_t *r, ngx_table_elt_t *previous)
{
#if (nginx_version >= 1023000)

    return previous == NULL ? r->headers_in.cookie : previous->next;

#else

    ngx_uint_t         i;
    ngx_table_elt_t  **lines;

    lines = r->headers_in.cookies.elts;

    for (i = 0; i < r->headers_in.cookies.nelts; i++) {

        if (previous == NULL) {
            return lines[i];
        }

        if (lines[i] == previous) {
            previous = NULL;
        }
    }

    return NULL;

#endif
}


#endif /* NGX_HTTP_MINT_COMPAT_H */
