/* SPDX-License-Identifier: MIT */
/*
 * The admin socket: who may ask, what is no request, answers in any order,
 * clients that do not read or go away.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
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

#include "contract/mint_admin.h"
#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/admin/server.h"


#define WAIT_MS  5000


static struct event_base    *base;
static struct admin_server  *server;
static struct admin_call    *kept[100];
static size_t                kept_count;
static char                  directory[64], path[96];
static struct error          err;


static void
op_echo(void *ctx, struct admin_call *call, json_t *arguments)
{
    ck_assert_ptr_eq(ctx, &server);
    admin_reply(call, json_pack("{s:O?}", "said",
                                json_object_get(arguments, "say")));
}


static void
op_keep(void *ctx, struct admin_call *call, json_t *arguments)
{
    (void) ctx;
    (void) arguments;
    kept[kept_count++] = call;
}


static void
op_fail(void *ctx, struct admin_call *call, json_t *arguments)
{
    struct error  why;

    (void) ctx;
    (void) arguments;
    error_set(&why, MINT_ERR_CONFLICT, "bad byte \xff here");
    admin_fail(call, &why);
}


static void
op_flood(void *ctx, struct admin_call *call, json_t *arguments)
{
    int    i;
    char  *text;

    (void) ctx;
    (void) arguments;
    text = mem_alloc(100001);
    memset(text, 'x', 100000);

    for (i = 0; i < 200 && admin_call_alive(call); i++) {
        admin_progress(call, text);
    }

    free(text);
    kept[kept_count++] = call;
}


static const struct admin_operation  operations[] = {
    { "echo", ADMIN_ANYONE, op_echo, "answers at once" },
    { "keep", ADMIN_ANYONE, op_keep, "answers later" },
    { "fail", ADMIN_ANYONE, op_fail, "always fails" },
    { "flood", ADMIN_ANYONE, op_flood, "says too much" },
    { "secret", ADMIN_PLATFORM, op_echo, "for the platform" },
    { NULL, ADMIN_ANYONE, NULL, NULL }
};


static void
setup(void)
{
    int                  fd;
    struct sockaddr_un   address;

    setenv("MINT_LOG_LEVEL", "error", 1);
    log_open("test");
    signal(SIGPIPE, SIG_IGN);

    strcpy(directory, "/tmp/mint-admin-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chmod(directory, 0755), 0);
    snprintf(path, sizeof(path), "%s/s", directory);

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(bind(fd, (struct sockaddr *) &address, sizeof(address)),
                     0);
    ck_assert_int_eq(listen(fd, 128), 0);
    ck_assert_int_eq(chmod(path, 0666), 0);

    kept_count = 0;
    base = event_base_new();
    ck_assert_int_eq(admin_server_open(&server, base, fd, operations, &server,
                                       &err), 0);
}


static void
teardown(void)
{
    admin_server_free(&server);
    event_base_free(base);
    unlink(path);
    ck_assert_int_eq(rmdir(directory), 0);
}


static int
dial(void)
{
    int                  fd;
    struct sockaddr_un   address;

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &address,
                             sizeof(address)), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);

    return fd;
}


static void
turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}


/* sends while the server reads */

static void
say(int fd, const char *data, size_t len)
{
    size_t    sent;
    ssize_t   n;
    uint64_t  end_ms;

    end_ms = time_boot_ms() + WAIT_MS;

    for (sent = 0; sent < len; /* void */) {
        n = send(fd, data + sent, len - sent, MSG_NOSIGNAL);
        if (n > 0) {
            sent += (size_t) n;

        } else if (errno == EPIPE || errno == ECONNRESET) {
            return;
        }
        turn();
        ck_assert_uint_lt(time_boot_ms(), end_ms);
    }
}


static void
ask(int fd, const char *text)
{
    say(fd, text, strlen(text));
}


/* the next line as JSON, NULL at the end of the connection */

static json_t *
answer(int fd)
{
    char          *end;
    json_t        *json;
    ssize_t        n;
    uint64_t       end_ms;
    struct strbuf  line;

    static char  chunk[65536];

    memset(&line, 0, sizeof(line));
    end_ms = time_boot_ms() + WAIT_MS;
    end = NULL;

    while (end == NULL) {
        n = recv(fd, chunk, sizeof(chunk), MSG_PEEK);
        if (n > 0) {
            end = memchr(chunk, '\n', (size_t) n);
            n = end != NULL ? end - chunk + 1 : n;
            ck_assert_int_eq(recv(fd, chunk, (size_t) n, 0), n);
            strbuf_append(&line, chunk, (size_t) n);
            continue;
        }

        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            break;
        }

        turn();
        ck_assert_msg(time_boot_ms() < end_ms, "no answer");
    }

    json = NULL;
    if (end != NULL) {
        json = json_loads(strbuf_text(&line), 0, NULL);
        ck_assert_msg(json != NULL, "\"%s\" is not JSON", strbuf_text(&line));
    }

    strbuf_free(&line);

    return json;
}


