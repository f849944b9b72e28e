/* SPDX-License-Identifier: MIT */
/*
 * The operation "uninstall" with all that it goes through (admin socket,
 * plugins' processes, the line of installations, registry, purge), and a keeper
 * played by this test, which says when it answers for sockets.
 */

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../plugin/fake_runner.h"
#include "../plugin/fixture.h"
#include "../plugin/world.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "supervisor/admin/operations.h"
#include "supervisor/process/plugin_private.h"


#define WAIT_MS  5000
#define ASKED    8


static struct world              world;
static struct fake               fake;
static struct keeper_client     *keeper;
static struct process_table     *table;
static struct http_client       *http;
static struct service_pool      *pool;
static struct layout             layout;
static struct plugin_processes  *processes;
static struct purger            *purger;
static struct operations        *operations;
static struct admin_server      *server;
static struct event             *requests;
static int                       keeper_fd;
static uint32_t                  asked[ASKED];      /* LISTEN, unanswered */
static size_t                    asked_count;
static unsigned                  unlistened;
static char                     *path;
static struct error              err;


/* ---- the played keeper --------------------------------------------- */

static void
play(uint16_t type, uint32_t serial, int fd)
{
    char                         message[sizeof(struct mint_keeper_listener)
                                         + 8];
    char                         control[CMSG_SPACE(sizeof(int))];
    size_t                       len;
    struct iovec                 iov;
    struct msghdr                header;
    struct cmsghdr              *cmsg;
    struct mint_keeper_listener  listener;

    memset(&listener, 0, sizeof(listener));
    listener.header.version = MINT_KEEPER_VERSION;
    listener.header.type = type;
    listener.header.serial = serial;
    listener.family = MINT_KEEPER_UNIX;

    memset(message, 0, sizeof(message));
    memcpy(message, &listener, sizeof(listener));
    memcpy(message + sizeof(listener), "a\0b\0a", 6);
    len = fd != -1 ? sizeof(listener) + 6 : sizeof(listener.header);

    memset(&header, 0, sizeof(header));
    memset(control, 0, sizeof(control));
    iov.iov_base = message;
    iov.iov_len = len;
    header.msg_iov = &iov;
    header.msg_iovlen = 1;

    if (fd != -1) {
        header.msg_control = control;
        header.msg_controllen = sizeof(control);
        cmsg = CMSG_FIRSTHDR(&header);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
    }

    ck_assert_int_eq((int) sendmsg(keeper_fd, &header, 0), (int) len);
}


static void
on_request(evutil_socket_t fd, short what, void *arg)
{
    char                       message[MINT_KEEPER_MESSAGE_MAX];
    struct mint_keeper_header  header;

    (void) what;
    (void) arg;

    if (recv(fd, message, sizeof(message), MSG_DONTWAIT)
        < (ssize_t) sizeof(header))
    {
        return;
    }

    memcpy(&header, message, sizeof(header));
    unlistened += header.type == MINT_KEEPER_UNLISTEN;

    if (header.type == MINT_KEEPER_LISTEN) {
        ck_assert_uint_lt(asked_count, ASKED);
        asked[asked_count++] = header.serial;
        return;
    }

    play(MINT_KEEPER_DONE, header.serial, -1);
}


static void
answer_sockets(void)
{
    int     fd;
    size_t  i;

    for (i = 0; i < asked_count; i++) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        play(MINT_KEEPER_LISTENER, asked[i], fd);
        close(fd);
    }

    asked_count = 0;
}


static void
on_exited(void *ctx, const struct keeper_exit_info *end)
{
    (void) ctx;
    (void) end;
}


static void
on_listener(void *ctx, const struct keeper_listener_info *info)
{
    (void) ctx;
    (void) info;
}


static void
on_child(void *ctx, const struct keeper_child_info *info)
{
    (void) ctx;
    (void) info;
}


static void
on_nothing(void *ctx)
{
    (void) ctx;
}


static void
on_lost(void *ctx, const struct error *why)
{
    (void) ctx;
    ck_abort_msg("keeper client: %s", why->text);
}


