/* SPDX-License-Identifier: MIT */
/*
 * The keeper client against a keeper played by the test on the other end of
 * the socketpair, byte by byte as contract/mint_keeper.h says.
 */

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/process/keeper_client.h"


#define FDS_MAX  8


static struct event_base     *base;
static struct keeper_client  *client;
static int                    keeper_fd;

/* what the callbacks saw */
static struct {
    int                          calls;     /* done callbacks */
    int                          statuses[16];
    int                          listeners, children, attached, exited, stops;
    int                          lost;
    int                          lost_code;
    int                          close_in_callback;
    struct keeper_child_info     child;
    char                         label[64];
    char                         address[64];
    int                          listener_fd;
    uint32_t                     exited_id, tree_killed, oom_kills;
    int                          wait_status;
} seen;


static void
close_fds(const struct keeper_child_info *info)
{
    int  i, fds[3] = { info->log_fd, info->report_fd, info->control_fd };

    for (i = 0; i < 3; i++) {
        if (fds[i] != -1) {
            ck_assert_int_eq(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
            close(fds[i]);
        }
    }
}


static void
see_listener(const struct keeper_listener_info *info)
{
    seen.listener_fd = info->fd;
    snprintf(seen.address, sizeof(seen.address), "%s", info->address);
    snprintf(seen.label, sizeof(seen.label), "%s", info->label);

    if (info->fd != -1) {
        close(info->fd);
    }
}


static void
see_child(const struct keeper_child_info *info)
{
    seen.child = *info;
    snprintf(seen.label, sizeof(seen.label), "%s", info->label);
    close_fds(info);
}


static void
on_listener(void *ctx, const struct keeper_listener_info *info)
{
    ck_assert_ptr_eq(ctx, &seen);
    seen.listeners++;
    see_listener(info);

    if (seen.close_in_callback) {
        keeper_client_close(&client);
    }
}


static void
on_child(void *ctx, const struct keeper_child_info *info)
{
    ck_assert_ptr_eq(ctx, &seen);
    seen.children++;
    see_child(info);
}


static void
on_attached(void *ctx)
{
    ck_assert_ptr_eq(ctx, &seen);
    seen.attached++;
}


static void
on_exited(void *ctx, const struct keeper_exit_info *end)
{
    ck_assert_ptr_eq(ctx, &seen);
    ck_assert_int_eq(end->pid, 4321);
    seen.exited++;
    seen.exited_id = end->id;
    seen.wait_status = end->wait_status;
    seen.tree_killed = end->tree_killed;
    seen.oom_kills = end->oom_kills;
}


static void
on_stop(void *ctx)
{
    ck_assert_ptr_eq(ctx, &seen);
    seen.stops++;
}


static void
on_lost(void *ctx, const struct error *why)
{
    ck_assert_ptr_eq(ctx, &seen);
    ck_assert_str_ne(why->text, "");
    seen.lost++;
    seen.lost_code = why->code;

    if (seen.close_in_callback) {
        keeper_client_close(&client);
    }
}


static const struct keeper_client_events  events = {
    on_listener, on_child, on_attached, on_exited, on_stop, on_lost
};


static void
on_done(void *ctx, int status)
{
    ck_assert_ptr_eq(ctx, &seen.calls);
    seen.statuses[seen.calls++ % 16] = status;
}


static void
on_spawned(void *ctx, int status, const struct keeper_child_info *info)
{
    on_done(ctx, status);
    ck_assert_int_eq(status == 0, info != NULL);

    if (info != NULL) {
        see_child(info);
    }
}


static void
on_listening(void *ctx, int status, const struct keeper_listener_info *info)
{
    on_done(ctx, status);
    ck_assert_int_eq(status == 0, info != NULL);

    if (info != NULL) {
        see_listener(info);
    }
}


static void
setup(void)
{
    int           pair[2];
    struct error  err;

    memset(&seen, 0, sizeof(seen));
    base = event_base_new();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
                                pair), 0);
    keeper_fd = pair[0];
    ck_assert_int_eq(keeper_client_open(base, pair[1], &events, &seen,
                                        &client, &err), 0);
}


