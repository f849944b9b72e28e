/* SPDX-License-Identifier: MIT */
/*
 * Tunnels of WebSockets, from the 101 on.  nginx's own ends both directions
 * when one does, and keeps two buffers for each; here an end is passed on
 * while the other direction goes on, one buffer of the worker serves all, and
 * the idle limit is that of WebSockets and counts both directions.
 *
 * nginx's functions are static, so its handlers are replaced at the moment
 * that it flushes the 101; the request is ended by calling its own again.
 */

#include "ngx_http_mint.h"
#include "ngx_http_mint_frame.h"

#include <poll.h>


/* larger than what a pool cannot free again */
#define NGX_HTTP_MINT_TUNNEL_BUFFER   16384

/* buffers moved for one direction before others are served */
#define NGX_HTTP_MINT_TUNNEL_ROUNDS   32

/* one side has ended, the other says nothing more */
#define NGX_HTTP_MINT_TUNNEL_LINGER   60000


/* one direction */

typedef struct {
    ngx_connection_t       *from;
    ngx_connection_t       *to;
    u_char                 *block;      /* keeps what "to" has not taken */
    u_char                 *pos;
    u_char                 *last;
    unsigned                has_moved:1;
    unsigned                has_ended:1;    /* "from" says no more */
    unsigned                is_passed:1;    /* and "to" knows */
    unsigned                is_broken:1;    /* "to" takes no more */
} ngx_http_mint_flow_t;


struct ngx_http_mint_tunnel_s {
    ngx_http_mint_flow_t    up;         /* client to plugin */
    ngx_http_mint_flow_t    down;
    ngx_http_mint_frame_t   frame;          /* of down */
    ngx_msec_t              idle_ms;
    void                  (*finish)(ngx_http_request_t *r,
                                    ngx_http_upstream_t *u);
    unsigned                is_begun:1;
    unsigned                is_up_ready:1;
    unsigned                is_down_ready:1;
};


static void ngx_http_mint_tunnel_client(ngx_http_request_t *r);
static void ngx_http_mint_tunnel_plugin(ngx_http_request_t *r,
    ngx_http_upstream_t *u);
static void ngx_http_mint_tunnel_run(ngx_http_request_t *r,
    ngx_http_mint_tunnel_t *t);
static ngx_int_t ngx_http_mint_tunnel_move(ngx_http_request_t *r,
    ngx_http_mint_tunnel_t *t, ngx_http_mint_flow_t *flow);
static u_char *ngx_http_mint_tunnel_room(ngx_http_request_t *r,
    ngx_http_mint_flow_t *flow);
static ngx_int_t ngx_http_mint_tunnel_send(ngx_http_request_t *r,
    ngx_http_mint_flow_t *flow);
static ngx_int_t ngx_http_mint_tunnel_keep(ngx_http_request_t *r,
    ngx_http_mint_flow_t *flow);
static void ngx_http_mint_tunnel_free(ngx_http_request_t *r,
    ngx_http_mint_flow_t *flow);
static ngx_int_t ngx_http_mint_tunnel_pass_end(ngx_http_mint_flow_t *flow);
static ngx_uint_t ngx_http_mint_tunnel_is_gone(ngx_connection_t *c);
static ngx_int_t ngx_http_mint_tunnel_events(ngx_http_request_t *r,
    ngx_http_mint_tunnel_t *t);
static void ngx_http_mint_tunnel_timer(ngx_event_t *ev, ngx_uint_t is_wanted,
    ngx_uint_t has_moved, ngx_msec_t ms);
static void ngx_http_mint_tunnel_end(ngx_http_request_t *r,
    ngx_http_mint_tunnel_t *t);


static u_char  ngx_http_mint_tunnel_buffer[NGX_HTTP_MINT_TUNNEL_BUFFER];


/*
 * From nginx's ngx_http_upstream_upgrade(), whose handlers are in place.
 * What it would move next is hidden from it and comes back in our first run.
 */

