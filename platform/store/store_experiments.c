/* SPDX-License-Identifier: MIT */
/*
 * Experiments in the store.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "platform/store/db.h"


#define EXPERIMENT_COLUMNS                                                    \
    "e.id, e.name, e.experiment_type, e.status, e.created_by,"                \
    " e.parent_experiment_id, e.project, e.notes, e.tags, e.created_at,"      \
    " e.updated_at, d.plugin_id"
#define EXPERIMENT_FROM                                                       \
    " FROM experiments e LEFT JOIN design_data d ON d.experiment_id = e.id"
#define EXPERIMENT_ANCESTORS  10000


static const char *const  experiment_sortable[] = {
    "id", "name", "experiment_type", "status", "created_at", "updated_at"
};


static void experiment_where(struct strbuf *sql,
    const struct store_experiment_filter *f);
static int experiment_bind(struct db *db, sqlite3_stmt *statement,
    const struct store_experiment_filter *f, struct error *err);
static int experiment_count(struct db *db,
    const struct store_experiment_filter *f, int64_t *total_out,
    struct error *err);
static void experiment_row(sqlite3_stmt *statement,
    struct store_experiment *out);
static int experiment_check_parent(struct db *db, int64_t id, int64_t parent,
    struct error *err);
static int experiment_check_user(struct db *db, int64_t user,
    struct error *err);


bool
store_experiment_sortable(const char *name)
{
    size_t  i;

    for (i = 0; i < sizeof(experiment_sortable) / sizeof(char *); i++) {
        if (strcmp(experiment_sortable[i], name) == 0) {
            return true;
        }
    }

    return false;
}


int
store_experiments(struct store *store,
    const struct store_experiment_filter *filter, store_experiment_fn each,
    void *cls, int64_t *total_out, struct error *err)
{
    int                       rc;
    struct db                *db;
    struct strbuf             sql = { 0 };
    sqlite3_stmt             *statement;
    struct store_experiment   row;

    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    strbuf_puts(&sql, "SELECT " EXPERIMENT_COLUMNS EXPERIMENT_FROM);
    experiment_where(&sql, filter);

    /* the id makes the order total: pages neither repeat nor skip a row */
    strbuf_printf(&sql, " ORDER BY e.%s%s, e.id%s LIMIT ?9 OFFSET ?10",
                  filter->sort_by != NULL
                  && store_experiment_sortable(filter->sort_by)
                  ? filter->sort_by : "id",
                  filter->is_descending ? " DESC" : "",
                  filter->is_descending ? " DESC" : "");

    /* one snapshot: the total belongs to the rows */
    rc = db_run(db, NULL, err, "BEGIN", "");
    statement = rc == MINT_OK ? db_prepare(db, err, strbuf_text(&sql)) : NULL;
    rc = statement == NULL ? MINT_ERR_SYSTEM
                           : experiment_bind(db, statement, filter, err);

    while (rc == MINT_OK && (rc = db_step(db, statement, err)) == 1) {
        experiment_row(statement, &row);
        each(cls, &row);
        store_experiment_clear(&row);
        rc = MINT_OK;
    }

    (void) sqlite3_finalize(statement);

    if (rc == MINT_OK) {
        rc = experiment_count(db, filter, total_out, err);
    }

    if (!sqlite3_get_autocommit(db->handle)) {
        (void) db_run(db, NULL, NULL, "ROLLBACK", "");
    }

    strbuf_free(&sql);
    db_read_end(store, db);

    return rc;
}


int
store_experiment_get(struct store *store, int64_t id,
    struct store_experiment *out, struct error *err)
{
    int            rc;
    struct db     *db;
    sqlite3_stmt  *statement;

    rc = db_read(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    statement = db_statement(db, err, "SELECT " EXPERIMENT_COLUMNS
                             EXPERIMENT_FROM " WHERE e.id = ?", "i", id);
    rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);

    if (rc == 1) {
        experiment_row(statement, out);
        rc = MINT_OK;

    } else if (rc == 0) {
        rc = error_set(err, MINT_ERR_NOT_FOUND, "no such experiment");
    }

    db_read_end(store, db);

    return rc;
}


int
store_experiment_create(struct store *store,
    struct store_experiment *experiment, struct error *err)
{
    int         rc;
    struct db  *db;

