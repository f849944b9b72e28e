/* SPDX-License-Identifier: MIT */
/*
 * Taking over from the keeper: what it holds when this supervisor attaches,
 * the three sockets every system has, and what it says later.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contract/mint_admin.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor.h"


static void supervisor_on_listener(void *ctx,
    const struct keeper_listener_info *info);
static void supervisor_on_child(void *ctx,
    const struct keeper_child_info *info);
static void supervisor_on_attached(void *ctx);
static void supervisor_on_exited(void *ctx,
    const struct keeper_exit_info *end);
static void supervisor_on_lost(void *ctx, const struct error *why);


const struct keeper_client_events  supervisor_keeper_events = {
    supervisor_on_listener,
    supervisor_on_child,
    supervisor_on_attached,
    supervisor_on_exited,
    supervisor_on_stop,
    supervisor_on_lost
};


static void
supervisor_on_goodbye(void *ctx, int status)
{
    struct supervisor  *s;

    (void) status;
    s = ctx;

    event_base_loopbreak(s->base);
}


/*
 * A first start that cannot work ends the keeper too, or it would try for
 * ever.  With processes in the keeper's care only this supervisor ends: they
 * go on, and the next one tries again.
 */

void
supervisor_fail(struct supervisor *s, const struct error *err)
{
    log_error("%s", err->text);
    s->exit_status = 1;

    if (s->is_attached && s->found == NULL && !s->is_started
        && keeper_client_goodbye(s->keeper, 1, supervisor_on_goodbye, s, NULL)
           == 0)
    {
        return;
    }

    event_base_loopbreak(s->base);
}


/* ---- what the keeper says ------------------------------------------ */

static void
supervisor_on_listener(void *ctx, const struct keeper_listener_info *info)
{
    struct supervisor  *s;

    s = ctx;
    close(info->fd);        /* asked for again by id when it is needed */

    s->listeners = mem_grow(s->listeners, s->listener_count + 1,
                            sizeof(uint32_t));
    s->listeners[s->listener_count++] = info->id;
}


static void
supervisor_on_child(void *ctx, const struct keeper_child_info *info)
{
    struct found       *found;
    struct supervisor  *s;

    s = ctx;
    found = mem_alloc(sizeof(struct found));

    process_set(&found->process, info);
    found->is_dead = info->exited != 0;
    found->wait_status = info->wait_status;
    snprintf(found->label, sizeof(found->label), "%s", info->label);

    found->next = s->found;
    s->found = found;

    process_table_seen(s->table, info->id);
}


static void
supervisor_on_exited(void *ctx, const struct keeper_exit_info *end)
{
    struct found       *found;
    struct supervisor  *s;

    s = ctx;

    /* it died between being told of and being taken */

    for (found = s->found; found != NULL; found = found->next) {
        if (found->process.id == end->id) {
            found->is_dead = true;
            found->wait_status = end->wait_status;
            found->process.tree_killed = end->tree_killed;
            found->process.oom_kills = end->oom_kills;
            return;
        }
    }

    process_table_exited(s->table, end);
}


static void
supervisor_on_lost(void *ctx, const struct error *why)
{
    struct error        err;
    struct supervisor  *s;

    s = ctx;

    if (s->stop_phase == STOP_DONE) {
        event_base_loopbreak(s->base);
        return;
    }

    error_set(&err, MINT_ERR_UNAVAILABLE, "%s; plugins go on, this supervisor "
              "cannot", why->text);
    supervisor_fail(s, &err);
}


/* ---- the three sockets every system has ---------------------------- */

static void
supervisor_on_socket(void *ctx, int status,
    const struct keeper_listener_info *info)
{
    struct error        err;
    struct supervisor  *s;

    s = ctx;

    if (status != 0) {
        errno = status;
        error_set_errno(&err, "a socket in \"%s\" cannot be opened",
                        s->config->server.run_directory);
        supervisor_fail(s, &err);
        return;
    }

    switch (info->id) {

    case LAYOUT_LISTENER_ADMIN:
        s->admin_fd = info->fd;
        break;

    case LAYOUT_LISTENER_INTERNAL:
        s->platform_url = mem_printf("http://%s", info->address);
        close(info->fd);
        break;

    default:
        close(info->fd);
        break;
    }

    if (++s->listening == 3) {
        supervisor_start(s);
    }
}


