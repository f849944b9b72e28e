/* SPDX-License-Identifier: MIT */
/*
 * Configuration: files and environments that are in order, and what comes of
 * them.  Those that are refused are in test_config_errors.c.
 */

#include "lib/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

#include "lib/config_table.h"
#include "lib/fs.h"
#include "scratch.h"


#define VARIABLES_MAX  3


static char  *no_variables[] = { NULL };


/* a later variable wins over an earlier file */

static int
load(struct config **config, const char *file, const char *const *variables,
    struct error *err)
{
    int    i;
    char  *environment[VARIABLES_MAX + 1] = { NULL };

    if (file != NULL) {
        scratch_write("config.json", file);

    } else {
        unlink("config.json");
    }

    for (i = 0; variables != NULL && i < VARIABLES_MAX; i++) {
        environment[i] = (char *) variables[i];
    }

    return config_load(config, NULL, environment, err);
}


/* of the test's own file and variables, which must be in order */

static struct config *
loaded(const char *file, const char *variable)
{
    int             rc;
    struct error    err;
    const char     *variables[VARIABLES_MAX] = { variable };
    struct config  *config;

    config = NULL;
    rc = load(&config, file, variables, &err);
    ck_assert_msg(rc == 0, "%s", rc == 0 ? "" : err.text);

    return config;
}


START_TEST(test_defaults)
{
    char            path[4200];
    struct config  *c;

    c = loaded(NULL, NULL);

    ck_assert_str_eq(c->path, "");
    ck_assert_str_eq(c->platform_name, "MINT");
    snprintf(path, sizeof(path), "%s/data", scratch_path());
    ck_assert_str_eq(c->server.data_path, path);
    ck_assert_int_eq(c->server.run_directory[0], '/');
    ck_assert_uint_le(strlen(c->server.run_directory), 80);
    ck_assert_int_eq(c->server.program_directory[0], '/');
    ck_assert_str_eq(c->server.address, "127.0.0.1");
    ck_assert_int_eq(c->server.port, 8001);
    ck_assert_str_eq(c->server.external_url, "");
    ck_assert(c->nginx.managed);
    ck_assert_int_eq(c->nginx.workers, 0);
    ck_assert(c->auth.enable);
    ck_assert_str_eq(c->auth.jwt_secret, "");
    ck_assert_int_eq(c->auth.token_expire_minutes, 10080);
    ck_assert_int_eq(c->auth.failed_login_limit, 5);
    ck_assert_int_eq(c->auth.lockout_minutes, 15);
    snprintf(path, sizeof(path), "%s/data/cache/uv", scratch_path());
    ck_assert_str_eq(c->environments.cache_directory, path);
    snprintf(path, sizeof(path), "%s/data/venvs", scratch_path());
    ck_assert_str_eq(c->plugins.venv_directory, path);
    ck_assert_str_eq(c->environments.platform_version, "1.2.10");
    ck_assert_int_eq(c->plugins.uid_first, 60706);
    ck_assert_int_eq(c->plugins.uid_last, 61183);
    ck_assert_int_eq(c->plugins.capacity, 256);
    ck_assert_int_eq(c->plugins.ready_deadline_sec, 60);
    ck_assert_int_eq(c->plugins.stop_grace_sec, 10);
    ck_assert_int_eq(c->plugins.starts_at_once, 4);
    ck_assert_uint_eq(c->plugins.force_isolated.count, 0);
    ck_assert_uint_eq(c->cors_origins.count, 0);
    ck_assert_str_eq(c->admin_username, "");
    ck_assert_str_eq(c->admin_password, "");
    ck_assert_ptr_null(config_notices(c)[0]);

    config_free(&c);
    ck_assert_ptr_null(c);
    config_free(&c);
}
END_TEST


