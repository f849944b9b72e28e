/* SPDX-License-Identifier: MIT */
/*
 * Small parts: times, permissions, passwords, capabilities, names of uploads.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <check.h>

#include "fixture.h"
#include "platform/directory.h"
#include "platform/password.h"
#include "platform/permissions.h"
#include "platform/time_text.h"
#include "platform/upload_file.h"


#define COUNT(a)  (int) (sizeof(a) / sizeof((a)[0]))


static const struct {
    const char  *text;
    int          result;
    uint64_t     unix_ms;
} times[] = {
    { "1970-01-01", 0, 0 }, { "2026-01-02", 0, 1767312000000 },
    { "2026-01-02T03:04", 0, 1767323040000 },
    { "2026-01-02 03:04:05", 0, 1767323045000 },
    { "2026-01-02T03:04:05Z", 0, 1767323045000 },
    { "2026-01-02T03:04:05.678Z", 0, 1767323045678 },
    { "2026-01-02T03:04:05.6789012z", 0, 1767323045678 },
    { "2026-01-02T03:04:05+02:30", 0, 1767314045000 },
    { "2026-01-02T03:04-01:00", 0, 1767326640000 },
    { "2024-02-29", 0, 1709164800000 },
    { "", -1, 0 }, { "2026", -1, 0 }, { "2026-13-01", -1, 0 },
    { "2026-02-30", -1, 0 }, { "2025-02-29", -1, 0 }, { "2026-00-01", -1, 0 },
    { "1969-12-31", -1, 0 }, { "1970-01-01T00:00+01:00", -1, 0 },
    { "2026-01-02T24:00", -1, 0 }, { "2026-01-02T03:60", -1, 0 },
    { "2026-01-02T03", -1, 0 }, { "2026-01-02T03:04:05.", -1, 0 },
    { "2026-01-02T03:04:05+2:30", -1, 0 }, { "2026-01-02x", -1, 0 },
    { "2026-01-02T03:04:05ZZ", -1, 0 }, { "yesterday", -1, 0 },
    { " 2026-01-02", -1, 0 }, { "2026-1-2", -1, 0 }
};


START_TEST(test_times)
{
    uint64_t  unix_ms;

    unix_ms = 0;
    ck_assert_msg(time_text_parse(times[_i].text, &unix_ms)
                  == times[_i].result, "%s", times[_i].text);
    ck_assert_msg(unix_ms == times[_i].unix_ms, "%s: %llu", times[_i].text,
                  (unsigned long long) unix_ms);
}
END_TEST


START_TEST(test_permissions)
{
    size_t           i;
    json_t          *list;
    permission_set   all;

    all = permission_builtin("admin");

    for (i = 0; permission_row(i) != NULL; i++) {
        ck_assert(permission_held(all, permission_row(i)->name));
        ck_assert(permission_held(permission_builtin("member"),
                                  permission_row(i)->name)
                  == permission_row(i)->member);
        ck_assert(permission_held(permission_builtin("viewer"),
                                  permission_row(i)->name)
                  == permission_row(i)->viewer);
    }

    ck_assert_uint_eq(i, 23);
    ck_assert(permission_builtin("someone") == 0);
    ck_assert(!permission_held(all, "no.such"));

    list = permission_list(all);
    ck_assert_uint_eq(json_array_size(list), 23);
    ck_assert(permission_parse(list) == all);
    json_array_append_new(list, json_string("no.such"));
    json_array_append_new(list, json_integer(1));
    ck_assert(permission_parse(list) == all);
    json_decref(list);
    ck_assert(permission_parse(NULL) == 0);
}
END_TEST


static const struct {
    const char  *text;
    bool         is_good;
} passwords[] = {
    { "", false }, { "1234567", false }, { "12345678", true },
    { "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", false },      /* 4 characters */
    { "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
      true },
    { "123456789012345678901234567890123456"
      "789012345678901234567890123456789012", true },   /* 72 bytes */
    { "123456789012345678901234567890123456"
      "7890123456789012345678901234567890123", false }
};


START_TEST(test_password_rules)
{
    ck_assert((password_problem(passwords[_i].text) == NULL)
              == passwords[_i].is_good);
}
END_TEST


START_TEST(test_password_hash)
{
    char          hash[PASSWORD_HASH_MAX + 1];
    char          other[PASSWORD_HASH_MAX + 1];
    struct error  err;

    ck_assert_int_eq(password_hash("correct horse", hash, sizeof(hash), &err),
                     0);
    ck_assert_int_eq(password_hash("correct horse", other, sizeof(other),
                                   &err), 0);
    ck_assert_int_eq(strncmp(hash, "$2b$12$", 7), 0);
    ck_assert_str_ne(hash, other);
    ck_assert_int_eq(password_check("correct horse", hash, &err), 1);
    ck_assert_int_eq(password_check("correct horsf", hash, &err), 0);
    ck_assert_int_eq(password_check("", hash, &err), 0);
    ck_assert_int_eq(password_check("correct horse", NULL, &err), 0);
    ck_assert_int_lt(password_check("x", "no hash", &err), 0);
    ck_assert_int_lt(password_check("x", "", &err), 0);
}
END_TEST


