/* SPDX-License-Identifier: MIT */
/*
 * Specifiers: what they take, what cannot be, hostile sizes.  make conformance
 * has many more.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/specifier.h"


static void
parse(struct specifier_set *set, const char *text)
{
    ck_assert_msg(specifier_set_parse(set, text, strlen(text), NULL) == 0,
                  "%s", text);
}


static const struct {
    const char  *set;
    const char  *version;
    bool         takes;
} matches[] = {
    { "",                   "1.0",          true },
    { "",                   "any text",     true },
    { ">=1.0",              "any text",     false },
    { ">=1.0",              "1",            true },
    { ">=1.0",              "1.0rc1",       false },
    { ">=1.0",              "1.0+local",    true },
    { "<=1.0",              "1.0+local",    true },
    { ">1.0",               "1.0+local",    false },
    { ">1.0",               "1.0.post1",    false },
    { ">1.0",               "1.0.0.1",      true },
    { ">1.0.post1",         "1.0.post2",    true },
    { ">1.0a1",             "1.0a1.post1",  false },
    { "<1.0",               "1.0rc1",       false },
    { "<1.0rc2",            "1.0rc1",       true },
    { "<1.0.post1",         "1.0",          true },
    { "==1.0",              "1.0+x",        true },
    { "==1.0+x",            "1.0",          false },
    { "!=1.0",              "1.0+x",        false },
    { "!=1.0+x",            "1.0",          true },
    { "==1.0.*",            "1.0.9rc1",     true },
    { "==1.*",              "1!1.0",        false },
    { "!=1.0.*",            "1.1.dev0",     true },
    { "~=1.4.2",            "1.4.9",        true },
    { "~=1.4.2",            "1.5",          false },
    { "~=2!1.4",            "2!1.9",        true },
    { "===1.0-X",           "1.0-x",        true },
    { "===1.0",             "1",            false },
    { ">=1, ,<2,",          "1.5",          true },
    { ">=99999999999999999999999", "100000000000000000000000", true },
};


START_TEST(test_match)
{
    struct specifier_set  set;

    parse(&set, matches[_i].set);
    ck_assert_msg(specifier_set_has(&set, matches[_i].version, SPECIFIER_AUTO)
                  == matches[_i].takes, "%s %s", matches[_i].set,
                  matches[_i].version);
    specifier_set_clear(&set);
}
END_TEST


START_TEST(test_refused)
{
    size_t                 i;
    struct error           err;
    struct specifier_set   set;

    static const char *const  texts[] = {
        "1.0", "=1.0", "~=1", "~=1.0.*", ">=1.0.*", ">=1.0+x", "==1.0a1.*",
        "==", "===", "=== a b", ">=1.0;", ">=1.0 <2", "==1.0.*.*", "<>1"
    };

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_msg(specifier_set_parse(&set, texts[i], strlen(texts[i]),
                                          &err) == MINT_ERR_INVALID, "%s",
                      texts[i]);
        ck_assert_uint_eq(set.count, 0);
    }
}
END_TEST


static const struct {
    const char                  *set;
    enum specifier_prereleases   prereleases;
    const char                  *kept;      /* of a, 1.0, 1.1rc1, 2.0.dev0 */
} filters[] = {
    { "",           SPECIFIER_AUTO,     "a 1.0" },
    { "",           SPECIFIER_ALLOW,    "a 1.0 1.1rc1 2.0.dev0" },
    { ">1.0",       SPECIFIER_AUTO,     "1.1rc1 2.0.dev0" },
    { ">1.0",       SPECIFIER_REFUSE,   "" },
    { ">=1.0",      SPECIFIER_AUTO,     "1.0" },
    { ">=1.0rc1",   SPECIFIER_AUTO,     "1.0 1.1rc1 2.0.dev0" },
    { "!=1.0rc1",   SPECIFIER_AUTO,     "1.0" },
    { "===A",       SPECIFIER_REFUSE,   "a" },
};


START_TEST(test_filter)
{
    bool                   keep[4];
    size_t                 i;
    struct strbuf          kept;
    struct specifier_set   set;

    static const char *const  texts[] = { "a", "1.0", "1.1rc1", "2.0.dev0" };

    memset(&kept, 0, sizeof(kept));
    parse(&set, filters[_i].set);
    specifier_set_filter(&set, texts, 4, filters[_i].prereleases, keep);

    for (i = 0; i < 4; i++) {
        if (keep[i]) {
            strbuf_printf(&kept, "%s%s", kept.len > 0 ? " " : "", texts[i]);
        }
    }

    ck_assert_str_eq(strbuf_text(&kept), filters[_i].kept);
    strbuf_free(&kept);
    specifier_set_clear(&set);
}
END_TEST


