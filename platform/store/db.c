/* SPDX-License-Identifier: MIT */
/*
 * SQLite connections: one writer, a few readers (WAL: readers never wait for
 * the writer).  Every piece of work has a deadline.
 */

#include "platform/store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/strbuf.h"


static int db_acquire(struct store *store, struct db *first, size_t count,
    struct db **out, struct error *err);
static void db_release(struct store *store, struct db *db);
static void db_reset(struct db *db);
static int db_expired(void *cls);
static sqlite3_stmt *db_cached(struct db *db, const char *sql,
    struct error *err);
static int db_bind(struct db *db, sqlite3_stmt *statement, const char *types,
    va_list args, struct error *err);


int
db_read(struct store *store, struct db **out, struct error *err)
{
    return db_acquire(store, store->reader, DB_READERS, out, err);
}


void
db_read_end(struct store *store, struct db *db)
{
    db_reset(db);
    db_release(store, db);
}


int
db_write(struct store *store, struct db **out, struct error *err)
{
    int  rc;

    rc = db_acquire(store, &store->writer, 1, out, err);

    if (rc != MINT_OK) {
        return rc;
    }

    rc = db_run(*out, NULL, err, "BEGIN IMMEDIATE", "");

    if (rc != MINT_OK) {
        db_release(store, *out);
        *out = NULL;
    }

    return rc;
}


int
db_write_end(struct store *store, struct db *db, int rc, struct error *err)
{
    db_reset(db);
    db->deadline_ms = time_boot_ms() + DB_QUERY_MS;

    if (rc == MINT_OK) {
        rc = db_run(db, NULL, err, "COMMIT", "");
    }

    if (rc != MINT_OK && !sqlite3_get_autocommit(db->handle)) {
        /* keeps the first error; a failed rollback leaves none to report */
        (void) db_run(db, NULL, NULL, "ROLLBACK", "");
    }

    db_reset(db);
    db_release(store, db);

    return rc;
}


sqlite3_stmt *
db_statement(struct db *db, struct error *err, const char *sql,
    const char *types, ...)
{
    int            rc;
    va_list        args;
    sqlite3_stmt  *statement;

    statement = db_cached(db, sql, err);

    if (statement == NULL) {
        return NULL;
    }

    va_start(args, types);
    rc = db_bind(db, statement, types, args, err);
    va_end(args);

    return rc == MINT_OK ? statement : NULL;
}


sqlite3_stmt *
db_prepare(struct db *db, struct error *err, const char *sql)
{
    sqlite3_stmt  *statement;

    statement = NULL;

    if (sqlite3_prepare_v3(db->handle, sql, -1, 0, &statement, NULL)
        != SQLITE_OK)
    {
        (void) db_error(db, "prepare", err);
        return NULL;
    }

    return statement;
}


int
db_step(struct db *db, sqlite3_stmt *statement, struct error *err)
{
    switch (sqlite3_step(statement)) {

    case SQLITE_ROW:
        return 1;

    case SQLITE_DONE:
        return 0;

    default:
        return db_error(db, "query", err);
    }
}


int
db_run(struct db *db, int *changed_out, struct error *err, const char *sql,
    const char *types, ...)
{
    int            rc;
    va_list        args;
    sqlite3_stmt  *statement;

    statement = db_cached(db, sql, err);

    if (statement == NULL) {
        return MINT_ERR_SYSTEM;
    }

    va_start(args, types);
    rc = db_bind(db, statement, types, args, err);
    va_end(args);

    if (rc == MINT_OK) {
        rc = db_step(db, statement, err);
    }

    if (rc == MINT_OK && changed_out != NULL) {
        *changed_out = sqlite3_changes(db->handle);
    }

    (void) sqlite3_reset(statement);

    return rc < 0 ? rc : MINT_OK;
}


int
db_script(struct db *db, const char *sql, struct error *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return db_error(db, "script", err);
    }

    return MINT_OK;
}


int
db_error(struct db *db, const char *what, struct error *err)
{
    int            code;
    enum mint_err  mint;

    code = sqlite3_extended_errcode(db->handle);

    switch (code & 0xff) {

    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        mint = MINT_ERR_BUSY;
        break;

    case SQLITE_INTERRUPT:
        mint = MINT_ERR_TIMEOUT;
        break;

    case SQLITE_FULL:
        mint = MINT_ERR_FULL;
        break;

    case SQLITE_CONSTRAINT:
        mint = code == SQLITE_CONSTRAINT_UNIQUE
               || code == SQLITE_CONSTRAINT_PRIMARYKEY
               ? MINT_ERR_CONFLICT : MINT_ERR_INVALID;
        break;

    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        mint = MINT_ERR_INVALID;
        break;

    default:
        mint = MINT_ERR_SYSTEM;
    }

    return error_set(err, mint, "store %s failed: %s", what,
                     sqlite3_errmsg(db->handle));
}


void
db_text(sqlite3_stmt *statement, int column, char *to, size_t size)
{
    const char  *text;

    text = (const char *) sqlite3_column_text(statement, column);
    (void) snprintf(to, size, "%s", text == NULL ? "" : text);
}


char *
db_text_dup(sqlite3_stmt *statement, int column)
{
    const char  *text;

    text = (const char *) sqlite3_column_text(statement, column);

    return text == NULL ? NULL : mem_strdup(text);
}


