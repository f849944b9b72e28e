/* SPDX-License-Identifier: MIT */
/*
 * What decides the name of an environment, and what does not.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/environment_key.h"


#define PYTHON  "cpython 3.12.3 linux-x86_64 cpython-312-x86_64-linux-gnu"
#define UV      "uv 0.9.7"
#define HASH    "    --hash=sha256:00\n"

static const char  lock[] = "a==1.0 \\\n" HASH
    "b @ file:///srv/data/bundles/b-1-01234567/b-1-py3-none-any.whl \\\n" HASH;


static const struct {
    const char  *lock;
    const char  *python;
    const char  *uv;
    bool         same;
} keys[] = {
    { lock, PYTHON, UV, true },

    /* comments name the directory in which the lock was made */

    { "# core: 1.2.10\na==1.0 \\\n" HASH "    # via -r /tmp/x/shared.in\n\n"
      "b @ file:///srv/data/bundles/b-1-01234567/b-1-py3-none-any.whl \\\n"
      HASH "\t# via a\n", PYTHON, UV, true },

    /* wheels lie elsewhere on another replica; no newline at the end */

    { "a==1.0 \\\n" HASH "b @ file:///b-1-py3-none-any.whl \\\n"
      "    --hash=sha256:00", PYTHON, UV, true },

    { "a==1.1 \\\n" HASH "b @ file:///b-1-py3-none-any.whl \\\n" HASH,
      PYTHON, UV, false },
    { "a==1.0 \\\n" HASH "b @ file:///b-2-py3-none-any.whl \\\n" HASH,
      PYTHON, UV, false },
    { "a==1.0 \\\n" HASH "b @ file:///b-1-py3-none-any.whl \\\n"
      "    --hash=sha256:01\n", PYTHON, UV, false },
    { "a==1.0 \\\n" HASH, PYTHON, UV, false },
    { "", PYTHON, UV, false },

    /* an address stays whole */

    { "a==1.0 \\\n" HASH "b @ https://b-1-py3-none-any.whl \\\n" HASH,
      PYTHON, UV, false },
    { lock, "cpython 3.12.4 linux-x86_64 cpython-312-x86_64-linux-gnu", UV,
      false },
    { lock, "cpython 3.12.3 linux-aarch64 cpython-312-aarch64-linux-gnu", UV,
      false },
    { lock, PYTHON, "uv 0.9.8", false },

    /* one does not run into the other */

    { lock, "", PYTHON "\n" UV, false },
};


START_TEST(test_key)
{
    char  first[ENVIRONMENT_KEY_LENGTH + 1], key[ENVIRONMENT_KEY_LENGTH + 1];

    ck_assert_int_eq(environment_key(lock, PYTHON, UV, first, NULL), 0);
    ck_assert_int_eq(environment_key(keys[_i].lock, keys[_i].python,
                                     keys[_i].uv, key, NULL), 0);
    ck_assert_uint_eq(strlen(key), ENVIRONMENT_KEY_LENGTH);
    ck_assert_uint_eq(strspn(key, "0123456789abcdef"),
                      ENVIRONMENT_KEY_LENGTH);
    ck_assert_int_eq(strcmp(first, key) == 0, keys[_i].same);
}
END_TEST


/* the name must not change with the next version of ours */

START_TEST(test_known_key)
{
    char  key[ENVIRONMENT_KEY_LENGTH + 1];

    ck_assert_int_eq(environment_key(lock, PYTHON, UV, key, NULL), 0);
    ck_assert_str_eq(key, "0b33c7538bd529b6");
}
END_TEST


static const struct {
    const char  *output;
    const char  *tool;
} outputs[] = {
    { "uv 0.9.7\n", "uv 0.9.7" },
    { "warning: something\nuv 0.9.7 (0123 2026-01-01)\n\n",
      "uv 0.9.7 (0123 2026-01-01)" },
    { "", NULL },
    { "\n \n", NULL },
    { "uv\t0.9.7\n", NULL },
    { "uv \xc3\xa4\n", NULL },
    { "uv \x1b[1m\n", NULL },
};


START_TEST(test_tool)
{
    char  *tool;

    tool = environment_tool(outputs[_i].output);

    if (outputs[_i].tool == NULL) {
        ck_assert_ptr_null(tool);

    } else {
        ck_assert_ptr_nonnull(tool);
        ck_assert_str_eq(tool, outputs[_i].tool);
    }

    free(tool);
}
END_TEST


START_TEST(test_tool_length)
{
    char  *tool, line[ENVIRONMENT_TOOL_MAX + 2];

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    ck_assert_ptr_null(environment_tool(line));

    line[ENVIRONMENT_TOOL_MAX] = '\0';
    tool = environment_tool(line);
    ck_assert_ptr_nonnull(tool);
    ck_assert_str_eq(tool, line);
    free(tool);
}
END_TEST


static const struct {
    const char  *directory;
    bool         is_of_a;
} names[] = {
    { "/e/a-0123456789abcdef", true },
    { "a-0123456789abcdef",    true },
    { "/e/a-0123456789abcdef-2", true },
    { "/e/a-1",                true },
    { "/e/a-0123456789abcdef-", false },
    { "/e/a-0123456789abcdef-2a", false },
    { "/e/a-0123456789abcdef-2-3", false },
    { "/e/a-4294967296",       true },
    { "/e/a-0123456789abcde",  false },
    { "/e/a-0123456789abcdef0", false },
    { "/e/a-0123456789ABCDEF", false },
    { "/e/a-",                 false },
    { "/e/a",                  false },
    { "/e/b-1",                false },
    { "/e/a-b-1",              false },
    { "/e/a-1-2",              false },
    { "/e/ab-1",               false },
    { "/e/.tmp-a-1",           false },
};


START_TEST(test_names)
{
    ck_assert_int_eq(environment_key_is_of(names[_i].directory, "a"),
                     names[_i].is_of_a);
}
END_TEST


#define COUNT(table)  ((int) (sizeof(table) / sizeof(table[0])))

int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("environment_key");
    tcase = tcase_create("environment_key");
    tcase_add_loop_test(tcase, test_key, 0, COUNT(keys));
    tcase_add_test(tcase, test_known_key);
    tcase_add_loop_test(tcase, test_tool, 0, COUNT(outputs));
    tcase_add_test(tcase, test_tool_length);
    tcase_add_loop_test(tcase, test_names, 0, COUNT(names));
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
