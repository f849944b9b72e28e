/* SPDX-License-Identifier: MIT */
/*
 * Which conflicts of files are new, and how they are told.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/conflict.h"


#define PACKAGE(name, version)  "{\"name\":\"" name "\",\"version\":\"" \
    version "\",\"requires\":[]}"
#define CONFLICT(kind, path, count, packages)  "{\"kind\":\"" kind "\"," \
    "\"path\":\"" path "\",\"count\":" count ",\"packages\":[" packages "]}"
#define WHO(name, version)  "{\"name\":\"" name "\",\"version\":\"" version \
    "\"}"


static struct inventory  now, then;


static void
read_one(struct inventory *out, const char *packages, const char *conflicts)
{
    char  *text;

    text = mem_printf("{\"interpreter\":{},\"packages\":[%s]%s%s}", packages,
                      conflicts[0] != '\0' ? "," : "", conflicts);
    ck_assert_int_eq(inventory_parse(out, text, strlen(text), NULL), 0);
    free(text);
}


/* NULL: no conflict; a conflict of the newcomer "Peak.Tool" */

static void
check_brought(const char *sentence)
{
    json_t  *list;

    list = conflict_brought(&now, &then, "Peak.Tool");

    if (sentence == NULL) {
        ck_assert_ptr_null(list);

    } else {
        ck_assert_ptr_nonnull(list);
        ck_assert_str_eq(conflict_sentence(list), sentence);
        ck_assert_str_eq(json_string_value(json_object_get(
                             json_array_get(list, 0), "environment")),
                         "shared");
    }

    json_decref(list);
    inventory_clear(&now);
    inventory_clear(&then);
}


START_TEST(test_its_own)
{
    read_one(&then, PACKAGE("other", "2.0"), "\"conflicts\":[]");
    read_one(&now, PACKAGE("other", "2.0") "," PACKAGE("peak_tool", "1.0"),
             "\"conflicts\":[" CONFLICT("file", "tool/x.py", "1",
             WHO("other", "2.0") "," WHO("peak_tool", "1.0")) "]");
    check_brought("it brings tool/x.py, which other 2.0 in the shared "
                  "environment has, too");
}
END_TEST


START_TEST(test_of_what_comes_with_it)
{
    read_one(&then, PACKAGE("other", "2.0"), "");
    read_one(&now, PACKAGE("other", "2.0"), "\"conflicts\":["
             CONFLICT("library", "libpeak.so.3", "2",
                      WHO("dep", "1.0") "," WHO("other", "2.0")) "]");
    check_brought("dep 1.0, which comes with it, brings libpeak.so.3 and 1 "
                  "other library, which other 2.0 in the shared "
                  "environment has in another version");
}
END_TEST


START_TEST(test_between_newcomers)
{
    read_one(&then, PACKAGE("other", "2.0"), "");
    read_one(&now, "", "\"conflicts\":[" CONFLICT("file", "x.py", "1",
             WHO("dep", "1.0") "," WHO("dep2", "1.1")) "]");
    check_brought("dep 1.0, which comes with it, brings x.py, which dep2 1.1 "
                  "brings, too");
}
END_TEST


/* others move: what they had in common before is no news, anything more is */

START_TEST(test_known)
{
    static const struct {
        const char  *path;
        const char  *count;
        bool         is_new;
    } cases[] = {
        { "x.py", "1", false },
        { "x.py", "2", true },
        { "y.py", "1", true },
    };

    char  *text;

    text = mem_printf("\"conflicts\":[" CONFLICT("file", "%s", "%s",
                      WHO("a", "1.1") "," WHO("b", "1.0")) "]",
                      cases[_i].path, cases[_i].count);
    read_one(&then, PACKAGE("a", "1.0") "," PACKAGE("b", "1.0"),
             "\"conflicts\":[" CONFLICT("file", "x.py", "1",
             WHO("a", "1.0") "," WHO("b", "1.0")) "]");
    read_one(&now, "", text);
    free(text);
    text = mem_printf("a 1.1, which comes with it, brings %s%s, which b 1.0 "
                      "in the shared environment has, too", cases[_i].path,
                      cases[_i].count[0] == '2' ? " and 1 other file" : "");
    check_brought(cases[_i].is_new ? text : NULL);
    free(text);
}
END_TEST


/* in an environment of an earlier version nobody has looked for conflicts */

