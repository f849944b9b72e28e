/* SPDX-License-Identifier: MIT */
/*
 * Writes the tables and the arena of "identity".  A row is published by the
 * word that makes it findable, stored last (release); a blob by its reference
 * word.  Reading back is in identity_read.c.
 */

#include <stdlib.h>
#include <string.h>

#include "identity_file.h"
#include "lib/strbuf.h"


#define IDENTITY_USERS_LEAST   1024
#define IDENTITY_PATS_LEAST    4096
#define IDENTITY_DENIED_LEAST  16384
#define IDENTITY_ARENA_SPARE   (1024 * 1024)
#define IDENTITY_ROLE_USED     (1ULL << 63)


static uint64_t identity_blob_room(size_t len);
static uint64_t identity_live_bytes(const struct identity_model *model);
static int identity_put_blob(struct run_file *file, uint64_t *word,
    const void *data, size_t len);
static bool identity_blob_equals(const struct run_file *file, uint64_t ref,
    const void *data, size_t len);
static struct mint_identity_misc *identity_misc(const struct run_file *file);
static uint32_t identity_mask(const struct run_file *file, unsigned which);


void
identity_file_plan(const struct identity_model *model, uint32_t users,
    uint32_t plugins, struct run_shape *shape)
{
    unsigned  i;
    uint64_t  at, arena;
    uint32_t  most;

    static const unsigned  row_bytes[] = {
        [MINT_IDENTITY_SECTION_USERS] = sizeof(struct mint_identity_user),
        [MINT_IDENTITY_SECTION_ROLES] = sizeof(struct mint_identity_role),
        [MINT_IDENTITY_SECTION_PLUGINS] = sizeof(struct mint_identity_plugin),
        [MINT_IDENTITY_SECTION_PATS] = sizeof(struct mint_identity_pat),
        [MINT_IDENTITY_SECTION_DENIED] = sizeof(struct mint_identity_denied)
    };

    most = users > model->user_count ? users : model->user_count;
    most = most > IDENTITY_USERS_LEAST / 2 ? most : IDENTITY_USERS_LEAST / 2;

    memset(shape, 0, sizeof(*shape));
    shape->capacity[MINT_IDENTITY_CAPACITY_USERS] =
        run_power_of_two((uint64_t) most * 2);
    shape->capacity[MINT_IDENTITY_CAPACITY_ROLES] = IDENTITY_ROLES;
    shape->capacity[MINT_IDENTITY_CAPACITY_PLUGINS] =
        plugins > model->token_count ? plugins : model->token_count;
    shape->capacity[MINT_IDENTITY_CAPACITY_PATS] =
        run_power_of_two(IDENTITY_PATS_LEAST
                         + (uint64_t) model->pat_count * 2);
    shape->capacity[MINT_IDENTITY_CAPACITY_DENIED] =
        run_power_of_two(IDENTITY_DENIED_LEAST
                         + (uint64_t) model->denied_count * 2);
    shape->capacity[MINT_IDENTITY_CAPACITY_KEYS] = MINT_IDENTITY_KEYS;

    at = sizeof(struct mint_run_header);

    for (i = 0; i < MINT_IDENTITY_SECTION_ARENA; i++) {
        shape->section[i] = at;
        at = run_align(at + (uint64_t) shape->capacity[i] * row_bytes[i]);
    }

    arena = sizeof(struct mint_identity_misc) + IDENTITY_ARENA_SPARE
            + 2 * identity_live_bytes(model);
    shape->section[MINT_IDENTITY_SECTION_ARENA] = at;
    shape->bytes = at + run_align(arena);
}


int
identity_file_fill(struct run_file *file, const struct identity_model *model)
{
    int                         rc;
    uint32_t                    i;
    struct mint_identity_misc  *misc;

    misc = identity_misc(file);
    mint_run_store(&misc->arena_used,
                   file->header->section[MINT_IDENTITY_SECTION_ARENA]
                   + sizeof(*misc));

    rc = identity_file_edge_secret(file, model->edge_secret);

    for (i = 0; rc == 0 && i < model->role_count; i++) {
        rc = identity_file_role(file, i, &model->roles[i]);
    }

    for (i = 0; rc == 0 && i < model->user_count; i++) {
        rc = identity_file_user(file, model->user_count, &model->users[i]);
    }

    for (i = 0; rc == 0 && i < model->token_count; i++) {
        if (model->tokens[i] != NULL) {
            rc = identity_file_token(file, i, model->tokens[i]);
        }
    }

    for (i = 0; rc == 0 && i < model->pat_count; i++) {
        rc = identity_file_pat(file, model->pat_count, &model->pats[i]);
    }

    for (i = 0; rc == 0 && i < model->denied_count; i++) {
        rc = identity_file_deny(file, model->denied[i].jti_hash,
                                model->denied[i].expires_unix, 0);
    }

    if (rc == 0) {
        rc = identity_file_keys(file, model->keys, model->key_count);
    }

    identity_file_sequence(file, model->sequence);

    return rc;
}


