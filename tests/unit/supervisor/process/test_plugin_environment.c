/* SPDX-License-Identifier: MIT */
/*
 * What the next supervisor reads from a process's label: which environment it
 * runs, and whether that is what the registry says.
 */

#include <check.h>
#include <stdlib.h>

#include "supervisor/process/plugin_environment.h"


static const char  beside[] = "/srv/data/environments/platform-3";


START_TEST(a_note_is_read_again)
{
    char      *note, *environment;
    uint64_t   since;

    note = plugin_note("/srv/data/environments/platform-2", 1763782000123);
    ck_assert_str_eq(note, "platform-2/1763782000123");

    environment = plugin_note_read(note, beside, &since);
    ck_assert_str_eq(environment, "/srv/data/environments/platform-2");
    ck_assert_uint_eq(since, 1763782000123);

    free(environment);
    free(note);
}
END_TEST


START_TEST(without_a_note_it_is_none_of_the_registry)
{
    size_t       i;
    char        *environment;
    uint64_t     since;
    const char  *notes[] = { NULL, "", "platform-2", "/1763782000123" };

    for (i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        since = 1;
        environment = plugin_note_read(notes[i], beside, &since);
        ck_assert_str_eq(environment, beside);
        ck_assert_uint_eq(since, 0);
        free(environment);
    }
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("plugin_environment");
    tcase = tcase_create("notes");
    tcase_add_test(tcase, a_note_is_read_again);
    tcase_add_test(tcase, without_a_note_it_is_none_of_the_registry);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