START_TEST(test_file)
{
    char            path[4200];
    struct config  *c;

    c = loaded("{\"platformName\":\"Lab \xc3\xa9\",\"server\":{\"port\":1,"
               "\"data_path\":\"./a//b/.\",\"runDirectory\":\"/x/../y/\","
               "\"address\":\"::1\",\"external_url\":\"https://h:8/p\"},"
               "\"nginx\":{\"managed\":false,\"binary\":\"./my/nginx\"},"
               "\"plugins\":{\"force_isolated\":[\"a\",\"b\"],"
               "\"forceShared\":[],\"extraIndexUrls\":[\"https://u:p@h/\"]},"
               "\"auth\":{\"jwtSecretKey\":"
               "\"0123456789abcdef0123456789abcdef\"},"
               "\"ADMIN_USERNAME\":\"root\",\"ADMIN_PASSWORD\":\"p\"}", NULL);

    snprintf(path, sizeof(path), "%s/config.json", scratch_path());
    ck_assert_str_eq(c->path, path);
    ck_assert_str_eq(c->platform_name, "Lab \xc3\xa9");
    ck_assert_int_eq(c->server.port, 1);
    snprintf(path, sizeof(path), "%s/a/b", scratch_path());
    ck_assert_str_eq(c->server.data_path, path);
    ck_assert_str_eq(c->server.run_directory, "/x/../y");
    ck_assert_str_eq(c->server.address, "::1");
    ck_assert_str_eq(c->server.external_url, "https://h:8/p");
    ck_assert(!c->nginx.managed);
    snprintf(path, sizeof(path), "%s/my/nginx", scratch_path());
    ck_assert_str_eq(c->nginx.binary, path);
    ck_assert_uint_eq(c->plugins.force_isolated.count, 2);
    ck_assert_str_eq(c->plugins.force_isolated.item[0], "a");
    ck_assert_str_eq(c->plugins.force_isolated.item[1], "b");
    ck_assert_str_eq(c->plugins.extra_index_urls.item[0], "https://u:p@h/");
    ck_assert_str_eq(c->auth.jwt_secret, "0123456789abcdef0123456789abcdef");
    ck_assert_str_eq(c->admin_username, "root");
    ck_assert_str_eq(c->admin_password, "p");

    /* keys that the file does not name have their defaults */

    ck_assert_int_eq(c->plugins.capacity, 256);
    config_free(&c);
}
END_TEST


/* spelling, type, what wins */

/* names: each followed by a blank, in any order */

static void
names_differ(const struct config *a, const struct config *b,
    const char *names)
{
    char         word[64];
    size_t       i, len;
    const char  *path;

    i = 0;
    len = 0;

    while ((path = config_next_difference(a, b, &i)) != NULL) {
        snprintf(word, sizeof(word), "%s ", path);
        ck_assert_msg(strstr(names, word) != NULL, "%s", path);
        len += strlen(word);
    }

    ck_assert_uint_eq(len, strlen(names));
}


START_TEST(test_read_again)
{
    size_t          i;
    struct config  *c, *fresh;

    c = loaded("{\"plugins\":{\"forceIsolated\":[\"a\"],"
               "\"forceShared\":[\"b\"]}}", NULL);
    fresh = loaded("{\"server\":{\"port\":2},\"auth\":{\"enableAuth\":"
                   "false},\"corsOrigins\":[\"https://h\"],"
                   "\"plugins\":{\"forceIsolated\":[\"c\",\"d\"],"
                   "\"perPlugin\":{\"c\":{\"cpuPercent\":50}}}}", NULL);
    config_take(c, fresh);
    ck_assert_uint_eq(c->plugins.force_isolated.count, 2);
    ck_assert_str_eq(c->plugins.force_isolated.item[1], "d");
    ck_assert_uint_eq(c->plugins.force_shared.count, 0);

    /* nothing else is taken over; it is named */

    ck_assert_int_eq(c->server.port, 8001);
    names_differ(c, fresh, "auth.enableAuth corsOrigins plugins.perPlugin "
                           "server.port ");
    config_free(&fresh);

    /* what was exchanged is freed once, and its own */

    ck_assert_str_eq(c->plugins.force_isolated.item[0], "c");
    fresh = loaded(NULL, NULL);
    i = 0;
    ck_assert_ptr_null(config_next_difference(c, fresh, &i));
    config_free(&fresh);
    config_free(&c);
}
END_TEST