ngx_int_t
ngx_http_mint_tunnel_begin(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    ngx_connection_t          *c, *upstream;
    ngx_http_upstream_t       *u;
    ngx_http_mint_tunnel_t    *t;
    ngx_http_mint_loc_conf_t  *lcf;

    t = ngx_pcalloc(r->pool, sizeof(ngx_http_mint_tunnel_t));
    if (t == NULL) {
        return NGX_ERROR;
    }

    c = r->connection;
    u = r->upstream;
    upstream = u->peer.connection;
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_mint_module);

    t->idle_ms = lcf->websocket_timeout;
    t->finish = u->read_event_handler;

    t->up.from = c;
    t->up.to = upstream;
    t->up.pos = r->header_in->pos;
    t->up.last = r->header_in->last;
    r->header_in->pos = r->header_in->last;

    t->down.from = upstream;
    t->down.to = c;
    t->down.block = u->buffer.start;
    t->down.pos = u->buffer.pos;
    t->down.last = u->buffer.last;

    ngx_http_mint_frame_pass(&t->frame, t->down.pos,
                             t->down.last - t->down.pos);

    if (t->down.pos == t->down.last) {
        ngx_http_mint_tunnel_free(r, &t->down);
    }

    ngx_memzero(&u->buffer, sizeof(ngx_buf_t));
    u->from_client.start = ngx_http_mint_tunnel_buffer;
    u->from_client.pos = ngx_http_mint_tunnel_buffer;
    u->from_client.last = ngx_http_mint_tunnel_buffer;
    u->from_client.end = ngx_http_mint_tunnel_buffer;

    /* "limit_rate" may have held back some of the 101 */

    r->limit_rate = 0;
    c->write->delayed = 0;

    t->is_up_ready = c->read->ready;
    t->is_down_ready = upstream->read->ready;
    c->read->ready = 0;
    upstream->read->ready = 0;

    r->read_event_handler = ngx_http_mint_tunnel_client;
    r->write_event_handler = ngx_http_mint_tunnel_client;
    u->read_event_handler = ngx_http_mint_tunnel_plugin;
    u->write_event_handler = ngx_http_mint_tunnel_plugin;

    ctx->tunnel = t;
    ctx->tunnel_bytes = t->up.last - t->up.pos;
    ngx_http_mint_workers_upgraded(r, ctx);
    ngx_post_event(c->read, &ngx_posted_events);

    return NGX_OK;
}


static void
ngx_http_mint_tunnel_client(ngx_http_request_t *r)
{
    ngx_http_mint_tunnel_run(r, ngx_http_mint_get_ctx(r)->tunnel);
}


static void
ngx_http_mint_tunnel_plugin(ngx_http_request_t *r, ngx_http_upstream_t *u)
{
    ngx_http_mint_tunnel_run(r, ngx_http_mint_get_ctx(r)->tunnel);
}


static void
ngx_http_mint_tunnel_run(ngx_http_request_t *r, ngx_http_mint_tunnel_t *t)
{
    ngx_connection_t  *c, *upstream;

    c = r->connection;
    upstream = r->upstream->peer.connection;

    c->read->ready |= t->is_up_ready;
    upstream->read->ready |= t->is_down_ready;
    t->is_up_ready = 0;
    t->is_down_ready = 0;

    if (upstream->read->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "mint: the WebSocket was idle for too long");
        ngx_http_mint_tunnel_close(r, t, NGX_HTTP_MINT_CLOSE_AWAY);
        return;
    }

    if (c->write->timedout || upstream->write->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "mint: the WebSocket's %s takes no more",
                      c->write->timedout ? "client" : "plugin");
        ngx_http_mint_tunnel_end(r, t);
        return;
    }

    /* the first time the timer is nginx's */

    t->up.has_moved = !t->is_begun;
    t->down.has_moved = 0;
    t->is_begun = 1;

    if (ngx_http_mint_tunnel_move(r, t, &t->down) != NGX_OK
        || ngx_http_mint_tunnel_move(r, t, &t->up) != NGX_OK
        || (t->down.is_passed && t->up.is_passed)
        || ngx_http_mint_tunnel_events(r, t) != NGX_OK)
    {
        ngx_http_mint_tunnel_end(r, t);
    }
}


/*
 * Moves what there is in one direction.  NGX_DONE: nothing more can come of
 * the tunnel.
 */

