/* SPDX-License-Identifier: MIT */
/*
 * Answers in the place of a process: for each request the right kind with the
 * right id, for bytes that are no request one all the same; and connections
 * end in order, whatever their clients do.
 */

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor/process/refuser.h"


static const struct refusal  gone = {
    "peak-table", "starting", "crashed", "has no process", 7
};


static const struct {
    const char  *head;
    const char  *id;                /* NULL: a page */
} heads[] = {
    { "POST /api/x HTTP/1.1\r\nX-Request-ID: ab-1\r\n\r\nbody", "ab-1" },
    { "POST / HTTP/1.1\r\nx-request-id:ab\r\nA: b\r\n\r\n", "ab" },
    { "GET / HTTP/1.1\r\nX-Request-ID: \"\\q\r\n\r\n", "\"\\q" },

    { "GET / HTTP/1.1\r\nAccept: text/html,*/*;q=0.8\r\n\r\n", NULL },
    { "GET / HTTP/1.1\r\nAccept: application/json\r\n\r\n", "" },
    { "POST / HTTP/1.1\r\nAccept: text/html\r\n\r\n", "" },
    { "GETS / HTTP/1.1\r\nAccept: text/html\r\n\r\n", "" },

    /* not a header: in the request line, in the body, without an end */
    { "GET /X-Request-ID: 1 HTTP/1.1\r\n\r\n", "" },
    { "POST / HTTP/1.1\r\n\r\nX-Request-ID: 1\r\n\r\n", "" },
    { "POST / HTTP/1.1\r\nX-Request-ID: 1", "" },
    { "POST / HTTP/1.1\r\nX-Request-ID\r\n\r\n", "" },
    { "POST / HTTP/1.1\r\nX-Request-ID:\r\n\r\n", "" },
    { "POST / HTTP/1.1\r\nX-Request-ID: 12345678901234567890123456789012"
      "345678901234567890123456789012345\r\n\r\n", "" },

    { "", "" },
    { "\n", "" },
    { "\r\n\r\n", "" },
    { "\x16\x03\x01 \xff\xfe\n\n\n:", "" }
};


START_TEST(test_answer)
{
    char           line[64];
    size_t         len;
    json_t        *json;
    const char    *body, *head;
    struct strbuf  answer = { 0 };

    head = heads[_i].head;
    refuser_answer(&answer, head, strlen(head), &gone);

    ck_assert_ptr_eq(strstr(answer.data, "HTTP/1.1 503 "), answer.data);
    ck_assert_ptr_ne(strstr(answer.data, "\r\nRetry-After: 7\r\n"), NULL);

    body = strstr(answer.data, "\r\n\r\n") + 4;
    len = answer.len - (size_t) (body - answer.data);
    snprintf(line, sizeof(line), "\r\nContent-Length: %zu\r\n", len);
    ck_assert_ptr_ne(strstr(answer.data, line), NULL);

    if (heads[_i].id == NULL) {
        ck_assert_ptr_ne(strstr(answer.data, "text/html"), NULL);
        ck_assert_ptr_ne(strstr(body, "\"peak-table\""), NULL);

    } else {
        json = json_loads(body, 0, NULL);
        ck_assert_ptr_ne(json, NULL);
        ck_assert_str_eq(json_string_value(json_object_get(json,
                             "request_id")), heads[_i].id);
        ck_assert_str_eq(json_string_value(json_object_get(json, "cause")),
                         "crashed");
        ck_assert_str_eq(json_string_value(json_object_get(
                             json_object_get(json, "details"), "plugin")),
                         "peak-table");
        json_decref(json);
    }

    strbuf_free(&answer);
}
END_TEST


START_TEST(test_head)
{
    static char  endless[REFUSER_HEAD_MAX];

    memset(endless, 'a', sizeof(endless));

    ck_assert(!refuser_has_head("", 0));
    ck_assert(!refuser_has_head("GET / HTTP/1.1\r\n", 16));
    ck_assert(!refuser_has_head(endless, sizeof(endless) - 1));
    ck_assert(refuser_has_head(endless, sizeof(endless)));
    ck_assert(refuser_has_head("GET / HTTP/1.1\r\n\r\n", 18));
}
END_TEST


/* ---- connections ---------------------------------------------------- */

static int
listening(struct sockaddr_un *address)
{
    int  fd;

    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;      /* autobind: a name of its own */

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(bind(fd, (struct sockaddr *) address,
                          sizeof(sa_family_t)), 0);
    ck_assert_int_eq(listen(fd, 16), 0);

    return fd;
}


static int
connected(int listener)
{
    int                 fd;
    socklen_t           len;
    struct sockaddr_un  address;

    len = sizeof(address);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *) &address,
                                 &len), 0);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &address, len), 0);

    return fd;
}


START_TEST(test_connections)
{
    int                 fd, listener, half, left;
    char                text[4096], big[1 << 16];
    ssize_t             n;
    size_t              len;
    struct refuser      refuser = { 0 };
    struct event_base  *base;
    struct sockaddr_un  address;

    memset(big, 'x', sizeof(big));
    base = event_base_new();
    listener = listening(&address);

    ck_assert_uint_eq(refuser_accept(&refuser, base, listener, &gone), 0);

    /* one with a body, one whose head has no end yet, one that leaves */

    fd = connected(listener);
    half = connected(listener);
    left = connected(listener);
    len = (size_t) snprintf(text, sizeof(text), "POST / HTTP/1.1\r\n"
                            "X-Request-ID: r1\r\nContent-Length: 65536\r\n"
                            "\r\n");
    ck_assert_int_eq(write(fd, text, len), (ssize_t) len);
    ck_assert_int_eq(write(half, "POST", 4), 4);
    close(left);

    ck_assert_uint_eq(refuser_accept(&refuser, base, listener, &gone), 3);
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_loop(base, EVLOOP_NONBLOCK);

    /* it goes on to send, and reads the answer all the same */

    ck_assert_int_eq(write(fd, big, sizeof(big)), (ssize_t) sizeof(big));
    event_base_loop(base, EVLOOP_NONBLOCK);

    len = 0;

    while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0) {
        len += (size_t) n;
    }

    text[len] = '\0';
    ck_assert_int_eq(n, 0);
    ck_assert_ptr_ne(strstr(text, "\"request_id\":\"r1\""), NULL);
    close(fd);

    event_base_loop(base, EVLOOP_NONBLOCK);
    ck_assert_uint_eq(refuser.count, 1);

    refuser_clear(&refuser);
    event_base_loop(base, EVLOOP_NONBLOCK);     /* closes at its next turn */
    ck_assert_uint_eq(refuser.count, 0);
    ck_assert_int_eq(read(half, text, sizeof(text)), 0);

    close(half);
    close(listener);
    event_base_free(base);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("refuser");
    tcase = tcase_create("refuser");
    tcase_add_loop_test(tcase, test_answer, 0,
                        sizeof(heads) / sizeof(heads[0]));
    tcase_add_test(tcase, test_head);
    tcase_add_test(tcase, test_connections);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
