/* SPDX-License-Identifier: MIT */
/*
 * The identity file through the publisher, looked at with the edge's eyes.
 */

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "edge.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/routes/identity_writer.h"
#include "supervisor/routes/publisher.h"


static char               directory[64];
static char               text[MINT_BLOB_MAX + 9];
static struct publisher  *publisher;
static struct error       err;


static const char *const  member_permissions[] = {
    "experiments.read", "plugins.use"
};

static const uint32_t  member_plugins[] = { 3, 8, 17 };

static const struct publisher_role  roles[] = {
    { .slug = "admin", .admin = true, .all_plugins = true,
      .permissions = member_permissions, .permission_count = 1 },
    { .slug = "member", .permissions = member_permissions,
      .permission_count = 2, .plugin_ids = member_plugins,
      .plugin_count = 3 },
    { .slug = "nobody" }
};

static const struct publisher_user  users[] = {
    { .id = 1, .username = "root", .role = "admin", .active = true,
      .session_version = 9 },
    { .id = 900719925474099ULL, .username = "j\xc3\xbcrgen", .role = "member",
      .active = true },
    { .id = 3, .username = "gone", .role = "nobody", .active = false }
};

static const struct publisher_key  keys[] = {
    { "k2", (const uint8_t *) "new secret new secret new secret", 32 },
    { "k1", (const uint8_t *) "old secret", 10 }
};

static const struct publisher_denied  denied[] = {
    { "0b0e0c30-8c7e-4b57-a2ba-2d5e6d9a3c11", 4102444800ULL }
};

static const struct publisher_identity  whole = {
    .sequence = 17, .users = users, .user_count = 3, .roles = roles,
    .role_count = 3, .keys = keys, .key_count = 2, .denied = denied,
    .denied_count = 1
};


static void
open_publisher(void)
{
    struct publisher_options  options;

    memset(&options, 0, sizeof(options));
    options.run_directory = directory;
    options.plugins = 32;
    options.edge_gid = (gid_t) -1;
    ck_assert_msg(publisher_open(&publisher, &options, &err) == 0, "%s",
                  err.text);
}


static void
setup(void)
{
    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    edge_directory_make(directory);
    open_publisher();
}


static void
teardown(void)
{
    publisher_free(&publisher);
    edge_directory_remove(directory);
}


static void
reopen(void)
{
    publisher_free(&publisher);
    open_publisher();
}


static uint64_t
epoch(void)
{
    uint64_t          value;
    struct edge_file  file;

    edge_open(&file, directory, MINT_RUN_IDENTITY);
    value = file.header->writer_epoch;
    edge_close(&file);

    return value;
}


/* "name session role flags", or "" */

static const char *
user_text(uint64_t id)
{
    char                              name[300];
    uint64_t                          word;
    struct edge_file                  file;
    const struct mint_identity_user  *row;

    static char  line[400];

    line[0] = '\0';
    edge_open(&file, directory, MINT_RUN_IDENTITY);
    row = edge_user(&file, id);
    if (row != NULL) {
        word = mint_run_load(&row->word);
        edge_blob(&file, &row->name, text);
        snprintf(name, sizeof(name), "%.255s", text);
        edge_blob(&file, &edge_role(&file, mint_user_role(word))->slug, text);
        snprintf(line, sizeof(line), "%s %u %.64s %u", name,
                 mint_user_session_version(word), text,
                 mint_user_flags(word));
    }
    edge_close(&file);

    return line;
}


