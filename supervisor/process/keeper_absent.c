/* SPDX-License-Identifier: MIT */
/*
 * The connection without a keeper: what is asked waits for the next one, what
 * dies is told of with an unknown status.  What is kept for it all, and the
 * hand-over, are in keeper_custody.c.
 */

#include "supervisor/process/keeper_client.h"

#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "supervisor/process/keeper_private.h"


static void keeper_absent_on_died(void *ctx, uint32_t id, int pid);
static void keeper_absent_on_keeper(void *ctx, int fd);


static const struct keeper_custody_events  keeper_absent_events = {
    keeper_absent_on_died, keeper_absent_on_keeper
};


struct keeper_custody *
keeper_absent_custody(struct keeper_client *client)
{
    return keeper_custody_new(client->base, &keeper_absent_events, client);
}


int
keeper_client_survive(struct keeper_client *client, const char *path,
    struct error *err)
{
    return keeper_custody_listen(client->custody, path, client->keeper_uid,
                                 err);
}


bool
keeper_client_survives(const struct keeper_client *client)
{
    return keeper_custody_is_listening(client->custody);
}


void
keeper_absent_begin(struct keeper_client *client)
{
    log_error("keeper %d is gone: all goes on, what dies is started when there "
              "is another one", client->facts.pid);
    keeper_client_hang_up(client);

    if (client->facts.absent_since_ms == 0) {
        client->facts.absent_since_ms = time_unix_ms();
    }

    /* what was sent may have been done or not: it is asked again, in order */

    TAILQ_CONCAT(&client->waiting, &client->queued, link);
    TAILQ_CONCAT(&client->queued, &client->waiting, link);
    keeper_custody_begin(client->custody);
}


static void
keeper_absent_on_died(void *ctx, uint32_t id, int pid)
{
    struct keeper_client     *client;
    struct keeper_exit_info   end;

    client = ctx;
    memset(&end, 0, sizeof(end));
    end.id = id;
    end.pid = pid;
    end.wait_status = MINT_KEEPER_STATUS_UNKNOWN;

    client->events->on_exited(client->ctx, &end);
}


static void
keeper_absent_on_keeper(void *ctx, int fd)
{
    struct error           err;
    struct keeper_client  *client;

    client = ctx;

    if (keeper_client_use(client, fd) == -1) {
        error_set(&err, MINT_ERR_MEMORY, "cannot watch the keeper's socket");
        keeper_client_lost(client, &err);
        return;
    }

    keeper_request_flush(client);
}