static const struct {
    const char  *a;
    const char  *b;
    bool         impossible;
    const char  *both;
} pairs[] = {
    { ">=1.0",      "<2.0",         false,  "<2.0,>=1.0" },
    { ">=1.0",      ">=1",          false,  ">=1" },
    { ">=2.0",      "<1.0",         true,   "<1.0,>=2.0" },
    { "",           "",             false,  "" },
    { "<0.dev0",    "",             true,   "<0.dev0" },
    { "==1.0",      "!=1.0",        true,   "!=1.0,==1.0" },
    { "==1.0",      "!=1.0+x",      false,  "!=1.0+x,==1.0" },
    { "~=1.4",      ">=2",          true,   ">=2,~=1.4" },
    { ">1.0a1",     "<1.0a2.dev0",  true,   "<1.0a2.dev0,>1.0a1" },
    { ">1.0",       "<=1.0.post9",  true,   "<=1.0.post9,>1.0" },
    { "!=1.*",      "==1.5.*",      true,   "!=1.*,==1.5.*" },
    { "===a",       "===A",         false,  "===A,===a" },
    { "===a",       "===b",         true,   "===a,===b" },
    { "===a",       ">=0",          true,   "===a,>=0" },
    { "===1.0",     ">=0",          false,  "===1.0,>=0" },
};


START_TEST(test_both)
{
    struct strbuf          text;
    struct specifier_set   a, b, both;

    memset(&text, 0, sizeof(text));
    parse(&a, pairs[_i].a);
    parse(&b, pairs[_i].b);
    specifier_set_intersect(&both, &a, &b);
    specifier_set_write(&both, &text);

    ck_assert_str_eq(strbuf_text(&text), pairs[_i].both);
    ck_assert_msg(specifier_set_is_unsatisfiable(&both, SPECIFIER_AUTO)
                  == pairs[_i].impossible, "%s", strbuf_text(&text));

    strbuf_free(&text);
    specifier_set_clear(&a);
    specifier_set_clear(&b);
    specifier_set_clear(&both);
}
END_TEST


START_TEST(test_only_prereleases)
{
    struct specifier_set  set;

    parse(&set, ">=1.0a1,<1.0rc1");
    ck_assert(!specifier_set_is_unsatisfiable(&set, SPECIFIER_AUTO));
    ck_assert(specifier_set_is_unsatisfiable(&set, SPECIFIER_REFUSE));
    specifier_set_clear(&set);
}
END_TEST


#define MANY  (1024 * 1024)


/* 1 MiB of specifiers, each of which cuts the range once more, with one long
   version among them */

START_TEST(test_hostile)
{
    size_t                 i;
    struct strbuf          text;
    struct specifier_set   set;

    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, "!=0.");

    for (i = 0; i < MANY / 4; i++) {
        strbuf_puts(&text, "9");
    }

    for (i = 0; text.len < MANY; i++) {
        strbuf_printf(&text, ",!=%zu", i * 7919 % 100000);
    }

    ck_assert_int_eq(specifier_set_parse(&set, text.data, text.len, NULL), 0);
    ck_assert(!specifier_set_is_unsatisfiable(&set, SPECIFIER_AUTO));
    ck_assert(specifier_set_has(&set, "100001", SPECIFIER_AUTO));
    ck_assert(!specifier_set_has(&set, "7919", SPECIFIER_AUTO));
    ck_assert(specifier_set_equals(&set, &set));

    specifier_set_clear(&set);
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

    suite = suite_create("specifier");
    tcase = tcase_create("specifier");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_match, 0,
                        sizeof(matches) / sizeof(matches[0]));
    tcase_add_test(tcase, test_refused);
    tcase_add_loop_test(tcase, test_filter, 0,
                        sizeof(filters) / sizeof(filters[0]));
    tcase_add_loop_test(tcase, test_both, 0, sizeof(pairs) / sizeof(pairs[0]));
    tcase_add_test(tcase, test_only_prereleases);
    tcase_add_test(tcase, test_hostile);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
