/* SPDX-License-Identifier: MIT */
/*
 * Byte strings and allocation, out of memory included.
 */

#include "lib/strbuf.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <check.h>


START_TEST(test_append)
{
    size_t         i;
    struct strbuf  b = { 0 };

    ck_assert_str_eq(strbuf_text(&b), "");

    strbuf_append(&b, NULL, 0);
    ck_assert_str_eq(strbuf_text(&b), "");

    for (i = 0; i < 10000; i++) {
        strbuf_append(&b, "abcdefghij" + i % 10, 1);
        ck_assert_uint_eq(b.len, i + 1);
        ck_assert_uint_gt(b.size, b.len);
        ck_assert_int_eq(b.data[b.len], '\0');
    }

    for (i = 0; i < 10000; i++) {
        ck_assert_int_eq(b.data[i], "abcdefghij"[i % 10]);
    }

    strbuf_append(&b, "\0x", 2);
    ck_assert_uint_eq(b.len, 10002);
    strbuf_free(&b);
    ck_assert_ptr_null(b.data);
    ck_assert_str_eq(strbuf_text(&b), "");
    strbuf_free(&b);
}
END_TEST


START_TEST(test_printf)
{
    struct strbuf  b = { 0 };

    strbuf_printf(&b, "%s", "");
    ck_assert_uint_eq(b.len, 0);
    strbuf_printf(&b, "%d-", 42);
    strbuf_printf(&b, "%0500d", 7);
    ck_assert_uint_eq(b.len, 503);
    ck_assert_int_eq(strncmp(b.data, "42-000", 6), 0);
    ck_assert_int_eq(b.data[502], '7');
    strbuf_puts(&b, "end");
    ck_assert_str_eq(b.data + 503, "end");
    strbuf_free(&b);
}
END_TEST


START_TEST(test_consume_and_clear)
{
    struct strbuf  b = { 0 };

    strbuf_consume(&b, 3);
    strbuf_clear(&b);
    strbuf_puts(&b, "hello world");
    strbuf_consume(&b, 0);
    strbuf_consume(&b, 6);
    ck_assert_str_eq(strbuf_text(&b), "world");
    strbuf_consume(&b, 99);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_str_eq(strbuf_text(&b), "");
    strbuf_puts(&b, "again");
    strbuf_clear(&b);
    ck_assert_str_eq(strbuf_text(&b), "");
    strbuf_free(&b);
}
END_TEST


START_TEST(test_memory)
{
    char      *text;
    size_t     i;
    uint8_t   *bytes;
    uint64_t  *words;

    bytes = mem_alloc(1000);

    for (i = 0; i < 1000; i++) {
        ck_assert_uint_eq(bytes[i], 0);
    }

    free(bytes);
    free(mem_alloc(0));

    words = mem_grow(NULL, 4, sizeof(uint64_t));
    words[3] = 5;
    words = mem_grow(words, 4000, sizeof(uint64_t));
    ck_assert_uint_eq(words[3], 5);
    words = mem_grow(words, 0, sizeof(uint64_t));
    ck_assert_ptr_nonnull(words);
    free(words);

    text = mem_strdup("copy");
    ck_assert_str_eq(text, "copy");
    free(text);

    text = mem_printf("%s-%03d", "a", 7);
    ck_assert_str_eq(text, "a-007");
    free(text);
}
END_TEST


#if !defined(__SANITIZE_ADDRESS__)

static void
quiet(void)
{
    int            fd;
    struct rlimit  none = { 0, 0 };

    fd = open("/dev/null", O_WRONLY);
    dup2(fd, STDERR_FILENO);
    setrlimit(RLIMIT_CORE, &none);
}


/* count * size wraps around: no small block may come out of it */

START_TEST(test_overflow_aborts)
{
    quiet();
    free(mem_grow(NULL, SIZE_MAX / 4, 8));
}
END_TEST


START_TEST(test_out_of_memory_aborts)
{
    quiet();
    free(mem_alloc(SIZE_MAX / 4));
}
END_TEST


START_TEST(test_endless_append_aborts)
{
    struct strbuf  b = { 0 };

    quiet();
    strbuf_puts(&b, "x");
    strbuf_append(&b, "x", SIZE_MAX - 1);
}
END_TEST

#endif


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("strbuf");
    tcase = tcase_create("strbuf");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_append);
    tcase_add_test(tcase, test_printf);
    tcase_add_test(tcase, test_consume_and_clear);
    tcase_add_test(tcase, test_memory);

    /* a sanitizer reports such a size in its own way */

#if !defined(__SANITIZE_ADDRESS__)
    tcase_add_test_raise_signal(tcase, test_overflow_aborts, SIGABRT);
    tcase_add_test_raise_signal(tcase, test_out_of_memory_aborts, SIGABRT);
    tcase_add_test_raise_signal(tcase, test_endless_append_aborts, SIGABRT);
#endif

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
