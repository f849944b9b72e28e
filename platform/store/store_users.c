/* SPDX-License-Identifier: MIT */
/*
 * Users in the store.  Each change of what the edge must know takes the next
 * number of the identity sequence in the same transaction.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "platform/store/db.h"


#define USER_COLUMNS                                                          \
    "id, username, email, first_name, last_name, shortname, role,"            \
    " password_hash, is_active, session_version, created_at, updated_at"


static void user_row(sqlite3_stmt *statement, struct store_user *out);
static int user_one(struct store *store, struct store_user *out,
    struct error *err, const char *sql, const char *types, const char *text,
    int64_t id);
static int user_check_admins(struct db *db, struct error *err);


int
store_user_create(struct store *store, struct store_user *user,
    uint64_t *sequence_out, struct error *err)
{
    int         rc;
    struct db  *db;

    rc = db_write(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    user->created_ms = time_unix_ms();
    user->updated_ms = user->created_ms;

    rc = db_run(db, NULL, err, "INSERT INTO users (username, email,"
                " first_name, last_name, shortname, role, password_hash,"
                " is_active, session_version, created_at, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "tsssstsiiii",
                user->username, user->email, user->first_name,
                user->last_name, user->shortname, user->role,
                user->password_hash, (int64_t) user->is_active,
                (int64_t) user->session_version, (int64_t) user->created_ms,
                (int64_t) user->updated_ms);

    if (rc == MINT_OK) {
        user->id = sqlite3_last_insert_rowid(db->handle);
        rc = store_next_sequence(db, sequence_out, err);

    } else if (rc == MINT_ERR_CONFLICT) {
        rc = error_set(err, MINT_ERR_CONFLICT, "%s",
                       strstr(err == NULL ? "" : err->text, "users_email")
                       != NULL ? "email" : "username");
    }

    return db_write_end(store, db, rc, err);
}


int
store_user_by_id(struct store *store, int64_t id, struct store_user *out,
    struct error *err)
{
    return user_one(store, out, err, "SELECT " USER_COLUMNS " FROM users"
                    " WHERE id = ?", "i", NULL, id);
}


int
store_user_by_name(struct store *store, const char *username,
    struct store_user *out, struct error *err)
{
    return user_one(store, out, err, "SELECT " USER_COLUMNS " FROM users"
                    " WHERE lower(username) = lower(?)", "t", username, 0);
}


int
store_user_by_login(struct store *store, const char *login,
    struct store_user *out, struct error *err)
{
    int  rc;

    rc = store_user_by_name(store, login, out, err);

    if (rc != MINT_ERR_NOT_FOUND) {
        return rc;
    }

    return user_one(store, out, err, "SELECT " USER_COLUMNS " FROM users"
                    " WHERE lower(email) = lower(?)", "t", login, 0);
}


int
store_users(struct store *store, int64_t skip, int64_t limit,
    store_user_fn each, void *cls, struct error *err)
{
    int                rc;
    struct db         *db;
    sqlite3_stmt      *statement;
    struct store_user  user;

    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    statement = db_statement(db, err, "SELECT " USER_COLUMNS " FROM users"
                             " ORDER BY id LIMIT ? OFFSET ?", "ii", limit,
                             skip);
    rc = statement == NULL ? MINT_ERR_SYSTEM : MINT_OK;

    while (rc == MINT_OK && (rc = db_step(db, statement, err)) == 1) {
        user_row(statement, &user);
        each(cls, &user);
        rc = MINT_OK;
    }

    db_read_end(store, db);

    return rc;
}


int
store_user_set_active(struct store *store, int64_t id, bool is_active,
    struct store_user *out, uint64_t *sequence_out, struct error *err)
{
    int         rc;
    int         changed;
    struct db  *db;

    rc = db_write(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    changed = 0;
    rc = db_run(db, &changed, err, "UPDATE users SET is_active = ?,"
                " session_version = session_version + ?, updated_at = ?"
                " WHERE id = ?", "iiii", (int64_t) is_active,
                (int64_t) !is_active, (int64_t) time_unix_ms(), id);

    if (rc == MINT_OK && changed == 0) {
        rc = error_set(err, MINT_ERR_NOT_FOUND, "no such user");
    }

    if (rc == MINT_OK && !is_active) {
        rc = user_check_admins(db, err);
    }

    if (rc == MINT_OK) {
        rc = store_next_sequence(db, sequence_out, err);
    }

    rc = db_write_end(store, db, rc, err);

    return rc == MINT_OK ? store_user_by_id(store, id, out, err) : rc;
}


int
store_next_sequence(struct db *db, uint64_t *out, struct error *err)
{
    int            rc;
    sqlite3_stmt  *statement;

    rc = db_run(db, NULL, err, "UPDATE meta"
                " SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)"
                " WHERE key = 'identity_sequence'", "");

    if (rc != MINT_OK) {
        return rc;
    }

    statement = db_statement(db, err, "SELECT CAST(value AS INTEGER)"
                             " FROM meta WHERE key = 'identity_sequence'", "");
    rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);

    if (rc == 1) {
        *out = (uint64_t) sqlite3_column_int64(statement, 0);
        return MINT_OK;
    }

    return rc < 0 ? rc : error_set(err, MINT_ERR_INVALID, "the store has no "
                                   "identity sequence");
}


static void
user_row(sqlite3_stmt *statement, struct store_user *out)
{
    memset(out, 0, sizeof(struct store_user));
    out->id = sqlite3_column_int64(statement, 0);
    db_text(statement, 1, out->username, sizeof(out->username));
    db_text(statement, 2, out->email, sizeof(out->email));
    db_text(statement, 3, out->first_name, sizeof(out->first_name));
    db_text(statement, 4, out->last_name, sizeof(out->last_name));
    db_text(statement, 5, out->shortname, sizeof(out->shortname));
    db_text(statement, 6, out->role, sizeof(out->role));
    db_text(statement, 7, out->password_hash, sizeof(out->password_hash));
    out->is_active = sqlite3_column_int(statement, 8) != 0;
    out->session_version = (uint32_t) sqlite3_column_int64(statement, 9);
    out->created_ms = (uint64_t) sqlite3_column_int64(statement, 10);
    out->updated_ms = (uint64_t) sqlite3_column_int64(statement, 11);
}


static int
user_one(struct store *store, struct store_user *out, struct error *err,
    const char *sql, const char *types, const char *text, int64_t id)
{
    int            rc;
    struct db     *db;
    sqlite3_stmt  *statement;

    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    statement = *types == 'i' ? db_statement(db, err, sql, "i", id)
                              : db_statement(db, err, sql, "t", text);
    rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);

    if (rc == 1) {
        user_row(statement, out);
        rc = MINT_OK;

    } else if (rc == 0) {
        rc = error_set(err, MINT_ERR_NOT_FOUND, "no such user");
    }

    db_read_end(store, db);

    return rc;
}


static int
user_check_admins(struct db *db, struct error *err)
{
    int            rc;
    sqlite3_stmt  *statement;

    statement = db_statement(db, err, "SELECT count(*) FROM users"
                             " WHERE role = 'admin' AND is_active = 1", "");
    rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);

    if (rc == 1 && sqlite3_column_int(statement, 0) == 0) {
        return error_set(err, MINT_ERR_CONFLICT, "the last active "
                         "administrator cannot be deactivated");
    }

    return rc < 0 ? rc : MINT_OK;
}
