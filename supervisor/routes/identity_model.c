/* SPDX-License-Identifier: MIT */
/*
 * The model of "identity": checks everything that the platform sends before a
 * byte of it reaches a file.  Names and slugs end up in request headers, so no
 * control character gets past this place.
 */

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "contract/mint_routes.h"
#include "contract/mint_token.h"
#include "identity_model.h"
#include "lib/strbuf.h"


#define IDENTITY_PLUGIN_IDS_MAX  65536


static void identity_model_index(struct identity_model *model,
    uint32_t position);
static bool identity_printable(const char *text);
static int identity_encode_role(struct identity_role *to,
    const struct publisher_role *role, struct error *err);
static int identity_encode_permissions(struct identity_role *to,
    const struct publisher_role *role, struct error *err);
static void identity_free_role(struct identity_role *role);
static void identity_wipe(char **text);


void
identity_model_free(struct identity_model *model)
{
    uint32_t  i;

    for (i = 0; i < model->user_count; i++) {
        free(model->users[i].name);
    }

    for (i = 0; i < model->role_count; i++) {
        identity_free_role(&model->roles[i]);
    }

    for (i = 0; i < model->token_count; i++) {
        identity_wipe(&model->tokens[i]);
    }

    free(model->users);
    free(model->user_index);
    free(model->tokens);
    free(model->pats);
    free(model->denied);
    explicit_bzero(model, sizeof(*model));
}


int
identity_model_user(struct identity_model *model,
    const struct publisher_user *user, const struct identity_user **changed,
    struct error *err)
{
    int       role;
    size_t    len;
    uint64_t  word;

    len = strlen(user->username);

    if (user->id == 0) {
        return error_set(err, MINT_ERR_INVALID, "a user's id is never 0");
    }

    if (len == 0 || len > MINT_TOKEN_USERNAME_MAX
        || !identity_printable(user->username))
    {
        return error_set(err, MINT_ERR_INVALID,
                         "user %llu: the name must be 1 to %d bytes of UTF-8 "
                         "without control characters",
                         (unsigned long long) user->id,
                         MINT_TOKEN_USERNAME_MAX);
    }

    role = identity_model_find_role(model, user->role);
    if (role == -1) {
        return error_set(err, MINT_ERR_INVALID,
                         "user %llu: there is no role \"%.64s\"",
                         (unsigned long long) user->id, user->role);
    }

    word = mint_user_word(user->session_version, (uint8_t) role,
                          user->active ? MINT_USER_ACTIVE : 0);
    identity_model_add_user(model, user->id, word, user->username);

    if (changed != NULL) {
        *changed = identity_model_find_user(model, user->id);
    }

    return 0;
}


int
identity_model_role(struct identity_model *model,
    const struct publisher_role *role, unsigned *index, struct error *err)
{
    int                    rc, found;
    struct identity_role   fresh;

    memset(&fresh, 0, sizeof(fresh));

    rc = identity_encode_role(&fresh, role, err);
    if (rc != 0) {
        identity_free_role(&fresh);
        return rc;
    }

    found = identity_model_find_role(model, role->slug);
    if (found == -1) {
        if (model->role_count == IDENTITY_ROLES) {
            identity_free_role(&fresh);
            return error_set(err, MINT_ERR_FULL,
                             "role \"%s\": at most %d roles fit", role->slug,
                             IDENTITY_ROLES);
        }
        found = (int) model->role_count++;
    }

    identity_free_role(&model->roles[found]);
    model->roles[found] = fresh;

    if (index != NULL) {
        *index = (unsigned) found;
    }

    return 0;
}


int
identity_model_keys(struct identity_model *model,
    const struct publisher_key *keys, size_t count, struct error *err)
{
    size_t                    i, len;
    struct mint_identity_key  fresh[MINT_IDENTITY_KEYS];

    if (count > MINT_IDENTITY_KEYS) {
        return error_set(err, MINT_ERR_INVALID, "%zu keys: at most %d", count,
                         MINT_IDENTITY_KEYS);
    }

    memset(fresh, 0, sizeof(fresh));

    for (i = 0; i < count; i++) {
        len = strlen(keys[i].id);
        if (len == 0 || len > MINT_KEY_ID_MAX
            || !identity_printable(keys[i].id)
            || keys[i].secret_len == 0
            || keys[i].secret_len > MINT_KEY_SECRET_MAX)
        {
            explicit_bzero(fresh, sizeof(fresh));
            return error_set(err, MINT_ERR_INVALID,
                             "key %zu: an id of 1 to %d bytes and a secret of "
                             "1 to %d bytes are needed", i, MINT_KEY_ID_MAX,
                             MINT_KEY_SECRET_MAX);
        }

        memcpy(fresh[i].id, keys[i].id, len);
        fresh[i].secret_len = (uint32_t) keys[i].secret_len;
        memcpy(fresh[i].secret, keys[i].secret, keys[i].secret_len);
    }

    memcpy(model->keys, fresh, sizeof(fresh));
    model->key_count = (unsigned) count;
    explicit_bzero(fresh, sizeof(fresh));

    return 0;
}


