/* SPDX-License-Identifier: MIT */
/*
 * Sections of Markdown.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/description.h"


static const struct {
    const char  *text;
    const char  *section;           /* NULL: there is none */
} sections[] = {
    { "",                                                   NULL },
    { "needs",                                              NULL },
    { "needs\nx\n",                                         NULL },
    { "# needs",                                            NULL },
    { "# needs\n\n \n",                                     NULL },
    { "# needs\nx",                                         "x" },
    { "# NeeDs  ##  \r\n\r\n  x\r\ny\r\n\r\n",              "  x\ny" },
    { "#needs\nx\n",                                        NULL },
    { "####### needs\nx\n",                                 NULL },
    { "    # needs\nx\n",                                   NULL },
    { "\t# needs\nx\n",                                     NULL },
    { "   # needs\nx\n",                                    "x" },
    { "# needs#\nx\n",                                      NULL },
    { "# needs more\nx\n",                                  NULL },

    /* as far as the next one of its level, or a higher one */
    { "# a\n## needs\nx\n### b\ny\n## c\nz\n",              "x\n### b\ny" },
    { "# a\n## needs\nx\n# c\nz\n",                         "x" },
    { "## needs\nx\n## needs\ny\n",                         "x" },
    { "## needs\nx\n##\ny\n",                               "x" },

    /* underlined */
    { "needs\n=====\nx\n\ny\n-\nz\n\na\n=\nb\n",            "x\n\ny\n-\nz" },
    { "needs\n---\nx\n\ny\n---\nz\n",                       "x" },
    { "# a\nneeds\n---\nx\n",                               "x" },
    { "it\nneeds\n---\nx\n",                                NULL },
    { "needs\n\n---\nx\n",                                  NULL },
    { "## needs\n- x\n---\n| a |\n---\n> q\n---\ny\n",
      "- x\n---\n| a |\n---\n> q\n---\ny" },

    /* fenced */
    { "```\n# needs\n```\n# needs\nx\n",                    "x" },
    { "~~~~ sh\n~~~\n# needs\n~~~~\n# needs\nx\n",          "x" },
    { "``` sh\n# needs\n~~~\n# needs\nx\n",                 NULL },
    { "# needs\n```sh\n# comment\n```\nx\n# y\n",
      "```sh\n# comment\n```\nx" },
    { "# needs\n```x```\n# y\n",                            "```x```" },
    { "```\nx\n```\nneeds\n---\nx\n",                       "x" },

    /* clean for a terminal */
    { "# needs\n\033[31mx\a\xffy\ttab \xc3\xa9\n",
      "?[31mx??y\ttab \xc3\xa9" },
    { "# needs\nx\ry\n",                                    "x?y" },
};


START_TEST(test_sections)
{
    char  *section;

    section = description_section(sections[_i].text,
                                  strlen(sections[_i].text), "Needs");

    if (sections[_i].section == NULL) {
        ck_assert_msg(section == NULL, "%s", section);

    } else {
        ck_assert_ptr_nonnull(section);
        ck_assert_str_eq(section, sections[_i].section);
    }

    free(section);
}
END_TEST


START_TEST(test_nul)
{
    char  *section;

    section = description_section("# needs\nx\0y\n", 12, "needs");
    ck_assert_str_eq(section, "x?y");
    free(section);
}
END_TEST


/* cut at the end of a line, or else within it */

START_TEST(test_long)
{
    char           *section;
    int             i;
    size_t          len;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, "# needs\n");

    for (i = 0; i < 1000; i++) {
        strbuf_puts(&text, "line of this text\n");
    }

    section = description_section(text.data, text.len, "needs");
    len = strlen(section);
    ck_assert_uint_le(len, DESCRIPTION_SECTION_MAX + 4);
    ck_assert_uint_gt(len, DESCRIPTION_SECTION_MAX - 20);
    ck_assert_str_eq(section + len - 9, " text\n...");
    free(section);

    for (i = 8; i < (int) text.len; i++) {
        text.data[i] = 'x';
    }

    section = description_section(text.data, text.len, "needs");
    len = strlen(section);
    ck_assert_uint_eq(len, DESCRIPTION_SECTION_MAX + 4);
    ck_assert_str_eq(section + len - 5, "x\n...");
    free(section);
    strbuf_free(&text);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("description");
    tcase = tcase_create("description");
    tcase_add_loop_test(tcase, test_sections, 0,
                        sizeof(sections) / sizeof(sections[0]));
    tcase_add_test(tcase, test_nul);
    tcase_add_test(tcase, test_long);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