START_TEST(test_one_plugin)
{
    struct config               *c;
    const struct config_limits  *all, *one;

    c = loaded("{\"plugins\":{\"memoryMegabytes\":100,\"cpuPercent\":50,"
               "\"readPaths\":[\"/a//b/\",\"/c\"],\"perPlugin\":{"
               "\"Peak_Table\":{\"memoryMegabytes\":7,\"sandbox\":false,"
               "\"write_paths\":[\"/w\"]}}}}", NULL);

    all = config_limits_of(c, "other");
    ck_assert_int_eq(all->memory_mb, 100);
    ck_assert_int_eq(all->processes, 4096);
    ck_assert(all->sandbox);
    ck_assert_uint_eq(all->read_paths.count, 2);
    ck_assert_str_eq(all->read_paths.item[1], "/c");

    one = config_limits_of(c, "peak-table");
    ck_assert_int_eq(one->memory_mb, 7);
    ck_assert_int_eq(one->cpu_percent, 50);
    ck_assert(!one->sandbox);
    ck_assert_uint_eq(one->read_paths.count, 2);
    ck_assert_ptr_ne(one->read_paths.item, all->read_paths.item);
    ck_assert_str_eq(one->write_paths.item[0], "/w");
    ck_assert_uint_eq(all->write_paths.count, 0);
    config_free(&c);
}
END_TEST


START_TEST(test_variables)
{
    size_t          i;
    struct config  *c;

    static const char *const  ports[] = {
        "MINT_SERVER__PORT=99", "mint_server__port=99", "Mint_Server__Port=99",
    };
    static const char *const  deadlines[] = {
        "MINT_PLUGINS__READY_DEADLINE_SECONDS=99",
        "MINT_PLUGINS__READYDEADLINESECONDS=99",
        "mint_plugins__readyDeadlineSeconds=99",
    };
    static const char *const  lists[] = {
        "MINT_CORS_ORIGINS=[\"http://a\", \"http://b\"]",
        "MINT_CORS_ORIGINS=http://a,http://b",
        "MINT_CORSORIGINS= http://a , http://b ",
        "MINT_CORS_ORIGINS=http://a,http://b,",
    };
    static const char *const  no[] = {
        "MINT_AUTH__ENABLE_AUTH=0", "MINT_AUTH__ENABLE_AUTH=false",
        "MINT_AUTH__ENABLEAUTH=False",
    };

    for (i = 0; i < 3; i++) {
        c = loaded("{\"server\":{\"port\":1}}", ports[i]);
        ck_assert_int_eq(c->server.port, 99);
        config_free(&c);

        c = loaded(NULL, deadlines[i]);
        ck_assert_int_eq(c->plugins.ready_deadline_sec, 99);
        config_free(&c);

        c = loaded(NULL, no[i]);
        ck_assert(!c->auth.enable);
        config_free(&c);
    }

    for (i = 0; i < 4; i++) {
        c = loaded("{\"corsOrigins\":[\"http://old\"]}", lists[i]);
        ck_assert_uint_eq(c->cors_origins.count, 2);
        ck_assert_str_eq(c->cors_origins.item[0], "http://a");
        ck_assert_str_eq(c->cors_origins.item[1], "http://b");
        config_free(&c);
    }

    /* an empty value counts as not set */

    c = loaded("{\"server\":{\"port\":7}}", "MINT_SERVER__PORT=");
    ck_assert_int_eq(c->server.port, 7);
    config_free(&c);

    c = loaded("{\"corsOrigins\":[\"http://old\"]}", "MINT_CORS_ORIGINS=[]");
    ck_assert_uint_eq(c->cors_origins.count, 0);
    config_free(&c);
}
END_TEST


START_TEST(test_equal_doubles_are_fine)
{
    struct error    err;
    struct config  *c;
    const char     *twice[] = { "MINT_SERVER__DATA_PATH=/d",
                                "MINT_SERVER__DATAPATH=/d", NULL };

    ck_assert_int_eq(load(&c, NULL, twice, &err), 0);
    ck_assert_str_eq(c->server.data_path, "/d");
    config_free(&c);
}
END_TEST