static ngx_int_t
ngx_http_mint_tunnel_move(ngx_http_request_t *r, ngx_http_mint_tunnel_t *t,
    ngx_http_mint_flow_t *flow)
{
    u_char      *buffer;
    ssize_t      n;
    ngx_int_t    rc;
    ngx_uint_t   rounds;

    for (rounds = 0; rounds < NGX_HTTP_MINT_TUNNEL_ROUNDS; rounds++) {

        rc = ngx_http_mint_tunnel_send(r, flow);

        if (rc != NGX_OK) {
            return rc == NGX_AGAIN ? NGX_OK : rc;
        }

        if (flow->has_ended && !flow->is_passed) {
            flow->is_passed = 1;
            flow->has_moved = 1;

            return ngx_http_mint_tunnel_pass_end(flow);
        }

        if (!flow->from->read->ready) {
            return NGX_OK;
        }

        buffer = ngx_http_mint_tunnel_room(r, flow);
        if (buffer == NULL) {
            return NGX_DONE;
        }

        n = flow->from->recv(flow->from, buffer, NGX_HTTP_MINT_TUNNEL_BUFFER);

        if (n <= 0) {
            ngx_http_mint_tunnel_free(r, flow);
        }

        if (n == NGX_AGAIN || (n == 0 && flow->has_ended)) {
            return NGX_OK;
        }

        if (n < 0) {
            r->connection->error |= flow == &t->up;
            return NGX_DONE;
        }

        if (n == 0) {
            flow->has_ended = 1;
            continue;
        }

        flow->has_moved = 1;
        flow->pos = buffer;
        flow->last = buffer + n;

        if (flow == &t->down) {
            r->upstream->state->bytes_received += n;
            ngx_http_mint_frame_pass(&t->frame, flow->pos, n);

        } else {
            ngx_http_mint_get_ctx(r)->tunnel_bytes += n;
        }
    }

    /* the worker's buffer is needed by others */

    rc = ngx_http_mint_tunnel_send(r, flow);

    if (rc != NGX_OK) {
        return rc == NGX_AGAIN ? NGX_OK : rc;
    }

    ngx_post_event(flow->from->read, &ngx_posted_next_events);

    return NGX_OK;
}


/*
 * Where to read into.  OpenSSL insists on the same address for what it could
 * not write at once: then it is a block that can stay.
 */

static u_char *
ngx_http_mint_tunnel_room(ngx_http_request_t *r, ngx_http_mint_flow_t *flow)
{
#if (NGX_SSL)

    if (flow->to->ssl) {
        flow->block = ngx_palloc(r->pool, NGX_HTTP_MINT_TUNNEL_BUFFER);
        return flow->block;
    }

#endif

    return ngx_http_mint_tunnel_buffer;
}


/* NGX_OK: all of it.  NGX_AGAIN: the rest is kept.  NGX_DONE: in vain */

static ngx_int_t
ngx_http_mint_tunnel_send(ngx_http_request_t *r, ngx_http_mint_flow_t *flow)
{
    ssize_t            n;
    ngx_connection_t  *to;

    to = flow->to;

    if (flow->is_broken) {
        flow->pos = flow->last;
    }

    /* the 101 comes first, should the client not have taken all of it */

    if (to == r->connection && to->buffered
        && ngx_http_output_filter(r, NULL) == NGX_ERROR)
    {
        return NGX_DONE;
    }

    while (flow->pos != flow->last) {

        n = NGX_AGAIN;

        if (to->write->ready && !to->buffered) {
            n = to->send(to, flow->pos, flow->last - flow->pos);
        }

        if (n == NGX_AGAIN || n == 0) {
            return ngx_http_mint_tunnel_keep(r, flow);
        }

        if (n < 0 && to == r->connection) {
            to->error = 1;
            return NGX_DONE;
        }

        if (n < 0) {
            /* what the plugin has said before it left is still to come */
            flow->is_broken = 1;
            n = flow->last - flow->pos;
        }

        flow->has_moved = 1;
        flow->pos += n;
    }

    ngx_http_mint_tunnel_free(r, flow);

    return to == r->connection && to->buffered ? NGX_AGAIN : NGX_OK;
}


/* what lies in the worker's buffer moves to one of the request */

static ngx_int_t
ngx_http_mint_tunnel_keep(ngx_http_request_t *r, ngx_http_mint_flow_t *flow)
{
    size_t  n;

    if (flow->pos < ngx_http_mint_tunnel_buffer
        || flow->pos >= ngx_http_mint_tunnel_buffer
                        + NGX_HTTP_MINT_TUNNEL_BUFFER)
    {
        return NGX_AGAIN;
    }

    flow->block = ngx_palloc(r->pool, NGX_HTTP_MINT_TUNNEL_BUFFER);
    if (flow->block == NULL) {
        return NGX_DONE;
    }

    n = flow->last - flow->pos;
    ngx_memcpy(flow->block, flow->pos, n);

    flow->pos = flow->block;
    flow->last = flow->block + n;

    return NGX_AGAIN;
}


static void
ngx_http_mint_tunnel_free(ngx_http_request_t *r, ngx_http_mint_flow_t *flow)
{
    if (flow->block != NULL) {
        (void) ngx_pfree(r->pool, flow->block);
        flow->block = NULL;
    }

    flow->pos = NULL;
    flow->last = NULL;
}


/*
 * TLS has no half of a connection here, and a plugin that has closed all of
 * its socket listens no more: then the tunnel is at its end.
 */

