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


/* the block is used again for each process of the seat */

START_TEST(each_name_is_there_once)
{
    size_t                    i, k, len;
    struct plugin             plugin = { 0 };
    struct plugin_place       place = { 0 };
    struct environment_block  block = { 0 };
    const char *const        *list;

    plugin.name = (char *) "peak-table";
    plugin.environment = (char *) "/srv/platform-1";
    plugin.token = (char *) "token-1";
    plugin.entry_point = (char *) "peak-table";
    plugin.distribution = (char *) "mint-plugin-peak-table";
    plugin.version = (char *) "1.0.0";
    place.seat = "0a";
    place.data = "/srv/data";
    place.tmp = "/srv/tmp";
    place.platform_url = "http://127.0.0.1:1";

    if (_i == 0) {
        plugin_environment_make(&block, &plugin, 1, &place);
        plugin.version = (char *) "2.0.0";
        plugin_environment_make(&block, &plugin, 2, &place);

    } else {
        plugin_environment_make_group(&block, &plugin, 1, &place, 3);
        plugin_environment_make_group(&block, &plugin, 2, &place, 3);
    }

    list = environment_list(&block);

    for (i = 0; list[i] != NULL; i++) {
        len = strcspn(list[i], "=") + 1;

        for (k = i + 1; list[k] != NULL; k++) {
            ck_assert_msg(strncmp(list[i], list[k], len) != 0, "%s, %s",
                          list[i], list[k]);
        }

        ck_assert_str_ne(list[i], "MINT_INSTANCE=peak-table.0a.1");
        ck_assert_str_ne(list[i], "MINT_PLUGIN_VERSION=1.0.0");
    }

    ck_assert_uint_gt(i, 10);
    environment_clear(&block);
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
    tcase_add_loop_test(tcase, each_name_is_there_once, 0, 2);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
