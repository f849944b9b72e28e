/* SPDX-License-Identifier: MIT */
/*
 * Keeps model and file of "identity" equal: a change goes into the model, then
 * in place into the file; without room there, into a new file built from the
 * model.
 */

#include <string.h>

#include "contract/mint_token.h"
#include "identity_file.h"
#include "identity_writer.h"
#include "lib/fs.h"
#include "lib/log.h"


static int identity_rebuild(struct identity_writer *writer,
    struct identity_model *model, uint32_t plugins, struct error *err);
static int identity_settle(struct identity_writer *writer, int written,
    struct error *err);


int
identity_writer_open(struct identity_writer *writer, const char *directory,
    uint32_t users, uint32_t plugins, gid_t gid, struct error *err)
{
    int               rc;
    struct error      why;
    struct run_file  *file;

    memset(writer, 0, sizeof(*writer));
    writer->users = users;

    rc = run_line_open(&writer->line, directory, MINT_RUN_IDENTITY, gid, err);
    if (rc != 0) {
        goto failed;
    }

    file = writer->line.current;

    if (file != NULL) {
        rc = identity_file_read(file, &writer->model, &why);
        if (rc == 0) {
            writer->plugins =
                file->header->capacity[MINT_IDENTITY_CAPACITY_PLUGINS];

        } else {
            log_warn("run file \"identity\": %s; it will be replaced",
                     why.text);
        }
    }

    if (writer->plugins != 0 && writer->plugins >= plugins) {
        return 0;
    }

    if (writer->model.edge_secret[0] == '\0') {
        fs_random_hex(writer->model.edge_secret,
                      IDENTITY_EDGE_SECRET_LEN / 2);
    }

    rc = identity_rebuild(writer, &writer->model, plugins, err);
    if (rc == 0) {
        return 0;
    }

failed:

    identity_writer_close(writer);

    return rc;
}


void
identity_writer_close(struct identity_writer *writer)
{
    run_line_close(&writer->line);
    identity_model_free(&writer->model);
    memset(writer, 0, sizeof(*writer));
}


int
identity_writer_grow(struct identity_writer *writer, uint32_t plugins,
    struct error *err)
{
    if (plugins <= writer->plugins) {
        return 0;
    }

    return identity_rebuild(writer, &writer->model, plugins, err);
}


int
identity_writer_set(struct identity_writer *writer,
    const struct publisher_identity *identity, struct error *err)
{
    int                     rc;
    struct identity_model   fresh;

    memset(&fresh, 0, sizeof(fresh));

    rc = identity_model_build(&fresh, identity, err);
    if (rc == 0) {
        identity_model_inherit(&fresh, &writer->model);
        rc = identity_rebuild(writer, &fresh, writer->plugins, err);
    }

    if (rc != 0) {
        identity_model_free(&fresh);
        return rc;
    }

    identity_model_free(&writer->model);
    writer->model = fresh;
    explicit_bzero(&fresh, sizeof(fresh));

    return 0;
}


int
identity_writer_user(struct identity_writer *writer,
    const struct publisher_user *user, struct error *err)
{
    int                          rc;
    const struct identity_user  *changed;

    rc = identity_model_user(&writer->model, user, &changed, err);
    if (rc != 0) {
        return rc;
    }

    rc = identity_file_user(writer->line.current, writer->model.user_count,
                            changed);

    return identity_settle(writer, rc, err);
}


int
identity_writer_role(struct identity_writer *writer,
    const struct publisher_role *role, struct error *err)
{
    int       rc;
    unsigned  index;

    rc = identity_model_role(&writer->model, role, &index, err);
    if (rc != 0) {
        return rc;
    }

    rc = identity_file_role(writer->line.current, index,
                            &writer->model.roles[index]);

    return identity_settle(writer, rc, err);
}


int
identity_writer_keys(struct identity_writer *writer,
    const struct publisher_key *keys, size_t count, struct error *err)
{
    int  rc;

    rc = identity_model_keys(&writer->model, keys, count, err);
    if (rc != 0) {
        return rc;
    }

    rc = identity_file_keys(writer->line.current, writer->model.keys,
                            writer->model.key_count);

    return identity_settle(writer, rc, err);
}


int
identity_writer_deny(struct identity_writer *writer, uint64_t jti_hash,
    uint64_t expires_unix, struct error *err)
{
    int       rc;
    uint64_t  now;

    now = time_unix_ms() / 1000 - MINT_TOKEN_LEEWAY_SEC;
    identity_model_deny(&writer->model, jti_hash, expires_unix);

    rc = identity_file_deny(writer->line.current, jti_hash, expires_unix, now);

    return identity_settle(writer, rc, err);
}


