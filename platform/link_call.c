/* SPDX-License-Identifier: MIT */
/*
 * Requests to the supervisor that a thread waits for.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "platform/link.h"


/* held by its beginner and by the link until the answer */
struct link_call {
    pthread_mutex_t   lock;
    pthread_cond_t    changed;
    unsigned          holders;
    bool              is_done;
    json_t           *result;
    json_t           *details;
    struct error      err;
    void            (*finish)(void *cls);
    void             *finish_cls;
};


static void link_call_done(void *cls, json_t *result, const struct error *err,
    json_t *details);
static void link_call_drop(struct link_call *call);


struct link_call *
link_call_begin(struct link *link, const char *op, json_t *args,
    void (*finish)(void *cls), void *finish_cls)
{
    pthread_condattr_t   attributes;
    struct link_call    *call;

    call = mem_alloc(sizeof(struct link_call));
    (void) pthread_mutex_init(&call->lock, NULL);
    (void) pthread_condattr_init(&attributes);
    (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&call->changed, &attributes);
    (void) pthread_condattr_destroy(&attributes);
    call->holders = 2;
    call->finish = finish;
    call->finish_cls = finish_cls;

    link_send(link, op, args, link_call_done, call);

    return call;
}


bool
link_call_wait(struct link_call *call, unsigned timeout_ms)
{
    int              rc;
    bool             is_done;
    struct timespec  until;

    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long) (timeout_ms % 1000) * 1000000;

    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }

    rc = 0;
    (void) pthread_mutex_lock(&call->lock);

    while (!call->is_done && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&call->changed, &call->lock, &until);
    }

    is_done = call->is_done;
    (void) pthread_mutex_unlock(&call->lock);

    return is_done;
}


json_t *
link_call_result(struct link_call *call, struct error *err,
    json_t **details_out)
{
    if (err != NULL) {
        *err = call->err;
    }

    if (details_out != NULL) {
        *details_out = call->details;
    }

    return call->result;
}


void
link_call_release(struct link_call **call)
{
    if (*call != NULL) {
        link_call_drop(*call);
        *call = NULL;
    }
}


int
link_ask(struct link *link, const char *op, json_t *args, unsigned timeout_ms,
    json_t **result_out, struct error *err)
{
    int                rc;
    uint64_t           until_ms;
    uint64_t           now;
    struct error       problem;
    struct link_call  *call;

    *result_out = NULL;
    until_ms = time_boot_ms() + timeout_ms;

    do {
        if (!link_wait_connected(link, timeout_ms)) {
            rc = error_set(err, MINT_ERR_UNAVAILABLE, "the supervisor is not "
                           "reachable");
            break;
        }

        now = time_boot_ms();
        call = link_call_begin(link, op, json_deep_copy(args), NULL, NULL);

        if (!link_call_wait(call, now < until_ms
                                  ? (unsigned) (until_ms - now) : 0))
        {
            rc = error_set(err, MINT_ERR_TIMEOUT, "the supervisor did not "
                           "answer \"%s\" within %u ms", op, timeout_ms);

        } else {
            *result_out = json_incref(link_call_result(call, &problem, NULL));
            rc = *result_out != NULL
                 ? MINT_OK : error_set(err, problem.code, "%s", problem.text);
        }

        link_call_release(&call);

        /* it died with the question: its successor is asked */
    } while (rc == MINT_ERR_UNAVAILABLE && time_boot_ms() < until_ms);

    json_decref(args);

    return rc;
}


bool
link_wait_connected(struct link *link, unsigned timeout_ms)
{
    uint64_t         until_ms;
    struct timespec  pause;

    pause.tv_sec = 0;
    pause.tv_nsec = 10 * 1000 * 1000;
    until_ms = time_boot_ms() + timeout_ms;

    while (!link_is_connected(link)) {
        if (time_boot_ms() >= until_ms) {
            return false;
        }

        (void) nanosleep(&pause, NULL);
    }

    return true;
}


static void
link_call_done(void *cls, json_t *result, const struct error *err,
    json_t *details)
{
    struct link_call  *call;

    call = cls;

    (void) pthread_mutex_lock(&call->lock);
    call->result = json_incref(result);
    call->details = json_incref(details);

    if (err != NULL) {
        call->err = *err;
    }

    call->is_done = true;
    (void) pthread_cond_broadcast(&call->changed);
    (void) pthread_mutex_unlock(&call->lock);

    link_call_drop(call);
}


static void
link_call_drop(struct link_call *call)
{
    unsigned  holders;

    (void) pthread_mutex_lock(&call->lock);
    holders = --call->holders;
    (void) pthread_mutex_unlock(&call->lock);

    if (holders > 0) {
        return;
    }

    if (call->finish != NULL) {
        call->finish(call->finish_cls);
    }

    json_decref(call->result);
    json_decref(call->details);
    (void) pthread_cond_destroy(&call->changed);
    (void) pthread_mutex_destroy(&call->lock);
    free(call);
}
