/* SPDX-License-Identifier: MIT */
/*
 * The store: opening, users, tokens, keys, failed sign-ins.
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "fixture.h"
#include "lib/fs.h"


static unsigned  seen;
static int64_t   last_id;


static void
see_user(void *cls, const struct store_user *user)
{
    (void) cls;
    seen++;
    last_id = user->id;
}


static void
see_denied(void *cls, const char *jti, uint64_t expires_unix)
{
    (void) expires_unix;
    seen++;
    ck_assert_str_eq(jti, cls);
}


static void
see_role(void *cls, const char *slug, const char *permissions,
    const char *access)
{
    seen++;

    if (strcmp(slug, "member") == 0) {
        ck_assert_str_eq(permissions, cls);
        ck_assert_str_eq(access, "\"all\"");
    }
}


START_TEST(test_open)
{
    char           path[PATH_MAX + 16];
    struct stat    st;
    struct error   err;

    (void) snprintf(path, sizeof(path), "%s/mint.db", fixture_directory);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(store_ping(fixture_store, &err), 0);
    ck_assert_int_eq(fixture_user("kept"), 1);
    fixture_reopen();
    ck_assert_int_eq(fixture_user("next"), 2);
}
END_TEST


START_TEST(test_open_newer)
{
    struct store  *store;
    struct error   err;

    store_close(&fixture_store);
    fixture_sql("INSERT INTO schema_steps VALUES (1000, 'later', 0)");
    ck_assert_int_eq(store_open(&store, fixture_directory, &err),
                     MINT_ERR_CONFLICT);
    ck_assert_ptr_null(store);
    ck_assert_ptr_nonnull(strstr(err.text, "newer version"));
}
END_TEST


/* a store of the first step gets the second and keeps its users */

START_TEST(test_open_older)
{
    struct error       err;
    struct store_user  user;

    ck_assert_int_eq(fixture_user("old"), 1);
    store_close(&fixture_store);
    fixture_sql("DELETE FROM schema_steps WHERE number > 1;"
                "DROP TABLE design_data; DROP TABLE plugin_settings;"
                "DROP TABLE plugin_roles; DROP TABLE experiments");
    fixture_reopen();
    ck_assert_int_eq(store_user_by_name(fixture_store, "old", &user, &err),
                     0);
    ck_assert_int_eq(store_experiment_delete(fixture_store, 1, &err),
                     MINT_ERR_NOT_FOUND);
}
END_TEST


/* a step that fails leaves nothing of itself */

START_TEST(test_open_half)
{
    struct store  *store;
    struct error   err;

    store_close(&fixture_store);
    fixture_sql("DELETE FROM schema_steps WHERE number > 1;"
                "DROP TABLE plugin_settings");
    ck_assert_int_ne(store_open(&store, fixture_directory, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "schema step 2"));
    /* would fail if the first statements of the step had stayed */
    fixture_sql("DROP TABLE design_data; DROP TABLE plugin_roles;"
                "DROP TABLE experiments");
    fixture_reopen();
}
END_TEST


