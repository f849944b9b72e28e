/* SPDX-License-Identifier: MIT */
/*
 * A plan as people see it.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/strbuf.h"
#include "supervisor/admin/print.h"


/* what print_plan() writes to stdout; to be freed */

static char *
printed(json_t *plan)
{
    int      own;
    char    *text;
    FILE    *file;
    size_t   len;

    file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fflush(stdout);
    own = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);

    print_plan(plan);

    fflush(stdout);
    dup2(own, STDOUT_FILENO);
    close(own);

    text = mem_alloc(65536);
    rewind(file);
    len = fread(text, 1, 65535, file);
    text[len] = '\0';
    fclose(file);

    return text;
}


static const struct {
    const char  *plan;
    const char  *line;
} lines[] = {
    { "{\"name\":\"x\",\"version\":\"1\",\"installed\":null}",
      "x 1: a new plugin\n" },
    { "{\"name\":\"x\",\"version\":\"2\",\"installed\":{\"version\":\"1\"}}",
      "x 2: an upgrade from 1 to 2\n" },
    { "{\"name\":\"x\",\"version\":\"1\",\"installed\":{\"version\":\"1\"}}",
      "x 1: replaces the same version\n" },
    { "{\"name\":\"x\",\"version\":\"1\",\"installed\":{\"version\":\"1\"},"
      "\"unchanged\":true}",
      "x 1: is installed already, nothing would change\n" },

    { "{\"mode\":\"shared\",\"environment\":\"/e\",\"packages\":{\"same\":7,"
      "\"remove\":[{\"name\":\"a\",\"version\":\"1\"}],\"change\":[{\"name\":"
      "\"b\",\"from\":\"1\",\"to\":\"2\"},{\"name\":\"c\",\"from\":\"3\","
      "\"to\":\"4\"}]}}",
      "packages     of the shared environment; 7 stay as they are\n"
      "  change     b 1 -> 2\n"
      "             c 3 -> 4\n"
      "  remove     a 1\n" },
    { "{\"mode\":\"isolated\",\"environment\":\"/e\",\"packages\":{}}",
      "packages     of its own environment; 0 stay" },
    { "{\"mode\":\"isolated\",\"environment\":null}",
      "packages     of a new environment of its own\n" },

    { "{\"download\":{\"bytes\":0,\"packages\":[],\"doubt\":null}}",
      "\ndownload     nothing, all of it is here\n" },
    { "{\"download\":{\"bytes\":1536,\"packages\":[{}],\"doubt\":null}}",
      "\ndownload     1 package, 1.5 KiB\n" },
    { "{\"download\":{\"bytes\":5368709120,\"packages\":[{},{}]}}",
      "\ndownload     2 packages, 5.0 GiB\n" },
    { "{\"download\":{\"bytes\":null,\"packages\":[{}],\"doubt\":\"no\"}}",
      "\ndownload     1 package, unknown: no\n" },
    { "{\"download\":{\"bytes\":null,\"packages\":null,\"doubt\":\"why\"}}",
      "\ndownload     unknown: why\n" },

    { "{\"disk\":{\"bytes\":1000,\"free_bytes\":2048}}",
      "\ndisk         about 1000 bytes, free: 2.0 KiB\n" },
    { "{\"disk\":{\"bytes\":3145728,\"free_bytes\":2048}}",
      "\ndisk         about 3.0 MiB, free: 2.0 KiB - not enough\n" },
    { "{\"disk\":{\"bytes\":null,\"free_bytes\":null}}",
      "\ndisk         unknown, free: unknown\n" },

    { "{\"requires_mint\":\">=1\",\"requires_python\":\">=3.12\"}",
      "\nneeds        MINT >=1, Python >=3.12\n" },
    { "{\"requires_mint\":null,\"requires_python\":\">=3.12\"}",
      "\nneeds        Python >=3.12\n" },
    { "{\"programs\":[{\"name\":\"sh\",\"path\":\"/bin/sh\"},{\"name\":"
      "\"R\",\"path\":null,\"debian\":\"r-base-core\"},{\"name\":"
      "\"Q\",\"path\":null}]}",
      "\nprograms     sh: /bin/sh\n"
      "             R: not found on this machine; Debian has it in package "
      "r-base-core\n"
      "             Q: not found on this machine\n" },

    { "{\"not_known\":\"later\",\"installed\":{\"version\":\"1\","
      "\"routes_prefix\":\"/x\",\"capabilities\":[\"a\",\"b\"]}}",
      "\nnot known    later\n             (version 1: /x; a, b)\n" },
    { "{\"runtime_requirements\":\"R\\n\\n```\\nx\"}",
      "\nruntime requirements, as its description has them:\n"
      "  R\n\n  ```\n  x\n" },
};


START_TEST(test_lines)
{
    char    *text;
    json_t  *plan;

    plan = json_loads(lines[_i].plan, 0, NULL);
    ck_assert_ptr_nonnull(plan);
    text = printed(plan);
    ck_assert_msg(strstr(text, lines[_i].line) != NULL, "%s", text);

    free(text);
    json_decref(plan);
}
END_TEST


/* a list that would fill the screen is cut */

START_TEST(test_many_packages)
{
    int      i;
    char    *text, name[16];
    json_t  *plan, *list;

    list = json_array();

    for (i = 0; i < 43; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", name,
                                              "version", "1"));
    }

    plan = json_pack("{s:{s:o}}", "packages", "add", list);
    text = printed(plan);
    ck_assert_ptr_nonnull(strstr(text, "  add        p0 1\n"));
    ck_assert_ptr_nonnull(strstr(text, "             p39 1\n"
                                 "             and 3 more (--json has all)\n"));
    ck_assert_ptr_null(strstr(text, "p40"));

    free(text);
    json_decref(plan);
}
END_TEST


/* of another supervisor: what is lacking is left out */

START_TEST(test_nothing)
{
    char    *text;
    json_t  *plan;

    plan = json_object();
    text = printed(plan);
    ck_assert_ptr_nonnull(strstr(text, "download     unknown\n"));
    ck_assert_ptr_null(strstr(text, "runtime requirements"));

    free(text);
    json_decref(plan);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("print_plan");
    tcase = tcase_create("print_plan");
    tcase_add_loop_test(tcase, test_lines, 0,
                        sizeof(lines) / sizeof(lines[0]));
    tcase_add_test(tcase, test_many_packages);
    tcase_add_test(tcase, test_nothing);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
