/* SPDX-License-Identifier: MIT */
/*
 * Lookups in the run file "identity": users, roles, personal tokens, denied
 * token ids, keys, blobs.  What follows from them is decided in
 * ngx_http_mint_auth.c.
 */

#include "ngx_http_mint_view.h"

#include <stddef.h>


#define MINT_BLOB_TRIES  16


static const void *
ngx_http_mint_identity_table(const ngx_http_mint_view_t *view,
    unsigned section)
{
    return view->base + view->header.section[section];
}


int
ngx_http_mint_identity_user(const ngx_http_mint_view_t *view, uint64_t id,
    uint64_t *word, const uint64_t **name_ref)
{
    uint32_t                          i, probes, capacity;
    uint64_t                          found;
    const struct mint_identity_user  *users;

    capacity = view->header.capacity[MINT_IDENTITY_CAPACITY_USERS];
    users = ngx_http_mint_identity_table(view, MINT_IDENTITY_SECTION_USERS);

    if (id == 0 || capacity == 0) {
        return 0;
    }

    i = mint_identity_hash(id) & (capacity - 1);

    for (probes = 0; probes < capacity; probes++) {
        found = mint_run_load_acquire(&users[i].id);

        if (found == 0) {
            return 0;
        }

        if (found == id) {
            *word = mint_run_load_acquire(&users[i].word);
            *name_ref = &users[i].name;
            return 1;
        }

        i = (i + 1) & (capacity - 1);
    }

    return 0;
}


int
ngx_http_mint_identity_pat(const ngx_http_mint_view_t *view,
    const uint64_t hash[4], uint64_t *user_id, uint64_t *word)
{
    uint32_t                         i, probes, capacity;
    uint64_t                         row[4];
    const struct mint_identity_pat  *pats;

    capacity = view->header.capacity[MINT_IDENTITY_CAPACITY_PATS];
    pats = ngx_http_mint_identity_table(view, MINT_IDENTITY_SECTION_PATS);

    if (capacity == 0) {
        return 0;
    }

    i = (uint32_t) hash[0] & (capacity - 1);

    for (probes = 0; probes < capacity; probes++) {
        *user_id = mint_run_load_acquire(&pats[i].user_id);
        mint_run_copy(row, pats[i].hash, sizeof(row));

        if ((row[0] | row[1] | row[2] | row[3]) == 0) {
            return 0;
        }

        if (row[0] == hash[0] && row[1] == hash[1] && row[2] == hash[2]
            && row[3] == hash[3])
        {
            *word = mint_run_load_acquire(&pats[i].word);
            return *user_id != 0;
        }

        i = (i + 1) & (capacity - 1);
    }

    return 0;
}


uint64_t
ngx_http_mint_identity_jti(const char *jti, size_t len)
{
    uint64_t  hash;

    if (len == 0) {
        return 0;
    }

    hash = mint_prefix_hash(MINT_PREFIX_HASH_SEED, jti, len);

    return hash == 0 ? 1 : hash;
}


int
ngx_http_mint_identity_is_denied(const ngx_http_mint_view_t *view,
    uint64_t hash, uint64_t now_unix)
{
    uint32_t                            i, probes, capacity;
    uint64_t                            found;
    const struct mint_identity_denied  *denied;

    capacity = view->header.capacity[MINT_IDENTITY_CAPACITY_DENIED];
    denied = ngx_http_mint_identity_table(view, MINT_IDENTITY_SECTION_DENIED);

    if (capacity == 0 || hash == 0) {
        return 0;
    }

    i = (uint32_t) hash & (capacity - 1);

    for (probes = 0; probes < capacity; probes++) {
        found = mint_run_load_acquire(&denied[i].jti_hash);

        if (found == 0) {
            return 0;
        }

        /* two tokens may share a row's past: the later expiry is what counts */

        if (found == hash
            && mint_run_load_acquire(&denied[i].expires_unix) >= now_unix)
        {
            return 1;
        }

        i = (i + 1) & (capacity - 1);
    }

    return 0;
}


uint64_t
ngx_http_mint_identity_sequence(const ngx_http_mint_view_t *view)
{
    const struct mint_identity_misc  *misc;

    misc = ngx_http_mint_identity_table(view, MINT_IDENTITY_SECTION_ARENA);

    return mint_run_load_acquire(&misc->store_sequence);
}


const uint64_t *
ngx_http_mint_identity_edge_secret(const ngx_http_mint_view_t *view)
{
    const struct mint_identity_misc  *misc;

    misc = ngx_http_mint_identity_table(view, MINT_IDENTITY_SECTION_ARENA);

    return &misc->edge_secret;
}


/* where the blob of a loaded reference is, NULL if it cannot be there */

static const uint8_t *
ngx_http_mint_identity_locate(const ngx_http_mint_view_t *view, uint64_t ref)
{
    uint64_t  offset, first, bytes;

    offset = mint_blob_offset(ref);
    bytes = ((uint64_t) mint_blob_length(ref) + 7) & ~7ULL;
    first = view->header.section[MINT_IDENTITY_SECTION_ARENA]
            + sizeof(struct mint_identity_misc);

    if (ref == 0 || offset < first || offset > view->bytes
        || bytes > view->bytes - offset
        || mint_blob_length(ref) > MINT_BLOB_MAX)
    {
        return NULL;
    }

    return view->base + offset;
}


int64_t
ngx_http_mint_identity_blob(const ngx_http_mint_view_t *view,
    const uint64_t *ref, uint64_t *to, size_t size)
{
    unsigned        i;
    uint64_t        word;
    const uint8_t  *from;

    for (i = 0; i < MINT_BLOB_TRIES; i++) {
        word = mint_run_load_acquire(ref);
        from = ngx_http_mint_identity_locate(view, word);

        if (from == NULL || mint_blob_length(word) > size) {
            return -1;
        }

        mint_run_copy(to, from,
                      ((size_t) mint_blob_length(word) + 7) & ~(size_t) 7);

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

        if (mint_run_load(ref) == word) {
            return mint_blob_length(word);
        }
    }

    return -1;
}


int
ngx_http_mint_identity_bit(const ngx_http_mint_view_t *view,
    const uint64_t *ref, uint32_t index)
{
    unsigned        i;
    uint64_t        word, bits;
    const uint8_t  *from;

    for (i = 0; i < MINT_BLOB_TRIES; i++) {
        word = mint_run_load_acquire(ref);

        if (word == 0) {
            return 0;
        }

        from = ngx_http_mint_identity_locate(view, word);

        if (from == NULL) {
            return -1;
        }

        bits = 0;

        if (index / 8 < mint_blob_length(word)) {
            bits = mint_run_load((const uint64_t *) (const void *)
                                 (from + index / 64 * 8));
        }

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

        if (mint_run_load(ref) == word) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
            bits = __builtin_bswap64(bits);
#endif
            return (int) (bits >> index % 64 & 1);
        }
    }

    return -1;
}
