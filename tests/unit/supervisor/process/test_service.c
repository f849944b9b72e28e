/* SPDX-License-Identifier: MIT */
/*
 * The service's state machine against a keeper played by this test on the
 * other end of the socketpair: no process is started, every answer and every
 * death is the test's.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/process/service_private.h"


#define TEST_DEADLINE_MS  5000


/* what the played keeper has been asked for */
struct played {
    int       fd;
    uint32_t  child;                /* id of the last SPAWN */
    int       report;               /* write end of its report pipe */
    int       log;
    int       spawns;
    int       last_signal;
    int       drained;
    int       spawn_status;         /* what to answer, 0 = started */
    bool      is_silent;            /* do not answer SPAWN yet */
    bool      dies_on_signal;
    uint32_t  warm_id;              /* of the last SPAWN */
    int       fork_status;          /* what to answer to one with it */
    uint32_t  oom_kills;            /* what an end is to tell */
};


static struct event_base     *base;
static struct keeper_client  *keeper;
static struct process_table  *table;
static struct http_client    *http;
static struct service_pool   *pool;
static struct service        *service;
static struct played          played;
static uint32_t               in_flight;
static int                    states[64];
static int                    state_count;
static bool                   fill_fails;
static uint64_t               memory_bytes;     /* the limit asked for */
static uint32_t               warm_id;          /* to be forked from */
static int                    unforked;         /* why it was not */


/* ---- the played keeper --------------------------------------------- */

static void
play_send(const void *message, size_t len, const int *fds, size_t count)
{
    char             control[CMSG_SPACE(4 * sizeof(int))];
    struct iovec     iov;
    struct msghdr    header;
    struct cmsghdr  *cmsg;

    memset(&header, 0, sizeof(header));
    memset(control, 0, sizeof(control));
    iov.iov_base = (void *) (uintptr_t) message;
    iov.iov_len = len;
    header.msg_iov = &iov;
    header.msg_iovlen = 1;

    if (count > 0) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
        cmsg = CMSG_FIRSTHDR(&header);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
    }

    ck_assert_int_eq((int) sendmsg(played.fd, &header, 0), (int) len);
}