static void
teardown(void)
{
    keeper_client_close(&client);
    ck_assert_ptr_null(client);
    keeper_client_close(&client);
    event_base_free(base);

    if (keeper_fd != -1) {
        close(keeper_fd);
    }
}


static void
turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}


/* fds are given away: those of a /dev/null each */

static void
say(const void *data, size_t len, int fd_count)
{
    int              i, fds[FDS_MAX];
    char             control[CMSG_SPACE(sizeof(fds))] = { 0 };
    struct iovec     iov = { (void *) (uintptr_t) data, len };
    struct msghdr    head = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr  *c;

    for (i = 0; i < fd_count; i++) {
        fds[i] = open("/dev/null", O_RDWR);
    }

    if (fd_count > 0) {
        head.msg_control = control;
        head.msg_controllen = CMSG_SPACE((size_t) fd_count * sizeof(int));
        c = CMSG_FIRSTHDR(&head);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t) fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, (size_t) fd_count * sizeof(int));
    }

    ck_assert_int_eq(sendmsg(keeper_fd, &head, MSG_NOSIGNAL), (ssize_t) len);

    for (i = 0; i < fd_count; i++) {
        close(fds[i]);
    }
}


static void
say_header(int type, uint32_t serial, int status, uint32_t id)
{
    struct mint_keeper_header  m = {
        MINT_KEEPER_VERSION, (uint16_t) type, serial, status, id
    };

    say(&m, sizeof(m), 0);
}


static void
say_child(uint32_t serial, uint32_t id, uint32_t flags, const char *tail,
    size_t tail_len, int fd_count)
{
    char                       data[256];
    struct mint_keeper_child   m = {
        .header = { MINT_KEEPER_VERSION, MINT_KEEPER_CHILD, serial, 0, id },
        .pid = 4321, .flags = flags, .start_ticks = 1ULL << 40,
        .started_unix_ms = 1ULL << 41, .exited = 1, .wait_status = 9
    };

    memcpy(data, &m, sizeof(m));
    memcpy(data + sizeof(m), tail, tail_len);
    say(data, sizeof(m) + tail_len, fd_count);
}


static void
say_listener(uint32_t serial, const char *tail, size_t tail_len,
    int fd_count)
{
    char                          data[256];
    struct mint_keeper_listener   m = {
        .header = {
            MINT_KEEPER_VERSION, MINT_KEEPER_LISTENER, serial, 0, 7
        },
        .family = MINT_KEEPER_TCP
    };

    memcpy(data, &m, sizeof(m));
    memcpy(data + sizeof(m), tail, tail_len);
    say(data, sizeof(m) + tail_len, fd_count);
}


/* the next request; returns its length */

static size_t
hear(void *data, size_t size)
{
    ssize_t        n;
    struct pollfd  ready = { keeper_fd, POLLIN, 0 };

    ck_assert_int_eq(poll(&ready, 1, 5000), 1);
    n = recv(keeper_fd, data, size, 0);
    ck_assert_int_ge(n, (ssize_t) sizeof(struct mint_keeper_header));

    return (size_t) n;
}


static size_t
open_fds(void)
{
    int     fd;
    size_t  count;

    for (fd = 0, count = 0; fd < 256; fd++) {
        count += fcntl(fd, F_GETFD) != -1;
    }

    return count;
}


