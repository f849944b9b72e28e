/* SPDX-License-Identifier: MIT */
/*
 * The keeper dies: the test is the first one, then the next.  Processes are
 * real, so that their deaths are.
 */

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/process/keeper_client.h"


#define CUSTODY  "0123456789abcdef0123456789abcdef"


static struct event_base     *base;
static struct keeper_client  *client;
static int                    keeper_fd;
static char                   directory[64], path[96];
static pid_t                  child_pid;

static struct {
    int       attached, exited, lost, dones, done_status, child_fd;
    uint32_t  exited_id;
    int       wait_status;
} seen;


static void
on_listener(void *ctx, const struct keeper_listener_info *info)
{
    (void) ctx;
    close(info->fd);
}


static void
on_child(void *ctx, const struct keeper_child_info *info)
{
    (void) ctx;
    seen.child_fd = info->log_fd;
}


static void
on_attached(void *ctx)
{
    (void) ctx;
    seen.attached++;
}


static void
on_exited(void *ctx, const struct keeper_exit_info *end)
{
    (void) ctx;
    ck_assert_int_eq(end->pid, child_pid);
    seen.exited++;
    seen.exited_id = end->id;
    seen.wait_status = end->wait_status;
}


static void
on_stop(void *ctx)
{
    (void) ctx;
}


static void
on_lost(void *ctx, const struct error *why)
{
    (void) ctx;
    (void) why;
    seen.lost++;
}


static void
on_done(void *ctx, int status)
{
    (void) ctx;
    seen.dones++;
    seen.done_status = status;
}


static const struct keeper_client_events  events = {
    on_listener, on_child, on_attached, on_exited, on_stop, on_lost
};


static void
say(const void *data, size_t len, const int *fds, size_t fd_count)
{
    char             control[CMSG_SPACE(8 * sizeof(int))] = { 0 };
    struct iovec     iov = { (void *) (uintptr_t) data, len };
    struct msghdr    head = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr  *c;

    if (fd_count > 0) {
        head.msg_control = control;
        head.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        c = CMSG_FIRSTHDR(&head);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }

    ck_assert_int_eq(sendmsg(keeper_fd, &head, MSG_NOSIGNAL), (ssize_t) len);
}


static void
say_header(int type, uint32_t serial, int status)
{
    struct mint_keeper_header  m = {
        MINT_KEEPER_VERSION, (uint16_t) type, serial, status, 0
    };

    say(&m, sizeof(m), NULL, 0);
}


static void
say_facts(void)
{
    struct {
        struct mint_keeper_facts  facts;
        char                      text[6 + sizeof(CUSTODY)];
    } m;

    memset(&m, 0, sizeof(m));
    m.facts.header.version = MINT_KEEPER_VERSION;
    m.facts.header.type = MINT_KEEPER_FACTS;
    memcpy(m.text, "where\0" CUSTODY, sizeof(m.text));
    say(&m, sizeof(m.facts) + sizeof(m.text), NULL, 0);
}


static void
say_listener(void)
{
    int  fd;
    struct {
        struct mint_keeper_listener  listener;
        char                         text[9];
    } m;

    memset(&m, 0, sizeof(m));
    m.listener.header.version = MINT_KEEPER_VERSION;
    m.listener.header.type = MINT_KEEPER_LISTENER;
    m.listener.header.id = 7;
    memcpy(m.text, "/a\0seat\0", 9);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    say(&m, sizeof(m.listener) + sizeof(m.text), &fd, 1);
    close(fd);
}


static uint64_t
ticks_of(pid_t pid)
{
    int    i;
    char   name[64], text[1024], *at;
    FILE  *file;

    snprintf(name, sizeof(name), "/proc/%d/stat", pid);
    file = fopen(name, "re");
    ck_assert_ptr_nonnull(file);
    at = fgets(text, sizeof(text), file) != NULL ? strrchr(text, ')') : NULL;
    fclose(file);

    for (i = 2; i < 22 && at != NULL; i++) {
        at = strchr(at + 1, ' ');
    }

    ck_assert_ptr_nonnull(at);

    return strtoull(at, NULL, 10);
}


