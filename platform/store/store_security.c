/* SPDX-License-Identifier: MIT */
/*
 * Roles, denied tokens, signing keys, failed sign-ins and plugin roles in the
 * store.
 */

#include <stdio.h>
#include <string.h>

#include "lib/fs.h"
#include "platform/store/db.h"


/* names tried are the outside's choice: keep only that many */
#define FAILURES_MAX  "10000"


int
store_role_builtin(struct store *store, const char *slug, const char *name,
    const char *permissions_json, struct error *err)
{
    int         rc;
    struct db  *db;

    rc = db_write(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    rc = db_run(db, NULL, err, "INSERT INTO roles (slug, name, permissions,"
                " plugin_access, is_builtin) VALUES (?, ?, ?, '\"all\"', 1)"
                " ON CONFLICT (slug) DO UPDATE"
                " SET permissions = excluded.permissions"
                " WHERE roles.is_builtin = 1"
                " AND roles.permissions <> excluded.permissions", "ttt",
                slug, name, permissions_json);

    return db_write_end(store, db, rc, err);
}


int
store_roles(struct store *store, store_role_fn each, void *cls,
    struct error *err)
{
    int            rc;
    struct db     *db;
    sqlite3_stmt  *statement;

    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    statement = db_statement(db, err, "SELECT slug, permissions,"
                             " plugin_access FROM roles ORDER BY slug", "");
    rc = statement == NULL ? MINT_ERR_SYSTEM : MINT_OK;

    while (rc == MINT_OK && (rc = db_step(db, statement, err)) == 1) {
        each(cls, (const char *) sqlite3_column_text(statement, 0),
             (const char *) sqlite3_column_text(statement, 1),
             (const char *) sqlite3_column_text(statement, 2));
        rc = MINT_OK;
    }

    db_read_end(store, db);

    return rc;
}


int
store_role_exists(struct store *store, const char *slug, bool *out,
    struct error *err)
{
    int            rc;
    struct db     *db;
    sqlite3_stmt  *statement;

    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    statement = db_statement(db, err, "SELECT 1 FROM roles WHERE slug = ?",
                             "t", slug);
    rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);
    *out = rc == 1;
    db_read_end(store, db);

    return rc < 0 ? rc : MINT_OK;
}


int
store_token_deny(struct store *store, const char *jti, uint64_t expires_unix,
    uint64_t *sequence_out, struct error *err)
{
    int         rc;
    struct db  *db;

    rc = db_write(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    rc = db_run(db, NULL, err, "INSERT INTO denied_tokens (jti, expires_at)"
                " VALUES (?, ?) ON CONFLICT (jti) DO NOTHING", "ti", jti,
                (int64_t) expires_unix);

    if (rc == MINT_OK) {
        rc = db_run(db, NULL, err, "DELETE FROM denied_tokens"
                    " WHERE expires_at < ?", "i",
                    (int64_t) (time_unix_ms() / 1000) - 60);
    }

    if (rc == MINT_OK) {
        rc = store_next_sequence(db, sequence_out, err);
    }

    return db_write_end(store, db, rc, err);
}


int
store_tokens_denied(struct store *store, store_denied_fn each, void *cls,
    struct error *err)
{
    int            rc;
    struct db     *db;
    sqlite3_stmt  *statement;

    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    statement = db_statement(db, err, "SELECT jti, expires_at"
                             " FROM denied_tokens WHERE expires_at >= ?", "i",
                             (int64_t) (time_unix_ms() / 1000) - 60);
    rc = statement == NULL ? MINT_ERR_SYSTEM : MINT_OK;

    while (rc == MINT_OK && (rc = db_step(db, statement, err)) == 1) {
        each(cls, (const char *) sqlite3_column_text(statement, 0),
             (uint64_t) sqlite3_column_int64(statement, 1));
        rc = MINT_OK;
    }

    db_read_end(store, db);

    return rc;
}


int
store_sequence(struct store *store, uint64_t *out, struct error *err)
{
    int            rc;
    struct db     *db;
    sqlite3_stmt  *statement;

    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    statement = db_statement(db, err, "SELECT CAST(value AS INTEGER)"
                             " FROM meta WHERE key = 'identity_sequence'", "");
    rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);

    if (rc == 1) {
        *out = (uint64_t) sqlite3_column_int64(statement, 0);
        rc = MINT_OK;

    } else if (rc == 0) {
        rc = error_set(err, MINT_ERR_INVALID, "the store has no identity "
                       "sequence");
    }

    db_read_end(store, db);

    return rc;
}