START_TEST(attach_lists_all)
{
    size_t  before;

    before = open_fds();
    say_listener(0, "127.0.0.1:99\0seat\0" "127.0.0.1:0", 30, 1);
    say_child(0, 5, MINT_SPAWN_REPORT | MINT_SPAWN_CONTROL,
              "shiny\0/c/g\0MINT_INSTANCE=a\0\0\0\0", 31, 6);
    say_header(MINT_KEEPER_ATTACHED, 0, 0, 0);
    turn();
    ck_assert_int_eq(seen.listeners, 1);
    ck_assert_str_eq(seen.address, "127.0.0.1:99");
    ck_assert_int_eq(seen.children, 1);
    ck_assert_str_eq(seen.label, "shiny");
    ck_assert_uint_eq(seen.child.id, 5);
    ck_assert_int_eq(seen.child.pid, 4321);
    ck_assert_int_eq(seen.child.exited, 1);
    ck_assert_int_eq(seen.child.wait_status, 9);
    ck_assert(seen.child.start_ticks == 1ULL << 40);
    ck_assert(seen.child.started_unix_ms == 1ULL << 41);
    ck_assert_int_ne(seen.child.report_fd, -1);
    ck_assert_int_ne(seen.child.control_fd, -1);
    ck_assert_int_eq(seen.attached, 1);

    say_child(0, 6, MINT_SPAWN_CONTROL, "b\0\0\0\0\0\0", 8, 4);
    turn();
    ck_assert_int_eq(seen.child.report_fd, -1);
    ck_assert_int_ne(seen.child.control_fd, -1);
    ck_assert_int_eq(seen.lost, 0);

    /* for the next keeper all that came is kept */

    ck_assert_uint_eq(open_fds(), before + 1 + 6 + 4);
}
END_TEST


START_TEST(exits_and_stop)
{
    struct mint_keeper_exited  m = {
        .header = { MINT_KEEPER_VERSION, MINT_KEEPER_EXITED, 0, 0, 8 },
        .pid = 4321, .wait_status = 256, .tree_killed = 3, .oom_kills = 2
    };

    say(&m, sizeof(m), 0);
    say_header(MINT_KEEPER_STOP, 0, 0, 0);
    turn();
    ck_assert_int_eq(seen.exited, 1);
    ck_assert_uint_eq(seen.exited_id, 8);
    ck_assert_int_eq(seen.wait_status, 256);
    ck_assert_uint_eq(seen.tree_killed, 3);
    ck_assert_uint_eq(seen.oom_kills, 2);
    ck_assert_int_eq(seen.stops, 1);
}
END_TEST


START_TEST(spawn_is_packed_as_agreed)
{
    char                       data[1024];
    size_t                     len;
    const char                *argv[] = { "/bin/x", "", "two words", NULL };
    const char                *env[] = { "A=1", NULL };
    struct error               err;
    struct mint_keeper_spawn   m;
    static const char          strings[] = "shiny\0/tmp\0/bin/x\0\0"
                                           "two words\0A=1\0r/usr\0w/d";
    const char                  *allow[] = { "r/usr", "w/d", NULL };
    struct keeper_spawn_request  request = {
        .id = 3, .flags = MINT_SPAWN_SUBREAPER, .uid = 1, .gid = 2,
        .extra_gid = 4, .umask = 027, .nofile = 99, .listener_count = 2,
        .listeners = { 70, 71 }, .label = "shiny", .cwd = "/tmp",
        .argv = argv, .env = env, .allow = allow,
        .memory_bytes = 1ULL << 33, .pids = 12, .cpu_percent = 150,
        .warm_id = 12
    };

    ck_assert_int_eq(keeper_client_spawn(client, &request, on_spawned,
                                         &seen.calls, &err), 0);
    len = hear(data, sizeof(data));
    memcpy(&m, data, sizeof(m));
    ck_assert_uint_eq(m.header.version, MINT_KEEPER_VERSION);
    ck_assert_uint_eq(m.header.type, MINT_KEEPER_SPAWN);
    ck_assert_uint_eq(m.header.id, 3);
    ck_assert_uint_ne(m.header.serial, 0);
    ck_assert_int_eq(m.header.status, 0);
    ck_assert_uint_eq(m.flags, MINT_SPAWN_SUBREAPER);
    ck_assert(m.uid == 1 && m.gid == 2 && m.extra_gid == 4);
    ck_assert(m.umask == 027 && m.nofile == 99 && m.warm_id == 12);
    ck_assert(m.memory_bytes == 1ULL << 33 && m.pids == 12
              && m.cpu_percent == 150 && m.allow_count == 2);
    ck_assert(m.argc == 3 && m.envc == 1 && m.listener_count == 2);
    ck_assert(m.listener_id[0] == 70 && m.listener_id[1] == 71
              && m.listener_id[2] == 0);
    ck_assert_uint_eq(len, sizeof(m) + sizeof(strings));
    ck_assert_mem_eq(data + sizeof(m), strings, sizeof(strings));

    say_child(m.header.serial, 3, 0, "shiny\0\0\0\0\0\0", 12, 2);
    ck_assert_int_eq(seen.calls, 0);
    turn();
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_int_eq(seen.statuses[0], 0);
    ck_assert_uint_eq(seen.child.id, 3);
    ck_assert_int_eq(seen.children, 0);
}
END_TEST


