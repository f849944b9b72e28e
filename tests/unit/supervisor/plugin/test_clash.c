/* SPDX-License-Identifier: MIT */
/*
 * The quick verdict on a newcomer, and its words.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scenery.h"


#define CORE  "core mint-sdk 1.2.10|fastapi>=0.100|uvicorn>=0.3; extra == " \
              "'server'|asyncpg; extra == 'local-db'\n" \
              "core fastapi 0.165.0|starlette<1\ncore starlette 0.49.0\n" \
              "core uvicorn 0.38.0\n"
#define STATS  "plugin peak-stats 2.0|textual>=1\n" \
               "package textual 1.5.0|rich>=13.3.3\n" \
               "package rich 14.1.0|pygments>=2\npackage pygments 2.19.2\n"


/* a marker that would not apply, if it could be relied on */
#define ODD(marker)  { CORE "new b 1|c; " marker, CLASH_UNKNOWN, NULL, \
    "the marker of \"c; " marker "\" is not understood" }


/* sentence NULL: no clash; doubt NULL: none */
static const struct {
    const char          *text;
    enum clash_verdict   verdict;
    const char          *sentence;
    const char          *doubt;
} cases[] = {

    /* fits */

    { CORE, CLASH_FITS, NULL, NULL },
    { CORE STATS "new Legacy_Report 1.0|Rich>=13|mint.sdk<2,>=1", CLASH_FITS,
      NULL, NULL },
    { CORE STATS "new a 1|absent>=1; sys_platform == 'win32'|absent; extra == "
      "'dev'|rich; python_version >= '3.9'", CLASH_FITS, NULL, NULL },
    { CORE "package a 2.9.0.post0\nnew b 1|a>=2.8", CLASH_FITS, NULL, NULL },
    { CORE "plugin b 1|absent\nnew b 2|fastapi", CLASH_FITS, NULL, NULL },
    { CORE "plugin a 1|b>=2\nplugin b 1\nnew b 2", CLASH_FITS, NULL, NULL },
    { CORE "new b 2|b[all]; extra == 'all'", CLASH_FITS, NULL, NULL },
    { CORE "package a 1|a[y]; extra == 'x'|c; extra == 'y'\npackage c 1\n"
      "new b 1|a[X]", CLASH_FITS, NULL, NULL },

    /* clashes for certain */

    { CORE "new b 1.0|fastapi<0.130", CLASH_CLASHES,
      "b 1.0 needs fastapi<0.130; the platform's core has fastapi 0.165.0, "
      "required (fastapi>=0.100) by the platform through its dependency "
      "mint-sdk[server]==1.2.10", NULL },
    { CORE "plugin a 3|c>=2\npackage c 2.1\nnew b 1|c<2", CLASH_CLASHES,
      "b 1 needs c<2; the shared environment has c 2.1, required (c>=2) by "
      "a 3", NULL },
    { CORE "plugin a 3|c>=2\npackage c 2.1\nnew b 1|c<2|absent", CLASH_CLASHES,
      "b 1 needs c<2; the shared environment has c 2.1, required (c>=2) by "
      "a 3", "absent is not installed yet" },
    { CORE "plugin a 3|b<2\nnew b 2", CLASH_CLASHES,
      "a 3 needs b<2; this is b 2", NULL },
    { CORE "plugin a 3\nnew b 2|a>3", CLASH_CLASHES,
      "b 2 needs a>3; the shared environment has a 3", NULL },
    { CORE "plugin a 3|c[x]\npackage c 2|d>=2; extra == 'x'\npackage d 2\n"
      "new b 1|fastapi[old]|fastapi<1,!=0.165.*", CLASH_CLASHES,
      "b 1 needs fastapi<1,!=0.165.*; the platform's core has fastapi "
      "0.165.0, required (fastapi>=0.100) by the platform through its "
      "dependency mint-sdk[server]==1.2.10", NULL },
    { "core mint-sdk 1.2.10|d<2; extra == 'db'\npackage d 2\nplugin a 1|d>=2\n"
      "new b 1|mint-sdk[db]", CLASH_CLASHES,
      "b 1 needs d<2 through its dependency mint-sdk[db]; the shared "
      "environment has d 2, required (d>=2) by a 1", NULL },
    { "core mint-sdk 1.2.9\nnew b 1", CLASH_CLASHES,
      "the platform needs mint-sdk[server]==1.2.10; the platform's core has "
      "mint-sdk 1.2.9", NULL },

    /* what is in the way may move */

    { CORE STATS "new legacy-report 1.0|rich<13", CLASH_UNKNOWN,
      "legacy-report 1.0 needs rich<13; the shared environment has rich "
      "14.1.0, required (rich>=13.3.3) by peak-stats 2.0 through its "
      "dependency textual>=1", NULL },
    { CORE STATS "new b 1|rich>=14.2", CLASH_UNKNOWN,
      "b 1 needs rich>=14.2; the shared environment has rich 14.1.0, required "
      "(rich>=13.3.3) by peak-stats 2.0 through its dependency textual>=1",
      NULL },
    { CORE STATS "new b 1|pygments<1", CLASH_UNKNOWN,
      "b 1 needs pygments<1; the shared environment has pygments 2.19.2, "
      "required (pygments>=2) by peak-stats 2.0 through its dependency "
      "textual>=1, then rich>=13.3.3", NULL },
    { CORE "package old 1\nnew b 1|old>1", CLASH_UNKNOWN,
      "b 1 needs old>1; the shared environment has old 1", NULL },
    { CORE "plugin a 1|c>=1\npackage c 1|d<2\npackage d 2\nnew b 1",
      CLASH_UNKNOWN, "a 1 needs d<2 through its dependency c>=1; the shared "
      "environment has d 2", NULL },

    /* not known */

    { CORE "new b 1|c", CLASH_UNKNOWN, NULL, "c is not installed yet" },
    { CORE "new b 1|mint-sdk[local-db]", CLASH_UNKNOWN, NULL,
      "asyncpg is not installed yet" },
    { CORE "new b 1|c @ https://c.example/c.whl", CLASH_UNKNOWN, NULL,
      "c comes from an address of its own" },
    { CORE "new b 1|fastapi>>1\xc3\xa4", CLASH_UNKNOWN, NULL,
      "\"fastapi>>1??\" of b is not understood" },
    { CORE "package c 1\nplugin a 1|c (((\nnew b 1", CLASH_UNKNOWN, NULL,
      "\"c (((\" of a is not understood" },
    { CORE "package c 1rc1\nnew b 1|c", CLASH_UNKNOWN, NULL,
      "c 1rc1 is no plain release" },
    { CORE "package c 1+cpu\nnew b 1|c<1", CLASH_UNKNOWN,
      "b 1 needs c<1; the shared environment has c 1+cpu",
      "c 1+cpu is no plain release" },
    { CORE "core c 1+cpu\nnew b 1|c<1", CLASH_UNKNOWN,
      "b 1 needs c<1; the platform's core has c 1+cpu",
      "c 1+cpu is no plain release" },
    { CORE "package c one\nnew b 1|c", CLASH_UNKNOWN, NULL,
      "c one is no plain release" },
    { CORE "package c 1\nnew b 1|c===1", CLASH_UNKNOWN, NULL,
      "\"c===1\" compares texts" },
    { CORE "core c 1\nnew b 1|c===1.0", CLASH_UNKNOWN,
      "b 1 needs c===1.0; the platform's core has c 1",
      "\"c===1.0\" compares texts" },
    { CORE "package c 1\npackage C 2\nnew b 1", CLASH_UNKNOWN, NULL,
      "c is installed twice" },
    { "new b 1", CLASH_UNKNOWN, NULL, "mint-sdk is not installed yet" },

    /* markers that others may see in another way */

    { CORE "new b 1|c; platform_release > '6'", CLASH_UNKNOWN, NULL,
      "the marker of \"c; platform_release > '6'\" is not understood" },
    { CORE "new b 1|c; sys_platform > 'a'", CLASH_UNKNOWN, NULL,
      "the marker of \"c; sys_platform > 'a'\" is not understood" },
    { CORE "new b 1|c; python_version in '2.7 3.8'", CLASH_UNKNOWN, NULL,
      "the marker of \"c; python_version in '2.7 3.8'\" is not understood" },
    { CORE "new b 1|c; extra != 'x'", CLASH_UNKNOWN, NULL,
      "the marker of \"c; extra != 'x'\" is not understood" },
    { CORE "new b 1|c; 'a' == 'b'", CLASH_UNKNOWN, NULL,
      "the marker of \"c; 'a' == 'b'\" is not understood" },
    ODD("python_version >= '3.8.*'"),
    ODD("python_version < '3.13rc1'"),
    ODD("python_version >= '3.9.post1'"),
    ODD("python_full_version >= '3.9+a'"),
    ODD("'3.9' > python_version"),
    ODD("python_version == '3.12.0.*'"),
    ODD("python_version ~= '3.13.0'"),
    ODD("python_version < '99999999999999999999'"),
    ODD("sys_platform == 'a\\x62'"),
    { CORE "package c 1|d; python_version >= '4.*'\nnew b 1|c", CLASH_UNKNOWN,
      NULL, "the marker of \"d; python_version >= '4.*'\" is not understood" },
    { CORE "package c 1|d; os_name == '\\x62'\nnew b 1|c", CLASH_UNKNOWN, NULL,
      "the marker of \"d; os_name == '\\x62'\" is not understood" },

    /* and some that nobody does */

    { CORE "new b 1|c; python_version == '3.11.*'|c; python_version ~= '3.13'|"
      "c; python_version < '3.9.1'|c; python_full_version == '3.12.4.*'|"
      "c; 'win' in sys_platform", CLASH_FITS, NULL, NULL },
};


