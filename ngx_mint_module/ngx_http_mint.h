/* SPDX-License-Identifier: MIT */
/*
 * What the files of the module share.  All of it belongs to one worker, which
 * has one thread; other processes are met in the run files only.
 */

#ifndef NGX_HTTP_MINT_H
#define NGX_HTTP_MINT_H

#include "ngx_http_mint_compat.h"
#include "ngx_http_mint_edge.h"
#include "ngx_http_mint_grant.h"
#include "ngx_http_mint_inject.h"
#include "ngx_http_mint_lines.h"
#include "ngx_http_mint_memo.h"
#include "ngx_http_mint_run.h"
#include "ngx_http_mint_slots.h"
#include "ngx_http_mint_target.h"
#include "ngx_http_mint_text.h"
#include "ngx_http_mint_view.h"


/* ngx_http_mint_module.c: configuration */

struct ngx_http_mint_main_conf_s {
    ngx_str_t   directory;
    ngx_uint_t  is_used;            /* "mint on" or "mint_seats" somewhere */
};

typedef struct {
    ngx_uint_t  has_seats;          /* of an upstream: "mint_seats" */
    ngx_uint_t  is_ready;           /* our init_upstream was called */
} ngx_http_mint_srv_conf_t;

typedef struct {
    ngx_uint_t  requests;           /* 0: nobody waits */
    ngx_msec_t  crash;
    ngx_msec_t  start;
    unsigned    is_set:1;
} ngx_http_mint_park_conf_t;

typedef struct {
    ngx_flag_t  enable;
    ngx_uint_t  is_proxied;         /* to an upstream with "mint_seats" */
    ngx_msec_t  websocket_timeout;
    ngx_uint_t  own_lines;          /* header lines it sets by itself */

    ngx_http_mint_edge_conf_t  edge;
    ngx_http_mint_park_conf_t  park;
} ngx_http_mint_loc_conf_t;


typedef struct ngx_http_mint_tunnel_s  ngx_http_mint_tunnel_t;


/* what is said to a client that is refused, and in the log */

struct ngx_http_mint_refusal_s {
    ngx_uint_t   status;            /* 0: not refused */
    ngx_int_t    rejection;         /* enum mint_rejection or -1 */
    const char  *reason;            /* for the log and $mint_reject */
    ngx_str_t    detail;            /* a sentence; empty: one by status */
    ngx_uint_t   retry_after_sec;   /* with 503 */
    ngx_uint_t   has_seat;          /* state and cause are meaningful */
    ngx_uint_t   is_maintained;     /* the route, whatever the seat says */
    ngx_uint_t   is_unreachable;    /* no connection could be made */
    unsigned     state;
    unsigned     cause;
};


/* what led a request to its seat: $mint_affinity */

enum ngx_http_mint_led {
    NGX_HTTP_MINT_LED_NONE = 0,
    NGX_HTTP_MINT_LED_PIN,
    NGX_HTTP_MINT_LED_COOKIE,
    NGX_HTTP_MINT_LED_HASH,
    NGX_HTTP_MINT_LED_COUNT
};

/* the seats of a route in the order in which a request tries them */

typedef struct {
    ngx_http_mint_slots_t   slots;
    uint32_t                pin;            /* to be tried first */
    uint32_t                seat_b;         /* to be tried next */
    uint32_t                best;           /* the first slot of all */
} ngx_http_mint_affinity_t;


/* one main request; freed with its pool, found again after redirects */

struct ngx_http_mint_ctx_s {
    /* what came in */

