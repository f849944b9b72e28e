/* SPDX-License-Identifier: MIT */
/*
 * The pure parts of watching: judging probes, summing up processes, sharing
 * out job slots.
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "supervisor/process/health.h"
#include "supervisor/process/job_slots.h"
#include "supervisor/process/usage.h"


/* '+' answers, '-' does not; then the state after each: u, f or d.  Missed ones
   count until there are two answers in a row. */

static const struct {
    const char  *answers;
    const char  *states;
} probes[] = {
    { "++++", "uuuu" },
    { "---", "ffd" },
    { "-+-+-", "ffffd" },
    { "--++---", "fffuffd" },
    { "--+-", "fffd" },
    { "-++-++-++", "ffuffuffu" },
    { "+-+--", "ufffd" }
};


START_TEST(probes_are_judged)
{
    size_t              i, n;
    char                got[16];
    struct health       health = { 0 };
    enum health_state   state;

    n = strlen(probes[_i].answers);

    for (i = 0; i < n; i++) {
        state = health_step(&health, probes[_i].answers[i] == '+', 3, 2);
        got[i] = health_name(state)[0];
    }

    got[n] = '\0';

    ck_assert_str_eq(got, probes[_i].states);
}
END_TEST


START_TEST(processes_are_summed_up)
{
    struct usage  usage = { 0 };

    ck_assert_int_eq(usage_add(&usage, "7 (a) b) c) S 1 7 7 0 -1 4194304 9 9 9 "
                               "9 100 50 25 25 20 0 4 0 777 1000 300 9 9",
                               4096, 100), 0);
    ck_assert_uint_eq(usage.memory_bytes, 300 * 4096);
    ck_assert_uint_eq(usage.cpu_ms, 2000);
    ck_assert_uint_eq(usage.threads, 4);
    ck_assert_uint_eq(usage.processes, 1);

    ck_assert_int_eq(usage_add(&usage, "8 (x) Z 1 7 7 0 -1 4194304 9 9 9 9 1 1 "
                               "1 1 20 0 1 0 777 0 0", 4096, 100), -1);
    ck_assert_int_eq(usage_add(&usage, "", 4096, 100), -1);
    ck_assert_int_eq(usage_add(&usage, "8 (x) S 1 7", 4096, 100), -1);
    ck_assert_uint_eq(usage.processes, 1);
}
END_TEST


START_TEST(a_tree_is_read)
{
    int           status, made[2];
    char          word;
    pid_t         child;
    struct usage  alone, both;

    ck_assert_int_eq(pipe(made), 0);
    ck_assert_int_eq(usage_read(getpid(), &alone), 0);
    child = fork();

    if (child == 0) {
        (void) !write(made[1], "x", 1);
        pause();
        _exit(0);
    }

    ck_assert_int_eq(read(made[0], &word, 1), 1);
    ck_assert_int_eq(usage_read(getpid(), &both), 0);
    ck_assert_uint_eq(both.processes, alone.processes + 1);
    ck_assert_uint_gt(both.memory_bytes, alone.memory_bytes);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    ck_assert_int_eq(usage_read(child, &both), -1);
}
END_TEST


START_TEST(job_slots_are_shared)
{
    unsigned  rank, sharers, budget, sum;

    for (budget = 1; budget < 20; budget++) {
        for (sharers = 1; sharers < 25; sharers++) {
            for (rank = 0, sum = 0; rank < sharers; rank++) {
                ck_assert_uint_ge(job_slots_share(budget, sharers, rank), 1);
                sum += job_slots_share(budget, sharers, rank);
            }

            ck_assert_uint_eq(sum, budget > sharers ? budget : sharers);
        }
    }

    ck_assert_uint_eq(job_slots_share(7, 0, 0), 7);
    ck_assert_uint_eq(job_slots_budget(NULL, 8), 7);
    ck_assert_uint_eq(job_slots_budget(NULL, 1), 1);
    ck_assert_uint_eq(job_slots_budget("3", 8), 3);
    ck_assert_uint_eq(job_slots_budget("0", 8), 7);
    ck_assert_uint_eq(job_slots_budget("-1", 8), 7);
    ck_assert_uint_eq(job_slots_budget("3x", 8), 7);
    ck_assert_uint_eq(job_slots_budget("99999999999999999999", 8), 7);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("watch");
    tcase = tcase_create("watch");
    tcase_add_loop_test(tcase, probes_are_judged, 0,
                        sizeof(probes) / sizeof(probes[0]));
    tcase_add_test(tcase, processes_are_summed_up);
    tcase_add_test(tcase, a_tree_is_read);
    tcase_add_test(tcase, job_slots_are_shared);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