static void
check_whole(void)
{
    struct edge_file                  file;
    struct mint_identity_key          key;
    const struct mint_identity_role  *role;

    ck_assert_str_eq(user_text(1), "root 9 admin 1");
    ck_assert_str_eq(user_text(900719925474099ULL),
                     "j\xc3\xbcrgen 0 member 1");
    ck_assert_str_eq(user_text(3), "gone 0 nobody 0");
    ck_assert_str_eq(user_text(2), "");
    ck_assert_str_eq(user_text(0x7fffffffffffffffULL), "");

    edge_open(&file, directory, MINT_RUN_IDENTITY);

    role = edge_role(&file, 0);
    ck_assert_uint_eq(role->word << 1 >> 1,
                      MINT_ROLE_ADMIN | MINT_ROLE_ALL_PLUGINS);
    edge_blob(&file, &role->permissions, text);
    ck_assert_str_eq(text, "[\"experiments.read\"]");
    ck_assert_uint_eq(role->plugin_access, 0);

    role = edge_role(&file, 1);
    ck_assert_uint_eq(role->word << 1 >> 1, MINT_ROLE_PLUGINS_USE);
    edge_blob(&file, &role->permissions, text);
    ck_assert_str_eq(text, "[\"experiments.read\",\"plugins.use\"]");

    /* plugins 3, 8, 17 */
    ck_assert_uint_eq(edge_blob(&file, &role->plugin_access, text), 3);
    ck_assert_mem_eq(text, "\x08\x01\x02", 3);

    role = edge_role(&file, 2);
    ck_assert_uint_eq(role->word << 1 >> 1, 0);
    edge_blob(&file, &role->permissions, text);
    ck_assert_str_eq(text, "[]");
    ck_assert_uint_eq(role->plugin_access, 0);
    ck_assert_ptr_null(edge_role(&file, 3));

    ck_assert_uint_eq(edge_blob(&file, &edge_misc(&file)->key[0], text),
                      sizeof(key));
    memcpy(&key, text, sizeof(key));
    ck_assert_mem_eq(key.id, "k2\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    ck_assert_uint_eq(key.secret_len, 32);
    ck_assert_mem_eq(key.secret, "new secret new secret new secret", 32);
    edge_blob(&file, &edge_misc(&file)->key[1], text);
    memcpy(&key, text, sizeof(key));
    ck_assert_mem_eq(key.id, "k1", 3);
    ck_assert_uint_eq(key.secret_len, 10);
    ck_assert_mem_eq(key.secret, "old secret\0", 11);

    ck_assert(edge_denied(&file, denied[0].jti, (uint64_t) time(NULL)));
    ck_assert(!edge_denied(&file, "another", (uint64_t) time(NULL)));
    ck_assert_uint_eq(edge_misc(&file)->store_sequence, 17);

    edge_close(&file);
}


START_TEST(there_is_an_edge_secret_at_once)
{
    char              secret[128];
    struct edge_file  file;

    strcpy(secret, publisher_edge_secret(publisher));
    ck_assert_uint_eq(strlen(secret), 64);
    ck_assert_uint_eq(strspn(secret, "0123456789abcdef"), 64);

    edge_open(&file, directory, MINT_RUN_IDENTITY);
    edge_blob(&file, &edge_misc(&file)->edge_secret, text);
    ck_assert_str_eq(text, secret);
    edge_close(&file);

    /* the same for the life of the run directory */
    reopen();
    ck_assert_str_eq(publisher_edge_secret(publisher), secret);
    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);
    ck_assert_str_eq(publisher_edge_secret(publisher), secret);
    edge_open(&file, directory, MINT_RUN_IDENTITY);
    edge_blob(&file, &edge_misc(&file)->edge_secret, text);
    ck_assert_str_eq(text, secret);
    edge_close(&file);
}
END_TEST


START_TEST(the_whole_identity_is_a_new_file)
{
    struct edge_file  old, file;

    ck_assert_int_eq(publisher_set_plugin_token(publisher, 5, "token of 5",
                                                &err), 0);
    edge_open(&old, directory, MINT_RUN_IDENTITY);
    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);
    ck_assert(edge_is_retired(&old));
    ck_assert_uint_eq(epoch(), 2);
    ck_assert_uint_eq(publisher_user_count(publisher), 3);
    ck_assert_uint_eq(publisher_sequence(publisher), 17);
    check_whole();

    /* plugin tokens stay */
    edge_open(&file, directory, MINT_RUN_IDENTITY);
    edge_token(&file, 5, text);
    ck_assert_str_eq(text, "token of 5");
    edge_token(&file, 6, text);
    ck_assert_str_eq(text, "");
    edge_close(&file);
    edge_close(&old);
}
END_TEST