START_TEST(test_case)
{
    const struct clash   *clash;
    struct strbuf         text;
    struct scenery        scenery;
    struct clash_result   result;

    memset(&text, 0, sizeof(text));
    scenery_read(&scenery, cases[_i].text);
    clash_judge(&scenery.input, &result);
    clash = clash_first(&result);

    /* between others: not what people are told of the newcomer */

    if (clash == NULL && result.count > 0) {
        clash = &result.clashes[0];
        ck_assert(!clash->is_newcomers);
    }

    if (clash != NULL) {
        clash_write(clash, &text);
    }

    ck_assert_str_eq(strbuf_text(&text), cases[_i].sentence != NULL
                     ? cases[_i].sentence : "");
    ck_assert_str_eq(result.doubt != NULL ? result.doubt : "",
                     cases[_i].doubt != NULL ? cases[_i].doubt : "");
    ck_assert_str_eq(clash_verdict_name(result.verdict),
                     clash_verdict_name(cases[_i].verdict));

    strbuf_free(&text);
    clash_clear(&result);
    scenery_clear(&scenery);
}
END_TEST


START_TEST(test_python)
{
    size_t                i;
    struct scenery        scenery;
    struct clash_result   result;

    static const struct {
        const char  *version;
        const char  *wanted;
        const char  *doubt;
    } pythons[] = {
        { "3.12.3", ">=3.12", NULL },
        { "3.12.3", "", NULL },
        { "3.12.3", "<3.12", "it requires Python <3.12 and this is 3.12.3" },
        { "3.12.3", "3", "Requires-Python \"3\" is not understood" },
        { "3.13.0rc1", "", "it requires Python as a release and this is "
          "3.13.0rc1" },
        { NULL, ">=3.12", "the interpreter is not known" },
    };

    for (i = 0; i < sizeof(pythons) / sizeof(pythons[0]); i++) {
        scenery_read(&scenery, CORE);
        scenery.input.requires_python = pythons[i].wanted;

        if (pythons[i].version != NULL) {
            marker_environment_set(&scenery.environment, "python_full_version",
                                   pythons[i].version);
        } else {
            marker_environment_clear(&scenery.environment);
        }

        clash_judge(&scenery.input, &result);

        if (pythons[i].doubt == NULL) {
            ck_assert_int_eq(result.verdict, CLASH_FITS);

        } else {
            ck_assert_int_eq(result.verdict, CLASH_UNKNOWN);
            ck_assert_ptr_nonnull(result.doubt);
            ck_assert(strcmp(result.doubt, pythons[i].doubt) == 0
                      || pythons[i].version == NULL);
        }

        clash_clear(&result);
        scenery_clear(&scenery);
    }
}
END_TEST


