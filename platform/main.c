/* SPDX-License-Identifier: MIT */
/*
 * mint-platform: the HTTP API and the store.  Serves on two listening sockets
 * that it is given (or, for tests, makes): the public one behind nginx and
 * the internal one for the callbacks of plugins.
 */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract/mint_version.h"
#include "contract/mint_admin.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "platform/setup.h"


#define MAIN_DRAIN_MS               5000
#define MAIN_LAST_WORDS_MS          500
#define MAIN_PUBLIC_CONNECTIONS     1024
#define MAIN_INTERNAL_CONNECTIONS   2048
#define MAIN_FILES                  8192
/* longer than the idle time of nginx's and httpx's pools: they hang up */
#define MAIN_IDLE_SEC               120


enum main_option {
    OPTION_PUBLIC_FD = 256,
    OPTION_INTERNAL_FD,
    OPTION_REPORT_FD,
    OPTION_PUBLIC_LISTEN,
    OPTION_INTERNAL_LISTEN,
    OPTION_LIST_ROUTES
};


struct options {
    const char  *config;
    const char  *public_listen;
    const char  *internal_listen;
    int          public_fd;
    int          internal_fd;
    int          report_fd;
};


static const struct option  main_options[] = {
    { "config", required_argument, NULL, 'c' },
    { "public-fd", required_argument, NULL, OPTION_PUBLIC_FD },
    { "internal-fd", required_argument, NULL, OPTION_INTERNAL_FD },
    { "report-fd", required_argument, NULL, OPTION_REPORT_FD },
    { "public-listen", required_argument, NULL, OPTION_PUBLIC_LISTEN },
    { "internal-listen", required_argument, NULL, OPTION_INTERNAL_LISTEN },
    { "list-routes", no_argument, NULL, OPTION_LIST_ROUTES },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'v' },
    { NULL, 0, NULL, 0 }
};


static const char  main_help[] =
    "usage: mint-platform --config FILE (--public-fd N | --public-listen A)\n"
    "                     (--internal-fd N | --internal-listen A)\n"
    "                     [--report-fd N]\n"
    "\n"
    "The HTTP API of the platform and the writer of its store.  Started by\n"
    "mint-supervisor.\n"
    "\n"
    "  --config FILE          config.json\n"
    "  --public-fd N          listening socket behind nginx\n"
    "  --internal-fd N        listening socket for callbacks of plugins\n"
    "  --report-fd N          gets the line {\"event\":\"ready\"}\n"
    "  --public-listen A, --internal-listen A\n"
    "                         listen on unix:PATH or 127.0.0.1:PORT instead\n"
    "  --list-routes          print the routes of this version\n"
    "  --help, --version\n";


static int main_parse(int argc, char **argv, struct options *options);
static int main_option(int c, struct options *options);
static int main_number(const char *text);
static void main_list_routes(void);
static int main_run(const struct options *options,
    const struct config *config, const sigset_t *signals, struct error *err);
static int main_serve(struct api *api, const struct options *options,
    struct http_server **servers, struct error *err);
static int main_listener(const char *address, int given, int *fd_out,
    struct error *err);
static void main_connected(void *cls);
static void main_report(int fd);
static void main_raise_files(void);


int
main(int argc, char **argv)
{
    int              rc;
    size_t           i;
    sigset_t         signals;
    struct error     err;
    struct config   *config;
    struct options   options;

    rc = main_parse(argc, argv, &options);

    if (rc != -1) {
        return rc;
    }

    log_open("platform");
    (void) umask(077);
    (void) signal(SIGPIPE, SIG_IGN);
    (void) signal(SIGHUP, SIG_IGN);

    main_raise_files();

    /* every thread inherits this: only main() takes them, by sigwait() */
    (void) sigemptyset(&signals);
    (void) sigaddset(&signals, SIGTERM);
    (void) sigaddset(&signals, SIGINT);
    (void) pthread_sigmask(SIG_BLOCK, &signals, NULL);

    config = NULL;
    rc = config_load(&config, options.config, environ, &err);

    if (rc == MINT_OK) {
        for (i = 0; config_notices(config)[i] != NULL; i++) {
            log_debug("%s", config_notices(config)[i]);
        }

        rc = main_run(&options, config, &signals, &err);
    }

    config_free(&config);

    if (rc != MINT_OK) {
        log_error("%s", err.text);
        return 1;
    }

    log_info("stopped");

    return 0;
}


/* -1 to go on, else the exit status */

static int
main_parse(int argc, char **argv, struct options *options)
{
    int  c;
    int  rc;

    memset(options, 0, sizeof(struct options));
    options->public_fd = -1;
    options->internal_fd = -1;
    options->report_fd = -1;

    while ((c = getopt_long(argc, argv, "", main_options, NULL)) != -1) {

        rc = main_option(c, options);

        if (rc != -1) {
            return rc;
        }
    }

    if (optind < argc || options->config == NULL
        || (options->public_fd < 0) == (options->public_listen == NULL)
        || (options->internal_fd < 0) == (options->internal_listen == NULL))
    {
        (void) fputs(main_help, stderr);
        return 2;
    }

    return -1;
}


