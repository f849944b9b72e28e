/* SPDX-License-Identifier: MIT */
/*
 * Pure parts of the doctor: nginx's configuration as text, what another user
 * may reach.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/observe/access_as.h"
#include "supervisor/observe/child_program.h"
#include "supervisor/observe/nginx_text.h"


static const struct {
    const char  *text;
    const char  *name;
    const char  *expected;      /* NULL: there is none */
}  directives[] = {
    { "a 1; b 2;", "b", "2" },
    { "a 1;\n  b\t 2  3 ;", "b", "2 3" },
    { "http { server { b 7; } }", "b", "7" },
    { "# b 1;\nb 2;", "b", "2" },
    { "a b 1; b 2;", "b", "2" },
    { "a \"; b 1;\"; b 2;", "b", "2" },
    { "a 'x\\'; b 1;'; b 2;", "b", "2" },
    { "bb 1; b 2;", "b", "2" },
    { "b 1; b 2;", "b", "1" },
    { "b;", "b", "" },
    { "b 1 # 2;\n 3;", "b", "1 3" },
    { "b { x 1; }", "b", "" },
    { "b 1", "b", NULL },
    { "", "b", NULL },
    { "ab 1;", "b", NULL },
    { "a \"b 1;", "b", NULL },
};


START_TEST(directives_are_found)
{
    char    value[64];
    size_t  i;

    for (i = 0; i < sizeof(directives) / sizeof(directives[0]); i++) {
        if (directives[i].expected == NULL) {
            ck_assert_msg(!nginx_text_directive(directives[i].text,
                              directives[i].name, value, sizeof(value)),
                          "%s", directives[i].text);
            continue;
        }

        ck_assert_msg(nginx_text_directive(directives[i].text,
                          directives[i].name, value, sizeof(value)),
                      "%s", directives[i].text);
        ck_assert_str_eq(value, directives[i].expected);
    }

    /* what does not fit is cut */
    ck_assert(nginx_text_directive("b 123456789;", "b", value, 4));
    ck_assert_str_eq(value, "123");
}
END_TEST


static const struct {
    const char  *text;
    long         ms;
}  times[] = {
    { "60", 60000 }, { "60s", 60000 }, { "500ms", 500 }, { "1h30m", 5400000 },
    { "1h", 3600000 }, { "2m5s", 125000 }, { "1d", 86400000 }, { "0", 0 },
    { "", -1 }, { "x", -1 }, { "1x", -1 }, { "-1", -1 },
    { "99999999999", -1 }, { "5m", 300000 }, { "5ms", 5 }, { "1w", 604800000 },
};


START_TEST(times_are_read)
{
    size_t  i;

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        ck_assert_msg(nginx_text_ms(times[i].text) == times[i].ms, "%s",
                      times[i].text);
    }
}
END_TEST


START_TEST(another_user_sees_mode_bits)
{
    int                  fd;
    char                 place[] = "/tmp/mint-access-XXXXXX";
    char                 file[64], inner[64], where[256];
    struct access_user   other = { 54321, { 54322 }, 1 };
    struct access_user   group = { 54321, { 54322, 0 }, 2 };
    struct access_user   root = { 0, { 0 }, 1 };
    struct access_user   own;

    ck_assert_ptr_nonnull(mkdtemp(place));
    snprintf(inner, sizeof(inner), "%s/d", place);
    snprintf(file, sizeof(file), "%s/d/f", place);
    ck_assert_int_eq(mkdir(inner, 0700), 0);
    fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0640);
    close(fd);
    group.group[1] = getegid();

    ck_assert_int_eq(chmod(place, 0711), 0);
    ck_assert_int_eq(chmod(inner, 0710), 0);
    ck_assert_int_eq(chmod(file, 0640), 0);
    ck_assert(access_as(&group, file, R_OK, where, sizeof(where)));
    ck_assert(!access_as(&group, file, W_OK, where, sizeof(where)));
    ck_assert_str_eq(where, file);
    ck_assert_int_eq(errno, EACCES);
    ck_assert(access_as(&root, file, R_OK | W_OK, where, sizeof(where)));

    ck_assert(!access_as(&other, file, R_OK, where, sizeof(where)));
    ck_assert_int_eq(chmod(file, 0644), 0);
    ck_assert(!access_as(&other, file, R_OK, where, sizeof(where)));
    ck_assert_str_eq(where, inner);

    /* the first place on the way is named */
    ck_assert_int_eq(chmod(place, 0700), 0);
    ck_assert(!access_as(&other, file, R_OK, where, sizeof(where)));
    ck_assert_str_eq(where, place);

    ck_assert(!access_as(&root, "/nonexistent/x", R_OK, where,
                         sizeof(where)));
    ck_assert_int_eq(errno, ENOENT);
    ck_assert(access_user_of(getpid(), &own));
    ck_assert_uint_eq(own.uid, geteuid());
    ck_assert_uint_eq(own.group[0], getegid());
    ck_assert(!access_user_of(0, &own));

    ck_assert_int_eq(fs_remove_tree(place, NULL), 0);
}
END_TEST


static void
hear_line(void *ctx, const char *line)
{
    strbuf_printf(ctx, "<%s>", line);
}


/* each whole line once, also when pieces of it come one after the other */

START_TEST(lines_are_told_when_they_come)
{
    struct error       err;
    struct strbuf      out = { 0 }, lines = { 0 };
    const char *const  says[] = {
        "sh", "-c", "printf 'a\\n\\nb'; sleep 0.2; printf 'c\\nrest'", NULL
    };

    strbuf_puts(&out, "before\n");
    ck_assert_int_eq(child_program_follow(says, 20, &out, hear_line, &lines,
                                          &err), 0);
    ck_assert_str_eq(out.data, "before\na\n\nbc\nrest");
    ck_assert_str_eq(lines.data, "<a><><bc>");
    strbuf_free(&out);
    strbuf_free(&lines);
}
END_TEST


START_TEST(programs_are_run_under_a_deadline)
{
    struct error       err;
    struct strbuf      out = { 0 };
    const char *const  says[] = { "sh", "-c", "echo a; echo b >&2; exit 3",
                                  NULL };
    const char *const  sleeps[] = { "sleep", "60", NULL };
    const char *const  dies[] = { "sh", "-c", "kill -9 $$", NULL };
    const char *const  none[] = { "/nonexistent/program", NULL };

    ck_assert_int_eq(child_program_run(says, 20, &out, &err), 3);
    ck_assert_str_eq(out.data, "a\nb\n");
    ck_assert_int_eq(child_program_run(sleeps, 1, &out, &err),
                     MINT_ERR_TIMEOUT);
    ck_assert_int_eq(child_program_run(dies, 20, &out, &err),
                     MINT_ERR_SYSTEM);
    ck_assert_int_eq(child_program_run(none, 20, &out, &err),
                     MINT_ERR_NOT_FOUND);
    strbuf_free(&out);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tc;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("doctor");
    tc = tcase_create("doctor");
    tcase_add_test(tc, directives_are_found);
    tcase_add_test(tc, times_are_read);
    tcase_add_test(tc, another_user_sees_mode_bits);
    tcase_add_test(tc, lines_are_told_when_they_come);
    tcase_add_test(tc, programs_are_run_under_a_deadline);
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