START_TEST(test_users)
{
    uint64_t           first;
    uint64_t           second;
    struct error       err;
    struct store_user  user;
    struct store_user  found;

    memset(&user, 0, sizeof(user));
    (void) strcpy(user.username, "Ann");
    (void) strcpy(user.email, "Ann@Example.org");
    (void) strcpy(user.role, "member");
    (void) strcpy(user.password_hash, "hash");
    user.is_active = true;
    user.session_version = 1;
    ck_assert_int_eq(store_user_create(fixture_store, &user, &first, &err),
                     0);

    ck_assert_int_eq(store_user_by_id(fixture_store, user.id, &found, &err),
                     0);
    ck_assert_int_eq(memcmp(&found, &user, sizeof(user)), 0);
    ck_assert_int_eq(store_user_by_login(fixture_store, "aNN", &found, &err),
                     0);
    ck_assert_int_eq(store_user_by_login(fixture_store, "ann@example.org",
                                         &found, &err), 0);
    ck_assert_int_eq(store_user_by_name(fixture_store, "ann@example.org",
                                        &found, &err), MINT_ERR_NOT_FOUND);
    ck_assert_int_eq(store_user_by_id(fixture_store, 99, &found, &err),
                     MINT_ERR_NOT_FOUND);

    (void) strcpy(user.email, "other@example.org");
    ck_assert_int_eq(store_user_create(fixture_store, &user, &second, &err),
                     MINT_ERR_CONFLICT);
    ck_assert_str_eq(err.text, "username");
    (void) strcpy(user.username, "ben");
    (void) strcpy(user.email, "ANN@example.org");
    ck_assert_int_eq(store_user_create(fixture_store, &user, &second, &err),
                     MINT_ERR_CONFLICT);
    ck_assert_str_eq(err.text, "email");
    (void) strcpy(user.role, "nobody");
    user.email[0] = '\0';
    ck_assert_int_eq(store_user_create(fixture_store, &user, &second, &err),
                     MINT_ERR_INVALID);

    /* refused writes take no number */
    fixture_user("ben");
    ck_assert_int_eq(store_sequence(fixture_store, &second, &err), 0);
    ck_assert_uint_eq(second, first + 1);
}
END_TEST


START_TEST(test_user_pages)
{
    char          name[16];
    unsigned      i;
    struct error  err;

    for (i = 0; i < 7; i++) {
        (void) snprintf(name, sizeof(name), "user%u", i);
        fixture_user(name);
    }

    seen = 0;
    ck_assert_int_eq(store_users(fixture_store, 2, 3, see_user, NULL, &err),
                     0);
    ck_assert_uint_eq(seen, 3);
    ck_assert_int_eq(last_id, 5);
    ck_assert_int_eq(store_users(fixture_store, 0, -1, see_user, NULL, &err),
                     0);
    ck_assert_uint_eq(seen, 10);
}
END_TEST


START_TEST(test_activation)
{
    int64_t            id;
    uint64_t           first;
    uint64_t           second;
    struct error       err;
    struct store_user  user;

    fixture_user("bob");
    store_close(&fixture_store);
    fixture_sql("UPDATE users SET role = 'admin'");
    fixture_reopen();
    id = fixture_user("carl");

    ck_assert_int_eq(store_user_set_active(fixture_store, id, false, &user,
                                           &first, &err), 0);
    ck_assert(!user.is_active);
    ck_assert_uint_eq(user.session_version, 2);
    ck_assert_int_eq(store_user_set_active(fixture_store, id, true, &user,
                                           &second, &err), 0);
    ck_assert(user.is_active);
    ck_assert_uint_eq(user.session_version, 2);
    ck_assert_uint_eq(second, first + 1);

    ck_assert_int_eq(store_user_set_active(fixture_store, 1, false, &user,
                                           &second, &err), MINT_ERR_CONFLICT);
    ck_assert_int_eq(store_user_by_id(fixture_store, 1, &user, &err), 0);
    ck_assert(user.is_active);
    ck_assert_uint_eq(user.session_version, 1);
    ck_assert_int_eq(store_user_set_active(fixture_store, 99, true, &user,
                                           &second, &err),
                     MINT_ERR_NOT_FOUND);
}
END_TEST


START_TEST(test_roles)
{
    char          text[] = "[\"experiments.view\"]";
    char          other[] = "[\"x\"]";
    bool          exists;
    struct error  err;

    seen = 0;
    ck_assert_int_eq(store_roles(fixture_store, see_role, text, &err), 0);
    ck_assert_uint_eq(seen, 2);
    ck_assert_int_eq(store_role_builtin(fixture_store, "member", "Member",
                                        other, &err), 0);
    ck_assert_int_eq(store_roles(fixture_store, see_role, other, &err), 0);
    ck_assert_int_eq(store_role_exists(fixture_store, "member", &exists,
                                       &err), 0);
    ck_assert(exists);
    ck_assert_int_eq(store_role_exists(fixture_store, "Member", &exists,
                                       &err), 0);
    ck_assert(!exists);
}
END_TEST


