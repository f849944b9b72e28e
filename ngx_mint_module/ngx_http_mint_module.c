/* SPDX-License-Identifier: MIT */
/*
 * Directives, configuration and the request's context.  What is done to a
 * request is in ngx_http_mint_access.c, in the order of its comment.
 */

#include "ngx_http_mint_html.h"
#include "ngx_http_mint_park.h"


/* what plugins and the platform may not tell nginx to do; X-Accel-Buffering
   is left, because the event streams of mint-sdk rely on it */

#define NGX_HTTP_MINT_IGNORED  (NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT             \
                                |NGX_HTTP_UPSTREAM_IGN_XA_EXPIRES             \
                                |NGX_HTTP_UPSTREAM_IGN_XA_LIMIT_RATE          \
                                |NGX_HTTP_UPSTREAM_IGN_XA_CHARSET)


static ngx_int_t ngx_http_mint_post_read_handler(ngx_http_request_t *r);
static void ngx_http_mint_cleanup(void *data);
static char *ngx_http_mint_directory_check(ngx_conf_t *cf, void *post,
    void *data);
static void *ngx_http_mint_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_mint_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_mint_create_srv_conf(ngx_conf_t *cf);
static void *ngx_http_mint_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_mint_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_mint_error_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_mint_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_mint_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_mint_init_process(ngx_cycle_t *cycle);
static void ngx_http_mint_exit_process(ngx_cycle_t *cycle);


static ngx_conf_post_t  ngx_http_mint_directory_post = {
    ngx_http_mint_directory_check
};


static ngx_command_t  ngx_http_mint_commands[] = {

    { ngx_string("mint_run_directory"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_mint_main_conf_t, directory),
      &ngx_http_mint_directory_post },

    { ngx_string("mint"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_mint_loc_conf_t, enable),
      NULL },

    { ngx_string("mint_park"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE123,
      ngx_http_mint_park_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mint_external_url"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_mint_edge_external_url,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mint_cors_origins"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_mint_edge_cors_origins,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mint_trusted_proxies"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_1MORE,
      ngx_http_mint_edge_trusted_proxies,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mint_page_headers"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_mint_loc_conf_t, edge.page_headers),
      NULL },

    { ngx_string("mint_signin_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_mint_edge_signin_limit,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mint_websocket_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_mint_loc_conf_t, websocket_timeout),
      NULL },

    { ngx_string("mint_error"),
      NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_http_mint_error_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("mint_seats"),
      NGX_HTTP_UPS_CONF|NGX_CONF_NOARGS,
      ngx_http_mint_peer_seats,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_mint_module_ctx = {
    ngx_http_mint_preconfiguration,        /* preconfiguration */
    ngx_http_mint_init,                    /* postconfiguration */

    ngx_http_mint_create_main_conf,        /* create main configuration */
    ngx_http_mint_init_main_conf,          /* init main configuration */

    ngx_http_mint_create_srv_conf,         /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_mint_create_loc_conf,         /* create location configuration */
    ngx_http_mint_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_mint_module = {
    NGX_MODULE_V1,
    &ngx_http_mint_module_ctx,             /* module context */
    ngx_http_mint_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_mint_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_mint_exit_process,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * Once per client request, before everything else: internal redirects start
 * at a later phase.  Only the server's own "mint" is known here.
 */

static ngx_int_t
ngx_http_mint_post_read_handler(ngx_http_request_t *r)
{
    ngx_http_mint_ctx_t       *ctx;
    ngx_http_mint_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    if (!lcf->enable || r != r->main || ngx_http_mint_get_ctx(r) != NULL) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_mint_make_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_mint_forwarded_believe(r, ctx, &lcf->edge);

    return NGX_DECLINED;
}


/*
 * The context of the main request.  Internal redirects clear r->ctx: then it
 * is found in the pool's clean-up handlers, as realip does.
 */

ngx_http_mint_ctx_t *
ngx_http_mint_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_mint_ctx_t  *ctx;

    r = r->main;
    ctx = ngx_http_get_module_ctx(r, ngx_http_mint_module);

    if (ctx != NULL || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_mint_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_mint_module);
            break;
        }
    }

    return ctx;
}


/* strips the request and fixes its id; NULL: out of memory */

ngx_http_mint_ctx_t *
ngx_http_mint_make_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_mint_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_mint_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, offsetof(ngx_http_mint_ctx_t, trace_text));
    ctx->seat = MINT_SEAT_NONE;
    ctx->http_version = r->http_version;

#if (NGX_HTTP_SSL)
    ctx->is_https = r->connection->ssl != NULL;
#endif

    if (ngx_http_mint_headers_strip(r, ctx) != NGX_OK) {
        return NULL;
    }

    cln->handler = ngx_http_mint_cleanup;
    ngx_http_set_ctx(r, ctx, ngx_http_mint_module);

    return ctx;
}


/* as text, made when it is asked for */

ngx_str_t *
ngx_http_mint_user(ngx_http_mint_ctx_t *ctx)
{
    if (ctx->user.len == 0 && ctx->user_id != 0) {
        ctx->user.data = ctx->user_digits;
        ctx->user.len = ngx_http_mint_text_number(ctx->user_digits,
                                                  ctx->user_id);
    }

    return &ctx->user;
}


/* nothing of it is counted or queued any more */

void
ngx_http_mint_forget_verdict(ngx_http_mint_ctx_t *ctx)
{
    if (ctx->lines != NULL) {
        ngx_http_mint_lines_release(ctx->lines);
    }

    ngx_memzero(&ctx->plugin, offsetof(ngx_http_mint_ctx_t, trace_text)
                              - offsetof(ngx_http_mint_ctx_t, plugin));
    ctx->seat = MINT_SEAT_NONE;
}


static void
ngx_http_mint_cleanup(void *data)
{
    ngx_http_mint_ctx_t  *ctx;

    ctx = data;
    ngx_http_mint_revoke_remove(ctx);
    ngx_http_mint_workers_leave(ctx);
    ngx_http_mint_access_leave(ctx);

    if (ctx->lines != NULL) {
        ngx_http_mint_lines_release(ctx->lines);
        ctx->lines = NULL;
    }
}


static char *
ngx_http_mint_directory_check(ngx_conf_t *cf, void *post, void *data)
{
    ngx_str_t  *path = data;

    if (path->len == 0 || path->data[0] != '/') {
        return "must be an absolute path";
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_mint_create_main_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_mint_main_conf_t));
}


