/* SPDX-License-Identifier: MIT */
/*
 * What "identity" says, in private memory: checked, encoded as it will be
 * written, enough to build the file anew.
 */

#ifndef SUPERVISOR_ROUTES_IDENTITY_MODEL_H
#define SUPERVISOR_ROUTES_IDENTITY_MODEL_H

#include "contract/mint_identity.h"
#include "publisher.h"
#include "run_file.h"


#define IDENTITY_ROLES            256   /* a user's word holds 8 bits */
#define IDENTITY_SLUG_MAX         64
#define IDENTITY_EDGE_SECRET_LEN  64    /* hex */


struct identity_user {
    uint64_t   id;
    uint64_t   word;
    char      *name;
};

struct identity_role {
    char      *slug;
    char      *permissions;             /* JSON array, ASCII */
    uint8_t   *access;                  /* bit map of plugin ids */
    size_t     access_len;
    uint64_t   flags;                   /* enum mint_role_flag */
};

struct identity_pat {
    uint64_t   hash[4];
    uint64_t   user_id;
    uint64_t   word;
};


struct identity_model {
    struct identity_user         *users;
    uint32_t                      user_count;
    uint32_t                      user_size;
    uint32_t                     *user_index;   /* position + 1, by id */
    uint32_t                      user_buckets;

    struct identity_role          roles[IDENTITY_ROLES];
    unsigned                      role_count;

    struct mint_identity_key      keys[MINT_IDENTITY_KEYS];
    unsigned                      key_count;

    char                        **tokens;       /* by plugin id */
    uint32_t                      token_count;

    struct identity_pat          *pats;
    uint32_t                      pat_count;
    uint32_t                      pat_size;

    struct mint_identity_denied  *denied;
    uint32_t                      denied_count;
    uint32_t                      denied_size;

    char                          edge_secret[IDENTITY_EDGE_SECRET_LEN + 1];
    uint64_t                      sequence;
};


void identity_model_free(struct identity_model *model);     /* wipes secrets */

/* each adds or replaces one item; *changed (may be NULL) is what was put, for
   the row writer.  MINT_ERR_INVALID: nothing has changed */
int identity_model_user(struct identity_model *model,
    const struct publisher_user *user, const struct identity_user **changed,
    struct error *err);
int identity_model_role(struct identity_model *model,
    const struct publisher_role *role, unsigned *index, struct error *err);
int identity_model_keys(struct identity_model *model,
    const struct publisher_key *keys, size_t count, struct error *err);
int identity_model_token(struct identity_model *model, uint32_t plugin_id,
    const char *token, struct error *err);
void identity_model_forget(struct identity_model *model,
    uint32_t plugin_id);
int identity_model_pat(struct identity_model *model,
    const struct identity_pat *pat, struct error *err);
void identity_model_deny(struct identity_model *model, uint64_t jti_hash,
    uint64_t expires_unix);

/* the same with what was read from a file */
void identity_model_add_user(struct identity_model *model, uint64_t id,
    uint64_t word, const char *name);

/* position of a role, or -1 */
int identity_model_find_role(const struct identity_model *model,
    const char *slug);
const struct identity_user *identity_model_find_user(
    const struct identity_model *model, uint64_t id);

/* drops denials that have expired */
void identity_model_prune(struct identity_model *model, uint64_t now_unix);

/* all but plugin tokens and the edge secret, which must be copied later */
int identity_model_build(struct identity_model *model,
    const struct publisher_identity *identity, struct error *err);

/* moves tokens and edge secret (copies of them) into a fresh model */
void identity_model_inherit(struct identity_model *model,
    const struct identity_model *from);

uint64_t identity_jti_hash(const char *jti);

#endif /* SUPERVISOR_ROUTES_IDENTITY_MODEL_H */
