/* SPDX-License-Identifier: MIT */
/*
 * The orders of memory that the run files rely on, shown where x86 cannot show
 * them.  The contract's own functions run here on a model of memory as weak as
 * C11 allows without loads that see the future: a store is a message that
 * carries what its thread is known to have seen, a load may take any message
 * that is not older than what its thread knows.  Every interleaving and every
 * choice of messages is tried.  arm64 allows no more than this model.
 *
 * Each protocol is tried as it is, where nothing may go wrong, and with each
 * of its orders left out in turn, where something has to: so none of them is
 * there for nothing, and the model would notice if one were missing.
 *
 * seq_cst accesses are taken for acquire and release, which is weaker; only
 * fences are seq_cst.  Each word has one writer, so its messages are ordered.
 */

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>


static uint64_t litmus_load(const void *address, size_t bytes, int order);
static void litmus_store(void *address, uint64_t value, int order);
static uint64_t litmus_add(void *address, uint64_t value, int order);
static void litmus_fence(int order);

#define __atomic_load_n(address, order)                                       \
    ((__typeof__(*(address)))litmus_load(address, sizeof(*(address)), order))
#define __atomic_store_n(address, value, order)                               \
    litmus_store(address, value, order)
#define __atomic_fetch_add(address, value, order)                             \
    litmus_add(address, value, order)
#define __atomic_fetch_sub(address, value, order)                             \
    litmus_add(address, -(uint64_t) (value), order)
#define __atomic_thread_fence(order)  litmus_fence(order)

#include "contract/mint_routes.h"
#include "contract/mint_workers.h"


#define THREADS    2
#define LOCATIONS  16
#define MESSAGES   8
#define CHOICES    128
#define STACK      65536


/* of each location the oldest message that may still be seen */
struct view {
    uint8_t  oldest[LOCATIONS];
};

struct message {
    uint64_t     value;
    struct view  view;
};

struct location {
    const void      *address;
    unsigned         count;
    struct message   messages[MESSAGES];    /* in modification order */
};

struct thread {
    ucontext_t   context;
    bool         is_done;
    struct view  now;           /* seen */
    struct view  acquired;      /* seen after the next acquire fence */
    struct view  released;      /* at the last release fence */
};

struct litmus {
    const char  *name;
    void       (*threads[THREADS])(void);
    bool       (*is_bad)(void);
    bool         one_by_one;    /* the second thread writes nothing */
    unsigned     weakened;      /* what is left out, see WITHOUT() */
};


static struct location  locations[LOCATIONS];
static struct thread    threads[THREADS];
static struct thread   *running;
static struct view      fences;         /* what seq_cst fences have seen */
static ucontext_t       scheduler;
static uint64_t         stacks[THREADS][STACK / 8];

/* the choices of this run, and of how many each was one */
static unsigned  chosen[CHOICES], offered[CHOICES];
static unsigned  depth, known;

static unsigned  weakened;
static bool      in_model;

#define WITHOUT(i)  (weakened & 1U << (i))


/* ---- the model ------------------------------------------------------- */

static unsigned
choose(unsigned n)
{
    ck_assert_uint_lt(depth, CHOICES);

    if (depth == known) {
        chosen[depth] = 0;
        offered[depth] = n;
        known++;
    }

    ck_assert_uint_eq(offered[depth], n);

    return chosen[depth++];
}


/* to the next run that differs in its last choice; false: there is none */

static bool
choose_next(void)
{
    while (known > 0 && chosen[known - 1] + 1 == offered[known - 1]) {
        known--;
    }

    if (known == 0) {
        return false;
    }

    chosen[known - 1]++;

    return true;
}


static void
join(struct view *to, const struct view *from)
{
    unsigned  i;

    for (i = 0; i < LOCATIONS; i++) {
        if (from->oldest[i] > to->oldest[i]) {
            to->oldest[i] = from->oldest[i];
        }
    }
}


static unsigned
find(const void *address, size_t bytes)
{
    unsigned          i;
    struct location  *l;

    for (i = 0; i < LOCATIONS && locations[i].address != NULL; i++) {
        if (locations[i].address == address) {
            return i;
        }
    }

    ck_assert_uint_lt(i, LOCATIONS);

    /* memory as it was before is the first message */
    l = &locations[i];
    l->address = address;
    l->count = 1;
    memcpy(&l->messages[0].value, address, bytes);

    return i;
}


/* any thread may come between two operations */

static void
step(void)
{
    ck_assert(in_model);
    swapcontext(&running->context, &scheduler);
}


static bool
is_acquire(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL
           || order == __ATOMIC_SEQ_CST;
}


static bool
is_release(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL
           || order == __ATOMIC_SEQ_CST;
}


static void
see(unsigned location, unsigned i, int order)
{
    running->now.oldest[location] = (uint8_t) i;
    join(&running->acquired, &running->now);
    join(&running->acquired, &locations[location].messages[i].view);

    if (is_acquire(order)) {
        join(&running->now, &locations[location].messages[i].view);
    }
}