static void
play_child(uint32_t serial, uint32_t id)
{
    int                        log[2], report[2], fds[4];
    struct mint_keeper_child  *child;
    char                       message[sizeof(*child) + 12];

    memset(message, 0, sizeof(message));
    child = (struct mint_keeper_child *) (void *) message;
    child->header.version = MINT_KEEPER_VERSION;
    child->header.type = MINT_KEEPER_CHILD;
    child->header.serial = serial;
    child->header.status = played.warm_id != 0 ? played.fork_status
                                               : played.spawn_status;
    child->header.id = id;
    child->pid = 4000 + (int) id;
    child->flags = MINT_SPAWN_REPORT;
    child->started_unix_ms = 1000;
    strcpy(message + sizeof(*child), "label");

    if (child->header.status != 0) {
        play_send(message, sizeof(*child) + 12, NULL, 0);
        return;
    }

    ck_assert_int_eq(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
    ck_assert_int_eq(pipe2(report, O_CLOEXEC | O_NONBLOCK), 0);
    memcpy(fds, log, sizeof(log));
    memcpy(fds + 2, report, sizeof(report));
    play_send(message, sizeof(*child) + 12, fds, 4);
    close(log[0]);
    close(report[0]);

    if (played.report != -1) {
        close(played.report);
        close(played.log);
    }

    played.log = log[1];
    played.report = report[1];
}


static void
play_exit(int wait_status)
{
    struct mint_keeper_exited  exited;

    memset(&exited, 0, sizeof(exited));
    exited.header.version = MINT_KEEPER_VERSION;
    exited.header.type = MINT_KEEPER_EXITED;
    exited.header.id = played.child;
    exited.pid = 4000 + (int) played.child;
    exited.wait_status = wait_status;
    exited.oom_kills = played.oom_kills;

    play_send(&exited, sizeof(exited), NULL, 0);
}


static void
play_done(uint32_t serial, uint32_t id)
{
    struct mint_keeper_header  done;

    memset(&done, 0, sizeof(done));
    done.version = MINT_KEEPER_VERSION;
    done.type = MINT_KEEPER_DONE;
    done.serial = serial;
    done.id = id;

    play_send(&done, sizeof(done), NULL, 0);
}


static void
play_on_request(evutil_socket_t fd, short what, void *arg)
{
    char                        message[MINT_KEEPER_MESSAGE_MAX];
    ssize_t                     n;
    struct mint_keeper_header  *header;

    (void) what;
    (void) arg;

    n = recv(fd, message, sizeof(message), MSG_DONTWAIT);
    if (n <= 0) {
        return;
    }

    header = (struct mint_keeper_header *) (void *) message;

    switch (header->type) {

    case MINT_KEEPER_SPAWN:
        played.spawns++;
        played.child = header->id;
        played.warm_id =
                       ((struct mint_keeper_spawn *) (void *) message)->warm_id;

        if (!played.is_silent) {
            play_child(header->serial, header->id);
        }

        return;

    case MINT_KEEPER_SIGNAL:
        played.last_signal =
                       ((struct mint_keeper_signal *) (void *) message)->signal;
        play_done(header->serial, header->id);

        if (played.dies_on_signal) {
            play_exit(played.last_signal);
        }

        return;

    case MINT_KEEPER_DRAINED:
        played.drained++;
        play_done(header->serial, header->id);
        return;

    default:
        ck_abort_msg("request %d was not expected", header->type);
    }
}


/* ---- fixture ------------------------------------------------------- */

static void
on_exited(void *ctx, const struct keeper_exit_info *end)
{
    (void) ctx;

    process_table_exited(table, end);
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


static int
hook_fill(void *ctx, struct service *s, struct keeper_spawn_request *request,
    struct error *err)
{
    static const char *const  argv[] = { "/bin/true", NULL };
    static const char *const  env[] = { "MINT_INSTANCE=demo", NULL };

    (void) ctx;
    (void) s;

    if (fill_fails) {
        return error_set(err, MINT_ERR_CONFLICT, "port 1 is in use");
    }

    request->flags = MINT_SPAWN_REPORT;
    request->uid = UINT32_MAX;
    request->gid = UINT32_MAX;
    request->cwd = "/";
    request->argv = argv;
    request->env = env;
    request->memory_bytes = memory_bytes;
    request->warm_id = warm_id;

    return 0;
}


static void
hook_unforked(void *ctx, struct service *s, int status)
{
    (void) ctx;
    (void) s;

    unforked = status;
}


static void
hook_state(void *ctx, struct service *s)
{
    (void) ctx;

    states[state_count++ % 64] = (int) service_state(s);
}


static uint32_t
hook_in_flight(void *ctx, struct service *s)
{
    (void) ctx;
    (void) s;

    return in_flight;
}


static const struct service_hooks  hooks = {
    .fill = hook_fill,
    .on_unforked = hook_unforked,
    .on_state = hook_state,
    .in_flight = hook_in_flight
};


static void
setup(void)
{
    int                     fds[2];
    struct error            err;
    struct service_options  options;

    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    memset(&played, 0, sizeof(played));
    played.report = -1;
    in_flight = 0;
    state_count = 0;
    fill_fails = false;
    memory_bytes = 0;
    warm_id = 0;
    unforked = 0;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC
                                | SOCK_NONBLOCK, 0, fds), 0);
    base = event_base_new();
    played.fd = fds[1];
    ck_assert_int_eq(keeper_client_open(base, fds[0], &events, NULL, &keeper,
                                        &err), 0);
    event_add(event_new(base, fds[1], EV_READ | EV_PERSIST, play_on_request,
                        NULL), NULL);

    table = process_table_new(base, keeper);
    ck_assert_int_eq(http_client_open(&http, base, &err), 0);
    pool = service_pool_new(table, http, 1);

    memset(&options, 0, sizeof(options));
    options.kind = "test";
    options.name = "demo";
    options.place = "0a";
    options.waits_report = true;
    options.stop_signal = SIGTERM;
    options.ready_deadline_sec = 30;
    options.stop_grace_sec = 1;
    options.drain_sec = 1;

    service = service_new(pool, &options, &hooks, NULL);
}


/* runs the loop until the service is in the state */

static void
await(enum service_state state)
{
    uint64_t        end;
    struct timeval  tick;

    end = time_boot_ms() + TEST_DEADLINE_MS;

    while (service_state(service) != state) {
        ck_assert_msg(time_boot_ms() < end, "still %s, not %s",
                      service_state_name(service_state(service)),
                      service_state_name(state));

        tick.tv_sec = 0;
        tick.tv_usec = 5000;
        event_base_loopexit(base, &tick);
        event_base_dispatch(base);
    }
}


static void
await_spawns(int count)
{
    uint64_t        end;
    struct timeval  tick;

    end = time_boot_ms() + TEST_DEADLINE_MS;

    while (played.spawns < count || !service->is_spawned) {
        ck_assert_msg(time_boot_ms() < end, "%d spawns, not %d",
                      played.spawns, count);

        tick.tv_sec = 0;
        tick.tv_usec = 5000;
        event_base_loopexit(base, &tick);
        event_base_dispatch(base);
    }
}


static void
report(const char *line)
{
    ck_assert_int_eq((int) write(played.report, line, strlen(line)),
                     (int) strlen(line));
}


