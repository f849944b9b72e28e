/* SPDX-License-Identifier: MIT */
/*
 * What plugins keep in the store: design data of experiments and settings.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "platform/store/db.h"


struct settings_transaction {
    struct db   *db;
    const char  *plugin;
};


static int design_owner(struct db *db, int64_t experiment_id,
    char **owner_out, struct error *err);
static int settings_read(struct db *db, const char *plugin,
    store_setting_fn each, void *cls, struct error *err);


int
store_design_get(struct store *store, int64_t experiment_id,
    struct store_design *out, struct error *err)
{
    int            rc;
    struct db     *db;
    sqlite3_stmt  *statement;

    memset(out, 0, sizeof(struct store_design));
    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    statement = db_statement(db, err, "SELECT plugin_id, data,"
                             " schema_version, created_at, updated_at"
                             " FROM design_data WHERE experiment_id = ?", "i",
                             experiment_id);
    rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);

    if (rc == 1) {
        out->experiment_id = experiment_id;
        out->plugin_id = db_text_dup(statement, 0);
        out->data = db_text_dup(statement, 1);
        out->schema_version = db_text_dup(statement, 2);
        out->created_ms = (uint64_t) sqlite3_column_int64(statement, 3);
        out->updated_ms = (uint64_t) sqlite3_column_int64(statement, 4);
        rc = MINT_OK;

    } else if (rc == 0) {
        rc = error_set(err, MINT_ERR_NOT_FOUND, "no design data");
    }

    db_read_end(store, db);

    return rc;
}


int
store_design_put(struct store *store, const struct store_design *design,
    char **owner_out, struct error *err)
{
    int         rc;
    int64_t     now;
    struct db  *db;

    *owner_out = NULL;
    rc = db_write(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    rc = design_owner(db, design->experiment_id, owner_out, err);

    if (rc == MINT_OK && *owner_out != NULL
        && strcmp(*owner_out, design->plugin_id) != 0)
    {
        rc = error_set(err, MINT_ERR_CONFLICT, "the design data belongs to "
                       "plugin \"%s\"", *owner_out);
    }

    now = (int64_t) time_unix_ms();

    if (rc == MINT_OK) {
        rc = db_run(db, NULL, err, "INSERT INTO design_data (experiment_id,"
                    " plugin_id, data, schema_version, created_at,"
                    " updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)"
                    " ON CONFLICT (experiment_id) DO UPDATE SET"
                    " data = excluded.data,"
                    " schema_version = excluded.schema_version,"
                    " updated_at = excluded.updated_at", "ittti",
                    design->experiment_id, design->plugin_id, design->data,
                    design->schema_version, now);
    }

    /* the experiment went away between the check and now */
    if (rc == MINT_ERR_INVALID) {
        rc = error_set(err, MINT_ERR_NOT_FOUND, "no such experiment");
    }

    return db_write_end(store, db, rc, err);
}


int
store_design_delete(struct store *store, int64_t experiment_id,
    const char *plugin_id, char **owner_out, struct error *err)
{
    int         rc;
    struct db  *db;

    *owner_out = NULL;
    rc = db_write(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    rc = design_owner(db, experiment_id, owner_out, err);

    if (rc == MINT_OK && *owner_out == NULL) {
        rc = error_set(err, MINT_ERR_NOT_FOUND, "no design data");

    } else if (rc == MINT_OK && strcmp(*owner_out, plugin_id) != 0) {
        rc = error_set(err, MINT_ERR_CONFLICT, "the design data belongs to "
                       "plugin \"%s\"", *owner_out);
    }

    if (rc == MINT_OK) {
        rc = db_run(db, NULL, err, "DELETE FROM design_data"
                    " WHERE experiment_id = ?", "i", experiment_id);
    }

    return db_write_end(store, db, rc, err);
}


void
store_design_clear(struct store_design *design)
{
    free(design->plugin_id);
    free(design->data);
    free(design->schema_version);
    memset(design, 0, sizeof(struct store_design));
}


int
store_settings(struct store *store, const char *plugin, store_setting_fn each,
    void *cls, struct error *err)
{
    int         rc;
    struct db  *db;

    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    rc = settings_read(db, plugin, each, cls, err);
    db_read_end(store, db);

    return rc;
}


int
store_settings_change(struct store *store, const char *plugin,
    struct store_settings_change *change, struct error *err)
{
    int                          rc;
    struct settings_transaction  transaction;

    rc = db_write(store, &transaction.db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    transaction.plugin = plugin;
    change->transaction = &transaction;

    rc = settings_read(transaction.db, plugin, change->each, change->cls, err);

    if (rc == MINT_OK) {
        rc = change->decide(change->cls, change, err);
    }

    change->transaction = NULL;

    return db_write_end(store, transaction.db, rc, err);
}


int
store_settings_write(struct store_settings_change *change, const char *key,
    const char *value_json, struct error *err)
{
    struct settings_transaction  *transaction;

    transaction = change->transaction;

    if (value_json == NULL) {
        return db_run(transaction->db, NULL, err, "DELETE FROM"
                      " plugin_settings WHERE plugin = ? AND key = ?", "tt",
                      transaction->plugin, key);
    }

    return db_run(transaction->db, NULL, err, "INSERT INTO plugin_settings"
                  " (plugin, key, value) VALUES (?, ?, ?)"
                  " ON CONFLICT (plugin, key) DO UPDATE"
                  " SET value = excluded.value", "ttt", transaction->plugin,
                  key, value_json);
}


static int
design_owner(struct db *db, int64_t experiment_id, char **owner_out,
    struct error *err)
{
    int            rc;
    sqlite3_stmt  *statement;

    statement = db_statement(db, err, "SELECT plugin_id FROM design_data"
                             " WHERE experiment_id = ?", "i", experiment_id);
    rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);

    if (rc == 1) {
        *owner_out = db_text_dup(statement, 0);
        rc = MINT_OK;
    }

    if (statement != NULL) {
        (void) sqlite3_reset(statement);
    }

    return rc;
}


static int
settings_read(struct db *db, const char *plugin, store_setting_fn each,
    void *cls, struct error *err)
{
    int            rc;
    sqlite3_stmt  *statement;

    statement = db_statement(db, err, "SELECT key, value FROM plugin_settings"
                             " WHERE plugin = ? ORDER BY key", "t", plugin);
    rc = statement == NULL ? MINT_ERR_SYSTEM : MINT_OK;

    while (rc == MINT_OK && (rc = db_step(db, statement, err)) == 1) {
        each(cls, (const char *) sqlite3_column_text(statement, 0),
             (const char *) sqlite3_column_text(statement, 1));
        rc = MINT_OK;
    }

    if (statement != NULL) {
        (void) sqlite3_reset(statement);
    }

    return rc;
}
