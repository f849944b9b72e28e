/* SPDX-License-Identifier: MIT */
/*
 * What an environment says of itself, and what it may not say.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/inventory.h"


#define WHOLE  "{\"interpreter\":{\"python_version\":\"3.13\"},\"packages\":[" \
    "{\"name\":\"rich\",\"version\":\"14.1.0\",\"requires\":[\"pygments>=2\"," \
    "\"markdown-it-py\"]},{\"name\":\"Pygments\",\"version\":\"2.19\"," \
    "\"requires\":[]}]}"


START_TEST(test_whole)
{
    char              *text;
    json_t            *list;
    struct inventory   inventory;

    ck_assert_int_eq(inventory_parse(&inventory, WHOLE, strlen(WHOLE), NULL),
                     0);
    ck_assert_uint_eq(inventory.count, 2);
    ck_assert_str_eq(inventory.packages[0].version, "14.1.0");
    ck_assert_uint_eq(inventory.packages[0].count, 2);
    ck_assert_str_eq(inventory.packages[0].requires[1], "markdown-it-py");
    ck_assert_uint_eq(inventory.packages[1].count, 0);
    ck_assert_str_eq(inventory.interpreter.variables[0].name,
                     "python_version");
    ck_assert_ptr_null(inventory.doubt);

    ck_assert_uint_eq(inventory_find(&inventory, "pygments"), 1);
    ck_assert_uint_eq(inventory_find(&inventory, "pyg"), INVENTORY_NONE);

    list = inventory_list(&inventory);
    text = json_dumps(list, JSON_SORT_KEYS);
    ck_assert_str_eq(text, "[{\"name\": \"rich\", \"version\": \"14.1.0\"}, "
                     "{\"name\": \"Pygments\", \"version\": \"2.19\"}]");
    free(text);
    json_decref(list);
    inventory_clear(&inventory);
}
END_TEST


START_TEST(test_unknown_requires)
{
    size_t             i;
    struct inventory   inventory;

    static const char *const  texts[] = {
        "{\"interpreter\":{},\"packages\":[{\"name\":\"a\",\"version\":\"1\","
        "\"requires\":null}]}",
        "{\"interpreter\":{},\"packages\":[{\"name\":\"a\",\"version\":\"1\"}"
        "]}",
        "{\"interpreter\":{},\"packages\":[{\"name\":\"a\",\"version\":\"1\","
        "\"requires\":[\"b\",1]}]}",
    };

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_int_eq(inventory_parse(&inventory, texts[i],
                                         strlen(texts[i]), NULL), 0);
        ck_assert_str_eq(inventory.doubt,
                         "a package does not say what it requires");
        inventory_clear(&inventory);
    }
}
END_TEST


START_TEST(test_broken)
{
    size_t             i;
    struct error       err;
    struct inventory   inventory;

    static const struct {
        const char  *text;
        const char  *why;
    } broken[] = {
        { "", "'[' or '{' expected near end of file" },
        { "[]", "interpreter: expected an object" },
        { "{\"interpreter\":{\"os_name\":1}}",
          "interpreter: os_name: expected text" },
        { "{\"interpreter\":{}}", "packages: expected a list" },
        { "{\"interpreter\":{},\"packages\":[{\"name\":\"a\",\"version\":\"1\""
          ",\"requires\":[\"b\"]},{\"name\":\"a\"}]}",
          "packages[1]: expected name and version" },
        { "{\"interpreter\":{\"a\":\"b\"},\"packages\":[1]}",
          "packages[0]: expected name and version" },
    };

    for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        ck_assert_int_eq(inventory_parse(&inventory, broken[i].text,
                                         strlen(broken[i].text), &err),
                         MINT_ERR_INVALID);
        ck_assert_str_eq(err.text, broken[i].why);
        ck_assert_ptr_null(inventory.packages);
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

    suite = suite_create("inventory");
    tcase = tcase_create("all");
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, test_whole);
    tcase_add_test(tcase, test_unknown_requires);
    tcase_add_test(tcase, test_broken);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed != 0;
}
