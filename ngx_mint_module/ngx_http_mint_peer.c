/* SPDX-License-Identifier: MIT */
/*
 * The "mint_seats" balancer: one upstream for all plugins.  The peer of a
 * request is the seat chosen before, so there is nothing to balance here and
 * nothing to mark as failed: states are the supervisor's.
 */

#include "ngx_http_mint.h"

#include <sys/un.h>


/* "sun_path" holds the path, its NUL and the seat's generation */
#define NGX_HTTP_MINT_PATH_MAX                                                \
    (sizeof(((struct sockaddr_un *) 0)->sun_path) - 1 - sizeof(uint32_t))

#define NGX_HTTP_MINT_PLACEHOLDER    "unix:/mint-seats"


typedef struct {
    ngx_http_request_t   *request;
    ngx_http_mint_ctx_t  *ctx;
    ngx_sockaddr_t        sockaddr;
    ngx_str_t             name;
    u_char                text[sizeof("unix:") - 1 + MINT_SEAT_ADDRESS_MAX];
} ngx_http_mint_peer_t;


static ngx_int_t ngx_http_mint_peer_init_upstream(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_http_mint_peer_init(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_http_mint_peer_get(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_mint_peer_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);
static const char *ngx_http_mint_peer_seat(ngx_http_mint_ctx_t *ctx,
    struct mint_seat *seat);
static void ngx_http_mint_peer_copy(struct mint_seat *seat,
    const struct mint_seat *record);
static ngx_int_t ngx_http_mint_peer_address(ngx_peer_connection_t *pc,
    ngx_http_mint_peer_t *peer, struct mint_seat *seat);
static ngx_int_t ngx_http_mint_peer_unix(ngx_peer_connection_t *pc,
    ngx_http_mint_peer_t *peer, struct mint_seat *seat);
static ngx_int_t ngx_http_mint_peer_inet(ngx_peer_connection_t *pc,
    ngx_http_mint_peer_t *peer, struct mint_seat *seat);


/* ---- configuration ------------------------------------------------------ */

/* "mint_seats": adds the server nginx insists on, which is never used */

char *
ngx_http_mint_peer_seats(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_mint_srv_conf_t *scf = conf;

    ngx_url_t                      u;
    ngx_http_mint_main_conf_t     *mcf;
    ngx_http_upstream_server_t    *server;
    ngx_http_upstream_srv_conf_t  *uscf;

    if (scf->has_seats) {
        return "is duplicate";
    }

    uscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_upstream_module);

    if (uscf->peer.init_upstream != NULL) {
        return "must come first in its upstream: another balancing method, "
               "or \"keepalive\", is written before it";
    }

    if (uscf->servers->nelts != 0) {
        return "finds its servers itself: \"server\" must not be beside it";
    }

    ngx_memzero(&u, sizeof(ngx_url_t));
    ngx_str_set(&u.url, NGX_HTTP_MINT_PLACEHOLDER);

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    server = ngx_array_push(uscf->servers);
    if (server == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(server, sizeof(ngx_http_upstream_server_t));

    server->name = u.url;
    server->addrs = u.addrs;
    server->naddrs = u.naddrs;
    server->weight = 1;
    server->max_fails = 0;

    uscf->peer.init_upstream = ngx_http_mint_peer_init_upstream;

    scf->has_seats = 1;
    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mint_module);
    mcf->is_used = 1;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_mint_peer_init_upstream(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_mint_srv_conf_t  *scf;

    if (us->servers->nelts != 1) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"server\" must not be in upstream \"%V\": "
                      "\"mint_seats\" finds its servers itself, in %s:%ui",
                      &us->host, us->file_name, us->line);
        return NGX_ERROR;
    }

#if (NGX_HTTP_UPSTREAM_ZONE)

    /* nginx would copy peers that are not round robin's */

    if (us->shm_zone != NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"zone\" must not be in upstream \"%V\": "
                      "\"mint_seats\" keeps its own shared memory, in "
                      "%s:%ui", &us->host, us->file_name, us->line);
        return NGX_ERROR;
    }