START_TEST(test_administrator)
{
    size_t          i;
    struct error    err;
    struct config  *c;

    static const struct {
        const char  *variables[VARIABLES_MAX];
        const char  *name;
    } cases[] = {
        { { NULL }, "file" },
        { { "ADMIN_USERNAME=plain" }, "plain" },
        { { "MINT_ADMIN_USERNAME=mint" }, "mint" },
        { { "ADMIN_USERNAME=plain", "MINT_ADMIN_USERNAME=mint" }, "mint" },
        { { "MINT_ADMIN_USERNAME=mint", "ADMIN_USERNAME=plain" }, "mint" },
        { { "admin_username=other" }, "file" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_int_eq(load(&c, "{\"ADMIN_USERNAME\":\"file\"}",
                              cases[i].variables, &err), 0);
        ck_assert_str_eq(c->admin_username, cases[i].name);
        config_free(&c);
    }
}
END_TEST


/* what belongs to the launcher, to plugins, to nobody */

START_TEST(test_other_variables)
{
    size_t          i;
    struct config  *c;

    static const char *const  others[] = {
        "MINT_PORT=abc", "MINT_VAR=/x", "MINT_PLUGIN_BLUE__LEVEL=3",
        "MINT_PLUGIN_SERVER__PORT=3", "MINT_WHATEVER=1", "MINT_NEW__KEY=1",
        "MINT_=1", "MINT=1", "MINT_JOB_CPU_SLOTS=4", "MINT_DAEMON=1",
        "MINT_KEEPER_FD=3", "MINT_S3_ACCESS_KEY_ID=x", "PATH=/bin",
        "MINTY_SERVER__PROT=1", "no equals sign", "=x",
        "MINT_LOG_LEVEL=debug", "MINT_SERVER=1",
        "MINT_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxx=1",
    };

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        c = loaded(NULL, others[i]);
        ck_assert_int_eq(c->server.port, 8001);
        ck_assert_msg(config_notices(c)[0] == NULL, "%s", others[i]);
        config_free(&c);
    }
}
END_TEST


START_TEST(test_notices)
{
    struct config      *c;
    const char *const  *notices;

    c = loaded("{\"server\":{\"apiMountPath\":\"/x\",\"port\":5},"
               "\"database\":{\"host\":\"h\",\"port\":1},"
               "\"DB_PASSWORD\":\"hunter2\","
               "\"error_reporting\":{\"min_level\":\"ERROR\"},"
               "\"sso\":{\"eduid\":{\"scopes\":[\"a\"],\"clientId\":\"x\"}},"
               "\"plugins\":{\"settings\":{\"any\":{\"thing\":[1,null]}}}}",
               "MINT_PLUGINS__SETTINGS__BLUE__KEY=x");

    notices = config_notices(c);
    ck_assert_str_eq(notices[0], "MINT_PLUGINS__SETTINGS__BLUE__KEY is "
                     "accepted, but this version does not act on "
                     "plugins.settings");
    ck_assert_str_eq(notices[1], "config.json: server.apiMountPath has no "
                     "effect: removed from MINT: it is always /api");
    ck_assert_str_eq(notices[2], "config.json: database.host is accepted, but "
                     "this version does not act on it");
    ck_assert_str_eq(notices[3], "config.json: database.port is accepted, but "
                     "this version does not act on it");
    ck_assert_str_eq(notices[4], "config.json: DB_PASSWORD is accepted, but "
                     "this version does not act on it");
    ck_assert_str_eq(notices[5], "config.json: errorReporting.minLevel is "
                     "accepted, but this version does not act on it");
    ck_assert_ptr_nonnull(strstr(notices[6], "sso.eduid.scopes"));
    ck_assert_ptr_nonnull(strstr(notices[7], "sso.eduid.clientId"));
    ck_assert_ptr_nonnull(strstr(notices[8], "plugins.settings"));
    ck_assert_ptr_null(notices[9]);
    ck_assert_int_eq(c->server.port, 5);
    config_free(&c);

    c = loaded(NULL, "MINT_SERVER_PORT=80");
    ck_assert_int_eq(c->server.port, 8001);
    ck_assert_str_eq(config_notices(c)[0], "MINT_SERVER_PORT is not read: the "
                     "name for server.port has two underscores between "
                     "levels");
    config_free(&c);
}
END_TEST


