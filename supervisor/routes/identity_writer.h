/* SPDX-License-Identifier: MIT */
/*
 * The run file "identity": the model, the file and when a new file is needed.
 */

#ifndef SUPERVISOR_ROUTES_IDENTITY_WRITER_H
#define SUPERVISOR_ROUTES_IDENTITY_WRITER_H

#include "identity_model.h"
#include "run_file.h"


struct identity_writer {
    struct run_line        line;
    struct identity_model  model;
    uint32_t               users;       /* hint: room for so many */
    uint32_t               plugins;     /* capacity of the current file */
    bool                   is_stale;    /* the model knows more than the file
                                           could take: no room on the disk */
};


/* adopts a whole file with room for so many plugins, else makes one with what
   could be read from it; makes the edge secret of a first file */
int identity_writer_open(struct identity_writer *writer,
    const char *directory, uint32_t users, uint32_t plugins, gid_t gid,
    struct error *err);
void identity_writer_close(struct identity_writer *writer);

/* a new file for so many plugins */
int identity_writer_grow(struct identity_writer *writer, uint32_t plugins,
    struct error *err);

/*
 * See publisher.h.  A change of one item that needs a larger file for which
 * there is no room is MINT_ERR_FULL; it is kept and comes into force with the
 * next change or tick that finds room.
 */
int identity_writer_set(struct identity_writer *writer,
    const struct publisher_identity *identity, struct error *err);
int identity_writer_user(struct identity_writer *writer,
    const struct publisher_user *user, struct error *err);
int identity_writer_role(struct identity_writer *writer,
    const struct publisher_role *role, struct error *err);
int identity_writer_keys(struct identity_writer *writer,
    const struct publisher_key *keys, size_t count, struct error *err);
int identity_writer_deny(struct identity_writer *writer, uint64_t jti_hash,
    uint64_t expires_unix, struct error *err);
int identity_writer_token(struct identity_writer *writer, uint32_t plugin_id,
    const char *token, struct error *err);
int identity_writer_forget(struct identity_writer *writer,
    bool (*is_needed)(void *ctx, uint32_t plugin_id), void *ctx,
    struct error *err);
int identity_writer_pat(struct identity_writer *writer,
    const struct identity_pat *pat, struct error *err);
int identity_writer_edge_secret(struct identity_writer *writer,
    const char *secret, struct error *err);
void identity_writer_sequence(struct identity_writer *writer,
    uint64_t sequence);

/* tries again what found no room */
void identity_writer_tick(struct identity_writer *writer);

#endif /* SUPERVISOR_ROUTES_IDENTITY_WRITER_H */