static void
bring_up(void)
{
    service_start(service, MINT_CAUSE_FIRST_START);
    await_spawns(1);
    report("{\"event\": \"ready\"}\n");
    await(SERVICE_READY);
}


/* ---- tests --------------------------------------------------------- */

START_TEST(ready_only_after_the_report)
{
    service_start(service, MINT_CAUSE_FIRST_START);
    await_spawns(1);
    ck_assert_int_eq(service_state(service), SERVICE_STARTING);
    ck_assert_int_eq(service_cause(service), MINT_CAUSE_FIRST_START);

    report("not json\n{\"event\": 3}\n{\"event\": \"ready\"}\n");
    await(SERVICE_READY);

    ck_assert_int_eq(service_cause(service), MINT_CAUSE_NONE);
    ck_assert_uint_eq(service_generation(service), 1);
    ck_assert_int_gt(service_pid(service), 0);
}
END_TEST


START_TEST(forked_when_it_can_be)
{
    warm_id = 77;
    bring_up();

    ck_assert_uint_eq(played.warm_id, 77);
    ck_assert_uint_eq(service_child(service), played.child);
    ck_assert_int_eq(unforked, 0);
}
END_TEST


/* the attempt goes on: no death, no back-off, the same generation */

START_TEST(execed_when_it_cannot_be_forked)
{
    warm_id = 77;
    played.fork_status = ETIMEDOUT;
    service_start(service, MINT_CAUSE_FIRST_START);
    await_spawns(2);

    ck_assert_int_eq(unforked, ETIMEDOUT);
    ck_assert_uint_eq(played.warm_id, 0);
    report("{\"event\": \"ready\"}\n");
    await(SERVICE_READY);

    ck_assert_uint_eq(service_generation(service), 1);
    ck_assert_uint_eq(service_restarts(service), 0);
    ck_assert_str_eq(service_error(service), "");
    ck_assert_int_eq(states[0], SERVICE_QUEUED);
    ck_assert_int_eq(states[1], SERVICE_PREPARING);
    ck_assert_int_eq(states[2], SERVICE_STARTING);

    /* killed by a signal afterwards it is like any other */

    play_exit(SIGKILL);
    await_spawns(4);
    ck_assert_uint_eq(service_generation(service), 2);
}
END_TEST


START_TEST(not_execed_when_it_is_not_wanted_any_more)
{
    warm_id = 77;
    played.fork_status = ETIMEDOUT;
    played.is_silent = true;
    service_start(service, MINT_CAUSE_FIRST_START);
    service_stop(service, true);
    ck_assert_int_eq(service_state(service), SERVICE_STOPPING);

    while (played.spawns == 0) {
        event_base_loop(base, EVLOOP_ONCE);
    }

    play_child(1, played.child);
    await(SERVICE_DOWN);
    ck_assert_int_eq(played.spawns, 1);
    ck_assert_int_eq(unforked, 0);
}
END_TEST


/* by the number that the keeper has of it, also if another was there before */

START_TEST(a_running_process_keeps_its_generation)
{
    service_set_generation(service, 4);
    ck_assert_uint_eq(service_generation(service), 4);
    bring_up();
    ck_assert_uint_eq(service_generation(service), 5);

    service_set_generation(service, 9);
    service_set_generation(service, 7);
    ck_assert_uint_eq(service_generation(service), 5);
    play_exit(SIGKILL);
    await_spawns(2);
    ck_assert_uint_eq(service_generation(service), 10);
}
END_TEST


START_TEST(crash_restarts_at_once_in_the_next_generation)
{
    bring_up();
    play_exit(SIGKILL);
    await_spawns(2);

    ck_assert_int_eq(service_cause(service), MINT_CAUSE_CRASHED);
    ck_assert_uint_eq(service_generation(service), 2);
    ck_assert_str_eq(service_last_exit(service), "killed by signal 9 (Killed)");
    ck_assert_int_eq(played.drained, 1);

    report("{\"event\": \"ready\"}\n");
    await(SERVICE_READY);
    ck_assert_uint_eq(service_restarts(service), 1);
}
END_TEST


START_TEST(second_crash_waits_and_fifth_gives_up)
{
    int  i;

    bring_up();
    play_exit(SIGSEGV);             /* at once */
    await_spawns(2);
    play_exit(1 << 8);
    await(SERVICE_BACKOFF);
    ck_assert_uint_ge(service_retry_after_sec(service), 1);

    for (i = 3; i <= 5; i++) {
        service_start(service, MINT_CAUSE_NONE);    /* do not wait for it */
        await_spawns(i);
        play_exit(1 << 8);
        await(i == 5 ? SERVICE_FAILED : SERVICE_BACKOFF);
    }

    ck_assert_int_eq(service_cause(service), MINT_CAUSE_FAILED);
    ck_assert_uint_ge(service_retry_after_sec(service), 300);

    /* by hand it goes on at once, with a clean record */
    service_restart(service, MINT_CAUSE_RESTART);
    await_spawns(6);
    report("{\"event\": \"ready\"}\n");
    await(SERVICE_READY);
}
END_TEST


