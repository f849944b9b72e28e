/* SPDX-License-Identifier: MIT */
/*
 * First steps of mint-platform.
 */

#include "platform/setup.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "platform/password.h"
#include "platform/permissions.h"


#define SETUP_BACKLOG          1024
#define SETUP_KEY_BYTES        32
#define SETUP_SECRET_MIN       16
#define SETUP_UPLOAD_AGE_SEC   3600
#define SETUP_PASSWORD_FILE    "initial-admin-password"


static void setup_origins(struct api *api);
static int setup_roles(struct api *api, struct error *err);
static int setup_key(struct api *api, char kid[IDENTITY_KID_MAX + 1],
    uint8_t *secret, size_t *len, struct error *err);
static int setup_key_configured(const char *text, char *kid, uint8_t *secret,
    size_t *len, struct error *err);
static int setup_first_admin(struct api *api, struct error *err);
static int setup_admin_password(const struct config *config, char *generated,
    const char **password_out, struct error *err);
static int setup_uploads(struct api *api, struct error *err);
static int setup_listen_tcp(const char *address, int *fd_out,
    struct error *err);
static int setup_listen_unix(const char *path, int *fd_out,
    struct error *err);


int
setup_open(struct api *api, const struct config *config, struct error *err)
{
    int      rc;
    char     kid[IDENTITY_KID_MAX + 1];
    size_t   len;
    uint8_t  secret[IDENTITY_SECRET_MAX];

    api->config = config;
    api->is_secure = strncmp(config->server.external_url, "https://", 8) == 0;
    (void) pthread_mutex_init(&api->key_lock, NULL);
    setup_origins(api);

    rc = store_open(&api->store, config->server.data_path, err);

    if (rc == MINT_OK) {
        rc = setup_roles(api, err);
    }

    if (rc == MINT_OK) {
        rc = setup_first_admin(api, err);
    }

    if (rc == MINT_OK) {
        rc = setup_uploads(api, err);
    }

    if (rc == MINT_OK) {
        rc = setup_key(api, kid, secret, &len, err);
    }

    if (rc != MINT_OK) {
        return rc;
    }

    rc = identity_open(&api->identity, api->store, kid, secret, len, err);
    api->key = mint_token_key_new(kid, strlen(kid), secret, len);
    explicit_bzero(secret, sizeof(secret));

    if (rc == MINT_OK && api->key == NULL) {
        rc = error_set(err, MINT_ERR_MEMORY, "the signing key could not be "
                       "set up");
    }

    return rc;
}


void
setup_close(struct api *api)
{
    mint_token_key_free(&api->key);
    identity_close(&api->identity);
    store_close(&api->store);
    free(api->upload_directory);
    api->upload_directory = NULL;
    free(api->cors);
    api->cors = NULL;
    (void) pthread_mutex_destroy(&api->key_lock);
}


int
setup_listen(const char *address, int *fd_out, struct error *err)
{
    *fd_out = -1;

    return strncmp(address, "unix:", 5) == 0
           ? setup_listen_unix(address + 5, fd_out, err)
           : setup_listen_tcp(address, fd_out, err);
}


/* the configuration has been checked; the origins point into it */

static void
setup_origins(struct api *api)
{
    size_t                     i;
    const char                *url;
    const struct config_list  *list;

    list = &api->config->cors_origins;
    url = api->config->server.external_url;

    memset(&api->origins, 0, sizeof(api->origins));
    (void) mint_origin_parse_url(url, strlen(url), &api->origins.external);

    api->cors = mem_alloc((list->count + 1) * sizeof(struct mint_origin));

    for (i = 0; i < list->count; i++) {
        (void) mint_origin_parse(list->item[i], strlen(list->item[i]),
                                 &api->cors[i]);
    }

    api->origins.allowed = api->cors;
    api->origins.allowed_count = list->count;
}


static int
setup_roles(struct api *api, struct error *err)
{
    int      rc;
    char    *text;
    size_t   i;
    json_t  *list;

    static const struct {
        const char  *slug;
        const char  *name;
    } builtin[] = {
        { "admin", "Admin" }, { "member", "Member" }, { "viewer", "Viewer" }
    };

    rc = MINT_OK;

    for (i = 0; i < 3 && rc == MINT_OK; i++) {
        list = permission_list(permission_builtin(builtin[i].slug));
        text = json_dumps(list, JSON_COMPACT);
        rc = store_role_builtin(api->store, builtin[i].slug, builtin[i].name,
                                text, err);
        free(text);
        json_decref(list);
    }

    return rc;
}