static void
is_answer(int fd, const char *text)
{
    char    *is;
    json_t  *json, *expected;

    json = answer(fd);
    ck_assert_msg(json != NULL, "closed instead of %s", text);
    expected = json_loads(text, 0, NULL);
    is = json_dumps(json, JSON_COMPACT);
    ck_assert_msg(json_equal(json, expected), "%s instead of %s", is, text);
    free(is);
    json_decref(json);
    json_decref(expected);
}


/* a refusal with this code whose message holds this text */

static void
is_refusal(int fd, int id, const char *code, const char *text)
{
    json_t  *json, *error;

    json = answer(fd);
    ck_assert_ptr_nonnull(json);
    ck_assert(json_is_false(json_object_get(json, "ok")));

    if (id == -1) {
        ck_assert(json_is_null(json_object_get(json, "id")));

    } else {
        ck_assert_int_eq(json_integer_value(json_object_get(json, "id")), id);
    }

    error = json_object_get(json, "error");
    ck_assert_str_eq(json_string_value(json_object_get(error, "code")), code);
    ck_assert_msg(strstr(json_string_value(json_object_get(error,
                                                           "message")),
                         text) != NULL,
                  "\"%s\" without \"%s\"",
                  json_string_value(json_object_get(error, "message")), text);
    json_decref(json);
}


static void
wait_for_kept(size_t count)
{
    uint64_t  end_ms;

    end_ms = time_boot_ms() + WAIT_MS;
    while (kept_count < count) {
        turn();
        ck_assert_uint_lt(time_boot_ms(), end_ms);
    }
}


static void
wait_for_death(size_t i)
{
    uint64_t  end_ms;

    end_ms = time_boot_ms() + WAIT_MS;
    while (admin_call_alive(kept[i])) {
        turn();
        ck_assert_msg(time_boot_ms() < end_ms, "call %zu lives on", i);
    }
}


START_TEST(a_request_is_answered)
{
    int  fd;

    fd = dial();
    ask(fd, "{\"id\":7,\"op\":\"echo\",\"say\":[1,\"\xc3\xa4\"]}\n");
    is_answer(fd, "{\"id\":7,\"ok\":true,\"result\":{\"said\":"
                  "[1,\"\xc3\xa4\"]}}");

    ask(fd, "{\"id\":8,\"op\":\"fail\"}\n");
    is_refusal(fd, 8, "CONFLICT", "bad byte ? here");
    close(fd);
}
END_TEST


START_TEST(answers_come_in_order_of_completion)
{
    int  fd;

    fd = dial();
    ask(fd, "{\"id\":1,\"op\":\"keep\"}\n{\"id\":2,\"op\":\"keep\"}\n"
            "{\"id\":3,\"op\":\"echo\"}\n{\"id\":4,\"op\":\"ke");
    is_answer(fd, "{\"id\":3,\"ok\":true,\"result\":{\"said\":null}}");
    wait_for_kept(2);

    admin_progress(kept[0], "half-way");
    admin_reply(kept[1], NULL);
    is_answer(fd, "{\"id\":1,\"progress\":\"half-way\"}");
    is_answer(fd, "{\"id\":2,\"ok\":true,\"result\":{}}");

    ask(fd, "ep\"}\n");
    wait_for_kept(3);
    admin_reply(kept[2], json_pack("{s:i}", "n", 4));
    admin_reply(kept[0], json_pack("{s:i}", "n", 1));
    is_answer(fd, "{\"id\":4,\"ok\":true,\"result\":{\"n\":4}}");
    is_answer(fd, "{\"id\":1,\"ok\":true,\"result\":{\"n\":1}}");
    close(fd);
}
END_TEST


static const struct {
    const char  *line;
    int          id;            /* -1 = null */
    const char  *code;
    const char  *text;
}  bad_requests[] = {
    { "hello", -1, "INVALID", "at byte" },
    { "{\"id\":1,", -1, "INVALID", "at byte 8" },
    { "{\"id\":1}{\"id\":2}", -1, "INVALID", "not JSON" },
    { "{\"id\":1,\"id\":2,\"op\":\"echo\"}", -1, "INVALID", "duplicate" },
    { "{\"id\":1,\"op\":\"\xff\"}", -1, "INVALID", "not JSON" },
    { "[]", -1, "INVALID", "integer \"id\"" },
    { "3", -1, "INVALID", "not JSON" },
    { "{\"op\":\"echo\"}", -1, "INVALID", "integer \"id\"" },
    { "{\"id\":\"1\",\"op\":\"echo\"}", -1, "INVALID", "integer \"id\"" },
    { "{\"id\":1}", 1, "INVALID", "\"op\"" },
    { "{\"id\":1,\"op\":5}", 1, "INVALID", "\"op\"" },
    { "{\"id\":1,\"op\":\"unheard\"}", 1, "NOT_FOUND",
      "\"unheard\"; there are echo, keep, fail, flood, secret" },
    { "{\"id\":1,\"op\":\"secret\"}", 1, "FORBIDDEN", "mint-platform" }
};