START_TEST(answers_come_by_serial)
{
    int                            i;
    size_t                         before;
    struct error                   err;
    struct mint_keeper_path        wipe;
    struct mint_keeper_listen      listen_m;
    struct mint_keeper_header      drained;
    struct keeper_listen_request   request = {
        .id = 7, .family = MINT_KEEPER_UNIX, .backlog = 5, .mode = 0660,
        .uid = 1, .gid = 2, .address = "/run/a", .label = "seat"
    };
    char                           data[1024];

    ck_assert_int_eq(keeper_client_wipe(client, "/tmp/x", on_done,
                                        &seen.calls, &err), 0);
    ck_assert_int_eq(keeper_client_listen(client, &request, on_listening,
                                          &seen.calls, &err), 0);
    ck_assert_int_eq(keeper_client_drained(client, 12, on_done, &seen.calls,
                                           &err), 0);
    ck_assert_uint_eq(hear(data, sizeof(data)), sizeof(wipe) + 7);
    memcpy(&wipe, data, sizeof(wipe));
    ck_assert_str_eq(data + sizeof(wipe), "/tmp/x");
    ck_assert_uint_eq(hear(data, sizeof(data)), sizeof(listen_m) + 12);
    memcpy(&listen_m, data, sizeof(listen_m));
    ck_assert_mem_eq(data + sizeof(listen_m), "/run/a\0seat", 12);
    ck_assert(listen_m.backlog == 5 && listen_m.mode == 0660
              && listen_m.uid == 1 && listen_m.gid == 2);
    ck_assert_uint_eq(hear(&drained, sizeof(drained)), sizeof(drained));
    ck_assert_uint_eq(drained.id, 12);

    before = open_fds();
    say_header(MINT_KEEPER_DONE, drained.serial, ENOENT, 12);
    say_listener(listen_m.header.serial, "/run/a\0seat\0/run/a", 19, 1);
    say_header(MINT_KEEPER_DONE, wipe.header.serial, 0, 0);
    turn();
    ck_assert_int_eq(seen.calls, 3);

    for (i = 0; i < 3; i++) {
        ck_assert_int_eq(seen.statuses[i], i == 0 ? ENOENT : 0);
    }

    ck_assert_str_eq(seen.address, "/run/a");
    ck_assert_uint_eq(open_fds(), before + 1);
    ck_assert_int_eq(seen.lost, 0);
}
END_TEST


START_TEST(other_requests_are_packed_as_agreed)
{
    struct {
        struct mint_keeper_path  path;
        char                     text[16];
    } own;
    struct mint_keeper_signal   number;
    struct mint_keeper_header   bare;

    ck_assert_int_eq(keeper_client_own(client, "/d", 0750, 1, 2, NULL, NULL,
                                       NULL), 0);
    ck_assert_uint_eq(hear(&own, sizeof(own)), sizeof(own.path) + 3);
    ck_assert_uint_eq(own.path.header.type, MINT_KEEPER_OWN);
    ck_assert(own.path.mode == 0750 && own.path.uid == 1
              && own.path.gid == 2);
    ck_assert_str_eq(own.text, "/d");

    ck_assert_int_eq(keeper_client_signal(client, 6, 15, NULL, NULL, NULL),
                     0);
    ck_assert_uint_eq(hear(&number, sizeof(number)), sizeof(number));
    ck_assert_uint_eq(number.header.type, MINT_KEEPER_SIGNAL);
    ck_assert(number.header.id == 6 && number.signal == 15);

    ck_assert_int_eq(keeper_client_unlisten(client, 9, NULL, NULL, NULL), 0);
    ck_assert_uint_eq(hear(&bare, sizeof(bare)), sizeof(bare));
    ck_assert(bare.type == MINT_KEEPER_UNLISTEN && bare.id == 9);

    ck_assert_int_eq(keeper_client_goodbye(client, 3, NULL, NULL, NULL), 0);
    ck_assert_uint_eq(hear(&bare, sizeof(bare)), sizeof(bare));
    ck_assert(bare.type == MINT_KEEPER_GOODBYE && bare.status == 3);

    /* nobody wants to know, and nothing breaks */

    say_header(MINT_KEEPER_DONE, bare.serial, 0, 0);
    turn();
    ck_assert_int_eq(seen.lost, 0);
}
END_TEST