/* named argument > MINT_CONFIG_PATH > beside the data > ./config.json */

START_TEST(test_which_file)
{
    char            path[4200];
    struct error    err;
    struct config  *c;
    char            file_variable[] = "MINT_CONFIG_PATH=b/other.json";
    char            data_variable[] = "MINT_SERVER__DATA_PATH=data";
    char           *both[] = { file_variable, data_variable, NULL };
    char           *data[] = { data_variable, NULL };

    ck_assert_int_eq(mkdir("data", 0755), 0);
    ck_assert_int_eq(mkdir("b", 0755), 0);
    scratch_write("data/config.json", "{\"server\":{\"port\":2}}");
    scratch_write("b/other.json", "{\"server\":{\"port\":3,\"runDirectory\":"
                  "\"r\"},\"environments\":{\"cacheDirectory\":\"c\"}}");
    scratch_write("named.json", "{\"server\":{\"port\":4}}");
    scratch_write("config.json", "{\"server\":{\"port\":1}}");

    ck_assert_int_eq(config_load(&c, "named.json", both, &err), 0);
    ck_assert_int_eq(c->server.port, 4);
    config_free(&c);

    ck_assert_int_eq(config_load(&c, NULL, both, &err), 0);
    ck_assert_int_eq(c->server.port, 3);

    /* from the file: beside it; from the environment: here */

    snprintf(path, sizeof(path), "%s/b/r", scratch_path());
    ck_assert_str_eq(c->server.run_directory, path);
    snprintf(path, sizeof(path), "%s/b/c", scratch_path());
    ck_assert_str_eq(c->environments.cache_directory, path);
    snprintf(path, sizeof(path), "%s/data", scratch_path());
    ck_assert_str_eq(c->server.data_path, path);
    config_free(&c);

    ck_assert_int_eq(config_load(&c, NULL, data, &err), 0);
    ck_assert_int_eq(c->server.port, 2);
    config_free(&c);

    ck_assert_int_eq(unlink("data/config.json"), 0);
    ck_assert_int_eq(config_load(&c, NULL, data, &err), 0);
    ck_assert_int_eq(c->server.port, 1);
    config_free(&c);

    ck_assert_int_eq(unlink("config.json"), 0);
    ck_assert_int_eq(config_load(&c, NULL, data, &err), 0);
    ck_assert_int_eq(c->server.port, 8001);
    ck_assert_str_eq(c->path, "");
    config_free(&c);

    ck_assert_int_eq(config_load(&c, "missing.json", no_variables, &err),
                     MINT_ERR_NOT_FOUND);
    ck_assert_int_eq(config_load(&c, "", no_variables, &err),
                     MINT_ERR_INVALID);
    ck_assert_int_lt(config_load(&c, "data", no_variables, &err), 0);
    ck_assert_int_eq(config_load(&c, NULL, NULL, &err), 0);
    config_free(&c);
}
END_TEST


START_TEST(test_big_file)
{
    char           *text;
    struct error    err;
    struct config  *c;

    text = mem_alloc(1024 * 1024 + 2);
    memset(text, ' ', 1024 * 1024 + 1);
    memcpy(text, "{}", 2);
    scratch_write("config.json", text);
    free(text);

    ck_assert_int_eq(config_load(&c, NULL, no_variables, &err),
                     MINT_ERR_FULL);
    ck_assert_ptr_nonnull(strstr(err.text, "longer than 1048576 bytes"));
}
END_TEST