START_TEST(a_bad_request_is_told_and_the_connection_goes_on)
{
    int  fd;

    fd = dial();
    ask(fd, bad_requests[_i].line);
    ask(fd, "\n");
    is_refusal(fd, bad_requests[_i].id, bad_requests[_i].code,
               bad_requests[_i].text);

    ask(fd, "\n{\"id\":9,\"op\":\"echo\"}\n");
    is_answer(fd, "{\"id\":9,\"ok\":true,\"result\":{\"said\":null}}");
    close(fd);
}
END_TEST


START_TEST(the_platform_may_do_more)
{
    int  fd;

    fd = dial();
    admin_server_set_platform(server, getpid());
    ask(fd, "{\"id\":1,\"op\":\"secret\"}\n");
    is_answer(fd, "{\"id\":1,\"ok\":true,\"result\":{\"said\":null}}");

    /* another process is the platform now */
    admin_server_set_platform(server, getpid() + 1);
    ask(fd, "{\"id\":2,\"op\":\"secret\"}\n");
    is_refusal(fd, 2, "FORBIDDEN", "mint-platform");
    close(fd);
}
END_TEST


START_TEST(another_user_is_refused)
{
    int    status, pipes[2];
    char   line[256];
    pid_t  pid;

    if (geteuid() != 0) {
        printf("not tried without root: a peer of another user\n");
        return;
    }

    ck_assert_int_eq(pipe(pipes), 0);
    pid = fork();
    if (pid == 0) {
        int      fd;
        ssize_t  n;

        struct sockaddr_un  address;

        if (setgid(65534) == -1 || setuid(65534) == -1) {
            _exit(10);
        }
        memset(&address, 0, sizeof(address));
        address.sun_family = AF_UNIX;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) == -1)
        {
            _exit(11);
        }

        /* it may have been refused before it asks */

        if (write(fd, "{\"id\":1,\"op\":\"echo\"}\n", 21) != 21
            && errno != EPIPE)
        {
            _exit(12);
        }
        while ((n = read(fd, line, sizeof(line))) > 0) {
            if (write(pipes[1], line, (size_t) n) != n) {
                _exit(13);
            }
        }
        _exit(0);
    }

    close(pipes[1]);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        turn();
    }
    ck_assert_int_eq(status, 0);

    memset(line, 0, sizeof(line));
    ck_assert_int_gt(read(pipes[0], line, sizeof(line) - 1), 0);
    ck_assert_ptr_nonnull(strstr(line, "FORBIDDEN"));
    ck_assert_ptr_null(strstr(line, "\"ok\":true"));
    close(pipes[0]);
}
END_TEST


START_TEST(a_long_line_is_taken)
{
    int      fd;
    char    *line;
    json_t  *json;
    size_t   len;

    /* just as long as allowed, its end included */
    len = MINT_ADMIN_LINE_MAX;
    line = mem_alloc(len + 1);
    memset(line, 'x', len);
    memcpy(line, "{\"id\":1,\"op\":\"echo\",\"say\":\"", 27);
    memcpy(line + len - 3, "\"}\n", 3);

    fd = dial();
    say(fd, line, len);
    json = answer(fd);
    ck_assert_ptr_nonnull(json);
    ck_assert_uint_eq(json_string_length(json_object_get(
                          json_object_get(json, "result"), "said")),
                      len - 27 - 3);
    json_decref(json);
    close(fd);
    free(line);
}
END_TEST


START_TEST(a_longer_line_closes_the_connection)
{
    int    fd;
    char  *line;

    line = mem_alloc(MINT_ADMIN_LINE_MAX + 100);
    memset(line, 'x', MINT_ADMIN_LINE_MAX + 100);

    fd = dial();
    say(fd, line, MINT_ADMIN_LINE_MAX + 100);
    is_refusal(fd, -1, "INVALID", "longer than 4 MiB");
    ck_assert_ptr_null(answer(fd));
    close(fd);
    free(line);
}
END_TEST


