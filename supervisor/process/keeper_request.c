/* SPDX-License-Identifier: MIT */
/*
 * What is asked of the keeper: messages are built here, queued, and sent when
 * the socket takes them.
 */

#include "supervisor/process/keeper_client.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "supervisor/process/keeper_private.h"


static struct keeper_request *keeper_request_new(const void *head,
    size_t size, void *ctx);
static void keeper_request_add(struct keeper_request *r, const char *text);
static int keeper_request_post(struct keeper_client *client,
    struct keeper_request *r, struct error *err);
static int keeper_request_simple(struct keeper_client *client,
    enum mint_keeper_type type, uint32_t id, int status, keeper_done_pt done,
    void *ctx, struct error *err);


int
keeper_client_listen(struct keeper_client *client,
    const struct keeper_listen_request *request, keeper_listener_pt done,
    void *ctx, struct error *err)
{
    struct keeper_request      *r;
    struct mint_keeper_listen   m = {
        .header = { .type = MINT_KEEPER_LISTEN, .id = request->id },
        .family = request->family, .backlog = request->backlog,
        .mode = request->mode, .uid = request->uid, .gid = request->gid
    };

    r = keeper_request_new(&m, sizeof(m), ctx);
    r->answer = MINT_KEEPER_LISTENER;
    r->listener = done;
    keeper_request_add(r, request->address);
    keeper_request_add(r, request->label);

    return keeper_request_post(client, r, err);
}


int
keeper_client_spawn(struct keeper_client *client,
    const struct keeper_spawn_request *request, keeper_child_pt done,
    void *ctx, struct error *err)
{
    uint32_t                   i;
    struct keeper_request     *r;
    struct mint_keeper_spawn   m = {
        .header = { .type = MINT_KEEPER_SPAWN, .id = request->id },
        .flags = request->flags, .uid = request->uid, .gid = request->gid,
        .umask = request->umask, .nofile = request->nofile,
        .listener_count = request->listener_count,
        .extra_gid = request->extra_gid,
        .memory_bytes = request->memory_bytes, .pids = request->pids,
        .cpu_percent = request->cpu_percent,
        .warm_id = request->warm_id
    };

    if (request->listener_count > MINT_KEEPER_LISTENERS_MAX) {
        return error_set(err, MINT_ERR_INVALID, "%u listeners for \"%s\": at "
                         "most %d", request->listener_count, request->label,
                         MINT_KEEPER_LISTENERS_MAX);
    }

    for (i = 0; i < request->listener_count; i++) {
        m.listener_id[i] = request->listeners[i];
    }

    while (request->argv[m.argc] != NULL) {
        m.argc++;
    }

    while (request->env[m.envc] != NULL) {
        m.envc++;
    }

    while (request->allow != NULL && request->allow[m.allow_count] != NULL) {
        m.allow_count++;
    }

    r = keeper_request_new(&m, sizeof(m), ctx);
    r->answer = MINT_KEEPER_CHILD;
    r->child = done;
    keeper_request_add(r, request->label);
    keeper_request_add(r, request->cwd);

    for (i = 0; i < m.argc; i++) {
        keeper_request_add(r, request->argv[i]);
    }

    for (i = 0; i < m.envc; i++) {
        keeper_request_add(r, request->env[i]);
    }

    for (i = 0; i < m.allow_count; i++) {
        keeper_request_add(r, request->allow[i]);
    }

    return keeper_request_post(client, r, err);
}


int
keeper_client_signal(struct keeper_client *client, uint32_t id,
    int signal_number, keeper_done_pt done, void *ctx, struct error *err)
{
    struct keeper_request      *r;
    struct mint_keeper_signal   m = {
        .header = { .type = MINT_KEEPER_SIGNAL, .id = id },
        .signal = signal_number
    };

    r = keeper_request_new(&m, sizeof(m), ctx);
    r->done = done;

    return keeper_request_post(client, r, err);
}


int
keeper_client_wipe(struct keeper_client *client, const char *path,
    keeper_done_pt done, void *ctx, struct error *err)
{
    struct keeper_request    *r;
    struct mint_keeper_path   m = { .header = { .type = MINT_KEEPER_WIPE } };

    r = keeper_request_new(&m, sizeof(m), ctx);
    r->done = done;
    keeper_request_add(r, path);

    return keeper_request_post(client, r, err);
}


