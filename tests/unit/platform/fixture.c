/* SPDX-License-Identifier: MIT */
/*
 * Opens and removes the store of a test.
 */

#include "fixture.h"

#include <ftw.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "lib/log.h"


char           fixture_directory[PATH_MAX];
struct store  *fixture_store;


void
fixture_open(void)
{
    const char    *tmp;
    struct error   err;

    ck_assert_int_eq(setenv("MINT_LOG_LEVEL", "error", 1), 0);
    log_open("test");

    tmp = getenv("TMPDIR");
    (void) snprintf(fixture_directory, sizeof(fixture_directory),
                    "%s/mint-platform.XXXXXX", tmp == NULL ? "/tmp" : tmp);
    ck_assert_ptr_nonnull(mkdtemp(fixture_directory));

    ck_assert_msg(store_open(&fixture_store, fixture_directory, &err) == 0,
                  "%s", err.text);
    ck_assert_int_eq(store_role_builtin(fixture_store, "admin", "Admin",
                                        "[\"a\"]", &err), 0);
    ck_assert_int_eq(store_role_builtin(fixture_store, "member", "Member",
                                        "[\"experiments.view\"]", &err), 0);
}


static int
fixture_remove(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;

    return remove(path);
}


void
fixture_close(void)
{
    store_close(&fixture_store);
    ck_assert_int_eq(nftw(fixture_directory, fixture_remove, 64,
                          FTW_DEPTH | FTW_PHYS), 0);
}


void
fixture_reopen(void)
{
    struct error  err;

    store_close(&fixture_store);
    ck_assert_msg(store_open(&fixture_store, fixture_directory, &err) == 0,
                  "%s", err.text);
}


int64_t
fixture_user(const char *username)
{
    uint64_t           sequence;
    struct error       err;
    struct store_user  user;

    memset(&user, 0, sizeof(user));
    (void) snprintf(user.username, sizeof(user.username), "%s", username);
    (void) snprintf(user.role, sizeof(user.role), "member");
    (void) snprintf(user.password_hash, sizeof(user.password_hash), "x");
    user.is_active = true;
    user.session_version = 1;

    ck_assert_msg(store_user_create(fixture_store, &user, &sequence, &err)
                  == 0, "%s", err.text);

    return user.id;
}


void
fixture_sql(const char *sql)
{
    char      path[PATH_MAX + 16];
    sqlite3  *db;

    (void) snprintf(path, sizeof(path), "%s/mint.db", fixture_directory);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}
