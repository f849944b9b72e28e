/* SPDX-License-Identifier: MIT */
/*
 * The end of what lasts: WebSockets, streams, up- and downloads of a user who
 * may no longer.  Every request of a user is in one queue of its worker; when
 * the run file "identity" has changed, each is judged again by it, without
 * any cryptography.  A worker that is shutting down goes on doing so.
 *
 * A session token that only has expired ends nothing: browsers renew theirs
 * without opening their WebSockets again.  The expiry of a personal token is
 * a date that somebody has set, and is kept.
 */

#include "ngx_http_mint.h"


static const char *ngx_http_mint_revoke_reason(ngx_http_mint_view_t *view,
    ngx_http_mint_ctx_t *ctx);
static void ngx_http_mint_revoke_judge(ngx_http_mint_view_t *view);
static ngx_uint_t ngx_http_mint_revoke_lasts(ngx_http_request_t *r);
static void ngx_http_mint_revoke_expires(uint64_t word);
static void ngx_http_mint_revoke_end(ngx_http_mint_ctx_t *ctx);


static ngx_queue_t  ngx_http_mint_revoke_queue;

/* the state of the file that the queue was judged by */
static uint64_t     ngx_http_mint_revoke_mapping;
static uint64_t     ngx_http_mint_revoke_generation;

/* when the first of their personal tokens expires, 0: never */
static uint64_t     ngx_http_mint_revoke_at;

/* some wait for their answer: they end when it turns out to be a stream */
static ngx_uint_t   ngx_http_mint_revoke_again;


void
ngx_http_mint_revoke_add(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx)
{
    uint64_t               word, user_id;
    ngx_http_mint_view_t  *view;

    if (ngx_http_mint_revoke_queue.next == NULL) {
        ngx_queue_init(&ngx_http_mint_revoke_queue);
    }

    ctx->grant.request = r->main;
    ngx_queue_insert_tail(&ngx_http_mint_revoke_queue, &ctx->grant.queue);

    view = ngx_http_mint_run_view(MINT_RUN_IDENTITY);

    if (ctx->grant.is_pat && view != NULL
        && ngx_http_mint_identity_pat(view, ctx->grant.credential, &user_id,
                                      &word))
    {
        ngx_http_mint_revoke_expires(word);
    }
}


/* harmless for a request that is nobody's */

void
ngx_http_mint_revoke_remove(ngx_http_mint_ctx_t *ctx)
{
    if (ctx->grant.request != NULL) {
        ngx_queue_remove(&ctx->grant.queue);
        ctx->grant.request = NULL;
    }
}


/* once a second, after the run files were looked at */

void
ngx_http_mint_revoke_check(void)
{
    uint64_t               generation;
    ngx_http_mint_view_t  *view;

    view = ngx_http_mint_run_view(MINT_RUN_IDENTITY);

    if (view == NULL || ngx_http_mint_revoke_queue.next == NULL) {
        return;
    }

    /* a file without anybody in it is a new one, not everybody's end */

    if (ngx_http_mint_identity_sequence(view) == 0) {
        return;
    }

    /* before the judgement: what changes meanwhile is seen next time */

    generation = mint_run_load_acquire(ngx_http_mint_view_word(view,
                                                               generation));

    if (view->mapping == ngx_http_mint_revoke_mapping
        && generation == ngx_http_mint_revoke_generation
        && !ngx_http_mint_revoke_again
        && (ngx_http_mint_revoke_at == 0
            || ngx_http_mint_revoke_at > (uint64_t) ngx_time()))
    {
        return;
    }

    ngx_http_mint_revoke_mapping = view->mapping;
    ngx_http_mint_revoke_generation = generation;

    ngx_http_mint_revoke_judge(view);
}


/* in two steps: the end of one request may be the end of others */

