/* SPDX-License-Identifier: MIT */
/*
 * The requests that wait: one queue a plugin, by arrival, and one timer for
 * all of them.  Every 2 ms it looks at the words of the queue's seats and
 * wakes the requests for which they have changed, the first one first; a timer
 * a request would let them race for their turn.
 *
 * How many wait is limited over all workers, and workers let each other's
 * older requests go first: both by what they publish in their records.
 */

#include "ngx_http_mint_park.h"


#define NGX_HTTP_MINT_QUEUE_TICK      2
#define NGX_HTTP_MINT_QUEUE_TURN      1     /* while others go first */
#define NGX_HTTP_MINT_QUEUE_PATIENCE  1000  /* with others that do not */


/* the requests that wait for one plugin, 0 being the platform */

struct ngx_http_mint_queue_s {
    ngx_queue_t              link;          /* in ngx_http_mint_queues */
    ngx_queue_t              requests;
    ngx_http_mint_parked_t   parked;
    uint32_t                 plugin_id;
    ngx_http_mint_record_t  *record;        /* says so; NULL: none does */
    ngx_msec_t               blocked_at;
    unsigned                 is_blocked:1;
};


static ngx_http_mint_queue_t *ngx_http_mint_queue_get(uint32_t plugin_id);
static void ngx_http_mint_queue_publish(ngx_http_mint_queue_t *queue);
static void ngx_http_mint_queue_settle(ngx_http_mint_queue_t *queue);
static void ngx_http_mint_queue_free(ngx_http_mint_queue_t *queue);
static void ngx_http_mint_queue_record(ngx_http_mint_queue_t *queue);
static void ngx_http_mint_queue_timer_handler(ngx_event_t *ev);
static ngx_msec_t ngx_http_mint_queue_look(ngx_http_mint_queue_t *queue);
static ngx_uint_t ngx_http_mint_queue_may_go(ngx_http_mint_queue_t *queue,
    ngx_http_mint_park_t *park, ngx_http_mint_parked_t *others);


static ngx_queue_t       ngx_http_mint_queues;
static ngx_event_t       ngx_http_mint_queue_timer;
static ngx_connection_t  ngx_http_mint_queue_connection;


/* NGX_DECLINED: the queue is full */