static void
say_child(uint64_t start_ticks)
{
    int  fds[2];
    struct {
        struct mint_keeper_child  child;
        char                      text[12];
    } m;

    memset(&m, 0, sizeof(m));
    m.child.header.version = MINT_KEEPER_VERSION;
    m.child.header.type = MINT_KEEPER_CHILD;
    m.child.header.id = 5;
    m.child.pid = child_pid;
    m.child.start_ticks = start_ticks;
    memcpy(m.text, "shiny", 5);
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    say(&m, sizeof(m.child) + sizeof(m.text), fds, 2);
    close(fds[0]);
    close(fds[1]);
}


static void
turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}


/* the next message, within a time; 0: the other end has closed */

static size_t
hear(void *data, size_t size, int *fds, size_t *fd_count)
{
    int            i;
    char           control[CMSG_SPACE(8 * sizeof(int))];
    ssize_t        n;
    struct iovec   iov = { data, size };
    struct msghdr  head = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct pollfd  ready = { keeper_fd, POLLIN, 0 };

    for (i = 0; i < 1000 && poll(&ready, 1, 5) == 0; i++) {
        turn();
    }

    head.msg_control = control;
    head.msg_controllen = sizeof(control);
    n = recvmsg(keeper_fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    ck_assert_int_ge(n, 0);
    *fd_count = 0;

    if (n > 0 && CMSG_FIRSTHDR(&head) != NULL) {
        *fd_count = (CMSG_FIRSTHDR(&head)->cmsg_len - CMSG_LEN(0))
                    / sizeof(int);
        memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&head)),
               *fd_count * sizeof(int));
    }

    return (size_t) n;
}


/* the type of the next message; its fds are closed */

static int
hear_type(size_t want_fds)
{
    int                        fds[8];
    char                       data[1024];
    size_t                     n, fd_count;
    struct mint_keeper_header  h;

    n = hear(data, sizeof(data), fds, &fd_count);

    if (n == 0) {
        return 0;
    }

    ck_assert_uint_eq(fd_count, want_fds);

    while (fd_count > 0) {
        close(fds[--fd_count]);
    }

    memcpy(&h, data, sizeof(h));
    ck_assert_uint_eq(h.version, MINT_KEEPER_VERSION);

    return h.type;
}


static void
connect_next(uint16_t version)
{
    struct sockaddr_un         address = { .sun_family = AF_UNIX };
    struct mint_keeper_header  hello = { version, MINT_KEEPER_HELLO, 0, 0, 0 };

    strcpy(address.sun_path, path);
    keeper_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(keeper_fd, (struct sockaddr *) &address,
                             sizeof(address)), 0);
    ck_assert_int_eq(send(keeper_fd, &hello, sizeof(hello), 0),
                     sizeof(hello));
}


static void
setup(void)
{
    int           pair[2];
    struct error  err;

    memset(&seen, 0, sizeof(seen));
    seen.child_fd = -1;
    strcpy(directory, "/tmp/mint-absent-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/keeper.sock", directory);

    child_pid = fork();

    if (child_pid == 0) {
        pause();
        _exit(0);
    }

    base = event_base_new();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
                                pair), 0);
    keeper_fd = pair[0];
    ck_assert_int_eq(keeper_client_open(base, pair[1], &events, NULL, &client,
                                        &err), 0);
    ck_assert_int_eq(keeper_client_survive(client, path, &err), 0);
}


static void
teardown(void)
{
    keeper_client_close(&client);
    event_base_free(base);
    close(keeper_fd);
    close(seen.child_fd);
    kill(child_pid, SIGKILL);
    waitpid(child_pid, NULL, 0);
    unlink(path);
    rmdir(directory);
}


