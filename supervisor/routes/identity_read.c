/* SPDX-License-Identifier: MIT */
/*
 * Reads "identity" back into a model: for a new supervisor that adopts the
 * file and for tools that show it.  Nothing in the file is trusted.
 */

#include <stdlib.h>
#include <string.h>

#include "identity_file.h"
#include "lib/strbuf.h"


#define IDENTITY_ROWS_MOST  (1U << 26)


static int identity_read_shape(const struct run_file *file,
    struct error *err);
static int identity_read_roles(const struct run_file *file,
    struct identity_model *model, struct error *err);
static int identity_read_users(const struct run_file *file,
    struct identity_model *model, struct error *err);
static int identity_read_tokens(const struct run_file *file,
    struct identity_model *model, struct error *err);
static int identity_read_misc(const struct run_file *file,
    struct identity_model *model, struct error *err);
static void identity_read_rows(const struct run_file *file,
    struct identity_model *model);
static char *identity_read_blob(const struct run_file *file,
    const uint64_t *word, size_t *len);
static char *identity_read_text(const struct run_file *file,
    const uint64_t *word);


int
identity_file_read(const struct run_file *file, struct identity_model *model,
    struct error *err)
{
    int  rc;

    memset(model, 0, sizeof(*model));

    rc = identity_read_shape(file, err);
    if (rc == 0) {
        rc = identity_read_roles(file, model, err);
    }

    if (rc == 0) {
        rc = identity_read_users(file, model, err);
    }

    if (rc == 0) {
        rc = identity_read_tokens(file, model, err);
    }

    if (rc == 0) {
        rc = identity_read_misc(file, model, err);
    }

    if (rc != 0) {
        identity_model_free(model);
        return rc;
    }

    identity_read_rows(file, model);

    return 0;
}


static int
identity_read_shape(const struct run_file *file, struct error *err)
{
    unsigned                          i;
    uint64_t                          end, used;
    const uint32_t                   *capacity;
    const struct mint_run_header     *h;
    const struct mint_identity_misc  *misc;

    static const struct {
        unsigned  row_bytes;
        bool      power;
    }  tables[] = {
        [MINT_IDENTITY_SECTION_USERS] =
            { sizeof(struct mint_identity_user), true },
        [MINT_IDENTITY_SECTION_ROLES] =
            { sizeof(struct mint_identity_role), false },
        [MINT_IDENTITY_SECTION_PLUGINS] =
            { sizeof(struct mint_identity_plugin), false },
        [MINT_IDENTITY_SECTION_PATS] =
            { sizeof(struct mint_identity_pat), true },
        [MINT_IDENTITY_SECTION_DENIED] =
            { sizeof(struct mint_identity_denied), true }
    };

    h = file->header;
    capacity = h->capacity;

    for (i = 0; i < MINT_IDENTITY_SECTION_ARENA; i++) {
        end = h->section[i] + (uint64_t) capacity[i] * tables[i].row_bytes;
        if (capacity[i] == 0 || capacity[i] > IDENTITY_ROWS_MOST
            || (tables[i].power && (capacity[i] & (capacity[i] - 1)) != 0)
            || h->section[i] < sizeof(*h) || end > h->section[i + 1])
        {
            return error_set(err, MINT_ERR_PROTOCOL,
                             "table %u is out of bounds", i);
        }
    }

    if (capacity[MINT_IDENTITY_CAPACITY_ROLES] != IDENTITY_ROLES
        || capacity[MINT_IDENTITY_CAPACITY_KEYS] != MINT_IDENTITY_KEYS
        || h->section[MINT_IDENTITY_SECTION_ARENA] % 16 != 0
        || h->section[MINT_IDENTITY_SECTION_ARENA] + sizeof(*misc)
           > file->bytes)
    {
        return error_set(err, MINT_ERR_PROTOCOL, "the arena is out of bounds");
    }

    misc = run_file_section(file, MINT_IDENTITY_SECTION_ARENA);
    used = mint_run_load_acquire(&misc->arena_used);

    if (used < h->section[MINT_IDENTITY_SECTION_ARENA] + sizeof(*misc)
        || used > file->bytes || used % 16 != 0)
    {
        return error_set(err, MINT_ERR_PROTOCOL,
                         "the arena's end is out of bounds");
    }

    return 0;
}


static int
identity_read_roles(const struct run_file *file, struct identity_model *model,
    struct error *err)
{
    char                             *access;
    unsigned                          i;
    uint64_t                          word;
    struct identity_role             *role;
    const struct mint_identity_role  *rows;

    rows = run_file_section(file, MINT_IDENTITY_SECTION_ROLES);

    for (i = 0; i < IDENTITY_ROLES; i++) {
        word = mint_run_load_acquire(&rows[i].word);
        if (word == 0) {
            continue;
        }

        role = &model->roles[model->role_count++];
        role->flags = word & ~(1ULL << 63);
        role->slug = identity_read_text(file, &rows[i].slug);
        role->permissions = identity_read_text(file, &rows[i].permissions);
        access = identity_read_blob(file, &rows[i].plugin_access,
                                    &role->access_len);
        role->access = (uint8_t *) access;

        if (i != model->role_count - 1 || role->slug == NULL
            || role->permissions == NULL
            || (access == NULL && rows[i].plugin_access != 0))
        {
            return error_set(err, MINT_ERR_PROTOCOL, "role %u is broken", i);
        }
    }

    return 0;
}


static int
identity_read_users(const struct run_file *file, struct identity_model *model,
    struct error *err)
{
    char                             *name;
    uint32_t                          i, count;
    uint64_t                          id, word;
    const struct mint_identity_user  *rows;