START_TEST(test_denied)
{
    char          jti[] = "live";
    uint64_t      now;
    uint64_t      first;
    uint64_t      second;
    struct error  err;

    now = time_unix_ms() / 1000;
    seen = 0;
    ck_assert_int_eq(store_token_deny(fixture_store, "dead", now - 100,
                                      &first, &err), 0);
    ck_assert_int_eq(store_token_deny(fixture_store, jti, now + 100, &second,
                                      &err), 0);
    ck_assert_uint_eq(second, first + 1);
    ck_assert_int_eq(store_token_deny(fixture_store, jti, now + 100, &second,
                                      &err), 0);
    ck_assert_int_eq(store_tokens_denied(fixture_store, see_denied, jti,
                                         &err), 0);
    ck_assert_uint_eq(seen, 1);
}
END_TEST


START_TEST(test_keys)
{
    char          kid[17];
    size_t        len;
    uint8_t       secret[STORE_KEY_MAX];
    struct error  err;

    ck_assert_int_eq(store_key_get(fixture_store, kid, secret, &len, &err),
                     MINT_ERR_NOT_FOUND);
    ck_assert_int_eq(store_key_add(fixture_store, "key-1",
                                   (const uint8_t *) "0123456789abcdef\0x",
                                   18, &err), 0);
    ck_assert_int_eq(store_key_get(fixture_store, kid, secret, &len, &err),
                     0);
    ck_assert_str_eq(kid, "key-1");
    ck_assert_uint_eq(len, 18);
    ck_assert_int_eq(memcmp(secret, "0123456789abcdef\0x", 18), 0);
    ck_assert_int_eq(store_key_add(fixture_store, "key-1", secret, 16, &err),
                     MINT_ERR_CONFLICT);
}
END_TEST


START_TEST(test_failures)
{
    unsigned      n;
    unsigned      i;
    struct error  err;

    for (i = 0; i < 3; i++) {
        ck_assert_int_eq(store_login_failed(fixture_store, "bob", 60000,
                                            &err), 0);
    }

    ck_assert_int_eq(store_login_failures(fixture_store, "bob", 60000, &n,
                                          &err), 0);
    ck_assert_uint_eq(n, 3);
    ck_assert_int_eq(store_login_failures(fixture_store, "ann", 60000, &n,
                                          &err), 0);
    ck_assert_uint_eq(n, 0);

    /* a window that has passed */
    ck_assert_int_eq(store_login_failures(fixture_store, "bob", 0, &n, &err),
                     0);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(store_login_failed(fixture_store, "bob", 0, &err), 0);
    ck_assert_int_eq(store_login_failures(fixture_store, "bob", 60000, &n,
                                          &err), 0);
    ck_assert_uint_eq(n, 1);

    ck_assert_int_eq(store_login_succeeded(fixture_store, "bob", &err), 0);
    ck_assert_int_eq(store_login_failures(fixture_store, "bob", 60000, &n,
                                          &err), 0);
    ck_assert_uint_eq(n, 0);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("store users");
    tcase = tcase_create("store users");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, fixture_open, fixture_close);
    tcase_add_test(tcase, test_open);
    tcase_add_test(tcase, test_open_newer);
    tcase_add_test(tcase, test_open_older);
    tcase_add_test(tcase, test_open_half);
    tcase_add_test(tcase, test_users);
    tcase_add_test(tcase, test_user_pages);
    tcase_add_test(tcase, test_activation);
    tcase_add_test(tcase, test_roles);
    tcase_add_test(tcase, test_denied);
    tcase_add_test(tcase, test_keys);
    tcase_add_test(tcase, test_failures);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