/* told of everything, and with a request that is never answered */

static void
attach_and_die(uint64_t start_ticks)
{
    say_facts();
    say_listener();
    say_child(start_ticks);
    say_header(MINT_KEEPER_ATTACHED, 0, 0);
    turn();
    ck_assert_int_eq(seen.attached, 1);
    ck_assert_int_eq(keeper_client_signal(client, 5, SIGTERM, on_done, NULL,
                                          NULL), 0);
    close(keeper_fd);
    turn();
    ck_assert_int_eq(seen.lost, 0);
    ck_assert_int_eq(seen.dones, 0);
    ck_assert(keeper_client_facts(client)->absent_since_ms != 0);
}


static void
take_over(void)
{
    connect_next(MINT_KEEPER_VERSION);
    ck_assert_int_eq(hear_type(0), MINT_KEEPER_CUSTODY);
    ck_assert_int_eq(hear_type(1), MINT_KEEPER_LISTENER);
    ck_assert_int_eq(hear_type(2), MINT_KEEPER_CHILD);
    ck_assert_int_eq(hear_type(0), MINT_KEEPER_GIVEN);
}


START_TEST(the_next_keeper_gets_everything)
{
    int                        fds[8];
    char                       data[256];
    size_t                     fd_count;
    struct mint_keeper_signal  m;

    attach_and_die(ticks_of(child_pid));

    /* asked while there is none: waits, behind what had been asked before */

    ck_assert_int_eq(keeper_client_drained(client, 9, on_done, NULL, NULL), 0);
    turn();
    take_over();

    hear(data, sizeof(data), fds, &fd_count);
    memcpy(&m, data, sizeof(m));
    ck_assert_uint_eq(m.header.type, MINT_KEEPER_SIGNAL);
    ck_assert(m.header.id == 5 && m.signal == SIGTERM);
    say_facts();
    say_header(MINT_KEEPER_ATTACHED, 0, 0);
    say_header(MINT_KEEPER_DONE, m.header.serial, 0);
    ck_assert_int_eq(hear_type(0), MINT_KEEPER_DRAINED);
    turn();

    ck_assert_int_eq(seen.dones, 1);
    ck_assert_int_eq(seen.attached, 1);
    ck_assert_int_eq(seen.exited, 0);
    ck_assert_uint_eq(keeper_client_facts(client)->absent_since_ms, 0);
    ck_assert_str_eq(keeper_client_facts(client)->custody, CUSTODY);
}
END_TEST


START_TEST(it_may_die_again)
{
    attach_and_die(ticks_of(child_pid));
    take_over();
    close(keeper_fd);
    turn();
    ck_assert_int_eq(seen.lost, 0);
    take_over();
    ck_assert_int_eq(hear_type(0), MINT_KEEPER_SIGNAL);
}
END_TEST


/* in the middle of the hand-over, too */

START_TEST(it_may_die_while_it_takes_over)
{
    attach_and_die(ticks_of(child_pid));
    connect_next(MINT_KEEPER_VERSION);
    close(keeper_fd);
    turn();
    turn();
    take_over();
    ck_assert_int_eq(seen.lost, 0);
}
END_TEST


START_TEST(a_death_is_seen_without_a_keeper)
{
    int                        i;
    struct mint_keeper_exited  m = {
        .header = { MINT_KEEPER_VERSION, MINT_KEEPER_EXITED, 0, 0, 5 },
        .wait_status = MINT_KEEPER_STATUS_UNKNOWN
    };

    attach_and_die(ticks_of(child_pid));
    turn();
    ck_assert_int_eq(seen.exited, 0);
    kill(child_pid, SIGKILL);

    for (i = 0; i < 1000 && seen.exited == 0; i++) {
        (void) poll(NULL, 0, 5);
        turn();
    }

    ck_assert_int_eq(seen.exited, 1);
    ck_assert_uint_eq(seen.exited_id, 5);
    ck_assert_int_eq(seen.wait_status, MINT_KEEPER_STATUS_UNKNOWN);

    /* the next keeper says so, too, and it is not heard twice */

    take_over();
    m.pid = child_pid;
    say(&m, sizeof(m), NULL, 0);
    say_header(MINT_KEEPER_ATTACHED, 0, 0);
    turn();
    ck_assert_int_eq(seen.exited, 1);
}
END_TEST