static const struct keeper_client_events  events = {
    on_listener, on_child, on_nothing, on_exited, on_nothing, on_lost
};


/* ---- the edge, which is told and has nothing ------------------------ */

static void
edge_seat(void *ctx, const struct plugin *plugin, uint32_t seat,
    const char *address)
{
    (void) ctx;
    (void) seat;
    (void) address;

    /* of what has been freed there would be none */

    ck_assert_ptr_eq(registry_find(world.registry, plugin->name), plugin);
}


static void
edge_state(void *ctx, uint32_t seat, const struct service *service,
    enum plugin_role role, enum mint_seat_cause cause,
    enum plugin_presence presence)
{
    (void) ctx;
    (void) seat;
    (void) service;
    (void) role;
    (void) cause;
    (void) presence;
}


static uint32_t
edge_in_flight(void *ctx, uint32_t seat)
{
    (void) ctx;
    (void) seat;

    return 0;
}


static uint64_t
edge_number(void *ctx, uint32_t id)
{
    (void) ctx;
    (void) id;

    return 0;
}


static int
edge_pin(void *ctx, uint32_t seat, uint64_t user_id, struct error *why)
{
    (void) ctx;
    (void) seat;
    (void) user_id;
    (void) why;

    return 0;
}


static void
edge_unpin(void *ctx, uint32_t seat)
{
    (void) ctx;
    (void) seat;
}


static const struct plugin_process_listener  edge = {
    .on_seat = edge_seat,
    .on_state = edge_state,
    .in_flight = edge_in_flight,
    .seat_word = edge_number,
    .pin = edge_pin,
    .unpin = edge_unpin,
    .requests = edge_number,
    .look_parked = on_nothing,
    .parked = edge_number
};


/* ---- fixture ------------------------------------------------------- */

static int
listening(void)
{
    int                 fd;
    struct sockaddr_un  address;

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *) &address, sizeof(address)),
                     0);
    ck_assert_int_eq(listen(fd, 16), 0);

    return fd;
}


static void
setup(void)
{
    int                      fds[2];
    struct operations_parts  parts;

    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    asked_count = 0;
    unlistened = 0;

    world_open(&world, 0, 0);
    fake_init(&fake, &world.runner, world.base);
    world.config.server.run_directory = mem_printf("%s/run", world.directory);
    ck_assert_int_eq(mkdir(world.config.server.run_directory, 0755), 0);
    path = mem_printf("%s/s", world.config.server.run_directory);

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC
                                | SOCK_NONBLOCK, 0, fds), 0);
    keeper_fd = fds[1];
    ck_assert_int_eq(keeper_client_open(world.base, fds[0], &events, NULL,
                                        &keeper, &err), 0);
    requests = event_new(world.base, keeper_fd, EV_READ | EV_PERSIST,
                         on_request, NULL);
    event_add(requests, NULL);

    table = process_table_new(world.base, keeper);
    ck_assert_int_eq(http_client_open(&http, world.base, &err), 0);
    pool = service_pool_new(table, http, 1);
    ck_assert_int_eq(layout_open(&layout, &world.config, &err), 0);
    processes = plugin_processes_new(&world.config, &layout, world.registry,
                                     pool, table, NULL, "http://127.0.0.1:1",
                                     &edge);
    purger = purger_new(&world.config, &layout, world.registry, table,
                        &world.runner);

    memset(&parts, 0, sizeof(parts));
    parts.base = world.base;
    parts.config = &world.config;
    parts.layout = &layout;
    parts.registry = world.registry;
    parts.installer = world.installer;
    parts.processes = processes;
    parts.purger = purger;
    parts.pool = pool;
    operations = operations_new(&parts, "0");
    ck_assert_int_eq(admin_server_open(&server, world.base, listening(),
                                       operations_table(), operations, &err),
                     0);
}


static void
teardown(void)
{
    admin_server_free(&server);
    operations_free(&operations);
    purger_free(&purger);
    plugin_processes_free(&processes);
    layout_close(&layout);
    service_pool_free(&pool);
    http_client_free(&http);
    process_table_free(&table);
    event_free(requests);
    keeper_client_close(&keeper);
    close(keeper_fd);
    free(path);
    free(world.config.server.run_directory);
    world_close(&world);
    fake_clear(&fake);
}