START_TEST(test_data)
{
    char                 *text;
    json_t               *data;
    struct scenery        scenery;
    struct clash_result   result;

    scenery_read(&scenery, CORE STATS "new b 1|rich<13");
    scenery.input.doubt = "its wheel is not for every machine";
    clash_judge(&scenery.input, &result);
    data = clash_encode(&result);
    text = json_dumps(data, JSON_SORT_KEYS);

    ck_assert_str_eq(text, "{\"clashes\": [{\"certain\": false, \"core\": "
        "false, \"has\": [{\"by\": \"peak-stats\", \"requirement\": \"textual"
        ">=1\", \"version\": \"2.0\"}, {\"by\": \"textual\", \"requirement\": "
        "\"rich>=13.3.3\", \"version\": \"1.5.0\"}], \"installed\": "
        "\"14.1.0\", \"needs\": [{\"by\": \"b\", \"requirement\": \"rich<13\","
        " \"version\": \"1\"}], \"package\": \"rich\", \"sentence\": \"b 1 "
        "needs rich<13; the shared environment has rich 14.1.0, required "
        "(rich>=13.3.3) by peak-stats 2.0 through its dependency textual>=1\"}"
        "], \"doubt\": \"its wheel is not for every machine\", \"verdict\": "
        "\"unknown\"}");

    free(text);
    json_decref(data);
    clash_clear(&result);
    scenery_clear(&scenery);
}
END_TEST