    ngx_str_t                request_id;
    ngx_str_t                trace_id;
    ngx_str_t                forwarded_host;    /* empty: none believed */
    ngx_str_t                client;        /* empty: the connection's text */
    ngx_uint_t               http_version;  /* the client's */
    ngx_http_mint_told_t     told;
    ngx_http_mint_park_t    *park;          /* NULL: has never waited */
    ngx_list_t               headers;       /* if is_kept, as they came in */
    ngx_table_elt_t         *authorization;
    unsigned                 is_https:1;        /* as the client sees it */
    unsigned                 is_trusted:1;      /* sent by a trusted proxy */
    unsigned                 is_forwarded:1;    /* theirs are out */
    unsigned                 is_late:1;         /* ... but once were not */
    unsigned                 has_upgrade:1;     /* maybe, by its headers */
    unsigned                 is_traced:1;       /* by us, from trace_text on */
    unsigned                 is_kept:1;

    /*
     * What was decided about it, from "plugin" to "led_by": forgotten when a
     * request that has waited is decided about again.
     */

    ngx_str_t                plugin;        /* name; empty: the platform */
    ngx_str_t                user;          /* see ngx_http_mint_user() */
    uint64_t                 user_id;       /* 0: nobody */
    uint32_t                 plugin_id;
    uint32_t                 seat;          /* index, MINT_SEAT_NONE */
    unsigned                 slot;
    uint64_t                 word;          /* the seat's, when counted in */
    uint32_t                 seat_first;    /* the route's seats */
    uint32_t                 seat_count;
    ngx_str_t                prefix;        /* empty: no cookie to set */
    uint32_t                 pin;           /* a seat, MINT_SEAT_NONE */
    uint32_t                 cookie_slot;   /* as an accepted cookie says */
    const char              *reject;
    ngx_http_mint_record_t  *record;        /* counted into this one */
    uint32_t                *in_flight;     /* NULL: not counted */
    uint64_t                 started_ms;    /* CLOCK_BOOTTIME */
    ngx_queue_t              queue;         /* in record->waiting */
    ngx_http_mint_grant_t    grant;
    ngx_http_mint_lines_t   *lines;         /* NULL: nobody is named */
    ngx_http_mint_tunnel_t  *tunnel;        /* after an upgrade */
    off_t                    tunnel_bytes;  /* from the client since then */
    uint64_t                 limit_key[2];
    unsigned                 is_by_cookie:1;    /* nothing else says who */
    unsigned                 is_limited:1;      /* a try to sign in */
    unsigned                 is_own:1;          /* the edge has answered */
    unsigned                 is_decided:1;
    unsigned                 is_plugin:1;
    unsigned                 is_page:1;
    unsigned                 is_admin:1;
    unsigned                 is_upgrade:1;
    unsigned                 is_queued:1;
    unsigned                 is_stream:1;   /* large, to the platform */
    unsigned                 is_cookie_read:1;
    unsigned                 is_hit:1;      /* met the one it belongs to */
    unsigned                 affinity:2;    /* enum mint_affinity */
    unsigned                 led_by:2;      /* enum ngx_http_mint_led */

    /* texts that the above refers to, never cleared; trace_text is first */

    u_char                   trace_text[NGX_HTTP_MINT_TRACE_LEN];
    u_char                   plugin_text[MINT_NAME_MAX];
    u_char                   user_digits[NGX_INT64_LEN];
};


/* the session token's cookie */
#define NGX_HTTP_MINT_COOKIE  "mint_access_token"


extern ngx_module_t  ngx_http_mint_module;
extern ngx_module_t  ngx_http_mint_filter_module;


/* ngx_http_mint_module.c */
ngx_http_mint_ctx_t *ngx_http_mint_get_ctx(ngx_http_request_t *r);
ngx_http_mint_ctx_t *ngx_http_mint_make_ctx(ngx_http_request_t *r);
void ngx_http_mint_forget_verdict(ngx_http_mint_ctx_t *ctx);
ngx_str_t *ngx_http_mint_user(ngx_http_mint_ctx_t *ctx);    /* id, or empty */