/* as one that an earlier supervisor has left: nobody has asked for its sockets
   yet; distribution: NULL = one of its own */

static struct plugin *
installed(const char *name, const char *distribution)
{
    struct plugin   fresh, *plugin;

    fixture_plugin(&fresh, name, PLUGIN_SHARED);

    if (distribution != NULL) {
        free(fresh.distribution);
        fresh.distribution = mem_strdup(distribution);
    }

    ck_assert_msg(registry_put(world.registry, &fresh, &plugin, &err) == 0,
                  "%s", err.text);

    return plugin;
}


static void
turn(void)
{
    ck_assert_int_ge(event_base_loop(world.base, EVLOOP_ONCE
                                     | EVLOOP_NONBLOCK), 0);
}


static int
order(const char *line)
{
    int                 fd;
    struct sockaddr_un  address;

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &address,
                             sizeof(address)), 0);
    ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t) strlen(line));

    return fd;
}


/* the next line of what comes, without its end; to be freed */

static json_t *
line_of(int fd)
{
    char      text[8192];
    size_t    len;
    json_t   *json;
    uint64_t  end;

    end = time_boot_ms() + WAIT_MS;

    for (len = 0; len < sizeof(text) - 1; /* void */) {
        ck_assert_msg(time_boot_ms() < end, "no answer");
        turn();

        if (recv(fd, text + len, 1, MSG_DONTWAIT) == 1 && text[len++] == '\n')
        {
            break;
        }
    }

    json = json_loadb(text, len, 0, NULL);
    ck_assert_ptr_nonnull(json);

    return json;
}


/* of the result; the connection is closed */

static void
check_answer(int fd, const char *plugin, const char *mode)
{
    json_t      *line, *result;
    const char  *text;

    for (line = line_of(fd); json_object_get(line, "progress") != NULL;
         line = line_of(fd))
    {
        json_decref(line);
    }

    result = json_object_get(line, "result");
    ck_assert_ptr_nonnull(result);
    ck_assert_str_eq(json_string_value(json_object_get(result, "plugin")),
                     plugin);
    text = json_string_value(json_object_get(result, "mode"));
    ck_assert_str_eq(text != NULL ? text : "", mode);
    ck_assert(!json_is_string(json_object_get(result, "waits")));
    json_decref(line);
    close(fd);
}