int
identity_model_token(struct identity_model *model, uint32_t plugin_id,
    const char *token, struct error *err)
{
    size_t    len;
    uint32_t  count;

    len = strlen(token);

    if (len == 0 || len > MINT_TOKEN_MAX || !identity_printable(token)
        || plugin_id >= IDENTITY_PLUGIN_IDS_MAX)
    {
        return error_set(err, MINT_ERR_INVALID,
                         "plugin %u: the token must be 1 to %d printable "
                         "bytes", plugin_id, MINT_TOKEN_MAX);
    }

    if (plugin_id >= model->token_count) {
        count = run_power_of_two((uint64_t) plugin_id + 1);
        model->tokens = mem_grow(model->tokens, count,
                                 sizeof(*model->tokens));
        memset(&model->tokens[model->token_count], 0,
               (count - model->token_count) * sizeof(*model->tokens));
        model->token_count = count;
    }

    identity_wipe(&model->tokens[plugin_id]);
    model->tokens[plugin_id] = mem_strdup(token);

    return 0;
}


void
identity_model_forget(struct identity_model *model, uint32_t plugin_id)
{
    identity_wipe(&model->tokens[plugin_id]);
}


int
identity_model_pat(struct identity_model *model,
    const struct identity_pat *pat, struct error *err)
{
    uint32_t  i;

    if ((pat->hash[0] | pat->hash[1] | pat->hash[2] | pat->hash[3]) == 0) {
        return error_set(err, MINT_ERR_INVALID,
                         "a personal token's hash is never 0");
    }

    for (i = 0; i < model->pat_count; i++) {
        if (memcmp(model->pats[i].hash, pat->hash, sizeof(pat->hash)) == 0) {
            model->pats[i] = *pat;
            return 0;
        }
    }

    if (model->pat_count == model->pat_size) {
        model->pat_size = model->pat_size * 2 + 16;
        model->pats = mem_grow(model->pats, model->pat_size,
                               sizeof(*model->pats));
    }

    model->pats[model->pat_count++] = *pat;

    return 0;
}


void
identity_model_deny(struct identity_model *model, uint64_t jti_hash,
    uint64_t expires_unix)
{
    uint32_t  i;

    for (i = 0; i < model->denied_count; i++) {
        if (model->denied[i].jti_hash == jti_hash) {
            if (model->denied[i].expires_unix < expires_unix) {
                model->denied[i].expires_unix = expires_unix;
            }
            return;
        }
    }

    if (model->denied_count == model->denied_size) {
        model->denied_size = model->denied_size * 2 + 64;
        model->denied = mem_grow(model->denied, model->denied_size,
                                 sizeof(*model->denied));
    }

    model->denied[model->denied_count].jti_hash = jti_hash;
    model->denied[model->denied_count].expires_unix = expires_unix;
    model->denied_count++;
}


void
identity_model_add_user(struct identity_model *model, uint64_t id,
    uint64_t word, const char *name)
{
    uint32_t               i;
    struct identity_user  *user;

    user = (struct identity_user *) identity_model_find_user(model, id);
    if (user != NULL) {
        user->word = word;
        if (strcmp(user->name, name) != 0) {
            free(user->name);
            user->name = mem_strdup(name);
        }
        return;
    }

    if (model->user_count == model->user_size) {
        model->user_size = model->user_size * 2 + 64;
        model->users = mem_grow(model->users, model->user_size,
                                sizeof(*model->users));
    }

    user = &model->users[model->user_count++];
    user->id = id;
    user->word = word;
    user->name = mem_strdup(name);

    if ((uint64_t) model->user_count * 2 <= model->user_buckets) {
        identity_model_index(model, model->user_count - 1);
        return;
    }

    free(model->user_index);
    model->user_buckets = run_power_of_two((uint64_t) model->user_size * 2);
    model->user_index = mem_alloc(model->user_buckets
                                  * sizeof(*model->user_index));

    for (i = 0; i < model->user_count; i++) {
        identity_model_index(model, i);
    }
}


int
identity_model_find_role(const struct identity_model *model, const char *slug)
{
    unsigned  i;

    for (i = 0; i < model->role_count; i++) {
        if (strcmp(model->roles[i].slug, slug) == 0) {
            return (int) i;
        }
    }

    return -1;
}


const struct identity_user *
identity_model_find_user(const struct identity_model *model, uint64_t id)
{
    uint32_t  at, position;

    if (model->user_buckets == 0) {
        return NULL;
    }

    at = mint_identity_hash(id);

    for ( ;; ) {
        position = model->user_index[at & (model->user_buckets - 1)];
        if (position == 0) {
            return NULL;
        }

        if (model->users[position - 1].id == id) {
            return &model->users[position - 1];
        }

        at++;
    }
}


void
identity_model_prune(struct identity_model *model, uint64_t now_unix)
{
    uint32_t  i, kept;

    kept = 0;

    for (i = 0; i < model->denied_count; i++) {
        if (model->denied[i].expires_unix > now_unix) {
            model->denied[kept++] = model->denied[i];
        }
    }

    model->denied_count = kept;
}


