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


/* nginx declares them in the modules' own files only */
extern ngx_module_t  ngx_http_proxy_module;
extern ngx_module_t  ngx_http_upstream_keepalive_module;


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


/*
 * X-Forwarded-For as nginx has read it: who came to the first of the proxies
 * that are believed.  Else addr stays as it is.
 */

static ngx_inline void
ngx_http_mint_compat_forwarded_addr(ngx_http_request_t *r, ngx_addr_t *addr,
    ngx_array_t *proxies)
{
#if (NGX_HTTP_X_FORWARDED_FOR)
#if (nginx_version >= 1023000)

    /* without headers it would look into the value, which there is not */

    if (r->headers_in.x_forwarded_for == NULL) {
        return;
    }

    (void) ngx_http_get_forwarded_addr(r, addr, r->headers_in.x_forwarded_for,
                                       NULL, proxies, 1);

#else

    (void) ngx_http_get_forwarded_addr(r, addr,
                                       &r->headers_in.x_forwarded_for, NULL,
                                       proxies, 1);

#endif
#endif
}


/* what nginx would still show of headers that were taken out of the list */

static ngx_inline void
ngx_http_mint_compat_forget_forwarded(ngx_http_request_t *r)
{
#if (NGX_HTTP_X_FORWARDED_FOR)
#if (nginx_version >= 1023000)
    r->headers_in.x_forwarded_for = NULL;
#else
    r->headers_in.x_forwarded_for.nelts = 0;
#endif
#endif

#if (NGX_HTTP_REALIP)
    r->headers_in.x_real_ip = NULL;
#endif
}


/*
 * What the location's "proxy_set_header" say, of ngx_keyval_t, after merging;
 * NULL: nothing.  The struct is private to nginx, but where the directive puts
 * them is in its table of directives.
 */

static ngx_inline ngx_array_t *
ngx_http_mint_compat_proxy_headers(ngx_conf_t *cf)
{
    u_char         *conf;
    ngx_command_t  *cmd;

    conf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_proxy_module);

    for (cmd = ngx_http_proxy_module.commands; cmd->name.len != 0; cmd++) {
        if (ngx_strcmp(cmd->name.data, "proxy_set_header") == 0) {
            return *(ngx_array_t **) (void *) (conf + cmd->offset);
        }
    }

    return NULL;
}


/*
 * How many connections "keepalive" keeps in an upstream, 0: none.  The struct
 * is private to nginx; in all these versions it begins with that number.
 */

static ngx_inline ngx_uint_t
ngx_http_mint_compat_keepalive(ngx_http_upstream_srv_conf_t *uscf)
{
    ngx_uint_t  *max_cached;

    max_cached = ngx_http_conf_upstream_srv_conf(uscf,
                                       ngx_http_upstream_keepalive_module);

    return *max_cached == NGX_CONF_UNSET_UINT ? 0 : *max_cached;
}


#endif /* NGX_HTTP_MINT_COMPAT_H */