#define UNTIL(condition)                                                      \
    do {                                                                      \
        uint64_t  until_ms = time_boot_ms() + WAIT_MS;                        \
                                                                              \
        while (!(condition)) {                                                \
            ck_assert_msg(time_boot_ms() < until_ms, "not " #condition);      \
            turn();                                                           \
        }                                                                     \
    } while (0)

#define UNINSTALL(rest)  "{\"id\":1,\"op\":\"uninstall\",\"plugin\":\"a\"" \
                         rest "}\n"


/* ---- the tests ------------------------------------------------------- */

/* stopped, its sockets asked for; nothing is done until that is answered */

static struct plugin *
stopped(const char *name, const char *distribution)
{
    struct plugin  *plugin;

    plugin = installed(name, distribution);
    ck_assert_int_eq(registry_set_stopped(world.registry, plugin, true, &err),
                     0);

    return plugin;
}


/* between its place in the line and its turn */

START_TEST(test_sockets_are_asked_for_while_it_waits)
{
    int             fd;
    uint64_t        end;
    struct plugin  *plugin;

    plugin = stopped("a", NULL);
    UNTIL(asked_count == 2);
    answer_sockets();
    fd = order(UNINSTALL(""));
    UNTIL(plugin->is_leaving);
    plugin_seat_listen(
                  &((struct plugin_process *) plugin->process)->seats[1]);
    UNTIL(asked_count == 1);
    end = time_boot_ms() + 100;

    while (time_boot_ms() < end) {
        turn();
        ck_assert_ptr_eq(registry_find(world.registry, "a"), plugin);
    }

    answer_sockets();
    check_answer(fd, "a", "keep");
    ck_assert_ptr_null(registry_find(world.registry, "a"));
    UNTIL(unlistened == 2);
}
END_TEST


START_TEST(test_last_mode_counts)
{
    int             first, second;
    struct plugin  *plugin;

    plugin = stopped("a", NULL);
    first = order(UNINSTALL(",\"mode\":\"purge\""));
    UNTIL(plugin->removal == PLUGIN_PURGE);
    second = order(UNINSTALL(",\"mode\":\"keep\""));
    UNTIL(plugin->removal == PLUGIN_KEEP);
    UNTIL(asked_count == 2);
    answer_sockets();
    check_answer(second, "a", "keep");
    check_answer(first, "a", "keep");
}
END_TEST


START_TEST(test_no_mode_is_the_one_before)
{
    int             first, second;
    struct plugin  *plugin;

    plugin = stopped("a", NULL);
    first = order(UNINSTALL(",\"mode\":\"purge\""));
    UNTIL(plugin->removal == PLUGIN_PURGE);
    second = order(UNINSTALL(""));
    json_decref(line_of(second));
    ck_assert_int_eq(plugin->removal, PLUGIN_PURGE);
    UNTIL(asked_count == 2);
    answer_sockets();
    check_answer(first, "a", "purge");
    check_answer(second, "a", "purge");
    ck_assert_ptr_null(registry_find_departed(world.registry, "a"));
}
END_TEST


/* a plugin that is gone comes before a package */

START_TEST(test_names)
{
    stopped("a", NULL);
    UNTIL(asked_count == 2);
    answer_sockets();
    check_answer(order(UNINSTALL("")), "a", "keep");
    stopped("c", "a");
    UNTIL(asked_count == 2);
    answer_sockets();
    check_answer(order("{\"id\":1,\"op\":\"activity\",\"plugin\":\"a\"}\n"),
                 "a", "");
    check_answer(order(UNINSTALL(",\"mode\":\"purge\"")), "a", "purge");
    ck_assert_ptr_nonnull(registry_find(world.registry, "c"));
    check_answer(order("{\"id\":1,\"op\":\"activity\",\"plugin\":\"a\"}\n"),
                 "c", "");
    check_answer(order(UNINSTALL("")), "c", "keep");
}
END_TEST


START_TEST(test_apart_from_the_others)
{
    uint64_t        wish;
    struct plugin  *plugin, *other;

    world.config.plugins.shared_process = true;
    other = installed("b", NULL);
    plugin = stopped("a", NULL);
    wish = plugin_process_last_wish(other);
    ck_assert_int_eq(plugin_process_halt(plugin, true, &err), 0);
    ck_assert_int_eq(plugin_process_remove(plugin, PLUGIN_KEEP, true, &err),
                     0);
    ck_assert_int_eq(plugin->removal, PLUGIN_KEEP);
    ck_assert_uint_eq(plugin_process_last_wish(other), wish);
}
END_TEST


static void
on_answer(void *ctx, json_t *answer)
{
    (*(unsigned *) ctx)++;
    json_decref(answer);
}


START_TEST(test_question_to_one_that_goes)
{
    unsigned        answers;
    struct plugin  *plugin;

    answers = 0;
    plugin = stopped("a", NULL);
    UNTIL(asked_count == 2);
    answer_sockets();
    UNTIL(plugin_process_is_quiet(plugin));
    plugin_process_ask(plugin, on_answer, &answers);
    registry_set_removal(world.registry, plugin, PLUGIN_KEEP, &err);
    ck_assert_int_eq(registry_remove(world.registry, plugin, &err), 0);
    ck_assert_uint_eq(answers, 1);
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tcase;
    SRunner  *runner;

    suite = suite_create("uninstall");
    tcase = tcase_create("uninstall");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_sockets_are_asked_for_while_it_waits);
    tcase_add_test(tcase, test_last_mode_counts);
    tcase_add_test(tcase, test_no_mode_is_the_one_before);
    tcase_add_test(tcase, test_names);
    tcase_add_test(tcase, test_apart_from_the_others);
    tcase_add_test(tcase, test_question_to_one_that_goes);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