/* not back to a try a minute: it stays given up until it has been ready */

START_TEST(failed_again_waits_as_long_again)
{
    int  i;

    service_start(service, MINT_CAUSE_FIRST_START);

    for (i = 1; i <= 5; i++) {
        await_spawns(i);
        play_exit(1 << 8);

        if (i > 1 && i < 5) {
            await(SERVICE_BACKOFF);
            service_start(service, MINT_CAUSE_NONE);
        }
    }

    await(SERVICE_FAILED);
    memset(service->deaths, 0, sizeof(service->deaths));
    service_event(service, EVENT_TIMER);
    await_spawns(6);
    play_exit(1 << 8);
    await(SERVICE_FAILED);
    ck_assert_int_eq(service_cause(service), MINT_CAUSE_FAILED);
    ck_assert_uint_ge(service_retry_after_sec(service), 300);
}
END_TEST


/* what everything else needs is not left alone for minutes */

START_TEST(failed_waits_as_long_as_its_options_say)
{
    int  i;

    service->options.failed_retry_sec = 10;
    service_start(service, MINT_CAUSE_FIRST_START);

    for (i = 1; i <= 5; i++) {
        await_spawns(i);
        play_exit(1 << 8);

        if (i > 1 && i < 5) {
            await(SERVICE_BACKOFF);
            service_start(service, MINT_CAUSE_NONE);
        }
    }

    await(SERVICE_FAILED);
    ck_assert_uint_ge(service_retry_after_sec(service), 10);
    ck_assert_uint_le(service_retry_after_sec(service), 11);
}
END_TEST


START_TEST(never_ready_is_killed_and_said)
{
    service->options.ready_deadline_sec = 1;
    service_start(service, MINT_CAUSE_FIRST_START);
    await_spawns(1);

    while (played.last_signal == 0) {
        event_base_loop(base, EVLOOP_ONCE);
    }

    ck_assert_int_eq(played.last_signal, SIGKILL);
    play_exit(SIGKILL);
    await(SERVICE_FAILED);
    ck_assert_str_eq(service_error(service), "was not ready within 1 s");
    ck_assert_uint_gt(service_retry_after_sec(service), 60);
}
END_TEST


START_TEST(crash_while_probed_is_not_called_a_failed_probe)
{
    service->options.probe_url = mem_strdup("http://127.0.0.1:1/");
    service_start(service, MINT_CAUSE_FIRST_START);
    await_spawns(1);
    report("{\"event\": \"ready\"}\n");

    while (service->probe_error[0] == '\0') {
        event_base_loop(base, EVLOOP_ONCE);
    }

    ck_assert_int_ne(service->probe_error[strlen(service->probe_error) - 1],
                     '0');
    service->backoff = 1;
    play_exit(1 << 8);
    await(SERVICE_BACKOFF);
    ck_assert_str_eq(service_error(service), "exited with status 1");
}
END_TEST


START_TEST(failure_report_is_the_reason)
{
    service_start(service, MINT_CAUSE_FIRST_START);
    await_spawns(1);
    report("{\"event\": \"failed\", \"stage\": \"import\", \"error\": "
           "\"No module named 'x'\", \"traceback\": \"...\"}\n");
    play_exit(1 << 8);
    await_spawns(2);
    play_exit(1 << 8);
    await(SERVICE_BACKOFF);

    ck_assert_int_eq(service_cause(service), MINT_CAUSE_FIRST_START);
    ck_assert_ptr_nonnull(strstr(service_error(service), "status 1"));
}
END_TEST


START_TEST(refused_spawn_is_tried_again_later)
{
    played.spawn_status = EACCES;
    service_start(service, MINT_CAUSE_FIRST_START);
    await(SERVICE_BACKOFF);

    ck_assert_ptr_nonnull(strstr(service_error(service),
                                 "Permission denied"));
    ck_assert_int_eq(service_pid(service), 0);
}
END_TEST


START_TEST(failing_fill_names_its_reason)
{
    fill_fails = true;
    service_start(service, MINT_CAUSE_FIRST_START);
    await(SERVICE_BACKOFF);

    ck_assert_str_eq(service_error(service), "port 1 is in use");
    ck_assert_int_eq(played.spawns, 0);
}
END_TEST


