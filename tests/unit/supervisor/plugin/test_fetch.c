/* SPDX-License-Identifier: MIT */
/*
 * What uv says of files it would fetch, and two locks side by side.
 */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/difference.h"
#include "supervisor/plugin/fetch.h"
#include "supervisor/plugin/plan.h"


#define HEAVY_FILE  "heavy-2.0-cp312-abi3-manylinux_2_17_x86_64.whl"
#define HEAVY       "DEBUG Selecting: heavy==2.0 [compatible] (" HEAVY_FILE \
                    ")\n"
#define LIGHT       "DEBUG Selecting: Li.ght==1.0+x [compatible] " \
                    "(li_ght-1.0+x-py3-none-any.whl)\n"
#define HEAVY_GONE  "DEBUG Identified uncached distribution: heavy==2.0\n"
#define LIGHT_GONE  "DEBUG Identified uncached distribution: li-ght==1.0+x\n"
#define END(n)      "Would download " n " packages\nWould install 9 packages\n"

#define SIZES \
    "[[packages]]\nname = \"heavy\"\nversion = \"2.0\"\nwheels = [\n" \
    "    { url = \"https://i/a/heavy-2.0-py3-none-any.whl\", size = 7 },\n" \
    "    { url = \"https://i/b/" HEAVY_FILE "\", upload-time = " \
    "2026-01-02T03:04:05Z, size = 5000000000, hashes = { sha256 = \"00\" } }" \
    ",\n]\n[[packages]]\nname = \"li-ght\"\nwheels = [{ url = " \
    "\"https://i/li_ght-1.0%2Bx-py3-none-any.whl\", size = 30, hashes = {} }" \
    "]\n"


static const struct {
    const char  *said;
    const char  *sizes;
    bool         is_known;
    bool         is_complete;
    uint64_t     bytes;
    size_t       listed;
} answers[] = {
    { HEAVY LIGHT HEAVY_GONE LIGHT_GONE END("2"), SIZES,
      true, true, 5000000030, 2 },
    { HEAVY LIGHT HEAVY_GONE END("1"), SIZES, true, true, 5000000000, 1 },
    { HEAVY LIGHT HEAVY_GONE HEAVY_GONE END("1"), SIZES,
      true, true, 5000000000, 1 },
    { HEAVY LIGHT "Would install 2 packages\n", SIZES, true, true, 0, 0 },
    { "Would make no changes\n", "", true, true, 0, 0 },

    /* on this machine */
    { HEAVY LIGHT HEAVY_GONE LIGHT_GONE END("2"),
      "{ url = \"file:///w/" HEAVY_FILE "\", hashes = {} }\n"
      "{ url = \"https://i/li_ght-1.0%2Bx-py3-none-any.whl\", size = 1 }\n",
      true, true, 1, 1 },
    { "DEBUG Identified uncached distribution: x==1 (from file:///w/x.whl)\n"
      END("1"), "", true, true, 0, 0 },

    /* no size is stated, or no sensible one */
    { HEAVY LIGHT HEAVY_GONE LIGHT_GONE END("2"), "",
      true, false, 0, 2 },
    { HEAVY HEAVY_GONE END("1"),
      "{ url = \"https://i/" HEAVY_FILE "\", hashes = {} }\n",
      true, false, 0, 1 },
    { HEAVY HEAVY_GONE END("1"), "{ url = \"https://i/" HEAVY_FILE
      "\", size = 99999999999999999999 }\n",
      true, false, 0, 1 },
    { HEAVY_GONE END("1"), SIZES, true, false, 0, 1 },

    /* another uv, or one that was cut short */
    { HEAVY HEAVY_GONE, SIZES, false, false, 5000000000, 1 },
    { HEAVY HEAVY_GONE END("2"), SIZES, false, false, 5000000000, 1 },
    { HEAVY LIGHT "Fetching heavy\n" END("1"), SIZES, false, false, 0, 0 },
    { "", "", false, false, 0, 0 },

    /* what is no package */
    { "DEBUG Selecting: heavy\nDEBUG Selecting: \nDEBUG Selecting: ==1\n"
      "DEBUG Selecting: a b==1\nDEBUG Selecting: heavy==1 (x\n"
      "DEBUG Identified uncached distribution: -==1\n"
      "DEBUG Identified uncached distribution: a==\n"
      "Would install 1 package\n", "{ url = \"\n{ url = \"\"\n",
      true, true, 0, 0 },
};


static void
say(struct fetch *fetch, const char *text)
{
    char  *copy, *rest, *line;

    copy = mem_strdup(text);
    rest = copy;

    while ((line = strsep(&rest, "\n")) != NULL) {
        fetch_line(fetch, line);
    }

    free(copy);
}