static uint64_t
litmus_load(const void *address, size_t bytes, int order)
{
    unsigned  location, i, oldest;

    step();
    location = find(address, bytes);
    oldest = running->now.oldest[location];
    i = oldest + choose(locations[location].count - oldest);
    see(location, i, order);

    return locations[location].messages[i].value;
}


static void
put(unsigned location, uint64_t value, int order, const struct view *before)
{
    unsigned          i;
    struct message   *m;
    struct location  *l;

    l = &locations[location];
    i = l->count++;
    ck_assert_uint_lt(i, MESSAGES);
    m = &l->messages[i];

    running->now.oldest[location] = (uint8_t) i;
    join(&running->acquired, &running->now);

    m->value = value;
    m->view = is_release(order) ? running->now : running->released;
    m->view.oldest[location] = (uint8_t) i;

    if (before != NULL) {
        join(&m->view, before);
    }
}


static void
litmus_store(void *address, uint64_t value, int order)
{
    step();
    put(find(address, sizeof(value)), value, order, NULL);
}


/* of counters of 32 bits; reads the last message, as its successor */

static uint64_t
litmus_add(void *address, uint64_t value, int order)
{
    unsigned         location;
    struct message   last;

    step();
    location = find(address, sizeof(uint32_t));
    last = locations[location].messages[locations[location].count - 1];
    see(location, locations[location].count - 1, order);
    put(location, (uint32_t) (last.value + value), order, &last.view);

    return last.value;
}


static void
litmus_fence(int order)
{
    step();

    if (is_acquire(order)) {
        join(&running->now, &running->acquired);
    }

    if (order == __ATOMIC_SEQ_CST) {
        join(&running->now, &fences);
        fences = running->now;
    }

    if (is_release(order)) {
        running->released = running->now;
    }

    join(&running->acquired, &running->now);
}


/* ---- runs -------------------------------------------------------------- */

static const struct litmus  *current;


static void
enter_thread(int i)
{
    current->threads[i]();
    threads[i].is_done = true;
}


static void
run_once(void)
{
    unsigned  i, alive;

    memset(locations, 0, sizeof(locations));
    memset(threads, 0, sizeof(threads));
    memset(&fences, 0, sizeof(fences));
    depth = 0;
    weakened = current->weakened;

    for (i = 0; i < THREADS; i++) {
        getcontext(&threads[i].context);
        threads[i].context.uc_stack.ss_sp = stacks[i];
        threads[i].context.uc_stack.ss_size = STACK;
        threads[i].context.uc_link = &scheduler;
        makecontext(&threads[i].context, (void (*)(void))enter_thread, 1,
                    (int) i);
    }

    in_model = true;

    while (!threads[0].is_done || !threads[1].is_done) {
        alive = !threads[0].is_done + !threads[1].is_done;

        if (alive == 1 || current->one_by_one) {
            i = threads[0].is_done;
        } else {
            i = choose(2);
        }

        running = &threads[i];
        swapcontext(&scheduler, &running->context);
    }

    in_model = false;
}


struct outcome {
    uint64_t  runs;
    uint64_t  bad;
};


static struct outcome
run_all(const struct litmus *litmus)
{
    struct outcome  outcome;

    current = litmus;
    known = 0;
    memset(&outcome, 0, sizeof(outcome));

    do {
        run_once();
        outcome.runs++;
        outcome.bad += litmus->is_bad();
    } while (choose_next());

    return outcome;
}


/* ---- counting in against stopping --------------------------------------- */

static struct mint_seat  seat;
static uint32_t          in_flight;
static bool              is_let_in, is_empty;


static void
hand_over_worker(void)
{
    if (WITHOUT(0)) {
        __atomic_fetch_add(&in_flight, 1, __ATOMIC_SEQ_CST);
    } else {
        mint_seat_enter(&in_flight);
    }

    is_let_in = mint_seat_state(mint_seat_word_reload(&seat))
                != MINT_SEAT_CLOSED;

    if (!is_let_in) {
        mint_seat_leave(&in_flight);
    }
}


static void
hand_over_supervisor(void)
{
    uint64_t  word;

    word = mint_seat_word(1, 0, MINT_CAUSE_RESTART, MINT_SEAT_CLOSED);

    if (WITHOUT(1)) {
        __atomic_store_n(&seat.word, word, __ATOMIC_SEQ_CST);
    } else {
        mint_seat_word_publish(&seat, word);
    }

    is_empty = mint_seat_count(&in_flight) == 0;
}


/* the process is told to end while a request is on its way to it */

static bool
hand_over_is_bad(void)
{
    return is_let_in && is_empty;
}


/* ---- what a counted request did, seen by whoever finds the count at 0 ---- */

static uint64_t  done;
static uint64_t  found;


static void
leaving_worker(void)
{
    mint_seat_enter(&in_flight);
    mint_run_store(&done, 1);

    if (WITHOUT(0)) {
        __atomic_fetch_sub(&in_flight, 1, __ATOMIC_RELAXED);
    } else {
        mint_seat_leave(&in_flight);
    }
}


