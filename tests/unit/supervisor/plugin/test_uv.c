/* SPDX-License-Identifier: MIT */
/*
 * uv's words, lock files and requirements: text in, text out.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/command.h"
#include "supervisor/plugin/lock.h"
#include "supervisor/plugin/requirement.h"
#include "supervisor/plugin/uv.h"


/* as uv 0.13 and as older ones draw it */

static const struct {
    const char  *output;
    const char  *all;
    const char  *first;
} explanations[] = {
    { "error: No solution found when resolving dependencies\n"
      "  cause: Because x needs y, z.\n         And because so.\n\n"
      "hint: do that\n",
      "Because x needs y, z. And because so.", "Because x needs y, z." },
    { "  \xc3\x97 No solution found when resolving dependencies:\n"
      "  \xe2\x95\xb0\xe2\x94\x80\xe2\x96\xb6 Because x needs y, z.\n"
      "      And because so.\n",
      "Because x needs y, z. And because so.", "Because x needs y, z." },
    { "Using Python 3.12.1 environment at: e\nResolved 3 packages in 1ms\n"
      "warning: odd\nerror: Failed to fetch: https://i/x\n"
      "  Caused by: connect error\n",
      "Failed to fetch: https://i/x; connect error",
      "Failed to fetch: https://i/x" },
    { "warning: Failed to hardlink\n         Be told more.\n"
      "error: Failed to install: x\n  cause: disk\n",
      "Failed to install: x; disk", "Failed to install: x" },
    { "",      "",  "" },
    { "\n\n",  "",  "" },
};


START_TEST(test_explanations)
{
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    uv_explanation(explanations[_i].output, false, &text);
    ck_assert_str_eq(strbuf_text(&text), explanations[_i].all);
    uv_explanation(explanations[_i].output, true, &text);
    ck_assert_str_eq(strbuf_text(&text), explanations[_i].first);
    strbuf_free(&text);
}
END_TEST


/* what uv locks by, anybody could hold */

START_TEST(test_judged_leaves_no_lock)
{
    char          *directory, *path;
    struct error   err;

    directory = fixture_directory();
    path = mem_printf("%s/.lock", directory);

    ck_assert_int_eq(fs_write_atomic(path, "", 0, 0666, &err), 0);
    uv_judged(directory);
    ck_assert(!fs_exists(path));
    uv_judged(directory);

    free(path);
    fixture_remove(directory);
}
END_TEST


START_TEST(test_explanation_is_short)
{
    size_t         i;
    struct strbuf  output, text;

    memset(&text, 0, sizeof(text));
    memset(&output, 0, sizeof(output));

    for (i = 0; i < 1000; i++) {
        strbuf_puts(&output, "And because so.\n");
    }

    uv_explanation(strbuf_text(&output), false, &text);
    ck_assert_uint_lt(text.len, 720);
    ck_assert_str_eq(text.data + text.len - 4, " ...");

    strbuf_free(&output);
    strbuf_free(&text);
}
END_TEST


static const struct {
    int          exit_code;
    const char  *output;
    bool         conflict;
    int          code;
} results[] = {
    { 1, "error: No solution found when", true,  MINT_ERR_INVALID     },
    { 2, "error: No solution found when", false, MINT_ERR_INVALID     },
    { 1, "error: other",                  false, MINT_ERR_INVALID     },
    { 2, "error: Failed to fetch: x",     false, MINT_ERR_UNAVAILABLE },
    { 2, "No space left on device",       false, MINT_ERR_FULL        },
    { 1, "Because a was not found in the cache", false,
      MINT_ERR_UNAVAILABLE },
};


START_TEST(test_results)
{
    struct error            err;
    struct command_result   result;

    memset(&result, 0, sizeof(result));
    result.exit_code = results[_i].exit_code;
    result.output = results[_i].output;

    ck_assert_int_eq(uv_is_conflict(&result), results[_i].conflict);
    ck_assert_int_eq(uv_failed(&result, &err, "it %s", "failed"),
                     results[_i].code);
    ck_assert_int_eq(err.code, results[_i].code);
    ck_assert_ptr_eq(strstr(err.text, "it failed: "), err.text);
}
END_TEST


START_TEST(test_progress)
{
    char  *text;

    text = uv_progress("Downloading numpy (16.0MiB)");
    ck_assert_str_eq(text, "downloading numpy (16.0MiB)");
    free(text);
    ck_assert_ptr_null(uv_progress(" + numpy==2.0"));
    ck_assert_ptr_null(uv_progress(""));
}
END_TEST


START_TEST(test_file_url)
{
    char  *url;

    url = uv_file_url("/a b/x+1!_~-.whl#%");
    ck_assert_str_eq(url, "file:///a%20b/x%2B1%21_~-.whl%23%25");
    free(url);
}
END_TEST


START_TEST(test_last_line)
{
    char  line[16];

    command_last_line("a\n  b \n\n \t\n", line, sizeof(line));
    ck_assert_str_eq(line, "b ");
    command_last_line("", line, sizeof(line));
    ck_assert_str_eq(line, "");
    command_last_line("a\n0123456789abcdefgh", line, sizeof(line));
    ck_assert_str_eq(line, "0123456789abcde");
}
END_TEST


