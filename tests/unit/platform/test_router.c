/* SPDX-License-Identifier: MIT */
/*
 * Matching of paths, and that no row of the real tables hides another.
 */

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "platform/api.h"
#include "platform/router.h"


static void
handler(struct call *call)
{
    (void) call;
}


static const struct route  table[] = {
    { "GET", "/", 0, NULL, 0, handler, "0" },
    { "GET", "/api/things", 0, NULL, 0, handler, "1" },
    { "POST", "/api/things", 0, NULL, 0, handler, "2" },
    { "GET", "/api/things/types", 0, NULL, 0, handler, "3" },
    { "GET", "/api/things/{#id}", 0, NULL, 0, handler, "4" },
    { "GET", "/api/names/by/{+rest}", 0, NULL, 0, handler, "5" },
    { "GET", "/api/names/{name}/parts/{part}", 0, NULL, 0, handler, "6" },
    { "PUT", "/api/names/{name}", 0, NULL, 0, handler, "7" }
};


static const struct {
    const char         *method;
    const char         *path;
    enum route_result   result;
    const char         *row;
    const char         *first;
    const char         *second;
} cases[] = {
    { "GET", "/", ROUTE_FOUND, "0", NULL, NULL },
    { "HEAD", "/", ROUTE_FOUND, "0", NULL, NULL },
    { "GET", "", ROUTE_NONE, NULL, NULL, NULL },
    { "GET", "api/things", ROUTE_NONE, NULL, NULL, NULL },
    { "GET", "//", ROUTE_NONE, NULL, NULL, NULL },
    { "GET", "/api/things", ROUTE_FOUND, "1", NULL, NULL },
    { "POST", "/api/things", ROUTE_FOUND, "2", NULL, NULL },
    { "DELETE", "/api/things", ROUTE_NONE, NULL, NULL, NULL },
    { "GET", "/api/things/", ROUTE_NONE, NULL, NULL, NULL },
    { "GET", "/api//things", ROUTE_NONE, NULL, NULL, NULL },
    { "GET", "/api/thing", ROUTE_NONE, NULL, NULL, NULL },
    { "GET", "/api/thingss", ROUTE_NONE, NULL, NULL, NULL },
    { "GET", "/api/things/types", ROUTE_FOUND, "3", NULL, NULL },
    { "GET", "/api/things/12", ROUTE_FOUND, "4", "12", NULL },
    { "GET", "/api/things/12a", ROUTE_NONE, NULL, NULL, NULL },
    { "GET", "/api/things/%31", ROUTE_NONE, NULL, NULL, NULL },
    { "GET", "/api/names/by/a/b%20c", ROUTE_FOUND, "5", "a/b c", NULL },
    { "GET", "/api/names/by/", ROUTE_NONE, NULL, NULL, NULL },
    { "GET", "/api/names/x/parts/y", ROUTE_FOUND, "6", "x", "y" },
    { "GET", "/api/names/a%2Fb/parts/%C3%A9", ROUTE_FOUND, "6", "a/b",
      "\xc3\xa9" },
    { "GET", "/api/names//parts/y", ROUTE_NONE, NULL, NULL, NULL },
    { "PUT", "/api/names/%zz", ROUTE_BAD_PATH, NULL, NULL, NULL },
    { "PUT", "/api/names/%4", ROUTE_BAD_PATH, NULL, NULL, NULL },
    { "PUT", "/api/names/%", ROUTE_BAD_PATH, NULL, NULL, NULL },
    { "PUT", "/api/names/%00", ROUTE_BAD_PATH, NULL, NULL, NULL },
    { "PUT", "/api/names/a%0ab", ROUTE_BAD_PATH, NULL, NULL, NULL },
    { "PUT", "/api/names/%ff", ROUTE_BAD_PATH, NULL, NULL, NULL },
    { "PUT", "/api/names/%ed%a0%80", ROUTE_BAD_PATH, NULL, NULL, NULL },
    { "PUT", "/api/names/a+b", ROUTE_FOUND, "7", "a+b", NULL }
};


START_TEST(test_paths)
{
    enum route_result     result;
    const struct route   *route;
    struct route_params   params;

    result = router_find(table, sizeof(table) / sizeof(table[0]),
                         cases[_i].method, cases[_i].path, &route, &params);

    ck_assert_msg(result == cases[_i].result, "%s", cases[_i].path);

    if (result != ROUTE_FOUND) {
        ck_assert_ptr_null(route);
        return;
    }

    ck_assert_str_eq(route->help, cases[_i].row);

    if (cases[_i].first != NULL) {
        ck_assert_str_eq(params.value[0], cases[_i].first);
    }

    if (cases[_i].second != NULL) {
        ck_assert_uint_eq(params.count, 2);
        ck_assert_str_eq(params.value[1], cases[_i].second);
    }
}
END_TEST


START_TEST(test_long_segment)
{
    char                  path[ROUTE_PARAM_BYTES + 32];
    const struct route   *route;
    struct route_params   params;

    memset(path, 'x', sizeof(path));
    memcpy(path, "/api/names/", 11);

    path[11 + ROUTE_PARAM_BYTES - 1] = '\0';
    ck_assert_int_eq(router_find(table, 8, "PUT", path, &route, &params),
                     ROUTE_FOUND);

    path[11 + ROUTE_PARAM_BYTES - 1] = 'x';
    path[11 + ROUTE_PARAM_BYTES] = '\0';
    ck_assert_int_eq(router_find(table, 8, "PUT", path, &route, &params),
                     ROUTE_BAD_PATH);
}
END_TEST


/* each row of the real tables is reached by a path made from its pattern */

START_TEST(test_no_row_is_hidden)
{
    char                  path[256];
    char                 *to;
    size_t                i;
    size_t                count;
    const char           *from;
    const struct route   *routes;
    const struct route   *found;
    struct route_params   params;

    routes = routes_of((enum http_side) _i, &count);

    for (i = 0; i < count; i++) {
        to = path;

        for (from = routes[i].pattern; *from != '\0'; from++) {
            if (*from == '{') {
                *to++ = '7';
                from = strchr(from, '}');
            } else {
                *to++ = *from;
            }
        }

        *to = '\0';
        ck_assert_int_eq(router_find(routes, count, routes[i].method, path,
                                     &found, &params), ROUTE_FOUND);
        ck_assert_msg(found == &routes[i], "%s is hidden",
                      routes[i].pattern);
        ck_assert_ptr_nonnull(routes[i].help);
        ck_assert_ptr_nonnull((void *) (uintptr_t) routes[i].handler);
        ck_assert(routes[i].permission == NULL
                  || permission_bit(routes[i].permission) != 0);
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

    suite = suite_create("router");
    tcase = tcase_create("router");
    tcase_add_loop_test(tcase, test_paths, 0,
                        sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tcase, test_long_segment);
    tcase_add_loop_test(tcase, test_no_row_is_hidden, 0, 2);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