START_TEST(restart_waits_for_requests_in_flight)
{
    int  i;

    bring_up();
    in_flight = 1;
    played.dies_on_signal = true;
    service_restart(service, MINT_CAUSE_RESTART);
    ck_assert_int_eq(service_state(service), SERVICE_DRAINING);

    for (i = 0; i < 10; i++) {
        event_base_loop(base, EVLOOP_ONCE);
    }

    ck_assert_int_eq(service_state(service), SERVICE_DRAINING);
    ck_assert_int_eq(played.last_signal, 0);

    in_flight = 0;
    await_spawns(2);
    ck_assert_int_eq(played.last_signal, SIGTERM);

    report("{\"event\": \"ready\"}\n");
    await(SERVICE_READY);
    ck_assert_uint_eq(service_generation(service), 2);
}
END_TEST


START_TEST(drain_ends_at_its_limit)
{
    bring_up();
    in_flight = 1;
    played.dies_on_signal = true;
    service_restart(service, MINT_CAUSE_RESTART);

    await_spawns(2);                /* after drain_sec, not never */
    ck_assert_int_eq(played.last_signal, SIGTERM);
}
END_TEST


START_TEST(stop_kills_what_does_not_stop)
{
    uint64_t  start;

    /* the system's stop does not wait for a long grace */

    service->options.stop_grace_sec = 60;
    bring_up();
    start = time_boot_ms();

    if (_i == 1) {
        service_restart(service, MINT_CAUSE_RESTART);   /* with 60 s */
        service_event(service, EVENT_DRAINED);
        ck_assert_int_eq(service_state(service), SERVICE_STOPPING);
    }

    service_stop(service, true);
    ck_assert_int_eq(service_state(service), SERVICE_STOPPING);

    while (played.last_signal != SIGKILL) {
        event_base_loop(base, EVLOOP_ONCE);
    }

    ck_assert_uint_lt(time_boot_ms() - start, 4500);
    play_exit(SIGKILL);
    await(SERVICE_DOWN);
    ck_assert_str_eq(service_last_exit(service),
                     "killed: did not stop within 3 s");
    ck_assert_int_eq(service_cause(service), MINT_CAUSE_STOPPED);
    ck_assert_int_eq(played.spawns, 1);
}
END_TEST


START_TEST(stop_before_the_keeper_has_answered)
{
    played.is_silent = true;
    played.dies_on_signal = true;
    service_start(service, MINT_CAUSE_FIRST_START);
    ck_assert_int_eq(service_state(service), SERVICE_STARTING);
    service_stop(service, true);
    ck_assert_int_eq(service_state(service), SERVICE_STOPPING);

    while (played.spawns == 0) {
        event_base_loop(base, EVLOOP_ONCE);
    }

    ck_assert_int_eq(played.last_signal, 0);
    play_child(1, played.child);
    await(SERVICE_DOWN);
    ck_assert_int_eq(played.last_signal, SIGTERM);
}
END_TEST


START_TEST(one_place_starts_one_at_a_time)
{
    struct service          *second;
    struct service_options   options;

    options = service->options;
    options.name = "second";
    second = service_new(pool, &options, &hooks, NULL);

    service_start(service, MINT_CAUSE_FIRST_START);
    service_start(second, MINT_CAUSE_FIRST_START);
    await_spawns(1);
    ck_assert_int_eq(service_state(second), SERVICE_QUEUED);

    report("{\"event\": \"ready\"}\n");
    await(SERVICE_READY);
    ck_assert_int_eq(service_state(second), SERVICE_STARTING);
}
END_TEST