START_TEST(test_programs)
{
    char            path[4200], search[4300];
    char           *environment[] = { search, NULL };
    struct error    err;
    struct config  *c;

    ck_assert_int_eq(mkdir("bin", 0755), 0);
    ck_assert_int_eq(mkdir("bin/python3", 0755), 0);
    scratch_write("bin/uv", "#!/bin/sh\n");
    scratch_write("bin/nginx", "#!/bin/sh\n");
    ck_assert_int_eq(chmod("bin/uv", 0755), 0);
    ck_assert_int_eq(chmod("bin/nginx", 0644), 0);

    snprintf(search, sizeof(search), "PATH=bin::%s/bin", scratch_path());
    ck_assert_int_eq(config_load(&c, NULL, environment, &err), 0);

    snprintf(path, sizeof(path), "%s/bin/uv", scratch_path());
    ck_assert_str_eq(c->environments.uv, path);

    /* a directory and a file that is not executable are no programs */

    ck_assert_str_eq(c->environments.python, "python3");
    ck_assert_ptr_null(strstr(c->nginx.binary, scratch_path()));
    config_free(&c);
}
END_TEST


START_TEST(test_every_default_is_valid)
{
    size_t                     i;
    json_t                    *value;
    struct error               err;
    const struct config_row   *row;

    for (i = 0; i < config_row_count; i++) {
        row = &config_rows[i];

        if (row->flags & CONFIG_COMPUTED) {
            continue;
        }

        value = config_parse(row, row->fallback);
        ck_assert_msg(config_check(row, value, &err) == 0, "%s: %s",
                      row->path, err.text);
        json_decref(value);
    }
}
END_TEST


/* each key can be said by the environment name that is documented for it */

START_TEST(test_every_name_is_found)
{
    char                       section[128], path[128];
    char                      *dot, *part;
    size_t                     i;
    struct strbuf              name = { 0 };
    const struct config_row   *row, *found;

    for (i = 0; i < config_row_count; i++) {
        row = &config_rows[i];

        strbuf_clear(&name);
        config_env_name(row, &name);
        ck_assert_int_eq(config_find_variable(strbuf_text(&name), name.len,
                                              &found), CONFIG_VARIABLE_ROW);
        ck_assert_ptr_eq(found, row);

        snprintf(path, sizeof(path), "%s", row->path);
        section[0] = '\0';

        for (part = path; part != NULL; part = dot) {
            dot = strchr(part, '.');

            if (dot != NULL) {
                *dot++ = '\0';
            }

            ck_assert(config_find_key(section, part, &found, section,
                                      sizeof(section)));
            ck_assert_int_eq(found != NULL, dot == NULL);
        }

        ck_assert_ptr_eq(found, row);
    }

    strbuf_free(&name);
}
END_TEST


START_TEST(test_describe)
{
    size_t       i, k, tabs;
    const char  *p;

    for (i = 0; config_describe(i) != NULL; i++) {
        for (tabs = 0, p = config_describe(i); *p != '\0'; p++) {
            tabs += *p == '\t';
        }

        ck_assert_uint_eq(tabs, 3);

        for (k = 0; k < i; k++) {
            ck_assert_str_ne(config_rows[i].path, config_rows[k].path);
        }
    }

    ck_assert_uint_eq(i, config_row_count);
    ck_assert_uint_gt(i, 100);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("config");
    tcase = tcase_create("config");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, scratch_enter, scratch_leave);
    tcase_add_test(tcase, test_defaults);
    tcase_add_test(tcase, test_file);
    tcase_add_test(tcase, test_read_again);
    tcase_add_test(tcase, test_one_plugin);
    tcase_add_test(tcase, test_variables);
    tcase_add_test(tcase, test_equal_doubles_are_fine);
    tcase_add_test(tcase, test_administrator);
    tcase_add_test(tcase, test_other_variables);
    tcase_add_test(tcase, test_notices);
    tcase_add_test(tcase, test_which_file);
    tcase_add_test(tcase, test_big_file);
    tcase_add_test(tcase, test_programs);
    tcase_add_test(tcase, test_every_default_is_valid);
    tcase_add_test(tcase, test_every_name_is_found);
    tcase_add_test(tcase, test_describe);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