START_TEST(a_new_supervisor_adopts_it)
{
    ck_assert_int_eq(publisher_set_plugin_token(publisher, 5, "token of 5",
                                                &err), 0);
    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);
    reopen();
    ck_assert_uint_eq(epoch(), 2);
    ck_assert_uint_eq(publisher_user_count(publisher), 3);
    ck_assert_uint_eq(publisher_sequence(publisher), 17);
    check_whole();

    /* what it has read is enough to build it anew */
    publisher_free(&publisher);
    {
        struct publisher_options  options;

        memset(&options, 0, sizeof(options));
        options.run_directory = directory;
        options.plugins = 512;
        options.edge_gid = (gid_t) -1;
        ck_assert_int_eq(publisher_open(&publisher, &options, &err), 0);
    }
    ck_assert_uint_eq(epoch(), 3);
    check_whole();
}
END_TEST


START_TEST(one_user_changes_in_place)
{
    struct edge_file        file;
    struct publisher_user   user;

    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);
    edge_open(&file, directory, MINT_RUN_IDENTITY);

    user = users[1];
    user.session_version = 4;
    user.role = "admin";
    ck_assert_int_eq(publisher_put_user(publisher, &user, &err), 0);
    ck_assert_str_eq(user_text(user.id), "j\xc3\xbcrgen 4 admin 1");

    user.active = false;
    user.username = "renamed";
    ck_assert_int_eq(publisher_put_user(publisher, &user, &err), 0);
    ck_assert_str_eq(user_text(user.id), "renamed 4 admin 0");

    user.id = 44;
    user.username = "fresh";
    user.role = "nobody";
    ck_assert_int_eq(publisher_put_user(publisher, &user, &err), 0);
    ck_assert_str_eq(user_text(44), "fresh 4 nobody 0");
    ck_assert_uint_eq(publisher_user_count(publisher), 4);

    publisher_set_sequence(publisher, 18);
    ck_assert_uint_eq(edge_misc(&file)->store_sequence, 18);
    ck_assert(!edge_is_retired(&file));
    edge_close(&file);
}
END_TEST


static const struct {
    const char  *why;
    uint64_t     id;
    const char  *username;
    const char  *role;
}  bad_users[] = {
    { "id 0", 0, "x", "admin" },
    { "unknown role", 5, "x", "owner" },
    { "no name", 5, "", "admin" },
    { "line feed", 5, "a\nX-Evil: 1", "admin" },
    { "DEL", 5, "a\x7f", "admin" },
    { "not UTF-8", 5, "a\xff", "admin" },
    { "half a character", 5, "a\xc3", "admin" },
    { "too long", 5,
      "0123456789012345678901234567890123456789012345678901234567890123456789"
      "0123456789012345678901234567890123456789012345678901234567890123456789"
      "0123456789012345678901234567890123456789012345678901234567890123456789"
      "0123456789012345678901234567890123456789012345", "admin" }
};


START_TEST(a_bad_user_changes_nothing)
{
    struct publisher_user      user, list[2];
    struct publisher_identity  identity;

    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);

    memset(&user, 0, sizeof(user));
    user.id = bad_users[_i].id;
    user.username = bad_users[_i].username;
    user.role = bad_users[_i].role;
    ck_assert_msg(publisher_put_user(publisher, &user, &err)
                  == MINT_ERR_INVALID, "taken: %s", bad_users[_i].why);

    list[0] = users[0];
    list[0].username = "changed";
    list[1] = user;
    identity = whole;
    identity.users = list;
    identity.user_count = 2;
    ck_assert_int_eq(publisher_set_identity(publisher, &identity, &err),
                     MINT_ERR_INVALID);
    ck_assert_uint_eq(publisher_user_count(publisher), 3);
    ck_assert_uint_eq(epoch(), 2);
    check_whole();
}
END_TEST


