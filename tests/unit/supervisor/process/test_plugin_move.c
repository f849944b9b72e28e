/* SPDX-License-Identifier: MIT */
/*
 * What a move keeps from one state to the next one: no process, no socket.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "supervisor/process/plugin_drain.h"
#include "supervisor/process/plugin_private.h"


#define HOUR_MS  3600000ULL


/* a move that was held for longer than jobs may take; is the next one late? */

static const struct {
    enum plugin_move_state  by;             /* on the way from held to held */
    bool                    is_overdue;
} ways[] = {
    { PLUGIN_MOVE_NONE, false },
    { PLUGIN_MOVE_RESISTING, false },
    { PLUGIN_MOVE_STARTING, true },         /* the same, another process */
    { PLUGIN_MOVE_SWITCHING, true }
};


START_TEST(held_once_more)
{
    char                     directory[] = "/tmp/mint-move-XXXXXX";
    struct config            config;
    struct plugin            plugin;
    struct event_base       *base;
    struct plugin_process    p;
    struct plugin_processes  all;

    memset(&config, 0, sizeof(config));
    memset(&plugin, 0, sizeof(plugin));
    memset(&p, 0, sizeof(p));
    memset(&all, 0, sizeof(all));
    config.plugins.job_drain_hours = 1;
    plugin.name = (char *) "x";
    all.config = &config;
    p.all = &all;
    p.plugin = &plugin;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    base = event_base_new();
    p.history = history_open(directory, plugin.name);
    plugin_move_init(&p, base);

    plugin_move_set_state(&p, PLUGIN_MOVE_HELD);
    p.move.switched_unix_ms = time_unix_ms() - 2 * HOUR_MS;
    ck_assert(plugin_drain_is_overdue(&p));

    plugin_move_set_state(&p, ways[_i].by);

    if (p.move.switched_unix_ms == 0) {
        p.move.switched_unix_ms = time_unix_ms();       /* held again */
    }

    ck_assert(plugin_drain_is_overdue(&p) == ways[_i].is_overdue);

    plugin_move_clear(&p);
    history_free(&p.history);
    event_base_free(base);
    ck_assert_int_eq(fs_remove_tree(directory, NULL), 0);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("plugin_move");
    tcase = tcase_create("plugin_move");
    tcase_add_loop_test(tcase, held_once_more, 0,
                        sizeof(ways) / sizeof(ways[0]));
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