static ngx_int_t
ngx_http_mint_tunnel_pass_end(ngx_http_mint_flow_t *flow)
{
#if (NGX_SSL)

    if (flow->to->ssl) {
        return NGX_DONE;
    }

#endif

    if (ngx_shutdown_socket(flow->to->fd, NGX_WRITE_SHUTDOWN) == -1
        || ngx_http_mint_tunnel_is_gone(flow->from))
    {
        return NGX_DONE;
    }

    return NGX_OK;
}


/* of a unix socket the kernel tells one that is closed from a half of it */

static ngx_uint_t
ngx_http_mint_tunnel_is_gone(ngx_connection_t *c)
{
    struct pollfd  fd;

    fd.fd = c->fd;
    fd.events = 0;
    fd.revents = 0;

    return poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP|POLLERR));
}


static ngx_int_t
ngx_http_mint_tunnel_events(ngx_http_request_t *r, ngx_http_mint_tunnel_t *t)
{
    ngx_uint_t                 has_moved, has_half;
    ngx_connection_t          *c, *upstream;
    ngx_http_upstream_t       *u;
    ngx_http_core_loc_conf_t  *clcf;

    c = r->connection;
    u = r->upstream;
    upstream = u->peer.connection;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (ngx_handle_write_event(upstream->write, u->conf->send_lowat) != NGX_OK
        || ngx_handle_read_event(upstream->read,
                                 t->down.has_ended ? NGX_CLOSE_EVENT : 0)
           != NGX_OK
        || ngx_handle_write_event(c->write, clcf->send_lowat) != NGX_OK
        || ngx_handle_read_event(c->read,
                                 t->up.has_ended ? NGX_CLOSE_EVENT : 0)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    has_moved = t->up.has_moved || t->down.has_moved;
    has_half = t->up.is_passed || t->down.is_passed;

    ngx_http_mint_tunnel_timer(upstream->read, 1, has_moved,
                    has_half ? ngx_min(t->idle_ms, NGX_HTTP_MINT_TUNNEL_LINGER)
                             : t->idle_ms);
    ngx_http_mint_tunnel_timer(upstream->write, t->up.pos != t->up.last,
                               t->up.has_moved, u->conf->send_timeout);
    ngx_http_mint_tunnel_timer(c->write,
                               c->buffered || t->down.pos != t->down.last,
                               t->down.has_moved, clcf->send_timeout);

    return NGX_OK;
}


static void
ngx_http_mint_tunnel_timer(ngx_event_t *ev, ngx_uint_t is_wanted,
    ngx_uint_t has_moved, ngx_msec_t ms)
{
    if (is_wanted && (has_moved || !ev->timer_set)) {
        ngx_add_timer(ev, ms);

    } else if (!is_wanted && ev->timer_set) {
        ngx_del_timer(ev);
    }
}


/*
 * Ends the tunnel for a reason of ours.  The client is told by a frame where
 * one may begin, and nothing waits before it.
 */

void
ngx_http_mint_tunnel_close(ngx_http_request_t *r, ngx_http_mint_tunnel_t *t,
    ngx_uint_t code)
{
    u_char             frame[4];
    ngx_connection_t  *c;

    c = r->connection;

    if (ngx_http_mint_frame_may_begin(&t->frame)
        && t->down.pos == t->down.last && !t->down.is_passed
        && c->write->ready && !c->buffered)
    {
        frame[0] = 0x88;            /* final, close */
        frame[1] = 2;
        frame[2] = (u_char) (code >> 8);
        frame[3] = (u_char) code;

        (void) c->send(c, frame, sizeof(frame));
    }

    ngx_http_mint_tunnel_end(r, t);
}


/*
 * By nginx's own handler, which finds the plugin's side at its end.  A client
 * that has not ended its half may still be sending: closing at once would
 * reset the connection and take from it what it has not read yet.
 */

static void
ngx_http_mint_tunnel_end(ngx_http_request_t *r, ngx_http_mint_tunnel_t *t)
{
    ngx_connection_t  *c, *upstream;

    c = r->connection;
    upstream = r->upstream->peer.connection;

    r->lingering_close = !t->up.has_ended;

    c->write->timedout = 0;
    upstream->write->timedout = 0;
    upstream->read->timedout = 0;
    upstream->read->ready = 0;
    upstream->read->eof = 1;

    /* no tunnel any more, also for the filter of what nginx sends last */

    ngx_http_mint_get_ctx(r)->tunnel = NULL;
    r->upstream->upgrade = 0;

    t->finish(r, r->upstream);
}
