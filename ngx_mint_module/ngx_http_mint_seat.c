/* SPDX-License-Identifier: MIT */
/*
 * Which seat takes the request, and counting in: the worker's half of the
 * hand-over (contract/mint_seats.h).  Whoever counts in is waited for before
 * the seat's process is told to end.
 */

#include "ngx_http_mint.h"


#define NGX_HTTP_MINT_SEAT_ROUNDS    4
#define NGX_HTTP_MINT_RETRY_AFTER    2      /* seconds, if the word says none */


static ngx_int_t ngx_http_mint_seat_try(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_view_t *view, uint32_t seat, uint64_t *word);
static void ngx_http_mint_seat_refuse(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal, const char *reason);


static const char  *ngx_http_mint_seat_states[MINT_SEAT_STATE_COUNT] = {
    "empty", "starting", "ready", "draining", "closed"
};

static const char  *ngx_http_mint_seat_causes[MINT_CAUSE_COUNT] = {
    "none", "first_start", "crashed", "restart", "failed", "stopped",
    "installing", "upgrading"
};

/* of two seats that are not ready, the one that says more is reported */
static const unsigned  ngx_http_mint_seat_weight[MINT_SEAT_STATE_COUNT] = {
    0, 3, 4, 2, 1
};


const char *
ngx_http_mint_seat_state_word(unsigned state)
{
    return state < MINT_SEAT_STATE_COUNT ? ngx_http_mint_seat_states[state]
                                         : "unknown";
}


const char *
ngx_http_mint_seat_cause_word(unsigned cause)
{
    return cause < MINT_CAUSE_COUNT ? ngx_http_mint_seat_causes[cause]
                                    : "unknown";
}


/*
 * Counts the request into a seat of ctx's route: NGX_OK; or NGX_DECLINED with
 * the refusal filled.
 */

ngx_int_t
ngx_http_mint_seat_choose(ngx_http_request_t *r, ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal)
{
    uint32_t                   round, seat;
    uint64_t                   word;
    ngx_int_t                  rc;
    unsigned                   state;
    ngx_uint_t                 has_best;
    ngx_http_mint_view_t      *view;
    ngx_http_mint_affinity_t   walk;

    view = ngx_http_mint_run_view(MINT_RUN_SEATS);

    if (view == NULL) {
        ngx_http_mint_seat_refuse(ctx, refusal, "no run file \"seats\"");
        return NGX_DECLINED;
    }

    for (round = 0; round < NGX_HTTP_MINT_SEAT_ROUNDS; round++) {
        has_best = 0;
        ngx_http_mint_affinity_start(r, ctx, view, &walk);

        while ((seat = ngx_http_mint_affinity_next(ctx, &walk))
               != MINT_SEAT_NONE)
        {
            rc = ngx_http_mint_seat_try(ctx, view, seat, &word);

            if (rc == NGX_OK) {
                ngx_http_mint_affinity_chosen(ctx, &walk, seat);
                return NGX_OK;
            }

            if (rc == NGX_ABORT) {
                ngx_http_mint_seat_refuse(ctx, refusal,
                                          "no record of run file \"workers\"");
                return NGX_DECLINED;
            }

            state = mint_seat_state(word);

            if (rc == NGX_ERROR || state >= MINT_SEAT_STATE_COUNT) {
                continue;
            }

            if (!has_best
                || ngx_http_mint_seat_weight[state]
                   > ngx_http_mint_seat_weight[refusal->state])
            {
                has_best = 1;
                refusal->state = state;
                refusal->cause = mint_seat_cause(word);
                refusal->retry_after_sec = mint_seat_retry_after(word);
                ctx->word = word;
            }

            /* what is kept for the user there is not elsewhere */

            if (seat == ctx->pin && state == MINT_SEAT_STARTING) {
                break;
            }
        }

        /*
         * Once more: one may have become ready, or ceased to be, while the
         * other was looked at.
         */

        if (round > 0 && !(has_best && refusal->state == MINT_SEAT_READY)) {
            break;
        }
    }

    refusal->has_seat = has_best;
    ngx_http_mint_seat_refuse(ctx, refusal,
                              has_best ? "not ready" : "no such seat");

    return NGX_DECLINED;
}


/*
 * NGX_OK: counted in.  NGX_DECLINED: not ready, see *word.  NGX_ERROR: the
 * record is not one of this plugin.  NGX_ABORT: nothing to count in.
 */

static ngx_int_t
ngx_http_mint_seat_try(ngx_http_mint_ctx_t *ctx, ngx_http_mint_view_t *view,
    uint32_t seat, uint64_t *word)
{
    ngx_int_t                rc;
    const struct mint_seat  *record;

    record = ngx_http_mint_view_seat(view, seat);

    if (record == NULL) {
        return NGX_ERROR;
    }

    *word = mint_run_load_acquire(&record->word);

    if (mint_seat_state(*word) == MINT_SEAT_EMPTY) {
        return NGX_DECLINED;
    }

    if (record->plugin_id != ctx->plugin_id) {
        return NGX_ERROR;
    }

    if (!ngx_http_mint_affinity_may_enter(ctx, seat, *word)) {
        return NGX_DECLINED;
    }

    rc = ngx_http_mint_workers_enter(ctx, seat);

    /* without a count a plugin could be stopped under its request */

    if (rc != NGX_OK && ctx->is_plugin) {
        return NGX_ABORT;
    }

    *word = mint_seat_word_reload(record);

    if (!ngx_http_mint_affinity_may_enter(ctx, seat, *word)
        || !ngx_http_mint_affinity_is_pin_same(ctx, view))
    {
        ngx_http_mint_workers_leave(ctx);
        return NGX_DECLINED;
    }

    ctx->seat = seat;
    ctx->slot = record->slot;
    ctx->word = *word;

    return NGX_OK;
}


static void
ngx_http_mint_seat_refuse(ngx_http_mint_ctx_t *ctx,
    ngx_http_mint_refusal_t *refusal, const char *reason)
{
    refusal->status = NGX_HTTP_SERVICE_UNAVAILABLE;
    refusal->rejection = MINT_REJECT_NOT_READY;
    refusal->reason = reason;

    if (refusal->retry_after_sec == 0) {
        refusal->retry_after_sec = NGX_HTTP_MINT_RETRY_AFTER;
    }
}