START_TEST(fds_nobody_takes_are_closed)
{
    size_t                        before;
    const char                   *argv[] = { "/bin/x", NULL };
    struct mint_keeper_header     h;
    char                          data[512];
    struct keeper_spawn_request   request = {
        .id = 3, .label = "l", .cwd = "/", .argv = argv, .env = argv + 1
    };

    ck_assert_int_eq(keeper_client_spawn(client, &request, NULL, NULL, NULL),
                     0);
    hear(data, sizeof(data));
    memcpy(&h, data, sizeof(h));
    before = open_fds();
    say_child(h.serial, 3, MINT_SPAWN_REPORT, "l\0\0\0\0\0\0", 8, 4);
    turn();
    ck_assert_uint_eq(open_fds(), before + 4);

    /* until it is forgotten */

    ck_assert_int_eq(keeper_client_drained(client, 3, NULL, NULL, NULL), 0);
    hear(data, sizeof(data));
    memcpy(&h, data, sizeof(h));
    say_header(MINT_KEEPER_DONE, h.serial, 0, 3);
    turn();
    ck_assert_uint_eq(open_fds(), before);
    ck_assert_int_eq(seen.lost, 0);
}
END_TEST


/* a full socket: all arrive later, in order */

START_TEST(requests_wait_for_room)
{
    int                         i;
    char                        path[4096];
    struct {
        struct mint_keeper_path  path;
        char                     text[sizeof(path)];
    } m;

    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';

    for (i = 0; i < 500; i++) {
        ck_assert_int_eq(keeper_client_wipe(client, path, on_done,
                                            &seen.calls, NULL), 0);
    }

    for (i = 1; i <= 500; i++) {
        turn();
        ck_assert_uint_eq(hear(&m, sizeof(m)), sizeof(m));
        ck_assert_uint_eq(m.path.header.serial, (uint32_t) i);
        say_header(MINT_KEEPER_DONE, m.path.header.serial, 0, 0);
    }

    turn();
    turn();

    for (i = 0; i < 10 && seen.calls < 500; i++) {
        turn();
    }

    ck_assert_int_eq(seen.calls, 500);
}
END_TEST


START_TEST(too_large_is_refused)
{
    char                         *large;
    const char                   *argv[] = { "/bin/x", NULL, NULL };
    struct error                  err;
    struct keeper_spawn_request   request = {
        .id = 3, .label = "l", .cwd = "/", .argv = argv, .env = argv + 2
    };

    large = malloc(MINT_KEEPER_MESSAGE_MAX);
    memset(large, 'x', MINT_KEEPER_MESSAGE_MAX);
    large[MINT_KEEPER_MESSAGE_MAX - 1] = '\0';
    argv[1] = large;
    ck_assert_int_eq(keeper_client_spawn(client, &request, on_spawned, NULL,
                                         &err), MINT_ERR_INVALID);
    request.listener_count = MINT_KEEPER_LISTENERS_MAX + 1;
    argv[1] = NULL;
    ck_assert_int_eq(keeper_client_spawn(client, &request, on_spawned, NULL,
                                         &err), MINT_ERR_INVALID);
    free(large);
}
END_TEST


