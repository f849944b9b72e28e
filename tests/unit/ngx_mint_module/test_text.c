/* SPDX-License-Identifier: MIT */
/*
 * The module's judgements about bytes from clients, from tables.  The sources
 * are included: the module has no archive to link with.
 */

#include "ngx_mint_module/ngx_http_mint_target.c"
#include "ngx_mint_module/ngx_http_mint_text.c"

#include <stdio.h>
#include <stdlib.h>

#include <check.h>


#define BYTES(text)  (const uint8_t *) (text), strlen(text)


static const struct {
    const char  *name;
    int          is_forged;
} names[] = {
    { "X-MINT-User-Id", 1 },
    { "x-mint-", 1 },
    { "x-mint", 0 },
    { "X_MINT_USER_ID", 1 },
    { "x-Mint_user-id", 1 },
    { "x-mint-job-session", 0 },
    { "X-MINT-JOB-DEFINITION", 0 },
    { "x_mint_job_session", 1 },
    { "x-mint-job_session", 1 },
    { "x-mint-job-sessions", 1 },
    { "x-mint-job-sessio", 1 },
    { "x-minty", 0 },
    { "mint-user-id", 0 },
    { "x-request-id", 0 },
    { "", 0 }
};


START_TEST(test_forged_name)
{
    ck_assert_msg(ngx_http_mint_text_forged_name(BYTES(names[_i].name))
                  == names[_i].is_forged, "%s", names[_i].name);
}
END_TEST


static const struct {
    const char  *raw;
    const char  *reason;        /* a part of it, NULL = not ambiguous */
} targets[] = {
    { "/", NULL },
    { "/api/tiny/x?y=/../%2f#", NULL },
    { "/a.b/..c/c../.../.x/x.", NULL },
    { "/a/%2e%2e%2e/b", NULL },
    { "/a;b=/c", "parameter" },
    { "/a;", "parameter" },
    { "/..;/a", "parameter" },
    { "/a%3bb", NULL },
    { "/a/..%3b/b", "dot" },
    { "/a/.%3Bx", "dot" },
    { "/a/...%3b", NULL },
    { "/a%", NULL },
    { "/a%2", NULL },
    { "/a%zz", NULL },
    { "/a%252fb", NULL },
    { "/a%2fb", "slash" },
    { "/a%2Fb", "slash" },
    { "/a\\b", "backslash" },
    { "/a%5cb", "backslash" },
    { "/a%00b", "NUL" },
    { "/a/./b", "dot" },
    { "/a/../b", "dot" },
    { "/a/%2e/b", "dot" },
    { "/a/.%2E/b", "dot" },
    { "/a/%2e%2e", "dot" },
    { "/a/.", "dot" },
    { "/a/..?x", "dot" },
    { "/..", "dot" },
    { "/a#b", "fragment" },
    { "", NULL }
};


START_TEST(test_ambiguous)
{
    const char  *reason;

    reason = ngx_http_mint_target_ambiguous(BYTES(targets[_i].raw));

    if (targets[_i].reason == NULL) {
        ck_assert_msg(reason == NULL, "%s: %s", targets[_i].raw, reason);

    } else {
        ck_assert_msg(reason != NULL
                      && strstr(reason, targets[_i].reason) != NULL,
                      "%s: %s", targets[_i].raw, reason ? reason : "none");
    }
}
END_TEST


static const struct {
    const char  *raw;
    const char  *head;
    int          has;
} heads[] = {
    { "/api/tiny/x", "/api/tiny", 1 },
    { "/api/tiny", "/api/tiny", 1 },
    { "/api/tiny?x", "/api/tiny", 1 },
    { "/api/tiny#x", "/api/tiny", 1 },
    { "/%61pi/t%69ny/", "/api/tiny", 1 },
    { "/api/tiny%2fx", "/api/tiny", 1 },
    { "/api/tinyx", "/api/tiny", 0 },
    { "/api/tin", "/api/tiny", 0 },
    { "//api/tiny", "/api/tiny", 0 },
    { "/api//tiny", "/api/tiny", 0 },
    { "/api?/tiny", "/api?/tiny", 0 },
    { "/api%2", "/api%2", 1 },
    { "", "/", 0 },
    { "/x", "", 1 }
};


