/* SPDX-License-Identifier: MIT */
/*
 * publish-time DIR ROUTES ROUNDS: how long the supervisor's own writers take to
 * publish the state of one seat, and all routes anew.  DIR holds run files as
 * tests/bench/scale makes them; they say the same afterwards.
 *
 * Prints JSON: microseconds of a state change, milliseconds of a rebuild, each
 * as {median, worst}.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "contract/mint_workers.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/routes/publisher.h"


struct times {
    double  median;
    double  worst;
};


static double
now_us(void)
{
    struct timespec  now;

    clock_gettime(CLOCK_MONOTONIC, &now);

    return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}


static int
compare(const void *a, const void *b)
{
    double  x, y;

    x = *(const double *) a;
    y = *(const double *) b;

    return (x > y) - (x < y);
}


static struct times
summary(double *taken, size_t n)
{
    struct times  times;

    qsort(taken, n, sizeof(*taken), compare);
    times.median = taken[n / 2];
    times.worst = taken[n - 1];

    return times;
}


/* ready and closed in turn, ready at the end */

static struct times
time_states(struct publisher *p, uint32_t seat, double *taken, size_t rounds)
{
    size_t    i;
    double    start;
    uint32_t  generation;

    generation = mint_seat_generation(publisher_seat_word(p, seat));

    for (i = 0; i < rounds; i++) {
        start = now_us();
        publisher_set_seat(p, seat, generation, 0, MINT_CAUSE_NONE,
                           i % 2 == rounds % 2 ? MINT_SEAT_CLOSED
                                               : MINT_SEAT_READY);
        taken[i] = now_us() - start;
    }

    return summary(taken, rounds);
}


/* one of two versions in turn, so that something has changed each time */

static int
time_rebuilds(struct publisher *p, uint32_t count, double *taken,
    size_t rounds, struct times *times)
{
    int                       rc;
    size_t                    k;
    double                    start;
    uint32_t                  i;
    struct error              err;
    struct publisher_route   *routes;

    routes = mem_alloc(count * sizeof(*routes));

    for (i = 0; i < count; i++) {
        routes[i].plugin_id = i + 1;
        routes[i].seat_first = 2 * (i + 1);
        routes[i].slot_count = 1;
        routes[i].affinity = MINT_AFFINITY_USER;
        routes[i].prefix = mem_printf("/lab/plugin-%u", i + 1);
        routes[i].name = routes[i].prefix + sizeof("/lab/") - 1;
        routes[i].version = "1.2.3";
    }

    rc = 0;

    for (k = 0; k < rounds && rc == 0; k++) {
        routes[count / 2].version = k % 2 == rounds % 2 ? "1.2.4" : "1.2.3";

        start = now_us();
        rc = publisher_set_routes(p, routes, count, &err);
        taken[k] = (now_us() - start) / 1e3;
    }

    if (rc != 0) {
        fprintf(stderr, "publish-time: %s\n", err.text);

    } else {
        *times = summary(taken, rounds);
    }

    for (i = 0; i < count; i++) {
        free((char *) routes[i].prefix);
    }
    free(routes);

    return rc;
}


int
main(int argc, char **argv)
{
    int                        rc;
    double                    *taken;
    size_t                     rounds;
    uint32_t                   count;
    struct error               err;
    struct times               state, rebuild;
    struct publisher          *p;
    struct publisher_options   options;

    if (argc != 4) {
        fprintf(stderr, "usage: publish-time DIR ROUTES ROUNDS\n");
        return 2;
    }

    setenv("MINT_LOG_LEVEL", "error", 0);
    log_open("publish-time");

    count = (uint32_t) strtoul(argv[2], NULL, 10);
    rounds = strtoul(argv[3], NULL, 10);

    if (count == 0 || rounds == 0) {
        return 2;
    }

    memset(&options, 0, sizeof(options));
    options.run_directory = argv[1];
    options.plugins = count + 1;
    options.edge_gid = (gid_t) -1;

    rc = publisher_open(&p, &options, &err);
    if (rc != 0) {
        fprintf(stderr, "publish-time: %s\n", err.text);
        return 1;
    }

    taken = mem_alloc(rounds * sizeof(*taken));
    state = time_states(p, 2, taken, rounds);
    rc = time_rebuilds(p, count, taken, rounds, &rebuild);

    if (rc == 0) {
        printf("{\"state_us\": {\"median\": %.2f, \"worst\": %.2f}, "
               "\"rebuild_ms\": {\"median\": %.2f, \"worst\": %.2f}}\n",
               state.median, state.worst, rebuild.median, rebuild.worst);
    }

    free(taken);
    publisher_free(&p);

    return rc == 0 ? 0 : 1;
}
