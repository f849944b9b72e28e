/* SPDX-License-Identifier: MIT */
/*
 * Error values: codes, texts that stay whole and clean.
 */

#include "lib/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "lib/text.h"


START_TEST(test_set)
{
    struct error  err = { 0 };

    errno = EBADF;
    ck_assert_int_eq(error_set(&err, MINT_ERR_CONFLICT, "plugin \"%s\" %d",
                               "a", 7), MINT_ERR_CONFLICT);
    ck_assert_int_eq(err.code, MINT_ERR_CONFLICT);
    ck_assert_int_eq(err.system_errno, 0);
    ck_assert_str_eq(err.text, "plugin \"a\" 7");

    ck_assert_int_eq(error_set(NULL, MINT_ERR_BUSY, "x"), MINT_ERR_BUSY);
}
END_TEST


START_TEST(test_set_errno)
{
    size_t        i;
    struct error  err = { 0 };

    static const struct {
        int  system_errno;
        int  code;
    } codes[] = {
        { ENOSPC, MINT_ERR_FULL }, { EDQUOT, MINT_ERR_FULL },
        { ENOENT, MINT_ERR_NOT_FOUND }, { EACCES, MINT_ERR_SYSTEM },
        { EIO, MINT_ERR_SYSTEM },
    };

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        errno = codes[i].system_errno;
        ck_assert_int_eq(error_set_errno(&err, "open(\"%s\") failed", "f"),
                         codes[i].code);
        ck_assert_int_eq(errno, codes[i].system_errno);
        ck_assert_int_eq(err.code, codes[i].code);
        ck_assert_int_eq(err.system_errno, codes[i].system_errno);
        ck_assert_ptr_nonnull(strstr(err.text,
                                     strerror(codes[i].system_errno)));
        ck_assert_int_eq(strncmp(err.text, "open(\"f\") failed: ", 18), 0);

        errno = codes[i].system_errno;
        ck_assert_int_eq(error_set_errno(NULL, "x"), codes[i].code);
    }
}
END_TEST


START_TEST(test_prefix)
{
    struct error  err = { 0 };

    errno = ENOENT;
    error_set_errno(&err, "open failed");
    ck_assert_int_eq(error_prefix(&err, "install(\"%s\")", "x"),
                     MINT_ERR_NOT_FOUND);
    ck_assert_str_eq(err.text,
                     "install(\"x\"): open failed: No such file or "
                     "directory");
    ck_assert_int_eq(err.system_errno, ENOENT);
    ck_assert_int_lt(error_prefix(NULL, "x"), 0);
}
END_TEST


/* cut in the middle of a character, it would be no JSON string any more */

START_TEST(test_long_texts_stay_valid)
{
    char          bytes[3001];
    size_t        i;
    struct error  err = { 0 };

    for (i = 0; i < 3000; i += 3) {
        memcpy(bytes + i, "\xe2\x82\xac", 3);
    }

    bytes[3000] = '\0';

    for (i = 0; i < 4; i++) {
        error_set(&err, MINT_ERR_INVALID, "%.*s%s", (int) i, "abc", bytes);
        ck_assert(text_is_utf8(err.text));
        ck_assert_uint_ge(strlen(err.text), sizeof(err.text) - 5);

        error_prefix(&err, "%.*s%s", (int) i, "abc", bytes);
        ck_assert(text_is_utf8(err.text));

        errno = EIO;
        error_set_errno(&err, "%.*s%s", (int) i, "abc", bytes);
        ck_assert(text_is_utf8(err.text));
        ck_assert_ptr_nonnull(strstr(err.text, strerror(EIO)));
    }
}
END_TEST


START_TEST(test_outside_bytes)
{
    struct error  err = { 0 };

    error_set(&err, MINT_ERR_INVALID, "\"%s\"", "a\xff\x1b[31m\r\n\tb\x7f");
    ck_assert_str_eq(err.text, "\"a??[31m?\n\tb?\"");
}
END_TEST


START_TEST(test_names)
{
    ck_assert_str_eq(error_code_name(MINT_ERR_INVALID), "INVALID");
    ck_assert_str_eq(error_code_name(MINT_ERR_NOT_FOUND), "NOT_FOUND");
    ck_assert_str_eq(error_code_name(MINT_ERR_CONFLICT), "CONFLICT");
    ck_assert_str_eq(error_code_name(MINT_ERR_FORBIDDEN), "FORBIDDEN");
    ck_assert_str_eq(error_code_name(MINT_ERR_BUSY), "BUSY");
    ck_assert_str_eq(error_code_name(MINT_ERR_TIMEOUT), "UNAVAILABLE");
    ck_assert_str_eq(error_code_name(MINT_ERR_NOT_BUILT), "NOT_BUILT");
    ck_assert_str_eq(error_code_name(MINT_ERR_SYSTEM), "INTERNAL");
    ck_assert_str_eq(error_code_name(-4711), "INTERNAL");
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("error");
    tcase = tcase_create("error");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_set);
    tcase_add_test(tcase, test_set_errno);
    tcase_add_test(tcase, test_prefix);
    tcase_add_test(tcase, test_long_texts_stay_valid);
    tcase_add_test(tcase, test_outside_bytes);
    tcase_add_test(tcase, test_names);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
