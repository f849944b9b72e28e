/* SPDX-License-Identifier: MIT */
/*
 * SQLite below the store: connections, transactions, statements.  Private to
 * platform/store/: nothing outside knows which database it is.
 */

#ifndef PLATFORM_STORE_DB_H
#define PLATFORM_STORE_DB_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "platform/store/store_data.h"


#define DB_READERS      8
#define DB_STATEMENTS   64
#define DB_BUSY_MS      5000
#define DB_QUERY_MS     10000


/* one connection; its statements are prepared once (sql must be a literal) */
struct db {
    sqlite3       *handle;
    uint64_t       deadline_ms;         /* of the work under way */
    bool           is_busy;
    struct {
        const char    *sql;
        sqlite3_stmt  *statement;
    } cache[DB_STATEMENTS];
};


struct store {
    char             *path;
    int               lock_fd;
    pthread_mutex_t   lock;
    pthread_cond_t    freed;
    struct db         writer;
    struct db         reader[DB_READERS];
};


/* a snapshot to read from; ends with db_read_end() */
int db_read(struct store *store, struct db **out, struct error *err);
void db_read_end(struct store *store, struct db *db);

/* the one write transaction; db_write_end() commits if rc is 0, else rolls
   back, and returns rc or the failure of the commit */
int db_write(struct store *store, struct db **out, struct error *err);
int db_write_end(struct store *store, struct db *db, int rc,
    struct error *err);

/*
 * Statement with its parameters bound; NULL on failure.  Types: "i" int64_t,
 * "s" const char * (NULL or "" binds NULL), "t" const char * (as it is),
 * "b" const void *, size_t.
 */
sqlite3_stmt *db_statement(struct db *db, struct error *err, const char *sql,
    const char *types, ...);

/* the same for a text made at run time; the caller finalizes it */
sqlite3_stmt *db_prepare(struct db *db, struct error *err, const char *sql);

/* 1 = a row, 0 = done, negative enum mint_err */
int db_step(struct db *db, sqlite3_stmt *statement, struct error *err);

/* for statements without rows: 0 or negative; *changed_out may be NULL */
int db_run(struct db *db, int *changed_out, struct error *err,
    const char *sql, const char *types, ...);

int db_script(struct db *db, const char *sql, struct error *err);
int db_error(struct db *db, const char *what, struct error *err);

/* copies a text column, "" for NULL; cut at size */
void db_text(sqlite3_stmt *statement, int column, char *to, size_t size);
/* owned copy, NULL for NULL */
char *db_text_dup(sqlite3_stmt *statement, int column);

int db_open(struct db *db, const char *path, bool is_writer,
    struct error *err);
void db_close(struct db *db);

/* brings the schema up to date */
int schema_update(struct db *db, struct error *err);

/* the next number of a change of identities, within the transaction */
int store_next_sequence(struct db *db, uint64_t *out, struct error *err);

#endif /* PLATFORM_STORE_DB_H */