/* what a package says of itself costs little, whatever it is */

#define HOSTILE_SECONDS  2              /* of processor time, with ASan */

static void
check_hostile(const struct strbuf *text, enum clash_verdict verdict)
{
    char                 *dumped;
    json_t               *data;
    clock_t               start;
    struct strbuf         sentence;
    struct scenery        scenery;
    struct clash_result   result;

    memset(&sentence, 0, sizeof(sentence));
    scenery_read(&scenery, strbuf_text(text));
    start = clock();
    clash_judge(&scenery.input, &result);
    ck_assert_int_lt(clock() - start, HOSTILE_SECONDS * CLOCKS_PER_SEC);
    ck_assert_int_eq(result.verdict, verdict);

    if (clash_first(&result) != NULL) {
        clash_write(clash_first(&result), &sentence);
        ck_assert_uint_lt(sentence.len, 3000);
    }

    data = clash_encode(&result);
    ck_assert_ptr_nonnull(data);
    ck_assert_ptr_nonnull(json_object_get(data, "doubt"));
    dumped = json_dumps(data, JSON_COMPACT);
    ck_assert_uint_lt(strlen(dumped), 128 * 1024);
    free(dumped);
    json_decref(data);
    strbuf_free(&sentence);
    clash_clear(&result);
    scenery_clear(&scenery);
}


/* no two alike, 9 bytes a specifier */

static void
hostile_sets(struct strbuf *text, size_t count, const char *first,
    size_t specifiers)
{
    size_t  i, k;

    for (i = 0; i < count; i++) {
        strbuf_printf(text, "|%s", first);

        for (k = 0; k < specifiers; k++) {
            strbuf_printf(text, ",!=%zu.%zu.*", i + 3, k);
        }
    }
}