static char *
ngx_http_mint_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_mint_main_conf_t *mcf = conf;

    if (mcf->directory.data == NULL) {
        ngx_str_set(&mcf->directory, "/run/ngx-mint");
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_mint_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_mint_srv_conf_t));
}


static void *
ngx_http_mint_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_mint_loc_conf_t  *lcf;

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_mint_loc_conf_t));
    if (lcf == NULL) {
        return NULL;
    }

    lcf->enable = NGX_CONF_UNSET;
    ngx_http_mint_edge_init(&lcf->edge);
    lcf->websocket_timeout = NGX_CONF_UNSET_MSEC;
    ngx_http_mint_park_init(&lcf->park);

    return lcf;
}


/*
 * The proxy module has merged its own configuration before (its index is
 * smaller).  That its location configuration starts with the upstream's is
 * what lets a location be known as ours; a location that proxies elsewhere
 * must never be given a plugin's token.
 */

static char *
ngx_http_mint_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_mint_loc_conf_t *prev = parent;
    ngx_http_mint_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_core_srv_conf_t      *cscf;
    ngx_http_upstream_conf_t      *proxy;
    ngx_http_mint_srv_conf_t      *scf;
    ngx_http_mint_main_conf_t     *mcf;
    ngx_http_upstream_srv_conf_t  *uscf;

    ngx_conf_merge_value(conf->enable, prev->enable, 0);
    ngx_http_mint_edge_merge(&prev->edge, &conf->edge);
    ngx_conf_merge_msec_value(conf->websocket_timeout,
                              prev->websocket_timeout, 3600000);
    ngx_http_mint_park_merge(&prev->park, &conf->park);

    if (conf->enable) {
        mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mint_module);
        mcf->is_used = 1;
    }

    proxy = ngx_http_conf_get_module_loc_conf(cf, ngx_http_proxy_module);
    uscf = proxy->upstream;

    if (uscf == NULL || uscf->srv_conf == NULL) {
        return NGX_CONF_OK;
    }

    scf = ngx_http_conf_upstream_srv_conf(uscf, ngx_http_mint_module);

    if (!scf->has_seats) {
        return NGX_CONF_OK;
    }

    conf->is_proxied = 1;
    proxy->ignore_headers |= NGX_HTTP_MINT_IGNORED;

    if (!conf->enable) {
        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
        cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"proxy_pass\" to upstream \"%V\" with \"mint_seats\" "
                      "needs \"mint on\": location \"%V\" of the server in "
                      "%s:%ui", &uscf->host, &clcf->name, cscf->file_name,
                      cscf->line);
        return NGX_CONF_ERROR;
    }

    return ngx_http_mint_inject_config(cf, &conf->own_lines) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_mint_error_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (ngx_strcasecmp(value[1].data, (u_char *) "on") == 0) {

        if (clcf->handler != NULL) {
            return "conflicts with another content handler of this location";
        }

        clcf->handler = ngx_http_mint_error_handler;
        return NGX_CONF_OK;
    }

    if (ngx_strcasecmp(value[1].data, (u_char *) "off") == 0) {
        return NGX_CONF_OK;
    }

    return "must be \"on\" or \"off\"";
}


static ngx_int_t
ngx_http_mint_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_mint_variables_add(cf);
}


static ngx_int_t
ngx_http_mint_init(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    static const struct {
        ngx_http_phases         phase;
        ngx_http_handler_pt     handler;
    }                           phases[] = {
        { NGX_HTTP_POST_READ_PHASE, ngx_http_mint_post_read_handler },
        { NGX_HTTP_PREACCESS_PHASE, ngx_http_mint_access_handler },
        { NGX_HTTP_ACCESS_PHASE, ngx_http_mint_forwarded_handler },
        { NGX_HTTP_LOG_PHASE, ngx_http_mint_workers_log_handler }
    };

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        h = ngx_array_push(&cmcf->phases[phases[i].phase].handlers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = phases[i].handler;
    }

    if (ngx_http_mint_html_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_mint_config_check(cf);
}


static ngx_int_t
ngx_http_mint_init_process(ngx_cycle_t *cycle)
{
    ngx_http_mint_main_conf_t  *mcf;

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_mint_module);

    if (mcf == NULL || !mcf->is_used) {
        return NGX_OK;
    }

    return ngx_http_mint_run_init(cycle, mcf);
}


static void
ngx_http_mint_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_mint_run_done();
    ngx_http_mint_lines_done();
    ngx_http_mint_affinity_done();
}