int
identity_writer_token(struct identity_writer *writer, uint32_t plugin_id,
    const char *token, struct error *err)
{
    int  rc;

    rc = identity_model_token(&writer->model, plugin_id, token, err);
    if (rc != 0) {
        return rc;
    }

    rc = identity_file_token(writer->line.current, plugin_id, token);

    return identity_settle(writer, rc, err);
}


/* in a new file: a token is not cleared under who reads it */

int
identity_writer_forget(struct identity_writer *writer,
    bool (*is_needed)(void *ctx, uint32_t plugin_id), void *ctx,
    struct error *err)
{
    bool      any;
    uint32_t  i;

    any = false;

    for (i = 0; i < writer->model.token_count; i++) {
        if (writer->model.tokens[i] != NULL && !is_needed(ctx, i)) {
            identity_model_forget(&writer->model, i);
            any = true;
        }
    }

    return any ? identity_rebuild(writer, &writer->model, writer->plugins, err)
               : 0;
}


int
identity_writer_pat(struct identity_writer *writer,
    const struct identity_pat *pat, struct error *err)
{
    int  rc;

    rc = identity_model_pat(&writer->model, pat, err);
    if (rc != 0) {
        return rc;
    }

    rc = identity_file_pat(writer->line.current, writer->model.pat_count,
                           pat);

    return identity_settle(writer, rc, err);
}


int
identity_writer_edge_secret(struct identity_writer *writer,
    const char *secret, struct error *err)
{
    int  rc;

    if (secret[0] == '\0' || strlen(secret) > IDENTITY_EDGE_SECRET_LEN) {
        return error_set(err, MINT_ERR_INVALID,
                         "an edge secret has 1 to %d bytes",
                         IDENTITY_EDGE_SECRET_LEN);
    }

    strcpy(writer->model.edge_secret, secret);
    rc = identity_file_edge_secret(writer->line.current, secret);

    return identity_settle(writer, rc, err);
}


void
identity_writer_sequence(struct identity_writer *writer, uint64_t sequence)
{
    writer->model.sequence = sequence;
    identity_file_sequence(writer->line.current, sequence);
}


void
identity_writer_tick(struct identity_writer *writer)
{
    if (writer->is_stale
        && identity_rebuild(writer, &writer->model, writer->plugins, NULL)
           == 0)
    {
        log_info("run file \"identity\": what found no room is in force");
    }
}


static int
identity_rebuild(struct identity_writer *writer, struct identity_model *model,
    uint32_t plugins, struct error *err)
{
    int                rc;
    struct run_file   *fresh;
    struct run_shape   shape;

    identity_model_prune(model,
                         time_unix_ms() / 1000 - MINT_TOKEN_LEEWAY_SEC);
    identity_file_plan(model, writer->users, plugins, &shape);

    rc = run_line_make(&writer->line, &shape, &fresh, err);
    if (rc != 0) {
        return rc;
    }

    if (identity_file_fill(fresh, model) != 0) {
        run_file_free(&fresh);
        return error_set(err, MINT_ERR_FULL,
                         "identity does not fit a file of %llu bytes",
                         (unsigned long long) shape.bytes);
    }

    if (writer->line.current != NULL) {
        fresh->header->generation =
            mint_run_load(&writer->line.current->header->generation) + 1;
    }

    rc = run_line_commit(&writer->line, &fresh, err);
    if (rc != 0) {
        return rc;
    }

    writer->plugins = shape.capacity[MINT_IDENTITY_CAPACITY_PLUGINS];
    writer->is_stale = false;
    log_info("run file \"identity\" made: epoch %llu, %u users, %u roles, "
             "room for %u users",
             (unsigned long long) writer->line.current->epoch,
             model->user_count, model->role_count,
             shape.capacity[MINT_IDENTITY_CAPACITY_USERS] / 4 * 3);

    return 0;
}


/* written = what the row writer said of the file in use */

static int
identity_settle(struct identity_writer *writer, int written,
    struct error *err)
{
    int  rc;

    if (written == 0 && !writer->is_stale) {
        run_file_changed(writer->line.current);
        return 0;
    }

    rc = identity_rebuild(writer, &writer->model, writer->plugins, err);
    if (rc != 0) {
        writer->is_stale = true;
        return error_prefix(err, "the change is not yet in force");
    }

    return 0;
}
