/* SPDX-License-Identifier: MIT */
/*
 * docs/configuration.md says of each key what the table says, and names no
 * key that is not in the table.  Run from the root of the sources or with
 * MINT_SOURCE_ROOT.
 */

#include "lib/config_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "lib/fs.h"


static struct strbuf  document;


static void
read_document(void)
{
    int           rc;
    char          path[4200];
    const char   *root;
    struct error  err;

    root = getenv("MINT_SOURCE_ROOT");
    snprintf(path, sizeof(path), "%s/docs/configuration.md",
             root == NULL ? "." : root);
    rc = fs_read(path, 1024 * 1024, &document, &err);
    ck_assert_msg(rc == 0, "%s", rc == 0 ? "" : err.text);
}


static void
free_document(void)
{
    strbuf_free(&document);
}


START_TEST(test_every_key_is_documented)
{
    size_t                     i;
    struct strbuf              line = { 0 };
    const struct config_row   *row;

    for (i = 0; i < config_row_count; i++) {
        row = &config_rows[i];

        strbuf_clear(&line);
        strbuf_printf(&line, "\n| `%s` | ", row->path);
        config_type_text(row, &line);
        strbuf_printf(&line, row->flags & CONFIG_COMPUTED ? " | %s | `"
                             : *row->fallback == '\0' ? " | %s| `"
                             : " | `%s` | `", row->fallback);
        config_env_name(row, &line);
        strbuf_printf(&line, "` | %s |\n", row->help);

        ck_assert_msg(strstr(strbuf_text(&document), strbuf_text(&line))
                      != NULL, "not in docs/configuration.md:%s",
                      strbuf_text(&line));
    }

    strbuf_free(&line);
}
END_TEST


START_TEST(test_nothing_else_is_documented)
{
    size_t       rows;
    const char  *p;

    for (rows = 0, p = strbuf_text(&document);
         (p = strstr(p, "\n| `")) != NULL;
         p++)
    {
        rows++;
    }

    ck_assert_uint_eq(rows, config_row_count);
}
END_TEST


/* what is accepted but not acted on stands below its own heading */

START_TEST(test_unused_keys_are_said_to_be_so)
{
    size_t       i;
    char         start[128];
    const char  *heading, *line;

    heading = strstr(strbuf_text(&document), "\n## Accepted, not acted on\n");
    ck_assert_ptr_nonnull(heading);

    for (i = 0; i < config_row_count; i++) {
        snprintf(start, sizeof(start), "\n| `%s` |", config_rows[i].path);
        line = strstr(strbuf_text(&document), start);
        ck_assert_ptr_nonnull(line);
        ck_assert_msg((line > heading)
                      == (config_rows[i].offset == CONFIG_NOT_USED), "%s",
                      config_rows[i].path);
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

    suite = suite_create("config_docs");
    tcase = tcase_create("config_docs");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, read_document, free_document);
    tcase_add_test(tcase, test_every_key_is_documented);
    tcase_add_test(tcase, test_nothing_else_is_documented);
    tcase_add_test(tcase, test_unused_keys_are_said_to_be_so);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