/* the configured key, else the one of the store, which is drawn once */

static int
setup_key(struct api *api, char kid[IDENTITY_KID_MAX + 1], uint8_t *secret,
    size_t *len, struct error *err)
{
    int  rc;

    if (api->config->auth.jwt_secret[0] != '\0') {
        return setup_key_configured(api->config->auth.jwt_secret, kid, secret,
                                    len, err);
    }

    rc = store_key_get(api->store, kid, secret, len, err);

    if (rc != MINT_ERR_NOT_FOUND) {
        return rc;
    }

    if (getrandom(secret, SETUP_KEY_BYTES, 0) != SETUP_KEY_BYTES) {
        return error_set_errno(err, "getrandom() failed");
    }

    *len = SETUP_KEY_BYTES;
    fs_random_hex(kid, IDENTITY_KID_MAX / 2);
    log_info("signing key \"%s\" generated", kid);

    return store_key_add(api->store, kid, secret, *len, err);
}


static int
setup_key_configured(const char *text, char *kid, uint8_t *secret,
    size_t *len, struct error *err)
{
    size_t    i;
    uint8_t   digest[32];
    unsigned  n;

    *len = strlen(text);

    if (*len < SETUP_SECRET_MIN) {
        return error_set(err, MINT_ERR_INVALID, "auth.jwtSecretKey has %zu "
                         "bytes: at least %d are needed, 32 are advised", *len,
                         SETUP_SECRET_MIN);
    }

    if (*len < SETUP_KEY_BYTES) {
        log_warn("auth.jwtSecretKey is short: 32 random bytes are advised");
    }

    n = sizeof(digest);

    if (EVP_Digest(text, *len, digest, &n, EVP_sha256(), NULL) != 1) {
        return error_set(err, MINT_ERR_SYSTEM, "SHA-256 failed");
    }

    if (*len > IDENTITY_SECRET_MAX) {
        /* HMAC itself takes the digest of a key longer than a block */
        memcpy(secret, digest, sizeof(digest));
        *len = sizeof(digest);
    } else {
        memcpy(secret, text, *len);
    }

    /* a new configured key is a new name; says nothing of the key itself: it
       is the digest of its digest */
    (void) EVP_Digest(digest, sizeof(digest), digest, &n, EVP_sha256(), NULL);

    for (i = 0; i < IDENTITY_KID_MAX / 2; i++) {
        (void) snprintf(kid + 2 * i, 3, "%02x", digest[i]);
    }

    explicit_bzero(digest, sizeof(digest));

    return MINT_OK;
}


static void
setup_count(void *cls, const struct store_user *user)
{
    (void) user;
    *(unsigned *) cls += 1;
}


static int
setup_first_admin(struct api *api, struct error *err)
{
    int                  rc;
    char                 generated[21];
    uint64_t             sequence;
    unsigned             users;
    const char          *name;
    const char          *password;
    struct store_user    user;

    users = 0;
    rc = store_users(api->store, 0, 1, setup_count, &users, err);

    if (rc != MINT_OK || users > 0) {
        return rc;
    }

    name = api->config->admin_username;
    name = name == NULL || name[0] == '\0' ? "admin" : name;

    if (strlen(name) < 3 || strlen(name) > STORE_USERNAME_MAX) {
        return error_set(err, MINT_ERR_INVALID, "ADMIN_USERNAME must have 3 "
                         "to %d characters", STORE_USERNAME_MAX);
    }

    memset(&user, 0, sizeof(user));
    (void) snprintf(user.username, sizeof(user.username), "%s", name);
    (void) snprintf(user.role, sizeof(user.role), "admin");
    user.is_active = true;
    user.session_version = 1;

    rc = setup_admin_password(api->config, generated, &password, err);

    if (rc == MINT_OK) {
        rc = password_hash(password, user.password_hash,
                           sizeof(user.password_hash), err);
    }

    explicit_bzero(generated, sizeof(generated));

    if (rc == MINT_OK) {
        rc = store_user_create(api->store, &user, &sequence, err);
    }

    if (rc == MINT_OK) {
        log_info("first administrator \"%s\" created", user.username);
    }

    explicit_bzero(&user, sizeof(user));

    return rc;
}