int
identity_file_user(struct run_file *file, uint32_t user_count,
    const struct identity_user *user)
{
    uint32_t                    at, mask;
    uint64_t                    id;
    struct mint_identity_user  *rows, *row;

    mask = identity_mask(file, MINT_IDENTITY_CAPACITY_USERS);
    rows = run_file_section(file, MINT_IDENTITY_SECTION_USERS);

    if ((uint64_t) user_count * 4 > (uint64_t) (mask + 1) * 3) {
        return MINT_ERR_FULL;
    }

    for (at = mint_identity_hash(user->id); /* void */; at++) {
        row = &rows[at & mask];
        id = mint_run_load(&row->id);
        if (id == 0 || id == user->id) {
            break;
        }
    }

    /* what takes rights away comes first */
    mint_run_store_release(&row->word, user->word);

    if (identity_put_blob(file, &row->name, user->name, strlen(user->name))
        != 0)
    {
        return MINT_ERR_FULL;
    }

    mint_run_store_release(&row->id, user->id);

    return 0;
}


int
identity_file_role(struct run_file *file, unsigned index,
    const struct identity_role *role)
{
    struct mint_identity_role  *row;

    if (index >= file->header->capacity[MINT_IDENTITY_CAPACITY_ROLES]) {
        return MINT_ERR_FULL;
    }

    row = run_file_section(file, MINT_IDENTITY_SECTION_ROLES);
    row += index;

    /* the bit map before the word that makes readers look at it */
    if (identity_put_blob(file, &row->slug, role->slug, strlen(role->slug))
        != 0
        || identity_put_blob(file, &row->permissions, role->permissions,
                             strlen(role->permissions)) != 0
        || identity_put_blob(file, &row->plugin_access, role->access,
                             role->access_len) != 0)
    {
        return MINT_ERR_FULL;
    }

    mint_run_store_release(&row->word, role->flags | IDENTITY_ROLE_USED);

    return 0;
}


int
identity_file_keys(struct run_file *file,
    const struct mint_identity_key *keys, unsigned count)
{
    int                         i, step, last;
    struct mint_identity_misc  *misc;

    misc = identity_misc(file);

    /* a key that stays but changes its place must never be missing: rotation
       moves [0] to [1], so [1] is written first; rolling back is the reverse */
    i = MINT_IDENTITY_KEYS - 1;
    last = 0;
    step = -1;

    if (count > 0
        && identity_blob_equals(file, misc->key[MINT_IDENTITY_KEYS - 1],
                                &keys[0], sizeof(keys[0])))
    {
        i = 0;
        last = MINT_IDENTITY_KEYS - 1;
        step = 1;
    }

    for ( ;; i += step) {
        if (identity_put_blob(file, &misc->key[i], &keys[i],
                              (unsigned) i < count ? sizeof(keys[i]) : 0)
            != 0)
        {
            return MINT_ERR_FULL;
        }

        if (i == last) {
            return 0;
        }
    }
}


int
identity_file_token(struct run_file *file, uint32_t plugin_id,
    const char *token)
{
    struct mint_identity_plugin  *row;

    if (plugin_id >= file->header->capacity[MINT_IDENTITY_CAPACITY_PLUGINS]) {
        return MINT_ERR_FULL;
    }

    row = run_file_section(file, MINT_IDENTITY_SECTION_PLUGINS);
    row += plugin_id;

    return identity_put_blob(file, &row->token, token, strlen(token));
}


int
identity_file_pat(struct run_file *file, uint32_t pat_count,
    const struct identity_pat *pat)
{
    uint32_t                   at, mask;
    uint64_t                   hash[4];
    struct mint_identity_pat  *rows, *row;

    mask = identity_mask(file, MINT_IDENTITY_CAPACITY_PATS);
    rows = run_file_section(file, MINT_IDENTITY_SECTION_PATS);

    if ((uint64_t) pat_count * 4 > (uint64_t) (mask + 1) * 3) {
        return MINT_ERR_FULL;
    }

    for (at = (uint32_t) pat->hash[0]; /* void */; at++) {
        row = &rows[at & mask];
        mint_run_copy(hash, row->hash, sizeof(hash));
        if ((hash[0] | hash[1] | hash[2] | hash[3]) == 0
            || memcmp(hash, pat->hash, sizeof(hash)) == 0)
        {
            break;
        }
    }

    mint_run_store_release(&row->word, pat->word);
    mint_run_store_release(&row->user_id, pat->user_id);
    mint_run_fill(&row->hash[1], &pat->hash[1], 3 * sizeof(pat->hash[0]));
    mint_run_store_release(&row->hash[0], pat->hash[0]);

    return 0;
}