int
identity_model_build(struct identity_model *model,
    const struct publisher_identity *identity, struct error *err)
{
    int     rc;
    size_t  i;

    for (i = 0; i < identity->role_count; i++) {
        rc = identity_model_role(model, &identity->roles[i], NULL, err);
        if (rc != 0) {
            return rc;
        }
    }

    for (i = 0; i < identity->user_count; i++) {
        rc = identity_model_user(model, &identity->users[i], NULL, err);
        if (rc != 0) {
            return rc;
        }
    }

    for (i = 0; i < identity->denied_count; i++) {
        identity_model_deny(model, identity_jti_hash(identity->denied[i].jti),
                            identity->denied[i].expires_unix);
    }

    model->sequence = identity->sequence;

    return identity_model_keys(model, identity->keys, identity->key_count,
                               err);
}


void
identity_model_inherit(struct identity_model *model,
    const struct identity_model *from)
{
    uint32_t  i;

    for (i = 0; i < from->token_count; i++) {
        if (from->tokens[i] != NULL) {
            identity_model_token(model, i, from->tokens[i], NULL);
        }
    }

    memcpy(model->edge_secret, from->edge_secret, sizeof(model->edge_secret));
}


uint64_t
identity_jti_hash(const char *jti)
{
    uint64_t  hash;

    hash = mint_prefix_hash(MINT_PREFIX_HASH_SEED, jti, strlen(jti));

    return hash != 0 ? hash : 1;
}


static void
identity_model_index(struct identity_model *model, uint32_t position)
{
    uint32_t  at;

    at = mint_identity_hash(model->users[position].id);

    while (model->user_index[at & (model->user_buckets - 1)] != 0) {
        at++;
    }

    model->user_index[at & (model->user_buckets - 1)] = position + 1;
}


/* UTF-8 without C0 and DEL */

static bool
identity_printable(const char *text)
{
    json_t      *probe;
    const char  *p;

    for (p = text; *p != '\0'; p++) {
        if ((unsigned char) *p < 0x20 || *p == 0x7f) {
            return false;
        }
    }

    /* NULL for what is not UTF-8 */
    probe = json_string(text);
    json_decref(probe);

    return probe != NULL;
}


static int
identity_encode_role(struct identity_role *to,
    const struct publisher_role *role, struct error *err)
{
    int     rc;
    size_t  i, len;

    len = strlen(role->slug);
    if (len == 0 || len > IDENTITY_SLUG_MAX || !identity_printable(role->slug))
    {
        return error_set(err, MINT_ERR_INVALID,
                         "a role's slug must be 1 to %d printable bytes",
                         IDENTITY_SLUG_MAX);
    }

    to->slug = mem_strdup(role->slug);
    to->flags = (role->admin ? MINT_ROLE_ADMIN : 0)
                | (role->all_plugins ? MINT_ROLE_ALL_PLUGINS : 0);

    rc = identity_encode_permissions(to, role, err);
    if (rc != 0) {
        return rc;
    }

    if (role->all_plugins) {
        return 0;
    }

    for (i = 0; i < role->plugin_count; i++) {
        if (role->plugin_ids[i] >= IDENTITY_PLUGIN_IDS_MAX) {
            return error_set(err, MINT_ERR_INVALID,
                             "role \"%s\": plugin id %u is out of bounds",
                             role->slug, role->plugin_ids[i]);
        }

        len = role->plugin_ids[i] / 8 + 1;
        if (len > to->access_len) {
            to->access = mem_grow(to->access, len, 1);
            memset(&to->access[to->access_len], 0, len - to->access_len);
            to->access_len = len;
        }

        to->access[len - 1] |= (uint8_t) (1 << role->plugin_ids[i] % 8);
    }

    return 0;
}


static int
identity_encode_permissions(struct identity_role *to,
    const struct publisher_role *role, struct error *err)
{
    size_t   i;
    json_t  *list;

    list = json_array();
    for (i = 0; i < role->permission_count; i++) {
        if (json_array_append_new(list, json_string(role->permissions[i]))
            == -1)
        {
            json_decref(list);
            return error_set(err, MINT_ERR_INVALID,
                             "role \"%s\": permission %zu is no UTF-8 text",
                             role->slug, i);
        }

        if (strcmp(role->permissions[i], "plugins.use") == 0) {
            to->flags |= MINT_ROLE_PLUGINS_USE;
        }
    }

    to->permissions = json_dumps(list, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(list);

    if (to->permissions == NULL || strlen(to->permissions) > MINT_BLOB_MAX) {
        return error_set(err, MINT_ERR_INVALID,
                         "role \"%s\": the permissions are longer than %d "
                         "bytes", role->slug, MINT_BLOB_MAX);
    }

    return 0;
}


static void
identity_free_role(struct identity_role *role)
{
    free(role->slug);
    free(role->permissions);
    free(role->access);
    memset(role, 0, sizeof(*role));
}


static void
identity_wipe(char **text)
{
    if (*text != NULL) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}
