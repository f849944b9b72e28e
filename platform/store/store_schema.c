/* SPDX-License-Identifier: MIT */
/*
 * Schema of the store as a table of numbered steps.  A step that has run on
 * a machine is never edited: a change is a new step.  Each runs in its own
 * transaction.
 */

#include "platform/store/db.h"

#include "lib/fs.h"
#include "lib/log.h"


struct schema_step {
    int          number;
    const char  *name;
    const char  *sql;
};


static const struct schema_step  schema_steps[] = {
    { 1, "users, roles and keys",
      "CREATE TABLE meta ("
      "    key    TEXT PRIMARY KEY,"
      "    value  TEXT NOT NULL);"
      "INSERT INTO meta (key, value) VALUES ('identity_sequence', '1');"
      "CREATE TABLE roles ("
      "    slug           TEXT PRIMARY KEY,"
      "    name           TEXT NOT NULL,"
      "    permissions    TEXT NOT NULL,"
      "    plugin_access  TEXT NOT NULL,"
      "    is_builtin     INTEGER NOT NULL);"
      "CREATE TABLE users ("
      "    id               INTEGER PRIMARY KEY AUTOINCREMENT,"
      "    username         TEXT NOT NULL,"
      "    email            TEXT,"
      "    password_hash    TEXT NOT NULL,"
      "    role             TEXT NOT NULL REFERENCES roles (slug),"
      "    first_name       TEXT,"
      "    last_name        TEXT,"
      "    shortname        TEXT,"
      "    is_active        INTEGER NOT NULL,"
      "    session_version  INTEGER NOT NULL,"
      "    created_at       INTEGER NOT NULL,"
      "    updated_at       INTEGER NOT NULL);"
      "CREATE UNIQUE INDEX users_username ON users (lower(username));"
      "CREATE UNIQUE INDEX users_email ON users (lower(email));"
      "CREATE TABLE signing_keys ("
      "    kid         TEXT PRIMARY KEY,"
      "    secret      BLOB NOT NULL,"
      "    created_at  INTEGER NOT NULL);"
      "CREATE TABLE denied_tokens ("
      "    jti         TEXT PRIMARY KEY,"
      "    expires_at  INTEGER NOT NULL);"
      "CREATE TABLE login_failures ("
      "    name       TEXT PRIMARY KEY,"
      "    failures   INTEGER NOT NULL,"
      "    last_at    INTEGER NOT NULL);" },

    { 2, "experiments and plugin data",
      "CREATE TABLE experiments ("
      "    id                    INTEGER PRIMARY KEY AUTOINCREMENT,"
      "    name                  TEXT NOT NULL,"
      "    experiment_type       TEXT NOT NULL,"
      "    status                TEXT NOT NULL,"
      "    created_by            INTEGER REFERENCES users (id),"
      "    parent_experiment_id  INTEGER REFERENCES experiments (id)"
      "                              ON DELETE SET NULL,"
      "    project               TEXT,"
      "    notes                 TEXT,"
      "    tags                  TEXT NOT NULL,"
      "    created_at            INTEGER NOT NULL,"
      "    updated_at            INTEGER NOT NULL);"
      "CREATE INDEX experiments_type ON experiments (experiment_type);"
      "CREATE INDEX experiments_parent"
      "    ON experiments (parent_experiment_id);"
      "CREATE INDEX experiments_creator ON experiments (created_by);"
      "CREATE TABLE design_data ("
      "    experiment_id   INTEGER PRIMARY KEY"
      "                        REFERENCES experiments (id) ON DELETE CASCADE,"
      "    plugin_id       TEXT NOT NULL,"
      "    data            TEXT NOT NULL,"
      "    schema_version  TEXT NOT NULL,"
      "    created_at      INTEGER NOT NULL,"
      "    updated_at      INTEGER NOT NULL);"
      "CREATE TABLE plugin_settings ("
      "    plugin  TEXT NOT NULL,"
      "    key     TEXT NOT NULL,"
      "    value   TEXT NOT NULL,"
      "    PRIMARY KEY (plugin, key));"
      "CREATE TABLE plugin_roles ("
      "    id          INTEGER PRIMARY KEY AUTOINCREMENT,"
      "    plugin_id   TEXT NOT NULL,"
      "    user_id     INTEGER NOT NULL REFERENCES users (id)"
      "                    ON DELETE CASCADE,"
      "    role        TEXT NOT NULL,"
      "    created_at  INTEGER NOT NULL,"
      "    updated_at  INTEGER NOT NULL,"
      "    UNIQUE (plugin_id, user_id));" }
};


#define SCHEMA_STEPS  (sizeof(schema_steps) / sizeof(schema_steps[0]))


static int schema_version(struct db *db, int *out, struct error *err);
static int schema_apply(struct db *db, const struct schema_step *step,
    struct error *err);


int
schema_update(struct db *db, struct error *err)
{
    int     rc;
    int     version;
    size_t  i;

    version = 0;
    rc = db_script(db, "CREATE TABLE IF NOT EXISTS schema_steps ("
                   "    number      INTEGER PRIMARY KEY,"
                   "    name        TEXT NOT NULL,"
                   "    applied_at  INTEGER NOT NULL)", err);

    if (rc == MINT_OK) {
        rc = schema_version(db, &version, err);
    }

    if (rc != MINT_OK) {
        return rc;
    }

    if (version > schema_steps[SCHEMA_STEPS - 1].number) {
        return error_set(err, MINT_ERR_CONFLICT, "the store was written by a "
                         "newer version (schema step %d, this version knows "
                         "%d): install that version again or restore a backup",
                         version, schema_steps[SCHEMA_STEPS - 1].number);
    }

    for (i = 0; i < SCHEMA_STEPS && rc == MINT_OK; i++) {
        if (schema_steps[i].number > version) {
            rc = schema_apply(db, &schema_steps[i], err);
        }
    }

    return rc;
}


static int
schema_version(struct db *db, int *out, struct error *err)
{
    int            rc;
    sqlite3_stmt  *statement;

    statement = db_statement(db, err,
                             "SELECT coalesce(max(number), 0)"
                             " FROM schema_steps", "");

    if (statement == NULL) {
        return MINT_ERR_SYSTEM;
    }

    rc = db_step(db, statement, err);

    if (rc == 1) {
        *out = sqlite3_column_int(statement, 0);
    }

    (void) sqlite3_reset(statement);

    return rc < 0 ? rc : MINT_OK;
}


static int
schema_apply(struct db *db, const struct schema_step *step, struct error *err)
{
    int  rc;

    rc = db_script(db, "BEGIN IMMEDIATE", err);

    if (rc != MINT_OK) {
        return rc;
    }

    rc = db_script(db, step->sql, err);

    if (rc == MINT_OK) {
        rc = db_run(db, NULL, err, "INSERT INTO schema_steps"
                    " (number, name, applied_at) VALUES (?, ?, ?)", "iti",
                    (int64_t) step->number, step->name,
                    (int64_t) time_unix_ms());
    }

    if (rc == MINT_OK) {
        rc = db_script(db, "COMMIT", err);
    }

    if (rc != MINT_OK) {
        (void) error_prefix(err, "schema step %d (%s)", step->number,
                            step->name);
        (void) db_script(db, "ROLLBACK", NULL);
        return rc;
    }

    log_info("store: schema step %d applied: %s", step->number, step->name);

    return MINT_OK;
}