START_TEST(lost_keeper)
{
    struct error  err;

    ck_assert_int_eq(keeper_client_drained(client, 1, on_done, &seen.calls,
                                           &err), 0);
    ck_assert_int_eq(keeper_client_drained(client, 2, on_done, &seen.calls,
                                           &err), 0);
    close(keeper_fd);
    keeper_fd = -1;
    turn();
    ck_assert_int_eq(seen.calls, 2);
    ck_assert_int_eq(seen.statuses[0], ECONNRESET);
    ck_assert_int_eq(seen.statuses[1], ECONNRESET);
    ck_assert_int_eq(seen.lost, 1);
    ck_assert_int_eq(seen.lost_code, MINT_ERR_UNAVAILABLE);
    turn();
    ck_assert_int_eq(seen.lost, 1);
    ck_assert_int_eq(keeper_client_drained(client, 1, on_done, &seen.calls,
                                           &err), MINT_ERR_UNAVAILABLE);
    ck_assert_int_eq(seen.calls, 2);
}
END_TEST


START_TEST(close_inside_a_callback)
{
    seen.close_in_callback = 1;

    if (_i == 0) {
        say_listener(0, "a\0b\0c", 6, 1);
        say_header(MINT_KEEPER_ATTACHED, 0, 0, 0);

    } else {
        keeper_client_drained(client, 2, on_done, &seen.calls, NULL);
        close(keeper_fd);
        keeper_fd = -1;
    }

    turn();
    ck_assert_ptr_null(client);
    ck_assert_int_eq(seen.attached, 0);
    turn();
}
END_TEST


static const struct {
    const char  *what;
    int          type;
    int          fds;
    const char  *tail;
    size_t       tail_len;
    uint32_t     flags;
} broken[] = {
    { "child: label without end", MINT_KEEPER_CHILD, 2, "abc", 3, 0 },
    { "child: no label", MINT_KEEPER_CHILD, 2, "", 0, 0 },
    { "child: no cgroup", MINT_KEEPER_CHILD, 2, "a", 2, 0 },
    { "child: a cgroup too few", MINT_KEEPER_CHILD, 2, "a\0\0\0\0\0", 7,
      0 },
    { "child: last one without end", MINT_KEEPER_CHILD, 2, "a\0\0\0\0\0\0b",
      8, 0 },
    { "child: text after it", MINT_KEEPER_CHILD, 2, "a\0\0\0\0\0\0\0b", 10,
      0 },
    { "child: too many fds", MINT_KEEPER_CHILD, 4, "a\0\0\0\0\0\0", 8, 0 },
    { "child: too few fds", MINT_KEEPER_CHILD, 2, "a\0\0\0\0\0\0", 8,
      MINT_SPAWN_REPORT },
    { "child: one fd", MINT_KEEPER_CHILD, 1, "a\0\0\0\0\0\0", 8, 0 },
    { "listener: two strings", MINT_KEEPER_LISTENER, 1, "a\0b", 4, 0 },
    { "listener: four strings", MINT_KEEPER_LISTENER, 1, "a\0b\0c\0d", 8, 0 },
    { "listener: two fds", MINT_KEEPER_LISTENER, 2, "a\0b\0c", 6, 0 },
    { "unknown type", 99, 0, "", 0, 0 },
    { "a request", MINT_KEEPER_SPAWN, 0, "", 0, 0 },
    { "exited cut short", MINT_KEEPER_EXITED, 0, "", 0, 0 },
    { "facts cut short", MINT_KEEPER_FACTS, 0, "", 0, 0 },
    { "done without a serial", MINT_KEEPER_DONE, 0, "", 0, 0 }
};


START_TEST(broken_messages_end_the_connection)
{
    size_t  before;

    before = open_fds();

    switch (broken[_i].type) {

    case MINT_KEEPER_CHILD:
        say_child(0, 5, broken[_i].flags, broken[_i].tail,
                  broken[_i].tail_len, broken[_i].fds);
        break;

    case MINT_KEEPER_LISTENER:
        say_listener(0, broken[_i].tail, broken[_i].tail_len,
                     broken[_i].fds);
        break;

    default:
        say_header(broken[_i].type, 0, 0, 0);
    }

    turn();
    ck_assert_msg(seen.lost == 1, "%s", broken[_i].what);
    ck_assert_int_eq(seen.lost_code, MINT_ERR_PROTOCOL);
    ck_assert_int_eq(seen.children + seen.listeners, 0);
    ck_assert_uint_eq(open_fds(), before - 1);
}
END_TEST