    rows = run_file_section(file, MINT_IDENTITY_SECTION_USERS);
    count = file->header->capacity[MINT_IDENTITY_CAPACITY_USERS];

    for (i = 0; i < count; i++) {
        id = mint_run_load_acquire(&rows[i].id);
        if (id == 0) {
            continue;
        }

        word = mint_run_load(&rows[i].word);
        name = identity_read_text(file, &rows[i].name);

        if (name == NULL || mint_user_role(word) >= model->role_count) {
            free(name);
            return error_set(err, MINT_ERR_PROTOCOL, "user %llu is broken",
                             (unsigned long long) id);
        }

        identity_model_add_user(model, id, word, name);
        free(name);
    }

    return 0;
}


static int
identity_read_tokens(const struct run_file *file,
    struct identity_model *model, struct error *err)
{
    int                                 rc;
    char                               *token;
    uint32_t                            i, count;
    const struct mint_identity_plugin  *rows;

    rows = run_file_section(file, MINT_IDENTITY_SECTION_PLUGINS);
    count = file->header->capacity[MINT_IDENTITY_CAPACITY_PLUGINS];

    for (i = 0; i < count; i++) {
        if (mint_run_load(&rows[i].token) == 0) {
            continue;
        }

        rc = -1;
        token = identity_read_text(file, &rows[i].token);
        if (token != NULL) {
            rc = identity_model_token(model, i, token, NULL);
            explicit_bzero(token, strlen(token));
            free(token);
        }

        if (rc != 0) {
            return error_set(err, MINT_ERR_PROTOCOL,
                             "token of plugin %u is broken", i);
        }
    }

    return 0;
}


static int
identity_read_misc(const struct run_file *file, struct identity_model *model,
    struct error *err)
{
    char                             *blob;
    size_t                            len;
    unsigned                          i;
    const struct mint_identity_misc  *misc;

    misc = run_file_section(file, MINT_IDENTITY_SECTION_ARENA);
    model->sequence = mint_run_load_acquire(&misc->store_sequence);

    for (i = 0; i < MINT_IDENTITY_KEYS; i++) {
        if (mint_run_load(&misc->key[i]) == 0) {
            break;
        }

        blob = identity_read_blob(file, &misc->key[i], &len);
        if (blob == NULL || len != sizeof(model->keys[i])) {
            free(blob);
            return error_set(err, MINT_ERR_PROTOCOL, "key %u is broken", i);
        }

        memcpy(&model->keys[i], blob, len);
        explicit_bzero(blob, len);
        free(blob);
        model->key_count = i + 1;

        if (model->keys[i].secret_len > MINT_KEY_SECRET_MAX) {
            return error_set(err, MINT_ERR_PROTOCOL, "key %u is broken", i);
        }
    }

    blob = identity_read_text(file, &misc->edge_secret);
    if (blob == NULL || strlen(blob) > IDENTITY_EDGE_SECRET_LEN) {
        free(blob);
        return error_set(err, MINT_ERR_PROTOCOL, "the edge secret is broken");
    }

    strcpy(model->edge_secret, blob);
    explicit_bzero(blob, strlen(blob));
    free(blob);

    return 0;
}


static void
identity_read_rows(const struct run_file *file, struct identity_model *model)
{
    uint32_t                            i, count;
    uint64_t                            hash;
    struct identity_pat                 pat;
    const struct mint_identity_pat     *pats;
    const struct mint_identity_denied  *denied;

    pats = run_file_section(file, MINT_IDENTITY_SECTION_PATS);
    count = file->header->capacity[MINT_IDENTITY_CAPACITY_PATS];

    for (i = 0; i < count; i++) {
        mint_run_copy(&pat, &pats[i], sizeof(pat));
        if (pat.hash[0] != 0) {
            identity_model_pat(model, &pat, NULL);
        }
    }

    denied = run_file_section(file, MINT_IDENTITY_SECTION_DENIED);
    count = file->header->capacity[MINT_IDENTITY_CAPACITY_DENIED];

    for (i = 0; i < count; i++) {
        hash = mint_run_load_acquire(&denied[i].jti_hash);
        if (hash != 0) {
            identity_model_deny(model, hash,
                                mint_run_load(&denied[i].expires_unix));
        }
    }
}


/* a NUL is put behind the copy; NULL if there is none or it is not whole */

static char *
identity_read_blob(const struct run_file *file, const uint64_t *word,
    size_t *len)
{
    char      *copy;
    size_t     padded;
    uint64_t   ref, offset;

    ref = mint_run_load_acquire(word);
    offset = mint_blob_offset(ref);
    *len = mint_blob_length(ref);
    padded = (*len + 7) & ~(size_t) 7;

    if (ref == 0 || *len == 0 || *len > MINT_BLOB_MAX
        || offset < file->header->section[MINT_IDENTITY_SECTION_ARENA]
                    + sizeof(struct mint_identity_misc)
        || offset + padded > file->bytes)
    {
        *len = 0;
        return NULL;
    }

    copy = mem_alloc(padded + 8);
    mint_run_copy(copy, (const char *) file->header + offset, padded);
    memset(copy + *len, 0, padded + 8 - *len);

    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    if (mint_run_load(word) != ref) {
        /* replaced meanwhile by its one writer, which is not us */
        explicit_bzero(copy, padded);
        free(copy);
        return identity_read_blob(file, word, len);
    }

    return copy;
}


static char *
identity_read_text(const struct run_file *file, const uint64_t *word)
{
    char    *text;
    size_t   len;

    text = identity_read_blob(file, word, &len);

    if (text != NULL && strlen(text) != len) {
        explicit_bzero(text, len);
        free(text);
        return NULL;
    }

    return text;
}