/* its number belongs to another process, which began at another time */

START_TEST(another_process_is_not_taken_for_it)
{
    attach_and_die(ticks_of(child_pid) + 1);
    turn();
    ck_assert_int_eq(seen.exited, 1);
    ck_assert_int_eq(seen.wait_status, MINT_KEEPER_STATUS_UNKNOWN);
}
END_TEST


START_TEST(another_protocol_is_refused)
{
    int                        fds[8];
    size_t                     fd_count;
    struct mint_keeper_header  h;

    attach_and_die(ticks_of(child_pid));
    connect_next(MINT_KEEPER_VERSION + 1);
    ck_assert_uint_eq(hear(&h, sizeof(h), fds, &fd_count), sizeof(h));
    ck_assert_int_eq(h.status, EPROTO);
    ck_assert_uint_eq(fd_count, 0);
    ck_assert_int_eq(hear_type(0), 0);
    close(keeper_fd);
    take_over();
}
END_TEST


/* with a keeper nobody is listened to: two of them there cannot be */

START_TEST(a_second_keeper_waits)
{
    int            first;
    struct pollfd  answer;

    say_facts();
    say_listener();
    say_child(ticks_of(child_pid));
    say_header(MINT_KEEPER_ATTACHED, 0, 0);
    turn();
    first = keeper_fd;
    connect_next(MINT_KEEPER_VERSION);
    turn();
    answer = (struct pollfd) { keeper_fd, POLLIN, 0 };
    ck_assert_int_eq(poll(&answer, 1, 50), 0);
    close(first);
    ck_assert_int_eq(hear_type(0), MINT_KEEPER_CUSTODY);
}
END_TEST


/* what is not known in whole cannot be handed over */

START_TEST(before_the_attach_it_is_lost)
{
    say_facts();
    say_listener();
    close(keeper_fd);
    turn();
    ck_assert_int_eq(seen.lost, 1);
}
END_TEST


/* another user who is let through all the same */

START_TEST(others_are_refused)
{
    int    status;
    pid_t  pid;
    char   byte;

    if (geteuid() != 0) {
        return;
    }

    attach_and_die(ticks_of(child_pid));
    ck_assert_int_eq(chmod(directory, 0755), 0);
    ck_assert_int_eq(chmod(path, 0666), 0);
    pid = fork();

    if (pid == 0) {
        if (setresuid(65534, 65534, 65534) == -1) {
            _exit(2);
        }

        connect_next(MINT_KEEPER_VERSION);
        _exit(recv(keeper_fd, &byte, 1, 0) > 0);
    }

    do {
        (void) poll(NULL, 0, 5);
        turn();
    } while (waitpid(pid, &status, WNOHANG) == 0);

    ck_assert_int_eq(status, 0);
    take_over();
}
END_TEST


int
main(void)
{
    int       failed;
    Suite    *suite;
    TCase    *tc;
    SRunner  *runner;

    suite = suite_create("keeper_absent");
    tc = tcase_create("keeper_absent");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_next_keeper_gets_everything);
    tcase_add_test(tc, it_may_die_again);
    tcase_add_test(tc, it_may_die_while_it_takes_over);
    tcase_add_test(tc, a_death_is_seen_without_a_keeper);
    tcase_add_test(tc, another_process_is_not_taken_for_it);
    tcase_add_test(tc, another_protocol_is_refused);
    tcase_add_test(tc, a_second_keeper_waits);
    tcase_add_test(tc, before_the_attach_it_is_lost);
    tcase_add_test(tc, others_are_refused);
    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
