/* SPDX-License-Identifier: MIT */
/*
 * What of the configuration gets into nginx's, and in which form.
 */

#include "supervisor/process/nginx_conf.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>


static char *
rendered(struct config *config, const char *template)
{
    int             rc;
    struct error    err;
    struct strbuf   out;

    memset(&out, 0, sizeof(out));
    config->server.program_directory = (char *) "/p";
    config->server.run_directory = (char *) "/r";

    if (config->server.external_url == NULL) {
        config->server.external_url = (char *) "";
    }

    rc = nginx_conf_render(config, "/n", "/l/access.log", template, &out, &err);

    if (rc != 0) {
        strbuf_free(&out);
        return mem_printf("error: %s", err.text);
    }

    return out.data == NULL ? mem_strdup("") : out.data;
}


static void
expect(struct config *config, const char *template, const char *expected)
{
    char  *text;

    text = rendered(config, template);
    ck_assert_str_eq(text, expected);
    free(text);
}


START_TEST(test_names)
{
    struct config  config;

    memset(&config, 0, sizeof(config));
    config.server.address = (char *) "127.0.0.1";
    config.server.port = 8001;

    expect(&config, "", "");
    expect(&config, "a @mint_error b @", "a @mint_error b @");
    expect(&config, "@@ @x", "@@ @x");
    expect(&config, "@run_directory@@prefix@", "/r/n");
    expect(&config, "x @module@ @conf@ @pid@ @error_log@ y",
           "x /p/module/ngx_http_mint_module.so /p/conf /n/nginx.pid stderr "
           "y");
    expect(&config, "@listen@ @workers@", "127.0.0.1:8001 auto");
    expect(&config, "@access_log@;", "/l/access.log mint buffer=64k "
           "flush=500ms;");

    config.server.address = (char *) "::1";
    config.nginx.workers = 3;
    expect(&config, "@listen@ @workers@", "[::1]:8001 3");

    expect(&config, "x @nothing@ y",
           "error: nginx.conf: \"@nothing@\" is not known");
    expect(&config, "@modul@", "error: nginx.conf: \"@modul@\" is not known");
}
END_TEST


START_TEST(test_edge)
{
    char           *cors[] = { (char *) "https://lims.example.org",
                               (char *) "http://localhost:5173" };
    char           *proxies[] = { (char *) "127.0.0.1/32",
                                  (char *) "::1/128" };
    struct config   config;

    memset(&config, 0, sizeof(config));
    config.plugins.ready_deadline_sec = 60;
    expect(&config, "[@edge@]", "[mint_park start=60s;\n    ]");

    config.server.external_url = (char *) "HTTPS://Mint.example.org:443/lab/";
    expect(&config, "[@edge@]",
           "[mint_park start=60s;\n    "
           "mint_external_url https://mint.example.org;\n    ]");

    config.server.external_url = (char *) "http://[::1]:8001";
    config.cors_origins.item = cors;
    config.cors_origins.count = 2;
    config.server.trusted_proxies.item = proxies;
    config.server.trusted_proxies.count = 2;
    config.plugins.ready_deadline_sec = 3600;

    expect(&config, "@edge@",
           "mint_park start=3600s;\n    "
           "mint_external_url http://[::1]:8001;\n    "
           "mint_cors_origins https://lims.example.org "
           "http://localhost:5173;\n    "
           "mint_trusted_proxies 127.0.0.1/32 ::1/128;\n    ");
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("nginx_conf");
    tcase = tcase_create("nginx_conf");

    tcase_add_test(tcase, test_names);
    tcase_add_test(tcase, test_edge);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