static int
supervisor_listen(struct supervisor *s, struct error *err)
{
    int                           rc;
    char                         *admin;
    struct keeper_listen_request  request;

    admin = mem_printf("%s/%s", s->config->server.run_directory,
                       MINT_ADMIN_SOCKET);

    memset(&request, 0, sizeof(request));
    request.id = LAYOUT_LISTENER_ADMIN;
    request.family = MINT_KEEPER_UNIX;
    request.mode = 0660;
    request.uid = s->layout.own_uid;
    request.gid = s->layout.own_gid;
    request.address = admin;
    request.label = "admin";

    rc = keeper_client_listen(s->keeper, &request, supervisor_on_socket, s,
                              err);

    request.id = LAYOUT_LISTENER_SEAT(MINT_SEAT_PLATFORM);
    request.gid = s->layout.edge_gid;
    request.address = s->layout.platform_socket;
    request.label = CORE_PLATFORM;

    if (rc == 0) {
        rc = keeper_client_listen(s->keeper, &request, supervisor_on_socket,
                                  s, err);
    }

    request.id = LAYOUT_LISTENER_INTERNAL;
    request.family = MINT_KEEPER_TCP;
    request.address = "127.0.0.1:0";
    request.label = "internal";

    if (rc == 0) {
        rc = keeper_client_listen(s->keeper, &request, supervisor_on_socket,
                                  s, err);
    }

    free(admin);

    return rc;
}


static void
supervisor_on_attached(void *ctx)
{
    struct error        err;
    struct supervisor  *s;

    s = ctx;
    s->is_attached = true;

    if (s->refusal.code != 0) {
        supervisor_fail(s, &s->refusal);
        return;
    }

    if (supervisor_make_directories(s, &err) != 0
        || supervisor_listen(s, &err) != 0)
    {
        supervisor_fail(s, &err);
        return;
    }

    supervisor_survive_keeper(s, true);
}


/* ---- adoption ------------------------------------------------------ */

static bool
supervisor_adopt(struct supervisor *s, struct found *found)
{
    char      *kind, *name, *place, *generation, *rest;
    uint32_t   number;

    rest = found->label;
    kind = strsep(&rest, "/");
    name = strsep(&rest, "/");
    place = strsep(&rest, "/");
    generation = strsep(&rest, "/");

    if (kind == NULL || name == NULL || place == NULL || generation == NULL) {
        return false;
    }

    number = (uint32_t) strtoul(generation, NULL, 10);

    if (strcmp(kind, "plugin") == 0) {
        return plugin_processes_adopt(s->processes, name, place, number,
                                      rest, &found->process, found->is_dead,
                                      found->wait_status);
    }

    if (strcmp(kind, "core") == 0 && strcmp(name, CORE_WARM) == 0) {
        return warm_adopt(s->warm, number, rest, &found->process,
                          found->is_dead);
    }

    if (strcmp(kind, "core") == 0) {
        return core_process_adopt(s->core, name, number, &found->process,
                                  found->is_dead, found->wait_status);
    }

    return false;
}


/* tools of an earlier supervisor, processes of plugins that are gone */

static void
supervisor_discard(struct supervisor *s, struct found *found)
{
    int           fds[3];
    size_t        i;
    struct error  err;

    fds[0] = found->process.log_fd;
    fds[1] = found->process.report_fd;
    fds[2] = found->process.control_fd;

    for (i = 0; i < 3; i++) {
        if (fds[i] != -1) {
            close(fds[i]);
        }
    }

    if (found->is_dead) {
        process_table_forget(s->table, found->process.id);
        return;
    }

    log_info("pid %d is of no use any more and is ended",
             found->process.pid);

    if (keeper_client_signal(s->keeper, found->process.id, SIGKILL, NULL,
                             NULL, &err)
        != 0)
    {
        log_warn("kill of pid %d failed: %s", found->process.pid, err.text);
    }
}


/* sockets of plugins that were uninstalled just before */

static void
supervisor_unlisten(struct supervisor *s)
{
    size_t    i;
    uint32_t  id, seats;

    seats = LAYOUT_LISTENER_SEAT(LAYOUT_SEAT_OF(UINT16_MAX));

    for (i = 0; i < s->listener_count; i++) {
        id = s->listeners[i];

        if (id > LAYOUT_LISTENER_SEAT(MINT_SEAT_PLATFORM) && id < seats
            && registry_find_id(s->registry, (id - 1) / LAYOUT_SEAT_OF(1))
               == NULL)
        {
            keeper_client_unlisten(s->keeper, id, NULL, NULL, NULL);
        }
    }
}


size_t
supervisor_adopt_all(struct supervisor *s)
{
    size_t         adopted;
    struct found  *found;

    adopted = 0;

    while ((found = s->found) != NULL) {
        s->found = found->next;

        if (supervisor_adopt(s, found)) {
            adopted++;

        } else {
            supervisor_discard(s, found);
        }

        free(found);
    }

    supervisor_unlisten(s);
    plugin_processes_resume(s->processes);

    return adopted;
}