START_TEST(test_has_head)
{
    ck_assert_msg(ngx_http_mint_target_has_head(BYTES(heads[_i].raw),
                                                BYTES(heads[_i].head))
                  == heads[_i].has, "%s", heads[_i].raw);
}
END_TEST


static const struct {
    const char  *raw;
    const char  *decoded;
    const char  *bare;          /* without parameters and empty segments */
} readings[] = {
    { "/a/b?c/d", "/a/b", "/a/b" },
    { "/%61%2fb%3fc#d", "/a/b?c", "/a/b?c" },
    { "//a%2f/../b", "//a//../b", "/a/../b" },
    { "/a;x=1/b;y", "/a;x=1/b;y", "/a/b" },
    { "/;/;x/a%3b/b", "/;/;x/a;/b", "/a/b" },
    { "/a;x;y/", "/a;x;y/", "/a/" },
    { "/a%2", "/a%2", "/a%2" },
    { ";", ";", "" },
    { "?", "", "" }
};


START_TEST(test_readings)
{
    size_t   len;
    uint8_t  text[64];

    len = ngx_http_mint_target_decode_path(text, BYTES(readings[_i].raw));
    text[len] = '\0';
    ck_assert_str_eq((char *) text, readings[_i].decoded);

    len = ngx_http_mint_target_drop_parameters(text, len);
    text[len] = '\0';
    ck_assert_str_eq((char *) text, readings[_i].bare);
}
END_TEST


static const struct {
    const char  *path;
    int          is_hidden;
} paths[] = {
    { "/__mint", 1 }, { "/__mint/events", 1 }, { "//__mint//x", 1 },
    { "/__mintx", 0 }, { "/a/__mint", 0 },
    { "/__mint;x/y", 1 }, { "/;x/__mint", 1 }, { "/__min;t", 0 },
    { "/api;x/;/internal;y/z", 1 },
    { "/api/internal", 1 }, { "/api/internal/x", 1 },
    { "/api//internal", 1 }, { "//api/internal/", 1 },
    { "/api/internals", 0 }, { "/api/x/internal", 0 },
    { "/internal", 0 }, { "/api", 0 }, { "/", 0 }, { "", 0 }
};


START_TEST(test_hidden)
{
    ck_assert_msg(ngx_http_mint_target_hidden(BYTES(paths[_i].path))
                  == paths[_i].is_hidden, "%s", paths[_i].path);
}
END_TEST


static const struct {
    const char  *header;
    unsigned     count;
    const char  *value;
} cookies[] = {
    { "c=1", 1, "1" },
    { "a=b; c=1; d=e", 1, "1" },
    { " \t c \t = \t 1 \t ;x", 1, "1" },
    { "c=", 1, "" },
    { "c=a=b", 1, "a=b" },
    { "c=1;c=2", 2, "2" },
    { "c=1; c=", 2, "" },
    { "c", 0, NULL },
    { "C=1", 0, NULL },
    { "cc=1", 0, NULL },
    { "x c=1", 0, NULL },
    { "=c", 0, NULL },
    { ";;;", 0, NULL },
    { "", 0, NULL },
    { "a=\"; c=1; \"", 1, "1" }
};


START_TEST(test_cookie)
{
    unsigned              count;
    ngx_http_mint_text_t  value;

    count = ngx_http_mint_text_cookie(BYTES(cookies[_i].header), "c", 1,
                                      &value);

    ck_assert_msg(count == cookies[_i].count, "%s", cookies[_i].header);

    if (count != 0) {
        ck_assert_uint_eq(value.len, strlen(cookies[_i].value));
        ck_assert(memcmp(value.data, cookies[_i].value, value.len) == 0);
    }
}
END_TEST