int
identity_file_deny(struct run_file *file, uint64_t jti_hash,
    uint64_t expires_unix, uint64_t now_unix)
{
    uint32_t                      i, at, mask, used;
    uint64_t                      hash;
    struct mint_identity_denied  *rows, *row, *place;

    mask = identity_mask(file, MINT_IDENTITY_CAPACITY_DENIED);
    rows = run_file_section(file, MINT_IDENTITY_SECTION_DENIED);
    place = NULL;

    for (at = (uint32_t) jti_hash; /* void */; at++) {
        row = &rows[at & mask];
        hash = mint_run_load(&row->jti_hash);

        if (hash == jti_hash) {
            if (mint_run_load(&row->expires_unix) < expires_unix) {
                mint_run_store_release(&row->expires_unix, expires_unix);
            }
            return 0;
        }

        if (hash == 0) {
            break;
        }

        if (place == NULL && mint_run_load(&row->expires_unix) < now_unix) {
            place = row;
        }
    }

    if (place == NULL) {
        used = 0;
        for (i = 0; i <= mask; i++) {
            used += mint_run_load(&rows[i].jti_hash) != 0;
        }

        if ((uint64_t) used * 4 >= (uint64_t) (mask + 1) * 3) {
            return MINT_ERR_FULL;
        }

        place = row;
    }

    mint_run_store_release(&place->expires_unix, expires_unix);
    mint_run_store_release(&place->jti_hash, jti_hash);

    return 0;
}


int
identity_file_edge_secret(struct run_file *file, const char *secret)
{
    return identity_put_blob(file, &identity_misc(file)->edge_secret, secret,
                             strlen(secret));
}


void
identity_file_sequence(struct run_file *file, uint64_t sequence)
{
    mint_run_store_release(&identity_misc(file)->store_sequence, sequence);
}


static uint64_t
identity_blob_room(size_t len)
{
    return ((uint64_t) len + 15) & ~15ULL;
}


static uint64_t
identity_live_bytes(const struct identity_model *model)
{
    uint32_t  i;
    uint64_t  bytes;

    bytes = MINT_IDENTITY_KEYS * sizeof(struct mint_identity_key)
            + IDENTITY_EDGE_SECRET_LEN;

    for (i = 0; i < model->user_count; i++) {
        bytes += identity_blob_room(strlen(model->users[i].name));
    }

    for (i = 0; i < model->role_count; i++) {
        bytes += identity_blob_room(strlen(model->roles[i].slug))
                 + identity_blob_room(strlen(model->roles[i].permissions))
                 + identity_blob_room(model->roles[i].access_len);
    }

    for (i = 0; i < model->token_count; i++) {
        if (model->tokens[i] != NULL) {
            bytes += identity_blob_room(strlen(model->tokens[i]));
        }
    }

    return bytes;
}


/* an equal blob stays where it is; len 0 = no blob */

static int
identity_put_blob(struct run_file *file, uint64_t *word, const void *data,
    size_t len)
{
    char                       *copy;
    uint64_t                    at, room;
    struct mint_identity_misc  *misc;

    if (len == 0) {
        mint_run_store_release(word, 0);
        return 0;
    }

    if (identity_blob_equals(file, mint_run_load(word), data, len)) {
        return 0;
    }

    misc = identity_misc(file);
    at = mint_run_load(&misc->arena_used);
    room = identity_blob_room(len);

    if (len > MINT_BLOB_MAX || at + room > file->bytes) {
        return MINT_ERR_FULL;
    }

    mint_run_store(&misc->arena_used, at + room);

    copy = mem_alloc(room);
    memcpy(copy, data, len);
    mint_run_fill((char *) file->header + at, copy, room);
    explicit_bzero(copy, room);
    free(copy);

    mint_run_store_release(word, mint_blob_ref(at, (uint32_t) len,
                                   (uint16_t) (at >> 4)));

    return 0;
}


static bool
identity_blob_equals(const struct run_file *file, uint64_t ref,
    const void *data, size_t len)
{
    return ref != 0 && mint_blob_length(ref) == len
           && memcmp((const char *) file->header + mint_blob_offset(ref),
                     data, len) == 0;
}


static struct mint_identity_misc *
identity_misc(const struct run_file *file)
{
    return run_file_section(file, MINT_IDENTITY_SECTION_ARENA);
}


static uint32_t
identity_mask(const struct run_file *file, unsigned which)
{
    return file->header->capacity[which] - 1;
}
