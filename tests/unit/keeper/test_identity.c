/* SPDX-License-Identifier: MIT */
/*
 * Which ids the keeper lets the supervisor ask for.
 */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper/keeper.h"


struct keeper  keeper;


static void
setup(void)
{
    memset(&keeper, 0, sizeof(keeper));
    keeper.is_root = 1;
    keeper.supervisor.uid = 500;
    keeper.supervisor.gid = 501;
}


static const struct {
    const char  *text;
    char         separator;
    int          max;
    int          count;
    uint32_t     number[3];
} numbers[] = {
    { "1", ':', 3, 1, { 1, 0, 0 } },
    { "0", ':', 3, 1, { 0, 0, 0 } },
    { "1:22:333", ':', 3, 3, { 1, 22, 333 } },
    { "60706-61183", '-', 2, 2, { 60706, 61183, 0 } },
    { "4294967294", ':', 1, 1, { 4294967294U, 0, 0 } },
    { "4294967295", ':', 1, 0, { 0, 0, 0 } },
    { "99999999999999999999999", ':', 1, 0, { 0, 0, 0 } },
    { "1:2:3:4", ':', 3, 0, { 0, 0, 0 } },
    { "1-2", ':', 3, 0, { 0, 0, 0 } },
    { "1:", ':', 3, 0, { 0, 0, 0 } },
    { ":1", ':', 3, 0, { 0, 0, 0 } },
    { "1::2", ':', 3, 0, { 0, 0, 0 } },
    { "", ':', 3, 0, { 0, 0, 0 } },
    { " 1", ':', 3, 0, { 0, 0, 0 } },
    { "+1", ':', 3, 0, { 0, 0, 0 } },
    { "-1", ':', 3, 0, { 0, 0, 0 } },
    { "1: 2", ':', 3, 0, { 0, 0, 0 } },
    { "1 ", ':', 3, 0, { 0, 0, 0 } },
    { "0x1", ':', 3, 0, { 0, 0, 0 } },
    { "30", '\0', 1, 1, { 30, 0, 0 } },
    { "30s", '\0', 1, 0, { 0, 0, 0 } }
};


START_TEST(numbers_are_strict)
{
    int       i, count;
    uint32_t  list[3] = { 0, 0, 0 };

    count = identity_numbers(numbers[_i].text, numbers[_i].separator, list,
                             numbers[_i].max);
    ck_assert_msg(count == numbers[_i].count, "\"%s\": %d numbers",
                  numbers[_i].text, count);

    for (i = 0; i < count; i++) {
        ck_assert_uint_eq(list[i], numbers[_i].number[i]);
    }
}
END_TEST


static const struct {
    uint32_t  uid, gid, extra;
    int       allowed;
} asked[] = {
    { 500, 501, 0, 1 },             /* the supervisor itself */
    { UINT32_MAX, UINT32_MAX, 0, 1 },
    { 600, 601, 0, 1 },             /* a named one */
    { 600, 602, 0, 1 },             /* with a further group of its */
    { 600, 501, 602, 1 },
    { 601, 601, 0, 0 },             /* a gid is not a uid */
    { 600, 600, 0, 0 },
    { 700, 700, 0, 1 },             /* the range and its ends */
    { 710, 710, 710, 1 },
    { 699, 700, 0, 0 },
    { 700, 699, 0, 0 },
    { 711, 700, 0, 0 },
    { 700, 711, 0, 0 },
    { 700, 700, 711, 0 },
    { 0, 700, 0, 0 },               /* never root */
    { 700, 0, 0, 0 },
    { 0, 0, 0, 0 },
    { 700, 700, UINT32_MAX, 0 },
    { UINT32_MAX - 1, 700, 0, 0 }
};


START_TEST(root_gives_what_was_named)
{
    ck_assert_int_eq(identity_add("600:601:602", 0), 0);
    ck_assert_int_eq(identity_add_range("700-710"), 0);
    ck_assert_msg(identity_allowed(asked[_i].uid, asked[_i].gid,
                                   asked[_i].extra) == asked[_i].allowed,
                  "%u:%u:%u", asked[_i].uid, asked[_i].gid,
                  asked[_i].extra);
}
END_TEST


START_TEST(without_root_only_itself)
{
    ck_assert_int_eq(identity_add("600:601:602", 0), 0);
    ck_assert_int_eq(identity_add_range("700-710"), 0);
    keeper.is_root = 0;
    ck_assert(identity_allowed(500, 501, 0));
    ck_assert(identity_allowed(UINT32_MAX, UINT32_MAX, 0));
    ck_assert(!identity_allowed(600, 501, 0));
    ck_assert(!identity_allowed(500, 601, 0));
    ck_assert(!identity_allowed(700, 700, 0));
    ck_assert(!identity_allowed(500, 501, 602));
    ck_assert(!identity_allowed(500, 501, 705));
    ck_assert(!identity_allowed(0, 0, 0));
}
END_TEST


START_TEST(nothing_named_is_nothing_given)
{
    ck_assert(identity_allowed(500, 501, 0));
    ck_assert(!identity_allowed(0, 501, 0));
    ck_assert(!identity_allowed(500, 0, 0));
    ck_assert(!identity_allowed(501, 501, 0));
    ck_assert(!identity_in_range(0));
}
END_TEST


START_TEST(supervisor_identity)
{
    ck_assert_int_eq(identity_add("800:801:802:803", 1), 0);
    ck_assert_uint_eq(keeper.supervisor.uid, 800);
    ck_assert_uint_eq(keeper.supervisor.gid, 801);
    ck_assert_uint_eq(keeper.supervisor.group_count, 2);
    ck_assert_uint_eq(keeper.supervisor.groups[0], 802);
    ck_assert_uint_eq(keeper.supervisor.groups[1], 803);
    ck_assert(identity_allowed(800, 801, 803));
    ck_assert(!identity_allowed(500, 801, 0));

    keeper.is_root = 0;
    ck_assert_int_eq(identity_add("1:1", 1),
                     getuid() == 1 && getgid() == 1 ? 0 : EPERM);
}
END_TEST


START_TEST(bad_identities_change_nothing)
{
    size_t         i;
    struct keeper  before;
    const char    *bad[] = {
        "", "5", "5:", "0:5", "5:0", "5:5:0", "a:b", "5:5:",
        "1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1"
    };

    before = keeper;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(identity_add(bad[i], 1) != 0, "\"%s\"", bad[i]);
    }

    ck_assert_int_eq(identity_add_range("0-5"), EINVAL);
    ck_assert_int_eq(identity_add_range("6-5"), EINVAL);
    ck_assert_int_eq(identity_add_range("5"), EINVAL);
    ck_assert_mem_eq(&before, &keeper, sizeof(keeper));

    for (i = 0; i < KEEPER_LIST_MAX; i++) {
        ck_assert_int_eq(identity_add("5:6", 0), 0);
    }

    ck_assert_int_eq(identity_add("5:6", 0), E2BIG);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tc;
    SRunner  *runner;

    suite = suite_create("identity");
    tc = tcase_create("identity");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, numbers_are_strict, 0,
                        sizeof(numbers) / sizeof(numbers[0]));
    tcase_add_loop_test(tc, root_gives_what_was_named, 0,
                        sizeof(asked) / sizeof(asked[0]));
    tcase_add_test(tc, without_root_only_itself);
    tcase_add_test(tc, nothing_named_is_nothing_given);
    tcase_add_test(tc, supervisor_identity);
    tcase_add_test(tc, bad_identities_change_nothing);
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