static void
ngx_http_mint_revoke_judge(ngx_http_mint_view_t *view)
{
    const char           *reason;
    ngx_queue_t          *q, *next, ended;
    ngx_http_mint_ctx_t  *ctx;

    ngx_queue_init(&ended);

    ngx_http_mint_revoke_again = 0;
    ngx_http_mint_revoke_at = 0;

    for (q = ngx_queue_head(&ngx_http_mint_revoke_queue);
         q != ngx_queue_sentinel(&ngx_http_mint_revoke_queue);
         q = next)
    {
        next = ngx_queue_next(q);
        ctx = ngx_queue_data(q, ngx_http_mint_ctx_t, grant.queue);

        reason = ngx_http_mint_revoke_reason(view, ctx);

        if (reason == NULL) {
            continue;
        }

        if (!ngx_http_mint_revoke_lasts(ctx->grant.request)) {
            ngx_http_mint_revoke_again = 1;
            continue;
        }

        ctx->reject = reason;
        ngx_queue_remove(q);
        ngx_queue_insert_tail(&ended, q);
    }

    while (!ngx_queue_empty(&ended)) {
        q = ngx_queue_head(&ended);
        ngx_http_mint_revoke_end(ngx_queue_data(q, ngx_http_mint_ctx_t,
                                                grant.queue));
    }
}


static const char *
ngx_http_mint_revoke_reason(ngx_http_mint_view_t *view,
    ngx_http_mint_ctx_t *ctx)
{
    unsigned                          role_index;
    uint64_t                          role_word, user_id, pat_word;
    const char                       *reason;
    const uint64_t                   *credential;
    ngx_http_mint_user_entry_t        user;
    const ngx_http_mint_role_texts_t *texts;
    const struct mint_identity_role  *role;

    credential = ctx->grant.credential;
    pat_word = 0;

    if (ctx->grant.is_pat) {
        reason = ngx_http_mint_grant_pat(view, credential, &user_id,
                                         &pat_word);

        if (reason == NULL && user_id != ctx->user_id) {
            reason = "the personal token is another user's";
        }

        if (reason == NULL) {
            reason = ngx_http_mint_grant_user(view, user_id, &user);
        }

        ngx_http_mint_revoke_expires(pat_word);

    } else {
        reason = ngx_http_mint_grant_session(view, ctx->user_id,
                                             (uint32_t) credential[1],
                                             credential[0], &user);
    }

    if (reason != NULL) {
        return reason;
    }

    role_index = mint_user_role(user.word);

    if (!ngx_http_mint_identity_role(view, role_index, &role, &role_word)) {
        return "the user's role does not exist";
    }

    reason = ngx_http_mint_grant_role(ctx->grant.request, ctx, view,
                                      pat_word & 1, role, role_word);

    if (reason != NULL) {
        return reason;
    }

    texts = ngx_http_mint_grant_texts(view, role_index, role);

    return texts == NULL || texts->rights == ctx->grant.rights
           ? NULL : "the user's role or its permissions have changed";
}


/*
 * What a plugin is at work on, having all of the request, gets its answer: it
 * was let in by the rules of its time.
 */

static ngx_uint_t
ngx_http_mint_revoke_lasts(ngx_http_request_t *r)
{
    return r->header_sent || r->reading_body || r->upstream == NULL
           || r->upstream->peer.connection == NULL;
}


static void
ngx_http_mint_revoke_expires(uint64_t word)
{
    uint64_t  expires;

    expires = word >> 16;

    if (expires != 0
        && (ngx_http_mint_revoke_at == 0
            || expires < ngx_http_mint_revoke_at))
    {
        ngx_http_mint_revoke_at = expires;
    }
}


/* other than a WebSocket, as nginx itself does it at
   "worker_shutdown_timeout" */

static void
ngx_http_mint_revoke_end(ngx_http_mint_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->grant.request;
    c = r->connection;

    ngx_http_mint_revoke_remove(ctx);
    ngx_http_set_log_request(c->log, r);

    ngx_log_error(NGX_LOG_WARN, c->log, 0,
                  "mint: ended: %s, plugin \"%V\", user \"%V\", "
                  "request id \"%V\"", ctx->reject, &ctx->plugin,
                  ngx_http_mint_user(ctx), &ctx->request_id);

    if (ctx->tunnel != NULL) {
        ngx_http_mint_tunnel_close(r, ctx->tunnel, NGX_HTTP_MINT_CLOSE_POLICY);
        ngx_http_run_posted_requests(c);
        return;
    }

#if (NGX_HTTP_V2)

    /* RST_STREAM is only queued below */

    if (r->stream) {
        ngx_post_event(r->stream->connection->connection->write,
                       &ngx_posted_events);
    }

#endif

    c->close = 1;
    c->error = 1;
    c->read->handler(c->read);
}