int
store_key_get(struct store *store, char kid[17], uint8_t *secret,
    size_t *secret_len, struct error *err)
{
    int            rc;
    int            len;
    struct db     *db;
    sqlite3_stmt  *statement;

    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    statement = db_statement(db, err, "SELECT kid, secret FROM signing_keys"
                             " ORDER BY created_at DESC, kid LIMIT 1", "");
    rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);

    if (rc == 1) {
        db_text(statement, 0, kid, 17);
        len = sqlite3_column_bytes(statement, 1);
        rc = MINT_OK;

        if (len < 16 || len > STORE_KEY_MAX) {
            rc = error_set(err, MINT_ERR_INVALID, "the signing key of the "
                           "store has %d bytes", len);
        } else {
            memcpy(secret, sqlite3_column_blob(statement, 1), (size_t) len);
            *secret_len = (size_t) len;
        }

    } else if (rc == 0) {
        rc = error_set(err, MINT_ERR_NOT_FOUND, "no signing key");
    }

    db_read_end(store, db);

    return rc;
}


int
store_key_add(struct store *store, const char *kid, const uint8_t *secret,
    size_t secret_len, struct error *err)
{
    int         rc;
    struct db  *db;

    rc = db_write(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    rc = db_run(db, NULL, err, "INSERT INTO signing_keys"
                " (kid, secret, created_at) VALUES (?, ?, ?)", "tbi", kid,
                (const void *) secret, secret_len, (int64_t) time_unix_ms());

    return db_write_end(store, db, rc, err);
}


int
store_login_failures(struct store *store, const char *name,
    uint64_t window_ms, unsigned *out, struct error *err)
{
    int            rc;
    struct db     *db;
    sqlite3_stmt  *statement;

    *out = 0;
    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    statement = db_statement(db, err, "SELECT failures FROM login_failures"
                             " WHERE name = ? AND last_at > ?", "ti", name,
                             (int64_t) (time_unix_ms() - window_ms));
    rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);

    if (rc == 1) {
        *out = (unsigned) sqlite3_column_int(statement, 0);
    }

    db_read_end(store, db);

    return rc < 0 ? rc : MINT_OK;
}


/* counted from the last failure, so that a lock lasts the whole window */

int
store_login_failed(struct store *store, const char *name, uint64_t window_ms,
    struct error *err)
{
    int         rc;
    int64_t     now;
    struct db  *db;

    rc = db_write(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    now = (int64_t) time_unix_ms();
    rc = db_run(db, NULL, err, "DELETE FROM login_failures"
                " WHERE last_at <= ? OR name IN (SELECT name"
                " FROM login_failures ORDER BY last_at DESC"
                " LIMIT -1 OFFSET " FAILURES_MAX ")", "i",
                now - (int64_t) window_ms);

    if (rc == MINT_OK) {
        rc = db_run(db, NULL, err, "INSERT INTO login_failures"
                    " (name, failures, last_at) VALUES (?, 1, ?)"
                    " ON CONFLICT (name) DO UPDATE"
                    " SET failures = failures + 1,"
                    " last_at = excluded.last_at", "ti", name, now);
    }

    return db_write_end(store, db, rc, err);
}


int
store_login_succeeded(struct store *store, const char *name,
    struct error *err)
{
    int         rc;
    struct db  *db;

    rc = db_write(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    rc = db_run(db, NULL, err, "DELETE FROM login_failures WHERE name = ?",
                "t", name);

    return db_write_end(store, db, rc, err);
}


int
store_plugin_roles(struct store *store, store_plugin_role_fn each, void *cls,
    struct error *err)
{
    int            rc;
    struct db     *db;
    sqlite3_stmt  *statement;

    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    statement = db_statement(db, err, "SELECT plugin_id, user_id, role"
                             " FROM plugin_roles", "");
    rc = statement == NULL ? MINT_ERR_SYSTEM : MINT_OK;

    while (rc == MINT_OK && (rc = db_step(db, statement, err)) == 1) {
        each(cls, (const char *) sqlite3_column_text(statement, 0),
             sqlite3_column_int64(statement, 1),
             (const char *) sqlite3_column_text(statement, 2));
        rc = MINT_OK;
    }

    db_read_end(store, db);

    return rc;
}