START_TEST(a_role_changes_in_place)
{
    struct edge_file                  file;
    struct publisher_role             role;
    struct publisher_user             user;
    const struct mint_identity_role  *row;

    static const char *const  permissions[] = {
        "plugins.use", "quote \" and \n line", "\xc3\xa4"
    };

    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);
    edge_open(&file, directory, MINT_RUN_IDENTITY);

    /* a known one keeps its place, so that users' words stay right */
    role = roles[0];
    role.admin = false;
    role.all_plugins = false;
    role.permissions = permissions;
    role.permission_count = 3;
    role.plugin_ids = member_plugins;
    role.plugin_count = 1;
    ck_assert_int_eq(publisher_put_role(publisher, &role, &err), 0);
    row = edge_role(&file, 0);
    ck_assert_uint_eq(row->word << 1 >> 1, MINT_ROLE_PLUGINS_USE);

    /* it is a header value: ASCII, no line end */
    edge_blob(&file, &row->permissions, text);
    ck_assert_str_eq(text, "[\"plugins.use\",\"quote \\\" and \\n line\","
                           "\"\\u00E4\"]");
    ck_assert_uint_eq(edge_blob(&file, &row->plugin_access, text), 1);
    ck_assert_mem_eq(text, "\x08", 1);
    ck_assert_str_eq(user_text(1), "root 9 admin 1");

    /* a new one takes the next place */
    role.slug = "guest";
    ck_assert_int_eq(publisher_put_role(publisher, &role, &err), 0);
    edge_blob(&file, &edge_role(&file, 3)->slug, text);
    ck_assert_str_eq(text, "guest");
    user = users[0];
    user.role = "guest";
    ck_assert_int_eq(publisher_put_user(publisher, &user, &err), 0);
    ck_assert_str_eq(user_text(1), "root 9 guest 1");

    role.slug = "";
    ck_assert_int_eq(publisher_put_role(publisher, &role, &err),
                     MINT_ERR_INVALID);
    role.slug = "a\r\nb";
    ck_assert_int_eq(publisher_put_role(publisher, &role, &err),
                     MINT_ERR_INVALID);
    ck_assert_ptr_null(edge_role(&file, 4));
    edge_close(&file);
}
END_TEST


START_TEST(at_most_256_roles)
{
    int                    i;
    char                   slug[16];
    struct publisher_role  role;

    memset(&role, 0, sizeof(role));
    role.slug = slug;

    for (i = 0; i < 256; i++) {
        snprintf(slug, sizeof(slug), "role-%d", i);
        ck_assert_int_eq(publisher_put_role(publisher, &role, &err), 0);
    }

    strcpy(slug, "one-more");
    ck_assert_int_eq(publisher_put_role(publisher, &role, &err),
                     MINT_ERR_FULL);
    strcpy(slug, "role-255");
    role.admin = true;
    ck_assert_int_eq(publisher_put_role(publisher, &role, &err), 0);
}
END_TEST


START_TEST(keys_rotate)
{
    struct edge_file       file;
    struct publisher_key   list[3];

    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);
    edge_open(&file, directory, MINT_RUN_IDENTITY);

    list[0] = keys[1];
    list[1] = keys[0];
    ck_assert_int_eq(publisher_put_keys(publisher, list, 2, &err), 0);
    edge_blob(&file, &edge_misc(&file)->key[0], text);
    ck_assert_mem_eq(text, "k1", 3);
    edge_blob(&file, &edge_misc(&file)->key[1], text);
    ck_assert_mem_eq(text, "k2", 3);

    ck_assert_int_eq(publisher_put_keys(publisher, list + 1, 1, &err), 0);
    edge_blob(&file, &edge_misc(&file)->key[0], text);
    ck_assert_mem_eq(text, "k2", 3);
    ck_assert_uint_eq(edge_misc(&file)->key[1], 0);

    list[2] = keys[0];
    ck_assert_int_eq(publisher_put_keys(publisher, list, 3, &err),
                     MINT_ERR_INVALID);
    list[0].secret_len = 65;
    ck_assert_int_eq(publisher_put_keys(publisher, list, 1, &err),
                     MINT_ERR_INVALID);
    list[0].secret_len = 0;
    ck_assert_int_eq(publisher_put_keys(publisher, list, 1, &err),
                     MINT_ERR_INVALID);
    list[0] = keys[0];
    list[0].id = "an id longer than 16 bytes";
    ck_assert_int_eq(publisher_put_keys(publisher, list, 1, &err),
                     MINT_ERR_INVALID);
    ck_assert_ptr_null(strstr(err.text, "secret new"));
    edge_blob(&file, &edge_misc(&file)->key[0], text);
    ck_assert_mem_eq(text, "k2", 3);
    edge_close(&file);
}
END_TEST


