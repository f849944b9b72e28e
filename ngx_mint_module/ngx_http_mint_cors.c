/* SPDX-License-Identifier: MIT */
/*
 * Pages of other origins.  Plugins would let any origin in, with credentials:
 * what they say of it is dropped (ngx_http_mint_filter.c), and only origins
 * that the configuration names are let in here.
 */

#include "ngx_http_mint.h"


#define NGX_HTTP_MINT_CORS_MAX_AGE  "600"


static ngx_table_elt_t *ngx_http_mint_cors_find(ngx_http_request_t *r,
    const char *name, ngx_uint_t *count);
static const struct mint_origin *ngx_http_mint_cors_origin(
    ngx_http_request_t *r, ngx_http_mint_edge_conf_t *conf,
    ngx_table_elt_t **header);
static ngx_int_t ngx_http_mint_cors_refuse(ngx_http_mint_refusal_t *refusal,
    const char *reason);


static ngx_str_t  ngx_http_mint_cors_methods =
    ngx_string("GET, HEAD, POST, PUT, PATCH, DELETE");

static ngx_str_t  ngx_http_mint_cors_vary =
    ngx_string("Access-Control-Request-Method, "
               "Access-Control-Request-Headers");


/*
 * A preflight carries no credentials and is about the edge's rules, so it is
 * answered here, whatever the route.  Header names are given back as asked
 * for, to the origins that are let in: what only the edge may say is taken
 * out of the request anyway.
 */

ngx_int_t
ngx_http_mint_cors_preflight(ngx_http_request_t *r,
    ngx_http_mint_refusal_t *refusal)
{
    ngx_int_t                   rc;
    ngx_uint_t                  count, names;
    ngx_table_elt_t            *h, *asked;
    ngx_http_mint_loc_conf_t   *lcf;
    ngx_http_complex_value_t    cv;

    static ngx_str_t  max_age = ngx_string(NGX_HTTP_MINT_CORS_MAX_AGE);

    (void) ngx_http_mint_cors_find(r, "access-control-request-method",
                                   &count);

    if (count == 0 || ngx_http_mint_cors_find(r, "origin", &names) == NULL) {
        return NGX_OK;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    if (ngx_http_mint_cors_origin(r, &lcf->edge, &h) == NULL) {
        return ngx_http_mint_cors_refuse(refusal,
                                         "pages of this origin are not let "
                                         "in");
    }

    asked = ngx_http_mint_cors_find(r, "access-control-request-headers",
                                    &names);

    if (count > 1 || names > 1
        || (asked != NULL
            && !ngx_http_mint_web_is_header_list(asked->value.data,
                                                 asked->value.len)))
    {
        return ngx_http_mint_cors_refuse(refusal, "malformed preflight");
    }

    if (ngx_http_mint_headers_answer(r, "Access-Control-Allow-Methods",
                                     &ngx_http_mint_cors_methods)
        != NGX_OK
        || ngx_http_mint_headers_answer(r, "Access-Control-Max-Age", &max_age)
           != NGX_OK
        || ngx_http_mint_headers_answer(r, "Vary", &ngx_http_mint_cors_vary)
           != NGX_OK
        || (asked != NULL
            && ngx_http_mint_headers_answer(r, "Access-Control-Allow-Headers",
                                            &asked->value)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));
    rc = ngx_http_send_response(r, NGX_HTTP_NO_CONTENT, NULL, &cv);
    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


/* for every answer of a location with origins, the edge's own too */

ngx_int_t
ngx_http_mint_cors_answer(ngx_http_request_t *r,
    ngx_http_mint_edge_conf_t *conf)
{
    ngx_table_elt_t  *origin;

    static ngx_str_t  vary = ngx_string("Origin");
    static ngx_str_t  credentials = ngx_string("true");
    static ngx_str_t  expose = ngx_string("X-Request-ID");

    /* a cache must not give one origin's answer to another */

    if (ngx_http_mint_headers_answer(r, "Vary", &vary) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_mint_cors_origin(r, conf, &origin) == NULL) {
        return NGX_OK;
    }

    if (ngx_http_mint_headers_answer(r, "Access-Control-Allow-Origin",
                                     &origin->value)
        != NGX_OK
        || ngx_http_mint_headers_answer(r, "Access-Control-Allow-Credentials",
                                        &credentials)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_mint_headers_answer(r, "Access-Control-Expose-Headers",
                                        &expose);
}


/* the request's one Origin, if the configuration names it */

static const struct mint_origin *
ngx_http_mint_cors_origin(ngx_http_request_t *r,
    ngx_http_mint_edge_conf_t *conf, ngx_table_elt_t **header)
{
    ngx_uint_t          count;
    struct mint_origin  origin;

    *header = ngx_http_mint_cors_find(r, "origin", &count);

    if (count != 1
        || mint_origin_parse((char *) (*header)->value.data,
                             (*header)->value.len, &origin)
           != 0)
    {
        return NULL;
    }

    return mint_origin_find(&conf->origins, &origin);
}


/* the last header of the name, and how many there are */

static ngx_table_elt_t *
ngx_http_mint_cors_find(ngx_http_request_t *r, const char *name,
    ngx_uint_t *count)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *found;

    found = NULL;
    *count = 0;
    len = ngx_strlen(name);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_mint_text_same_name(h[i].key.data, h[i].key.len,
                                             name, len))
            {
                found = &h[i];
                (*count)++;
            }
        }
    }

    return found;
}


static ngx_int_t
ngx_http_mint_cors_refuse(ngx_http_mint_refusal_t *refusal,
    const char *reason)
{
    refusal->status = NGX_HTTP_FORBIDDEN;
    refusal->rejection = MINT_REJECT_FORBIDDEN;
    refusal->reason = reason;

    return NGX_DECLINED;
}
