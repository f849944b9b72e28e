/* SPDX-License-Identifier: MIT */
/*
 * The module's judgements about what browsers and proxies say, from tables.
 * The sources are included: the module has no archive to link with.
 */

#include "ngx_mint_module/ngx_http_mint_text.c"
#include "ngx_mint_module/ngx_http_mint_web.c"

#include <stdio.h>
#include <stdlib.h>

#include <check.h>


#define BYTES(text)  (const uint8_t *) (text), strlen(text)
#define COUNT(rows)  (int) (sizeof(rows) / sizeof((rows)[0]))

#define TRACE   "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT  "00f067aa0ba902b7"
#define NO_ID   "00000000000000000000000000000000"


static const struct {
    const char  *name;
    int          is_forwarding;
} names[] = {
    { "X-Forwarded-For", 1 },
    { "x_forwarded_proto", 1 },
    { "X-Forwarded_Host", 1 },
    { "X-FORWARDED-PREFIX", 1 },
    { "x-forwarded-", 1 },
    { "x-forwarded", 0 },
    { "x-forwardedfor", 0 },
    { "Forwarded", 1 },
    { "forwarded-for", 0 },
    { "X-Real-IP", 1 },
    { "x_real_ip", 1 },
    { "x-real-ipx", 0 },
    { "xx-forwarded-for", 0 },
    { "x", 0 },
    { "", 0 }
};


START_TEST(test_is_forwarding)
{
    ck_assert_msg(ngx_http_mint_web_is_forwarding(BYTES(names[_i].name))
                  == names[_i].is_forwarding, "%s", names[_i].name);
}
END_TEST


static const struct {
    const char  *text;
    int          scheme;
} schemes[] = {
    { "http", 0 }, { "HTTPS", 1 }, { "ws", 0 }, { "wss", 1 }, { "", -1 },
    { "https,http", -1 }, { "https ", -1 }, { "httpss", -1 }, { "on", -1 },
    { "h2", -1 }
};


START_TEST(test_scheme)
{
    ck_assert_msg(ngx_http_mint_web_scheme(BYTES(schemes[_i].text))
                  == schemes[_i].scheme, "%s", schemes[_i].text);
}
END_TEST


static const struct {
    const char  *text;
    int          is_good;
} traces[] = {
    { "00-" TRACE "-" PARENT "-01", 1 },
    { "00-" TRACE "-" PARENT "-00", 1 },
    { "00-" TRACE "-" PARENT "-03", 1 },        /* level 2: random id */
    { "00-" TRACE "-" PARENT "-ff", 1 },
    { "01-" TRACE "-" PARENT "-01", 1 },
    { "fe-" TRACE "-" PARENT "-01", 1 },
    { "01-" TRACE "-" PARENT "-01-", 1 },
    { "cc-" TRACE "-" PARENT "-01-what-the-future-will-be-like", 1 },
    { "cc-" TRACE "-" PARENT "-01.what", 0 },
    { "00-" TRACE "-" PARENT "-01-", 0 },
    { "00-" TRACE "-" PARENT "-01-more", 0 },
    { "00-" TRACE "-" PARENT "-011", 0 },
    { "ff-" TRACE "-" PARENT "-01", 0 },
    { "fF-" TRACE "-" PARENT "-01", 0 },
    { "0-" TRACE "-" PARENT "-01", 0 },
    { "000-" TRACE "-" PARENT "-01", 0 },
    { "0x-" TRACE "-" PARENT "-01", 0 },
    { "00_" TRACE "-" PARENT "-01", 0 },
    { "00-" TRACE "_" PARENT "-01", 0 },
    { "00-" TRACE "-" PARENT "_01", 0 },
    { "00-" NO_ID "-" PARENT "-01", 0 },
    { "00-" TRACE "-0000000000000000-01", 0 },
    { "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01", 0 },
    { "00-" TRACE "-00F067AA0BA902B7-01", 0 },
    { "00-" TRACE "-" PARENT "-0A", 0 },
    { "00-" TRACE "-" PARENT "-0g", 0 },
    { "00-4bf92f3577b34da6a3ce929d0e0e473-" PARENT "-01", 0 },
    { "00-" TRACE "-" PARENT "-1", 0 },
    { "00-" TRACE "-" PARENT "-", 0 },
    { "00-" TRACE "-" PARENT, 0 },
    { " 00-" TRACE "-" PARENT "-01", 0 },
    { "00-" TRACE "-" PARENT "-01 ", 0 },
    { "00-" TRACE "-" PARENT "-01,00-" TRACE "-" PARENT "-01", 0 },
    { "-", 0 },
    { "", 0 }
};