START_TEST(plugin_tokens)
{
    char              token[MINT_TOKEN_MAX + 2];
    struct edge_file  file;

    memset(token, 't', sizeof(token));
    token[MINT_TOKEN_MAX] = '\0';
    ck_assert_int_eq(publisher_set_plugin_token(publisher, 31, token, &err),
                     0);
    edge_open(&file, directory, MINT_RUN_IDENTITY);
    edge_token(&file, 31, text);
    ck_assert_str_eq(text, token);

    ck_assert_int_eq(publisher_set_plugin_token(publisher, 31, "b", &err), 0);
    edge_token(&file, 31, text);
    ck_assert_str_eq(text, "b");
    ck_assert(!edge_is_retired(&file));
    edge_close(&file);

    token[MINT_TOKEN_MAX] = 't';
    token[MINT_TOKEN_MAX + 1] = '\0';
    ck_assert_int_eq(publisher_set_plugin_token(publisher, 31, token, &err),
                     MINT_ERR_INVALID);
    ck_assert_int_eq(publisher_set_plugin_token(publisher, 31, "", &err),
                     MINT_ERR_INVALID);
    ck_assert_int_eq(publisher_set_plugin_token(publisher, 31, "a\nb", &err),
                     MINT_ERR_INVALID);
}
END_TEST


START_TEST(denials_expire_and_make_room)
{
    int                      i;
    char                     jti[32];
    uint64_t                 now;
    struct edge_file         file;
    struct publisher_denied  one;

    now = (uint64_t) time(NULL);
    one.jti = jti;
    edge_open(&file, directory, MINT_RUN_IDENTITY);

    /* more than the table has rows, all expired: their rows are used again */
    one.expires_unix = now - 10;
    for (i = 0; i < 20000; i++) {
        snprintf(jti, sizeof(jti), "expired-%d", i);
        ck_assert_int_eq(publisher_deny(publisher, &one, &err), 0);
    }

    one.expires_unix = now + 1000;
    strcpy(jti, "valid");
    ck_assert_int_eq(publisher_deny(publisher, &one, &err), 0);
    edge_close(&file);

    edge_open(&file, directory, MINT_RUN_IDENTITY);
    ck_assert(edge_denied(&file, "valid", now));
    ck_assert(!edge_denied(&file, "expired-19999", now));

    /* denied again with an earlier end: the later one holds */
    one.expires_unix = now + 5;
    ck_assert_int_eq(publisher_deny(publisher, &one, &err), 0);
    ck_assert(edge_denied(&file, "valid", now + 900));
    edge_close(&file);
}
END_TEST


START_TEST(more_denials_than_fit_are_a_larger_file)
{
    int                      i;
    char                     jti[32];
    uint64_t                 now;
    struct edge_file         file;
    struct publisher_denied  one;

    now = (uint64_t) time(NULL);
    one.jti = jti;
    one.expires_unix = now + 1000;

    for (i = 0; i < 13000; i++) {
        snprintf(jti, sizeof(jti), "jti-%d", i);
        ck_assert_int_eq(publisher_deny(publisher, &one, &err), 0);
    }

    ck_assert_uint_gt(epoch(), 1);
    edge_open(&file, directory, MINT_RUN_IDENTITY);
    for (i = 0; i < 13000; i += 7) {
        snprintf(jti, sizeof(jti), "jti-%d", i);
        ck_assert(edge_denied(&file, jti, now));
    }
    edge_close(&file);
}
END_TEST


START_TEST(more_users_than_fit_are_a_larger_file)
{
    char                    name[32], expected[64];
    uint64_t                i;
    struct publisher_user   user;

    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);
    memset(&user, 0, sizeof(user));
    user.username = name;
    user.role = "member";

    for (i = 100; i < 3100; i++) {
        snprintf(name, sizeof(name), "user-%d", (int) i);
        user.id = i * 1024;
        user.session_version = (uint32_t) i;
        ck_assert_int_eq(publisher_put_user(publisher, &user, &err), 0);
    }

    ck_assert_uint_gt(epoch(), 2);
    ck_assert_uint_eq(publisher_user_count(publisher), 3003);
    check_whole();

    for (i = 100; i < 3100; i += 13) {
        snprintf(expected, sizeof(expected), "user-%d %d member 0", (int) i,
                 (int) i);
        ck_assert_str_eq(user_text(i * 1024), expected);
    }
}
END_TEST