#endif

    if (ngx_http_upstream_init_round_robin(cf, us) != NGX_OK) {
        return NGX_ERROR;
    }

    us->peer.init = ngx_http_mint_peer_init;

    scf = ngx_http_conf_upstream_srv_conf(us, ngx_http_mint_module);
    scf->is_ready = 1;

    return NGX_OK;
}


/* ---- requests ----------------------------------------------------------- */

static ngx_int_t
ngx_http_mint_peer_init(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_mint_ctx_t   *ctx;
    ngx_http_mint_peer_t  *peer;

    ctx = ngx_http_mint_get_ctx(r);

    if (ctx == NULL || !ctx->is_decided || ctx->seat == MINT_SEAT_NONE) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "mint: no seat was chosen for this request: only a "
                      "\"proxy_pass\" that names the upstream, in a location "
                      "with \"mint on\", may lead to \"mint_seats\"");
        return NGX_ERROR;
    }

    if (ngx_http_mint_inject(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    peer = ngx_palloc(r->pool, sizeof(ngx_http_mint_peer_t));
    if (peer == NULL) {
        return NGX_ERROR;
    }

    peer->request = r;
    peer->ctx = ctx;
    ngx_str_null(&peer->name);

    r->upstream->peer.data = peer;
    r->upstream->peer.get = ngx_http_mint_peer_get;
    r->upstream->peer.free = ngx_http_mint_peer_free;

    /* nginx adds one for each cached connection that turns out to be dead */
    r->upstream->peer.tries = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_mint_peer_get(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_mint_peer_t *peer = data;

    const char        *reason;
    struct mint_seat   seat;

    pc->cached = 0;
    pc->connection = NULL;

    reason = ngx_http_mint_peer_seat(peer->ctx, &seat);

    if (reason == NULL && ngx_http_mint_peer_address(pc, peer, &seat) != NGX_OK)
    {
        reason = "its address cannot be used";
    }

    if (reason != NULL) {
        ngx_log_error(NGX_LOG_ERR, pc->log, 0,
                      "mint: seat %uD of plugin \"%V\" is gone: %s",
                      peer->ctx->seat, &peer->ctx->plugin, reason);
        pc->name = &peer->name;
        return NGX_BUSY;
    }

    return NGX_OK;
}


static void
ngx_http_mint_peer_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    if (pc->tries) {
        pc->tries--;
    }
}


/*
 * Copies the record out.  We are counted in, so the process our request was
 * let in for is not told to end before we are done, whatever its seat says
 * meanwhile; only if it died, or is not the same one, the seat must be ready.
 */

static const char *
ngx_http_mint_peer_seat(ngx_http_mint_ctx_t *ctx, struct mint_seat *seat)
{
    uint64_t                 word;
    unsigned                 state;
    ngx_http_mint_view_t    *view;
    const struct mint_seat  *record;

    view = ngx_http_mint_run_view(MINT_RUN_SEATS);
    record = view == NULL ? NULL : ngx_http_mint_view_seat(view, ctx->seat);

    if (record == NULL) {
        return "there is no such record";
    }

    word = mint_run_load_acquire(&record->word);
    ngx_http_mint_peer_copy(seat, record);
    seat->word = word;

    if (seat->plugin_id != ctx->plugin_id) {
        return "it belongs to another plugin";
    }

    state = mint_seat_state(word);

    if (state == MINT_SEAT_READY) {
        return NULL;
    }

    if ((state == MINT_SEAT_DRAINING || state == MINT_SEAT_CLOSED)
        && mint_seat_generation(word) == mint_seat_generation(ctx->word)
        && mint_seat_cause(word) != MINT_CAUSE_CRASHED
        && mint_seat_cause(word) != MINT_CAUSE_FAILED
        && ctx->in_flight != NULL)
    {
        return NULL;
    }

    return ngx_http_mint_seat_state_word(state);
}


/* of the address no more than there is: most of the room is empty */

static void
ngx_http_mint_peer_copy(struct mint_seat *seat, const struct mint_seat *record)
{
    size_t  head, tail;

    head = offsetof(struct mint_seat, address);
    tail = sizeof(struct mint_seat) - sizeof(uint64_t);

    mint_run_copy((u_char *) seat + tail, (u_char *) record + tail,
                  sizeof(uint64_t));
    mint_run_copy(seat, record,
                  ngx_min(ngx_align(head + seat->address_len, 8), tail));
}


/*
 * The address with the seat's generation where the kernel does not look:
 * nginx's keepalive cache compares addresses bytewise and so never reuses a
 * connection to a former process.  All of it lies in the request's pool.
 */

static ngx_int_t
ngx_http_mint_peer_address(ngx_peer_connection_t *pc,
    ngx_http_mint_peer_t *peer, struct mint_seat *seat)
{
    u_char     *p;
    ngx_int_t   rc;

    ngx_memzero(&peer->sockaddr, sizeof(ngx_sockaddr_t));

    if (seat->address_len == 0 || seat->address_len >= MINT_SEAT_ADDRESS_MAX
        || memchr(seat->address, '\0', seat->address_len) != NULL)
    {
        return NGX_ERROR;
    }

    switch (seat->family) {

    case MINT_FAMILY_UNIX:
        rc = ngx_http_mint_peer_unix(pc, peer, seat);
        break;

    case MINT_FAMILY_INET:
    case MINT_FAMILY_INET6:
        rc = ngx_http_mint_peer_inet(pc, peer, seat);
        break;

    default:
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    p = peer->text;

    if (seat->family == MINT_FAMILY_UNIX) {
        p = ngx_cpymem(p, "unix:", sizeof("unix:") - 1);
    }

    p = ngx_cpymem(p, seat->address, seat->address_len);

    peer->name.data = peer->text;
    peer->name.len = p - peer->text;

    pc->name = &peer->name;

    return NGX_OK;
}


static ngx_int_t
ngx_http_mint_peer_unix(ngx_peer_connection_t *pc, ngx_http_mint_peer_t *peer,
    struct mint_seat *seat)
{
    uint32_t             generation;
    struct sockaddr_un  *sun;

    if (seat->address[0] != '/' || seat->address_len > NGX_HTTP_MINT_PATH_MAX) {
        return NGX_ERROR;
    }

    sun = &peer->sockaddr.sockaddr_un;
    sun->sun_family = AF_UNIX;
    ngx_memcpy(sun->sun_path, seat->address, seat->address_len);

    generation = mint_seat_generation(seat->word);
    ngx_memcpy(sun->sun_path + seat->address_len + 1, &generation,
               sizeof(uint32_t));

    pc->sockaddr = &peer->sockaddr.sockaddr;
    pc->socklen = sizeof(struct sockaddr_un);

    return NGX_OK;
}


static ngx_int_t
ngx_http_mint_peer_inet(ngx_peer_connection_t *pc, ngx_http_mint_peer_t *peer,
    struct mint_seat *seat)
{
    int                   family;
    uint32_t              generation;
    ngx_addr_t            addr;

    family = seat->family == MINT_FAMILY_INET ? AF_INET : AF_INET6;
    generation = mint_seat_generation(seat->word);

    if (ngx_parse_addr_port(peer->request->pool, &addr,
                            (u_char *) seat->address, seat->address_len)
        != NGX_OK
        || addr.sockaddr->sa_family != family
        || ngx_inet_get_port(addr.sockaddr) == 0)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(&peer->sockaddr, addr.sockaddr, addr.socklen);

    if (family == AF_INET) {
        ngx_memcpy(peer->sockaddr.sockaddr_in.sin_zero, &generation,
                   sizeof(uint32_t));
    }

#if (NGX_HAVE_INET6)

    /* not looked at either, unless IPV6_FLOWINFO_SEND is set */

    if (family == AF_INET6) {
        peer->sockaddr.sockaddr_in6.sin6_flowinfo = htonl(generation);
    }

#endif

    pc->sockaddr = &peer->sockaddr.sockaddr;
    pc->socklen = addr.socklen;

    return NGX_OK;
}
