/* SPDX-License-Identifier: MIT */
/*
 * Rows and blobs of a mapped "identity" file.  Functions that write return
 * MINT_ERR_FULL (and no text) when the table or the arena has no room left:
 * a larger file is then built from the model.
 */

#ifndef SUPERVISOR_ROUTES_IDENTITY_FILE_H
#define SUPERVISOR_ROUTES_IDENTITY_FILE_H

#include "identity_model.h"
#include "run_file.h"


/* the shape that holds the model, with room to grow */
void identity_file_plan(const struct identity_model *model, uint32_t users,
    uint32_t plugins, struct run_shape *shape);

/* writes the whole model into a fresh file */
int identity_file_fill(struct run_file *file,
    const struct identity_model *model);

/* reads a file back, checking every reference */
int identity_file_read(const struct run_file *file,
    struct identity_model *model, struct error *err);

int identity_file_user(struct run_file *file, uint32_t user_count,
    const struct identity_user *user);
int identity_file_role(struct run_file *file, unsigned index,
    const struct identity_role *role);
int identity_file_keys(struct run_file *file,
    const struct mint_identity_key *keys, unsigned count);
int identity_file_token(struct run_file *file, uint32_t plugin_id,
    const char *token);
int identity_file_pat(struct run_file *file, uint32_t pat_count,
    const struct identity_pat *pat);
int identity_file_deny(struct run_file *file, uint64_t jti_hash,
    uint64_t expires_unix, uint64_t now_unix);
int identity_file_edge_secret(struct run_file *file, const char *secret);
void identity_file_sequence(struct run_file *file, uint64_t sequence);

#endif /* SUPERVISOR_ROUTES_IDENTITY_FILE_H */
