/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's parser of what the keeper says.  The first byte chooses
 * how many fds come along; whatever arrives, none of them is lost.
 */

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/process/keeper_client.h"


#define FDS_MAX  7


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static volatile long  sink;


static void
use(const char *text)
{
    sink += (long) strlen(text);
}


static void
shut(int fd)
{
    if (fd != -1 && close(fd) == -1) {
        abort();
    }
}


static void
on_listener(void *ctx, const struct keeper_listener_info *info)
{
    (void) ctx;
    use(info->address);
    use(info->label);
    shut(info->fd);
}


static void
on_child(void *ctx, const struct keeper_child_info *info)
{
    (void) ctx;
    use(info->label);
    use(info->memory_group);
    shut(info->log_fd);
    shut(info->report_fd);
    shut(info->control_fd);
}


static void
on_spawned(void *ctx, int status, const struct keeper_child_info *info)
{
    if (status == 0) {
        on_child(ctx, info);
    }
}


static void
on_nothing(void *ctx)
{
    (void) ctx;
}


static void
on_exited(void *ctx, const struct keeper_exit_info *end)
{
    (void) ctx;
    sink += (long) end->id + end->pid + end->wait_status
            + (long) end->tree_killed + (long) end->oom_kills;
}


static void
on_lost(void *ctx, const struct error *why)
{
    (void) ctx;
    use(why->text);
}


static const struct keeper_client_events  events = {
    on_listener, on_child, on_nothing, on_exited, on_nothing, on_lost
};


static void
say(int fd, const uint8_t *data, size_t size, int fd_count)
{
    int              i, fds[FDS_MAX];
    char             control[CMSG_SPACE(sizeof(fds))] = { 0 };
    struct iovec     iov = { (void *) (uintptr_t) data, size };
    struct msghdr    head = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr  *c;

    if (fd_count > 0) {
        for (i = 0; i < fd_count; i++) {
            fds[i] = fd;
        }

        head.msg_control = control;
        head.msg_controllen = CMSG_SPACE((size_t) fd_count * sizeof(int));
        c = CMSG_FIRSTHDR(&head);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t) fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, (size_t) fd_count * sizeof(int));
    }

    (void) !sendmsg(fd, &head, MSG_NOSIGNAL | MSG_DONTWAIT);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                           fd, pair[2];
    const char                   *argv[] = { "/bin/x", NULL };
    struct event_base            *base;
    struct keeper_client         *client;
    struct keeper_spawn_request   request = {
        .id = 1, .label = "", .cwd = "/", .argv = argv, .env = argv + 1
    };

    if (size < 2 || size > MINT_KEEPER_MESSAGE_MAX
        || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
    {
        return 0;
    }

    base = event_base_new();

    if (keeper_client_open(base, pair[1], &events, NULL, &client, NULL) != 0
        || keeper_client_spawn(client, &request, on_spawned, NULL, NULL) != 0)
    {
        abort();
    }

    say(pair[0], data + 1, size - 1, data[0] % (FDS_MAX + 1));
    event_base_loop(base, EVLOOP_NONBLOCK);
    keeper_client_close(&client);
    event_base_free(base);
    close(pair[0]);

    /* all closed: the lowest free number does not grow */

    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (fd > 64) {
        abort();
    }

    close(fd);

    return 0;
}