START_TEST(a_full_arena_is_a_new_file)
{
    int                      i;
    char                     permission[2000];
    const char              *permissions[1];
    struct publisher_role    role;

    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);
    role = roles[1];
    role.permissions = permissions;
    role.permission_count = 1;
    permissions[0] = permission;

    for (i = 0; i < 2000; i++) {
        memset(permission, 'a' + i % 26, sizeof(permission) - 1);
        permission[sizeof(permission) - 1] = '\0';
        ck_assert_int_eq(publisher_put_role(publisher, &role, &err), 0);
    }

    /* 4 MB of blobs went through an arena of 1 MiB */
    ck_assert_uint_gt(epoch(), 4);
    ck_assert_uint_lt(epoch(), 12);
    ck_assert_int_eq(publisher_put_role(publisher, &roles[1], &err), 0);
    check_whole();
}
END_TEST


START_TEST(equal_texts_take_no_room)
{
    int               i;
    uint64_t          used;
    struct edge_file  file;

    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);
    edge_open(&file, directory, MINT_RUN_IDENTITY);
    used = edge_misc(&file)->arena_used;

    for (i = 0; i < 100; i++) {
        ck_assert_int_eq(publisher_put_role(publisher, &roles[1], &err), 0);
        ck_assert_int_eq(publisher_put_user(publisher, &users[1], &err), 0);
        ck_assert_int_eq(publisher_put_keys(publisher, keys, 2, &err), 0);
    }

    ck_assert_uint_eq(edge_misc(&file)->arena_used, used);
    edge_close(&file);
}
END_TEST


START_TEST(what_finds_no_room_comes_into_force_later)
{
    uint64_t                before;
    struct rlimit           limit, small;
    struct publisher_user   user;

    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);
    before = epoch();

    memset(&user, 0, sizeof(user));
    user.username = "somebody";
    user.role = "member";
    user.active = true;

    /* no larger file can be made */
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 1024 * 1024;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);

    for (user.id = 1000; user.id < 2000; user.id++) {
        if (publisher_put_user(publisher, &user, &err) != 0) {
            break;
        }
    }

    ck_assert_int_eq(err.code, MINT_ERR_FULL);
    ck_assert_ptr_nonnull(strstr(err.text, "not yet in force"));
    ck_assert_str_eq(user_text(user.id), "");
    ck_assert_uint_eq(epoch(), before);
    check_whole();

    /* the whole identity fails too, and changes nothing */
    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err),
                     MINT_ERR_FULL);
    ck_assert_uint_gt(publisher_user_count(publisher), 3);

    publisher_tick(publisher);
    ck_assert_str_eq(user_text(user.id), "");

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    publisher_tick(publisher);
    ck_assert_str_eq(user_text(user.id), "somebody 0 member 1");
    ck_assert_uint_gt(epoch(), before);
}
END_TEST


static void
damage(uint64_t offset, uint64_t value)
{
    FILE  *f;
    char   path[128];

    snprintf(path, sizeof(path), "%s/identity", directory);
    f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, (long) offset, SEEK_SET), 0);
    ck_assert_uint_eq(fwrite(&value, 8, 1, f), 1);
    fclose(f);
}


static const struct {
    const char  *what;
    int          section;       /* -1 = offset in the header */
    uint64_t     offset;
    uint64_t     value;
}  damages[] = {
    { "users not a power of two", -1, 64, 1000 | 256ULL << 32 },
    { "users overlap roles", -1, 96, 100000 },
    { "arena past the end", -1, 96 + 5 * 8, 0x7fffff00 },
    { "arena end before its start", 5, 32, 16 },
    { "arena end past the end", 5, 32, 1ULL << 40 },
    { "a key past the end", 5, 0, 0x0000060fffffffffULL },
    { "a key of another size", 5, 0, 0x0000001000000100ULL },
    { "the edge secret is missing", 5, 16, 0 },
    { "a role's slug is missing", 1, 8, 0 },
    { "a role's permissions in the header", 1, 16, 0x0000001000000001ULL },
    { "a gap among roles", 1, 0, 0 },
    { "a token longer than allowed", 2, 5 * 16, 0x000ffff000001000ULL }
};


