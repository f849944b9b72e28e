/* SPDX-License-Identifier: MIT */
/*
 * Requirements as METADATA has them.  make conformance has many more.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/requirement.h"


static const struct {
    const char                *whole;
    const char                *text;        /* NULL: not a requirement */
    const char                *name;
    const char                *extras;
    const char                *versions;
    const char                *url;
    bool                       has_marker;
    enum requirement_verdict   verdict;
} requirements[] = {
    { "rich", "rich", "rich", "", "", NULL, false, REQUIREMENT_OPEN },
    { " Rich_2 [B, a ,]x", NULL, "Rich_2", "", "", NULL, false,
      REQUIREMENT_OPEN },
    { " Rich.2 [B, a] (>=1 , <2) ; os_name=='a'", "Rich.2 [B, a] (>=1 , <2)",
      "Rich.2", "B a", "<2,>=1", NULL, true, REQUIREMENT_OPEN },
    { "rich>=1,;extra=='x'", "rich>=1,", "rich", "", ">=1", NULL, true,
      REQUIREMENT_OTHER },
    { "rich @ file:///a;b ; os_name=='a'", "rich @ file:///a;b", "rich", "",
      "", "file:///a;b", true, REQUIREMENT_OTHER },
    { "rich@file:///a;os_name=='a'", "rich@file:///a;os_name=='a'", "rich", "",
      "", "file:///a;os_name=='a'", false, REQUIREMENT_OTHER },
    { "rich===a,>=1", "rich===a,>=1", "rich", "", "===a,>=1", NULL, false,
      REQUIREMENT_OPEN },
    { "rich>=\n1", "rich>=\n1", "rich", "", ">=1", NULL, false,
      REQUIREMENT_OPEN },
    { "a[x,y] ~= 1.0 ; python_version < '4'", "a[x,y] ~= 1.0", "a", "x y",
      "~=1.0", NULL, true, REQUIREMENT_OPEN },
    { "", NULL, "", "", "", NULL, false, REQUIREMENT_OPEN },
    { "rich-", NULL, "", "", "", NULL, false, REQUIREMENT_OPEN },
    { "rich 1.0", NULL, "rich", "", "", NULL, false, REQUIREMENT_OPEN },
    { "rich (>=1", NULL, "rich", "", "", NULL, false, REQUIREMENT_OPEN },
    { "rich>=1,,<2", NULL, "rich", "", "", NULL, false, REQUIREMENT_OPEN },
    { "rich>=1.*", NULL, "rich", "", "", NULL, false, REQUIREMENT_OPEN },
    { "rich[a b]", NULL, "rich", "", "", NULL, false, REQUIREMENT_OPEN },
    { "rich @", NULL, "rich", "", "", NULL, false, REQUIREMENT_OPEN },
    { "rich ; os_name", NULL, "rich", "", "", NULL, false, REQUIREMENT_OPEN },
};


START_TEST(test_requirements)
{
    int                  rc;
    size_t               i;
    struct error         err;
    struct strbuf        text;
    struct requirement   requirement;

    rc = requirement_parse(&requirement, requirements[_i].whole, &err);
    ck_assert_str_eq(requirement.whole, requirements[_i].whole);
    ck_assert_str_eq(requirement.name, requirements[_i].name);

    if (requirements[_i].text == NULL) {
        ck_assert_int_eq(rc, MINT_ERR_INVALID);
        ck_assert_int_eq(requirement.verdict, REQUIREMENT_OPEN);
        requirement_clear(&requirement);
        return;
    }

    ck_assert_int_eq(rc, 0);
    ck_assert_str_eq(requirement.text, requirements[_i].text);
    ck_assert_int_eq(requirement.has_marker, requirements[_i].has_marker);
    ck_assert_int_eq(requirement.verdict, requirements[_i].verdict);
    ck_assert_int_eq(requirement.url != NULL, requirements[_i].url != NULL);

    if (requirement.url != NULL) {
        ck_assert_str_eq(requirement.url, requirements[_i].url);
    }

    memset(&text, 0, sizeof(text));

    for (i = 0; i < requirement.extras.count; i++) {
        strbuf_printf(&text, "%s%s", i > 0 ? " " : "",
                      requirement.extras.item[i]);
    }

    ck_assert_str_eq(strbuf_text(&text), requirements[_i].extras);
    strbuf_clear(&text);
    specifier_set_write(&requirement.specifiers, &text);
    ck_assert_str_eq(strbuf_text(&text), requirements[_i].versions);

    strbuf_free(&text);
    requirement_clear(&requirement);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("requirement");
    tcase = tcase_create("requirement");
    tcase_add_loop_test(tcase, test_requirements, 0,
                        sizeof(requirements) / sizeof(requirements[0]));
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
