/* SPDX-License-Identifier: MIT */
/*
 * Counting in against stopping: a worker counts into a seat and looks at its
 * word again, the supervisor closes the seat and looks at the count.  At least
 * one of them must see the other.  If both miss, the request is let in to a
 * process that is being stopped.
 *
 * The same test runs with acquire/release only: there both do miss, which
 * shows that the test would notice missing fences.
 */

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "contract/mint_workers.h"


#define ROUNDS         400000
#define WEAK_ATTEMPTS  40
#define WEAK_MISREADS  10       /* to be seen without the fences */
#define SPINS          2000     /* before the processor is given away */


struct protocol {
    void      (*enter)(uint32_t *in_flight);
    uint64_t  (*reload)(const struct mint_seat *seat);
    void      (*publish)(struct mint_seat *seat, uint64_t word);
    uint32_t  (*count)(const uint32_t *in_flight);
};


/* as in the real files, word and count are on pages of their own */
static struct mint_seat  seat __attribute__((aligned(4096)));
static uint32_t          in_flight[1024] __attribute__((aligned(4096)));

static struct {
    uint64_t  round __attribute__((aligned(128)));
}  arrived[2];

static uint8_t  admitted[ROUNDS + 1];
static uint8_t  found_empty[ROUNDS + 1];
static int      cpus[2];
static int      cpu_count;


#define PROTOCOL(name, add, fence, load_word, store_word, load_count)         \
                                                                              \
    static void                                                               \
    name ## _enter(uint32_t *counter)                                         \
    {                                                                         \
        __atomic_fetch_add(counter, 1, add);                                  \
        __atomic_thread_fence(fence);                                         \
    }                                                                         \
                                                                              \
                                                                              \
    static uint64_t                                                           \
    name ## _reload(const struct mint_seat *of)                               \
    {                                                                         \
        return __atomic_load_n(&of->word, load_word);                         \
    }                                                                         \
                                                                              \
                                                                              \
    static void                                                               \
    name ## _publish(struct mint_seat *of, uint64_t word)                     \
    {                                                                         \
        __atomic_store_n(&of->word, word, store_word);                        \
        __atomic_thread_fence(fence);                                         \
    }                                                                         \
                                                                              \
                                                                              \
    static uint32_t                                                           \
    name ## _count(const uint32_t *counter)                                   \
    {                                                                         \
        return __atomic_load_n(counter, load_count);                          \
    }                                                                         \
                                                                              \
                                                                              \
    static const struct protocol  name = {                                    \
        name ## _enter, name ## _reload, name ## _publish, name ## _count     \
    }


PROTOCOL(weak, __ATOMIC_ACQ_REL, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE,
         __ATOMIC_RELEASE, __ATOMIC_ACQUIRE);

static const struct protocol  agreed = {
    mint_seat_enter, mint_seat_word_reload, mint_seat_word_publish,
    mint_seat_count
};


static void
meet(int me, uint64_t round)
{
    unsigned  spins;

    __atomic_store_n(&arrived[me].round, round, __ATOMIC_RELEASE);

    for (spins = 0;
         __atomic_load_n(&arrived[1 - me].round, __ATOMIC_ACQUIRE) < round;
         spins++)
    {
        if (spins == SPINS) {
            sched_yield();
            spins = 0;
        }
    }
}


static void
take_cpu(int me)
{
    cpu_set_t  set;

    if (cpu_count >= 2) {
        CPU_ZERO(&set);
        CPU_SET(cpus[me], &set);
        pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    }
}


/* shifts the two sides against each other, a little differently each time */

static void
stagger(uint64_t turns)
{
    volatile uint64_t  i;

    for (i = 0; i < turns; i++) {
        /* void */
    }
}


static void *
worker(void *ctx)
{
    uint64_t                round, word;
    const struct protocol  *protocol;

    protocol = ctx;
    take_cpu(0);

    for (round = 1; round <= ROUNDS; round++) {
        meet(0, 2 * round);
        stagger(round & 31);

        protocol->enter(&in_flight[0]);
        word = protocol->reload(&seat);
        admitted[round] = mint_seat_generation(word) != round;

        meet(0, 2 * round + 1);
        mint_seat_leave(&in_flight[0]);
    }

    return NULL;
}


static void *
supervisor(void *ctx)
{
    uint64_t                round;
    const struct protocol  *protocol;

    protocol = ctx;
    take_cpu(1);

    for (round = 1; round <= ROUNDS; round++) {
        meet(1, 2 * round);
        stagger(round >> 5 & 7);

        /* the word of this round says closed to whoever sees it */
        protocol->publish(&seat, mint_seat_word((uint32_t) round, 0,
                                                MINT_CAUSE_RESTART,
                                                MINT_SEAT_CLOSED));
        found_empty[round] = protocol->count(&in_flight[0]) == 0;

        meet(1, 2 * round + 1);
    }

    return NULL;
}


struct outcome {
    unsigned  misreads;         /* let in, and not seen */
    unsigned  let_in;
    unsigned  empty;
};


static struct outcome
hand_over(const struct protocol *protocol)
{
    unsigned        i;
    pthread_t       threads[2];
    struct outcome  outcome;

    memset(&seat, 0, sizeof(seat));
    memset(in_flight, 0, sizeof(in_flight));
    memset(arrived, 0, sizeof(arrived));

    ck_assert_int_eq(pthread_create(&threads[0], NULL, worker,
                                    (void *) protocol), 0);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, supervisor,
                                    (void *) protocol), 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);

    memset(&outcome, 0, sizeof(outcome));

    for (i = 1; i <= ROUNDS; i++) {
        outcome.misreads += admitted[i] && found_empty[i];
        outcome.let_in += admitted[i];
        outcome.empty += found_empty[i];
    }

    return outcome;
}


static void
find_cpus(void)
{
    int        i;
    cpu_set_t  set;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
    cpu_count = 0;

    for (i = 0; i < CPU_SETSIZE && cpu_count < 2; i++) {
        if (CPU_ISSET(i, &set)) {
            cpus[cpu_count++] = i;
        }
    }
}


START_TEST(nobody_is_missed)
{
    struct outcome  outcome;

    outcome = hand_over(&agreed);
    printf("with fences: %u of %d rounds misread (let in %u, found empty "
           "%u)\n", outcome.misreads, ROUNDS, outcome.let_in, outcome.empty);
    ck_assert_uint_eq(outcome.misreads, 0);

    /* both orders did happen */
    ck_assert_uint_gt(outcome.let_in, 0);
    ck_assert_uint_gt(outcome.empty, 0);
}
END_TEST


START_TEST(without_fences_some_are_missed)
{
    unsigned        attempt, misreads;
    struct outcome  outcome;

    if (cpu_count < 2) {
        printf("without fences: not tried, this machine has a single "
               "processor\n");
        return;
    }

    misreads = 0;

    for (attempt = 0; attempt < WEAK_ATTEMPTS && misreads < WEAK_MISREADS;
         attempt++)
    {
        outcome = hand_over(&weak);
        misreads += outcome.misreads;
    }

    printf("without fences: %u of %u rounds misread\n", misreads,
           attempt * ROUNDS);
    ck_assert_uint_ge(misreads, WEAK_MISREADS);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *cases;
    Suite    *suite;
    SRunner  *runner;

    setbuf(stdout, NULL);

    suite = suite_create("handover");
    cases = tcase_create("handover");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, find_cpus, NULL);
    tcase_add_test(cases, nobody_is_missed);
    tcase_add_test(cases, without_fences_some_are_missed);
    suite_add_tcase(suite, cases);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
