/* SPDX-License-Identifier: MIT */
/*
 * Command lines of mint-platform and nginx; leaves states to service.c.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access_log.h"
#include "core_process.h"
#include "environment_block.h"
#include "lib/log.h"
#include "nginx_conf.h"


/* nothing goes without these two: not left alone for as long as a plugin */
#define CORE_RETRY_SEC  10


struct core_process {
    struct core_processes     *core;
    struct service            *service;
    char                      *argv[12];
    struct environment_block   environment;
};


struct core_processes {
    const struct config   *config;
    const struct layout   *layout;
    struct process_table  *table;
    core_state_fn          on_state;
    void                  *ctx;
    struct core_process    platform;
    struct core_process    nginx;
    char                  *nginx_directory;
    char                  *nginx_conf;
    char                  *access_log;
};


static int platform_fill(void *ctx, struct service *service,
    struct keeper_spawn_request *request, struct error *err);
static void nginx_prepare(void *ctx, struct service *service);
static int nginx_fill(void *ctx, struct service *service,
    struct keeper_spawn_request *request, struct error *err);
static const char *nginx_access_log(const struct core_processes *core);
static void core_process_on_state(void *ctx, struct service *service);


static const struct service_hooks  platform_hooks = {
    .fill = platform_fill,
    .on_state = core_process_on_state
};

static const struct service_hooks  nginx_hooks = {
    .prepare = nginx_prepare,
    .fill = nginx_fill,
    .on_state = core_process_on_state
};


char *
core_process_url(const struct config *config)
{
    const char  *address;

    address = config->server.address;

    if (strcmp(address, "0.0.0.0") == 0) {
        address = "127.0.0.1";

    } else if (strcmp(address, "::") == 0) {
        address = "::1";
    }

    return mem_printf(strchr(address, ':') != NULL ? "http://[%s]:%lld"
                                                   : "http://%s:%lld",
                      address, (long long) config->server.port);
}


struct core_processes *
core_processes_new(const struct config *config, const struct layout *layout,
    struct service_pool *pool, struct process_table *table,
    core_state_fn on_state, void *ctx)
{
    char                    *base, *url;
    struct core_processes   *core;
    struct service_options   options;

    core = mem_alloc(sizeof(struct core_processes));

    core->config = config;
    core->layout = layout;
    core->table = table;
    core->on_state = on_state;
    core->ctx = ctx;
    core->platform.core = core;
    core->nginx.core = core;
    core->nginx_directory = mem_printf("%s/nginx", config->server.data_path);
    core->nginx_conf = mem_printf("%s/nginx.conf",
                                  config->server.run_directory);
    core->access_log = access_log_path(config->server.data_path);

    memset(&options, 0, sizeof(options));
    options.kind = "core";
    options.name = CORE_PLATFORM;
    options.place = "0a";
    options.log_directory = layout->log_directory;
    options.probe_url = "http://localhost/api/health";
    options.probe_unix = layout->platform_socket;
    options.waits_report = true;
    options.needs_no_place = true;
    options.stop_signal = SIGTERM;
    options.ready_deadline_sec = 30;
    options.stop_grace_sec = 8;
    options.failed_retry_sec = CORE_RETRY_SEC;

    core->platform.service = service_new(pool, &options, &platform_hooks,
                                         &core->platform);

    if (!config->nginx.managed) {
        (void) nginx_access_log(core);      /* where conf/mint.conf may log */
        return core;
    }

    base = core_process_url(config);
    url = mem_printf("%s/api/health", base);

    options.name = CORE_NGINX;
    options.probe_url = url;
    options.probe_unix = NULL;
    options.waits_report = false;
    options.stop_signal = SIGQUIT;
    options.stop_grace_sec = 3;

    core->nginx.service = service_new(pool, &options, &nginx_hooks,
                                      &core->nginx);
    free(base);
    free(url);

    return core;
}


static void
core_process_clear(struct core_process *p)
{
    size_t  i;

    for (i = 0; i < sizeof(p->argv) / sizeof(p->argv[0]); i++) {
        free(p->argv[i]);
        p->argv[i] = NULL;
    }

    environment_clear(&p->environment);
}


void
core_processes_free(struct core_processes **core)
{
    if (*core == NULL) {
        return;
    }

    service_free(&(*core)->platform.service);
    service_free(&(*core)->nginx.service);
    core_process_clear(&(*core)->platform);
    core_process_clear(&(*core)->nginx);
    free((*core)->nginx_directory);
    free((*core)->nginx_conf);
    free((*core)->access_log);
    free(*core);
    *core = NULL;
}