static void
leaving_supervisor(void)
{
    found = 1;

    if (mint_seat_count(&in_flight) == 1 && mint_seat_count(&in_flight) == 0) {
        found = mint_run_load(&done);
    }
}


static bool
leaving_is_bad(void)
{
    return found == 0;
}


/* ---- a seat's address, written once before its word ---------------------- */

static uint64_t  address[2], read_address[2], read_word;


static void
once_writer(void)
{
    static const uint64_t  text[2] = { 1, 1 };

    mint_run_fill(address, text, sizeof(text));

    if (WITHOUT(0)) {
        mint_run_store(&seat.word, MINT_SEAT_READY);
    } else {
        mint_run_store_release(&seat.word, MINT_SEAT_READY);
    }
}


static void
once_reader(void)
{
    read_word = WITHOUT(1) ? mint_run_load(&seat.word)
                           : mint_run_load_acquire(&seat.word);
    mint_run_copy(read_address, address, sizeof(address));
}


static bool
once_is_bad(void)
{
    return read_word != MINT_SEAT_EMPTY
           && (read_address[0] != 1 || read_address[1] != 1);
}


/* ---- routes: two halves, the published one is generation & 1 ------------- */

#define WORDS  3                /* the half's own generation, then content */

static uint64_t  generation;
static uint64_t  halves[2][WORDS];
static uint64_t  read_half[WORDS];
static bool      is_accepted;


/* as supervisor/routes/routes_writer.c, three times */

static void
routes_writer(void)
{
    unsigned  i;
    uint64_t  next, half[WORDS];

    for (next = 1; next <= 3; next++) {
        for (i = 0; i < WORDS; i++) {
            half[i] = next;
        }

        if (!WITHOUT(0)) {
            __atomic_thread_fence(__ATOMIC_RELEASE);
        }

        mint_run_fill(halves[next & 1], half, sizeof(half));

        if (WITHOUT(1)) {
            mint_run_store(&generation, next);
        } else {
            mint_run_store_release(&generation, next);
        }
    }
}


/* as ngx_mint_module/ngx_http_mint_view.c, one try, without the checksum */

static void
routes_reader(void)
{
    uint64_t  seen;

    is_accepted = false;
    seen = WITHOUT(2) ? mint_run_load(&generation)
                      : mint_run_load_acquire(&generation);
    mint_run_copy(read_half, halves[seen & 1], sizeof(read_half));

    if (read_half[0] != seen) {
        return;
    }

    if (!WITHOUT(3)) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    }

    is_accepted = mint_run_load(&generation) == seen;
}


static bool
routes_is_bad(void)
{
    return is_accepted && (read_half[1] != read_half[0]
                           || read_half[2] != read_half[0]);
}


/* ---- tests --------------------------------------------------------------- */

#define HAND_OVER(name, weakened)                                             \
    { name, { hand_over_worker, hand_over_supervisor }, hand_over_is_bad,     \
      false, weakened }
#define LEAVING(name, weakened)                                               \
    { name, { leaving_worker, leaving_supervisor }, leaving_is_bad, false,    \
      weakened }
#define ONCE(name, weakened)                                                  \
    { name, { once_writer, once_reader }, once_is_bad, true, weakened }
#define ROUTES(name, weakened)                                                \
    { name, { routes_writer, routes_reader }, routes_is_bad, true, weakened }

static const struct litmus  litmuses[] = {
    HAND_OVER("hand-over", 0),
    HAND_OVER("hand-over without the worker's fence", 1 << 0),
    HAND_OVER("hand-over without the supervisor's fence", 1 << 1),
    LEAVING("leaving", 0),
    LEAVING("leaving without release", 1 << 0),
    ONCE("address", 0),
    ONCE("address without release", 1 << 0),
    ONCE("address without acquire", 1 << 1),
    ROUTES("routes", 0),
    ROUTES("routes without the release fence", 1 << 0),
    ROUTES("routes without the releasing store", 1 << 1),
    ROUTES("routes without the acquiring load", 1 << 2),
    ROUTES("routes without the acquire fence", 1 << 3)
};


START_TEST(litmus)
{
    struct outcome        outcome;
    const struct litmus  *l;

    l = &litmuses[_i];
    outcome = run_all(l);
    printf("%s: %llu runs, %llu go wrong\n", l->name,
           (unsigned long long) outcome.runs,
           (unsigned long long) outcome.bad);
    ck_assert_uint_gt(outcome.runs, 1);

    if (l->weakened == 0) {
        ck_assert_uint_eq(outcome.bad, 0);
    } else {
        ck_assert_uint_gt(outcome.bad, 0);
    }
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

    suite = suite_create("litmus");
    cases = tcase_create("litmus");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, litmus, 0,
                        sizeof(litmuses) / sizeof(litmuses[0]));
    suite_add_tcase(suite, cases);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