START_TEST(stray_answers_end_the_connection)
{
    struct mint_keeper_header  h;

    if (_i == 0) {
        say_header(MINT_KEEPER_DONE, 77, 0, 0);

    } else {
        keeper_client_drained(client, 1, on_done, &seen.calls, NULL);
        hear(&h, sizeof(h));
        say_child(h.serial, 1, 0, "l\0\0\0\0\0\0", 8, 2);
    }

    turn();
    ck_assert_int_eq(seen.lost, 1);
    ck_assert_int_eq(seen.lost_code, MINT_ERR_PROTOCOL);
}
END_TEST


START_TEST(short_and_foreign_messages_end_the_connection)
{
    struct mint_keeper_header  m = {
        MINT_KEEPER_VERSION + 1, MINT_KEEPER_ATTACHED, 0, 0, 0
    };

    say(&m, _i == 0 ? sizeof(m) : 3, 0);
    turn();
    ck_assert_int_eq(seen.lost, 1);
    ck_assert_int_eq(seen.lost_code, MINT_ERR_PROTOCOL);
    ck_assert_int_eq(seen.attached, 0);
}
END_TEST


START_TEST(fd_of_the_environment)
{
    int           i, pair[2], stream[2];
    char          text[16];
    struct error  err;
    const char   *bad[] = { "", "x", "-1", "3x", "65536", "250" };

    unsetenv(MINT_KEEPER_FD_ENV);
    ck_assert_int_eq(keeper_client_fd(&err), MINT_ERR_UNAVAILABLE);

    for (i = 0; i < 6; i++) {
        setenv(MINT_KEEPER_FD_ENV, bad[i], 1);
        ck_assert_int_eq(keeper_client_fd(&err), MINT_ERR_INVALID);
    }

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
    snprintf(text, sizeof(text), "%d", stream[0]);
    setenv(MINT_KEEPER_FD_ENV, text, 1);
    ck_assert_int_eq(keeper_client_fd(&err), MINT_ERR_INVALID);

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    snprintf(text, sizeof(text), "%d", pair[0]);
    setenv(MINT_KEEPER_FD_ENV, text, 1);
    ck_assert_int_eq(keeper_client_fd(&err), pair[0]);
    ck_assert_ptr_null(getenv(MINT_KEEPER_FD_ENV));
    ck_assert_int_eq(fcntl(pair[0], F_GETFD), FD_CLOEXEC);

    for (i = 0; i < 2; i++) {
        close(pair[i]);
        close(stream[i]);
    }
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tc;
    SRunner  *runner;

    suite = suite_create("keeper_client");
    tc = tcase_create("keeper_client");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, attach_lists_all);
    tcase_add_test(tc, exits_and_stop);
    tcase_add_test(tc, spawn_is_packed_as_agreed);
    tcase_add_test(tc, answers_come_by_serial);
    tcase_add_test(tc, other_requests_are_packed_as_agreed);
    tcase_add_test(tc, fds_nobody_takes_are_closed);
    tcase_add_test(tc, requests_wait_for_room);
    tcase_add_test(tc, too_large_is_refused);
    tcase_add_test(tc, lost_keeper);
    tcase_add_loop_test(tc, close_inside_a_callback, 0, 2);
    tcase_add_loop_test(tc, broken_messages_end_the_connection, 0,
                        sizeof(broken) / sizeof(broken[0]));
    tcase_add_loop_test(tc, stray_answers_end_the_connection, 0, 2);
    tcase_add_loop_test(tc, short_and_foreign_messages_end_the_connection, 0,
                        2);
    tcase_add_test(tc, fd_of_the_environment);
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