/* ngx_http_mint_headers.c */
ngx_int_t ngx_http_mint_headers_strip(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
ngx_int_t ngx_http_mint_headers_upgrade(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
ngx_int_t ngx_http_mint_headers_drop_pats(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
void ngx_http_mint_headers_restore(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
ngx_int_t ngx_http_mint_headers_drop_forwarded(ngx_http_request_t *r);
ngx_int_t ngx_http_mint_headers_make_id(ngx_http_request_t *r, ngx_str_t *id);
/* to the answer; the name is a literal */
#define ngx_http_mint_headers_answer(r, name, value)                          \
    ngx_http_mint_headers_add(r, name, sizeof(name) - 1, value)
ngx_int_t ngx_http_mint_headers_add(ngx_http_request_t *r, const char *name,
    size_t len, ngx_str_t *value);

/* ngx_http_mint_access.c */
ngx_int_t ngx_http_mint_access_handler(ngx_http_request_t *r);
void ngx_http_mint_access_leave(ngx_http_mint_ctx_t *ctx);

/* ngx_http_mint_path.c: match->route is NULL for the platform; *reason is why
   the path is refused, or NULL; NGX_ERROR: no memory */
ngx_uint_t ngx_http_mint_path_is_plain(ngx_http_request_t *r);
ngx_uint_t ngx_http_mint_path_is_hidden(ngx_http_request_t *r,
    ngx_uint_t is_plain);
ngx_int_t ngx_http_mint_path_route(ngx_http_request_t *r, ngx_uint_t is_plain,
    const ngx_http_mint_table_t *routes, ngx_http_mint_match_t *match,
    const char **reason);

/* ngx_http_mint_auth.c: NGX_OK (identified or anonymous), NGX_DECLINED
   (refusal filled) or NGX_ERROR */
ngx_int_t ngx_http_mint_auth(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal);

/* ngx_http_mint_seat.c */
ngx_int_t ngx_http_mint_seat_choose(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal);
const char *ngx_http_mint_seat_state_word(unsigned state);
const char *ngx_http_mint_seat_cause_word(unsigned cause);

/* ngx_http_mint_affinity.c */
ngx_int_t ngx_http_mint_affinity_remember(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, const struct mint_route *route);
void ngx_http_mint_affinity_start(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_view_t *view,
    ngx_http_mint_affinity_t *walk);
uint32_t ngx_http_mint_affinity_next(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_affinity_t *walk);
ngx_uint_t ngx_http_mint_affinity_may_enter(ngx_http_mint_ctx_t *ctx,
    uint32_t seat, uint64_t word);
ngx_uint_t ngx_http_mint_affinity_is_pin_same(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_view_t *view);
void ngx_http_mint_affinity_chosen(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_affinity_t *walk, uint32_t seat);
ngx_int_t ngx_http_mint_affinity_set_cookie(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
const char *ngx_http_mint_affinity_word(unsigned led_by);
void ngx_http_mint_affinity_done(void);

/* ngx_http_mint_peer.c */
char *ngx_http_mint_peer_seats(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_mint_cache.c: of an answer that nginx would keep */
#if (NGX_HTTP_CACHE)
void ngx_http_mint_cache_judge(ngx_http_request_t *r);
#endif

/* ngx_http_mint_config.c */
ngx_int_t ngx_http_mint_config_check(ngx_conf_t *cf);

/* ngx_http_mint_tunnel.c */
#define NGX_HTTP_MINT_CLOSE_AWAY    1001    /* status codes of RFC 6455 */
#define NGX_HTTP_MINT_CLOSE_POLICY  1008

ngx_int_t ngx_http_mint_tunnel_begin(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx);
void ngx_http_mint_tunnel_close(ngx_http_request_t *r,
    ngx_http_mint_tunnel_t *t, ngx_uint_t code);

/* ngx_http_mint_error.c */
ngx_int_t ngx_http_mint_error_send(ngx_http_request_t *r,
    ngx_http_mint_ctx_t *ctx, ngx_http_mint_refusal_t *refusal);
ngx_int_t ngx_http_mint_error_handler(ngx_http_request_t *r);

/* ngx_http_mint_variables.c */
ngx_int_t ngx_http_mint_variables_add(ngx_conf_t *cf);

#endif /* NGX_HTTP_MINT_H */