START_TEST(test_traceparent)
{
    ck_assert_msg(ngx_http_mint_web_traceparent(BYTES(traces[_i].text))
                  == traces[_i].is_good, "%s", traces[_i].text);
}
END_TEST


START_TEST(test_traceparent_longest)
{
    uint8_t  text[NGX_HTTP_MINT_TRACE_MAX + 1];

    memset(text, '-', sizeof(text));
    memcpy(text, "01-" TRACE "-" PARENT "-01", NGX_HTTP_MINT_TRACE_LEN);

    ck_assert(ngx_http_mint_web_traceparent(text, sizeof(text) - 1));
    ck_assert(!ngx_http_mint_web_traceparent(text, sizeof(text)));
}
END_TEST


START_TEST(test_make_traceparent)
{
    size_t    i;
    uint8_t   text[NGX_HTTP_MINT_TRACE_LEN];

    static const struct {
        uint64_t     words[3];
        const char  *text;
    } rows[] = {
        { { 0x0123456789abcdef, 0xfedcba9876543210, 0xa5 },
          "00-0123456789abcdeffedcba9876543210-00000000000000a5-01" },
        { { 0, 0, 0 },
          "00-00000000000000000000000000000001-0000000000000001-01" },
        { { UINT64_MAX, 0, UINT64_MAX },
          "00-ffffffffffffffff0000000000000001-ffffffffffffffff-01" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ngx_http_mint_web_make_traceparent(text, rows[i].words,
                                           rows[i].words[2]);
        ck_assert_mem_eq(text, rows[i].text, sizeof(text));
        ck_assert(ngx_http_mint_web_traceparent(text, sizeof(text)));
    }
}
END_TEST


START_TEST(test_is_header_list)
{
    char  text[NGX_HTTP_MINT_HEADER_LIST_MAX + 2];

    ck_assert(ngx_http_mint_web_is_header_list(BYTES("")));
    ck_assert(ngx_http_mint_web_is_header_list(BYTES("content-type")));
    ck_assert(ngx_http_mint_web_is_header_list(BYTES("A, b_c,\x60x'1!#$%&*+.^"
                                                     "|~")));
    ck_assert(!ngx_http_mint_web_is_header_list(BYTES("a:b")));
    ck_assert(!ngx_http_mint_web_is_header_list(BYTES("a\tb")));
    ck_assert(!ngx_http_mint_web_is_header_list(BYTES("a\x7f")));
    ck_assert(!ngx_http_mint_web_is_header_list(BYTES("a\xc3\xbc")));
    ck_assert(!ngx_http_mint_web_is_header_list(BYTES("\"a\"")));
    ck_assert(!ngx_http_mint_web_is_header_list((const uint8_t *) "a\0b", 3));

    memset(text, 'a', sizeof(text));
    ck_assert(ngx_http_mint_web_is_header_list((const uint8_t *) text,
                                               sizeof(text) - 2));
    ck_assert(!ngx_http_mint_web_is_header_list((const uint8_t *) text,
                                                sizeof(text) - 1));
}
END_TEST


static const struct {
    const char  *text;
    const char  *path;
} paths[] = {
    { "", "/" },
    { "/", "/" },
    { "/tiny/", "/tiny/" },
    { "/tiny", "/tiny" },
    { "/tiny/x.html?a=/b#c", "/tiny/x.html" },
    { "/tiny#/b", "/tiny" },
    { "?x", "/" },
    { "//tiny///x", "/tiny/x" },
    { "/%74iny/", "/tiny/" },
    { "/%2ftiny", "/tiny" },
    { "/%2Ftiny%2f", "/tiny/" },
    { "/./tiny/.", "/tiny/" },
    { "/a/../tiny/x/..", "/tiny/" },
    { "/../../tiny", "/tiny" },
    { "/..", "/" },
    { "/a/%2e%2E/tiny", "/tiny" },
    { "/a/.%2e", "/" },
    { "/a/..b/...", "/a/..b/..." },
    { "/a/b/../../../c", "/c" },
    { "/%", "/%" },
    { "/%4", "/%4" },
    { "/%zz", "/%zz" },
    { "/%25zz", "/%zz" },
    { "x", "/x" }
};


START_TEST(test_path)
{
    size_t   len;
    uint8_t  to[64];

    len = ngx_http_mint_web_path(to, BYTES(paths[_i].text));

    ck_assert_msg(len == strlen(paths[_i].path)
                  && memcmp(to, paths[_i].path, len) == 0, "%s: %.*s",
                  paths[_i].text, (int) len, (const char *) to);
}
END_TEST


START_TEST(test_is_under)
{
    size_t  i;

    static const struct {
        const char  *path;
        int          is_under;
    } rows[] = {
        { "/api/admin", 1 }, { "/api/admin/", 1 }, { "/api/admin/x/y", 1 },
        { "//api///admin/x", 1 }, { "/api/admins", 0 }, { "/api/Admin", 0 },
        { "/api/x/admin", 0 }, { "/api", 0 }, { "/admin", 0 }, { "/", 0 },
        { "", 0 }, { "/apiadmin", 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_msg(ngx_http_mint_web_is_under(BYTES(rows[i].path), "api",
                                                 "admin")
                      == rows[i].is_under, "%s", rows[i].path);
    }
}
END_TEST


START_TEST(test_is_sign_in)
{
    size_t  i;

    static const struct {
        const char  *path;
        int          is_sign_in;
    } rows[] = {
        { "/api/auth/login", 1 }, { "/api/auth/sso/eduid/callback", 1 },
        { "/api/auth", 1 }, { "//api//auth//login", 1 },
        { "/api/auth/refresh", 0 }, { "/api/auth/logout", 0 },
        { "/api/auth/verify", 0 }, { "/api/auth/refreshed", 1 },
        { "/api/passkey/login/finish", 1 }, { "/api/setup/initial", 1 },
        { "/api/users/register", 1 }, { "/api/users/7", 0 },
        { "/api/users", 0 }, { "/api/experiments", 0 }, { "/api", 0 },
        { "/auth/login", 0 }, { "/", 0 }, { "", 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_msg(ngx_http_mint_web_is_sign_in(BYTES(rows[i].path))
                      == rows[i].is_sign_in, "%s", rows[i].path);
    }
}
END_TEST


START_TEST(test_hex)
{
    char                   expected[24];
    size_t                 i;
    uint8_t                text[24];
    static const uint64_t  words[] = {
        0, 9, 10, 0x0123456789abcdefULL, 0xfedcba9876543210ULL,
        0xffffffffffffffffULL, 0x8000000000000001ULL
    };

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        memset(text, 0, sizeof(text));
        snprintf(expected, sizeof(expected), "%016llx",
                 (unsigned long long) words[i]);
        ck_assert_ptr_eq(ngx_http_mint_web_hex(text, words[i]), text + 16);
        ck_assert_str_eq((char *) text, expected);
    }
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("web");
    tcase = tcase_create("web");

    tcase_add_loop_test(tcase, test_is_forwarding, 0, COUNT(names));
    tcase_add_loop_test(tcase, test_scheme, 0, COUNT(schemes));
    tcase_add_loop_test(tcase, test_traceparent, 0, COUNT(traces));
    tcase_add_test(tcase, test_traceparent_longest);
    tcase_add_test(tcase, test_make_traceparent);
    tcase_add_test(tcase, test_is_header_list);
    tcase_add_loop_test(tcase, test_path, 0, COUNT(paths));
    tcase_add_test(tcase, test_is_under);
    tcase_add_test(tcase, test_is_sign_in);
    tcase_add_test(tcase, test_hex);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