    rc = db_write(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    experiment->created_ms = time_unix_ms();
    experiment->updated_ms = experiment->created_ms;

    rc = experiment_check_user(db, experiment->created_by, err);

    if (rc == MINT_OK) {
        rc = experiment_check_parent(db, 0, experiment->parent_experiment_id,
                                     err);
    }

    if (rc == MINT_OK) {
        rc = db_run(db, NULL, err, "INSERT INTO experiments (name,"
                    " experiment_type, status, created_by,"
                    " parent_experiment_id, project, notes, tags, created_at,"
                    " updated_at) VALUES (?, ?, ?, nullif(?, 0),"
                    " nullif(?, 0), ?, ?, ?, ?, ?)", "tttiisstii",
                    experiment->name, experiment->experiment_type,
                    experiment->status, experiment->created_by,
                    experiment->parent_experiment_id, experiment->project,
                    experiment->notes, experiment->tags,
                    (int64_t) experiment->created_ms,
                    (int64_t) experiment->updated_ms);
    }

    if (rc == MINT_OK) {
        experiment->id = sqlite3_last_insert_rowid(db->handle);
    }

    return db_write_end(store, db, rc, err);
}


int
store_experiment_update(struct store *store, int64_t id,
    const struct store_experiment *change, struct error *err)
{
    int         rc;
    int         changed;
    struct db  *db;

    rc = db_write(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    changed = 0;
    rc = experiment_check_parent(db, id, change->parent_experiment_id, err);

    if (rc == MINT_OK) {
        rc = db_run(db, &changed, err, "UPDATE experiments SET"
                    " name = coalesce(?, name),"
                    " experiment_type = coalesce(?, experiment_type),"
                    " status = coalesce(?, status),"
                    " parent_experiment_id ="
                    "     coalesce(nullif(?, 0), parent_experiment_id),"
                    " project = coalesce(?, project),"
                    " notes = coalesce(?, notes),"
                    " tags = coalesce(?, tags), updated_at = ? WHERE id = ?",
                    "tttitttii", change->name, change->experiment_type,
                    change->status, change->parent_experiment_id,
                    change->project, change->notes, change->tags,
                    (int64_t) time_unix_ms(), id);
    }

    if (rc == MINT_OK && changed == 0) {
        rc = error_set(err, MINT_ERR_NOT_FOUND, "no such experiment");
    }

    return db_write_end(store, db, rc, err);
}


int
store_experiment_delete(struct store *store, int64_t id, struct error *err)
{
    int         rc;
    int         changed;
    struct db  *db;

    rc = db_write(store, &db, err);

    if (rc != MINT_OK) {
        return rc;
    }

    changed = 0;
    rc = db_run(db, &changed, err, "DELETE FROM experiments WHERE id = ?",
                "i", id);

    if (rc == MINT_OK && changed == 0) {
        rc = error_set(err, MINT_ERR_NOT_FOUND, "no such experiment");
    }

    return db_write_end(store, db, rc, err);
}


void
store_experiment_clear(struct store_experiment *experiment)
{
    free(experiment->name);
    free(experiment->experiment_type);
    free(experiment->status);
    free(experiment->project);
    free(experiment->notes);
    free(experiment->tags);
    free(experiment->design_owner_plugin_id);
    memset(experiment, 0, sizeof(struct store_experiment));
}


/* ?1 to ?8 are the filters, ?9 and ?10 the page, ?11 and up the types */

static void
experiment_where(struct strbuf *sql, const struct store_experiment_filter *f)
{
    size_t  i;

    strbuf_puts(sql, " WHERE 1");

    if (f->status != NULL) {
        strbuf_puts(sql, " AND e.status = ?1");
    }

    if (f->experiment_type != NULL) {
        strbuf_puts(sql, " AND e.experiment_type = ?2");
    }

    if (f->project != NULL) {
        strbuf_puts(sql, " AND e.project = ?3");
    }

    if (f->search != NULL) {
        strbuf_puts(sql, " AND (instr(lower(e.name), lower(?4)) > 0"
                    " OR instr(lower(e.notes), lower(?4)) > 0)");
    }

    if (f->created_by != 0) {
        strbuf_puts(sql, " AND e.created_by = ?5");
    }

    if (f->parent_experiment_id != 0) {
        strbuf_puts(sql, " AND e.parent_experiment_id = ?6");
    }

    if (f->created_after_ms != 0) {
        strbuf_puts(sql, " AND e.created_at >= ?7");
    }

    if (f->created_before_ms != 0) {
        strbuf_puts(sql, " AND e.created_at < ?8");
    }

    if (f->has_types) {
        strbuf_puts(sql, " AND e.experiment_type IN (NULL");

        for (i = 0; i < f->types_count; i++) {
            strbuf_printf(sql, ", ?%zu", 11 + i);
        }

        strbuf_puts(sql, ")");
    }
}


/* numbers beyond the last parameter of the text are left out */

static int
experiment_bind(struct db *db, sqlite3_stmt *statement,
    const struct store_experiment_filter *f, struct error *err)
{
    int          i;
    int          rc;
    size_t       n;
    const char  *texts[4];
    int64_t      numbers[6];

    texts[0] = f->status;
    texts[1] = f->experiment_type;
    texts[2] = f->project;
    texts[3] = f->search;
    numbers[0] = f->created_by;
    numbers[1] = f->parent_experiment_id;
    numbers[2] = (int64_t) f->created_after_ms;
    numbers[3] = (int64_t) f->created_before_ms;
    numbers[4] = f->limit;
    numbers[5] = f->skip;
    rc = SQLITE_OK;

    for (i = 0; i < 4 && rc == SQLITE_OK; i++) {
        if (texts[i] != NULL) {
            rc = sqlite3_bind_text(statement, i + 1, texts[i], -1,
                                   SQLITE_STATIC);
        }
    }

    for (i = 0; i < 6 && rc == SQLITE_OK; i++) {
        if (i + 5 <= sqlite3_bind_parameter_count(statement)) {
            rc = sqlite3_bind_int64(statement, i + 5, numbers[i]);
        }
    }

    for (n = 0; f->has_types && n < f->types_count && rc == SQLITE_OK; n++) {
        rc = sqlite3_bind_text(statement, (int) (11 + n), f->types[n], -1,
                               SQLITE_STATIC);
    }

    return rc == SQLITE_OK ? MINT_OK : db_error(db, "bind", err);
}


static int
experiment_count(struct db *db, const struct store_experiment_filter *f,
    int64_t *total_out, struct error *err)
{
    int            rc;
    struct strbuf  sql = { 0 };
    sqlite3_stmt  *statement;

    strbuf_puts(&sql, "SELECT count(*) FROM experiments e");
    experiment_where(&sql, f);

    statement = db_prepare(db, err, strbuf_text(&sql));
    rc = statement == NULL ? MINT_ERR_SYSTEM
                           : experiment_bind(db, statement, f, err);

    if (rc == MINT_OK) {
        rc = db_step(db, statement, err);
    }

    if (rc == 1) {
        *total_out = sqlite3_column_int64(statement, 0);
        rc = MINT_OK;
    }

    (void) sqlite3_finalize(statement);
    strbuf_free(&sql);

    return rc;
}


static void
experiment_row(sqlite3_stmt *statement, struct store_experiment *out)
{
    memset(out, 0, sizeof(struct store_experiment));
    out->id = sqlite3_column_int64(statement, 0);
    out->name = db_text_dup(statement, 1);
    out->experiment_type = db_text_dup(statement, 2);
    out->status = db_text_dup(statement, 3);
    out->created_by = sqlite3_column_int64(statement, 4);
    out->parent_experiment_id = sqlite3_column_int64(statement, 5);
    out->project = db_text_dup(statement, 6);
    out->notes = db_text_dup(statement, 7);
    out->tags = db_text_dup(statement, 8);
    out->created_ms = (uint64_t) sqlite3_column_int64(statement, 9);
    out->updated_ms = (uint64_t) sqlite3_column_int64(statement, 10);
    out->design_owner_plugin_id = db_text_dup(statement, 11);
}


/* the parent must exist and must not be id or below it */

static int
experiment_check_parent(struct db *db, int64_t id, int64_t parent,
    struct error *err)
{
    int            rc;
    unsigned       steps;
    int64_t        above;
    sqlite3_stmt  *statement;

    above = parent;

    for (steps = 0; above != 0 && steps < EXPERIMENT_ANCESTORS; steps++) {

        if (above == id) {
            return error_set(err, MINT_ERR_INVALID, "parent_experiment_id");
        }

        statement = db_statement(db, err, "SELECT parent_experiment_id"
                                 " FROM experiments WHERE id = ?", "i",
                                 above);
        rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);

        if (rc < 0) {
            return rc;
        }

        if (rc == 0) {
            return error_set(err, MINT_ERR_INVALID, "parent_experiment_id");
        }

        above = sqlite3_column_int64(statement, 0);
        (void) sqlite3_reset(statement);
    }

    return MINT_OK;
}


static int
experiment_check_user(struct db *db, int64_t user, struct error *err)
{
    int            rc;
    sqlite3_stmt  *statement;

    if (user == 0) {
        return MINT_OK;
    }

    statement = db_statement(db, err, "SELECT 1 FROM users WHERE id = ?", "i",
                             user);
    rc = statement == NULL ? MINT_ERR_SYSTEM : db_step(db, statement, err);

    if (rc < 0) {
        return rc;
    }

    (void) sqlite3_reset(statement);

    return rc == 1 ? MINT_OK
                   : error_set(err, MINT_ERR_INVALID, "created_by");
}