START_TEST(who_does_not_read_is_closed)
{
    int  fd;

    fd = dial();
    ask(fd, "{\"id\":1,\"op\":\"keep\"}\n{\"id\":2,\"op\":\"flood\"}\n");
    wait_for_kept(2);

    /* 20 MB were said, 8 are kept at most */
    ck_assert(!admin_call_alive(kept[1]));
    ck_assert(!admin_call_alive(kept[0]));
    admin_reply(kept[0], NULL);
    admin_progress(kept[1], "nobody hears");
    admin_fail(kept[1], &err);
    turn();
    close(fd);
}
END_TEST


START_TEST(a_call_outlives_its_connection)
{
    int  fd;

    fd = dial();
    ask(fd, "{\"id\":1,\"op\":\"keep\"}\n{\"id\":2,\"op\":\"keep\"}\n");
    wait_for_kept(2);
    ck_assert(admin_call_alive(kept[0]));
    close(fd);
    wait_for_death(0);
    wait_for_death(1);

    admin_progress(kept[0], "nobody hears");
    admin_reply(kept[0], json_pack("{s:i}", "n", 1));
    admin_fail(kept[1], &err);
    turn();
}
END_TEST


START_TEST(a_call_outlives_the_server)
{
    int  fd;

    fd = dial();
    ask(fd, "{\"id\":1,\"op\":\"keep\"}\n{\"id\":2,\"op\":\"keep\"}\n");
    wait_for_kept(2);

    /* what was answered before still goes out */
    admin_reply(kept[1], NULL);
    admin_server_free(&server);
    ck_assert_ptr_null(server);
    ck_assert(!admin_call_alive(kept[0]));
    admin_reply(kept[0], json_pack("{s:i}", "n", 1));
    is_answer(fd, "{\"id\":2,\"ok\":true,\"result\":{}}");
    ck_assert_ptr_null(answer(fd));
    close(fd);
}
END_TEST


START_TEST(who_stops_asking_still_gets_answers)
{
    int  fd;

    fd = dial();
    ask(fd, "{\"id\":1,\"op\":\"keep\"}\n{\"id\":2,\"op\":\"echo\"}\n");
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    is_answer(fd, "{\"id\":2,\"ok\":true,\"result\":{\"said\":null}}");
    ck_assert(admin_call_alive(kept[0]));
    admin_reply(kept[0], NULL);
    is_answer(fd, "{\"id\":1,\"ok\":true,\"result\":{}}");
    ck_assert_ptr_null(answer(fd));
    close(fd);
}
END_TEST


START_TEST(too_much_at_a_time_is_refused)
{
    int   i, fd, others[70];
    char  line[64];

    fd = dial();
    for (i = 0; i <= 64; i++) {
        snprintf(line, sizeof(line), "{\"id\":%d,\"op\":\"keep\"}\n", i);
        ask(fd, line);
    }
    is_refusal(fd, 64, "BUSY", "under way");
    ck_assert_uint_eq(kept_count, 64);

    /* connections: this one and 63 more are served */
    for (i = 0; i < 70; i++) {
        others[i] = dial();
        turn();
        ask(others[i], "{\"id\":1,\"op\":\"echo\"}\n");
        if (i < 63) {
            is_answer(others[i],
                      "{\"id\":1,\"ok\":true,\"result\":{\"said\":null}}");

        } else {
            is_refusal(others[i], -1, "BUSY", "connections");
            close(others[i]);
        }
    }

    for (i = 0; i < 64; i++) {
        admin_reply(kept[i], NULL);
        close(others[i < 63 ? i : 0]);
    }
    close(fd);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *cases;
    Suite    *suite;
    SRunner  *runner;

    setbuf(stdout, NULL);

    suite = suite_create("server");
    cases = tcase_create("server");
    tcase_set_timeout(cases, 30);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_request_is_answered);
    tcase_add_test(cases, answers_come_in_order_of_completion);
    tcase_add_loop_test(cases,
                        a_bad_request_is_told_and_the_connection_goes_on, 0,
                        (int) (sizeof(bad_requests)
                               / sizeof(bad_requests[0])));
    tcase_add_test(cases, the_platform_may_do_more);
    tcase_add_test(cases, another_user_is_refused);
    tcase_add_test(cases, a_long_line_is_taken);
    tcase_add_test(cases, a_longer_line_closes_the_connection);
    tcase_add_test(cases, who_does_not_read_is_closed);
    tcase_add_test(cases, a_call_outlives_its_connection);
    tcase_add_test(cases, a_call_outlives_the_server);
    tcase_add_test(cases, who_stops_asking_still_gets_answers);
    tcase_add_test(cases, too_much_at_a_time_is_refused);
    suite_add_tcase(suite, cases);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? 0 : 1;
}