static int
setup_admin_password(const struct config *config, char *generated,
    const char **password_out, struct error *err)
{
    int          rc;
    char        *path;
    char         line[22];
    const char  *problem;

    *password_out = config->admin_password;
    memset(generated, 0, 21);

    if (*password_out != NULL && **password_out != '\0') {
        problem = password_problem(*password_out);

        return problem == NULL
               ? MINT_OK : error_set(err, MINT_ERR_INVALID,
                                     "ADMIN_PASSWORD: %s", problem);
    }

    password_generate(generated);
    *password_out = generated;
    (void) snprintf(line, sizeof(line), "%s\n", generated);

    path = mem_printf("%s/" SETUP_PASSWORD_FILE, config->server.data_path);
    rc = fs_write_atomic(path, line, strlen(line), 0600, err);
    explicit_bzero(line, sizeof(line));

    if (rc == MINT_OK) {
        log_info("the password of the first administrator is in \"%s\"",
                 path);
    }

    free(path);

    return rc;
}


/* uploads that a killed predecessor left; a young one may be in use by the
   supervisor */

static int
setup_uploads(struct api *api, struct error *err)
{
    int             rc;
    DIR            *directory;
    char           *path;
    struct stat     st;
    struct dirent  *entry;

    api->upload_directory = mem_printf("%s/uploads",
                                       api->config->server.data_path);
    rc = fs_mkdir_all(api->upload_directory, 0700, err);

    if (rc != MINT_OK) {
        return rc;
    }

    directory = opendir(api->upload_directory);

    if (directory == NULL) {
        return error_set_errno(err, "opendir(\"%s\") failed",
                               api->upload_directory);
    }

    while ((entry = readdir(directory)) != NULL) {

        if (strncmp(entry->d_name, "upload-", 7) != 0) {
            continue;
        }

        path = mem_printf("%s/%s", api->upload_directory, entry->d_name);

        if (lstat(path, &st) == 0
            && st.st_mtime + SETUP_UPLOAD_AGE_SEC < time(NULL))
        {
            (void) fs_remove_tree(path, NULL);
        }

        free(path);
    }

    (void) closedir(directory);

    return MINT_OK;
}


static int
setup_listen_tcp(const char *address, int *fd_out, struct error *err)
{
    int                  one;
    char                *end;
    char                 host[INET_ADDRSTRLEN];
    long                 port;
    const char          *colon;
    struct sockaddr_in   in;

    memset(&in, 0, sizeof(in));
    in.sin_family = AF_INET;
    colon = strrchr(address, ':');
    port = colon == NULL ? -1 : strtol(colon + 1, &end, 10);

    if (port < 0 || port > 65535 || end == colon + 1 || *end != '\0'
        || (size_t) (colon - address) >= sizeof(host))
    {
        return error_set(err, MINT_ERR_INVALID, "\"%s\" is not unix:PATH or "
                         "127.0.0.1:PORT", address);
    }

    memcpy(host, address, (size_t) (colon - address));
    host[colon - address] = '\0';
    in.sin_port = htons((uint16_t) port);

    if (inet_pton(AF_INET, host, &in.sin_addr) != 1
        || ntohl(in.sin_addr.s_addr) >> 24 != 127)
    {
        return error_set(err, MINT_ERR_INVALID, "\"%s\" is not a loopback "
                         "address", address);
    }

    *fd_out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    one = 1;

    if (*fd_out == -1
        || setsockopt(*fd_out, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one))
           == -1
        || bind(*fd_out, (struct sockaddr *) &in, sizeof(in)) == -1
        || listen(*fd_out, SETUP_BACKLOG) == -1)
    {
        return error_set_errno(err, "listen(\"%s\") failed", address);
    }

    return MINT_OK;
}


static int
setup_listen_unix(const char *path, int *fd_out, struct error *err)
{
    struct sockaddr_un  un;

    memset(&un, 0, sizeof(un));
    un.sun_family = AF_UNIX;

    if (*path == '\0' || strlen(path) >= sizeof(un.sun_path)) {
        return error_set(err, MINT_ERR_INVALID, "\"%s\" is not a path of 1 "
                         "to %zu bytes", path, sizeof(un.sun_path) - 1);
    }

    memcpy(un.sun_path, path, strlen(path));
    (void) unlink(path);
    *fd_out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (*fd_out == -1
        || bind(*fd_out, (struct sockaddr *) &un, sizeof(un)) == -1
        || chmod(path, 0660) == -1
        || listen(*fd_out, SETUP_BACKLOG) == -1)
    {
        return error_set_errno(err, "listen(\"unix:%s\") failed", path);
    }

    return MINT_OK;
}