START_TEST(a_damaged_file_is_not_adopted)
{
    uint64_t          at;
    struct edge_file  file;

    ck_assert_int_eq(publisher_set_plugin_token(publisher, 5, "tok", &err),
                     0);
    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);
    publisher_free(&publisher);

    edge_open(&file, directory, MINT_RUN_IDENTITY);
    at = damages[_i].offset;
    if (damages[_i].section != -1) {
        at += file.header->section[damages[_i].section];
    }
    damage(at, damages[_i].value);

    setenv("MINT_LOG_LEVEL", "error", 1);
    open_publisher();
    ck_assert_msg(edge_is_retired(&file), "adopted: %s", damages[_i].what);
    ck_assert_uint_eq(publisher_user_count(publisher), 0);
    ck_assert_uint_eq(publisher_sequence(publisher), 0);
    ck_assert_str_eq(user_text(1), "");
    ck_assert_int_eq(publisher_set_identity(publisher, &whole, &err), 0);
    check_whole();
    edge_close(&file);
}
END_TEST


START_TEST(personal_tokens)
{
    uint64_t                         at, expected;
    struct edge_file                 file;
    struct identity_pat              pat;
    struct identity_writer           writer;
    const struct mint_identity_pat  *rows;

    publisher_free(&publisher);
    ck_assert_int_eq(identity_writer_open(&writer, directory, 0, 0,
                                          (gid_t) -1, &err), 0);
    memset(&pat, 0, sizeof(pat));
    ck_assert_int_eq(identity_writer_pat(&writer, &pat, &err),
                     MINT_ERR_INVALID);

    pat.hash[0] = 0xabcdef;
    pat.hash[3] = 1;
    pat.user_id = 7;
    pat.word = (uint64_t) 1999999999 << 16 | 1;
    ck_assert_int_eq(identity_writer_pat(&writer, &pat, &err), 0);
    pat.hash[3] = 2;
    pat.user_id = 8;
    ck_assert_int_eq(identity_writer_pat(&writer, &pat, &err), 0);

    /* revoked */
    pat.hash[3] = 1;
    pat.user_id = 0;
    ck_assert_int_eq(identity_writer_pat(&writer, &pat, &err), 0);

    edge_open(&file, directory, MINT_RUN_IDENTITY);
    rows = (const struct mint_identity_pat *) (const void *)
           ((char *) file.header + file.header->section[3]);
    at = 0xabcdef & (file.header->capacity[3] - 1);
    ck_assert_uint_eq(rows[at].hash[3], 1);
    ck_assert_uint_eq(rows[at].user_id, 0);
    ck_assert_uint_eq(rows[at + 1].hash[0], 0xabcdef);
    ck_assert_uint_eq(rows[at + 1].hash[3], 2);
    ck_assert_uint_eq(rows[at + 1].user_id, 8);
    expected = (uint64_t) 1999999999 << 16 | 1;
    ck_assert_uint_eq(rows[at + 1].word, expected);
    edge_close(&file);
    identity_writer_close(&writer);
    open_publisher();
}
END_TEST


#define COUNT(list)  ((int) (sizeof(list) / sizeof((list)[0])))

int
main(void)
{
    int       failed;
    TCase    *cases;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("identity");
    cases = tcase_create("identity");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, there_is_an_edge_secret_at_once);
    tcase_add_test(cases, the_whole_identity_is_a_new_file);
    tcase_add_test(cases, a_new_supervisor_adopts_it);
    tcase_add_test(cases, one_user_changes_in_place);
    tcase_add_loop_test(cases, a_bad_user_changes_nothing, 0,
                        COUNT(bad_users));
    tcase_add_test(cases, a_role_changes_in_place);
    tcase_add_test(cases, at_most_256_roles);
    tcase_add_test(cases, keys_rotate);
    tcase_add_test(cases, plugin_tokens);
    tcase_add_test(cases, denials_expire_and_make_room);
    tcase_add_test(cases, more_denials_than_fit_are_a_larger_file);
    tcase_add_test(cases, more_users_than_fit_are_a_larger_file);
    tcase_add_test(cases, a_full_arena_is_a_new_file);
    tcase_add_test(cases, equal_texts_take_no_room);
    tcase_add_test(cases, what_finds_no_room_comes_into_force_later);
    tcase_add_loop_test(cases, a_damaged_file_is_not_adopted, 0,
                        COUNT(damages));
    tcase_add_test(cases, personal_tokens);
    suite_add_tcase(suite, cases);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
