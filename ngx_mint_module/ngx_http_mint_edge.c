/* SPDX-License-Identifier: MIT */
/*
 * The directives about browsers and proxies.  What follows from them is in
 * the file named like each.
 */

#include "ngx_http_mint.h"


static char *ngx_http_mint_edge_origin(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *value, struct mint_origin *origin);
static ngx_int_t ngx_http_mint_edge_number(ngx_str_t *value,
    const char *name, const char *unit);


void
ngx_http_mint_edge_init(ngx_http_mint_edge_conf_t *conf)
{
    conf->cors = NGX_CONF_UNSET_PTR;
    conf->proxies = NGX_CONF_UNSET_PTR;
    conf->page_headers = NGX_CONF_UNSET;
    conf->limit_burst = NGX_CONF_UNSET_UINT;
    conf->limit_ms = NGX_CONF_UNSET_UINT;
}


void
ngx_http_mint_edge_merge(ngx_http_mint_edge_conf_t *prev,
    ngx_http_mint_edge_conf_t *conf)
{
    if (conf->origins.external.host == NULL) {
        conf->origins.external = prev->origins.external;
    }

    ngx_conf_merge_ptr_value(conf->cors, prev->cors, NULL);
    ngx_conf_merge_ptr_value(conf->proxies, prev->proxies, NULL);
    ngx_conf_merge_value(conf->page_headers, prev->page_headers, 1);
    ngx_conf_merge_uint_value(conf->limit_burst, prev->limit_burst, 0);
    ngx_conf_merge_uint_value(conf->limit_ms, prev->limit_ms, 0);

    if (conf->cors != NULL) {
        conf->origins.allowed = conf->cors->elts;
        conf->origins.allowed_count = conf->cors->nelts;
    }
}


char *
ngx_http_mint_edge_external_url(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_str_t                  *value;
    ngx_http_mint_loc_conf_t   *lcf;

    lcf = conf;
    value = cf->args->elts;

    if (lcf->edge.origins.external.host != NULL) {
        return "is duplicate";
    }

    return ngx_http_mint_edge_origin(cf, cmd, &value[1],
                                     &lcf->edge.origins.external);
}


char *
ngx_http_mint_edge_cors_origins(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    char                       *rv;
    ngx_str_t                  *value;
    ngx_uint_t                  i;
    struct mint_origin         *origin;
    ngx_http_mint_loc_conf_t   *lcf;

    lcf = conf;
    value = cf->args->elts;

    if (lcf->edge.cors != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    lcf->edge.cors = ngx_array_create(cf->pool, cf->args->nelts,
                                      sizeof(struct mint_origin));
    if (lcf->edge.cors == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        origin = ngx_array_push(lcf->edge.cors);
        if (origin == NULL) {
            return NGX_CONF_ERROR;
        }

        rv = ngx_http_mint_edge_origin(cf, cmd, &value[i], origin);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


/* "*" is none: credentials are allowed for each of them */

static char *
ngx_http_mint_edge_origin(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *value, struct mint_origin *origin)
{
    if (mint_origin_parse((char *) value->data, value->len, origin) == 0) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\": \"%V\" is not an origin like "
                       "\"https://mint.example.org\", without a path",
                       &cmd->name, value);

    return NGX_CONF_ERROR;
}


char *
ngx_http_mint_edge_trusted_proxies(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_int_t                   rc;
    ngx_str_t                  *value;
    ngx_uint_t                  i;
    ngx_cidr_t                 *cidr;
    ngx_http_mint_loc_conf_t   *lcf;

    lcf = conf;
    value = cf->args->elts;

    if (lcf->edge.proxies != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    lcf->edge.proxies = ngx_array_create(cf->pool, cf->args->nelts,
                                         sizeof(ngx_cidr_t));
    if (lcf->edge.proxies == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        cidr = ngx_array_push(lcf->edge.proxies);
        if (cidr == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(cidr, sizeof(ngx_cidr_t));

#if (NGX_HAVE_UNIX_DOMAIN)

        if (ngx_strcmp(value[i].data, "unix:") == 0) {
            cidr->family = AF_UNIX;
            continue;
        }

#endif

        rc = ngx_ptocidr(&value[i], cidr);

        if (rc == NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\": \"%V\" is not an address or a "
                               "network", &cmd->name, &value[i]);
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_DONE) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "low address bits of \"%V\" are meaningless",
                               &value[i]);
        }
    }

    return NGX_CONF_OK;
}


/* "off", or "rate=<n>r/m burst=<n>" */

char *
ngx_http_mint_edge_signin_limit(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_int_t                   rate, burst;
    ngx_str_t                  *value;
    ngx_http_mint_loc_conf_t   *lcf;

    lcf = conf;
    value = cf->args->elts;

    if (lcf->edge.limit_burst != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    lcf->edge.limit_burst = 0;
    lcf->edge.limit_ms = 0;

    if (cf->args->nelts == 2) {
        return ngx_strcmp(value[1].data, "off") == 0
               ? NGX_CONF_OK
               : "takes \"off\" or \"rate=<number>r/m burst=<number>\"";
    }

    rate = ngx_http_mint_edge_number(&value[1], "rate=", "r/m");
    burst = ngx_http_mint_edge_number(&value[2], "burst=", "");

    if (rate == NGX_ERROR || burst == NGX_ERROR) {
        return "takes \"off\" or \"rate=<number>r/m burst=<number>\", "
               "numbers from 1 to 10000";
    }

    lcf->edge.limit_ms = 60000 / rate;
    lcf->edge.limit_burst = burst;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_mint_edge_number(ngx_str_t *value, const char *name,
    const char *unit)
{
    size_t     name_len, unit_len;
    ngx_int_t  n;

    name_len = ngx_strlen(name);
    unit_len = ngx_strlen(unit);

    if (value->len <= name_len + unit_len
        || ngx_strncmp(value->data, name, name_len) != 0
        || ngx_strcmp(value->data + value->len - unit_len, unit) != 0)
    {
        return NGX_ERROR;
    }

    n = ngx_atoi(value->data + name_len, value->len - name_len - unit_len);

    return n < 1 || n > 10000 ? NGX_ERROR : n;
}