START_TEST(test_answers)
{
    bool           is_complete;
    json_t        *list;
    struct fetch   fetch;
    struct strbuf  text;

    memset(&fetch, 0, sizeof(fetch));
    memset(&text, 0, sizeof(text));
    say(&fetch, answers[_i].said);
    strbuf_puts(&text, answers[_i].sizes);
    fetch_sizes(&fetch, &text);

    ck_assert(fetch_is_known(&fetch) == answers[_i].is_known);
    ck_assert_uint_eq(fetch_bytes(&fetch, &is_complete), answers[_i].bytes);
    ck_assert(is_complete == answers[_i].is_complete);
    list = fetch_encode(&fetch);
    ck_assert_uint_eq(json_array_size(list), answers[_i].listed);

    json_decref(list);
    strbuf_free(&text);
    fetch_clear(&fetch);
}
END_TEST


START_TEST(test_encode)
{
    char          *text;
    json_t        *list;
    struct fetch   fetch;
    struct strbuf  sizes;

    memset(&fetch, 0, sizeof(fetch));
    memset(&sizes, 0, sizeof(sizes));
    say(&fetch, HEAVY LIGHT HEAVY_GONE LIGHT_GONE END("2"));
    strbuf_puts(&sizes, "{ url = \"https://i/" HEAVY_FILE "\", size = 8 }\n");
    fetch_sizes(&fetch, &sizes);

    list = fetch_encode(&fetch);
    text = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
    ck_assert_str_eq(text,
                     "[{\"bytes\":8,\"name\":\"heavy\",\"version\":\"2.0\"},"
                     "{\"bytes\":null,\"name\":\"li-ght\","
                     "\"version\":\"1.0+x\"}]");

    free(text);
    json_decref(list);
    strbuf_free(&sizes);
    fetch_clear(&fetch);
}
END_TEST


static void
read_lock(struct lock *lock, const char *text)
{
    struct error   err;
    struct strbuf  buffer;

    memset(&buffer, 0, sizeof(buffer));
    strbuf_puts(&buffer, text);
    ck_assert_int_eq(lock_parse(lock, &buffer, &err), 0);
    strbuf_free(&buffer);
}


static const struct {
    const char  *now;
    const char  *then;
    const char  *difference;
} differences[] = {
    { "", "", "{\"add\":[],\"change\":[],\"remove\":[],\"same\":0}" },
    { "", "b==2\na==1\n",
      "{\"add\":[{\"name\":\"a\",\"version\":\"1\"},"
      "{\"name\":\"b\",\"version\":\"2\"}],"
      "\"change\":[],\"remove\":[],\"same\":0}" },
    { "c==1\nA_b==1\nz==3\n", "a.b==1\nc==1.1\nd==4\n",
      "{\"add\":[{\"name\":\"d\",\"version\":\"4\"}],"
      "\"change\":[{\"from\":\"1\",\"name\":\"c\",\"to\":\"1.1\"}],"
      "\"remove\":[{\"name\":\"z\",\"version\":\"3\"}],\"same\":1}" },
    { "p @ file:///k/p-1.0-py3-none-any.whl\n",
      "p @ file:///w/p-1.1-py3-none-any.whl\n",
      "{\"add\":[],\"change\":[{\"from\":\"1.0\",\"name\":\"p\","
      "\"to\":\"1.1\"}],\"remove\":[],\"same\":0}" },
};


START_TEST(test_differences)
{
    char         *text;
    json_t       *difference;
    struct lock   now, then;

    read_lock(&now, differences[_i].now);
    read_lock(&then, differences[_i].then);
    difference = difference_encode(&now, &then);
    text = json_dumps(difference, JSON_COMPACT | JSON_SORT_KEYS);
    ck_assert_str_eq(text, differences[_i].difference);

    free(text);
    json_decref(difference);
    lock_clear(&now);
    lock_clear(&then);
}
END_TEST


/* two of four packages stay, one of 10 bytes comes, beside a wheel of 5 */

START_TEST(test_disk)
{
    struct fetch   fetch;
    struct lock    now, then;
    struct strbuf  sizes;

    memset(&fetch, 0, sizeof(fetch));
    memset(&sizes, 0, sizeof(sizes));
    read_lock(&now, "a==1\nb==1\nc==1\nd==1\n");
    read_lock(&then, "a==1\nb==2\nheavy==2.0\n");
    say(&fetch, HEAVY HEAVY_GONE END("1"));

    ck_assert_int_eq(plan_disk_bytes(4000, &now, &then, &fetch, 5), -1);

    strbuf_puts(&sizes, "{ url = \"https://i/" HEAVY_FILE "\", size = 10 }\n");
    fetch_sizes(&fetch, &sizes);
    ck_assert_int_eq(plan_disk_bytes(4000, &now, &then, &fetch, 5), 2060);
    ck_assert_int_eq(plan_disk_bytes(-1, &now, &then, &fetch, 5), -1);

    strbuf_free(&sizes);
    fetch_clear(&fetch);
    lock_clear(&now);
    lock_clear(&then);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("fetch");
    tcase = tcase_create("fetch");
    tcase_add_loop_test(tcase, test_answers, 0,
                        sizeof(answers) / sizeof(answers[0]));
    tcase_add_test(tcase, test_encode);
    tcase_add_loop_test(tcase, test_differences, 0,
                        sizeof(differences) / sizeof(differences[0]));
    tcase_add_test(tcase, test_disk);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