START_TEST(test_password_generated)
{
    char  a[21];
    char  b[21];

    password_generate(a);
    password_generate(b);
    ck_assert_uint_eq(strlen(a), 20);
    ck_assert_str_ne(a, b);
    ck_assert_ptr_null(password_problem(a));
}
END_TEST


#define CRUD    CAPABILITY_EXPERIMENT_CRUD
#define DESIGN  CAPABILITY_DESIGN_DATA_WRITE
#define RESULT  CAPABILITY_ANALYSIS_RESULT_WRITE


static const struct {
    const char  *metadata;
    unsigned     capabilities;
} capabilities[] = {
    { "{}", 0 }, { "null", 0 }, { "[]", 0 },
    { "{\"plugin_type\":\"static\"}", 0 },
    { "{\"plugin_type\":\"analysis\"}", RESULT },
    { "{\"plugin_type\":\"experiment_design\"}", CRUD | DESIGN },
    { "{\"plugin_type\":\"full\"}", CRUD | DESIGN | RESULT },
    { "{\"plugin_type\":\"workflow\"}", 0 },
    { "{\"plugin_type\":\"FULL\"}", 0 }, { "{\"plugin_type\":1}", 0 },
    { "{\"plugin_type\":\"full\",\"capabilities\":{\"experiment_crud\":false,"
      "\"design_data_write\":null}}", DESIGN | RESULT },
    { "{\"plugin_type\":\"static\",\"capabilities\":{\"experiment_crud\":true,"
      "\"analysis_result_write\":true}}", CRUD | RESULT },
    { "{\"capabilities\":{\"experiment_crud\":\"true\"}}", 0 },
    { "{\"plugin_type\":\"full\",\"metadata\":{\"plugin_type\":\"static\"}}",
      0 },
    { "{\"plugin_type\":\"full\",\"metadata\":{}}", CRUD | DESIGN | RESULT }
};


START_TEST(test_capabilities)
{
    json_t  *metadata;

    metadata = json_loads(capabilities[_i].metadata, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(metadata);
    ck_assert_msg(directory_capabilities(metadata)
                  == capabilities[_i].capabilities, "%s",
                  capabilities[_i].metadata);
    json_decref(metadata);
}
END_TEST


static const struct {
    const char  *sent;
    const char  *name;
} uploads[] = {
    { "a-1.0.mint", "a-1.0.mint" }, { NULL, "" }, { "", "" },
    { "../../etc/passwd", "passwd" }, { "C:\\x\\b.mint", "b.mint" },
    { ".hidden", "_hidden" }, { "..", "_." }, { "a b(1).mint", "a_b_1_.mint" },
    { "x/", "" }, { "p-1+local!2.whl", "p-1+local!2.whl" },
    { "\xc3\xa9.mint", "__.mint" }
};


START_TEST(test_upload_names)
{
    char                 *path;
    struct stat           st;
    struct error          err;
    struct upload_file    file;

    memset(&file, 0, sizeof(file));
    ck_assert_int_eq(upload_file_open(&file, fixture_directory,
                                      uploads[_i].sent, &err), 0);
    ck_assert_str_eq(file.name, uploads[_i].name);
    ck_assert_int_eq(upload_file_write(&file, "12345", 5, &err), 0);
    ck_assert_int_eq(upload_file_close(&file, &err), 0);

    path = strdup(file.path);
    ck_assert_ptr_nonnull(path);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_size, 5);
    ck_assert_int_eq(st.st_mode & 0777, 0600);

    upload_file_clear(&file);
    ck_assert_int_eq(stat(path, &st), -1);
    free(path);
}
END_TEST


START_TEST(test_upload_failures)
{
    char                 name[300];
    struct error         err;
    struct upload_file   file;

    memset(&file, 0, sizeof(file));
    ck_assert_int_lt(upload_file_open(&file, "/nowhere", "a", &err), 0);
    ck_assert_ptr_null(file.path);
    upload_file_clear(&file);

    memset(name, 'n', sizeof(name));
    memcpy(name + sizeof(name) - 6, ".mint", 6);
    ck_assert_int_eq(upload_file_open(&file, fixture_directory, name, &err),
                     0);
    ck_assert_uint_eq(strlen(file.name), 200);
    ck_assert_str_eq(file.name + 195, ".mint");
    upload_file_clear(&file);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("small");

    tcase = tcase_create("pure");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_times, 0, COUNT(times));
    tcase_add_test(tcase, test_permissions);
    tcase_add_loop_test(tcase, test_password_rules, 0, COUNT(passwords));
    tcase_add_test(tcase, test_password_hash);
    tcase_add_test(tcase, test_password_generated);
    tcase_add_loop_test(tcase, test_capabilities, 0, COUNT(capabilities));
    suite_add_tcase(suite, tcase);

    tcase = tcase_create("files");
    tcase_add_checked_fixture(tcase, fixture_open, fixture_close);
    tcase_add_loop_test(tcase, test_upload_names, 0, COUNT(uploads));
    tcase_add_test(tcase, test_upload_failures);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