int
keeper_client_own(struct keeper_client *client, const char *path,
    uint32_t mode, uint32_t uid, uint32_t gid, keeper_done_pt done,
    void *ctx, struct error *err)
{
    struct keeper_request    *r;
    struct mint_keeper_path   m = {
        .header = { .type = MINT_KEEPER_OWN },
        .mode = mode, .uid = uid, .gid = gid
    };

    r = keeper_request_new(&m, sizeof(m), ctx);
    r->done = done;
    keeper_request_add(r, path);

    return keeper_request_post(client, r, err);
}


int
keeper_client_unlisten(struct keeper_client *client, uint32_t id,
    keeper_done_pt done, void *ctx, struct error *err)
{
    return keeper_request_simple(client, MINT_KEEPER_UNLISTEN, id, 0, done,
                                ctx, err);
}


int
keeper_client_drained(struct keeper_client *client, uint32_t id,
    keeper_done_pt done, void *ctx, struct error *err)
{
    return keeper_request_simple(client, MINT_KEEPER_DRAINED, id, 0, done, ctx,
                                err);
}


int
keeper_client_goodbye(struct keeper_client *client, int exit_status,
    keeper_done_pt done, void *ctx, struct error *err)
{
    return keeper_request_simple(client, MINT_KEEPER_GOODBYE, 0, exit_status,
                                done, ctx, err);
}


static int
keeper_request_simple(struct keeper_client *client, enum mint_keeper_type type,
    uint32_t id, int status, keeper_done_pt done, void *ctx,
    struct error *err)
{
    struct keeper_request      *r;
    struct mint_keeper_header   m = {
        .type = (uint16_t) type, .status = status, .id = id
    };

    r = keeper_request_new(&m, sizeof(m), ctx);
    r->done = done;

    return keeper_request_post(client, r, err);
}


static struct keeper_request *
keeper_request_new(const void *head, size_t size, void *ctx)
{
    struct keeper_request  *r;

    r = mem_alloc(sizeof(*r));
    r->answer = MINT_KEEPER_DONE;
    r->ctx = ctx;
    strbuf_append(&r->message, head, size);

    return r;
}


static void
keeper_request_add(struct keeper_request *r, const char *text)
{
    strbuf_append(&r->message, text, strlen(text) + 1);
}


static int
keeper_request_post(struct keeper_client *client, struct keeper_request *r,
    struct error *err)
{
    int                         rc;
    struct mint_keeper_header  *h;

    rc = 0;

    if (client->is_lost) {
        rc = error_set(err, MINT_ERR_UNAVAILABLE, "the keeper is gone");

    } else if (r->message.len > MINT_KEEPER_MESSAGE_MAX) {
        rc = error_set(err, MINT_ERR_INVALID, "arguments and environment of "
                       "%zu bytes: at most %d", r->message.len,
                       MINT_KEEPER_MESSAGE_MAX);
    }

    if (rc != 0) {
        keeper_request_free(r);
        return rc;
    }

    /* 0 is what the keeper says by itself */

    client->last_serial += client->last_serial == UINT32_MAX ? 2 : 1;
    r->serial = client->last_serial;

    h = (struct mint_keeper_header *) (void *) r->message.data;
    h->version = MINT_KEEPER_VERSION;
    h->serial = r->serial;

    TAILQ_INSERT_TAIL(&client->queued, r, link);
    keeper_request_flush(client);

    return 0;
}


/* whatever fails for good is seen when reading */

void
keeper_request_flush(struct keeper_client *client)
{
    ssize_t                 n;
    struct keeper_request  *r;

    while (client->fd != -1 && (r = TAILQ_FIRST(&client->queued)) != NULL) {
        n = send(client->fd, r->message.data, r->message.len,
                 MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n == -1 && errno != EPIPE && errno != ECONNRESET) {
            event_add(client->write_event, NULL);
        }

        if (n == -1) {
            return;
        }

        TAILQ_REMOVE(&client->queued, r, link);
        TAILQ_INSERT_TAIL(&client->waiting, r, link);
    }
}


void
keeper_request_free(struct keeper_request *r)
{
    strbuf_free(&r->message);
    free(r);
}