START_TEST(test_hostile)
{
    size_t         i;
    struct strbuf  text, name;

    memset(&text, 0, sizeof(text));

    /* a hundred thousand requirements, each of them a clash */

    strbuf_puts(&text, CORE "plugin a 1|c>=2\npackage c 2\nnew b 1");

    for (i = 0; i < 100000; i++) {
        strbuf_printf(&text, "|c<%zu,!=3", i % 2);
    }

    check_hostile(&text, CLASH_CLASHES);

    /* extras without end, each of them asked about at each requirement */

    strbuf_clear(&text);
    strbuf_puts(&text, CORE "package c 2");

    for (i = 0; i < 20000; i++) {
        strbuf_printf(&text, "|d; extra == 'e%zu'", i);
    }

    strbuf_puts(&text, "\npackage d 1\nnew b 1");

    for (i = 0; i < 20000; i++) {
        strbuf_printf(&text, "%se%zu%s", i % 100 == 0 ? "|c[" : ",", i,
                      i % 100 == 99 ? "]" : "");
    }

    check_hostile(&text, CLASH_UNKNOWN);

    /* a chain of packages, one clash at its end; a circle */

    strbuf_clear(&text);
    strbuf_puts(&text, CORE "new b 1|c0\n");

    for (i = 0; i < 20000; i++) {
        strbuf_printf(&text, "package c%zu 1|c%zu\n", i, i + 1);
    }

    strbuf_printf(&text, "package c%zu 1|c0>1", i);
    check_hostile(&text, CLASH_UNKNOWN);

    /* megabytes of versions, in one requirement and in many */

    strbuf_clear(&text);
    strbuf_puts(&text, CORE "package c 1\nnew b 1|c<9");

    for (i = 0; i < 1300000; i++) {
        strbuf_puts(&text, ",<9");
    }

    check_hostile(&text, CLASH_UNKNOWN);

    strbuf_clear(&text);
    strbuf_puts(&text, CORE "package c 1\nnew b 1");

    for (i = 0; i < 1300000; i++) {
        strbuf_puts(&text, i % 300 == 0 ? "|c<9" : ",<9");
    }

    check_hostile(&text, CLASH_UNKNOWN);

    /* and in markers */

    strbuf_clear(&text);
    strbuf_puts(&text, CORE "new b 1|c\npackage c 2");

    for (i = 0; i < 100000; i++) {
        strbuf_printf(&text, "%spython_version<'3.%zu'",
                      i % 30 == 0 ? "|d; " : " and ", i);
    }

    check_hostile(&text, CLASH_UNKNOWN);

    /* requirements to be compared with each other, too long ones and others */

    strbuf_clear(&text);
    strbuf_puts(&text, CORE "package c 2\nplugin a 1");
    hostile_sets(&text, 200, "c>=1", 1500);
    strbuf_puts(&text, "\nnew b 1");
    hostile_sets(&text, 16, "c>=3", 1500);
    check_hostile(&text, CLASH_UNKNOWN);

    strbuf_clear(&text);
    strbuf_puts(&text, CORE "package c 2\nplugin a 1");
    hostile_sets(&text, 200, "c>=1", 90);
    strbuf_puts(&text, "\nnew b 1");
    hostile_sets(&text, 16, "c>=3", 90);
    check_hostile(&text, CLASH_UNKNOWN);

    /* names and versions without end, in sixteen clashes on both sides */

    memset(&name, 0, sizeof(name));

    for (i = 0; i < 100000; i++) {
        strbuf_puts(&name, "0");
    }

    strbuf_clear(&text);
    strbuf_puts(&text, CORE "plugin a 1");

    for (i = 0; i < 16; i++) {
        strbuf_printf(&text, "|c%zu>=1", i);
    }

    for (i = 0; i < 16; i++) {
        strbuf_printf(&text, "\npackage c%zu 1.%s", i, name.data);
    }

    strbuf_printf(&text, "\npackage d%.900s 1.%s", name.data, name.data);

    for (i = 0; i < 16; i++) {
        strbuf_printf(&text, "|c%zu<1", i);
    }

    strbuf_printf(&text, "\nnew b 1.%s|d%.900s", name.data, name.data);
    check_hostile(&text, CLASH_UNKNOWN);
    strbuf_free(&name);

    /* texts that are cut within a character */

    strbuf_clear(&text);
    strbuf_puts(&text, CORE "package c 1\nnew b 1|c===");

    for (i = 0; i < 300; i++) {
        strbuf_puts(&text, "\xc3\xa4");
    }

    check_hostile(&text, CLASH_UNKNOWN);
    strbuf_free(&text);
}
END_TEST


START_TEST(test_extras)
{
    size_t                i;
    struct strbuf         text;
    struct scenery        scenery;
    struct clash_result   result;

    memset(&text, 0, sizeof(text));
    strbuf_puts(&text, CORE "package c 2\nnew b 1");

    for (i = 0; i < 65; i++) {
        strbuf_printf(&text, "|c[e%zu]", i);
        scenery_read(&scenery, strbuf_text(&text));
        clash_judge(&scenery.input, &result);
        ck_assert_str_eq(result.doubt != NULL ? result.doubt : "", i < 64 ? ""
                         : "too many extras of c are asked for");
        clash_clear(&result);
        scenery_clear(&scenery);
    }

    strbuf_free(&text);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("clash");
    tcase = tcase_create("all");
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, test_case, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tcase, test_python);
    tcase_add_test(tcase, test_data);
    tcase_add_test(tcase, test_extras);
    tcase_add_test(tcase, test_hostile);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed != 0;
}