START_TEST(test_was_there)
{
    read_one(&then, PACKAGE("a", "1.0") "," PACKAGE("b", "1.0"), "");
    read_one(&now, "", "\"conflicts\":[" CONFLICT("file", "x.py", "1",
             WHO("a", "1.0") "," WHO("b", "1.0")) "]");
    check_brought(NULL);
}
END_TEST


/* ... so of one between its packages, in whatever version, nobody knows who
   has brought it; of nothing at all, only the newcomer's own is certain */

START_TEST(test_nobody_has_looked)
{
    static const struct {
        const char  *then;
        const char  *who;
        const char  *sentence;
    } cases[] = {
        { PACKAGE("a", "1.0") "," PACKAGE("b", "1.0"),
          WHO("a", "1.1") "," WHO("b", "1.0"), NULL },
        { PACKAGE("b", "1.0"), WHO("a", "1.1") "," WHO("b", "1.0"),
          "a 1.1, which comes with it, brings x.py, which b 1.0 in the shared "
          "environment has, too" },
        { "", WHO("a", "1.1") "," WHO("b", "1.0"), NULL },
        { "", WHO("a", "1.1") "," WHO("peak_tool", "1.0"),
          "it brings x.py, which a 1.1 brings, too" },
    };

    char  *text;

    text = mem_printf("\"conflicts\":[{\"kind\":\"file\",\"path\":\"x.py\","
                      "\"count\":1,\"packages\":[%s]}]", cases[_i].who);
    read_one(&then, cases[_i].then, "");
    read_one(&now, "", text);
    free(text);
    check_brought(cases[_i].sentence);
}
END_TEST


START_TEST(test_left_off)
{
    read_one(&then, "", "\"conflicts_more\":1");
    read_one(&now, "", "\"conflicts_more\":1");
    check_brought(NULL);

    read_one(&then, "", "");
    read_one(&now, "", "\"conflicts_more\":1");
    check_brought("more of its files are those of several packages than can "
                  "be told");
}
END_TEST


START_TEST(test_odd)
{
    static const char *const  odd[] = {
        "\"conflicts\":null", "\"conflicts\":{}", "\"conflicts\":[1,null]",
        "\"conflicts\":[{}]", "\"conflicts\":[{\"kind\":1}]",
        "\"conflicts\":[{\"kind\":\"file\",\"packages\":[1]}]",
        "\"conflicts\":[{\"kind\":\"other\",\"packages\":[{},{}]}]",
    };

    read_one(&then, "", "");
    read_one(&now, "", odd[_i]);
    ck_assert_ptr_null(conflict_own(&now));
    check_brought(NULL);
}
END_TEST


/* texts that are missing are none */

START_TEST(test_nameless)
{
    read_one(&then, "", "\"conflicts\":[]");
    read_one(&now, "", "\"conflicts\":[{\"kind\":\"file\",\"packages\":[1,"
             "{}]}]");
    check_brought(" , which comes with it, brings , which   brings, too");
}
END_TEST


START_TEST(test_own)
{
    json_t  *list;

    read_one(&now, "", "\"conflicts\":["
             CONFLICT("file", "x.py", "3", WHO("a", "1") "," WHO("b", "2"))
             "," CONFLICT("library", "libx.so", "1", WHO("a", "1") ","
                          WHO("b", "2")) "]");
    list = conflict_own(&now);
    ck_assert_uint_eq(json_array_size(list), 2);
    ck_assert_str_eq(conflict_sentence(list), "a 1 and b 2 both bring x.py "
                     "and 2 other files");
    json_array_remove(list, 0);
    ck_assert_str_eq(conflict_sentence(list), "a 1 and b 2 both bring "
                     "libx.so, in different versions");
    json_decref(list);
    inventory_clear(&now);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("conflict");
    tcase = tcase_create("conflict");
    tcase_add_test(tcase, test_its_own);
    tcase_add_test(tcase, test_of_what_comes_with_it);
    tcase_add_test(tcase, test_between_newcomers);
    tcase_add_loop_test(tcase, test_known, 0, 3);
    tcase_add_test(tcase, test_was_there);
    tcase_add_loop_test(tcase, test_nobody_has_looked, 0, 4);
    tcase_add_test(tcase, test_left_off);
    tcase_add_loop_test(tcase, test_odd, 0, 7);
    tcase_add_test(tcase, test_nameless);
    tcase_add_test(tcase, test_own);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