static int
main_option(int c, struct options *options)
{
    switch (c) {

    case 'c':
        options->config = optarg;
        return -1;

    case OPTION_PUBLIC_FD:
        options->public_fd = main_number(optarg);
        return -1;

    case OPTION_INTERNAL_FD:
        options->internal_fd = main_number(optarg);
        return -1;

    case OPTION_REPORT_FD:
        options->report_fd = main_number(optarg);
        return -1;

    case OPTION_PUBLIC_LISTEN:
        options->public_listen = optarg;
        return -1;

    case OPTION_INTERNAL_LISTEN:
        options->internal_listen = optarg;
        return -1;

    case OPTION_LIST_ROUTES:
        main_list_routes();
        return 0;

    case 'h':
        (void) fputs(main_help, stdout);
        return 0;

    case 'v':
        (void) printf("mint-platform %s\n", MINT_VERSION);
        return 0;

    default:
        return 2;
    }
}


static int
main_number(const char *text)
{
    char  *end;
    long   number;

    number = strtol(text, &end, 10);

    return *text == '\0' || *end != '\0' || number < 0 || number > 65535
           ? -1 : (int) number;
}


static void
main_list_routes(void)
{
    int                  side;
    size_t               i;
    size_t               count;
    const struct route  *table;

    for (side = HTTP_PUBLIC; side <= HTTP_INTERNAL; side++) {
        table = routes_of((enum http_side) side, &count);

        for (i = 0; i < count; i++) {
            (void) printf("%s\t%s\t%s\t%s\n", table[i].method,
                          table[i].pattern,
                          table[i].permission == NULL
                          ? "-" : table[i].permission, table[i].help);
        }
    }
}


static int
main_run(const struct options *options, const struct config *config,
    const sigset_t *signals, struct error *err)
{
    int                  rc;
    int                  signal_number;
    char                *path;
    struct api           api;
    struct http_server  *servers[2];

    memset(&api, 0, sizeof(api));
    memset(servers, 0, sizeof(servers));
    path = mem_printf("%s/" MINT_ADMIN_SOCKET, config->server.run_directory);
    api.directory = directory_new();

    if (!config->auth.enable) {
        log_warn("auth.enableAuth=false is not acted on in this version: "
                 "signing in stays needed");
    }

    rc = setup_open(&api, config, err);

    if (rc == MINT_OK) {
        rc = link_start(&api.link, path, main_connected, &api, err);
    }

    if (rc == MINT_OK) {
        rc = main_serve(&api, options, servers, err);
    }

    if (rc == MINT_OK) {
        log_info("serving");
        main_report(options->report_fd);
        (void) sigwait(signals, &signal_number);
        log_info("signal %d: stopping", signal_number);

        http_server_quiesce(servers[HTTP_PUBLIC]);
        http_server_quiesce(servers[HTTP_INTERNAL]);
        http_server_drain(servers[HTTP_PUBLIC], MAIN_DRAIN_MS);
        http_server_drain(servers[HTTP_INTERNAL], MAIN_DRAIN_MS);
    }

    /* whoever still waits for the supervisor is answered by this, and gets
       the time to be told */
    link_stop(api.link);

    if (servers[HTTP_PUBLIC] != NULL) {
        http_server_drain(servers[HTTP_PUBLIC], MAIN_LAST_WORDS_MS);
    }

    http_server_stop(&servers[HTTP_PUBLIC]);
    http_server_stop(&servers[HTTP_INTERNAL]);
    link_free(&api.link);
    setup_close(&api);
    directory_free(&api.directory);
    free(path);

    return rc;
}


static int
main_serve(struct api *api, const struct options *options,
    struct http_server **servers, struct error *err)
{
    int                   rc;
    struct http_options   http;

    memset(&http, 0, sizeof(http));
    http.begin = api_begin;
    http.serve = api_serve;
    http.refuse = api_refuse;
    http.cls = api;
    http.idle_sec = MAIN_IDLE_SEC;

    /* callbacks first: plugins need them before users need plugins */
    http.side = HTTP_INTERNAL;
    http.connections_max = MAIN_INTERNAL_CONNECTIONS;
    rc = main_listener(options->internal_listen, options->internal_fd,
                       &http.fd, err);

    if (rc == MINT_OK) {
        rc = http_server_start(&servers[HTTP_INTERNAL], &http, err);
    }

    if (rc != MINT_OK) {
        return rc;
    }

    http.side = HTTP_PUBLIC;
    http.connections_max = MAIN_PUBLIC_CONNECTIONS;
    rc = main_listener(options->public_listen, options->public_fd, &http.fd,
                       err);

    return rc == MINT_OK
           ? http_server_start(&servers[HTTP_PUBLIC], &http, err) : rc;
}


static int
main_listener(const char *address, int given, int *fd_out, struct error *err)
{
    if (address != NULL) {
        return setup_listen(address, fd_out, err);
    }

    *fd_out = given;

    return MINT_OK;
}


static void
main_connected(void *cls)
{
    struct api  *api;

    api = cls;
    directory_use_link(api->directory, api->link);
    identity_use_link(api->identity, api->link);
    directory_connected(api->directory);
    identity_connected(api->identity);
}


static void
main_report(int fd)
{
    static const char  ready[] = "{\"event\":\"ready\"}\n";

    if (fd == -1) {
        return;
    }

    if (write(fd, ready, sizeof(ready) - 1) != sizeof(ready) - 1) {
        log_error("write(report) failed: %s", strerror(errno));
    }

    (void) close(fd);
}


/* one for each connection, besides the store's */

static void
main_raise_files(void)
{
    struct rlimit  limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1
        || limit.rlim_cur >= MAIN_FILES)
    {
        return;
    }

    limit.rlim_cur = limit.rlim_max < MAIN_FILES ? limit.rlim_max : MAIN_FILES;

    if (setrlimit(RLIMIT_NOFILE, &limit) == -1) {
        log_warn("setrlimit(files, %llu) failed: %s",
                 (unsigned long long) limit.rlim_cur, strerror(errno));
    }
}