START_TEST(test_sets_cookie)
{
    ck_assert(ngx_http_mint_text_sets_cookie(BYTES("c=1; Path=/"), "c", 1));
    ck_assert(ngx_http_mint_text_sets_cookie(BYTES(" c = 1"), "c", 1));
    ck_assert(ngx_http_mint_text_sets_cookie(BYTES("=c=1; Path=/"), "c", 1));
    ck_assert(ngx_http_mint_text_sets_cookie(BYTES("\t= =c=1"), "c", 1));
    ck_assert(!ngx_http_mint_text_sets_cookie(BYTES("="), "c", 1));
    ck_assert(!ngx_http_mint_text_sets_cookie(BYTES("=d=1"), "c", 1));
    ck_assert(!ngx_http_mint_text_sets_cookie(BYTES("d=1; c=2"), "c", 1));
    ck_assert(!ngx_http_mint_text_sets_cookie(BYTES("d=c=2"), "c", 1));
    ck_assert(!ngx_http_mint_text_sets_cookie(BYTES(""), "c", 1));
}
END_TEST


static const struct {
    const char  *header;
    const char  *token;         /* NULL = none */
} bearers[] = {
    { "Bearer x", "x" },
    { "bearer x", "x" },
    { "BEARER   x  ", "x" },
    { "Bearer a b", "a b" },
    { "Bearer", NULL },
    { "Bearer ", NULL },
    { "Bearer\tx", NULL },
    { "Bearerx", NULL },
    { "B", NULL },
    { "", NULL },
    { "Basic x", NULL }
};


START_TEST(test_bearer)
{
    int                   found;
    ngx_http_mint_text_t  token;

    found = ngx_http_mint_text_bearer(BYTES(bearers[_i].header), &token);

    ck_assert_int_eq(found, bearers[_i].token != NULL);

    if (found) {
        ck_assert_uint_eq(token.len, strlen(bearers[_i].token));
        ck_assert(memcmp(token.data, bearers[_i].token, token.len) == 0);
    }
}
END_TEST


START_TEST(test_personal_token)
{
    char  text[NGX_HTTP_MINT_PAT_LEN + 2];

    memset(text, 'a', sizeof(text));
    memcpy(text, NGX_HTTP_MINT_PAT_PREFIX,
           sizeof(NGX_HTTP_MINT_PAT_PREFIX) - 1);
    text[NGX_HTTP_MINT_PAT_LEN] = '\0';

    ck_assert(ngx_http_mint_text_is_pat(BYTES("mint_pat_")));
    ck_assert(!ngx_http_mint_text_is_pat(BYTES("mint_pat")));
    ck_assert(!ngx_http_mint_text_is_pat(BYTES("Mint_pat_x")));
    ck_assert(ngx_http_mint_text_is_whole_pat(BYTES(text)));
    ck_assert(!ngx_http_mint_text_is_whole_pat(BYTES("mint_pat_")));

    text[20] = '+';
    ck_assert(!ngx_http_mint_text_is_whole_pat(BYTES(text)));
    text[20] = '_';
    text[NGX_HTTP_MINT_PAT_LEN - 1] = '-';
    ck_assert(ngx_http_mint_text_is_whole_pat(BYTES(text)));
    text[NGX_HTTP_MINT_PAT_LEN] = 'a';
    text[NGX_HTTP_MINT_PAT_LEN + 1] = '\0';
    ck_assert(!ngx_http_mint_text_is_whole_pat(BYTES(text)));
}
END_TEST


static const struct {
    const char  *name;
    const char  *value;
} values[] = {
    { "al", "al" },
    { "a b", "a b" },
    { " a ", "%20a%20" },
    { "50%", "50%25" },
    { "Jos\xc3\xa9", "Jos%C3%A9" },
    { "a\r\nb", "a%0D%0Ab" },
    { "\x7f", "%7F" },
    { " ", "%20" },
    { "", "" }
};