START_TEST(adopted_process_stays_ready)
{
    int             log[2];
    struct process  process;

    ck_assert_int_eq(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
    memset(&process, 0, sizeof(process));
    process.id = 77;
    process.pid = 4077;
    process.log_fd = log[0];
    process.report_fd = -1;
    process.control_fd = -1;

    service_adopt(service, &process, 9, true);
    ck_assert_int_eq(service_state(service), SERVICE_READY);
    ck_assert_uint_eq(service_generation(service), 9);

    service_start(service, MINT_CAUSE_FIRST_START);
    ck_assert_int_eq(played.spawns, 0);

    played.child = 77;
    play_exit(SIGKILL);
    await_spawns(1);
    ck_assert_uint_eq(service_generation(service), 10);
}
END_TEST


/* what a supervisor before has begun counts, too */

START_TEST(adopted_start_takes_a_place)
{
    int                      log[2];
    struct process           process;
    struct service          *second;
    struct service_options   options;

    options = service->options;
    options.name = "second";
    second = service_new(pool, &options, &hooks, NULL);

    ck_assert_int_eq(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
    memset(&process, 0, sizeof(process));
    process.id = 77;
    process.pid = 4077;
    process.log_fd = log[0];
    process.report_fd = -1;
    process.control_fd = -1;

    service->options.probe_url = mem_strdup("http://127.0.0.1:1/");
    service_adopt(service, &process, 9, false);
    ck_assert_int_eq(service_state(service), SERVICE_STARTING);
    service_start(second, MINT_CAUSE_FIRST_START);
    ck_assert_int_eq(service_state(second), SERVICE_QUEUED);

    service_event(service, EVENT_UP);
    ck_assert_int_eq(service_state(second), SERVICE_STARTING);
}
END_TEST


START_TEST(dead_process_found_is_reported_and_replaced)
{
    int             log[2];
    json_t         *list;
    struct process  process;

    ck_assert_int_eq(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
    ck_assert_int_eq((int) write(log[1], "last words\n", 11), 11);
    memset(&process, 0, sizeof(process));
    process.id = 5;
    process.pid = 4005;
    process.log_fd = log[0];
    process.report_fd = -1;
    process.control_fd = -1;

    service_adopt_dead(service, &process, 3, 7 << 8);
    ck_assert_str_eq(service_last_exit(service), "exited with status 7");
    ck_assert_str_eq(output_last_line(service_output(service)),
                     "last words");

    await_spawns(1);
    ck_assert_uint_eq(service_generation(service), 4);

    list = output_tail(service_output(service), 10);
    ck_assert_uint_ge(json_array_size(list), 2);
    json_decref(list);
}
END_TEST


struct seen {
    struct service_exit  exit;
    int                  exits;
    int                  states_before;
    int                  states;
    enum service_state   from;
};


static void
see_exit(void *ctx, struct service *s, const struct service_exit *end)
{
    struct seen  *seen;

    ck_assert_ptr_eq(s, service);
    seen = ctx;
    seen->exit = *end;
    seen->exits++;
    seen->states_before = seen->states;
}


static void
see_state(void *ctx, struct service *s, enum service_state from)
{
    struct seen  *seen;

    seen = ctx;
    ck_assert(service_state(s) != from);
    seen->from = from;
    seen->states++;
}


START_TEST(a_condemned_process_ends_with_the_reason)
{
    bring_up();
    played.dies_on_signal = true;
    service_condemn(service, "did not answer 3 times in a row");
    await_spawns(2);

    ck_assert_int_eq(played.last_signal, SIGKILL);
    ck_assert_str_eq(service_last_exit(service),
                     "killed: did not answer 3 times in a row");
    ck_assert_int_eq(service_cause(service), MINT_CAUSE_CRASHED);
    ck_assert_uint_eq(service_restarts(service), 1);

    /* not while it starts: there is a deadline for that */

    played.last_signal = 0;
    service_condemn(service, "is too slow");
    ck_assert_int_eq(service_state(service), SERVICE_STARTING);
    ck_assert_int_eq(played.last_signal, 0);
}
END_TEST


static const struct {
    uint64_t     memory_bytes;
    uint32_t     oom_kills;
    int          wait_status;
    const char  *text;
} ends[] = {
    { 400 << 20, 1, SIGKILL, "out of memory: killed at its limit of 400 MiB" },
    { 0, 1, SIGKILL,
      "out of memory: killed by the kernel, without a limit of its own" },
    { 400 << 20, 0, SIGKILL, "killed by signal 9 (Killed)" },

    /* a job's process was killed, the plugin ended of itself */
    { 400 << 20, 3, 1 << 8, "exited with status 1" }
};


START_TEST(out_of_memory_is_said)
{
    memory_bytes = ends[_i].memory_bytes;
    played.oom_kills = ends[_i].oom_kills;
    bring_up();
    play_exit(ends[_i].wait_status);
    await_spawns(2);
    ck_assert_str_eq(service_last_exit(service), ends[_i].text);
}
END_TEST


START_TEST(observers_see_the_exit_before_the_next_state)
{
    struct seen              seen;
    struct service_observer  both = { &seen, see_exit, see_state, NULL };
    struct service_observer  none = { NULL, NULL, NULL, NULL };

    memset(&seen, 0, sizeof(seen));
    service_pool_observe(pool, &none);
    service_pool_observe(pool, &both);

    bring_up();
    ck_assert_int_eq(seen.from, SERVICE_STARTING);
    ck_assert_int_eq(seen.exits, 0);

    play_exit(SIGSEGV);
    await_spawns(2);

    ck_assert_int_eq(seen.exits, 1);
    ck_assert_int_eq(seen.exit.state, SERVICE_READY);
    ck_assert_int_eq(seen.exit.wait_status, SIGSEGV);
    ck_assert_uint_eq(seen.exit.generation, 1);
    ck_assert_int_gt(seen.exit.pid, 0);
    ck_assert(!seen.exit.was_alone);
    ck_assert_int_gt(seen.states, seen.states_before);
}
END_TEST


/* every event in every state: what means nothing changes nothing */

START_TEST(every_pair_of_state_and_event)
{
    int                 state, event, before;
    enum service_state  after;

    for (state = 0; state < SERVICE_STATE_COUNT; state++) {
        for (event = 0; event < EVENT_COUNT; event++) {

            service->state = (enum service_state) state;
            service->is_wanted = true;
            service->is_spawned = true;
            service->process.id = 0;
            pool->places = 0;           /* a start stays in the queue */
            service->has_place = false;
            memset(service->deaths, 0, sizeof(service->deaths));
            service->backoff = 1;
            before = state_count;

            service_event(service, (enum service_event) event);

            after = service_state(service);
            ck_assert_int_lt(after, SERVICE_STATE_COUNT);
            ck_assert_msg(state_count > before
                          || after == (enum service_state) state,
                          "%s changed silently by event %d",
                          service_state_name((enum service_state) state),
                          event);

            /* only a running process becomes ready, stops or dies */
            ck_assert(after != SERVICE_READY || state == SERVICE_READY
                      || state == SERVICE_STARTING);
            ck_assert(after != SERVICE_DOWN || state == SERVICE_DOWN
                      || event == EVENT_STOP);
        }
    }
}
END_TEST


/* ---- memory across supervisors -------------------------------------- */

static void
next_supervisor(const char *path, const char *mark)
{
    struct service_options  options;

    memset(&options, 0, sizeof(options));
    options.kind = "test";
    options.name = "demo";
    options.place = "0a";
    options.waits_report = true;
    options.stop_signal = SIGTERM;
    options.ready_deadline_sec = 30;
    options.stop_grace_sec = 1;

    service_free(&service);
    service_pool_free(&pool);
    pool = service_pool_new(table, http, 1);
    service_pool_remember(pool, path, mark);
    service = service_new(pool, &options, &hooks, NULL);
}


static char *
memory_path(void)
{
    return mem_printf("%s/services.json", getenv("TMPDIR") != NULL
                      ? getenv("TMPDIR") : "/tmp");
}


START_TEST(back_off_outlives_the_supervisor)
{
    char      *path;
    unsigned   delay_ms;

    path = memory_path();
    unlink(path);
    next_supervisor(path, "keeper 1");
    bring_up();
    play_exit(SIGKILL);
    await_spawns(2);
    play_exit(SIGKILL);
    await(SERVICE_BACKOFF);
    delay_ms = service->delay_ms;
    ck_assert_uint_ge(delay_ms, 800);

    next_supervisor(path, "keeper 1");
    ck_assert_uint_eq(service_restarts(service), 2);
    ck_assert_ptr_nonnull(strstr(service_last_exit(service), "signal 9"));

    service_start(service, MINT_CAUSE_FIRST_START);
    ck_assert_int_eq(service_state(service), SERVICE_BACKOFF);
    ck_assert_uint_le(service->delay_ms, delay_ms);
    ck_assert_int_eq(service_cause(service), MINT_CAUSE_CRASHED);
    await_spawns(3);
    ck_assert_uint_eq(service->backoff, 2);

    /* by hand it is forgotten, also for the one after */

    service_restart(service, MINT_CAUSE_RESTART);
    service_memory_save(pool);
    next_supervisor(path, "keeper 1");
    ck_assert_uint_eq(service->backoff, 0);

    /* of another keeper's supervisor nothing is believed */

    next_supervisor(path, "keeper 2");
    ck_assert_uint_eq(service_restarts(service), 0);

    unlink(path);
    free(path);
}
END_TEST


START_TEST(giving_up_outlives_the_supervisor)
{
    char  *path;

    path = memory_path();
    unlink(path);
    next_supervisor(path, "keeper 1");
    service->options.failed_retry_sec = 100;
    bring_up();

    service->deaths[0] = service->deaths[1] = time_boot_ms();
    service->deaths[2] = service->deaths[3] = time_boot_ms();
    service->counted_generation = 0;
    play_exit(SIGSEGV);
    await(SERVICE_FAILED);

    next_supervisor(path, "keeper 1");
    service_start(service, MINT_CAUSE_FIRST_START);
    ck_assert_int_eq(service_state(service), SERVICE_FAILED);
    ck_assert_int_eq(service_cause(service), MINT_CAUSE_FAILED);
    ck_assert_uint_gt(service->delay_ms, 90000);
    ck_assert_ptr_nonnull(strstr(service_error(service), "signal 11"));

    unlink(path);
    free(path);
}
END_TEST


/* found dead again by the next supervisor, before the keeper had forgotten */

START_TEST(a_death_is_counted_once)
{
    bring_up();
    service_memory_count(service);
    service_memory_count(service);
    ck_assert_uint_ne(service->deaths[0], 0);
    ck_assert_uint_eq(service->deaths[1], 0);

    service->generation++;
    service_memory_count(service);
    ck_assert_uint_ne(service->deaths[1], 0);
    ck_assert_uint_eq(service->deaths[2], 0);
}
END_TEST


START_TEST(a_minute_of_being_ready_forgives)
{
    bring_up();
    ck_assert(!evtimer_pending(service->timer, NULL));
    play_exit(SIGKILL);
    await_spawns(2);
    report("{\"event\": \"ready\"}\n");
    await(SERVICE_READY);

    ck_assert(evtimer_pending(service->timer, NULL));
    ck_assert(service_memory_has_deaths(service));
    service_event(service, EVENT_TIMER);
    ck_assert(!service_memory_has_deaths(service));
    ck_assert_int_eq(service_state(service), SERVICE_READY);
    ck_assert_uint_eq(service_restarts(service), 1);
}
END_TEST


/* what is not as written is not believed, and harms nothing */

static const char *const  bad_memories[] = {
    "", "{", "[]", "{\"mark\": \"keeper 1\"}",
    "{\"mark\": \"keeper 1\", \"services\": []}",
    "{\"mark\": \"keeper 1\", \"services\": {\"test/demo/0a\": 7}}",
    "{\"mark\": \"keeper 1\", \"services\": {\"test/demo/0a\": {"
    "\"backoff\": -1, \"restarts\": 1e30, \"deaths\": [1e3, \"x\", -7, "
    "9007199254740993, 1, 1, 1, 1, 1], \"until\": 9007199254740993, "
    "\"generation\": \"y\", \"last_exit\": 3, \"error\": null}}}"
};


START_TEST(bad_memory)
{
    char          *path;
    struct error   err;

    path = memory_path();
    ck_assert_int_eq(fs_write_atomic(path, bad_memories[_i],
                                     strlen(bad_memories[_i]), 0600, &err),
                     0);
    next_supervisor(path, "keeper 1");
    ck_assert_uint_eq(service->backoff, 0);
    ck_assert_uint_eq(service_restarts(service), 0);
    service_start(service, MINT_CAUSE_FIRST_START);
    await_spawns(1);

    unlink(path);
    free(path);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tc;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("service");
    tc = tcase_create("service");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, ready_only_after_the_report);
    tcase_add_test(tc, forked_when_it_can_be);
    tcase_add_test(tc, execed_when_it_cannot_be_forked);
    tcase_add_test(tc, not_execed_when_it_is_not_wanted_any_more);
    tcase_add_test(tc, a_running_process_keeps_its_generation);
    tcase_add_test(tc, crash_restarts_at_once_in_the_next_generation);
    tcase_add_test(tc, second_crash_waits_and_fifth_gives_up);
    tcase_add_test(tc, failed_again_waits_as_long_again);
    tcase_add_test(tc, failed_waits_as_long_as_its_options_say);
    tcase_add_test(tc, never_ready_is_killed_and_said);
    tcase_add_test(tc, crash_while_probed_is_not_called_a_failed_probe);
    tcase_add_test(tc, failure_report_is_the_reason);
    tcase_add_test(tc, refused_spawn_is_tried_again_later);
    tcase_add_test(tc, failing_fill_names_its_reason);
    tcase_add_test(tc, restart_waits_for_requests_in_flight);
    tcase_add_test(tc, drain_ends_at_its_limit);
    tcase_add_loop_test(tc, stop_kills_what_does_not_stop, 0, 2);
    tcase_add_test(tc, stop_before_the_keeper_has_answered);
    tcase_add_test(tc, one_place_starts_one_at_a_time);
    tcase_add_test(tc, adopted_process_stays_ready);
    tcase_add_test(tc, adopted_start_takes_a_place);
    tcase_add_test(tc, dead_process_found_is_reported_and_replaced);
    tcase_add_test(tc, observers_see_the_exit_before_the_next_state);
    tcase_add_test(tc, back_off_outlives_the_supervisor);
    tcase_add_test(tc, giving_up_outlives_the_supervisor);
    tcase_add_test(tc, a_death_is_counted_once);
    tcase_add_test(tc, a_minute_of_being_ready_forgives);
    tcase_add_loop_test(tc, bad_memory, 0,
                        sizeof(bad_memories) / sizeof(bad_memories[0]));
    tcase_add_test(tc, every_pair_of_state_and_event);
    tcase_add_test(tc, a_condemned_process_ends_with_the_reason);
    tcase_add_loop_test(tc, out_of_memory_is_said, 0,
                        sizeof(ends) / sizeof(ends[0]));

    suite_add_tcase(suite, tc);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