static const char  lock_text[] =
    "# a comment\n--index-url https://x\n\n"
    "Some_Package[extra]==1.0+local ; python_version > '3' \\\n"
    "    --hash=sha256:00 \\\n    --hash=sha256:01\n    # via peak.a\n"
    "peak-a @ file:///b/peak_a-0.1.0%2Bx-py3-none-any.whl \\\n"
    "    --hash=sha256:02\n    # via\n    #   -r shared.in\n"
    "    #   -c core.lock\n    #   Other_One\n    #   third (1)\n"
    "odd @ https://x/odd.zip\n";


START_TEST(test_lock)
{
    struct lock                 lock;
    struct strbuf               text;
    const struct lock_package  *package;

    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, lock_text);
    ck_assert_int_eq(lock_parse(&lock, &text, NULL), 0);
    ck_assert_uint_eq(lock.count, 3);

    package = lock_find(&lock, "some.package");
    ck_assert_ptr_nonnull(package);
    ck_assert_str_eq(package->version, "1.0+local");
    ck_assert_uint_eq(package->via.count, 1);
    ck_assert_str_eq(package->via.item[0], "peak-a");

    package = lock_find(&lock, "Peak_A");
    ck_assert_ptr_nonnull(package);
    ck_assert_str_eq(package->version, "0.1.0+x");
    ck_assert_uint_eq(package->via.count, 2);
    ck_assert_str_eq(package->via.item[0], "other-one");
    ck_assert_str_eq(package->via.item[1], "third");

    ck_assert_str_eq(lock_find(&lock, "odd")->version, "");
    ck_assert_ptr_null(lock_find(&lock, "some"));
    lock_clear(&lock);

    strbuf_puts(&text, "../x==1\n");
    ck_assert_int_eq(lock_parse(&lock, &text, NULL), MINT_ERR_INVALID);
    ck_assert_uint_eq(lock.count, 0);
    strbuf_free(&text);
}
END_TEST


/* at most five names, and what plugins are called counts */

START_TEST(test_changes)
{
    size_t                     i;
    struct lock                platform, chosen;
    struct plugin              peak, *others[] = { &peak };
    struct strbuf              text;
    struct requirement         requirement;
    struct requirement_scene   scene;

    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, "same==1\nmoved==1\n    # via\n    #   mint-plugin-new\n"
                "    #   mint-plugin-peak\nmint-plugin-peak==1\n");
    ck_assert_int_eq(lock_parse(&platform, &text, NULL), 0);

    strbuf_clear(&text);
    strbuf_puts(&text, "same==1\nmoved==2\nmint-plugin-peak==2\n"
                "mint-plugin-new==3\n");

    for (i = 0; i < 6; i++) {
        strbuf_printf(&text, "p%zu==1\n", i);
    }

    ck_assert_int_eq(lock_parse(&chosen, &text, NULL), 0);
    fixture_plugin(&peak, "peak", PLUGIN_SHARED);

    memset(&scene, 0, sizeof(scene));
    scene.core = &chosen;
    scene.platform = &platform;
    scene.distribution = "Mint.Plugin.New";
    scene.others = others;
    scene.other_count = 1;

    strbuf_clear(&text);
    requirement_changes(&scene, &chosen, &text);
    ck_assert_str_eq(strbuf_text(&text), " (moves moved from 1 to 2, adds p0 "
                     "1, adds p1 1, adds p2 1, adds p3 1 and 2 more)");
    ck_assert(requirement_moves(&scene, &chosen));
    ck_assert(!requirement_moves(&scene, &platform));

    strbuf_clear(&text);
    requirement_changes(&scene, &platform, &text);
    ck_assert_str_eq(strbuf_text(&text), "");

    scene.core = &(struct lock) { NULL, 0 };
    requirement_parse(&requirement, "moved>1", NULL);
    requirement_clash(&requirement, &scene, &text);
    ck_assert_str_eq(strbuf_text(&text), "moved>1 and the shared environment "
                     "has moved 1 (needed by peak)");

    requirement_clear(&requirement);
    plugin_clear(&peak);
    lock_clear(&platform);
    lock_clear(&chosen);
    strbuf_free(&text);
}
END_TEST


static Suite *
uv_suite(void)
{
    Suite  *suite;
    TCase  *tcase;

    suite = suite_create("uv");
    tcase = tcase_create("uv");

    tcase_add_loop_test(tcase, test_explanations, 0,
                        sizeof(explanations) / sizeof(explanations[0]));
    tcase_add_test(tcase, test_judged_leaves_no_lock);
    tcase_add_test(tcase, test_explanation_is_short);
    tcase_add_loop_test(tcase, test_results, 0,
                        sizeof(results) / sizeof(results[0]));
    tcase_add_test(tcase, test_progress);
    tcase_add_test(tcase, test_file_url);
    tcase_add_test(tcase, test_last_line);
    tcase_add_test(tcase, test_lock);
    tcase_add_test(tcase, test_changes);
    suite_add_tcase(suite, tcase);

    return suite;
}


int
main(void)
{
    int       failed;
    SRunner  *runner;

    runner = srunner_create(uv_suite());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