struct service *
core_process_service(struct core_processes *core, const char *name)
{
    return strcmp(name, CORE_PLATFORM) == 0 ? core->platform.service
           : strcmp(name, CORE_NGINX) == 0 ? core->nginx.service : NULL;
}


bool
core_process_adopt(struct core_processes *core, const char *name,
    uint32_t generation, const struct process *process, bool is_dead,
    int wait_status)
{
    struct service  *service;

    service = core_process_service(core, name);

    if (service == NULL || service_state(service) != SERVICE_DOWN) {
        return false;
    }

    if (is_dead) {
        service_adopt_dead(service, process, generation, wait_status);

    } else {
        service_adopt(service, process, generation, false);
    }

    return true;
}


static void
core_process_on_state(void *ctx, struct service *service)
{
    struct core_process  *p;

    p = ctx;
    p->core->on_state(p->core->ctx, service_name(service), service);
}


/* ---- mint-platform ------------------------------------------------- */

static int
platform_fill(void *ctx, struct service *service,
    struct keeper_spawn_request *request, struct error *err)
{
    const struct config       *config;
    struct core_process       *p;
    struct environment_block  *e;

    (void) service;
    (void) err;

    p = ctx;
    config = p->core->config;
    e = &p->environment;
    core_process_clear(p);

    p->argv[0] = mem_printf("%s/bin/mint-platform",
                            config->server.program_directory);
    p->argv[1] = mem_strdup("--config");
    p->argv[2] = mem_strdup(config->path);
    p->argv[3] = mem_strdup("--public-fd");
    p->argv[4] = mem_printf("%d", MINT_KEEPER_FIRST_FD);
    p->argv[5] = mem_strdup("--internal-fd");
    p->argv[6] = mem_printf("%d", MINT_KEEPER_FIRST_FD + 1);
    p->argv[7] = mem_strdup("--report-fd");
    p->argv[8] = mem_printf("%d", MINT_KEEPER_FIRST_FD + 2);

    environment_add(e, "PATH", "/usr/local/bin:/usr/bin:/bin");
    environment_add(e, "HOME", "%s", config->server.data_path);
    environment_add(e, "LANG", "C.UTF-8");
    environment_add(e, "MINT_INSTANCE", CORE_PLATFORM);
    environment_add(e, "MINT_LOG_FORMAT", "json");
    environment_pass(e, "MINT_LOG_LEVEL");
    environment_pass(e, "TZ");
    environment_pass_prefix(e, "ADMIN_");
    environment_pass_prefix(e, "MINT_ADMIN_");
    environment_pass_prefix(e, "MINT_CORS");
    environment_pass_prefix(e, "MINT_SERVER__");
    environment_pass_prefix(e, "MINT_AUTH__");
    environment_pass_prefix(e, "MINT_PLUGINS__");

    request->flags = MINT_SPAWN_REPORT | MINT_SPAWN_NO_NEW_PRIVS;
    request->uid = p->core->layout->own_uid;
    request->gid = p->core->layout->own_gid;
    request->umask = 077;
    request->nofile = 65536;
    request->listener_count = 2;
    request->listeners[0] = LAYOUT_LISTENER_SEAT(MINT_SEAT_PLATFORM);
    request->listeners[1] = LAYOUT_LISTENER_INTERNAL;
    request->cwd = config->server.data_path;
    request->argv = (const char *const *) p->argv;
    request->env = environment_list(e);

    return 0;
}


/* ---- nginx --------------------------------------------------------- */

static void
nginx_done_directory(void *ctx, int status)
{
    struct error          err;
    struct core_process  *p;

    p = ctx;
    err.code = 0;

    if (status != 0) {
        error_set(&err, MINT_ERR_SYSTEM, "making \"%s\" failed: %s",
                  p->core->nginx_directory, strerror(status));
    }

    service_prepared(p->service, &err);
}


static void
nginx_prepare(void *ctx, struct service *service)
{
    struct error          err;
    struct core_process  *p;

    p = ctx;

    if (keeper_client_own(process_table_keeper(p->core->table),
                          p->core->nginx_directory, 0700,
                          p->core->layout->edge_uid,
                          p->core->layout->edge_gid, nginx_done_directory, p,
                          &err)
        != 0)
    {
        service_prepared(service, &err);
    }
}


/* "nginx" is looked for where Debian has it, which is not on every PATH */

char *
core_process_nginx(const struct config *config)
{
    const char                *name;
    size_t                     i;
    char                      *path;
    static const char *const   directories[] = {
        "/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin"
    };

    name = config->nginx.binary;

    if (strchr(name, '/') != NULL) {
        return mem_strdup(name);
    }

    for (i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        path = mem_printf("%s/%s", directories[i], name);

        if (access(path, X_OK) == 0) {
            return path;
        }

        free(path);
    }

    return NULL;
}