START_TEST(test_header_value)
{
    size_t   len;
    uint8_t  text[64];

    len = ngx_http_mint_text_header_value(NULL, BYTES(values[_i].name));
    ck_assert_uint_eq(len, strlen(values[_i].value));
    ck_assert_uint_eq(ngx_http_mint_text_header_value(text,
                                                      BYTES(values[_i].name)),
                      len);
    ck_assert(memcmp(text, values[_i].value, len) == 0);
    ck_assert(len == 0 || ngx_http_mint_text_is_header_safe(text, len));
}
END_TEST


START_TEST(test_header_safe)
{
    ck_assert(ngx_http_mint_text_is_header_safe(BYTES("[\"a b\"]")));
    ck_assert(!ngx_http_mint_text_is_header_safe(BYTES("")));
    ck_assert(!ngx_http_mint_text_is_header_safe(BYTES(" a")));
    ck_assert(!ngx_http_mint_text_is_header_safe(BYTES("a ")));
    ck_assert(!ngx_http_mint_text_is_header_safe(BYTES("a\nb")));
    ck_assert(!ngx_http_mint_text_is_header_safe(BYTES("a\x80")));
}
END_TEST


START_TEST(test_request_id)
{
    char  text[NGX_HTTP_MINT_REQUEST_ID_MAX + 2];

    ck_assert(ngx_http_mint_text_request_id(BYTES("a.B_9-")));
    ck_assert(!ngx_http_mint_text_request_id(BYTES("")));
    ck_assert(!ngx_http_mint_text_request_id(BYTES("a b")));
    ck_assert(!ngx_http_mint_text_request_id(BYTES("a:b")));
    ck_assert(!ngx_http_mint_text_request_id(BYTES("[")));
    ck_assert(!ngx_http_mint_text_request_id(BYTES("@")));

    memset(text, 'x', sizeof(text));
    ck_assert(ngx_http_mint_text_request_id((uint8_t *) text,
                                            NGX_HTTP_MINT_REQUEST_ID_MAX));
    ck_assert(!ngx_http_mint_text_request_id((uint8_t *) text,
                                             NGX_HTTP_MINT_REQUEST_ID_MAX
                                             + 1));
}
END_TEST


#define LOOP(tcase, test, table)                                              \
    tcase_add_loop_test(tcase, test, 0,                                       \
                        (int) (sizeof(table) / sizeof((table)[0])))


START_TEST(test_numbers)
{
    char                   expected[24];
    size_t                 i;
    uint8_t                text[24];
    static const uint64_t  numbers[] = {
        0, 7, 9, 10, 99, 100, 4294967295ULL, 4294967296ULL,
        0x0123456789abcdefULL, 0xfedcba9876543210ULL, 0xffffffffffffffffULL
    };

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        memset(text, 0, sizeof(text));
        snprintf(expected, sizeof(expected), "%llu",
                 (unsigned long long) numbers[i]);
        ck_assert_uint_eq(ngx_http_mint_text_number(text, numbers[i]),
                          strlen(expected));
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

    suite = suite_create("module text");
    tcase = tcase_create("text");

    LOOP(tcase, test_forged_name, names);
    LOOP(tcase, test_ambiguous, targets);
    LOOP(tcase, test_has_head, heads);
    LOOP(tcase, test_readings, readings);
    LOOP(tcase, test_hidden, paths);
    LOOP(tcase, test_cookie, cookies);
    LOOP(tcase, test_bearer, bearers);
    LOOP(tcase, test_header_value, values);
    tcase_add_test(tcase, test_sets_cookie);
    tcase_add_test(tcase, test_personal_token);
    tcase_add_test(tcase, test_header_safe);
    tcase_add_test(tcase, test_request_id);
    tcase_add_test(tcase, test_numbers);

    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