ngx_int_t
ngx_http_mint_queue_add(ngx_http_mint_park_t *park, uint32_t plugin_id,
    ngx_uint_t max)
{
    ngx_http_mint_queue_t   *queue;
    ngx_http_mint_parked_t   others;

    queue = ngx_http_mint_queue_get(plugin_id);
    if (queue == NULL) {
        return NGX_ERROR;
    }

    park->queue = queue;
    park->plugin_id = plugin_id;
    park->since_ns = ngx_http_mint_workers_boot_ns();

    ngx_queue_insert_tail(&queue->requests, &park->link);
    queue->parked.requests++;

    if (queue->parked.oldest_ns == 0) {
        queue->parked.oldest_ns = park->since_ns;
    }

    ngx_http_mint_queue_publish(queue);

    /* counted first: two workers may both find it full, never both room */

    ngx_memzero(&others, sizeof(ngx_http_mint_parked_t));

    if (queue->record != NULL) {
        ngx_http_mint_workers_parked(queue->record, plugin_id, &others);
    }

    if (queue->parked.requests + others.requests > max) {
        ngx_http_mint_queue_remove(park);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/*
 * The oldest is said to be one until the next look: the request is on its way
 * then, and those of other workers cannot overtake it.
 */

void
ngx_http_mint_queue_remove(ngx_http_mint_park_t *park)
{
    ngx_http_mint_queue_t  *queue;

    queue = park->queue;
    park->queue = NULL;

    ngx_queue_remove(&park->link);
    queue->parked.requests--;
    ngx_http_mint_queue_publish(queue);
}


/* made for its first request, freed by the look after its last */

static ngx_http_mint_queue_t *
ngx_http_mint_queue_get(uint32_t plugin_id)
{
    ngx_queue_t                 *q;
    ngx_http_mint_queue_t       *queue;

    if (ngx_http_mint_queues.next == NULL) {
        ngx_queue_init(&ngx_http_mint_queues);
    }

    for (q = ngx_queue_head(&ngx_http_mint_queues);
         q != ngx_queue_sentinel(&ngx_http_mint_queues);
         q = ngx_queue_next(q))
    {
        queue = ngx_queue_data(q, ngx_http_mint_queue_t, link);

        if (queue->plugin_id == plugin_id) {
            return queue;
        }
    }

    queue = ngx_calloc(sizeof(ngx_http_mint_queue_t), ngx_cycle->log);
    if (queue == NULL) {
        return NULL;
    }

    queue->plugin_id = plugin_id;
    ngx_queue_init(&queue->requests);
    ngx_queue_insert_tail(&ngx_http_mint_queues, &queue->link);

    ngx_http_mint_queue_record(queue);

    /* not cancelable: a worker that is to exit serves those who wait */

    if (!ngx_http_mint_queue_timer.timer_set) {
        ngx_http_mint_queue_connection.fd = (ngx_socket_t) -1;
        ngx_http_mint_queue_timer.handler = ngx_http_mint_queue_timer_handler;
        ngx_http_mint_queue_timer.data = &ngx_http_mint_queue_connection;
        ngx_http_mint_queue_timer.log = ngx_cycle->log;

        ngx_add_timer(&ngx_http_mint_queue_timer, NGX_HTTP_MINT_QUEUE_TICK);
    }

    return queue;
}


static void
ngx_http_mint_queue_publish(ngx_http_mint_queue_t *queue)
{
    if (queue->record != NULL) {
        ngx_http_mint_workers_park(queue->record, queue->plugin_id,
                                   &queue->parked);
    }
}


static void
ngx_http_mint_queue_settle(ngx_http_mint_queue_t *queue)
{
    ngx_http_mint_park_t  *park;

    queue->parked.oldest_ns = 0;

    if (!ngx_queue_empty(&queue->requests)) {
        park = ngx_queue_data(ngx_queue_head(&queue->requests),
                              ngx_http_mint_park_t, link);
        queue->parked.oldest_ns = park->since_ns;
    }

    ngx_http_mint_queue_publish(queue);
}


static void
ngx_http_mint_queue_free(ngx_http_mint_queue_t *queue)
{
    if (queue->record != NULL) {
        ngx_http_mint_workers_release(queue->record);
    }

    ngx_queue_remove(&queue->link);
    ngx_free(queue);
}


/* says it in the record that is ours now */

static void
ngx_http_mint_queue_record(ngx_http_mint_queue_t *queue)
{
    ngx_http_mint_parked_t   none;
    ngx_http_mint_record_t  *record;

    record = ngx_http_mint_run_record();

    if (record != NULL && queue->plugin_id >= record->plugin_count) {
        record = NULL;
    }

    if (record == queue->record) {
        return;
    }

    if (queue->record != NULL) {
        ngx_memzero(&none, sizeof(ngx_http_mint_parked_t));
        ngx_http_mint_workers_park(queue->record, queue->plugin_id, &none);
        ngx_http_mint_workers_release(queue->record);
    }

    queue->record = record;

    if (record != NULL) {
        record->refs++;
        ngx_http_mint_queue_publish(queue);
    }
}


static void
ngx_http_mint_queue_timer_handler(ngx_event_t *ev)
{
    ngx_msec_t              interval, wait;
    ngx_queue_t            *q, *next;
    ngx_http_mint_queue_t  *queue;

    ngx_http_mint_run_check();

    interval = NGX_HTTP_MINT_QUEUE_TICK;

    for (q = ngx_queue_head(&ngx_http_mint_queues);
         q != ngx_queue_sentinel(&ngx_http_mint_queues);
         q = next)
    {
        next = ngx_queue_next(q);
        queue = ngx_queue_data(q, ngx_http_mint_queue_t, link);

        ngx_http_mint_queue_record(queue);
        ngx_http_mint_queue_settle(queue);

        if (queue->parked.requests == 0) {
            ngx_http_mint_queue_free(queue);
            continue;
        }

        wait = ngx_http_mint_queue_look(queue);
        interval = ngx_min(interval, wait);
    }

    if (!ngx_queue_empty(&ngx_http_mint_queues)) {
        ngx_add_timer(ev, interval);
    }
}


/*
 * Wakes those for whom something has changed.  They are only posted here, in
 * their order, and keep their places until they are decided about: one that
 * has to wait on is where it was.
 */

static ngx_msec_t
ngx_http_mint_queue_look(ngx_http_mint_queue_t *queue)
{
    ngx_msec_t               wait;
    ngx_queue_t             *q;
    ngx_event_t             *write;
    ngx_http_mint_park_t    *park;
    ngx_http_mint_words_t    words;
    ngx_http_mint_parked_t   others;

    wait = NGX_HTTP_MINT_QUEUE_TICK;
    ngx_memzero(&others, sizeof(ngx_http_mint_parked_t));

    if (queue->record != NULL) {
        ngx_http_mint_workers_parked(queue->record, queue->plugin_id, &others);
    }

    for (q = ngx_queue_head(&queue->requests);
         q != ngx_queue_sentinel(&queue->requests);
         q = ngx_queue_next(q))
    {
        park = ngx_queue_data(q, ngx_http_mint_park_t, link);

        ngx_http_mint_queue_words(park, 0, &words);

        if (words.sum == park->seen
            && ngx_current_msec - park->since < park->limit)
        {
            continue;
        }

        if (words.has_ready
            && !ngx_http_mint_queue_may_go(queue, park, &others))
        {
            return NGX_HTTP_MINT_QUEUE_TURN;
        }

        write = park->request->connection->write;
        write->delayed = 0;
        ngx_post_event(write, &ngx_posted_events);
        wait = NGX_HTTP_MINT_QUEUE_TURN;
    }

    return wait;
}


/* first come, first served, whichever worker they came to */

static ngx_uint_t
ngx_http_mint_queue_may_go(ngx_http_mint_queue_t *queue,
    ngx_http_mint_park_t *park, ngx_http_mint_parked_t *others)
{
    if (others->oldest_ns == 0 || park->since_ns <= others->oldest_ns) {
        queue->is_blocked = 0;
        return 1;
    }

    if (!queue->is_blocked) {
        queue->is_blocked = 1;
        queue->blocked_at = ngx_current_msec;
    }

    return ngx_current_msec - queue->blocked_at
           >= NGX_HTTP_MINT_QUEUE_PATIENCE;
}


void
ngx_http_mint_queue_words(ngx_http_mint_park_t *park, uint64_t word,
    ngx_http_mint_words_t *words)
{
    uint32_t                 i;
    uint64_t                 found;
    ngx_http_mint_view_t    *view;
    const struct mint_seat  *seat;

    ngx_memzero(words, sizeof(ngx_http_mint_words_t));
    words->sum = 1;

    view = ngx_http_mint_run_view(MINT_RUN_SEATS);

    if (view == NULL) {
        return;
    }

    for (i = 0; i < park->seat_count; i++) {
        seat = ngx_http_mint_view_seat(view, park->seat_first + i);

        if (seat == NULL) {
            continue;
        }

        found = mint_run_load_acquire(&seat->word);

        words->sum = (words->sum ^ found) * 0x9e3779b97f4a7c15ULL;
        words->has_ready |= mint_seat_state(found) == MINT_SEAT_READY;
        words->has_word |= found == word;
    }
}