static int
nginx_check_port(const struct config *config, struct error *err)
{
    int                      fd, rc, one;
    socklen_t                len;
    struct sockaddr_storage  addr;
    struct sockaddr_in      *in;
    struct sockaddr_in6     *in6;

    memset(&addr, 0, sizeof(addr));
    in = (struct sockaddr_in *) &addr;
    in6 = (struct sockaddr_in6 *) &addr;

    if (inet_pton(AF_INET, config->server.address, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t) config->server.port);
        len = sizeof(*in);

    } else if (inet_pton(AF_INET6, config->server.address, &in6->sin6_addr)
               == 1)
    {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t) config->server.port);
        len = sizeof(*in6);

    } else {
        return error_set(err, MINT_ERR_INVALID, "server.address: expected an "
                         "IP address, got \"%s\"", config->server.address);
    }

    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1) {
        return error_set_errno(err, "socket() failed");
    }

    one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));

    rc = bind(fd, (struct sockaddr *) &addr, len);

    if (rc == 0) {
        rc = listen(fd, 1);         /* bind alone may share with a listener */
    }

    if (rc == -1 && errno == EADDRINUSE) {
        error_set(err, MINT_ERR_CONFLICT, "port %lld on %s is in use by "
                  "another program; stop that one, or choose another port "
                  "with MINT_PORT or server.port",
                  (long long) config->server.port, config->server.address);

    } else if (rc == -1) {
        error_set_errno(err, "bind to %s port %lld failed",
                        config->server.address,
                        (long long) config->server.port);
    }

    close(fd);

    return rc == 0 ? 0 : err->code;
}


static gid_t
nginx_log_gid(const struct core_processes *core)
{
    return core->layout->has_uids ? (gid_t) core->layout->edge_gid
                                  : (gid_t) -1;
}


/* NULL: not wanted, or not possible; the gateway is worth more than its log */

static const char *
nginx_access_log(const struct core_processes *core)
{
    struct error  err;

    if (!core->config->nginx.access_log) {
        return NULL;
    }

    if (access_log_prepare(core->access_log, nginx_log_gid(core), &err) != 0) {
        log_warn("requests are not logged: %s", err.text);
        return NULL;
    }

    return core->access_log;
}


void
core_process_rotate(struct core_processes *core)
{
    struct error  err;

    if (core->nginx.service == NULL || !core->config->nginx.access_log
        || !access_log_rotate(core->access_log, nginx_log_gid(core)))
    {
        return;
    }

    if (service_signal(core->nginx.service, SIGUSR1, &err) != 0) {
        log_warn("%s; it goes on writing to the old log", err.text);
    }
}


static int
nginx_fill(void *ctx, struct service *service,
    struct keeper_spawn_request *request, struct error *err)
{
    int                        rc;
    struct core_process       *p;
    struct environment_block  *e;

    (void) service;

    p = ctx;
    e = &p->environment;
    core_process_clear(p);

    rc = nginx_check_port(p->core->config, err);
    if (rc != 0) {
        return rc;
    }

    rc = nginx_conf_write(p->core->config, p->core->nginx_directory,
                          nginx_access_log(p->core), p->core->nginx_conf,
                          err);
    if (rc != 0) {
        return rc;
    }

    p->argv[0] = core_process_nginx(p->core->config);

    if (p->argv[0] == NULL) {
        return error_set(err, MINT_ERR_NOT_FOUND, "no program \"%s\"; install "
                         "it (apt-get install nginx) or name its path in "
                         "nginx.binary", p->core->config->nginx.binary);
    }

    p->argv[1] = mem_strdup("-p");
    p->argv[2] = mem_strdup(p->core->nginx_directory);
    p->argv[3] = mem_strdup("-c");
    p->argv[4] = mem_strdup(p->core->nginx_conf);
    p->argv[5] = mem_strdup("-e");
    p->argv[6] = mem_strdup("stderr");

    environment_add(e, "PATH", "/usr/local/bin:/usr/bin:/bin");
    environment_add(e, "MINT_INSTANCE", CORE_NGINX);
    environment_pass(e, "TZ");

    /* a sanitizer build of the module needs its libraries first */
    environment_pass(e, "LD_PRELOAD");
    environment_pass(e, "ASAN_OPTIONS");
    environment_pass(e, "UBSAN_OPTIONS");

    request->flags = MINT_SPAWN_NO_NEW_PRIVS;
    request->uid = p->core->layout->edge_uid;
    request->gid = p->core->layout->edge_gid;
    request->umask = 077;
    request->nofile = 65536;
    request->cwd = "/";
    request->argv = (const char *const *) p->argv;
    request->env = environment_list(e);

    return 0;
}
