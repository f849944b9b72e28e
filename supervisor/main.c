/* SPDX-License-Identifier: MIT */
/*
 * mint-supervisor: the program.  Serves no HTTP, forks nothing, blocks
 * nowhere; everything that happens comes from the event loop.
 */

#include <curl/curl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract/mint_version.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor.h"


static void
supervisor_free(struct supervisor *s)
{
    log_copy_to(NULL, NULL);
    output_free(&s->own_output);
    admin_server_free(&s->admin);
    operations_free(&s->operations);
    installer_free(&s->installer);
    crash_watch_free(&s->crashes);
    watcher_free(&s->watcher);
    purger_free(&s->purger);
    plugin_processes_free(&s->processes);
    warm_free(&s->warm);
    core_processes_free(&s->core);
    plugin_routes_free(&s->routes);
    tool_runner_free(&s->tools);
    start_progress_free(&s->progress);
    service_pool_free(&s->pool);
    http_client_free(&s->http);
    process_table_free(&s->table);
    keeper_client_close(&s->keeper);
    registry_free(&s->registry);
    publisher_free(&s->publisher);
    layout_close(&s->layout);
    config_free(&s->config);
    free(s->listeners);
    free(s->platform_url);
    free(s->program);
    free(s->keeper_socket);

    if (s->tick != NULL) {
        event_free(s->tick);
    }

    if (s->hangup != NULL) {
        event_free(s->hangup);
    }

    if (s->stop_poll != NULL) {
        event_free(s->stop_poll);
    }

    if (s->base != NULL) {
        event_base_free(s->base);
    }
}


/* as early as can be; the directory may not be there yet */

void
supervisor_survive_keeper(struct supervisor *s, bool is_last)
{
    struct error  err;

    if (s->keeper_socket != NULL && !keeper_client_survives(s->keeper)
        && keeper_client_survive(s->keeper, s->keeper_socket, &err) != 0
        && is_last)
    {
        log_warn("this supervisor does not outlive its keeper: %s", err.text);
    }
}


/* the keeper first: whatever fails afterwards is said to it */

static int
supervisor_open_keeper(struct supervisor *s, struct error *err)
{
    int          fd, rc;
    const char  *program, *path;

    s->base = event_base_new();
    if (s->base == NULL) {
        return error_set(err, MINT_ERR_SYSTEM, "no event loop");
    }

    fd = keeper_client_fd(err);
    if (fd < 0) {
        return fd;
    }

    program = getenv(MINT_KEEPER_PROGRAM_ENV);
    s->program = mem_strdup(program != NULL ? program : "");
    unsetenv(MINT_KEEPER_PROGRAM_ENV);

    rc = keeper_client_open(s->base, fd, &supervisor_keeper_events, s,
                            &s->keeper, err);
    if (rc != 0) {
        return rc;
    }

    s->table = process_table_new(s->base, s->keeper);

    path = getenv(MINT_KEEPER_SOCKET_ENV);
    s->keeper_socket = path != NULL ? mem_strdup(path) : NULL;
    unsetenv(MINT_KEEPER_SOCKET_ENV);
    supervisor_survive_keeper(s, false);

    return 0;
}


static int
supervisor_open(struct supervisor *s, const char *config_path,
    struct error *err)
{
    int                 rc;
    const char *const  *notice;

    rc = supervisor_catch_hangup(s, err);
    if (rc != 0) {
        return rc;
    }

    rc = config_load(&s->config, config_path, environ, err);
    if (rc != 0) {
        return rc;
    }

    for (notice = config_notices(s->config); *notice != NULL; notice++) {
        log_warn("%s", *notice);
    }

    rc = layout_open(&s->layout, s->config, err);
    if (rc != 0) {
        return rc;
    }

    rc = http_client_open(&s->http, s->base, err);
    if (rc != 0) {
        return rc;
    }

    s->pool = service_pool_new(s->table, s->http,
                               (unsigned) s->config->plugins.starts_at_once);
    s->tools = tool_runner_new(s->table, s->config, &s->layout);

    return 0;
}


static int
supervisor_run(struct supervisor *s)
{
    struct error  err;

    signal(SIGPIPE, SIG_IGN);
    umask(027);
    log_open("supervisor");
    curl_global_init(CURL_GLOBAL_DEFAULT);

    if (supervisor_open_keeper(s, &err) != 0) {
        log_error("%s", err.text);
        supervisor_free(s);
        return 1;
    }

    if (supervisor_open(s, s->config_path, &err) != 0) {
        s->refusal = err;
    }

    event_base_dispatch(s->base);
    supervisor_free(s);
    curl_global_cleanup();

    return s->exit_status;
}


int
main(int argc, char **argv)
{
    int                         opt;
    bool                        is_check;
    struct supervisor           s;
    static const struct option  options[] = {
        { "check", no_argument, NULL, 'k' },
        { "config", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 }
    };

    is_check = false;
    memset(&s, 0, sizeof(s));
    s.admin_fd = -1;
    s.data_lock = s.run_lock = -1;

    while ((opt = getopt_long(argc, argv, "c:hv", options, NULL)) != -1) {

        switch (opt) {

        case 'c':
            s.config_path = optarg;
            break;

        case 'k':
            is_check = true;
            break;

        case 'h':
            printf("usage: mint-supervisor [--config FILE] [--check]\n\n"
                   "Starts and watches nginx, mint-platform and plugins.  "
                   "Is started by mint-keeper.\n"
                   "--check reads the configuration, says what it is and "
                   "ends.\n");
            return 0;

        case 'v':
            printf("mint-supervisor %s\n", MINT_VERSION);
            return 0;

        default:
            return 2;
        }
    }

    return is_check ? supervisor_check(s.config_path) : supervisor_run(&s);
}
