/* SPDX-License-Identifier: MIT */
/*
 * Opening the store: the lock that keeps a second platform out, the file's
 * mode, the schema, the connections.
 */

#include "platform/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "platform/store/db.h"


#define STORE_LOCK_WAIT_MS  5000


static int store_lock(struct store *store, struct error *err);
static int store_make_private(const char *path, struct error *err);


int
store_open(struct store **out, const char *data_path, struct error *err)
{
    int            rc;
    size_t         i;
    struct store  *store;

    *out = NULL;

    store = mem_alloc(sizeof(struct store));
    store->lock_fd = -1;
    store->path = mem_printf("%s/mint.db", data_path);
    (void) pthread_mutex_init(&store->lock, NULL);
    (void) pthread_cond_init(&store->freed, NULL);

    rc = store_lock(store, err);

    if (rc == MINT_OK) {
        rc = store_make_private(store->path, err);
    }

    if (rc == MINT_OK) {
        rc = db_open(&store->writer, store->path, true, err);
    }

    if (rc == MINT_OK) {
        rc = schema_update(&store->writer, err);
    }

    for (i = 0; i < DB_READERS && rc == MINT_OK; i++) {
        rc = db_open(&store->reader[i], store->path, false, err);
    }

    if (rc != MINT_OK) {
        store_close(&store);
        return rc;
    }

    *out = store;

    return MINT_OK;
}


void
store_close(struct store **store)
{
    size_t         i;
    struct store  *s;

    s = *store;

    if (s == NULL) {
        return;
    }

    for (i = 0; i < DB_READERS; i++) {
        db_close(&s->reader[i]);
    }

    db_close(&s->writer);

    if (s->lock_fd != -1) {
        (void) close(s->lock_fd);
    }

    (void) pthread_cond_destroy(&s->freed);
    (void) pthread_mutex_destroy(&s->lock);
    free(s->path);
    free(s);
    *store = NULL;
}


int
store_ping(struct store *store, struct error *err)
{
    int            rc;
    struct db     *db;
    sqlite3_stmt  *statement;

    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    statement = db_statement(db, err, "SELECT value FROM meta"
                             " WHERE key = 'identity_sequence'", "");
    rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);
    db_read_end(store, db);

    return rc < 0 ? rc : MINT_OK;
}


/*
 * A restarted platform may meet its predecessor finishing its last requests:
 * it waits for it.
 */

static int
store_lock(struct store *store, struct error *err)
{
    int              rc;
    char            *path;
    unsigned         waited_ms;
    struct timespec  pause;

    path = mem_printf("%s.lock", store->path);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (store->lock_fd == -1) {
        rc = error_set_errno(err, "open(\"%s\") failed", path);
        free(path);
        return rc;
    }

    pause.tv_sec = 0;
    pause.tv_nsec = 20 * 1000 * 1000;

    for (waited_ms = 0; ; waited_ms += 20) {
        rc = flock(store->lock_fd, LOCK_EX | LOCK_NB);

        if (rc == 0 || errno != EWOULDBLOCK
            || waited_ms >= STORE_LOCK_WAIT_MS)
        {
            break;
        }

        (void) nanosleep(&pause, NULL);
    }

    if (rc == -1 && errno == EWOULDBLOCK) {
        rc = error_set(err, MINT_ERR_BUSY, "another mint-platform uses \"%s\" "
                       "(lock \"%s\"): stop it first", store->path, path);

    } else if (rc == -1) {
        rc = error_set_errno(err, "flock(\"%s\") failed", path);
    }

    free(path);

    return rc;
}


/* SQLite gives its -wal and -shm files the mode of the database */

static int
store_make_private(const char *path, struct error *err)
{
    int  fd;
    int  rc;

    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd == -1) {
        return error_set_errno(err, "open(\"%s\") failed", path);
    }

    rc = MINT_OK;

    if (fchmod(fd, 0600) == -1) {
        rc = error_set_errno(err, "fchmod(\"%s\") failed", path);
    }

    (void) close(fd);

    return rc;
}
