/* SPDX-License-Identifier: MIT */
/*
 * Configuration that is refused: each case is a file, an environment and the
 * exact words of the error.
 */

#include "lib/config.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "scratch.h"


#define VARIABLES_MAX  2


static const struct {
    const char  *file;              /* NULL: none */
    const char  *variables[VARIABLES_MAX];
    const char  *error;
} refused[] = {

    /* syntax */
    { "", { NULL }, "config.json: line 1, column 0: '[' or '{' expected near "
      "end of file" },
    { "{\"server\":{\"port\":1,}}", { NULL },
      "config.json: line 1, column 21: string or '}' expected" },
    { "{\n\"server\":\n{\"port\":\"a\nb\"}}", { NULL },
      "config.json: line 3, column 10: unexpected newline" },
    { "{\"server\":{\"port\":1,\"port\":2}}", { NULL },
      "config.json: line 1, column 26: duplicate object key near "
      "'\"port\"'" },
    { "[]", { NULL }, "config.json: expected an object, got a list" },
    { "7", { NULL }, "config.json: line 1, column 1: '[' or '{' expected" },
    { "{}}", { NULL }, "config.json: line 1, column 3: end of file "
      "expected" },

    /* a password near the error is not repeated */
    { "{\"ADMIN_PASSWORD\": \"hunter2\" \"x\"}", { NULL },
      "config.json: line 1, column 32: '}' expected" },
    { "{\"ADMIN_PASSWORD\": hunter2}", { NULL },
      "config.json: line 1, column 25: invalid token" },

    /* what holds for one plugin */
    { "{\"plugins\":{\"perPlugin\":{\"a\":7}}}", { NULL },
      "config.json: plugins.perPlugin.a: expected an object" },
    { "{\"plugins\":{\"perPlugin\":{\"a\":{\"capacity\":7}}}}", { NULL },
      "config.json: plugins.perPlugin.a.capacity: no key that can be set for "
      "one plugin" },
    { "{\"plugins\":{\"perPlugin\":{\"a\":{\"cpuPercent\":-1}}}}",
      { NULL }, "config.json: plugins.perPlugin.a.cpuPercent: expected an "
      "integer from 0 to 100000, got the integer -1" },
    { "{\"plugins\":{\"perPlugin\":{\"a-b\":{},\"A_b\":{}}}}", { NULL },
      "config.json: plugins.perPlugin names \"A_b\" twice" },
    { "{\"plugins\":{\"readPaths\":[\"raw\"]}}", { NULL },
      "config.json: plugins.readPaths: expected a list of absolute paths, "
      "got the string \"raw\" as item 1" },

    /* keys */
    { "{\"sever\":{}}", { NULL }, "config.json: sever: unknown key; see "
      "docs/configuration.md" },
    { "{\"server\":{\"prot\":1}}", { NULL },
      "config.json: server.prot: unknown key; did you mean "
      "\"server.port\"?" },
    { "{\"server\":{\"Port\":1}}", { NULL },
      "config.json: server.Port: unknown key; did you mean "
      "\"server.port\"?" },
    { "{\"server\":{\"datapath\":\"x\"}}", { NULL },
      "config.json: server.datapath: unknown key; did you mean "
      "\"server.dataPath\"?" },
    { "{\"server\":{\"data__path\":\"x\"}}", { NULL },
      "config.json: server.data__path: unknown key; did you mean "
      "\"server.dataPath\"?" },
    { "{\"server\":{\"port\":{\"x\":1}}}", { NULL },
      "config.json: server.port: expected an integer from 1 to 65535, got an "
      "object" },
    { "{\"server.port\":1}", { NULL },
      "config.json: server.port: unknown key; did you mean "
      "\"server.port\"?" },
    { "{\"server\":8001}", { NULL },
      "config.json: server: expected an object with keys" },
    { "{\"storage\":{\"s3\":[]}}", { NULL },
      "config.json: storage.s3: expected an object with keys" },
    { "{\"server\":{\"dataPath\":\"a\",\"data_path\":\"b\"}}", { NULL },
      "config.json: server.dataPath: given twice, in two spellings" },

    /* types and bounds */
    { "{\"server\":{\"port\":\"abc\"}}", { NULL },
      "config.json: server.port: expected an integer from 1 to 65535, got the "
      "string \"abc\"" },
    { "{\"server\":{\"port\":0}}", { NULL },
      "config.json: server.port: expected an integer from 1 to 65535, got the "
      "integer 0" },
    { "{\"server\":{\"port\":65536}}", { NULL },
      "config.json: server.port: expected an integer from 1 to 65535, got the "
      "integer 65536" },
    { "{\"server\":{\"port\":80.0}}", { NULL },
      "config.json: server.port: expected an integer from 1 to 65535, got the "
      "number 80" },
    { "{\"server\":{\"port\":null}}", { NULL },
      "config.json: server.port: expected an integer from 1 to 65535, got "
      "null" },
    { "{\"server\":{\"port\":true}}", { NULL },
      "config.json: server.port: expected an integer from 1 to 65535, got "
      "true" },
    { "{\"server\":{\"port\":[1]}}", { NULL },
      "config.json: server.port: expected an integer from 1 to 65535, got a "
      "list" },
    { "{\"nginx\":{\"managed\":\"yes\"}}", { NULL },
      "config.json: nginx.managed: expected true or false, got the string "
      "\"yes\"" },
    { "{\"nginx\":{\"managed\":1}}", { NULL },
      "config.json: nginx.managed: expected true or false, got the integer "
      "1" },
    { "{\"platformName\":\"\"}", { NULL },
      "config.json: platformName: expected a string of 1 to 100 bytes, got "
      "the string \"\"" },
    { "{\"platformName\":\"a\\nb\"}", { NULL },
      "config.json: platformName: expected a string of 1 to 100 bytes, got "
      "the string \"a\nb\"" },
    { "{\"server\":{\"address\":\"localhost; include /etc\"}}", { NULL },
      "config.json: server.address: expected an IPv4 or IPv6 address, got the "
      "string \"localhost; include /etc\"" },
    { "{\"server\":{\"address\":\"127.0.0.1:80\"}}", { NULL },
      "config.json: server.address: expected an IPv4 or IPv6 address, got the "
      "string \"127.0.0.1:80\"" },
    { "{\"server\":{\"externalUrl\":\"ftp://x\"}}", { NULL },
      "config.json: server.externalUrl: expected an http:// or https:// "
      "address, got the string \"ftp://x\"" },
    { "{\"server\":{\"externalUrl\":\"http://\"}}", { NULL },
      "config.json: server.externalUrl: expected an http:// or https:// "
      "address, got the string \"http://\"" },
    { "{\"server\":{\"externalUrl\":\"http://a b\"}}", { NULL },
      "config.json: server.externalUrl: expected an http:// or https:// "
      "address, got the string \"http://a b\"" },
    { "{\"server\":{\"dataPath\":\"\"}}", { NULL },
      "config.json: server.dataPath: expected a path of at most 1024 bytes, "
      "got the string \"\"" },
    { "{\"server\":{\"dataPath\":\"a\\tb\"}}", { NULL },
      "config.json: server.dataPath: expected a path of at most 1024 bytes, "
      "got the string \"a\tb\"" },
    { "{\"server\":{\"runDirectory\":\"/a23456789/b23456789/c23456789/d2345678"
      "9/e23456789/f23456789/g23456789/h23456789/i\"}}", { NULL },
      "config.json: server.runDirectory: expected a path of at most 80 bytes, "
      "got the string \"/a23456789/b23456789/c23456789/d23456789/e23456789/"
      "f23456789\"..." },
    { "{\"environments\":{\"sdkVersion\":\"1.2 --index-url x\"}}", { NULL },
      "config.json: environments.sdkVersion: expected a string of letters, "
      "digits and . _ + ! - of at most 64 bytes, got the string \"1.2 "
      "--index-url x\"" },
    { "{\"environments\":{\"sdkVersion\":\"-r\"}}", { NULL },
      "config.json: environments.sdkVersion: expected a string of letters, "
      "digits and . _ + ! - of at most 64 bytes, got the string \"-r\"" },
    { "{\"auth\":{\"tokenExpireMinutes\":14}}", { NULL },
      "config.json: auth.tokenExpireMinutes: expected an integer from 15 to "
      "43200, got the integer 14" },
    { "{\"corsOrigins\":\"https://a\"}", { NULL },
      "config.json: corsOrigins: expected a list of origins like "
      "https://lims.example.org, without a path, got the string "
      "\"https://a\"" },
    { "{\"corsOrigins\":[\"https://a\",7]}", { NULL },
      "config.json: corsOrigins: expected a list of origins like "
      "https://lims.example.org, without a path, got the integer 7 "
      "as item 2" },
    { "{\"corsOrigins\":[\"\"]}", { NULL },
      "config.json: corsOrigins: expected a list of origins like "
      "https://lims.example.org, without a path, got the string "
      "\"\" as item 1" },
    { "{\"corsOrigins\":[\"*\"]}", { NULL },
      "config.json: corsOrigins: expected a list of origins like "
      "https://lims.example.org, without a path, got the string "
      "\"*\" as item 1" },
    { "{\"corsOrigins\":[\"https://a;\"]}", { NULL },
      "config.json: corsOrigins: expected a list of origins like "
      "https://lims.example.org, without a path, got the string "
      "\"https://a;\" as item 1" },
    { "{\"corsOrigins\":[\"https://a/\"]}", { NULL },
      "config.json: corsOrigins: expected a list of origins like "
      "https://lims.example.org, without a path, got the string "
      "\"https://a/\" as item 1" },
    { "{\"server\":{\"externalUrl\":\"https://u:p@h\"}}", { NULL },
      "config.json: server.externalUrl: expected an address like "
      "https://mint.example.org" },
    { "{\"server\":{\"trustedProxyCidrs\":[\"::1\",\"10.0.0.0/33\"]}}",
      { NULL },
      "config.json: server.trustedProxyCidrs: expected a list of addresses "
      "and networks like 10.0.0.0/8, got the string \"10.0.0.0/33\" as item "
      "2" },
    { "{\"server\":{\"trustedProxyCidrs\":[\"::1/12a\"]}}", { NULL },
      "config.json: server.trustedProxyCidrs: expected a list of addresses "
      "and networks like 10.0.0.0/8, got the string \"::1/12a\" as item 1" },
    { "{\"server\":{\"trustedProxyCidrs\":[\"10.0.0.0/\"]}}", { NULL },
      "config.json: server.trustedProxyCidrs: expected a list of addresses "
      "and networks like 10.0.0.0/8, got the string \"10.0.0.0/\" as item "
      "1" },
    { "{\"server\":{\"trustedProxyCidrs\":[\"proxy\"]}}", { NULL },
      "config.json: server.trustedProxyCidrs: expected a list of addresses "
      "and networks like 10.0.0.0/8, got the string \"proxy\" as item 1" },
    { "{\"plugins\":{\"extraIndexUrls\":[\"--index-url=http://u:p@h\"]}}",
      { NULL },
      "config.json: plugins.extraIndexUrls: expected a list of http:// or "
      "https:// addresses, got a string of 24 bytes (not shown) as item 1" },
    { "{\"auth\":{\"jwtSecretKey\":\"short\"}}", { NULL },
      "config.json: auth.jwtSecretKey: expected a string of 16 to 1024 bytes, "
      "got a string of 5 bytes (not shown)" },
    { "{\"ADMIN_PASSWORD\":7}", { NULL },
      "config.json: ADMIN_PASSWORD: expected a string of at most 1024 bytes, "
      "got the integer 7" },

    /* keys that are not acted on are checked all the same */
    { "{\"database\":{\"port\":\"5432\"}}", { NULL },
      "config.json: database.port: expected an integer from 1 to 65535, got "
      "the string \"5432\"" },
    { "{\"storage\":{\"objects\":{\"backend\":\"ftp\"}}}", { NULL },
      "config.json: storage.objects.backend: expected local, s3 or swift, got "
      "the string \"ftp\"" },
    { "{\"auth\":{\"patMaxLifetimeDays\":60}}", { NULL },
      "config.json: auth.patMaxLifetimeDays: expected an integer: 30, 90 or "
      "365, got the integer 60" },
    { "{\"observability\":{\"traceSampleRate\":1.5}}", { NULL },
      "config.json: observability.traceSampleRate: expected a number from 0 "
      "to 1, got the number 1.5" },
    { "{\"updates\":{\"autoApplyTime\":\"24:00\"}}", { NULL },
      "config.json: updates.autoApplyTime: expected a time of day like 03:00, "
      "got the string \"24:00\"" },
    { "{\"filesystem\":{\"mounts\":[1]}}", { NULL },
      "config.json: filesystem.mounts: expected a list of objects, got the "
      "integer 1 as item 1" },
    { "{\"plugins\":{\"settings\":[]}}", { NULL },
      "config.json: plugins.settings: expected an object, got a list" },
    { "{\"sso\":{\"eduid\":{\"scopes\":[1]}}}", { NULL },
      "config.json: sso.eduid.scopes: expected a string or a list of strings, "
      "got a list" },

    /* between keys */
    { "{\"plugins\":{\"forceIsolated\":[\"x\",\"My_Plugin\"],"
      "\"forceShared\":[\"my-plugin\"]}}", { NULL },
      "config.json: plugins.forceIsolated and plugins.forceShared both name "
      "\"my-plugin\"; leave it in one" },
    { NULL, { "MINT_PLUGINS__FORCE_ISOLATED=a,b",
              "MINT_PLUGINS__FORCE_SHARED=[\"b\"]" },
      "configuration: plugins.forceIsolated and plugins.forceShared both name "
      "\"b\"; leave it in one" },
    { "{\"plugins\":{\"uidFirst\":70000}}", { NULL },
      "config.json: plugins.uidLast: expected at least plugins.uidFirst, "
      "which is 70000, got 61183" },

    /* environment */
    { NULL, { "MINT_SERVER__PORT=abc" },
      "MINT_SERVER__PORT: server.port: expected an integer from 1 to 65535, "
      "got the string \"abc\"" },
    { NULL, { "MINT_SERVER__PORT=80x" },
      "MINT_SERVER__PORT: server.port: expected an integer from 1 to 65535, "
      "got the string \"80x\"" },
    { NULL, { "MINT_SERVER__PORT= 80" },
      "MINT_SERVER__PORT: server.port: expected an integer from 1 to 65535, "
      "got the string \" 80\"" },
    { NULL, { "MINT_SERVER__PORT=99999999999999999999" },
      "MINT_SERVER__PORT: server.port: expected an integer from 1 to 65535, "
      "got the string \"99999999999999999999\"" },
    { NULL, { "MINT_NGINX__MANAGED=yes" },
      "MINT_NGINX__MANAGED: nginx.managed: expected true or false, got the "
      "string \"yes\"" },
    { NULL, { "MINT_SERVER__PROT=80" },
      "MINT_SERVER__PROT: unknown key of the environment; see "
      "docs/configuration.md" },
    { NULL, { "MINT_SERVER__PORT__X=80" },
      "MINT_SERVER__PORT__X: unknown key of the environment; see "
      "docs/configuration.md" },
    { NULL, { "mint_database__hots=x" },
      "mint_database__hots: unknown key of the environment; see "
      "docs/configuration.md" },
    { NULL, { "MINT_SERVER__DATA_PATH=a", "MINT_SERVER__DATAPATH=b" },
      "MINT_SERVER__DATA_PATH and MINT_SERVER__DATAPATH both set "
      "server.dataPath, to different values" },
    { NULL, { "MINT_CORS_ORIGINS=[\"a\"" },
      "MINT_CORS_ORIGINS: corsOrigins: expected a list of origins like "
      "https://lims.example.org, without a path, got the string \"[\"a\"\"" },
    { NULL, { "MINT_AUTH__JWT_SECRET_KEY=hunter2" },
      "MINT_AUTH__JWT_SECRET_KEY: auth.jwtSecretKey: expected a string of 16 "
      "to 1024 bytes, got a string of 7 bytes (not shown)" },
    { NULL, { "MINT_PLATFORM_NAME=\xff" },
      "MINT_PLATFORM_NAME: the value is not UTF-8" },
    { NULL, { "MINT_MARKETPLACE__AUTO_UPDATE_PLUGINS={" },
      "MINT_MARKETPLACE__AUTO_UPDATE_PLUGINS: marketplace.autoUpdatePlugins: "
      "expected an object, got the string \"{\"" },
    { NULL, { "MINT_CONFIG_PATH=nowhere.json" },
      "the configuration file cannot be read: open(\"nowhere.json\") failed: "
      "No such file or directory" },
};


START_TEST(test_refused)
{
    int             i;
    char           *environment[VARIABLES_MAX + 1] = { NULL };
    struct error    err;
    struct config   before, *config;

    if (refused[_i].file != NULL) {
        scratch_write("config.json", refused[_i].file);
    }

    for (i = 0; i < VARIABLES_MAX; i++) {
        environment[i] = (char *) refused[_i].variables[i];
    }

    /* what the caller holds stays as it was */

    config = &before;

    ck_assert_int_lt(config_load(&config, NULL, environment, &err), 0);
    ck_assert_str_eq(err.text, refused[_i].error);
    ck_assert_ptr_eq(config, &before);
    ck_assert_ptr_null(strstr(err.text, "hunter2"));
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("config_errors");
    tcase = tcase_create("config_errors");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, scratch_enter, scratch_leave);
    tcase_add_loop_test(tcase, test_refused, 0,
                        sizeof(refused) / sizeof(refused[0]));

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
