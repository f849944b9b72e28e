/* SPDX-License-Identifier: MIT */
/*
 * The rows of tests/attacks that are for ngx_http_mint_text.c alone; the same
 * tables go through nginx in the integration tests.
 */

#include "ngx_mint_module/ngx_http_mint_target.c"
#include "ngx_mint_module/ngx_http_mint_text.c"

#include <stdio.h>
#include <stdlib.h>

#include <check.h>
#include <jansson.h>


#define TEXT_MAX  16384


static json_t  *paths, *headers;


/* a character is a byte, @{x*9} is nine of x; returns the length */

static size_t
expand(uint8_t *to, const json_t *text)
{
    long         times;
    size_t       n;
    uint8_t      c;
    char        *end;
    const char  *p, *last;

    n = 0;
    p = json_string_value(text);
    ck_assert_ptr_nonnull(p);
    last = p + json_string_length(text);

    while (p < last) {
        times = 1;
        c = (uint8_t) *p++;

        if (c == '@' && *p == '{') {
            c = (uint8_t) p[1];
            times = strtol(p + 3, &end, 10);
            p = end + 1;

        } else if (c >= 0x80) {
            ck_assert_uint_le(c, 0xc3);
            c = (uint8_t) (c << 6 | ((uint8_t) *p++ & 0x3f));
        }

        ck_assert_uint_le(n + (size_t) times, TEXT_MAX);
        memset(to + n, c, (size_t) times);
        n += (size_t) times;
    }

    return n;
}


/* what this file can know of a target: not where it is routed */

static int
is_about_text(const char *reason)
{
    size_t                    i;
    static const char *const  reasons[] = {
        "encoded slash in the path", "backslash in the path",
        "dot segment in the path", "fragment in the request target",
        "path parameter in the path"
    };

    for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (strcmp(reasons[i], reason) == 0) {
            return 1;
        }
    }

    return 0;
}


START_TEST(test_path)
{
    size_t           len;
    uint8_t          raw[TEXT_MAX];
    const char      *target, *reason, *backend, *said;
    const json_t    *row;

    row = json_array_get(json_object_get(paths, "cases"), (size_t) _i);
    target = json_string_value(json_object_get(row, "target"));
    reason = json_string_value(json_object_get(row, "reason"));
    backend = json_string_value(json_object_get(row, "backend"));

    /* nginx takes the host away before */

    if (target[0] != '/') {
        return;
    }

    len = expand(raw, json_object_get(row, "target"));
    said = ngx_http_mint_target_ambiguous(raw, len);

    if (reason != NULL && is_about_text(reason)) {
        ck_assert_msg(said != NULL && strcmp(said, reason) == 0,
                      "%s: \"%s\"", target, said);

    } else if (backend != NULL && strcmp(backend, "platform") != 0) {
        ck_assert_msg(said == NULL, "%s: \"%s\"", target, said);
    }
}
END_TEST


START_TEST(test_names)
{
    size_t          i, len;
    uint8_t         name[TEXT_MAX];
    const json_t   *list, *item;

    list = json_object_get(headers, "forged");
    ck_assert_uint_gt(json_array_size(list), 0);

    json_array_foreach(list, i, item) {
        len = expand(name, item);
        ck_assert_msg(ngx_http_mint_text_forged_name(name, len), "%s",
                      json_string_value(item));
    }

    list = json_object_get(headers, "passed");
    ck_assert_uint_gt(json_array_size(list), 0);

    json_array_foreach(list, i, item) {
        len = expand(name, item);
        ck_assert_msg(!ngx_http_mint_text_forged_name(name, len), "%s",
                      json_string_value(item));
    }
}
END_TEST


static json_t *
load(const char *path)
{
    json_t        *root;
    json_error_t   why;

    root = json_load_file(path, JSON_ALLOW_NUL, &why);

    if (root == NULL) {
        fprintf(stderr, "%s:%d: %s (run from the root of the sources)\n",
                path, why.line, why.text);
        exit(EXIT_FAILURE);
    }

    return root;
}


int
main(void)
{
    int       failed, count;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    paths = load("tests/attacks/paths.json");
    headers = load("tests/attacks/headers.json");
    count = (int) json_array_size(json_object_get(paths, "cases"));

    suite = suite_create("module attacks");
    tcase = tcase_create("tables");
    tcase_add_loop_test(tcase, test_path, 0, count);
    tcase_add_test(tcase, test_names);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    json_decref(paths);
    json_decref(headers);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