int
db_open(struct db *db, const char *path, bool is_writer, struct error *err)
{
    int          flags;
    const char  *pragmas;

    flags = SQLITE_OPEN_NOMUTEX
            | (is_writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                         : SQLITE_OPEN_READONLY);
    pragmas = is_writer
              ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF"
              : "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF";
    db->deadline_ms = time_boot_ms() + DB_QUERY_MS;

    if (sqlite3_open_v2(path, &db->handle, flags, NULL) != SQLITE_OK) {
        (void) error_set(err, MINT_ERR_SYSTEM, "open(\"%s\") failed: %s", path,
                         sqlite3_errmsg(db->handle));
        db_close(db);
        return MINT_ERR_SYSTEM;
    }

    (void) sqlite3_extended_result_codes(db->handle, 1);
    (void) sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
    sqlite3_progress_handler(db->handle, 10000, db_expired, db);

    if (db_script(db, pragmas, err) != MINT_OK) {
        (void) error_prefix(err, "\"%s\"", path);
        db_close(db);
        return MINT_ERR_SYSTEM;
    }

    return MINT_OK;
}


void
db_close(struct db *db)
{
    size_t  i;

    for (i = 0; i < DB_STATEMENTS; i++) {
        (void) sqlite3_finalize(db->cache[i].statement);
        db->cache[i].statement = NULL;
        db->cache[i].sql = NULL;
    }

    (void) sqlite3_close(db->handle);
    db->handle = NULL;
}


static int
db_acquire(struct store *store, struct db *first, size_t count,
    struct db **out, struct error *err)
{
    int              rc;
    size_t           i;
    struct timespec  until;

    *out = NULL;
    rc = 0;
    (void) clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DB_BUSY_MS / 1000;

    (void) pthread_mutex_lock(&store->lock);

    for ( ;; ) {
        for (i = 0; i < count && *out == NULL; i++) {
            if (!first[i].is_busy) {
                *out = &first[i];
            }
        }

        if (*out != NULL || rc == ETIMEDOUT) {
            break;
        }

        rc = pthread_cond_timedwait(&store->freed, &store->lock, &until);
    }

    if (*out != NULL) {
        (*out)->is_busy = true;
        (*out)->deadline_ms = time_boot_ms() + DB_QUERY_MS;
    }

    (void) pthread_mutex_unlock(&store->lock);

    if (*out == NULL) {
        return error_set(err, MINT_ERR_BUSY, "the store is busy: no "
                         "connection became free within %d ms", DB_BUSY_MS);
    }

    return MINT_OK;
}


static void
db_release(struct store *store, struct db *db)
{
    (void) pthread_mutex_lock(&store->lock);
    db->is_busy = false;
    (void) pthread_cond_broadcast(&store->freed);
    (void) pthread_mutex_unlock(&store->lock);
}


/* a statement that is not reset would hold its snapshot */

static void
db_reset(struct db *db)
{
    size_t  i;

    for (i = 0; i < DB_STATEMENTS && db->cache[i].sql != NULL; i++) {
        (void) sqlite3_reset(db->cache[i].statement);
        (void) sqlite3_clear_bindings(db->cache[i].statement);
    }
}


static int
db_expired(void *cls)
{
    struct db  *db;

    db = cls;

    return time_boot_ms() > db->deadline_ms;
}


static sqlite3_stmt *
db_cached(struct db *db, const char *sql, struct error *err)
{
    size_t  i;

    for (i = 0; i < DB_STATEMENTS && db->cache[i].sql != NULL; i++) {
        if (db->cache[i].sql == sql) {
            (void) sqlite3_reset(db->cache[i].statement);
            (void) sqlite3_clear_bindings(db->cache[i].statement);
            return db->cache[i].statement;
        }
    }

    if (i == DB_STATEMENTS) {
        /* more texts than places: the first one makes room */
        i = 0;
        (void) sqlite3_finalize(db->cache[i].statement);
        db->cache[i].statement = NULL;
        db->cache[i].sql = "";
    }

    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                           &db->cache[i].statement, NULL)
        != SQLITE_OK)
    {
        (void) db_error(db, "prepare", err);
        return NULL;
    }

    db->cache[i].sql = sql;

    return db->cache[i].statement;
}


static int
db_bind(struct db *db, sqlite3_stmt *statement, const char *types,
    va_list args, struct error *err)
{
    int          rc;
    int          i;
    size_t       len;
    const char  *text;
    const void  *data;

    rc = SQLITE_OK;

    for (i = 1; *types != '\0' && rc == SQLITE_OK; i++, types++) {

        switch (*types) {

        case 'i':
            rc = sqlite3_bind_int64(statement, i, va_arg(args, int64_t));
            break;

        case 'b':
            data = va_arg(args, const void *);
            len = va_arg(args, size_t);
            rc = sqlite3_bind_blob64(statement, i, data, len,
                                     SQLITE_TRANSIENT);
            break;

        default:
            text = va_arg(args, const char *);
            if (text == NULL || (*types == 's' && *text == '\0')) {
                rc = sqlite3_bind_null(statement, i);
            } else {
                rc = sqlite3_bind_text(statement, i, text, -1,
                                       SQLITE_TRANSIENT);
            }
        }
    }

    return rc == SQLITE_OK ? MINT_OK : db_error(db, "bind", err);
}
