/* SPDX-License-Identifier: MIT */
/*
 * When a service that has died, or could not be started, is tried again: at
 * once, after a while that doubles, or after minutes.  Deaths are counted in
 * service_memory.c.
 */

#include "lib/fs.h"
#include "lib/log.h"
#include "service_private.h"


#define SERVICE_BACKOFF_MAX_MS  60000
#define SERVICE_RETRY_SEC       300


/* an earlier supervisor had it wait for its next try: that goes on */

void
service_retry_first(struct service *service)
{
    uint64_t  now;

    now = time_boot_ms();

    if (service->pending_until_ms <= now) {
        service->pending_until_ms = 0;
        service_queue(service);
        return;
    }

    service->delay_ms = (unsigned) (service->pending_until_ms - now);
    service->pending_until_ms = 0;
    service->cause = service->pending_is_failed ? MINT_CAUSE_FAILED
                                                : MINT_CAUSE_CRASHED;

    service_set_state(service, service->pending_is_failed ? SERVICE_FAILED
                                                          : SERVICE_BACKOFF);
    service_set_timer(service, service->delay_ms);
}


void
service_retry_proven(struct service *service)
{
    service_memory_forgive(service);
    service_memory_save(service->pool);
}


/*
 * Why there is no next try for minutes, NULL if there is one soon.  Who has
 * used up the whole ready deadline would take as long again, and keep a place
 * from others that start.
 */

static const char *
service_retry_hopeless(struct service *service, bool is_overdue)
{
    /* still FAILED: the try after a long wait has not made it ready */

    if (service->cause == MINT_CAUSE_FAILED) {
        return "failed again";
    }

    if (is_overdue) {
        return "was not ready in time";
    }

    return service_memory_is_hopeless(service) ? "died 5 times in a minute"
                                               : NULL;
}


static void
service_retry_give_up(struct service *service, const char *why)
{
    unsigned  retry_sec;

    retry_sec = service->options.failed_retry_sec != 0
                ? service->options.failed_retry_sec : SERVICE_RETRY_SEC;

    log_error("\"%s\" %s and is given up for %u seconds: %s",
              service->options.name, why, retry_sec,
              service->error[0] != '\0' ? service->error
                                        : service->last_exit);

    service->cause = MINT_CAUSE_FAILED;
    service->delay_ms = retry_sec * 1000;

    service_set_state(service, SERVICE_FAILED);
    service_set_timer(service, service->delay_ms);
}


/* 0, 1, 2, 4 .. 60 s, each 10 % more or less: not all at the same moment */

static unsigned
service_retry_delay_ms(unsigned backoff)
{
    unsigned  delay_ms, jitter;

    if (backoff == 0) {
        return 0;
    }

    delay_ms = backoff > 6 ? SERVICE_BACKOFF_MAX_MS : 1000U << (backoff - 1);
    jitter = delay_ms / 5;

    return delay_ms + (unsigned) (time_boot_ms() % (jitter + 1)) - jitter / 2;
}


/* a death or a failed start: when is the next try? */

void
service_retry(struct service *service)
{
    bool         is_overdue;
    const char  *why;

    is_overdue = service->is_overdue;
    service->is_overdue = false;

    if (service->is_once) {
        service->is_wanted = false;
        service->delay_ms = 0;
        service->cause = MINT_CAUSE_FAILED;
        service_set_state(service, SERVICE_FAILED);
        return;
    }

    service_memory_count(service);

    why = service_retry_hopeless(service, is_overdue);

    if (why != NULL) {
        service_retry_give_up(service, why);
        return;
    }

    service->delay_ms = service_retry_delay_ms(service->backoff);
    service->backoff++;

    if (service->cause != MINT_CAUSE_FIRST_START) {
        service->cause = MINT_CAUSE_CRASHED;
    }

    if (service->delay_ms == 0) {
        service_queue(service);
        return;
    }

    service_set_state(service, SERVICE_BACKOFF);
    service_set_timer(service, service->delay_ms);
}
